//! A front door without its network: the event that it makes of a request, and the response that it makes of a reply, with
//! its limits. The local server and tests of sites go this way. It knows no site; only [`App::invoke`], and [`plain`] for the door
//! that has no events.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    App, Front,
    door::{CookiePlace, Door, PathForm, Payload, QueryForm, RENAMED, Remapping},
    fields::{are_of_text, cookies_of, text_of},
    incoming::Refused,
    plain,
    reply::bodiless,
};
use crate::response_body::ResponseBody;

/// What a client gets for a request through a front door: the event goes in, the reply comes out, both within its limits.
pub(crate) async fn exchange(
    app: &App,
    front: Front,
    request: &request::Parts,
    body: &Bytes,
) -> Response<ResponseBody> {
    let door = front.door();
    if door.payload == Payload::Plain
        && let Some(health) = app.server.health(request, false)
    {
        return bodiless(request.method.as_str(), health);
    }
    let header_limit = match door.payload {
        Payload::Plain => app.server.header_limit(),
        _ => door.request_header_limit,
    };
    if let Some(status) = refuses(door, header_limit, request) {
        tracing::warn!(path = request.uri.path(), ?front, %status, "a request was refused as this front door does");
        return gateway_error(status);
    }
    if door.payload == Payload::Plain {
        return exchange_plainly(app, request, body).await;
    }
    let event = event(door, request, body).to_string();
    if app.streams(&event) {
        return exchange_streaming(app, door, &event).await;
    }
    let reply = match app.invoke(&event, None).await {
        Ok(reply) => reply,
        Err(error) => {
            tracing::error!(%error, "an event was refused");
            return gateway_error(StatusCode::BAD_GATEWAY);
        }
    };
    let json = serde_json::to_string(&reply).unwrap_or_default();
    if json.len() > door.reply_limit {
        tracing::error!(size = json.len(), limit = door.reply_limit, "a reply is too large");
        return gateway_error(StatusCode::BAD_GATEWAY);
    }
    response_from_reply(door, &json)
        .map(|answer| answer.map(ResponseBody::from))
        .unwrap_or_else(|| gateway_error(StatusCode::BAD_GATEWAY))
}

/// The same where the reply comes as a stream.
async fn exchange_streaming(app: &App, door: &Door, event: &str) -> Response<ResponseBody> {
    let handed = app.streamed(event, None).await.and_then(|(prelude, body)| {
        let answer = response_from_reply(door, &serde_json::to_string(&prelude).ok()?)?;
        Some(answer.map(|_| body))
    });
    handed.unwrap_or_else(|| gateway_error(StatusCode::BAD_GATEWAY))
}

/// The same where there is no event.
async fn exchange_plainly(app: &App, request: &request::Parts, body: &Bytes) -> Response<ResponseBody> {
    if let Err(error) = app.mount.checked() {
        tracing::error!(%error, "a request was refused");
        return gateway_error(StatusCode::BAD_GATEWAY);
    }
    let (size, limit) = (body.len(), app.server.body_limit());
    let body = if size > limit { Err(Refused::TooLarge { size, limit }) } else { Ok(body.clone()) };
    plain::answer(app, request, body, LOCAL).await
}

/// Where each client seems to be.
const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What a front door answers to a request that no function gets.
fn refuses(door: &Door, header_limit: usize, request: &request::Parts) -> Option<StatusCode> {
    let size: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > header_limit {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let has_bare = |query: &str| door.query == QueryForm::DecodedPairs && query.contains(['|', '{', '}']);
    request.uri.query().is_some_and(has_bare).then_some(StatusCode::BAD_REQUEST)
}

/// The event that this front door would make of a request.
fn event(door: &Door, request: &request::Parts, body: &Bytes) -> Value {
    let (path, query) = (path(door, request.uri.path()), request.uri.query().unwrap_or_default());
    let headers = arriving(door, &request.headers, body);
    let method = method(door, request);
    let (body, base64) = encoded_body(door, &headers, body);
    match door.payload {
        Payload::V2 | Payload::Plain => json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "cookies": cookies(&headers),
            "headers": joined(door, &headers),
            "requestContext": {
                "domainName": domain(door),
                "stage": "$default",
                "timeEpoch": 0,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1" },
            },
            "body": body,
            "isBase64Encoded": base64,
        }),
        Payload::V1 => json!({
            "resource": "/{proxy+}",
            "path": path,
            "httpMethod": method,
            "headers": last(&headers),
            "multiValueHeaders": many(&headers),
            "multiValueQueryStringParameters": grouped(parameters(door, query)),
            "requestContext": { "httpMethod": method, "path": path, "stage": "local", "identity": {} },
            "body": body,
            "isBase64Encoded": base64,
        }),
        Payload::Alb => json!({
            "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:local" } },
            "httpMethod": method,
            "path": path,
            "multiValueQueryStringParameters": grouped(parameters(door, query)),
            "multiValueHeaders": many(&headers),
            "body": body,
            "isBase64Encoded": base64,
        }),
    }
}

fn path<'a>(door: &Door, path: &'a str) -> Cow<'a, str> {
    match door.path {
        PathForm::AsSent => path.into(),
        PathForm::OneLeadingSlash if path.starts_with("//") => format!("/{}", path.trim_start_matches('/')).into(),
        PathForm::OneLeadingSlash => path.into(),
        PathForm::Decoded => {
            let decoded = percent_decode_str(path).decode_utf8_lossy();
            match decoded.find('?') {
                Some(end) => decoded[..end].to_owned().into(),
                None => decoded,
            }
        }
    }
}

/// Names and values of a query, where they are handed over by themselves.
fn parameters(door: &Door, query: &str) -> Vec<(String, String)> {
    if door.query == QueryForm::DecodedPairs {
        let query = query.replace(';', "&");
        return form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn domain(door: &Door) -> &'static str {
    if door.front == Front::Url { "local.lambda-url.localhost" } else { "local.execute-api.localhost" }
}

fn method<'a>(door: &Door, request: &'a request::Parts) -> &'a str {
    let other = door.method_override.and_then(|name| request.headers.get(name)?.to_str().ok());
    other.unwrap_or(request.method.as_str())
}

/// The fields that reach the function.
fn arriving(door: &Door, sent: &HeaderMap, body: &Bytes) -> HeaderMap {
    let mut headers = sent.clone();
    door.dropped_from_requests.iter().for_each(|name| _ = headers.remove(*name));
    if let Some(media_type) = door.untyped_body.filter(|_| !body.is_empty()) {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(media_type));
    }
    headers
}

/// A body as text or base64, as each front door decides it.
fn encoded_body(door: &Door, headers: &HeaderMap, body: &Bytes) -> (Value, bool) {
    if body.is_empty() {
        return (Value::Null, false);
    }
    match std::str::from_utf8(body) {
        Ok(text) if are_of_text(door, headers) => (text.into(), false),
        _ => (STANDARD.encode(body).into(), true),
    }
}

/// The lines of a field as text.
fn lines(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter();
    match *name == header::COOKIE {
        true => lines.map(|line| cookies_of(line).collect::<Vec<_>>().join("; ")).collect(),
        false => lines.map(|line| text_of(line).into_owned()).collect(),
    }
}

/// All cookies, or null.
fn cookies(headers: &HeaderMap) -> Value {
    let cookies: Vec<_> = headers.get_all(header::COOKIE).iter().flat_map(cookies_of).collect();
    if cookies.is_empty() { Value::Null } else { cookies.into() }
}

/// Lines of one field joined by commas.
fn joined(door: &Door, headers: &HeaderMap) -> Map<String, Value> {
    let names = headers.keys().filter(|name| door.cookies != CookiePlace::List || *name != header::COOKIE);
    let separator = |name: &HeaderName| if *name == header::COOKIE { "; " } else { "," };
    names.map(|name| (name.to_string(), lines(headers, name).join(separator(name)).into())).collect()
}

fn many(headers: &HeaderMap) -> Map<String, Value> {
    headers.keys().map(|name| (name.to_string(), lines(headers, name).into())).collect()
}

fn last(headers: &HeaderMap) -> Map<String, Value> {
    headers.keys().map(|name| (name.to_string(), lines(headers, name).pop().into())).collect()
}

fn grouped(parameters: Vec<(String, String)>) -> Value {
    let mut grouped = Map::new();
    for (name, value) in parameters {
        if let Value::Array(values) = grouped.entry(name).or_insert_with(|| json!([])) {
            values.push(value.into());
        }
    }
    grouped.into()
}

/// A reply as a front door reads it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LambdaReply {
    status_code: u16,
    headers: ByName<String>,
    multi_value_headers: ByName<Vec<String>>,
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

type ByName<T> = BTreeMap<String, T>;

/// The response that a front door makes of a reply; `None` where it would answer 502.
fn response_from_reply(door: &Door, reply: &str) -> Option<Response<Bytes>> {
    let reply: LambdaReply = serde_json::from_str(reply).ok()?;
    let body = if reply.is_base64_encoded { STANDARD.decode(reply.body).ok()? } else { reply.body.into_bytes() };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(reply.status_code).ok()?;
    let single = reply.headers.into_iter().map(|(name, value)| (name, vec![value]));
    let cookies = reply.cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), vec![cookie]));
    for (name, values) in single.chain(reply.multi_value_headers).chain(cookies) {
        for value in values {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            response.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    for (name, remapping) in door.reply_fields {
        pass_on(response.headers_mut(), name, *remapping);
    }
    Some(response)
}

/// Does to a field of a reply what the front door does.
fn pass_on(headers: &mut HeaderMap, name: &'static str, remapping: Remapping) {
    let values: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
    if remapping != Remapping::Replaced {
        headers.remove(name);
    }
    let renamed = HeaderName::try_from(format!("{RENAMED}{name}")).ok().filter(|_| remapping != Remapping::Dropped);
    for value in values {
        renamed.iter().for_each(|renamed| _ = headers.append(renamed.clone(), value.clone()));
    }
}

/// What a front door answers by itself.
pub(super) fn gateway_error(status: StatusCode) -> Response<ResponseBody> {
    let message = json!({ "message": status.canonical_reason() }).to_string();
    let mut response = Response::new(ResponseBody::from(Bytes::from(message)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn a_rest_api_gives_a_body_without_a_type_one() {
        for (front, sent, expected) in [
            (Front::Rest, "", Some("application/json")),
            (Front::Rest, "text/plain", Some("text/plain")),
            (Front::Http, "", None),
            (Front::Url, "", None),
            (Front::Alb, "", None),
        ] {
            let request = Request::post("/").body(()).expect("a request");
            let (mut parts, ()) = request.into_parts();
            if !sent.is_empty() {
                parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sent));
            }
            for (body, expected) in [("a=b", expected), ("", expected.filter(|_| !sent.is_empty()))] {
                let event = event(front.door(), &parts, &Bytes::from(body));
                let single = event["headers"]["content-type"].as_str();
                let many = event["multiValueHeaders"]["content-type"][0].as_str();
                assert_eq!(single.or(many), expected, "{front:?} {sent} {body}");
            }
        }
    }

    #[test]
    fn the_cookies_of_a_request_stand_where_each_front_door_has_them() {
        let (parts, ()) = Request::get("/").header("cookie", "a=1; b=2").body(()).expect("a request").into_parts();
        for (front, in_list, in_fields) in [
            (Front::Rest, json!(null), json!("a=1; b=2")),
            (Front::Http, json!(["a=1", "b=2"]), json!(null)),
            (Front::Url, json!(["a=1", "b=2"]), json!("a=1; b=2")),
        ] {
            let event = event(front.door(), &parts, &Bytes::new());
            assert_eq!((&event["cookies"], &event["headers"]["cookie"]), (&in_list, &in_fields), "{front:?}");
        }
    }
}
