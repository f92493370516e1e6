//! Cache-Control as a response carries it (RFC 9111 §5.2.2, RFC 5861, RFC 8246). It does not know which representation
//! it is for.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

use super::{
    owners::{self, Owner},
    ows, quoted,
};

/// The Cache-Control of a response: how long browsers and CloudFront may keep it, and what they do then.
///
/// The directives are those of RFC 9111 §5.2.2 with `stale-while-revalidate` and `stale-if-error` (RFC 5861) and
/// `immutable` (RFC 8246). `headers::CacheControl` lacks the two stale ones, hence a type here.
///
/// For CloudFront: `s-maxage` rules the edge and `max-age` the browser. Prefer equal values, or `max-age=0` with a long
/// `s-maxage`: an edge that keeps a page longer than the browser may hands out copies that are stale on arrival.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::CacheControl;
/// use std::time::Duration;
///
/// let policy = CacheControl::new()
///     .with_public()
///     .with_max_age(Duration::ZERO)
///     .with_s_maxage(Duration::from_secs(600))
///     .with_stale_while_revalidate(Duration::from_secs(60));
/// assert_eq!(policy.to_string(), "public, max-age=0, s-maxage=600, stale-while-revalidate=60");
/// assert_eq!(CacheControl::no_cache().to_string(), "no-cache");
/// ```
///
/// Policies for other needs:
///
/// ```
/// use chalice_http_toolkit::CacheControl;
/// use std::time::Duration;
///
/// let hour = Duration::from_secs(3600);
/// let public = CacheControl::new().with_public().with_max_age(hour);
/// for (policy, text) in [
///     // A page of one visitor; one that may be nowhere but on the screen.
///     (CacheControl::new().with_private().with_no_cache(), "private, no-cache"),
///     (CacheControl::no_store(), "no-store"),
///     (CacheControl::new().with_private().with_no_store(), "private, no-store"),
///     // Prices, which may not be old; the same where only CloudFront has to ask.
///     (public.clone().with_must_revalidate(), "public, max-age=3600, must-revalidate"),
///     (public.clone().with_proxy_revalidate(), "public, max-age=3600, proxy-revalidate"),
///     // News, which are better old than not there.
///     (public.clone().with_stale_if_error(24 * hour), "public, max-age=3600, stale-if-error=86400"),
///     // A file whose URL changes with it, and that nobody may recompress.
///     (public.with_immutable().with_no_transform(), "public, no-transform, max-age=3600, immutable"),
/// ] {
///     assert_eq!(policy.to_string(), text);
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    directives: Vec<Directive>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Directive {
    Public,
    Private,
    NoCache,
    NoStore,
    NoTransform,
    MaxAge(u64),
    MustRevalidate,
    ProxyRevalidate,
    SMaxage(u64),
    StaleWhileRevalidate(u64),
    StaleIfError(u64),
    Immutable,
}

impl CacheControl {
    /// No directive at all; an empty policy is not sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// `no-cache`: caches may store the response and must ask before each use. What pages and plain URLs get by default.
    pub fn no_cache() -> Self {
        Self::new().with_no_cache()
    }

    /// `no-store`: no cache keeps the response.
    pub fn no_store() -> Self {
        Self::new().with_no_store()
    }

    /// `public, max-age=31536000, immutable`: for a URL whose content never changes, such as a fingerprinted one.
    pub fn immutable() -> Self {
        Self::new().with_public().with_max_age(Duration::from_secs(31_536_000)).with_immutable()
    }

    /// `public, max-age=0, must-revalidate, s-maxage=31536000`: CloudFront keeps the response until it is purged, a year at most,
    /// and browsers ask CloudFront each time. For pages whose cache tags name all that they depend on
    /// ([`CloudFront::with_cache_tags`](crate::CloudFront)). Errors and redirects may have it too.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::CacheControl;
    /// use std::time::Duration;
    ///
    /// let policy = CacheControl::until_purged();
    /// assert_eq!(policy.to_string(), "public, max-age=0, must-revalidate, s-maxage=31536000");
    /// // By choice: after that year nobody waits for the site.
    /// let policy = policy.with_stale_while_revalidate(Duration::from_secs(60));
    /// assert!(policy.to_string().ends_with(", stale-while-revalidate=60"));
    /// ```
    pub fn until_purged() -> Self {
        let (none, year) = (Duration::ZERO, Duration::from_secs(31_536_000));
        Self::new().with_public().with_max_age(none).with_must_revalidate().with_s_maxage(year)
    }

    /// Any cache may store the response (§5.2.2.9).
    pub fn with_public(self) -> Self {
        self.with(Directive::Public)
    }

    /// Only the visitor's own cache may store the response (§5.2.2.7).
    pub fn with_private(self) -> Self {
        self.with(Directive::Private)
    }

    /// A stored copy is asked about before each use (§5.2.2.4).
    pub fn with_no_cache(self) -> Self {
        self.with(Directive::NoCache)
    }

    /// No cache stores the response (§5.2.2.5).
    pub fn with_no_store(self) -> Self {
        self.with(Directive::NoStore)
    }

    /// Nobody on the way changes the content (§5.2.2.6).
    pub fn with_no_transform(self) -> Self {
        self.with(Directive::NoTransform)
    }

    /// A stale copy is never used without asking (§5.2.2.2).
    pub fn with_must_revalidate(self) -> Self {
        self.with(Directive::MustRevalidate)
    }

    /// The same for shared caches only (§5.2.2.8).
    pub fn with_proxy_revalidate(self) -> Self {
        self.with(Directive::ProxyRevalidate)
    }

    /// How long a copy is fresh, in whole seconds (§5.2.2.1).
    pub fn with_max_age(self, age: Duration) -> Self {
        self.with(Directive::MaxAge(age.as_secs()))
    }

    /// How long a copy is fresh in a shared cache such as CloudFront, in whole seconds (§5.2.2.10).
    pub fn with_s_maxage(self, age: Duration) -> Self {
        self.with(Directive::SMaxage(age.as_secs()))
    }

    /// How long a stale copy may be served while the cache asks in the background (RFC 5861 §3), in whole seconds.
    pub fn with_stale_while_revalidate(self, age: Duration) -> Self {
        self.with(Directive::StaleWhileRevalidate(age.as_secs()))
    }

    /// How long a stale copy may be served when the site answers with an error (RFC 5861 §4), in whole seconds.
    pub fn with_stale_if_error(self, age: Duration) -> Self {
        self.with(Directive::StaleIfError(age.as_secs()))
    }

    /// The content of this URL never changes: not even a reload asks (RFC 8246).
    pub fn with_immutable(self) -> Self {
        self.with(Directive::Immutable)
    }

    fn with(mut self, directive: Directive) -> Self {
        self.directives.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(&directive));
        self.directives.push(directive);
        self.directives.sort();
        self
    }
}

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, directive) in self.directives.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            match directive {
                Directive::Public => f.write_str("public"),
                Directive::Private => f.write_str("private"),
                Directive::NoCache => f.write_str("no-cache"),
                Directive::NoStore => f.write_str("no-store"),
                Directive::NoTransform => f.write_str("no-transform"),
                Directive::MustRevalidate => f.write_str("must-revalidate"),
                Directive::ProxyRevalidate => f.write_str("proxy-revalidate"),
                Directive::MaxAge(seconds) => write!(f, "max-age={seconds}"),
                Directive::SMaxage(seconds) => write!(f, "s-maxage={seconds}"),
                Directive::StaleWhileRevalidate(seconds) => write!(f, "stale-while-revalidate={seconds}"),
                Directive::StaleIfError(seconds) => write!(f, "stale-if-error={seconds}"),
                Directive::Immutable => f.write_str("immutable"),
            }?;
        }
        Ok(())
    }
}

impl From<CacheControl> for HeaderValue {
    fn from(cache_control: CacheControl) -> Self {
        HeaderValue::from_str(&cache_control.to_string()).expect("directives are ASCII text without controls")
    }
}

/// Whether a shared cache may store what these fields come with (RFC 9111 §3): unless `no-store`, `private`, or a
/// `private` that names Set-Cookie, forbid it. A `private` that names other fields speaks of those alone (§5.2.2.7).
pub(crate) fn is_shared_cacheable(headers: &HeaderMap) -> bool {
    let names_cookie = |names: &str| {
        let mut names = names.trim_matches('"').split(',').map(ows::trim);
        names.any(|name| name.eq_ignore_ascii_case(header::SET_COOKIE.as_str()))
    };
    if !names_any(headers, &["private", "no-store"]) {
        return true;
    }
    !policy(headers).iter().any(|directive @ (name, argument)| {
        is_private(directive)
            || is_alone(directive, "no-store")
            || (name.eq_ignore_ascii_case("private") && argument.is_some_and(names_cookie))
    })
}

/// The number of seconds of a directive, or whether it is there at all, as a cache reads them; the first one counts.
#[cfg(any(feature = "dev-server", feature = "testing"))]
pub(crate) fn directive(headers: &HeaderMap, wanted: &str) -> Option<Option<u64>> {
    let directives = policy(headers);
    let (_, argument) = directives.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(argument.and_then(|seconds| seconds.trim_matches('"').parse().ok()))
}

/// Sets another policy, in place of all fields that say how long this answer may be kept.
pub(crate) fn set_policy(headers: &mut HeaderMap, policy: &'static str) {
    owners::remove(headers, &[Owner::Cache, Owner::Cdn]);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(policy));
}

/// In the extensions of a response: what it says was made for one visitor
/// ([`with_personal`](crate::Representation::with_personal)).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Personal;

/// In the extensions of a response: the site lets shared caches keep it though it sets a cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedCookies;

/// SECURITY: no shared cache may keep an answer that is for one visitor. Every answer passes this function, after all layers.
pub(crate) fn guard<B>(response: &mut Response<B>) {
    let extensions = response.extensions();
    let (personal, shared_cookies) =
        (extensions.get::<Personal>().is_some(), extensions.get::<SharedCookies>().is_some());
    guard_fields(response.headers_mut(), personal, shared_cookies);
    // What no shared cache stores is never found there again: its tags would tell strangers what it shows.
    let headers = response.headers_mut();
    if let Some(field) = tag_field(headers).cloned()
        && !is_shared_cacheable(headers)
    {
        headers.remove(field);
    }
}

/// The field of the cache tags that an answer was given: one of the site's own is not sensitive.
fn tag_field(headers: &HeaderMap) -> Option<&HeaderName> {
    let is_given = |(name, value): &(&HeaderName, &HeaderValue)| value.is_sensitive() && Owner::of(name) == Owner::Cdn;
    headers.iter().find(is_given).map(|(name, _)| name)
}

/// The same for the fields of an answer. CDN caches obey their own fields before Cache-Control (RFC 9213 §2.2). A private answer
/// loses these fields. An answer with `no-store` but without `private` keeps them: `no-store` may be meant for browsers.
pub(crate) fn guard_fields(headers: &mut HeaderMap, personal: bool, shared_cookies: bool) {
    if personal {
        make_personal(headers);
    } else if !shared_cookies && headers.contains_key(header::SET_COOKIE) {
        guard_cookie(headers);
    } else if names_any(headers, &["private"]) && policy(headers).iter().any(is_private) {
        owners::remove(headers, &[Owner::Cdn]);
    }
}

/// A shared cache never keeps what sets a cookie. Without a policy of its own such an answer is not stored at all; with one
/// that would let it be shared, it is the visitor's alone.
fn guard_cookie(headers: &mut HeaderMap) {
    owners::remove(headers, &[Owner::Cdn]);
    if is_shared_cacheable(headers) {
        let stored = headers.contains_key(header::CACHE_CONTROL);
        set_policy(headers, if stored { "private, no-cache" } else { "private, no-store" });
    }
}

/// Makes what these fields come with one visitor's own. A policy that keeps every shared cache out stays as it is
/// unless a cookie is set; any other is replaced. A `private` that names fields keeps nobody out (RFC 9111 §5.2.2.7).
pub(crate) fn make_personal(headers: &mut HeaderMap) {
    owners::remove(headers, &[Owner::Cdn]);
    let keeps_out = policy(headers).iter().any(|directive| is_private(directive) || is_alone(directive, "no-store"));
    // What sets a cookie is about that one moment: not even a page that is gone back to should show it again.
    if headers.contains_key(header::SET_COOKIE) {
        set_policy(headers, "private, no-store");
    } else if !keeps_out {
        set_policy(headers, "private, no-cache");
    }
    owners::vary_by(headers, "cookie");
}

/// Whether one of these words stands anywhere: most answers have none of them, and need not be read any further.
fn names_any(headers: &HeaderMap, words: &[&str]) -> bool {
    let is_word = |text: &[u8]| {
        words.iter().any(|word| text.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes())))
    };
    // The first letters of both: no other place is looked at twice.
    let may_be = |byte: u8| matches!(byte | 0x20, b'p' | b'n');
    let has_word = |line: &[u8]| (0..line.len()).any(|at| may_be(line[at]) && is_word(&line[at..]));
    headers.get_all(header::CACHE_CONTROL).iter().any(|line| has_word(line.as_bytes()))
}

fn is_private(directive: &(&str, Option<&str>)) -> bool {
    is_alone(directive, "private")
}

/// Whether a directive is this one, without an argument: with one it speaks of the fields that are named there.
fn is_alone((name, argument): &(&str, Option<&str>), wanted: &str) -> bool {
    argument.is_none() && name.eq_ignore_ascii_case(wanted)
}

/// The directives of all lines with their arguments. None at all where a line can't be read, as where a quoted string is not
/// closed in it: a front door that joins lines would hand on other directives than these.
fn policy(headers: &HeaderMap) -> Vec<(&str, Option<&str>)> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().map(|line| line.to_str().ok().and_then(directives));
    let lines: Option<Vec<Vec<_>>> = lines.collect();
    lines.unwrap_or_default().into_iter().flatten().collect()
}

/// The directives of a line, with their arguments: tokens or quoted strings.
fn directives(line: &str) -> Option<Vec<(&str, Option<&str>)>> {
    quoted::split(line, ',')?.into_iter().map(quoted::name_and_value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_stands_once_and_the_last_value_wins() {
        let policy = CacheControl::new().with_max_age(Duration::from_secs(1)).with_max_age(Duration::from_secs(2));
        assert_eq!(policy.to_string(), "max-age=2");
    }

    #[test]
    fn every_directive_is_spelled_as_registered() {
        let second = Duration::from_millis(1999);
        let all = CacheControl::immutable()
            .with_private()
            .with_no_cache()
            .with_no_store()
            .with_no_transform()
            .with_must_revalidate()
            .with_proxy_revalidate()
            .with_s_maxage(second)
            .with_stale_while_revalidate(second)
            .with_stale_if_error(second);
        assert_eq!(
            HeaderValue::from(all),
            "public, private, no-cache, no-store, no-transform, max-age=31536000, must-revalidate, \
             proxy-revalidate, s-maxage=1, stale-while-revalidate=1, stale-if-error=1, immutable"
        );
    }

    #[test]
    fn what_is_personal_is_kept_from_shared_caches() {
        for (before, after) in [
            ("", "private, no-cache"),
            ("public, max-age=60", "private, no-cache"),
            ("public, private=\"x\"", "private, no-cache"),
            ("private=\"set-cookie\"", "private, no-cache"),
            ("s-maxage=9", "private, no-cache"),
            ("no-cache", "private, no-cache"),
            ("x=\"a, private\"", "private, no-cache"),
            (r#"x="\", private, \"""#, "private, no-cache"),
            (r#"x="a\\", private"#, r#"x="a\\", private"#),
            // What can't be read is no policy.
            ("x=\"a, private", "private, no-cache"),
            ("private, x=\"a", "private, no-cache"),
            ("x=a\"b, private, c\"", "private, no-cache"),
            ("private, x=\"a\"b\"c\"", "private, no-cache"),
            ("no-store=\"x\"", "private, no-cache"),
            ("x=private", "private, no-cache"),
            ("\tPrivate , max-age=5", "\tPrivate , max-age=5"),
            ("private, max-age=60", "private, max-age=60"),
            ("PRIVATE", "PRIVATE"),
            ("no-store", "no-store"),
        ] {
            let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(before))]);
            for targeted in ["cdn-cache-control", "vercel-cdn-cache-control", "surrogate-control", "x-accel-expires"] {
                headers.insert(targeted, HeaderValue::from_static("max-age=60"));
            }
            make_personal(&mut headers);
            assert_eq!(
                (&headers[header::CACHE_CONTROL], &headers[header::VARY]),
                (&after.parse().unwrap(), &"cookie".parse().unwrap())
            );
            assert_eq!(headers.len(), 2, "{before}");
        }
        for (before, after) in [("accept, Cookie", 1), ("*", 1), ("accept", 2), ("x-cookie", 2)] {
            let mut headers = HeaderMap::from_iter([(header::VARY, HeaderValue::from_static(before))]);
            make_personal(&mut headers);
            assert_eq!(headers.get_all(header::VARY).iter().count(), after, "{before}");
        }
    }

    /// A front door joins them, and a cache may (RFC 9110 §5.3).
    #[test]
    fn lines_are_read_as_one_and_each_by_itself() {
        for (lines, kept) in [
            (&["x=\"a", "private", "b\""][..], false),
            (&["private", "x=\"a", "b\""], false),
            (&["x=\"a", "\", private"], false),
            (&["x=\"a\"", "private"], true),
            (&["max-age=5", "no-store"], true),
            (&["public", "max-age=5"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(line));
            }
            assert_eq!(is_shared_cacheable(&headers), !kept, "{lines:?}");
            let before = headers.clone();
            make_personal(&mut headers);
            let after: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().collect();
            let expected: Vec<_> = before.get_all(header::CACHE_CONTROL).iter().collect();
            assert_eq!(after == expected, kept, "{lines:?}");
            assert!(kept || after == ["private, no-cache"], "{lines:?}");
        }
    }

    #[test]
    fn another_policy_takes_the_place_of_all_that_say_how_long() {
        let fields = ["expires", "pragma", "age", "cdn-cache-control", "surrogate-key", "x-accel-expires"];
        let with = |policy: &'static str, cookie: bool| {
            let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(policy))]);
            fields.iter().for_each(|name| _ = headers.insert(*name, HeaderValue::from_static("60")));
            if cookie {
                headers.insert(header::SET_COOKIE, HeaderValue::from_static("a=1"));
            }
            headers
        };
        let left = |headers: &HeaderMap| {
            fields.iter().filter(|name| headers.contains_key(**name)).copied().collect::<Vec<_>>()
        };
        let (mut shared, mut own) = (with("max-age=60", false), with("private, max-age=60", false));
        make_personal(&mut shared);
        assert_eq!((left(&shared), &shared[header::CACHE_CONTROL]), (vec![], &"private, no-cache".parse().unwrap()));
        make_personal(&mut own);
        assert_eq!(left(&own), ["expires", "pragma", "age"], "a policy of the visitor's own browser stays whole");
        let (mut shared, mut own) = (with("max-age=60", true), with("private, max-age=60", true));
        guard_cookie(&mut shared);
        assert_eq!((left(&shared), &shared[header::CACHE_CONTROL]), (vec![], &"private, no-cache".parse().unwrap()));
        guard_cookie(&mut own);
        assert_eq!(left(&own), ["expires", "pragma", "age"]);
    }

    #[test]
    fn what_a_shared_cache_may_store() {
        for (value, shared) in [
            ("private=\"x-set-cookie\"", true),
            ("private=\"x, Set-Cookie\"", false),
            ("private=set-cookie", false),
            (r#"x="\", private, \"""#, true),
            ("no-cache=\"x\", private", false),
            ("no-cache", true),
            ("public, max-age=1", true),
            ("max-age=60", true),
            ("private", false),
            ("PRIVATE=\"Set-Cookie\"", false),
            ("private=\"x-other\"", true),
            ("no-cache=\"x, private, y\"", true),
            ("no-store", false),
            ("max-age=60, no-store", false),
        ] {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(is_shared_cacheable(&headers), shared, "{value}");
        }
    }
}
