//! Components, which may be sampled coarser than the picture, into rows of pixels.

use super::{
    super::super::header::Colours,
    tables::{Component, Frame},
};

/// One row of units, as the planes of its components.
pub(super) struct Rows {
    pub(super) planes: Vec<Plane>,
    /// Of the picture that comes out.
    width: usize,
    height: usize,
    /// Rows of pixels that come of one row of units.
    step: usize,
    /// Rows of pixels that have come out.
    done: usize,
    is_ycc: bool,
}

/// The last row of the units above, and those of one row of units.
pub(super) struct Plane {
    pub(super) data: Vec<u8>,
    pub(super) stride: usize,
    /// How many of its rows came before those in `data`, the first one of which is at first none of it.
    before: usize,
    /// Pixels of the picture for one of this plane, across and down: 1 or 2.
    shared: (usize, usize),
    /// Rows and columns that the picture has of it.
    size: (usize, usize),
    /// A row of the picture, where the plane is coarser, ...
    line: Vec<u8>,
    /// and a row of the plane, with its ends once more.
    padded: Vec<u8>,
}

impl Plane {
    fn new(component: &Component, rows: &Rows, unit: (usize, usize), units: usize, eighths: usize) -> Self {
        let stride = units * component.across * eighths;
        let shared = (unit.0 / component.across.max(1), unit.1 / component.down.max(1));
        Self {
            data: vec![0; stride * (component.down * eighths + 1)],
            stride,
            before: 0,
            shared,
            size: (rows.width.div_ceil(shared.0), rows.height.div_ceil(shared.1)),
            line: Vec::new(),
            padded: Vec::new(),
        }
    }

    /// Where the block in this row and column of the units begins.
    pub(super) const fn place(&self, row: usize, column: usize, side: usize) -> usize {
        (row * self.stride + column) * side + self.stride
    }

    fn at(&self, row: usize) -> &[u8] {
        let start = (row + 1).saturating_sub(self.before) * self.stride;
        self.data.get(start..start + self.size.0).unwrap_or_default()
    }

    /// This row of the picture. A sample that pixels share lies in their middle (ITU-T T.871 §9), and each of them has a
    /// quarter of the sample that is next to it.
    fn row(&mut self, row: usize) -> &[u8] {
        if self.shared == (1, 1) {
            return self.at(row);
        }
        let own = row / self.shared.1;
        let near = match (self.shared.1, row % 2) {
            (1, _) => own,
            (_, 0) => own.saturating_sub(1),
            _ => (own + 1).min(self.size.1 - 1),
        };
        let mut padded = std::mem::take(&mut self.padded);
        padded.clear();
        padded.push(0);
        padded.extend(self.at(own).iter().zip(self.at(near)).map(|(own, near)| between(*own, *near)));
        self.padded = padded;
        if self.shared.0 == 1 {
            return self.padded.get(1..).unwrap_or_default();
        }
        if let [edge, first, ..] = self.padded.as_mut_slice() {
            *edge = *first;
        }
        self.padded.extend(self.padded.last().copied());
        self.line.resize(2 * self.size.0, 0);
        for ([before, own, after], pair) in self.padded.array_windows().zip(self.line.as_chunks_mut().0) {
            *pair = [between(*own, *before), between(*own, *after)];
        }
        &self.line
    }

    /// Makes room for the next row of units.
    fn go_on(&mut self) {
        let last = self.data.len() - self.stride;
        self.data.copy_within(last.., 0);
        self.before += last / self.stride.max(1);
    }
}

impl Rows {
    pub(super) fn new(frame: &Frame, eighths: usize, colours: Colours) -> Self {
        let (unit, (across, _)) = (frame.unit(), frame.units());
        let mut rows = Self {
            planes: Vec::new(),
            width: (frame.width * eighths).div_ceil(8),
            height: (frame.height * eighths).div_ceil(8),
            step: unit.1 * eighths,
            done: 0,
            is_ycc: colours == Colours::Ycc,
        };
        rows.planes =
            frame.components.iter().map(|component| Plane::new(component, &rows, unit, across, eighths)).collect();
        rows
    }

    /// Bytes of the picture.
    pub(super) fn bytes(&self) -> usize {
        self.width * self.height * self.planes.len()
    }

    /// Adds the pixels that are known with this row of units. The last one waits for the row below.
    pub(super) fn put_together(&mut self, row: usize, data: &mut Vec<u8>) {
        let known = (row + 1) * self.step;
        let known = if known >= self.height { self.height } else { known - 1 };
        for row in self.done..known {
            match self.planes.as_mut_slice() {
                [grey] => data.extend(grey.row(row).iter().take(self.width)),
                [first, second, third] => {
                    let rows = [first, second, third].map(|plane| plane.row(row));
                    if self.is_ycc { put(self.width, rows, rgb, data) } else { put(self.width, rows, |rgb| rgb, data) }
                }
                planes => {
                    let rows: Vec<&[u8]> = planes.iter_mut().map(|plane| plane.row(row)).collect();
                    let at = |at: usize| rows.iter().map(move |row| row.get(at).copied().unwrap_or(0));
                    data.extend((0..self.width).flat_map(at));
                }
            }
        }
        self.done = known;
        self.planes.iter_mut().for_each(Plane::go_on);
    }
}

#[inline]
fn between(own: u8, neighbour: u8) -> u8 {
    ((3 * u16::from(own) + u16::from(neighbour) + 2) / 4) as u8
}

#[inline]
fn put(width: usize, [first, second, third]: [&[u8]; 3], pixel: impl Fn([u8; 3]) -> [u8; 3], data: &mut Vec<u8>) {
    let start = data.len();
    data.resize(start + 3 * width, 0);
    let pixels = data.get_mut(start..).unwrap_or_default().as_chunks_mut::<3>().0;
    for (((place, a), b), c) in pixels.iter_mut().zip(first).zip(second).zip(third) {
        *place = pixel([*a, *b, *c]);
    }
}

/// ITU-T T.871 §7, in 65 536ths.
#[inline]
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = ((i32::from(y) << 16) + 32_768, i32::from(cb) - 128, i32::from(cr) - 128);
    [y + 91_881 * cr, y - 22_554 * cb - 46_802 * cr, y + 116_130 * cb].map(|colour| (colour >> 16).clamp(0, 255) as u8)
}
