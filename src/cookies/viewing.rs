//! Tells whether a person sees the response: from the request's fields and the kind of response. It knows no cookie.

use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use crate::{error::Error, fields::ows, pending::Pending};

/// Whether a request is for a page that is looked at now, and not one that may be looked at later, or a part of a page.
pub(super) fn is_for_a_person(headers: &HeaderMap) -> bool {
    let says = |field: &str, words: &[&str]| {
        let lines = headers.get_all(field).iter().filter_map(|line| line.to_str().ok());
        let mut found = lines.flat_map(|line| line.split([',', ';'])).map(ows::trim);
        found.any(|found| words.iter().any(|word| found.eq_ignore_ascii_case(word)))
    };
    !AHEAD.iter().any(|field| says(field, &["prefetch", "prerender", "preview", "true"]))
        && !says(DESTINATION.as_str(), &NO_PAGES)
        && !PRECONDITIONS.iter().any(|field| headers.contains_key(field))
}

/// Conditions on which a page would be replaced by 412, when its handler is done. No browser asks for a page with them.
const PRECONDITIONS: [HeaderName; 2] = [header::IF_MATCH, header::IF_UNMODIFIED_SINCE];

/// What announces that a page is loaded ahead: the fields of the Fetch Standard (§2.2.7, `Sec-Purpose`), of Safari, older
/// browsers and those inside of apps, of Turbo and of htmx.
const AHEAD: [&str; 6] = ["sec-purpose", "purpose", "x-moz", "x-purpose", "x-sec-purpose", "hx-preloaded"];

/// Fetch Metadata, §2.1.
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The destinations that are parts of a page, or work in the background (Fetch Standard §2.2.6). `empty` is not among them:
/// it is what a script fetches, which may be the next page.
const NO_PAGES: [&str; 17] = [
    "audio",
    "audioworklet",
    "font",
    "image",
    "json",
    "manifest",
    "paintworklet",
    "report",
    "script",
    "serviceworker",
    "sharedworker",
    "style",
    "track",
    "video",
    "webidentity",
    "worker",
    "xslt",
];

/// Whether an answer is a page: the one that the handler made, or the copy of it that the browser has.
pub(super) fn is_page<B>(response: &Response<B>) -> bool {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        // What failed, or has a status alone, gets another page on its way out.
        let is_made =
            response.extensions().get::<Pending>().is_some() || response.headers().contains_key(header::CONTENT_TYPE);
        return is_made && response.extensions().get::<Error>().is_none();
    }
    let is_empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT);
    (status.is_success() && !is_empty) || status == StatusCode::NOT_MODIFIED
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn what_is_loaded_ahead_or_is_part_of_a_page_is_not_for_a_person() {
        for (name, value, expected) in [
            ("sec-purpose", "prefetch", false),
            ("sec-purpose", "prefetch;prerender", false),
            ("sec-purpose", "Prefetch; anonymous-client-ip", false),
            ("sec-purpose", "something, prefetch", false),
            ("sec-purpose", "prefetching", true),
            ("sec-purpose", "", true),
            ("purpose", "prefetch", false),
            ("purpose", "preview", false),
            ("x-purpose", "preview", false),
            ("x-moz", "prefetch", false),
            ("x-sec-purpose", "prefetch", false),
            ("hx-preloaded", "true", false),
            ("sec-fetch-dest", "document", true),
            ("sec-fetch-dest", "iframe", true),
            ("sec-fetch-dest", "empty", true),
            ("sec-fetch-dest", "image", false),
            ("sec-fetch-dest", "serviceworker", false),
            ("sec-fetch-dest", "of-the-future", true),
            ("if-match", "\"1\"", false),
            ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT", false),
            ("if-none-match", "\"1\"", true),
            ("hx-request", "true", true),
            ("turbo-frame", "cart", true),
            ("x-other", "prefetch", true),
        ] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
            assert_eq!(is_for_a_person(&headers), expected, "{name}: {value}");
        }
        assert!(is_for_a_person(&HeaderMap::new()));
    }
}
