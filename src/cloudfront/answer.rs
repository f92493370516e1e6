//! Builds the responses of a decision: 200, 206, 304, 405, 412, 416. It decides nothing.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{self, HeaderName},
};

use super::range::{self, RequestedRange};
use crate::{
    error::Result,
    fields::{
        cache_control::{is_shared_cacheable, set_policy},
        owners::{self, OF_REPRESENTATION, Owner},
    },
    refusals::Refusal,
    representation::Selected,
    response_body::{ResponseBody, Streams},
    streamed::Streamed,
};

/// The representation with its body, or the parts of it that the lines of a Range field ask for.
pub(crate) fn send(
    mut selected: Selected,
    mut body: Bytes,
    range: Option<HeaderMap>,
    head: bool,
) -> Response<ResponseBody> {
    if let Some(type_of) = selected.type_of {
        let media_type = || HeaderValue::from_static(type_of(&body));
        selected.headers.entry(header::CONTENT_TYPE).or_insert_with(media_type);
    }
    match cut(&mut selected, range.as_ref(), body.len()) {
        RequestedRange::Whole => {}
        RequestedRange::Unsatisfiable => body = Bytes::new(),
        RequestedRange::Parts(parts) => {
            let headers = &mut selected.headers;
            if let [part] = parts.as_slice() {
                insert(headers, header::CONTENT_RANGE, range::content_range(part, body.len()));
                body = body.slice(part.clone());
            } else {
                let (content_type, parts) = range::multipart(&body, &parts, headers.get(header::CONTENT_TYPE));
                insert(headers, header::CONTENT_TYPE, content_type);
                body = parts;
            }
        }
    }
    if selected.status != StatusCode::NO_CONTENT {
        selected.headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let refusal = selected.marks.refusal.then(|| Refusal(body.clone()));
    let mut response = sent(selected, if head { ResponseBody::default() } else { body.into() });
    refusal.into_iter().for_each(|refusal| _ = response.extensions_mut().insert(refusal));
    response
}

/// The representation with its body as a stream, which is opened only if it is sent. Several parts of it would be read in any
/// order: who asks for them gets all of it (RFC 9110 §14.2).
///
/// # Errors
///
/// What the stream fails with before its first piece.
pub(crate) async fn send_stream(
    mut selected: Selected,
    streamed: Streamed,
    range: Option<HeaderMap>,
    head: bool,
) -> Result<Response<ResponseBody>> {
    let length = streamed.length.and_then(|length| usize::try_from(length).ok());
    selected.ranges &= length.is_some();
    let one = range.filter(|lines| selected.ranges && range::is_single(lines));
    let (mut part, mut sends) = (None, length);
    match cut(&mut selected, one.as_ref(), length.unwrap_or(0)) {
        RequestedRange::Parts(parts) => {
            for asked in parts {
                insert(&mut selected.headers, header::CONTENT_RANGE, range::content_range(&asked, length.unwrap_or(0)));
                sends = Some(asked.len());
                part = Some(asked.start as u64..asked.end as u64);
            }
        }
        RequestedRange::Unsatisfiable => sends = Some(0),
        RequestedRange::Whole => {}
    }
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    let has_body = !head && sends != Some(0) && !bodiless.contains(&selected.status);
    let body = if has_body { streamed.opened(part).await? } else { ResponseBody::default() };
    let length = sends.map(|sends| sends as u64).or(body.length().filter(|_| has_body));
    if let Some(length) = length.filter(|_| selected.status != StatusCode::NO_CONTENT) {
        selected.headers.insert(header::CONTENT_LENGTH, length.into());
    }
    let is_stream = body.bytes().is_none();
    let mut response = sent(selected, body);
    is_stream.then(|| response.extensions_mut().insert(Streams));
    Ok(response)
}

/// The status and the fields for the part of a body of this length that the lines of a Range field ask for.
fn cut(selected: &mut Selected, range: Option<&HeaderMap>, length: usize) -> RequestedRange {
    let Selected { status, headers, .. } = selected;
    no_sniffing(headers);
    if selected.ranges && *status == StatusCode::OK {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    let requested = range.map_or(RequestedRange::Whole, |lines| range::requested(lines, length));
    match requested {
        RequestedRange::Whole => {}
        RequestedRange::Unsatisfiable => {
            *status = StatusCode::RANGE_NOT_SATISFIABLE;
            owners::remove(headers, &[Owner::Content, Owner::Connection]);
            insert(headers, header::CONTENT_RANGE, format!("bytes */{length}"));
            // A cache keys by URL: it must not hand this to who asks for the file.
            let policy = if is_shared_cacheable(headers) { "no-cache" } else { "private, no-store" };
            set_policy(headers, policy);
        }
        RequestedRange::Parts(_) => {
            *status = StatusCode::PARTIAL_CONTENT;
            // They speak of the bytes that are sent, and whoever set them knew the whole alone (RFC 9530 §2).
            for digest in ["content-digest", "content-md5"] {
                headers.remove(digest);
            }
        }
    }
    requested
}

fn sent(selected: Selected, body: ResponseBody) -> Response<ResponseBody> {
    let Selected { status, headers, inline, .. } = selected;
    let mut response = response(status, headers, body);
    inline.into_iter().for_each(|inline| _ = response.extensions_mut().insert(inline));
    response
}

/// 304 (RFC 9110 §15.4.5): all fields that the 200 would have, but those that describe its content.
pub(crate) fn not_modified(mut headers: HeaderMap) -> Response<ResponseBody> {
    owners::remove(&mut headers, &[Owner::Content, Owner::Connection]);
    response(StatusCode::NOT_MODIFIED, headers, Bytes::new())
}

/// An answer in place of the representation, with a plain sentence. Fields that layers have added stay.
pub(crate) fn refuse(status: StatusCode, mut headers: HeaderMap, text: &'static str) -> Response<ResponseBody> {
    owners::remove(&mut headers, &OF_REPRESENTATION);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    no_sniffing(&mut headers);
    let body = Bytes::from_static(text.as_bytes());
    let mut response = response(status, headers, body.clone());
    response.extensions_mut().insert(Refusal(body));
    response
}

/// 412: the client did not mean this state of it.
pub(crate) fn changed(headers: HeaderMap) -> Response<ResponseBody> {
    refuse(StatusCode::PRECONDITION_FAILED, headers, "The page has changed meanwhile.\n")
}

/// An answer with content tells browsers not to guess its type. A 304 has no content.
pub(crate) fn no_sniffing(headers: &mut HeaderMap) {
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
}

/// 405 for a method that the representation does not have, 204 for OPTIONS, both with Allow (RFC 9110 §9.3.7, §15.5.6);
/// 501 for a method that nobody has heard of (§15.6.2). One that lists no methods is there for all that change something,
/// as a handler may have made it in answer to any.
pub(crate) fn refuse_method(method: &Method, selected: &mut Selected) -> Option<Response<ResponseBody>> {
    let mut methods = selected.methods.clone();
    let any = methods.is_empty() && (is_for_handlers(method) || !selected.status.is_success());
    if methods.contains(method) || any {
        return None;
    }
    let headers = |selected: &mut Selected| std::mem::take(&mut selected.headers);
    if methods.is_empty() && !KNOWN_METHODS.contains(method) {
        return Some(refuse(StatusCode::NOT_IMPLEMENTED, headers(selected), "There is no such method.\n"));
    }
    if methods.is_empty() {
        methods.push(Method::GET);
    }
    if methods.contains(&Method::GET) {
        methods.push(Method::HEAD);
    }
    let mut refused = match *method {
        Method::HEAD if methods.contains(method) => return None,
        Method::OPTIONS => {
            let mut headers = headers(selected);
            owners::remove(&mut headers, &OF_REPRESENTATION);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response(StatusCode::NO_CONTENT, headers, Bytes::new())
        }
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, headers(selected), "This is not there for that method.\n"),
    };
    let allow: Vec<&str> = methods.iter().map(Method::as_str).chain(["OPTIONS"]).collect();
    insert(refused.headers_mut(), header::ALLOW, allow.join(", "));
    Some(refused)
}

fn is_for_handlers(method: &Method) -> bool {
    KNOWN_METHODS.contains(method) && ![Method::OPTIONS, Method::TRACE, Method::CONNECT].contains(method)
}

const KNOWN_METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::CONNECT,
    Method::TRACE,
];

fn response(status: StatusCode, headers: HeaderMap, body: impl Into<ResponseBody>) -> Response<ResponseBody> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
