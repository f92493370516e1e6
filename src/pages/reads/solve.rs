//! Where the values of a page's templates come from: the facts of all that can run, followed until nothing new comes out.
//! What never runs (a macro that nobody calls, a block that another one replaces) is left out.

mod calls;
mod keyed;
mod scopes;
mod sets;
mod values;

use std::{collections::BTreeSet, mem::replace};

use self::sets::Sets;
use super::{
    flow::{Body, CALLER, Call, Fact, Fields, Flow, Frame, Label, List, Name, Place, Scope, Unit},
    lists::Lists,
    names::{NumberMap, NumberSet},
};
use crate::defects::{Defect, seeded};

/// What the analysis takes besides the templates of a page.
#[derive(Debug, Default)]
pub(crate) struct AnalysisOptions {
    /// Names of globals: what is seen under them may be the global.
    pub(crate) globals: BTreeSet<String>,
    /// Names that functions and filters look up by themselves.
    pub(crate) looked_up: BTreeSet<String>,
    /// Whether it is noticed what the engine asks for beyond what counts: a macro asks for all that it names when it is
    /// declared, and may never be called.
    pub(crate) is_watched: bool,
}

/// What is done with the values that come to a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    pub(super) has_shape: bool,
    pub(super) has_truth: bool,
    /// All of an argument counts.
    pub(super) is_whole: bool,
    /// It may be the key by which a part of another value is asked for.
    pub(super) is_key: bool,
    /// One of its parts may be, or itself.
    pub(super) leads_to_key: bool,
    /// What most places have: arguments, and values of which nothing is known.
    has_argument: bool,
    has_unknown: bool,
}

/// A value that is called.
#[derive(Clone, Copy)]
enum Use<'f> {
    Call(&'f Call),
    /// By its method of this name, which comes to a place.
    Method(Name, Place, &'f Call),
    /// It is the last value that a macro is handed, which may be named arguments.
    Last(Unit),
}

/// A value whose origin is known.
#[derive(Clone, Copy)]
enum Source<'f> {
    /// An argument of the page, or a part of one.
    Argument,
    Unknown,
    Text(Name),
    List(&'f List),
    Map(&'f Fields),
    Macro(Unit),
    /// The variables of a frame.
    Module(Frame),
    Loop(Place, Frame),
}

/// The number of a source.
type Origin = u32;

const ARGUMENT: Origin = 0;
const UNKNOWN: Origin = 1;

/// The work that is worth it for each fact. Templates that people write take some ten steps.
const MOST_STEPS: usize = 200;

pub(super) struct Solver<'f> {
    flow: &'f Flow,
    is_watched: bool,
    globals: NumberSet<Name>,
    looked_up: NumberSet<Name>,
    caller: Name,
    sets: Sets,
    /// The frame whose surroundings are the arguments.
    outermost: Option<Frame>,
    usages: Vec<Usage>,
    flows: Lists<Place>,
    parts: Lists<(Label, Place)>,
    uses: Lists<Use<'f>>,
    /// Where its values come from, besides arguments and what nothing is known of.
    origins: Lists<Origin>,
    arguments: NumberMap<Name, Vec<Place>>,
    sources: Vec<Source<'f>>,
    variables: NumberMap<(Frame, Name), Place>,
    bound: NumberSet<(Frame, Name)>,
    /// The same by frame.
    names: Lists<Name>,
    /// By frame, those in which its variables can be seen too.
    leaks: Lists<Frame>,
    /// Frames of which all variables count.
    shown: NumberSet<Frame>,
    outside: NumberMap<(Frame, Name), Place>,
    /// By frame, what is looked for around it.
    looked_for: Lists<(Name, Place)>,
    put_in: NumberSet<(Frame, Scope)>,
    /// By frame, where it is put in.
    sites: Lists<Scope>,
    parents: NumberMap<Unit, BTreeSet<Unit>>,
    entries: BTreeSet<Unit>,
    /// Where blocks are put out, and of which template. A macro has none: it puts out the blocks of whichever calls it.
    blocks: Vec<(Option<Unit>, Name, Scope)>,
    /// Frames around the blocks of a name that a template puts out.
    around_blocks: NumberMap<(Unit, Name), Frame>,
    live: NumberSet<Unit>,
    arrived: NumberSet<(Place, Origin)>,
    waiting: Vec<Work>,
    steps: usize,
    most_steps: usize,
}

/// What is done with the arguments, once all has been followed.
pub(super) struct Solution {
    pub(super) usages: Vec<Usage>,
    /// By place, where its values are too.
    pub(super) flows: Lists<Place>,
    pub(super) parts: Lists<(Label, Place)>,
    /// By name, where they are.
    pub(super) arguments: NumberMap<Name, Vec<Place>>,
    /// What can run.
    pub(super) live: NumberSet<Unit>,
}

enum Work {
    Arrived(Place, Origin),
    Look(Scope, Name, Place),
    Run(Unit),
}

impl<'f> Solver<'f> {
    pub(super) fn new(flow: &'f mut Flow, options: &AnalysisOptions) -> Self {
        let mut names = |known: &BTreeSet<String>| known.iter().map(|name| flow.names.name(name)).collect();
        let (globals, looked_up) = (names(&options.globals), names(&options.looked_up));
        let caller = flow.names.name(CALLER);
        let facts = |is_one: &dyn Fn(&Fact) -> bool| {
            flow.bodies.iter().flat_map(|body| &body.facts).filter(|fact| is_one(fact)).count()
        };
        let mut usages = vec![Usage::default(); flow.places()];
        usages[Place::SHAPE.0 as usize].has_shape = !seeded(Defect::Shape);
        usages[Place::TRUTH.0 as usize].has_truth = !seeded(Defect::Shape);
        for whole in [Place::WHOLE, Place::SHOWN] {
            usages[whole.0 as usize].is_whole = true;
        }
        Self {
            is_watched: options.is_watched,
            globals,
            looked_up,
            caller,
            sets: Sets::of(&flow.links),
            outermost: None,
            usages,
            flows: Lists::with_room(flow.places(), facts(&|fact| matches!(fact, Fact::Flow(..) | Fact::Look(..)))),
            parts: Lists::with_room(flow.places(), facts(&|fact| matches!(fact, Fact::Part(..)))),
            uses: Lists::default(),
            origins: Lists::default(),
            arguments: NumberMap::default(),
            sources: vec![Source::Argument, Source::Unknown],
            variables: NumberMap::default(),
            bound: NumberSet::default(),
            names: Lists::default(),
            leaks: Lists::default(),
            shown: NumberSet::default(),
            outside: NumberMap::default(),
            looked_for: Lists::default(),
            put_in: NumberSet::default(),
            sites: Lists::default(),
            parents: NumberMap::default(),
            entries: BTreeSet::new(),
            blocks: Vec::new(),
            around_blocks: NumberMap::default(),
            live: NumberSet::default(),
            arrived: NumberSet::default(),
            waiting: Vec::new(),
            steps: 0,
            most_steps: flow.bodies.iter().map(|body| MOST_STEPS * (1 + body.facts.len())).sum(),
            flow,
        }
    }

    /// Follows what the page of this template does; nothing comes of it if that is too much.
    pub(super) fn run(mut self, root: &str) -> Option<Solution> {
        if !self.follow(root) {
            return None;
        }
        self.know_keys();
        let Self { usages, flows, parts, arguments, live, .. } = self;
        Some(Solution { usages, flows, parts, arguments, live })
    }

    fn follow(&mut self, root: &str) -> bool {
        let Some(unit) = self.flow.templates.get(root) else { return true };
        self.outermost = Some(self.body(*unit).frame);
        self.enter(*unit);
        for name in self.looked_up.clone() {
            self.argument(name, Place::WHOLE);
        }
        loop {
            while let Some(work) = self.waiting.pop() {
                self.steps += 1;
                if self.steps > self.most_steps {
                    return false;
                }
                match work {
                    Work::Arrived(place, source) => self.arrived(place, source),
                    Work::Look(scope, name, place) => self.look(scope, name, place),
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

    fn usage(&mut self, place: Place) -> &mut Usage {
        &mut self.usages[place.0 as usize]
    }

    fn new_place(&mut self) -> Place {
        self.usages.push(Usage::default());
        Place(self.usages.len() as u32 - 1)
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
            match *fact {
                Fact::Flow(from, to) => self.flow(from, to),
                Fact::Look(scope, name, to) => self.look(scope, name, to),
                Fact::Set(frame, name, value) => {
                    let variable = self.variable(frame, name);
                    self.flow(value, variable);
                    self.bind(frame, name);
                }
                Fact::Shape(place) => self.usage(place).has_shape = !seeded(Defect::Shape),
                Fact::Truth(place) => self.usage(place).has_truth = !seeded(Defect::Shape),
                Fact::Argument(place) => self.usage(place).is_whole = true,
                Fact::Part(place, label, to) => self.part(place, label, to),
                Fact::Call(place, ref call) => self.used(place, Use::Call(call)),
                Fact::Method(place, name, callee, ref call) => self.used(place, Use::Method(name, callee, call)),
                Fact::List(place, ref list) => self.source(place, Source::List(list)),
                Fact::Map(place, ref fields) => self.source(place, Source::Map(fields)),
                Fact::Macro(place, unit) => {
                    self.source(place, Source::Macro(unit));
                    if self.is_watched {
                        self.enclose(unit);
                    }
                }
                Fact::Loop(place, over, frame) => self.source(place, Source::Loop(over, frame)),
                Fact::Text(place, text) => self.source(place, Source::Text(text)),
                Fact::Unknown(place) => self.arrive(place, UNKNOWN),
                Fact::Import(place, frame, scope, ref references) => {
                    self.put_in(references, scope, Some(frame));
                    self.source(place, Source::Module(frame));
                }
                Fact::Include(scope, ref references) => self.put_in(references, scope, self.flow.innermost(scope)),
                Fact::Extends(scope, ref references) => {
                    for parent in self.meant(references) {
                        let frame = self.body(parent).frame;
                        self.start(parent);
                        self.site(frame, scope);
                        self.leak(frame, body.frame);
                        self.parents.entry(body.template).or_default().insert(parent);
                    }
                }
                Fact::Block(scope, name) => {
                    self.blocks.push(((!body.is_macro).then_some(body.template), name, scope));
                }
            }
        }
    }

    fn source(&mut self, place: Place, source: Source<'f>) {
        self.sources.push(source);
        self.arrive(place, self.sources.len() as Origin - 1);
    }

    fn arrive(&mut self, place: Place, origin: Origin) {
        let usage = &mut self.usages[place.0 as usize];
        let is_known = match origin {
            ARGUMENT => replace(&mut usage.has_argument, true),
            UNKNOWN => replace(&mut usage.has_unknown, true),
            _ => !self.arrived.insert((place, origin)),
        };
        if is_known {
            return;
        }
        if origin > UNKNOWN {
            self.origins.add(place.0, origin);
        }
        self.waiting.push(Work::Arrived(place, origin));
    }

    /// Where the values of a place come from: for each of them something is done.
    fn for_origins(&mut self, place: Place, mut done: impl FnMut(&mut Self, Origin)) {
        let mut origins = self.origins.all(place.0);
        let Usage { has_argument, has_unknown, .. } = *self.usage(place);
        if has_argument {
            done(self, ARGUMENT);
        }
        if has_unknown {
            done(self, UNKNOWN);
        }
        while let Some(origin) = self.origins.next(&mut origins) {
            done(self, origin);
        }
    }

    fn flow(&mut self, from: Place, to: Place) {
        if from == to || self.flows.iter(from.0).next() == Some(to) {
            return;
        }
        self.flows.add(from.0, to);
        self.for_origins(from, |solver, origin| solver.arrive(to, origin));
    }

    fn part(&mut self, place: Place, label: Label, to: Place) {
        self.parts.add(place.0, (label, to));
        self.for_origins(place, |solver, origin| solver.part_of(origin, label, to));
    }

    fn used(&mut self, place: Place, used: Use<'f>) {
        self.uses.add(place.0, used);
        self.for_origins(place, |solver, origin| solver.used_of(origin, used));
    }

    fn used_of(&mut self, origin: Origin, used: Use<'f>) {
        match used {
            Use::Call(call) => self.called(origin, call),
            Use::Method(name, callee, call) => self.method_called(origin, name, callee, call),
            Use::Last(unit) if origin == UNKNOWN => self.macro_called(unit, true, &[], &[]),
            Use::Last(_) => {}
        }
    }

    /// A value comes to a place: what is done there is done with it. What is done there from now on finds it there.
    fn arrived(&mut self, place: Place, origin: Origin) {
        let has_text = matches!(self.sources[origin as usize], Source::Macro(_) | Source::Module(_) | Source::Loop(..));
        if place == Place::WHOLE || (place == Place::SHOWN && !has_text) {
            self.all_of(origin);
        }
        let mut parts = self.parts.all(place.0);
        while let Some((label, to)) = self.parts.next(&mut parts) {
            self.part_of(origin, label, to);
        }
        let mut flows = self.flows.all(place.0);
        while let Some(to) = self.flows.next(&mut flows) {
            self.arrive(to, origin);
        }
        let mut uses = self.uses.all(place.0);
        while let Some(used) = self.uses.next(&mut uses) {
            self.used_of(origin, used);
        }
    }
}
