//! SHA-256 as the tags of a site need it: digests as text, and hashes of several parts. It does not know what is hashed.

use sha2::digest::Update;

/// Hashes a part with its length before it: no two sequences of parts are the same bytes to the hash.
pub(crate) fn update_framed(hash: &mut impl Update, part: &[u8]) {
    hash.update(&(part.len() as u64).to_le_bytes());
    hash.update(part);
}

/// Bytes as hexadecimal digits, in small letters.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}
