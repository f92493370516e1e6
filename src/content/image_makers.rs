//! Images from the site's code: out of a database, or uploaded by a visitor. Static files are elsewhere.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use sha2::{Digest, Sha256};

use super::{ContentManager, drawn_images::failed};
use crate::{
    codec::{Format as ImageFormat, Recipe, Refusal, convert, probe},
    error::{BoxError, Error, ErrorKind, Result},
    fields::{digest::ContentDigest, entity_tag::EntityTag},
    images::{
        ImageSettings, Images,
        accept::AcceptClass,
        converted::{ConvertedImage, ImageInput, Input},
        engine::{Engine, SourceImage},
        serve::{UnloadedImage, Variant, described, refused, whole},
        variant::{Plan, VariantRequest, key_of_original},
    },
    representation::Representation,
};

impl ContentManager {
    /// Converts and resizes images: each static file that is an image is sent in the format that suits the client, in the
    /// width that the URL asks for, and templates get `picture` and `srcset`. Default: files are sent as they are.
    ///
    /// Read are JPEG, PNG, WebP, GIF, BMP, TIFF and BigTIFF (grey, palettes, RGB, YCbCr and CMYK, in strips or tiles), QOI, the
    /// anymaps (PBM, PGM, PPM, PAM) and icons, of which the largest picture counts.
    ///
    /// What a file is, its content decides and not its name: a JPEG that is called `photo.svg` is converted, and an SVG that is
    /// called `photo.jpg` is sent as it is. [`check`](Self::check) names both.
    ///
    /// The format is chosen by Accept among AVIF (feature `avif`), WebP, JPEG and PNG, in four classes of clients, with `Vary:
    /// accept`. AVIF and WebP are for clients that name them. Everyone else, `*/*` and a request without Accept among them, gets
    /// a JPEG as JPEG, a PNG as PNG, a GIF or BMP in its own width as it is, and all else as JPEG or PNG, by what it holds. A PNG or a GIF
    /// is never sent as JPEG but by its URL (`fmt=jpg`). An icon (`favicon.ico`) is sent as it is, unless its URL asks for a width or a format.
    /// The URL's parameters are `w` (a width of [`Images::with_widths`]; never wider than the image), `dpr` (1, 1.5,
    /// 2 or 3), `q` and `fmt` (`avif`, `webp`, `jpg`, `png`: no negotiation then); or the same as a last segment of the path,
    /// `hero.jpg/w640-q75.webp`. Any other parameter is answered with 400.
    ///
    /// Each variant has an ETag of its own that is known without converting. It is upright (by the first EXIF block), in sRGB
    /// (by what its profile does, not by what that is called) and without metadata. A PNG that is brighter than white (PQ or HLG by
    /// `cICP`) gets the tones of a screen that is not. What would be larger than the original is sent as the original, without its metadata; so is what is too large or cut off, and
    /// what is animated. SVG, AVIF and other kinds, and what can't be read at all, are sent as they are.
    pub fn with_images(self, images: Images) -> Self {
        self.with_settings(|settings| settings.images = ImageSettings::of(images))
    }

    /// An image that is there as bytes, such as an upload: negotiated and resized like a static one, by the parameters of the
    /// request's URL, as `picture('/avatar', size=(256, 256), alt='')` writes them in a template. Animations are sent without their metadata; SVG, AVIF and other kinds as they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Image`] where the bytes are broken, too large or no image: ask [`Images::inspect`] before you store them.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, images::Images};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let content = ContentManager::new("templates", "static")?.with_images(Images::new());
    /// let request = http::Request::get("/avatar?w=32").header("accept", "image/webp,*/*").body(())?;
    /// let upload = std::fs::read("static/img/logo.png")?;
    /// let avatar = content.image(request.uri(), upload)?;
    /// let response = CloudFront::new().respond(&request, avatar).await?;
    /// assert_eq!(response.headers()["content-type"], "image/webp");
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn image(&self, uri: &Uri, bytes: impl Into<Bytes>) -> Result<Representation> {
        let engine = self.engine();
        let wanted = match self.wanted_of(uri) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(refused(why)),
        };
        let bytes = bytes.into();
        let source = SourceImage { digest: ContentDigest::of(&bytes), bytes };
        match engine.header(&source) {
            Ok(header) => {
                let identity = source.digest;
                let variant = Variant { engine, source, header, wanted, identity };
                Ok(varied(variant.represent(None, |_| None), wanted))
            }
            Err(why) if passes(&why) => Ok(varied(as_it_is(source, why), wanted)),
            Err(why) => Err(failed(why)),
        }
    }

    /// An image that is costly to get, such as a blob in a database: `etag` gives its version at once, or `None` where there
    /// is none (as for [`asset_with`](Self::asset_with)), and `body` is called only if the client needs bytes. At one URL, an equal version means equal bytes. What could be made in time only, while a better variant is to come, is kept for an hour at
    /// most, whatever its Cache-Control says. The rest is as for [`image`](Self::image).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Asset`] where a closure fails; [`ErrorKind::Image`] when the body is made.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{BoxError, CloudFront, ContentManager};
    /// use http::Request;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// async fn version() -> Result<Option<&'static str>, BoxError> {
    ///     Ok(Some("row-7-version-3"))
    /// }
    /// async fn blob() -> Result<Vec<u8>, BoxError> {
    ///     Ok(std::fs::read("static/img/logo.png")?)
    /// }
    /// let content = ContentManager::new("templates", "static")?;
    /// let request = Request::get("/picture?w=32").body(())?;
    /// let picture = content.image_with(request.uri(), version, blob).await?;
    /// let response = CloudFront::new().respond(&request, picture).await?;
    ///
    /// let request = Request::get("/picture?w=32").header("if-none-match", &response.headers()["etag"]).body(())?;
    /// let picture = content.image_with(request.uri(), version, async || unreachable!("a 304 needs no bytes")).await?;
    /// # let _: Result<Vec<u8>, BoxError> = blob().await;
    /// assert_eq!(CloudFront::new().respond(&request, picture).await?.status(), 304);
    /// # Ok::<(), BoxError>(())
    /// # }).unwrap();
    /// ```
    pub async fn image_with<T, E, Tag, TagFuture, Load, LoadFuture>(
        &self,
        uri: &Uri,
        etag: Tag,
        body: Load,
    ) -> Result<Representation>
    where
        T: AsRef<str>,
        E: Into<BoxError>,
        Tag: FnOnce() -> TagFuture,
        TagFuture: Future<Output = Result<Option<T>, E>>,
        Load: FnOnce() -> LoadFuture + Send + 'static,
        LoadFuture: Future<Output = Result<Vec<u8>, E>> + Send,
    {
        let load = move || async move {
            body().await.map_err(|error| Error::caused(ErrorKind::Asset, "an image's body failed", error))
        };
        self.loaded(uri, etag, load, false).await
    }

    /// An image whose file is there when it is needed; `drawn` where the site's code has made it.
    pub(super) async fn loaded<T, E, Tag, TagFuture, Load, LoadFuture>(
        &self,
        uri: &Uri,
        etag: Tag,
        load: Load,
        drawn: bool,
    ) -> Result<Representation>
    where
        T: AsRef<str>,
        E: Into<BoxError>,
        Tag: FnOnce() -> TagFuture,
        TagFuture: Future<Output = Result<Option<T>, E>>,
        Load: FnOnce() -> LoadFuture + Send + 'static,
        LoadFuture: Future<Output = Result<Vec<u8>>> + Send,
    {
        let engine = self.engine();
        let version = etag().await.map_err(|error| Error::caused(ErrorKind::Asset, "an image's etag failed", error))?;
        let Some(version) = version else { return Ok(self.not_found().standing_in()) };
        let wanted = match self.wanted_of(uri) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(refused(why)),
        };
        let identity = Sha256::new().chain_update("the version of an image ").chain_update(version.as_ref());
        let identity = ContentDigest::finish(identity);
        let image = Representation::select(move |selection| {
            let tags = UnloadedImage { engine: &engine, identity, wanted }.tags(selection.headers);
            let fields = selection.headers.clone();
            let image = described(Representation::making(HeaderMap::new(), async move {
                let bytes = load().await?;
                // Two images of one version, at two URLs, are two images.
                let source = SourceImage { digest: ContentDigest::of(&bytes), bytes: bytes.into() };
                match probe(&source.bytes, engine.limits()) {
                    Ok(mut header) => {
                        header.drawn = drawn;
                        Variant { engine, source, header, wanted, identity }.make_whole(&fields).await
                    }
                    Err(why) if passes(&why) => Ok(whole(&source, &identity, &why)),
                    Err(why) => Err(failed(why)),
                }
            }));
            Ok(image.with_as_good(tags))
        });
        Ok(varied(image, wanted))
    }

    /// Converts an image, a file or a [`DynamicImage`](image::DynamicImage), to the format that an Accept field asks for, and to
    /// `default` where it names none. It is upright, in sRGB and without metadata, and may be larger than it was. Nothing is kept, and it takes as long as it takes: with less
    /// effort where [`Images::with_time`] would be too short.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Image`] where the bytes are broken, animated, of no format that can be read, or larger than the limits
    /// or the memory.
    pub async fn convert_by_accept(
        &self,
        image: impl Into<ImageInput>,
        accept: &str,
        default: ImageFormat,
    ) -> Result<ConvertedImage> {
        let engine = self.engine();
        let bytes = match image.into().0 {
            Input::File(bytes) => bytes,
            Input::Pixels(image) => self.file_of(image).await?.into(),
        };
        let mut fields = HeaderMap::new();
        fields.extend(HeaderValue::from_str(accept).ok().map(|accept| (header::ACCEPT, accept)));
        let best = match AcceptClass::of(&fields) {
            AcceptClass::Old => AcceptClass::named(&fields).unwrap_or(default),
            bucket => bucket.formats(None).iter().copied().find(|format| format.is_built()).unwrap_or(default),
        };
        let (limits, quality) = (*engine.limits(), engine.allowed.quality);
        let header = probe(&bytes, &limits).map_err(failed)?;
        let plans = Plan::ladder(best.alone(), None, quality);
        let plan = plans.iter().copied().find(|plan| engine.affords(&header, *plan)).or(plans.last().copied());
        let Some(plan) = plan.filter(|plan| engine.fits(&header, *plan)) else {
            return Err(Error::new(ErrorKind::Image, "an image would take more memory than there is to convert it"));
        };
        let recipe = Recipe { width: None, formats: plan.formats, quality, tier: plan.tier };
        let converted = engine.run(move || convert(&bytes, &header, &recipe, &limits)).await?.map_err(failed)?;
        Ok(ConvertedImage {
            media_type: converted.format.media_type(),
            bytes: converted.bytes.into(),
            width: converted.width,
            height: converted.height,
        })
    }

    /// What a URL asks for: in its query, or where the site's pages write paths, in its last segment. What is no list of
    /// parameters there is a part of the image's own path.
    fn wanted_of(&self, uri: &Uri) -> Result<VariantRequest, String> {
        let images = self.setup.settings.images.any();
        let allowed = &images.engine.allowed;
        let segment = uri.path().rsplit('/').next().filter(|_| images.path_urls && uri.query().is_none());
        let in_path = segment.and_then(|segment| allowed.read_segment(segment).ok());
        in_path.map_or_else(|| allowed.read_query(uri.query().unwrap_or_default()), Ok)
    }

    pub(super) fn engine(&self) -> Arc<Engine> {
        self.setup.settings.images.any().engine.clone()
    }
}

/// Whether an image is sent though it is not converted.
fn passes(why: &Refusal) -> bool {
    matches!(why, Refusal::Unsupported(_) | Refusal::Animated)
}

fn as_it_is(source: SourceImage, why: Refusal) -> Representation {
    let tag = EntityTag::of_digest(&key_of_original(&source.digest));
    described(Representation::making(HeaderMap::new(), async move { Ok(whole(&source, &source.digest, &why)) }))
        .with_computed_tag(tag)
}

fn varied(image: Representation, wanted: VariantRequest) -> Representation {
    match wanted.format {
        Some(_) => image,
        None => image.with_added_header(header::VARY, HeaderValue::from_static("accept")),
    }
}
