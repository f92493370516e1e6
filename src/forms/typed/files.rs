//! The files of one field, for a [`FormFile`] in a type of the site's own.

use std::vec;

use serde::{
    Deserializer,
    de::{DeserializeSeed, SeqAccess, Visitor, value::BorrowedBytesDeserializer},
    forward_to_deserialize_any,
};

use super::{refused::Refused, texts::Texts};
use crate::{
    error::Result,
    forms::file::{self, FormFile},
};

/// The files of one field, of which there is one at least.
pub(super) struct Files<'de>(pub(super) Vec<&'de FormFile>);

/// The files of a field that are still to be read, one by one.
struct FileElements<'de>(vec::IntoIter<&'de FormFile>);

/// A file as its name, its type, which may be empty, and its content.
pub(super) struct FileParts<'de> {
    file: &'de FormFile,
    read: usize,
}

impl<'de> Deserializer<'de> for Files<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Refused> {
        Err(Refused::because(
            "a text is expected, and a file came: the type of a field for files is `FormFile`, or `Option` or `Vec` of it",
        ))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Refused> {
        match &self.0[..] {
            [file] if name == file::TYPE => visitor.visit_seq(FileParts::of(file)),
            _ if name == file::TYPE => Err(Refused::because("one file is expected, and several came")),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_seq(FileElements(self.0.into_iter()))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct map struct enum identifier
    }
}

impl<'de> SeqAccess<'de> for FileElements<'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        self.0.next().map(|file| seed.deserialize(Files(vec![file]))).transpose()
    }
}

impl<'de> FileParts<'de> {
    pub(super) fn of(file: &'de FormFile) -> Self {
        Self { file, read: 0 }
    }
}

impl<'de> SeqAccess<'de> for FileParts<'de> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        self.read += 1;
        let part = match self.read {
            1 => seed.deserialize(Texts(&[self.file.file_name()])),
            2 => seed.deserialize(Texts(&[self.file.content_type().unwrap_or_default()])),
            3 => seed.deserialize(BorrowedBytesDeserializer::new(self.file.bytes())),
            _ => return Ok(None),
        };
        part.map(Some)
    }
}
