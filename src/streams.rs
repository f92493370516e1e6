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
    /// A representation whose body is a stream of pieces, such as an export, a report of many rows or a film.
    ///
    /// `open` is called only if the body is sent, so not for a 304, a 412 or a HEAD request. The status is 200. By default it has no
    /// validator, and does not offer ranges.
    ///
    /// If the front door streams, each piece is sent as it comes. The next one is requested when there is room for it. At most 256
    /// KiB and one piece are in memory. Plain HTTP always streams. A function URL and a REST API stream with
    /// [`App::with_streaming`](crate::App::with_streaming). Elsewhere the pieces are collected up to the limit of the front door.
    /// Beyond the limit the answer is 500, and the log says what helps.
    ///
    /// If you know a tag, such as the version of a row, set it with [`with_entity_tag`](Self::with_entity_tag). If you know the
    /// length, pass it: clients can then show the progress, and caches see whether the body is complete. With a length,
    /// [`with_ranges(true)`](Self::with_ranges) offers ranges. The bytes before the range are read and dropped. For a stream that can
    /// begin at any byte, use [`ranged_stream`](Self::ranged_stream).
    ///
    /// # Errors
    ///
    /// The status is sent with the first piece. If `open` or the stream fails before that, the answer is the error page. If the stream
    /// fails or panics later, or is shorter or longer than its length, the transfer is broken off. So clients and caches know that
    /// the body is incomplete. A client of HTTP/1.0 knows it only if the stream has a length. The log says why. If the client
    /// disconnects, the stream is dropped.
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

    /// Like [`stream`](Self::stream), for a stream that can begin at any byte, such as an object in S3.
    ///
    /// `open` gets the range of bytes to send: all of them, or the part that a client requests. It returns a stream of exactly these
    /// bytes. Ranges are offered. A client that requests several ranges at once gets the whole body (RFC 9110 §14.2). Set a strong
    /// tag. Without it, a client can't know whether two parts belong to the same version.
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
