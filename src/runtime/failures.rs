//! What goes wrong with a request: its line in the log, and the answer to it, the site's error page. It does not know what is
//! tried.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use lambda_http::Request;
use tower::ServiceExt;

use super::{
    App,
    developer::{self, FailedRequest},
};
use crate::{
    body::Head,
    cloudfront::CloudFront,
    content::ContentManager,
    error::{Error, ErrorKind, Result},
    fields::{
        cache_control::{is_shared_cacheable, set_policy},
        owners,
    },
    pending::Pending,
    refusals::{self, Refusal},
    representation::Representation,
    response_body::ResponseBody,
    script_root::ScriptRoot,
};

impl App {
    /// Takes error pages from these templates: the one of the status (`404.html`, `500.html`), else `error.html`, else a plain
    /// page. They have `status` and `title`, as [`error_page`](ContentManager::error_page) says, and `detail` in development, and
    /// everywhere for a form's field that is not what was expected.
    ///
    /// They are for what the service fails with, and for each answer of 400 and above that nobody of the site has written: one
    /// without a body, one of this crate's (405, 412, 416), and one by which axum's extractors or layers of tower-http refuse a
    /// request. What a handler writes stays, whether that is `(StatusCode::NOT_FOUND, "no such order")` or
    /// [`not_found`](ContentManager::not_found). Refusals of axum are known by their status, type and text: a handler that sends
    /// the same ones gets the page too, unless it names another type (`Html`, `Json`). A layer that compresses answers may be on
    /// any side of the [`CloudFront`](crate::CloudFront) layer, but with zstd it has to be around it.
    ///
    /// HEAD has the fields of GET. Where no `CloudFront` layer asks for GET in its stead, a failed HEAD is asked for again by GET,
    /// whose text tells.
    ///
    /// Status, body and whatever describes the body or says how long it may be kept are the page's. All other fields stay:
    /// `Allow`, cookies that were set or removed, those of middleware such as CORS. After a panic nothing of the handler is
    /// left, and layers outside of the `CloudFront` layer still add theirs.
    ///
    /// Whoever names JSON in Accept, and does not want HTML as much, gets `application/problem+json` (RFC 9457) instead, with
    /// why axum refused the request in `detail`. Hence `Vary: accept`.
    ///
    /// Default: plain pages for what fails; other answers stay as they are.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, ContentManager, Embedded};
    /// use http::Response;
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// const PAGES: Embedded = Embedded::new(&[("error.html", b"<h1>{{ status }} {{ title }}</h1>")]);
    /// let content = ContentManager::new(PAGES, Embedded::new(&[]))?;
    /// let site = service_fn(async |_| Response::builder().status(405).header("allow", "GET").body(String::new()));
    /// let app = App::new(site).with_error_pages(&content);
    ///
    /// let event = r#"{"rawPath":"/","requestContext":{"http":{"method":"POST"}}}"#;
    /// let reply = serde_json::to_string(&app.invoke(event, None).await?).unwrap();
    /// assert!(reply.contains("<h1>405 Method Not Allowed</h1>") && reply.contains(r#""allow":"GET""#));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_error_pages(mut self, content: &ContentManager) -> Self {
        self.error_pages = Some(content.clone());
        self
    }

    /// The service's response, or the page that takes its place.
    pub(super) async fn respond(&self, request: Request, summary: &RequestSummary<'_>) -> Response<ResponseBody> {
        let with_body = self.error_pages.as_ref().and_then(|_| asked_with_body(&request));
        let mut outcome = self.outcome(request).await;
        if let (Some(with_body), Ok(response)) = (with_body, &outcome)
            && is_without_its_text(response)
        {
            // GET is safe (RFC 9110 §9.2.1): it may be asked for again. A route may be there for HEAD alone.
            let stands = |whole: &Response<ResponseBody>| {
                is_error(whole.status()) && whole.status() != StatusCode::METHOD_NOT_ALLOWED
            };
            outcome = self.outcome(with_body).await.ok().filter(stands).map_or(outcome, Ok);
        }
        let response = match outcome {
            Ok(response) => response,
            Err(error) => return self.failed(&error, error.status(), HeaderMap::new(), summary).await,
        };
        if let Some(error) = failure(&response) {
            // A handler may have said another status beside the error.
            let status = Some(response.status()).filter(|status| is_error(*status)).unwrap_or(error.status());
            return self.failed(&error, status, response.into_parts().0.headers, summary).await;
        }
        match (unwritten(&response, summary.method), &self.error_pages) {
            (Some(text), Some(_)) => self.refused(response, &text, summary).await,
            _ => response,
        }
    }

    async fn outcome(&self, request: Request) -> Result<Response<ResponseBody>> {
        let answer = async { self.service.clone().oneshot(request).await };
        let outcome = AssertUnwindSafe(answer).catch_unwind().await;
        outcome.unwrap_or_else(|panic| Err(Error::panicked(&*panic)))
    }

    /// The page for an error, which is logged. What was put around the answer that it takes the place of stays.
    pub(super) async fn failed(
        &self,
        error: &Error,
        status: StatusCode,
        around: HeaderMap,
        summary: &RequestSummary<'_>,
    ) -> Response<ResponseBody> {
        log(error, summary);
        let detail = error.for_visitor().or_else(|| self.development.then(|| error.chain()));
        let mut page = self.error_page(Page { detail: detail.as_deref(), around, ..Page::of(status) }, summary).await;
        error.accept_coding(page.headers_mut());
        let is_for_a_developer = self.shows_errors && status.is_server_error() && !summary.wants_problem;
        if !is_for_a_developer {
            return page;
        }
        developer::instead_of(page, error, FailedRequest { method: summary.method, path: summary.path })
    }

    /// The page for a refusal that nobody of the site has written.
    async fn refused(
        &self,
        response: Response<ResponseBody>,
        text: &[u8],
        summary: &RequestSummary<'_>,
    ) -> Response<ResponseBody> {
        let (status, headers) = (response.status(), response.into_parts().0.headers);
        let text = String::from_utf8_lossy(text);
        let reason = Some(text.trim_end_matches('\n')).filter(|text| !text.is_empty());
        if let Some(reason) = reason {
            log_refusal(status, reason, summary);
        }
        // As `CloudFront` has it for what is not there.
        let is_asked_again = matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE);
        let policy = (is_asked_again && is_shared_cacheable(&headers)).then_some("no-cache");
        let range = headers.get(header::CONTENT_RANGE).filter(|_| status == StatusCode::RANGE_NOT_SATISFIABLE).cloned();
        // Why a request was wrong is for the client to know; why the site fails is not.
        let told = reason.filter(|_| status.is_client_error());
        let detail = reason.filter(|_| self.development);
        let page = Page { status, detail, told, around: headers, same_status: true };
        let mut page = self.error_page(page, summary).await;
        let fields = page.headers_mut();
        range.into_iter().for_each(|range| _ = fields.insert(header::CONTENT_RANGE, range));
        if let Some(policy) = policy.filter(|_| !fields.contains_key(header::SET_COOKIE)) {
            set_policy(fields, policy);
        }
        page
    }

    pub(super) async fn too_large(
        &self,
        size: usize,
        limit: usize,
        summary: &RequestSummary<'_>,
    ) -> Response<ResponseBody> {
        tracing::warn!(method = summary.method, path = summary.path, size, limit, "a request is too large");
        self.error_page(Page::of(StatusCode::PAYLOAD_TOO_LARGE), summary).await
    }

    /// The site's page for a status, or what a client of an API gets (RFC 9457).
    pub(super) async fn error_page(&self, page: Page<'_>, summary: &RequestSummary<'_>) -> Response<ResponseBody> {
        let Page { status, detail, told, around, same_status } = page;
        let page = match summary.wants_problem {
            true => Some(ContentManager::problem(status, told.or(detail))),
            false => self.error_pages.as_ref().map(|content| content.error_page(status, detail)),
        };
        // Boxed, so that each request's future has no room for a page that it seldom needs.
        let mut response = page_or_plain(page, status, detail, &summary.root).boxed().await;
        let own = std::mem::take(response.headers_mut());
        let mut fields = owners::replaced(around, own, same_status);
        owners::vary_by(&mut fields, "accept");
        if fields.contains_key(header::SET_COOKIE) {
            set_policy(&mut fields, "private, no-store");
        }
        *response.headers_mut() = fields;
        response
    }
}

/// What the log and an error page say of a request that failed.
pub(super) struct RequestSummary<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) root: ScriptRoot,
    pub(super) wants_problem: bool,
}

/// What an error page shows, and the answer that it takes the place of.
pub(super) struct Page<'a> {
    pub(super) status: StatusCode,
    /// For the page: what a visitor may know.
    pub(super) detail: Option<&'a str>,
    /// For a client of an API, where it gets to know more.
    pub(super) told: Option<&'a str>,
    /// The fields of that answer, and whether its status stays.
    pub(super) around: HeaderMap,
    pub(super) same_status: bool,
}

impl Page<'_> {
    /// A page that shows the status alone, in place of nothing.
    pub(super) fn of(status: StatusCode) -> Self {
        Self { status, detail: None, told: None, around: HeaderMap::new(), same_status: false }
    }
}

/// Why the service has no answer, where it says so.
fn failure(response: &Response<ResponseBody>) -> Option<Error> {
    let left = || {
        let message = "a Representation left the service unanswered: put the CloudFront layer around it";
        response.extensions().get::<Pending>().map(|_| Error::new(ErrorKind::Handler, message))
    };
    response.extensions().get::<Error>().cloned().or_else(left)
}

/// What a refusal says that nobody of the site has written, and nothing where it has no body; `None` for what is the site's
/// own.
fn unwritten(response: &Response<ResponseBody>, method: &str) -> Option<Bytes> {
    if !is_error(response.status()) {
        return None;
    }
    let (headers, body) = (response.headers(), response.body().bytes()?);
    // A layer outside may have compressed it.
    let is_left = |text: &Bytes| body.is_empty() || body == text || headers.contains_key(header::CONTENT_ENCODING);
    if let Some(Refusal(text)) = response.extensions().get().filter(|Refusal(text)| is_left(text)) {
        return Some(text.clone());
    }
    // An answer to HEAD has the length of the body that it does not have.
    let length = headers.get(header::CONTENT_LENGTH);
    if body.is_empty() && length.is_none_or(|length| method != Method::HEAD.as_str() || length == "0") {
        return Some(Bytes::new());
    }
    refusals::text_of(response.status(), headers, body)
}

/// For a request by HEAD the same one by GET, as the `CloudFront` layer asks.
fn asked_with_body(request: &Request) -> Option<Request> {
    let is_head = request.method() == Method::HEAD;
    is_head.then(|| {
        let mut request = request.clone();
        *request.method_mut() = Method::GET;
        request.extensions_mut().insert(Head);
        request.headers_mut().remove(header::RANGE);
        request
    })
}

/// Whether an answer to HEAD may be a refusal: only its body would tell, which a router has taken off.
fn is_without_its_text(response: &Response<ResponseBody>) -> bool {
    let extensions = response.extensions();
    let is_known = extensions.get::<Refusal>().is_some() || extensions.get::<Head>().is_some();
    let is_known = is_known || failure(response).is_some();
    let length = response.headers().get(header::CONTENT_LENGTH);
    is_error(response.status())
        && !is_known
        && response.body().is_end_stream()
        && length.is_none_or(|length| length != "0")
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Logs an error, the one place where that is done. What is the sender's own fault, as a malformed form, is no error of
/// the site's.
fn log(error: &Error, summary: &RequestSummary<'_>) {
    let (method, path, kind) = (summary.method, summary.path, error.kind());
    if error.status().is_client_error() {
        tracing::info!(method, path, ?kind, error = error.chain(), "a request was refused");
        return;
    }
    let template = error.template();
    tracing::error!(
        method,
        path,
        ?kind,
        template = template.map(|(name, _)| name),
        line = template.and_then(|(_, line)| line),
        error = error.chain(),
        "a request failed"
    );
}

/// An answer whose stream tells the log when it fails: nobody else can be told, as its status has been sent.
pub(super) fn watched(response: Response<ResponseBody>, summary: &RequestSummary<'_>) -> Response<ResponseBody> {
    if response.body().bytes().is_some() {
        return response;
    }
    let (method, path) = (summary.method.to_owned(), summary.path.to_owned());
    response.map(|body| {
        ResponseBody::stream(body.map_err(move |error| {
            tracing::error!(method, path, error = error.chain(), "an answer broke off");
            error
        }))
    })
}

fn log_refusal(status: StatusCode, reason: &str, summary: &RequestSummary<'_>) {
    let (method, path, status) = (summary.method, summary.path, status.as_u16());
    match status {
        500.. => tracing::error!(method, path, status, reason, "a request failed"),
        _ => tracing::info!(method, path, status, reason, "a request was refused"),
    }
}

/// A page, or a plain one where there is none or it fails.
async fn page_or_plain(
    page: Option<Representation>,
    status: StatusCode,
    detail: Option<&str>,
    root: &ScriptRoot,
) -> Response<ResponseBody> {
    if let Some(response) = made(page, root).await {
        return response;
    }
    let plain = made(Some(ContentManager::plain_page(status, detail)), root).await;
    plain.unwrap_or_else(|| {
        let mut empty = Response::new(ResponseBody::default());
        *empty.status_mut() = status;
        empty
    })
}

/// A page as a response; `None` where it fails, as an error page may.
async fn made(page: Option<Representation>, root: &ScriptRoot) -> Option<Response<ResponseBody>> {
    let mut request = http::Request::new(());
    request.extensions_mut().insert(root.clone());
    let response = CloudFront::new().respond(&request, page?).await;
    response.inspect_err(|error| tracing::error!(error = error.chain(), "an error page failed")).ok()
}
