//! Plain text answers that a server makes itself, without the site.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::response_body::ResponseBody;

/// A plain text answer of the server itself.
pub(super) fn plain_text(status: StatusCode, text: String) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::from(Bytes::from(text)));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
