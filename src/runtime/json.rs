//! The fields of an event that shape a request. What is there and can't be read is a [`BadRequest`] and never taken for
//! missing: a path with half of a surrogate pair (`\ud800`, RFC 8259 §8.2) would else be another path. It knows no event.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::uri::BadRequest;
use crate::json;

/// A text; `reason` is why the request is bad where it is none.
pub(crate) fn text<'a>(raw: Option<&'a RawValue>, reason: &'static str) -> Result<Option<Cow<'a, str>>, BadRequest> {
    raw.map(|raw| json::text(raw).ok_or(BadRequest(reason))).transpose()
}

/// `true` or `false`, which is meant where nothing is said.
pub(crate) fn flag(raw: Option<&RawValue>, reason: &'static str) -> Result<bool, BadRequest> {
    match raw.map(RawValue::get) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(BadRequest(reason)),
    }
}

/// Names with one value or several, in the order of the event; nulls are left out.
pub(crate) fn pairs(raw: Option<&RawValue>, reason: &'static str) -> Result<Vec<(String, Vec<String>)>, BadRequest> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let pairs: Option<Pairs> = serde_json::from_str(raw.get()).map_err(|_| BadRequest(reason))?;
    Ok(pairs.map(|pairs| pairs.0).unwrap_or_default())
}

struct Pairs(Vec<(String, Vec<String>)>);

/// A value, several, or null.
struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a list of strings, or null")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![value.to_owned()]))
            }

            fn visit_unit<E: de::Error>(self) -> Result<OneOrMany, E> {
                Ok(OneOrMany(Vec::new()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element::<Option<String>>()? {
                    values.extend(value);
                }
                Ok(OneOrMany(values))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings or lists of strings")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((name, OneOrMany(values))) = map.next_entry::<String, OneOrMany>()? {
                    pairs.push((name, values));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_read_is_never_taken_for_missing() {
        for (json, expected) in [
            (r#""""#, Ok(Some(""))),
            (r#""a""#, Ok(Some("a"))),
            (r#""\u00e9\ud83d\ude00""#, Ok(Some("é😀"))),
            (r#""\ud800""#, Err(BadRequest("odd"))),
            (r#""a\udc00b""#, Err(BadRequest("odd"))),
            (r#""\ud800\ud800""#, Err(BadRequest("odd"))),
            ("7", Err(BadRequest("odd"))),
            ("[]", Err(BadRequest("odd"))),
            ("false", Err(BadRequest("odd"))),
        ] {
            let raw: &RawValue = serde_json::from_str(json).expect("JSON");
            assert_eq!(
                text(Some(raw), "odd").map(|text| text.as_deref().map(str::to_owned)),
                expected.map(|text: Option<&str>| text.map(str::to_owned)),
                "{json}"
            );
        }
        assert_eq!(text(None, "odd"), Ok(None));
    }
}
