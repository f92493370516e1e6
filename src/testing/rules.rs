//! What CloudFront does with single header fields: who has a response already, what is compressed. It knows no cache.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use crate::fields::{entity_tag::EntityTag, ows};

/// Whether a viewer's conditions say that it has this copy (RFC 9110 §13.1.2: a weak comparison).
pub(super) fn has_it(viewer: &HeaderMap, copy: &HeaderMap) -> bool {
    let text = |headers: &HeaderMap, name: &HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let [none_match, since] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE].map(|name| text(viewer, &name));
    let tag: Option<EntityTag> = text(copy, &header::ETAG).and_then(|tag| tag.parse().ok());
    match (none_match, tag) {
        (Some(tags), Some(tag)) => {
            ows::trim(&tags) == "*" || {
                let opaque = tag.to_string().trim_start_matches("W/").to_owned();
                tags.split(',').any(|other| ows::trim(other).trim_start_matches("W/") == opaque)
            }
        }
        (Some(_), None) => false,
        (None, _) => since.is_some() && since == text(copy, &header::LAST_MODIFIED),
    }
}

/// The field that CloudFront makes of a viewer's Accept-Encoding.
pub(super) fn accepted_coding(headers: &HeaderMap) -> &'static str {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    let codings: Vec<&str> = lines.flat_map(|line| line.split(',')).map(ows::trim).collect();
    let takes = |coding: &str| {
        codings.iter().any(|taken| taken.split(';').next().is_some_and(|name| ows::trim(name) == coding))
    };
    match (takes("br"), takes("gzip")) {
        (true, true) => "br,gzip",
        (true, false) => "br",
        (false, true) => "gzip",
        (false, false) => "identity",
    }
}

/// Whether CloudFront would compress a response: text of 1,000 bytes to 10 million that nobody has compressed yet.
pub(super) fn is_compressed(response: &Response<Bytes>) -> bool {
    let headers = response.headers();
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_text = media_type.starts_with("text/")
        || ["application/javascript", "application/json", "application/xml", "application/rss+xml", "image/svg+xml"]
            .iter()
            .any(|listed| media_type.starts_with(listed));
    let size = (1_000..=10_000_000).contains(&response.body().len());
    is_text && size && response.status() == StatusCode::OK && !headers.contains_key(header::CONTENT_ENCODING)
}
