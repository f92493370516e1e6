//! How long caches may keep what is provisional: an hour at most, whatever the answer's policy says. It does not know why a
//! better one is to come.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::quoted;

/// An hour, in seconds.
const LONGEST: u64 = 3600;

/// Shortens every policy to an hour, those for the caches of a CDN alone too (RFC 9213).
pub(crate) fn bound(headers: &mut HeaderMap) {
    headers.remove(header::EXPIRES);
    headers.remove("x-accel-expires");
    for (_, value) in headers.iter_mut().filter(|(name, _)| is_policy(name)) {
        // A line that can't be read is no promise to any cache.
        let bounded = value.to_str().ok().and_then(bounded).unwrap_or_else(|| "no-cache".to_owned());
        if let Ok(bounded) = HeaderValue::try_from(bounded) {
            *value = bounded;
        }
    }
}

fn is_policy(name: &HeaderName) -> bool {
    ["cache-control", "surrogate-control", "edge-control"].iter().any(|end| name.as_str().ends_with(end))
}

fn bounded(line: &str) -> Option<String> {
    let directives: Option<Vec<_>> = quoted::split(line, ',')?.into_iter().map(quoted::name_and_value).collect();
    let kept = directives?.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("immutable"));
    let kept = kept.map(|(name, argument)| match argument {
        Some(seconds) if is_too_long(name, seconds) => format!("{name}={LONGEST}"),
        Some(argument) => format!("{name}={argument}"),
        None => name.to_owned(),
    });
    let kept: Vec<_> = kept.collect();
    Some(if kept.is_empty() { format!("max-age={LONGEST}") } else { kept.join(", ") })
}

fn is_too_long(name: &str, seconds: &str) -> bool {
    let seconds = seconds.trim_matches('"');
    let is_lifetime = LIFETIMES.iter().any(|lifetime| name.eq_ignore_ascii_case(lifetime));
    let is_number = seconds.bytes().all(|byte| byte.is_ascii_digit());
    // A number that is too large to read is a long time (RFC 9111 §1.2.2).
    is_lifetime && is_number && seconds.parse().map_or(true, |seconds: u64| seconds > LONGEST)
}

const LIFETIMES: [&str; 4] = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_policy_lasts_longer_than_an_hour() {
        for (name, before, after) in [
            ("cache-control", "public, max-age=31536000, immutable", "public, max-age=3600"),
            ("cache-control", "Immutable", "max-age=3600"),
            ("cache-control", "no-cache", "no-cache"),
            ("cache-control", "max-age=60, s-maxage=\"86400\"", "max-age=60, s-maxage=3600"),
            ("cache-control", "MAX-AGE=99999999999999999999", "MAX-AGE=3600"),
            ("cache-control", "max-age=0, stale-while-revalidate=86400", "max-age=0, stale-while-revalidate=3600"),
            ("cache-control", "private=\"x, y\", max-age=60", "private=\"x, y\", max-age=60"),
            ("cache-control", "max-age=86400, x=\"", "no-cache"),
            ("cdn-cache-control", "max-age=86400", "max-age=3600"),
            ("surrogate-control", "max-age=86400", "max-age=3600"),
        ] {
            let name = HeaderName::from_static(name);
            let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(before))]);
            headers.insert(header::EXPIRES, HeaderValue::from_static("Fri, 01 Jan 2100 00:00:00 GMT"));
            bound(&mut headers);
            assert_eq!((headers.len(), &headers[name]), (1, &HeaderValue::from_static(after)), "{before}");
        }
    }
}
