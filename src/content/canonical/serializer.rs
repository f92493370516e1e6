//! The plumbing of serde for [`canonical`](super): which of its types is fed in which form. It decides nothing else.

use minijinja::value::{Serde, Value, ValueKind};
use serde::ser::{self, Serialize, Serializer};

use super::{
    BOOL, BYTES, END, Entry, LEVELS, Listing, NONE, SEQ, STRUCT, Stream, TEXT, TUPLE, TUPLE_STRUCT, UNREAD, Untaggable,
    VARIANT, entry, hash_bytes, hash_entries, hash_float, hash_integer, hash_large, hash_parts_of,
};
use crate::content::reads::Reads;

/// Feeds what is serialized into it.
pub(super) struct Hasher<'a> {
    pub(super) hash: &'a mut Stream,
    pub(super) reads: &'a Reads,
}

impl Hasher<'_> {
    fn feed<T: Serialize + ?Sized>(hash: &mut Stream, value: &T, reads: &Reads) -> Result<(), Untaggable> {
        value.serialize(Hasher { hash, reads })
    }

    fn variant(&mut self, name: &str) {
        hash_bytes(self.hash, VARIANT, name.as_bytes());
    }
}

/// A method for each type that has one form: `method(type) => what is fed`.
macro_rules! scalars {
    ($($method:ident($type:ty) => |$hash:ident, $value:ident| $feed:expr;)*) => {$(
        fn $method(self, $value: $type) -> Result<(), Untaggable> {
            let $hash = self.hash;
            $feed;
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Hasher<'a> {
    type Ok = ();
    type Error = Untaggable;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Elements<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    scalars! {
        serialize_bool(bool) => |hash, value| hash.update([BOOL, value.into()]);
        serialize_i8(i8) => |hash, value| hash_integer(hash, value.into());
        serialize_i16(i16) => |hash, value| hash_integer(hash, value.into());
        serialize_i32(i32) => |hash, value| hash_integer(hash, value.into());
        serialize_i64(i64) => |hash, value| hash_integer(hash, value.into());
        serialize_i128(i128) => |hash, value| hash_integer(hash, value);
        serialize_u8(u8) => |hash, value| hash_integer(hash, value.into());
        serialize_u16(u16) => |hash, value| hash_integer(hash, value.into());
        serialize_u32(u32) => |hash, value| hash_integer(hash, value.into());
        serialize_u64(u64) => |hash, value| hash_integer(hash, value.into());
        serialize_u128(u128) => |hash, value| hash_large(hash, value);
        serialize_f32(f32) => |hash, value| hash_float(hash, value.into());
        serialize_f64(f64) => |hash, value| hash_float(hash, value);
        serialize_char(char) => |hash, value| hash_bytes(hash, TEXT, value.encode_utf8(&mut [0; 4]).as_bytes());
        serialize_str(&str) => |hash, value| hash_bytes(hash, TEXT, value.as_bytes());
        serialize_bytes(&[u8]) => |hash, value| hash_bytes(hash, BYTES, value);
        serialize_unit_struct(&'static str) => |hash, _value| hash.update([NONE]);
    }

    fn serialize_unit(self) -> Result<(), Untaggable> {
        self.serialize_none()
    }

    fn serialize_none(self) -> Result<(), Untaggable> {
        self.hash.update([NONE]);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Untaggable> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Untaggable> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Untaggable> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Untaggable> {
        self.variant(variant);
        Self::feed(self.hash, value, &Reads::Whole)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'a>, Untaggable> {
        Ok(Elements::new(self.hash, SEQ, self.reads))
    }

    fn serialize_tuple(self, _: usize) -> Result<Elements<'a>, Untaggable> {
        Ok(Elements::new(self.hash, TUPLE, self.reads))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Elements<'a>, Untaggable> {
        if name == HANDLE {
            return Ok(Elements { hash: self.hash, of: Of::Handle(self.reads) });
        }
        Ok(Elements::new(self.hash, TUPLE_STRUCT, self.reads))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Elements<'a>, Untaggable> {
        self.variant(variant);
        Ok(Elements::new(self.hash, TUPLE_STRUCT, &Reads::Whole))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>, Untaggable> {
        Ok(Entries { hash: self.hash, reads: self.reads, key: None, entries: Vec::new() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, Untaggable> {
        self.hash.update([STRUCT]);
        Ok(Fields { hash: self.hash, reads: self.reads })
    }

    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'a>, Untaggable> {
        self.variant(variant);
        self.hash.update([STRUCT]);
        Ok(Fields { hash: self.hash, reads: &Reads::Whole })
    }
}

pub(super) struct Elements<'a> {
    hash: &'a mut Stream,
    of: Of<'a>,
}

enum Of<'a> {
    Sequence(Listing<'a>),
    /// The one element is a handle to a value of the engine, of which these parts count.
    Handle(&'a Reads),
}

impl<'a> Elements<'a> {
    fn new(hash: &'a mut Stream, sort: u8, reads: &'a Reads) -> Self {
        let of = Of::Sequence(Listing::begin(hash, sort, reads));
        Self { hash, of }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Untaggable> {
        match &mut self.of {
            Of::Sequence(list) => list.element(self.hash, |hash, reads| Hasher::feed(hash, value, reads)),
            Of::Handle(reads) => hash_parts_of(self.hash, &Handle(value).redeem(), reads, LEVELS),
        }
    }

    fn finish(self) -> Result<(), Untaggable> {
        if let Of::Sequence(list) = self.of {
            list.end(self.hash);
        }
        Ok(())
    }
}

/// The four sorts of sequences differ in the name of one method.
macro_rules! elements {
    ($($trait:ident::$method:ident,)*) => {$(
        impl ser::$trait for Elements<'_> {
            type Ok = ();
            type Error = Untaggable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Untaggable> {
                self.element(value)
            }

            fn end(self) -> Result<(), Untaggable> {
                self.finish()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

pub(super) struct Entries<'a> {
    hash: &'a mut Stream,
    reads: &'a Reads,
    key: Option<Value>,
    entries: Vec<Entry>,
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Untaggable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Untaggable> {
        self.key = Some(Value::from(Serde(key)));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Untaggable> {
        let key = self.key.take().unwrap_or_default();
        if !is_told_apart(&key) {
            return Err(Untaggable(format!("a map has a key ({}) that may equal another one", key.kind())));
        }
        self.entries.extend(entry(&key, self.reads, |hash, reads| Hasher::feed(hash, value, reads))?);
        Ok(())
    }

    fn end(self) -> Result<(), Untaggable> {
        hash_entries(self.hash, self.entries);
        Ok(())
    }
}

/// Keys that are the same for the engine exactly when they are fed alike. Of others (1 and 1.0, true and 1, a string and
/// the same as a safe one) it keeps the first and the value of the last.
fn is_told_apart(key: &Value) -> bool {
    match key.kind() {
        ValueKind::String => !key.is_safe(),
        ValueKind::Number => key.is_integer(),
        _ => false,
    }
}

pub(super) struct Fields<'a> {
    hash: &'a mut Stream,
    reads: &'a Reads,
}

impl Fields<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Untaggable> {
        if let Some(reads) = self.reads.field(name) {
            hash_bytes(self.hash, TEXT, name.as_bytes());
            return Hasher::feed(self.hash, value, reads);
        }
        if self.reads.has_shape() {
            hash_bytes(self.hash, TEXT, name.as_bytes());
            self.hash.update([UNREAD]);
        }
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident,)*) => {$(
        impl ser::$trait for Fields<'_> {
            type Ok = ();
            type Error = Untaggable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Untaggable> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), Untaggable> {
                self.hash.update([END]);
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant, }

/// What the engine writes in place of one of its own values while it serializes: a handle to be changed for the value.
const HANDLE: &str = "\x01__minijinja_ValueHandle";

struct Handle<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Handle<'_, T> {
    fn redeem(&self) -> Value {
        Value::from(Serde(self))
    }
}

impl<T: Serialize + ?Sized> Serialize for Handle<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut handle = serializer.serialize_tuple_struct(HANDLE, 1)?;
        ser::SerializeTupleStruct::serialize_field(&mut handle, self.0)?;
        ser::SerializeTupleStruct::end(handle)
    }
}
