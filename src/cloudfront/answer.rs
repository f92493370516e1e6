//! Builds the responses of a decision: 200, 206, 304, 405, 412, 416. It decides nothing.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{self, HeaderName},
};
use http_body_util::Full;

use super::range::{self, RequestedRange};
use crate::{
    fields::{
        cache_control::{is_shared_cacheable, set_policy},
        owners::{self, OF_REPRESENTATION, Owner},
    },
    refusals::Refusal,
    representation::Selected,
};

/// The representation with its body, or the parts of it that the lines of a Range field ask for.
pub(crate) fn send(selected: Selected, mut body: Bytes, range: Option<HeaderMap>, head: bool) -> Response<Full<Bytes>> {
    let Selected { mut status, mut headers, ranges, type_of, inline, refusal, .. } = selected;
    no_sniffing(&mut headers);
    if let Some(type_of) = type_of {
        headers.entry(header::CONTENT_TYPE).or_insert_with(|| HeaderValue::from_static(type_of(&body)));
    }
    if ranges && status == StatusCode::OK {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    match range.map_or(RequestedRange::Whole, |lines| range::requested(&lines, body.len())) {
        RequestedRange::Whole => {}
        RequestedRange::Unsatisfiable => {
            status = StatusCode::RANGE_NOT_SATISFIABLE;
            owners::remove(&mut headers, &[Owner::Content, Owner::Connection]);
            insert(&mut headers, header::CONTENT_RANGE, format!("bytes */{}", body.len()));
            // A cache keys by URL: it must not hand this to who asks for the file.
            let policy = if is_shared_cacheable(&headers) { "no-cache" } else { "private, no-store" };
            set_policy(&mut headers, policy);
            body = Bytes::new();
        }
        RequestedRange::Parts(parts) => {
            status = StatusCode::PARTIAL_CONTENT;
            // They speak of the bytes that are sent, and whoever set them knew the whole alone (RFC 9530 §2).
            for digest in ["content-digest", "content-md5"] {
                headers.remove(digest);
            }
            if let [part] = parts.as_slice() {
                insert(&mut headers, header::CONTENT_RANGE, range::content_range(part, body.len()));
                body = body.slice(part.clone());
            } else {
                let (content_type, parts) = range::multipart(&body, &parts, headers.get(header::CONTENT_TYPE));
                insert(&mut headers, header::CONTENT_TYPE, content_type);
                body = parts;
            }
        }
    }
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_LENGTH, body.len().into());
    }
    let refusal = refusal.then(|| Refusal(body.clone()));
    let body = if head { Bytes::new() } else { body };
    let mut response = response(status, headers, body);
    refusal.into_iter().for_each(|refusal| _ = response.extensions_mut().insert(refusal));
    inline.into_iter().for_each(|inline| _ = response.extensions_mut().insert(inline));
    response
}

/// 304 (RFC 9110 §15.4.5): all fields that the 200 would have, but those that describe its content.
pub(crate) fn not_modified(mut headers: HeaderMap) -> Response<Full<Bytes>> {
    owners::remove(&mut headers, &[Owner::Content, Owner::Connection]);
    response(StatusCode::NOT_MODIFIED, headers, Bytes::new())
}

/// An answer in place of the representation, with a plain sentence. Fields that layers have added stay.
pub(crate) fn refuse(status: StatusCode, mut headers: HeaderMap, text: &'static str) -> Response<Full<Bytes>> {
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
pub(crate) fn changed(headers: HeaderMap) -> Response<Full<Bytes>> {
    refuse(StatusCode::PRECONDITION_FAILED, headers, "The page has changed meanwhile.\n")
}

/// An answer with content tells browsers not to guess its type. A 304 has no content.
pub(crate) fn no_sniffing(headers: &mut HeaderMap) {
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
}

/// 405 for a method that the representation does not have, 204 for OPTIONS, both with Allow (RFC 9110 §9.3.7, §15.5.6);
/// 501 for a method that nobody has heard of (§15.6.2). One that lists no methods is there for all that change something,
/// as a handler may have made it in answer to any.
pub(crate) fn refuse_method(method: &Method, selected: &mut Selected) -> Option<Response<Full<Bytes>>> {
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

fn response(status: StatusCode, headers: HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
