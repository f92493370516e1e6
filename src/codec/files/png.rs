//! The chunks of a PNG file (PNG 3rd edition §5): its measures, and the file without what it tells of its author.

use std::ops::Range;

use super::super::{
    bytes::{array, be32, slice},
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    orientation::Orientation,
    refusal::{Refusal, within},
};

const SIGNATURE: usize = 8;
struct Chunk<'a> {
    name: [u8; 4],
    data: &'a [u8],
    whole: Range<usize>,
}

/// All chunks up to `IEND`. What follows that is no part of the image.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Chunks<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: SIGNATURE, ended: false }
    }

    fn read(&mut self) -> Option<Chunk<'a>> {
        let length = usize::try_from(be32(self.bytes, self.at)?).ok()?;
        let name = array(self.bytes, self.at + 4)?;
        let whole = self.at..self.at + slice(self.bytes, self.at, length.checked_add(12)?)?.len();
        self.at = whole.end;
        Some(Chunk { name, data: slice(self.bytes, whole.start + 8, length)?, whole })
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let chunk = self.read();
        self.ended = chunk.as_ref().is_none_or(|chunk| &chunk.name == b"IEND");
        Some(chunk.ok_or_else(|| Refusal::broken("it ends too early")))
    }
}

pub(in super::super) fn probe(bytes: &[u8], limits: &ImageLimits) -> Result<Header, Refusal> {
    let mut chunks = Chunks::new(bytes);
    let first = chunks.next().ok_or(Refusal::NotAnImage)??;
    let mut header = image_header(&first, bytes.len())?;
    let (mut frames, mut data, mut length, mut end, mut orientation) = (1, false, 0, 0, None);
    for chunk in chunks {
        let chunk = chunk?;
        end = chunk.whole.end;
        header.metadata |= !is_kept(&chunk);
        match &chunk.name {
            // SECURITY: the decoder panics on a palette that is no list of colours.
            b"PLTE" if !is_palette(chunk.data) => return Err(Refusal::broken("its palette is no list of colours")),
            b"tRNS" => header.alpha = true,
            b"acTL" if !data => {
                header.animated = true;
                frames = be32(chunk.data, 0).unwrap_or(1);
            }
            b"eXIf" => {
                // The first one counts; there should be no other (§5.6).
                header.metadata |= orientation.is_some();
                let said = *orientation.get_or_insert(Orientation::of_exif(chunk.data));
                header.metadata |= !said.is_upright() && chunk.data != said.to_exif();
            }
            b"IDAT" => (data, length) = (true, length + chunk.data.len() as u64),
            _ => {}
        }
    }
    within("frames", u64::from(frames), u64::from(limits.frames))?;
    within("pixels", header.pixels().saturating_mul(frames.into()), limits.pixels)?;
    if !data {
        return Err(Refusal::broken("it has no picture"));
    }
    within("bytes of compressed pixels", length, longest_data(&header))?;
    header.orientation = orientation.unwrap_or(Orientation::UPRIGHT);
    header.metadata |= end < bytes.len();
    Ok(header)
}

/// The most bytes that the compressed pixels may have: a little more than the pixels.
///
/// SECURITY: blocks that have codes of their own and no pixel take 11 bytes and a decoder 7 microseconds each.
fn longest_data(header: &Header) -> u64 {
    let row = u64::from(header.width) * u64::from(header.channels) * u64::from(header.bits) / 8 + 2;
    let pixels = row.saturating_mul(header.height.into());
    // Interlaced, a pixel may be a row of its own.
    (if header.passes { pixels.saturating_mul(3) } else { pixels.saturating_add(pixels / 8) }).saturating_add(64 << 10)
}

/// `IHDR` (§11.2.1).
fn image_header(chunk: &Chunk<'_>, length: usize) -> Result<Header, Refusal> {
    let Some([w0, w1, w2, w3, h0, h1, h2, h3, bits, colour, 0, 0, interlaced]) = array::<13>(chunk.data, 0) else {
        return Err(Refusal::broken("its header is too short or of a kind that there is not"));
    };
    let (width, height) = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
    let mut header = Header::new(Kind::Png, width, height, length);
    header.lossless = true;
    header.bits = bits;
    header.passes = interlaced != 0;
    header.alpha = matches!(colour, 4 | 6);
    header.channels = match colour {
        0 => 1,
        4 => 2,
        2 | 3 => 3,
        6 => 4,
        _ => return Err(Refusal::broken("there is no such colour type")),
    };
    if &chunk.name != b"IHDR" || !matches!(bits, 1 | 2 | 4 | 8 | 16) {
        return Err(Refusal::broken("it does not start with a header"));
    }
    Ok(header)
}

/// Whether a palette has from 1 to 256 colours of three bytes each (§11.2.2).
fn is_palette(data: &[u8]) -> bool {
    (3..=3 * 256).contains(&data.len()) && data.len().is_multiple_of(3)
}

/// Whether a chunk belongs to the picture: all that must be understood, and of the others colours, density, animation.
fn is_kept(chunk: &Chunk<'_>) -> bool {
    match &chunk.name {
        b"tRNS" | b"gAMA" | b"cHRM" | b"sRGB" | b"iCCP" | b"sBIT" | b"cICP" | b"mDCV" | b"cLLI" | b"bKGD" => true,
        b"pHYs" | b"acTL" | b"fcTL" | b"fdAT" => true,
        b"eXIf" => {
            let orientation = Orientation::of_exif(chunk.data);
            !orientation.is_upright() && chunk.data == orientation.to_exif()
        }
        [first, ..] => first.is_ascii_uppercase(),
    }
}

/// The length of the profile as it is stored, where there is one: its name, and its compressed bytes.
pub(in super::super) fn stored_profile(bytes: &[u8]) -> Option<usize> {
    let mut chunks = Chunks::new(bytes).map_while(Result::ok).take_while(|chunk| &chunk.name != b"IDAT");
    chunks.find(|chunk| &chunk.name == b"iCCP").map(|chunk| chunk.data.len())
}

/// The file without what [`is_kept`] leaves out. EXIF comes back as its orientation alone.
pub(in super::super) fn stripped(bytes: &[u8], orientation: Orientation) -> Option<Vec<u8>> {
    let mut file = Vec::with_capacity(bytes.len());
    file.extend_from_slice(bytes.get(..SIGNATURE)?);
    for chunk in Chunks::new(bytes) {
        let chunk = chunk.ok()?;
        if &chunk.name != b"eXIf" && is_kept(&chunk) {
            file.extend_from_slice(bytes.get(chunk.whole)?);
        }
        if &chunk.name == b"IHDR" && !orientation.is_upright() {
            let mut exif = b"eXIf".to_vec();
            exif.extend_from_slice(&orientation.to_exif());
            file.extend_from_slice(&(orientation.to_exif().len() as u32).to_be_bytes());
            file.extend_from_slice(&exif);
            file.extend_from_slice(&crc(&exif).to_be_bytes());
        }
    }
    Some(file)
}

/// CRC-32 as PNG has it (§5.5).
pub(in super::super) fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 0 { crc >> 1 } else { 0xedb8_8320 ^ (crc >> 1) })
    })
}
