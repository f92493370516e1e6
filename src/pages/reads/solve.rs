//! Where the values of a page's templates come from: the facts of all that can run, followed until nothing new comes out.
//! What never runs (a macro that nobody calls, a block that another one replaces) is left out.

mod calls;
mod keyed;
mod scopes;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use super::flow::{Body, Call, Fact, Flow, Frame, Label, List, Name, Place, Scope, Unit};
use crate::defects::{Defect, seeded};

/// What is known of a page besides its templates.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Names of globals: what is seen under them may be the global.
    pub(crate) globals: BTreeSet<String>,
    /// Names that functions and filters look up by themselves.
    pub(crate) looked_up: BTreeSet<String>,
    /// Whether it is noticed what the engine asks for beyond what counts: a macro asks for all that it names when it is
    /// declared, and may never be called.
    pub(crate) is_watched: bool,
}

/// What is done with the values that come to a place.
#[derive(Debug, Default)]
pub(super) struct Spot {
    pub(super) flows: Vec<Place>,
    pub(super) parts: Vec<(Label, Place)>,
    pub(super) has_shape: bool,
    pub(super) has_truth: bool,
    /// All of an argument counts.
    pub(super) is_whole: bool,
    /// It may be the key by which a part of another value is asked for.
    pub(super) is_key: bool,
    /// One of its parts may be, or itself.
    pub(super) leads_to_key: bool,
    calls: Vec<Rc<Call>>,
    methods: Vec<(Name, Place, Rc<Call>)>,
    sources: Vec<usize>,
}

/// A value whose origin is known.
#[derive(Clone, Debug)]
enum Source {
    /// An argument of the page, or a part of one.
    Argument,
    Unknown,
    Text(Name),
    List(List),
    Map(Vec<(Name, Place)>),
    Macro(Unit),
    /// The variables of a frame.
    Module(Frame),
    Loop(Place, Frame),
}

const ARGUMENT: usize = 0;
const UNKNOWN: usize = 1;

/// The work that is worth it for each fact. Templates that people write take some ten steps.
const MOST_STEPS: usize = 200;

pub(super) struct Solver<'f> {
    flow: &'f Flow,
    known: &'f Known,
    /// The frame whose surroundings are the arguments.
    outermost: Option<Frame>,
    pub(super) spots: Vec<Spot>,
    /// By name, what is done with the arguments.
    pub(super) arguments: BTreeMap<Name, Vec<Place>>,
    sources: Vec<Source>,
    variables: HashMap<(Frame, Name), Place>,
    bound: HashMap<Frame, BTreeSet<Name>>,
    /// By frame, those in which its variables can be seen too.
    leaks: HashMap<Frame, Vec<Frame>>,
    /// Frames of which all variables count.
    shown: HashSet<Frame>,
    /// What is looked for around a frame.
    outside: HashMap<Frame, Vec<(Name, Place)>>,
    sites: HashMap<Frame, Vec<Scope>>,
    parents: HashMap<Name, BTreeSet<Name>>,
    entries: BTreeSet<Name>,
    blocks: Vec<(Name, Name, Scope)>,
    live: HashSet<Unit>,
    flowing: HashSet<(Place, Place)>,
    arrived: HashSet<(Place, usize)>,
    waiting: Vec<Work>,
    steps: usize,
    most_steps: usize,
}

enum Work {
    Arrived(Place, usize),
    Look(Scope, Name, Place),
    Run(Unit),
}

impl<'f> Solver<'f> {
    pub(super) fn new(flow: &'f Flow, known: &'f Known) -> Self {
        let mut solver = Self {
            flow,
            known,
            outermost: None,
            spots: Vec::new(),
            arguments: BTreeMap::new(),
            sources: vec![Source::Argument, Source::Unknown],
            variables: HashMap::new(),
            bound: HashMap::new(),
            leaks: HashMap::new(),
            shown: HashSet::new(),
            outside: HashMap::new(),
            sites: HashMap::new(),
            parents: HashMap::new(),
            entries: BTreeSet::new(),
            blocks: Vec::new(),
            live: HashSet::new(),
            flowing: HashSet::new(),
            arrived: HashSet::new(),
            waiting: Vec::new(),
            steps: 0,
            most_steps: 0,
        };
        solver.most_steps = flow.bodies.iter().map(|body| MOST_STEPS * (1 + body.facts.len())).sum();
        solver.spots.resize_with(flow.places(), Spot::default);
        solver.spots[Place::SHAPE.0 as usize].has_shape = !seeded(Defect::Shape);
        solver.spots[Place::TRUTH.0 as usize].has_truth = !seeded(Defect::Shape);
        for whole in [Place::WHOLE, Place::SHOWN] {
            solver.spots[whole.0 as usize].is_whole = true;
        }
        solver
    }

    /// Follows what the page of this template does; `false` if that is too much.
    pub(super) fn run(&mut self, root: &str) -> bool {
        let is_done = self.follow(root);
        self.know_keys();
        is_done
    }

    fn follow(&mut self, root: &str) -> bool {
        let Some(unit) = self.flow.templates.get(root) else { return true };
        self.outermost = Some(self.body(*unit).frame);
        self.enter(&Name::from(root));
        for name in &self.known.looked_up {
            self.argument(&Name::from(name.as_str()), Place::WHOLE);
        }
        loop {
            while let Some(work) = self.waiting.pop() {
                self.steps += 1;
                if self.steps > self.most_steps {
                    return false;
                }
                match work {
                    Work::Arrived(place, source) => self.arrived(place, source),
                    Work::Look(scope, name, place) => self.look(scope, &name, place),
                    Work::Run(unit) => self.facts(unit),
                }
            }
            self.put_in_blocks();
            if self.waiting.is_empty() {
                return true;
            }
        }
    }

    fn body(&self, unit: Unit) -> &'f Body {
        &self.flow.bodies[unit.0 as usize]
    }

    fn spot(&mut self, place: Place) -> &mut Spot {
        &mut self.spots[place.0 as usize]
    }

    fn new_place(&mut self) -> Place {
        self.spots.push(Spot::default());
        Place(self.spots.len() as u32 - 1)
    }

    fn start(&mut self, unit: Unit) {
        if self.live.insert(unit) {
            self.waiting.push(Work::Run(unit));
        }
    }

    fn facts(&mut self, unit: Unit) {
        let body = self.body(unit);
        for fact in &body.facts {
            self.steps += 1;
            match fact {
                Fact::Flow(from, to) => self.flow(*from, *to),
                Fact::Look(scope, name, to) => self.look(*scope, name, *to),
                Fact::Set(frame, name, value) => {
                    let variable = self.variable(*frame, name);
                    self.flow(*value, variable);
                    self.bind(*frame, name);
                }
                Fact::Shape(place) => self.spot(*place).has_shape = !seeded(Defect::Shape),
                Fact::Truth(place) => self.spot(*place).has_truth = !seeded(Defect::Shape),
                Fact::Argument(place) => self.spot(*place).is_whole = true,
                Fact::Part(place, label, to) => self.part(*place, label.clone(), *to),
                Fact::Call(place, call) => self.call(*place, call),
                Fact::Method(place, name, callee, call) => self.method(*place, name, *callee, call),
                Fact::List(place, list) => self.source(*place, Source::List(list.clone())),
                Fact::Map(place, fields) => self.source(*place, Source::Map(fields.clone())),
                Fact::Macro(place, unit) => {
                    self.source(*place, Source::Macro(*unit));
                    if self.known.is_watched {
                        self.enclose(*unit);
                    }
                }
                Fact::Loop(place, over, frame) => self.source(*place, Source::Loop(*over, *frame)),
                Fact::Text(place, text) => self.source(*place, Source::Text(text.clone())),
                Fact::Unknown(place) => self.arrive(*place, UNKNOWN),
                Fact::Import(place, frame, scope, references) => {
                    self.put_in(references, *scope, Some(*frame));
                    self.source(*place, Source::Module(*frame));
                }
                Fact::Include(scope, references) => self.put_in(references, *scope, self.flow.innermost(*scope)),
                Fact::Extends(scope, references) => {
                    for parent in self.meant(references) {
                        let Some(unit) = self.flow.templates.get(&parent) else { continue };
                        let frame = self.body(*unit).frame;
                        self.start(*unit);
                        self.site(frame, *scope);
                        self.leak(frame, body.frame);
                        self.parents.entry(body.template.clone()).or_default().insert(parent);
                    }
                }
                Fact::Block(scope, name) => self.blocks.push((body.template.clone(), name.clone(), *scope)),
            }
        }
    }

    fn source(&mut self, place: Place, source: Source) {
        self.sources.push(source);
        self.arrive(place, self.sources.len() - 1);
    }

    fn arrive(&mut self, place: Place, source: usize) {
        if self.arrived.insert((place, source)) {
            self.spot(place).sources.push(source);
            self.waiting.push(Work::Arrived(place, source));
        }
    }

    fn flow(&mut self, from: Place, to: Place) {
        if from == to || !self.flowing.insert((from, to)) {
            return;
        }
        self.spot(from).flows.push(to);
        for source in self.spot(from).sources.clone() {
            self.arrive(to, source);
        }
    }

    fn part(&mut self, place: Place, label: Label, to: Place) {
        for source in self.spot(place).sources.clone() {
            self.part_of(source, &label, to);
        }
        self.spot(place).parts.push((label, to));
    }

    fn call(&mut self, place: Place, call: &Rc<Call>) {
        for source in self.spot(place).sources.clone() {
            self.called(source, call);
        }
        self.spot(place).calls.push(call.clone());
    }

    fn method(&mut self, place: Place, name: &Name, callee: Place, call: &Rc<Call>) {
        for source in self.spot(place).sources.clone() {
            self.method_called(source, name, callee, call);
        }
        self.spot(place).methods.push((name.clone(), callee, call.clone()));
    }

    /// A value comes to a place: what is done there is done with it.
    fn arrived(&mut self, place: Place, source: usize) {
        let has_text = matches!(self.sources[source], Source::Macro(_) | Source::Module(_) | Source::Loop(..));
        if place == Place::WHOLE || (place == Place::SHOWN && !has_text) {
            self.all_of(source);
        }
        // A part of a list may be the list: there may be more of them when this comes back.
        for at in 0..self.spot(place).parts.len() {
            let (label, to) = self.spot(place).parts[at].clone();
            self.part_of(source, &label, to);
        }
        for at in 0..self.spot(place).flows.len() {
            let to = self.spot(place).flows[at];
            self.arrive(to, source);
        }
        for call in self.spot(place).calls.clone() {
            self.called(source, &call);
        }
        for (name, callee, call) in self.spot(place).methods.clone() {
            self.method_called(source, &name, callee, &call);
        }
    }

    /// All of a value counts.
    fn all_of(&mut self, source: usize) {
        match self.sources[source].clone() {
            Source::Argument | Source::Unknown | Source::Text(_) => {}
            Source::List(List { at, each, .. }) => {
                at.into_iter().chain(each).for_each(|of| self.flow(of, Place::WHOLE));
            }
            Source::Map(fields) => fields.into_iter().for_each(|(_, of)| self.flow(of, Place::WHOLE)),
            // Whoever has a macro may call it.
            Source::Macro(unit) => self.macro_called(unit, true, &[], &[]),
            Source::Module(frame) => self.show(frame),
            // Whoever has a loop has its neighbours.
            Source::Loop(over, _) => self.flow(over, Place::WHOLE),
        }
    }

    fn part_of(&mut self, source: usize, label: &Label, to: Place) {
        self.steps += 1;
        match (self.sources[source].clone(), label) {
            (Source::Argument | Source::Unknown, _) => self.arrive(to, source),
            // One of its characters.
            (Source::Text(_), Label::Field(_)) => {}
            (Source::Text(_), _) => self.arrive(to, UNKNOWN),
            (Source::List(list), label) => list.part(label).for_each(|of| self.flow(of, to)),
            (Source::Map(fields), Label::Field(name)) => {
                fields.iter().filter(|(field, _)| field == name).for_each(|(_, of)| self.flow(*of, to));
            }
            (Source::Map(fields), Label::Any | Label::Keyed(_)) => {
                fields.iter().for_each(|(_, of)| self.flow(*of, to));
            }
            (Source::Map(_), Label::Each) => self.arrive(to, UNKNOWN),
            (Source::Map(_), Label::At(_) | Label::Element) => {}
            // What it is called, say.
            (Source::Macro(_), _) => self.arrive(to, UNKNOWN),
            (Source::Module(frame), Label::Field(name)) => {
                let variable = self.variable(frame, name);
                self.flow(variable, to);
            }
            (Source::Loop(over, _), Label::Field(name)) if NEIGHBOURS.contains(&&**name) => {
                self.part(over, Label::Each, to);
            }
            (Source::Loop(..), Label::Field(_)) => self.arrive(to, UNKNOWN),
            (Source::Module(_) | Source::Loop(..), _) => {
                self.all_of(source);
                self.arrive(to, UNKNOWN);
            }
        }
    }
}

const NEIGHBOURS: [&str; 2] = ["previtem", "nextitem"];
