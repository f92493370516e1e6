//! Inspects an upload before it is stored, by its header and structure. It decodes nothing.

use super::Images;
use crate::{
    codec::{ImageLimits, Kind, Refusal, inspect},
    error::{Error, Result},
};

/// What an image is, as its bytes tell: of [`Images::inspect`].
///
/// # Examples
///
/// What a site takes is its own to say:
///
/// ```
/// use chalice_http_toolkit::images::{ImageInfo, ImageKind, Images};
///
/// fn is_taken(info: &ImageInfo) -> bool {
///     info.converted || (info.format == ImageKind::Gif && info.animated)
/// }
/// let heic = std::fs::read("tests/fixtures/images/plain.svg")?;
/// assert!(!is_taken(&Images::inspect(&heic)?));
/// # Ok::<(), chalice_http_toolkit::BoxError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageInfo {
    /// What it is, whatever it is called.
    pub format: Kind,
    /// In pixels, as it is seen: upright.
    pub width: u32,
    /// In pixels, as it is seen: upright.
    pub height: u32,
    /// Whether it moves.
    pub animated: bool,
    /// Whether [`ContentManager::image`](crate::ContentManager::image) sends it in other formats and widths. What it does not
    /// convert is sent as it is, to browsers that may not show it: SVG, AVIF, HEIC, animations.
    pub converted: bool,
}

impl Images {
    /// What an uploaded file is: to be asked before it is stored. Its content decides, whatever its name or its sender say.
    ///
    /// The header is read and the structure walked through, so that a file that is cut off is refused too; pixels are not
    /// decoded, and 20 MB take a few milliseconds. The default [`ImageLimits`] apply; a site with limits of its own calls
    /// [`ImageLimits::inspect`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Image`](crate::ErrorKind::Image), with status 400, where the file is no image, is broken or cut off, or is
    /// over a limit. [`Error::for_visitor`] says it in a sentence; returned by a handler, it stands on the site's error page.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ErrorKind, images::{ImageKind, Images}};
    ///
    /// let info = Images::inspect(&std::fs::read("static/img/logo.png")?)?;
    /// assert_eq!((info.format, info.animated, info.converted), (ImageKind::Png, false, true));
    ///
    /// let refused = Images::inspect(b"GIF89a").unwrap_err(); // a signature is no image
    /// assert_eq!((refused.kind(), refused.status().as_u16()), (ErrorKind::Image, 400));
    /// assert_eq!(refused.for_visitor().as_deref(), Some("the image is damaged or incomplete"));
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// ```
    pub fn inspect(bytes: impl AsRef<[u8]>) -> Result<ImageInfo> {
        ImageLimits::default().inspect(bytes)
    }
}

impl ImageLimits {
    /// [`Images::inspect`] with these limits.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::images::ImageLimits;
    ///
    /// let logo = std::fs::read("static/img/logo.png")?;
    /// let refused = ImageLimits::default().with_side(100).inspect(&logo).unwrap_err();
    /// assert!(refused.for_visitor().unwrap().ends_with("pixels on a side, more than 100"));
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// ```
    pub fn inspect(&self, bytes: impl AsRef<[u8]>) -> Result<ImageInfo> {
        let seen = inspect(bytes.as_ref(), self).map_err(|why| {
            tracing::debug!(%why, "an image is refused");
            Error::refused_image(match why {
                Refusal::Broken(_) => "the image is damaged or incomplete".to_owned(),
                why => why.to_string(),
            })
        })?;
        let (width, height) = seen.size;
        Ok(ImageInfo { format: seen.kind, width, height, animated: seen.animated, converted: seen.converted })
    }
}
