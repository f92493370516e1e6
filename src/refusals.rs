//! What frameworks answer in a site's stead: the texts by which axum's extractors and layers of tower-http refuse a request.
//! Nobody of the site has written them, so an error page may take their place.
//!
//! Such an answer has no mark; it is what a handler's `(StatusCode, &str)` is too. So it is known by all of it: the status, the
//! type and the text. A text that is not in the table stays as it is, whoever wrote it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use crate::compressed::inflated;

/// In the extensions of a response: what it says has been written by nobody of the site, so that the site's error page may
/// take its place. The body of an answer to HEAD is gone by then.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(pub(crate) Bytes);

/// How the body of a refusal is told.
enum Text {
    /// This, and no more.
    Whole(&'static str),
    /// This, a colon and the cause.
    WithCause(&'static str),
    /// What begins so.
    Beginning(&'static str),
    /// What begins and ends so.
    Naming(&'static str, &'static str),
}

use Text::{Beginning, Naming, Whole, WithCause};

/// NOTE: a test holds it against the versions that are installed. Texts of newer ones are left as they are.
const KNOWN: &[(StatusCode, Text)] = &[
    // The body: `Bytes`, `String`, and what is read from them
    (StatusCode::BAD_REQUEST, WithCause("Failed to buffer the request body")),
    (StatusCode::PAYLOAD_TOO_LARGE, WithCause("Failed to buffer the request body")),
    (StatusCode::BAD_REQUEST, WithCause("Request body didn't contain valid UTF-8")),
    // `Json`
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, Whole("Expected request with `Content-Type: application/json`")),
    (StatusCode::BAD_REQUEST, WithCause("Failed to parse the request body as JSON")),
    (StatusCode::UNPROCESSABLE_ENTITY, WithCause("Failed to deserialize the JSON body into the target type")),
    // `Form`, `RawForm`
    (
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Whole("Form requests must have `Content-Type: application/x-www-form-urlencoded`"),
    ),
    (StatusCode::BAD_REQUEST, WithCause("Failed to deserialize form")),
    (StatusCode::UNPROCESSABLE_ENTITY, WithCause("Failed to deserialize form body")),
    // `Query`
    (StatusCode::BAD_REQUEST, WithCause("Failed to deserialize query string")),
    // `Path`, `RawPathParams`: what stands behind are its own words, and the beginnings of serde's
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: Cannot parse `")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: Cannot parse value at index ")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: Invalid UTF-8 in `")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: duplicate field `")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: invalid length ")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: invalid type: ")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: invalid value: ")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: missing field `")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: unknown field `")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid URL: unknown variant `")),
    (StatusCode::BAD_REQUEST, Beginning("Invalid UTF-8 in `")),
    (StatusCode::INTERNAL_SERVER_ERROR, Beginning("Wrong number of path arguments for `Path`. Expected ")),
    (StatusCode::INTERNAL_SERVER_ERROR, Beginning("Unsupported type `")),
    (StatusCode::INTERNAL_SERVER_ERROR, Whole("No paths parameters found for matched route")),
    // `Multipart`
    (StatusCode::BAD_REQUEST, Whole("Invalid `boundary` for `multipart/form-data` request")),
    (StatusCode::BAD_REQUEST, Whole("incomplete multipart stream")),
    (StatusCode::BAD_REQUEST, Whole("failed to read field complete headers")),
    (StatusCode::BAD_REQUEST, Whole("failed to read headers")),
    (StatusCode::BAD_REQUEST, Whole("failed to decode field's raw header value")),
    (StatusCode::BAD_REQUEST, Beginning("failed to decode field's raw header name: ")),
    (StatusCode::BAD_REQUEST, Naming("field \"", "\" received with incomplete data")),
    (StatusCode::PAYLOAD_TOO_LARGE, Whole("Request payload is too large")),
    // `Extension`, `MatchedPath`, `NestedPath`
    (StatusCode::INTERNAL_SERVER_ERROR, WithCause("Missing request extension")),
    (StatusCode::INTERNAL_SERVER_ERROR, Whole("No matched path found")),
    (StatusCode::INTERNAL_SERVER_ERROR, Whole("The matched route is not nested")),
    // tower-http: `RequestBodyLimitLayer`, `CatchPanicLayer`
    (StatusCode::PAYLOAD_TOO_LARGE, Whole("length limit exceeded")),
    (StatusCode::INTERNAL_SERVER_ERROR, Whole("Service panicked")),
];

/// The text of an answer that is one of these. A layer may have compressed it.
pub(crate) fn text_of(status: StatusCode, headers: &HeaderMap, body: &Bytes) -> Option<Bytes> {
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || headers.get(header::CONTENT_TYPE).is_none_or(|value| value != "text/plain; charset=utf-8") {
        return None;
    }
    let text = match headers.get(header::CONTENT_ENCODING) {
        Some(coding) => inflated(coding.as_bytes(), body, LONGEST)?.into(),
        None => body.clone(),
    };
    is_known(status, &text).then_some(text)
}

/// A refusal may show what was sent, of which nobody reads more than this.
const LONGEST: u64 = 1 << 16;

fn is_known(status: StatusCode, body: &[u8]) -> bool {
    let is_text = |text: &Text| match text {
        Text::Whole(text) => body == text.as_bytes(),
        Text::WithCause(text) => body.strip_prefix(text.as_bytes()).is_some_and(|rest| rest.starts_with(b": ")),
        Text::Beginning(text) => body.starts_with(text.as_bytes()),
        Text::Naming(text, word) => body.starts_with(text.as_bytes()) && body.ends_with(word.as_bytes()),
    };
    KNOWN.iter().any(|(known, text)| *known == status && is_text(text))
}
