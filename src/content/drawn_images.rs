//! Images that the site draws with the `image` crate: charts, QR codes, thumbnails. They are encoded as files, and then handled
//! as other images are.

use std::future::Future;

use http::Uri;
use image::DynamicImage;

use super::ContentManager;
use crate::{
    codec::{Refusal, drawn},
    error::{BoxError, Error, ErrorKind, Result},
    representation::Representation,
};

impl ContentManager {
    /// An image that the site draws, as the `image` crate has it: negotiated, resized, tagged and kept like a file. `etag`
    /// gives its version at once, or `None` where there is none, and `draw` is called only if the client needs bytes. At one
    /// URL, an equal version means equal pixels. The parameters are those of the request's URL, as for [`image`](Self::image).
    ///
    /// Every kind of its pixels is taken: 8 and 16 bits, fractions, grey, with alpha, and other colours than sRGB where it says
    /// so ([`set_color_space`](DynamicImage::set_color_space)). As nobody has chosen a format for it, a client that names none
    /// gets what suits it: a PNG of a drawing and of what has alpha, a JPEG of a photograph.
    ///
    /// `draw` runs where requests are answered: what draws for long belongs into `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Asset`] where a closure fails; [`ErrorKind::Image`], when the body is made, where the image has no pixels or
    /// more than the [`ImageLimits`](crate::images::ImageLimits) allow.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{BoxError, CloudFront, ContentManager};
    /// use chalice_http_toolkit::image::{DynamicImage, Rgb, RgbImage};
    /// use http::Request;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// async fn version() -> Result<Option<&'static str>, BoxError> {
    ///     Ok(Some("sales-until-november"))
    /// }
    /// async fn chart() -> Result<DynamicImage, BoxError> {
    ///     let sales = [20, 60, 40, 90];
    ///     let bars = RgbImage::from_fn(400, 100, |x, y| match 100 - y <= sales[x as usize / 100] {
    ///         true => Rgb([30, 90, 160]),
    ///         false => Rgb([255; 3]),
    ///     });
    ///     Ok(bars.into())
    /// }
    /// let content = ContentManager::new("templates", "static")?;
    /// let request = Request::get("/chart?w=256").header("accept", "image/webp,*/*").body(())?;
    /// let image = content.dynamic_image(request.uri(), version, chart).await?;
    /// let response = CloudFront::new().respond(&request, image).await?;
    /// assert_eq!(response.headers()["content-type"], "image/webp");
    ///
    /// let tag = &response.headers()["etag"];
    /// let request = Request::get("/chart?w=256").header("accept", "image/webp").header("if-none-match", tag).body(())?;
    /// let image = content.dynamic_image(request.uri(), version, async || unreachable!("a 304 draws nothing")).await?;
    /// assert_eq!(CloudFront::new().respond(&request, image).await?.status(), 304);
    /// # Ok::<(), BoxError>(())
    /// # }).unwrap();
    /// ```
    pub async fn dynamic_image<T, E, Tag, TagFuture, Draw, DrawFuture>(
        &self,
        uri: &Uri,
        etag: Tag,
        draw: Draw,
    ) -> Result<Representation>
    where
        T: AsRef<str>,
        E: Into<BoxError>,
        Tag: FnOnce() -> TagFuture,
        TagFuture: Future<Output = Result<Option<T>, E>>,
        Draw: FnOnce() -> DrawFuture + Send + 'static,
        DrawFuture: Future<Output = Result<DynamicImage, E>> + Send,
    {
        let content = self.clone();
        let load = move || async move {
            let image = draw().await;
            let image = image.map_err(|error| Error::caused(ErrorKind::Asset, "an image could not be drawn", error))?;
            content.file_of(image).await
        };
        self.loaded(uri, etag, load, true).await
    }

    pub(super) async fn file_of(&self, image: DynamicImage) -> Result<Vec<u8>> {
        let engine = self.engine();
        let limits = *engine.limits();
        engine.run(move || drawn(image, &limits)).await?.map_err(failed)
    }
}

pub(super) fn failed(why: Refusal) -> Error {
    Error::caused(ErrorKind::Image, "an image could not be converted", why)
}
