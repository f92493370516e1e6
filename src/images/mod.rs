//! Images: the format, size and bytes that suit each browser, decided on before they are made.
//!
//! [`Images`] says how a site's images are converted, and is given to
//! [`ContentManager::with_images`](crate::ContentManager::with_images). What a site makes or gets itself goes to
//! [`ContentManager::image`](crate::ContentManager::image) and
//! [`convert_by_accept`](crate::ContentManager::convert_by_accept); what visitors send is looked at by [`Images::inspect`].
//!
//! How a request gets its image, each step in the module of that name:
//!
//! 1. `variant` what a URL asks for, and how it could be made
//! 2. `accept` which formats a client takes, at the `edge` too
//! 3. `serve` which variant a request gets, with its tag, before anything is decoded
//! 4. `engine` variants are made, each once, and kept: in memory, on `disk`, or ahead (`prebuilt`), in folders whose
//!    `ownership` is looked at
//! 5. `markup` what templates show, and its `placeholder`
//! 6. `inspect` what an upload is; `converted` what a site gives and gets
//!
//! It does not know routes or caches in front.

pub(crate) mod accept;
pub(crate) mod converted;
mod disk;
mod edge;
pub(crate) mod engine;
mod inspect;
mod markup;
#[cfg(unix)]
mod ownership;
#[cfg(not(unix))]
#[path = "ownership_elsewhere.rs"]
mod ownership;
mod placeholder;
mod prebuilt;
pub(crate) mod serve;
pub(crate) mod variant;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use minijinja::Environment;

pub use converted::{ConvertedImage, ImageInput};
pub(crate) use engine::render;
pub use inspect::ImageInfo;
pub use prebuilt::Prebuilt;

pub use crate::codec::{Format as ImageFormat, ImageLimits, Kind as ImageKind};

use self::{
    engine::{ConversionResources, Engine},
    variant::AllowedVariants,
};
use crate::{
    codec,
    error::Result,
    fields::{digest::hex, media_type},
    files::{assets::Assets, path::AssetPath, urls::Urls},
    representation::Representation,
};

/// The functions of templates that show images.
pub(crate) const FUNCTIONS: [&str; 2] = ["picture", "srcset"];

/// How a site's images are converted and resized, and what that may cost: for
/// [`ContentManager::with_images`](crate::ContentManager::with_images).
///
/// Nothing has to be set. One value of it, and its clones, share one cache and one limit on work at once.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Embedded, images::Images};
///
/// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?.with_images(Images::new());
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
///
/// A site with a layout of its own, on a CDN that keys by path alone:
///
/// ```
/// use std::time::Duration;
/// use chalice_http_toolkit::images::{ImageLimits, Images};
///
/// let images = Images::new()
///     .with_widths([320, 640, 1280])
///     .with_quality(75)
///     .with_path_urls()
///     .with_limits(ImageLimits::default().with_pixels(24_000_000))
///     .with_time(Duration::from_secs(1));
/// ```
///
/// In a function with little memory, where results are kept on disk:
///
/// ```
/// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded, images::Images};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let folder = std::env::temp_dir().join("images-of-my-site");
/// # let folder = tempfile::tempdir()?;
/// let images = Images::new()
///     .with_qualities([60, 80])
///     .with_jobs(1)
///     .with_memory(200 << 20)
///     .with_cache(16 << 20)
///     .with_disk_cache(folder.as_ref(), 64 << 20);
/// let content = ContentManager::new(Embedded::new(&[]), "static")?.with_images(images);
/// for (url, status) in [("/static/img/logo.png?w=32&q=60", 200), ("/static/img/logo.png?w=32&q=61", 400)] {
///     let request = http::Request::get(url).header("accept", "image/webp").body(())?;
///     let image = content.static_file_at(request.uri());
///     assert_eq!(CloudFront::new().respond(&request, image).await?.status(), status);
/// }
/// assert_eq!(std::fs::read_dir(&folder)?.count(), 1);
/// # Ok::<(), chalice_http_toolkit::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Images {
    allowed: AllowedVariants,
    resources: ConversionResources,
    pub(crate) path_urls: bool,
    pub(crate) engine: Arc<Engine>,
}

impl Images {
    /// Images with the defaults that each `with_` method names.
    pub fn new() -> Self {
        let allowed = AllowedVariants { widths: WIDTHS.to_vec(), qualities: QUALITIES.to_vec(), quality: 80 };
        let resources = ConversionResources::default();
        let engine = Arc::new(Engine::new(allowed.clone(), resources.clone()));
        Self { allowed, resources, path_urls: false, engine }
    }

    /// The widths that a URL may ask for, in pixels: any other is refused with 400. Default: 16, 32, 48, 64, 96, 128, 256,
    /// 384, 640, 750, 828, 1080, 1200, 1920, 2048, 3840.
    pub fn with_widths(self, widths: impl IntoIterator<Item = u32>) -> Self {
        let mut widths: Vec<u32> = widths.into_iter().filter(|width| *width > 0).collect();
        widths.sort_unstable();
        widths.dedup();
        self.with(|images| images.allowed.widths = widths)
    }

    /// The qualities that a URL may ask for, from 1 to 100. Default: 50, 60, 75, 80, 90.
    pub fn with_qualities(self, qualities: impl IntoIterator<Item = u8>) -> Self {
        self.with(|images| {
            images.allowed.qualities = qualities.into_iter().map(|quality| quality.clamp(1, 100)).collect();
        })
    }

    /// The quality where a URL asks for none: one scale for all formats, on which 80 looks like a JPEG of 80. Default: 80.
    pub fn with_quality(self, quality: u8) -> Self {
        self.with(|images| images.allowed.quality = quality.clamp(1, 100))
    }

    /// What an image may measure; one that is larger is served as it is. Default: [`ImageLimits::default`].
    pub fn with_limits(self, limits: ImageLimits) -> Self {
        self.with(|images| images.resources.limits = limits)
    }

    /// How long a request waits for its image. What would take too long, by what is known before it is decoded, is made
    /// with less effort or in a cheaper format; where that was wrong, the original is sent with `no-store` while the work goes on.
    /// Keep it below the function's timeout. Default: 2 seconds.
    pub fn with_time(self, time: Duration) -> Self {
        self.with(|images| images.resources.time = time)
    }

    /// How many images are converted at once. Default: one for each core; on Lambda one for each 1,769 MB.
    pub fn with_jobs(self, jobs: usize) -> Self {
        self.with(|images| images.resources.jobs = jobs.max(1))
    }

    /// The memory that all conversions at once may take, in bytes, known from the images' headers. An image that would take
    /// more than its share is served as it is. Default: three fifths of the function's memory; elsewhere of 1 GiB.
    pub fn with_memory(self, bytes: u64) -> Self {
        self.with(|images| images.resources.memory = bytes)
    }

    /// How many bytes of results are kept in memory. Default: 64 MiB, but no more than 15 % of the function's memory.
    pub fn with_cache(self, bytes: u64) -> Self {
        self.with(|images| images.resources.cache = bytes)
    }

    /// A folder in which results are kept for the next process, and how many bytes of them; one result may have an eighth of
    /// that. What is torn there is made anew. A folder that is not there is made with mode 0700. One that others may change is
    /// not used, and the log says so: a symbolic link, a folder of another user, or one that others may write into, such as
    /// `/tmp` itself; and one below such a folder, where others could exchange it. Only a folder with the sticky bit, as `/tmp`
    /// has it, may be above. Default: on Lambda 256 MiB in a folder below `/tmp`, elsewhere none.
    pub fn with_disk_cache(self, folder: impl Into<PathBuf>, bytes: u64) -> Self {
        let folder = folder.into();
        self.with(|images| images.resources.disk = Some((folder, bytes)))
    }

    /// Templates write the parameters of images into the path, and name the format: `hero.jpg/w640.webp`. This is for CDNs
    /// whose key has neither the query nor Accept. Default: into the query, with the format by Accept.
    pub fn with_path_urls(self) -> Self {
        self.with(|images| images.path_urls = true)
    }

    /// Makes the variants of all images in a folder ahead, below `_variants` in it, with the better settings: a site that
    /// serves or embeds that folder converts nothing at run time. Variants that nothing asks for any more are removed.
    ///
    /// To be called by a build step, such as `build.rs` or `chalice-http-toolkit images`, with the same widths, quality and
    /// kind of URLs as in the site. What a URL asks for beyond them (`q`, `fmt`, PNG for who takes no JPEG) is made at run time.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::File`](crate::ErrorKind::File) where the folder can't be read or written.
    pub fn prebuild(&self, folder: impl AsRef<std::path::Path>) -> Result<Prebuilt> {
        prebuilt::prebuild(&self.engine, folder.as_ref(), self.path_urls)
    }

    fn description(&self) -> String {
        let Self { allowed, resources, path_urls, .. } = self;
        let memory = (resources.memory, resources.jobs, resources.time);
        format!("{} {} {path_urls} {:?} {memory:?}", codec::version(), allowed.in_tags(), resources.limits)
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        let engine = Arc::new(Engine::new(self.allowed.clone(), self.resources.clone()));
        Self { engine, ..self }
    }
}

/// Widths of devices and of parts of their screens.
const WIDTHS: [u32; 16] = [16, 32, 48, 64, 96, 128, 256, 384, 640, 750, 828, 1080, 1200, 1920, 2048, 3840];

const QUALITIES: [u8; 5] = [50, 60, 75, 80, 90];

impl Default for Images {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images")
            .field("allowed", &self.allowed)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

/// A site's images: those of its static files where they are converted, and those of its code in any case.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageSettings {
    of_files: Option<Images>,
    of_code: Arc<OnceLock<Images>>,
}

impl ImageSettings {
    pub(crate) fn of(images: Images) -> Self {
        Self { of_code: Arc::new(images.clone().into()), of_files: Some(images) }
    }

    pub(crate) fn any(&self) -> &Images {
        self.of_code.get_or_init(Images::new)
    }

    pub(crate) fn represent(
        &self,
        assets: &Arc<Assets>,
        path: &AssetPath,
        query: Option<&str>,
    ) -> Option<Representation> {
        serve::at(&self.of_files.as_ref()?.engine, assets, path, query)
    }

    /// Whether an answer for this URL depends on Accept.
    pub(crate) fn negotiates(&self, assets: &Assets, path: &AssetPath, query: Option<&str>) -> bool {
        let Some(images) = &self.of_files else { return false };
        let query = query.unwrap_or_default();
        let wanted = match serve::located(assets, path) {
            Some((found, segment)) => {
                let file = assets.files().get(&found.name);
                file.and_then(|file| serve::requested_variant(&images.allowed, &file.bytes, segment, query))
            }
            // There is no such file now, and may be one later.
            None => match path.as_str().rsplit_once('/') {
                Some((image, segment)) if may_be_converted(image) => Some(images.allowed.read_segment(segment)),
                _ => may_be_converted(path.as_str()).then(|| images.allowed.read_query(query)),
            },
        };
        wanted.is_some_and(|wanted| wanted.is_ok_and(|wanted| wanted.format.is_none()))
    }

    /// Whether the file of this name is served as variants of it.
    pub(crate) fn converts(&self, assets: &Assets, name: &str) -> bool {
        self.of_files.is_some() && assets.files().get(name).is_some_and(|file| codec::converted(&file.bytes).is_some())
    }

    /// Whether a URL with this query, which may start with a `?`, would be refused for the file of this name.
    pub(crate) fn refuses(&self, assets: &Assets, name: &str, query: &str) -> bool {
        let query = query.strip_prefix('?').unwrap_or(query);
        let refused = |images: &Images| {
            let asked = serve::requested_variant(&images.allowed, &assets.files().get(name)?.bytes, None, query)?;
            Some(asked.is_err())
        };
        self.of_files.as_ref().and_then(refused).unwrap_or(false)
    }

    /// What decides which queries are refused, where any are.
    pub(crate) fn queries(&self) -> Option<String> {
        self.of_files.as_ref().map(|images| images.allowed.in_tags())
    }

    /// The files whose names say another kind of image than they are, each with what is to be done.
    pub(crate) fn misnamed(&self, assets: &Assets) -> Vec<(String, String)> {
        if self.of_files.is_none() {
            return Vec::new();
        }
        let files = assets.files();
        let misnamed = |name: &str| Some((name.to_owned(), misnomer(name, &files.get(name)?.bytes)?));
        files.names("").filter_map(misnamed).collect()
    }

    pub(crate) fn add_functions(&self, environment: &mut Environment<'static>, assets: &Arc<Assets>, urls: &Urls) {
        if let Some(images) = &self.of_files {
            markup::add_functions(environment, images, assets, urls);
        }
    }

    /// What else than these images' own content shapes their markup: settings, and placeholders that were made ahead.
    pub(crate) fn description<'a>(&self, assets: &Assets, names: impl Iterator<Item = &'a str>) -> String {
        let Some(images) = &self.of_files else { return String::new() };
        let placeholders = names.flat_map(|name| prebuilt::placeholders(assets, name));
        images.description() + &placeholders.map(|digest| hex(digest.as_bytes())).collect::<String>()
    }
}

/// Whether a file that is not there would be converted, as far as its name tells.
fn may_be_converted(name: &str) -> bool {
    kind_called(name).is_some_and(|said| CONVERTED.iter().any(|kind| kind.media_type() == said))
}

const CONVERTED: [ImageKind; 8] = [
    ImageKind::Jpeg,
    ImageKind::Png,
    ImageKind::Webp,
    ImageKind::Gif,
    ImageKind::Bmp,
    ImageKind::Tiff,
    ImageKind::Qoi,
    ImageKind::Pnm,
];

/// The media type of the kind of image that a name says.
fn kind_called(name: &str) -> Option<&'static str> {
    match media_type::of_image(name)? {
        // An animated PNG has two names, and the anymaps are one kind.
        "image/apng" => Some(ImageKind::Png.media_type()),
        said if said.starts_with("image/x-portable-") => Some(ImageKind::Pnm.media_type()),
        said => Some(said),
    }
}

/// What is wrong with the name of an image, where its bytes or its name are of a kind that is converted.
fn misnomer(name: &str, bytes: &[u8]) -> Option<String> {
    let said = kind_called(name)?;
    let is_converted = codec::converted(bytes).is_some();
    let concerns = may_be_converted(name) || is_converted;
    match codec::sniff(bytes).filter(|_| concerns) {
        Some(is) if is.media_type() == said => None,
        Some(is) => {
            let then = if is_converted { "as which it is converted" } else { "which is not converted" };
            Some(format!("its name says {said}, and its content is {}, {then}: rename it", is.name()))
        }
        None => {
            let is_text = concerns && media_type::sniff(bytes).starts_with("text/");
            is_text.then(|| format!("its name says {said}, and its content is text"))
        }
    }
}
