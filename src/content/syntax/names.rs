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
pub(super) fn path_of(expression: &Expr<'_>) -> Option<Path> {
    let (inner, step) = match expression {
        Expr::Var(variable) => return Some((variable.id.into(), Vec::new())),
        Expr::GetAttr(attribute) => (&attribute.expr, Step::Field(attribute.name.into())),
        Expr::GetItem(item) => match &item.subscript_expr {
            Expr::Const(constant) if constant.value.is_integer() => (&item.expr, Step::Element),
            Expr::Const(constant) => (&item.expr, Step::Field(constant.value.as_str()?.into())),
            _ => return None,
        },
        _ => return None,
    };
    let (name, mut steps) = path_of(inner)?;
    steps.push(step);
    Some((name, steps))
}

/// All names that an expression can give: each of a list, both sides of a choice, the first part of a concatenation.
pub(super) fn references(expression: &Expr<'_>, line: usize) -> Vec<Reference> {
    if let Some(name) = expression.as_const().as_ref().and_then(Value::as_str) {
        return vec![Reference::Name { name: name.to_owned(), line }];
    }
    match expression {
        Expr::List(list) => list.items.iter().flat_map(|item| references(item, line)).collect(),
        Expr::Tuple(tuple) => tuple.items.iter().flat_map(|item| references(item, line)).collect(),
        Expr::IfExpr(choice) => {
            let sides = std::iter::once(&choice.true_expr).chain(&choice.false_expr);
            sides.flat_map(|side| references(side, line)).collect()
        }
        Expr::BinOp(operation) if matches!(operation.op, BinOpKind::ScOr | BinOpKind::ScAnd) => {
            [references(&operation.left, line), references(&operation.right, line)].concat()
        }
        Expr::BinOp(operation) if matches!(operation.op, BinOpKind::Concat) => {
            prefixes(&operation.left).into_iter().map(Reference::StartsWith).collect()
        }
        _ if seeded(Defect::DynamicName) => Vec::new(),
        _ => vec![Reference::StartsWith(String::new())],
    }
}

/// All that the text of an expression can begin with. A choice without `else` may print nothing.
fn prefixes(expression: &Expr<'_>) -> Vec<String> {
    match expression {
        Expr::Const(constant) => vec![constant.value.as_str().unwrap_or_default().to_owned()],
        Expr::IfExpr(choice) => {
            let other = choice.false_expr.as_ref().map_or_else(|| vec![String::new()], prefixes);
            [prefixes(&choice.true_expr), other].concat()
        }
        Expr::BinOp(operation) if matches!(operation.op, BinOpKind::Concat) => prefixes(&operation.left),
        _ => vec![String::new()],
    }
}
