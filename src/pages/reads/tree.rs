//! What of the arguments counts, as a tree that can be followed beside a value: the places of one value taken together.
//! Comment trees and the like lead back to where they came from; they are drawn out to a depth that pages have.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::{
    Parts, Reads,
    flow::{Label, Name, Place},
    solve::Spot,
};

/// Beyond it all counts: how deep a value is followed, and how many parts of parts there are.
const DEEPEST: usize = 32;
const MOST: usize = 20_000;

pub(super) struct Tree<'a> {
    spots: &'a [Spot],
    of: Of,
    states: Vec<State>,
    known: HashMap<Vec<Place>, usize>,
    drawn: HashMap<(usize, usize), Reads>,
    steps: usize,
    most_steps: usize,
    /// Where there was too much: the name of an argument.
    pub(super) cut: BTreeSet<Name>,
}

/// What a tree is of.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Of {
    /// All that counts.
    Reads,
    /// The values that are keys of other values.
    Keys,
}

/// What is done at all places that a value comes to.
#[derive(Default)]
struct State {
    is_whole: bool,
    has_shape: bool,
    has_truth: bool,
    parts: BTreeMap<Label, Vec<Place>>,
}

impl State {
    fn is_nothing(&self) -> bool {
        !self.is_whole && self.parts.is_empty()
    }
}

impl<'a> Tree<'a> {
    pub(super) fn new(spots: &'a [Spot], of: Of) -> Self {
        let most_steps = MOST + 20 * spots.len();
        let (states, known, drawn, cut) = (Vec::new(), HashMap::new(), HashMap::new(), BTreeSet::new());
        Self { spots, of, states, known, drawn, steps: 0, most_steps, cut }
    }

    /// The arguments as a whole: a field for each name.
    pub(super) fn of(mut self, arguments: &BTreeMap<Name, Vec<Place>>) -> (Reads, BTreeSet<Name>) {
        let mut fields = Vec::new();
        for (name, places) in arguments {
            let state = self.state(places.clone());
            if self.of == Of::Keys && self.states[state].is_nothing() {
                continue;
            }
            fields.push((name.to_string(), self.draw(state, DEEPEST)));
            if self.steps > self.most_steps {
                self.cut.insert(name.clone());
                // What comes behind may be as simple as ever.
                self.steps = self.most_steps / 2;
            }
        }
        (Reads::Parts(Arc::new(Parts { fields, ..Parts::default() })), self.cut)
    }

    /// All places that a value comes to from these, as one.
    fn state(&mut self, mut waiting: Vec<Place>) -> usize {
        let mut seen: BTreeSet<Place> = waiting.iter().copied().collect();
        while let Some(place) = waiting.pop() {
            self.steps += 1;
            waiting.extend(self.spots[place.0 as usize].flows.iter().copied().filter(|place| seen.insert(*place)));
        }
        let counts = |spot: &Spot| match self.of {
            Of::Reads => spot.is_whole || spot.has_shape || spot.has_truth || !spot.parts.is_empty(),
            Of::Keys => spot.leads_to_key,
        };
        let places: Vec<Place> = seen.into_iter().filter(|place| counts(&self.spots[place.0 as usize])).collect();
        if let Some(state) = self.known.get(&places) {
            return *state;
        }
        let mut state = State::default();
        for spot in places.iter().map(|place| &self.spots[place.0 as usize]) {
            let of_keys = self.of == Of::Keys;
            state.is_whole |= if of_keys { spot.is_key } else { spot.is_whole };
            state.has_shape |= spot.has_shape && !of_keys;
            state.has_truth |= spot.has_truth && !of_keys;
            for (label, to) in &spot.parts {
                if of_keys && !self.spots[to.0 as usize].leads_to_key {
                    continue;
                }
                // Which keys there are is found out by this tree.
                let label = if of_keys && matches!(label, Label::Keyed(_)) { &Label::Any } else { label };
                state.parts.entry(label.clone()).or_default().push(*to);
            }
        }
        self.states.push(state);
        self.known.insert(places, self.states.len() - 1);
        self.states.len() - 1
    }

    fn draw(&mut self, state: usize, depth: usize) -> Reads {
        if let Some(reads) = self.drawn.get(&(state, depth)) {
            return reads.clone();
        }
        let reads = match depth.checked_sub(1) {
            Some(depth) if !self.states[state].is_whole && self.steps <= self.most_steps => {
                Reads::Parts(Arc::new(self.parts(state, depth)))
            }
            _ => Reads::Whole,
        };
        self.drawn.insert((state, depth), reads.clone());
        reads
    }

    fn parts(&mut self, state: usize, depth: usize) -> Parts {
        let State { has_shape, has_truth, parts, .. } = &self.states[state];
        let (mut shape, truth, parts) = (*has_shape, *has_truth, parts.clone());
        let any = parts.get(&Label::Any);
        let (mut numbered, mut elements, mut fields, mut keyed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (label, places) in &parts {
            match label {
                Label::Field(name) => fields.push((name.to_string(), places.clone())),
                Label::At(_) => numbered.extend(places),
                Label::Each => {
                    shape = true;
                    elements.extend(places);
                }
                Label::Any | Label::Element => elements.extend(places),
                Label::Keyed(_) => keyed.extend(places),
            }
        }
        elements.extend(&numbered);
        if !numbered.is_empty() {
            // A number may be a key.
            fields.push((String::new(), numbered));
        }
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut draw = |places: Vec<Place>| {
            self.steps += 1;
            let state = self.state(places);
            self.draw(state, depth)
        };
        let is_of_sequence = !elements.is_empty();
        let elements = is_of_sequence.then(|| draw(elements));
        let others = any.map(|places| draw(places.clone()));
        let with_any = |places: &[Place]| places.iter().chain(any.into_iter().flatten()).copied().collect();
        let keyed = (!keyed.is_empty()).then(|| {
            let by_name = |(name, places): &(String, Vec<Place>)| {
                (name.clone(), draw(with_any(&[places.as_slice(), &keyed].concat())))
            };
            let fields = fields.iter().map(by_name).collect();
            Reads::Parts(Arc::new(Parts { fields, others: Some(draw(with_any(&keyed))), ..Parts::default() }))
        });
        let fields = fields.into_iter().map(|(name, places)| (name, draw(with_any(&places)))).collect();
        Parts { shape, truth, fields, elements, others, keyed }
    }
}
