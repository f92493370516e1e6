//! What a conversion will take, before it is begun: milliseconds on one core and bytes of memory. Measured, not promised; a
//! caller that measures itself may correct them by a factor.

use super::{
    encode::{Format, Tier},
    header::Header,
    kind::Kind,
};

/// Milliseconds to encode so many million pixels.
pub(crate) fn predicted_ms(format: Format, tier: Tier, graphic: bool, megapixels: f64) -> f64 {
    let each = match (format, tier, graphic) {
        (Format::Avif, Tier::Fast, false) => 55.0,
        (Format::Avif, ..) => 350.0,
        (Format::Webp, Tier::Fast, false) if megapixels > 2.0 => 37.0,
        (Format::Webp, _, false) => 84.0,
        (Format::Webp, Tier::Fast, true) if megapixels > 1.1 => 100.0,
        (Format::Webp, Tier::Fast, true) => 195.0,
        (Format::Webp, Tier::Good, true) => 400.0,
        (Format::Jpeg, Tier::Fast, _) => 10.0,
        (Format::Jpeg, Tier::Good, _) => 75.0,
        (Format::Png, Tier::Fast, _) => 98.0,
        (Format::Png, Tier::Good, _) => 307.0,
    };
    each * megapixels
}

/// Milliseconds to decode an image and to resize it.
pub(crate) fn predicted_decode_ms(header: &Header) -> f64 {
    let each = match (header.kind, header.passes) {
        (Kind::Jpeg, false) => 6.5,
        (Kind::Jpeg, true) => 15.0,
        (Kind::Webp, _) => 20.0,
        _ => 10.0,
    };
    (each + 1.5) * header.pixels() as f64 / 1e6
}

impl Header {
    /// The most memory, in bytes, that decoding and resizing to this width take, the file itself not counted.
    pub(crate) fn decode_memory(&self, target_width: Option<u32>) -> u64 {
        let channels = u64::from(self.channels.max(if self.alpha { 4 } else { 1 }));
        let (width, height) = self.fitted(target_width);
        let decoded = self.pixels() * channels;
        let coefficients = match (self.kind, self.passes) {
            (Kind::Jpeg, true) => 2 * self.pixels() * channels,
            (Kind::Png, true) if self.bits == 16 => 2 * decoded,
            (Kind::Webp, _) => 2 * self.pixels() * 4,
            _ => 0,
        };
        let narrow = u64::from(width) * u64::from(self.height.max(self.width)) * channels;
        let resized = u64::from(width) * u64::from(height) * channels;
        decoded + coefficients.max(narrow + resized) + (4 << 20)
    }
}
