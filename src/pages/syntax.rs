//! What a template may touch, read off its syntax tree: the names it looks up and what of their values, the templates it
//! refers to, the static files it names. The only place that knows the engine's syntax tree, which has no promise of
//! stability: a construct that is not listed here, as a newer engine or one of its features may have, is [`Mentions::unknown`].
//! It reads no file and knows no arguments.
//!
//! A list of what is still to be looked at takes the place of recursion: no template is too deep for it.

mod expressions;
mod filters;
mod names;
pub(crate) mod outline;
mod pieces;
mod sources;
mod statements;

use std::collections::BTreeSet;

use minijinja::{
    machinery::{
        Span,
        ast::{self, Expr, Stmt},
        parse,
    },
    syntax::SyntaxConfig,
};

pub(crate) use self::{
    filters::{Join, KNOWN_FILTERS, KNOWN_TESTS, Replaced},
    sources::comments,
};
use super::{
    inline,
    reads::{
        flow::{Fact, Flow, Frame, Label, Link, Name, Place, References, Scope, Unit},
        names::{NumberMap, NumberSet},
    },
    reference::Reference,
    routes::RouteCall,
};
use crate::images;

/// A call of a function that translates, with a message that is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageCall {
    pub(crate) line: usize,
    pub(crate) context: Option<String>,
    pub(crate) message: String,
}

/// What one template mentions, wherever in it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mentions {
    /// Variables and functions that are looked up by name.
    pub(crate) names: BTreeSet<String>,
    /// Filters and tests.
    pub(crate) filters: BTreeSet<String>,
    /// What must be there for the template to be rendered, where it is asked for.
    pub(crate) applied: BTreeSet<Applied>,
    /// Names that it gives a value to, such as its macros.
    pub(crate) defined: BTreeSet<String>,
    /// One of them is named by what can't be read here.
    pub(crate) applies_any: bool,
    /// It asks whether two values are one, not whether they are equal.
    pub(crate) by_identity: bool,
    /// Something in it has no meaning here.
    pub(crate) unknown: bool,
    /// A template whose computed name can mean more templates than are looked at, and how many.
    pub(crate) too_many: Option<(String, usize)>,
    /// The template is none of the folder's.
    pub(crate) added: bool,
    /// Templates that are extended, included or imported.
    pub(crate) templates: BTreeSet<Reference>,
    /// Those of them without which a page fails.
    pub(crate) wanted: Vec<Wanted>,
    /// Static files, by the prefix of their name that is known.
    pub(crate) files: BTreeSet<Reference>,
    /// URLs of images whose size is not said, each with its line: no page can show them.
    pub(crate) unsized_images: BTreeSet<(usize, String)>,
    /// The routes that `url_for` is called with.
    pub(crate) routes: BTreeSet<RouteCall>,
    /// The messages that are translated, where they are written as they are.
    pub(crate) messages: BTreeSet<MessageCall>,
    /// Scripts and styles.
    pub(crate) inline: inline::InlineParts,
}

/// A filter, a test or a function that is asked for by name in a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Applied {
    pub(crate) line: usize,
    pub(crate) kind: AppliedKind,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AppliedKind {
    Filter,
    Test,
    Function,
}

/// Templates of which one at least must be there.
#[derive(Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) names: Vec<String>,
    pub(crate) line: usize,
}

/// The function that gives the URL of a static file in templates.
pub(crate) const STATIC: &str = "static";

/// Whether a function's first argument is the name of a static file.
pub(crate) fn names_files(function: &str) -> bool {
    function == STATIC || images::FUNCTIONS.contains(&function)
}

/// What a template mentions; what it does with values is added to `flow`.
pub(crate) fn mentions(
    name: &str,
    source: &str,
    syntax: SyntaxConfig,
    replaced: &Replaced,
    flow: &mut Flow,
) -> Result<Mentions, minijinja::Error> {
    let template = parse(source, name, syntax.clone())?;
    let mut walk = Walk::new(name, (source, syntax), replaced, flow);
    walk.waiting.push(Work::Statement(&template));
    walk.through();
    let (mut mentions, names, defined) = (walk.found, walk.names, walk.defined);
    mentions.defined = defined.into_iter().map(|name| flow.names.text(name).to_string()).collect();
    mentions.names = names.into_iter().map(|name| flow.names.text(name).to_string()).collect();
    mentions.inline = inline::find(pieces::pieces(&template));
    Ok(mentions)
}

/// A template while it is looked at.
struct Walk<'t, 's, 'f> {
    found: Mentions,
    flow: &'f mut Flow,
    replaced: &'f Replaced,
    template: &'f str,
    source: &'f str,
    syntax: SyntaxConfig,
    /// The top level.
    outermost: Unit,
    /// Variables and functions that are looked up by name.
    names: NumberSet<Name>,
    /// Names that get a value.
    defined: NumberSet<Name>,
    /// What runs here, and what can be seen here.
    unit: Unit,
    scope: Scope,
    /// The same of what is around.
    around: Vec<(Unit, Scope)>,
    /// Of units that are blocks, the names.
    blocks: NumberMap<Unit, Name>,
    /// What a unit extends: that runs when all of the unit has.
    extends: Vec<(Unit, References)>,
    waiting: Vec<Work<'t, 's>>,
}

enum Work<'t, 's> {
    Statement(&'t Stmt<'s>),
    /// Its value comes to a place.
    Expression(&'t Expr<'s>, Place, Scope),
    /// What has come to a place is given a name.
    Assign(&'t Expr<'s>, Place),
    /// What could be seen before can be seen again.
    Leave(Scope),
    /// What stands up to the end is a unit of its own.
    Begin(Unit, Scope),
    Body(&'t ast::Macro<'s>),
    End,
}

impl<'t, 's, 'f> Walk<'t, 's, 'f> {
    fn new(template: &'f str, source: (&'f str, SyntaxConfig), replaced: &'f Replaced, flow: &'f mut Flow) -> Self {
        let frame = flow.frame();
        let unit = flow.template(frame);
        let (source, syntax) = source;
        flow.body(unit).source = 0..source.len();
        let scope = outermost(flow, frame);
        flow.templates.insert(template.to_owned(), unit);
        let (found, names, defined) = (Mentions::default(), NumberSet::default(), NumberSet::default());
        let (outermost, blocks, around) = (unit, NumberMap::default(), Vec::new());
        let (extends, waiting) = (Vec::new(), Vec::new());
        Self {
            found,
            flow,
            replaced,
            template,
            source,
            syntax,
            outermost,
            names,
            defined,
            unit,
            scope,
            around,
            blocks,
            extends,
            waiting,
        }
    }

    fn name(&mut self, text: &str) -> Name {
        self.flow.names.name(text)
    }

    fn applies(&mut self, kind: AppliedKind, name: &str, span: Span) {
        self.found.applied.insert(Applied { line: span.start_line.into(), kind, name: name.to_owned() });
    }

    /// Looks at all that waits.
    fn through(&mut self) {
        while let Some(work) = self.waiting.pop() {
            match work {
                Work::Statement(statement) => self.statement(statement),
                Work::Expression(expression, to, scope) => self.expression(expression, to, scope),
                Work::Assign(target, place) => self.assign(target, place),
                Work::Leave(scope) => self.scope = scope,
                Work::Begin(unit, scope) => self.begin(unit, scope),
                Work::Body(declaration) => self.body(declaration),
                Work::End => self.end(),
            }
        }
        self.end();
    }

    fn begin(&mut self, unit: Unit, scope: Scope) {
        self.around.push((self.unit, self.scope));
        (self.unit, self.scope) = (unit, scope);
    }

    /// What a unit extends runs where it ends, and sees all that it has set.
    fn end(&mut self) {
        let (ended, others) = std::mem::take(&mut self.extends).into_iter().partition(|(unit, _)| *unit == self.unit);
        self.extends = others;
        let ended: Vec<(Unit, References)> = ended;
        for (_, references) in ended {
            self.fact(Fact::Extends(self.scope, references.into()));
        }
        if let Some(around) = self.around.pop() {
            (self.unit, self.scope) = around;
        }
    }

    fn fact(&mut self, fact: Fact) {
        self.flow.body(self.unit).facts.push(fact);
    }

    /// A static file is named.
    fn file(&mut self, reference: Reference) {
        self.flow.body(self.unit).files.push(reference.clone());
        self.found.files.insert(reference);
    }

    fn look_at(&mut self, expression: &'t Expr<'s>, to: Place, scope: Scope) {
        self.waiting.push(Work::Expression(expression, to, scope));
    }

    /// A place for the value of an expression.
    fn value_of(&mut self, expression: &'t Expr<'s>, scope: Scope) -> Place {
        let place = self.flow.place();
        self.look_at(expression, place, scope);
        place
    }

    /// A place for a part of what comes to another.
    fn part_of(&mut self, place: Place, label: Label) -> Place {
        let part = self.flow.place();
        self.fact(Fact::Part(place, label, part));
        part
    }

    /// A frame of its own within what can be seen.
    fn within(&mut self, scope: Scope) -> (Frame, Scope) {
        let frame = self.flow.frame();
        (frame, self.flow.scope(Link::Frame(frame, scope)))
    }
}

/// What can be seen in what runs wherever it is put in: what is there.
fn outermost(flow: &mut Flow, frame: Frame) -> Scope {
    let outside = flow.scope(Link::Outside(frame));
    flow.scope(Link::Frame(frame, outside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Mentions {
        let (replaced, mut flow) = (Replaced::default(), Flow::default());
        mentions("test.html", source, SyntaxConfig::default(), &replaced, &mut flow).unwrap()
    }

    fn names(references: &BTreeSet<Reference>) -> Vec<String> {
        let text = |reference: &Reference| match reference {
            Reference::Name { name, .. } => name.clone(),
            Reference::StartsWith(prefix) => format!("{prefix}*"),
        };
        references.iter().map(text).collect()
    }

    #[test]
    fn every_construct_gives_up_its_names() {
        for (source, expected) in [
            ("{{ a.b[c] }}", "a c"),
            ("{{ a[b:c:d] }}", "a b c d"),
            ("{{ a if b else c }}", "a b c"),
            ("{{ a < b < c }}{{ not d }}{{ -e }}{{ f ~ g + h }}", "a b c d e f g h"),
            ("{{ [a, (b, c), {d: e}] }}", "a b c d e"),
            ("{{ a|default(b, x=c) is divisibleby(d) }}", "a b c d"),
            ("{{ f(a, k=b, *c, **d) }}", "a b c d f"),
            ("{% for x in a if b recursive %}{{ c }}{% else %}{{ d }}{% endfor %}", "a b c d x"),
            ("{% if a %}{{ b }}{% elif c %}{{ d }}{% else %}{{ e }}{% endif %}", "a b c d e"),
            ("{% with x = a %}{{ b }}{% endwith %}", "a b x"),
            ("{% set x = a %}{% set y | default(b) %}{{ c }}{% endset %}", "a b c x y"),
            ("{% autoescape a %}{{ b }}{% endautoescape %}", "a b"),
            ("{% filter replace(a, 'x') %}{{ b }}{% endfilter %}", "a b"),
            ("{% block x %}{{ a }}{% endblock %}", "a"),
            ("{% macro m(x, y=a) %}{{ b }}{% endmacro %}", "a b x y"),
            ("{% call(x) m(a) %}{{ b }}{% endcall %}", "a b m x"),
            ("{% do f(a) %}", "a f"),
            ("{% extends a %}{% include [b, 'x'] %}{% import c as d %}{% from e import f %}", "a b c e f"),
        ] {
            let found: Vec<String> = of(source).names.into_iter().collect();
            assert_eq!(found.join(" "), expected, "{source}");
        }
    }

    #[test]
    fn templates_are_named_as_far_as_they_can_be() {
        for (source, expected) in [
            ("{% extends 'a' %}{% include 'b' %}{% import 'c' as x %}{% from 'd' import y %}", "a b c d"),
            ("{% include ['a', 'b'] ignore missing %}", "a b"),
            ("{% include 'a' if x else 'b' %}", "a b"),
            ("{% include 'parts/' ~ x ~ '.html' %}", "parts/*"),
            ("{% if x %}{% for y in z %}{% include y %}{% endfor %}{% endif %}", "*"),
            ("{% include 'a'|lower %}", "*"),
            ("{% include ('a' if x) ~ 'b' %}", "* a*"),
            ("{% include ('a' if x else 'b') ~ 'c' %}", "a* b*"),
            ("{% include [x] ~ 'b' %}", "*"),
            ("{% include 'a' ~ 'b' %}{% include ('c', 'd') %}{% include x or 'e' %}", "ab c d e *"),
        ] {
            assert_eq!(names(&of(source).templates).join(" "), expected, "{source}");
        }
    }

    #[test]
    fn static_files_are_named_as_far_as_they_can_be() {
        for (source, expected) in [
            ("{{ static('a.css') }}", "a.css"),
            ("{{ static('img/' ~ x) }}", "img/*"),
            ("{{ static(x) }}", "*"),
            ("{% set s = static %}{{ s('a.css') }}", "*"),
            ("{{ static(*x) }}", "*"),
            ("{% macro m() %}{{ static('a.css')|upper }}{% endmacro %}", "a.css"),
            ("{{ other('a.css') }}", ""),
        ] {
            assert_eq!(names(&of(source).files).join(" "), expected, "{source}");
        }
    }
}
