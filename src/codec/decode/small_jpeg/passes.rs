//! Pictures in several passes (ITU-T T.81 annex G): each scan tells one band of the numbers of all blocks, or one more bit of
//! them.
//!
//! Of a number that becomes no pixel nothing is kept but whether it is zero: a later scan has a bit for each that is not. So a
//! block takes 8 bytes, and two for each number that is kept. That is 10 bytes at an eighth of the width, and 40 at a half.
//! All of its numbers would take 128.

use super::{
    band::{Band, Kept, Known, State},
    bits::{Bits, Block},
    block::Transform,
    rows::Plane,
    tables::{Component, Frame, Quantization, Scan, Tables},
};

pub(super) struct Passes {
    pub(super) frame: Frame,
    components: Vec<Blocks>,
    kept: Kept,
}

/// The coefficients of a component that have been read.
struct Blocks {
    /// Of each block, which of its numbers are not zero.
    nonzero: Vec<u64>,
    /// The numbers that are kept, block by block.
    numbers: Vec<i16>,
    /// Blocks in a row, ...
    stride: usize,
    /// and those across and down that the picture has: a scan of this component alone tells no others (A.2.2).
    size: (usize, usize),
    /// The table that stood before its first scan.
    quantization: Option<Quantization>,
}

impl Blocks {
    fn new(component: &Component, frame: &Frame, kept: &Kept) -> Self {
        let (most, units) = (frame.unit(), frame.units());
        let (stride, rows) = (units.0 * component.across, units.1 * component.down);
        let blocks = |side: usize, own: usize, most: usize| (side * own).div_ceil(most).div_ceil(8);
        Self {
            nonzero: vec![0; stride * rows],
            numbers: vec![0; stride * rows * kept.count],
            stride,
            size: (blocks(frame.width, component.across, most.0), blocks(frame.height, component.down, most.1)),
            quantization: None,
        }
    }
}

impl Passes {
    pub(super) fn new(frame: Frame, eighths: usize) -> Self {
        let kept = Kept::new(eighths);
        let components = frame.components.iter().map(|component| Blocks::new(component, &frame, &kept)).collect();
        Self { frame, components, kept }
    }

    /// Takes in the next scan. `None` where it is broken, or says what no encoder does.
    pub(super) fn read(&mut self, tables: &Tables, scan: &Scan<'_>) -> Option<()> {
        for at in &scan.components {
            let (component, blocks) = (self.frame.components.get(*at)?, self.components.get_mut(*at)?);
            blocks.quantization = Some(blocks.quantization.or_else(|| tables.quantization(component))?);
        }
        match (scan.band, scan.components.as_slice()) {
            _ if scan.shift > 13 => None,
            ((0, 0), _) if scan.refines => self.refine_first(tables, scan),
            ((0, 0), _) => self.read_first(tables, scan),
            ((first, last), [component]) if 0 < first && first <= last && last < 64 => {
                let codes = tables.ac(scan, 0)?;
                let band = Band { codes, first, last, shift: scan.shift, kept: &self.kept };
                let blocks = self.components.get_mut(*component)?;
                if scan.refines {
                    blocks.read(tables, scan, &self.kept, |state, known| band.refine(state, known))
                } else {
                    blocks.read(tables, scan, &self.kept, |state, known| band.read(state, known))
                }
            }
            _ => None,
        }
    }

    /// The first number of each block, but for its lower bits (G.1.2.1).
    fn read_first(&mut self, tables: &Tables, scan: &Scan<'_>) -> Option<()> {
        let codes = (0..scan.components.len()).map(|at| tables.dc(scan, at)).collect::<Option<Vec<_>>>()?;
        self.each_first(tables, scan, |state, at, first| {
            let prediction = state.predictions.get_mut(at)?;
            *prediction = prediction.wrapping_add(state.bits.difference(codes.get(at)?)?);
            *first = (*prediction << scan.shift) as i16;
            Some(())
        })
    }

    /// One more bit of it.
    fn refine_first(&mut self, tables: &Tables, scan: &Scan<'_>) -> Option<()> {
        self.each_first(tables, scan, |state, _, first| {
            *first |= (state.bits.number(1) << scan.shift) as i16;
            Some(())
        })
    }

    /// The first number of each block, in the order of a scan, with the place of the component in it.
    fn each_first(
        &mut self,
        tables: &Tables,
        scan: &Scan<'_>,
        mut read: impl FnMut(&mut State<'_>, usize, &mut i16) -> Option<()>,
    ) -> Option<()> {
        let Self { frame, components, kept } = self;
        // A component that is alone has its own blocks for units.
        let (units, is_alone) = match scan.components.as_slice() {
            [component] => (components.get(*component)?.size, true),
            _ => (frame.units(), false),
        };
        each_unit(units, tables, scan, |state, row, column| {
            for (at, place) in scan.components.iter().enumerate() {
                let (component, blocks) = (frame.components.get(*place)?, components.get_mut(*place)?);
                let (across, down) = if is_alone { (1, 1) } else { (component.across, component.down) };
                for y in row * down..(row + 1) * down {
                    for x in column * across..(column + 1) * across {
                        let block = y * blocks.stride + x;
                        read(state, at, blocks.numbers.get_mut(block * kept.count)?)?;
                    }
                }
            }
            Some(())
        })
    }

    /// The pixels of a row of units.
    pub(super) fn draw(&self, row: usize, planes: &mut [Plane], transform: &Transform, side: usize) -> Option<()> {
        for ((blocks, component), plane) in self.components.iter().zip(&self.frame.components).zip(planes) {
            let mut block = Block::new(side);
            let factors = self.factors(blocks.quantization.as_ref());
            for y in 0..component.down {
                let start = (row * component.down + y) * blocks.stride;
                let numbers = blocks.numbers.get(start * self.kept.count..)?.chunks(self.kept.count);
                let known = blocks.nonzero.get(start..start + blocks.stride)?.iter().zip(numbers);
                for (x, (nonzero, numbers)) in known.enumerate() {
                    block.is_flat = nonzero & self.kept.mask & !1 == 0;
                    let lines = block.numbers.as_chunks_mut::<8>().0.iter_mut().zip(numbers.chunks(side));
                    for ((line, numbers), factors) in lines.zip(factors.chunks(side)) {
                        for ((place, number), factor) in line.iter_mut().zip(numbers).zip(factors) {
                            *place = f32::from(*number) * factor;
                        }
                    }
                    let place = plane.place(y, x, side);
                    transform.pixels(&block, plane.data.get_mut(place..)?, plane.stride);
                }
            }
        }
        Some(())
    }

    /// What each number that is kept is multiplied with. A component of which no scan tells has none.
    fn factors(&self, quantization: Option<&Quantization>) -> Vec<f32> {
        let mut factors = vec![0.0; self.kept.count];
        for (slot, factor) in self.kept.slots.iter().zip(quantization.into_iter().flatten()) {
            if let Some(place) = slot.and_then(|slot| factors.get_mut(usize::from(slot))) {
                *place = *factor;
            }
        }
        factors
    }
}

impl Blocks {
    /// All blocks of this component.
    fn read(
        &mut self,
        tables: &Tables,
        scan: &Scan<'_>,
        kept: &Kept,
        block: impl Fn(&mut State<'_>, Known<'_>) -> Option<()>,
    ) -> Option<()> {
        each_unit(self.size, tables, scan, |state, row, column| {
            let at = row * self.stride + column;
            let numbers = self.numbers.get_mut(at * kept.count..(at + 1) * kept.count)?;
            block(state, Known { nonzero: self.nonzero.get_mut(at)?, numbers })
        })
    }
}

/// The units of a scan, row by row, with restarts between them (F.2.1.3).
fn each_unit<'a>(
    (across, down): (usize, usize),
    tables: &Tables,
    scan: &Scan<'a>,
    mut unit: impl FnMut(&mut State<'a>, usize, usize) -> Option<()>,
) -> Option<()> {
    let mut state = State::new(Bits::new(scan.data));
    let (mut left, mut restarts) = (tables.restart, 0);
    for row in 0..down {
        for column in 0..across {
            if tables.restart > 0 {
                if left == 0 {
                    state = State::new(state.bits.restarted(restarts)?);
                    restarts += 1;
                    left = tables.restart;
                }
                left -= 1;
            }
            unit(&mut state, row, column)?;
        }
        if state.bits.is_past_the_end() {
            return None;
        }
    }
    Some(())
}
