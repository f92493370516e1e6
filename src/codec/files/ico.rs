//! The directory of an icon file: which of its pictures is shown, and what that one measures.

use super::{
    super::{
        bytes::{le16, le32, slice},
        header::Header,
        kind::Kind,
        limits::ImageLimits,
        refusal::Refusal,
    },
    bmp,
};

const HEAD: usize = 6;
const ENTRY: usize = 16;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// In an entry, 0 stands for it.
const LARGEST: u32 = 256;

/// A picture of an icon.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Picture<'a> {
    /// A PNG file.
    Png(&'a [u8]),
    /// A bitmap without the first header of its file: with a mask behind its pixels, and twice its height.
    Bitmap(&'a [u8]),
}

pub(in super::super) fn is(bytes: &[u8]) -> bool {
    let Some(count) = le16(bytes, 4).filter(|count| *count > 0 && bytes.starts_with(b"\0\0\x01\0")) else {
        return false;
    };
    // No picture lies in the directory, and a byte of an entry has no meaning.
    let pictures = (HEAD + ENTRY * usize::from(count)) as u32;
    le32(bytes, HEAD + 12).is_some_and(|place| place >= pictures) && bytes.get(HEAD + 3) == Some(&0)
}

pub(in super::super) fn probe(bytes: &[u8], limits: &ImageLimits) -> Result<Header, Refusal> {
    match largest(bytes).ok_or_else(|| Refusal::broken("it has no picture"))? {
        Picture::Png(picture) => {
            let header = super::png::probe(picture, limits)?;
            if header.animated {
                return Err(Refusal::Unsupported(Kind::Ico));
            }
            Ok(Header { kind: Kind::Ico, metadata: false, length: bytes.len(), ..header })
        }
        Picture::Bitmap(picture) => {
            let side = |at| le32(picture, at).map(u32::cast_signed);
            let (Some(40), Some(width), Some(twice)) = (le32(picture, 0), side(4), side(8)) else {
                return Err(Refusal::Unsupported(Kind::Ico));
            };
            let header = bmp::of(Kind::Ico, width, twice / 2, 32, bytes.len())?;
            match header.width.max(header.height) {
                ..=LARGEST => Ok(Header { channels: 4, ..header }),
                _ => Err(Refusal::broken("its picture is larger than an icon")),
            }
        }
    }
}

/// The picture of the most pixels, and among equals of the most colours.
pub(in super::super) fn largest(bytes: &[u8]) -> Option<Picture<'_>> {
    let count = usize::from(le16(bytes, 4)?);
    let entries = bytes.get(HEAD..)?.as_chunks::<ENTRY>().0.iter().take(count);
    let side = |side: u8| if side == 0 { LARGEST } else { side.into() };
    let entry = entries.max_by_key(|entry| (side(entry[0]) * side(entry[1]), le16(*entry, 6)))?;
    let picture = slice(bytes, le32(entry, 12)? as usize, le32(entry, 8)? as usize)?;
    let is_bitmap = le32(picture, 0) == Some(40);
    match picture.starts_with(PNG) {
        true => Some(Picture::Png(picture)),
        false => is_bitmap.then_some(Picture::Bitmap(picture)),
    }
}

/// An icon of this bitmap alone.
pub(in super::super) fn alone(picture: &[u8], header: &Header) -> Vec<u8> {
    // 256 becomes 0, which means it.
    let [width, height] = [header.width, header.height].map(|side| side as u8);
    let mut icon = b"\0\0\x01\0\x01\0".to_vec();
    icon.extend([width, height, 0, 0, 1, 0]);
    icon.extend(slice(picture, 14, 2).unwrap_or(&[0, 0]));
    icon.extend((picture.len() as u32).to_le_bytes());
    icon.extend(((HEAD + ENTRY) as u32).to_le_bytes());
    icon.extend_from_slice(picture);
    icon
}
