//! Debug output in place of visitors' data and secrets: only their length, because logs keep it.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The length of what is not shown.
pub(crate) struct Length(pub(crate) usize);

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

/// Header fields: those that tell who somebody is by their length alone, and URLs without their queries.
pub(crate) struct Fields<'a>(pub(crate) &'a HeaderMap);

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(name, value)| (name.as_str(), Field(name, value)))).finish()
    }
}

struct Field<'a>(&'a HeaderName, &'a HeaderValue);

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, value) = self;
        if is_secret(name) {
            return Length(value.len()).fmt(f);
        }
        let query = value.as_bytes().iter().position(|byte| *byte == b'?').filter(|_| URLS.contains(name));
        let Some(query) = query else { return value.fmt(f) };
        let (url, query) = value.as_bytes().split_at(query + 1);
        write!(f, "\"{}{:?}\"", url.escape_ascii(), Length(query.len()))
    }
}

/// Fields that hold a URL: its query may be a link by which somebody logs in.
pub(crate) const URLS: [HeaderName; 5] =
    [header::LOCATION, header::CONTENT_LOCATION, header::REFERER, header::REFRESH, header::LINK];

/// Whether a header field holds what lets somebody act for a visitor or for the site, or says who the visitor is.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    holds_secret(name.as_str().as_bytes())
}

/// Each field of each request is asked: few words begin with one letter.
fn holds_secret(name: &[u8]) -> bool {
    name.iter().enumerate().any(|(at, letter)| words(*letter).iter().any(|word| name[at..].starts_with(word)))
}

/// The same of a name in a template, in any spelling: `privateKey`, `db_pwd`, `database_url`.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_word = |word: &&str| name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == *word);
    holds_secret(name.as_bytes())
        || name.ends_with("key")
        || ["private", "pwd", "csrf", "database_url", "dsn"].iter().any(|word| name.contains(word))
        || ["otp", "pin", "salt"].iter().any(is_word)
}

/// The words with this first letter that stand in the names of such fields.
fn words(letter: u8) -> &'static [&'static [u8]] {
    match letter {
        b'a' => &[b"auth", b"api-key", b"api_key", b"apikey", b"access-key"],
        b'c' => &[b"cookie", b"credential"],
        b'j' => &[b"jwt"],
        b'o' => &[b"oidc"],
        b'p' => &[b"passw"],
        b's' => &[b"secret", b"session"],
        b't' => &[b"token"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_tell_who_somebody_is_are_hidden() {
        let value = HeaderValue::from_static("opensesame");
        for name in [
            "cookie",
            "set-cookie",
            "authorization",
            "proxy-authorization",
            "x-auth-key",
            "x-origin-secret",
            "x-api-key",
            "x-apikey",
            "api_key",
            "x-csrf-token",
            "x-password",
            "x-session-id",
            "x-amz-security-token",
            "x-amzn-oidc-data",
            "cf-access-jwt-assertion",
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
            assert_eq!(format!("{:?}", Fields(&headers)), format!("{{\"{name}\": <10 bytes>}}"));
        }
        for (name, value, shown) in [
            (header::ETAG, "opensesame", "opensesame"),
            (header::LOCATION, "/login?code=opensesame", "/login?<15 bytes>"),
            (header::LOCATION, "/login#a?b", "/login#a?<1 bytes>"),
            (header::LOCATION, "/login", "/login"),
            (header::REFERER, "https://shop.example/?opensesame", "https://shop.example/?<10 bytes>"),
            (header::REFRESH, "0; url=/in?opensesame", "0; url=/in?<10 bytes>"),
            (header::ACCEPT, "text/*?", "text/*?"),
        ] {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            let field = headers.keys().next().unwrap();
            assert_eq!(format!("{:?}", Fields(&headers)), format!("{{\"{field}\": \"{shown}\"}}"));
        }
    }
}
