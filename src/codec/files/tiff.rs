//! The first directory of a TIFF or BigTIFF file (TIFF 6.0 §2): its measures, and which varieties are decoded.

use super::super::{
    directory::Directory,
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    orientation::Orientation,
    refusal::{Refusal, within},
};

pub(in super::super) const WIDTH: u16 = 0x0100;
pub(in super::super) const HEIGHT: u16 = 0x0101;
pub(in super::super) const BITS: u16 = 0x0102;
const COMPRESSION: u16 = 0x0103;
pub(in super::super) const MEANING: u16 = 0x0106;
const BIT_ORDER: u16 = 0x010a;
const STRIPS: u16 = 0x0111;
pub(in super::super) const SAMPLES: u16 = 0x0115;
pub(in super::super) const ROWS: u16 = 0x0116;
const STRIP_LENGTHS: u16 = 0x0117;
const PLANES: u16 = 0x011c;
const PREDICTOR: u16 = 0x013d;
pub(in super::super) const COLOURS: u16 = 0x0140;
pub(in super::super) const TILE_WIDTH: u16 = 0x0142;
pub(in super::super) const TILE_HEIGHT: u16 = 0x0143;
const TILES: u16 = 0x0144;
const TILE_LENGTHS: u16 = 0x0145;
const EXTRA_SAMPLES: u16 = 0x0152;
const SAMPLE_FORMAT: u16 = 0x0153;
const SHARED: u16 = 0x0212;
/// ICC.1:2022 B.4.
pub(in super::super) const PROFILE: u16 = 0x8773;

const JPEG: u32 = 7;

const MOST_OF_A_BYTE: u64 = 4096;
/// A tile is a multiple of 16 pixels on each side (§15).
const SMALLEST_TILE: u32 = 16;
/// That of a picture which is smaller.
const LARGEST_TILE: u64 = 1 << 20;
/// As many as a picture of the largest size in strips of a row, four planes of it.
const MOST_PIECES: u64 = 65_536;

pub(in super::super) fn is(bytes: &[u8]) -> bool {
    matches!(bytes, [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..])
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
    let coded = Coded::of(&directory);
    let is_known = match (number(MEANING).unwrap_or(1), samples, bits) {
        // Light on a scale, colours.
        (0 | 1, 1, 1 | 8 | 16) | (2, 3 | 4, 8 | 16) => !float,
        (2, 3 | 4, 32) => float,
        _ => coded.is_some(),
    };
    let is_known = is_known && (number(BIT_ORDER).unwrap_or(1) == 1 || bits >= 8);
    // The decoder panics at tiles of one component each.
    let is_known = is_known && (number(PLANES).unwrap_or(1) == 1 || samples == 1 || number(TILE_WIDTH).is_none());
    // None, the fax of two dimensions, LZW, JPEG, Deflate (two numbers), PackBits.
    let compression = number(COMPRESSION).unwrap_or(1);
    if !is_known || !matches!((compression, bits), (4, 1) | (1 | 5 | 7 | 8 | 32_773 | 32_946, _)) {
        return Err(Refusal::Unsupported(Kind::Tiff));
    }
    // SECURITY: memory is taken for all pixels before the first one is read. What is packed best takes a thousandth.
    let length = match coded {
        Some(Coded::Units { .. }) => u64::from(width) * u64::from(height),
        _ => (u64::from(width) * u64::from(height)).saturating_mul(u64::from(samples) * u64::from(bits)) / 8,
    };
    let packed = if compression == 1 { 1 } else { MOST_OF_A_BYTE };
    if length > (bytes.len() as u64).saturating_mul(packed) {
        return Err(Refusal::broken("it ends too early"));
    }
    let pieces = pieces(&directory, width, height, samples)?;
    within("pieces", pieces, MOST_PIECES)?;
    let of_pieces =
        [STRIPS, TILES].into_iter().zip([STRIP_LENGTHS, TILE_LENGTHS]).find(|(places, _)| number(*places).is_some());
    let is_counted = |tag| directory.numbers(tag).take(MOST_PIECES as usize + 1).count() as u64 == pieces;
    if !of_pieces.is_some_and(|(places, lengths)| is_counted(places) && is_counted(lengths)) {
        return Err(Refusal::broken("its directory does not say where each part of the picture is"));
    }
    if !directory.is_whole(PROFILE) || is_cut_off(&directory, bytes.len()) {
        return Err(Refusal::broken("it ends too early"));
    }
    header.lossless = compression != JPEG;
    header.channels = if coded == Some(Coded::Places { bits }) { 3 } else { samples as u8 };
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

/// Whether a strip or a tile goes beyond the end of the file.
fn is_cut_off(directory: &Directory<'_>, end: usize) -> bool {
    let pieces = |places, lengths| directory.numbers(places).zip(directory.numbers(lengths)).take(MOST_PIECES as usize);
    let mut all = pieces(STRIPS, STRIP_LENGTHS).chain(pieces(TILES, TILE_LENGTHS));
    all.any(|(place, length)| u64::from(place) + u64::from(length) > end as u64)
}

/// Whether colours are stored as they are seen before black (§18, associated alpha).
pub(in super::super) fn is_premultiplied(bytes: &[u8]) -> bool {
    Directory::first(bytes).and_then(|directory| directory.number(EXTRA_SAMPLES)) == Some(1)
}

/// Samples that the decoder does not convert to colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Coded {
    /// Shades of so many bits.
    Shades { bits: u32 },
    /// Places in a table of colours (§5), of so many bits.
    Places { bits: u32 },
    /// Brightness and two colours for each pixel (§21).
    Triplets,
    /// The brightness of some pixels, so many across and down, and then the two colours that they share (§21).
    Units { across: u32, down: u32 },
    /// A shade of so many bits and how much of it shows.
    ShadesWithAlpha { bits: u32 },
    /// Four inks (§16).
    Inks,
}

impl Coded {
    /// `None` where the decoder makes colours, or nothing at all.
    pub(in super::super) fn of(directory: &Directory<'_>) -> Option<Self> {
        let number = |tag, usual| directory.number(tag).unwrap_or(usual);
        let is_plain = number(SAMPLE_FORMAT, 1) == 1 && number(PLANES, 1) == 1 && number(PREDICTOR, 1) == 1;
        let is_jpeg = number(COMPRESSION, 1) == JPEG;
        match (number(MEANING, 1), number(SAMPLES, 1), number(BITS, 1)) {
            (0 | 1, 1, bits @ (2 | 4)) if is_plain && !is_jpeg => Some(Self::Shades { bits }),
            (3, 1, bits @ (1 | 2 | 4)) if is_plain && !is_jpeg => Some(Self::Places { bits }),
            // Differences between neighbours are undone by whoever undoes the compression.
            (3, 1, 8) if number(SAMPLE_FORMAT, 1) == 1 && !is_jpeg => Some(Self::Places { bits: 8 }),
            // JPEG has told the decoder how colours are shared.
            (6, 3, 8) if is_plain && is_jpeg => Some(Self::Triplets),
            (6, 3, 8) if is_plain => Self::shared(directory),
            (0 | 1, 2, bits @ (8 | 16)) if is_plain && !is_jpeg => Some(Self::ShadesWithAlpha { bits }),
            (5, 4, 8 | 16) if number(SAMPLE_FORMAT, 1) == 1 => Some(Self::Inks),
            _ => None,
        }
    }

    fn shared(directory: &Directory<'_>) -> Option<Self> {
        let mut shared = directory.numbers(SHARED);
        let [across, down] = [shared.next(), shared.next()].map(|pixels| pixels.unwrap_or(2));
        let is_whole = |tag, unit| directory.number(tag).is_none_or(|side: u32| side.is_multiple_of(unit));
        let height = directory.number(HEIGHT)?;
        let rows = directory.number(ROWS).filter(|rows| *rows < height);
        let is_cut = rows.is_some_and(|rows| !rows.is_multiple_of(down.max(1)));
        match (across, down) {
            (1, 1) => Some(Self::Triplets),
            (1 | 2 | 4, 1 | 2 | 4) if !is_cut && is_whole(TILE_WIDTH, across) && is_whole(TILE_HEIGHT, down) => {
                Some(Self::Units { across, down })
            }
            _ => None,
        }
    }
}
