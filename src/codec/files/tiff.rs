//! The first directory of a TIFF file (TIFF 6.0 §2): its measures, and which varieties are decoded.

use super::super::{
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    orientation::{Directory, Orientation},
    refusal::{Refusal, within},
};

const WIDTH: u16 = 0x0100;
const HEIGHT: u16 = 0x0101;
const BITS: u16 = 0x0102;
const COMPRESSION: u16 = 0x0103;
const MEANING: u16 = 0x0106;
const STRIPS: u16 = 0x0111;
const SAMPLES: u16 = 0x0115;
const ROWS: u16 = 0x0116;
const PLANES: u16 = 0x011c;
const TILE_WIDTH: u16 = 0x0142;
const TILE_HEIGHT: u16 = 0x0143;
const EXTRA_SAMPLES: u16 = 0x0152;
const SAMPLE_FORMAT: u16 = 0x0153;

const MOST_OF_A_BYTE: u64 = 4096;
/// A tile is a multiple of 16 pixels on each side (§15).
const SMALLEST_TILE: u32 = 16;
/// That of a picture which is smaller.
const LARGEST_TILE: u64 = 1 << 20;
/// As many as a picture of the largest size in strips of a row, four planes of it.
const MOST_PIECES: u64 = 65_536;

pub(in super::super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*")
}

pub(in super::super) fn probe(bytes: &[u8], limits: &ImageLimits) -> Result<Header, Refusal> {
    let directory = Directory::first(bytes).ok_or_else(|| Refusal::broken("it has no directory"))?;
    let number = |tag| directory.number(tag);
    let (Some(width), Some(height)) = (number(WIDTH), number(HEIGHT)) else {
        return Err(Refusal::broken("its directory has no measures"));
    };
    within("pixels on a side", u64::from(width.max(height)), u64::from(limits.side))?;
    let mut header = Header::new(Kind::Tiff, width, height, bytes.len());
    let samples = number(SAMPLES).unwrap_or(1);
    let bits = number(BITS).unwrap_or(1);
    let float = number(SAMPLE_FORMAT) == Some(3);
    if width == 0 || height == 0 {
        return Err(Refusal::broken("it has no pixels"));
    }
    let is_known = match (number(MEANING).unwrap_or(1), samples, bits) {
        // Light on a scale, colours, inks.
        (0 | 1, 1, 1 | 8 | 16) | (0 | 1, 2, 8 | 16) | (2, 3 | 4, 8 | 16) | (5, 4, 8 | 16) => !float,
        (2, 3 | 4, 32) => float,
        _ => false,
    };
    // None, LZW, JPEG, Deflate (two numbers), PackBits.
    if !is_known || !matches!(number(COMPRESSION).unwrap_or(1), 1 | 5 | 7 | 8 | 32_773 | 32_946) {
        return Err(Refusal::Unsupported(Kind::Tiff));
    }
    // SECURITY: memory is taken for all pixels before the first one is read. What is packed best takes a thousandth.
    let length = u64::from(width) * u64::from(height) * u64::from(samples) * u64::from(bits) / 8;
    let packed = if number(COMPRESSION).unwrap_or(1) == 1 { 1 } else { MOST_OF_A_BYTE };
    if length > (bytes.len() as u64).saturating_mul(packed) {
        return Err(Refusal::broken("it ends too early"));
    }
    within("pieces", pieces(&directory, width, height, samples)?, MOST_PIECES)?;
    header.lossless = number(COMPRESSION) != Some(7);
    header.channels = samples as u8;
    header.alpha = matches!((number(MEANING), samples), (_, 2) | (Some(2), 4));
    header.bits = bits.max(8) as u8;
    header.orientation = Orientation::of_exif(bytes);
    Ok(header)
}

/// How many strips or tiles there are. Each costs its own beginning, and they may all be the same bytes of the file.
fn pieces(directory: &Directory<'_>, width: u32, height: u32, samples: u32) -> Result<u64, Refusal> {
    let number = |tag| directory.number(tag);
    let planes = if number(PLANES) == Some(2) { samples } else { 1 };
    let (across, down) = match (number(TILE_WIDTH), number(TILE_HEIGHT)) {
        (None, None) if number(STRIPS).is_none() => return Err(Refusal::broken("it has no picture")),
        (None, None) => (1, height.div_ceil(number(ROWS).unwrap_or(height).max(1))),
        (Some(tile_width @ SMALLEST_TILE..), Some(tile_height @ SMALLEST_TILE..)) => {
            let picture = u64::from(width) * u64::from(height);
            // SECURITY: a tile is held in whole, however little of it is shown.
            within("pixels in a tile", u64::from(tile_width) * u64::from(tile_height), picture.max(LARGEST_TILE))?;
            (width.div_ceil(tile_width), height.div_ceil(tile_height))
        }
        _ => return Err(Refusal::broken("its tiles are too small")),
    };
    Ok(u64::from(across) * u64::from(down) * u64::from(planes))
}

/// Whether colours are stored as they are seen before black (§18, associated alpha).
pub(in super::super) fn is_premultiplied(bytes: &[u8]) -> bool {
    Directory::first(bytes).and_then(|directory| directory.number(EXTRA_SAMPLES)) == Some(1)
}
