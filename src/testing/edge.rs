//! CloudFront as a site meets it: one behaviour of a distribution, with its cache. A model, from what AWS documents
//! (<https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html> and the
//! pages beside it on expiration, cookies and compression); it knows no network and no clock.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    CacheResult, Target, TestAnswer, TestRequest, TestSite,
    copies::{Copies, Key, Purging, StoredResponse},
    rules::{accepted_coding, has_it, is_compressed},
};
use crate::{
    fields::{
        cache_control::directive,
        edge_lifetime::{YEAR, is_kept_error, lifetime},
        ows,
    },
    runtime::Front,
};

/// A [`TestSite`] behind a behaviour of CloudFront: what it would keep, ask again, answer by itself and hide from the site.
///
/// It is the behaviour that a site with cached pages has: the URL with its query is the key, and nothing else of a request
/// reaches the site but its body and its conditions: no Cookie, Accept, Authorization, Origin or field of your own; Host is the
/// origin's; minimum TTL 0, default TTL a day. By that it shows what goes wrong in production and never locally: a page that
/// reads a cookie which is not forwarded, a variant that the key does not know, a tag that compression made weak. The
/// behaviour for forms and cookies is [`with_caching_disabled`](Self::with_caching_disabled).
///
/// - 404, 410, 414 and 500 to 504 are kept for ten seconds, **whatever they say**, in every behaviour
///   ([`with_error_caching_min_ttl`](Self::with_error_caching_min_ttl)): a personal error page is shown to others.
/// - Of all else `no-store` and `private` are not kept; `no-cache` and what is too old is asked for again with `If-None-Match` and
///   `If-Modified-Since`, and a 304 renews it. A `s-maxage` counts before `max-age`, `stale-while-revalidate` and
///   `stale-if-error` are followed, and without any of them a copy is good for a day.
/// - With [`with_cookies`](Self::with_cookies) all cookies are forwarded and in the key, and nothing is asked for again:
///   CloudFront sends no conditions where it forwards cookies.
/// - `Vary` does not shape the key; names of fields that are not forwarded are taken out of it.
/// - What is compressed is only marked so: its tag is weak then. The body stays as it is.
/// - Time stands still between calls of [`advance`](Self::advance).
/// - It keeps the cache tags of a copy, and [`purge`](Self::purge) drops those that have one of them. Whether a 304 renews the
///   tags is [for a test to say](Self::with_tags_renewed_by_304), as nobody does.
///
/// It is a model of one edge: no regional caches, no origin shield, no collapsing of requests, no range of its own.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{CacheControl, CloudFront, ContentManager, Embedded};
/// use chalice_http_toolkit::testing::{CacheResult, TestEdge, TestSite};
/// use std::time::Duration;
/// use tower::{Layer, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
/// let policy = CacheControl::new().with_public().with_max_age(Duration::from_secs(60));
/// # let service = CloudFront::new().with_default_cache_control(policy).layer(service_fn(move |_: lambda_http::Request| {
/// #     let page = content.html("<h1>Hello</h1>");
/// #     async { Ok::<http::Response<String>, std::convert::Infallible>(page.into()) }
/// # }));
/// let edge = TestEdge::new(TestSite::new(service));
/// assert_eq!(edge.get("/").send().await.cache(), Some(CacheResult::Miss));
/// assert_eq!(edge.get("/").send().await.cache(), Some(CacheResult::Hit));
/// edge.advance(Duration::from_secs(61));
/// assert_eq!(edge.get("/").send().await.cache(), Some(CacheResult::RefreshHit)); // the site said 304
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
///
/// With other policies, each as an edge of its own:
///
/// ```
/// use chalice_http_toolkit::testing::{TestEdge, TestSite};
/// use http::{HeaderValue, header};
/// use std::time::Duration;
/// # use tower::service_fn;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let site = TestSite::new(service_fn(async |request: lambda_http::Request| {
///     let field = |name| request.headers().get(name).map_or("none", |value| value.to_str().unwrap());
///     let seen = ["accept-language", "cookie", "accept-encoding"].map(field).join(" ");
///     Ok::<_, std::convert::Infallible>(http::Response::new(seen))
/// }));
/// for (edge, seen) in [
///     (TestEdge::new(site.clone()), "none none br"),
///     (TestEdge::new(site.clone()).with_key_header(header::ACCEPT_LANGUAGE), "de none br"),
///     (TestEdge::new(site.clone()).with_cookies(true), "none user=7 br"),
///     (TestEdge::new(site.clone()).with_compression(false), "none none identity"),
///     (TestEdge::new(site.clone()).with_caching_disabled(), "de user=7 br"),
///     (TestEdge::new(site.clone()).with_origin_header(header::COOKIE, HeaderValue::from_static("ours")), "none ours br"),
///     (TestEdge::new(site.clone()).with_error_caching_min_ttl(Duration::ZERO), "none none br"),
/// ] {
///     let request = edge.get("/").header("accept-language", "de").header("cookie", "user=7");
///     assert_eq!(request.header("accept-encoding", "br").send().await.text(), seen);
/// }
/// # });
/// ```
#[derive(Debug)]
pub struct TestEdge {
    pub(super) site: TestSite,
    forwarded: Vec<HeaderName>,
    cookies: bool,
    compresses: bool,
    is_caching_disabled: bool,
    origin_headers: HeaderMap,
    error_caching_min_ttl: Duration,
    pub(super) purging: Purging,
    copies: Mutex<Copies>,
}

/// Fields of the viewer that reach the origin though no policy names them: those of the body, the conditions on a miss, and
/// the scheme, which stands for CloudFront's own connection.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/controlling-origin-requests.html>
const FORWARDED: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::RANGE,
    HeaderName::from_static("x-forwarded-proto"),
];

impl TestEdge {
    /// An edge in front of a site, which forwards and keys by nothing but the URL, and compresses.
    pub fn new(site: TestSite) -> Self {
        Self {
            site,
            forwarded: Vec::new(),
            cookies: false,
            compresses: true,
            is_caching_disabled: false,
            origin_headers: HeaderMap::new(),
            error_caching_min_ttl: Duration::from_secs(10),
            purging: Purging::default(),
            copies: Mutex::default(),
        }
    }

    /// Forwards a header field and puts it into the key, as a cache policy does. Default: none.
    pub fn with_key_header(mut self, name: HeaderName) -> Self {
        self.forwarded.push(name);
        self
    }

    /// The behaviour for forms and for pages that read cookies: the cache policy CachingDisabled with the origin request
    /// policy AllViewerExceptHostHeader. All but Host reaches the site; nothing is compressed, and only errors are kept.
    pub fn with_caching_disabled(mut self) -> Self {
        self.is_caching_disabled = true;
        self.with_compression(false)
    }

    /// Adds a field to each request to the site, in place of the viewer's: OriginCustomHeaders, such as the secret that
    /// [`CloudFront::with_origin_secret`](crate::CloudFront::with_origin_secret) asks for. Default: none.
    pub fn with_origin_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        // It is often the origin's secret, and `{:?}` shows it to nobody.
        value.set_sensitive(true);
        self.origin_headers.insert(name, value);
        self
    }

    /// How long errors are kept at least: the ErrorCachingMinTTL that a distribution has for their statuses. Default: ten
    /// seconds, CloudFront's own.
    pub fn with_error_caching_min_ttl(mut self, least: Duration) -> Self {
        self.error_caching_min_ttl = least.min(YEAR);
        self
    }

    /// Forwards all cookies and puts them into the key. Default: none is forwarded.
    pub fn with_cookies(mut self, cookies: bool) -> Self {
        self.cookies = cookies;
        self
    }

    /// Whether what is large enough and of a type for it is compressed. Default: yes.
    pub fn with_compression(mut self, compresses: bool) -> Self {
        self.compresses = compresses;
        self
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.copies().now += time;
    }

    /// A GET request for a path with its query.
    pub fn get(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::GET, target)
    }

    /// A POST request.
    pub fn post(&self, target: &str) -> TestRequest<'_> {
        self.request(Method::POST, target)
    }

    /// A request by any method.
    ///
    /// # Panics
    ///
    /// As [`TestSite::request`].
    pub fn request(&self, method: Method, target: &str) -> TestRequest<'_> {
        TestRequest::new(Target::Edge(self), method, target)
    }

    /// What it keeps, without what was purged until now.
    pub(super) fn copies(&self) -> MutexGuard<'_, Copies> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.follow(&self.purging.edge);
        copies
    }

    pub(super) async fn answer(&self, front: Option<Front>, viewer: Request<Bytes>) -> TestAnswer {
        let mut to_site = viewer.clone();
        *to_site.headers_mut() = self.forwarded(viewer.headers());
        let is_read = [Method::GET, Method::HEAD].contains(viewer.method());
        if !is_read {
            return self.miss(front, to_site, &viewer, None).await;
        }
        let key = self.key(&viewer);
        let found = self.copies().look_up(&key);
        match found {
            None => self.miss(front, to_site, &viewer, Some(key)).await,
            Some(kept) if kept.is_fresh => {
                self.check(front, to_site, &kept).await;
                self.handed_out(kept, &viewer, CacheResult::Hit)
            }
            Some(kept) => self.asked_again(front, to_site, &viewer, key, kept).await,
        }
    }

    /// The fields that reach the site.
    fn forwarded(&self, headers: &HeaderMap) -> HeaderMap {
        let reaches = |name: &HeaderName| {
            FORWARDED.contains(name) || self.forwarded.contains(name) || (self.cookies && *name == header::COOKIE)
        };
        let fields = headers.iter().filter(|(name, _)| self.is_caching_disabled || reaches(name));
        let mut forwarded: HeaderMap = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        forwarded.insert(header::HOST, HeaderValue::from_static("origin.test"));
        forwarded.extend(self.origin_headers.clone());
        if self.is_caching_disabled {
            return forwarded;
        }
        forwarded.insert(header::USER_AGENT, HeaderValue::from_static("Amazon CloudFront"));
        let coding = if self.compresses { accepted_coding(headers) } else { "identity" };
        forwarded.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
        forwarded
    }

    fn key(&self, viewer: &Request<Bytes>) -> Key {
        if self.is_caching_disabled {
            return (viewer.uri().path().to_owned(), Vec::new());
        }
        let cookie = self.cookies.then_some(header::COOKIE);
        let fields = self.forwarded.iter().chain(&cookie).map(|name| viewer.headers().get(name).cloned());
        let coding = self.compresses.then(|| HeaderValue::from_static(accepted_coding(viewer.headers())));
        (viewer.uri().to_string(), fields.chain([coding]).collect())
    }

    async fn miss(
        &self,
        front: Option<Front>,
        to_site: Request<Bytes>,
        viewer: &Request<Bytes>,
        key: Option<Key>,
    ) -> TestAnswer {
        let mut response = self.site.send(front, to_site).await;
        self.pass_on(&mut response, viewer.headers());
        if let (Some(key), &Method::GET) = (key, viewer.method()) {
            self.keep(key, &response);
        }
        TestAnswer { response, cache: Some(CacheResult::Miss) }
    }

    /// Asks whether a copy that is too old is still good.
    async fn asked_again(
        &self,
        front: Option<Front>,
        mut to_site: Request<Bytes>,
        viewer: &Request<Bytes>,
        key: Key,
        kept: StoredResponse,
    ) -> TestAnswer {
        *to_site.method_mut() = Method::GET;
        let validators = [(header::IF_NONE_MATCH, header::ETAG), (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED)];
        for (condition, validator) in validators {
            to_site.headers_mut().remove(&condition);
            if let (Some(value), false) = (kept.response.headers().get(validator), self.cookies) {
                to_site.headers_mut().insert(condition, value.clone());
            }
        }
        let age = self.copies().now.saturating_sub(kept.since + kept.lifetime);
        let within = |name| {
            directive(kept.response.headers(), name).flatten().is_some_and(|most| age < Duration::from_secs(most))
        };
        let meanwhile = within("stale-while-revalidate");
        let mut response = self.site.send(front, to_site).await;
        if response.status() == StatusCode::NOT_MODIFIED {
            let stale = kept.clone();
            let mut renewed = kept.response;
            for (name, value) in response.headers() {
                // The copy's own tag stays: it may have become weak.
                if *name != header::ETAG && (self.purging.renews_tags || *name != self.purging.field) {
                    renewed.headers_mut().insert(name, value.clone());
                }
            }
            self.pass_on(&mut renewed, viewer.headers());
            self.keep(key, &renewed);
            let fresh = StoredResponse::new(renewed, self.copies().now);
            return match meanwhile {
                true => self.handed_out(stale, viewer, CacheResult::Stale),
                false => self.handed_out(fresh, viewer, CacheResult::RefreshHit),
            };
        }
        // A copy is handed out in place of an error, unless it is one or its policy forbids that.
        let may_be_old = kept.response.status().is_success()
            && directive(kept.response.headers(), "stale-if-error") != Some(Some(0));
        if response.status().is_server_error() && may_be_old {
            return self.handed_out(kept, viewer, CacheResult::Stale);
        }
        self.pass_on(&mut response, viewer.headers());
        self.keep(key, &response);
        if meanwhile {
            return self.handed_out(kept, viewer, CacheResult::Stale);
        }
        let fresh = StoredResponse::new(response, self.copies().now);
        self.handed_out(fresh, viewer, CacheResult::Miss)
    }

    /// What becomes of a response on its way to the viewer and into the cache.
    pub(super) fn pass_on(&self, response: &mut Response<Bytes>, viewer: &HeaderMap) {
        let compressed = self.compresses && accepted_coding(viewer) != "identity" && is_compressed(response);
        let headers = response.headers_mut();
        if let Some(vary) = headers.get(header::VARY).and_then(|vary| vary.to_str().ok()) {
            let forwarded = |name: &&str| {
                self.is_caching_disabled
                    || name.eq_ignore_ascii_case("accept-encoding")
                    || name.eq_ignore_ascii_case("cookie")
                    || self.forwarded.iter().any(|field| name.eq_ignore_ascii_case(field.as_str()))
            };
            let kept: Vec<&str> = vary.split(',').map(ows::trim).filter(forwarded).collect();
            let kept = HeaderValue::try_from(kept.join(", ")).ok().filter(|vary| !vary.is_empty());
            match kept {
                Some(vary) => _ = headers.insert(header::VARY, vary),
                None => _ = headers.remove(header::VARY),
            }
        }
        let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let tag = tag.filter(|tag| compressed && !tag.starts_with("W/"));
        if let Some(weak) = tag.and_then(|tag| HeaderValue::try_from(format!("W/{tag}")).ok()) {
            headers.insert(header::ETAG, weak);
        }
    }

    fn keep(&self, key: Key, response: &Response<Bytes>) {
        let mut copies = self.copies();
        let lifetime = lifetime(response.status(), response.headers(), self.error_caching_min_ttl);
        match lifetime.filter(|_| !self.is_caching_disabled || is_kept_error(response.status())) {
            Some(lifetime) => {
                let copy = StoredResponse { lifetime, ..StoredResponse::new(response.clone(), copies.now) };
                copies.keep(key, copy.with_tags_of(&self.purging.field));
            }
            // A 304 to the viewer's own condition says nothing that could be kept, and ends nothing.
            None if response.status() == StatusCode::NOT_MODIFIED => {}
            None => copies.forget(&key),
        }
    }

    /// A copy for a viewer: whole, or a 304 where the viewer has it.
    fn handed_out(&self, kept: StoredResponse, viewer: &Request<Bytes>, cache: CacheResult) -> TestAnswer {
        let mut response = kept.response;
        let age = self.copies().now.saturating_sub(kept.since);
        response.headers_mut().insert(header::AGE, age.as_secs().into());
        if response.status() == StatusCode::OK && has_it(viewer.headers(), response.headers()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            [header::CONTENT_TYPE, header::CONTENT_LENGTH]
                .iter()
                .for_each(|name| _ = response.headers_mut().remove(name));
        }
        if response.status() == StatusCode::NOT_MODIFIED || viewer.method() == Method::HEAD {
            *response.body_mut() = Bytes::new();
        }
        TestAnswer { response, cache: Some(cache) }
    }
}
