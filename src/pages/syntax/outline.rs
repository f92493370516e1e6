//! What a template consists of, as far as its blocks go: the blocks, and outside of them what it extends and what it gives
//! names to. Where each of these stands in the source is known, so that the rest can be left out. It reads no other template.

use std::{cmp::Reverse, collections::BTreeSet, ops::Range};

use minijinja::{
    machinery::{
        Span, Token,
        ast::{Expr, Stmt},
        parse, tokenize,
    },
    syntax::SyntaxConfig,
};

use super::{Reference, names::references};

#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// In no certain order; what encloses a part stands before it.
    pub(crate) parts: Vec<Part>,
    /// Every word in a tag or an expression, and where it stands. Whatever name is looked up is one of them.
    words: Vec<(usize, String)>,
    tags: Tags,
    /// Something in it has no meaning here, as a newer engine may have it.
    pub(crate) is_unknown: bool,
}

/// A statement from its opening tag to its closing one.
#[derive(Debug)]
pub(crate) struct Part {
    range: Range<usize>,
    pub(crate) line: usize,
    pub(crate) role: Role,
    /// The part that it stands in.
    parent: Option<usize>,
}

#[derive(Debug)]
pub(crate) enum Role {
    Block(String),
    Extends(Vec<Reference>),
    /// These names get a value.
    Defines(BTreeSet<String>),
    /// Another template is included, and the names that it gives a value to stay.
    Includes(Vec<Reference>),
    /// Something is called for what it does.
    Does,
    /// A condition, a loop: it matters for what is in it.
    Encloses,
}

/// Where tags stand.
#[derive(Debug, Default)]
struct Tags {
    starts: Vec<usize>,
    ends: Vec<usize>,
    /// How the first one opens and closes.
    delimiters: Option<(String, String)>,
}

pub(crate) fn outline(name: &str, source: &str, syntax: SyntaxConfig) -> Result<Outline, minijinja::Error> {
    let template = parse(source, name, syntax.clone())?;
    let mut outline = Outline::default();
    for token in tokenize(source, false, syntax) {
        let (token, span) = token?;
        outline.token(source, &token, span);
    }
    let mut waiting = vec![(&template, None)];
    while let Some((statement, parent)) = waiting.pop() {
        let Some((role, bodies)) = role_of(statement) else {
            outline.is_unknown = true;
            continue;
        };
        let place = role.and_then(|(role, span)| outline.part(role, span, parent)).or(parent);
        waiting.extend(bodies.into_iter().flatten().map(|inner| (inner, place)));
    }
    Ok(outline)
}

type Found = Option<(Role, Span)>;

/// What a statement is, and the statements in it that may be parts of the template.
#[allow(unreachable_patterns, reason = "the engine's next version may know more statements")]
fn role_of<'t, 's>(statement: &'t Stmt<'s>) -> Option<(Found, [&'t [Stmt<'s>]; 2])> {
    let none: &'t [Stmt<'s>] = &[];
    let found = |role, span| Some((role, span));
    Some(match statement {
        Stmt::Template(template) => (None, [&template.children, none]),
        Stmt::Block(block) => (found(Role::Block(block.name.into()), block.span()), [&block.body, none]),
        Stmt::Extends(extends) => {
            let span = extends.span();
            (found(Role::Extends(references(&extends.name, span.start_line.into())), span), [none, none])
        }
        Stmt::Include(include) => {
            let span = include.span();
            (found(Role::Includes(references(&include.name, span.start_line.into())), span), [none, none])
        }
        Stmt::Set(set) => (found(defines([&set.target]), set.span()), [none, none]),
        Stmt::SetBlock(set) => (found(defines([&set.target]), set.span()), [&set.body, none]),
        Stmt::Import(import) => (found(defines([&import.name]), import.span()), [none, none]),
        Stmt::FromImport(import) => {
            let names = import.names.iter().map(|(name, alias)| alias.as_ref().unwrap_or(name));
            (found(defines(names), import.span()), [none, none])
        }
        Stmt::Macro(declaration) => {
            let names = BTreeSet::from([declaration.name.to_owned()]);
            (found(Role::Defines(names), declaration.span()), [none, none])
        }
        Stmt::Do(call) => (found(Role::Does, call.span()), [none, none]),
        Stmt::IfCond(condition) => {
            (found(Role::Encloses, condition.span()), [&condition.true_body, &condition.false_body])
        }
        Stmt::ForLoop(each) => (found(Role::Encloses, each.span()), [&each.body, &each.else_body]),
        Stmt::WithBlock(with) => (found(Role::Encloses, with.span()), [&with.body, none]),
        Stmt::AutoEscape(escape) => (found(Role::Encloses, escape.span()), [&escape.body, none]),
        Stmt::FilterBlock(filter) => (found(Role::Encloses, filter.span()), [&filter.body, none]),
        Stmt::EmitRaw(_) | Stmt::EmitExpr(_) | Stmt::CallBlock(_) | Stmt::Break(_) | Stmt::Continue(_) => {
            (None, [none, none])
        }
        _ => return None,
    })
}

/// The names of targets; of a field that is set, the name of what it is a field of.
fn defines<'t, 's: 't>(targets: impl IntoIterator<Item = &'t Expr<'s>>) -> Role {
    let (mut names, mut targets) = (BTreeSet::new(), targets.into_iter().collect::<Vec<_>>());
    while let Some(target) = targets.pop() {
        match target {
            Expr::Var(variable) => _ = names.insert(variable.id.to_owned()),
            Expr::GetAttr(attribute) => targets.push(&attribute.expr),
            Expr::List(list) => targets.extend(&list.items),
            Expr::Tuple(tuple) => targets.extend(&tuple.items),
            _ => {}
        }
    }
    Role::Defines(names)
}

impl Outline {
    fn token(&mut self, source: &str, token: &Token<'_>, span: Span) {
        let text = || source.get(span.start_offset as usize..span.end_offset as usize).unwrap_or_default().to_owned();
        match token {
            Token::Ident(word) => self.words.push((span.start_offset as usize, (*word).to_owned())),
            Token::BlockStart => {
                if self.tags.starts.is_empty() {
                    self.tags.delimiters = Some((text(), String::new()));
                }
                self.tags.starts.push(span.start_offset as usize);
            }
            Token::BlockEnd => {
                if let (true, Some((_, close))) = (self.tags.ends.is_empty(), &mut self.tags.delimiters) {
                    *close = text();
                }
                self.tags.ends.push(span.end_offset as usize);
            }
            _ => {}
        }
    }

    /// The place of a new part. The engine's span of a statement has neither the delimiters before nor those behind it.
    fn part(&mut self, role: Role, span: Span, parent: Option<usize>) -> Option<usize> {
        let (first, last) = (span.start_offset as usize, span.end_offset as usize);
        let start = self.tags.starts.partition_point(|start| *start <= first).checked_sub(1)?;
        let end = self.tags.ends.partition_point(|end| *end < last);
        let range = *self.tags.starts.get(start)?..*self.tags.ends.get(end)?;
        self.parts.push(Part { range, line: span.start_line.into(), role, parent });
        Some(self.parts.len() - 1)
    }

    /// The part, and what it stands in, from the inside out.
    fn around(&self, at: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(at), |at| self.parts.get(*at)?.parent)
    }

    /// The blocks that a part stands in, from the inside out. Its own name is among them where it is one.
    pub(crate) fn blocks_around(&self, at: usize) -> impl Iterator<Item = &str> {
        self.around(at).filter_map(|at| match &self.parts[at].role {
            Role::Block(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether a part stands in no other.
    pub(crate) fn is_outermost(&self, at: usize) -> bool {
        self.parts[at].parent.is_none()
    }

    /// What has to be kept for a part: the outermost statement around it that is in the same block.
    pub(crate) fn outermost(&self, at: usize) -> usize {
        let is_block = |at: &usize| matches!(self.parts[*at].role, Role::Block(_));
        self.around(at).take_while(|at| !is_block(at)).last().unwrap_or(at)
    }

    /// Where the first of some blocks stands.
    pub(crate) fn first(&self, is_meant: impl Fn(&str) -> bool) -> Option<usize> {
        let blocks = self.parts.iter().filter(|part| matches!(&part.role, Role::Block(name) if is_meant(name)));
        blocks.map(|part| part.range.start).min()
    }

    /// Whether a part begins before a place; `None` is behind the end.
    pub(crate) fn is_before(&self, at: usize, place: Option<usize>) -> bool {
        place.is_none_or(|place| self.parts[at].range.start < place)
    }

    /// Where some of the parts stand, in order and apart from one another.
    fn ranges(&self, parts: &BTreeSet<usize>) -> Vec<Range<usize>> {
        let mut ranges: Vec<_> = parts.iter().map(|at| self.parts[*at].range.clone()).collect();
        // Parts stand within one another or apart: of two that begin in one place the longer one is first.
        ranges.sort_by_key(|range| (range.start, Reverse(range.end)));
        let mut end = 0;
        ranges.retain(|range| {
            range.start >= end && {
                end = range.end;
                true
            }
        });
        ranges
    }

    /// The words in some of the parts.
    pub(crate) fn words(&self, parts: &BTreeSet<usize>) -> impl Iterator<Item = &str> {
        let place = |at: usize| self.words.partition_point(|(place, _)| *place < at);
        let words = self.ranges(parts).into_iter().flat_map(move |range| place(range.start)..place(range.end));
        words.map(|at| self.words[at].1.as_str())
    }

    pub(crate) fn all_words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(|(_, word)| word.as_str())
    }

    /// The source with only these parts, each where it was: an error's line stays the same.
    pub(crate) fn only(&self, source: &str, parts: &BTreeSet<usize>) -> String {
        let blank =
            |text: &str| text.bytes().map(|b| if b"\r\n".contains(&b) { b.into() } else { ' ' }).collect::<String>();
        let (mut only, mut end) = (String::with_capacity(source.len()), 0);
        for range in self.ranges(parts) {
            only.push_str(&blank(&source[end..range.start]));
            only.push_str(&source[range.clone()]);
            end = range.end;
        }
        only + &blank(&source[end..])
    }

    /// A tag with these words, in the template's own syntax; `None` where its tags are lines.
    pub(crate) fn tag(&self, words: &str) -> Option<String> {
        let (open, close) = self.tags.delimiters.as_ref()?;
        let is_tag = |text: &str| !text.is_empty() && !text.contains(['\n', '\r']);
        (is_tag(open) && is_tag(close)).then(|| format!("{open} {words} {close}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(source: &str) -> Vec<String> {
        let outline = outline("test.html", source, SyntaxConfig::default()).unwrap();
        let mut parts: Vec<&Part> = outline.parts.iter().collect();
        parts.sort_by_key(|part| (part.range.start, std::cmp::Reverse(part.range.end)));
        parts.into_iter().map(|part| source[part.range.clone()].to_owned()).collect()
    }

    #[test]
    fn parts_have_their_tags() {
        assert_eq!(
            parts("é{%- extends 'a' -%} x {{ y }}\n{% block b -%} {{ z }} {%- endblock b %} {% set q = 1 %}"),
            ["{%- extends 'a' -%}", "{% block b -%} {{ z }} {%- endblock b %}", "{% set q = 1 %}"]
        );
        assert_eq!(
            parts("{% if x %}{% set a %}b{% endset %}{% endif %}{# {% set c = 1 %} #}{% import 'm' as m %}"),
            ["{% if x %}{% set a %}b{% endset %}{% endif %}", "{% set a %}b{% endset %}", "{% import 'm' as m %}"]
        );
        assert_eq!(
            parts("{% macro m(a) %}{{ a }}{% endmacro %}{% call m(1) %}{% endcall %}{% do f() %}"),
            ["{% macro m(a) %}{{ a }}{% endmacro %}", "{% do f() %}"]
        );
    }

    #[test]
    fn the_rest_is_blank_and_lines_stay() {
        let source = "<p>é{{ a }}\r\n{% block b %}x\n{% endblock %}</p>";
        let outline = outline("test.html", source, SyntaxConfig::default()).unwrap();
        let blank = "            \r\n{% block b %}x\n{% endblock %}    ";
        assert_eq!(outline.only(source, &BTreeSet::from([0])), blank);
        assert_eq!(outline.words(&BTreeSet::from([0])).collect::<Vec<_>>(), ["block", "b", "endblock"]);
        assert_eq!(outline.tag("extends 'a'").as_deref(), Some("{% extends 'a' %}"));
    }
}
