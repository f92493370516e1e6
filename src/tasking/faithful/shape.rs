//! A number that stands for a value and for how its type shows it to serde: that of `None` is not that of `()`, although
//! both are `null` in JSON. Maps and lists count without their order, which a `HashSet` does not keep on its way.

use std::{borrow::Cow, cell::RefCell, fmt, fmt::Display};

use serde::ser::{self, Serialize, Serializer};

/// Deeper than serde_json reads. What is deeper is not even written, as that takes a stack for each level.
const DEEPEST: u32 = 128;

/// The fields of a struct, with the shape of each.
pub(super) type Noted = RefCell<Vec<(&'static str, u64)>>;

/// The serializer that finds it.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    depth: u32,
    /// Where the fields of the outermost struct are noted.
    noted: Option<&'a Noted>,
}

impl<'a> Shape<'a> {
    pub(super) fn root() -> Self {
        Self { depth: 0, noted: None }
    }

    pub(super) fn noting(noted: &'a Noted) -> Self {
        Self { depth: 0, noted: Some(noted) }
    }

    fn inner(self) -> Result<Self, Fault> {
        match self.depth {
            DEEPEST => Err(Fault::new("it is nested deeper than 127 levels, which is as deep as JSON is read")),
            depth => Ok(Self { depth: depth + 1, noted: None }),
        }
    }

    fn parts(self, kind: u64) -> Result<Parts<'a>, Fault> {
        Ok(Parts { inner: self.inner()?, noted: self.noted, sum: kind, count: 0, key: 0 })
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
const INTEGER: u64 = 2;
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

/// The same for a number in each width, as an enum without tags may take it in another.
fn integer(number: i128) -> u64 {
    wide(number as u128)
}

fn wide(number: u128) -> u64 {
    mix(mix(INTEGER, number as u64), (number >> 64) as u64)
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
        serialize_i8(i8) => |value| integer(value.into());
        serialize_i16(i16) => |value| integer(value.into());
        serialize_i32(i32) => |value| integer(value.into());
        serialize_i64(i64) => |value| integer(value.into());
        serialize_i128(i128) => |value| integer(value);
        serialize_u8(u8) => |value| integer(value.into());
        serialize_u16(u16) => |value| integer(value.into());
        serialize_u32(u32) => |value| integer(value.into());
        serialize_u64(u64) => |value| integer(value.into());
        serialize_u128(u128) => |value| wide(value);
        serialize_char(char) => |value| bytes(TEXT, value.encode_utf8(&mut [0; 4]).as_bytes());
        serialize_str(&str) => |value| bytes(TEXT, value.as_bytes());
        serialize_bytes(&[u8]) => |value| bytes(BYTES, value);
        serialize_unit_struct(&'static str) => |_value| UNIT;
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
        Ok(mix(SOME, value.serialize(self)?))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<u64, Fault> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<u64, Fault> {
        Ok(bytes(VARIANT, variant.as_bytes()))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<u64, Fault> {
        Ok(mix(bytes(VARIANT, variant.as_bytes()), value.serialize(self.inner()?)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Fault> {
        self.parts(LIST)
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Fault> {
        self.parts(TUPLE)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Fault> {
        self.parts(TUPLE)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Fault> {
        self.parts(bytes(VARIANT, variant.as_bytes()))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Fault> {
        self.parts(MAP)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Fault> {
        self.parts(STRUCT)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Fault> {
        self.parts(bytes(VARIANT, variant.as_bytes()))
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
    /// A part whose place does not count.
    fn add(&mut self, shape: u64) {
        self.sum = self.sum.wrapping_add(mix(shape, 0));
        self.count += 1;
    }

    fn shape(self) -> u64 {
        mix(self.sum, self.count)
    }

    fn placed<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let shape = value.serialize(self.inner)?;
        self.add(mix(self.count, shape));
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Fault> {
        let shape = value.serialize(self.inner).map_err(|fault| fault.inside(name))?;
        if let Some(noted) = self.noted {
            noted.borrow_mut().push((name, shape));
        }
        self.add(mix(bytes(STRUCT, name.as_bytes()), shape));
        Ok(())
    }
}

impl ser::SerializeSeq for Parts<'_> {
    type Ok = u64;
    type Error = Fault;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let shape = value.serialize(self.inner)?;
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
        self.key = key.serialize(self.inner)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Fault> {
        let shape = value.serialize(self.inner)?;
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
