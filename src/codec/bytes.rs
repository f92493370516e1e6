//! Numbers out of bytes that nobody vouches for: past the end there is nothing, never a panic. It does not know formats.

/// `length` bytes from `start`, if they are there.
pub(super) fn slice(bytes: &[u8], start: usize, length: usize) -> Option<&[u8]> {
    bytes.get(start..start.checked_add(length)?)
}

pub(super) fn array<const N: usize>(bytes: &[u8], start: usize) -> Option<[u8; N]> {
    slice(bytes, start, N)?.try_into().ok()
}

pub(super) fn be16(bytes: &[u8], start: usize) -> Option<u16> {
    array(bytes, start).map(u16::from_be_bytes)
}

pub(super) fn be32(bytes: &[u8], start: usize) -> Option<u32> {
    array(bytes, start).map(u32::from_be_bytes)
}

pub(super) fn le16(bytes: &[u8], start: usize) -> Option<u16> {
    array(bytes, start).map(u16::from_le_bytes)
}

pub(super) fn le24(bytes: &[u8], start: usize) -> Option<u32> {
    array::<3>(bytes, start).map(|[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]))
}

pub(super) fn le32(bytes: &[u8], start: usize) -> Option<u32> {
    array(bytes, start).map(u32::from_le_bytes)
}

/// Whether one of eight bytes is 0xff, with which the markers of a JPEG begin.
pub(super) const fn has_ff(word: u64) -> bool {
    let (ones, highest) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080);
    (!word).wrapping_sub(ones) & word & highest != 0
}

/// The place of the first byte that is 0xff.
pub(super) fn find_ff(bytes: &[u8]) -> Option<usize> {
    let words = bytes.as_chunks().0;
    let start = 8 * words.iter().position(|word| has_ff(u64::from_ne_bytes(*word))).unwrap_or(words.len());
    bytes.get(start..)?.iter().position(|byte| *byte == 0xff).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_many_is_found_wherever_it_is() {
        for length in 0..40 {
            for first in 0..length {
                let mut bytes = vec![0xfe; length];
                bytes.iter_mut().skip(first).step_by(3).for_each(|byte| *byte = 0xff);
                assert_eq!(find_ff(&bytes), Some(first), "of {length}");
            }
            assert_eq!(find_ff(&[0, 0x80, 0x7f, 0xfe, 1].repeat(length)), None);
        }
    }
}
