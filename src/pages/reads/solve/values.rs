//! The uses of values: a template reads one part of a value, or all of it.

use super::{Origin, Solver, Source, UNKNOWN};
use crate::pages::reads::flow::{Label, List, Name, Place};

impl Solver<'_> {
    /// All of a value counts.
    pub(super) fn all_of(&mut self, origin: Origin) {
        match self.sources[origin as usize] {
            Source::Argument | Source::Unknown | Source::Text(_) => {}
            Source::List(List { at, each, .. }) => at.iter().chain(each).for_each(|of| self.flow(*of, Place::WHOLE)),
            Source::Map(fields) => fields.iter().for_each(|(_, of)| self.flow(*of, Place::WHOLE)),
            // Whoever has a macro may call it.
            Source::Macro(unit) => self.macro_called(unit, true, &[], &[]),
            Source::Module(frame) => self.show(frame),
            // Whoever has a loop has its neighbours.
            Source::Loop(over, _) => self.flow(over, Place::WHOLE),
        }
    }

    pub(super) fn part_of(&mut self, origin: Origin, label: Label, to: Place) {
        self.steps += 1;
        match (self.sources[origin as usize], label) {
            (Source::Argument | Source::Unknown, _) => self.arrive(to, origin),
            // One of its characters.
            (Source::Text(_), Label::Field(_)) => {}
            (Source::Text(_), _) => self.arrive(to, UNKNOWN),
            (Source::List(list), label) => list.part(label).for_each(|of| self.flow(of, to)),
            (Source::Map(fields), Label::Field(name)) => {
                fields.iter().filter(|(field, _)| *field == name).for_each(|(_, of)| self.flow(*of, to));
            }
            (Source::Map(fields), Label::Any | Label::Keyed(_)) => {
                fields.iter().for_each(|(_, of)| self.flow(*of, to));
            }
            (Source::Map(_), Label::Each | Label::Unpacked(_)) => self.arrive(to, UNKNOWN),
            (Source::Map(_), Label::At(_) | Label::Element) => {}
            // What it is called, say.
            (Source::Macro(_), _) => self.arrive(to, UNKNOWN),
            (Source::Module(frame), Label::Field(name)) => {
                let variable = self.variable(frame, name);
                self.flow(variable, to);
            }
            (Source::Loop(over, _), Label::Field(name)) if self.is_one_of(name, &NEIGHBOURS) => {
                self.part(over, Label::Each, to);
            }
            (Source::Loop(..), Label::Field(_)) => self.arrive(to, UNKNOWN),
            (Source::Module(_) | Source::Loop(..), _) => {
                self.all_of(origin);
                self.arrive(to, UNKNOWN);
            }
        }
    }

    pub(super) fn is_one_of(&self, name: Name, texts: &[&str]) -> bool {
        texts.contains(&&**self.flow.names.text(name))
    }
}

const NEIGHBOURS: [&str; 2] = ["previtem", "nextitem"];
