//! The names that an expression can give: as a path into a value, or as the name of a file.

use minijinja::{
    machinery::ast::{BinOpKind, Expr},
    value::Value,
};

use super::Reference;
use crate::{
    content::reads::{Path, Step},
    defects::{Defect, seeded},
};

/// The name and the way into its value, where an expression is nothing else.
pub(super) fn path_of(mut expression: &Expr<'_>) -> Option<Path> {
    let mut steps = Vec::new();
    let name = loop {
        let (inner, step) = match expression {
            Expr::Var(variable) => break variable.id,
            Expr::GetAttr(attribute) => (&attribute.expr, Step::Field(attribute.name.into())),
            Expr::GetItem(item) => match &item.subscript_expr {
                Expr::Const(constant) if constant.value.is_integer() => (&item.expr, Step::Element),
                Expr::Const(constant) => (&item.expr, Step::Field(constant.value.as_str()?.into())),
                _ => return None,
            },
            _ => return None,
        };
        steps.push(step);
        expression = inner;
    };
    steps.reverse();
    Some((name.into(), steps))
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
