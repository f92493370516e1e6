//! What filters and tests look at. Those of the engine's own are known; of all others it is all that they are handed.

use std::{collections::BTreeSet, sync::Arc};

use minijinja::{
    machinery::ast::{self, CallArg, Expr},
    value::{Value, ValueKind},
};

use super::{Reference, Walk};
use crate::pages::reads::flow::{Fact, Label, List, Place, Scope};

/// The filters of the engine of which it is known here what they look at.
pub(crate) const KNOWN_FILTERS: [&str; 25] = [
    "attr",
    "batch",
    "bool",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "groupby",
    "items",
    "join",
    "last",
    "length",
    "list",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "slice",
    "sort",
    "unique",
];

/// The tests that look at no more than what kind of value it is, and at values without parts.
pub(crate) const KNOWN_TESTS: [&str; 19] = [
    "boolean",
    "defined",
    "divisibleby",
    "even",
    "false",
    "float",
    "int",
    "integer",
    "iterable",
    "lower",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "string",
    "true",
    "undefined",
    "upper",
];

/// Which of them a site has replaced by its own.
#[derive(Clone, Default)]
pub(crate) struct Replaced {
    pub(crate) filters: BTreeSet<&'static str>,
    pub(crate) tests: BTreeSet<&'static str>,
    /// How a name in a template becomes that of a template, if not as it stands there.
    pub(crate) join: Option<Join>,
}

/// The name of a template, from what another one calls it and the name of that one.
pub(crate) type Join = Arc<dyn Fn(&str, &str) -> Option<String> + Send + Sync>;

impl Replaced {
    /// What a reference in a template means.
    pub(super) fn joined(&self, reference: Reference, template: &str) -> Reference {
        match (&self.join, reference) {
            (None, reference) => reference,
            (Some(join), Reference::Name { name, line }) => match join(&name, template) {
                Some(name) => Reference::Name { name, line },
                None => Reference::StartsWith(String::new()),
            },
            // What it begins with says nothing of what it becomes.
            (Some(_), Reference::StartsWith(_)) => Reference::StartsWith(String::new()),
        }
    }
}

/// The filters that apply another filter or a test, and which argument names it.
const APPLY: [(&str, usize); 5] = [("map", 0), ("select", 0), ("reject", 0), ("selectattr", 1), ("rejectattr", 1)];

/// The test whether two values are one.
const SAME_AS: &str = "sameas";

/// The engine takes blanks around the dots of a filter's name for none.
pub(super) fn undotted(name: &str) -> String {
    name.split_ascii_whitespace().collect()
}

/// What a filter is handed besides the value.
struct FilterArguments<'t, 's> {
    positional: Vec<&'t Expr<'s>>,
    named: Vec<(&'s str, &'t Expr<'s>)>,
}

impl<'t, 's> FilterArguments<'t, 's> {
    fn of(arguments: &'t [CallArg<'s>]) -> Option<Self> {
        let mut sorted = Self { positional: Vec::new(), named: Vec::new() };
        for argument in arguments {
            match argument {
                CallArg::Pos(value) => sorted.positional.push(value),
                CallArg::Kwarg(name, value) => sorted.named.push((name, value)),
                _ => return None,
            }
        }
        Some(sorted)
    }

    /// Takes what is handed over under a name.
    fn take(&mut self, name: &str) -> Option<&'t Expr<'s>> {
        let at = self.named.iter().position(|(known, _)| *known == name)?;
        Some(self.named.remove(at).1)
    }

    /// Takes what stands in a place, or has a name.
    fn take_at(&mut self, at: usize, name: &str) -> Option<&'t Expr<'s>> {
        if at < self.positional.len() { Some(self.positional.remove(at)) } else { self.take(name) }
    }

    fn rest(self) -> impl Iterator<Item = &'t Expr<'s>> {
        self.positional.into_iter().chain(self.named.into_iter().map(|(_, value)| value))
    }
}

/// Whether an argument stands in the template, and has no parts.
fn is_without_parts(argument: &CallArg<'_>) -> bool {
    matches!(argument, CallArg::Pos(value) if value.as_const().is_some_and(|value| is_scalar(&value)))
}

/// Whether a value has no parts.
pub(super) fn is_scalar(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::String)
}

fn text<'t>(expression: &'t Expr<'_>) -> Option<&'t str> {
    match expression {
        Expr::Const(constant) => constant.value.as_str(),
        _ => None,
    }
}

impl<'t, 's> Walk<'t, 's, '_> {
    pub(super) fn filter(&mut self, filter: &'t ast::Filter<'s>, to: Place, scope: Scope) {
        let name = undotted(filter.name);
        self.applied(&name, &filter.args);
        let known = KNOWN_FILTERS.iter().find(|known| **known == name && !self.replaced.filters.contains(**known));
        let of = self.flow.place();
        match &filter.expr {
            Some(value) => self.look_at(value, of, scope),
            // The text of a block.
            None => self.fact(Fact::Unknown(of)),
        }
        self.found.filters.insert(name);
        match (known, FilterArguments::of(&filter.args)) {
            (Some(known), Some(arguments)) => self.known_filter(known, of, arguments, to, scope),
            _ => {
                self.fact(Fact::Flow(of, Place::WHOLE));
                self.fact(Fact::Unknown(to));
                self.arguments(&filter.args, scope);
            }
        }
    }

    fn known_filter(&mut self, name: &str, of: Place, mut arguments: FilterArguments<'t, 's>, to: Place, scope: Scope) {
        match name {
            "length" | "count" => self.fact(Fact::Shape(of)),
            "bool" => self.fact(Fact::Truth(of)),
            "first" | "last" => {
                self.fact(Fact::Shape(of));
                self.fact(Fact::Part(of, Label::Each, to));
            }
            "default" | "d" => self.defaulted(of, &mut arguments, to, scope),
            "list" | "reverse" => _ = self.same_elements(of, to),
            "sort" | "unique" => {
                let element = self.compared_by(arguments.take("attribute"), of, scope);
                self.list_of(element, to);
            }
            "min" | "max" => {
                let element = self.compared_by(arguments.take("attribute"), of, scope);
                self.fact(Fact::Flow(element, to));
            }
            "join" => {
                self.fact(Fact::Unknown(to));
                let attribute = arguments.take_at(1, "attribute");
                self.each_by(attribute, of, Place::WHOLE, scope);
            }
            "map" => self.mapped(of, &mut arguments, to, scope),
            "select" | "reject" => {
                let element = self.same_elements(of, to);
                let looked_at = self.tested(arguments.take_at(0, ""));
                self.fact(Fact::Flow(element, looked_at));
            }
            "selectattr" | "rejectattr" => {
                let element = self.same_elements(of, to);
                let attribute = arguments.take_at(0, "");
                let looked_at = self.tested(arguments.take_at(0, ""));
                self.by(attribute, element, looked_at, scope);
            }
            "groupby" => self.grouped(of, &mut arguments, to, scope),
            "batch" | "slice" => self.in_rows(of, &mut arguments, to, scope),
            "items" => _ = self.entries(of, to),
            "dictsort" => {
                let value = self.entries(of, to);
                // Whatever is handed over without a name may be named arguments as a value.
                let by_value = arguments.take("by").is_some_and(|by| text(by) != Some("key"));
                if by_value || !arguments.positional.is_empty() {
                    self.fact(Fact::Flow(value, Place::WHOLE));
                }
            }
            "attr" => {
                let label = arguments.take_at(0, "").map_or(Label::Any, |key| self.label_of(key, scope));
                self.fact(Fact::Part(of, label, to));
            }
            _ => {
                self.fact(Fact::Flow(of, Place::WHOLE));
                self.fact(Fact::Unknown(to));
            }
        }
        arguments.rest().for_each(|argument| self.look_at(argument, Place::WHOLE, scope));
    }

    /// What is done with each element by a path into it, or with the element itself. Returns a place for each of them.
    fn each_by(&mut self, attribute: Option<&'t Expr<'s>>, of: Place, to: Place, scope: Scope) -> Place {
        let element = self.part_of(of, Label::Each);
        match attribute {
            None => self.fact(Fact::Flow(element, to)),
            attribute => self.by(attribute, element, to, scope),
        }
        element
    }

    /// The same where elements are compared by several paths.
    fn compared_by(&mut self, attribute: Option<&'t Expr<'s>>, of: Place, scope: Scope) -> Place {
        let element = self.part_of(of, Label::Each);
        match attribute.map(|attribute| (attribute, text(attribute))) {
            None => self.fact(Fact::Flow(element, Place::WHOLE)),
            Some((_, Some(paths))) => {
                // Not each filter splits them, and those that do take blanks off, of which Unicode has more than are known here.
                let blanks = |c: char| c <= ' ';
                let split = paths.split(',').flat_map(|path| [path, path.trim_matches(blanks)]);
                split.chain([paths]).for_each(|path| self.path(path, element, Place::WHOLE));
                if !paths.is_ascii() {
                    self.fact(Fact::Flow(element, Place::WHOLE));
                }
            }
            Some((attribute, None)) => self.by(Some(attribute), element, Place::WHOLE, scope),
        }
        element
    }

    fn by(&mut self, attribute: Option<&'t Expr<'s>>, of: Place, to: Place, scope: Scope) {
        match attribute.map(|attribute| (attribute, text(attribute))) {
            None => {}
            Some((_, Some(path))) => self.path(path, of, to),
            Some((attribute, None)) => {
                self.fact(Fact::Flow(of, Place::WHOLE));
                self.fact(Fact::Unknown(to));
                self.look_at(attribute, Place::WHOLE, scope);
            }
        }
    }

    /// A path as filters take it: names and numbers with dots in between.
    fn path(&mut self, path: &str, mut of: Place, to: Place) {
        let mut parts = path.split('.').peekable();
        while let Some(part) = parts.next() {
            let label = part.parse().map_or_else(|_| Label::Field(self.name(part)), Label::at);
            if parts.peek().is_none() {
                return self.fact(Fact::Part(of, label, to));
            }
            of = self.part_of(of, label);
        }
    }

    fn defaulted(&mut self, of: Place, arguments: &mut FilterArguments<'t, 's>, to: Place, scope: Scope) {
        self.fact(Fact::Flow(of, to));
        if arguments.positional.len() > 1 || !arguments.named.is_empty() {
            // Only then it is asked whether the value is true. The engine takes names for one more map.
            self.fact(Fact::Truth(of));
            self.fact(Fact::Unknown(to));
        }
        arguments.take_at(0, "").into_iter().for_each(|other| self.look_at(other, to, scope));
    }

    fn in_rows(&mut self, of: Place, arguments: &mut FilterArguments<'t, 's>, to: Place, scope: Scope) {
        let row = self.flow.place();
        let element = self.same_elements(of, row);
        self.list_of(row, to);
        let filler = (arguments.positional.len() > 1).then(|| arguments.positional.remove(1));
        filler.into_iter().for_each(|filler| self.look_at(filler, element, scope));
    }

    fn mapped(&mut self, of: Place, arguments: &mut FilterArguments<'t, 's>, to: Place, scope: Scope) {
        let element = self.part_of(of, Label::Each);
        let part = self.flow.place();
        match arguments.take("attribute") {
            Some(attribute) => {
                self.by(Some(attribute), element, part, scope);
                arguments.take("default").into_iter().for_each(|other| self.look_at(other, part, scope));
            }
            None => {
                self.fact(Fact::Flow(element, Place::WHOLE));
                self.fact(Fact::Unknown(part));
            }
        }
        self.list_of(part, to);
    }

    fn grouped(&mut self, of: Place, arguments: &mut FilterArguments<'t, 's>, to: Place, scope: Scope) {
        let (grouper, list, pair) = (self.flow.place(), self.flow.place(), self.flow.place());
        let element = self.same_elements(of, list);
        let attribute = arguments.take_at(0, "attribute");
        self.by(attribute, element, grouper, scope);
        arguments.take("default").into_iter().for_each(|other| self.look_at(other, grouper, scope));
        self.fact(Fact::Flow(grouper, Place::WHOLE));
        self.fact(Fact::Unknown(grouper));
        let names = ["grouper", "list"].map(|name| self.name(name)).to_vec();
        self.fact(Fact::List(pair, Box::new(List { at: vec![grouper, list], names, each: None })));
        self.list_of(pair, to);
    }

    /// What a test looks at that is named by text; without one it is asked whether the value is true.
    fn tested(&mut self, test: Option<&'t Expr<'s>>) -> Place {
        match test.map(text) {
            None => Place::TRUTH,
            Some(Some(name)) if self.is_known_test(name) => Place::KIND,
            Some(_) => Place::WHOLE,
        }
    }

    fn is_known_test(&self, name: &str) -> bool {
        KNOWN_TESTS.iter().any(|known| *known == name && !self.replaced.tests.contains(known))
    }

    pub(super) fn test(&mut self, test: &'t ast::Test<'s>, scope: Scope) {
        let name = undotted(test.name);
        let to = if self.is_known_test(&name) { Place::KIND } else { Place::WHOLE };
        self.look_at(&test.expr, to, scope);
        self.arguments(&test.args, scope);
        self.found.by_identity |= name == SAME_AS && !test.args.iter().all(is_without_parts);
        self.found.filters.insert(name);
    }

    /// Filters and tests that are named by text: `map('upper')`, `select('odd')`, `selectattr('x', 'odd')`.
    fn applied(&mut self, filter: &str, arguments: &[CallArg<'_>]) {
        let Some((_, at)) = APPLY.iter().find(|(name, _)| *name == filter) else { return };
        match arguments.get(*at) {
            Some(CallArg::Pos(Expr::Const(constant))) => {
                self.found.by_identity |= constant.value.as_str() == Some(SAME_AS);
                self.found.filters.extend(constant.value.as_str().map(str::to_owned));
            }
            Some(CallArg::Kwarg(..)) | None => {}
            Some(_) => self.found.applies_any = true,
        }
        let splat = |argument: &CallArg<'_>| matches!(argument, CallArg::PosSplat(_));
        self.found.applies_any |= arguments.iter().any(splat);
    }
}
