//! The prefix under which a site is mounted. It does not know how a front door shows it.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

/// The prefix that the visitor's URL has before the path that the site's routes see, such as `/prod` for a stage; empty
/// at the root. It is written as in a URL. The [`App`](crate::App) puts it into the extensions of each request.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::events::ScriptRoot;
///
/// assert_eq!(ScriptRoot::new("/prod/").as_str(), "/prod");
/// assert_eq!(ScriptRoot::new("/").as_str(), "");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptRoot(Arc<str>);

impl ScriptRoot {
    /// The root of this prefix; a slash at the end is dropped, one at the start is added.
    pub fn new(prefix: &str) -> Self {
        match prefix.trim_matches('/') {
            "" => Self::default(),
            inner => Self(format!("/{inner}").into()),
        }
    }

    /// As [`new`](Self::new), for what a site's builder writes: what is no path of URLs is an error that says why.
    pub(crate) fn parse(prefix: &str) -> Result<Self, &'static str> {
        if prefix.contains("://") {
            return Err("it is a whole URL, and only the path behind the host belongs here");
        }
        if prefix.contains(['?', '#', '\\']) {
            return Err("a path has no `?`, `#` or `\\`");
        }
        let root = Self::new(prefix);
        for segment in root.as_str().split('/').skip(1) {
            if segment.is_empty() {
                return Err("two slashes stand side by side");
            }
            let plain = percent_decode_str(segment).collect::<Vec<u8>>();
            if matches!(plain.as_slice(), b"." | b"..") {
                return Err("browsers resolve `.` and `..`, so that no request has them");
            }
            if !is_segment(segment) {
                return Err(
                    "what can't stand in a URL as it is, such as a blank or an umlaut, is written percent-encoded",
                );
            }
        }
        Ok(root)
    }

    /// The prefix: empty, or a slash and more, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether it is a segment of a path as URLs have it (RFC 3986 §3.3).
fn is_segment(text: &str) -> bool {
    let is_encoded = |digits: &[u8]| digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit);
    text.bytes().enumerate().all(|(at, byte)| match byte {
        b'%' => is_encoded(&text.as_bytes()[at + 1..]),
        _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_path_as_urls_have_it() {
        for (prefix, root) in [
            ("", ""),
            ("/", ""),
            ("//", ""),
            ("/shop", "/shop"),
            ("shop", "/shop"),
            ("shop/", "/shop"),
            ("/shop//", "/shop"),
            ("/shop/v1", "/shop/v1"),
            ("/$default", "/$default"),
            ("/caf%C3%A9", "/caf%C3%A9"),
            ("/a.b/..c/~x", "/a.b/..c/~x"),
            ("/a:b@c;d=e,f", "/a:b@c;d=e,f"),
        ] {
            assert_eq!(ScriptRoot::parse(prefix).as_ref().map(ScriptRoot::as_str), Ok(root), "{prefix}");
        }
        for (prefix, why) in [
            ("https://www.shop.example/shop", "whole URL"),
            ("/shop?a=b", "`?`"),
            ("/shop#top", "`#`"),
            ("/\\evil.example", "`\\`"),
            ("/shop//v1", "two slashes"),
            ("..", "resolve"),
            ("/shop/../admin", "resolve"),
            ("/shop/%2e%2E", "resolve"),
            ("/./shop", "resolve"),
            (" /shop", "percent-encoded"),
            ("/shop ", "percent-encoded"),
            ("/shop\n", "percent-encoded"),
            ("/my shop", "percent-encoded"),
            ("/café", "percent-encoded"),
            ("/shop%", "percent-encoded"),
            ("/shop%2", "percent-encoded"),
            ("/shop%zz", "percent-encoded"),
            ("/shop\"", "percent-encoded"),
            ("/{proxy+}", "percent-encoded"),
            ("/<b>", "percent-encoded"),
            ("/shop\0", "percent-encoded"),
        ] {
            let error = ScriptRoot::parse(prefix).expect_err(prefix);
            assert!(error.contains(why), "{prefix}: {error}");
        }
    }
}
