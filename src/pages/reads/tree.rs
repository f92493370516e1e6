//! What of the arguments counts, as a tree that can be followed beside a value: the places of one value taken together.
//! Comment trees and the like lead back to where they came from; they are drawn out to a depth that pages have.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
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
    /// By the places that count.
    known: HashMap<Vec<Place>, usize>,
    /// By the places that they were looked for from.
    started: HashMap<Vec<Place>, usize>,
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
    /// The states of its parts, once they have been looked for.
    next: Option<Rc<Next>>,
}

/// The parts of a value, by their states.
struct Next {
    shape: bool,
    fields: Vec<(String, usize)>,
    elements: Option<usize>,
    others: Option<usize>,
    /// The same fields and others where keys that are not known yet count too.
    keyed: Option<(Vec<usize>, usize)>,
}

impl State {
    fn is_nothing(&self) -> bool {
        !self.is_whole && self.parts.is_empty()
    }
}

impl<'a> Tree<'a> {
    pub(super) fn new(spots: &'a [Spot], of: Of) -> Self {
        let most_steps = MOST + 20 * spots.len();
        let (states, known, started, drawn) = (Vec::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Self { spots, of, states, known, started, drawn, steps: 0, most_steps, cut: BTreeSet::new() }
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
    fn state(&mut self, start: Vec<Place>) -> usize {
        if let Some(state) = self.started.get(&start) {
            return *state;
        }
        let state = self.reached(start.clone());
        self.started.insert(start, state);
        state
    }

    fn reached(&mut self, mut waiting: Vec<Place>) -> usize {
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
        let next = self.next(state);
        let State { has_truth: truth, .. } = self.states[state];
        let mut draw = |state| {
            self.steps += 1;
            self.draw(state, depth)
        };
        let elements = next.elements.map(&mut draw);
        let others = next.others.map(&mut draw);
        let names = || next.fields.iter().map(|(name, _)| name.clone());
        let keyed = next.keyed.as_ref().map(|(fields, others)| {
            let fields = names().zip(fields.iter().map(|state| draw(*state))).collect();
            Reads::Parts(Arc::new(Parts { fields, others: Some(draw(*others)), ..Parts::default() }))
        });
        let fields = names().zip(next.fields.iter().map(|(_, state)| draw(*state))).collect();
        Parts { shape: next.shape, truth, fields, elements, others, keyed }
    }

    /// A value that leads back to itself is drawn at each depth, and its parts are looked for once.
    fn next(&mut self, state: usize) -> Rc<Next> {
        if let Some(next) = &self.states[state].next {
            return next.clone();
        }
        let State { has_shape, parts, .. } = &self.states[state];
        let (mut shape, parts) = (*has_shape, parts.clone());
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
        let any = parts.get(&Label::Any);
        let with_any = |places: &[Place]| places.iter().chain(any.into_iter().flatten()).copied().collect();
        let is_of_sequence = !elements.is_empty();
        let elements = is_of_sequence.then(|| self.state(elements));
        let others = any.map(|places| self.state(places.clone()));
        let keyed = (!keyed.is_empty()).then(|| {
            let by_name =
                |(_, places): &(String, Vec<Place>)| self.state(with_any(&[places.as_slice(), &keyed].concat()));
            let fields = fields.iter().map(by_name).collect();
            (fields, self.state(with_any(&keyed)))
        });
        let fields = fields.into_iter().map(|(name, places)| (name, self.state(with_any(&places)))).collect();
        let next = Rc::new(Next { shape, fields, elements, others, keyed });
        self.states[state].next = Some(next.clone());
        next
    }
}
