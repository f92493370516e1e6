//! A front door without its network: the event that it makes of a request, and the response that it makes of a reply, with
//! its limits. The local server and tests of sites go this way. It knows no site; only [`App::invoke`].

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{App, Front};

/// What a client gets for a request through a front door: the event goes in, the reply comes out, both within its limits.
pub(super) async fn exchange(app: &App, front: Front, request: &request::Parts, body: &Bytes) -> Response<Bytes> {
    let event = event(front, request, body).to_string();
    let reply = match app.invoke(&event, None).await {
        Ok(reply) => reply,
        Err(error) => {
            tracing::error!(%error, "an event was refused");
            return gateway_error(StatusCode::BAD_GATEWAY);
        }
    };
    let json = serde_json::to_string(&reply).unwrap_or_default();
    if json.len() > front.reply_limit() {
        tracing::error!(size = json.len(), limit = front.reply_limit(), "a reply is too large");
        return gateway_error(StatusCode::BAD_GATEWAY);
    }
    handed_on(&json).unwrap_or_else(|| gateway_error(StatusCode::BAD_GATEWAY))
}

/// The event that this front door would make of a request.
fn event(front: Front, request: &request::Parts, body: &Bytes) -> Value {
    let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
    let method = request.method.as_str();
    let (body, base64) = encoded_body(front, &request.headers, body);
    match front {
        Front::Http | Front::Url => {
            let domain =
                if front == Front::Http { "local.execute-api.localhost" } else { "local.lambda-url.localhost" };
            let decoded = || percent_decode_str(path).decode_utf8_lossy().into_owned();
            let path = if front == Front::Http { decoded() } else { path.to_owned() };
            let cookies: Vec<&str> =
                lines(&request.headers, &header::COOKIE).flat_map(|line| line.split("; ")).collect();
            json!({
                "version": "2.0",
                "routeKey": "$default",
                "rawPath": path,
                "rawQueryString": query,
                "cookies": if cookies.is_empty() { Value::Null } else { cookies.into() },
                "headers": joined(&request.headers),
                "requestContext": {
                    "domainName": domain,
                    "stage": "$default",
                    "timeEpoch": 0,
                    "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1" },
                },
                "body": body,
                "isBase64Encoded": base64,
            })
        }
        Front::Rest => {
            let decoded: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            json!({
                "resource": "/{proxy+}",
                "path": path,
                "httpMethod": method,
                "headers": last(&request.headers),
                "multiValueHeaders": many(&request.headers),
                "multiValueQueryStringParameters": grouped(decoded),
                "requestContext": { "httpMethod": method, "path": path, "stage": "local", "identity": {} },
                "body": body,
                "isBase64Encoded": base64,
            })
        }
        Front::Alb => {
            let raw = query.split('&').filter(|pair| !pair.is_empty());
            let raw = raw.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            json!({
                "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:local" } },
                "httpMethod": method,
                "path": path,
                "multiValueQueryStringParameters":
                    grouped(raw.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
                "multiValueHeaders": many(&request.headers),
                "body": body,
                "isBase64Encoded": base64,
            })
        }
    }
}

/// A body as text or base64, as each front door decides it.
fn encoded_body(front: Front, headers: &HeaderMap, body: &Bytes) -> (Value, bool) {
    if body.is_empty() {
        return (Value::Null, false);
    }
    let media_type = lines(headers, &header::CONTENT_TYPE).next().unwrap_or_default();
    let is_text = match front {
        // With `*/*` among its binary types, a REST API encodes everything.
        Front::Rest => false,
        _ => media_type.starts_with("text/") || media_type.starts_with("application/json"),
    };
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (text.into(), false),
        _ => (STANDARD.encode(body).into(), true),
    }
}

fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
}

/// Lines of one field joined by commas; cookies stand elsewhere.
fn joined(headers: &HeaderMap) -> Map<String, Value> {
    let names = headers.keys().filter(|name| *name != header::COOKIE);
    names.map(|name| (name.to_string(), lines(headers, name).collect::<Vec<_>>().join(",").into())).collect()
}

fn many(headers: &HeaderMap) -> Map<String, Value> {
    headers.keys().map(|name| (name.to_string(), lines(headers, name).collect::<Vec<_>>().into())).collect()
}

fn last(headers: &HeaderMap) -> Map<String, Value> {
    headers.keys().map(|name| (name.to_string(), lines(headers, name).last().into())).collect()
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
struct Handed {
    status_code: u16,
    headers: ByName<String>,
    multi_value_headers: ByName<Vec<String>>,
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

type ByName<T> = BTreeMap<String, T>;

/// The response that a front door makes of a reply; `None` where it would answer 502.
fn handed_on(reply: &str) -> Option<Response<Bytes>> {
    let reply: Handed = serde_json::from_str(reply).ok()?;
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
    Some(response)
}

/// What a front door answers by itself.
pub(super) fn gateway_error(status: StatusCode) -> Response<Bytes> {
    let message = json!({ "message": status.canonical_reason() }).to_string();
    let mut response = Response::new(Bytes::from(message));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
