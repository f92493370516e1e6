//! What a page is rendered from, under watch: which parts of its arguments, and which static files, are looked at beyond
//! those that its tag covers.
//!
//! The tag covers what its templates can read. A function of the site's own may see more: whatever it looks up in the
//! engine's state, asks of a value that it found there, or calls `static` with. Until then all that the page has come from
//! is in the tag, so that each page with this tag comes to the same point: a tag whose page asks for nothing more is true,
//! and none that asks for more is ever sent.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
};

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Tuple, Value, ValueKind};

use super::{
    reads::{Parts, Reads},
    reference::Reference,
};

/// What is covered, and what was looked at besides.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    reads: Reads,
    /// Names that templates mention: arguments and globals.
    names: Arc<BTreeSet<String>>,
    /// What static files templates name.
    files: Arc<BTreeSet<Reference>>,
    found: Arc<OnceLock<String>>,
}

impl Watch {
    pub(crate) fn new(reads: Reads, names: Arc<BTreeSet<String>>, files: Arc<BTreeSet<Reference>>) -> Self {
        Self { reads, names, files, found: Arc::default() }
    }

    /// The URL of a static file is asked for.
    pub(crate) fn file(&self, name: &str) {
        if !self.files.iter().any(|reference| reference.is_of(name)) {
            self.is_asked_for(|| format!("the static file `{name}`"));
        }
    }

    /// These arguments, which tell when they are asked for what is not covered, and give it all the same.
    pub(crate) fn arguments(&self, arguments: Value) -> Value {
        match arguments.as_object() {
            Some(object) if arguments.kind() == ValueKind::Map => {
                Value::from_object(Root { object: object.clone(), watch: self.clone() })
            }
            _ => arguments,
        }
    }

    /// The first thing that was asked for and is not covered.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }

    fn is_asked_for(&self, what: impl FnOnce() -> String) {
        self.found.get_or_init(what);
    }

    /// A part of the arguments. What counts in whole is given as it is, and with it whatever it is handed to.
    fn part(&self, value: Value, reads: &Reads) -> Value {
        match (reads, value.as_object()) {
            // Only a tuple can be added to one. Its size is covered.
            (Reads::Parts(parts), Some(object))
                if parts.elements.is_some() && object.downcast_ref::<Tuple>().is_some() =>
            {
                let items = value.try_iter().into_iter().flatten();
                let items =
                    items.map(|item| parts.elements.as_ref().map_or(item.clone(), |reads| self.part(item, reads)));
                Value::from(Tuple::from(items.collect::<Vec<_>>()))
            }
            (Reads::Parts(parts), Some(object)) if matches!(value.kind(), ValueKind::Map | ValueKind::Seq) => {
                Value::from_object(Part { object: object.clone(), parts: parts.clone(), watch: self.clone() })
            }
            _ => value,
        }
    }
}

/// All arguments of a page.
struct Root {
    object: DynObject,
    watch: Watch,
}

impl Object for Root {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let value = self.object.get_value_by_str(name);
        match (self.watch.reads.field(name), &self.watch.reads) {
            // What is no argument may be a global.
            (Some(_), Reads::Whole) if value.is_none() && !self.watch.names.contains(name) => {}
            (Some(reads), _) => return Some(self.watch.part(value?, reads)),
            (None, _) => {}
        }
        self.watch.is_asked_for(|| format!("`{name}`"));
        value
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.watch.is_asked_for(|| "the names of all arguments".to_owned());
        self.object.try_iter().map_or(Enumerator::NonEnumerable, |keys| Enumerator::Values(keys.collect()))
    }
}

/// A map or a sequence of which parts count.
struct Part {
    object: DynObject,
    parts: Arc<Parts>,
    watch: Watch,
}

impl Part {
    fn reads(&self) -> Reads {
        Reads::Parts(self.parts.clone())
    }

    fn is_sequence(&self) -> bool {
        matches!(self.object.repr(), ObjectRepr::Seq)
    }

    fn covered(&self, value: Option<Value>, reads: Option<&Reads>, key: &dyn fmt::Display) -> Option<Value> {
        match reads {
            Some(reads) => Some(self.watch.part(value?, reads)),
            None => {
                self.watch.is_asked_for(|| format!("`{key}` of an argument"));
                value
            }
        }
    }

    fn shape_is_asked_for(&self) {
        let is_covered = self.parts.shape || (self.is_sequence() && self.reads().each().is_some());
        if !is_covered {
            self.watch.is_asked_for(|| "the size of an argument".to_owned());
        }
    }
}

impl Object for Part {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        self.object.repr()
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if self.is_sequence() {
            return self.covered(self.object.get_value(key), self.reads().each(), key);
        }
        match key.as_str() {
            Some(name) => self.get_value_by_str(name),
            None => self.covered(self.object.get_value(key), self.reads().field(""), key),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let value = self.object.get_value_by_str(name);
        // A sequence has no fields.
        if self.is_sequence() { value } else { self.covered(value, self.reads().field(name), &name) }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.shape_is_asked_for();
        match self.object.enumerator_len() {
            Some(length) if self.is_sequence() => Enumerator::Seq(length),
            _ => self.object.try_iter().map_or(Enumerator::NonEnumerable, |keys| Enumerator::Values(keys.collect())),
        }
    }

    fn is_true(self: &Arc<Self>) -> bool {
        if !self.parts.truth {
            self.shape_is_asked_for();
        }
        self.object.is_true()
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.shape_is_asked_for();
        self.object.enumerator_len()
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}
