//! The limits of the plain HTTP server. This module holds the values; `connection` applies them.

use std::time::Duration;

use crate::runtime::door::PLAIN;

/// The limits of the server of plain HTTP: [`App::with_server_limits`](crate::App::with_server_limits).
///
/// | limit | default | beyond it |
/// |---|---|---|
/// | [header bytes](Self::with_header_bytes) | 32,768 | 431; also for more than 100 fields |
/// | [body bytes](Self::with_body_bytes) | 6 MiB | 413, the site's error page |
/// | [header time](Self::with_header_time) | 10 s | the connection is closed |
/// | [body time](Self::with_body_time) | 30 s without a byte, 2 minutes in all | 408 |
/// | [idle time](Self::with_idle_time) | 75 s | the connection is closed |
/// | [connections](Self::with_connections) | 10,000 | 503 with `Retry-After`; many more are closed without an answer |
///
/// A connection of HTTP/2 has 100 requests at once, and 100 handlers at most run for it: one whose client has left counts until
/// it ends, as its connection does. A request line that is longer than 65,534 bytes is answered with 414.
///
/// Bodies are held in memory, and there is no limit for all of them together. At worst they are connections × body bytes, and
/// over HTTP/2 200 times as many: 100 that arrive, and 100 whose handlers run. Where strangers reach the server without a proxy
/// that limits them, lower both limits.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::server::ServerLimits;
/// use std::time::Duration;
///
/// let limits = ServerLimits::new(); // the defaults
/// assert_eq!(limits, ServerLimits::default());
///
/// let tight = ServerLimits::new()
///     .with_header_bytes(8 * 1024)
///     .with_body_bytes(64 * 1024)
///     .with_header_time(Duration::from_secs(2))
///     .with_body_time(Duration::from_secs(5))
///     .with_idle_time(Duration::from_secs(5))
///     .with_connections(100);
/// assert_ne!(tight, limits);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    pub(super) header_bytes: usize,
    pub(super) body_bytes: usize,
    pub(super) header_time: Duration,
    pub(super) body_time: Duration,
    pub(super) idle_time: Duration,
    pub(super) connections: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            header_bytes: PLAIN.request_header_limit,
            body_bytes: PLAIN.request_body_limit,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            // An ALB keeps its own for 60 seconds, and must not find one closed that it wants to use.
            idle_time: Duration::from_secs(75),
            connections: 10_000,
        }
    }
}

impl ServerLimits {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most bytes that names and values of a request's header fields have in sum. Default: 32,768.
    pub fn with_header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// The most bytes that the body of a request has; it is read whole before the site gets it. Default: 6 MiB.
    pub fn with_body_bytes(mut self, bytes: usize) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// How long the header of a request may take from its first byte, and the first request of a connection. A connection is
    /// closed when twice this time has passed, at the latest. Default: 10 seconds.
    pub fn with_header_time(mut self, time: Duration) -> Self {
        self.header_time = time;
        self
    }

    /// The longest wait for the next part of a body. The whole body has four times as long, so a site with a larger
    /// [body](Self::with_body_bytes) raises this too. Default: 30 seconds.
    pub fn with_body_time(mut self, time: Duration) -> Self {
        self.body_time = time;
        self
    }

    /// How long a connection is kept on which nothing moves. Longer than a proxy keeps its own, which would else ask on one that
    /// is just being closed. Default: 75 seconds.
    pub fn with_idle_time(mut self, time: Duration) -> Self {
        self.idle_time = time;
        self
    }

    /// The most connections at once. Default: 10,000.
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// The name of a limit that is zero and must not be.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let limits = [
            ("header bytes", self.header_bytes == 0),
            ("header time", self.header_time.is_zero()),
            ("body time", self.body_time.is_zero()),
            ("idle time", self.idle_time.is_zero()),
            ("connections", self.connections == 0),
        ];
        limits.iter().find(|(_, is_zero)| *is_zero).map(|(name, _)| *name)
    }

    /// How long a whole body may take, however steadily its parts come.
    pub(super) fn whole_body_time(&self) -> Duration {
        self.body_time.saturating_mul(4)
    }
}
