//! A JPEG without what it tells of its author. Not a bit of the picture is touched.

use super::{
    super::super::orientation::Orientation, APP0, APP1, APP2, APP14, APP15, COM, EXIF, ICC, SOI, SOS, Segment,
    Segments, heads, structure::is_jfif,
};

/// Whether a segment belongs to the picture: its coding, its colours, its density, which side is up. What stands behind the
/// first scan and is none of the coding is read by nobody.
pub(super) fn is_kept(segment: &Segment<'_>, in_head: bool) -> bool {
    match segment.marker {
        APP0..=APP15 | COM if !in_head => false,
        APP0 => segment.payload.starts_with(b"AVI1") || (is_jfif(segment) && segment.payload.len() == 14),
        APP1 => {
            let exif = segment.payload.strip_prefix(EXIF);
            exif.is_some_and(|exif| exif == Orientation::of_exif(exif).to_exif() && exif.get(19) != Some(&1))
        }
        APP2 => segment.payload.starts_with(ICC),
        // How CMYK and RGB are told from YCbCr.
        APP14 => segment.payload.starts_with(b"Adobe"),
        APP0..=APP15 | COM => false,
        _ => true,
    }
}

/// The orientation that the first EXIF segment says, as in every browser, however the file goes on.
pub(in super::super::super) fn orientation(bytes: &[u8]) -> Orientation {
    let exif = heads(bytes).find_map(|segment| exif(&segment).map(Orientation::of_exif));
    exif.unwrap_or(Orientation::UPRIGHT)
}

/// The TIFF structure of an EXIF segment.
pub(super) fn exif<'a>(segment: &Segment<'a>) -> Option<&'a [u8]> {
    segment.payload.strip_prefix(EXIF).filter(|_| segment.marker == APP1)
}

/// The file without what [`is_kept`] leaves out. EXIF comes back as its orientation alone. A picture that is cut off in a
/// scan stays cut off there.
pub(in super::super::super) fn stripped(bytes: &[u8], orientation: Orientation) -> Option<Vec<u8>> {
    let mut file = Vec::with_capacity(bytes.len());
    let (mut turned, mut in_head) = (orientation.is_upright(), true);
    let mut segments = Segments::new(bytes);
    while let Some(segment) = segments.next() {
        let Ok(segment) = segment else {
            let rest = bytes.get(segments.at..).filter(|rest| rest.starts_with(&[0xff, SOS]))?;
            file.extend_from_slice(rest);
            break;
        };
        in_head &= segment.marker != SOS;
        let jfif = in_head && is_jfif(&segment);
        if !(turned || segment.marker == SOI || jfif) {
            turned = true;
            file.extend_from_slice(&[0xff, APP1, 0, 34]);
            file.extend_from_slice(EXIF);
            file.extend_from_slice(&orientation.to_exif());
        }
        if jfif && !is_kept(&segment, in_head) {
            file.extend_from_slice(&without_thumbnail(segment.payload)?);
        } else if segment.marker != APP1 && is_kept(&segment, in_head) {
            file.extend_from_slice(bytes.get(segment.whole)?);
        }
    }
    Some(file)
}

/// The JFIF segment (version, density) without the picture in it.
fn without_thumbnail(payload: &[u8]) -> Option<Vec<u8>> {
    let mut segment = vec![0xff, APP0, 0, 16];
    segment.extend_from_slice(payload.get(..12)?);
    segment.extend_from_slice(&[0, 0]);
    Some(segment)
}
