//! The arguments of a page, fed into SHA-256 in a form that is the same for the same content: maps in the order of their
//! keys, every value behind its type, no value's form the start of another's. It does not know templates; it is told
//! which parts of the arguments count.

mod serializer;
mod stream;

use std::{
    cell::Cell,
    fmt::Display,
    sync::{Arc, OnceLock},
};

use minijinja::value::{Serde, Tuple, Value, ValueKind};
use serde::ser::{self, Serialize, Serializer};

use self::serializer::Hasher;
pub(crate) use self::stream::Stream;
use super::{
    explain,
    reads::{Parts, Reads},
    shallow::{Shallow, TOO_DEEP},
};

/// Feeds those parts of `arguments` that are `read` into `hash`, or says why that can't be done
/// without rendering: an object of the site's own that only shows what it is when a template asks it.
pub(crate) fn hash_arguments<T: Serialize>(hash: &mut Stream, arguments: &T, reads: &Reads) -> Result<(), Untaggable> {
    let (outcome, is_too_deep) = (Cell::new(Ok(())), Cell::new(false));
    let arguments = &Shallow::new(arguments, LEVELS, &is_too_deep);
    let probe = Probe { arguments, reads, hash: Cell::new(Some(hash)), outcome: &outcome };
    // The engine marks its own serialization, and only within it does a `Value` among the arguments give itself up
    // whole, with its being safe or not, instead of a plain string.
    let _ = Value::from(Serde(&probe));
    outcome.into_inner()
}

/// Those parts of `arguments` that are `read`, each by its path from `root` (`args.posts[3].title`), for a person to
/// compare.
pub(crate) fn leaves(root: &str, arguments: &impl Serialize, reads: &Reads) -> explain::Parts {
    let mut leaves = explain::Parts::new();
    let is_too_deep = Cell::new(false);
    let arguments = Value::from(Serde(Shallow::new(arguments, LEVELS, &is_too_deep)));
    collect_leaves(root.into(), &arguments, reads, LEVELS, &mut leaves);
    leaves
}

fn collect_leaves(path: String, value: &Value, reads: &Reads, levels: usize, leaves: &mut explain::Parts) {
    let Some(levels) = levels.checked_sub(1) else { return };
    let children: Vec<(String, Value, &Reads)> = match value.kind() {
        ValueKind::Seq if is_plain(value) => {
            let items = value.try_iter().into_iter().flatten().enumerate();
            items.filter_map(|(at, item)| Some((format!("{path}[{at}]"), item, reads.each()?))).collect()
        }
        ValueKind::Map if is_plain(value) => {
            let field = |key: Value| {
                let reads = reads.field(key.as_str().unwrap_or_default())?;
                Some((field_path(&path, &key), value.get_item(&key).ok()?, reads))
            };
            value.try_iter().into_iter().flatten().filter_map(field).collect()
        }
        _ => Vec::new(),
    };
    // What has parts stands for its shape here, what has none for its value.
    let shape = Reads::Parts(Arc::new(Parts { shape: reads.has_shape(), ..Parts::default() }));
    leaves.insert(path, digest(|hash| hash_parts_of(hash, value, &shape, LEVELS)).ok());
    children.into_iter().for_each(|(path, value, reads)| collect_leaves(path, &value, reads, levels, leaves));
}

/// A key that could be taken for a path is quoted.
fn field_path(path: &str, key: &Value) -> String {
    match key.as_str() {
        Some(name) if !name.contains(['.', '[', ']', '"']) => format!("{path}.{name}"),
        _ => format!("{path}[{key:?}]"),
    }
}

/// Feeds one value of the engine, such as a global.
pub(crate) fn hash_value(hash: &mut Stream, value: &Value) -> Result<(), Untaggable> {
    hash_parts_of(hash, value, &Reads::Whole, LEVELS)
}

/// How deep values may lie within one another for a tag; a page of deeper ones is rendered to know its tag. The hash of a
/// level takes kilobytes of stack.
const LEVELS: usize = 128;

fn hash_parts_of(hash: &mut Stream, value: &Value, reads: &Reads, levels: usize) -> Result<(), Untaggable> {
    let levels = levels.checked_sub(1).ok_or_else(|| Untaggable(TOO_DEEP.into()))?;
    match value.kind() {
        ValueKind::Undefined => hash.update([UNDEFINED]),
        ValueKind::None => hash.update([NONE]),
        ValueKind::Bool => hash.update([BOOL, value.is_true().into()]),
        ValueKind::Number => return hash_number(hash, value),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            hash_bytes(hash, if value.is_safe() { SAFE_TEXT } else { TEXT }, text.as_bytes());
        }
        ValueKind::Bytes => hash_bytes(hash, BYTES, value.as_bytes().unwrap_or_default()),
        ValueKind::Seq if is_plain(value) => {
            let sort = if value.downcast_object_ref::<Tuple>().is_some() { TUPLE_VALUE } else { LIST_VALUE };
            let mut list = Listing::begin(hash, sort, reads);
            for item in value.try_iter().map_err(Untaggable::because)? {
                list.element(hash, |hash, reads| hash_parts_of(hash, &item, reads, levels))?;
            }
            list.end(hash);
        }
        ValueKind::Map if is_plain(value) => {
            let mut entries = Vec::new();
            for key in value.try_iter().map_err(Untaggable::because)? {
                let item = value.get_item(&key).map_err(Untaggable::because)?;
                entries.extend(entry(&key, reads, |hash, reads| hash_parts_of(hash, &item, reads, levels))?);
            }
            hash_entries(hash, entries);
        }
        _ => return Err(Untaggable(format!("an object ({}) shows what it is only when it is rendered", value.kind()))),
    }
    Ok(())
}

/// Why arguments have no canonical form.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Untaggable(pub(crate) String);

impl Untaggable {
    fn because(reason: impl Display) -> Self {
        Self(reason.to_string())
    }
}

impl Display for Untaggable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Untaggable {}

impl ser::Error for Untaggable {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Whether an object is one of the engine's own maps and lists, which are nothing but their entries. Others may render
/// themselves as they like, be called, or give way when they are iterated; a hash map has no order of its own.
fn is_plain(value: &Value) -> bool {
    let name = value.as_object().map_or("", |object| object.type_name());
    PLAIN.iter().any(|plain| name.starts_with(plain))
}

const PLAIN: [&str; 4] = [
    "alloc::vec::Vec<",
    "alloc::collections::btree::map::BTreeMap<",
    "minijinja::value::StaticKeyMap",
    "minijinja::value::tuple::Tuple",
];

fn hash_number(hash: &mut Stream, value: &Value) -> Result<(), Untaggable> {
    if !value.is_integer() {
        hash_float(hash, f64::try_from(value.clone()).map_err(Untaggable::because)?);
    } else if let Ok(number) = i128::try_from(value.clone()) {
        hash_integer(hash, number);
    } else {
        hash_large(hash, u128::try_from(value.clone()).map_err(Untaggable::because)?);
    }
    Ok(())
}

fn hash_integer(hash: &mut Stream, number: i128) {
    // Small numbers are the rule: the sign goes to the lowest bit, so that they stay short.
    let zigzag = ((number << 1) ^ (number >> 127)) as u128;
    match u64::try_from(zigzag) {
        Ok(short) => feed_short(hash, INTEGER, short),
        Err(_) => feed_long(hash, INTEGER, zigzag),
    }
}

fn hash_large(hash: &mut Stream, number: u128) {
    match i128::try_from(number) {
        Ok(number) => hash_integer(hash, number),
        Err(_) => feed_long(hash, LARGE, number),
    }
}

fn hash_float(hash: &mut Stream, number: f64) {
    let mut form = [FLOAT; 9];
    form[1..].copy_from_slice(&number.to_bits().to_le_bytes());
    hash.update(form);
}

fn hash_bytes(hash: &mut Stream, kind: u8, bytes: &[u8]) {
    feed_short(hash, kind, bytes.len() as u64);
    hash.update(bytes);
}

/// A kind and a number of seven bits a byte, the last one without its high bit set: no form is the start of another.
fn feed_short(hash: &mut Stream, kind: u8, mut number: u64) {
    let mut form = [kind; 1 + 10];
    let mut length = 1;
    while number >= 0x80 {
        form[length] = number as u8 | 0x80;
        number >>= 7;
        length += 1;
    }
    form[length] = number as u8;
    hash.update(&form[..=length]);
}

/// The same for a number beyond 64 bits, in the same form.
fn feed_long(hash: &mut Stream, kind: u8, mut number: u128) {
    let mut form = vec![kind];
    while number >= 0x80 {
        form.push(number as u8 | 0x80);
        number >>= 7;
    }
    form.push(number as u8);
    hash.update(form);
}

/// Entries by key, whatever order they came in; of a repeated key the order is kept, as the last one counts.
fn hash_entries(hash: &mut Stream, mut entries: Vec<Entry>) {
    if !engine_keeps_order() {
        entries.sort_by_key(|(key, _)| *key);
    }
    hash.update([MAP]);
    hash.update((entries.len() as u64).to_le_bytes());
    for (key, value) in entries {
        hash.update(key);
        hash.update(value);
    }
}

/// Whether the engine was built to iterate maps in the order that they came in (its feature `preserve_order`, which any
/// crate of the build can switch on): then the order shows.
fn engine_keeps_order() -> bool {
    struct TwoKeys;

    impl Serialize for TwoKeys {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([("b", 0), ("a", 0)])
        }
    }

    static KEEPS: OnceLock<bool> = OnceLock::new();
    *KEEPS.get_or_init(|| {
        let first = Value::from(Serde(TwoKeys)).try_iter().ok().and_then(|mut keys| keys.next());
        first.is_some_and(|key| key.as_str() == Some("b"))
    })
}

pub(crate) fn digest(feed: impl FnOnce(&mut Stream) -> Result<(), Untaggable>) -> Result<[u8; 32], Untaggable> {
    let mut hash = Stream::new();
    feed(&mut hash)?;
    Ok(hash.finalize())
}

// What stands before each value. A change of these, or of anything that is fed, must come with a new `VERSION` of tags.
const UNDEFINED: u8 = 0;
const NONE: u8 = 1;
const BOOL: u8 = 2;
const INTEGER: u8 = 3;
const LARGE: u8 = 4;
const FLOAT: u8 = 5;
const TEXT: u8 = 6;
const SAFE_TEXT: u8 = 7;
const BYTES: u8 = 8;
const SEQUENCE: u8 = 9;
const MAP: u8 = 10;
const STRUCT: u8 = 11;
const VARIANT: u8 = 12;
const UNREAD: u8 = 13;
const END: u8 = 14;

// The sorts of sequences, which print differently.
const LIST_VALUE: u8 = 0;
const TUPLE_VALUE: u8 = 1;
const SEQ: u8 = 2;
const TUPLE: u8 = 3;
const TUPLE_STRUCT: u8 = 4;

/// The digests of a key and of what counts of its value.
type Entry = ([u8; 32], [u8; 32]);

type Feed<'a> = &'a mut dyn FnMut(&mut Stream, &Reads) -> Result<(), Untaggable>;

/// An entry of a map: its key and what counts of its value; the key alone where only the map's shape counts.
fn entry(
    key: &Value,
    reads: &Reads,
    mut value: impl FnMut(&mut Stream, &Reads) -> Result<(), Untaggable>,
) -> Result<Option<Entry>, Untaggable> {
    let value: Feed<'_> = &mut value;
    let value = match reads.field(key.as_str().unwrap_or_default()) {
        Some(reads) => digest(|hash| value(hash, reads))?,
        None if reads.has_shape() => [0; 32],
        None => return Ok(None),
    };
    Ok(Some((digest(|hash| hash_value(hash, key))?, value)))
}

/// A sequence while it is fed: what counts of each element, and whether their number does.
struct Listing<'a> {
    each: Option<&'a Reads>,
    shape: bool,
    length: u64,
}

impl<'a> Listing<'a> {
    fn begin(hash: &mut Stream, sort: u8, reads: &'a Reads) -> Self {
        hash.update([SEQUENCE, sort]);
        Self { each: reads.each(), shape: reads.has_shape(), length: 0 }
    }

    fn element(
        &mut self,
        hash: &mut Stream,
        feed: impl FnOnce(&mut Stream, &Reads) -> Result<(), Untaggable>,
    ) -> Result<(), Untaggable> {
        self.length += 1;
        self.each.map_or(Ok(()), |reads| feed(hash, reads))
    }

    fn end(self, hash: &mut Stream) {
        match self.each {
            Some(_) => hash.update([END]),
            None if self.shape => feed_short(hash, END, self.length),
            None => {}
        }
    }
}

/// Serializes to nothing for the engine, and on the way to the hash.
struct Probe<'a, T> {
    arguments: &'a T,
    reads: &'a Reads,
    hash: Cell<Option<&'a mut Stream>>,
    outcome: &'a Cell<Result<(), Untaggable>>,
}

impl<T: Serialize> Serialize for Probe<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(hash) = self.hash.take() {
            self.outcome.set(self.arguments.serialize(Hasher { hash, reads: self.reads }));
        }
        serializer.serialize_unit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;
    use std::collections::{BTreeMap, HashMap};

    fn hashed<T: Serialize>(arguments: &T) -> Result<[u8; 32], Untaggable> {
        digest(|hash| hash_arguments(hash, arguments, &Reads::Whole))
    }

    fn of<T: Serialize>(arguments: &T) -> [u8; 32] {
        hashed(arguments).unwrap()
    }

    #[test]
    fn what_renders_differently_hashes_differently() {
        let forms = [
            of(&()),
            of(&0),
            of(&0.0),
            of(&-0.0),
            of(&false),
            of(&""),
            of(&"0"),
            of(&'a'),
            of(&["a", "b"]),
            of(&vec!["a", "b"]),
            of(&vec!["ab"]),
            of(&vec!["a".to_owned(), String::new(), "b".to_owned()]),
            of(&vec![vec!["a"], vec!["b"]]),
            of(&u128::MAX),
            of(&i128::MAX),
            of(&f64::NAN),
            of(&Value::UNDEFINED),
            of(&Value::from_safe_string("a".into())),
            of(&Value::from("a".to_owned() + "\u{0}")),
            of(&Value::from(vec![1, 2])),
            of(&BTreeMap::from([("a", 1)])),
            of(&BTreeMap::from([("a", 2)])),
            of(&BTreeMap::from([("b", 1)])),
        ];
        for (at, form) in forms.iter().enumerate() {
            assert_eq!(forms.iter().position(|other| other == form), Some(at));
        }
    }

    #[test]
    fn a_safe_string_inside_serializable_arguments_differs_from_a_plain_one() {
        let page = |value: Value| BTreeMap::from([("body", vec![value])]);
        assert_ne!(of(&page(Value::from("<b>"))), of(&page(Value::from_safe_string("<b>".into()))));
        assert_eq!(of(&page(Value::from("<b>"))), of(&page(Value::from("<b>"))));
    }

    #[test]
    fn the_order_of_a_map_does_not_count() {
        let (mut a, mut b) = (HashMap::new(), HashMap::with_capacity(1000));
        (0..100).for_each(|n| _ = a.insert(n.to_string(), n));
        (0..100).rev().for_each(|n| _ = b.insert(n.to_string(), n));
        assert_eq!(of(&a), of(&b));
    }

    #[test]
    fn only_what_is_read_counts() {
        let reads = Reads::Parts(Arc::new(Parts { fields: vec![("a".into(), Reads::Whole)], ..Parts::default() }));
        let of = |value: &Value| digest(|hash| hash_arguments(hash, value, &reads)).unwrap();
        assert_eq!(of(&context! { a => 1, b => 2 }), of(&context! { a => 1, b => 3 }));
        assert_ne!(of(&context! { a => 1, b => 2 }), of(&context! { a => 2, b => 2 }));
        let of = |value: &BTreeMap<&str, i32>| digest(|hash| hash_arguments(hash, value, &reads)).unwrap();
        assert_eq!(of(&BTreeMap::from([("a", 1), ("b", 2)])), of(&BTreeMap::from([("a", 1)])));
    }

    #[test]
    fn an_object_of_the_sites_own_has_no_form() {
        assert!(hashed(&context! { items => Value::make_one_shot_iterator(0..3) }).is_err());
        assert!(hashed(&context! { items => Value::from_object(Clock) }).is_err());
    }

    #[derive(Debug)]
    struct Clock;

    impl minijinja::value::Object for Clock {
        fn render(self: &std::sync::Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("now")
        }
    }
}
