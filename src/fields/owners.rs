//! Who owns which header field of an answer: the one table by which 304, 412, 416, 405, error pages and the guard of private
//! answers decide what goes and what stays. It does not know why an answer changes.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, Entry},
};

use super::ows;

/// What a field of an answer speaks of.
///
/// | answer | goes | stays |
/// |---|---|---|
/// | 304 (RFC 9110 §15.4.5) | [`Content`](Self::Content), [`Connection`](Self::Connection) | all else |
/// | 405, 412, 501, 204 to OPTIONS | `Content`, [`State`](Self::State), [`Cache`](Self::Cache), [`Cdn`](Self::Cdn), `Connection` | [`Other`](Self::Other), [`Outcome`](Self::Outcome) |
/// | 416 (§15.5.17) | `Content` but Content-Range, `Cache`, `Cdn`, `Connection` | `State`, `Other`, `Outcome` |
/// | an error page | as for 405; `Outcome` where the status is another one than before | `Other` |
/// | what is private | `Cdn`; `Cache` where it would let a shared cache keep the answer | all else |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The bytes that are sent: representation metadata that is of no use without them (§8.3 to §8.6).
    Content,
    /// The state of the selected representation (§8.7, §8.8): what a cache updates its copy by.
    State,
    /// How long caches may keep the answer (RFC 9111).
    Cache,
    /// The same for the caches of a CDN alone, which count before Cache-Control there (RFC 9213 §2.2), and the names by which a
    /// CDN finds its copies again.
    Cdn,
    /// One connection of the way (§7.6.1).
    Connection,
    /// Where another status than an error's leads to.
    Outcome,
    /// Everything else: cookies, CORS, policies, Allow, fields of the site's own and of middleware.
    Other,
}

impl Owner {
    /// The owner of a field, by its name.
    pub(crate) fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "content-location" | "etag" | "last-modified" => Self::State,
            "cache-control" | "expires" | "pragma" | "age" | "warning" => Self::Cache,
            "edge-control" | "x-accel-expires" => Self::Cdn,
            "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade" => {
                Self::Connection
            }
            "location" | "refresh" => Self::Outcome,
            // RFC 9530, and RFC 3230 before it.
            "digest" | "repr-digest" => Self::Content,
            // `Content-` is what representation metadata begins with; this one is a policy of the page.
            name if name.starts_with("content-security-policy") => Self::Other,
            name if name.starts_with("content-") => Self::Content,
            // Targeted fields are called so by convention: CDN-Cache-Control, Vercel-CDN-Cache-Control, Surrogate-Control …
            name if TARGETED.iter().any(|end| name.ends_with(end)) => Self::Cdn,
            name if TAGS.iter().any(|end| name.ends_with(end)) => Self::Cdn,
            _ => Self::Other,
        }
    }
}

const TARGETED: [&str; 2] = ["-cache-control", "surrogate-control"];

/// Cache-Tag, Edge-Cache-Tag, Netlify-Cache-Tag, X-Cache-Tags, Surrogate-Key, CDN-Tag, xkey …
const TAGS: [&str; 6] = ["cache-tag", "cache-tags", "surrogate-key", "cdn-tag", "litespeed-tag", "xkey"];

/// All that an answer without the representation lacks.
pub(crate) const OF_REPRESENTATION: [Owner; 5] =
    [Owner::Content, Owner::State, Owner::Cache, Owner::Cdn, Owner::Connection];

/// Removes the fields of these owners. It allocates nothing: a 304 comes this way.
pub(crate) fn remove(headers: &mut HeaderMap, owners: &[Owner]) {
    while let Some(name) = headers.keys().find(|name| owners.contains(&Owner::of(name))).cloned() {
        headers.remove(name);
    }
}

/// The fields of an answer that another one takes the place of: those of the new one, and what was put around the old one.
/// `same_status` says whether the old one's status stays.
pub(crate) fn replaced(mut old: HeaderMap, new: HeaderMap, same_status: bool) -> HeaderMap {
    remove(&mut old, &OF_REPRESENTATION);
    if !same_status {
        remove(&mut old, &[Owner::Outcome]);
    }
    for line in lines(new) {
        match line {
            Line::Only(name, value) => _ = old.insert(name, value),
            Line::Further(name, value) if old.get_all(&name).iter().any(|line| *line == value) => {}
            Line::Further(name, value) => _ = old.append(name, value),
        }
    }
    old
}

/// Of these each line stands for itself.
const ADDING: [HeaderName; 3] = [header::SET_COOKIE, header::VARY, header::LINK];

/// Takes out the fields that another one of their name takes the place of.
pub(crate) fn take_replaceable(headers: &mut HeaderMap) -> HeaderMap {
    let mut taken = std::mem::take(headers);
    for name in ADDING {
        if let Entry::Occupied(lines) = taken.entry(&name) {
            lines.remove_entry_mult().1.for_each(|line| _ = headers.append(&name, line));
        }
    }
    taken
}

/// A line of fields that are put over others.
pub(crate) enum Line {
    /// It takes the place of all lines of its name.
    Only(HeaderName, HeaderValue),
    /// It is added to the lines of its name.
    Further(HeaderName, HeaderValue),
}

/// The lines of fields that are put over others: cookies, Vary and links add to what is there, and each other field takes the
/// place of the one of its name.
pub(crate) fn lines(fields: HeaderMap) -> impl Iterator<Item = Line> {
    let mut last = None;
    // Only the first line of a field comes with its name.
    fields.into_iter().filter_map(move |(name, value)| {
        let is_first = name.is_some();
        last = name.or(last.take());
        let name = last.clone()?;
        Some(if is_first && !ADDING.contains(&name) { Line::Only(name, value) } else { Line::Further(name, value) })
    })
}

/// Says in Vary that an answer depends on this field of the request, unless it is said already (RFC 9110 §12.5.5).
pub(crate) fn vary_by(headers: &mut HeaderMap, field: &'static str) {
    let lines = headers.get_all(header::VARY).iter().filter_map(|line| line.to_str().ok());
    let mut names = lines.flat_map(|line| line.split(',')).map(ows::trim);
    if !names.any(|name| name == "*" || name.eq_ignore_ascii_case(field)) {
        headers.append(header::VARY, HeaderValue::from_static(field));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_has_its_owner() {
        for (owner, names) in [
            (
                Owner::Content,
                &[
                    "content-type",
                    "content-length",
                    "content-encoding",
                    "content-language",
                    "content-range",
                    "content-disposition",
                    "content-digest",
                    "content-md5",
                    "repr-digest",
                    "digest",
                ][..],
            ),
            (Owner::State, &["etag", "last-modified", "content-location"]),
            (Owner::Cache, &["cache-control", "expires", "pragma", "age"]),
            (
                Owner::Cdn,
                &[
                    "cdn-cache-control",
                    "cloudflare-cdn-cache-control",
                    "vercel-cdn-cache-control",
                    "netlify-cdn-cache-control",
                    "fastly-cache-control",
                    "akamai-cache-control",
                    "surrogate-control",
                    "surrogate-key",
                    "edge-control",
                    "x-accel-expires",
                    "cache-tag",
                    "edge-cache-tag",
                    "netlify-cache-tag",
                    "vercel-cache-tag",
                    "cache-tags",
                    "x-cache-tags",
                    "cdn-tag",
                    "x-litespeed-tag",
                    "x-litespeed-cache-control",
                    "fastly-surrogate-control",
                    "xkey",
                ],
            ),
            (Owner::Connection, &["connection", "keep-alive", "trailer", "transfer-encoding", "upgrade", "te"]),
            (Owner::Outcome, &["location", "refresh"]),
            (
                Owner::Other,
                &[
                    "accept-ranges",
                    "access-control-allow-origin",
                    "access-control-expose-headers",
                    "allow",
                    "alt-svc",
                    "clear-site-data",
                    "content-security-policy",
                    "content-security-policy-report-only",
                    "cross-origin-resource-policy",
                    "date",
                    "link",
                    "nel",
                    // They say what a copy is found by, as Vary does, and nothing of how long it is kept.
                    "netlify-vary",
                    "no-vary-search",
                    // What caches on the way have done.
                    "cache-status",
                    "cdn-cache",
                    "x-cache",
                    "permissions-policy",
                    "retry-after",
                    "server-timing",
                    "set-cookie",
                    "strict-transport-security",
                    "timing-allow-origin",
                    "vary",
                    "www-authenticate",
                    "x-content-type-options",
                    "x-own",
                ],
            ),
        ] {
            for name in names {
                assert_eq!(Owner::of(&HeaderName::from_static(name)), owner, "{name}");
            }
        }
    }

    #[test]
    fn what_takes_the_place_of_an_answer_keeps_what_was_put_around_it() {
        let map = |fields: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in fields {
                map.append(*name, HeaderValue::from_static(value));
            }
            map
        };
        let old = map(&[
            ("content-type", "text/plain"),
            ("etag", "\"1\""),
            ("expires", "0"),
            ("location", "/"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("vary", "origin"),
            ("vary", "accept"),
            ("link", "</a.css>; rel=preload"),
            ("x-frame-options", "DENY"),
            ("x-twice", "old"),
        ]);
        let new = map(&[
            ("content-type", "text/html"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-twice", "1"),
            ("x-twice", "2"),
            ("set-cookie", "c=3"),
            ("vary", "accept"),
            ("vary", "cookie"),
            ("link", "</b.css>; rel=preload"),
            ("link", "</c.css>; rel=preload"),
        ]);
        let mut expected = map(&[
            ("content-type", "text/html"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("set-cookie", "c=3"),
            ("vary", "origin"),
            ("vary", "accept"),
            ("vary", "cookie"),
            ("link", "</a.css>; rel=preload"),
            ("link", "</b.css>; rel=preload"),
            ("link", "</c.css>; rel=preload"),
            ("x-frame-options", "SAMEORIGIN"),
            ("x-twice", "1"),
            ("x-twice", "2"),
        ]);
        assert_eq!(replaced(old.clone(), new.clone(), false), expected);
        expected.insert("location", HeaderValue::from_static("/"));
        assert_eq!(replaced(old, new, true), expected);
    }

    #[test]
    fn vary_names_a_field_once() {
        for (before, lines) in [("", 2), ("accept", 1), ("Origin,\tACCEPT", 1), ("*", 1), ("accept-encoding", 2)] {
            let mut headers = HeaderMap::from_iter([(header::VARY, HeaderValue::from_static(before))]);
            vary_by(&mut headers, "accept");
            assert_eq!(headers.get_all(header::VARY).iter().count(), lines, "{before}");
        }
    }
}
