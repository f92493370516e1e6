//! The URI of a request: an event's path, query and host as what RFC 3986 allows, or refused. It does not know events.

use http::{HeaderMap, Uri, header, uri::Authority};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    fields::ows,
    files::path::{NOT_IN_PATH, is_well_encoded},
};

/// Why a request can't be understood; it is answered with 400 and this text.
#[derive(Debug, PartialEq)]
pub(crate) struct BadRequest(pub(crate) &'static str);

/// An absolute URI where the host is known, so that a service can tell under which name it was asked.
pub(crate) fn absolute(headers: &HeaderMap, domain: Option<&str>, path: &str, query: &str) -> Result<Uri, BadRequest> {
    let mut target = path.to_owned();
    if !query.is_empty() {
        target.push('?');
        target.push_str(query);
    }
    let host = match headers.get(header::HOST) {
        Some(host) => Some(host.to_str().map_err(|_| BadRequest("the Host field can't be read"))?),
        None => domain,
    };
    let builder = Uri::builder().path_and_query(target);
    let builder = match host.filter(|host| !host.is_empty()) {
        None => builder,
        Some(host) => {
            let authority = authority(host).ok_or(BadRequest("the Host field can't be read"))?;
            builder.scheme(scheme(headers)).authority(authority)
        }
    };
    builder.build().map_err(|_| BadRequest("the URL can't be read"))
}

/// A host with or without a port, without a user, of the characters that RFC 3986 §3.2 has; `Authority` takes more. No `https`
/// URL has an empty host (RFC 9110 §4.2.2).
pub(crate) fn authority(host: &str) -> Option<Authority> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(&byte);
    let authority: Authority = host.bytes().all(allowed).then(|| host.parse().ok())??;
    let port = authority.as_str().strip_prefix(authority.host())?;
    let is_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |digits: &str| digits.is_empty() || (is_digits(digits) && digits.parse::<u16>().is_ok());
    (!authority.host().is_empty() && port.strip_prefix(':').is_none_or(is_port)).then_some(authority)
}

/// The first proxy's word, where it is one of the two that there are.
fn scheme(headers: &HeaderMap) -> &'static str {
    let forwarded = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    match forwarded.and_then(|value| value.split(',').next()).map(ows::trim) {
        Some("http") => "http",
        _ => "https",
    }
}

/// A decoded path, encoded again in full, so that whoever decodes it once has what the front door decoded.
pub(crate) fn encoded_path(path: &str) -> String {
    rooted(utf8_percent_encode(path, DECODED_PATH).to_string())
}

/// A path as the client sent it: what can't stand in a URI is encoded, what is badly encoded is refused.
pub(crate) fn checked_path(path: &str) -> Result<String, BadRequest> {
    if !is_well_encoded(path) {
        return Err(BadRequest("the path is badly percent-encoded"));
    }
    Ok(rooted(utf8_percent_encode(path, NOT_IN_PATH).to_string()))
}

fn rooted(path: String) -> String {
    if path.starts_with('/') { path } else { format!("/{path}") }
}

const DECODED_PATH: &AsciiSet = &NOT_IN_PATH.add(b'%');
/// What may not stand in a query as it is.
pub(crate) const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
/// What may not stand in one name or value of a query.
pub(crate) const NOT_IN_COMPONENT: &AsciiSet =
    &NOT_IN_PATH.add(b'%').add(b'&').add(b'+').add(b'=').add(b'/').add(b'\'');
