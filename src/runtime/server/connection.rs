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
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, request};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    End, Server,
    limits::ServerLimits,
    pace::{Pace, Paced},
};
use crate::{
    error::BoxError,
    runtime::{asked::Refused, hosts, plain, told::told, uri::BadRequest},
};

/// Who is at both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) peer: IpAddr,
    pub(super) asked_at: IpAddr,
    /// There are too many connections beside this one.
    pub(super) is_surplus: bool,
}

impl Server {
    /// Answers all requests of a connection.
    pub(super) async fn converse<S>(self: Arc<Self>, stream: S, ends: Ends, mut end: watch::Receiver<End>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let pace = Pace::new();
        let io = TokioIo::new(Paced { stream, pace: pace.clone() });
        let service = service_fn({
            let (server, pace, end) = (self.clone(), pace.clone(), end.clone());
            move |request: Request<Incoming>| {
                let (server, end) = (server.clone(), end.clone());
                let begun = pace.clone().begin(request.version());
                async move {
                    let answer = server.respond(request, ends, end).await;
                    drop(begun);
                    Ok::<_, Infallible>(answer.map(Full::new))
                }
            }
        });
        let builder = self.builder();
        let mut connection = pin!(builder.serve_connection(io, service));
        let interrupted = pin!(interruption(&pace, &self.settings.limits, end.clone()));
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
        let limits = &self.settings.limits;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // `Pace` does it, which tells a slow header from a connection that is idle.
            .header_read_timeout(None)
            .max_buf_size(limits.header_bytes.saturating_add(LONGEST_LINE));
        let header_bytes = u32::try_from(limits.header_bytes).unwrap_or(u32::MAX);
        builder.http2().timer(TokioTimer::new()).max_header_list_size(header_bytes).max_concurrent_streams(100);
        builder
    }

    async fn respond(&self, request: Request<Incoming>, ends: Ends, end: watch::Receiver<End>) -> Response<Bytes> {
        let version = request.version();
        let mut response = match self.surplus(ends) {
            Some(refusal) => refusal,
            None => self.answer(request, ends, end).await,
        };
        let is_last = ends.is_surplus || self.is_ending.load(Relaxed);
        // HTTP/2 says it by a frame (RFC 9113 §6.8), and must not have the field (§8.2.2).
        if is_last && version <= Version::HTTP_11 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn surplus(&self, ends: Ends) -> Option<Response<Bytes>> {
        ends.is_surplus.then(|| {
            let mut refusal =
                told(StatusCode::SERVICE_UNAVAILABLE, "There are too many connections. Try again soon.\n".to_owned());
            refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            refusal
        })
    }

    async fn answer(&self, request: Request<Incoming>, ends: Ends, end: watch::Receiver<End>) -> Response<Bytes> {
        let (mut parts, body) = request.into_parts();
        if let Some(health) = self.health(&parts) {
            return health;
        }
        let host = match hosts::asked(&mut parts) {
            Ok(host) => host,
            Err(reason) => return told(StatusCode::BAD_REQUEST, format!("{reason}\n")),
        };
        if let Some(refusal) = self.hosts.refusal(host.as_ref(), ends.asked_at).filter(|_| self.app.development) {
            return refusal;
        }
        if size_of(&parts.headers) > self.settings.limits.header_bytes {
            return told(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The header is too large.\n".to_owned());
        }
        let client = self.proxies.client(&mut parts.headers, ends.peer);
        let body = match self.whole(&parts, body).await {
            Ok(body) => Ok(body),
            Err(Unread::Refused(refused)) => Err(refused),
            Err(Unread::TooSlow) => {
                return told(StatusCode::REQUEST_TIMEOUT, "The request was not sent in time.\n".to_owned());
            }
        };
        // As on Lambda, a handler runs to its end though nobody may wait for it any more: what it began is not left half done.
        let app = self.app.clone();
        let answered = tokio::spawn(async move {
            let _until_then = end;
            plain::answer(&app, &parts, body, client).await
        });
        answered.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request has no answer");
            told(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error\n".to_owned())
        })
    }

    /// The answer at the health path, for whatever host and by GET or HEAD.
    fn health(&self, request: &request::Parts) -> Option<Response<Bytes>> {
        let is_read = [Method::GET, Method::HEAD].contains(&request.method);
        let path = self.settings.health_path.as_deref();
        (is_read && path == Some(request.uri.path())).then(|| match self.is_ending.load(Relaxed) {
            true => told(StatusCode::SERVICE_UNAVAILABLE, "ending\n".to_owned()),
            false => told(StatusCode::OK, "ok\n".to_owned()),
        })
    }

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

/// Waits for what ends a connection: its client is too slow, or the process ends. The answer is the time that it has left.
async fn interruption(pace: &Pace, limits: &ServerLimits, mut end: watch::Receiver<End>) -> Duration {
    match select(pin!(pace.too_slow(limits)), pin!(end.wait_for(|end| *end != End::NotYet))).await {
        Either::Left(_) => LAST_WORDS,
        // Whoever ends the process ends this too.
        Either::Right(_) => Duration::MAX,
    }
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

/// What a connection that was too slow has left, to be told so.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The request line has its own limit, which is hyper's.
const LONGEST_LINE: usize = 65_536;
/// How many times the limit of a body is read of one that is too large: a client that still sends would not see the answer when
/// its connection is closed (RFC 9112 §9.6).
const MOST_DISCARDED: usize = 4;
