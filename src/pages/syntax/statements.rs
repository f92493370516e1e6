//! What a statement does: what it sets and what can be seen in it, what it shows, which templates it puts in.

use minijinja::machinery::ast::{self, Expr, ForLoop, FromImport, IfCond, Import, Include, Spanned, Stmt, WithBlock};

use super::{Reference, Walk, Wanted, Work, names::references, outermost, sources};
use crate::{
    defects::{Defect, seeded},
    pages::reads::flow::{Fact, Label, Link, Name, Place, Scope, Unit},
};

pub(super) const LOOP: &str = "loop";

/// The innermost loop, which no template can give a name to.
pub(super) const INNERMOST_LOOP: &str = "the innermost loop";

impl<'t, 's> Walk<'t, 's, '_> {
    #[allow(unreachable_patterns, reason = "the engine's next version may know more statements")]
    pub(super) fn statement(&mut self, statement: &'t Stmt<'s>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.look_at(&emit.expr, Place::SHOWN, self.scope),
            Stmt::EmitRaw(_) | Stmt::Break(_) | Stmt::Continue(_) => {}
            Stmt::ForLoop(each) => self.for_loop(each),
            Stmt::IfCond(condition) => self.condition(condition),
            Stmt::WithBlock(with) => self.with_block(with),
            Stmt::Set(set) => {
                let place = self.value_of(&set.expr, self.scope);
                self.assign(&set.target, place);
            }
            Stmt::SetBlock(set) => {
                let place = self.flow.place();
                self.fact(Fact::Unknown(place));
                self.waiting.push(Work::Assign(&set.target, place));
                self.statements(&set.body);
                set.filter.iter().for_each(|filter| self.look_at(filter, Place::WHOLE, self.scope));
            }
            Stmt::AutoEscape(escape) => {
                self.statements(&escape.body);
                self.look_at(&escape.enabled, Place::WHOLE, self.scope);
            }
            Stmt::FilterBlock(filter) => {
                self.statements(&filter.body);
                self.look_at(&filter.filter, Place::WHOLE, self.scope);
            }
            Stmt::Block(block) => self.block(block),
            Stmt::Import(import) => self.import(import),
            Stmt::FromImport(import) => self.names_of_import(import),
            Stmt::Extends(extends) => {
                let references = self.template(Defect::Extends, &extends.name, extends.span().start_line.into());
                self.extends.push((self.unit, references));
            }
            Stmt::Include(include) => self.include(include),
            Stmt::Macro(declaration) => {
                let ((place, unit), name) = (self.declaration(declaration), self.name(declaration.name));
                self.flow.body(unit).source = sources::body(self.source, &self.syntax, &declaration.body);
                self.set(name, place);
            }
            Stmt::CallBlock(block) => {
                let scope = self.scope;
                let (caller, _) = self.declaration(&block.macro_decl);
                self.call(&block.call, Place::WHOLE, scope, Some(caller));
            }
            Stmt::Do(call) => self.call(&call.call, Place::KIND, self.scope, None),
            _ => self.found.unknown = true,
        }
    }

    fn statements(&mut self, statements: &'t [Stmt<'s>]) {
        self.waiting.extend(statements.iter().rev().map(Work::Statement));
    }

    fn condition(&mut self, condition: &'t IfCond<'s>) {
        let scope = self.scope;
        // What one side sets may not be set.
        self.waiting.push(Work::Leave(scope));
        self.statements(&condition.false_body);
        self.waiting.push(Work::Leave(scope));
        self.statements(&condition.true_body);
        self.look_at(&condition.expr, Place::TRUTH, scope);
    }

    fn with_block(&mut self, with: &'t WithBlock<'s>) {
        self.waiting.push(Work::Leave(self.scope));
        self.statements(&with.body);
        self.scope = self.within(self.scope).1;
        for (target, value) in &with.assignments {
            let place = self.value_of(value, self.scope);
            self.assign(target, place);
        }
    }

    fn for_loop(&mut self, each: &'t ForLoop<'s>) {
        let outer = self.scope;
        self.waiting.push(Work::Leave(outer));
        self.statements(&each.else_body);
        self.waiting.push(Work::Leave(outer));
        self.statements(&each.body);
        let over = self.value_of(&each.iter, outer);
        let element = self.part_of(over, Label::Each);
        if let Some(filter) = &each.filter_expr {
            // It runs for all elements before the loop does, and sees the loop around.
            self.scope = self.within(outer).1;
            self.assign(&each.target, element);
            self.look_at(filter, Place::TRUTH, self.scope);
        }
        let frame = self.flow.frame();
        let around = if each.recursive { self.flow.scope(Link::Loop(frame, outer)) } else { outer };
        self.scope = self.flow.scope(Link::Frame(frame, around));
        let place = self.flow.place();
        self.fact(Fact::Loop(place, over, frame));
        for name in [LOOP, INNERMOST_LOOP] {
            let name = self.name(name);
            self.set(name, place);
        }
        self.assign(&each.target, element);
    }

    fn block(&mut self, block: &'t ast::Block<'s>) {
        let name = self.name(block.name);
        self.fact(Fact::Block(self.scope, name));
        self.waiting.push(Work::End);
        self.statements(&block.body);
        let frame = self.flow.frame();
        let unit = self.flow.unit(self.outermost, frame);
        self.flow.body(unit).source = sources::body(self.source, &self.syntax, &block.body);
        let scope = outermost(self.flow, frame);
        self.begin(unit, scope);
        self.blocks.insert(unit, name);
        self.flow.blocks.insert((self.outermost, name), unit);
    }

    fn import(&mut self, import: &'t Spanned<Import<'s>>) {
        let (place, _) = self.module(&import.expr, import.span().start_line.into());
        match &import.name {
            Expr::Var(name) => {
                let name = self.name(name.id);
                self.set(name, place);
            }
            // A part of a namespace, or several names.
            target => self.assign(target, place),
        }
    }

    fn names_of_import(&mut self, import: &'t Spanned<FromImport<'s>>) {
        let (_, within) = self.module(&import.expr, import.span().start_line.into());
        for (name, alias) in &import.names {
            // What the module does not have is looked up like any other name.
            let place = self.value_of(name, within);
            self.assign(alias.as_ref().unwrap_or(name), place);
        }
    }

    /// A place for the module of a template, and what can be seen in it.
    fn module(&mut self, name: &'t Expr<'s>, line: usize) -> (Place, Scope) {
        let (place, (frame, within)) = (self.flow.place(), self.within(self.scope));
        let references = self.template(Defect::Import, name, line);
        self.fact(Fact::Import(place, frame, within, references.into()));
        (place, within)
    }

    fn include(&mut self, include: &'t Spanned<Include<'s>>) {
        let wanted = self.found.wanted.len();
        let references = self.template(Defect::Include, &include.name, include.span().start_line.into());
        if include.ignore_missing {
            self.found.wanted.truncate(wanted);
        }
        self.fact(Fact::Include(self.scope, references.into()));
    }

    /// A macro as a value.
    fn declaration(&mut self, declaration: &'t ast::Macro<'s>) -> (Place, Unit) {
        let (place, frame) = (self.flow.place(), self.flow.frame());
        let unit = self.flow.unit(self.outermost, frame);
        self.flow.body(unit).is_macro = true;
        self.fact(Fact::Macro(place, unit));
        let around = self.flow.scope(Link::Macro(self.scope));
        let scope = self.flow.scope(Link::Frame(frame, around));
        self.waiting.push(Work::End);
        if !seeded(Defect::Macro) {
            self.waiting.push(Work::Body(declaration));
        }
        self.waiting.push(Work::Begin(unit, scope));
        (place, unit)
    }

    /// What a macro does, after its parameters have got their values.
    pub(super) fn body(&mut self, declaration: &'t ast::Macro<'s>) {
        self.statements(&declaration.body);
        // While a default is worked out only some of the parameters are known.
        let before = self.scope;
        let without_default = declaration.args.len().saturating_sub(declaration.defaults.len());
        for (at, parameter) in declaration.args.iter().enumerate() {
            let default = at.checked_sub(without_default).and_then(|at| declaration.defaults.get(at));
            let place = self.flow.place();
            default.iter().for_each(|default| self.look_at(default, place, before));
            self.assign(parameter, place);
            if let Expr::Var(parameter) = parameter {
                let parameter = self.name(parameter.id);
                self.flow.body(self.unit).parameters.push(parameter);
            }
        }
    }

    /// Gives a value a name, or its elements the names of a list.
    pub(super) fn assign(&mut self, target: &'t Expr<'s>, place: Place) {
        let mut targets = vec![(target, place)];
        while let Some((target, place)) = targets.pop() {
            let items = match target {
                Expr::Var(variable) => {
                    // It is looked up nowhere here, but an argument or a global may have the name too.
                    let name = self.name(variable.id);
                    self.names.insert(name);
                    self.set(name, place);
                    continue;
                }
                Expr::List(list) => &list.items,
                Expr::Tuple(tuple) => &tuple.items,
                // A namespace, say.
                other => {
                    self.fact(Fact::Flow(place, Place::WHOLE));
                    self.look_at(other, Place::WHOLE, self.scope);
                    continue;
                }
            };
            for (at, item) in items.iter().enumerate() {
                // It is iterated, as a map is by its keys.
                let element = self.part_of(place, Label::unpacked(at));
                targets.push((item, element));
            }
        }
    }

    fn set(&mut self, name: Name, place: Place) {
        self.defined.insert(name);
        let Some(frame) = self.flow.innermost(self.scope) else { return };
        self.fact(Fact::Set(frame, name, place));
        self.scope = self.flow.scope(Link::Set(frame, name, self.scope));
    }

    fn template(&mut self, kind: Defect, name: &'t Expr<'s>, line: usize) -> Vec<Reference> {
        if seeded(kind) {
            return Vec::new();
        }
        let found = references(name, line).into_iter().map(|found| self.replaced.joined(found, self.template));
        let found: Vec<Reference> = found.collect();
        let names: Vec<String> = found.iter().filter_map(Reference::full_name).collect();
        match name {
            // One of a list is enough; of a choice each side must be there.
            Expr::List(_) | Expr::Tuple(_) if names.len() == found.len() => {
                self.found.wanted.push(Wanted { names, line });
            }
            Expr::List(_) | Expr::Tuple(_) => {}
            _ => self.found.wanted.extend(names.into_iter().map(|name| Wanted { names: vec![name], line })),
        }
        self.found.templates.extend(found.iter().cloned());
        self.look_at(name, Place::WHOLE, self.scope);
        found
    }
}
