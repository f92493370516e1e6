//! Quoted strings in protocol text (RFC 9110 §5.6.4): a separator within one separates nothing. It knows no field.

use super::ows;

/// The parts between separators that stand outside of quoted strings. A quote behind a backslash ends no quoted string. `None`
/// where the last quoted string is not closed.
pub(crate) fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(|c| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        escaped = quoted && c == '\\';
        quoted ^= c == '"';
        c == separator && !quoted
    });
    let parts = parts.collect();
    (!quoted).then_some(parts)
}

/// A name and its value, a token or a quoted string with its quotes; `None` where a quote stands anywhere else.
pub(crate) fn name_and_value(text: &str) -> Option<(&str, Option<&str>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (ows::trim(name), Some(ows::trim(value))),
        None => (ows::trim(text), None),
    };
    let inner = value.and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
    let inner = inner.map(|inner| inner.replace("\\\\", "").replace("\\\"", "")); // its quoted pairs
    let is_read = !name.contains('"') && !inner.as_deref().or(value).is_some_and(|rest| rest.contains('"'));
    is_read.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_within_a_quoted_string_separates_nothing() {
        for (text, parts) in [
            ("a, b", Some(&["a", " b"][..])),
            ("", Some(&[""])),
            (r#"a="b,c",d"#, Some(&[r#"a="b,c""#, "d"])),
            (r#"a="\",b",c"#, Some(&[r#"a="\",b""#, "c"])),
            (r#"a="\\",b"#, Some(&[r#"a="\\""#, "b"])),
            (r#"a\",b",c"#, Some(&[r#"a\",b""#, "c"])),
            (r#"a,b="c"#, None),
            (r#"a="\""#, None),
        ] {
            assert_eq!(split(text, ',').as_deref(), parts, "{text}");
        }
    }

    #[test]
    fn a_value_is_a_token_or_a_quoted_string() {
        for (text, pair) in [
            (" a = b\t", Some(("a", Some("b")))),
            ("a", Some(("a", None))),
            ("a=", Some(("a", Some("")))),
            (r#"a="b\"c""#, Some(("a", Some(r#""b\"c""#)))),
            (r#"a="b"c"d""#, None),
            (r#"a=b"c""#, None),
            (r#"a=\"""#, None),
            (r#""a"=b"#, None),
        ] {
            assert_eq!(name_and_value(text), pair, "{text}");
        }
    }
}
