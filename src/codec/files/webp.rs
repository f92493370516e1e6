//! The chunks of a WebP file (RFC 9649 §2): its measures, and the file without what it tells of its author.

use super::{
    super::{
        bytes::{array, le16, le24, le32, slice},
        header::Header,
        kind::Kind,
        limits::ImageLimits,
        orientation::Orientation,
        refusal::{Refusal, within},
    },
    vp8l,
};

/// `RIFF`, a length, `WEBP`.
const SIGNATURE: usize = 12;
const HAS_ANIMATION: u8 = 0x02;
const HAS_XMP: u8 = 0x04;
const HAS_EXIF: u8 = 0x08;
const HAS_ALPHA: u8 = 0x10;

struct Chunk<'a> {
    name: [u8; 4],
    data: &'a [u8],
}

/// All chunks within the length that the file states.
struct Chunks<'a>(&'a [u8]);

impl<'a> Chunks<'a> {
    /// `Err` where the file is shorter than it says.
    fn new(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let length = le32(bytes, 4).and_then(|length| usize::try_from(length).ok()?.checked_sub(4));
        let chunks = length.and_then(|length| slice(bytes, SIGNATURE, length));
        chunks.map(Self).ok_or_else(|| Refusal::broken("it ends too early"))
    }

    fn read(&mut self) -> Option<Chunk<'a>> {
        let length = usize::try_from(le32(self.0, 4)?).ok()?;
        let chunk = Chunk { name: array(self.0, 0)?, data: slice(self.0, 8, length)? };
        self.0 = self.0.get(8 + length + length % 2..).unwrap_or_default();
        Some(chunk)
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let chunk = self.read();
        if chunk.is_none() {
            self.0 = &[];
        }
        Some(chunk.ok_or_else(|| Refusal::broken("it ends too early")))
    }
}

pub(in super::super) fn probe(bytes: &[u8], limits: &ImageLimits) -> Result<Header, Refusal> {
    let mut header = Header::new(Kind::Webp, 0, 0, bytes.len());
    let (mut frames, mut canvas, mut picture, mut orientation) = (0_u32, None, None, None);
    for chunk in Chunks::new(bytes)? {
        let chunk = chunk?;
        match &chunk.name {
            b"VP8X" => {
                let flags = chunk.data.first().copied().unwrap_or_default();
                header.animated = flags & HAS_ANIMATION != 0;
                header.alpha |= flags & HAS_ALPHA != 0;
                canvas = le24(chunk.data, 4).zip(le24(chunk.data, 7)).map(|(w, h)| (w + 1, h + 1));
            }
            b"VP8 " => picture = picture.or_else(|| lossy_size(chunk.data)),
            b"VP8L" => {
                header.lossless = true;
                let size = lossless_size(chunk.data);
                header.alpha |= size.is_some_and(|(.., alpha)| alpha);
                picture = picture.or(size.map(|(width, height, _)| (width, height)));
            }
            b"ANMF" => frames += 1,
            b"EXIF" => {
                // The first one counts (§2.7.1.5).
                header.metadata |= orientation.is_some();
                let said = *orientation.get_or_insert(Orientation::of_exif(tiff(chunk.data)));
                header.metadata |= said.is_upright() || chunk.data != said.to_exif();
            }
            name => header.metadata |= !is_kept(name),
        }
    }
    // A still picture has the size of its canvas: one that has not is made to get past a check.
    let size =
        if header.animated { canvas } else { picture.filter(|size| canvas.is_none_or(|canvas| canvas == *size)) };
    (header.width, header.height) = size.ok_or_else(|| Refusal::broken("it does not say how large it is"))?;
    header.orientation = orientation.unwrap_or(Orientation::UPRIGHT);
    header.channels = if header.alpha { 4 } else { 3 };
    header.metadata |= le32(bytes, 4).is_some_and(|length| (length as usize).saturating_add(8) < bytes.len());
    within("frames", u64::from(frames), u64::from(limits.frames))?;
    within("pixels", u64::from(frames.max(1)) * header.pixels(), limits.pixels)?;
    Ok(header)
}

/// The most groups of prefix codes. Encoders make a few hundred, as each has to pay; each takes a decoder 20 KB.
pub(in super::super) const MOST_GROUPS: usize = 1000;

/// Refuses a picture whose codes take more memory than its size and its length let expect.
pub(in super::super) fn check_codes(bytes: &[u8], header: &Header) -> Result<(), Refusal> {
    for chunk in Chunks::new(bytes)? {
        let chunk = chunk?;
        let data = match (&chunk.name, chunk.data) {
            (b"VP8L", data) => data.get(5..),
            // Lossless alpha beside a lossy picture (§2.7.1.2).
            (b"ALPH", [kind, data @ ..]) if kind & 3 == 1 => Some(data),
            _ => continue,
        };
        let groups = data.and_then(|data| vp8l::groups(data, header.width, header.height));
        let groups = groups.ok_or_else(|| Refusal::broken("its codes can't be read"))?;
        within("groups of codes", groups.into(), MOST_GROUPS as u64)?;
    }
    Ok(())
}

/// A VP8 key frame (RFC 6386 §9.1): three bytes, a start code, two sizes of 14 bits.
fn lossy_size(data: &[u8]) -> Option<(u32, u32)> {
    let sound = data.first()? & 1 == 0 && slice(data, 3, 3)? == [0x9d, 0x01, 0x2a];
    let side = |at| le16(data, at).map(|side| u32::from(side & 0x3fff));
    side(6).zip(side(8)).filter(|_| sound)
}

/// A lossless picture (RFC 9649 §3.4): a signature, two sizes of 14 bits less one, whether it has alpha.
fn lossless_size(data: &[u8]) -> Option<(u32, u32, bool)> {
    let bits = le32(data, 1).filter(|_| data.first() == Some(&0x2f))?;
    Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1, bits >> 28 & 1 == 1))
}

/// The TIFF structure of an `EXIF` chunk: some programs leave JPEG's prefix in front.
fn tiff(exif: &[u8]) -> &[u8] {
    exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)
}

fn is_kept(name: &[u8; 4]) -> bool {
    matches!(name, b"VP8X" | b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF" | b"ICCP")
}

/// The file without what [`is_kept`] leaves out. EXIF comes back as its orientation alone.
pub(in super::super) fn stripped(bytes: &[u8], orientation: Orientation) -> Option<Vec<u8>> {
    let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
    file.reserve(bytes.len());
    for chunk in Chunks::new(bytes).ok()? {
        let chunk = chunk.ok()?;
        if &chunk.name == b"VP8X" {
            let mut data = chunk.data.to_vec();
            let flags = data.first_mut()?;
            *flags &= !(HAS_XMP | HAS_EXIF);
            *flags |= if orientation.is_upright() { 0 } else { HAS_EXIF };
            push(&mut file, chunk.name, &data);
        } else if is_kept(&chunk.name) {
            push(&mut file, chunk.name, chunk.data);
        }
    }
    if !orientation.is_upright() {
        push(&mut file, *b"EXIF", &orientation.to_exif());
    }
    let length = u32::try_from(file.len() - 8).ok()?;
    file.get_mut(4..8)?.copy_from_slice(&length.to_le_bytes());
    Some(file)
}

fn push(file: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    file.extend_from_slice(&name);
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file.extend(std::iter::repeat_n(0, data.len() % 2));
}

/// The ICC profile, if it is no longer than `limit`.
pub(in super::super) fn profile(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut chunks = Chunks::new(bytes).ok()?.map_while(Result::ok);
    let profile = chunks.find(|chunk| &chunk.name == b"ICCP")?;
    (profile.data.len() <= limit).then(|| profile.data.to_vec())
}
