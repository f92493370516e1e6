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
    states: Vec<State>,
    known: HashMap<Vec<Place>, usize>,
    drawn: HashMap<(usize, usize), Reads>,
    steps: usize,
    most_steps: usize,
    /// Where there was too much: the name of an argument.
    pub(super) cut: BTreeSet<Name>,
}

/// What is done at all places that a value comes to.
#[derive(Default)]
struct State {
    is_whole: bool,
    has_shape: bool,
    has_truth: bool,
    parts: BTreeMap<Label, Vec<Place>>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(spots: &'a [Spot]) -> Self {
        let most_steps = MOST + 20 * spots.len();
        let (states, known, drawn, cut) = (Vec::new(), HashMap::new(), HashMap::new(), BTreeSet::new());
        Self { spots, states, known, drawn, steps: 0, most_steps, cut }
    }

    /// The arguments as a whole: a field for each name.
    pub(super) fn of(mut self, arguments: &BTreeMap<Name, Vec<Place>>) -> (Reads, BTreeSet<Name>) {
        let mut fields = Vec::new();
        for (name, places) in arguments {
            let state = self.state(places.clone());
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
        let is_looked_at = |spot: &Spot| spot.is_whole || spot.has_shape || spot.has_truth || !spot.parts.is_empty();
        let places: Vec<Place> = seen.into_iter().filter(|place| is_looked_at(&self.spots[place.0 as usize])).collect();
        if let Some(state) = self.known.get(&places) {
            return *state;
        }
        let mut state = State::default();
        for spot in places.iter().map(|place| &self.spots[place.0 as usize]) {
            state.is_whole |= spot.is_whole;
            state.has_shape |= spot.has_shape;
            state.has_truth |= spot.has_truth;
            for (label, to) in &spot.parts {
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
        let (mut numbered, mut elements, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        for (label, places) in &parts {
            match label {
                Label::Field(name) => fields.push((name.to_string(), places.clone())),
                Label::At(_) => numbered.extend(places),
                Label::Each => {
                    shape = true;
                    elements.extend(places);
                }
                Label::Any => elements.extend(places),
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
        let with_any = |places: Vec<Place>| places.into_iter().chain(any.into_iter().flatten().copied()).collect();
        let fields = fields.into_iter().map(|(name, places)| (name, draw(with_any(places)))).collect();
        Parts { shape, truth, fields, elements, others }
    }
}
