//! The settings of an `App` for the plain HTTP server.

use std::time::Duration;

use super::limits::ServerLimits;
use crate::runtime::App;

/// The settings of the plain HTTP server.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct Settings {
    pub(super) limits: ServerLimits,
    pub(super) shutdown_time: Option<Duration>,
    /// Read when the server starts, as `TRUSTED_PROXIES` is.
    pub(super) proxies: String,
    pub(super) health_path: Option<String>,
}

/// The server of plain HTTP.
impl App {
    /// The limits of the plain HTTP server. Default: [`ServerLimits::default`].
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
    /// The site does not see such requests, and hosts and fields don't matter to them. Default: none.
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
