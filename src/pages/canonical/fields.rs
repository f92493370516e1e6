//! Which fields of a map are hashed, and how their names are encoded. If the analysis knows which fields a template reads, a
//! field's position among them is hashed in place of its name.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use super::{FIELD, INTEGER, LARGE, Stream, TEXT, Untaggable, feed_long, feed_short, hash_bytes};
use crate::pages::reads::{Field, Parts, Reads};

/// Feeds what is read of arguments. Whatever has their parts in it has this before them.
pub(crate) fn hash_reads(hash: &mut Stream, reads: &Reads) {
    hash_shared(hash, reads, &mut HashMap::new());
}

/// Parts are shared, and led to in more ways than can be gone: where they have been fed already, their number stands for them.
fn hash_shared(hash: &mut Stream, reads: &Reads, fed: &mut HashMap<*const Parts, u64>) {
    let Reads::Parts(parts) = reads else { return hash.update([WHOLE]) };
    if let Some(number) = fed.get(&Arc::as_ptr(parts)) {
        return feed_short(hash, SHARED, *number);
    }
    fed.insert(Arc::as_ptr(parts), fed.len() as u64);
    let Parts { shape, truth, fields, elements, others, keyed } = &**parts;
    let rest = u8::from(others.is_some()) | u8::from(keyed.is_some()) << 1;
    hash.update([PARTS, u8::from(*shape), u8::from(*truth), elements.is_some().into(), rest]);
    feed_short(hash, INTEGER, fields.len() as u64);
    for (name, reads) in fields {
        hash_bytes(hash, TEXT, name.as_bytes());
        hash_shared(hash, reads, fed);
    }
    elements.iter().chain(others).chain(keyed).for_each(|reads| hash_shared(hash, reads, fed));
}

const WHOLE: u8 = 0;
const PARTS: u8 = 1;
const SHARED: u8 = 2;

/// The fields that count of a map, by name and in order, where it does not count which others there are, nor their order.
pub(super) fn fields_of(reads: &Reads) -> Option<&[Field]> {
    let Reads::Parts(parts) = reads else { return None };
    let Parts { shape: false, truth: _, fields, elements: None, others: None, keyed: None } = &**parts else {
        return None;
    };
    // A key that is no text counts by this name.
    let is_any = fields.first().is_some_and(|(name, _)| name.is_empty());
    (!is_any).then_some(fields)
}

/// The place of a field. Most come in their order: `next` is the one after that which came last.
#[inline]
pub(super) fn place_of(fields: &[Field], next: usize, name: &[u8]) -> Option<usize> {
    match fields.get(next) {
        Some((field, _)) if field.as_bytes() == name => Some(next),
        _ => fields.iter().position(|(field, _)| field.as_bytes() == name),
    }
}

/// Feeds the place of a field.
#[inline]
pub(super) fn hash_place(hash: &mut Stream, at: usize) {
    match at {
        0..MOST_PLACES => hash.update([FIELD + at as u8]),
        _ => feed_long(hash, FURTHER, at as u128),
    }
}

/// What stands before the place of a field that has no byte of its own.
const FURTHER: u8 = u8::MAX;

const MOST_PLACES: usize = (FURTHER - FIELD) as usize;

/// The text of a key by the form that it was fed in; a number has none. Of keys that are fed otherwise (1 and 1.0, true and
/// 1, a string and the same as a safe one) some are the same for the engine, which keeps the first and the value of the last.
#[inline]
pub(super) fn name_of(key: &[u8]) -> Result<Option<&[u8]>, Untaggable> {
    match key {
        [TEXT, text @ ..] => Ok(Some(number_of(text).1)),
        [INTEGER | LARGE, ..] => Ok(None),
        _ => Err(Untaggable("a map has a key that may equal another one".into())),
    }
}

/// The order of keys, by the forms that they are fed in: that of places, or as the engine's maps have it numbers, then
/// texts.
#[inline]
pub(super) fn key_order(one: &[u8], other: &[u8]) -> Ordering {
    match (one, other) {
        ([one], [other]) => one.cmp(other),
        ([TEXT, one @ ..], [TEXT, other @ ..]) => number_of(one).1.cmp(number_of(other).1),
        ([INTEGER, one @ ..], [INTEGER, other @ ..]) => integer_of(one).cmp(&integer_of(other)),
        ([LARGE, one @ ..], [LARGE, other @ ..]) | ([FURTHER, one @ ..], [FURTHER, other @ ..]) => {
            number_of(one).0.cmp(&number_of(other).0)
        }
        _ => one.cmp(other),
    }
}

fn integer_of(form: &[u8]) -> i128 {
    let zigzag = number_of(form).0;
    (zigzag >> 1) as i128 ^ -((zigzag & 1) as i128)
}

/// The number at the start of a form, and what follows it.
#[inline]
fn number_of(form: &[u8]) -> (u128, &[u8]) {
    let (mut number, mut shift) = (0, 0);
    for (at, byte) in form.iter().enumerate() {
        number |= u128::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return (number, &form[at + 1..]);
        }
        shift += 7;
    }
    (number, &[])
}
