//! The groups of prefix codes of a lossless WebP picture (RFC 9649 §3.7.2.2), counted before they are made.
//!
//! SECURITY: a decoder makes tables for as many groups as the largest number in one small picture says, whether they are
//! used or not: 4 MB of such codes took it 1.3 GB. It does not know the picture's own pixels.

/// Reads what stands before the pixels of a picture, and says how many groups of codes it has. `None` where a decoder could
/// not read it either.
pub(super) fn groups(data: &[u8], width: u32, height: u32) -> Option<u32> {
    let mut bits = Bits { data, at: 0 };
    let (mut width, mut seen) = (width, [false; 4]);
    while bits.flag()? {
        let kind = bits.take(2)?;
        if std::mem::replace(seen.get_mut(kind as usize)?, true) {
            return None;
        }
        match kind {
            0 | 1 => {
                let size = bits.take(3)? + 2;
                largest(&mut bits, sampled(width, size), sampled(height, size))?;
            }
            3 => {
                let colours = bits.take(8)? + 1;
                largest(&mut bits, colours, 1)?;
                width = sampled(width, [3, 2, 1, 0][[2, 4, 16].iter().filter(|most| colours > **most).count()]);
            }
            _ => {}
        }
    }
    cache(&mut bits)?;
    if !bits.flag()? {
        return Some(1);
    }
    let size = bits.take(3)? + 2;
    Some(largest(&mut bits, sampled(width, size), sampled(height, size))? + 1)
}

fn sampled(side: u32, bits: u32) -> u32 {
    side.div_ceil(1 << bits)
}

/// How many codes the cache of colours adds (§3.6.2.3).
fn cache(bits: &mut Bits<'_>) -> Option<usize> {
    if !bits.flag()? {
        return Some(0);
    }
    let size = bits.take(4)?;
    (1..=11).contains(&size).then_some(1 << size)
}

/// The largest number that red and green are in one of the pictures that describe the picture (§3.7.2.3). What is copied
/// from a pixel before is no larger than that one was.
fn largest(bits: &mut Bits<'_>, width: u32, height: u32) -> Option<u32> {
    let cached = cache(bits)?;
    let mut code = |symbols: usize| Code::read(bits, symbols);
    let (green, red) = (code(LITERALS + LENGTHS + cached)?, code(LITERALS)?);
    let (blue, alpha, distance) = (code(LITERALS)?, code(LITERALS)?, code(DISTANCES)?);
    let (mut left, mut largest) = (u64::from(width) * u64::from(height), 0);
    let is_one_colour = [&green, &red, &blue, &alpha].iter().all(|code| code.is_single());
    while left > 0 {
        let symbol = green.symbol(bits)?;
        left -= match symbol {
            literal if literal < LITERALS as u32 => {
                largest = largest.max((red.symbol(bits)? << 8) | literal);
                blue.symbol(bits)?;
                alpha.symbol(bits)?;
                // No bit is read for any of its pixels.
                if is_one_colour { left } else { 1 }
            }
            length if length < (LITERALS + LENGTHS) as u32 => {
                let length = bits.prefixed(length - LITERALS as u32)?;
                let distance = distance.symbol(bits)?;
                bits.prefixed(distance)?;
                u64::from(length).min(left)
            }
            _ => 1,
        };
    }
    Some(largest)
}

const LITERALS: usize = 256;
const LENGTHS: usize = 24;
const DISTANCES: usize = 40;

/// Bits from the lowest of each byte on.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, bit| Some(value | (self.bit()? << bit)))
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = self.data.get(self.at / 8)?;
        self.at += 1;
        Some(u32::from((byte >> ((self.at - 1) % 8)) & 1))
    }

    fn flag(&mut self) -> Option<bool> {
        self.bit().map(|bit| bit == 1)
    }

    /// A length or a distance, of which the symbol says the first bits (§3.6.2.2).
    fn prefixed(&mut self, symbol: u32) -> Option<u32> {
        if symbol < 4 {
            return Some(symbol + 1);
        }
        let extra = (symbol - 2) >> 1;
        Some(((2 + (symbol & 1)) << extra) + self.take(extra)? + 1)
    }
}

/// One prefix code.
enum Code {
    Single(u32),
    /// One bit, for the symbols in the order in which they stand.
    Two([u32; 2]),
    /// How many symbols have codes of each length, and the symbols by their codes.
    Many([u32; LONGEST + 1], Vec<u32>),
}

const LONGEST: usize = 15;

impl Code {
    /// §3.7.2.1.
    fn read(bits: &mut Bits<'_>, symbols: usize) -> Option<Self> {
        let is_symbol = |symbol: &u32| (*symbol as usize) < symbols;
        if bits.flag()? {
            let (has_two, is_long) = (bits.flag()?, bits.flag()?);
            let first = bits.take(if is_long { 8 } else { 1 }).filter(is_symbol)?;
            return if has_two {
                bits.take(8).filter(is_symbol).map(|second| Self::Two([first, second]))
            } else {
                Some(Self::Single(first))
            };
        }
        let mut lengths = [0; ORDER.len()];
        for place in ORDER.iter().take(4 + bits.take(4)? as usize) {
            lengths[*place] = bits.take(3)?;
        }
        let lengths = Self::lengths(&Self::of(&lengths)?, bits, symbols)?;
        Self::of(&lengths)
    }

    /// The lengths of a code's codes, which are coded themselves.
    fn lengths(code: &Self, bits: &mut Bits<'_>, symbols: usize) -> Option<Vec<u32>> {
        let mut left = symbols;
        if bits.flag()? {
            let size = 2 + 2 * bits.take(3)?;
            left = 2 + bits.take(size)? as usize;
        }
        let (mut lengths, mut last) = (Vec::with_capacity(symbols), 8);
        while lengths.len() < symbols && left > 0 {
            left -= 1;
            let (length, times) = match code.symbol(bits)? {
                16 => (last, 3 + bits.take(2)?),
                17 => (0, 3 + bits.take(3)?),
                18 => (0, 11 + bits.take(7)?),
                length => (length, 1),
            };
            last = if length > 0 { length } else { last };
            lengths.extend(std::iter::repeat_n(length, times as usize));
        }
        (lengths.len() <= symbols).then_some(lengths)
    }

    /// The code in which codes of one length follow each other in the order of their symbols; it has to be complete.
    fn of(lengths: &[u32]) -> Option<Self> {
        let mut counts = [0; LONGEST + 1];
        for length in lengths {
            *counts.get_mut(*length as usize)? += 1;
        }
        counts[0] = 0;
        let mut by_code: Vec<u32> = (0..).take(lengths.len()).filter(|symbol| lengths[*symbol as usize] > 0).collect();
        by_code.sort_by_key(|symbol| lengths[*symbol as usize]);
        if let [only] = by_code[..] {
            return Some(Self::Single(only));
        }
        let room: u32 = (1..).zip(&counts[1..]).map(|(length, count)| count << (LONGEST - length)).sum();
        (room == 1 << LONGEST).then_some(Self::Many(counts, by_code))
    }

    fn is_single(&self) -> bool {
        matches!(self, Self::Single(_))
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u32> {
        match self {
            Self::Single(symbol) => Some(*symbol),
            Self::Two(symbols) => symbols.get(bits.bit()? as usize).copied(),
            Self::Many(counts, symbols) => {
                let (mut code, mut first, mut before) = (0, 0, 0);
                for count in &counts[1..] {
                    code |= bits.bit()?;
                    if code < first + count {
                        return symbols.get((before + code - first) as usize).copied();
                    }
                    before += count;
                    first = (first + count) << 1;
                    code <<= 1;
                }
                None
            }
        }
    }
}

/// The order in which lengths of the code for lengths stand.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
