//! The segments of a JPEG file (ITU-T T.81 annex B): its measures, its [`structure`], and the file [without](strip) what it
//! tells of its author.

mod strip;
mod structure;

use std::ops::Range;

use self::structure::Structure;
pub(in super::super) use self::{
    strip::{orientation, stripped},
    structure::picture,
};
use super::super::{
    bytes::{be16, find_ff, slice},
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    orientation::Orientation,
    refusal::{Refusal, within},
};

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
pub(in super::super) const SOS: u8 = 0xda;
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
pub(in super::super) struct Segment<'a> {
    pub(in super::super) marker: u8,
    pub(in super::super) payload: &'a [u8],
    whole: Range<usize>,
    /// What stands before the payload: fill bytes, the marker, the length.
    head: usize,
    data: Data,
}

impl Segment<'_> {
    /// The data of a scan, in the bytes that the segment was read from.
    pub(in super::super) fn scan<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(self.whole.end.saturating_sub(self.data.length)..self.whole.end).unwrap_or_default()
    }
}

/// The data of a scan.
#[derive(Clone, Copy, Default)]
struct Data {
    length: usize,
    restarts: u32,
}

/// All segments up to the end of the image. What follows that is no part of it.
pub(in super::super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Segments<'a> {
    pub(in super::super) const fn new(bytes: &'a [u8]) -> Self {
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
        let (mut payload, mut head, mut data) = (&[][..], at - start, Data::default());
        if !matches!(marker, 0x01 | 0xd0..=EOI) {
            let length = usize::from(be16(self.bytes, at)?);
            payload = slice(self.bytes, at + 2, length.checked_sub(2)?)?;
            head += 2;
            at += length;
        }
        if marker == SOS {
            data = Data::at_start(self.bytes.get(at..)?)?;
            at += data.length;
        }
        self.at = at;
        Some(Segment { marker, payload, whole: start..at, head, data })
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

impl Data {
    /// What these bytes begin with: it goes to the next marker that is no restart.
    fn at_start(bytes: &[u8]) -> Option<Self> {
        let (mut at, mut restarts) = (0, 0);
        loop {
            at += find_ff(bytes.get(at..)?)?;
            match *bytes.get(at + 1)? {
                0x00 => at += 2,
                0xd0..=0xd7 => (at, restarts) = (at + 2, restarts + 1),
                0xff => at += 1,
                _ => return Some(Self { length: at, restarts }),
            }
        }
    }
}

/// The segments before the first scan, where the whole file may be told of.
fn heads(bytes: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    Segments::new(bytes).map_while(Result::ok).take_while(|segment| segment.marker != SOS)
}

pub(in super::super) fn probe(bytes: &[u8], limits: &ImageLimits) -> Result<Header, Refusal> {
    let mut header = Header::new(Kind::Jpeg, 0, 0, bytes.len());
    let mut structure = Structure::default();
    let (mut scans, mut orientation, mut end) = (0, None, 0);
    for segment in Segments::new(bytes) {
        let segment = segment?;
        end = segment.whole.end;
        scans += u64::from(segment.marker == SOS);
        within("scans", scans, limits.scans as u64)?;
        header.coded = header.coded.saturating_add(u32::try_from(segment.data.length).unwrap_or(u32::MAX));
        header.restarts = header.restarts.saturating_add(segment.data.restarts);
        header.metadata |= !strip::is_kept(&segment, scans == 0);
        if matches!(segment.marker, 0xc0..=0xcf if !matches!(segment.marker, 0xc4 | 0xc8 | 0xcc)) {
            frame(&segment, &mut header)?;
        }
        structure.read(&segment)?;
        if let Some(exif) = strip::exif(&segment).filter(|_| scans == 0) {
            // The first one counts. What strip itself writes is nothing that it would remove again.
            header.metadata |= orientation.is_some();
            let said = *orientation.get_or_insert(Orientation::of_exif(exif));
            header.metadata |= !said.is_upright() && exif != said.to_exif();
        }
    }
    if scans == 0 || header.width == 0 {
        return Err(Refusal::broken("it has no picture"));
    }
    header.orientation = orientation.unwrap_or(Orientation::UPRIGHT);
    header.metadata |= end < bytes.len();
    header.scans = u32::try_from(scans).unwrap_or(u32::MAX);
    header.colours = structure.colours();
    (header.reader, header.shrinks) = structure.reader()?;
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
    if segment.payload.len() != 6 + 3 * usize::from(channels) {
        return Err(Refusal::broken("its frame header has another length than it says"));
    }
    header.passes = segment.marker == 0xc2;
    (header.width, header.height, header.channels) = (width.into(), height.into(), channels);
    Ok(())
}

/// The ICC profile, if it is whole and no longer than `limit`.
pub(in super::super) fn profile(bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    for segment in heads(bytes).filter(|segment| segment.marker == APP2) {
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
