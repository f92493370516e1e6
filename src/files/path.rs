//! Turns the path of a URL into the name of a file. Names are only looked up in an index: no code joins a visitor's text to a
//! folder. It does not know which files exist.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str};

/// The name of a file below a root: segments joined by `/`, none of them empty or hidden.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AssetPath(String);

/// Why a path or a name is none of a file that the site has, for the log.
pub(crate) type Refusal = &'static str;

/// The folder of what a site says about itself at a place that clients know (RFC 8615 §3): `security.txt`,
/// `assetlinks.json`. At the root it is no hidden one.
pub(crate) const WELL_KNOWN: &str = ".well-known";

impl AssetPath {
    /// Reads the path of a URL, percent-decoding each segment exactly once, so that `%2520` is a name with `%20` in it
    /// and `%2f` is never a separator.
    pub(crate) fn from_url(path: &str) -> Result<Self, Refusal> {
        let mut name = String::with_capacity(path.len());
        for segment in path.split('/') {
            if !is_well_encoded(segment) {
                return Err("its percent-encoding is malformed");
            }
            let segment = percent_decode_str(segment).decode_utf8().map_err(|_| "it is no UTF-8")?;
            Self::push(&mut name, &segment)?;
        }
        Ok(Self(name))
    }

    /// Reads a name as the site's own code or a folder listing has it.
    pub(crate) fn from_name(name: &str) -> Result<Self, Refusal> {
        let mut checked = String::with_capacity(name.len());
        for segment in name.split('/') {
            Self::push(&mut checked, segment)?;
        }
        Ok(Self(checked))
    }

    /// SECURITY: refused, never repaired, whatever the source. `.` and `..` and hidden files start with a dot; the
    /// separator and the backslash can only be here when they were encoded; NUL ends names in C.
    fn push(name: &mut String, segment: &str) -> Result<(), Refusal> {
        if segment.is_empty() {
            return Err("it has an empty segment");
        }
        if segment.starts_with('.') && !(name.is_empty() && segment == WELL_KNOWN) {
            return Err(
                "a segment of it starts with a dot: hidden files are not served, but for `.well-known/` at the root",
            );
        }
        if segment.contains(['/', '\\', '\0']) {
            return Err("a segment of it has a slash, a backslash or a NUL in it");
        }
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(segment);
        Ok(())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What may not stand in the path of a URI as it is (RFC 3986 §3.3).
#[rustfmt::skip]
pub(crate) const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'[').add(b'\\').add(b']').add(b'^')
    .add(b'`').add(b'{').add(b'|').add(b'}');

/// Whether each `%` is followed by two hexadecimal digits (RFC 3986 §2.1).
pub(crate) fn is_well_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%').all(|(at, _)| {
        matches!(bytes.get(at + 1..at + 3), Some([high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_decoded_once_and_refused_when_odd() {
        for (path, name) in [
            ("site.css", Some("site.css")),
            ("img/logo.png", Some("img/logo.png")),
            ("caf%C3%A9.txt", Some("café.txt")),
            ("a%20b+c", Some("a b+c")),
            ("a%2520b", Some("a%20b")),
            ("%252e%252e/x", Some("%2e%2e/x")),
            ("", None),
            ("img/", None),
            ("/img", None),
            ("a//b", None),
            ("..", None),
            ("a/../b", None),
            ("%2e%2e/secret", None),
            ("a%2fb", None),
            ("a%5cb", None),
            ("a\\b", None),
            ("a%00b", None),
            (".env", None),
            ("%2Egit/config", None),
            ("a/.hidden", None),
            (".well-known/security.txt", Some(".well-known/security.txt")),
            ("%2Ewell-known/a/b.json", Some(".well-known/a/b.json")),
            (".Well-Known/security.txt", None),
            (".well-known.txt", None),
            (".well-known/.env", None),
            (".well-known/../a", None),
            (".well-known/", None),
            ("a/.well-known/b", None),
            ("%ff", None),
            ("%", None),
            ("%zz", None),
            ("a%4", None),
        ] {
            assert_eq!(AssetPath::from_url(path).as_ref().map(AssetPath::as_str).ok(), name, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_root(path in "([a-z.%/\\\\0-9]|%2[eEfF]|%5[cC]|%00|\\PC){0,40}") {
            if let Ok(name) = AssetPath::from_url(&path) {
                prop_assert!(!name.as_str().starts_with('/') && !name.as_str().contains(['\\', '\0']));
                prop_assert!(name.as_str().split('/').all(|s| !s.is_empty() && !s.starts_with('.')));
                prop_assert_eq!(AssetPath::from_name(name.as_str()), Ok(name.clone()));
            }
        }
    }
}
