//! A number that stands for a value and for how its type shows it to serde: that of `None` is not that of `()`, although
//! both are `null` in JSON, and a variant or a number's width that changes on its way is another one. Maps count without
//! their order; lists too, as a `HashSet` is one, unless their order is what is asked for.

use std::{any::type_name, borrow::Cow, cell::RefCell, fmt, fmt::Display};

use serde::ser::{self, Serialize, Serializer};

/// The stack that writing a task may take. How deep JSON may be, its reader decides: this has room for more than its 127
/// levels, each with some `Option`s and newtypes around, and for the levels that serde_json needs for a number or a raw value.
const ROOM: u32 = 160 * LEVEL + 256;
/// What a list, a map or a struct takes.
const LEVEL: u32 = 8;
/// What a `Some` or a newtype takes, which have no level in JSON.
const WRAPPER: u32 = 1;

/// The fields of a struct, with the shape of each.
pub(super) type Noted = RefCell<Vec<(&'static str, u64)>>;

/// The serializer that finds it.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    room: u32,
    /// Where the fields of the outermost struct are noted.
    noted: Option<&'a Noted>,
    /// Whether the order of lists counts.
    in_order: bool,
    /// Whether the value to come is a set, which has no order.
    is_set: bool,
}

impl<'a> Shape<'a> {
    /// The shape of a value, in which no order counts.
    pub(super) fn of<T: Serialize>(value: &T) -> Result<u64, Fault> {
        value.serialize(Self { room: ROOM, noted: None, in_order: false, is_set: false })
    }

    /// The same, in which the order of lists counts, and not that of maps and sets.
    pub(super) fn in_order<T: Serialize>(value: &T) -> Result<u64, Fault> {
        let shape = Self { room: ROOM, noted: None, in_order: true, is_set: false };
        value.serialize(shape.inside::<T>(0)?)
    }

    /// The shapes of a struct's fields.
    pub(super) fn noting<T: Serialize>(value: &T, noted: &'a Noted) -> Result<u64, Fault> {
        value.serialize(Self { room: ROOM, noted: Some(noted), in_order: false, is_set: false })
    }

    /// For a value within this one.
    fn inside<T: ?Sized>(self, taken: u32) -> Result<Self, Fault> {
        let too_deep = "it is nested deeper than 127 levels, which is as deep as JSON is read";
        let room = self.room.checked_sub(taken).ok_or_else(|| Fault::new(too_deep))?;
        Ok(Self { room, is_set: self.in_order && is_set(type_name::<T>()), ..self })
    }

    fn parts(self, kind: u64) -> Parts<'a> {
        Parts { inner: Self { noted: None, ..self }, noted: self.noted, sum: kind, count: 0, key: 0 }
    }
}

/// Whether a type is a set by its name, or a pointer to one. Nothing else tells it from a list whose order counts.
fn is_set(name: &str) -> bool {
    let (outer, inner) = name.trim_start_matches('&').split_once('<').unwrap_or((name, ""));
    match outer.rsplit(':').next().unwrap_or_default() {
        "Box" | "Rc" | "Arc" => is_set(inner),
        last => last.ends_with("Set"),
    }
}

/// Why a task is refused, and in which field.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the innermost field to the outermost.
    fields: Vec<&'static str>,
    why: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(why: impl Into<Cow<'static, str>>) -> Self {
        Self { fields: Vec::new(), why: why.into() }
    }

    fn of_number(number: f64) -> Self {
        Self::new(format!("{number} is a number that JSON has no form for"))
    }

    fn inside(mut self, field: &'static str) -> Self {
        self.fields.push(field);
        self
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.fields.is_empty() {
            let path: Vec<&str> = self.fields.iter().rev().copied().collect();
            write!(f, "in the field `{}`: ", path.join("."))?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for Fault {}

impl ser::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

// What stands for the sorts of values.
const BOOL: u64 = 1;
const NUMBER: u64 = 2;
const FLOAT: u64 = 3;
const SINGLE: u64 = 4;
const TEXT: u64 = 5;
const BYTES: u64 = 6;
const NONE: u64 = 7;
const SOME: u64 = 8;
const UNIT: u64 = 9;
const VARIANT: u64 = 10;
const LIST: u64 = 11;
const TUPLE: u64 = 12;
const MAP: u64 = 13;
const STRUCT: u64 = 14;
const NEWTYPE: u64 = 15;

/// Nobody gains by two values of one shape: it need not be hard to find some.
fn mix(one: u64, other: u64) -> u64 {
    let mixed = (one.rotate_left(23) ^ other).wrapping_add(0x9e37_79b9).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

fn bytes(kind: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(mix(kind, bytes.len() as u64), |shape, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(shape, u64::from_le_bytes(word))
    })
}

/// A number of so many bits; below zero for one with a sign.
fn integer(bits: i64, number: u128) -> u64 {
    mix(mix(mix(NUMBER, bits as u64), number as u64), (number >> 64) as u64)
}

fn variant(of: &str, index: u32, name: &str) -> u64 {
    mix(mix(bytes(VARIANT, of.as_bytes()), index.into()), bytes(VARIANT, name.as_bytes()))
}

/// A method for each type that has one form: `method(type) => its shape`.
macro_rules! scalars {
    ($($method:ident($type:ty) => |$value:ident| $shape:expr;)*) => {$(
        fn $method(self, $value: $type) -> Result<u64, Fault> {
            Ok($shape)
        }
    )*};
}

impl<'a> Serializer for Shape<'a> {
    type Ok = u64;
    type Error = Fault;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    scalars! {
        serialize_bool(bool) => |value| mix(BOOL, value.into());
        serialize_i8(i8) => |value| integer(-8, value as u128);
        serialize_i16(i16) => |value| integer(-16, value as u128);
        serialize_i32(i32) => |value| integer(-32, value as u128);
        serialize_i64(i64) => |value| integer(-64, value as u128);
        serialize_i128(i128) => |value| integer(-128, value as u128);
        serialize_u8(u8) => |value| integer(8, value.into());
        serialize_u16(u16) => |value| integer(16, value.into());
        serialize_u32(u32) => |value| integer(32, value.into());
        serialize_u64(u64) => |value| integer(64, value.into());
        serialize_u128(u128) => |value| integer(128, value);
        serialize_char(char) => |value| bytes(TEXT, value.encode_utf8(&mut [0; 4]).as_bytes());
        serialize_str(&str) => |value| bytes(TEXT, value.as_bytes());
        serialize_bytes(&[u8]) => |value| bytes(BYTES, value);
        serialize_unit_struct(&'static str) => |name| bytes(UNIT, name.as_bytes());
    }

    fn serialize_f32(self, value: f32) -> Result<u64, Fault> {
        match value.is_finite() {
            true => Ok(mix(SINGLE, value.to_bits().into())),
            false => Err(Fault::of_number(value.into())),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<u64, Fault> {
        match value.is_finite() {
            true => Ok(mix(FLOAT, value.to_bits())),
            false => Err(Fault::of_number(value)),
        }
    }

    fn serialize_unit(self) -> Result<u64, Fault> {
        Ok(UNIT)
    }

    fn serialize_none(self) -> Result<u64, Fault> {
        Ok(NONE)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u64, Fault> {
        Ok(mix(SOME, value.serialize(self.inside::<T>(WRAPPER)?)?))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<u64, Fault> {
        Ok(mix(bytes(NEWTYPE, name.as_bytes()), value.serialize(self.inside::<T>(WRAPPER)?)?))
    }

    fn serialize_unit_variant(self, of: &'static str, index: u32, name: &'static str) -> Result<u64, Fault> {
        Ok(variant(of, index, name))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        value: &T,
    ) -> Result<u64, Fault> {
        let inner = Self { noted: None, ..self }.inside::<T>(LEVEL)?;
        Ok(mix(variant(of, index, name), value.serialize(inner)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Fault> {
        Ok(self.parts(LIST))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Fault> {
        Ok(self.parts(TUPLE))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Fault> {
        Ok(self.parts(bytes(TUPLE, name.as_bytes())))
    }

    fn serialize_tuple_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Fault> {
        Ok(self.parts(variant(of, index, name)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Fault> {
        Ok(self.parts(MAP))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Fault> {
        Ok(self.parts(bytes(STRUCT, name.as_bytes())))
    }

    fn serialize_struct_variant(
        self,
        of: &'static str,
        index: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Fault> {
        Ok(self.parts(variant(of, index, name)))
    }
}

/// What has parts, while they come.
pub(super) struct Parts<'a> {
    /// For each part.
    inner: Shape<'a>,
    noted: Option<&'a Noted>,
    sum: u64,
    count: u64,
    /// The shape of a map's key whose value is still to come.
    key: u64,
}

impl Parts<'_> {
    fn inner<T: Serialize + ?Sized>(&self, value: &T) -> Result<u64, Fault> {
        value.serialize(self.inner.inside::<T>(LEVEL)?)
    }

    /// A part whose place does not count.
    fn add(&mut self, shape: u64) {
        self.sum = self.sum.wrapping_add(mix(shape, 0));
        self.count += 1;
    }

    fn shape(self) -> u64 {
        mix(self.sum, self.count)
    }

    fn placed<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let shape = self.inner(value)?;
        self.add(mix(self.count, shape));
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Fault> {
        let shape = self.inner(value).map_err(|fault| fault.inside(name))?;
        if let Some(noted) = self.noted {
            noted.borrow_mut().push((name, shape));
        }
        self.add(mix(mix(self.count, bytes(STRUCT, name.as_bytes())), shape));
        Ok(())
    }
}

impl ser::SerializeSeq for Parts<'_> {
    type Ok = u64;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        if self.inner.in_order && !self.inner.is_set {
            return self.placed(value);
        }
        let shape = self.inner(value)?;
        self.add(shape);
        Ok(())
    }

    fn end(self) -> Result<u64, Fault> {
        Ok(self.shape())
    }
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = u64;
    type Error = Fault;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Fault> {
        self.key = self.inner(key)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let shape = self.inner(value)?;
        self.add(mix(self.key, shape));
        Ok(())
    }

    fn end(self) -> Result<u64, Fault> {
        Ok(self.shape())
    }
}

/// Those whose parts are the same but for the name of a method.
macro_rules! parts {
    ($($trait:ident::$method:ident($($name:ident: $type:ty)?) => $part:ident;)*) => {$(
        impl ser::$trait for Parts<'_> {
            type Ok = u64;
            type Error = Fault;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $type,)? value: &T) -> Result<(), Fault> {
                self.$part($($name,)? value)
            }

            fn end(self) -> Result<u64, Fault> {
                Ok(self.shape())
            }
        }
    )*};
}

parts! {
    SerializeTuple::serialize_element() => placed;
    SerializeTupleStruct::serialize_field() => placed;
    SerializeTupleVariant::serialize_field() => placed;
    SerializeStruct::serialize_field(name: &'static str) => field;
    SerializeStructVariant::serialize_field(name: &'static str) => field;
}
