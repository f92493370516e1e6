//! The input and the result of a conversion. It does not convert.

use std::fmt;

use bytes::Bytes;
use image::DynamicImage;

use crate::hidden::Length;

/// An image in another format.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, images::ImageFormat};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let content = ContentManager::new("templates", "static")?;
/// let logo = std::fs::read("static/img/logo.png").unwrap();
/// let image = content.convert_by_accept(logo, "image/webp,*/*;q=0.8", ImageFormat::Png).await?;
/// assert_eq!(image.media_type, "image/webp");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConvertedImage {
    /// For Content-Type.
    pub media_type: &'static str,
    /// The file.
    pub bytes: Bytes,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Without the picture, which may be a visitor's.
impl fmt::Debug for ConvertedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConvertedImage")
            .field("media_type", &self.media_type)
            .field("bytes", &Length(self.bytes.len()))
            .field("width", &self.width)
            .field("height", &self.height)
            .finish()
    }
}

/// What [`convert_by_accept`](crate::ContentManager::convert_by_accept) takes: the bytes of a file, or an image that is there as
/// pixels.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, image::DynamicImage, images::ImageFormat};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let content = ContentManager::new("templates", "static")?;
/// let black = DynamicImage::new_luma16(32, 16);
/// let png = content.convert_by_accept(black, "*/*", ImageFormat::Png).await?;
/// assert_eq!((png.media_type, png.width, png.height), ("image/png", 32, 16));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ImageInput(pub(crate) Input);

/// Without the picture, which may be a visitor's.
impl fmt::Debug for ImageInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = match &self.0 {
            Input::File(file) => file.len(),
            Input::Pixels(image) => image.as_bytes().len(),
        };
        f.debug_tuple("ImageInput").field(&Length(size)).finish()
    }
}

#[derive(Clone)]
pub(crate) enum Input {
    File(Bytes),
    Pixels(DynamicImage),
}

impl From<DynamicImage> for ImageInput {
    fn from(image: DynamicImage) -> Self {
        Self(Input::Pixels(image))
    }
}

impl From<Bytes> for ImageInput {
    fn from(file: Bytes) -> Self {
        Self(Input::File(file))
    }
}

impl From<Vec<u8>> for ImageInput {
    fn from(file: Vec<u8>) -> Self {
        Bytes::from(file).into()
    }
}

impl From<Box<[u8]>> for ImageInput {
    fn from(file: Box<[u8]>) -> Self {
        Bytes::from(file).into()
    }
}

impl From<&'static [u8]> for ImageInput {
    fn from(file: &'static [u8]) -> Self {
        Bytes::from_static(file).into()
    }
}
