//! What an expression looks at: all of a value, its truth, or one part of it by a path; which functions it calls, and which
//! filters it applies.

use minijinja::machinery::ast::{self, BinOpKind, CallArg, Expr, UnaryOpKind};

use super::{
    Reference, Walk, Work,
    names::{path_of, references},
    names_files,
};
use crate::content::{
    images,
    reads::{Access, Binding, Callee, Place, What},
};

/// The engine takes blanks around the dots of a filter's name for none.
fn undotted(name: &str) -> String {
    name.split_ascii_whitespace().collect()
}

/// The filters that apply another filter or a test, and which argument names it.
const APPLY: [(&str, usize); 5] = [("map", 0), ("select", 0), ("reject", 0), ("selectattr", 1), ("rejectattr", 1)];

impl<'t, 's> Walk<'t, 's> {
    pub(super) fn expressions(&mut self, expressions: impl IntoIterator<Item = &'t Expr<'s>>) {
        self.waiting.extend(expressions.into_iter().map(Work::Expression));
    }

    /// A value of which only the truth counts.
    pub(super) fn condition(&mut self, expression: &'t Expr<'s>) {
        match expression {
            Expr::UnaryOp(operation) if matches!(operation.op, UnaryOpKind::Not) => {
                self.waiting.push(Work::Condition(&operation.expr));
            }
            Expr::BinOp(operation) if matches!(operation.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
                self.waiting.extend([&operation.left, &operation.right].map(Work::Condition));
            }
            other if path_of(other).is_some() => self.access(other, What::Shape),
            other => self.expressions([other]),
        }
    }

    /// What is done with the value of an expression that has a path; without one, all of its parts are looked at.
    pub(super) fn access(&mut self, expression: &'t Expr<'s>, what: What) {
        let Some(path) = path_of(expression) else { return self.expressions([expression]) };
        if names_files(&path.0) {
            // Not called on the spot: it may be called with any name later.
            self.found.files.insert(Reference::StartsWith(String::new()));
        }
        self.found.names.insert(path.0.clone());
        self.found.uses.accesses.insert(Access { path, what });
    }

    #[allow(unreachable_patterns, reason = "the engine's next version may know more expressions")]
    pub(super) fn expression(&mut self, expression: &'t Expr<'s>) {
        match expression {
            path if path_of(path).is_some() => self.access(path, What::Whole),
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expressions([&slice.expr]);
                self.expressions([&slice.start, &slice.stop, &slice.step].into_iter().flatten());
            }
            Expr::UnaryOp(operation) => self.expressions([&operation.expr]),
            Expr::BinOp(operation) => self.expressions([&operation.left, &operation.right]),
            Expr::Compare(comparison) => {
                self.expressions([&comparison.expr]);
                self.expressions(comparison.ops.iter().map(|operation| &operation.expr));
            }
            Expr::IfExpr(choice) => {
                self.waiting.push(Work::Condition(&choice.test_expr));
                self.expressions([&choice.true_expr]);
                self.expressions(&choice.false_expr);
            }
            Expr::Filter(filter) => {
                self.found.filters.insert(undotted(filter.name));
                self.applied(&undotted(filter.name), &filter.args);
                self.expressions(&filter.expr);
                self.arguments(&filter.args);
            }
            Expr::Test(test) => {
                self.found.filters.insert(undotted(test.name));
                self.expressions([&test.expr]);
                self.arguments(&test.args);
            }
            Expr::GetAttr(attribute) => self.expressions([&attribute.expr]),
            Expr::GetItem(item) => self.expressions([&item.expr, &item.subscript_expr]),
            Expr::Call(call) => self.call(call, call.span().start_line.into()),
            Expr::List(list) => self.expressions(&list.items),
            Expr::Tuple(tuple) => self.expressions(&tuple.items),
            Expr::Map(map) => {
                self.expressions(&map.keys);
                self.expressions(&map.values);
            }
            _ => self.found.unknown = true,
        }
    }

    pub(super) fn call(&mut self, call: &'t ast::Call<'s>, line: usize) {
        let callee = match (&call.expr, call.args.as_slice()) {
            (Expr::Var(function), [CallArg::Pos(name), ..]) if names_files(function.id) => {
                self.found.names.insert(function.id.into());
                self.shown(function.id, references(name, line), &call.args);
                // An argument of that name would be called instead.
                let path = (function.id.to_owned(), Vec::new());
                self.found.uses.accesses.insert(Access { path, what: What::Whole });
                None
            }
            (Expr::Var(function), _) => {
                self.access(&call.expr, What::Whole);
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
                self.expressions([callee]);
                None
            }
        };
        let gives_caller =
            |argument: &CallArg<'_>| matches!(argument, CallArg::Kwarg("caller", _) | CallArg::KwargSplat(_));
        if call.args.iter().any(gives_caller) {
            self.found.uses.bindings.insert(("caller".into(), Binding::Unknown));
        }
        let spread = |argument: &CallArg<'_>| matches!(argument, CallArg::PosSplat(_) | CallArg::KwargSplat(_));
        match callee {
            Some(callee) if !call.args.iter().any(spread) => self.passed(&callee, &call.args),
            _ => self.arguments(&call.args),
        }
    }

    /// What the first argument of a function names: a static file, or where images are shown a URL of the site's own. Those
    /// come with their size, which static files do not: with one that can't be `none`, no file is looked at.
    fn shown(&mut self, function: &str, references: Vec<Reference>, arguments: &[CallArg<'_>]) {
        if !images::FUNCTIONS.contains(&function) {
            return self.found.files.extend(references);
        }
        let is_given = |size: &Expr<'_>| {
            matches!(size, Expr::Tuple(_) | Expr::List(_)) || size.as_const().is_some_and(|size| !size.is_none())
        };
        let (mut may_have_size, mut has_size) = (false, false);
        for argument in arguments {
            match argument {
                CallArg::Kwarg("size", size) => (may_have_size, has_size) = (true, is_given(size)),
                CallArg::Pos(_) | CallArg::Kwarg(..) => {}
                _ => may_have_size = true,
            }
        }
        for reference in references {
            match reference {
                Reference::Name { name, line } if name.starts_with('/') && !may_have_size => {
                    self.found.unsized_images.insert((line, name));
                }
                url if url.is_url() => {}
                Reference::StartsWith(start) if start.is_empty() && has_size => {}
                file => _ = self.found.files.insert(file),
            }
        }
    }

    /// Filters and tests that are named by text: `map('upper')`, `select('odd')`, `selectattr('x', 'odd')`.
    fn applied(&mut self, filter: &str, arguments: &[CallArg<'_>]) {
        let Some((_, at)) = APPLY.iter().find(|(name, _)| *name == filter) else { return };
        match arguments.get(*at) {
            Some(CallArg::Pos(Expr::Const(constant))) => {
                self.found.filters.extend(constant.value.as_str().map(str::to_owned));
            }
            Some(CallArg::Kwarg(..)) | None => {}
            Some(_) => self.found.applies_any = true,
        }
        let splat = |argument: &CallArg<'_>| matches!(argument, CallArg::PosSplat(_));
        self.found.applies_any |= arguments.iter().any(splat);
    }

    #[allow(unreachable_patterns, reason = "the engine's next version may know more kinds of arguments")]
    fn passed(&mut self, callee: &Callee, arguments: &'t [CallArg<'s>]) {
        for (at, argument) in arguments.iter().enumerate() {
            let (place, value) = match argument {
                CallArg::Kwarg(name, value) => (Place::Named((*name).to_owned()), value),
                CallArg::Pos(value) => (Place::Position(at), value),
                _ => {
                    self.found.unknown = true;
                    continue;
                }
            };
            self.access(value, What::Passed(callee.clone(), place));
        }
    }

    #[allow(unreachable_patterns, reason = "the engine's next version may know more kinds of arguments")]
    fn arguments(&mut self, arguments: &'t [CallArg<'s>]) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.expressions([value]),
                _ => self.found.unknown = true,
            }
        }
    }
}
