//! The blocks of a GIF file (GIF89a §17 to §27): its measures, whether it moves, and the file without what it tells.

use super::super::{
    bytes::{le16, slice},
    header::Header,
    kind::Kind,
    refusal::Refusal,
};

const SIGNATURE: usize = 6;
const IMAGE: u8 = 0x2c;
const EXTENSION: u8 = 0x21;
const MOST_OF_A_BYTE: u64 = 4096;
const TRAILER: u8 = 0x3b;
const GRAPHIC_CONTROL: u8 = 0xf9;
const PLAIN_TEXT: u8 = 0x01;
const APPLICATION: u8 = 0xff;

/// A block of the file.
enum Part<'a> {
    /// What stands before it, between the signature and the first byte of pixels.
    Picture(&'a [u8]),
    /// Its label, and what follows that.
    Extension(u8, &'a [u8]),
    /// The trailer, or whatever stands in its place.
    End,
}

/// The measures of the canvas, and whether more than one picture is shown on it.
pub(in super::super) fn probe(bytes: &[u8]) -> Result<Header, Refusal> {
    let mut header = canvas(bytes).ok_or_else(cut_off)?;
    let (mut at, mut pictures) = (start(bytes).ok_or_else(cut_off)?, 0_u32);
    loop {
        match part(bytes, at) {
            Some((Part::Picture(place), end)) => {
                header.alpha |= pictures == 0 && !fills(place, &header)?;
                // SECURITY: a code of nine bits and more stands for 4096 pixels at most. Memory is taken for all of them first.
                let is_lie = area(place) > ((end - at) as u64).saturating_mul(MOST_OF_A_BYTE);
                if pictures == 0 && is_lie {
                    return Err(cut_off());
                }
                (at, pictures) = (end, pictures + 1);
            }
            Some((Part::Extension(label, data), end)) => {
                // Bit 0 of the flags: a colour is transparent (§23).
                header.alpha |= label == GRAPHIC_CONTROL && data.get(1).is_some_and(|flags| flags & 1 == 1);
                header.metadata |= !is_kept(label, data);
                at = end;
            }
            Some((Part::End, end)) if pictures > 0 => {
                header.metadata |= end < bytes.len();
                break;
            }
            // An animation that ends too early is shown as far as it goes.
            None if pictures > 1 => break,
            Some((Part::End, _)) | None => return Err(cut_off()),
        }
    }
    header.animated = pictures > 1;
    Ok(header)
}

/// Whether it is one picture, which is known when a second one begins.
pub(in super::super) fn is_still(bytes: &[u8]) -> bool {
    let Some(mut at) = start(bytes) else { return false };
    let mut pictures = 0;
    while let Some((part, end)) = part(bytes, at) {
        match part {
            Part::Picture(_) if pictures == 1 => return false,
            Part::Picture(_) => pictures = 1,
            Part::Extension(..) => {}
            Part::End => return pictures == 1,
        }
        at = end;
    }
    false
}

/// The file without comments and what programs add for themselves.
pub(in super::super) fn stripped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut at = start(bytes)?;
    let mut file = bytes.get(..at)?.to_vec();
    loop {
        let (part, end) = part(bytes, at)?;
        match part {
            Part::End => break,
            Part::Extension(label, data) if !is_kept(label, data) => {}
            _ => file.extend_from_slice(bytes.get(at..end)?),
        }
        at = end;
    }
    file.push(TRAILER);
    Some(file)
}

fn cut_off() -> Refusal {
    Refusal::broken("it ends too early")
}

fn canvas(bytes: &[u8]) -> Option<Header> {
    let (width, height) = (le16(bytes, SIGNATURE)?, le16(bytes, SIGNATURE + 2)?);
    let mut header = Header::new(Kind::Gif, width.into(), height.into(), bytes.len());
    (header.lossless, header.channels) = (true, 4);
    Some(header)
}

/// Where the first block begins: after the screen's descriptor and its colours.
fn start(bytes: &[u8]) -> Option<usize> {
    Some(SIGNATURE + 7 + colours(*bytes.get(SIGNATURE + 4)?))
}

/// The block at this place, and where it ends; `None` where it is cut off.
fn part(bytes: &[u8], at: usize) -> Option<(Part<'_>, usize)> {
    match *bytes.get(at).unwrap_or(&TRAILER) {
        IMAGE => {
            let place = slice(bytes, at + 1, 9)?;
            Some((Part::Picture(place), after_blocks(bytes, at + 11 + colours(*place.last()?))?))
        }
        EXTENSION => {
            let end = after_blocks(bytes, at + 2)?;
            Some((Part::Extension(*bytes.get(at + 1)?, bytes.get(at + 2..end)?), end))
        }
        _ => Some((Part::End, bytes.len().min(at + 1))),
    }
}

fn area(place: &[u8]) -> u64 {
    [4, 6].map(|field| le16(place, field).map_or(0, u64::from)).iter().product()
}

/// Whether a picture covers its canvas.
fn fills(place: &[u8], header: &Header) -> Result<bool, Refusal> {
    let [left, top, width, height] = [0, 2, 4, 6].map(|field| le16(place, field).map_or(0, u32::from));
    // Viewers make the canvas larger then; the decoder cuts off what does not fit.
    let is_beyond = left + width > header.width || top + height > header.height;
    if is_beyond && header.pixels() > 0 {
        return Err(Refusal::Unsupported(Kind::Gif));
    }
    Ok((left, top, width, height) == (0, 0, header.width, header.height))
}

/// Whether an extension is a part of the picture: the time and the place of what follows, text on it, and how often it moves.
fn is_kept(label: u8, data: &[u8]) -> bool {
    match label {
        GRAPHIC_CONTROL | PLAIN_TEXT => true,
        APPLICATION => data.starts_with(b"\x0bNETSCAPE2.0") || data.starts_with(b"\x0bANIMEXTS1.0"),
        _ => false,
    }
}

/// The bytes of the colour table that a descriptor announces.
fn colours(packed: u8) -> usize {
    if packed & 0x80 == 0 { 0 } else { 3 << ((packed & 7) + 1) }
}

/// Where a chain of blocks ends: each says how long it is, and the last one is empty.
fn after_blocks(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*bytes.get(at)?);
        slice(bytes, at + 1, length)?;
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gif(blocks: &[&[u8]]) -> Vec<u8> {
        [b"GIF89a\x02\0\x01\0\x80\0\0\0\0\0\xff\xff\xff", blocks.concat().as_slice()].concat()
    }

    #[test]
    fn one_picture_is_a_still_and_two_are_an_animation() {
        let picture: &[u8] = b"\x2c\0\0\0\0\x02\0\x01\0\0\x02\x02\x44\x01\0";
        let clear: &[u8] = b"\x21\xf9\x04\x01\0\0\0\0";
        let comment: &[u8] = b"\x21\xfe\x02hi\0";
        for (blocks, expected) in [
            (&[picture, b"\x3b"][..], Some((false, false))),
            (&[picture], Some((false, false))),
            (&[comment, clear, picture, comment, b"\x3b"], Some((false, true))),
            (&[picture, clear, picture, b"\x3b"], Some((true, true))),
            // An animation that is cut off moves as far as it goes.
            (&[picture, picture, b"\x2c\0"], Some((true, false))),
            (&[picture, b"\x2c\0"], None),
            (&[], None),
            (&[b"\x3b"], None),
            (&[comment, b"\x3b"], None),
            (&[&picture[..9]], None),
            (&[&picture[..14]], None),
            (&[b"\x2c\x01\0\0\0\x02\0\x01\0\0\x02\x02\x44\x01\0\x3b"], None),
        ] {
            let header = probe(&gif(blocks)).ok();
            assert_eq!(header.map(|header| (header.animated, header.alpha)), expected, "{blocks:?}");
            if let Some((animated, _)) = expected {
                assert_eq!(is_still(&gif(blocks)), !animated, "{blocks:?}");
            }
        }
        for length in 0..13 {
            assert!(probe(&gif(&[])[..length]).is_err(), "{length}");
        }
    }
}
