//! The layer for a whole service: representations are answered as [`CloudFront::respond`] does, and ordinary responses
//! become representations first. It does not know what is inside the service.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::{Context, Poll},
    time::SystemTime,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header, response::Parts};
use http_body::Body as HttpBody;
use tower::{Layer, Service};

use super::{
    CloudFront, RequestView,
    origin::{self, Admitted},
};
use crate::{
    body::{Head, Limit, whole},
    error::{BoxError, Error, Result},
    error_response::panicked,
    fields::{
        cache_control::{Personal, SharedCookies, guard},
        entity_tag::EntityTag,
        owners::{self, OF_REPRESENTATION},
    },
    pending::Pending,
    refusals::{self, Refusal},
    representation::Representation,
    response_body::{ResponseBody, Streams},
    script_root::ScriptRoot,
};

/// A service whose answers [`CloudFront`] decides on: what its layer makes.
///
/// The service inside never sees a HEAD request: it is asked as with GET, and the body is dropped, so that both have the
/// same fields.
///
/// In an [`App`](crate::App) it never fails: an error or a panic of the service inside becomes an answer with status 500, which
/// layers outside add their fields to, and the `App` puts the site's error page in its place. Elsewhere errors and panics pass.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{CloudFront, layers::CloudFrontService};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // An ordinary response gets a tag of its bytes.
/// let inner = service_fn(async |_: http::Request<()>| Ok::<_, std::convert::Infallible>(http::Response::new("hello".to_owned())));
/// let service: CloudFrontService<_> = CloudFront::new().layer(inner);
/// let response = service.oneshot(http::Request::new(())).await?;
/// assert!(response.headers().contains_key("etag"));
/// # Ok::<(), std::convert::Infallible>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct CloudFrontService<S> {
    cloudfront: CloudFront,
    inner: S,
}

impl<S> Layer<S> for CloudFront {
    type Service = CloudFrontService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CloudFrontService { cloudfront: self.clone(), inner }
    }
}

impl<S, B, RB> Service<Request<B>> for CloudFrontService<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    RB: HttpBody + Send + 'static,
    RB::Data: Send,
    RB::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(refused) = self.cloudfront.refuse_bypass(&request) {
            return Box::pin(async { Ok(refused) });
        }
        if self.cloudfront.origin.is_guarded() {
            // SECURITY: a handler that logs or shows its header fields must not give the secret away.
            request.headers_mut().remove(origin::HEADER);
            request.extensions_mut().insert(Admitted);
        }
        let head = RequestHead::of(&request);
        if request.method() == Method::HEAD {
            *request.method_mut() = Method::GET;
            request.extensions_mut().insert(Head);
            // Range is defined for GET alone (RFC 9110 §14.2): a service that cuts by itself must not.
            request.headers_mut().remove(header::RANGE);
        }
        let cloudfront = self.cloudfront.clone();
        if head.limit.is_none() {
            let response = self.inner.call(request);
            return Box::pin(async move {
                let response = match response.await {
                    Ok(response) => response,
                    Err(error) => return Err(error),
                };
                Ok(answer(&cloudfront, head, response).await)
            });
        }
        // In an App the layers outside see an answer whatever happens inside: the fields that they add are for error pages too.
        let called = catch_unwind(AssertUnwindSafe(|| self.inner.call(request)));
        Box::pin(async move {
            let answered = async {
                let response = called.unwrap_or_else(|panic| resume_unwind(panic)).await;
                Ok(answer(&cloudfront, head, response.map_err(Error::from_handler)?).await)
            };
            let answered = AssertUnwindSafe(answered).catch_unwind().await;
            // The error travels in the response's extensions to the App, which logs it.
            Ok(answered
                .map_or_else(|panic| panicked(&*panic), |answer: Result<_>| answer.unwrap_or_else(Response::from)))
        })
    }
}

/// The parts of a request that its answer depends on, kept while the service has the request.
struct RequestHead {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    script_root: Option<ScriptRoot>,
    limit: Option<Limit>,
}

impl RequestHead {
    fn of<B>(request: &Request<B>) -> Self {
        Self {
            method: request.method().clone(),
            url: request.uri().clone(),
            headers: request.headers().clone(),
            script_root: request.extensions().get().cloned(),
            limit: request.extensions().get().copied(),
        }
    }

    fn view(&self) -> RequestView<'_> {
        let script_root = self.script_root.as_ref().map_or("", ScriptRoot::as_str);
        RequestView { method: &self.method, url: &self.url, headers: &self.headers, script_root }
    }
}

async fn answer<RB>(cloudfront: &CloudFront, head: RequestHead, response: Response<RB>) -> Response<ResponseBody>
where
    RB: HttpBody + Send + 'static,
    RB::Error: Into<BoxError>,
{
    let (mut parts, body) = response.into_parts();
    let personal = parts.extensions.remove::<Personal>().is_some();
    parts.extensions.remove::<SharedCookies>(); // it is for this layer to say
    let page = parts.extensions.remove::<Pending>().and_then(|pending| pending.take());
    let body = match &page {
        Some(_) => Ok(Bytes::new()),
        None if parts.extensions.get::<Streams>().is_some() => {
            return streamed(cloudfront, parts, ResponseBody::stream(body), personal);
        }
        None => whole(body, head.limit).await,
    };
    // What may fail yet is a page that is not made. It comes by itself, seldom with a field.
    let around = if page.is_some() || body.is_err() { parts.headers.clone() } else { HeaderMap::new() };
    let is_head = head.method == Method::HEAD;
    let answered = match body {
        Ok(body) => decide(cloudfront, head, parts, page.ok_or(body), personal).await,
        Err(error) => Err(error),
    };
    let mut response = answered.unwrap_or_else(|error| {
        let mut response = Response::from(error);
        let headers = std::mem::take(response.headers_mut());
        *response.headers_mut() = owners::replaced(around, headers, false);
        if personal {
            response.extensions_mut().insert(Personal);
        }
        guard(&mut response);
        response
    });
    if is_head {
        response.extensions_mut().insert(Head);
    }
    response
}

/// A stream that another layer of this kind has decided on, further inside.
fn streamed(cloudfront: &CloudFront, mut parts: Parts, body: ResponseBody, personal: bool) -> Response<ResponseBody> {
    match cloudfront.complete_decided(&mut parts, personal) {
        Ok(()) => Response::from_parts(parts, body),
        Err(error) => error.into(),
    }
}

/// The answer to a request for a page, or for bytes that are no representation yet.
async fn decide(
    cloudfront: &CloudFront,
    mut request: RequestHead,
    mut parts: Parts,
    page: Result<Representation, Bytes>,
    personal: bool,
) -> Result<Response<ResponseBody>> {
    let mut extensions = std::mem::take(&mut parts.extensions);
    if !request.method.is_safe() {
        // The service has acted by now: conditions were its own to look at, before that (RFC 9110 §13.2.1).
        CONDITIONS.iter().for_each(|name| _ = request.headers.remove(name));
    }
    let mut representation = match page {
        Ok(representation) => representation.dressed(parts.status, parts.headers),
        Err(body) => {
            if is_decided(parts.status) {
                parts.extensions = extensions;
                cloudfront.complete_decided(&mut parts, personal)?;
                return Ok(Response::from_parts(parts, body.into()));
            }
            if request.method == Method::OPTIONS && parts.status == StatusCode::METHOD_NOT_ALLOWED {
                // A router's way to say what there is (RFC 9110 §9.3.7).
                parts.status = StatusCode::NO_CONTENT;
                owners::remove(&mut parts.headers, &OF_REPRESENTATION);
            }
            let refusal = refusals::text_of(parts.status, &parts.headers, &body).map(Refusal);
            refusal.into_iter().for_each(|refusal| _ = extensions.insert(refusal));
            // The service has answered this very method: it is not for us to refuse it.
            ordinary(parts, body).with_methods([request.method.clone()])
        }
    };
    if personal {
        representation = representation.with_personal();
    }
    let decision = cloudfront.decide(request.view(), representation, SystemTime::now());
    let mut response = cloudfront.carry_out(decision).await?;
    response.extensions_mut().extend(extensions);
    Ok(response)
}

/// An ordinary response as a representation: with the validators it has, else tagged by its bytes.
fn ordinary(mut parts: Parts, body: Bytes) -> Representation {
    fn read<T>(value: Option<HeaderValue>, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        value.and_then(|value| parse(value.to_str().ok()?))
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    let tag = read(parts.headers.remove(header::ETAG), |tag| tag.parse().ok());
    let modified = read(parts.headers.remove(header::LAST_MODIFIED), |date| httpdate::parse_http_date(date).ok());
    let computed = EntityTag::of(&body);
    let representation = Representation::with_headers(parts.headers, body).with_status(parts.status);
    let representation = match tag {
        Some(tag) => representation.with_entity_tag(tag),
        None => representation.with_computed_tag(computed),
    };
    match modified {
        Some(modified) => representation.with_last_modified(modified),
        None => representation,
    }
}

const CONDITIONS: [header::HeaderName; 4] =
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];

/// Whether the service inside has evaluated conditions or ranges by itself.
fn is_decided(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(
            status,
            StatusCode::NOT_MODIFIED
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::RANGE_NOT_SATISFIABLE
        )
}
