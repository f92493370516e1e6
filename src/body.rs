//! Reading the body of a response to its end, within a bound. It does not know what the body is.

use bytes::Bytes;
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::{BoxError, Error, ErrorKind, Result};

/// All bytes of a body. An endless one stops where no front door would take more, however it is written.
///
/// # Errors
///
/// [`ErrorKind::ReplyTooLarge`] where it is larger than that, [`ErrorKind::Body`] where it breaks off.
pub(crate) async fn whole<B>(body: B) -> Result<Bytes>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    let collected = Limited::new(body, LARGEST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Error::new(ErrorKind::ReplyTooLarge, format!("the reply has more than {LARGEST} bytes, the limit"));
        }
        Error::caused(ErrorKind::Body, "the body of a response broke off", error)
    })?;
    Ok(collected.to_bytes())
}

/// The largest reply that Lambda takes: 6 MiB of JSON.
pub(crate) const LARGEST: usize = 6 * 1024 * 1024;
