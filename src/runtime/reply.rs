//! From a response to the reply of a front door: text or base64, cookies, repeated fields, and the exact size before it
//! is sent. It does not know how the response came about.

use std::{borrow::Cow, fmt};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, response::Parts};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeStruct},
};
use serde_json::Value;

use super::{
    door::{Door, Payload, Way},
    fields::text_of,
};
use crate::{
    body::too_large,
    error::{Error, ErrorKind},
    fields::{
        media_type,
        owners::{self, Owner},
    },
    hidden::{Fields, Length},
    response_body::ResponseBody,
};

/// The reply to an event, which serializes to the JSON that is expected of it: the reply to a request as its front door
/// takes it, the failures of a batch of tasks, `null` after a scheduled event.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::App;
/// use tower::service_fn;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let app = App::new(service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new("hi".to_owned()))));
/// let event = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}"#;
/// let reply = app.invoke(event, None).await?;
/// assert_eq!(reply.encoded_len(), serde_json::to_string(&reply).unwrap().len());
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Reply(Kind);

/// Without what a visitor or the caller of the function sees in it.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Http(reply) => f.debug_tuple("Reply").field(reply).finish(),
            Kind::Json(_) => f.debug_tuple("Reply").field(&Length(self.encoded_len())).finish(),
        }
    }
}

#[derive(Clone)]
enum Kind {
    Http(HttpReply),
    Json(Value),
}

impl Reply {
    /// What an event that is no request is answered with.
    pub(crate) fn json(value: Value) -> Self {
        Self(Kind::Json(value))
    }

    /// The status of the reply to a request; 200 for what is none.
    pub fn status(&self) -> StatusCode {
        match &self.0 {
            Kind::Http(reply) => reply.status,
            Kind::Json(_) => StatusCode::OK,
        }
    }

    /// How many bytes its JSON has, exactly, without making it: base64 has four bytes for each three, text one more for
    /// each character that JSON escapes.
    pub fn encoded_len(&self) -> usize {
        match &self.0 {
            Kind::Http(reply) => reply.encoded_len(),
            Kind::Json(value) => value.to_string().len(),
        }
    }
}

impl From<HttpReply> for Reply {
    fn from(reply: HttpReply) -> Self {
        Self(Kind::Http(reply))
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kind::Http(reply) => reply.serialize(serializer),
            Kind::Json(value) => value.serialize(serializer),
        }
    }
}

/// The reply to a request.
#[derive(Clone)]
pub(crate) struct HttpReply {
    door: &'static Door,
    status: StatusCode,
    headers: HeaderMap,
    cookies: Vec<String>,
    body: Bytes,
    base64: bool,
    multi_value: bool,
}

/// Without what a visitor sees in it, and without cookies.
impl fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpReply")
            .field("front", &self.door.front)
            .field("status", &self.status)
            .field("headers", &Fields(&self.headers))
            .field("cookies", &self.cookies.len())
            .field("body", &Length(self.body.len()))
            .finish_non_exhaustive()
    }
}

impl HttpReply {
    /// Makes a reply. `multi_value` says whether the event had lines of a field in lists: the reply has them so too.
    pub(crate) fn new(door: &'static Door, multi_value: bool, response: Response<Bytes>) -> Self {
        let (Parts { status, mut headers, .. }, body) = response.into_parts();
        let text = is_text(&headers) && std::str::from_utf8(&body).is_ok();
        let mut cookies = Vec::new();
        if let header::Entry::Occupied(entry) = headers.entry(header::SET_COOKIE) {
            cookies = entry.remove_entry_mult().1.map(|value| text_of(&value).into_owned()).collect();
        }
        Self { door, status, headers, cookies, base64: !text, body, multi_value }
    }

    pub(crate) fn encoded_len(&self) -> usize {
        let envelope = Self { body: Bytes::new(), ..self.clone() };
        let envelope = serde_json::to_vec(&envelope).map_or(0, |json| json.len());
        envelope + if self.base64 { self.body.len().div_ceil(3) * 4 } else { escaped_len(&self.body) }
    }
}

/// The answer with a body that the front door takes. A stream is read to its end for a door that takes none.
///
/// # Errors
///
/// Why the front door would refuse it, or what its stream fails with, and the fields for the answer that takes its place.
pub(super) async fn fitting(
    door: &'static Door,
    multi_value: bool,
    way: Way,
    response: Response<ResponseBody>,
) -> Result<Response<ResponseBody>, (Error, HeaderMap)> {
    let (mut parts, body) = response.into_parts();
    let is_stream = body.bytes().is_none();
    if way == Way::Stream && is_stream {
        let refused = refuse_length(door, body.length()).or_else(|| refuse_fields(door, &parts.headers));
        return match refused {
            Some(error) => Err((error, fields_that_fit(door, parts.headers))),
            None => Ok(Response::from_parts(parts, body)),
        };
    }
    let body = match body.collected(door.reply_limit).await {
        Ok(body) => body,
        Err(error) => return Err((door.advised(error), fields_that_fit(door, parts.headers))),
    };
    if is_stream {
        parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let response = Response::from_parts(parts, body);
    match refuse_size(door, multi_value, way, &response) {
        Some(error) => Err((error, fields_that_fit(door, response.into_parts().0.headers))),
        None => Ok(response.map(ResponseBody::from)),
    }
}

/// Why a front door would refuse a whole answer.
fn refuse_size(door: &'static Door, multi_value: bool, way: Way, response: &Response<Bytes>) -> Option<Error> {
    if is_small(door, response) {
        return None;
    }
    let is_json = way == Way::Whole && door.payload != Payload::Plain;
    let size = match is_json {
        true => HttpReply::new(door, multi_value, response.clone()).encoded_len(),
        false => response.body().len(),
    };
    let limit = door.whole_limit(way);
    if size > limit {
        let as_json = if is_json { " (as JSON)" } else { "" };
        return Some(door.advised(too_large(&format!("{size}{as_json}"), limit)));
    }
    refuse_fields(door, response.headers())
}

fn refuse_fields(door: &Door, headers: &HeaderMap) -> Option<Error> {
    let (size, limit) = (header_len(headers), door.reply_header_limit);
    let message =
        || format!("the reply has {size} bytes of header fields and its front door takes {limit}: set fewer cookies");
    (size > limit).then(|| Error::new(ErrorKind::ReplyTooLarge, message()))
}

/// A stream that is known to be longer than its front door lets through would be cut.
fn refuse_length(door: &Door, length: Option<u64>) -> Option<Error> {
    let (length, limit) = (length?, door.stream_limit()?);
    (length > limit as u64).then(|| too_large(&length.to_string(), limit))
}

/// Whether it fits for sure, by a bound that costs nothing.
fn is_small(door: &Door, response: &Response<Bytes>) -> bool {
    let header_len = header_len(response.headers());
    // No byte of JSON text takes more than six, and the envelope itself less than a thousand.
    (response.body().len() + header_len) * 6 + 1000 < door.reply_limit && header_len * 6 < door.reply_header_limit
}

/// Names and values of all header fields in sum, which the front door limits too.
fn header_len(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The fields of an answer that can't be sent, for the one that takes its place; none where they are what is too large.
pub(super) fn fields_that_fit(door: &Door, headers: HeaderMap) -> HeaderMap {
    if header_len(&headers) > door.reply_header_limit { HeaderMap::new() } else { headers }
}

/// What has no body has none, whatever the service says (RFC 9110 §9.3.2, §15.3.5, §15.3.6,
/// §15.4.5); all else has its length.
pub(super) fn bodiless(method: &str, mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let status = response.status();
    let length = response.body().length().map(HeaderValue::from);
    let headers = response.headers_mut();
    headers.remove(header::TRANSFER_ENCODING);
    if status == StatusCode::NOT_MODIFIED {
        // A cache would update its copy by what describes the content that is not there (RFC 9111 §3.2).
        owners::remove(headers, &[Owner::Content]);
    }
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED || status.is_informational() {
        headers.remove(header::CONTENT_LENGTH);
        return response.map(|_| ResponseBody::default());
    }
    if status == StatusCode::RESET_CONTENT {
        // Nor may it have any, and its length is 0.
        owners::remove(headers, &[Owner::Content]);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        return response.map(|_| ResponseBody::default());
    }
    match length {
        // A stream of a length that nobody knows.
        None => _ = headers.remove(header::CONTENT_LENGTH),
        Some(length) if method != Method::HEAD.as_str() => _ = headers.insert(header::CONTENT_LENGTH, length),
        Some(length) if length != "0" => _ = headers.entry(header::CONTENT_LENGTH).or_insert(length),
        Some(_) => {}
    }
    if method == Method::HEAD.as_str() { response.map(|_| ResponseBody::default()) } else { response }
}

/// A reply without its body, which is to come as a stream.
pub(crate) struct Prelude(pub(crate) HttpReply);

impl Serialize for Prelude {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut prelude = serializer.serialize_struct("Prelude", 3)?;
        self.0.serialize_head(&mut prelude)?;
        prelude.end()
    }
}

impl HttpReply {
    fn serialize_head<S: SerializeStruct>(&self, reply: &mut S) -> Result<(), S::Error> {
        reply.serialize_field("statusCode", &self.status.as_u16())?;
        if self.door.payload == Payload::Alb {
            let reason = self.status.canonical_reason().unwrap_or("Unknown");
            reply.serialize_field("statusDescription", &format!("{} {reason}", self.status.as_u16()))?;
        }
        if self.multi_value {
            reply.serialize_field("multiValueHeaders", &MultiValue(self))?;
        } else {
            reply.serialize_field("headers", &SingleValue(self))?;
        }
        if self.door.payload == Payload::V2 {
            // Also where there are none: the emulator of `cargo lambda watch` wants the field.
            reply.serialize_field("cookies", &self.cookies)?;
        }
        Ok(())
    }
}

impl Serialize for HttpReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reply = serializer.serialize_struct("Reply", 6)?;
        self.serialize_head(&mut reply)?;
        reply.serialize_field("body", &EncodedBody(self))?;
        reply.serialize_field("isBase64Encoded", &self.base64)?;
        reply.end()
    }
}

struct EncodedBody<'a>(&'a HttpReply);

impl Serialize for EncodedBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0.body) {
            Ok(text) if !self.0.base64 => serializer.serialize_str(text),
            _ => serializer.collect_str(&Base64Display::new(&self.0.body, &STANDARD)),
        }
    }
}

struct MultiValue<'a>(&'a HttpReply);

impl Serialize for MultiValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.0.headers.keys() {
            let lines: Vec<Cow<'_, str>> = self.0.headers.get_all(name).iter().map(text_of).collect();
            map.serialize_entry(name.as_str(), &lines)?;
        }
        if !self.0.cookies.is_empty() {
            map.serialize_entry("set-cookie", &self.0.cookies)?;
        }
        map.end()
    }
}

struct SingleValue<'a>(&'a HttpReply);

impl Serialize for SingleValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for name in self.0.headers.keys() {
            // Lines of one field are one list (RFC 9110 §5.3).
            let mut lines = self.0.headers.get_all(name).iter().map(text_of);
            let mut list = lines.next().unwrap_or_default();
            lines.for_each(|line| list.to_mut().extend([", ", &line]));
            map.serialize_entry(name.as_str(), &list)?;
        }
        if self.0.door.payload == Payload::Alb {
            // An ALB without multi-value headers has no place for a second cookie, but it takes names as they are: each
            // cookie gets a spelling of its own.
            for (at, cookie) in self.0.cookies.iter().enumerate() {
                map.serialize_entry(&spelling("set-cookie", at), cookie)?;
            }
        }
        map.end()
    }
}

/// The n-th way to spell a name with capitals and small letters: 512 of them for `set-cookie`.
fn spelling(name: &str, number: usize) -> String {
    let mut letter = 0;
    let spell = |c: char| {
        if !c.is_ascii_alphabetic() {
            return c;
        }
        letter += 1;
        if number >> (letter - 1) & 1 == 1 { c.to_ascii_uppercase() } else { c }
    };
    name.chars().map(spell).collect()
}

/// Whether a body may travel as text: of a type that is text, and not compressed. That it is UTF-8 is asked besides, so
/// that no byte is ever changed on the way; what has no type travels as text only if it is UTF-8 too.
fn is_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else { return true };
    let Ok(media_type) = media_type.to_str() else { return false };
    let media_type = media_type::essence(media_type);
    media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
        || TEXT.contains(&media_type.as_str())
}

const TEXT: [&str; 6] = [
    "application/json",
    "application/xml",
    "application/javascript",
    "application/yaml",
    "application/toml",
    "application/x-ndjson",
];

/// What JSON makes of a text, quotes not counted: two bytes for what has a short escape, six for other controls.
fn escaped_len(text: &[u8]) -> usize {
    let extra = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0x00..=0x1f => 5,
        _ => 0,
    };
    text.len() + text.iter().map(extra).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::door;
    use proptest::prelude::*;

    #[test]
    fn cookies_get_spellings_of_their_own() {
        let names: std::collections::HashSet<String> = (0..512).map(|n| spelling("set-cookie", n)).collect();
        assert_eq!(names.len(), 512);
        assert!(names.iter().all(|name| name.eq_ignore_ascii_case("set-cookie")));
    }

    fn any_door() -> impl Strategy<Value = &'static Door> {
        prop_oneof![Just(&door::REST), Just(&door::HTTP), Just(&door::HTTP_V1), Just(&door::URL), Just(&door::ALB)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn the_size_is_known_to_the_byte(
            door in any_door(),
            multi_value: bool,
            body in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "(\\PC|[\"\\\\\n\r\t\u{0}-\u{1f}\u{7f}\u{feff}\u{2028}]){0,200}".prop_map(String::into_bytes),
            ],
            content_type in proptest::option::of(prop_oneof![
                Just("text/html"), Just("Text/HTML"), Just("image/png"), Just("application/problem+json"),
            ]),
            cookies in proptest::collection::vec("[a-zä\"]{0,10}", 0..3),
        ) {
            let mut headers = HeaderMap::new();
            if let Some(content_type) = content_type {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            for cookie in &cookies {
                headers.append(header::SET_COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap());
            }
            let mut response = Response::new(Bytes::from(body));
            *response.headers_mut() = headers;
            let reply = HttpReply::new(door, multi_value, response);
            let json = serde_json::to_string(&reply).unwrap();
            prop_assert_eq!(reply.encoded_len(), json.len());
        }
    }
}
