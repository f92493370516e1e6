//! What of the sources of a page's templates can run. A block that another one replaces leaves the page as it is, whatever is in it.
//! It knows no syntax.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use super::{
    flow::{Flow, Name, Unit},
    names::NumberSet,
};
use crate::{
    fields::digest::{PartDigest, update_framed},
    pages::reference::Reference,
};

/// What can run, by template.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    templates: BTreeMap<String, Vec<Stretch>>,
    /// The static files that it names.
    pub(crate) files: BTreeSet<Reference>,
}

/// A unit of a template.
#[derive(Clone, Debug)]
struct Stretch {
    /// Of a block, its name.
    name: Option<Arc<str>>,
    source: Range<usize>,
    /// The units in it.
    inner: Vec<Range<usize>>,
}

impl Running {
    pub(super) fn of(flow: &Flow, live: &NumberSet<Unit>) -> Self {
        let counting = counting(flow, live);
        let of = |(name, unit): (&String, &Unit)| (name.clone(), stretches(flow, &counting, *unit));
        let files = counting.iter().flat_map(|unit| flow.bodies[unit.0 as usize].files.iter().cloned()).collect();
        Self { templates: flow.templates.iter().map(of).collect(), files }
    }

    /// The digest of what can run of a source, without the texts of its comments.
    pub(crate) fn digest(
        running: Option<&Self>,
        template: &str,
        source: &str,
        comments: &[Range<usize>],
    ) -> PartDigest {
        let mut hash = Sha256::new();
        match running.and_then(|running| running.templates.get(template)) {
            Some(stretches) => stretches.iter().for_each(|stretch| stretch.feed(&mut hash, source, comments)),
            None => {
                let (source_range, inner) = (0..source.len(), Vec::new());
                Stretch { name: None, source: source_range, inner }.feed(&mut hash, source, comments);
            }
        }
        PartDigest::finish(hash)
    }
}

impl Stretch {
    fn feed(&self, hash: &mut Sha256, source: &str, comments: &[Range<usize>]) {
        update_framed(hash, self.name.as_deref().unwrap_or_default().as_bytes());
        let inner = self.inner.iter().map(|range| (range, UNIT));
        let comments = comments.iter().filter(|range| self.source.contains(&range.start)).map(|range| (range, COMMENT));
        let mut left_out: Vec<_> = inner.chain(comments).collect();
        left_out.sort_by_key(|(range, _)| range.start);
        let mut at = self.source.start;
        for (range, mark) in left_out.into_iter().filter(|(range, _)| !range.is_empty()) {
            if range.start >= at {
                hash.update(source.get(at..range.start).unwrap_or_default());
                hash.update([mark]);
                at = range.end;
            }
        }
        hash.update(source.get(at..self.source.end).unwrap_or_default());
        hash.update([END]);
    }
}

/// No UTF-8 has these bytes.
const UNIT: u8 = 0xff;
const COMMENT: u8 = 0xfe;
const END: u8 = 0xfd;

/// The units that count: what can run, and all macros. The engine keeps values for a macro where it is declared, and tells what a
/// macro takes, also of one that nobody calls.
fn counting(flow: &Flow, live: &NumberSet<Unit>) -> NumberSet<Unit> {
    let is_macro = |unit: &Unit| flow.bodies[unit.0 as usize].is_macro;
    (0..flow.bodies.len() as u32).map(Unit).filter(|unit| live.contains(unit) || is_macro(unit)).collect()
}

/// The units of a template that count, in the order of its source.
fn stretches(flow: &Flow, counting: &NumberSet<Unit>, template: Unit) -> Vec<Stretch> {
    let units =
        (0..flow.bodies.len() as u32).map(Unit).filter(|unit| flow.bodies[unit.0 as usize].template == template);
    let units: Vec<Unit> = units.collect();
    let ranges = units.iter().map(|unit| flow.bodies[unit.0 as usize].source.clone()).filter(|range| !range.is_empty());
    let ranges: Vec<Range<usize>> = ranges.collect();
    let block_names = flow.blocks.iter().filter(|((of, _), _)| *of == template);
    let block_names: BTreeMap<Unit, Name> = block_names.map(|((_, name), unit)| (*unit, *name)).collect();
    let stretch = |unit: &Unit| {
        let source = flow.bodies[unit.0 as usize].source.clone();
        let is_inner =
            |range: &&Range<usize>| **range != source && source.start <= range.start && range.end <= source.end;
        let inner = ranges.iter().filter(is_inner).cloned().collect();
        let name = block_names.get(unit).map(|name| flow.names.text(*name).clone());
        Stretch { name, source, inner }
    };
    let mut stretches: Vec<Stretch> = units.iter().filter(|unit| counting.contains(*unit)).map(stretch).collect();
    stretches.sort_by_key(|stretch| (stretch.source.start, stretch.source.end));
    stretches
}
