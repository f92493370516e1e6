//! The Cookie field of a request (RFC 6265 §4.2.1): names and values as they came. It decodes nothing and knows no secret.

use http::{HeaderMap, header};

use crate::fields::ows;

/// All cookies with a name, in the order in which they came.
pub(super) fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).filter_map(cookie).collect()
}

/// One cookie: its name ends at the first equals sign. What has no name can't be asked for.
///
/// SECURITY: a name is what a browser stored under it, byte for byte. Browsers guard the prefixes `__Host-` and `__Secure-`
/// (RFC 6265bis §5.7); a server that makes one name of two lets another host of the domain set the guarded one. So nothing
/// but SP and HTAB is taken off, and case, quotation marks and percent signs stay.
fn cookie(pair: &[u8]) -> Option<(String, String)> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (text(&pair[..equals]), text(&pair[equals + 1..]));
    let (name, value) = (ows::trim(&name), ows::trim(&value));
    (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

/// UTF-8 as it is, other bytes as the characters of ISO 8859-1: an odd cookie of another application spoils none but itself.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(lines: &[&[u8]]) -> Vec<(String, String)> {
        let lines = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
        cookies(&lines.map(|line| (header::COOKIE, line)).collect())
    }

    #[test]
    fn a_cookie_field_is_read_as_it_came() {
        for (line, expected) in [
            ("a=1; b=2", vec![("a", "1"), ("b", "2")]),
            ("a=1;b=2;", vec![("a", "1"), ("b", "2")]),
            (" \ta \t=\t 1\t ;;  ; b = 2 ", vec![("a", "1"), ("b", "2")]),
            ("a=1=2; b==", vec![("a", "1=2"), ("b", "=")]),
            ("a=; a=2", vec![("a", ""), ("a", "2")]),
            ("a=\"1\"; b=1, c=2; d=%41", vec![("a", "\"1\""), ("b", "1, c=2"), ("d", "%41")]),
            ("nameless; =nameless; a", vec![]),
            ("", vec![]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(of(&[line.as_bytes()]), expected, "{line}");
        }
        let odd = [("a", "1"), ("odd", "caf\u{e9}"), ("b", "é")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(of(&[b"a=1; odd=caf\xe9; b=\xc3\xa9"]), odd, "one that is no UTF-8 leaves the others alone");
        assert_eq!(of(&[b"a=1", b"b=2"]).len(), 2, "HTTP/2 has a line for each (RFC 9113 §8.2.3)");
    }

    /// What browsers let another host set, and what a server must not take for the guarded name.
    #[test]
    fn a_name_that_is_nearly_the_guarded_one_is_another() {
        let white =
            ["\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{2028}", "\u{2029}", "\u{202f}", "\u{205f}", "\u{3000}"];
        let near = white
            .iter()
            .flat_map(|c| [format!("{c}__Host-user"), format!("__Host-user{c}"), format!("{c} __Host-user")]);
        let other =
            ["=__Host-user", "__host-user", "\"__Host-user\"", "%5F_Host-user", "__Host%2Duser", "\u{feff}__Host-user"];
        for name in near.chain(other.map(str::to_owned)) {
            let read = of(&[format!("{name}=stolen").as_bytes()]);
            assert!(read.iter().all(|(name, _)| name != "__Host-user"), "{name}: {read:?}");
        }
        let latin = of(&[b"\xa0__Host-user=stolen", b"\x85__Host-user=stolen"]);
        assert!(latin.iter().all(|(name, _)| name != "__Host-user"), "{latin:?}");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic_and_no_name_has_white_space_around_it(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            for (name, _) in of(&[&line]) {
                prop_assert!(!name.is_empty() && ows::trim(&name) == name);
            }
        }
    }
}
