//! The blocks of a GIF file (GIF89a §17 to §27): its measures, and whether it moves.

use super::super::{
    bytes::{le16, slice},
    header::Header,
    kind::Kind,
    refusal::Refusal,
};

const SIGNATURE: usize = 6;
const IMAGE: u8 = 0x2c;
const EXTENSION: u8 = 0x21;
const GRAPHIC_CONTROL: u8 = 0xf9;

/// The measures of the canvas. Of an animation no more than the first picture is looked at.
pub(in super::super) fn probe(bytes: &[u8]) -> Result<Header, Refusal> {
    read(bytes).ok_or_else(|| Refusal::broken("it ends too early"))?
}

fn read(bytes: &[u8]) -> Option<Result<Header, Refusal>> {
    let (width, height) = (le16(bytes, SIGNATURE)?, le16(bytes, SIGNATURE + 2)?);
    let mut header = Header::new(Kind::Gif, width.into(), height.into(), bytes.len());
    (header.lossless, header.channels) = (true, 4);
    let mut at = SIGNATURE + 7 + colours(*bytes.get(SIGNATURE + 4)?);
    let mut is_whole = false;
    loop {
        match bytes.get(at) {
            Some(&IMAGE) if is_whole => {
                header.animated = true;
                return Some(Ok(header));
            }
            Some(&IMAGE) => {
                let [left, top, right, low] = [1, 3, 5, 7].map(|field| le16(bytes, at + field));
                let (right, low) = (left?.saturating_add(right?), top?.saturating_add(low?));
                // Viewers make the canvas larger then; the decoder cuts off what does not fit.
                if (right > width || low > height) && width > 0 && height > 0 {
                    return Some(Err(Refusal::Unsupported(Kind::Gif)));
                }
                header.alpha |= (left?, top?, right, low) != (0, 0, width, height);
                at = after_blocks(bytes, at + 11 + colours(*bytes.get(at + 9)?))?;
                is_whole = true;
            }
            Some(&EXTENSION) => {
                let controls = bytes.get(at + 1) == Some(&GRAPHIC_CONTROL);
                header.alpha |= controls && bytes.get(at + 3)? & 1 == 1;
                at = after_blocks(bytes, at + 2)?;
            }
            // The trailer, or what stands in its place.
            _ => return is_whole.then_some(Ok(header)),
        }
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
            // The rest of an animation is not looked at.
            (&[picture, b"\x2c\0"], Some((true, false))),
            (&[], None),
            (&[b"\x3b"], None),
            (&[comment, b"\x3b"], None),
            (&[&picture[..9]], None),
            (&[&picture[..14]], None),
            (&[b"\x2c\x01\0\0\0\x02\0\x01\0\0\x02\x02\x44\x01\0\x3b"], None),
        ] {
            let header = probe(&gif(blocks)).ok();
            assert_eq!(header.map(|header| (header.animated, header.alpha)), expected, "{blocks:?}");
        }
        for length in 0..13 {
            assert!(probe(&gif(&[])[..length]).is_err(), "{length}");
        }
    }
}
