//! The texts of a form as a serde type, with errors that name the field and what was expected, and nothing that a visitor
//! wrote. It knows no encoding.

use std::{
    collections::HashMap,
    fmt::{self, Display},
    slice,
    str::FromStr,
    vec,
};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};

use crate::error::{Error, Result};

pub(super) fn deserialize<'a, T: DeserializeOwned>(texts: impl Iterator<Item = (&'a str, &'a str)>) -> Result<T> {
    let texts: Vec<_> = texts.collect();
    T::deserialize(Texts(texts.clone())).map_err(|refused| refused.found_in(&texts).into_error())
}

/// All texts of a form, with their names.
struct Texts<'de>(Vec<(&'de str, &'de str)>);

/// Texts by their names, in the order in which the names came.
struct Fields<'de> {
    fields: vec::IntoIter<(&'de str, Vec<&'de str>)>,
    /// The one whose name was read, and whose texts are read next.
    current: Option<(&'de str, Vec<&'de str>)>,
}

/// All texts again, each as the pair of its name and itself.
struct Pairs<'de>(vec::IntoIter<(&'de str, &'de str)>);

/// The texts of one field, of which there is one at least.
#[derive(Clone, Copy)]
struct Values<'a, 'de>(&'a [&'de str]);

/// The texts of a field that are still to be read, one by one.
struct Elements<'a, 'de>(slice::Iter<'a, &'de str>);

/// Why a form is not what was expected.
#[derive(Debug)]
struct Refused {
    field: Option<String>,
    problem: String,
    /// The text that is refused, where serde tells it: what it reads ahead (a flattened struct, a tagged enum) has no name.
    text: Option<String>,
    /// Whether the words are ours, or those of a type of the site's that may repeat what the visitor wrote.
    is_ours: bool,
}

impl<'de> Texts<'de> {
    fn by_name(self) -> Fields<'de> {
        let mut fields: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places = HashMap::new();
        for (name, text) in self.0 {
            let place = *places.entry(name).or_insert(fields.len());
            match fields.get_mut(place) {
                Some((_, texts)) => texts.push(text),
                None => fields.push((name, vec![text])),
            }
        }
        Fields { fields: fields.into_iter(), current: None }
    }
}

impl<'de> Deserializer<'de> for Texts<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_map(self.by_name())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Pairs(self.0.into_iter()))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit_struct tuple tuple_struct
        map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        self.current = self.fields.next();
        let Some((name, _)) = &self.current else { return Ok(None) };
        seed.deserialize(Values(&[name])).map(Some).map_err(|refused| refused.of(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        let (name, texts) = self.current.take().unwrap_or_default();
        seed.deserialize(Values(&texts)).map_err(|refused| refused.of(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.fields.len())
    }
}

impl<'de> SeqAccess<'de> for Pairs<'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some((name, text)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Values(&[name, text])).map(Some).map_err(|refused| refused.of(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

impl<'de> Values<'_, 'de> {
    fn one(self) -> Result<&'de str, Refused> {
        match self.0 {
            [one] => Ok(one),
            _ => Err(Refused::because("one value is expected, and several came")),
        }
    }

    fn whole<T: FromStr + Display>(self, least: T, most: T) -> Result<T, Refused> {
        let expected = || Refused::because(format!("a whole number from {least} to {most} is expected"));
        self.one()?.parse().map_err(|_| expected())
    }

    fn number<T: FromStr + Copy + Into<f64>>(self) -> Result<T, Refused> {
        let number = self.one()?.parse().ok().filter(|number: &T| (*number).into().is_finite());
        number.ok_or_else(|| Refused::because("a number is expected"))
    }
}

impl<'de> Deserializer<'de> for Values<'_, 'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.0 {
            [one] => visitor.visit_borrowed_str(one),
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.one()? {
            "true" | "on" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Refused::because("`true`, `on` or `false` is expected")),
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i8(self.whole(i8::MIN, i8::MAX)?)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i16(self.whole(i16::MIN, i16::MAX)?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i32(self.whole(i32::MIN, i32::MAX)?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i64(self.whole(i64::MIN, i64::MAX)?)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_i128(self.whole(i128::MIN, i128::MAX)?)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u8(self.whole(u8::MIN, u8::MAX)?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u16(self.whole(u16::MIN, u16::MAX)?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u32(self.whole(u32::MIN, u32::MAX)?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u64(self.whole(u64::MIN, u64::MAX)?)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_u128(self.whole(u128::MIN, u128::MAX)?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_f32(self.number()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_f64(self.number()?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_borrowed_str(self.one()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.0 == [""] { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(Elements(self.0.iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Refused> {
        if self.0.len() != length {
            let values = if length == 1 { "one value is".to_owned() } else { format!("{length} values are") };
            return Err(Refused::because(values + " expected"));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_enum(BorrowedStrDeserializer::new(self.one()?))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit unit_struct map struct identifier }
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        self.0.next().map(|text| seed.deserialize(Values(slice::from_ref(text)))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

impl Refused {
    fn because(problem: impl Into<String>) -> Self {
        Self { field: None, problem: problem.into(), text: None, is_ours: true }
    }

    fn at(unexpected: Unexpected<'_>, problem: String) -> Self {
        let text = match unexpected {
            Unexpected::Str(text) => Some(text.to_owned()),
            _ => None,
        };
        Self { text, ..Self::because(problem) }
    }

    /// The same with the name of the one field that has the text which is refused.
    fn found_in(self, texts: &[(&str, &str)]) -> Self {
        let mut holders = texts.iter().filter(|(_, text)| self.text.as_deref() == Some(*text));
        match (holders.next(), holders.next()) {
            (Some((name, _)), None) => self.of(name),
            _ => self,
        }
    }

    /// The innermost name is the one.
    fn of(self, name: &str) -> Self {
        Self { field: self.field.or_else(|| Some(name.to_owned())), ..self }
    }

    fn into_error(self) -> Error {
        Error::in_field(self.field, self.problem, self.is_ours)
    }
}

/// serde's own texts have the value in them that is refused. These have not.
impl de::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self { is_ours: false, ..Self::because(message.to_string()) }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::at(unexpected, format!("{expected} is expected"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::at(unexpected, format!("{expected} is expected"))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::because(format!("{expected} is expected"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::at(Unexpected::Str(variant), format!("one of `{}` is expected", expected.join("`, `")))
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::because("no field of that name is expected")
    }

    fn missing_field(field: &'static str) -> Self {
        Self::because("it is missing").of(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::because("it came more than once").of(field)
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Refused {}
