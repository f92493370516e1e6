//! How large a picture is that is passed through as it is, for pages that leave room for it. It does not know whether the
//! file is sound: it only reads where a size would stand.

use super::{
    bytes::{array, be32, le16, slice},
    kind::Kind,
    probe::{XML_SPACE, sniff},
};

/// Width and height of a file of any kind that says so near its beginning, as it is seen.
pub(crate) fn measure(bytes: &[u8]) -> Option<(u32, u32)> {
    let size = match sniff(bytes)? {
        Kind::Gif => le16(bytes, 6).zip(le16(bytes, 8)).map(|(width, height)| (width.into(), height.into())),
        Kind::Avif | Kind::Heif => item_size(bytes),
        Kind::Svg => svg_size(&String::from_utf8_lossy(bytes.get(..bytes.len().min(4096))?)),
        _ => None,
    };
    size.filter(|(width, height)| *width > 0 && *height > 0)
}

/// The largest `ispe` property (ISO/IEC 23008-12 §6.5.3): tiles and thumbnails are smaller. `irot` turns it by quarters.
fn item_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let meta = boxes(bytes).find(|(name, _)| *name == b"meta")?.1;
    let properties = boxes(meta.get(4..)?).find(|(name, _)| *name == b"iprp")?.1;
    let properties = boxes(properties).find(|(name, _)| *name == b"ipco")?.1;
    let sizes =
        boxes(properties).filter(|(name, _)| *name == b"ispe").filter_map(|(_, size)| be32(size, 4).zip(be32(size, 8)));
    let (width, height) = sizes.max_by_key(|(width, height)| u64::from(*width) * u64::from(*height))?;
    let quarters = boxes(properties).find(|(name, _)| *name == b"irot").and_then(|(_, angle)| angle.first().copied());
    Some(if quarters.is_some_and(|angle| angle % 2 == 1) { (height, width) } else { (width, height) })
}

/// Whether the boxes of a file are all there, pixels among them. The last one may go to the end, and a long one has its
/// length in 64 bits.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let (mut rest, mut has_data) = (bytes, false);
    while let Some(length) = be32(rest, 0) {
        has_data |= slice(rest, 4, 4) == Some(b"mdat");
        let length = match length {
            0 => return has_data,
            1 => array(rest, 8).map_or(0, u64::from_be_bytes),
            length => length.into(),
        };
        let after = usize::try_from(length).ok().filter(|length| *length >= 8).and_then(|length| rest.get(length..));
        let Some(after) = after else { return false };
        rest = after;
    }
    rest.is_empty() && has_data
}

/// The boxes that follow one another here: name and content (ISO/IEC 14496-12 §4.2).
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let length = match be32(bytes, 0)? {
            0 => bytes.len(),
            length => length as usize,
        };
        let name = slice(bytes, 4, 4)?.try_into().ok()?;
        let content = bytes.get(8..length)?;
        bytes = bytes.get(length..)?;
        Some((name, content))
    })
}

/// `width` and `height` of the first element where they are plain numbers, else the ratio of its `viewBox`.
fn svg_size(text: &str) -> Option<(u32, u32)> {
    let start = text.match_indices("svg").map(|(at, _)| at).find(|at| text[..*at].ends_with(['<', ':']))?;
    let element = text.get(start..)?.split('>').next()?;
    let number = |text: &str| {
        let text = text.trim_matches(XML_SPACE).trim_end_matches("px");
        text.parse::<f64>().ok().filter(|n| (1.0..1e6).contains(n))
    };
    let side = |name| attribute(element, name).and_then(number).map(|side| side.round() as u32);
    side("width").zip(side("height")).or_else(|| {
        let mut numbers =
            attribute(element, "viewBox")?.split([' ', ',']).filter(|part| !part.is_empty()).skip(2).map(number);
        Some((numbers.next()??.round() as u32, numbers.next()??.round() as u32))
    })
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.match_indices(name).find_map(|(at, _)| {
        let before = element.get(..at)?.chars().next_back()?;
        let value = element.get(at + name.len()..)?.trim_start_matches(XML_SPACE).strip_prefix('=')?;
        let value = value.trim_start_matches(XML_SPACE);
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value.get(1..)?.split(quote).next().filter(|_| XML_SPACE.contains(&before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_svg_says_its_size_in_two_ways() {
        for (text, size) in [
            (r#"<svg xmlns="http://www.w3.org/2000/svg" width="12px" height='8'>"#, Some((12, 8))),
            (r#"<svg stroke-width="3" viewBox="0 0 24,16"/>"#, Some((24, 16))),
            (r#"<?xml version="1.0"?><s:svg width="100%" height="1" viewBox="0 0 4 2"/>"#, Some((4, 2))),
            (r"<svg/>", None),
            (r#"<svg width="0" height="5"/>"#, None),
        ] {
            assert_eq!(measure(text.as_bytes()), size, "{text}");
        }
    }
}
