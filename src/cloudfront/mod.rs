//! CloudFront: whether a representation is needed, and the response.
//!
//! 1. [`CloudFront::respond`]: a request and a representation come in; [`origin`] tells whether it came through CloudFront
//! 2. [`preconditions`] the conditions of the request against the validators (RFC 9110 §13)
//! 3. the body is made, if it is needed; [`range`] finds the parts of it that were asked for (RFC 9110 §14)
//! 4. [`plan`] carries the decision out: [`answer`] writes the response
//! 5. [`verify`] tells whether 304s were true, where that is asked for
//! 6. [`tags`] puts cache tags on the answer, where that is asked for
//! 7. [`layer`]: the same for a whole service
//!
//! What is decided is a pure function of the request's fields, the validators and the time. It does not know where
//! content comes from, nor the front door that the response leaves through.

mod answer;
mod layer;
mod origin;
mod plan;
mod preconditions;
mod range;
mod tags;
mod verify;

use std::{future::Future, sync::Arc, time::SystemTime};

use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{self, HeaderName},
    response::Parts,
};

pub use layer::CloudFrontService;
pub use verify::Verify;

use self::{
    answer::{changed, insert, no_sniffing, not_modified, refuse, refuse_method},
    origin::{Admitted, Origin},
    plan::Plan,
    preconditions::{PreconditionOutcome, State},
    verify::{BodyCheck, Verifier},
};
use crate::{
    error::Result,
    fields::{
        cache_control::{CacheControl, Personal, SharedCookies, guard, guard_fields},
        cache_tags::{CacheTags, ClosureTag},
        owners::{self, Owner},
        provisional,
    },
    refusals::Refusal,
    representation::{Body, Representation, Selected, Selection},
    response_body::ResponseBody,
    script_root::ScriptRoot,
};

/// Answers requests so that CloudFront and browsers can keep what they have: Cache-Control, ETag, 304 before the body is
/// made, ranges.
///
/// It is a [`tower::Layer`] for a whole service, an axum `Router` as well as a `service_fn`, and
/// [`respond`](Self::respond) does the same for one request.
///
/// What a response has (RFC 9110, RFC 9111):
///
/// - `Cache-Control`: the representation's own, else the default policy. 404 has `no-cache`, other errors and answers to
///   unsafe methods `no-store`. A response that sets a cookie is `private, no-store` by default, and a shared policy on it
///   becomes private: see [`with_shared_cookies`](Self::with_shared_cookies). An [`App`](crate::App) checks this after all layers.
///   A private response has no `CDN-Cache-Control` (RFC 9213) or similar field.
/// - `ETag` and `Last-Modified` on 200, 206, 304 and 416 of GET and HEAD, and on every status where a handler sets them itself;
///   `Content-Length` on all but 204 and 304,
///   `X-Content-Type-Options: nosniff` on all but 304.
/// - 304 or 412 as §13.2.2 orders; 206, 416 and `multipart/byteranges` where the representation offers ranges; 405 with
///   `Allow`; 204 with `Allow` to OPTIONS; 501 to an unknown method. HEAD is GET without the body.
/// - All fields that a handler or middleware inside has put on the answer (CORS, `Link`, policies, fields of your own), on every
///   status. What goes is what would be untrue: on a 304 `Content-Type` and all else that describes the content that is not sent
///   (§15.4.5); on 405 and 412 validators and the policy too, and on a 416 the policy.
/// - A 200 has bytes that depend on no field of the request but those that `Vary` names: a condition never changes them.
/// - 403 to requests that bypass CloudFront, with [`with_origin_secret`](Self::with_origin_secret).
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
/// let cloudfront = CloudFront::new();
/// let first = cloudfront.respond(&http::Request::new(()), content.html("<p>Hello")).await?;
/// assert_eq!(first.headers()["cache-control"], "no-cache");
///
/// let again = http::Request::get("/").header("if-none-match", &first.headers()["etag"]).body(())?;
/// assert_eq!(cloudfront.respond(&again, content.html("<p>Hello")).await?.status(), 304);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// As a layer, with a policy of its own:
///
/// ```
/// use chalice_http_toolkit::{CacheControl, CloudFront, Representation};
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let policy = CacheControl::new().with_max_age(Duration::from_secs(60));
/// let site = service_fn(async |_: http::Request<()>| {
///     Ok::<http::Response<String>, std::convert::Infallible>(Representation::new("text/plain", "hello").into())
/// });
/// let site = CloudFront::new().with_default_cache_control(policy).layer(site);
/// let response = site.oneshot(http::Request::new(())).await?;
/// assert_eq!(response.headers()["cache-control"], "max-age=60");
/// # Ok::<(), std::convert::Infallible>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct CloudFront {
    default_cache_control: HeaderValue,
    shared_cookies: bool,
    verifier: Option<Arc<Verifier>>,
    origin: Origin,
    /// The field of cache tags, or why it can't be one.
    tag_field: Option<Result<HeaderName>>,
}

impl Default for CloudFront {
    fn default() -> Self {
        Self::new()
    }
}

impl CloudFront {
    /// With `Cache-Control: no-cache` for what says nothing else: caches keep it, and ask before each use.
    pub fn new() -> Self {
        let default_cache_control = CacheControl::no_cache().into();
        let (shared_cookies, verifier, tag_field) = (false, None, None);
        Self { default_cache_control, shared_cookies, verifier, origin: Origin::default(), tag_field }
    }

    /// The Cache-Control of a 200 (or another success, or a redirect) that has none of its own. Default: `no-cache`.
    pub fn with_default_cache_control(mut self, cache_control: CacheControl) -> Self {
        self.default_cache_control = cache_control.into();
        self
    }

    /// Lets shared caches keep responses that set a cookie. Every visitor then gets that cookie. This includes cookies of outer
    /// layers. Default: shared caches keep no such response, even if its Cache-Control is public.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CacheControl, CloudFront, Representation};
    /// use http::{HeaderValue, Request, header};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let themed = Representation::new("text/plain", "hello")
    ///     .with_header(header::SET_COOKIE, HeaderValue::from_static("theme=dark"))
    ///     .with_cache_control(CacheControl::new().with_public());
    /// let cloudfront = CloudFront::new().with_shared_cookies(true); // all may have this cookie
    /// let response = cloudfront.respond(&Request::new(()), themed).await?;
    /// assert_eq!(response.headers()["cache-control"], "public");
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_shared_cookies(mut self, shared: bool) -> Self {
        self.shared_cookies = shared;
        self
    }

    /// Makes the body of 304s after all and compares it with what was sent for that tag. Default: never.
    pub fn with_verify(mut self, verify: Verify) -> Self {
        self.verifier = Verifier::new(verify);
        self
    }

    /// The response to a request: only the part of the representation that the client needs, if any.
    ///
    /// # Errors
    ///
    /// Whatever the representation fails with when its tag or its body is made; such as
    /// [`ErrorKind::Template`](crate::ErrorKind::Template).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, Representation};
    /// use http::{Method, Request};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let film = || Representation::new("video/mp4", "0123456789").with_methods([Method::GET]).with_ranges(true);
    /// for (request, status) in [
    ///     (Request::get("/film").header("range", "bytes=0-3").body(())?, 206),
    ///     (Request::get("/film").header("range", "bytes=99-").body(())?, 416),
    ///     (Request::post("/film").body(())?, 405),
    /// ] {
    ///     assert_eq!(CloudFront::new().respond(&request, film()).await?.status(), status);
    /// }
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn respond<B>(
        &self,
        request: &Request<B>,
        representation: Representation,
    ) -> impl Future<Output = Result<Response<ResponseBody>>> + Send + 'static + use<B> {
        let decision = match self.refuse_bypass(request) {
            Some(refused) => Ok(Decision { plan: Plan::Ready(refused), personal: false, tagging: None }),
            None => self.decide(RequestView::of(request), representation, SystemTime::now()),
        };
        self.carry_out(decision)
    }

    /// The response that a decision ends in.
    fn carry_out(
        &self,
        decision: Result<Decision>,
    ) -> impl Future<Output = Result<Response<ResponseBody>>> + Send + 'static + use<> {
        let shared_cookies = self.shared_cookies;
        async move {
            let Decision { plan, personal, tagging } = decision?;
            let mut response = plan.make().await?;
            mark(response.extensions_mut(), personal, shared_cookies);
            // A body may have turned out to be another one, with a policy of its own.
            guard(&mut response);
            tag(&mut response, tagging)?;
            Ok(response)
        }
    }

    /// The answer to a request that bypasses CloudFront. It does not tell the reason.
    fn refuse_bypass<B>(&self, request: &Request<B>) -> Option<Response<ResponseBody>> {
        let admitted = request.extensions().get::<Admitted>().is_some();
        if !self.origin.is_guarded() || admitted || self.origin.admits(request.headers()) {
            return None;
        }
        let (lines, path) = (request.headers().get_all(origin::HEADER).iter().count(), request.uri().path());
        tracing::warn!(method = %request.method(), path, lines, "a request without the origin secret was refused");
        let mut forbidden = refuse(StatusCode::FORBIDDEN, HeaderMap::new(), "Forbidden.\n");
        // SECURITY: nor is it shown a page of the site.
        forbidden.extensions_mut().remove::<Refusal>();
        Some(forbidden)
    }

    fn decide(&self, request: RequestView<'_>, representation: Representation, now: SystemTime) -> Result<Decision> {
        let RequestView { method, url, headers, script_root } = request;
        let mut selected = representation.selected(&Selection { script_root, path: url.path(), headers })?;
        let personal = selected.marks.personal;
        let tagging = self.tagging(method, &mut selected)?;
        Ok(Decision { plan: self.plan(request, selected, now), personal, tagging })
    }

    fn plan(&self, request: RequestView<'_>, mut selected: Selected, now: SystemTime) -> Plan {
        let RequestView { method, url, headers, .. } = request;
        if let Some(refused) = refuse_method(method, &mut selected) {
            return Plan::Ready(refused);
        }
        self.complete(&mut selected, method, now);
        let head = method == Method::HEAD;
        if selected.status != StatusCode::OK {
            return Plan::Send { selected, range: None, if_match: None, head, check: None };
        }
        let check = self.check(url, &selected);
        let state = State { validators: &selected.validators, as_good: &selected.as_good };
        let outcome = preconditions::evaluate(method, headers, &state, now);
        // A 304 carries no cookie: whoever sets one sends the page.
        let sets_cookie = selected.headers.contains_key(header::SET_COOKIE);
        match outcome {
            PreconditionOutcome::NotModified if !sets_cookie => match check.filter(BodyCheck::is_due) {
                Some(check) => Plan::Verify { selected, head, check },
                None => Plan::Ready(not_modified(selected.headers)),
            },
            PreconditionOutcome::AsGood(tag) if !sets_cookie => {
                insert(&mut selected.headers, header::ETAG, tag.to_string());
                provisional::bound(&mut selected.headers); // what the client has may be a makeshift
                Plan::Ready(not_modified(selected.headers))
            }
            PreconditionOutcome::Failed => Plan::Ready(changed(selected.headers)),
            PreconditionOutcome::Proceed | PreconditionOutcome::NotModified | PreconditionOutcome::AsGood(_) => {
                // Range is defined for GET alone (§14.2).
                let asked = selected.ranges && method == Method::GET && headers.contains_key(header::RANGE);
                let applies = asked && preconditions::range_applies(headers, &selected.validators, now);
                let range = applies.then(|| lines_of(headers, &header::RANGE));
                let tag_is_to_come = selected.validators.entity_tag.is_none() && !selected.as_good.is_empty();
                let if_match = tag_is_to_come.then(|| lines_of(headers, &header::IF_MATCH));
                Plan::Send { selected, range, if_match, head, check }
            }
        }
    }

    /// A stream is not compared: it may be larger than memory.
    fn check(&self, url: &Uri, selected: &Selected) -> Option<BodyCheck> {
        let tag = selected.validators.entity_tag.as_ref().filter(|_| !matches!(selected.body, Body::Streamed(_)))?;
        Some(self.verifier.as_ref()?.check(&url.to_string(), &tag.to_string()))
    }

    /// Gives the representation the fields that every answer of it has: 200, 206 and 304 alike.
    fn complete(&self, selected: &mut Selected, method: &Method, now: SystemTime) {
        let Selected { status, headers, validators, marks, .. } = selected;
        validators.last_modified = validators.last_modified.filter(|time| is_past(*time, now));
        let safe = matches!(*method, Method::GET | Method::HEAD);
        // What a handler says itself counts for every status, as for what was put or created (§8.8, §9.3.4, §15.3.2).
        if let Some(tag) = &validators.entity_tag
            && (!marks.computed_tag || (safe && *status == StatusCode::OK))
            && let Ok(value) = HeaderValue::from_str(&tag.to_string())
        {
            headers.insert(header::ETAG, value);
        }
        if let Some(modified) = validators.last_modified {
            insert(headers, header::LAST_MODIFIED, httpdate::fmt_http_date(modified));
        }
        self.complete_headers(headers, *status, safe, marks.personal);
        if marks.provisional {
            provisional::bound(headers);
        }
    }

    /// The fields of what a service has decided on itself. Its 304 too has no field of content that is not sent: a cache
    /// would update its copy by it (RFC 9111 §3.2).
    fn complete_decided(&self, parts: &mut Parts, personal: bool) -> Result<()> {
        match parts.status {
            StatusCode::NOT_MODIFIED => owners::remove(&mut parts.headers, &[Owner::Content, Owner::Connection]),
            _ => no_sniffing(&mut parts.headers),
        }
        self.complete_headers(&mut parts.headers, parts.status, true, personal);
        mark(&mut parts.extensions, personal, self.shared_cookies);
        let Some(field) = self.tag_field.clone().transpose()? else { return Ok(()) };
        tags::put(CacheTags::default(), &field, parts.status, &mut parts.headers)
    }

    /// The policy that every response has, whoever made it.
    fn complete_headers(&self, headers: &mut HeaderMap, status: StatusCode, safe: bool, personal: bool) {
        // What sets a cookie gets its policy from the guard.
        let sets_cookie = headers.contains_key(header::SET_COOKIE) && !self.shared_cookies;
        if !sets_cookie && !headers.contains_key(header::CACHE_CONTROL) {
            let keeps = status.is_success() || status.is_redirection();
            let policy = match status {
                _ if safe && keeps => self.default_cache_control.clone(),
                StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::RANGE_NOT_SATISFIABLE if safe => {
                    CacheControl::no_cache().into()
                }
                _ => CacheControl::no_store().into(),
            };
            headers.insert(header::CACHE_CONTROL, policy);
        }
        if headers.get(header::CACHE_CONTROL).is_some_and(HeaderValue::is_empty) {
            headers.remove(header::CACHE_CONTROL);
        }
        guard_fields(headers, personal, self.shared_cookies);
    }
}

/// The decision on a request.
struct Decision {
    plan: Plan,
    /// Whether the answer is for one visitor only.
    personal: bool,
    /// The field for cache tags, and the tags.
    tagging: Option<(HeaderName, CacheTags)>,
}

/// Puts cache tags on an answer whose policy is known.
fn tag<B>(response: &mut Response<B>, tagging: Option<(HeaderName, CacheTags)>) -> Result<()> {
    let instead = response.extensions_mut().remove::<ClosureTag>();
    let Some((field, mut tags)) = tagging else { return Ok(()) };
    tags.closure = instead.or(tags.closure);
    tags::put(tags, &field, response.status(), response.headers_mut())
}

/// Leaves marks in the extensions of a response. [`guard`] reads them after the outer layers.
fn mark(extensions: &mut Extensions, personal: bool, shared_cookies: bool) {
    if personal {
        extensions.insert(Personal);
    }
    if shared_cookies {
        extensions.insert(SharedCookies);
    }
}

/// Whether a time can be sent as Last-Modified (RFC 9110 §8.8.2.1): not ahead of the clock, and not before the dates
/// that HTTP can write.
fn is_past(time: SystemTime, now: SystemTime) -> bool {
    time <= now && time >= SystemTime::UNIX_EPOCH
}

/// The parts of a request that a decision reads.
#[derive(Clone, Copy)]
struct RequestView<'a> {
    method: &'a Method,
    url: &'a Uri,
    headers: &'a HeaderMap,
    script_root: &'a str,
}

impl<'a> RequestView<'a> {
    fn of<B>(request: &'a Request<B>) -> Self {
        let script_root = request.extensions().get::<ScriptRoot>().map_or("", ScriptRoot::as_str);
        Self { method: request.method(), url: request.uri(), headers: request.headers(), script_root }
    }
}

fn lines_of(headers: &HeaderMap, name: &HeaderName) -> HeaderMap {
    headers.get_all(name).iter().map(|value| (name.clone(), value.clone())).collect()
}
