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

/// A name with one of its values.
pub(crate) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Names with one value or several, in the order of the event; nulls are left out.
pub(crate) fn pairs<'a>(raw: Option<&'a RawValue>, reason: &'static str) -> Result<Vec<Pair<'a>>, BadRequest> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let pairs: Option<Pairs<'_>> = serde_json::from_str(raw.get()).map_err(|_| BadRequest(reason))?;
    Ok(pairs.map(|pairs| pairs.0).unwrap_or_default())
}

struct Pairs<'a>(Vec<Pair<'a>>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings or lists of strings")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::with_capacity(20);
                while let Some(Text(name)) = map.next_key()? {
                    map.next_value_seed(Values { name, pairs: &mut pairs })?;
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}

/// Borrowed, as most texts have no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the value of a name, several, or null.
struct Values<'a, 'de> {
    name: Cow<'de, str>,
    pairs: &'a mut Vec<Pair<'de>>,
}

impl<'de> de::DeserializeSeed<'de> for Values<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Values<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a list of strings, or null")
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<(), E> {
        self.pairs.push((self.name, value.into()));
        Ok(())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.pairs.push((self.name, value.to_owned().into()));
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Option<Text<'de>>>()? {
            self.pairs.extend(value.map(|Text(value)| (self.name.clone(), value)));
        }
        Ok(())
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
