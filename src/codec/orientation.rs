//! Which side of a stored picture is up (EXIF 2.32 §4.6.4 A, tag 0x0112): read from the file, applied to pixels, written
//! back in the shortest block that says it.

use super::{
    bytes::{array, slice},
    pixels::Pixels,
};

/// The eight ways in which a picture may be stored; 1 is upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Orientation(u8);

impl Orientation {
    pub(crate) const UPRIGHT: Self = Self(1);

    fn new(value: u16) -> Option<Self> {
        u8::try_from(value).ok().filter(|value| (1..=8).contains(value)).map(Self)
    }

    pub(crate) const fn is_upright(self) -> bool {
        self.0 == 1
    }

    /// Whether width and height change places.
    pub(crate) const fn swaps(self) -> bool {
        self.0 >= 5
    }

    /// From a TIFF structure (what EXIF blocks are): the tag of its first directory. Upright where it says nothing sound.
    pub(super) fn of_exif(exif: &[u8]) -> Self {
        read(exif).unwrap_or(Self::UPRIGHT)
    }

    /// A TIFF structure with this tag and nothing else.
    pub(super) const fn to_exif(self) -> [u8; 26] {
        let mut exif = *b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
        exif[19] = self.0;
        exif
    }
}

fn read(exif: &[u8]) -> Option<Orientation> {
    let directory = Directory::first(exif)?;
    Orientation::new(directory.u16_at(directory.entry(0x0112)?.checked_add(8)?)?)
}

/// The first directory of a TIFF structure (TIFF 6.0 §2).
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Where its entries begin.
    start: usize,
    count: usize,
}

impl<'a> Directory<'a> {
    pub(super) fn first(bytes: &'a [u8]) -> Option<Self> {
        let little = match slice(bytes, 0, 2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let mut directory = Self { bytes, little, start: 0, count: 0 };
        let at = usize::try_from(directory.u32_at(4)?).ok()?;
        directory.count = directory.u16_at(at)?.into();
        directory.start = at.checked_add(2)?;
        Some(directory)
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        array(self.bytes, at).map(if self.little { u16::from_le_bytes } else { u16::from_be_bytes })
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        array(self.bytes, at).map(if self.little { u32::from_le_bytes } else { u32::from_be_bytes })
    }

    /// Where the entry of this tag is: the tag, the type, the count and four bytes of values or of their place.
    fn entry(&self, tag: u16) -> Option<usize> {
        let places = (0..self.count).map_while(|number| self.start.checked_add(12 * number));
        places.map_while(|at| Some((at, self.u16_at(at)?))).find(|(_, found)| *found == tag).map(|(at, _)| at)
    }

    /// The first value of a tag, which is a whole number of 16 or 32 bits.
    pub(super) fn number(&self, tag: u16) -> Option<u32> {
        let at = self.entry(tag)?;
        let (size, count) = match self.u16_at(at + 2)? {
            3 => (2, self.u32_at(at + 4)?),
            4 => (4, self.u32_at(at + 4)?),
            _ => return None,
        };
        let fits = count.checked_mul(size).is_some_and(|length| length <= 4);
        let place = if fits { at + 8 } else { usize::try_from(self.u32_at(at + 8)?).ok()? };
        if size == 2 { self.u16_at(place).map(u32::from) } else { self.u32_at(place) }
    }
}

impl Pixels {
    /// The picture as it is meant to be seen.
    pub(crate) fn upright(self, orientation: Orientation) -> Self {
        match self.layout().channels() {
            _ if orientation.is_upright() => self,
            1 => turned::<1>(self, orientation),
            2 => turned::<2>(self, orientation),
            3 => turned::<3>(self, orientation),
            _ => turned::<4>(self, orientation),
        }
    }
}

/// Every pixel of the upright picture, fetched from where it is stored.
fn turned<const N: usize>(stored: Pixels, orientation: Orientation) -> Pixels {
    let (w, h) = (stored.width() as usize, stored.height() as usize);
    let (width, height) = if orientation.swaps() { (h, w) } else { (w, h) };
    let (pixels, _) = stored.data().as_chunks::<N>();
    let mut upright = Vec::with_capacity(pixels.len() * N);
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = match orientation.0 {
                2 => (w - 1 - x, y),
                3 => (w - 1 - x, h - 1 - y),
                4 => (x, h - 1 - y),
                5 => (y, x),
                6 => (y, h - 1 - x),
                7 => (w - 1 - y, h - 1 - x),
                8 => (w - 1 - y, x),
                _ => (x, y),
            };
            upright.extend_from_slice(&pixels[from_y * w + from_x]);
        }
    }
    stored.with_data(width as u32, height as u32, upright)
}
