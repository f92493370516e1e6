//! The text of a template in the order in which it stands there, with marks where something else may come in between. It
//! knows no HTML.

use minijinja::machinery::ast::{Macro, Stmt};

/// A part of what a template puts out.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text as it is, and the line that it starts in.
    Text(String, usize),
    /// Whatever rendering makes of it: a value, another template, one of two branches.
    Unknown,
}

/// The pieces of a template: its own, and those of each macro and other block that is put out elsewhere.
pub(crate) fn pieces(statement: &Stmt<'_>) -> Vec<Vec<Piece>> {
    let mut streams = Streams::default();
    let own = streams.of(std::slice::from_ref(statement));
    streams.0.push(own);
    streams.0
}

#[derive(Default)]
struct Streams(Vec<Vec<Piece>>);

impl Streams {
    fn of(&mut self, statements: &[Stmt<'_>]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        statements.iter().for_each(|statement| self.statement(statement, &mut pieces));
        pieces
    }

    fn apart(&mut self, statements: &[Stmt<'_>]) {
        let pieces = self.of(statements);
        self.0.push(pieces);
    }

    fn declaration(&mut self, declaration: &Macro<'_>) {
        self.apart(&declaration.body);
    }

    fn statement(&mut self, statement: &Stmt<'_>, pieces: &mut Vec<Piece>) {
        let inner: [&[Stmt<'_>]; 2] = match statement {
            Stmt::Template(template) => {
                return template.children.iter().for_each(|child| self.statement(child, pieces));
            }
            Stmt::EmitRaw(raw) => {
                return pieces.push(Piece::Text(raw.raw.to_owned(), raw.span().start_line.into()));
            }
            Stmt::ForLoop(each) => [&each.body, &each.else_body],
            Stmt::IfCond(condition) => [&condition.true_body, &condition.false_body],
            Stmt::WithBlock(with) => [&with.body, &[]],
            Stmt::AutoEscape(escape) => [&escape.body, &[]],
            Stmt::Block(block) => [&block.body, &[]],
            Stmt::SetBlock(set) => return self.apart(&set.body),
            Stmt::Macro(declaration) => return self.declaration(declaration),
            Stmt::FilterBlock(filter) => {
                self.apart(&filter.body);
                [&[], &[]]
            }
            Stmt::CallBlock(block) => {
                self.declaration(&block.macro_decl);
                [&[], &[]]
            }
            Stmt::Set(_) | Stmt::Import(_) | Stmt::FromImport(_) => return,
            Stmt::EmitExpr(_) | Stmt::Extends(_) | Stmt::Include(_) | Stmt::Do(_) => [&[], &[]],
        };
        pieces.push(Piece::Unknown);
        for statements in inner {
            statements.iter().for_each(|statement| self.statement(statement, pieces));
            pieces.push(Piece::Unknown);
        }
    }
}
