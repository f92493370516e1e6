//! A value with parameters, as Content-Type and Content-Disposition have it (RFC 9110 §5.6.6), read as senders write it.
//! It knows no field.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::fields::ows::{self, OWS};

/// A parameter: its name as it was sent, and its value without quotes.
#[derive(Debug, PartialEq)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) value: Cow<'a, str>,
}

/// The parameters of a field, each read when it is asked for: a sender may write very many.
#[derive(Clone, Debug)]
pub(super) struct Parameters<'a>(&'a str);

/// The value before the first semicolon, and the parameters. One without an equals sign is passed over.
pub(super) fn read(field: &str) -> (&str, Parameters<'_>) {
    let (value, rest) = field.split_once(';').unwrap_or((field, ""));
    (ows::trim(value), Parameters(rest))
}

impl<'a> Parameters<'a> {
    /// The value of the first parameter of this name, in whatever case it is written.
    pub(super) fn value_of(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut parameters = self.clone();
        parameters.find(|parameter| parameter.name.eq_ignore_ascii_case(name)).map(|parameter| parameter.value)
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Parameter<'a>;

    fn next(&mut self) -> Option<Parameter<'a>> {
        while !self.0.is_empty() {
            let (name, rest) = self.0.split_at(self.0.find(['=', ';']).unwrap_or(self.0.len()));
            let Some(after) = rest.strip_prefix('=') else {
                self.0 = rest.strip_prefix(';').unwrap_or_default();
                continue;
            };
            let after = after.trim_start_matches(OWS);
            let (value, left) = after.strip_prefix('"').map_or_else(|| token(after), quoted);
            self.0 = left;
            return Some(Parameter { name: ows::trim(name), value });
        }
        None
    }
}

/// A value without quotes, and what comes after its semicolon.
fn token(text: &str) -> (Cow<'_, str>, &str) {
    let (value, rest) = text.split_once(';').unwrap_or((text, ""));
    (ows::trim(value).into(), rest)
}

/// A quoted value, and what comes after it.
///
/// Browsers write a quotation mark as `%22` and leave a backslash as it is, so that `C:\` ends with `\"`; other clients
/// write `\"` for a quotation mark. So a mark after a backslash ends the value only where the value must end: before a
/// semicolon or at the end of the field.
fn quoted(text: &str) -> (Cow<'_, str>, &str) {
    let mut value = Cow::Borrowed("");
    let mut rest = text;
    while let Some(at) = rest.find('"') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        match before.strip_suffix('\\').filter(|_| !is_end(after)) {
            Some(before) => value = value + before + "\"",
            None => return (value + before, after_quoted(after)),
        }
        rest = after;
    }
    (value + rest, "")
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
            ("a/b;Boundary=\"x y\" ; charset = utf-8 ", vec![("Boundary", "x y"), ("charset", "utf-8")]),
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
            ("f; name=\"a\\\"b\\\"\\\"c\\\\\"", vec![("name", "a\"b\"\"c\\\\")]),
        ] {
            let read: Vec<_> = read(field).1.map(|parameter| (parameter.name, parameter.value)).collect();
            let expected: Vec<_> = expected.into_iter().map(|(name, value)| (name, value.into())).collect();
            assert_eq!(read, expected, "{field}");
        }
        assert_eq!(extended("UTF-8''caf%C3%A9"), "café");
        assert_eq!(extended("iso-8859-1'en'caf%E9"), "caf\u{fffd}");
        assert_eq!(extended("nothing"), "");
    }

    proptest! {
        #[test]
        fn no_field_makes_it_panic(field in "(\\PC|[;=\"\\\\ \t]){0,100}") {
            _ = read(&field).1.count();
        }

        #[test]
        fn a_value_that_a_browser_quotes_comes_back(value in "[^\"\\r\\n]{0,30}") {
            let field = format!("f; name=\"{value}\"; more=1");
            prop_assert_eq!(read(&field).1.value_of("NAME"), Some(Cow::Borrowed(value.as_str())));
        }
    }
}
