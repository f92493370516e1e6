//! A body that is read in pieces while it is sent: how it is opened, and whether it keeps what its length promises. It does not
//! know where its bytes come from.

use std::{
    future::Future,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use futures_util::{
    StreamExt,
    future::BoxFuture,
    stream::{BoxStream, Stream, iter},
};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    response_body::{ResponseBody, broken_off},
};

/// The pieces of a body.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes>>;

/// A body that is not opened yet.
pub(crate) struct Streamed {
    /// How many bytes it has, where that is known.
    pub(crate) length: Option<u64>,
    open: Box<dyn FnOnce(Range<u64>) -> BoxFuture<'static, Pieces> + Send>,
}

impl Streamed {
    /// A body that is opened at any byte of it.
    pub(crate) fn at<S, B, E, Opening>(
        length: Option<u64>,
        open: impl FnOnce(Range<u64>) -> Opening + Send + 'static,
    ) -> Self
    where
        Opening: Future<Output = S> + Send + 'static,
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        let open = move |part| {
            let opening = open(part);
            let opened = async { opening.await.map(|piece| piece.map(Into::into).map_err(broken_off)).boxed() };
            Box::pin(opened) as BoxFuture<'static, Pieces>
        };
        Self { length, open: Box::new(open) }
    }

    /// A body that can only be read from its start: what stands before a part of it is read and dropped.
    pub(crate) fn whole<S, B, E, Opening>(length: Option<u64>, open: impl FnOnce() -> Opening + Send + 'static) -> Self
    where
        Opening: Future<Output = S> + Send + 'static,
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self::at(length, move |part| {
            let opening = open();
            let is_cut = length.is_some_and(|length| part.end < length);
            // What is longer than its length is not cut: it would look whole.
            let part = if is_cut { part } else { part.start..u64::MAX };
            async move {
                let mut place = 0;
                opening.await.map(move |piece| {
                    piece.map(|bytes| {
                        let bytes: Bytes = bytes.into();
                        let begin = place;
                        place += bytes.len() as u64;
                        if is_cut || part.start > 0 { overlap(bytes, begin, &part) } else { bytes }
                    })
                })
            }
        })
    }

    /// Opens it, and waits for its first piece: what fails before that is an answer by itself.
    ///
    /// # Errors
    ///
    /// What the stream fails with.
    pub(crate) async fn opened(self, part: Option<Range<u64>>) -> Result<ResponseBody> {
        let part = part.unwrap_or(0..self.length.unwrap_or(u64::MAX));
        let left = self.length.map(|_| part.end - part.start);
        let goes_on = self.length.is_some_and(|length| part.end < length);
        if left == Some(0) {
            return Ok(ResponseBody::default());
        }
        let mut pieces = (self.open)(part).await;
        loop {
            let Some(first) = pieces.next().await.transpose()? else {
                return left.map_or(Ok(ResponseBody::default()), |left| Err(too_short(left)));
            };
            if !first.is_empty() {
                let pieces = iter([Ok(first)]).chain(pieces).boxed();
                return Ok(ResponseBody::stream(Promised { pieces, left, last: None, goes_on, is_over: false }));
            }
        }
    }
}

/// What of these bytes, which begin at a place of the body, is in a part of it.
fn overlap(mut bytes: Bytes, begin: u64, part: &Range<u64>) -> Bytes {
    let within = |place: u64| usize::try_from(place.saturating_sub(begin)).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (within(part.start), within(part.end));
    bytes.truncate(end);
    bytes.advance(start.min(end));
    bytes
}

fn too_short(left: u64) -> Error {
    Error::new(
        ErrorKind::Body,
        format!("the stream of a body ended {left} bytes before the length that was given for it"),
    )
}

/// Pieces that are as long together as their length promises, or fail: no answer looks whole that is not.
struct Promised {
    pieces: Pieces,
    left: Option<u64>,
    /// The piece that reaches the length. It is sent when the stream has ended, as with it the body is whole for who gets it.
    last: Option<Bytes>,
    /// A stream that is read for a part of it goes on behind that part.
    goes_on: bool,
    is_over: bool,
}

impl Promised {
    /// A piece, if it is one that was promised.
    fn checked(&mut self, piece: Option<Result<Bytes>>) -> Option<Result<Bytes>> {
        match (piece, &mut self.left) {
            (Some(Ok(piece)), Some(left)) => match left.checked_sub(piece.len() as u64) {
                Some(rest) => {
                    *left = rest;
                    Some(Ok(piece))
                }
                None => {
                    let message = "the stream of a body has more bytes than the length that was given for it";
                    Some(Err(Error::new(ErrorKind::Body, message)))
                }
            },
            (None, Some(left)) if *left > 0 => Some(Err(too_short(*left))),
            (piece, _) => piece,
        }
    }
}

impl HttpBody for Promised {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        while !self.is_over {
            // A panic would end the connection that sends the body, on which other answers may be in work.
            let polled = catch_unwind(AssertUnwindSafe(|| self.pieces.poll_next_unpin(context)));
            let piece = match polled.unwrap_or_else(|panic| Poll::Ready(Some(Err(Error::panicked(&*panic))))) {
                Poll::Ready(piece) => self.checked(piece),
                Poll::Pending => return Poll::Pending,
            };
            match piece {
                // An empty chunk would be the end of the body (RFC 9112 §7.1).
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) if self.left == Some(0) && !self.goes_on => self.last = Some(piece),
                Some(Ok(piece)) => {
                    self.is_over = self.left == Some(0);
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                over => {
                    self.is_over = true;
                    self.pieces = iter([]).boxed();
                    let last = self.last.take().map(Ok);
                    return Poll::Ready(over.or(last).map(|ended| ended.map(Frame::data)));
                }
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        let last = self.last.as_ref().map_or(0, |last| last.len() as u64);
        self.left.map_or_else(SizeHint::default, |left| SizeHint::with_exact(left + last))
    }
}
