//! What `{:?}` shows in place of a visitor's data and of secrets, since logs keep it: how long it is. It knows no type that has any.

use std::fmt;

use http::{HeaderMap, HeaderName};

/// The length of what is not shown.
pub(crate) struct Length(pub(crate) usize);

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

/// Header fields, those that tell who somebody is by their length alone.
pub(crate) struct Fields<'a>(pub(crate) &'a HeaderMap);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&'_ HeaderName, &'_ http::HeaderValue)| -> (String, Box<dyn fmt::Debug>) {
            match is_secret(name) {
                true => (name.to_string(), Box::new(Length(value.len()))),
                false => (name.to_string(), Box::new(value.clone())),
            }
        };
        f.debug_map().entries(self.0.iter().map(shown)).finish()
    }
}

/// Whether a header field holds what lets somebody act for a visitor or for the site.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    const PARTS: [&[u8]; 7] = [b"cookie", b"authorization", b"secret", b"token", b"password", b"session", b"api-key"];
    let name = name.as_str().as_bytes();
    // Each field of each request is asked: most letters begin none of the words.
    let starts = |at: usize| PARTS.iter().any(|part| name[at..].starts_with(part));
    name.iter().enumerate().any(|(at, letter)| matches!(letter, b'a' | b'c' | b'p' | b's' | b't') && starts(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header};

    #[test]
    fn fields_that_tell_who_somebody_is_are_hidden() {
        let value = HeaderValue::from_static("opensesame");
        for name in ["cookie", "set-cookie", "authorization", "proxy-authorization", "x-origin-secret", "x-api-key"] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
            assert_eq!(format!("{:?}", Fields(&headers)), format!("{{\"{name}\": <10 bytes>}}"));
        }
        let headers = HeaderMap::from_iter([(header::ETAG, value)]);
        assert_eq!(format!("{:?}", Fields(&headers)), "{\"etag\": \"opensesame\"}");
    }
}
