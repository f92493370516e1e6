//! SHA-256 for many small pieces: they are collected and hashed by the kilobyte, and the entries of a map are put in order
//! before. It does not know what they are.

use std::{cmp::Ordering, mem::replace};

use sha2::{Digest, Sha256};

use crate::pages::reads::Keys;

/// A hash that collects what it is fed: arguments come in pieces of a few bytes, and a call of the hash for each would cost
/// more than the hashing.
#[derive(Debug)]
pub(crate) struct Stream {
    /// What is not hashed yet.
    waiting: Vec<u8>,
    part: Part,
    /// Of the innermost long part.
    hash: Sha256,
    /// Of the long parts around it.
    outer: Vec<Sha256>,
    /// Of each map that has not ended, the entries that wait to be put in order.
    entries: Vec<Entry>,
    spare: Vec<u8>,
    is_spoilt: bool,
    /// The texts among what is fed, where they are asked for.
    keys: Option<Keys>,
}

/// The innermost part that is fed; the first one is all that there is.
#[derive(Debug)]
struct Part {
    /// Where it starts in what waits.
    start: usize,
    /// No more than this may wait.
    most: usize,
    is_long: bool,
}

/// So much is hashed at once.
const CAPACITY: usize = 4096;

/// A part of more bytes is long: nothing of it waits for the end of the map that it is in.
const SHORT: usize = 1024;

/// What stands before the digest of a long part.
const LONG: u8 = 15;

/// An entry of a map in what waits: a key, and behind it a value.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: usize,
    value: usize,
    end: usize,
}

/// A map whose entries wait until it ends.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The place of its first entry among all that wait.
    first: usize,
    is_in_order: bool,
    /// How much might wait before.
    most: usize,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Vec::with_capacity(CAPACITY),
            part: Part { start: 0, most: CAPACITY, is_long: true },
            hash: Sha256::new(),
            outer: Vec::new(),
            entries: Vec::new(),
            spare: Vec::new(),
            is_spoilt: false,
            keys: None,
        }
    }

    /// One that gives the texts that it is fed.
    pub(crate) fn of_keys() -> Self {
        Self { keys: Some(Keys::default()), ..Self::new() }
    }

    pub(crate) fn into_keys(self) -> Keys {
        self.keys.unwrap_or_else(Keys::any)
    }

    /// Whether the texts are asked for.
    #[inline]
    pub(crate) fn gives_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// A text is fed.
    #[inline]
    pub(crate) fn text(&mut self, text: &[u8]) {
        if let Some(keys) = &mut self.keys {
            keys.add(text);
        }
    }

    /// A text is fed that a part of may be taken of.
    #[inline]
    pub(crate) fn divided_text(&mut self) {
        if let Some(keys) = &mut self.keys {
            *keys = Keys::any();
        }
    }

    /// Something could not be fed: the hash is worth nothing, whoever goes on.
    pub(crate) fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    pub(crate) fn is_spoilt(&self) -> bool {
        self.is_spoilt
    }

    #[inline]
    pub(crate) fn update(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if self.waiting.len() + bytes.len() > self.part.most {
            return self.overflow(bytes);
        }
        self.waiting.extend_from_slice(bytes);
    }

    #[cold]
    fn overflow(&mut self, bytes: &[u8]) {
        self.hash_waiting();
        if bytes.len() < CAPACITY {
            self.waiting.extend_from_slice(bytes);
        } else {
            self.hash.update(bytes);
        }
    }

    /// Hashes what waits of the innermost part, which is long from then on.
    fn hash_waiting(&mut self) {
        let Part { start, is_long, .. } = self.part;
        if !is_long {
            self.outer.push(replace(&mut self.hash, Sha256::new()));
        }
        self.part = Part { start, most: start + CAPACITY, is_long: true };
        self.hash.update(&self.waiting[start..]);
        self.waiting.truncate(start);
    }

    /// Feeds a part by itself: as it is if it is short, else as its digest.
    #[inline]
    pub(crate) fn part<E>(&mut self, feed: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        let start = self.waiting.len();
        let around = replace(&mut self.part, Part { start, most: start + SHORT, is_long: false });
        let outcome = feed(self);
        if self.part.is_long || self.waiting.len() - start > SHORT {
            self.end_long_part();
        }
        self.part = around;
        outcome
    }

    #[cold]
    fn end_long_part(&mut self) {
        self.hash_waiting();
        let hash = replace(&mut self.hash, self.outer.pop().unwrap_or_default());
        self.waiting.push(LONG);
        self.waiting.extend_from_slice(&hash.finalize());
    }

    /// How much waits.
    pub(crate) fn position(&self) -> usize {
        self.waiting.len()
    }

    /// Feeds a key, of which nothing is hashed before the next piece, and gives the form that it has. It may not count.
    #[inline]
    pub(crate) fn key<E>(&mut self, feed: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<&[u8], E> {
        let (start, most) = (self.waiting.len(), replace(&mut self.part.most, usize::MAX));
        let keys = self.keys.take();
        let outcome = feed(self);
        self.keys = keys;
        self.part.most = most;
        outcome.map(|()| &self.waiting[start..])
    }

    /// Takes back the key that was fed last, from where it started.
    pub(crate) fn take_back(&mut self, key: usize) {
        self.waiting.truncate(key);
    }

    /// Begins a map that is fed in the order of its keys, whatever order they come in.
    #[inline]
    pub(crate) fn begin_map(&mut self) -> Waiting {
        let most = replace(&mut self.part.most, usize::MAX);
        Waiting { first: self.entries.len(), is_in_order: true, most }
    }

    /// What was fed last is an entry of the map: its key from one place on, its value from the other. Keys are ordered by the
    /// forms that they were fed in.
    #[inline]
    pub(crate) fn end_entry(
        &mut self,
        map: &mut Waiting,
        key: usize,
        value: usize,
        order: impl Fn(&[u8], &[u8]) -> Ordering,
    ) {
        if self.is_spoilt {
            // What was not fed to its end has left entries behind.
            return;
        }
        let entry = Entry { key, value, end: self.waiting.len() };
        if let [.., last] = &self.entries[map.first..] {
            map.is_in_order &= order(last.key_in(&self.waiting), entry.key_in(&self.waiting)).is_le();
        }
        self.entries.push(entry);
    }

    #[inline]
    pub(crate) fn end_map(&mut self, map: Waiting, order: impl Fn(&[u8], &[u8]) -> Ordering) {
        if !map.is_in_order && !self.is_spoilt {
            self.put_in_order(map.first, order);
        }
        self.entries.truncate(map.first);
        self.part.most = map.most;
        if self.waiting.len() > map.most {
            self.hash_waiting();
        }
    }

    /// Of a repeated key the order is kept, as the last one counts.
    fn put_in_order(&mut self, first: usize, order: impl Fn(&[u8], &[u8]) -> Ordering) {
        let Self { waiting, entries, spare, .. } = self;
        let entries = &mut entries[first..];
        let Some(start) = entries.first().map(|entry| entry.key) else { return };
        entries.sort_by(|one, other| order(one.key_in(waiting), other.key_in(waiting)));
        spare.clear();
        entries.iter().for_each(|entry| spare.extend_from_slice(&waiting[entry.key..entry.end]));
        waiting.truncate(start);
        waiting.extend_from_slice(spare);
    }

    pub(crate) fn finalize(mut self) -> [u8; 32] {
        self.hash.update(&self.waiting);
        self.hash.finalize().into()
    }
}

impl sha2::digest::Update for Stream {
    #[inline]
    fn update(&mut self, bytes: &[u8]) {
        Self::update(self, bytes);
    }
}

impl Entry {
    fn key_in<'a>(&self, waiting: &'a [u8]) -> &'a [u8] {
        &waiting[self.key..self.value]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fed(feed: impl FnOnce(&mut Stream)) -> [u8; 32] {
        let mut stream = Stream::new();
        feed(&mut stream);
        stream.finalize()
    }

    fn part(stream: &mut Stream, feed: impl FnOnce(&mut Stream)) {
        let feed = |stream: &mut Stream| {
            feed(stream);
            Ok::<_, ()>(())
        };
        stream.part(feed).expect("it is fed");
    }

    /// What is hashed for a map, told by the rules and not by how it is done.
    fn of_map(entries: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut entries = entries.to_vec();
        entries.sort_by_key(|(key, _)| *key);
        let short = |value: Vec<u8>| match value.len() > SHORT {
            true => [&[LONG], Sha256::digest(value).as_slice()].concat(),
            false => value,
        };
        entries.into_iter().flat_map(|(key, value)| [vec![key], short(value)].concat()).collect()
    }

    fn feed_map(stream: &mut Stream, entries: &[(u8, Vec<u8>)]) {
        let mut map = stream.begin_map();
        for (key, value) in entries {
            let start = stream.position();
            stream.update([*key]);
            let at = stream.position();
            part(stream, |stream| value.chunks(300).for_each(|piece| stream.update(piece)));
            stream.end_entry(&mut map, start, at, |one, other| one.cmp(other));
        }
        stream.end_map(map, |one, other| one.cmp(other));
    }

    fn entries() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
        let value = prop_oneof![3 => 0..40_usize, 1 => 1020..1028_usize, 1 => 4000..9000_usize];
        prop::collection::vec((0..9u8, value.prop_map(|length| vec![length as u8; length])), 0..6)
    }

    proptest! {
        #[test]
        fn pieces_make_the_hash_of_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5000), 0..9)) {
            let found = fed(|stream| pieces.iter().for_each(|piece| stream.update(piece)));
            prop_assert_eq!(found, <[u8; 32]>::from(Sha256::digest(pieces.concat())));
        }

        #[test]
        fn maps_within_maps_are_put_in_order(before in 0..5000_usize, maps in prop::collection::vec(entries(), 0..4)) {
            let before = vec![1; before];
            let nested: Vec<(u8, Vec<u8>)> = maps.iter().enumerate().map(|(at, map)| (9 - at as u8, of_map(map))).collect();
            let found = fed(|stream| {
                stream.update(&before);
                let mut outer = stream.begin_map();
                for ((key, _), map) in nested.iter().zip(&maps) {
                    let start = stream.position();
                    stream.update([*key]);
                    let at = stream.position();
                    part(stream, |stream| feed_map(stream, map));
                    stream.end_entry(&mut outer, start, at, |one, other| one.cmp(other));
                }
                stream.end_map(outer, |one, other| one.cmp(other));
                stream.update(b"after");
            });
            let whole = [before, of_map(&nested), b"after".to_vec()].concat();
            prop_assert_eq!(found, <[u8; 32]>::from(Sha256::digest(whole)));
        }
    }

    #[test]
    fn what_waits_does_not_grow_with_what_is_fed() {
        let mut stream = Stream::new();
        let mut map = stream.begin_map();
        let start = stream.position();
        stream.update(b"key");
        let at = stream.position();
        part(&mut stream, |stream| {
            for row in 0..100_000_u32 {
                feed_map(stream, &[(2, row.to_le_bytes().to_vec()), (1, vec![7; 20])]);
            }
            assert!(stream.waiting.capacity() <= 4 * CAPACITY && stream.entries.capacity() < 16);
        });
        stream.end_entry(&mut map, start, at, |one, other| one.cmp(other));
        stream.end_map(map, |one, other| one.cmp(other));
    }
}
