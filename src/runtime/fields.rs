//! Header fields on their way through a front door: as the text that JSON can hold, and which of a reply do not reach the
//! client. It knows no event and no reply.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, HeaderValue, header};

use super::door::{Door, RENAMED, Remapping};

/// A field's value as JSON can hold it: UTF-8 as it is, other bytes as the characters of ISO 8859-1, their old meaning
/// (RFC 9110 §5.5).
pub(crate) fn text_of(value: &HeaderValue) -> Cow<'_, str> {
    text(value.as_bytes())
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The cookies of a line, each as text by itself: one that is no UTF-8 leaves the others as they are.
#[cfg_attr(not(any(feature = "dev-server", feature = "server", feature = "testing")), allow(dead_code))]
pub(crate) fn cookies_of(line: &HeaderValue) -> impl Iterator<Item = Cow<'_, str>> {
    line.as_bytes()
        .split(|byte| *byte == b';')
        .map(|cookie| text(cookie.trim_ascii()))
        .filter(|cookie| !cookie.is_empty())
}

/// Whether a body with these fields arrives as text, if it is UTF-8.
#[cfg_attr(not(any(feature = "dev-server", feature = "server", feature = "testing")), allow(dead_code))]
pub(crate) fn are_of_text(door: &Door, headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).map(text_of).unwrap_or_default();
    door.text_bodies.iter().any(|listed| media_type.starts_with(listed))
}

/// Tells in the log which fields of answers do not reach the client, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Warnings(Arc<Mutex<HashSet<&'static str>>>);

impl Warnings {
    pub(crate) fn of(&self, door: &Door, headers: &HeaderMap) {
        // The length that a door sends of its own says the same as ours.
        let lost = door
            .reply_fields
            .iter()
            .filter(|(name, remapping)| *remapping != Remapping::Replaced && headers.contains_key(*name));
        for (name, remapping) in lost {
            let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
            if !is_new {
                continue;
            }
            let becomes = match remapping {
                Remapping::Dropped => "nothing".to_owned(),
                Remapping::Renamed | Remapping::Replaced => format!("{RENAMED}{name}"),
            };
            let front = door.front;
            tracing::warn!(field = name, ?front, becomes, "a field of the answer does not reach the client");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_that_is_no_utf_8_spoils_its_own_cookie_only() {
        for (line, expected) in [
            (&b"a=1; b=2"[..], "a=1|b=2"),
            (b"a=1;b=2;", "a=1|b=2"),
            (b"city=M\xfcnchen; user=7", "city=M\u{fc}nchen|user=7"),
            ("city=M\u{fc}nchen; user=7".as_bytes(), "city=M\u{fc}nchen|user=7"),
            (b"a=\xff; b=\xc3\xa4; c=\xc3", "a=\u{ff}|b=\u{e4}|c=\u{c3}"),
            (b"; ;", ""),
        ] {
            let line = HeaderValue::from_bytes(line).expect("a value");
            let cookies: Vec<_> = cookies_of(&line).collect();
            assert_eq!(cookies.join("|"), expected, "{line:?}");
        }
    }
}
