//! What templates do with values, as facts about places: where a value comes from, where it goes, which of its parts are
//! looked at. `syntax` writes the facts down, `solve` draws the conclusions. It knows no template syntax and no values.

use std::{collections::BTreeMap, ops::Range, rc::Rc};

pub(crate) use super::names::Name;
use super::names::{Names, NumberMap};
use crate::pages::reference::Reference;

/// Where values come together: a variable, a parameter, what is done with the value of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u32);

impl Place {
    /// All of a value counts that comes here.
    pub(crate) const WHOLE: Self = Self(0);
    /// How many elements a value has, or which keys; of a value without parts, the value.
    pub(crate) const SHAPE: Self = Self(1);
    /// Whether a value has any elements or keys; of a value without parts, the value.
    pub(crate) const TRUTH: Self = Self(4);
    /// What kind of value it is; of a value without parts, the value.
    pub(crate) const KIND: Self = Self(2);
    /// A value is shown: all of it counts but what its text does not have (the variables of a module, say).
    pub(crate) const SHOWN: Self = Self(3);
}

/// So many places are not those of one value.
const ENDS: u32 = 5;

/// A set of variables that come and go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Frame(pub(crate) u32);

/// The variables that can be seen at one point of a template: the innermost of a chain of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope(pub(crate) u32);

/// A stretch of a template that runs in one go: its top level, a block, a macro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Unit(pub(crate) u32);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    /// A frame in which a variable may have been set.
    Frame(Frame, Scope),
    /// Around the frame of a recursive loop: the places from which it is called are around it too.
    Loop(Frame, Scope),
    /// A variable that has been set in any case.
    Set(Frame, Name, Scope),
    /// Around a macro: it sees what was there when it was declared, or the arguments alone.
    Macro(Scope),
    /// Around a template or a block: it sees what is there wherever it is put in.
    Outside(Frame),
}

/// Which part of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Label {
    Field(Name),
    /// The element with this number, or the entry with this key.
    At(u32),
    /// The element with this number of a value that is unpacked; of a map, a key. How many there are counts.
    Unpacked(u32),
    /// Any element; of a map, any key.
    Each,
    /// Any element; of a map, nothing.
    Element,
    /// Any element, or the value of any key.
    Any,
    /// The same, where the values that come to this place are the keys.
    Keyed(Place),
}

/// The caller that a call block passes to a macro.
pub(crate) const CALLER: &str = "caller";

/// What is handed over in a call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) positional: Vec<Place>,
    pub(crate) named: Vec<(Name, Place)>,
    /// More may be handed over than is written down.
    pub(crate) spreads: bool,
    /// Where it is called from.
    pub(crate) scope: Scope,
}

/// What one place has, or does, or gives to another.
#[derive(Debug)]
pub(crate) enum Fact {
    /// What is here is there too.
    Flow(Place, Place),
    /// The variable that is seen under a name is there.
    Look(Scope, Name, Place),
    /// What is here is the value of a variable.
    Set(Frame, Name, Place),
    Shape(Place),
    Truth(Place),
    Part(Place, Label, Place),
    Call(Place, Rc<Call>),
    /// A method is called: of a module it is what the module has under that name, which then is in the second place.
    Method(Place, Name, Place, Rc<Call>),
    /// Of arguments here all counts, as a method may look at all of them.
    Argument(Place),
    List(Place, Box<List>),
    Map(Place, Box<Fields>),
    Macro(Place, Unit),
    /// The loop over what is in the second place.
    Loop(Place, Place, Frame),
    /// A text that stands in a template.
    Text(Place, Name),
    /// Something of which no more is known than that whatever went into it counts in whole. What may be a text, or have
    /// one in it, and is none of the other facts, is this.
    Unknown(Place),
    /// The module that a template makes: its variables go into the frame.
    Import(Place, Frame, Scope, Box<References>),
    Include(Scope, Box<References>),
    Extends(Scope, Box<References>),
    Block(Scope, Name),
}

/// The values of a map that a template makes.
pub(crate) type Fields = Vec<(Name, Place)>;

pub(crate) type References = Vec<Reference>;

/// A list that a template makes.
#[derive(Debug, Default)]
pub(crate) struct List {
    /// Elements by their number, and their names if they have any.
    pub(crate) at: Vec<Place>,
    pub(crate) names: Vec<Name>,
    /// Elements of any number.
    pub(crate) each: Option<Place>,
}

#[derive(Debug)]
pub(crate) struct Body {
    /// The top level of its template.
    pub(crate) template: Unit,
    pub(crate) frame: Frame,
    pub(crate) facts: Vec<Fact>,
    /// It runs wherever it is called, with the blocks of the template that calls it.
    pub(crate) is_macro: bool,
    /// Of a macro: its parameters.
    pub(crate) parameters: Vec<Name>,
    /// Of a block: whether the block that it replaces is put out in it.
    pub(crate) supers: bool,
    /// Where it stands in the source of its template; empty where that of what is around has it.
    pub(crate) source: Range<usize>,
    /// The static files that it names.
    pub(crate) files: Vec<Reference>,
}

/// All that the templates of a page do.
#[derive(Debug)]
pub(crate) struct Flow {
    places: u32,
    frames: u32,
    pub(crate) names: Names,
    pub(crate) links: Vec<Link>,
    pub(crate) bodies: Vec<Body>,
    /// The top level of each template.
    pub(crate) templates: BTreeMap<String, Unit>,
    /// By the top level of the template, and name.
    pub(crate) blocks: NumberMap<(Unit, Name), Unit>,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            places: ENDS,
            frames: 0,
            names: Names::default(),
            links: Vec::new(),
            bodies: Vec::new(),
            templates: BTreeMap::new(),
            blocks: NumberMap::default(),
        }
    }
}

impl Flow {
    pub(super) fn into_names(self) -> Names {
        self.names
    }

    /// Whether what comes to a place is given on to nothing.
    pub(crate) fn is_end(&self, place: Place) -> bool {
        place.0 < ENDS
    }

    pub(crate) fn place(&mut self) -> Place {
        self.places += 1;
        Place(self.places - 1)
    }

    pub(super) fn places(&self) -> usize {
        self.places as usize
    }

    pub(super) fn frames(&self) -> u32 {
        self.frames
    }

    pub(crate) fn frame(&mut self) -> Frame {
        self.frames += 1;
        Frame(self.frames - 1)
    }

    pub(crate) fn scope(&mut self, link: Link) -> Scope {
        self.links.push(link);
        Scope(self.links.len() as u32 - 1)
    }

    /// The top level of a template.
    pub(crate) fn template(&mut self, frame: Frame) -> Unit {
        self.unit(Unit(self.bodies.len() as u32), frame)
    }

    pub(crate) fn unit(&mut self, template: Unit, frame: Frame) -> Unit {
        let (facts, parameters, files) = (Vec::new(), Vec::new(), Vec::new());
        let (is_macro, supers) = (false, false);
        self.bodies.push(Body { template, frame, facts, is_macro, parameters, supers, source: 0..0, files });
        Unit(self.bodies.len() as u32 - 1)
    }

    pub(crate) fn body(&mut self, unit: Unit) -> &mut Body {
        &mut self.bodies[unit.0 as usize]
    }

    /// The innermost frame of a scope.
    pub(crate) fn innermost(&self, mut scope: Scope) -> Option<Frame> {
        loop {
            match &self.links[scope.0 as usize] {
                Link::Frame(frame, _) | Link::Set(frame, ..) => return Some(*frame),
                Link::Loop(_, outer) => scope = *outer,
                Link::Macro(_) | Link::Outside(_) => return None,
            }
        }
    }
}

impl Link {
    /// What is around it in the same template.
    pub(super) fn outer(&self) -> Option<Scope> {
        match self {
            Self::Frame(_, outer) | Self::Loop(_, outer) | Self::Set(_, _, outer) | Self::Macro(outer) => Some(*outer),
            Self::Outside(_) => None,
        }
    }
}

impl Label {
    /// The element with this number. No list that stands in a template has more than the largest.
    pub(crate) fn at(number: usize) -> Self {
        Self::At(number.try_into().unwrap_or(u32::MAX))
    }

    /// The same where a value is unpacked.
    pub(crate) fn unpacked(number: usize) -> Self {
        Self::Unpacked(number.try_into().unwrap_or(u32::MAX))
    }
}

impl List {
    /// The places of the elements that a label means.
    pub(super) fn part(&self, label: Label) -> impl Iterator<Item = Place> {
        let is_this = move |(at, name): (usize, Option<&Name>)| match label {
            Label::Each | Label::Element | Label::Any | Label::Keyed(_) => true,
            Label::At(number) | Label::Unpacked(number) => at == number as usize,
            Label::Field(field) => name.is_some_and(|name| *name == field),
        };
        let names = self.names.iter().map(Some).chain(std::iter::repeat(None));
        let some = self.at.iter().zip(names).enumerate().filter(move |(at, (_, name))| is_this((*at, *name)));
        let each = self.each.filter(|_| !matches!(label, Label::Field(_)));
        some.map(|(_, (place, _))| *place).chain(each)
    }
}

impl Call {
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.positional.iter().copied().chain(self.named.iter().map(|(_, place)| *place))
    }
}
