//! The text of a template in the order in which it stands there, with marks where something else may come in between. It
//! knows no HTML.

use minijinja::machinery::ast::Stmt;

use crate::pages::inline::Piece;

/// The pieces of a template: its own, and those of each macro and other block that is put out elsewhere.
pub(crate) fn pieces<'s>(statement: &Stmt<'s>) -> Vec<Vec<Piece<'s>>> {
    let mut streams = Streams { apart: vec![std::slice::from_ref(statement)] };
    let mut found = Vec::new();
    while let Some(statements) = streams.apart.pop() {
        found.push(streams.of(statements));
    }
    found
}

/// What is put out elsewhere and waits to be looked at.
struct Streams<'t, 's> {
    apart: Vec<&'t [Stmt<'s>]>,
}

enum Work<'t, 's> {
    Statement(&'t Stmt<'s>),
    Unknown,
}

impl<'t, 's> Streams<'t, 's> {
    /// The statements that wait stand in reverse: the next one is the last.
    fn of(&mut self, statements: &'t [Stmt<'s>]) -> Vec<Piece<'s>> {
        let mut pieces = Vec::new();
        let mut waiting: Vec<Work<'t, 's>> = statements.iter().rev().map(Work::Statement).collect();
        while let Some(work) = waiting.pop() {
            match work {
                Work::Statement(Stmt::EmitRaw(raw)) => {
                    pieces.push(Piece::Text(raw.raw, raw.span().start_line.into()));
                }
                Work::Statement(Stmt::Template(template)) => {
                    waiting.extend(template.children.iter().rev().map(Work::Statement));
                }
                // They put out nothing.
                Work::Statement(Stmt::Set(_) | Stmt::Import(_) | Stmt::FromImport(_)) => {}
                Work::Statement(Stmt::SetBlock(set)) => self.apart.push(&set.body),
                Work::Statement(Stmt::Macro(declaration)) => self.apart.push(&declaration.body),
                Work::Statement(statement) => {
                    for statements in self.bodies(statement).into_iter().rev() {
                        waiting.push(Work::Unknown);
                        waiting.extend(statements.iter().rev().map(Work::Statement));
                    }
                    pieces.push(Piece::Unknown);
                }
                Work::Unknown => pieces.push(Piece::Unknown),
            }
        }
        pieces
    }

    /// What of a statement is put out where it stands.
    fn bodies(&mut self, statement: &'t Stmt<'s>) -> [&'t [Stmt<'s>]; 2] {
        match statement {
            Stmt::ForLoop(each) => [&each.body, &each.else_body],
            Stmt::IfCond(condition) => [&condition.true_body, &condition.false_body],
            Stmt::WithBlock(with) => [&with.body, &[]],
            Stmt::AutoEscape(escape) => [&escape.body, &[]],
            Stmt::Block(block) => [&block.body, &[]],
            Stmt::FilterBlock(filter) => {
                self.apart.push(&filter.body);
                [&[], &[]]
            }
            Stmt::CallBlock(block) => {
                self.apart.push(&block.macro_decl.body);
                [&[], &[]]
            }
            _ => [&[], &[]],
        }
    }
}
