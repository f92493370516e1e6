//! Parts of arguments that a template asks for by a key which is an argument itself (`row[column.name]`). Which names that can be
//! is known with the arguments: then no other field counts.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Field, Parts, Reads};

/// The texts by which parts may be asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys {
    names: BTreeSet<String>,
    is_any: bool,
}

impl Keys {
    /// Any text.
    pub(crate) fn any() -> Self {
        Self { names: BTreeSet::new(), is_any: true }
    }

    pub(crate) fn add(&mut self, name: &[u8]) {
        // No field has a name that is no text.
        let Ok(name) = str::from_utf8(name) else { return };
        if self.is_any || self.names.contains(name) {
            return;
        }
        self.names.insert(name.to_owned());
        if self.names.len() > MOST {
            *self = Self::any();
        }
    }

    /// The texts, unless it may be any.
    pub(crate) fn names(&self) -> Option<&BTreeSet<String>> {
        (!self.is_any).then_some(&self.names)
    }
}

/// Of more keys than this all fields count: each has a place in what counts of each row.
const MOST: usize = 64;

impl Reads {
    /// The same where these are the keys. The result has no parts that depend on them.
    pub(crate) fn with_keys(&self, keys: &Keys) -> Self {
        self.keyed_by(keys, &mut HashMap::new())
    }

    fn keyed_by(&self, keys: &Keys, done: &mut HashMap<*const Parts, Self>) -> Self {
        let Self::Parts(parts) = self else { return Self::Whole };
        if let Some(known) = done.get(&Arc::as_ptr(parts)) {
            return known.clone();
        }
        let mut of = |reads: &Self| reads.keyed_by(keys, done);
        let (elements, mut others) = (parts.elements.as_ref().map(&mut of), parts.others.as_ref().map(&mut of));
        let mut fields: Vec<Field> = parts.fields.iter().map(|(name, reads)| (name.clone(), of(reads))).collect();
        match (&parts.keyed, keys.names()) {
            (None, _) => {}
            (Some(keyed), Some(names)) => {
                for (name, reads) in names.iter().filter_map(|name| Some((name, of(keyed.field(name)?)))) {
                    match fields.binary_search_by(|(known, _)| (**known).cmp(name)) {
                        Ok(at) => fields[at].1 = reads,
                        Err(at) => fields.insert(at, (name.as_str().into(), reads)),
                    }
                }
            }
            (Some(keyed), None) => match of(keyed) {
                Self::Parts(keyed) => (fields, others) = (keyed.fields.clone(), keyed.others.clone()),
                Self::Whole => others = Some(Self::Whole),
            },
        }
        let with_keys = Parts { shape: parts.shape, truth: parts.truth, fields, elements, others, keyed: None };
        let with_keys = Self::Parts(Arc::new(with_keys));
        done.insert(Arc::as_ptr(parts), with_keys.clone());
        with_keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Keys {
        let mut keys = Keys::default();
        names.iter().for_each(|name| keys.add(name.as_bytes()));
        keys
    }

    #[test]
    fn only_fields_that_are_named_by_a_key_count() {
        let kind = Reads::Parts(Arc::default());
        let named = ("a".into(), kind.clone());
        let merged = Parts { fields: vec![("a".into(), Reads::Whole)], others: Some(kind), ..Parts::default() };
        let keyed = Some(Reads::Parts(Arc::new(merged)));
        let reads = Reads::Parts(Arc::new(Parts { fields: vec![named], keyed, ..Parts::default() }));
        let none = reads.with_keys(&keys(&[]));
        assert!(none.field("b").is_none() && none.field("a") != Some(&Reads::Whole));
        let some = reads.with_keys(&keys(&["b", "a"]));
        assert_eq!(some.field("a"), Some(&Reads::Whole));
        assert!(some.field("b").is_some() && some.field("c").is_none());
        let any = reads.with_keys(&Keys::any());
        assert!(any.field("a") == Some(&Reads::Whole) && any.field("c").is_some());
    }

    #[test]
    fn very_many_keys_are_any() {
        let names: Vec<String> = (0..=MOST).map(|n| n.to_string()).collect();
        let mut many = Keys::default();
        names.iter().take(MOST).for_each(|name| many.add(name.as_bytes()));
        assert_eq!(many.names().map(BTreeSet::len), Some(MOST));
        many.add(names[MOST].as_bytes());
        assert_eq!(many, Keys::any());
    }
}
