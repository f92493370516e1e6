//! JSON from outside, one field at a time: what is odd in one spoils no other. It knows no event.
//!
//! Missing and `null` mean the same. Of two fields with one name the last counts, as with most readers (RFC 8259 §4).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, value::RawValue};

/// The fields of an object, none of them read yet.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(Cow<'a, [u8]>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// `None` where it is no object.
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let (_, value) = self.0.iter().rev().find(|(known, _)| **known == *name.as_bytes())?;
        Some(*value).filter(|value| value.get() != "null")
    }

    /// A field that is an object itself.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        Self::parse(self.get(name)?.get())
    }

    /// A field that is a text.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(text)
    }

    /// All fields whose names are text.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, *value)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A value that is a text. One with half of a surrogate pair (`\ud800`, RFC 8259 §8.2) is none.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    // Most texts have no escapes, and are borrowed.
    let borrowed = serde_json::from_str(raw.get()).map(Cow::Borrowed);
    borrowed.or_else(|_| serde_json::from_str(raw.get()).map(Cow::Owned)).ok()
}

/// What can be read of a value, without nulls and without what lies deeper than any event.
pub(crate) fn readable(raw: &RawValue) -> Value {
    readable_within(raw, DEEPEST)
}

const DEEPEST: usize = 32;

fn readable_within(raw: &RawValue, levels: usize) -> Value {
    let inner = |raw: &RawValue| Some(readable_within(raw, levels.checked_sub(1)?)).filter(|value| !value.is_null());
    if let Some(object) = Object::parse(raw.get()) {
        let fields = object.fields().filter_map(|(name, raw)| Some((name.to_owned(), inner(raw)?)));
        return fields.collect::<Map<_, _>>().into();
    }
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) {
        return list.into_iter().filter_map(inner).collect();
    }
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// A name as its bytes, since it may be no text either.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_odd_field_spoils_no_other() {
        let json = r#"{"\ud800":1,"a":"\ud800","\u0062":"B","c":null,"d":{"e":"E"},"f":[],"b\ud800":2,"g":1,"g":"G"}"#;
        let object = Object::parse(json).expect("an object");
        assert_eq!(object.text("b").as_deref(), Some("B"));
        assert_eq!(object.text("g").as_deref(), Some("G"));
        assert_eq!(object.object("d").expect("one").text("e").as_deref(), Some("E"));
        for (name, is_there) in [("a", true), ("c", false), ("d", true), ("f", true), ("h", false), ("", false)] {
            assert_eq!((object.text(name), object.get(name).is_some()), (None, is_there), "{name}");
        }
        assert!(object.object("f").is_none());
        assert_eq!(object.fields().count(), 7);
        for none in ["", "null", "[]", "7", "\"x\"", "{", "{\"a\":}", "{}x"] {
            assert!(Object::parse(none).is_none(), "{none}");
        }
    }

    #[test]
    fn of_a_value_what_can_be_read_is() {
        let json = r#"{"a":[1,null,"\ud800",{"b":null,"c":"C","\udc00":1}],"d":"\ud800","e":-1.5,"f":true}"#;
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        assert_eq!(readable(raw), json!({ "a": [1, { "c": "C" }], "e": -1.5, "f": true }));
        let deep = format!("{{\"a\":1,\"b\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let raw: &RawValue = serde_json::from_str(&deep).expect("JSON");
        assert_eq!(readable(raw)["a"], 1);
    }
}
