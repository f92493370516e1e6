//! What can be seen where: variables and where they come from, templates and blocks and where they are put in.

use std::{collections::BTreeSet, ops::Bound};

use super::{ARGUMENT, Solver, UNKNOWN, Work};
use crate::{
    defects::{Defect, seeded},
    pages::{
        reads::{
            flow::{Fact, Frame, Link, Name, Place, Scope, Unit},
            names::NumberMap,
        },
        reference::Reference,
    },
};

impl Solver<'_> {
    /// Finds what can be seen under a name, from the inside to the outside.
    pub(super) fn look(&mut self, scope: Scope, name: Name, to: Place) {
        let (mut at, mut only_maybe) = (scope, false);
        loop {
            self.steps += 1;
            match self.link(at) {
                Link::Set(frame, ..) if !only_maybe && self.sets.has(at, frame, name) => {
                    let variable = self.variable(frame, name);
                    return self.flow(variable, to);
                }
                Link::Set(..) => at = self.sets.start(at),
                Link::Frame(frame, outer) => {
                    let variable = self.variable(frame, name);
                    self.flow(variable, to);
                    if seeded(Defect::Unset) && self.bound.contains(&(frame, name)) {
                        return;
                    }
                    at = outer;
                }
                Link::Loop(frame, outer) => {
                    let outside = self.outside(frame, name);
                    self.flow(outside, to);
                    at = outer;
                }
                // A macro keeps what it names itself; a template that it includes, say, sees the arguments instead.
                Link::Macro(outer) => (at, only_maybe) = (outer, true),
                Link::Outside(frame) => {
                    let outside = self.outside(frame, name);
                    self.flow(outside, to);
                    // The same for whatever is around.
                    if only_maybe || self.outermost == Some(frame) {
                        self.argument(name, to);
                    }
                    return;
                }
            }
        }
    }

    /// A link of the templates, or one around blocks.
    fn link(&self, scope: Scope) -> Link {
        let links = &self.flow.links;
        let around_blocks = || Link::Outside(Frame(self.flow.frames() + scope.0 - links.len() as u32));
        links.get(scope.0 as usize).copied().unwrap_or_else(around_blocks)
    }

    /// What can be seen under a name at all places where a frame is put in.
    fn outside(&mut self, frame: Frame, name: Name) -> Place {
        if let Some(place) = self.outside.get(&(frame, name)) {
            return *place;
        }
        let place = self.new_place();
        self.outside.insert((frame, name), place);
        self.looked_for.add(frame.0, (name, place));
        self.waiting.extend(self.sites.iter(frame.0).map(|scope| Work::Look(scope, name, place)));
        place
    }

    pub(super) fn site(&mut self, frame: Frame, scope: Scope) {
        if seeded(Defect::Outside) || !self.put_in.insert((frame, scope)) {
            return;
        }
        self.sites.add(frame.0, scope);
        self.waiting.extend(self.looked_for.iter(frame.0).map(|(name, place)| Work::Look(scope, name, place)));
    }

    pub(super) fn argument(&mut self, name: Name, to: Place) {
        let places = self.arguments.entry(name).or_default();
        if !places.contains(&to) {
            places.push(to);
            self.arrive(to, ARGUMENT);
            if self.globals.contains(&name) {
                self.arrive(to, UNKNOWN);
            }
        }
    }

    pub(super) fn variable(&mut self, frame: Frame, name: Name) -> Place {
        if let Some(place) = self.variables.get(&(frame, name)) {
            return *place;
        }
        let place = self.new_place();
        self.variables.insert((frame, name), place);
        place
    }

    pub(super) fn bind(&mut self, frame: Frame, name: Name) {
        let mut waiting = vec![frame];
        while let Some(frame) = waiting.pop() {
            if !self.bound.insert((frame, name)) {
                continue;
            }
            self.names.add(frame.0, name);
            let variable = self.variable(frame, name);
            if self.shown.contains(&frame) || self.looked_up.contains(&name) {
                self.flow(variable, Place::WHOLE);
            }
            let mut leaks = self.leaks.all(frame.0);
            while let Some(outer) = self.leaks.next(&mut leaks) {
                let outer_variable = self.variable(outer, name);
                self.flow(variable, outer_variable);
                waiting.push(outer);
            }
        }
    }

    /// What is set in a frame can be seen in another one too.
    pub(super) fn leak(&mut self, frame: Frame, outer: Frame) {
        if frame == outer || self.leaks.iter(frame.0).any(|known| known == outer) {
            return;
        }
        self.leaks.add(frame.0, outer);
        let mut names = self.names.all(frame.0);
        while let Some(name) = self.names.next(&mut names) {
            let (variable, outer_variable) = (self.variable(frame, name), self.variable(outer, name));
            self.flow(variable, outer_variable);
            self.bind(outer, name);
        }
    }

    pub(super) fn show(&mut self, frame: Frame) {
        if self.shown.insert(frame) {
            let mut names = self.names.all(frame.0);
            while let Some(name) = self.names.next(&mut names) {
                let variable = self.variable(frame, name);
                self.flow(variable, Place::WHOLE);
            }
        }
    }

    pub(super) fn enclose(&mut self, unit: Unit) {
        let mut waiting = vec![unit];
        while let Some(unit) = waiting.pop() {
            for fact in &self.body(unit).facts {
                match fact {
                    Fact::Look(scope, name, _) => self.waiting.push(Work::Look(*scope, *name, Place::KIND)),
                    Fact::Macro(_, inner) => waiting.push(*inner),
                    _ => {}
                }
            }
        }
    }

    /// A template that is rendered, included or imported: its blocks are its own.
    pub(super) fn enter(&mut self, template: Unit) {
        self.entries.insert(template);
        self.start(template);
    }

    pub(super) fn put_in(&mut self, references: &[Reference], scope: Scope, into: Option<Frame>) {
        for template in self.meant(references) {
            self.enter(template);
            let frame = self.body(template).frame;
            self.site(frame, scope);
            into.iter().for_each(|into| self.leak(frame, *into));
        }
    }

    /// The templates that a reference can mean, of those that are there.
    pub(super) fn meant(&self, references: &[Reference]) -> Vec<Unit> {
        let mut meant = Vec::new();
        for reference in references {
            match reference {
                Reference::Name { name, .. } => meant.extend(self.flow.templates.get(name)),
                Reference::StartsWith(start) => {
                    let from = self.flow.templates.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
                    meant.extend(from.take_while(|(name, _)| name.starts_with(start.as_str())).map(|(_, unit)| *unit));
                }
            }
        }
        meant
    }

    /// Each block where it is put out: in the templates that a template extends, its own come first.
    pub(super) fn put_in_blocks(&mut self) {
        let mut entries: NumberMap<Unit, Vec<Unit>> = NumberMap::default();
        for entry in &self.entries {
            self.ancestry(*entry).into_iter().for_each(|of| entries.entry(of).or_default().push(*entry));
        }
        let every: Vec<Unit> = self.entries.iter().copied().collect();
        let mut names: BTreeSet<(Unit, Name)> = BTreeSet::new();
        for (template, name, scope) in self.blocks.clone() {
            let of_template = template.iter().flat_map(|template| entries.get(template)).flatten().copied();
            let of_any = every.iter().copied().filter(|_| template.is_none());
            for entry in of_template.chain(of_any) {
                self.steps += 1;
                let around = self.around_blocks(entry, name).0;
                self.site(around, scope);
                names.insert((entry, name));
            }
        }
        for (entry, name) in names {
            let around = self.around_blocks(entry, name).1;
            for unit in self.blocks_of(entry, name) {
                self.start(unit);
                self.site(self.body(unit).frame, around);
            }
        }
    }

    /// What is around all blocks of a name that are put out where a template is rendered: all places where one of them is.
    fn around_blocks(&mut self, entry: Unit, name: Name) -> (Frame, Scope) {
        let number = self.around_blocks.len() as u32;
        let frame = *self.around_blocks.entry((entry, name)).or_insert(Frame(self.flow.frames() + number));
        (frame, Scope(self.flow.links.len() as u32 + frame.0 - self.flow.frames()))
    }

    /// A template and all that it extends, and those extend.
    fn ancestry(&self, entry: Unit) -> Vec<Unit> {
        let mut found = vec![entry];
        let mut at = 0;
        while let Some(template) = found.get(at) {
            let parents: Vec<Unit> = self.parents.get(template).into_iter().flatten().copied().collect();
            for parent in parents {
                if !found.contains(&parent) {
                    found.push(parent);
                }
            }
            at += 1;
        }
        found
    }

    /// The blocks of a name that are put out where a template is rendered: the first, and what it replaces if that is put
    /// out in it.
    fn blocks_of(&self, entry: Unit, name: Name) -> Vec<Unit> {
        let (mut found, mut waiting, mut seen) = (Vec::new(), vec![entry], BTreeSet::new());
        while let Some(template) = waiting.pop() {
            if !seen.insert(template) {
                continue;
            }
            let block = self.flow.blocks.get(&(template, name));
            found.extend(block);
            if block.is_none_or(|unit| self.puts_out_replaced(*unit)) {
                waiting.extend(self.parents.get(&template).into_iter().flatten());
            }
        }
        found
    }

    fn puts_out_replaced(&self, unit: Unit) -> bool {
        self.body(unit).supers && !seeded(Defect::Super)
    }
}
