//! Representations whose body is a stream. They are decided on as all others are; the stream is opened only if it is sent.

use std::{future::Future, ops::Range};

use bytes::Bytes;
use futures_util::stream::Stream;

use crate::{
    error::BoxError,
    representation::{Body, Representation},
    streamed::Streamed,
};

impl Representation {
    /// A representation whose body is a stream of pieces: an export, a report of many rows, a film. `open` is called only if the
    /// body is sent: not for a 304, a 412 or a HEAD request. Status 200, no validator; ranges are not offered.
    ///
    /// Where the front door streams, each piece is sent as it comes, and the next one is asked for when there is room for it; 256
    /// KiB and one piece are in memory at most. Plain HTTP always streams, and a function URL or a REST API with
    /// [`App::with_streaming`](crate::App::with_streaming). Elsewhere the pieces are collected up to the limit of the front door. What
    /// is larger is answered with 500, and the log says what helps.
    ///
    /// Give it a tag if you know one ([`with_entity_tag`](Self::with_entity_tag), such as the version of a row), or it has none. Give its
    /// length if you know it: then clients see how far they are, and caches see whether it is whole. With a length,
    /// [`with_ranges`](Self::with_ranges) lets clients ask for a part, and what stands before that part is read and dropped; for a
    /// stream that can begin at any byte there is [`ranged_stream`](Self::ranged_stream).
    ///
    /// # Errors
    ///
    /// The status is sent with the first piece. What fails before it, in `open` or in the stream, is answered with the error page. What
    /// fails later breaks the transfer off, so that no client and no cache takes it for the whole: a stream that fails or panics, and
    /// one that is shorter or longer than its length. The log says why. If the client leaves, the stream is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, EntityTag, Representation};
    /// use futures_util::stream;
    /// use http_body_util::BodyExt;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let export = || {
    ///     Representation::stream("text/csv", None, async || {
    ///         stream::iter(["a,b\n", "1,2\n"].map(Ok::<_, std::io::Error>)) // rows as the database sends them
    ///     })
    ///     .with_entity_tag(EntityTag::strong("orders-7"))
    /// };
    /// let response = CloudFront::new().respond(&http::Request::new(()), export()).await?;
    /// assert!(!response.headers().contains_key("content-length"));
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "a,b\n1,2\n");
    ///
    /// let again = http::Request::get("/").header("if-none-match", "\"orders-7\"").body(())?;
    /// assert_eq!(CloudFront::new().respond(&again, export()).await?.status(), 304);
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn stream<S, B, E, Opening>(
        content_type: &str,
        length: Option<u64>,
        open: impl FnOnce() -> Opening + Send + 'static,
    ) -> Self
    where
        Opening: Future<Output = S> + Send + 'static,
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<BoxError> + 'static,
    {
        Self::with_body(content_type, Body::Streamed(Streamed::whole(length, open)))
    }

    /// The same for a stream that can begin at any byte, such as an object in S3. `open` gets the bytes to send, all of them or the part
    /// that a client asks for, and gives a stream of exactly those. Ranges are offered; a client that asks for several parts at once
    /// gets all (RFC 9110 §14.2). Give it a strong tag, or a client can't know whether two parts are of the same state.
    ///
    /// # Errors
    ///
    /// As [`stream`](Self::stream).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, EntityTag, Representation};
    /// use futures_util::stream;
    /// use http_body_util::BodyExt;
    /// use std::ops::Range;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let film = Representation::ranged_stream("video/mp4", 10, async |part: Range<u64>| {
    ///     // GetObject with the range `bytes={part.start}-{part.end - 1}`
    ///     let bytes = &b"0123456789"[part.start as usize..part.end as usize];
    ///     stream::iter([Ok::<_, std::io::Error>(bytes)])
    /// });
    /// let film = film.with_entity_tag(EntityTag::strong("etag-of-the-object"));
    /// let request = http::Request::get("/film").header("range", "bytes=2-4").body(())?;
    /// let response = CloudFront::new().respond(&request, film).await?;
    /// assert_eq!((response.status().as_u16(), &response.headers()["content-range"]), (206, &"bytes 2-4/10".parse()?));
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "234");
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn ranged_stream<S, B, E, Opening>(
        content_type: &str,
        length: u64,
        open: impl FnOnce(Range<u64>) -> Opening + Send + 'static,
    ) -> Self
    where
        Opening: Future<Output = S> + Send + 'static,
        S: Stream<Item = Result<B, E>> + Send + 'static,
        B: Into<Bytes> + 'static,
        E: Into<BoxError> + 'static,
    {
        Self::with_body(content_type, Body::Streamed(Streamed::at(Some(length), open))).with_ranges(true)
    }
}
