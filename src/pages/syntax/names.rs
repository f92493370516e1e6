//! The names of files that an expression can give.

use minijinja::{
    machinery::ast::{self, BinOpKind, CallArg, Expr},
    value::Value,
};

use super::{MessageCall, Reference, Walk};
use crate::{
    defects::{Defect, seeded},
    images,
    pages::routes::RouteCall,
};

impl Walk<'_, '_, '_> {
    /// What the first argument of a function names: a static file, or where images are shown a URL of the site's own. Those
    /// come with their size, which static files do not: with one that can't be `none`, no file is looked at.
    pub(super) fn names_file(&mut self, function: &str, references: Vec<Reference>, arguments: &[CallArg<'_>]) {
        if !images::FUNCTIONS.contains(&function) {
            return references.into_iter().for_each(|file| self.file(file));
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
                file => self.file(file),
            }
        }
    }

    /// The message that a call translates, if it is written as it is.
    pub(super) fn names_message(&mut self, function: &str, call: &ast::Spanned<ast::Call<'_>>) {
        let has_context = match function {
            "_" | "gettext" | "ngettext" => false,
            "pgettext" => true,
            _ => return,
        };
        let text = |at: usize| match call.args.get(at) {
            Some(CallArg::Pos(argument)) => argument.as_const()?.as_str().map(str::to_owned),
            _ => None,
        };
        let (context, line) = (text(0).filter(|_| has_context), call.span().start_line.into());
        if has_context && context.is_none() {
            return;
        }
        if let Some(message) = text(usize::from(has_context)) {
            self.found.messages.insert(MessageCall { line, context, message });
        }
    }

    /// The routes that a call of `url_for` names, with the names of the values that it gives.
    pub(super) fn names_route(&mut self, call: &ast::Spanned<ast::Call<'_>>) {
        let Some(CallArg::Pos(route)) = call.args.first() else { return };
        let line = call.span().start_line.into();
        let name = |argument: &CallArg<'_>| match argument {
            CallArg::Kwarg(name, _) => Some((*name).to_owned()),
            _ => None,
        };
        let given: Option<Vec<String>> = call.args.iter().skip(1).map(name).collect();
        for reference in references(route, line) {
            if let Reference::Name { name: route, line } = reference {
                self.found.routes.insert(RouteCall { line, route, given: given.clone() });
            }
        }
    }
}

/// All names that an expression can give: each of a list, both sides of a choice, the first part of a concatenation.
pub(super) fn references(expression: &Expr<'_>, line: usize) -> Vec<Reference> {
    let (mut found, mut waiting) = (Vec::new(), vec![expression]);
    while let Some(expression) = waiting.pop() {
        match expression {
            Expr::List(list) => waiting.extend(list.items.iter().rev()),
            Expr::Tuple(tuple) => waiting.extend(tuple.items.iter().rev()),
            Expr::IfExpr(choice) => {
                waiting.extend(&choice.false_expr);
                waiting.push(&choice.true_expr);
            }
            Expr::BinOp(operation) if matches!(operation.op, BinOpKind::ScOr | BinOpKind::ScAnd) => {
                waiting.extend([&operation.right, &operation.left]);
            }
            other => found.extend(named(other, line)),
        }
    }
    found
}

fn named(expression: &Expr<'_>, line: usize) -> Vec<Reference> {
    if let Some(name) = expression.as_const().as_ref().and_then(Value::as_str) {
        return vec![Reference::Name { name: name.to_owned(), line }];
    }
    match expression {
        Expr::BinOp(operation) if matches!(operation.op, BinOpKind::Concat) => {
            prefixes(&operation.left).into_iter().map(Reference::StartsWith).collect()
        }
        _ if seeded(Defect::DynamicName) => Vec::new(),
        _ => vec![Reference::StartsWith(String::new())],
    }
}

/// All that the text of an expression can begin with. A choice without `else` may print nothing.
fn prefixes(expression: &Expr<'_>) -> Vec<String> {
    let (mut found, mut waiting) = (Vec::new(), vec![expression]);
    while let Some(expression) = waiting.pop() {
        match expression {
            Expr::Const(constant) => found.push(constant.value.as_str().unwrap_or_default().to_owned()),
            Expr::IfExpr(choice) => {
                match &choice.false_expr {
                    Some(other) => waiting.push(other),
                    None => found.push(String::new()),
                }
                waiting.push(&choice.true_expr);
            }
            Expr::BinOp(operation) if matches!(operation.op, BinOpKind::Concat) => waiting.push(&operation.left),
            _ => found.push(String::new()),
        }
    }
    found
}
