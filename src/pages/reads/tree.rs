//! What of the arguments counts, as a tree that can be followed beside a value: the places of one value taken together.
//! Comment trees and the like lead back to where they came from; they are drawn out to a depth that pages have.

use std::{collections::BTreeSet, rc::Rc, sync::Arc};

use super::{
    Parts, Reads,
    flow::{Label, Place},
    names::{Names, NumberMap},
    solve::{Solution, Usage},
};

/// Beyond it all counts: how deep a value is followed, and how many parts of parts there are.
const DEEPEST: usize = 32;
const MOST: usize = 20_000;

/// The work that is worth it for each place.
const MOST_STEPS: usize = 20;

pub(super) struct Tree<'a> {
    solution: &'a Solution,
    names: &'a Names,
    of: TreeKind,
    states: Vec<State>,
    /// By the places that count.
    known: NumberMap<Vec<Place>, usize>,
    /// By the places that they were looked for from.
    started: NumberMap<Vec<Place>, usize>,
    /// By place, which of the searches came to it last.
    seen: Vec<u32>,
    searches: u32,
    drawn: NumberMap<(usize, usize), Reads>,
    steps: usize,
    most_steps: usize,
    /// How many parts there may be yet.
    left: usize,
    /// Where there was too much: the name of an argument.
    cut: BTreeSet<String>,
}

/// What a tree is of.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum TreeKind {
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
    /// In order.
    parts: Vec<(Label, Place)>,
    /// The states of its parts, once they have been looked for.
    next: Option<Rc<Next>>,
}

/// The parts of a value, by their states.
struct Next {
    shape: bool,
    fields: Vec<(Arc<str>, usize)>,
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
    pub(super) fn new(solution: &'a Solution, names: &'a Names, of: TreeKind) -> Self {
        let places = solution.usages.len();
        Self {
            solution,
            names,
            of,
            states: Vec::new(),
            known: NumberMap::default(),
            started: NumberMap::default(),
            seen: vec![0; places],
            searches: 0,
            drawn: NumberMap::default(),
            steps: 0,
            most_steps: MOST + MOST_STEPS * places,
            left: MOST,
            cut: BTreeSet::new(),
        }
    }

    /// The arguments as a whole: a field for each name.
    pub(super) fn of_arguments(mut self) -> (Reads, BTreeSet<String>) {
        let mut fields = Vec::new();
        let arguments = self.solution.arguments.iter().map(|(name, places)| (self.names.text(*name), places));
        let mut arguments: Vec<_> = arguments.collect();
        arguments.sort_unstable();
        for (name, places) in arguments {
            let state = self.state(places.clone());
            if self.of == TreeKind::Keys && self.states[state].is_nothing() {
                continue;
            }
            // What comes behind may be as simple as ever: each has half of what is left.
            let for_others = self.left / 2;
            self.left -= for_others;
            fields.push((name.clone(), self.draw(state, DEEPEST)));
            if self.is_too_much() {
                self.cut.insert(name.to_string());
                self.steps = self.most_steps / 2;
            }
            self.left += for_others;
        }
        (Reads::Parts(Arc::new(Parts { fields, ..Parts::default() })), self.cut)
    }

    /// All places that a value comes to from these, as one.
    fn state(&mut self, start: Vec<Place>) -> usize {
        if let Some(state) = self.started.get(&start) {
            return *state;
        }
        let state = self.reached(&start);
        self.started.insert(start, state);
        state
    }

    fn reached(&mut self, start: &[Place]) -> usize {
        let places = self.counted(start);
        if let Some(state) = self.known.get(&places) {
            return *state;
        }
        let of_keys = self.of == TreeKind::Keys;
        let mut state = State::default();
        for place in &places {
            let usage = self.usage(*place);
            state.is_whole |= if of_keys { usage.is_key } else { usage.is_whole };
            state.has_shape |= usage.has_shape && !of_keys;
            state.has_truth |= usage.has_truth && !of_keys;
            for (label, to) in self.solution.parts.iter(place.0) {
                if of_keys && !self.usage(to).leads_to_key {
                    continue;
                }
                // Which keys there are is found out by this tree.
                let label = if of_keys && matches!(label, Label::Keyed(_)) { Label::Any } else { label };
                state.parts.push((label, to));
            }
        }
        state.parts.sort_unstable();
        state.parts.dedup();
        self.states.push(state);
        self.known.insert(places, self.states.len() - 1);
        self.states.len() - 1
    }

    /// The places that count, of those that a value comes to from these; in order.
    fn counted(&mut self, start: &[Place]) -> Vec<Place> {
        self.searches += 1;
        let mut waiting = start.to_vec();
        let mut places = Vec::new();
        while let Some(place) = waiting.pop() {
            if std::mem::replace(&mut self.seen[place.0 as usize], self.searches) == self.searches {
                continue;
            }
            self.steps += 1;
            waiting.extend(self.solution.flows.iter(place.0));
            let usage = self.usage(place);
            let counts = match self.of {
                TreeKind::Keys => usage.leads_to_key,
                TreeKind::Reads => {
                    usage.is_whole || usage.has_shape || usage.has_truth || !self.solution.parts.is_empty(place.0)
                }
            };
            if counts {
                places.push(place);
            }
        }
        places.sort_unstable();
        places
    }

    fn usage(&self, place: Place) -> &'a Usage {
        &self.solution.usages[place.0 as usize]
    }

    fn is_too_much(&self) -> bool {
        self.steps > self.most_steps || self.left == 0
    }

    fn draw(&mut self, state: usize, depth: usize) -> Reads {
        if let Some(reads) = self.drawn.get(&(state, depth)) {
            return reads.clone();
        }
        let reads = match depth.checked_sub(1) {
            Some(depth) if !self.states[state].is_whole && !self.is_too_much() => {
                self.left -= 1;
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
        let State { has_shape: mut shape, ref parts, .. } = self.states[state];
        let (mut numbered, mut elements, mut keyed, mut any) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut fields: Vec<(Arc<str>, Vec<Place>)> = Vec::new();
        for labelled in parts.chunk_by(|(one, _), (other, _)| one == other) {
            let (label, places) = (labelled[0].0, labelled.iter().map(|(_, place)| *place));
            match label {
                Label::Field(name) => fields.push((self.names.text(name).clone(), places.collect())),
                Label::At(_) => numbered.extend(places),
                Label::Each | Label::Unpacked(_) => {
                    shape = true;
                    elements.extend(places);
                }
                Label::Element => elements.extend(places),
                Label::Any => any.extend(places),
                Label::Keyed(_) => keyed.extend(places),
            }
        }
        elements.extend(numbered.iter().chain(&any));
        if !numbered.is_empty() {
            // A number may be a key. One that is no text counts by the empty name, which a text may be too.
            match fields.iter_mut().find(|(name, _)| name.is_empty()) {
                Some((_, places)) => places.extend(numbered),
                None => fields.push(("".into(), numbered)),
            }
        }
        fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let with_any = |places: &[Place]| [places, &any].concat();
        let is_of_sequence = !elements.is_empty();
        let elements = is_of_sequence.then(|| self.state(elements));
        let others = (!any.is_empty()).then(|| self.state(any.clone()));
        let keyed = (!keyed.is_empty()).then(|| {
            let by_name =
                |(_, places): &(Arc<str>, Vec<Place>)| self.state(with_any(&[places.as_slice(), &keyed].concat()));
            let fields = fields.iter().map(by_name).collect();
            (fields, self.state(with_any(&keyed)))
        });
        let fields = fields.into_iter().map(|(name, places)| (name, self.state(with_any(&places)))).collect();
        let next = Rc::new(Next { shape, fields, elements, others, keyed });
        self.states[state].next = Some(next.clone());
        next
    }
}
