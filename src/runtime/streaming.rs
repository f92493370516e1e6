//! Replies to Lambda as streams, by its Runtime API: a prelude of JSON, eight zero bytes, and the body as it is. The loop of
//! `lambda_runtime` takes all other events. It would write what a stream fails with into the body, where it looks like content; here
//! it is in the trailers, by which Lambda knows that the reply is not whole.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html> (response streaming).

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Body as HttpBody, Frame};
use lambda_http::Context as LambdaContext;
use lambda_runtime::LambdaInvocation;
use lambda_runtime_api_client::{PooledClient, body::Body, build_request};
use serde_json::json;
use tower::Service;

use super::{
    App,
    door::Way,
    event::Event,
    reply::{HttpReply, Prelude},
};
use crate::{
    error::{BoxError, Error},
    response_body::ResponseBody,
};

impl App {
    /// Declares that the site's function URL or REST API is configured for streams.
    ///
    /// The configuration is `InvokeMode: RESPONSE_STREAM` or `responseTransferMode: STREAM`. The function can't find this out by
    /// itself. All replies to such a door are then sent as streams, also small ones, because the door accepts nothing else. A
    /// [stream](crate::Representation::stream) may have 200 MB, and is sent piece by piece. A body in memory may have 64 MiB.
    ///
    /// This changes no replies to an HTTP API, an ALB or a queue. Plain HTTP always streams. A function URL without
    /// `RESPONSE_STREAM` collects the stream, up to 6 MB. The local server streams with `FRONT=url` and `FRONT=rest`.
    ///
    /// If a stream fails, it ends with the error trailers of the Runtime API, and Lambda breaks off the transfer.
    /// [`invoke`](Self::invoke) returns whole replies. Default: every reply is sent as a whole.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use chalice_http_toolkit::{App, BoxError, CloudFront, Representation};
    /// use futures_util::stream;
    /// use tower::service_fn;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let site = service_fn(async |_request| {
    ///     let numbers = async || stream::iter((0..1_000_000).map(|n| Ok::<_, std::io::Error>(format!("{n}\n"))));
    ///     Ok::<http::Response<String>, BoxError>(Representation::stream("text/plain", None, numbers).into())
    /// });
    /// App::new(site).with_cloudfront(CloudFront::new()).with_streaming().run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_streaming(mut self) -> Self {
        self.streaming = true;
        self
    }

    /// Whether the reply to an event goes as a stream.
    pub(super) fn streams(&self, event: &str) -> bool {
        let is_set = self.streaming && self.mount.checked().is_ok();
        is_set && Event::parse(event).is_some_and(|event| event.door.way(is_set) == Way::Stream)
    }

    /// The reply to an event as a stream: the prelude, and the body; `None` for what is no request.
    pub(super) async fn streamed(
        &self,
        event: &str,
        context: Option<LambdaContext>,
    ) -> Option<(Prelude, ResponseBody)> {
        let incoming = Event::parse(event)?.incoming_request(&self.mount, event.len(), Way::Stream);
        let (door, multi_value) = (incoming.door, incoming.multi_value);
        let (parts, body) = self.answer(incoming, context).await.into_parts();
        let prelude = Prelude(HttpReply::new(door, multi_value, Response::from_parts(parts, Bytes::new())));
        Some((prelude, body))
    }
}

/// The service of `lambda_runtime`, with streams for the events whose doors take them.
#[derive(Clone)]
pub(super) struct StreamedReplies<S> {
    pub(super) app: Arc<App>,
    pub(super) client: Arc<PooledClient>,
    pub(super) inner: S,
}

impl<S> Service<LambdaInvocation> for StreamedReplies<S>
where
    S: Service<LambdaInvocation, Response = (), Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<(), BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        if !std::str::from_utf8(&invocation.body).is_ok_and(|event| self.app.streams(event)) {
            return Box::pin(self.inner.call(invocation));
        }
        let (app, client) = (self.app.clone(), self.client.clone());
        Box::pin(async move {
            let LambdaInvocation { parts, body, context } = invocation;
            let id = context.request_id.clone();
            let event = String::from_utf8_lossy(&body);
            let Some((prelude, body)) = app.streamed(&event, Some(context)).await else { return Ok(()) };
            let request = request(&id, parts.headers.get(INVOCATION_ID), &prelude, body)?;
            // The next event comes all the same: a client that leaves may end this request too.
            match client.call(request).await {
                Ok(taken) if taken.status().is_success() => {}
                Ok(refused) => tracing::error!(id, status = %refused.status(), "Lambda did not take a reply"),
                Err(error) => tracing::warn!(id, error, "a reply was not sent to its end"),
            }
            Ok(())
        })
    }
}

/// The request by which a reply is sent.
fn request(
    id: &str,
    invocation: Option<&HeaderValue>,
    prelude: &Prelude,
    body: ResponseBody,
) -> Result<Request<Body>, BoxError> {
    let head = [&serde_json::to_vec(prelude)?[..], &[0; 8]].concat();
    let mut request = build_request()
        .method("POST")
        .uri(format!("/2018-06-01/runtime/invocation/{id}/response"))
        .header("lambda-runtime-function-response-mode", "streaming")
        .header(header::CONTENT_TYPE, "application/vnd.awslambda.http-integration-response")
        .header(header::TRANSFER_ENCODING, "chunked")
        .header(header::TRAILER, ERROR_TYPE)
        .header(header::TRAILER, ERROR_BODY);
    if let Some(invocation) = invocation {
        request = request.header(INVOCATION_ID, invocation);
    }
    Ok(request.body(Body::new(Sent { ready: head.into(), body: Some(body) }))?)
}

/// A prelude, a body, and the trailers that say what it failed with.
struct Sent {
    /// What is to be sent before more of the body is asked for: the prelude, then what is left of a piece.
    ready: Bytes,
    /// There is none left once it has ended.
    body: Option<ResponseBody>,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if !self.ready.is_empty() {
            // The client of `lambda_runtime` has 16 chunks in memory, or a MiB.
            let length = self.ready.len().min(LARGEST_CHUNK);
            return Poll::Ready(Some(Ok(Frame::data(self.ready.split_to(length)))));
        }
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        Poll::Ready(match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Err(error))) => {
                self.body = None;
                Some(Ok(Frame::trailers(trailers(&error))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.ready = frame.into_data().unwrap_or_default();
                return self.poll_frame(context);
            }
            Poll::Ready(None) => None,
        })
    }
}

/// What Lambda is told of a stream that failed.
fn trailers(error: &Error) -> HeaderMap {
    let body = json!({ "errorType": STREAM_ERROR, "errorMessage": error.chain(), "stackTrace": [] });
    let mut trailers = HeaderMap::new();
    trailers.insert(ERROR_TYPE, HeaderValue::from_static(STREAM_ERROR));
    if let Ok(body) = HeaderValue::try_from(STANDARD.encode(body.to_string())) {
        trailers.insert(ERROR_BODY, body);
    }
    trailers
}

/// With 16 of them, and a piece of a stream, 256 KiB are in memory at most.
const LARGEST_CHUNK: usize = 8 * 1024;
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";
const STREAM_ERROR: &str = "Runtime.StreamError";
/// By which Lambda refuses a reply that comes after the time of its invocation.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";
