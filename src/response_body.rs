//! The body of an answer: bytes that are there, or a stream that is read while it is sent. It does not know what is in it.

use std::{
    fmt,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};

use crate::{
    body::{Limit, whole},
    error::{BoxError, Error, ErrorKind, Result},
};

/// The body of an answer of [`CloudFront`](crate::CloudFront): bytes in memory, or a stream
/// ([`Representation::stream`](crate::Representation::stream)), which is read while the answer is sent.
///
/// It is a [`http_body::Body`] for any server and any layer. If its stream fails, it fails too.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{CloudFront, Representation, layers::ResponseBody};
/// use http_body_util::BodyExt;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let hello = Representation::new("text/plain", "hello");
/// let response: http::Response<ResponseBody> = CloudFront::new().respond(&http::Request::new(()), hello).await?;
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "hello");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Default)]
pub struct ResponseBody(Kind);

enum Kind {
    Whole(Bytes),
    /// Never locked for long: whoever reads it has it alone. It makes the body `Sync`, as bytes are.
    Stream(Mutex<UnsyncBoxBody<Bytes, Error>>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// In the extensions of a response: its body is a stream, which nobody reads to its end before it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams;

impl ResponseBody {
    /// A body that is read while it is sent, of whatever type layers have made of it.
    pub(crate) fn stream<B>(body: B) -> Self
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Kind::Stream(Mutex::new(Converted(Box::pin(body)).boxed_unsync())))
    }

    /// Its bytes, if they are there.
    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(bytes) => Some(bytes),
            Kind::Stream(_) => None,
        }
    }

    /// How many bytes it has, if that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    /// All its bytes. A stream is read to its end, but not beyond a limit.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ReplyTooLarge`] where it is larger than the limit, before anything is read if its length is known; what the
    /// stream fails with.
    pub(crate) async fn collected(self, limit: usize) -> Result<Bytes> {
        match self.0 {
            Kind::Whole(bytes) => Ok(bytes),
            Kind::Stream(stream) => {
                whole(stream.into_inner().unwrap_or_else(PoisonError::into_inner), Some(Limit(limit))).await
            }
        }
    }
}

/// A body with data and errors of one type. `MapFrame` would forget its length.
struct Converted<B>(Pin<Box<B>>);

impl<B> HttpBody for Converted<B>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let bytes = |frame: Frame<B::Data>| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
        self.0.as_mut().poll_frame(context).map(|frame| frame.map(|frame| frame.map(bytes).map_err(broken_off)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

fn locked<T>(stream: &Mutex<T>) -> MutexGuard<'_, T> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a stream. Layers hand on one of this crate as it is.
pub(crate) fn broken_off(error: impl Into<BoxError>) -> Error {
    let caused = |error| Error::caused(ErrorKind::Body, "the body of a response broke off", error);
    error.into().downcast::<Error>().map_or_else(caused, |error| *error)
}

impl From<Bytes> for ResponseBody {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Whole(bytes))
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for ResponseBody {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(stream) => {
                Pin::new(stream.get_mut().unwrap_or_else(PoisonError::into_inner)).poll_frame(context)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Stream(stream) => locked(stream).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => locked(stream).size_hint(),
        }
    }
}

/// Without what a visitor sees in it.
impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("length", &self.length()).finish_non_exhaustive()
    }
}
