//! How long CloudFront keeps an answer, by its status and fields. It knows no cache.

use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::cache_control::directive;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Whether an error is kept whatever it says.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/HTTPStatusCodes.html>
pub(crate) fn is_kept_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 404 | 410 | 414 | 500..=504)
}

/// How long a response is kept, an error that is kept at least so long; `None` where it is not kept at all.
pub(crate) fn lifetime(code: StatusCode, headers: &HeaderMap, least_of_errors: Duration) -> Option<Duration> {
    let status = code.as_u16();
    let least = if status >= 400 { least_of_errors } else { Duration::ZERO };
    let is_refused = ["no-store", "private", "no-cache"].iter().any(|name| directive(headers, name).is_some());
    if is_kept_error(code) && is_refused && !least.is_zero() {
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
