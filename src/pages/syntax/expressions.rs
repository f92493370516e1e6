//! What becomes of the value of an expression, and what of other values it looks at for that: all of them, their truth, one
//! part; which functions it calls.

use std::rc::Rc;

use minijinja::{
    machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind},
    value::{Value, ValueKind},
};

use super::{
    AppliedKind, Reference, Walk,
    filters::{is_scalar, undotted},
    names::references,
    names_files,
    statements::{INNERMOST_LOOP, LOOP},
};
use crate::{
    defects::{Defect, seeded},
    pages::{
        reads::flow::{CALLER, Call, Fact, Label, List, Name, Place, Scope},
        routes::URL_FOR,
    },
};

impl<'t, 's> Walk<'t, 's, '_> {
    #[allow(unreachable_patterns, reason = "the engine's next version may know more expressions")]
    pub(super) fn expression(&mut self, expression: &'t Expr<'s>, to: Place, scope: Scope) {
        match expression {
            Expr::Var(variable) => {
                if names_files(variable.id) {
                    // Not called on the spot: it may be called with any name later.
                    self.file(Reference::StartsWith(String::new()));
                }
                self.variable(variable.id, to, scope);
            }
            Expr::Const(constant) => self.constant(&constant.value, to),
            Expr::Slice(slice) => {
                let of = self.value_of(&slice.expr, scope);
                self.same_elements(of, to);
                let bounds = [&slice.start, &slice.stop, &slice.step];
                bounds.into_iter().flatten().for_each(|bound| self.look_at(bound, Place::WHOLE, scope));
            }
            Expr::UnaryOp(operation) => {
                let is_not = matches!(operation.op, UnaryOpKind::Not);
                self.look_at(&operation.expr, if is_not { Place::TRUTH } else { Place::WHOLE }, scope);
            }
            Expr::BinOp(operation) => self.operation(operation, to, scope),
            Expr::Compare(comparison) => {
                let mut left = &comparison.expr;
                for operation in &comparison.ops {
                    let is_in = matches!(operation.op, CompareOpKind::In | CompareOpKind::NotIn);
                    self.compared(left, &operation.expr, is_in, scope);
                    left = &operation.expr;
                }
            }
            Expr::IfExpr(choice) => {
                self.look_at(&choice.test_expr, Place::TRUTH, scope);
                self.look_at(&choice.true_expr, to, scope);
                choice.false_expr.iter().for_each(|other| self.look_at(other, to, scope));
            }
            Expr::Filter(filter) => {
                self.applies(AppliedKind::Filter, &undotted(filter.name), filter.span());
                self.filter(filter, to, scope);
            }
            Expr::Test(test) => {
                self.applies(AppliedKind::Test, &undotted(test.name), test.span());
                self.test(test, scope);
            }
            Expr::GetAttr(attribute) => {
                let of = self.value_of(&attribute.expr, scope);
                let name = self.name(attribute.name);
                self.fact(Fact::Part(of, Label::Field(name), to));
            }
            Expr::GetItem(item) => {
                let of = self.value_of(&item.expr, scope);
                let label = self.label_of(&item.subscript_expr, scope);
                self.fact(Fact::Part(of, label, to));
            }
            Expr::Call(call) => self.call(call, to, scope, None),
            Expr::List(list) => self.list(&list.items, to, scope),
            Expr::Tuple(tuple) => self.list(&tuple.items, to, scope),
            Expr::Map(map) => self.map(map, to, scope),
            _ => self.found.unknown = true,
        }
    }

    fn constant(&mut self, value: &Value, to: Place) {
        match value.as_str() {
            _ if self.flow.is_end(to) => {}
            Some(text) => {
                let text = self.name(text);
                self.fact(Fact::Text(to, text));
            }
            None if is_scalar(value) => {}
            None => self.fact(Fact::Unknown(to)),
        }
    }

    pub(super) fn variable(&mut self, name: &str, to: Place, scope: Scope) {
        let name = self.name(name);
        self.names.insert(name);
        self.fact(Fact::Look(scope, name, to));
    }

    /// A list of the elements of another one, or of some of them. Returns a place for each of them.
    pub(super) fn same_elements(&mut self, of: Place, to: Place) -> Place {
        let element = self.part_of(of, Label::Each);
        if !seeded(Defect::Elements) {
            self.list_of(element, to);
        }
        element
    }

    /// A list of any number of elements.
    pub(super) fn list_of(&mut self, element: Place, to: Place) {
        self.fact(Fact::List(to, Box::new(List { each: Some(element), ..List::default() })));
    }

    /// A list of so many elements.
    pub(super) fn list_at(&mut self, at: Vec<Place>, to: Place) {
        self.fact(Fact::List(to, Box::new(List { at, ..List::default() })));
    }

    fn list(&mut self, items: &'t [Expr<'s>], to: Place, scope: Scope) {
        let at = items.iter().map(|item| self.value_of(item, scope)).collect();
        self.list_at(at, to);
    }

    fn map(&mut self, map: &'t ast::Map<'s>, to: Place, scope: Scope) {
        let name = |key: &Expr<'_>| match key {
            Expr::Const(constant) => constant.value.as_str().map(|text| self.name(text)),
            _ => None,
        };
        let names: Option<Vec<Name>> = map.keys.iter().map(name).collect();
        let Some(names) = names else {
            map.keys.iter().chain(&map.values).for_each(|part| self.look_at(part, Place::WHOLE, scope));
            return self.fact(Fact::Unknown(to));
        };
        let fields = names.into_iter().zip(&map.values).map(|(name, value)| (name, self.value_of(value, scope)));
        let fields = Box::new(fields.collect());
        self.fact(Fact::Map(to, fields));
    }

    fn operation(&mut self, operation: &'t ast::BinOp<'s>, to: Place, scope: Scope) {
        let (left, right) = (&operation.left, &operation.right);
        match operation.op {
            // What is false and given on has no parts.
            BinOpKind::ScAnd => {
                self.look_at(left, Place::TRUTH, scope);
                self.look_at(right, to, scope);
            }
            BinOpKind::ScOr => {
                let place = self.value_of(left, scope);
                self.fact(Fact::Flow(place, to));
                self.fact(Fact::Truth(place));
                self.look_at(right, to, scope);
            }
            BinOpKind::Eq | BinOpKind::Ne | BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => {
                self.compared(left, right, false, scope);
            }
            BinOpKind::In => self.compared(left, right, true, scope),
            BinOpKind::Add => {
                // Two lists make a longer one. What is added besides has no parts.
                let element = self.flow.place();
                for side in [left, right] {
                    let of = self.value_of(side, scope);
                    self.fact(Fact::Part(of, Label::Each, element));
                }
                if !seeded(Defect::Elements) {
                    self.list_of(element, to);
                }
                self.fact(Fact::Unknown(to));
            }
            _ => {
                self.look_at(left, Place::WHOLE, scope);
                self.look_at(right, Place::WHOLE, scope);
                self.fact(Fact::Unknown(to));
            }
        }
    }

    /// Two values that are compared. To a constant without parts a value with parts is never equal, whatever they are.
    fn compared(&mut self, left: &'t Expr<'s>, right: &'t Expr<'s>, is_in: bool, scope: Scope) {
        let (to_left, to_right) = match (constant(left), constant(right)) {
            (_, Some(right)) if is_in && is_of_scalars(&right) => (Place::KIND, Place::KIND),
            _ if is_in => {
                let container = self.value_of(right, scope);
                self.fact(Fact::Part(container, Label::Element, Place::WHOLE));
                // A map is asked for the value.
                let label = self.label_of(left, scope);
                return self.fact(Fact::Part(container, label, Place::KIND));
            }
            (Some(left), _) if is_scalar(&left) => (Place::KIND, Place::KIND),
            (_, Some(right)) if is_scalar(&right) => (Place::KIND, Place::KIND),
            _ => (Place::WHOLE, Place::WHOLE),
        };
        self.look_at(left, to_left, scope);
        self.look_at(right, to_right, scope);
    }

    pub(super) fn call(
        &mut self,
        call: &'t ast::Spanned<ast::Call<'s>>,
        to: Place,
        scope: Scope,
        caller: Option<Place>,
    ) {
        self.fact(Fact::Unknown(to));
        let given = Rc::new(self.given(&call.args, caller, scope));
        match &call.expr {
            Expr::Var(function) if function.id == "super" && call.args.is_empty() => self.replaced_block(scope),
            Expr::Var(function) => {
                self.applies(AppliedKind::Function, function.id, call.span());
                let callee = self.callee(&given);
                self.variable(function.id, callee, scope);
                if function.id == LOOP {
                    // Shown on the spot it is the loop around, whatever has the name.
                    let innermost = self.name(INNERMOST_LOOP);
                    self.fact(Fact::Look(scope, innermost, callee));
                }
                if function.id == URL_FOR {
                    self.names_route(call);
                }
                self.names_message(function.id, call);
                if names_files(function.id) {
                    match call.args.first() {
                        Some(CallArg::Pos(name)) => {
                            let references = references(name, call.span().start_line.into());
                            self.names_file(function.id, references, &call.args);
                        }
                        _ => self.file(Reference::StartsWith(String::new())),
                    }
                }
            }
            Expr::GetAttr(block) if matches!(&block.expr, Expr::Var(variable) if variable.id == "self") => {
                let name = self.name(block.name);
                self.fact(Fact::Block(scope, name));
            }
            Expr::GetAttr(_) => self.method(call, &given, to, scope),
            callee => {
                let place = self.callee(&given);
                self.look_at(callee, place, scope);
            }
        }
    }

    /// A place for what is called. An argument that can be called is no data.
    fn callee(&mut self, given: &Rc<Call>) -> Place {
        let callee = self.flow.place();
        self.fact(Fact::Call(callee, given.clone()));
        self.fact(Fact::Argument(callee));
        callee
    }

    /// What is put out where a block replaces another.
    fn replaced_block(&mut self, scope: Scope) {
        match self.blocks.get(&self.unit) {
            Some(name) => {
                let name = *name;
                self.flow.body(self.unit).supers = true;
                self.fact(Fact::Block(scope, name));
            }
            // In an included template it would be that of a block of who knows which template.
            None => self.found.unknown = true,
        }
    }

    #[allow(unreachable_patterns, reason = "the engine's next version may know more kinds of arguments")]
    fn given(&mut self, arguments: &'t [CallArg<'s>], caller: Option<Place>, scope: Scope) -> Call {
        let spread = |argument: &CallArg<'_>| !matches!(argument, CallArg::Pos(_) | CallArg::Kwarg(..));
        let spreads = arguments.iter().any(spread);
        let mut call = Call { positional: Vec::new(), named: Vec::new(), spreads, scope };
        for argument in arguments {
            match argument {
                CallArg::Pos(value) if !spreads => call.positional.push(self.value_of(value, scope)),
                CallArg::Kwarg(name, value) if !spreads => {
                    call.named.push((self.name(name), self.value_of(value, scope)));
                }
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.look_at(value, Place::WHOLE, scope),
                _ => self.found.unknown = true,
            }
        }
        call.named.extend(caller.map(|caller| (self.name(CALLER), caller)));
        call
    }

    /// Methods that the engine's companion gives to maps are read as it has them: a site whose own of that name looks at
    /// more is watched. Of others nothing is known.
    fn method(&mut self, call: &'t ast::Call<'s>, given: &Rc<Call>, to: Place, scope: Scope) {
        let Expr::GetAttr(method) = &call.expr else { return };
        let of = self.value_of(&method.expr, scope);
        let name = self.name(method.name);
        let callee = self.callee(given);
        self.fact(Fact::Method(of, name, callee, given.clone()));
        let is_known = given.named.is_empty() && !given.spreads && self.known_method(of, method.name, call, given, to);
        if is_known {
            // A field that can be called takes its place where there is no such method.
            self.fact(Fact::Part(of, Label::Field(name), callee));
        } else {
            self.fact(Fact::Argument(of));
        }
    }

    fn known_method(&mut self, of: Place, name: &str, call: &'t ast::Call<'s>, given: &Call, to: Place) -> bool {
        match (name, given.positional.as_slice(), call.args.first()) {
            ("get", [place, default @ ..], Some(CallArg::Pos(key))) if default.len() < 2 => {
                self.fact(Fact::Flow(*place, Place::WHOLE));
                let label = self.constant_label(key).unwrap_or(Label::Keyed(*place));
                self.fact(Fact::Part(of, label, to));
                default.iter().for_each(|default| self.fact(Fact::Flow(*default, to)));
            }
            ("items", [], None) => _ = self.entries(of, to),
            ("keys", [], None) => self.fact(Fact::Shape(of)),
            ("values", [], None) => {
                self.fact(Fact::Shape(of));
                let value = self.part_of(of, Label::Any);
                self.list_of(value, to);
            }
            _ => return false,
        }
        true
    }

    /// A list of pairs, of the keys and the values of a map. Returns a place for each of the values.
    pub(super) fn entries(&mut self, of: Place, to: Place) -> Place {
        let (key, pair) = (self.part_of(of, Label::Each), self.flow.place());
        let value = self.part_of(of, Label::Any);
        self.list_at(vec![key, value], pair);
        self.list_of(pair, to);
        value
    }

    /// The part that a subscript names, which counts in whole.
    pub(super) fn label_of(&mut self, subscript: &'t Expr<'s>, scope: Scope) -> Label {
        if let Some(label) = self.constant_label(subscript) {
            return label;
        }
        let key = self.value_of(subscript, scope);
        self.fact(Fact::Flow(key, Place::WHOLE));
        Label::Keyed(key)
    }

    /// The part that a constant names as a subscript.
    fn constant_label(&mut self, subscript: &Expr<'_>) -> Option<Label> {
        let Expr::Const(constant) = subscript else { return None };
        let name = constant.value.as_str().map(|name| Label::Field(self.name(name)));
        let number = || usize::try_from(constant.value.clone()).ok().filter(|_| constant.value.is_integer());
        Some(name.or_else(|| number().map(Label::at)).unwrap_or(Label::Any))
    }

    #[allow(unreachable_patterns, reason = "the engine's next version may know more kinds of arguments")]
    pub(super) fn arguments(&mut self, arguments: &'t [CallArg<'s>], scope: Scope) {
        for argument in arguments {
            match argument {
                CallArg::Pos(value)
                | CallArg::Kwarg(_, value)
                | CallArg::PosSplat(value)
                | CallArg::KwargSplat(value) => self.look_at(value, Place::WHOLE, scope),
                _ => self.found.unknown = true,
            }
        }
    }
}

fn constant(expression: &Expr<'_>) -> Option<Value> {
    expression.as_const()
}

/// Whether a value is a list of values without parts.
fn is_of_scalars(value: &Value) -> bool {
    value.kind() == ValueKind::Seq && value.try_iter().is_ok_and(|mut items| items.all(|item| is_scalar(&item)))
}
