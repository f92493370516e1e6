//! What a scan of a progressive picture tells of one block: numbers of a band of its frequencies (ITU-T T.81 G.1.2.2), or one
//! more bit of each of them (G.1.2.3).

use super::{
    bits::{Bits, ZIGZAG},
    tables::Codes,
};

/// The numbers of a block that become pixels.
pub(super) struct Kept {
    /// How many they are.
    pub(super) count: usize,
    /// Where each is kept, in the scan's order.
    pub(super) slots: [Option<u8>; 64],
    /// The same as bits, of which the lowest is the first number.
    pub(super) mask: u64,
}

impl Kept {
    /// Those of the lowest frequencies, so many across and down.
    pub(super) fn new(side: usize) -> Self {
        let slot = |place: u8| {
            let (row, column) = (usize::from(place / 8), usize::from(place % 8));
            (row < side && column < side).then_some((row * side + column) as u8)
        };
        let slots = ZIGZAG.map(slot);
        let mask = slots.iter().rev().fold(0, |mask, slot| mask << 1 | u64::from(slot.is_some()));
        Self { count: side * side, slots, mask }
    }
}

/// Where a scan is.
pub(super) struct State<'a> {
    pub(super) bits: Bits<'a>,
    /// The last first number of each component.
    pub(super) predictions: [i32; 4],
    /// Blocks in which nothing more is told.
    run: u32,
}

impl<'a> State<'a> {
    pub(super) const fn new(bits: Bits<'a>) -> Self {
        Self { bits, predictions: [0; 4], run: 0 }
    }
}

/// The coefficients of a block: which of them are not zero, and the values of those that are kept.
pub(super) struct Known<'a> {
    pub(super) nonzero: &'a mut u64,
    pub(super) numbers: &'a mut [i16],
}

/// The numbers from `first` to `last`, in the scan's order.
pub(super) struct Band<'a> {
    pub(super) codes: &'a Codes,
    pub(super) first: u32,
    pub(super) last: u32,
    /// The lowest bit that is told.
    pub(super) shift: u32,
    pub(super) kept: &'a Kept,
}

impl Band<'_> {
    /// The numbers, but for their lower bits.
    #[inline]
    pub(super) fn read(&self, state: &mut State<'_>, known: Known<'_>) -> Option<()> {
        if state.run > 0 {
            state.run -= 1;
            return Some(());
        }
        let (mut bits, mut place) = (state.bits, self.first);
        while place <= self.last {
            let (zeros, size, number) = bits.symbol(self.codes)?;
            match (size, zeros as u32) {
                (0, 15) => place += 16,
                (0, length) => {
                    state.run = (1 << length) - 1 + bits.number(length);
                    break;
                }
                (_, zeros) => {
                    place += zeros;
                    self.set(known.nonzero, known.numbers, place, number)?;
                    place += 1;
                }
            }
        }
        state.bits = bits;
        Some(())
    }

    /// A bit for each number that is not zero, and between them those that have been zero so far.
    #[inline]
    pub(super) fn refine(&self, state: &mut State<'_>, known: Known<'_>) -> Option<()> {
        let (mut bits, mut place, before) = (state.bits, self.first, *known.nonzero);
        while state.run == 0 && place <= self.last {
            let (zeros, size, number) = bits.symbol(self.codes)?;
            if size == 0 && zeros < 15 {
                state.run = (1 << zeros) + bits.number(zeros as u32);
                break;
            }
            let mut open = !before & Self::between(place, self.last + 1);
            (0..zeros).for_each(|_| open &= open.wrapping_sub(1));
            let at = open.trailing_zeros().min(self.last + 1);
            self.correct(&mut bits, before & Self::between(place, at), known.numbers);
            match size {
                0 => {}
                1 => self.set(known.nonzero, known.numbers, at, number)?,
                _ => return None,
            }
            place = at + 1;
        }
        if state.run > 0 {
            state.run -= 1;
            self.correct(&mut bits, before & Self::between(place, self.last + 1), known.numbers);
        }
        state.bits = bits;
        Some(())
    }

    /// Those from this place up to before that one.
    fn between(from: u32, to: u32) -> u64 {
        let from_there = |place| u64::MAX.checked_shl(place).unwrap_or(0);
        from_there(from) & !from_there(to)
    }

    #[inline]
    fn set(&self, nonzero: &mut u64, numbers: &mut [i16], place: u32, number: i32) -> Option<()> {
        if place > self.last {
            return None;
        }
        *nonzero |= 1 << place;
        if let Some(slot) = self.kept.slots.get(place as usize)? {
            *numbers.get_mut(usize::from(*slot))? = (number << self.shift) as i16;
        }
        Some(())
    }

    /// Reads a bit for each of these numbers. It counts where the number is kept.
    #[inline]
    fn correct(&self, bits: &mut Bits<'_>, mut these: u64, numbers: &mut [i16]) {
        while these != 0 {
            let count = these.count_ones().min(32);
            let told = bits.number(count);
            if told == 0 || these & self.kept.mask == 0 {
                (0..count).for_each(|_| these &= these - 1);
                continue;
            }
            for bit in (0..count).rev() {
                let place = these.trailing_zeros();
                these &= these - 1;
                if told >> bit & 1 == 1 {
                    self.add(numbers, place);
                }
            }
        }
    }

    /// The bit is one of the number without its sign.
    fn add(&self, numbers: &mut [i16], place: u32) {
        let slot = self.kept.slots.get(place as usize).copied().flatten();
        if let Some(number) = slot.and_then(|slot| numbers.get_mut(usize::from(slot))) {
            let bit = 1 << self.shift;
            if *number & bit == 0 {
                *number = number.wrapping_add(bit * number.signum());
            }
        }
    }
}
