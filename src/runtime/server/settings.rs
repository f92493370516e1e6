//! The settings of an `App` for the plain HTTP server.

use std::time::Duration;

use http::{Method, Response, StatusCode, request::Parts, uri::PathAndQuery};

use super::limits::ServerLimits;
use crate::{
    error::{Error, ErrorKind, Result},
    response_body::ResponseBody,
    runtime::{App, plain_text::plain_text},
};

/// The settings of the plain HTTP server.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct Settings {
    pub(super) limits: ServerLimits,
    pub(super) shutdown_time: Option<Duration>,
    /// Read when the server starts, as `TRUSTED_PROXIES` is.
    pub(super) proxies: String,
    pub(super) health_path: Option<String>,
}

impl Settings {
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a setting with which no request would be answered as it is meant.
    pub(in crate::runtime) fn checked(&self) -> Result<()> {
        let mistake = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        if let Some(path) = self.health_path.as_deref().filter(|path| !is_path(path)) {
            return mistake(format!("the health path {path:?} is no path such as `/healthz`, without a query"));
        }
        match self.limits.zero() {
            Some(limit) => mistake(format!("the server limit {limit} is zero: it would answer no request")),
            None => Ok(()),
        }
    }

    /// The most bytes that the body of a request has.
    #[cfg_attr(
        not(any(feature = "dev-server", feature = "testing")),
        allow(dead_code, reason = "only who plays this server asks for it")
    )]
    pub(in crate::runtime) fn body_limit(&self) -> usize {
        self.limits.body_bytes
    }

    /// The most bytes that names and values of a request's header fields have.
    #[cfg_attr(
        not(any(feature = "dev-server", feature = "testing")),
        allow(dead_code, reason = "only who plays this server asks for it")
    )]
    pub(in crate::runtime) fn header_limit(&self) -> usize {
        self.limits.header_bytes
    }

    /// The answer at the health path, for every host, to GET and HEAD.
    pub(in crate::runtime) fn health(&self, request: &Parts, is_ending: bool) -> Option<Response<ResponseBody>> {
        let is_read = [Method::GET, Method::HEAD].contains(&request.method);
        let path = self.health_path.as_deref();
        (is_read && path == Some(request.uri.path())).then(|| match is_ending {
            true => plain_text(StatusCode::SERVICE_UNAVAILABLE, "ending\n".to_owned()),
            false => plain_text(StatusCode::OK, "ok\n".to_owned()),
        })
    }
}

/// Whether a request can have this path.
fn is_path(path: &str) -> bool {
    let read = |uri: PathAndQuery| uri.query().is_none() && uri.as_str() == path;
    path.starts_with('/') && path.parse().is_ok_and(read)
}

/// The server of plain HTTP.
impl App {
    /// The limits of the plain HTTP server, and of the local server and `TestSite` that play it ([`Front::Plain`](crate::Front)).
    /// Default: [`ServerLimits::default`]. A time, a number of connections or a size of the header that is zero makes
    /// [`run`](Self::run) fail with [`ErrorKind::Configuration`](crate::ErrorKind::Configuration).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, server::ServerLimits};
    /// # let site = tower::service_fn(async |_: lambda_http::Request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_server_limits(ServerLimits::new().with_body_bytes(50 << 20));
    /// ```
    pub fn with_server_limits(mut self, limits: ServerLimits) -> Self {
        self.server.limits = limits;
        self
    }

    /// How long requests in work, and then tasks of a queue in the process, have at the end of the process. Default: 10 seconds,
    /// of which a Web Function of Lambda has one at most.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use chalice_http_toolkit::App;
    /// # let site = tower::service_fn(async |_: lambda_http::Request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_shutdown_time(Duration::from_secs(25)); // ECS ends a container after 30
    /// ```
    pub fn with_shutdown_time(mut self, time: Duration) -> Self {
        self.server.shutdown_time = Some(time);
        self
    }

    /// Proxies before the server of plain HTTP, whose word on the client's address and the scheme counts: addresses and networks,
    /// separated by commas, or `*` for whoever connects, where nobody but the proxy can. The variable `TRUSTED_PROXIES` adds
    /// others. Default: none. What is no address makes [`run`](Self::run) fail with
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration).
    ///
    /// The site gets one address in `X-Forwarded-For` and one scheme in `X-Forwarded-Proto`, as behind the other doors. Of a
    /// trusted proxy they are what it says in these fields, or in `Forwarded` (RFC 7239) where there is no `X-Forwarded-For`; a
    /// proxy that writes `Forwarded` must take the other fields off. Of anybody else they are its own address and `http`, and
    /// all `X-Forwarded-…` that it sent is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use chalice_http_toolkit::App;
    /// # let site = tower::service_fn(async |_: lambda_http::Request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_trusted_proxies("10.0.0.0/8, fd00::/8");
    /// ```
    pub fn with_trusted_proxies(mut self, proxies: &str) -> Self {
        self.server.proxies = proxies.to_owned();
        self
    }

    /// A path at which the server of plain HTTP says by itself whether it takes requests: 200, and 503 while the process ends.
    /// The site does not see such requests, and hosts and fields don't matter to them. Default: none. What is no
    /// path, such as `healthz` or `/healthz?x`, makes [`run`](Self::run) fail with
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration).
    ///
    /// # Examples
    ///
    /// ```
    /// # use chalice_http_toolkit::App;
    /// # let site = tower::service_fn(async |_: lambda_http::Request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_health_path("/healthz");
    /// ```
    pub fn with_health_path(mut self, path: &str) -> Self {
        self.server.health_path = Some(path.to_owned());
        self
    }
}
