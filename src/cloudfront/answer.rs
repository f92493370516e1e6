//! The responses that a decision ends in. It decides nothing; what it is given has been decided.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{self, HeaderName},
};
use http_body_util::Full;

use super::range::{self, Asked};
use crate::{CacheControl, cache_control::is_shared_cacheable, representation::Selected};

/// The representation with its body, or the parts of it that the lines of a Range field ask for.
pub(crate) fn send(selected: Selected, mut body: Bytes, range: Option<HeaderMap>, head: bool) -> Response<Full<Bytes>> {
    let Selected { mut status, mut headers, ranges, type_of, inline, .. } = selected;
    if let Some(type_of) = type_of {
        headers.entry(header::CONTENT_TYPE).or_insert_with(|| HeaderValue::from_static(type_of(&body)));
    }
    if ranges && status == StatusCode::OK {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    match range.map_or(Asked::Whole, |lines| range::asked(&lines, body.len())) {
        Asked::Whole => {}
        Asked::Unsatisfiable => {
            status = StatusCode::RANGE_NOT_SATISFIABLE;
            insert(&mut headers, header::CONTENT_RANGE, format!("bytes */{}", body.len()));
            headers.remove(header::CONTENT_TYPE);
            headers.remove(header::CONTENT_ENCODING);
            if is_shared_cacheable(&headers) {
                // A cache keys by URL: it must not hand this to who asks for the file.
                headers.insert(header::CACHE_CONTROL, CacheControl::no_cache().into());
            }
            body = Bytes::new();
        }
        Asked::Parts(parts) => {
            status = StatusCode::PARTIAL_CONTENT;
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
    let body = if head { Bytes::new() } else { body };
    let mut response = response(status, headers, body);
    inline.into_iter().for_each(|inline| _ = response.extensions_mut().insert(inline));
    response
}

/// The fields of a 304 (RFC 9110 §15.4.5): those that the 200 would have and a cache updates its copy by.
pub(crate) fn not_modified(mut from: HeaderMap) -> Response<Full<Bytes>> {
    let mut headers = HeaderMap::with_capacity(KEPT_BY_304.len());
    for name in KEPT_BY_304 {
        if let header::Entry::Occupied(entry) = from.entry(&name) {
            let (_, values) = entry.remove_entry_mult();
            values.for_each(|value| _ = headers.append(name.clone(), value));
        }
    }
    response(StatusCode::NOT_MODIFIED, headers, Bytes::new())
}

const KEPT_BY_304: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
];

/// 405 for a method that the representation does not have, 204 for OPTIONS, both with Allow (RFC 9110 §9.3.7, §15.5.6);
/// 501 for a method that nobody has heard of (§15.6.2). One that lists no methods is there for all that change something,
/// as a handler may have made it in answer to any.
pub(crate) fn refuse_method(method: &Method, selected: &Selected) -> Option<Response<Full<Bytes>>> {
    let mut methods = selected.methods.clone();
    let any = methods.is_empty() && (is_for_handlers(method) || !selected.status.is_success());
    if methods.contains(method) || any {
        return None;
    }
    if methods.is_empty() && !KNOWN_METHODS.contains(method) {
        return Some(plain(StatusCode::NOT_IMPLEMENTED, "There is no such method.\n"));
    }
    if methods.is_empty() {
        methods.push(Method::GET);
    }
    if methods.contains(&Method::GET) {
        methods.push(Method::HEAD);
    }
    let mut refused = match *method {
        Method::HEAD if methods.contains(method) => return None,
        Method::OPTIONS => response(StatusCode::NO_CONTENT, HeaderMap::new(), Bytes::new()),
        _ => plain(StatusCode::METHOD_NOT_ALLOWED, "This is not there for that method.\n"),
    };
    let allow: Vec<&str> = methods.iter().map(Method::as_str).chain(["OPTIONS"]).collect();
    insert(refused.headers_mut(), header::ALLOW, allow.join(", "));
    refused.headers_mut().insert(header::CACHE_CONTROL, CacheControl::no_store().into());
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

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response(status, headers, Bytes::from_static(text.as_bytes()))
}

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
