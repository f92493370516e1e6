//! Reading the body of a response to its end, within a bound. It does not know what the body is.

use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::{BoxError, Error, ErrorKind, Result};

/// The most bytes that the front door of a request takes back; in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(pub(crate) usize);

/// In the extensions of a request: its answer is to have no body. The service is asked as with GET. In those of an answer: it
/// was asked so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head;

/// All bytes of a body. An endless one stops where its front door would take no more, however it is written.
///
/// # Errors
///
/// [`ErrorKind::ReplyTooLarge`] where it is larger than that, [`ErrorKind::Body`] where it breaks off.
pub(crate) async fn whole<B>(body: B, limit: Option<Limit>) -> Result<Bytes>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    let Limit(limit) = limit.unwrap_or(Limit(LARGEST));
    let size = body.size_hint().exact();
    let collected = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let size = size.map_or_else(|| format!("more than {limit}"), |size| size.to_string());
            return too_large(&size, limit);
        }
        Error::caused(ErrorKind::Body, "the body of a response broke off", error)
    })?;
    Ok(collected.to_bytes())
}

pub(crate) fn too_large(size: &str, limit: usize) -> Error {
    let message = format!(
        "the reply has {size} bytes and its front door takes {limit}: make it smaller, or put the file into a bucket and \
         redirect to it"
    );
    Error::new(ErrorKind::ReplyTooLarge, message)
}

/// The largest reply that Lambda takes: 6 MiB of JSON.
pub(crate) const LARGEST: usize = 6 * 1024 * 1024;
