//! The formats of images, and their names.

/// The formats of images that are told apart, by their content.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::images::{ImageKind, Images};
///
/// let info = Images::inspect(&std::fs::read("static/img/logo.png")?)?;
/// assert_eq!(info.format, ImageKind::Png);
/// assert_eq!((info.format.name(), info.format.media_type()), ("PNG", "image/png"));
/// # Ok::<(), chalice_http_toolkit::BoxError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// JPEG.
    Jpeg,
    /// PNG, moving ones too.
    Png,
    /// WebP.
    Webp,
    /// GIF.
    Gif,
    /// AV1 Image File Format.
    Avif,
    /// What iPhones store: HEIC. Only Safari shows it.
    Heif,
    /// JPEG XL. Only Safari shows it.
    Jxl,
    /// SVG, which may bring a script.
    Svg,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// Windows icon, of which the largest picture counts.
    Ico,
    /// Quite OK Image.
    Qoi,
    /// The anymaps: PBM, PGM, PPM, PAM.
    Pnm,
}

impl Kind {
    /// What it is called in a sentence: `JPEG`, `WebP`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Avif => "AVIF",
            Self::Heif => "HEIF",
            Self::Jxl => "JPEG XL",
            Self::Svg => "SVG",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Ico => "ICO",
            Self::Qoi => "QOI",
            Self::Pnm => "PNM",
        }
    }

    /// For Content-Type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
            Self::Heif => "image/heif",
            Self::Jxl => "image/jxl",
            Self::Svg => "image/svg+xml",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Ico => "image/vnd.microsoft.icon",
            Self::Qoi => "image/qoi",
            Self::Pnm => "image/x-portable-anymap",
        }
    }
}
