//! Values of the engine for [`canonical`](super): what of them is fed in which form. Maps and lists are gone through by
//! reference where that can be.

use std::collections::BTreeMap;

use minijinja::value::{DynObject, Tuple, Value, ValueKind};

use super::{
    BOOL, BYTES, LIST_VALUE, Listing, MAP, NONE, SAFE_TEXT, Stream, TEXT, TUPLE_VALUE, UNDEFINED, UNREAD, Untaggable,
    fields::{fields_of, hash_place, place_of},
    hash_bytes, hash_end, hash_float, hash_integer, hash_large, hash_text,
};
use crate::pages::{
    reads::{Field, Reads},
    shallow::TOO_DEEP,
};

/// Feeds those parts of a value that are `read`, if they lie no more than so many levels within one another.
pub(super) fn hash_parts_of(hash: &mut Stream, value: &Value, reads: &Reads, levels: usize) -> Result<(), Untaggable> {
    let levels = levels.checked_sub(1).ok_or_else(|| Untaggable(TOO_DEEP.into()))?;
    match value.kind() {
        ValueKind::Undefined => hash.update([UNDEFINED]),
        ValueKind::None => hash.update([NONE]),
        ValueKind::Bool => hash.update([BOOL, value.is_true().into()]),
        ValueKind::Number => return hash_number(hash, value),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            hash_text(hash, if value.is_safe() { SAFE_TEXT } else { TEXT }, text, reads);
        }
        ValueKind::Bytes => hash_bytes(hash, BYTES, value.as_bytes().unwrap_or_default()),
        ValueKind::Seq if is_plain(value) => return hash_list(hash, value, reads, levels),
        ValueKind::Map => match (value.as_object(), fields_of(reads)) {
            (Some(object), Some(fields)) if is_plain(value) || is_unordered(value) => {
                hash_fields(hash, object, fields, levels)?;
                hash_end(hash, reads, || object.is_true());
            }
            (Some(object), None) if is_plain(value) => return hash_map(hash, object, reads, levels),
            _ => return Err(hidden(value)),
        },
        _ => return Err(hidden(value)),
    }
    Ok(())
}

fn hidden(value: &Value) -> Untaggable {
    Untaggable(format!("an object ({}) shows what it is only when it is rendered", value.kind()))
}

/// Whether an object is one of the engine's own maps and lists, which are nothing but their entries. Others may render
/// themselves as they like, be called, or give way when they are iterated.
pub(super) fn is_plain(value: &Value) -> bool {
    is_one_of(value, &PLAIN)
}

const PLAIN: [&str; 7] = [
    "minijinja::value::StaticKeyMap",
    "alloc::collections::btree::map::BTreeMap<",
    // The engine's maps where it keeps their order.
    "indexmap::map::IndexMap<",
    "alloc::vec::Vec<",
    "alloc::collections::vec_deque::VecDeque<",
    "minijinja::value::tuple::Tuple",
    // Arrays.
    "[",
];

/// Whether it is a map without an order of its own: iterated, it is another one in each process.
pub(super) fn is_unordered(value: &Value) -> bool {
    is_one_of(value, &["std::collections::hash::map::HashMap<"])
}

fn is_one_of(value: &Value, names: &[&str]) -> bool {
    let name = value.as_object().map_or("", DynObject::type_name);
    names.iter().any(|known| name.starts_with(known))
}

fn hash_number(hash: &mut Stream, value: &Value) -> Result<(), Untaggable> {
    if !value.is_integer() {
        hash_float(hash, f64::try_from(value.clone()).map_err(Untaggable::because)?);
    } else if let Some(number) = value.as_usize() {
        hash_integer(hash, number as i128);
    } else if let Ok(number) = i128::try_from(value.clone()) {
        hash_integer(hash, number);
    } else {
        hash_large(hash, u128::try_from(value.clone()).map_err(Untaggable::because)?);
    }
    Ok(())
}

fn hash_list(hash: &mut Stream, value: &Value, reads: &Reads, levels: usize) -> Result<(), Untaggable> {
    let tuple = value.downcast_object_ref::<Tuple>();
    let mut list = Listing::begin(hash, if tuple.is_some() { TUPLE_VALUE } else { LIST_VALUE }, reads);
    let mut feed = |item: &Value| list.element(hash, |hash, reads| hash_parts_of(hash, item, reads, levels));
    let known = value.downcast_object_ref::<Vec<Value>>().map(Vec::as_slice).or(tuple.map(|tuple| &**tuple));
    match known {
        Some(items) => items.iter().try_for_each(feed)?,
        None => value.try_iter().map_err(Untaggable::because)?.try_for_each(|item| feed(&item))?,
    }
    list.end(hash);
    Ok(())
}

/// The fields that count, in the order of their names.
fn hash_fields(hash: &mut Stream, object: &DynObject, fields: &[Field], levels: usize) -> Result<(), Untaggable> {
    hash.update([MAP]);
    let mut feed = |at: usize, value: &Value| {
        hash_place(hash, at);
        hash.part(|hash| hash_parts_of(hash, value, &fields[at].1, levels))
    };
    match object.downcast_ref::<BTreeMap<Value, Value>>().filter(|map| map.len() <= FEW) {
        Some(map) => {
            let mut next = 0;
            for (key, value) in map.iter().filter(|(key, _)| key.kind() == ValueKind::String) {
                if let Some(at) = place_of(fields, next, key.as_str().unwrap_or_default().as_bytes()) {
                    next = at + 1;
                    feed(at, value)?;
                }
            }
        }
        None => {
            for (at, (name, _)) in fields.iter().enumerate() {
                if let Some(value) = object.get_value_by_str(name) {
                    feed(at, &value)?;
                }
            }
        }
    }
    Ok(())
}

/// Up to so many entries all are looked at, which needs no copy of their values.
const FEW: usize = 16;

/// A map in the order that it is iterated in: the engine has put it in order, or else it shows in which order it came.
fn hash_map(hash: &mut Stream, object: &DynObject, reads: &Reads, levels: usize) -> Result<(), Untaggable> {
    hash.update([MAP]);
    let mut feed = |key: &Value, value: &Value| match reads.field(key.as_str().unwrap_or_default()) {
        Some(reads) => {
            hash_parts_of(hash, key, &Reads::Whole, levels)?;
            hash.part(|hash| hash_parts_of(hash, value, reads, levels))
        }
        None if reads.has_shape() => {
            hash_parts_of(hash, key, &Reads::Whole, levels)?;
            hash.update([UNREAD]);
            Ok(())
        }
        None => Ok(()),
    };
    match object.downcast_ref::<BTreeMap<Value, Value>>() {
        Some(map) => map.iter().try_for_each(|(key, value)| feed(key, value))?,
        None => object.try_iter_pairs().into_iter().flatten().try_for_each(|(key, value)| feed(&key, &value))?,
    }
    hash_end(hash, reads, || object.is_true());
    Ok(())
}
