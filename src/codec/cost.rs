//! What a conversion will take, before it is begun: milliseconds on one core and bytes of memory. Measured, not promised; a
//! caller that measures itself may correct them by a factor.

use super::{
    encode::{Format, Tier},
    files::webp::MOST_GROUPS,
    header::{Header, Reader},
    kind::Kind,
};

/// Tables, rows, stacks.
const OTHER: u64 = 4 << 20;

/// A progressive JPEG of a camera or an editor has ten scans, of which most are nearly empty. One that has more is made to
/// cost, and each of its scans may be full.
const USUAL_SCANS: u32 = 12;
const DEEP_SCAN: f64 = 3.7;

/// Bytes for each pixel of a JPEG, of a camera or an editor at its best. What is denser takes its time by the byte: up to
/// four numbers can lie in one.
const USUAL_BYTES: f64 = 0.4;
const DENSE_BYTE: f64 = 60e-6;

/// Milliseconds to begin anew at a marker. It may stand behind each of the smallest units, in each scan.
const RESTART: f64 = 200e-6;

/// Milliseconds to encode so many million pixels.
pub(crate) fn predicted_ms(format: Format, tier: Tier, graphic: bool, megapixels: f64) -> f64 {
    let each = match (format, tier, graphic) {
        (Format::Avif, Tier::Fast, false) => 55.0,
        (Format::Avif, Tier::Good, false) => 350.0,
        (Format::Avif, Tier::Fast, true) => 300.0,
        (Format::Avif, Tier::Good, true) => 1200.0,
        (Format::Webp, Tier::Fast, false) if megapixels > 2.0 => 37.0,
        (Format::Webp, _, false) => 84.0,
        (Format::Webp, Tier::Fast, true) if megapixels > 1.1 => 100.0,
        (Format::Webp, Tier::Fast, true) => 195.0,
        (Format::Webp, Tier::Good, true) => 280.0,
        (Format::Jpeg, Tier::Fast, _) => 10.0,
        (Format::Jpeg, Tier::Good, _) => 30.0,
        (Format::Png, Tier::Fast, _) => 98.0,
        (Format::Png, Tier::Good, _) => 307.0,
    };
    each * megapixels
}

/// Milliseconds to decode an image and to resize it to this width.
pub(crate) fn predicted_decode_ms(header: &Header, target_width: Option<u32>) -> f64 {
    let shrinks = header.eighths(header.target(target_width)) < 8;
    let deep = DEEP_SCAN * f64::from(header.scans.saturating_sub(USUAL_SCANS));
    let each = match (header.kind, header.passes) {
        (Kind::Jpeg, false) if shrinks => 4.0,
        (Kind::Jpeg, false) if header.reader == Reader::Thorough => 14.0,
        (Kind::Jpeg, false) => 7.0,
        (Kind::Jpeg, true) if shrinks && header.reader == Reader::Fast => 8.0 + deep,
        (Kind::Jpeg, true) => 17.0 + deep,
        (Kind::Webp, _) => 20.0,
        (Kind::Tiff, _) => 10.0 * f64::from(header.bits) / 8.0,
        // Digits are read one by one.
        (Kind::Pnm, true) => 60.0 * f64::from(header.channels),
        _ => 10.0,
    };
    let pixels = header.pixels() as f64;
    let dense = (f64::from(header.coded) - USUAL_BYTES * pixels).max(0.0);
    each * pixels / 1e6 + DENSE_BYTE * dense + RESTART * f64::from(header.restarts)
}

/// The most memory, in bytes, that encoding so many pixels takes beside the pixels.
pub(crate) const fn encode_memory(format: Format, lossless: bool, pixels: u64) -> u64 {
    pixels
        * match format {
            Format::Avif => 28,
            Format::Webp if lossless => 24,
            Format::Webp => 10,
            Format::Jpeg | Format::Png => 8,
        }
}

impl Header {
    /// The most memory, in bytes, that decoding and resizing to this width take, the file itself not counted.
    pub(crate) fn decode_memory(&self, target_width: Option<u32>) -> u64 {
        let target = self.target(target_width);
        let channels = u64::from(self.channels.max(if self.alpha { 4 } else { 1 }));
        let eighths = self.eighths(target);
        let (across, down) = self.shrunk(eighths);
        let decoded = u64::from(across) * u64::from(down) * channels;
        let beside = match (self.kind, self.passes) {
            (Kind::Jpeg, passes) => {
                // Coefficients of 16 bits: all of them where the picture has passes, and those on their way from one thread to
                // another, of one component at a time where all are held.
                let coefficients = match (self.reader_at(eighths), passes) {
                    // Of each block those that become pixels, and a bit for each of the others.
                    (Reader::Small, true) => self.pixels() / 64 * channels * u64::from(8 + 2 * eighths * eighths),
                    (Reader::Small, false) | (Reader::Fast, false) => 0,
                    (Reader::Fast, true) => 2 * self.pixels() * channels,
                    (Reader::Thorough, true) => 2 * self.pixels() * (channels + 1),
                    (Reader::Thorough, false) if eighths == 8 => 2 * self.pixels() * channels,
                    (Reader::Thorough, false) => 0,
                };
                // The planes before they are put together.
                let planes = if self.reader_at(eighths) == Reader::Thorough { decoded } else { 0 };
                // The picture as its decoder gets it.
                self.length as u64 + coefficients + planes
            }
            (Kind::Png, true) if self.bits == 16 => 2 * decoded,
            (Kind::Webp, _) => self.pixels() * 6 + self.memory_of_codes(),
            // All of it in the depth that it has, twice, and the file with another header.
            (Kind::Tiff, _) => 2 * decoded * u64::from(self.bits / 8) + self.length as u64,
            (Kind::Pnm, _) if self.bits == 16 => 2 * decoded,
            // A frame beside its canvas, in four channels.
            (Kind::Gif, _) => decoded,
            _ => 0,
        };
        // One side is scaled before the other.
        let (width, height) = (u64::from(target.0), u64::from(target.1));
        let resized = channels * width * (u64::from(down) + height);
        decoded + beside.max(resized) + OTHER
    }

    /// What the prefix codes of a WebP picture take that is lossless or has alpha: a few bytes of a file stand for tables of 20 KB.
    fn memory_of_codes(&self) -> u64 {
        let groups = if self.lossless || self.alpha { (self.length / 50).clamp(1, MOST_GROUPS) } else { 0 };
        groups as u64 * 20_600
    }
}
