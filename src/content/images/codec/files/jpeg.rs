//! The segments of a JPEG file (ITU-T T.81 annex B): its measures, and the file without what it tells of its author.

use std::{borrow::Cow, ops::Range};

use super::super::{
    bytes::{be16, slice},
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    orientation::Orientation,
    refusal::{Refusal, within},
};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;
const APP15: u8 = 0xef;
const COM: u8 = 0xfe;

const EXIF: &[u8] = b"Exif\0\0";
const ICC: &[u8] = b"ICC_PROFILE\0";

const LONGEST_FILL: usize = 4096;

/// One segment; that of a scan holds the scan's data as well.
struct Segment<'a> {
    marker: u8,
    payload: &'a [u8],
    whole: Range<usize>,
}

/// All segments up to the end of the image. What follows that is no part of it.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Segments<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, ended: false }
    }

    fn read(&mut self) -> Option<Segment<'a>> {
        let start = self.at;
        let mut at = start;
        // Fill bytes (B.1.1.2). There may be any number; a decoder takes them one by one, and megabytes of them are an attack.
        while *self.bytes.get(at + 1)? == 0xff && at - start < LONGEST_FILL {
            at += 1;
        }
        let marker = *self.bytes.get(at + 1).filter(|_| self.bytes.get(at) == Some(&0xff))?;
        at += 2;
        let mut payload = &[][..];
        if !matches!(marker, 0x01 | 0xd0..=EOI) {
            let length = usize::from(be16(self.bytes, at)?);
            payload = slice(self.bytes, at + 2, length.checked_sub(2)?)?;
            at += length;
        }
        if marker == SOS {
            at += scan_length(self.bytes.get(at..)?)?;
        }
        self.at = at;
        Some(Segment { marker, payload, whole: start..at })
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let segment = self.read();
        self.ended = segment.as_ref().is_none_or(|segment| segment.marker == EOI);
        Some(segment.ok_or_else(|| Refusal::broken("it ends too early, or has bytes between its segments")))
    }
}

/// How far the data of a scan goes: to the next marker that is no restart.
fn scan_length(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += data.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match *data.get(at + 1)? {
            0x00 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

pub(in super::super) fn probe(bytes: &[u8], limits: &ImageLimits) -> Result<Header, Refusal> {
    let mut header = Header::new(Kind::Jpeg, 0, 0, bytes.len());
    let (mut scans, mut coded, mut end) = (0, 0, 0);
    for segment in Segments::new(bytes) {
        let segment = segment?;
        end = segment.whole.end;
        header.metadata |= !is_kept(&segment);
        match segment.marker {
            0xc0..=0xcf if !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc) => frame(&segment, &mut header)?,
            SOS => {
                scans += 1;
                coded += u32::from(segment.payload.first().copied().unwrap_or_default());
            }
            APP1 => {
                if let Some(exif) = segment.payload.strip_prefix(EXIF) {
                    header.orientation = Orientation::of_exif(exif);
                    // What strip itself writes is nothing that it would remove again.
                    header.metadata |= !header.orientation.is_upright() && exif != header.orientation.to_exif();
                }
            }
            _ => {}
        }
        within("scans", scans, limits.scans as u64)?;
    }
    if scans == 0 || header.width == 0 {
        return Err(Refusal::broken("it has no picture"));
    }
    if !header.passes && coded > u32::from(header.channels) {
        // SECURITY: each scan costs a walk over the picture, and takes few bytes. ITU-T T.81 codes a component of a
        // sequential frame once; only progressive ones return to it, and their scans are counted.
        return Err(Refusal::broken("it is sequential, and codes a component more than once"));
    }
    header.metadata |= end < bytes.len();
    header.scans = u32::try_from(scans).unwrap_or(u32::MAX);
    header.shrinks = has_plain_colours(bytes, header.channels);
    Ok(header)
}

/// Start of frame (B.2.2). Baseline, extended and progressive Huffman coding with 8 bits are what is decoded.
fn frame(segment: &Segment<'_>, header: &mut Header) -> Result<(), Refusal> {
    let measures = || {
        let payload = segment.payload;
        Some((*payload.first()?, be16(payload, 1)?, be16(payload, 3)?, *payload.get(5)?))
    };
    let Some((bits, height, width, channels)) = measures() else {
        return Err(Refusal::broken("its frame header is too short"));
    };
    if header.width != 0 {
        return Err(Refusal::broken("it has two frames"));
    }
    // A height of zero is given after the first scan (B.2.5): nothing could be known before the decode.
    if segment.marker > 0xc2 || bits != 8 || height == 0 || !matches!(channels, 1 | 3 | 4) {
        return Err(Refusal::Unsupported(Kind::Jpeg));
    }
    header.passes = segment.marker == 0xc2;
    (header.width, header.height, header.channels) = (width.into(), height.into(), channels);
    Ok(())
}

/// Whether a segment belongs to the picture: its coding, its colours, its density, which side is up.
fn is_kept(segment: &Segment<'_>) -> bool {
    match segment.marker {
        APP0 => segment.payload.starts_with(b"JFIF\0") && segment.payload.len() == 14,
        APP1 => {
            let exif = segment.payload.strip_prefix(EXIF);
            exif.is_some_and(|exif| exif == Orientation::of_exif(exif).to_exif() && exif.get(19) != Some(&1))
        }
        APP2 => segment.payload.starts_with(ICC),
        // How CMYK and RGB are told from YCbCr.
        APP14 => segment.payload.starts_with(b"Adobe"),
        0xe3..=APP15 | COM => false,
        _ => true,
    }
}

/// The orientation that the first EXIF segment says, however the file goes on.
pub(in super::super) fn orientation(bytes: &[u8]) -> Orientation {
    let mut exif = Segments::new(bytes).map_while(Result::ok).filter(|segment| segment.marker == APP1);
    exif.find_map(|segment| segment.payload.strip_prefix(EXIF).map(Orientation::of_exif))
        .unwrap_or(Orientation::UPRIGHT)
}

/// The file without what [`is_kept`] leaves out. EXIF comes back as its orientation alone. A picture that is cut off in a
/// scan stays cut off there.
pub(in super::super) fn stripped(bytes: &[u8], orientation: Orientation) -> Option<Vec<u8>> {
    let mut file = Vec::with_capacity(bytes.len());
    let mut turned = orientation.is_upright();
    let mut segments = Segments::new(bytes);
    while let Some(segment) = segments.next() {
        let Ok(segment) = segment else {
            let rest = bytes.get(segments.at..).filter(|rest| rest.starts_with(&[0xff, SOS]))?;
            file.extend_from_slice(rest);
            break;
        };
        let is_jfif = segment.marker == APP0 && segment.payload.starts_with(b"JFIF\0");
        if !(turned || segment.marker == SOI || is_jfif) {
            turned = true;
            file.extend_from_slice(&[0xff, APP1, 0, 34]);
            file.extend_from_slice(EXIF);
            file.extend_from_slice(&orientation.to_exif());
        }
        if is_jfif && !is_kept(&segment) {
            file.extend_from_slice(&without_thumbnail(segment.payload)?);
        } else if segment.marker != APP1 && is_kept(&segment) {
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

/// The ICC profile, if it is whole and no longer than `limit`.
pub(in super::super) fn profile(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    for segment in Segments::new(bytes).flatten().filter(|segment| segment.marker == APP2) {
        if let Some(part) = segment.payload.strip_prefix(ICC) {
            parts.push((*part.first()?, *part.get(1)?, part.get(2..)?));
        }
    }
    parts.sort_by_key(|(number, ..)| *number);
    let sound =
        parts.iter().zip(1..=u8::MAX).all(|((number, of, _), n)| *number == n && usize::from(*of) == parts.len());
    let length: usize = parts.iter().map(|(.., part)| part.len()).sum();
    (sound && length > 0 && length <= limit).then(|| parts.iter().flat_map(|(.., part)| *part).copied().collect())
}

/// Whether the picture is grey or YCbCr, as nearly all are. How that is told is libjpeg's custom, for want of a rule: JFIF
/// means YCbCr, else Adobe's marker says it, else the names of the components.
fn has_plain_colours(bytes: &[u8], channels: u8) -> bool {
    let mut adobe = None;
    for segment in Segments::new(bytes).map_while(Result::ok) {
        match segment.marker {
            APP0 if segment.payload.starts_with(b"JFIF\0") => return channels <= 3,
            APP14 if segment.payload.starts_with(b"Adobe") => adobe = segment.payload.get(11).copied(),
            0xc0..=0xc2 => {
                let name = |component: usize| segment.payload.get(6 + 3 * component).copied();
                let is_rgb = [name(0), name(1), name(2)] == [b'R', b'G', b'B'].map(Some);
                return channels == 1 || (channels == 3 && adobe.map_or(!is_rgb, |transform| transform == 1));
            }
            _ => {}
        }
    }
    false
}

/// How the four inks of a file are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Inks {
    /// Adobe's programs store 255 for no ink.
    pub(in super::super) inverted: bool,
    /// The first three are coded as YCbCr.
    pub(in super::super) ycck: bool,
}

/// The file with its inks marked as plain CMYK, so that a decoder hands them out as they are, and how they are to be read.
pub(in super::super) fn plain_inks(bytes: &[u8]) -> (Cow<'_, [u8]>, Inks) {
    let adobe = Segments::new(bytes)
        .map_while(Result::ok)
        .find(|segment| segment.marker == APP14 && segment.payload.starts_with(b"Adobe") && segment.payload.len() > 11);
    let Some(segment) = adobe else { return (Cow::Borrowed(bytes), Inks { inverted: false, ycck: false }) };
    let ycck = segment.payload.get(11) == Some(&2);
    if !ycck {
        return (Cow::Borrowed(bytes), Inks { inverted: true, ycck });
    }
    let mut plain = bytes.to_vec();
    // The length of the segment stands before the payload; fill bytes may stand before that.
    if let Some(transform) = plain.get_mut(segment.whole.end - segment.payload.len() + 11) {
        *transform = 0;
    }
    (Cow::Owned(plain), Inks { inverted: true, ycck })
}
