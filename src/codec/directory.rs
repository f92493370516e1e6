//! The first directory of a TIFF structure (TIFF 6.0 §2), which EXIF blocks are too, and of a BigTIFF file, whose places and
//! counts have 64 bits. It knows how values are stored, and not what they mean.

use super::bytes::{array, slice};

/// The number that stands where TIFF has 42.
const BIG: u16 = 43;
/// As many as TIFF can have.
const MOST_ENTRIES: usize = u16::MAX as usize;

const FIRST_PRIVATE: u16 = 0x8000;

const BYTE: u16 = 1;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;
const LONG8: u16 = 16;

pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    big: bool,
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
        let mut directory = Self { bytes, little, big: false, start: 0, count: 0 };
        directory.big = directory.u16_at(2)? == BIG;
        let at = directory.word_at(if directory.big { 8 } else { 4 })?;
        let (count, length) =
            if directory.big { (directory.word_at(at)?, 8) } else { (directory.u16_at(at)?.into(), 2) };
        directory.count = count.min(MOST_ENTRIES);
        directory.start = at.checked_add(length)?;
        Some(directory)
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        array(self.bytes, at).map(if self.little { u16::from_le_bytes } else { u16::from_be_bytes })
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        array(self.bytes, at).map(if self.little { u32::from_le_bytes } else { u32::from_be_bytes })
    }

    fn u64_at(&self, at: usize) -> Option<u64> {
        array(self.bytes, at).map(if self.little { u64::from_le_bytes } else { u64::from_be_bytes })
    }

    /// A place or a count, which has as many bits as this file's have.
    fn word_at(&self, at: usize) -> Option<usize> {
        if self.big { usize::try_from(self.u64_at(at)?).ok() } else { usize::try_from(self.u32_at(at)?).ok() }
    }

    const fn word(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// Where the entry of this tag is: the tag, the type, the count, and the values or their place.
    fn entry(&self, tag: u16) -> Option<usize> {
        let length = 4 + 2 * self.word();
        let places = (0..self.count).map_while(|number| self.start.checked_add(length * number));
        places.map_while(|at| Some((at, self.u16_at(at)?))).find(|(_, found)| *found == tag).map(|(at, _)| at)
    }

    /// Whether all entries are there, and the values of the tags that TIFF itself defines. Of those of others (§2) only `read` is
    /// read.
    pub(super) fn is_whole(&self, read: u16) -> bool {
        let length = 4 + 2 * self.word();
        let is_there = |number: usize| {
            let at = self.start.checked_add(length * number)?;
            let values = slice(self.bytes, at, length)?.len() - self.word() + at;
            let size = match self.u16_at(at + 2)? {
                BYTE | 2 | 6 | UNDEFINED => 1,
                SHORT | 8 => 2,
                LONG | 9 | 11 | 13 => 4,
                RATIONAL | 10 | 12 | LONG8 | 17 | 18 => 8,
                _ => 0,
            };
            let length = self.word_at(at + 4)?.checked_mul(size)?;
            let tag = self.u16_at(at)?;
            if length > self.word() && (tag < FIRST_PRIVATE || tag == read) {
                slice(self.bytes, self.word_at(values)?, length)?;
            }
            Some(())
        };
        (0..self.count).all(|number| is_there(number).is_some())
    }

    /// Where the values of this tag are, by their type.
    fn places(&self, tag: u16) -> Option<(u16, impl Iterator<Item = usize>)> {
        let at = self.entry(tag)?;
        let kind = self.u16_at(at + 2)?;
        let size = match kind {
            SHORT => 2,
            LONG => 4,
            RATIONAL | LONG8 => 8,
            _ => return None,
        };
        let count = self.word_at(at + 4)?;
        let values = at + 4 + self.word();
        let fits = count.checked_mul(size).is_some_and(|length| length <= self.word());
        let start = if fits { values } else { self.word_at(values)? };
        Some((kind, (0..count.max(1)).map_while(move |before| start.checked_add(size.checked_mul(before)?))))
    }

    /// The first value of a tag, which is a whole number.
    pub(super) fn number(&self, tag: u16) -> Option<u32> {
        self.numbers(tag).next()
    }

    /// The values of a tag, which are whole numbers.
    pub(super) fn numbers(&self, tag: u16) -> impl Iterator<Item = u32> {
        self.places(tag).into_iter().flat_map(move |(kind, places)| {
            places.map_while(move |at| match kind {
                SHORT => self.u16_at(at).map(u32::from),
                LONG => self.u32_at(at),
                LONG8 => self.u64_at(at).and_then(|number| u32::try_from(number).ok()),
                _ => None,
            })
        })
    }

    /// The values of a tag, which are fractions.
    pub(super) fn fractions(&self, tag: u16) -> impl Iterator<Item = f32> {
        self.places(tag).filter(|(kind, _)| *kind == RATIONAL).into_iter().flat_map(move |(_, places)| {
            places.map_while(move |at| Some(self.u32_at(at)? as f32 / self.u32_at(at.checked_add(4)?)? as f32))
        })
    }

    /// The value of a tag, which is bytes.
    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let at = self.entry(tag)?;
        let (kind, count, value) = (self.u16_at(at + 2)?, self.word_at(at + 4)?, at + 4 + self.word());
        let start = if count <= self.word() { value } else { self.word_at(value)? };
        slice(self.bytes, start, count).filter(|_| matches!(kind, BYTE | UNDEFINED))
    }

    /// The first 16 bits of an entry's value. The entry's type is not read, because writers give the orientation different types.
    pub(super) fn beginning(&self, tag: u16) -> Option<u16> {
        self.u16_at(self.entry(tag)?.checked_add(4 + self.word())?)
    }

    /// The file in which these tags have one value each. `None` where it lacks one of them.
    pub(super) fn with(&self, values: &[(u16, u32)]) -> Option<Vec<u8>> {
        let mut file = self.bytes.to_vec();
        for (tag, value) in values {
            // A number of 16 bits where that is enough: readers expect no more of most tags.
            let (kind, value) = match u16::try_from(*value) {
                Ok(short) => (SHORT, self.ordered(&short.to_be_bytes())),
                Err(_) => (LONG, self.ordered(&value.to_be_bytes())),
            };
            let count = if self.big { self.ordered(&1_u64.to_be_bytes()) } else { self.ordered(&1_u32.to_be_bytes()) };
            let mut entry = [self.ordered(&kind.to_be_bytes()), count, value].concat();
            entry.resize(2 + 2 * self.word(), 0);
            let at = self.entry(*tag)? + 2;
            file.get_mut(at..at.checked_add(entry.len())?)?.copy_from_slice(&entry);
        }
        Some(file)
    }

    fn ordered(&self, big_endian: &[u8]) -> Vec<u8> {
        let mut bytes = big_endian.to_vec();
        if self.little {
            bytes.reverse();
        }
        bytes
    }
}
