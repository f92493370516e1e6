//! A value with parameters, as Content-Type and Content-Disposition have it (RFC 9110 §5.6.6), read as senders write it.
//! It knows no field.

use percent_encoding::percent_decode;

use crate::ows::{self, OWS};

/// A parameter: its name in lower case, and its value without quotes.
#[derive(Debug, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: String,
}

/// The value before the first semicolon, and the parameters. What is no UTF-8 becomes U+FFFD; a parameter without an
/// equals sign is passed over.
pub(super) fn read(field: &[u8]) -> (String, Vec<Parameter>) {
    let field = String::from_utf8_lossy(field);
    let (value, mut rest) = field.split_once(';').unwrap_or((&field, ""));
    let mut parameters = Vec::new();
    while !rest.is_empty() {
        let end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = ows::trim(&rest[..end]).to_ascii_lowercase();
        let after = rest[end..].trim_start_matches('=').trim_start_matches(OWS);
        if rest[end..].starts_with('=') {
            let (value, left) = after.strip_prefix('"').map_or_else(|| token(after), quoted);
            parameters.push(Parameter { name, value });
            rest = left;
        } else {
            rest = rest[end..].trim_start_matches(';');
        }
    }
    (ows::trim(value).to_owned(), parameters)
}

/// A value without quotes, and what comes after its semicolon.
fn token(text: &str) -> (String, &str) {
    let (value, rest) = text.split_once(';').unwrap_or((text, ""));
    (ows::trim(value).to_owned(), rest)
}

/// A quoted value, and what comes after it.
///
/// Browsers write a quotation mark as `%22` and leave a backslash as it is, so that `C:\` ends with `\"`; other clients
/// write `\"` for a quotation mark. So a mark after a backslash ends the value only where the value must end: before a
/// semicolon or at the end of the field.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        let rest = &text[at + character.len_utf8()..];
        match character {
            '"' => return (value, after_quoted(rest)),
            '\\' if rest.starts_with('"') && !is_end(&rest[1..]) => {
                value.push('"');
                characters.next();
            }
            other => value.push(other),
        }
    }
    (value, "")
}

fn is_end(rest: &str) -> bool {
    let rest = rest.trim_start_matches(OWS);
    rest.is_empty() || rest.starts_with(';')
}

fn after_quoted(rest: &str) -> &str {
    rest.split_once(';').map_or("", |(_, rest)| rest)
}

/// The text of an extended value, `UTF-8'en'caf%C3%A9` (RFC 8187 §3.2). Of another character set the ASCII is right, and
/// the rest becomes U+FFFD.
pub(super) fn extended(value: &str) -> String {
    let encoded = value.splitn(3, '\'').nth(2).unwrap_or_default();
    percent_decode(encoded.as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_are_read_as_senders_write_them() {
        for (field, expected) in [
            ("multipart/form-data", vec![]),
            ("a/b; boundary=x", vec![("boundary", "x")]),
            ("a/b;Boundary=\"x y\" ; charset = utf-8 ", vec![("boundary", "x y"), ("charset", "utf-8")]),
            ("a/b; boundary=----=_Part_1.2", vec![("boundary", "----=_Part_1.2")]),
            ("f; name=a b", vec![("name", "a b")]),
            ("f; name=\"a;b=\\\"c\\\"\"; filename=d", vec![("name", "a;b=\"c\""), ("filename", "d")]),
            (r#"f; filename="C:\"; name="a""#, vec![("filename", r"C:\"), ("name", "a")]),
            (r#"f; name="a"; filename="C:\""#, vec![("name", "a"), ("filename", r"C:\")]),
            (r#"f; filename="a\\b""#, vec![("filename", r"a\\b")]),
            ("f; filename=\"x; name=y\"; name=z", vec![("filename", "x; name=y"), ("name", "z")]),
            ("f; name=\"never ends", vec![("name", "never ends")]),
            ("f;; x ;name=", vec![("name", "")]),
            ("f; name=\"ü\"", vec![("name", "ü")]),
            ("f;\tname \t=\t a\t", vec![("name", "a")]),
            ("f; \u{2003}name=a; name=\u{a0}b", vec![("\u{2003}name", "a"), ("name", "\u{a0}b")]),
        ] {
            let read: Vec<_> = read(field.as_bytes()).1.into_iter().map(|p| (p.name, p.value)).collect();
            let expected: Vec<_> = expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(read, expected, "{field}");
        }
        assert_eq!(extended("UTF-8''caf%C3%A9"), "café");
        assert_eq!(extended("iso-8859-1'en'caf%E9"), "caf\u{fffd}");
        assert_eq!(extended("nothing"), "");
    }

    proptest! {
        #[test]
        fn no_field_makes_it_panic(field in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&field);
        }

        #[test]
        fn a_value_that_a_browser_quotes_comes_back(value in "[^\"\\r\\n]{0,30}") {
            let (_, parameters) = read(format!("f; name=\"{value}\"; more=1").as_bytes());
            prop_assert_eq!(&parameters[0].value, &value);
        }
    }
}
