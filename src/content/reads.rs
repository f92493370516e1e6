//! Which parts of its arguments a page can read: a tree of fields, found from the accesses in its templates. It knows no
//! template syntax and no values.
//!
//! Names are followed without regard to scope or order: whatever a name may be bound to anywhere in the closure counts
//! as read through it. That may say too much and never too little.

use std::{collections::BTreeSet, sync::Arc};

use crate::defects::{Defect, seeded};

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Field(String),
    /// Any element of a sequence.
    Element,
}

/// A name and the way from it into its value.
pub(crate) type Path = (String, Vec<Step>);

/// Something that a template does with the value at the end of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) path: Path,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// All of it is looked at.
    Whole,
    /// Its shape is: how many elements, which keys, whether it is there; of a value without parts, the value.
    Shape,
    /// A method of it is called: of a module a macro, of anything else who knows what.
    Method(String),
    /// It is handed to a function or macro, in this place.
    Passed(Callee, Place),
}

/// What is called, as far as a template says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Callee {
    Name(String),
    /// A method of what a name stands for.
    Method(String, String),
}

/// A place among the parameters of a macro.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Position(usize),
    Named(String),
}

/// What a name may stand for besides an argument of that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Binding {
    /// The value of this path.
    Value(Path),
    /// The loop over this path, which knows its neighbours.
    Loop(Path),
    /// A module, whose fields are the names that its template sets.
    Module,
    /// A value without a path. Whatever went into it has been looked at in whole.
    Unknown,
}

/// All that templates do with names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Uses {
    pub(crate) accesses: BTreeSet<Access>,
    pub(crate) bindings: BTreeSet<(String, Binding)>,
    /// Macros by name with the names of their parameters.
    pub(crate) macros: BTreeSet<(String, Vec<String>)>,
}

/// What of a value counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reads {
    Whole,
    Parts(Arc<Parts>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Parts {
    pub(crate) shape: bool,
    /// Sorted by name; few, and asked for at each field of each element: a list is faster to search than a map.
    pub(crate) fields: Vec<(String, Reads)>,
    /// What counts of each element of a sequence.
    pub(crate) elements: Option<Reads>,
}

/// A path longer than this, as a recursive binding makes them, is cut, and all of what it leads to counts.
const DEEPEST: usize = 8;

impl Uses {
    pub(crate) fn extend(&mut self, other: Self) {
        self.accesses.extend(other.accesses);
        self.bindings.extend(other.bindings);
        self.macros.extend(other.macros);
    }

    /// The same with what is handed to macros bound to their parameters. Whatever else it may be handed to looks at all
    /// of it.
    fn with_parameters(&self) -> Self {
        let mut uses = Self { accesses: BTreeSet::new(), ..self.clone() };
        for access in &self.accesses {
            let What::Passed(callee, place) = &access.what else {
                uses.accesses.insert(access.clone());
                continue;
            };
            let parameters = self.called(callee).and_then(|name| self.parameters(name, place, &mut BTreeSet::new()));
            let what = if parameters.is_some() { What::Shape } else { What::Whole };
            uses.accesses.insert(Access { path: access.path.clone(), what });
            let bound = parameters.into_iter().flatten();
            uses.bindings.extend(bound.map(|parameter| (parameter, Binding::Value(access.path.clone()))));
        }
        uses
    }

    /// The name of the macro that may be called; a method is one only where its owner is a module and nothing else.
    fn called<'a>(&self, callee: &'a Callee) -> Option<&'a str> {
        match callee {
            Callee::Name(name) => Some(name),
            Callee::Method(owner, name) => {
                let mut bindings = self.bindings.iter().filter(|(bound, _)| bound == owner).peekable();
                bindings.peek()?;
                bindings.all(|(_, binding)| *binding == Binding::Module).then_some(name)
            }
        }
    }

    /// The parameters in a place of all macros that a name can stand for; `None` if it can stand for anything else, or if
    /// one of them has no such place.
    fn parameters(&self, callee: &str, place: &Place, seen: &mut BTreeSet<String>) -> Option<Vec<String>> {
        if !seen.insert(callee.to_owned()) {
            return Some(Vec::new());
        }
        let macros = self.macros.iter().filter(|(name, _)| name == callee);
        let parameters = macros.map(|(_, parameters)| match place {
            Place::Position(at) => parameters.get(*at).cloned(),
            Place::Named(name) => parameters.contains(name).then(|| name.clone()),
        });
        let mut found = parameters.collect::<Option<Vec<String>>>()?;
        let bindings: Vec<_> = self.bindings.iter().filter(|(name, _)| name == callee).collect();
        if found.is_empty() && bindings.is_empty() {
            return None;
        }
        for (_, binding) in bindings {
            match binding {
                Binding::Value((name, steps)) if steps.is_empty() => found.extend(self.parameters(name, place, seen)?),
                _ => return None,
            }
        }
        Some(found)
    }
}

impl Reads {
    /// What counts of the arguments as a whole: a field for each name.
    pub(crate) fn of(uses: &Uses) -> Self {
        let uses = uses.with_parameters();
        let mut reads = Self::Parts(Arc::default());
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<Access> = uses.accesses.iter().cloned().collect();
        while let Some(access) = waiting.pop() {
            let access = access.cut();
            if !seen.insert(access.clone()) {
                continue;
            }
            let bound = uses.bindings.iter().filter(|(name, _)| *name == access.path.0);
            for (_, binding) in bound {
                match access.through(binding) {
                    Through::Access(further) => waiting.push(further),
                    Through::Nothing => {}
                    Through::Everything => return Self::Whole,
                }
            }
            let (name, steps) = access.path;
            reads.add(&[vec![Step::Field(name)], steps].concat(), &access.what);
        }
        reads
    }

    fn add(&mut self, steps: &[Step], what: &What) {
        let Self::Parts(parts) = self else { return };
        if seeded(Defect::NestedField) && steps.len() == 2 {
            return;
        }
        let parts = Arc::make_mut(parts);
        match (steps, what) {
            ([], What::Shape) => parts.shape = true,
            ([], _) => *self = Self::Whole,
            ([Step::Field(name), rest @ ..], what) => {
                let at = parts.fields.binary_search_by(|(known, _)| known.cmp(name)).unwrap_or_else(|at| {
                    parts.fields.insert(at, (name.clone(), Self::Parts(Arc::default())));
                    at
                });
                parts.fields[at].1.add(rest, what);
            }
            ([Step::Element, rest @ ..], what) => {
                parts.shape = true;
                parts.elements.get_or_insert_with(|| Self::Parts(Arc::default())).add(rest, what);
            }
        }
    }

    /// What counts of the field of this name, if anything does.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Whole => Some(&Self::Whole),
            // Looked at by a number: it may be a key.
            Self::Parts(parts) if parts.elements.is_some() => Some(&Self::Whole),
            Self::Parts(parts) => parts.fields.iter().find(|(field, _)| field == name).map(|(_, reads)| reads),
        }
    }

    /// What counts of each element of a sequence, if anything does.
    pub(crate) fn each(&self) -> Option<&Self> {
        match self {
            Self::Whole => Some(self),
            // Asked for a field, a sequence has none that is known here.
            Self::Parts(parts) if !parts.fields.is_empty() => Some(&Self::Whole),
            Self::Parts(parts) => parts.elements.as_ref(),
        }
    }

    /// Whether it counts how many elements a value has, or which keys.
    pub(crate) fn has_shape(&self) -> bool {
        match self {
            Self::Whole => true,
            Self::Parts(parts) => parts.shape,
        }
    }
}

enum Through {
    Access(Access),
    Nothing,
    Everything,
}

impl Access {
    fn cut(mut self) -> Self {
        if self.path.1.len() > DEEPEST {
            self.path.1.truncate(DEEPEST);
            self.what = What::Whole;
        }
        self
    }

    /// The same access to what the name is bound to.
    fn through(&self, binding: &Binding) -> Through {
        let further = |(name, start): &Path, rest: &[Step]| {
            let path = (name.clone(), [start.as_slice(), rest].concat());
            Through::Access(Self { path, what: self.what.clone() })
        };
        let whole = |path: &Path| Through::Access(Self { path: path.clone(), what: What::Whole });
        let named = |name: &str, rest: &[Step], what: &What| {
            Through::Access(Self { path: (name.to_owned(), rest.to_vec()), what: what.clone() })
        };
        match (binding, self.path.1.as_slice()) {
            (Binding::Value(path), rest) => further(path, rest),
            (Binding::Loop(path), [Step::Field(field), rest @ ..]) if NEIGHBOURS.contains(&field.as_str()) => {
                further(path, &[&[Step::Element], rest].concat())
            }
            (Binding::Loop(_), [Step::Field(field)]) if COUNTERS.contains(&field.as_str()) => Through::Nothing,
            (Binding::Loop(path), []) => match &self.what {
                What::Shape => Through::Nothing,
                What::Method(name) if LOOP_METHODS.contains(&name.as_str()) => Through::Nothing,
                // Whoever has the loop has its neighbours.
                _ => whole(path),
            },
            (Binding::Loop(path), _) => whole(path),
            (Binding::Unknown, _) => Through::Nothing,
            (Binding::Module, [Step::Field(field), rest @ ..]) => named(field, rest, &self.what),
            (Binding::Module, rest) => match &self.what {
                What::Method(name) if rest.is_empty() => named(name, &[], &What::Whole),
                _ => Through::Everything,
            },
        }
    }
}

const NEIGHBOURS: [&str; 2] = ["previtem", "nextitem"];
const COUNTERS: [&str; 9] = ["index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0"];
const LOOP_METHODS: [&str; 2] = ["cycle", "changed"];

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        let mut parts = text.split('.');
        let name = parts.next().unwrap_or_default().to_owned();
        (name, parts.map(|part| if part == "*" { Step::Element } else { Step::Field(part.to_owned()) }).collect())
    }

    fn reads(accesses: &[(&str, What)], bindings: &[(&str, Binding)]) -> Vec<String> {
        with_macros(accesses, bindings, &[])
    }

    fn with_macros(accesses: &[(&str, What)], bindings: &[(&str, Binding)], macros: &[(&str, &str)]) -> Vec<String> {
        fn list(at: &str, reads: &Reads, into: &mut Vec<String>) {
            match reads {
                Reads::Whole => into.push(at.to_owned()),
                Reads::Parts(parts) => {
                    if parts.shape {
                        into.push(format!("{at}?"));
                    }
                    parts.fields.iter().for_each(|(name, reads)| list(&format!("{at}.{name}"), reads, into));
                    parts.elements.iter().for_each(|reads| list(&format!("{at}.*"), reads, into));
                }
            }
        }
        let accesses = accesses.iter().map(|(at, what)| Access { path: path(at), what: what.clone() }).collect();
        let bindings = bindings.iter().map(|(name, binding)| ((*name).to_owned(), binding.clone())).collect();
        let mut found = Vec::new();
        let macros =
            macros.iter().map(|(name, parameter)| ((*name).to_owned(), vec![(*parameter).to_owned()])).collect();
        list("", &Reads::of(&Uses { accesses, bindings, macros }), &mut found);
        found
    }

    #[test]
    fn what_is_read_through_names_is_found() {
        let whole = |at| (at, What::Whole);
        let value = |name, at| (name, Binding::Value(path(at)));
        assert_eq!(reads(&[whole("a.b"), whole("a.c.d")], &[]), [".a.b", ".a.c.d"]);
        assert_eq!(reads(&[whole("a.b"), whole("a")], &[]), [".a"]);
        assert_eq!(
            reads(&[whole("p.title"), ("posts", What::Shape)], &[value("p", "posts.*")]),
            [".p.title", ".posts?", ".posts.*.title"]
        );
        assert_eq!(reads(&[whole("x.y")], &[value("x", "z"), value("z", "a.b")]), [".a.b.y", ".x.y", ".z.y"]);
        assert_eq!(
            reads(&[whole("loop.previtem.id"), whole("loop.index")], &[("loop", Binding::Loop(path("rows")))]),
            [".loop.index", ".loop.previtem.id", ".rows?", ".rows.*.id"]
        );
        assert_eq!(
            reads(&[whole("m.title")], &[("m", Binding::Module), value("title", "page.t")]),
            [".m.title", ".page.t", ".title"]
        );
        assert_eq!(reads(&[("m", What::Method("hi".into()))], &[("m", Binding::Module)]), [".hi", ".m"]);
        assert_eq!(reads(&[whole("m")], &[("m", Binding::Module)]), [""], "a module that is printed shows all it has");
    }

    #[test]
    fn what_is_handed_to_a_macro_is_read_as_the_macro_reads_it() {
        let passed = ("posts.*", What::Passed(Callee::Name("c".into()), Place::Position(0)));
        let alias = ("c", Binding::Value(path("card")));
        let body = ("p.title", What::Whole);
        let found = with_macros(&[passed.clone(), body.clone()], std::slice::from_ref(&alias), &[("card", "p")]);
        assert_eq!(found, [".p.title", ".posts?", ".posts.*?", ".posts.*.title"]);
        let function = with_macros(&[passed.clone(), body.clone()], &[], &[("card", "p")]);
        assert_eq!(function, [".p.title", ".posts?", ".posts.*"], "no macro has that name");
        let other = ("c", Binding::Value(path("page.f")));
        assert!(with_macros(&[passed, body], &[alias, other], &[("card", "p")]).contains(&".posts.*".to_owned()));
    }

    #[test]
    fn a_name_that_is_bound_to_itself_ends() {
        let found = reads(&[("n.name", What::Whole)], &[("n", Binding::Value(path("n.next")))]);
        assert!(found.iter().any(|at| at.ends_with(".next.next.next.next")), "{found:?}");
    }
}
