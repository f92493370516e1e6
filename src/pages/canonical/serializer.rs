//! The plumbing of serde for [`canonical`](super): which of its types is fed in which form. It decides nothing else.

use minijinja::value::{Serde, Value};
use serde::ser::{self, Serialize, Serializer};

use super::{
    BOOL, BYTES, LEVELS, Listing, MAP, NONE, SEQ, STRUCT, Stream, TEXT, TUPLE, TUPLE_STRUCT, UNREAD, Untaggable,
    VARIANT, engine_keeps_order,
    fields::{fields_of, hash_place, key_order, name_of, place_of},
    hash_bytes, hash_end, hash_float, hash_integer, hash_large, hash_parts_of, hash_text,
    stream::Waiting,
};
use crate::pages::{
    reads::{Field, Reads},
    shallow::TOO_DEEP,
};

/// Feeds what is serialized into it.
pub(super) struct Hasher<'a> {
    hash: &'a mut Stream,
    reads: &'a Reads,
    /// How many levels may lie within this one.
    levels: usize,
}

impl<'a> Hasher<'a> {
    /// Feeds those parts of a value that are `read`, if they lie no more than so many levels within one another: each
    /// takes stack, and a thread whose stack ends ends the process.
    pub(super) fn feed<T>(hash: &'a mut Stream, value: &T, reads: &'a Reads, levels: usize) -> Result<(), Untaggable>
    where
        T: Serialize + ?Sized,
    {
        let levels = levels.checked_sub(1).ok_or_else(|| Untaggable(TOO_DEEP.into()))?;
        value.serialize(Self { hash, reads, levels })
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
        serialize_bytes(&[u8]) => |hash, value| hash_bytes(hash, BYTES, value);
        serialize_unit_struct(&'static str) => |hash, _value| hash.update([NONE]);
    }

    fn serialize_str(self, text: &str) -> Result<(), Untaggable> {
        hash_text(self.hash, TEXT, text, self.reads);
        Ok(())
    }

    fn serialize_char(self, character: char) -> Result<(), Untaggable> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit(self) -> Result<(), Untaggable> {
        self.serialize_none()
    }

    fn serialize_none(self) -> Result<(), Untaggable> {
        self.hash.update([NONE]);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Untaggable> {
        Self::feed(self.hash, value, self.reads, self.levels)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Untaggable> {
        Self::feed(self.hash, value, self.reads, self.levels)
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
        Self::feed(self.hash, value, &Reads::Whole, self.levels)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'a>, Untaggable> {
        Ok(Elements::new(self.hash, SEQ, self.reads, self.levels))
    }

    fn serialize_tuple(self, _: usize) -> Result<Elements<'a>, Untaggable> {
        Ok(Elements::new(self.hash, TUPLE, self.reads, self.levels))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Elements<'a>, Untaggable> {
        if name == HANDLE {
            return Ok(Elements { hash: self.hash, of: ElementsKind::Handle(self.reads), levels: self.levels });
        }
        Ok(Elements::new(self.hash, TUPLE_STRUCT, self.reads, self.levels))
    }

    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Elements<'a>, Untaggable> {
        self.variant(variant);
        Ok(Elements::new(self.hash, TUPLE_STRUCT, &Reads::Whole, self.levels))
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>, Untaggable> {
        self.hash.update([MAP]);
        // The order in which they come is another one at each request, or else it shows.
        let order = (!self.reads.has_shape() || !engine_keeps_order()).then(|| self.hash.begin_map());
        Ok(Entries { order, key: 0, value: Counts::Nothing, fields: Fields::new(self) })
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'a>, Untaggable> {
        self.hash.update([STRUCT]);
        Ok(Fields::new(self))
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
        Ok(Fields::new(Self { reads: &Reads::Whole, ..self }))
    }
}

pub(super) struct Elements<'a> {
    hash: &'a mut Stream,
    of: ElementsKind<'a>,
    levels: usize,
}

enum ElementsKind<'a> {
    Sequence(Listing<'a>),
    /// The one element is a handle to a value of the engine, of which these parts count.
    Handle(&'a Reads),
}

impl<'a> Elements<'a> {
    fn new(hash: &'a mut Stream, sort: u8, reads: &'a Reads, levels: usize) -> Self {
        let of = ElementsKind::Sequence(Listing::begin(hash, sort, reads));
        Self { hash, of, levels }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Untaggable> {
        match &mut self.of {
            ElementsKind::Sequence(list) => {
                list.element(self.hash, |hash, reads| Hasher::feed(hash, value, reads, self.levels))
            }
            ElementsKind::Handle(reads) => hash_parts_of(self.hash, &Handle(value).redeem(), reads, LEVELS),
        }
    }

    fn finish(self) -> Result<(), Untaggable> {
        if let ElementsKind::Sequence(list) = self.of {
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
                self.element(value).inspect_err(|_| self.hash.spoil())
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
    fields: Fields<'a>,
    /// What there is to be put in order; without it the order counts.
    order: Option<Waiting>,
    /// Where the key starts of which the value comes next, and what counts of it.
    key: usize,
    value: Counts<'a>,
}

/// What counts of an entry of a map.
#[derive(Clone, Copy)]
enum Counts<'a> {
    /// These parts of its value.
    Value(&'a Reads),
    /// That there is one.
    Key,
    Nothing,
}

impl Entries<'_> {
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Untaggable> {
        let Fields { hash, reads, levels, known, next, has_any } = &mut self.fields;
        *has_any = true;
        self.key = hash.position();
        let gives_keys = hash.gives_keys();
        let form = hash.key(|hash| Hasher::feed(hash, key, &Reads::Whole, *levels))?;
        let name = name_of(form)?;
        if let Some(fields) = known {
            let place = name.and_then(|name| place_of(fields, *next, name));
            hash.take_back(self.key);
            self.value = place.map_or(Counts::Nothing, |at| {
                hash_place(hash, at);
                *next = at + 1;
                Counts::Value(&fields[at].1)
            });
            return Ok(());
        }
        let name = name.and_then(|name| str::from_utf8(name).ok());
        self.value = match reads.field(name.unwrap_or_default()) {
            Some(reads) => Counts::Value(reads),
            None if reads.has_shape() => Counts::Key,
            None => Counts::Nothing,
        };
        let text = name.filter(|_| gives_keys).map(str::to_owned);
        match self.value {
            Counts::Nothing => hash.take_back(self.key),
            _ => text.iter().for_each(|text| hash.text(text.as_bytes())),
        }
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Untaggable> {
        let Fields { hash, levels, .. } = &mut self.fields;
        let start = hash.position();
        match self.value {
            Counts::Value(reads) => hash.part(|hash| Hasher::feed(hash, value, reads, *levels))?,
            Counts::Key => hash.update([UNREAD]),
            Counts::Nothing => return Ok(()),
        }
        if let Some(order) = &mut self.order {
            hash.end_entry(order, self.key, start, key_order);
        }
        Ok(())
    }
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Untaggable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Untaggable> {
        self.key(key).inspect_err(|_| self.fields.hash.spoil())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Untaggable> {
        self.value(value).inspect_err(|_| self.fields.hash.spoil())
    }

    fn end(self) -> Result<(), Untaggable> {
        if let Some(order) = self.order {
            self.fields.hash.end_map(order, key_order);
        }
        let Fields { hash, reads, has_any, .. } = self.fields;
        hash_end(hash, reads, || has_any);
        Ok(())
    }
}

pub(super) struct Fields<'a> {
    hash: &'a mut Stream,
    reads: &'a Reads,
    levels: usize,
    /// The fields that count, where nothing else does.
    known: Option<&'a [Field]>,
    /// The place among them that is expected next.
    next: usize,
    /// Whether there is anything in it.
    has_any: bool,
}

impl<'a> Fields<'a> {
    #[inline]
    fn new(Hasher { hash, reads, levels }: Hasher<'a>) -> Self {
        Self { hash, reads, levels, known: fields_of(reads), next: 0, has_any: false }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Untaggable> {
        self.has_any = true;
        if let Some(fields) = self.known {
            let Some(at) = place_of(fields, self.next, name.as_bytes()) else { return Ok(()) };
            self.next = at + 1;
            hash_place(self.hash, at);
            return Hasher::feed(self.hash, value, &fields[at].1, self.levels);
        }
        if let Some(reads) = self.reads.field(name) {
            hash_bytes(self.hash, TEXT, name.as_bytes());
            return Hasher::feed(self.hash, value, reads, self.levels);
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
                self.field(name, value).inspect_err(|_| self.hash.spoil())
            }

            fn end(self) -> Result<(), Untaggable> {
                hash_end(self.hash, self.reads, || self.has_any);
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
