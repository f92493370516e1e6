//! SHA-256 for many small pieces. It does not know what they are.

use sha2::{Digest, Sha256};

/// A hash that collects what it is fed and works on it by the kilobyte: arguments are fed in pieces of a few bytes, and a
/// call of the hash for each would cost more than the hashing.
#[derive(Debug)]
pub(crate) struct Stream {
    hash: Sha256,
    waiting: [u8; CAPACITY],
    length: usize,
}

const CAPACITY: usize = 1024;

impl Stream {
    pub(crate) fn new() -> Self {
        Self { hash: Sha256::new(), waiting: [0; CAPACITY], length: 0 }
    }

    #[inline]
    pub(crate) fn update(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        match self.waiting.get_mut(self.length..self.length + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
            }
            None => self.overflow(bytes),
        }
    }

    #[cold]
    fn overflow(&mut self, bytes: &[u8]) {
        self.hash.update(&self.waiting[..self.length]);
        self.length = 0;
        if bytes.len() < CAPACITY {
            self.update(bytes);
        } else {
            self.hash.update(bytes);
        }
    }

    pub(crate) fn finalize(mut self) -> [u8; 32] {
        self.hash.update(&self.waiting[..self.length]);
        self.hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_make_the_hash_of_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1500), 0..9)) {
            let mut stream = Stream::new();
            pieces.iter().for_each(|piece| stream.update(piece));
            prop_assert_eq!(stream.finalize(), <[u8; 32]>::from(Sha256::digest(pieces.concat())));
        }
    }
}
