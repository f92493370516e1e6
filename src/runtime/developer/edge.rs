//! What CloudFront would do with an answer, in sentences for a developer. The rules stand in `fields`.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};

use super::requests::Answered;
use crate::fields::{cache_control::directive, edge_lifetime::lifetime, ows};

/// What it would do, each with its name.
pub(super) fn would_do(answered: &Answered) -> Vec<(&'static str, String)> {
    let Answered { method, status, headers, .. } = answered;
    let kept = kept(method, *status, headers);
    let is_kept = kept.1;
    let mut told = vec![("Keeps it", kept.0)];
    if is_kept {
        told.push(("Finds it by", format!("its path and query, {}", answered.target)));
        let tags = text(headers, "cache-tag");
        let none = "none: invalidate its path".to_owned();
        told.push(("Drops it by these tags", if tags.is_empty() { none } else { tags }));
    }
    let vary: Vec<String> =
        text(headers, header::VARY.as_str()).split(',').map(|name| ows::trim(name).to_owned()).collect();
    let vary: Vec<&str> =
        vary.iter().map(String::as_str).filter(|name| !OWN.contains(name) && !name.is_empty()).collect();
    if is_kept && !vary.is_empty() {
        let vary = vary.join(", ");
        told.push((
            "Does not see",
            format!("that it varies by {vary}, unless the cache policy has this in the cache key"),
        ));
    }
    told
}

/// Fields that it treats by itself, and the one of the local server.
const OWN: [&str; 2] = ["accept-encoding", "sec-fetch-dest"];

/// For how long, and whether at all.
fn kept(method: &Method, status: StatusCode, headers: &HeaderMap) -> (String, bool) {
    if *method != Method::GET && *method != Method::HEAD {
        return ("no: it keeps only answers to GET and HEAD".into(), false);
    }
    if headers.contains_key(header::SET_COOKIE) {
        return ("no: the answer sets a cookie".into(), false);
    }
    // As the template of `setup` has it.
    let of_errors = Duration::ZERO;
    match (status, lifetime(status, headers, of_errors)) {
        (StatusCode::NOT_MODIFIED, _) => ("as before: a 304 renews the copy".into(), false),
        (_, None) => (format!("no: {}", why_not(status, headers)), false),
        (_, Some(time)) if time.is_zero() => {
            ("yes, but it asks the site at each view whether the ETag is still the same".into(), true)
        }
        (_, Some(time)) => {
            let while_asking = ["stale-while-revalidate", "stale-if-error"].into_iter().filter_map(|name| {
                let seconds = directive(headers, name).flatten()?;
                Some(format!(", {name} for {seconds} s more"))
            });
            let by = if has_age(headers) { "" } else { ", the default without max-age" };
            (format!("for {} s{by}{}", time.as_secs(), while_asking.collect::<String>()), true)
        }
    }
}

fn has_age(headers: &HeaderMap) -> bool {
    ["s-maxage", "max-age"].iter().any(|name| directive(headers, name).is_some())
}

fn why_not(status: StatusCode, headers: &HeaderMap) -> String {
    match ["no-store", "private"].into_iter().find(|name| directive(headers, name).is_some()) {
        Some(directive) => format!("Cache-Control says {directive}"),
        None => format!("answers with the status {} are not kept", status.as_u16()),
    }
}

/// All lines of a field.
fn text(headers: &HeaderMap, name: &str) -> String {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn it_is_kept_for_as_long_as_it_says() {
        for (method, status, policy, expected) in [
            (Method::GET, 200, "public, max-age=60, stale-if-error=30", "for 60 s, stale-if-error for 30 s more"),
            (Method::GET, 200, "s-maxage=600, max-age=60", "for 600 s"),
            (Method::GET, 200, "", "for 86400 s, the default without max-age"),
            (Method::GET, 200, "no-cache", "yes, but it asks the site at each view whether the ETag is still the same"),
            (Method::GET, 200, "private, max-age=60", "no: Cache-Control says private"),
            (Method::GET, 403, "", "no: answers with the status 403 are not kept"),
            (Method::POST, 200, "max-age=60", "no: it keeps only answers to GET and HEAD"),
        ] {
            let mut headers = HeaderMap::new();
            if !policy.is_empty() {
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(policy));
            }
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(kept(&method, status, &headers).0, expected, "{policy}");
        }
    }
}
