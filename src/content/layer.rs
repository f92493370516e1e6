//! The layer that serves static files and gives a page to errors that have none. It does not know how either is made.

use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use http_body::Body as HttpBody;
use tower::{Layer, Service};

use super::{ContentManager, context};
use crate::{
    error::Error,
    fields::{negotiate::prefers_problem, owners},
    pending::Pending,
    representation::Representation,
};

/// Serves static files around a router, so that it needs no routes for them, and gives errors without a body the site's page.
///
/// - A request below the [static prefix](ContentManager::with_static_prefix) is answered as by
///   [`static_file_at`](ContentManager::static_file_at), and does not reach the service: 200, 404, or 405 for POST. Where the
///   prefix is `/`, only files that exist are answered here.
/// - A request below `/.well-known/` is answered here if `static/.well-known/` has the file.
/// - An answer of 400 and above that has no body, as a router's 404 and 405, gets the [error
///   page](ContentManager::error_page) of its status, or `application/problem+json` (RFC 9457) for a client that prefers JSON. Hence
///   `Vary: accept`. Fields that do not describe the body stay, such as `Allow`.
///
/// Put the [`CloudFront`](crate::CloudFront) layer around it. [`App::with_content`](crate::App::with_content) does that in the right
/// order, and [`App::with_error_pages`](crate::App::with_error_pages) is for errors that have an unwritten body too.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
/// use chalice_http_toolkit::{App, CloudFront, ContentManager, Embedded};
/// use tower::Layer;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// const FILES: Embedded = Embedded::new(&[("hello.txt", b"hello")]);
/// let content = ContentManager::new(Embedded::new(&[]), FILES)?;
/// let router: Router = Router::new().route("/", get(async || "home"));
/// let app = App::new(CloudFront::new().layer(content.layer(router)));
///
/// let event = r#"{"rawPath":"/static/hello.txt","requestContext":{"http":{"method":"GET"}}}"#;
/// let reply = app.invoke(event, None).await?;
/// assert!(serde_json::to_string(&reply).unwrap().contains(r#""body":"hello""#));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// # }
/// ```
impl<S> Layer<S> for ContentManager {
    type Service = ContentService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ContentService { content: self.clone(), inner }
    }
}

/// A service with static files and error pages: what the layer of a [`ContentManager`] makes.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Embedded, layers::ContentService};
/// use tower::Layer;
///
/// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
/// let service: ContentService<&str> = content.layer("any service");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ContentService<S> {
    content: ContentManager,
    inner: S,
}

impl<S, B, RB> Service<Request<B>> for ContentService<S>
where
    S: Service<Request<B>, Response = Response<RB>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    RB: HttpBody + Default + Send + 'static,
{
    type Response = Response<RB>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let head = context::head(&self.content.setup.context, &request);
        if let Some(file) = context::within(head.as_ref(), || self.content.static_file_of(request.uri())) {
            return Box::pin(async { Ok(file.into()) });
        }
        let accept = request.headers().get_all(header::ACCEPT).iter().cloned();
        let accept: HeaderMap = accept.map(|line| (header::ACCEPT, line)).collect();
        let (content, response) = (self.content.clone(), context::within(head.as_ref(), || self.inner.call(request)));
        let answer = async move { Ok(content.with_page(response.await?, &accept)) };
        match head {
            None => Box::pin(answer),
            head => Box::pin(context::throughout(head, Box::pin(answer))),
        }
    }
}

impl ContentManager {
    /// The answer to a URL that is one of a static file; `None` for the URLs of the site's own routes.
    fn static_file_of(&self, uri: &Uri) -> Option<Representation> {
        let prefix = &self.setup.settings.static_prefix;
        let below = |prefix: &str| uri.path().strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        if !prefix.is_empty() && below(prefix) {
            return Some(self.static_file_at(uri));
        }
        let may_be_one = prefix.is_empty() || below("/.well-known");
        may_be_one.then(|| self.static_file_at(uri)).filter(|file| file.status != Some(StatusCode::NOT_FOUND))
    }

    /// The page of its status in place of an error that has no body.
    fn with_page<B: HttpBody + Default>(&self, response: Response<B>, accept: &HeaderMap) -> Response<B> {
        let (status, extensions) = (response.status(), response.extensions());
        let is_made = extensions.get::<Pending>().is_some() || extensions.get::<Error>().is_some();
        let is_error = status.is_client_error() || status.is_server_error();
        if !is_error || is_made || !response.body().is_end_stream() {
            return response;
        }
        let page = match status {
            _ if prefers_problem(accept) => Self::problem(status, None),
            StatusCode::NOT_FOUND => self.not_found(),
            status => self.error_page(status, None),
        };
        let (parts, _) = response.into_parts();
        let mut page: Response<B> = page.into();
        let own = std::mem::take(page.headers_mut());
        *page.headers_mut() = owners::replaced(parts.headers, own, true);
        owners::vary_by(page.headers_mut(), "accept");
        page.extensions_mut().extend(parts.extensions);
        page
    }
}
