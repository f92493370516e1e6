//! Parts that are asked for by keys which templates compute: once all has been followed, it is known where the keys come from.

use std::collections::BTreeSet;

use super::{Solver, Source};
use crate::{
    defects::{Defect, seeded},
    pages::reads::{
        flow::{Label, Place},
        lists::Lists,
    },
};

impl Solver<'_> {
    /// Which parts are asked for by a key: those of which the names stand in the templates, and those of which arguments have
    /// the names. Any may be where a key comes from elsewhere. A number may be a key at all times.
    pub(super) fn know_keys(&mut self) {
        let mut keys = BTreeSet::new();
        for at in 0..self.usages.len() as u32 {
            if !self.parts.iter(at).any(|(label, _)| matches!(label, Label::Keyed(_))) {
                continue;
            }
            let known = self.parts.iter(at).flat_map(|(label, to)| match label {
                Label::Keyed(key) => self.keyed(key).into_iter().map(|label| (label, to)).collect(),
                label => vec![(label, to)],
            });
            let known: Vec<_> = known.collect();
            keys.extend(known.iter().filter_map(|(label, _)| match label {
                Label::Keyed(key) => Some(*key),
                _ => None,
            }));
            self.parts.replace(at, known);
        }
        keys.iter().for_each(|key| self.usage(*key).is_key = true);
        self.lead_to(keys.into_iter().collect());
    }

    /// The parts that a key may name.
    fn keyed(&self, key: Place) -> Vec<Label> {
        let usage = &self.usages[key.0 as usize];
        let mut labels = vec![Label::At(0)];
        if usage.has_argument && !seeded(Defect::Key) {
            labels.push(Label::Keyed(key));
        }
        for origin in self.origins.iter(key.0) {
            match self.sources[origin as usize] {
                Source::Text(_) if seeded(Defect::Key) => {}
                Source::Text(text) => labels.push(Label::Field(text)),
                // What a template makes of a value may be a text that it makes of a text.
                _ => return vec![Label::Any],
            }
        }
        if usage.has_unknown { vec![Label::Any] } else { labels }
    }

    /// Marks the places from which a value, or a part of it, comes to one of these.
    fn lead_to(&mut self, mut waiting: Vec<Place>) {
        if waiting.is_empty() {
            return;
        }
        let mut from: Lists<Place> = Lists::default();
        for at in 0..self.usages.len() as u32 {
            let given = self.flows.iter(at).chain(self.parts.iter(at).map(|(_, to)| to));
            given.for_each(|to| from.add(to.0, Place(at)));
        }
        while let Some(place) = waiting.pop() {
            if !std::mem::replace(&mut self.usage(place).leads_to_key, true) {
                waiting.extend(from.iter(place.0));
            }
        }
    }
}
