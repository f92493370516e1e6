//! What can be seen where: variables and where they come from, templates and blocks and where they are put in.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
};

use super::{ARGUMENT, Solver, UNKNOWN, Work};
use crate::{
    defects::{Defect, seeded},
    pages::{
        reads::flow::{Fact, Frame, Link, Name, Place, Scope, Unit},
        reference::Reference,
    },
};

impl Solver<'_> {
    /// Finds what can be seen under a name, from the inside to the outside.
    pub(super) fn look(&mut self, scope: Scope, name: &Name, to: Place) {
        let (mut at, mut only_maybe) = (scope, false);
        loop {
            self.steps += 1;
            match &self.flow.links[at.0 as usize] {
                Link::Set(frame, set, _) if set == name && !only_maybe => {
                    let variable = self.variable(*frame, name);
                    return self.flow(variable, to);
                }
                Link::Set(_, _, outer) => at = *outer,
                Link::Frame(frame, outer) => {
                    let variable = self.variable(*frame, name);
                    self.flow(variable, to);
                    if seeded(Defect::Unset) && self.bound.get(frame).is_some_and(|bound| bound.contains(name)) {
                        return;
                    }
                    at = *outer;
                }
                Link::Loop(frame, outer) => {
                    let outside = self.outside(*frame, name);
                    self.flow(outside, to);
                    at = *outer;
                }
                // A macro keeps what it names itself; a template that it includes, say, sees the arguments instead.
                Link::Macro(outer) => (at, only_maybe) = (*outer, true),
                Link::Outside(frame) => {
                    let outside = self.outside(*frame, name);
                    self.flow(outside, to);
                    // The same for whatever is around.
                    if only_maybe || self.outermost == Some(*frame) {
                        self.argument(name, to);
                    }
                    return;
                }
            }
        }
    }

    /// What can be seen under a name at all places where a frame is put in.
    fn outside(&mut self, frame: Frame, name: &Name) -> Place {
        let known = self.outside.get(&frame).and_then(|all| all.iter().find(|(known, _)| known == name));
        if let Some((_, place)) = known {
            return *place;
        }
        let place = self.new_place();
        self.outside.entry(frame).or_default().push((name.clone(), place));
        let sites = self.sites.get(&frame).into_iter().flatten();
        self.waiting.extend(sites.map(|scope| Work::Look(*scope, name.clone(), place)));
        place
    }

    pub(super) fn site(&mut self, frame: Frame, scope: Scope) {
        if seeded(Defect::Outside) {
            return;
        }
        let sites = self.sites.entry(frame).or_default();
        if sites.contains(&scope) {
            return;
        }
        sites.push(scope);
        let outside = self.outside.get(&frame).into_iter().flatten();
        self.waiting.extend(outside.map(|(name, place)| Work::Look(scope, name.clone(), *place)));
    }

    pub(super) fn argument(&mut self, name: &Name, to: Place) {
        let places = self.arguments.entry(name.clone()).or_default();
        if !places.contains(&to) {
            places.push(to);
            self.arrive(to, ARGUMENT);
            if self.known.globals.contains(&**name) {
                self.arrive(to, UNKNOWN);
            }
        }
    }

    pub(super) fn variable(&mut self, frame: Frame, name: &Name) -> Place {
        if let Some(place) = self.variables.get(&(frame, name.clone())) {
            return *place;
        }
        let place = self.new_place();
        self.variables.insert((frame, name.clone()), place);
        place
    }

    pub(super) fn bind(&mut self, frame: Frame, name: &Name) {
        let mut waiting = vec![frame];
        while let Some(frame) = waiting.pop() {
            if !self.bound.entry(frame).or_default().insert(name.clone()) {
                continue;
            }
            let variable = self.variable(frame, name);
            if self.shown.contains(&frame) || self.known.looked_up.contains(&**name) {
                self.flow(variable, Place::WHOLE);
            }
            for outer in self.leaks.get(&frame).cloned().unwrap_or_default() {
                let outer_variable = self.variable(outer, name);
                self.flow(variable, outer_variable);
                waiting.push(outer);
            }
        }
    }

    /// What is set in a frame can be seen in another one too.
    pub(super) fn leak(&mut self, frame: Frame, outer: Frame) {
        let leaks = self.leaks.entry(frame).or_default();
        if frame == outer || leaks.contains(&outer) {
            return;
        }
        leaks.push(outer);
        for name in self.bound.get(&frame).cloned().unwrap_or_default() {
            let (variable, outer_variable) = (self.variable(frame, &name), self.variable(outer, &name));
            self.flow(variable, outer_variable);
            self.bind(outer, &name);
        }
    }

    pub(super) fn show(&mut self, frame: Frame) {
        if self.shown.insert(frame) {
            for name in self.bound.get(&frame).cloned().unwrap_or_default() {
                let variable = self.variable(frame, &name);
                self.flow(variable, Place::WHOLE);
            }
        }
    }

    pub(super) fn enclose(&mut self, unit: Unit) {
        let mut waiting = vec![unit];
        while let Some(unit) = waiting.pop() {
            for fact in &self.body(unit).facts {
                match fact {
                    Fact::Look(scope, name, _) => self.waiting.push(Work::Look(*scope, name.clone(), Place::KIND)),
                    Fact::Macro(_, inner) => waiting.push(*inner),
                    _ => {}
                }
            }
        }
    }

    /// A template that is rendered, included or imported: its blocks are its own.
    pub(super) fn enter(&mut self, template: &Name) {
        self.entries.insert(template.clone());
        if let Some(unit) = self.flow.templates.get(template) {
            self.start(*unit);
        }
    }

    pub(super) fn put_in(&mut self, references: &[Reference], scope: Scope, into: Option<Frame>) {
        for template in self.meant(references) {
            self.enter(&template);
            let Some(unit) = self.flow.templates.get(&template) else { continue };
            let frame = self.body(*unit).frame;
            self.site(frame, scope);
            into.iter().for_each(|into| self.leak(frame, *into));
        }
    }

    /// The templates that a reference can mean, of those that are there.
    pub(super) fn meant(&self, references: &[Reference]) -> Vec<Name> {
        let mut meant = Vec::new();
        for reference in references {
            match reference {
                Reference::Name { name, .. } => {
                    meant.extend(self.flow.templates.get_key_value(name.as_str()).map(|(name, _)| name.clone()));
                }
                Reference::StartsWith(start) => {
                    let from = self.flow.templates.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
                    meant
                        .extend(from.map(|(name, _)| name.clone()).take_while(|name| name.starts_with(start.as_str())));
                }
            }
        }
        meant
    }

    /// Each block where it is put out: in the templates that a template extends, its own come first.
    pub(super) fn put_in_blocks(&mut self) {
        let mut entries: HashMap<Name, Vec<Name>> = HashMap::new();
        for entry in &self.entries {
            self.ancestry(entry).into_iter().for_each(|of| entries.entry(of).or_default().push(entry.clone()));
        }
        for (template, name, scope) in self.blocks.clone() {
            for entry in entries.get(&template).into_iter().flatten() {
                self.steps += 1;
                for unit in self.blocks_of(entry, &name) {
                    self.start(unit);
                    self.site(self.body(unit).frame, scope);
                }
            }
        }
    }

    /// A template and all that it extends, and those extend.
    fn ancestry(&self, entry: &Name) -> Vec<Name> {
        let mut found = vec![entry.clone()];
        let mut at = 0;
        while let Some(template) = found.get(at) {
            let parents: Vec<Name> = self.parents.get(template).into_iter().flatten().cloned().collect();
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
    fn blocks_of(&self, entry: &Name, name: &Name) -> Vec<Unit> {
        let (mut found, mut waiting, mut seen) = (Vec::new(), vec![entry.clone()], BTreeSet::new());
        while let Some(template) = waiting.pop() {
            if !seen.insert(template.clone()) {
                continue;
            }
            let block = self.flow.blocks.get(&(template.clone(), name.clone()));
            found.extend(block);
            if block.is_none_or(|unit| self.puts_out_replaced(*unit)) {
                waiting.extend(self.parents.get(&template).into_iter().flatten().cloned());
            }
        }
        found
    }

    fn puts_out_replaced(&self, unit: Unit) -> bool {
        self.body(unit).supers && !seeded(Defect::Super)
    }
}
