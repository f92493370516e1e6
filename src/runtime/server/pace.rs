//! How fast a client is: what moves on its connection, and when that took too long. It closes nothing itself.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, sleep},
};

use super::limits::ServerLimits;
use crate::{error::Error, response_body::ResponseBody};

/// What happened on a connection, in milliseconds since its start.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    requests: AtomicUsize,
    is_http2: AtomicBool,
    moved: AtomicU64,
    /// When the header of a request began that is not complete; [`NO_HEADER`] where none did.
    header_since: AtomicU64,
}

const NO_HEADER: u64 = u64::MAX;

impl Pace {
    /// The pace of a new connection. The header time limits the wait for its first request too.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            requests: AtomicUsize::new(0),
            is_http2: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            header_since: AtomicU64::new(0),
        })
    }

    /// A request has come, and is answered when this is dropped.
    pub(super) fn begin(self: Arc<Self>, version: Version) -> Request {
        self.is_http2.store(version == Version::HTTP_2, Relaxed);
        self.header_since.store(NO_HEADER, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        Request(self)
    }

    /// Ends when the client was too slow.
    pub(super) async fn too_slow(&self, limits: &ServerLimits) {
        while let Some(left) = self.left(limits) {
            // A header that begins meanwhile has less time than is left now.
            sleep(left.min(limits.header_time).max(Duration::from_millis(1))).await;
        }
    }

    /// Whether a request is on its way: a part of its header has come, or it is the first one of the connection, whose header may
    /// be in the socket.
    pub(super) fn awaits_header(&self) -> bool {
        self.header_since.load(Relaxed) != NO_HEADER
    }

    /// How much time the client has left.
    fn left(&self, limits: &ServerLimits) -> Option<Duration> {
        if self.requests.load(Relaxed) > 0 {
            return Some(limits.header_time);
        }
        let left =
            |since, time: Duration| time.checked_sub(self.start.elapsed().saturating_sub(Duration::from_millis(since)));
        match self.header_since.load(Relaxed) {
            NO_HEADER => left(self.moved.load(Relaxed), limits.idle_time),
            since => left(since, limits.header_time),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(NO_HEADER - 1)
    }

    fn has_read(&self) {
        let now = self.now();
        self.moved.store(now, Relaxed);
        // HTTP/2 has frames that belong to no request.
        if self.requests.load(Relaxed) == 0 && !self.is_http2.load(Relaxed) {
            _ = self.header_since.compare_exchange(NO_HEADER, now, Relaxed, Relaxed);
        }
    }
}

/// A request in work.
#[derive(Debug)]
pub(super) struct Request(Arc<Pace>);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.moved.store(self.0.now(), Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

impl Request {
    /// The same again, for a part of the answer that is still to come.
    fn again(pace: &Arc<Pace>) -> Self {
        pace.requests.fetch_add(1, Relaxed);
        Self(pace.clone())
    }
}

/// The body of an answer. While its stream has nothing to send, the site is slow, and not the client.
#[derive(Debug)]
pub(super) struct PacedBody {
    body: ResponseBody,
    pace: Arc<Pace>,
    waits: Option<Request>,
}

impl PacedBody {
    /// The body of the answer to a request in work.
    pub(super) fn new(body: ResponseBody, request: Request) -> Self {
        Self { body, pace: request.0.clone(), waits: None }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let waits = polled.is_pending();
        if waits != self.waits.is_some() {
            self.waits = waits.then(|| Request::again(&self.pace));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose pace is taken.
#[derive(Debug)]
pub(super) struct Paced<S> {
    pub(super) stream: S,
    pub(super) pace: Arc<Pace>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.pace.has_read();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.written(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> Paced<S> {
    fn written(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if polled.is_ready() {
            self.pace.moved.store(self.pace.now(), Relaxed);
        }
        polled
    }
}
