//! Arguments that may lie only so deep within one another: whoever goes through them takes stack for each level, and a
//! thread whose stack ends ends the process. It knows no serializer and no value.

use std::{cell::Cell, fmt::Display};

use serde::ser::{self, Error as _, Serialize, Serializer};

/// A value that fails to be serialized beyond so many levels.
pub(crate) struct Shallow<'a, T: ?Sized> {
    value: &'a T,
    levels: usize,
    is_too_deep: &'a Cell<bool>,
}

impl<'a, T: ?Sized> Shallow<'a, T> {
    /// `is_too_deep` is set when it fails for that: some serializers keep no error of a part.
    pub(crate) fn new(value: &'a T, levels: usize, is_too_deep: &'a Cell<bool>) -> Self {
        Self { value, levels, is_too_deep }
    }
}

pub(crate) const TOO_DEEP: &str = "arguments lie too deep within one another";

impl<T: Serialize + ?Sized> Serialize for Shallow<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(levels) = self.levels.checked_sub(1) else {
            self.is_too_deep.set(true);
            return Err(S::Error::custom(TOO_DEEP));
        };
        self.value.serialize(Level { inner: serializer, levels, is_too_deep: self.is_too_deep })
    }
}

/// A serializer, or one of its parts, on one level.
struct Level<'a, S> {
    inner: S,
    levels: usize,
    is_too_deep: &'a Cell<bool>,
}

impl<'a, S> Level<'a, S> {
    fn with<P>(self, part: impl FnOnce(S) -> P) -> Level<'a, P> {
        Level { inner: part(self.inner), levels: self.levels, is_too_deep: self.is_too_deep }
    }
}

impl<'a, P, E> Level<'a, Result<P, E>> {
    fn transposed(self) -> Result<Level<'a, P>, E> {
        Ok(Level { inner: self.inner?, levels: self.levels, is_too_deep: self.is_too_deep })
    }
}

/// What has no parts, or no value in them: handed on.
macro_rules! scalars {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<S::Ok, S::Error> {
            self.inner.$method($($name),*)
        }
    )*};
}

/// What has parts: they are on the next level.
macro_rules! compounds {
    ($($method:ident($($name:ident: $type:ty),*) -> $part:ident;)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<Self::$part, S::Error> {
            self.with(|inner| inner.$method($($name),*)).transposed()
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Level<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Level<'a, S::SerializeSeq>;
    type SerializeTuple = Level<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Level<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Level<'a, S::SerializeTupleVariant>;
    type SerializeMap = Level<'a, S::SerializeMap>;
    type SerializeStruct = Level<'a, S::SerializeStruct>;
    type SerializeStructVariant = Level<'a, S::SerializeStructVariant>;

    scalars! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_str(value: &str);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(name: &'static str);
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str);
    }

    compounds! {
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let value = Shallow::new(value, self.levels, self.is_too_deep);
        self.inner.serialize_some(&value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        let value = Shallow::new(value, self.levels, self.is_too_deep);
        self.inner.serialize_newtype_struct(name, &value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Shallow::new(value, self.levels, self.is_too_deep);
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The parts of what has them differ in the names of their methods.
macro_rules! parts {
    ($($trait:ident { $($method:ident($($name:ident: $type:ty),*);)* })*) => {$(
        impl<S: ser::$trait> ser::$trait for Level<'_, S> {
            type Ok = S::Ok;
            type Error = S::Error;

            $(fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)* value: &T) -> Result<(), S::Error> {
                let value = Shallow::new(value, self.levels, self.is_too_deep);
                self.inner.$method($($name,)* &value)
            })*

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

parts! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(name: &'static str); }
    SerializeStructVariant { serialize_field(name: &'static str); }
}
