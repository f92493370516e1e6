//! Reads the Range field and cuts bodies into the requested parts (RFC 9110 §14). It does not know conditions.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

use crate::fields::{digest::hex, ows};

/// What a Range field asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum RequestedRange {
    /// Nothing that is honoured: no field, another unit, a set that can't be read or asks too much.
    Whole,
    /// These parts, in the order they were asked for.
    Parts(Vec<Range<usize>>),
    /// Only parts beyond the end: 416.
    Unsatisfiable,
}

/// Reads the Range field for `length` bytes. More than [`MOST_PARTS`] parts, or parts that overlap, are the whole file
/// instead: nobody needs them but an attacker (§14.2, §17.15).
pub(crate) fn requested(headers: &HeaderMap, length: usize) -> RequestedRange {
    let mut lines = headers.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return RequestedRange::Whole };
    let Some(specs) = line.to_str().ok().and_then(specs) else { return RequestedRange::Whole };
    // The last bytes of nothing are all there is (§14.1.2).
    let all_of_nothing = length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Last(suffix) if *suffix > 0));
    if specs.len() > MOST_PARTS || all_of_nothing {
        return RequestedRange::Whole;
    }
    let parts: Vec<Range<usize>> = specs.into_iter().filter_map(|spec| spec.within(length)).collect();
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    if sorted.windows(2).any(|pair| pair[1].start < pair[0].end) {
        return RequestedRange::Whole;
    }
    if parts.is_empty() { RequestedRange::Unsatisfiable } else { RequestedRange::Parts(parts) }
}

/// Whether a Range field asks for one part.
pub(crate) fn is_single(headers: &HeaderMap) -> bool {
    headers.get(header::RANGE).is_some_and(|line| !line.as_bytes().contains(&b','))
}

/// Several parts as `multipart/byteranges` (§15.3.7.2): the Content-Type and the body.
pub(crate) fn multipart(bytes: &Bytes, parts: &[Range<usize>], content_type: Option<&HeaderValue>) -> (String, Bytes) {
    let boundary = boundary(bytes, parts);
    let mut body = BytesMut::new();
    for part in parts {
        body.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        if let Some(content_type) = content_type {
            body.extend_from_slice(b"Content-Type: ");
            body.extend_from_slice(content_type.as_bytes());
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("Content-Range: {}\r\n\r\n", content_range(part, bytes.len())).as_bytes());
        body.extend_from_slice(&bytes[part.clone()]);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/byteranges; boundary={boundary}"), body.freeze())
}

/// The Content-Range of one part (§14.4).
pub(crate) fn content_range(part: &Range<usize>, length: usize) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

/// A line that stands in no part: the hash of them all.
fn boundary(bytes: &Bytes, parts: &[Range<usize>]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(&bytes[part.clone()]));
    hex(&hash.finalize()[..16])
}

#[derive(Debug)]
enum Spec {
    From(usize, Option<usize>),
    Last(usize),
}

impl Spec {
    fn within(self, length: usize) -> Option<Range<usize>> {
        match self {
            Self::From(first, last) if first < length => {
                let end = last.map_or(length, |last| last.saturating_add(1).min(length));
                Some(first..end)
            }
            Self::Last(suffix) if suffix > 0 && length > 0 => Some(length - suffix.min(length)..length),
            _ => None,
        }
    }
}

/// The ranges of a `bytes` set; `None` where the unit is another or any of it can't be read.
fn specs(value: &str) -> Option<Vec<Spec>> {
    let (unit, set) = value.split_once('=')?;
    if !ows::trim(unit).eq_ignore_ascii_case("bytes") {
        return None;
    }
    let elements = set.split(',').map(ows::trim).filter(|element| !element.is_empty());
    let specs: Option<Vec<Spec>> = elements.map(spec).collect();
    specs.filter(|specs| !specs.is_empty())
}

fn spec(element: &str) -> Option<Spec> {
    let (first, last) = element.split_once('-')?;
    match (first, last) {
        ("", suffix) => Some(Spec::Last(position(suffix)?)),
        (first, "") => Some(Spec::From(position(first)?, None)),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// Digits only (`+1` is none); a number too large to count is beyond any file.
fn position(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

/// More parts than any reader of documents asks for at once.
const MOST_PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(value: &str, length: usize) -> RequestedRange {
        requested(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_str(value).unwrap())]), length)
    }

    #[test]
    fn sets_of_ranges_are_read_as_rfc_9110_14_says() {
        #![allow(clippy::single_range_in_vec_init)]
        for (value, expected) in [
            ("bytes=0-0", RequestedRange::Parts(vec![0..1])),
            ("bytes=0-4", RequestedRange::Parts(vec![0..5])),
            ("bytes=5-", RequestedRange::Parts(vec![5..10])),
            ("bytes=-3", RequestedRange::Parts(vec![7..10])),
            ("bytes=-99", RequestedRange::Parts(vec![0..10])),
            ("bytes=8-99", RequestedRange::Parts(vec![8..10])),
            ("BYTES=0-0", RequestedRange::Parts(vec![0..1])),
            ("bytes= 0-0 , 9-9 ", RequestedRange::Parts(vec![0..1, 9..10])),
            ("bytes=9-9,0-0", RequestedRange::Parts(vec![9..10, 0..1])),
            ("bytes=0-0,99-", RequestedRange::Parts(vec![0..1])),
            ("bytes=0-99999999999999999999999", RequestedRange::Parts(vec![0..10])),
            ("bytes=10-", RequestedRange::Unsatisfiable),
            ("bytes=-0", RequestedRange::Unsatisfiable),
            ("bytes=99999999999999999999999-", RequestedRange::Unsatisfiable),
            ("bytes=0-5,5-9", RequestedRange::Whole),
            ("bytes=4-2", RequestedRange::Whole),
            ("bytes=", RequestedRange::Whole),
            ("bytes=-", RequestedRange::Whole),
            ("bytes=a-b", RequestedRange::Whole),
            ("bytes=+1-2", RequestedRange::Whole),
            ("bytes=0-0,x", RequestedRange::Whole),
            ("pages=1-2", RequestedRange::Whole),
            ("0-0", RequestedRange::Whole),
        ] {
            assert_eq!(of(value, 10), expected, "{value}");
        }
        assert_eq!(of("bytes=0-", 0), RequestedRange::Unsatisfiable);
        assert_eq!(of("bytes=-1", 0), RequestedRange::Whole);
        let many: Vec<String> = (0..17).map(|n| format!("{}-{}", 2 * n, 2 * n)).collect();
        assert_eq!(of(&format!("bytes={}", many.join(",")), 100), RequestedRange::Whole);
    }

    proptest! {
        #[test]
        fn parts_lie_within_the_bytes(value in "bytes=([0-9]{0,3}-[0-9]{0,3},?){0,5}", length in 0usize..300) {
            if let RequestedRange::Parts(parts) = of(&value, length) {
                prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= length));
            }
        }
    }
}
