//! SHA-256 as the tags of a site need it: a type for each kind of digest, digests as text, and hashes of several parts. It does
//! not know what is hashed.

use std::marker::PhantomData;

use sha2::{Digest as _, Sha256, digest::Update};

/// A SHA-256 digest. `Of` is the kind, so that a digest of one thing is never taken for that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Digest<Of> {
    bytes: [u8; 32],
    of: PhantomData<Of>,
}

/// Of the bytes of a file, or of what stands for them.
pub(crate) type ContentDigest = Digest<Content>;
/// Of one part of all that a page is made from: a template, a setting, an argument.
pub(crate) type PartDigest = Digest<Part>;
/// Of all that a page is made from, but its arguments.
pub(crate) type ClosureDigest = Digest<Closure>;
/// Of all that a page is made from.
pub(crate) type PageDigest = Digest<Page>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Content {}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Closure {}
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Page {}

impl<Of> Digest<Of> {
    pub(crate) fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self::finish(Sha256::new().chain_update(bytes))
    }

    pub(crate) fn finish(hash: Sha256) -> Self {
        Self::new(hash.finalize().into())
    }

    pub(crate) const fn new(bytes: [u8; 32]) -> Self {
        Self { bytes, of: PhantomData }
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }
}

impl<Of> AsRef<[u8]> for Digest<Of> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Hashes a part with its length before it: no two sequences of parts are the same bytes to the hash.
pub(crate) fn update_framed(hash: &mut impl Update, part: &[u8]) {
    hash.update(&(part.len() as u64).to_le_bytes());
    hash.update(part);
}

/// Bytes as hexadecimal digits, in small letters.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push_hex(&mut text, bytes);
    text
}

/// Adds bytes as hexadecimal digits.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    for byte in bytes {
        text.extend([digit(byte >> 4), digit(byte & 0xf)]);
    }
}
