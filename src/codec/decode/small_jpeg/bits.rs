//! The numbers of a scan, read from its bits (ITU-T T.81 F.2.2). Its state is a value that is copied, so that it stays in
//! registers: this is where most of the time goes.

use super::{
    super::super::bytes::has_ff,
    tables::{Codes, Coding, extended},
};

/// Where in a block each number of the scan belongs (T.81 figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The most bits of one number and its code.
const LONGEST: u32 = 32;

/// Frequencies of a block.
pub(super) struct Block {
    pub(super) numbers: [f32; 64],
    /// Whether all of it has one colour.
    pub(super) is_flat: bool,
    /// Whether the lower half of its rows counts.
    is_whole: bool,
}

impl Block {
    /// One of which the upper rows count.
    pub(super) const fn new(rows: usize) -> Self {
        Self { numbers: [0.0; 64], is_flat: true, is_whole: rows > 4 }
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.is_flat = true;
        // A half is short enough to be cleared without a call.
        if let [upper, lower] = self.numbers.as_chunks_mut::<32>().0 {
            *upper = [0.0; 32];
            if self.is_whole {
                *lower = [0.0; 32];
            }
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte.
    at: usize,
    /// The bits that were read, from the highest on, ...
    bits: u64,
    /// how many of them count, ...
    count: u32,
    /// and how many of these were never there.
    missing: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, bits: 0, count: 0, missing: 0 }
    }

    /// Whether more was read than there is.
    pub(super) const fn is_past_the_end(&self) -> bool {
        self.count < self.missing
    }

    /// After the restart marker of this number.
    pub(super) fn restarted(self, number: usize) -> Option<Self> {
        let rest = self.data.get(self.at..).filter(|_| !self.is_past_the_end())?;
        // Some writers fill up the data before a marker.
        let at = rest.array_windows().position(|[first, second]| *first == 0xff && !matches!(second, 0 | 0xff))?;
        let (marker, rest) = rest.get(at + 1..)?.split_first()?;
        (*marker == 0xd0 | (number & 7) as u8).then(|| Self::new(rest))
    }

    /// The next block of a component, whose first number is told by its difference to that of the block before.
    #[inline]
    pub(super) fn read(&mut self, coding: &Coding, prediction: &mut i32, block: &mut Block) -> Option<()> {
        let Coding { quantization, dc, ac } = coding;
        let mut bits = *self;
        block.clear();
        *prediction = prediction.wrapping_add(bits.difference(dc)?);
        block.numbers[0] = *prediction as f32 * quantization[0];
        let mut place = 1;
        while place < 64 {
            let (zeros, size, number) = bits.symbol(ac)?;
            place += zeros;
            match (size, zeros) {
                (0, 15) => place += 1,
                (0, _) => break,
                _ => {
                    let factor = quantization.get(place)?;
                    block.numbers[usize::from(ZIGZAG[place] & 63)] = number as f32 * factor;
                    block.is_flat = false;
                    place += 1;
                }
            }
        }
        *self = bits;
        Some(())
    }

    /// What the first number of a block differs by from that of the block before.
    #[inline]
    pub(super) fn difference(&mut self, codes: &Codes) -> Option<i32> {
        let (zeros, _, number) = self.symbol(codes)?;
        (zeros == 0).then_some(number)
    }

    /// The next symbol: zeros, bits of the number after them, and that number.
    #[inline]
    pub(super) fn symbol(&mut self, codes: &Codes) -> Option<(usize, u32, i32)> {
        self.fill();
        let entry = codes.entry(self.bits);
        self.take(entry.length.into());
        let (zeros, size) = (usize::from(entry.symbol >> 4), u32::from(entry.symbol & 15));
        if let Some(number) = entry.number {
            return Some((zeros, size, number.into()));
        }
        let (zeros, size) = if entry.length == 0 {
            let (symbol, length) = codes.long(self.bits)?;
            self.take(length);
            (usize::from(symbol >> 4), u32::from(symbol & 15))
        } else {
            (zeros, size)
        };
        if size == 0 {
            return Some((zeros, 0, 0));
        }
        let number = extended((self.bits >> (64 - size)) as u32, size);
        self.take(size);
        Some((zeros, size, number))
    }

    /// The number that the next bits are, 32 of them at most.
    #[inline]
    pub(super) fn number(&mut self, count: u32) -> u32 {
        self.fill();
        let number = self.bits >> 32 >> (32 - count);
        self.take(count);
        number as u32
    }

    #[inline]
    fn take(&mut self, count: u32) {
        self.bits <<= count;
        self.count -= count;
    }

    /// As many bits as a number may have, at least.
    #[inline]
    fn fill(&mut self) {
        if self.count >= LONGEST {
            return;
        }
        if let Some(eight) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*eight);
            if !has_ff(word) {
                // Bits beyond the last whole byte are read again, and are the same.
                let bytes = (63 - self.count) / 8;
                self.bits |= word >> self.count;
                self.count += 8 * bytes;
                self.at += bytes as usize;
                return;
            }
        }
        *self = self.filled_slowly();
    }

    /// Byte by byte. A zero after 0xff is none of the data (B.1.1.5), and at a marker the data ends.
    #[cold]
    #[inline(never)]
    fn filled_slowly(mut self) -> Self {
        while self.count <= 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => {
                    self.missing += 8;
                    0
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.bits |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }
}
