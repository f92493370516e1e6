//! The runtime: from an event to a reply, on Lambda and locally alike.
//!
//! 1. [`event`] the event's [JSON](json) becomes a request: a [`uri`], at the place where the site is [mounted](mount)
//! 2. the site's service is called; what it fails with becomes an error page
//! 3. [`reply`] the response becomes the front door's JSON, if it fits
//! 4. [`serve`] Lambda's loop, which sends [streams](streaming) for doors that take them, the [server] of plain HTTP, or `dev_server`, both for their `hosts`; `dev_server` and `testing` play a
//!    front door through `exchange`
//!
//! A request of plain HTTP is none of an event: `plain` makes it, and what follows is the same [answer].
//!
//! What is no request is a [trigger]: a batch of [tasks], an event for one of the [handlers](schedules), or a ping that keeps
//! warm. What happens again and again, posts a task (`recurring`).
//!
//! What a [front] [door] does to requests, replies and their [fields] is one table, which all of these go by. What goes wrong
//! on the way is logged and answered by [`failures`]. The runtime does not know what the service does.

mod answer;
mod developer;
mod door;
mod event;
mod failures;
mod fields;
mod front;
mod incoming;
mod json;
mod layers;
mod manifest;
mod mount;
mod panics;
#[cfg(feature = "tasking")]
mod recurring;
mod reply;
mod schedules;
mod serve;
#[cfg(all(feature = "tasking", feature = "dev-server"))]
mod shown_tasks;
mod streaming;
#[cfg(feature = "tasking")]
mod tasks;
#[cfg(not(feature = "tasking"))]
#[path = "no_tasks.rs"]
mod tasks;
mod trigger;
mod uri;

#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "dev-server")]
mod dev_server;
#[cfg(not(feature = "dev-server"))]
#[path = "no_dev_server.rs"]
mod dev_server;
#[cfg(any(feature = "dev-server", feature = "testing"))]
pub(crate) mod exchange;
#[cfg(any(feature = "dev-server", feature = "server"))]
mod hosts;
#[cfg(any(feature = "dev-server", feature = "server"))]
mod listen;
#[cfg(any(feature = "dev-server", feature = "server", feature = "testing"))]
mod plain;
#[cfg(any(feature = "dev-server", feature = "server"))]
mod plain_text;
#[cfg(feature = "server")]
pub(crate) mod server;
#[cfg(not(feature = "server"))]
#[path = "no_server.rs"]
mod server;
#[cfg(any(feature = "dev-server", feature = "server"))]
mod signals;

use http::Response;
use http_body::Body as HttpBody;
use lambda_http::{Context, Request};
use tower::Service;

pub use front::Front;
pub use reply::Reply;
pub use trigger::ScheduledEvent;

use self::{
    event::Event,
    fields::Warnings,
    layers::{Layers, Site, site},
    mount::Mount,
    schedules::Schedules,
    tasks::Tasks,
};
use crate::{
    content::ContentManager,
    error::{BoxError, Result},
    security::SecurityHeaders,
    stage::Stage,
};

/// Runs a site: `App::new(service).run()`.
///
/// # Errors
///
/// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime) where the loop or the local server can't go on, [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a setting that
/// can't be read.
///
/// # Examples
///
/// ```no_run
/// use chalice_http_toolkit::{BoxError, CloudFront, ContentManager};
/// use tower::{Layer, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let content = ContentManager::new("templates", "static")?;
/// let site = service_fn(move |_request| {
///     let page = content.html("<h1>Hello</h1>");
///     async { Ok::<http::Response<String>, BoxError>(page.into()) }
/// });
/// chalice_http_toolkit::run(CloudFront::new().layer(site)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn run<S, B>(service: S) -> Result<()>
where
    S: Service<Request, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    App::new(service).run().await
}

/// A site: any service of requests, an axum `Router` as well as a `service_fn`, behind a front door of Lambda.
///
/// [`run`](Self::run) takes Lambda's events where there is a runtime (`AWS_LAMBDA_RUNTIME_API`), and otherwise serves
/// locally, by the same events and replies. [`invoke`](Self::invoke) does one event, for tests.
///
/// What it answers by itself: 400 for an event whose method, path, query, header fields, cookies, host, stage or body can't be
/// read, be it malformed, of another type, or a text that is no Unicode (`"\ud800"`), and what can't be read of all else is
/// left out; the error page for what the service fails or panics with (the process lives), and for what nobody has written a page
/// for ([`with_error_pages`](Self::with_error_pages)); 500 for a reply that its front door would not take, which is logged with
/// path, size and limit; 413 for a request that is too large.
///
/// Behind all layers it keeps shared caches from what is one visitor's: an answer that sets a cookie, or is
/// [personal](crate::Representation::with_personal), is private and has no field for the caches of a CDN alone.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::App;
/// use lambda_http::Request;
/// use tower::service_fn;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let app = App::new(service_fn(async |request: Request| {
///     Ok::<_, std::convert::Infallible>(http::Response::new(request.uri().path().to_owned()))
/// }));
/// let event = r#"{"rawPath":"/hello","requestContext":{"http":{"method":"GET"}}}"#;
/// let reply = app.invoke(event, None).await?;
/// assert_eq!(reply.status(), 200);
/// assert!(serde_json::to_string(&reply).unwrap().contains(r#""body":"/hello""#));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
///
/// Behind an API mapping `/shop` that visitors don't see, as CloudFront adds it:
///
/// ```
/// # use chalice_http_toolkit::{App, events::ScriptRoot};
/// # use tower::service_fn;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let app = App::new(service_fn(async |request: lambda_http::Request| {
///     let root = request.extensions().get::<ScriptRoot>().cloned().unwrap_or_default();
///     let answer = format!("{} at '{}'", request.uri().path(), root.as_str());
///     Ok::<_, std::convert::Infallible>(http::Response::new(answer))
/// }));
/// let event = r#"{"rawPath":"/shop/cart","requestContext":{"http":{"method":"GET"}}}"#;
/// let reply = app.with_base_path("/shop").with_public_root("").invoke(event, None).await?;
/// assert!(serde_json::to_string(&reply).unwrap().contains("/cart at ''"));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct App {
    layers: Layers,
    /// The service behind its layers.
    service: Site,
    mount: Mount,
    error_pages: Option<ContentManager>,
    development: bool,
    /// Whether errors are shown with all that a developer needs: to this machine alone.
    shows_errors: bool,
    tasks: Tasks,
    schedules: Schedules,
    security_headers: Option<SecurityHeaders>,
    edge_manifest: Option<ContentManager>,
    warnings: Warnings,
    /// Whether its doors are set up for streams.
    streaming: bool,
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "it has none then"))]
    server: server::Settings,
}

impl App {
    /// An app of this service.
    pub fn new<S, B>(service: S) -> Self
    where
        S: Service<Request, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: HttpBody + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let service = site(service);
        let (layers, development) = (Layers::of(service.clone()), Stage::current().is_development());
        Self {
            layers,
            service,
            mount: Mount::default(),
            error_pages: None,
            development,
            shows_errors: false,
            tasks: Tasks::default(),
            schedules: Schedules::default(),
            security_headers: None,
            edge_manifest: None,
            warnings: Warnings::default(),
            streaming: false,
            server: server::Settings::default(),
        }
    }

    /// Adds these fields to every answer, error pages and refused requests among them. Default: none are added.
    pub fn with_security_headers(mut self, headers: SecurityHeaders) -> Self {
        self.security_headers = Some(headers);
        self
    }

    /// Whether error pages show what went wrong. Default: in development only ([`Stage`]).
    pub fn with_development(mut self, development: bool) -> Self {
        self.development = development;
        self
    }

    /// The prefix that visitors' URLs have and the site's routes don't: an API mapping of a custom domain, a path rule of an
    /// ALB. Links and redirects carry it. It is taken off an event's path that begins with it; with payload format 2.0 an HTTP
    /// API leaves the mapping out of the path by itself, so that no route of the site may begin with the same segments. A
    /// stage in the path is found without. Default: none.
    ///
    /// It is a path as URLs have it: `/shop`, `/shop/v1`, or with percent-encodings, `/caf%C3%A9`. The slash at its start may be
    /// left out, and slashes at its end count for nothing. For what is no such path (a `?` or `#`, blanks, letters beyond ASCII,
    /// `.` and `..`, empty segments, a whole URL) [`run`](Self::run) and [`invoke`](Self::invoke) fail with
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) and the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, events::ScriptRoot};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let app = App::new(service_fn(async |request: lambda_http::Request| {
    ///     let root = request.extensions().get::<ScriptRoot>().cloned().unwrap_or_default();
    ///     let answer = format!("{} at '{}'", request.uri().path(), root.as_str());
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(answer))
    /// }));
    /// let app = app.with_base_path("/shop");
    /// for path in ["/cart", "/shop/cart"] {
    ///     let event = format!(r#"{{"rawPath":"{path}","requestContext":{{"http":{{"method":"GET"}}}}}}"#);
    ///     let reply = app.invoke(&event, None).await?;
    ///     assert!(serde_json::to_string(&reply).unwrap().contains("/cart at '/shop'"));
    /// }
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_base_path(mut self, prefix: &str) -> Self {
        self.mount = self.mount.with_base_path(prefix);
        self
    }

    /// The prefix that visitors' URLs carry, for links and redirects, where it is not the one that events show: empty
    /// behind a CloudFront distribution with an origin path. It is written as the
    /// [base path](Self::with_base_path), and the scheme and host before it are for
    /// [`with_public_origin`](ContentManager::with_public_origin). Default: the stage and the base path.
    pub fn with_public_root(mut self, prefix: &str) -> Self {
        self.mount = self.mount.with_public_root(prefix);
        self
    }

    /// The reply to one event.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`](crate::ErrorKind::Event) for an event that nothing here serves,
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a base path or public root that is none, and whatever the handler of an event failed with: Lambda then counts a failed invocation. Whatever goes wrong with a request is a reply, and a task that fails
    /// is one that the reply names.
    pub async fn invoke(&self, event: &str, context: Option<Context>) -> Result<Reply> {
        self.mount.checked()?;
        match Event::parse(event) {
            Some(request) => Ok(self.reply(&request, event.len(), context).await),
            None => self.triggered(event, context.as_ref()).await.map(Reply::json),
        }
    }
}
