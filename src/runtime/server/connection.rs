//! One connection: its requests become answers of the app, within the limits. It does not know how many others there are.

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header, request};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    End, Server,
    limits::ServerLimits,
    pace::{Pace, Paced, PacedBody},
};
use crate::{
    error::BoxError,
    response_body::ResponseBody,
    runtime::{hosts, incoming::Refused, plain, plain_text::plain_text, reply::bodiless, uri::BadRequest},
};

/// Who is at both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: IpAddr,
    pub(super) asked_at: IpAddr,
    /// There are too many connections beside this one.
    pub(super) is_surplus: bool,
}

/// The state that the requests of a connection share. The last running handler drops it.
pub(super) struct Connection {
    server: Arc<Server>,
    ends: Ends,
    end: watch::Receiver<End>,
    /// SECURITY: a client can leave, or reset its streams (RFC 9113 §10.5), while handlers run. They count until they end.
    handlers: Arc<Semaphore>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// A new connection, which counts among the others as long as the permit is held.
    pub(super) fn new(
        server: Arc<Server>,
        ends: Ends,
        end: watch::Receiver<End>,
        permit: OwnedSemaphorePermit,
    ) -> Arc<Self> {
        Arc::new(Self { server, ends, end, handlers: Arc::new(Semaphore::new(MOST_REQUESTS)), _permit: permit })
    }

    /// Answers all requests of a connection.
    pub(super) async fn serve<S>(self: Arc<Self>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let pace = Pace::new();
        let io = TokioIo::new(Paced { stream, pace: pace.clone() });
        let service = service_fn({
            let (shared, pace) = (self.clone(), pace.clone());
            move |request: Request<Incoming>| {
                let shared = shared.clone();
                let begun = pace.clone().begin(request.version());
                async move {
                    let answer = shared.respond(request).await;
                    Ok::<_, Infallible>(answer.map(|body| PacedBody::new(body, begun)))
                }
            }
        });
        let builder = self.builder();
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut end = self.end.clone();
        let interrupted = pin!(interruption(&pace, &self.server.settings.limits, end.clone()));
        let time = match select(connection.as_mut(), interrupted).await {
            Either::Left((outcome, _)) => return broken_off(outcome),
            Either::Right((time, _)) => time,
        };
        connection.as_mut().graceful_shutdown();
        let over = pin!(async {
            let now = pin!(end.wait_for(|end| *end == End::Now));
            select(pin!(sleep(time)), now).await;
        });
        if let Either::Left((outcome, _)) = select(connection, over).await {
            broken_off(outcome);
        }
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let limits = &self.server.settings.limits;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        if self.ends.is_surplus {
            // One answer ends it, by `Connection: close`; HTTP/2 has no such field.
            builder = builder.http1_only();
        }
        builder
            .http1()
            .timer(TokioTimer::new())
            // `Pace` does it, which tells a slow header from a connection that is idle.
            .header_read_timeout(None)
            .max_buf_size(limits.header_bytes.saturating_add(LONGEST_LINE));
        let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(header_bytes)
            .max_send_buf_size(MOST_SENT)
            .max_concurrent_streams(MOST_STREAMS);
        builder
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let (version, method) = (request.version(), request.method().clone());
        let (server, is_surplus) = (self.server.clone(), self.ends.is_surplus);
        let response = if is_surplus { surplus() } else { self.answer(request).await };
        // The site's answers have no body already where none belongs; for the server's own answers only HTTP/1.1 would see to it.
        let mut response = bodiless(method.as_str(), response);
        // After a 408 the rest of the request may still come (RFC 9110 §15.5.9).
        let is_last = is_surplus || response.status() == StatusCode::REQUEST_TIMEOUT || server.is_ending.load(Relaxed);
        // HTTP/2 says it by a frame (RFC 9113 §6.8), and must not have the field (§8.2.2).
        if is_last && version <= Version::HTTP_11 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<ResponseBody> {
        let (server, ends) = (&self.server, self.ends);
        let (mut parts, body) = request.into_parts();
        if let Some(health) = server.settings.health(&parts, server.is_ending.load(Relaxed)) {
            return health;
        }
        let host = match hosts::requested_host(&mut parts) {
            Ok(host) => host,
            Err(reason) => return plain_text(StatusCode::BAD_REQUEST, format!("{reason}\n")),
        };
        if let Some(refusal) = server.hosts.refusal(host.as_ref(), ends.asked_at).filter(|_| server.app.development) {
            return refusal;
        }
        if size_of(&parts.headers) > server.settings.limits.header_bytes {
            return plain_text(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The header is too large.\n".to_owned());
        }
        let client = server.proxies.client(&mut parts.headers, ends.peer);
        let most = server.settings.limits.whole_body_time();
        let body = match timeout(most, server.whole(&parts, body)).await.unwrap_or(Err(Unread::TooSlow)) {
            Ok(body) => Ok(body),
            Err(Unread::Refused(refused)) => Err(refused),
            Err(Unread::TooSlow) => {
                return plain_text(StatusCode::REQUEST_TIMEOUT, "The request was not sent in time.\n".to_owned());
            }
        };
        self.handle(parts, body, client).await
    }

    /// The site's answer. As on Lambda, a handler runs to its end after its client has left: what it began is not left half done.
    async fn handle(
        self: Arc<Self>,
        parts: request::Parts,
        body: Result<Bytes, Refused>,
        client: IpAddr,
    ) -> Response<ResponseBody> {
        let permit = self.handlers.clone().acquire_owned().await;
        let answered = tokio::spawn(async move {
            let answer = plain::answer(&self.server.app, &parts, body, client).await;
            drop((permit, self));
            answer
        });
        answered.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request has no answer");
            plain_text(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n".to_owned())
        })
    }
}

impl Server {
    /// All of a body. Trailers are dropped.
    async fn whole(&self, request: &request::Parts, mut body: Incoming) -> Result<Bytes, Unread> {
        let limit = self.settings.limits.body_bytes;
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let waits = request.headers.contains_key(header::EXPECT);
        if declared > limit && waits {
            // It is not sent unless it is asked for (RFC 9110 §10.1.1).
            return Err(Unread::Refused(Refused::TooLarge { size: declared, limit }));
        }
        let (mut read, mut size) = (BytesMut::new(), 0_usize);
        while let Some(frame) =
            timeout(self.settings.limits.body_time, body.frame()).await.map_err(|_| Unread::TooSlow)?
        {
            let Ok(frame) = frame else {
                return Err(Unread::Refused(BadRequest("the body breaks off").into()));
            };
            let Ok(data) = frame.into_data() else { continue };
            size = size.saturating_add(data.len());
            if declared.max(size) <= limit {
                read.extend_from_slice(&data);
            } else if size > limit.saturating_mul(MOST_DISCARDED) {
                break;
            }
        }
        match declared.max(size) {
            size if size > limit => Err(Unread::Refused(Refused::TooLarge { size, limit })),
            _ => Ok(read.freeze()),
        }
    }
}

/// The answer on a connection beyond the limit.
fn surplus() -> Response<ResponseBody> {
    let text = "There are too many connections. Try again soon.\n".to_owned();
    let mut refusal = plain_text(StatusCode::SERVICE_UNAVAILABLE, text);
    refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    refusal
}

/// Waits for what ends a connection: its client is too slow, or the process ends. The answer is the time that it has left.
async fn interruption(pace: &Pace, limits: &ServerLimits, mut end: watch::Receiver<End>) -> Duration {
    let ends = async { _ = end.wait_for(|end| *end != End::NotYet).await };
    if let Either::Left(_) = select(pin!(pace.too_slow(limits)), pin!(ends)).await {
        return CLOSING_TIME;
    }
    // To close the connection now would lose a request that the client has begun to send.
    let since = Instant::now();
    while pace.awaits_header() && since.elapsed() < CLOSING_TIME {
        sleep(Duration::from_millis(5)).await;
    }
    // Whoever ends the process ends this too.
    Duration::MAX
}

/// Why there is no body.
enum Unread {
    Refused(Refused),
    TooSlow,
}

fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

fn broken_off(outcome: Result<(), BoxError>) {
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// How many handlers of a connection run at once.
const MOST_REQUESTS: usize = 100;
/// How many streams a connection of HTTP/2 has at once.
const MOST_STREAMS: u32 = 100;
/// How many bytes of an answer wait in memory for a client of HTTP/2.
const MOST_SENT: usize = 128 * 1024;
/// How long the graceful close of a slow client's connection may take, in which no request is in work; and how long a request
/// that is on its way is waited for when the process ends.
const CLOSING_TIME: Duration = Duration::from_secs(1);
/// The request line has its own limit, which is hyper's.
const LONGEST_LINE: usize = 65_536;
/// How many times the limit of a body is read of one that is too large: a client that still sends would not see the answer when
/// its connection is closed (RFC 9112 §9.6).
const MOST_DISCARDED: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::stream::{self, StreamExt};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        task::yield_now,
    };

    use super::*;
    use crate::{cloudfront::CloudFront, representation::Representation, runtime::App};

    const PIECE: usize = 64 * 1024;

    #[tokio::test]
    async fn a_client_that_does_not_read_keeps_little_of_a_stream_in_memory() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let app = App::new(tower::service_fn(move |_| {
            let counted = counted.clone();
            let film = Representation::stream("video/mp4", None, async move || {
                stream::iter(0..1600).map(move |_| {
                    counted.fetch_add(1, Relaxed);
                    Ok::<_, Infallible>(vec![0; PIECE])
                })
            });
            async { Ok::<Response<String>, Infallible>(film.into()) }
        }));
        let server = Server::new(app.with_cloudfront(CloudFront::new()), "", false).expect("no settings");
        let (_end, end) = watch::channel(End::NotYet);
        let permit = server.free.clone().try_acquire_owned().expect("room");
        let here = std::net::Ipv4Addr::LOCALHOST.into();
        let ends = Ends { peer: here, asked_at: here, is_surplus: false };
        let (mut client, io) = duplex(1024);
        tokio::spawn(Connection::new(Arc::new(server), ends, end, permit).serve(io));
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("sent");
        assert_eq!(client.read_u8().await.expect("it answers"), b'H');
        for _ in 0..10_000 {
            yield_now().await;
        }
        let stalled = asked.load(Relaxed);
        assert!((1..=4).contains(&stalled), "{stalled} pieces of 64 KiB");
        let mut received = vec![0; 1 << 20];
        let mut length = 1;
        while let Ok(read @ 1..) = client.read(&mut received).await {
            length += read;
            if length > 10 * PIECE {
                break;
            }
            assert!(asked.load(Relaxed) * PIECE <= length + 256 * 1024, "{length}");
        }
    }
}
