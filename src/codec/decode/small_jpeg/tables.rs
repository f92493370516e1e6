//! What stands before the scan: the frame, the quantization tables, the code tables (ITU-T T.81 B.2).

use super::super::super::{
    bytes::be16,
    files::jpeg::{SOS, Segments},
    refusal::Refusal,
};

/// The bits that one look at a code table takes in.
pub(super) const LOOK: u32 = 10;

pub(super) struct Frame {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) components: Vec<Component>,
}

pub(super) struct Component {
    /// Blocks in a unit.
    pub(super) across: usize,
    pub(super) down: usize,
    /// The place of its quantization table.
    table: usize,
}

/// How a component is coded in a scan that has all of it.
pub(super) struct Coding {
    pub(super) quantization: Quantization,
    pub(super) dc: Codes,
    pub(super) ac: Codes,
}

/// What a number of the scan is multiplied with, in the scan's order.
pub(super) type Quantization = [f32; 64];

/// One pass over a picture (B.2.3, G.1.1.1).
pub(super) struct Scan<'a> {
    /// The places of its components, ...
    pub(super) components: Vec<usize>,
    /// and of the code tables of each.
    places: Vec<u8>,
    /// The first and the last number that it tells of each block.
    pub(super) band: (u32, u32),
    /// Whether it adds a bit to what earlier scans told.
    pub(super) refines: bool,
    /// The lowest bit that it tells.
    pub(super) shift: u32,
    pub(super) data: &'a [u8],
}

impl Component {
    /// The blocks of a unit, in the order of the scan: row and column.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let across = self.across;
        (0..self.down).flat_map(move |y| (0..across).map(move |x| (y, x)))
    }
}

impl Frame {
    /// The most blocks that any component has in a unit.
    pub(super) fn unit(&self) -> (usize, usize) {
        let most = |side: fn(&Component) -> usize| self.components.iter().map(side).fold(1, usize::max);
        (most(|it| it.across), most(|it| it.down))
    }

    /// How many units there are.
    pub(super) fn units(&self) -> (usize, usize) {
        let (across, down) = self.unit();
        (self.width.div_ceil(8 * across), self.height.div_ceil(8 * down))
    }
}

/// Hands out each scan, with the frame, and the tables as they stand before it. `None` says that a scan is broken.
pub(super) fn read(
    picture: &[u8],
    mut each: impl FnMut(Frame, &Tables, &Scan<'_>) -> Option<()>,
) -> Result<(), Refusal> {
    let mut tables = Tables::default();
    for segment in Segments::new(picture) {
        let segment = segment?;
        let broken = || Refusal::broken("its tables are broken");
        tables.read(segment.marker, segment.payload).ok_or_else(broken)?;
        if segment.marker == SOS {
            let frame = tables.frame().ok_or_else(broken)?;
            let scan = Scan::new(segment.payload, segment.scan(picture)).ok_or_else(broken)?;
            let broken = || Refusal::broken("a scan ends too early, or has codes that mean nothing");
            each(frame, &tables, &scan).ok_or_else(broken)?;
        }
    }
    Ok(())
}

#[derive(Default)]
pub(super) struct Tables {
    quantization: [Option<Quantization>; 4],
    dc: [Option<Codes>; 4],
    ac: [Option<Codes>; 4],
    /// Units from one restart to the next; 0 where there is none.
    pub(super) restart: usize,
    /// The frame's header.
    frame: Vec<u8>,
}

impl Tables {
    fn read(&mut self, marker: u8, payload: &[u8]) -> Option<()> {
        match marker {
            0xc0..=0xc2 => self.frame = payload.to_vec(),
            0xc4 => self.read_codes(payload)?,
            0xdb => self.read_quantization(payload)?,
            0xdd => self.restart = be16(payload, 0)?.into(),
            _ => {}
        }
        Some(())
    }

    /// B.2.4.1.
    fn read_quantization(&mut self, mut payload: &[u8]) -> Option<()> {
        while let Some((head, rest)) = payload.split_first() {
            let (wide, place) = (head >> 4 != 0, usize::from(head & 15));
            let (numbers, rest) = rest.split_at_checked(if wide { 128 } else { 64 })?;
            let number =
                |at: usize| if wide { be16(numbers, 2 * at) } else { numbers.get(at).map(|it| u16::from(*it)) };
            let mut table = [0.0; 64];
            for (at, place) in table.iter_mut().enumerate() {
                *place = number(at)?.into();
            }
            *self.quantization.get_mut(place)? = Some(table);
            payload = rest;
        }
        Some(())
    }

    /// B.2.4.2.
    fn read_codes(&mut self, mut payload: &[u8]) -> Option<()> {
        while let Some((head, rest)) = payload.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(count)?;
            let (tables, has_runs) = if head >> 4 == 0 { (&mut self.dc, false) } else { (&mut self.ac, true) };
            *tables.get_mut(usize::from(head & 15))? = Some(Codes::new(counts, symbols, has_runs)?);
            payload = rest;
        }
        Some(())
    }

    /// B.2.2.
    fn frame(&self) -> Option<Frame> {
        let component = |[_, sampling, table]: &[u8; 3]| Component {
            across: (sampling >> 4).into(),
            down: (sampling & 15).into(),
            table: (*table).into(),
        };
        Some(Frame {
            height: be16(&self.frame, 1)?.into(),
            width: be16(&self.frame, 3)?.into(),
            components: self.frame.get(6..)?.as_chunks().0.iter().map(component).collect(),
        })
    }

    pub(super) fn quantization(&self, component: &Component) -> Option<Quantization> {
        *self.quantization.get(component.table)?
    }

    /// How the first number of a block is coded in a scan, for a component of the scan.
    pub(super) fn dc(&self, scan: &Scan<'_>, component: usize) -> Option<&Codes> {
        self.dc.get(usize::from(scan.places.get(component)? >> 4))?.as_ref()
    }

    /// How the others are.
    pub(super) fn ac(&self, scan: &Scan<'_>, component: usize) -> Option<&Codes> {
        self.ac.get(usize::from(scan.places.get(component)? & 15))?.as_ref()
    }

    /// How each component of the frame is coded in its only scan.
    pub(super) fn codings(&self, frame: &Frame, scan: &Scan<'_>) -> Option<Vec<Coding>> {
        let coding = |(at, component)| {
            Some(Coding {
                quantization: self.quantization(component)?,
                dc: self.dc(scan, at)?.clone(),
                ac: self.ac(scan, at)?.clone(),
            })
        };
        let is_whole = scan.components.iter().copied().eq(0..frame.components.len());
        frame.components.iter().enumerate().map(coding).collect::<Option<_>>().filter(|_| is_whole)
    }
}

impl<'a> Scan<'a> {
    /// Its components have the names that [`picture`](super::super::super::files::jpeg::picture) gives them.
    fn new(header: &[u8], data: &'a [u8]) -> Option<Self> {
        let (selectors, [first, last, bits]) = header.get(1..)?.split_last_chunk::<3>()?;
        let selectors = selectors.as_chunks::<2>().0;
        Some(Self {
            components: selectors.iter().map(|[name, _]| usize::from(*name).checked_sub(1)).collect::<Option<_>>()?,
            places: selectors.iter().map(|[_, places]| *places).collect(),
            band: ((*first).into(), (*last).into()),
            refines: bits >> 4 > 0,
            shift: (bits & 15).into(),
            data,
        })
    }
}

/// A table of codes (annex C). A symbol is how many zeros come first and how many bits the number after them has.
#[derive(Clone)]
pub(super) struct Codes {
    /// For the next [`LOOK`] bits what they begin with.
    quick: Box<[Entry; 1 << LOOK]>,
    /// For each length the first code that is longer, as 16 bits.
    ends: [u32; 17],
    /// For each length what its codes, as numbers, lie before the place of their symbols.
    offsets: [usize; 17],
    symbols: Vec<u8>,
}

/// What some bits begin with.
#[derive(Clone, Copy, Default)]
pub(super) struct Entry {
    /// Bits of the code, and of the number if that is known. 0 where the code is longer than a look.
    pub(super) length: u8,
    pub(super) symbol: u8,
    /// The number after the code, where all of it was seen.
    pub(super) number: Option<i16>,
}

impl Codes {
    fn new(counts: &[u8; 16], symbols: &[u8], has_runs: bool) -> Option<Self> {
        let mut quick = Box::new([Entry::default(); 1 << LOOK]);
        let (mut ends, mut offsets) = ([0; 17], [0; 17]);
        let (mut code, mut place) = (0_usize, 0_usize);
        for (length, count) in (1..=16_u32).zip(counts) {
            *offsets.get_mut(length as usize)? = place.wrapping_sub(code);
            for symbol in symbols.get(place..place + usize::from(*count))? {
                if code >= 1 << length {
                    return None;
                }
                if length <= LOOK {
                    let first = code << (LOOK - length);
                    let entries = quick.get_mut(first..first + (1 << (LOOK - length)))?;
                    let size = u32::from(if has_runs { symbol & 15 } else { *symbol });
                    for (bits, entry) in (first as u32..).zip(entries) {
                        *entry = Entry::new(bits, length, *symbol, size);
                    }
                }
                code += 1;
            }
            place += usize::from(*count);
            *ends.get_mut(length as usize)? = (code << (16 - length)) as u32;
            code <<= 1;
        }
        Some(Self { quick, ends, offsets, symbols: symbols.to_vec() })
    }

    #[inline]
    pub(super) fn entry(&self, bits: u64) -> Entry {
        self.quick[(bits >> (64 - LOOK)) as usize]
    }

    /// The symbol of a code that is longer than a look, and how long it is.
    #[cold]
    #[inline(never)]
    pub(super) fn long(&self, bits: u64) -> Option<(u8, u32)> {
        let next = (bits >> 48) as u32;
        let length = (LOOK + 1..=16).find(|length| self.ends.get(*length as usize).is_some_and(|end| next < *end))?;
        let code = (next >> (16 - length)) as usize;
        let place = code.wrapping_add(*self.offsets.get(length as usize)?);
        self.symbols.get(place).map(|symbol| (*symbol, length))
    }
}

impl Entry {
    fn new(bits: u32, length: u32, symbol: u8, size: u32) -> Self {
        if size == 0 || length + size > LOOK {
            return Self { length: length as u8, symbol, number: None };
        }
        let number = extended(bits >> (LOOK - length - size) & ((1 << size) - 1), size);
        Self { length: (length + size) as u8, symbol, number: Some(number as i16) }
    }
}

/// The number that these bits say (F.2.2.1): the lower half of them are below zero.
#[inline]
pub(super) fn extended(bits: u32, size: u32) -> i32 {
    let bits = bits as i32;
    if bits < 1 << (size - 1) { bits - (1 << size) + 1 } else { bits }
}
