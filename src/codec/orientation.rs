//! Which side of a stored picture is up (EXIF 2.32 §4.6.4 A, tag 0x0112): read from the file, applied to pixels, written
//! back in the shortest block that says it.

use super::{directory::Directory, pixels::Pixels};

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
    Orientation::new(directory.beginning(0x0112)?)
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
