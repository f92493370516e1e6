//! A request of HTTP as the site gets it, without an event. It knows no socket, and who sent the request is told to it.

use std::{borrow::Cow, net::IpAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};
use lambda_http::{
    Body, Request, RequestExt, aws_lambda_events::apigw::ApiGatewayV2httpRequestContext as Context,
    request::RequestContext,
};
use percent_encoding::utf8_percent_encode;

use super::{
    App,
    door::{Door, PLAIN, Way},
    event::with_query,
    fields::{are_of_text, cookies_of, text_of},
    incoming::{IncomingRequest, Refused},
    mount::{EventPath, Mount},
    uri::{self, BadRequest, NOT_IN_QUERY},
};
use crate::{fields::negotiate::prefers_problem, hidden::is_secret, response_body::ResponseBody};

/// What a client at this address gets for a request, whose fields say the scheme (`X-Forwarded-Proto`).
pub(super) async fn answer(
    app: &App,
    request: &request::Parts,
    body: Result<Bytes, Refused>,
    client: IpAddr,
) -> Response<ResponseBody> {
    if request.method == Method::OPTIONS && is_of_server(request) {
        return of_server();
    }
    app.answer(incoming_request(&app.mount, request, body, client), None).await
}

/// Whether a request is for the server and no page of it: `OPTIONS *` (RFC 9110 §9.3.7).
fn is_of_server(request: &request::Parts) -> bool {
    request.uri.path() == "*"
}

/// What the server can do at some URL or other.
fn of_server() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allow);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn incoming_request<'a>(
    mount: &Mount,
    request: &'a request::Parts,
    body: Result<Bytes, Refused>,
    client: IpAddr,
) -> IncomingRequest<'a> {
    let place = place(request);
    let made = body.and_then(|body| Ok(to_request(mount, &place, request, &body, client)?));
    IncomingRequest {
        door: &PLAIN,
        multi_value: false,
        way: Way::Stream,
        id: "".into(),
        method: request.method.as_str().into(),
        path: request.uri.path().into(),
        root: mount.split(&place).0,
        wants_problem: prefers_problem(&request.headers),
        request: made,
    }
}

fn place(request: &request::Parts) -> EventPath<'_> {
    EventPath { door: &PLAIN, path: request.uri.path().into(), context_path: None, stage: None, domain: None }
}

fn to_request(
    mount: &Mount,
    place: &EventPath<'_>,
    request: &request::Parts,
    body: &Bytes,
    client: IpAddr,
) -> Result<Request, BadRequest> {
    if is_of_server(request) {
        // The asterisk form is for OPTIONS alone (RFC 9112 §3.2.4).
        return Err(BadRequest("only OPTIONS is asked for `*`"));
    }
    let headers = arriving(&PLAIN, &request.headers)?;
    let (root, path) = mount.split(place);
    let query = utf8_percent_encode(request.uri.query().unwrap_or_default(), NOT_IN_QUERY).to_string();
    let uri = uri::absolute(&headers, None, &uri::checked_path(path)?, &query)?;
    let mut made = Request::new(body_of(&headers, body));
    *made.method_mut() = request.method.clone();
    *made.uri_mut() = uri;
    let context = context(request, &headers, client);
    *made.headers_mut() = headers;
    made.extensions_mut().insert(root);
    Ok(with_query(made, &query).with_request_context(context).with_raw_http_path(&*place.path))
}

/// The fields that reach the site: text of each as every door has it, and all cookies in one line (RFC 9113 §8.2.3).
fn arriving(door: &Door, sent: &HeaderMap) -> Result<HeaderMap, BadRequest> {
    let unreadable = |_| BadRequest("a header value can't be read");
    let mut headers = sent.clone();
    door.dropped_from_requests.iter().for_each(|name| _ = headers.remove(*name));
    for (name, value) in headers.iter_mut() {
        if let Cow::Owned(text) = text_of(value) {
            *value = HeaderValue::try_from(text).map_err(unreadable)?;
        }
        // A handler that logs its request with `{:?}` logs no session.
        value.set_sensitive(is_secret(name));
    }
    let cookies: Vec<_> = sent.get_all(header::COOKIE).iter().flat_map(cookies_of).collect();
    if !cookies.is_empty() {
        let mut line = HeaderValue::try_from(cookies.join("; ")).map_err(unreadable)?;
        line.set_sensitive(true);
        headers.insert(header::COOKIE, line);
    }
    Ok(headers)
}

fn body_of(headers: &HeaderMap, body: &Bytes) -> Body {
    match std::str::from_utf8(body) {
        Ok("") => Body::Empty,
        Ok(text) if are_of_text(&PLAIN, headers) => Body::Text(text.to_owned()),
        _ => Body::Binary(body.to_vec()),
    }
}

/// The request context of a function URL: the client's address, and the method.
fn context(request: &request::Parts, headers: &HeaderMap, client: IpAddr) -> RequestContext {
    let mut context = Context::default();
    context.stage = Some("$default".to_owned());
    context.domain_name = headers.get(header::HOST).map(|host| text_of(host).into_owned());
    context.http.method = request.method.clone();
    context.http.path = Some(request.uri.path().to_owned());
    context.http.protocol = Some(format!("{:?}", request.version));
    context.http.source_ip = Some(client.to_string());
    context.http.user_agent = headers.get(header::USER_AGENT).map(|agent| text_of(agent).into_owned());
    RequestContext::ApiGatewayV2(context)
}
