//! The names that templates use, as numbers, and maps by numbers. It knows no template and no value.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

/// A name, or a text that stands in a template: its number in [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name(u32);

/// All names of a page's templates, each of them once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Name>,
}

impl Names {
    pub(crate) fn name(&mut self, text: &str) -> Name {
        if let Some(name) = self.numbers.get(text) {
            return *name;
        }
        let (name, text) = (Name(self.texts.len() as u32), Arc::<str>::from(text));
        self.texts.push(text.clone());
        self.numbers.insert(text, name);
        name
    }

    pub(crate) fn text(&self, name: Name) -> &Arc<str> {
        &self.texts[name.0 as usize]
    }
}

/// Maps and sets whose keys are numbers that are given out here.
pub(crate) type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;
pub(crate) type NumberSet<K> = HashSet<K, BuildHasherDefault<NumberHasher>>;

/// A quick hash of such numbers.
///
/// SECURITY: it has no secret key. Nobody chooses these numbers: they count what templates have, which the site has written.
#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(32) ^ number).wrapping_mul(SPREAD);
    }

    /// The multiplication has spread each number upwards, and a map looks at the lowest bits too.
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// 2⁶⁴ divided by the golden ratio: multiples of it are far from one another.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        let [one, other, again] = ["a", "", "a"].map(|text| names.name(text));
        assert!(one == again && one != other);
        assert_eq!((&**names.text(one), &**names.text(other)), ("a", ""));
    }

    #[test]
    fn pairs_of_numbers_have_different_hashes_at_both_ends() {
        let hash = |one: u32, other: u32| {
            let mut hasher = NumberHasher::default();
            hasher.write_u32(one);
            hasher.write_u32(other);
            hasher.finish()
        };
        let hashes: Vec<u64> = (0..256).flat_map(|one| (0..256).map(move |other| hash(one, other))).collect();
        // Of 65,536 in as many places about 63 % are taken where they lie at random.
        for part in [|hash: &u64| hash & 0xffff, |hash: &u64| hash >> 48] {
            assert!(hashes.iter().map(part).collect::<HashSet<_>>().len() > 35_000);
        }
    }
}
