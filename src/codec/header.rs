//! The measures of an image, as its header states them. It reads no file.

use super::{kind::Kind, orientation::Orientation};

/// What a file's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// As stored, before the orientation is applied.
    pub(crate) width: u32,
    /// As stored, before the orientation is applied.
    pub(crate) height: u32,
    pub(crate) orientation: Orientation,
    pub(crate) alpha: bool,
    pub(crate) animated: bool,
    /// Whether the file keeps every pixel as its author made it.
    pub(crate) lossless: bool,
    /// Bits of a channel.
    pub(crate) bits: u8,
    pub(crate) channels: u8,
    /// Whether [`strip`](super::strip) would remove something.
    pub(crate) metadata: bool,
    /// Whether the picture is stored in several passes (progressive, interlaced): all of it is then held to decode it.
    pub(crate) passes: bool,
    /// Scans of a JPEG, each a pass over the whole picture.
    pub(crate) scans: u32,
    /// Bytes of all its scans, ...
    pub(super) coded: u32,
    /// and markers in them at which a decoder begins anew.
    pub(super) restarts: u32,
    /// What the components of a JPEG are, ...
    pub(super) colours: Colours,
    /// and which decoder is right about it.
    pub(super) reader: Reader,
    /// Whether it can be decoded smaller than it is stored.
    pub(crate) shrinks: bool,
    /// Whether the site has drawn the picture: then nobody has chosen the format of the file.
    pub(crate) drawn: bool,
    /// The length of the file.
    pub(crate) length: usize,
}

/// The meaning of a JPEG's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    Grey,
    Ycc,
    Rgb,
    /// Four inks; 255 is none.
    Inks,
    /// Four inks, of which the first three are coded as YCbCr.
    Ycck,
}

/// Which decoder reads a JPEG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The fast one.
    Fast,
    /// What reads the structures of the fast one where they come out smaller.
    Small,
    /// The one that knows every structure.
    Thorough,
}

impl Header {
    pub(super) const fn new(kind: Kind, width: u32, height: u32, length: usize) -> Self {
        Self {
            kind,
            width,
            height,
            orientation: Orientation::UPRIGHT,
            alpha: false,
            animated: false,
            lossless: false,
            bits: 8,
            channels: 3,
            metadata: false,
            passes: false,
            scans: 0,
            coded: 0,
            restarts: 0,
            colours: Colours::Ycc,
            reader: Reader::Fast,
            shrinks: false,
            drawn: false,
            length,
        }
    }

    /// Width and height as the picture is seen.
    pub(crate) const fn upright(&self) -> (u32, u32) {
        if self.orientation.swaps() { (self.height, self.width) } else { (self.width, self.height) }
    }

    /// Width and height of the upright picture at this width. It is never enlarged.
    pub(crate) fn fitted(&self, width: Option<u32>) -> (u32, u32) {
        let (own, height) = self.upright();
        match width {
            Some(width) if width < own => {
                let scaled = (u64::from(height) * u64::from(width) + u64::from(own) / 2) / u64::from(own).max(1);
                (width.max(1), (scaled as u32).max(1))
            }
            _ => (own, height),
        }
    }

    /// Width and height, as stored, of the upright picture at this width.
    pub(super) fn target(&self, width: Option<u32>) -> (u32, u32) {
        let (width, height) = self.fitted(width);
        if self.orientation.swaps() { (height, width) } else { (width, height) }
    }

    /// How many eighths of its width the picture may be decoded at that ends at this size: 8 is all of it. Half as
    /// much again as the target's size is needed at least: a decoder scales coarsely, and what scales finely after it must have
    /// something to work on. More of it was measured to be worth less than half a point of SSIMULACRA2.
    pub(super) fn eighths(&self, target: (u32, u32)) -> u32 {
        let is_enough = |eighths: &u32| self.width * eighths >= 12 * target.0 && self.height * eighths >= 12 * target.1;
        let is_known = |eighths: &u32| self.reader_at(*eighths) == Reader::Small || matches!(eighths, 1 | 2 | 4);
        // Above that all of it takes as long, but for a picture in passes, of which the rest is then held as well.
        let most = if self.passes { 6 } else { 5 };
        (1..=most).filter(is_known).find(is_enough).filter(|_| self.shrinks).unwrap_or(8)
    }

    /// The decoder of a JPEG that comes out at so many eighths of its width.
    pub(super) fn reader_at(&self, eighths: u32) -> Reader {
        match self.reader {
            Reader::Fast if eighths == 8 => Reader::Fast,
            Reader::Fast => Reader::Small,
            reader => reader,
        }
    }

    /// Width and height, as stored, at so many eighths.
    pub(super) fn shrunk(&self, eighths: u32) -> (u32, u32) {
        ((self.width * eighths).div_ceil(8), (self.height * eighths).div_ceil(8))
    }

    /// The same, to a part of a pixel.
    pub(super) fn extent(&self, eighths: u32) -> (f64, f64) {
        let part = |side: u32| f64::from(side * eighths) / 8.0;
        (part(self.width), part(self.height))
    }

    pub(super) const fn pixels(&self) -> u64 {
        self.width as u64 * self.height as u64
    }
}
