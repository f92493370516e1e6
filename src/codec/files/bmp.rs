//! The headers of a BMP file: its measures, and whether its pixels are there.

use super::super::{
    bytes::{le16, le32},
    header::Header,
    kind::Kind,
    refusal::Refusal,
};

/// The lengths that the second header has had since OS/2 and Windows 3.
const HEADERS: [u32; 7] = [CORE, 40, 52, 56, 64, 108, 124];
const CORE: u32 = 12;

/// Two letters begin many a text: what follows them must be a header too.
pub(in super::super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BM") && le32(bytes, 14).is_some_and(|length| HEADERS.contains(&length))
}

pub(in super::super) fn probe(bytes: &[u8]) -> Result<Header, Refusal> {
    let (width, height, depth, compression) = read(bytes).ok_or_else(|| Refusal::broken("it ends too early"))?;
    let header = of(Kind::Bmp, width, height, depth, bytes.len())?;
    match (compression, depth) {
        (0 | 3 | 6, 1 | 4 | 8 | 16 | 24 | 32) => {
            let row = (u64::from(header.width) * u64::from(depth)).div_ceil(32) * 4;
            let data = u64::from(le32(bytes, 10).unwrap_or(0)) + row * u64::from(header.height);
            if data > bytes.len() as u64 {
                return Err(Refusal::broken("it ends too early"));
            }
        }
        // Runs, of at most 255 pixels in two bytes. What leaves more of them out has hardly a picture.
        (1, 8) | (2, 4) if header.pixels() <= bytes.len() as u64 * 128 => {}
        (1, 8) | (2, 4) => return Err(Refusal::broken("it ends too early")),
        _ => return Err(Refusal::Unsupported(Kind::Bmp)),
    }
    Ok(header)
}

/// Width, height (below zero where the first row is the top), bits of a pixel, compression.
fn read(bytes: &[u8]) -> Option<(i32, i32, u16, u32)> {
    if le32(bytes, 14)? == CORE {
        return Some((le16(bytes, 18)?.into(), le16(bytes, 20)?.into(), le16(bytes, 24)?, 0));
    }
    let side = |at| le32(bytes, at).map(u32::cast_signed);
    Some((side(18)?, side(22)?, le16(bytes, 28)?, le32(bytes, 30)?))
}

/// What the numbers of a bitmap mean, in a file of its own or in an icon.
pub(super) fn of(kind: Kind, width: i32, height: i32, depth: u16, length: usize) -> Result<Header, Refusal> {
    let width = u32::try_from(width).map_err(|_| Refusal::broken("its width is below zero"))?;
    let mut header = Header::new(kind, width, height.unsigned_abs(), length);
    header.lossless = true;
    header.alpha = depth == 32;
    Ok(header)
}
