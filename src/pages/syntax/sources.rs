//! Where parts of a template stand in its source: the statements of a body, and the texts of comments.

use std::ops::Range;

use minijinja::{
    machinery::{Span, ast::Stmt, tokenize},
    syntax::SyntaxConfig,
};

/// Where the statements of a body stand, with their delimiters: from the first to the last. It may be less, and is never more.
#[allow(unreachable_patterns, reason = "the engine's next version may know more statements")]
pub(super) fn body(source: &str, syntax: &SyntaxConfig, statements: &[Stmt<'_>]) -> Range<usize> {
    let ends = [statements.first(), statements.last()].map(|statement| statement.and_then(of_statement));
    let [Some((first, opening)), Some((last, closing))] = ends else { return 0..0 };
    let (start, end) = (first.start_offset as usize, last.end_offset as usize);
    let delimiters = |opening: Delimiters| match opening {
        Delimiters::None => ("", ""),
        Delimiters::Variable => syntax.variable_delimiters(),
        Delimiters::Block => syntax.block_delimiters(),
    };
    let start = source.get(..start).and_then(|before| {
        let before = before.trim_ascii_end().trim_end_matches(['-', '+']);
        before.strip_suffix(delimiters(opening).0).filter(|_| opening != Delimiters::None).map(str::len)
    });
    let end = source.get(end..).and_then(|behind| {
        let behind = behind.trim_ascii_start().trim_start_matches(['-', '+']);
        let rest = behind.strip_prefix(delimiters(closing).1).filter(|_| closing != Delimiters::None)?;
        Some(source.len() - rest.len())
    });
    start.unwrap_or(first.start_offset as usize)..end.unwrap_or(last.end_offset as usize)
}

#[derive(Clone, Copy, PartialEq)]
enum Delimiters {
    None,
    Variable,
    Block,
}

/// Where a statement stands between its delimiters, and which these are.
#[allow(unreachable_patterns, reason = "the engine's next version may know more statements")]
fn of_statement(statement: &Stmt<'_>) -> Option<(Span, Delimiters)> {
    let block = |span| Some((span, Delimiters::Block));
    match statement {
        Stmt::EmitRaw(raw) => Some((raw.span(), Delimiters::None)),
        Stmt::EmitExpr(emit) => Some((emit.span(), Delimiters::Variable)),
        Stmt::ForLoop(each) => block(each.span()),
        Stmt::IfCond(condition) => block(condition.span()),
        Stmt::WithBlock(with) => block(with.span()),
        Stmt::Set(set) => block(set.span()),
        Stmt::SetBlock(set) => block(set.span()),
        Stmt::AutoEscape(escape) => block(escape.span()),
        Stmt::FilterBlock(filter) => block(filter.span()),
        Stmt::Block(inner) => block(inner.span()),
        Stmt::Import(import) => block(import.span()),
        Stmt::FromImport(import) => block(import.span()),
        Stmt::Extends(extends) => block(extends.span()),
        Stmt::Include(include) => block(include.span()),
        Stmt::Macro(declaration) => block(declaration.span()),
        Stmt::CallBlock(call) => block(call.span()),
        Stmt::Continue(next) => block(next.span()),
        Stmt::Break(end) => block(end.span()),
        Stmt::Do(call) => block(call.span()),
        _ => None,
    }
}

/// Where the texts of comments stand, without the signs that cut white space around them. What stands between two tokens is a
/// comment if it begins and ends as one, and has no further beginning or end in it. With delimiters of a site's own, which may
/// look alike, none is found.
pub(crate) fn comments(source: &str, syntax: &SyntaxConfig) -> Vec<Range<usize>> {
    let (open, close) = syntax.comment_delimiters();
    let mut found = Vec::new();
    let usual = SyntaxConfig::default();
    let is_usual = (open, close) == usual.comment_delimiters()
        && syntax.block_delimiters() == usual.block_delimiters()
        && syntax.variable_delimiters() == usual.variable_delimiters();
    if !is_usual || !source.contains(open) {
        return found;
    }
    let mut end_before = 0;
    let spans = tokenize(source, false, syntax.clone()).map_while(Result::ok).map(|(_, span)| span);
    for (start, end) in
        spans.map(|span| (span.start_offset as usize, span.end_offset as usize)).chain([(source.len(), 0)])
    {
        found.extend(comment(source, end_before..start, open, close));
        end_before = end;
    }
    found
}

fn comment(source: &str, between: Range<usize>, open: &str, close: &str) -> Option<Range<usize>> {
    let text = source.get(between.clone())?;
    let start = between.start + text.len() - text.trim_ascii_start().len();
    let inner = text.trim_ascii().strip_prefix(open)?.strip_suffix(close)?;
    if inner.contains(open) || inner.contains(close) {
        return None;
    }
    let signs = ['-', '+'];
    let start = start + open.len() + usize::from(inner.starts_with(signs));
    let end = start + inner.strip_prefix(signs).unwrap_or(inner).len();
    Some(start..end - usize::from(inner.len() > 1 && inner.ends_with(signs)))
}
