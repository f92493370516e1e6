//! What a template may touch, read off its syntax tree: the names it looks up and what of their values, the templates it
//! refers to, the static files it names. The only file that knows the engine's syntax tree, which has no promise of stability: the engine's
//! version is pinned, and each `match` lists every construct, so that a new one does not compile before it is handled
//! here. It reads no file and knows no arguments.

mod names;
mod pieces;

use std::collections::BTreeSet;

use minijinja::{
    machinery::{
        ast::{self, BinOpKind, CallArg, Expr, FromImport, Include, Spanned, Stmt, UnaryOpKind},
        parse,
    },
    syntax::SyntaxConfig,
};

use self::names::{path_of, references};
pub(crate) use self::pieces::Piece;
use super::reads::{Access, Binding, Callee, Path, Place, Step, Uses, What};
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
    /// The template is none of the folder's.
    pub(crate) added: bool,
    /// Templates that are extended, included or imported.
    pub(crate) templates: BTreeSet<Reference>,
    /// Those of them without which a page fails.
    pub(crate) wanted: Vec<Wanted>,
    /// Static files, by the prefix of their name that is known.
    pub(crate) files: BTreeSet<Reference>,
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
    fn full_name(&self) -> Option<String> {
        match self {
            Self::Name { name, .. } => Some(name.clone()),
            Self::StartsWith(_) => None,
        }
    }
}

/// The engine takes blanks around the dots of a filter's name for none.
fn undotted(name: &str) -> String {
    name.split_ascii_whitespace().collect()
}

/// The filters that apply another filter or a test, and which argument names it.
const APPLY: [(&str, usize); 5] = [("map", 0), ("select", 0), ("reject", 0), ("selectattr", 1), ("rejectattr", 1)];

/// The function that gives the URL of a static file in templates.
pub(crate) const STATIC: &str = "static";

/// Whether a function's first argument is the name of a static file.
fn names_files(function: &str) -> bool {
    function == STATIC || images::FUNCTIONS.contains(&function)
}

pub(crate) fn mentions(name: &str, source: &str, syntax: SyntaxConfig) -> Result<Mentions, minijinja::Error> {
    let mut mentions = Mentions::default();
    let template = parse(source, name, syntax)?;
    mentions.statement(&template);
    mentions.inline = inline::find(pieces::pieces(&template));
    Ok(mentions)
}

impl Mentions {
    fn statements(&mut self, statements: &[Stmt<'_>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt<'_>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(each) => {
                let path = self.bind(&each.target, &each.iter, &[Step::Element]);
                self.uses.bindings.insert(("loop".into(), path.map_or(Binding::Unknown, Binding::Loop)));
                each.filter_expr.iter().for_each(|filter| self.condition(filter));
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            Stmt::IfCond(condition) => {
                self.condition(&condition.expr);
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
                self.unknown(&set.target);
                self.expressions(&set.filter);
                self.statements(&set.body);
            }
            Stmt::AutoEscape(escape) => {
                self.expression(&escape.enabled);
                self.statements(&escape.body);
            }
            Stmt::FilterBlock(filter) => {
                self.expression(&filter.filter);
                self.statements(&filter.body);
            }
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Import(import) => {
                self.template(Defect::Import, &import.expr, import.span().start_line.into());
                if let Expr::Var(name) = &import.name {
                    self.uses.bindings.insert((name.id.into(), Binding::Module));
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
        }
    }

    fn imported(&mut self, import: &Spanned<FromImport<'_>>) {
        self.template(Defect::Import, &import.expr, import.span().start_line.into());
        for (name, alias) in &import.names {
            // What the module does not have is looked up like any other name.
            self.access(name, What::Shape);
            alias.iter().for_each(|alias| self.target(alias));
            if let (Expr::Var(name), Some(Expr::Var(alias))) = (name, alias) {
                self.uses.bindings.insert((alias.id.into(), Binding::Value((name.id.into(), Vec::new()))));
            }
        }
    }

    fn included(&mut self, include: &Spanned<Include<'_>>) {
        let wanted = self.wanted.len();
        self.template(Defect::Include, &include.name, include.span().start_line.into());
        if include.ignore_missing {
            self.wanted.truncate(wanted);
        }
    }

    fn declaration(&mut self, declaration: &ast::Macro<'_>) {
        let name = |parameter: &Expr<'_>| match parameter {
            Expr::Var(variable) => variable.id.to_owned(),
            _ => String::new(),
        };
        let parameters = declaration.args.iter().map(name).collect();
        self.uses.macros.insert((declaration.name.into(), parameters));
        for argument in &declaration.args {
            self.target(argument);
            self.unknown(argument);
        }
        self.expressions(&declaration.defaults);
        if !seeded(Defect::Macro) {
            self.statements(&declaration.body);
        }
    }

    fn expressions<'a, 's: 'a>(&mut self, expressions: impl IntoIterator<Item = &'a Expr<'s>>) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    /// Gives the names of a target what a value has, `steps` further in, and returns the value's path if it has one. A
    /// value without a path is looked at in whole, and with it whatever the target can show of it.
    fn bind(&mut self, target: &Expr<'_>, value: &Expr<'_>, steps: &[Step]) -> Option<Path> {
        let path = path_of(value);
        match (&path, target) {
            (Some((name, start)), Expr::Var(variable)) => {
                let denoted = (name.clone(), [start.as_slice(), steps].concat());
                self.uses.bindings.insert((variable.id.into(), Binding::Value(denoted)));
                self.access(value, What::Shape);
            }
            _ => {
                self.expression(value);
                self.unknown(target);
            }
        }
        self.target(target);
        path
    }

    /// Names that are given a value of which no more is known.
    fn unknown(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(variable) => _ = self.uses.bindings.insert((variable.id.into(), Binding::Unknown)),
            Expr::List(list) => list.items.iter().for_each(|item| self.unknown(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.unknown(item)),
            _ => {}
        }
    }

    /// Names that are set. They are looked up nowhere here, but an argument or a global may have the name too.
    fn target(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(variable) => _ = self.names.insert(variable.id.into()),
            Expr::List(list) => list.items.iter().for_each(|item| self.target(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.target(item)),
            other => self.expression(other),
        }
    }

    /// A value of which only the truth counts.
    fn condition(&mut self, expression: &Expr<'_>) {
        match expression {
            Expr::UnaryOp(operation) if matches!(operation.op, UnaryOpKind::Not) => self.condition(&operation.expr),
            Expr::BinOp(operation) if matches!(operation.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
                self.condition(&operation.left);
                self.condition(&operation.right);
            }
            other if path_of(other).is_some() => self.access(other, What::Shape),
            other => self.expression(other),
        }
    }

    /// What is done with the value of an expression that has a path; without one, all of its parts are looked at.
    fn access(&mut self, expression: &Expr<'_>, what: What) {
        let Some(path) = path_of(expression) else { return self.expression(expression) };
        if names_files(&path.0) {
            // Not called on the spot: it may be called with any name later.
            self.files.insert(Reference::StartsWith(String::new()));
        }
        self.names.insert(path.0.clone());
        self.uses.accesses.insert(Access { path, what });
    }

    fn expression(&mut self, expression: &Expr<'_>) {
        match expression {
            path if path_of(path).is_some() => self.access(path, What::Whole),
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expression(&slice.expr);
                self.expressions([&slice.start, &slice.stop, &slice.step].into_iter().flatten());
            }
            Expr::UnaryOp(operation) => self.expression(&operation.expr),
            Expr::BinOp(operation) => self.expressions([&operation.left, &operation.right]),
            Expr::Compare(comparison) => {
                self.expression(&comparison.expr);
                self.expressions(comparison.ops.iter().map(|operation| &operation.expr));
            }
            Expr::IfExpr(choice) => {
                self.condition(&choice.test_expr);
                self.expression(&choice.true_expr);
                self.expressions(&choice.false_expr);
            }
            Expr::Filter(filter) => {
                self.filters.insert(undotted(filter.name));
                self.applied(&undotted(filter.name), &filter.args);
                self.expressions(&filter.expr);
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.filters.insert(undotted(test.name));
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            Expr::GetAttr(attribute) => self.expression(&attribute.expr),
            Expr::GetItem(item) => self.expressions([&item.expr, &item.subscript_expr]),
            Expr::Call(call) => self.call(call, call.span().start_line.into()),
            Expr::List(list) => self.expressions(&list.items),
            Expr::Tuple(tuple) => self.expressions(&tuple.items),
            Expr::Map(map) => {
                self.expressions(&map.keys);
                self.expressions(&map.values);
            }
        }
    }

    fn call(&mut self, call: &ast::Call<'_>, line: usize) {
        let callee = match (&call.expr, call.args.as_slice()) {
            (Expr::Var(function), [CallArg::Pos(name), ..]) if names_files(function.id) => {
                self.names.insert(function.id.into());
                self.files.extend(references(name, line));
                // An argument of that name would be called instead.
                let path = (function.id.to_owned(), Vec::new());
                self.uses.accesses.insert(Access { path, what: What::Whole });
                None
            }
            (Expr::Var(function), _) => {
                self.expression(&call.expr);
                Some(Callee::Name(function.id.into()))
            }
            (Expr::GetAttr(method), _) => {
                self.access(&method.expr, What::Method(method.name.into()));
                match &method.expr {
                    Expr::Var(owner) => Some(Callee::Method(owner.id.into(), method.name.into())),
                    _ => None,
                }
            }
            (callee, _) => {
                self.expression(callee);
                None
            }
        };
        let gives_caller =
            |argument: &CallArg<'_>| matches!(argument, CallArg::Kwarg("caller", _) | CallArg::KwargSplat(_));
        if call.args.iter().any(gives_caller) {
            self.uses.bindings.insert(("caller".into(), Binding::Unknown));
        }
        let spread = |argument: &CallArg<'_>| matches!(argument, CallArg::PosSplat(_) | CallArg::KwargSplat(_));
        match callee {
            Some(callee) if !call.args.iter().any(spread) => self.passed(&callee, &call.args),
            _ => self.arguments(&call.args),
        }
    }

    /// Filters and tests that are named by text: `map('upper')`, `select('odd')`, `selectattr('x', 'odd')`.
    fn applied(&mut self, filter: &str, arguments: &[CallArg<'_>]) {
        let Some((_, at)) = APPLY.iter().find(|(name, _)| *name == filter) else { return };
        match arguments.get(*at) {
            Some(CallArg::Pos(Expr::Const(constant))) => {
                self.filters.extend(constant.value.as_str().map(str::to_owned));
            }
            Some(CallArg::Kwarg(..)) | None => {}
            Some(_) => self.applies_any = true,
        }
        let splat = |argument: &CallArg<'_>| matches!(argument, CallArg::PosSplat(_));
        self.applies_any |= arguments.iter().any(splat);
    }

    fn passed(&mut self, callee: &Callee, arguments: &[CallArg<'_>]) {
        for (at, argument) in arguments.iter().enumerate() {
            let (place, value) = match argument {
                CallArg::Kwarg(name, value) => (Place::Named((*name).to_owned()), value),
                CallArg::Pos(value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value) => {
                    (Place::Position(at), value)
                }
            };
            self.access(value, What::Passed(callee.clone(), place));
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'_>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.expression(value),
            }
        }
    }

    fn template(&mut self, kind: Defect, name: &Expr<'_>, line: usize) {
        if seeded(kind) {
            return;
        }
        let found = references(name, line);
        let names: Vec<String> = found.iter().filter_map(Reference::full_name).collect();
        match name {
            // One of a list is enough; of a choice each side must be there.
            Expr::List(_) | Expr::Tuple(_) if names.len() == found.len() => self.wanted.push(Wanted { names, line }),
            Expr::List(_) | Expr::Tuple(_) => {}
            _ => self.wanted.extend(names.into_iter().map(|name| Wanted { names: vec![name], line })),
        }
        self.templates.extend(found);
        self.expression(name);
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
