//! Parts that are asked for by keys which templates compute: once all has been followed, it is known where the keys come from.

use std::collections::{BTreeSet, HashMap};

use super::{Solver, Source};
use crate::{
    defects::{Defect, seeded},
    pages::reads::flow::{Label, Place},
};

impl Solver<'_> {
    /// Which parts are asked for by a key: those of which the names stand in the templates, and those of which arguments have
    /// the names. Any may be where a key comes from elsewhere. A number may be a key at all times.
    pub(super) fn know_keys(&mut self) {
        for at in 0..self.spots.len() {
            let parts = std::mem::take(&mut self.spots[at].parts);
            let known = parts.into_iter().flat_map(|(label, to)| match label {
                Label::Keyed(key) => self.keyed(key).into_iter().map(|label| (label, to)).collect(),
                label => vec![(label, to)],
            });
            self.spots[at].parts = known.collect();
        }
        let keys = self.spots.iter().flat_map(|spot| &spot.parts).filter_map(|(label, _)| match label {
            Label::Keyed(key) => Some(*key),
            _ => None,
        });
        let keys: BTreeSet<Place> = keys.collect();
        keys.iter().for_each(|key| self.spot(*key).is_key = true);
        self.lead_to(keys.into_iter().collect());
    }

    /// The parts that a key may name.
    fn keyed(&self, key: Place) -> Vec<Label> {
        let mut labels = vec![Label::At(0)];
        for source in &self.spots[key.0 as usize].sources {
            match &self.sources[*source] {
                Source::Text(_) | Source::Argument if seeded(Defect::Key) => {}
                Source::Text(text) => labels.push(Label::Field(text.clone())),
                Source::Argument => labels.push(Label::Keyed(key)),
                // What a template makes of a value may be a text that it makes of a text.
                _ => return vec![Label::Any],
            }
        }
        labels
    }

    /// Marks the places from which a value, or a part of it, comes to one of these.
    fn lead_to(&mut self, mut waiting: Vec<Place>) {
        if waiting.is_empty() {
            return;
        }
        let mut from: HashMap<Place, Vec<Place>> = HashMap::new();
        for (at, spot) in self.spots.iter().enumerate() {
            let given = spot.flows.iter().chain(spot.parts.iter().map(|(_, to)| to));
            given.for_each(|to| from.entry(*to).or_default().push(Place(at as u32)));
        }
        while let Some(place) = waiting.pop() {
            if !std::mem::replace(&mut self.spot(place).leads_to_key, true) {
                waiting.extend(from.get(&place).into_iter().flatten());
            }
        }
    }
}
