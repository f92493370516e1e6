//! Which targets of links and redirects stay on the site, by the rules that browsers read a URL with (URL Standard, §4.4).
//! It knows no page and no request.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::fields::web_origin::WebOrigin;

/// A target with the prefix under which the site is mounted; `None` where a browser would leave the site for it.
///
/// A path gets the prefix, and so does nothing at all, which is the root. Any other relative reference (`?page=2`, `next`)
/// is meant from the page that it stands on, and stays.
pub(crate) fn within(root: &str, target: &str) -> Option<String> {
    let target = target.trim_matches(is_stripped);
    if leaves(target) {
        return None;
    }
    let is_path = target.is_empty() || target.starts_with('/');
    Some(format!("{}{target}", if is_path { root } else { "" }))
}

/// A path of the site as an absolute URL. It has the prefix already or not: what `url()` and `static()` give has it. `None` for
/// what a browser would leave the site for, and for what is meant from the page that it stands on.
pub(crate) fn absolute(origin: &str, root: &str, path: &str) -> Option<String> {
    let path = encoded(&within("", path)?);
    if !(path.is_empty() || path.starts_with('/')) {
        return None;
    }
    let after_root = path.strip_prefix(root).filter(|_| !root.is_empty());
    let has_root = after_root.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    let root = if has_root { "" } else { root };
    let path = if path.is_empty() && root.is_empty() { "/" } else { &path };
    Some(format!("{origin}{root}{path}"))
}

/// An absolute URL of the site's own origin, which has the prefix already; `None` for any other target.
///
/// SECURITY: what stands before the path must be an origin to the letter: no user, no backslash, no tab.
pub(crate) fn own(origin: &str, target: &str) -> Option<String> {
    let target = target.trim_matches(is_stripped);
    let host = target.find("://")? + "://".len();
    let end = target[host..].find(['/', '?', '#']).map_or(target.len(), |length| host + length);
    let (asked, rest) = target.split_at(end);
    (WebOrigin::parse(asked).ok()?.to_string() == origin).then(|| format!("{origin}{rest}"))
}

/// SECURITY: browsers take a backslash for a slash and pass over tabs and line breaks, wherever they stand, so that
/// `/\evil.example` and `/<tab>/evil.example` name another host. What has a scheme may name one without any slash:
/// `https:evil.example`.
fn leaves(target: &str) -> bool {
    let read = || target.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r'));
    let is_slash = |c: char| matches!(c, '/' | '\\');
    if read().take(2).filter(|c| is_slash(*c)).count() == 2 {
        return true;
    }
    let mut after_scheme = read().skip_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    read().next().is_some_and(|c| c.is_ascii_alphabetic()) && after_scheme.next() == Some(':')
}

/// What browsers strip off both ends of a URL.
fn is_stripped(c: char) -> bool {
    c <= ' '
}

/// A target as the value of a field: one line, of what may stand in a URI.
pub(crate) fn encoded(target: &str) -> String {
    utf8_percent_encode(target, NOT_IN_URI).to_string()
}

/// The bytes of the longest URL that CloudFront takes: a visitor who is sent on to a longer one never arrives.
pub(crate) const LONGEST: usize = 8192;

/// A target for the log or for a message. It may be a stranger's: cut short, on one line.
pub(crate) fn shown(target: &str) -> String {
    let start: String = target.chars().take(LONGEST_SHOWN).collect();
    format!("`{}`", start.escape_debug())
}

const LONGEST_SHOWN: usize = 100;

/// What may not stand in a URI as it is; a backslash among them, which browsers take for a slash.
const NOT_IN_URI: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_absolute_url_has_the_origin_and_the_prefix_once() {
        for (root, path, expected) in [
            ("", "/", Some("/")),
            ("", "", Some("/")),
            ("", "/a b?q=é&r=%20#c", Some("/a%20b?q=%C3%A9&r=%20#c")),
            ("/shop", "/", Some("/shop/")),
            ("/shop", "", Some("/shop")),
            ("/shop", "/cart", Some("/shop/cart")),
            ("/shop", "/shop", Some("/shop")),
            ("/shop", "/shop/cart", Some("/shop/cart")),
            ("/shop", "/shop?a", Some("/shop?a")),
            ("/shop", "/shopping", Some("/shop/shopping")),
            ("", "cart", None),
            ("", "?page=2", None),
            ("", "#top", None),
            ("/shop", "cart", None),
            ("", "//evil.example", None),
            ("", "/\\evil.example", None),
            ("/shop", "/\t/evil.example", None),
            ("", "https://evil.example/", None),
            ("", "@evil.example", None),
            ("", ".evil.example", None),
            ("", ":80", None),
        ] {
            let expected = expected.map(|path| format!("https://shop.example{path}"));
            assert_eq!(absolute("https://shop.example", root, path), expected, "{root:?} {path:?}");
        }
    }

    #[test]
    fn targets_within_the_site_carry_its_prefix() {
        for (target, expected) in [
            ("/", "/prod/"),
            ("/cart?next=//a.example#b", "/prod/cart?next=//a.example#b"),
            ("", "/prod"),
            (" /cart\n", "/prod/cart"),
            ("/a:b", "/prod/a:b"),
            ("/a//b\\c", "/prod/a//b\\c"),
            ("/%2F/evil.example", "/prod/%2F/evil.example"),
            ("?page=2", "?page=2"),
            ("#top", "#top"),
            ("next/page", "next/page"),
            ("../a:b", "../a:b"),
            ("1a:b", "1a:b"),
            ("a/b:c", "a/b:c"),
            ("?a:b", "?a:b"),
        ] {
            assert_eq!(within("/prod", target).as_deref(), Some(expected), "{target:?}");
        }
    }

    #[test]
    fn targets_that_a_browser_would_leave_the_site_for_are_refused() {
        for target in [
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "\t/\r\n/evil.example",
            "/\n\\evil.example",
            " //evil.example",
            "\u{1}//evil.example",
            "\0\u{1f} \\\\evil.example",
            "http:evil.example",
            "https:/evil.example",
            "https://evil.example/",
            "HTTPS://evil.example",
            "ht\ttps://evil.example",
            "https\n://evil.example",
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "mailto:a@evil.example",
            "a+b-c.1:x",
        ] {
            assert_eq!(within("", target), None, "{target:?}");
            assert_eq!(within("/prod", target), None, "{target:?}");
        }
    }

    #[test]
    fn an_absolute_url_of_the_own_origin_is_known() {
        for (target, expected) in [
            ("https://shop.example", Some("")),
            ("https://shop.example/", Some("/")),
            (" HTTPS://Shop.Example:443/cart?a=//b#c ", Some("/cart?a=//b#c")),
            ("https://shop.example?page=2", Some("?page=2")),
            ("https://shop.example#top", Some("#top")),
            ("https://shop.example//evil.example", Some("//evil.example")),
            ("http://shop.example/", None),
            ("https://shop.example:8443/", None),
            ("https://shop.example.evil.example/", None),
            ("https://shop.example@evil.example/", None),
            ("https://shop.example:443@evil.example/", None),
            ("https://user@shop.example/", None),
            ("https://evil.example\\@shop.example/", None),
            ("https://shop.example\\.evil.example/", None),
            ("https://shop.example\t.evil.example/", None),
            ("https://shop.example%2eevil.example/", None),
            ("https://shop.example./", None),
            ("https://evil.example/https://shop.example/", None),
            ("https:/shop.example/", None),
            ("https:shop.example/", None),
            ("https:///shop.example/", None),
            ("https:\\\\shop.example/", None),
            ("//shop.example/", None),
            ("javascript://shop.example/%0aalert(1)", None),
            ("shop.example", None),
        ] {
            let expected = expected.map(|rest| format!("https://shop.example{rest}"));
            assert_eq!(own("https://shop.example", target), expected, "{target:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_for_the_own_origin_is_of_it(target in "(https|HTTPS|http)?:?/{0,3}(shop\\.example)?[:@.\\\\/?#\t0-9a%-]{0,6}(shop\\.example|evil\\.example)?[:@/?#\\\\\t]{0,3}") {
            if let Some(taken) = own("https://shop.example", &target) {
                for read in [encoded(&taken), taken, target] {
                    let read = url::Url::parse(&read).unwrap();
                    prop_assert_eq!(read.origin().ascii_serialization(), "https://shop.example");
                    prop_assert_eq!(read.username(), "");
                }
            }
        }

        /// As another reader of URLs, by the same standard, sees it: as it was meant, and as the field has it.
        #[test]
        fn no_target_within_the_site_leads_off_it(target in "[/\\\\:a\t\n\r .?#@%\u{1}]{0,8}|(https?|ws|file|//|\\\\)?:?[/\\\\a\t]{0,4}") {
            for base in ["https://shop.example/a/b", "http://shop.example"] {
                let base = url::Url::parse(base).unwrap();
                for read in within("", &target).into_iter().flat_map(|target| [encoded(&target), target]) {
                    if let Ok(read) = base.join(&read) {
                        prop_assert_eq!(read.origin(), base.origin(), "{}", target);
                    }
                }
            }
        }
    }
}
