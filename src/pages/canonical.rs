//! The arguments of a page, fed into SHA-256 in a form that is the same for the same content: maps in the order of their
//! keys, every value behind its type, no value's form the start of another's. It does not know templates; it is told
//! which parts of the arguments count.

mod fields;
mod serializer;
mod stream;
mod value;

use std::{
    cell::Cell,
    fmt::Display,
    sync::{Arc, OnceLock},
};

use minijinja::value::{Serde, Value, ValueKind};
use serde::ser::{self, Serialize, Serializer};

pub(crate) use self::{fields::hash_reads, stream::Stream};
use self::{
    serializer::Hasher,
    value::{hash_parts_of, is_plain, is_unordered},
};
use super::{
    explain,
    reads::{Keys, Parts, Reads},
    shallow::Shallow,
};
use crate::fields::digest::PartDigest;

/// Feeds those parts of `arguments` that are `read` into `hash`, or says why that can't be done
/// without rendering: an object of the site's own that only shows what it is when a template asks it.
pub(crate) fn hash_arguments<T: Serialize>(hash: &mut Stream, arguments: &T, reads: &Reads) -> Result<(), Untaggable> {
    let outcome = Cell::new(Ok(()));
    let probe = Probe { arguments, reads, hash: Cell::new(Some(hash)), outcome: &outcome };
    // The engine marks its own serialization, and only within it does a `Value` among the arguments give itself up
    // whole, with its being safe or not, instead of a plain string.
    let _ = Value::from(Serde(&probe));
    outcome.into_inner()
}

/// The texts among those parts of `arguments` that are `read`.
pub(crate) fn keys<T: Serialize>(arguments: &T, reads: &Reads) -> Keys {
    let mut texts = Stream::of_keys();
    // What has no canonical form has none for the tag either.
    hash_arguments(&mut texts, arguments, reads).map_or_else(|_| Keys::any(), |()| texts.into_keys())
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
        ValueKind::Map if is_plain(value) || is_unordered(value) => {
            let field = |key: Value| {
                let reads = reads.field(key.as_str().unwrap_or_default())?;
                Some((field_path(&path, &key), value.get_item(&key).ok()?, reads))
            };
            value.try_iter().into_iter().flatten().filter_map(field).collect()
        }
        _ => Vec::new(),
    };
    // What has parts stands for its shape here, what has none for its value.
    let shape =
        Reads::Parts(Arc::new(Parts { shape: reads.has_shape(), truth: reads.has_truth(), ..Parts::default() }));
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

/// How deep values may lie within one another for a tag; a page of deeper ones is rendered to know its tag.
const LEVELS: usize = 128;

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

#[inline]
fn hash_float(hash: &mut Stream, number: f64) {
    hash.update([FLOAT]);
    hash.update(number.to_bits().to_le_bytes());
}

#[inline]
fn hash_bytes(hash: &mut Stream, kind: u8, bytes: &[u8]) {
    feed_short(hash, kind, bytes.len() as u64);
    hash.update(bytes);
    hash.text(bytes);
}

/// The same for a text of which this is read: its characters are parts of it.
#[inline]
fn hash_text(hash: &mut Stream, kind: u8, text: &str, reads: &Reads) {
    if hash.gives_keys() && *reads != Reads::Whole {
        hash.divided_text();
    }
    hash_bytes(hash, kind, text.as_bytes());
}

/// A kind and a number of seven bits a byte, the last one without its high bit set: no form is the start of another.
#[inline]
fn feed_short(hash: &mut Stream, kind: u8, number: u64) {
    match number {
        0..0x80 => hash.update([kind, number as u8]),
        _ => feed_long(hash, kind, number.into()),
    }
}

/// The same for any number, in the same form.
fn feed_long(hash: &mut Stream, kind: u8, mut number: u128) {
    let mut form = [kind; 1 + 19];
    let mut length = 1;
    while number >= 0x80 {
        form[length] = number as u8 | 0x80;
        number >>= 7;
        length += 1;
    }
    form[length] = number as u8;
    hash.update(&form[..=length]);
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

pub(crate) fn digest(feed: impl FnOnce(&mut Stream) -> Result<(), Untaggable>) -> Result<PartDigest, Untaggable> {
    let mut hash = Stream::new();
    feed(&mut hash)?;
    Ok(PartDigest::new(hash.finalize()))
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
/// Of the first field that counts; the others follow it.
const FIELD: u8 = 0x80;

// The sorts of sequences, which print differently.
const LIST_VALUE: u8 = 0;
const TUPLE_VALUE: u8 = 1;
const SEQ: u8 = 2;
const TUPLE: u8 = 3;
const TUPLE_STRUCT: u8 = 4;

/// Ends a map: it may count whether there was anything in it.
fn hash_end(hash: &mut Stream, reads: &Reads, has_any: impl FnOnce() -> bool) {
    hash.update([END]);
    if reads.has_truth() {
        hash.update([has_any().into()]);
    }
}

/// A sequence while it is fed: what counts of each element, and whether their number does.
struct Listing<'a> {
    each: Option<&'a Reads>,
    shape: bool,
    truth: bool,
    length: u64,
}

impl<'a> Listing<'a> {
    fn begin(hash: &mut Stream, sort: u8, reads: &'a Reads) -> Self {
        hash.update([SEQUENCE, sort]);
        Self { each: reads.each(), shape: reads.has_shape(), truth: reads.has_truth(), length: 0 }
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
            None if self.truth => hash.update([END, u8::from(self.length > 0)]),
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
            let outcome = Hasher::feed(hash, self.arguments, self.reads, LEVELS);
            let passed_over = || Untaggable("a value was left out for an error".into());
            self.outcome.set(outcome.and_then(|()| if hash.is_spoilt() { Err(passed_over()) } else { Ok(()) }));
        }
        serializer.serialize_unit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::reads::Field;
    use minijinja::context;
    use proptest::{prelude::*, sample::select};
    use serde::ser::SerializeSeq;
    use serde_json::{Value as Json, json};
    use std::{
        collections::{BTreeMap, HashMap},
        ops::Range,
    };

    fn hashed<T: Serialize>(arguments: &T) -> Result<PartDigest, Untaggable> {
        digest(|hash| hash_arguments(hash, arguments, &Reads::Whole))
    }

    fn of<T: Serialize>(arguments: &T) -> PartDigest {
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
    fn the_order_of_a_map_does_not_count_where_it_does_not_show() {
        let (mut a, mut b) = (HashMap::new(), HashMap::with_capacity(1000));
        (0..100).for_each(|n| _ = a.insert(n.to_string(), n));
        (0..100).rev().for_each(|n| _ = b.insert(n.to_string(), n));
        let fields = |names: Range<usize>| {
            let mut fields: Vec<Field> = names.map(|name| (name.to_string().into(), Reads::Whole)).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Reads::Parts(Arc::new(Parts { fields, ..Parts::default() }))
        };
        let whole = (!engine_keeps_order()).then_some(Reads::Whole);
        for reads in [fields(3..5), fields(0..200)].into_iter().chain(whole) {
            let of = |map: &HashMap<String, usize>| digest(|hash| hash_arguments(hash, map, &reads)).unwrap();
            assert_eq!(of(&a), of(&b));
            let mut other = a.clone();
            other.insert("4".into(), 5);
            assert_ne!(of(&a), of(&other));
        }
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

    /// In the orders of keys that serializers have, and in that of the engine.
    #[test]
    fn maps_have_one_form_serialized_and_as_values() {
        let long = "long ".repeat(300);
        let numbers: HashMap<i128, &str> =
            [-3, 7, 128, -128, 5, i128::from(u64::MAX) + 1].map(|n| (n, "n")).into_iter().collect();
        let texts = json!({ "a": 1, "ab": { "y": -1, "x": long }, "b": null, "aa": 2.5 });
        let of = |value: &Value| digest(|hash| hash_value(hash, value)).unwrap();
        if !engine_keeps_order() {
            assert_eq!(hashed(&numbers), Ok(of(&Value::from(Serde(&numbers)))));
            let large = HashMap::from([(u128::MAX, 1), (1, 2), (u128::MAX - 1, 3)]);
            assert_eq!(hashed(&large), Ok(of(&Value::from(Serde(&large)))));
        }
        assert_eq!(hashed(&texts), Ok(of(&Value::from(Serde(&texts)))));
    }

    #[test]
    fn the_order_of_a_context_counts_where_it_shows() {
        assert_ne!(of(&context! { a => 1, b => 2 }), of(&context! { b => 2, a => 1 }));
        let reads = Reads::Parts(Arc::new(Parts { fields: vec![("a".into(), Reads::Whole)], ..Parts::default() }));
        let of = |value: &Value| digest(|hash| hash_arguments(hash, value, &reads)).unwrap();
        assert_eq!(of(&context! { a => 1, b => 2 }), of(&context! { b => 2, a => 1 }));
    }

    /// Some serializers pass over what fails.
    #[test]
    fn what_is_left_out_for_an_error_has_no_form() {
        struct Lenient(Value);

        impl Serialize for Lenient {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(None)?;
                let _ = list.serialize_element(&self.0);
                list.end()
            }
        }

        assert!(hashed(&Lenient(Value::from(1))).is_ok());
        assert!(hashed(&Lenient(Value::from_object(Clock))).is_err());
        let within = |value: Value| Lenient(context! { a => "a".repeat(2000), b => context! { c => 1, d => value } });
        let map = |value: Value| [("b", 1), ("a", 2)].map(|(name, _)| (name, within(value.clone()))).into_iter();
        assert!(hashed(&map(Value::from(1)).collect::<HashMap<_, _>>()).is_ok());
        let clock = Value::from_object(Clock);
        assert!(hashed(&map(clock.clone()).collect::<HashMap<_, _>>()).is_err());
        assert!(hashed(&vec![HashMap::from([(2, within(clock.clone())), (1, within(clock))])]).is_err());
    }

    fn reads() -> impl Strategy<Value = Reads> {
        let none = Reads::Parts(Arc::default());
        prop_oneof![Just(Reads::Whole), Just(none)].prop_recursive(3, 12, 3, |inner| {
            let fields = prop::collection::btree_map(select(vec!["a", "ab", "b"]), inner.clone(), 0..3);
            let (elements, others) = (prop::option::of(inner.clone()), prop::option::of(inner));
            (any::<[bool; 2]>(), fields, elements, others).prop_map(|([shape, truth], fields, elements, others)| {
                let fields = fields.into_iter().map(|(name, reads)| (name.into(), reads)).collect();
                let shape = shape || elements.is_some();
                Reads::Parts(Arc::new(Parts { shape, truth, fields, elements, others, keyed: None }))
            })
        })
    }

    fn json() -> impl Strategy<Value = Json> {
        let long = "x".repeat(1100);
        let leaf = select(vec![json!(null), json!(0), json!(0.0), json!(""), json!("ab"), json!(long), json!(300)]);
        leaf.prop_recursive(4, 16, 3, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from);
            let map = prop::collection::btree_map(select(vec!["a", "ab", "b", "c"]), inner, 0..3);
            prop_oneof![list, map.prop_map(|map| json!(map))]
        })
    }

    /// What counts of a value, told by the rules and not by how it is fed.
    fn shown(value: &Json, reads: &Reads) -> Json {
        match value {
            Json::Array(items) => match reads.each() {
                Some(each) => items.iter().map(|item| shown(item, each)).collect(),
                None if reads.has_truth() => json!({ "any": !items.is_empty() }),
                None => json!({ "length": if reads.has_shape() { items.len() } else { 0 } }),
            },
            Json::Object(map) => {
                let field = |(name, value): (&String, &Json)| match reads.field(name) {
                    Some(reads) => Some((name.clone(), json!([shown(value, reads)]))),
                    None => reads.has_shape().then(|| (name.clone(), json!([]))),
                };
                let fields = map.iter().filter_map(field).collect::<serde_json::Map<_, _>>();
                json!([fields, reads.has_truth() && !map.is_empty()])
            }
            scalar => scalar.clone(),
        }
    }

    /// A value in every order of its entries that there is.
    enum Unordered {
        Map(HashMap<String, Self>),
        List(Vec<Self>),
        Scalar(Json),
    }

    impl From<&Json> for Unordered {
        fn from(value: &Json) -> Self {
            match value {
                Json::Object(map) => Self::Map(map.iter().map(|(key, value)| (key.clone(), value.into())).collect()),
                Json::Array(items) => Self::List(items.iter().map(Self::from).collect()),
                scalar => Self::Scalar(scalar.clone()),
            }
        }
    }

    impl Serialize for Unordered {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Map(map) => map.serialize(serializer),
                Self::List(items) => items.serialize(serializer),
                Self::Scalar(scalar) => scalar.serialize(serializer),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Different contents never have the same canonical form.
        #[test]
        fn what_counts_decides_the_form(one in json(), other in json(), reads in reads()) {
            let serialized = |value: &Json| digest(|hash| hash_arguments(hash, value, &reads)).unwrap();
            let as_value = |value: &Json| digest(|hash| hash_arguments(hash, &Value::from(Serde(value)), &reads)).unwrap();
            let is_same = shown(&one, &reads) == shown(&other, &reads);
            prop_assert_eq!(serialized(&one) == serialized(&other), is_same);
            prop_assert_eq!(as_value(&one) == as_value(&other), is_same);
            if !engine_keeps_order() {
                let unordered = digest(|hash| hash_arguments(hash, &Unordered::from(&one), &reads)).unwrap();
                prop_assert_eq!(unordered, serialized(&one));
            }
        }
    }

    #[derive(Debug)]
    struct Clock;

    impl minijinja::value::Object for Clock {
        fn render(self: &std::sync::Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("now")
        }
    }
}
