//! How a JPEG is built, read from its headers: what its components are, how they are sampled and spread over scans, and
//! hence which decoder reads it. This is decided here alone. A decoder then gets a file in which nothing is left to guess.

use super::{
    super::super::{
        header::{Colours, Reader},
        kind::Kind,
        refusal::Refusal,
    },
    APP0, APP14, APP15, COM, SOI, SOS, Segment, Segments,
};

/// What the headers say.
#[derive(Debug, Default)]
pub(super) struct Structure {
    jfif: bool,
    /// The transform that Adobe's marker names.
    adobe: Option<u8>,
    progressive: bool,
    components: Vec<Component>,
    scans: usize,
    /// The components of all scans.
    coded: usize,
    /// Some scan has one component, which lies in it without regard to the others' sampling.
    alone: bool,
    /// Some scan has several.
    together: bool,
    /// Some scan of a sequential picture lacks a component.
    partial: bool,
    /// Some scan names its components in another order than the frame.
    disordered: bool,
    /// The most blocks in a unit of a scan of several.
    unit: usize,
    /// All segments.
    segments: usize,
    /// Segments that are neither a scan nor left out of a [`picture`]: tables of all kinds, ...
    tables: usize,
    /// and their bytes.
    table_bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Component {
    name: u8,
    /// Samples, compared with the other components: across and down.
    sampling: [u8; 2],
}

/// T.81 B.2.3.
const LARGEST_UNIT: usize = 10;

/// The most segments. Photographs have fewer than a hundred. Programs that keep megabytes of their own data in a file fill each
/// segment, of 64 KB (B.1.1.4).
const MOST_SEGMENTS: usize = 10_000;

/// The most tables before a scan, and their bytes. There is room for four of each kind (T.81 B.2.4), in 2,700 bytes.
const MOST_TABLES: usize = 64;
const LONGEST_TABLES: usize = 8192;

impl Structure {
    /// Takes in the next segment.
    ///
    /// SECURITY: an empty segment is four bytes, and each of them is looked at several times.
    pub(super) fn read(&mut self, segment: &Segment<'_>) -> Result<(), Refusal> {
        self.segments += 1;
        if self.segments > MOST_SEGMENTS {
            return Err(Refusal::broken("it has more segments than any photograph"));
        }
        match segment.marker {
            // What follows the first scan says nothing of the colours any more: decoders have begun by then.
            APP0 if self.scans == 0 => self.jfif |= is_jfif(segment),
            APP14 if self.scans == 0 => self.adobe = adobe(segment).or(self.adobe),
            0xc0..=0xc2 => self.read_frame(segment),
            SOS => self.read_scan(segment.payload)?,
            APP0..=APP15 | COM => {}
            _ => self.read_table(segment.payload)?,
        }
        Ok(())
    }

    /// SECURITY: a decoder works at each table, even at one that is empty or replaces the one before, and a megabyte of them
    /// took it a second.
    fn read_table(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        self.tables += 1;
        self.table_bytes += payload.len();
        let places = self.scans + 1;
        if self.tables > MOST_TABLES * places || self.table_bytes > LONGEST_TABLES * places {
            return Err(Refusal::broken("it has more tables than its scans can use"));
        }
        Ok(())
    }

    /// B.2.2.
    fn read_frame(&mut self, segment: &Segment<'_>) {
        self.progressive = segment.marker == 0xc2;
        let components = segment.payload.get(6..).unwrap_or_default().as_chunks::<3>().0;
        self.components = components
            .iter()
            .map(|[name, sampling, _]| Component { name: *name, sampling: [sampling >> 4, sampling & 15] })
            .collect();
    }

    /// B.2.3.
    fn read_scan(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        let selectors = payload.get(1..payload.len().saturating_sub(3)).unwrap_or_default().as_chunks::<2>().0;
        let places: Option<Vec<usize>> = selectors.iter().map(|[name, _]| self.place(*name)).collect();
        let places =
            places.filter(|places| !places.is_empty()).ok_or_else(|| Refusal::broken("a scan is of no component"))?;
        self.scans += 1;
        self.coded += places.len();
        self.alone |= places.len() == 1;
        self.together |= places.len() > 1;
        self.partial |= places.len() < self.components.len() && !self.progressive;
        self.disordered |= !places.is_sorted();
        if places.len() > 1 {
            let blocks = |place: &usize| self.components[*place].sampling.map(usize::from).iter().product::<usize>();
            self.unit = self.unit.max(places.iter().map(blocks).sum());
        }
        Ok(())
    }

    fn place(&self, name: u8) -> Option<usize> {
        self.components.iter().position(|component| component.name == name)
    }

    /// What the components are. For want of a rule this is libjpeg's custom, which browsers follow: JFIF means YCbCr
    /// (ITU-T T.871 §7), else Adobe's marker says it (ITU-T T.872 §6.5.3), else their names do.
    pub(super) fn colours(&self) -> Colours {
        let names = self.components.iter().map(|component| component.name);
        match (self.components.len(), self.adobe) {
            (1, _) => Colours::Grey,
            (4, None | Some(0)) => Colours::Inks,
            (4, Some(_)) => Colours::Ycck,
            _ if self.jfif => Colours::Ycc,
            (_, Some(0)) => Colours::Rgb,
            (_, None) if names.eq(*b"RGB") => Colours::Rgb,
            _ => Colours::Ycc,
        }
    }

    /// How the components are sampled, with numbers as small as can be where each of them lies alone.
    fn sampling(&self) -> Vec<[u8; 2]> {
        let all = || self.components.iter().map(|component| component.sampling);
        let by = if self.together { [1, 1] } else { all().fold([0, 0], |[a, b], [h, v]| [common(a, h), common(b, v)]) };
        all().map(|[h, v]| [h / by[0].max(1), v / by[1].max(1)]).collect()
    }

    /// The decoder that is right about the picture, and whether it may come out smaller. Measured, not believed: a test
    /// holds both decoders against pictures of every structure.
    pub(super) fn reader(&self) -> Result<(Reader, bool), Refusal> {
        if !self.progressive && self.coded > self.components.len() {
            // SECURITY: each scan costs a walk over the picture, and takes few bytes. ITU-T T.81 codes a component of a
            // sequential frame once; only progressive ones return to it, and their scans are counted.
            return Err(Refusal::broken("it is sequential, and codes a component more than once"));
        }
        let sampling = self.sampling();
        let most = sampling.iter().fold([0, 0], |[a, b], [h, v]| [a.max(*h), b.max(*v)]);
        let ratio = |own: &[u8; 2], side: usize| {
            most[side].checked_div(own[side]).filter(|ratio| ratio * own[side] == most[side])
        };
        let ratios: Option<Vec<u8>> = sampling.iter().flat_map(|own| [ratio(own, 0), ratio(own, 1)]).collect();
        let Some(ratios) = ratios.filter(|_| most.iter().all(|most| *most <= 4)) else {
            return Err(Refusal::Unsupported(Kind::Jpeg));
        };
        // In a scan of its own, a component of half the most blocks has fewer of them at the edge than that decoder takes.
        let between =
            self.alone && sampling.iter().any(|own| (0..2).any(|side| 1 < own[side] && own[side] < most[side]));
        let thorough = !(self.disordered || between || self.unit > LARGEST_UNIT);
        let (fine, whole) = (sampling.first() == Some(&most), !self.partial);
        let shrinks = thorough && ratios.iter().all(|ratio| *ratio <= 2);
        match most {
            [1 | 2, 1 | 2] if fine && whole => Ok((Reader::Fast, shrinks)),
            _ if thorough => Ok((Reader::Thorough, shrinks)),
            [4, 1] if fine && whole => Ok((Reader::Fast, false)),
            _ => Err(Refusal::Unsupported(Kind::Jpeg)),
        }
    }
}

fn common(a: u8, b: u8) -> u8 {
    if b == 0 { a } else { common(b, a % b) }
}

/// A whole JFIF segment: a shorter one is none to any decoder.
pub(super) fn is_jfif(segment: &Segment<'_>) -> bool {
    segment.marker == APP0 && segment.payload.starts_with(b"JFIF\0") && segment.payload.len() >= 14
}

fn adobe(segment: &Segment<'_>) -> Option<u8> {
    segment.payload.get(11).copied().filter(|_| segment.payload.starts_with(b"Adobe"))
}

/// The picture of a file and nothing else, for decoders, that have ideas of their own about what else a file may say: its
/// components are called 1, 2, 3 and 4, a marker says how they are coded, and what the header of a sequential scan says in
/// vain (T.81 B.2.3 leaves it no choice) is what it has to be.
pub(in super::super::super) fn picture(bytes: &[u8], colours: Colours) -> Option<Vec<u8>> {
    let mut structure = Structure::default();
    for segment in Segments::new(bytes) {
        structure.read(&segment.ok()?).ok()?;
    }
    let sampling = structure.sampling();
    let mut file = Vec::with_capacity(bytes.len());
    for segment in Segments::new(bytes) {
        let segment = segment.ok()?;
        let (whole, payload) = (bytes.get(segment.whole.clone())?, file.len() + segment.head);
        match segment.marker {
            // Frames of a film leave out their code tables, and say so.
            APP0 if segment.payload.starts_with(b"AVI1") => {}
            APP0..=APP15 | COM => continue,
            _ => {}
        }
        file.extend_from_slice(whole);
        match segment.marker {
            SOI => file.extend_from_slice(coding(colours)),
            0xc0..=0xc2 => {
                // Baseline is a part of extended coding, and many a file says the one and is the other.
                if segment.marker == 0xc0 {
                    *file.get_mut(payload - 3)? = 0xc1;
                }
                for (number, sampling) in (1..).zip(&sampling) {
                    let at = payload + 3 + 3 * usize::from(number);
                    file.get_mut(at..at + 2)?.copy_from_slice(&[number, sampling[0] << 4 | sampling[1]]);
                }
            }
            SOS => {
                let count = segment.payload.len().checked_sub(4)? / 2;
                for at in (0..count).map(|selector| payload + 1 + 2 * selector) {
                    let name = file.get_mut(at)?;
                    *name = structure.place(*name)? as u8 + 1;
                }
                if !structure.progressive {
                    let at = payload + segment.payload.len() - 3;
                    file.get_mut(at..at + 3)?.copy_from_slice(&[0, 63, 0]);
                }
            }
            _ => {}
        }
    }
    Some(file)
}

/// Adobe's marker for these components. Inks are handed out as they are stored.
fn coding(colours: Colours) -> &'static [u8] {
    match colours {
        Colours::Grey => b"",
        Colours::Ycc => b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\x01",
        Colours::Rgb | Colours::Inks | Colours::Ycck => b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\0",
    }
}
