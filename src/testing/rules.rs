//! What CloudFront does with single header fields: how long a response is kept, who has it already, what is compressed. It
//! knows no cache.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use crate::fields::{cache_control::directive, entity_tag::EntityTag, ows};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(super) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Whether an error is kept whatever it says.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html>
pub(super) fn is_kept_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 410 | 414 | 500..=504)
}

/// How long a response is kept, an error that is kept at least so long; `None` where it is not kept at all.
pub(super) fn lifetime(response: &Response<Bytes>, least_of_errors: Duration) -> Option<Duration> {
    let (status, headers) = (response.status().as_u16(), response.headers());
    let least = if status >= 400 { least_of_errors } else { Duration::ZERO };
    let is_refused = ["no-store", "private", "no-cache"].iter().any(|name| directive(headers, name).is_some());
    if is_kept_error(response.status()) && is_refused && !least.is_zero() {
        return Some(least);
    }
    if ["no-store", "private"].iter().any(|name| directive(headers, name).is_some()) {
        return None;
    }
    let seconds = |name| directive(headers, name).flatten().map(Duration::from_secs);
    let explicit = seconds("s-maxage").or_else(|| seconds("max-age"));
    match status {
        200 | 301 | 302 | 303 | 404 | 410 | 414 | 500..=504 => {}
        307 | 308 | 400 | 403 | 405 | 412 | 415 if explicit.is_some() => {}
        _ => return None,
    }
    if directive(headers, "no-cache").is_some() {
        return Some(Duration::ZERO);
    }
    let unsaid = if status >= 400 { least } else { DAY };
    Some(explicit.unwrap_or(unsaid).clamp(least, YEAR))
}

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
