//! Pixels into files: which formats there are, what a quality means to each, and one owner for each encoder.

#[cfg(feature = "avif")]
mod avif;
#[cfg(not(feature = "avif"))]
#[path = "no_avif.rs"]
mod avif;
mod jpeg;
#[cfg(feature = "avif")]
mod planes;
mod png;
mod webp;

use super::{
    pixels::Pixels,
    refusal::{Refusal, guarded},
};

/// The formats that images are converted to.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::images::ImageFormat;
///
/// assert_ne!(ImageFormat::Webp, ImageFormat::Png);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Format {
    /// AV1 Image File Format, where the feature `avif` is built.
    Avif,
    /// WebP: lossy for photographs, lossless where that is smaller.
    Webp,
    /// JPEG, without alpha.
    Jpeg,
    /// PNG.
    Png,
}

impl Format {
    /// From the smallest files to the largest.
    pub(crate) const ALL: [Self; 4] = [Self::Avif, Self::Webp, Self::Jpeg, Self::Png];

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Avif => "image/avif",
            Self::Webp => "image/webp",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Avif => "avif",
            Self::Webp => "webp",
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// Whether this build can write it.
    pub(crate) const fn is_built(self) -> bool {
        avif::IS_BUILT || !matches!(self, Self::Avif)
    }
}

/// How much time an encoder takes to make its file smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tier {
    /// While somebody waits.
    Fast,
    /// Ahead of time.
    Good,
}

/// The picture, which must be upright and in sRGB, as a file. `quality` is JPEG's scale, 1 to 100, for every format: the
/// same number looks alike in all of them. A `graphic` is kept crisp.
pub(crate) fn encode(
    pixels: &Pixels,
    format: Format,
    quality: u8,
    tier: Tier,
    graphic: bool,
) -> Result<Vec<u8>, Refusal> {
    let quality = quality.clamp(1, 100);
    guarded(|| match format {
        Format::Avif => avif::encode(pixels, quality, tier, graphic),
        Format::Webp => webp::encode(pixels, quality, tier, graphic),
        Format::Jpeg => jpeg::encode(pixels, quality, tier),
        Format::Png => png::encode(pixels, tier),
    })
}

/// The picture as a PNG that is quickly written: for what is read again at once.
pub(super) fn contained(pixels: &Pixels) -> Result<Vec<u8>, Refusal> {
    guarded(|| png::contained(pixels))
}

/// What an encoder's own scale says where ours says `quality`: between measured points (equal SSIMULACRA2), a line.
fn scaled(quality: u8, points: &[(f32, f32)]) -> f32 {
    let quality = f32::from(quality);
    let line = points.windows(2).find_map(|pair| match *pair {
        [(from, low), (to, high)] if quality <= to => Some(low + (quality - from) / (to - from) * (high - low)),
        _ => None,
    });
    line.unwrap_or(100.0)
}
