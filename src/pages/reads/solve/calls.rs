//! What calls do: macros, recursive loops, methods.

use super::{Origin, Solver, Source, UNKNOWN, Use};
use crate::{
    defects::{Defect, seeded},
    pages::reads::flow::{Call, Name, Place, Unit},
};

impl<'f> Solver<'f> {
    pub(super) fn called(&mut self, origin: Origin, call: &'f Call) {
        self.steps += 1;
        match self.sources[origin as usize] {
            Source::Unknown => self.hand_over(call),
            Source::Macro(unit) => {
                self.macro_called(unit, call.spreads, &call.positional, &call.named);
                // The engine takes named arguments that come as a value for what is named in the call itself.
                if let (Some(last), []) = (call.positional.last(), call.named.as_slice()) {
                    self.used(*last, Use::Last(unit));
                }
            }
            Source::Loop(over, frame) => {
                let given = call.positional.iter().filter(|_| !seeded(Defect::Recursion));
                given.for_each(|place| self.flow(*place, over));
                if call.spreads || !call.named.is_empty() {
                    // The names are what it goes through.
                    self.hand_over(call);
                    self.arrive(over, UNKNOWN);
                }
                self.site(frame, call.scope);
            }
            // An argument that can be called makes the page rendered first; what else is here can't be.
            Source::Argument | Source::Text(_) | Source::List(_) | Source::Map(_) | Source::Module(_) => {}
        }
    }

    pub(super) fn macro_called(&mut self, unit: Unit, with_more: bool, positional: &[Place], named: &[(Name, Place)]) {
        self.start(unit);
        let body = self.body(unit);
        let caller = self.caller;
        for (at, parameter) in body.parameters.iter().copied().chain([caller]).enumerate() {
            let place = self.variable(body.frame, parameter);
            if with_more {
                self.arrive(place, UNKNOWN);
            }
            let positional = positional.get(at).filter(|_| at < body.parameters.len());
            let named = named.iter().filter(|(name, _)| *name == parameter).map(|(_, place)| place);
            let given = positional.into_iter().chain(named).filter(|_| !seeded(Defect::Parameter));
            given.for_each(|given| self.flow(*given, place));
        }
    }

    pub(super) fn method_called(&mut self, origin: Origin, name: Name, callee: Place, call: &'f Call) {
        match self.sources[origin as usize] {
            Source::Module(frame) => {
                let variable = self.variable(frame, name);
                self.flow(variable, callee);
                if self.is_one_of(name, &METHODS_OF_MAPS) {
                    self.show(frame);
                }
            }
            Source::Map(fields) => {
                let field = fields.iter().filter(|(field, _)| *field == name);
                field.clone().for_each(|(_, of)| self.flow(*of, callee));
                if field.count() == 0 {
                    self.hand_over(call);
                }
                self.all_of(origin);
            }
            // `loop.cycle` gives on what it is handed, and `loop.changed` compares it in whole.
            Source::Loop(..) if self.is_one_of(name, &LOOP_METHODS) => self.hand_over(call),
            Source::Argument | Source::Unknown | Source::Text(_) | Source::Macro(_) => self.hand_over(call),
            Source::List(_) | Source::Loop(..) => {
                self.hand_over(call);
                self.all_of(origin);
            }
        }
    }

    /// All of what is handed over counts.
    fn hand_over(&mut self, call: &'f Call) {
        call.places().for_each(|place| self.flow(place, Place::WHOLE));
    }
}

const LOOP_METHODS: [&str; 2] = ["cycle", "changed"];

/// What Python's methods of maps are called, which come before the fields of a module.
const METHODS_OF_MAPS: [&str; 4] = ["get", "items", "keys", "values"];
