//! The texts and files of a form as a serde type, with errors that name the field and what was expected, and nothing that a
//! visitor wrote. It knows no encoding.

mod files;
#[cfg(feature = "garde")]
mod names;
mod placeholder;
mod refused;
mod texts;

use std::{
    collections::{BTreeSet, HashMap},
    vec,
};

use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

#[cfg(feature = "garde")]
pub(super) use self::names::expected;
pub(super) use self::refused::Refused;
use self::{files::Files, placeholder::Placeholder, texts::Texts};
use super::{Form, FormField, file::FormFile};
use crate::error::Result;

/// The fields as a type. What is in the fields `passed_over` is not looked at, and neither is whether they are there: what is
/// made then is of no use, but shows whether the other fields are right.
pub(super) fn deserialize<T: DeserializeOwned>(form: &Form, passed_over: &BTreeSet<String>) -> Result<T, Refused> {
    let fields = &form.fields[..];
    let texts = fields.iter().filter_map(|field| Some((field.name(), field.text()?)));
    let texts: Vec<_> = texts.filter(|(name, _)| !passed_over.contains(*name)).collect();
    let sent = Sent { texts: texts.clone(), fields, passed_over };
    T::deserialize(sent).map_err(|refused| refused.found_in(&texts).in_encoding(form.has_files))
}

/// All that a form has, with the names.
struct Sent<'de> {
    texts: Vec<(&'de str, &'de str)>,
    fields: &'de [FormField],
    passed_over: &'de BTreeSet<String>,
}

/// Fields by their names, in the order in which the names came.
struct Fields<'de> {
    fields: vec::IntoIter<(&'de str, Field<'de>)>,
    /// The one whose name was read, and which is read next.
    current: Option<(&'de str, Field<'de>)>,
}

/// What came by one name.
enum Field<'de> {
    Texts(Vec<&'de str>),
    Files(Vec<&'de FormFile>),
    PassedOver,
}

/// All texts again, each as the pair of its name and itself.
struct Pairs<'de>(vec::IntoIter<(&'de str, &'de str)>);

impl<'de> Sent<'de> {
    /// The texts by their names, those files whose names are `expected`, and what is passed over.
    fn by_name(self, expected: &[&str]) -> Fields<'de> {
        let mut fields: Vec<(&str, Field<'_>)> = Vec::new();
        let mut places = HashMap::new();
        for (name, text) in self.texts {
            let place = *places.entry(name).or_insert(fields.len());
            match fields.get_mut(place) {
                Some((_, Field::Texts(texts))) => texts.push(text),
                _ => fields.push((name, Field::Texts(vec![text]))),
            }
        }
        for (name, file) in self.fields.iter().filter_map(|field| Some((field.name(), field.file()?))) {
            if !expected.contains(&name) || self.passed_over.contains(name) {
                continue;
            }
            let place = *places.entry(name).or_insert(fields.len());
            match fields.get_mut(place) {
                Some((_, Field::Files(files))) => files.push(file),
                Some(_) => {}
                None => fields.push((name, Field::Files(vec![file]))),
            }
        }
        fields.extend(self.passed_over.iter().map(|name| (name.as_str(), Field::PassedOver)));
        Fields { fields: fields.into_iter(), current: None }
    }
}

impl<'de> Deserializer<'de> for Sent<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_map(self.by_name(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_map(self.by_name(fields))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Pairs(self.texts.into_iter()))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let is_empty = self.fields.is_empty() && self.passed_over.is_empty();
        if is_empty { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit_struct tuple tuple_struct
        map enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        self.current = self.fields.next();
        let Some((name, _)) = &self.current else { return Ok(None) };
        seed.deserialize(Texts(&[name])).map(Some).map_err(|refused| refused.of(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let (name, field) = self.current.take().unwrap_or(("", Field::PassedOver));
        let value = match field {
            Field::Texts(texts) => seed.deserialize(Texts(&texts)),
            Field::Files(files) => seed.deserialize(Files(files)),
            Field::PassedOver => seed.deserialize(Placeholder),
        };
        value.map_err(|refused| refused.of(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

impl<'de> SeqAccess<'de> for Pairs<'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some((name, text)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Texts(&[name, text])).map(Some).map_err(|refused| refused.of(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}
