//! Entity-tags (RFC 9110 §8.8.3): how one is made valid, written, read from a list and compared. It knows nothing of
//! what a tag is computed from.

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::{
    digest::{ContentDigest, Digest, hex, push_hex},
    ows::{self, OWS},
};

/// An entity-tag: `"…"` or `W/"…"` (RFC 9110 §8.8.3).
///
/// Two answers for the same URL and the same negotiation with the same strong tag have the same bytes; that is what
/// lets a cache keep its copy. Between weak tags the content only has to mean the same.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::EntityTag;
///
/// assert_eq!(EntityTag::strong("v7").to_string(), "\"v7\"");
/// assert_eq!(EntityTag::weak("v7").to_string(), "W/\"v7\"");
/// let (strong, weak) = (EntityTag::strong("v7"), "W/\"v7\"".parse::<EntityTag>()?);
/// assert!(weak.is_weak() && weak.weak_eq(&strong) && !weak.strong_eq(&strong));
/// // Text that an entity-tag may not hold is hashed: the tag is always valid.
/// assert!(EntityTag::strong("a \"quoted\" word").to_string().len() > 10);
/// # Ok::<(), chalice_http_toolkit::InvalidEntityTag>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag {
    weak: bool,
    opaque: String,
}

impl EntityTag {
    /// A strong tag with this text; text with characters that a tag may not hold (controls, spaces, quotes, anything
    /// beyond ASCII) or longer than 128 bytes is replaced by its SHA-256.
    pub fn strong(text: impl AsRef<str>) -> Self {
        Self { weak: false, opaque: valid(text.as_ref().to_owned()) }
    }

    /// A weak tag with this text, made valid as [`strong`](Self::strong) does.
    pub fn weak(text: impl AsRef<str>) -> Self {
        Self { weak: true, opaque: valid(text.as_ref().to_owned()) }
    }

    /// The strong tag of these bytes: the first 128 bits of their SHA-256.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_digest(&ContentDigest::of(bytes))
    }

    /// The strong tag of a SHA-256 digest: its first 128 bits. Two in 2⁶⁴ different contents would have to be served
    /// before two of them could be expected to share a tag.
    pub(crate) fn of_digest<Of>(digest: &Digest<Of>) -> Self {
        Self { weak: false, opaque: hex(&digest.as_bytes()[..16]) }
    }

    /// The tag with something more that it stands for, as 16 hexadecimal digits.
    pub(crate) fn with_suffix(&self, more: [u8; 8]) -> Self {
        let mut opaque = String::with_capacity(self.opaque.len() + 17);
        opaque.extend([&self.opaque, "."]);
        push_hex(&mut opaque, &more);
        Self { weak: self.weak, opaque: valid(opaque) }
    }

    /// A tag of a digest without what [`with_suffix`](Self::with_suffix) has added; any other tag as it is.
    pub(crate) fn without_suffix(&self) -> Self {
        let is_digest = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let base = self.opaque.split_once('.').filter(|(base, more)| is_digest(base, 32) && is_digest(more, 16));
        Self { weak: self.weak, opaque: base.map_or(&*self.opaque, |(base, _)| base).to_owned() }
    }

    /// Whether the tag is weak.
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// Strong comparison (RFC 9110 §8.8.3.2): both are strong and their text is the same.
    pub fn strong_eq(&self, other: &Self) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Weak comparison (RFC 9110 §8.8.3.2): their text is the same.
    pub fn weak_eq(&self, other: &Self) -> bool {
        self.opaque == other.opaque
    }

    /// Reads the first tag of `text` and returns it with what follows it.
    fn take(text: &str) -> Option<(Self, &str)> {
        let (weak, rest) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let rest = rest.strip_prefix('"')?;
        let end = rest.find('"')?;
        let (opaque, rest) = (&rest[..end], &rest[end + 1..]);
        opaque.bytes().all(is_etagc).then(|| (Self { weak, opaque: opaque.into() }, rest))
    }
}

impl std::fmt::Display for EntityTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\"{}\"", if self.weak { "W/" } else { "" }, self.opaque)
    }
}

impl std::str::FromStr for EntityTag {
    type Err = InvalidEntityTag;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Self::take(text) {
            Some((tag, "")) => Ok(tag),
            _ => Err(InvalidEntityTag),
        }
    }
}

/// The text is no entity-tag: it must be `"…"` or `W/"…"`, without quotes, spaces or controls inside.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{EntityTag, InvalidEntityTag};
///
/// assert_eq!("d41d8cd9".parse::<EntityTag>(), Err(InvalidEntityTag)); // without its quotes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEntityTag;

impl std::fmt::Display for InvalidEntityTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not an entity-tag of the form \"…\" or W/\"…\"")
    }
}

impl std::error::Error for InvalidEntityTag {}

/// The value of an `If-Match` or `If-None-Match` field (RFC 9110 §13.1.1, §13.1.2).
#[derive(Debug, PartialEq)]
pub(crate) enum TagList {
    Any,
    Tags(Vec<EntityTag>),
}

impl TagList {
    /// Reads all lines of the field as one list. A list that can't be parsed is `None`, so that it is ignored as a
    /// whole and never half-used. Empty elements and white space between elements are fine (RFC 9110 §5.6.1).
    pub(crate) fn parse<'a>(lines: impl Iterator<Item = &'a HeaderValue>) -> Option<Self> {
        let mut tags = Vec::new();
        let mut any = false;
        for line in lines {
            let mut rest = ows::trim(std::str::from_utf8(line.as_bytes()).ok()?);
            if rest == "*" {
                any = true;
                continue;
            }
            loop {
                rest = rest.trim_start_matches([' ', '\t', ',']);
                if rest.is_empty() {
                    break;
                }
                let (tag, after) = EntityTag::take(rest)?;
                tags.push(tag);
                rest = after.trim_start_matches(OWS);
                if !rest.is_empty() && !rest.starts_with(',') {
                    return None;
                }
            }
        }
        match (any, tags.is_empty()) {
            (true, true) => Some(Self::Any),
            (false, false) => Some(Self::Tags(tags)),
            _ => None,
        }
    }

    /// Whether an entry matches; `*` matches whatever exists.
    pub(crate) fn matches(&self, current: Option<&EntityTag>, eq: fn(&EntityTag, &EntityTag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => current.is_some_and(|current| tags.iter().any(|tag| eq(tag, current))),
        }
    }
}

/// `etagc` of RFC 9110 §8.8.3: visible ASCII but the quote, and the bytes of UTF-8 text (obs-text).
fn is_etagc(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

fn valid(text: String) -> String {
    if text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii() && is_etagc(byte)) {
        text
    } else {
        hex(&Sha256::digest(text)[..16])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &str) -> Option<TagList> {
        TagList::parse([HeaderValue::from_bytes(line.as_bytes()).unwrap()].iter())
    }

    #[test]
    fn lists_are_read_whole_or_not_at_all() {
        let tags = |texts: &[&str]| Some(TagList::Tags(texts.iter().map(|t| t.parse().unwrap()).collect()));
        assert_eq!(parse(r#""a""#), tags(&[r#""a""#]));
        assert_eq!(parse(r#" "a" ,	W/"b" "#), tags(&[r#""a""#, r#"W/"b""#]));
        assert_eq!(parse(r#",, "a",,"b", "#), tags(&[r#""a""#, r#""b""#]));
        assert_eq!(parse(r#""with,comma""#), tags(&[r#""with,comma""#]));
        assert_eq!(parse(" * "), Some(TagList::Any));
        for bad in ["", "a", r#""a"#, r#""a" "b""#, r#""a", b"#, r#"*, "a""#, r#"w/"a""#, r#""a b""#, r#"W/ "a""#] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn comparison_follows_the_table_of_rfc_9110_8_8_3_2() {
        let (weak, other_weak, strong) = (EntityTag::weak("1"), EntityTag::weak("2"), EntityTag::strong("1"));
        for (a, b, strong_eq, weak_eq) in [
            (&weak, &weak, false, true),
            (&weak, &other_weak, false, false),
            (&weak, &strong, false, true),
            (&strong, &strong, true, true),
        ] {
            assert_eq!(a.strong_eq(b), strong_eq);
            assert_eq!(a.weak_eq(b), weak_eq);
        }
    }

    proptest! {
        #[test]
        fn any_text_makes_a_valid_tag_that_reads_back(text in ".*", weak: bool) {
            let tag = if weak { EntityTag::weak(&text) } else { EntityTag::strong(&text) };
            HeaderValue::from_str(&tag.to_string()).unwrap();
            prop_assert_eq!(tag.to_string().parse::<EntityTag>().unwrap(), tag);
        }

        #[test]
        fn no_header_value_panics(bytes: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let _ = TagList::parse([value].iter());
            }
        }
    }
}
