//! What a template may touch, read off its syntax tree: the names it looks up and what of their values, the templates it
//! refers to, the static files it names. The only place that knows the engine's syntax tree, which has no promise of
//! stability: a construct that is not listed here, as a newer engine or one of its features may have, is [`Mentions::unknown`].
//! It reads no file and knows no arguments.
//!
//! What is found does not depend on the order, so a list of what is still to be looked at takes the place of recursion:
//! no template is too deep for it.

mod expressions;
mod names;
mod pieces;

use std::collections::BTreeSet;

use minijinja::{
    machinery::{
        ast::{self, Expr, FromImport, Include, Spanned, Stmt},
        parse,
    },
    syntax::SyntaxConfig,
};

use self::names::{path_of, references};
pub(crate) use self::pieces::Piece;
use super::reads::{Binding, Path, Step, Uses, What};
use super::{images, inline};
use crate::defects::{Defect, seeded};

/// What one template mentions, wherever in it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mentions {
    /// Variables and functions that are looked up by name.
    pub(crate) names: BTreeSet<String>,
    /// What is done with the values of names.
    pub(crate) uses: Uses,
    /// Filters and tests.
    pub(crate) filters: BTreeSet<String>,
    /// One of them is named by what can't be read here.
    pub(crate) applies_any: bool,
    /// Something in it has no meaning here.
    pub(crate) unknown: bool,
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
    /// Scripts and styles.
    pub(crate) inline: inline::Found,
}

/// Templates of which one at least must be there.
#[derive(Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) names: Vec<String>,
    pub(crate) line: usize,
}

/// A name in a template: known in full, or in its first part only (which may be empty).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reference {
    Name { name: String, line: usize },
    StartsWith(String),
}

impl Reference {
    /// Whether a name that is given later is one of those that this stands for.
    pub(crate) fn is_of(&self, given: &str) -> bool {
        match self {
            Self::Name { name, .. } => name == given,
            Self::StartsWith(start) => given.starts_with(start),
        }
    }

    /// Whether it is a URL of the site's own: no file's name begins with a slash.
    pub(crate) fn is_url(&self) -> bool {
        match self {
            Self::Name { name: text, .. } | Self::StartsWith(text) => text.starts_with('/'),
        }
    }

    fn full_name(&self) -> Option<String> {
        match self {
            Self::Name { name, .. } => Some(name.clone()),
            Self::StartsWith(_) => None,
        }
    }
}

/// The function that gives the URL of a static file in templates.
pub(crate) const STATIC: &str = "static";

/// Whether a function's first argument is the name of a static file.
pub(crate) fn names_files(function: &str) -> bool {
    function == STATIC || images::FUNCTIONS.contains(&function)
}

pub(crate) fn mentions(name: &str, source: &str, syntax: SyntaxConfig) -> Result<Mentions, minijinja::Error> {
    let template = parse(source, name, syntax)?;
    let mut walk = Walk { found: Mentions::default(), waiting: vec![Work::Statement(&template)] };
    while let Some(work) = walk.waiting.pop() {
        match work {
            Work::Statement(statement) => walk.statement(statement),
            Work::Expression(expression) => walk.expression(expression),
            Work::Condition(expression) => walk.condition(expression),
        }
    }
    let mut mentions = walk.found;
    mentions.inline = inline::find(pieces::pieces(&template));
    Ok(mentions)
}

/// A template while it is looked at.
struct Walk<'t, 's> {
    found: Mentions,
    waiting: Vec<Work<'t, 's>>,
}

enum Work<'t, 's> {
    Statement(&'t Stmt<'s>),
    /// All of the value is looked at.
    Expression(&'t Expr<'s>),
    /// Only the truth of the value counts.
    Condition(&'t Expr<'s>),
}

impl<'t, 's> Walk<'t, 's> {
    #[allow(unreachable_patterns, reason = "the engine's next version may know more statements")]
    fn statement(&mut self, statement: &'t Stmt<'s>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expressions([&emit.expr]),
            Stmt::EmitRaw(_) | Stmt::Break(_) | Stmt::Continue(_) => {}
            Stmt::ForLoop(each) => {
                let path = self.bind(&each.target, &each.iter, &[Step::Element]);
                self.found.uses.bindings.insert(("loop".into(), path.map_or(Binding::Unknown, Binding::Loop)));
                self.waiting.extend(each.filter_expr.iter().map(Work::Condition));
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            Stmt::IfCond(condition) => {
                self.waiting.push(Work::Condition(&condition.expr));
                self.statements(&condition.true_body);
                self.statements(&condition.false_body);
            }
            Stmt::WithBlock(with) => {
                with.assignments.iter().for_each(|(target, value)| _ = self.bind(target, value, &[]));
                self.statements(&with.body);
            }
            Stmt::Set(set) => _ = self.bind(&set.target, &set.expr, &[]),
            Stmt::SetBlock(set) => {
                self.target(&set.target);
                self.without_path(&set.target);
                self.expressions(&set.filter);
                self.statements(&set.body);
            }
            Stmt::AutoEscape(escape) => {
                self.expressions([&escape.enabled]);
                self.statements(&escape.body);
            }
            Stmt::FilterBlock(filter) => {
                self.expressions([&filter.filter]);
                self.statements(&filter.body);
            }
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Import(import) => {
                self.template(Defect::Import, &import.expr, import.span().start_line.into());
                if let Expr::Var(name) = &import.name {
                    self.found.uses.bindings.insert((name.id.into(), Binding::Module));
                }
            }
            Stmt::FromImport(import) => self.imported(import),
            Stmt::Extends(extends) => self.template(Defect::Extends, &extends.name, extends.span().start_line.into()),
            Stmt::Include(include) => self.included(include),
            Stmt::Macro(declaration) => self.declaration(declaration),
            Stmt::CallBlock(block) => {
                self.call(&block.call, block.span().start_line.into());
                self.declaration(&block.macro_decl);
            }
            Stmt::Do(call) => self.call(&call.call, call.span().start_line.into()),
            _ => self.found.unknown = true,
        }
    }

    fn statements(&mut self, statements: &'t [Stmt<'s>]) {
        self.waiting.extend(statements.iter().map(Work::Statement));
    }

    fn imported(&mut self, import: &'t Spanned<FromImport<'s>>) {
        self.template(Defect::Import, &import.expr, import.span().start_line.into());
        for (name, alias) in &import.names {
            // What the module does not have is looked up like any other name.
            self.access(name, What::Shape);
            alias.iter().for_each(|alias| self.target(alias));
            if let (Expr::Var(name), Some(Expr::Var(alias))) = (name, alias) {
                self.found.uses.bindings.insert((alias.id.into(), Binding::Value((name.id.into(), Vec::new()))));
            }
        }
    }

    fn included(&mut self, include: &'t Spanned<Include<'s>>) {
        let wanted = self.found.wanted.len();
        self.template(Defect::Include, &include.name, include.span().start_line.into());
        if include.ignore_missing {
            self.found.wanted.truncate(wanted);
        }
    }

    fn declaration(&mut self, declaration: &'t ast::Macro<'s>) {
        let name = |parameter: &Expr<'_>| match parameter {
            Expr::Var(variable) => variable.id.to_owned(),
            _ => String::new(),
        };
        let parameters = declaration.args.iter().map(name).collect();
        self.found.uses.macros.insert((declaration.name.into(), parameters));
        for argument in &declaration.args {
            self.target(argument);
            self.without_path(argument);
        }
        self.expressions(&declaration.defaults);
        if !seeded(Defect::Macro) {
            self.statements(&declaration.body);
        }
    }

    /// Gives the names of a target what a value has, `steps` further in, and returns the value's path if it has one. A
    /// value without a path is looked at in whole, and with it whatever the target can show of it.
    fn bind(&mut self, target: &'t Expr<'s>, value: &'t Expr<'s>, steps: &[Step]) -> Option<Path> {
        let path = path_of(value);
        match (&path, target) {
            (Some((name, start)), Expr::Var(variable)) => {
                let denoted = (name.clone(), [start.as_slice(), steps].concat());
                self.found.uses.bindings.insert((variable.id.into(), Binding::Value(denoted)));
                self.access(value, What::Shape);
            }
            _ => {
                self.expressions([value]);
                self.without_path(target);
            }
        }
        self.target(target);
        path
    }

    /// Names that are given a value of which no more is known.
    fn without_path(&mut self, target: &Expr<'_>) {
        let mut targets = vec![target];
        while let Some(target) = targets.pop() {
            match target {
                Expr::Var(variable) => _ = self.found.uses.bindings.insert((variable.id.into(), Binding::Unknown)),
                Expr::List(list) => targets.extend(&list.items),
                Expr::Tuple(tuple) => targets.extend(&tuple.items),
                _ => {}
            }
        }
    }

    /// Names that are set. They are looked up nowhere here, but an argument or a global may have the name too.
    fn target(&mut self, target: &'t Expr<'s>) {
        let mut targets = vec![target];
        while let Some(target) = targets.pop() {
            match target {
                Expr::Var(variable) => _ = self.found.names.insert(variable.id.into()),
                Expr::List(list) => targets.extend(&list.items),
                Expr::Tuple(tuple) => targets.extend(&tuple.items),
                other => self.expressions([other]),
            }
        }
    }

    fn template(&mut self, kind: Defect, name: &'t Expr<'s>, line: usize) {
        if seeded(kind) {
            return;
        }
        let found = references(name, line);
        let names: Vec<String> = found.iter().filter_map(Reference::full_name).collect();
        match name {
            // One of a list is enough; of a choice each side must be there.
            Expr::List(_) | Expr::Tuple(_) if names.len() == found.len() => {
                self.found.wanted.push(Wanted { names, line });
            }
            Expr::List(_) | Expr::Tuple(_) => {}
            _ => self.found.wanted.extend(names.into_iter().map(|name| Wanted { names: vec![name], line })),
        }
        self.found.templates.extend(found);
        self.expressions([name]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str) -> Mentions {
        mentions("test.html", source, SyntaxConfig::default()).unwrap()
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
