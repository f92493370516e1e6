//! From an event to a request: the four front doors' JSON, with what is odd in it answered and never a panic.
//! lambda_http's own conversion panics on a bad Host or a raw space, drops repeated header fields of a REST API, shuffles
//! the query and adds the stage to the path. The requests made here are its type, with all that its `RequestExt` gives.

use std::{borrow::Cow, collections::HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use lambda_http::{Body, Request, RequestExt, aws_lambda_events as events, request::RequestContext};
use percent_encoding::utf8_percent_encode;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    door::{self, Door, PathForm, Payload, QueryForm, Way},
    incoming::{IncomingRequest, Refused},
    json,
    mount::{EventPath, Mount},
    uri::{self, BadRequest, NOT_IN_COMPONENT, NOT_IN_QUERY},
};
use crate::{
    fields::{negotiate::prefers_problem, ows},
    hidden::is_secret,
    json::{Object, readable, text},
    script_root::ScriptRoot,
};

/// An event of a front door. Each part is read when it is needed and by itself, so that an odd one spoils nothing else.
pub(crate) struct Event<'a> {
    pub(crate) door: &'static Door,
    fields: Object<'a>,
    context: Object<'a>,
    /// `requestContext.http`.
    http: Object<'a>,
}

impl<'a> Event<'a> {
    /// Tells which front door an event comes from, by its fields; `None` where it is none's.
    pub(crate) fn parse(json: &'a str) -> Option<Self> {
        let fields = Object::parse(json)?;
        let context = fields.object("requestContext").unwrap_or_default();
        let http = context.object("http");
        let door = door(&fields, &context, http.is_some())?;
        Some(Self { door, fields, context, http: http.unwrap_or_default() })
    }

    /// What is asked for by an event of this many bytes.
    pub(crate) fn incoming_request(&self, mount: &Mount, length: usize, way: Way) -> IncomingRequest<'a> {
        let (method, path) = self.summary();
        let request = self.checked_request(mount, length);
        let wants_problem = match &request {
            Ok(request) => prefers_problem(request.headers()),
            Err(_) => self.headers().is_ok_and(|headers| prefers_problem(&headers)),
        };
        IncomingRequest {
            door: self.door,
            multi_value: self.is_multi_value(),
            way,
            id: self.context.text("requestId").unwrap_or_default(),
            method,
            path,
            root: self.script_root(mount),
            wants_problem,
            request,
        }
    }

    fn checked_request(&self, mount: &Mount, length: usize) -> Result<Request, Refused> {
        let front = self.door.front;
        if length > front.event_limit() {
            return Err(Refused::TooLarge { size: length, limit: front.event_limit() });
        }
        let request = self.to_request(mount)?;
        let (size, limit) = (request.body().len(), front.body_limit());
        if size > limit { Err(Refused::TooLarge { size, limit }) } else { Ok(request) }
    }

    /// Whether lines of a field stand in lists. An ALB has them so if its target group says so, and then reads nothing else.
    fn is_multi_value(&self) -> bool {
        match self.door.payload {
            Payload::V1 => true,
            Payload::V2 | Payload::Plain => false,
            Payload::Alb => self.fields.get("multiValueHeaders").is_some(),
        }
    }

    /// The method and the path for a log, as far as they can be read.
    fn summary(&self) -> (Cow<'a, str>, Cow<'a, str>) {
        (self.raw_method().and_then(text).unwrap_or_default(), self.raw_path().and_then(text).unwrap_or_default())
    }

    fn script_root(&self, mount: &Mount) -> ScriptRoot {
        self.place().map_or_else(|_| mount.root_of_unknown_place(), |place| mount.split(&place).0)
    }

    fn place(&self) -> Result<EventPath<'a>, BadRequest> {
        Ok(EventPath {
            door: self.door,
            path: json::text(self.raw_path(), "the path can't be read")?.unwrap_or_default(),
            context_path: json::text(self.context.get("path"), "the path with its stage can't be read")?,
            stage: json::text(self.context.get("stage"), "the stage can't be read")?,
            domain: json::text(self.context.get("domainName"), "the domain name can't be read")?,
        })
    }

    /// The request that the site's service gets.
    fn to_request(&self, mount: &Mount) -> Result<Request, BadRequest> {
        if self.door.payload == Payload::V1 {
            // It tells an HTTP API, which decodes paths, from a REST API.
            json::text(self.fields.get("version"), "the version of the payload can't be read")?;
        }
        let unreadable = "the method can't be read";
        let method = json::text(self.raw_method(), unreadable)?.ok_or(BadRequest("the request has no method"))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| BadRequest(unreadable))?;
        let headers = self.headers()?;
        if self.raw_path().is_none() {
            return Err(BadRequest("the request has no path"));
        }
        let place = self.place()?;
        let (root, path) = mount.split(&place);
        let path = match self.door.path {
            PathForm::Decoded => uri::encoded_path(path),
            PathForm::AsSent | PathForm::OneLeadingSlash => uri::checked_path(path)?,
        };
        let query = self.query()?;
        let uri = uri::absolute(&headers, place.domain.as_deref(), &path, &query)?;

        let mut request = Request::new(self.body()?);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(root);
        Ok(self.with_lambda_extensions(request, &query).with_raw_http_path(place.path))
    }

    /// What lambda_http's `RequestExt` offers besides. It takes what is not there for empty.
    fn with_lambda_extensions(&self, request: Request, query: &str) -> Request {
        let mut request = with_query(request, query);
        // They shape no request: what of them can't be read is left out.
        let map = |name| grouped(json::pairs(self.fields.get(name), "").unwrap_or_default());
        let (parameters, variables) = (map("pathParameters"), map("stageVariables"));
        if !parameters.is_empty() {
            request = request.with_path_parameters(parameters);
        }
        if !variables.is_empty() {
            request = request.with_stage_variables(variables);
        }
        request.with_request_context(self.lambda_context())
    }

    /// The context in lambda_http's own types; empty where it has fields that they refuse.
    fn lambda_context(&self) -> RequestContext {
        fn read<T: Default + DeserializeOwned>(raw: Option<&RawValue>) -> T {
            let read =
                raw.map(|raw| serde_json::from_str(raw.get()).or_else(|_| serde_json::from_value(readable(raw))));
            read.transpose()
                .unwrap_or_else(|error| {
                    tracing::debug!(%error, "requestContext can't be read in full");
                    None
                })
                .unwrap_or_default()
        }
        let raw = self.fields.get("requestContext");
        match self.door.payload {
            Payload::V1 => RequestContext::ApiGatewayV1(read::<events::apigw::ApiGatewayProxyRequestContext>(raw)),
            Payload::V2 | Payload::Plain => {
                RequestContext::ApiGatewayV2(read::<events::apigw::ApiGatewayV2httpRequestContext>(raw))
            }
            Payload::Alb => RequestContext::Alb(read::<events::alb::AlbTargetGroupRequestContext>(raw)),
        }
    }

    fn raw_method(&self) -> Option<&'a RawValue> {
        let of_event = || self.fields.get("httpMethod");
        self.http.get("method").or_else(of_event).or_else(|| self.context.get("httpMethod"))
    }

    fn raw_path(&self) -> Option<&'a RawValue> {
        let of_context = || self.http.get("path");
        self.fields.get("rawPath").or_else(|| self.fields.get("path")).or_else(of_context)
    }

    /// All lines of all fields. A REST API and an ALB with that setting have them in `multiValueHeaders`; `headers` then
    /// holds only the last line of each.
    fn headers(&self) -> Result<HeaderMap, BadRequest> {
        let unreadable = "the header fields can't be read";
        let mut raw = self.fields.get("multiValueHeaders");
        let mut lines = json::pairs(raw, unreadable)?;
        if lines.is_empty() {
            raw = self.fields.get("headers");
            lines = json::pairs(raw, unreadable)?;
        }
        // `HeaderMap` panics where it is full, also when something is added later.
        if lines.len() > MOST_LINES {
            return Err(BadRequest("there are too many header fields"));
        }
        let text = Shared::new(raw.map_or("", RawValue::get));
        let mut headers = HeaderMap::with_capacity(lines.len());
        for (name, value) in lines {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadRequest("a header name can't be read"))?;
            let mut value = HeaderValue::from_maybe_shared(text.part(ows::trim(&value)))
                .map_err(|_| BadRequest("a header value can't be read"))?;
            // A handler that logs its request with `{:?}` logs no session.
            value.set_sensitive(is_secret(&name));
            headers.append(name, value);
        }
        if let Some(raw) = self.fields.get("cookies") {
            let cookies: Option<Vec<String>> =
                serde_json::from_str(raw.get()).map_err(|_| BadRequest("the cookies can't be read"))?;
            if let Some(cookies) = cookies.filter(|cookies| !cookies.is_empty()) {
                let mut value = HeaderValue::from_bytes(cookies.join("; ").as_bytes())
                    .map_err(|_| BadRequest("the cookies can't be read"))?;
                value.set_sensitive(true);
                headers.insert(header::COOKIE, value);
            }
        }
        Ok(headers)
    }

    /// The query in the order in which the event has it.
    fn query(&self) -> Result<String, BadRequest> {
        let unreadable = "the query can't be read";
        if let Some(raw) = json::text(self.fields.get("rawQueryString"), unreadable)? {
            return Ok(utf8_percent_encode(&raw, NOT_IN_QUERY).to_string());
        }
        let parameters = match json::pairs(self.fields.get("multiValueQueryStringParameters"), unreadable)? {
            many if many.is_empty() => json::pairs(self.fields.get("queryStringParameters"), unreadable)?,
            many => many,
        };
        let set = match self.door.query {
            QueryForm::Pairs => NOT_IN_QUERY,
            // The one text is missing; names and values beside it are decoded.
            QueryForm::DecodedPairs | QueryForm::Raw => NOT_IN_COMPONENT,
        };
        let mut query = String::new();
        for (name, value) in parameters {
            let separator = if query.is_empty() { "" } else { "&" };
            let (name, value) = (utf8_percent_encode(&name, set), utf8_percent_encode(&value, set));
            query.push_str(&format!("{separator}{name}={value}"));
        }
        Ok(query)
    }

    fn body(&self) -> Result<Body, BadRequest> {
        let is_encoded = json::flag(self.fields.get("isBase64Encoded"), "whether the body is base64 can't be read")?;
        match json::text(self.fields.get("body"), "the body can't be read")? {
            None => Ok(Body::Empty),
            Some(body) if body.is_empty() => Ok(Body::Empty),
            Some(body) if is_encoded => {
                let decoded = STANDARD.decode(body.as_bytes());
                decoded.map(Body::Binary).map_err(|_| BadRequest("the body is not valid base64"))
            }
            Some(body) => Ok(Body::Text(body.into_owned())),
        }
    }
}

/// With the parameters of its query for `RequestExt`, which takes what is not there for empty.
pub(crate) fn with_query(request: Request, query: &str) -> Request {
    let parameters = grouped(form_urlencoded::parse(query.as_bytes()));
    if parameters.is_empty() { request } else { request.with_query_string_parameters(parameters) }
}

/// A text that its parts share, so that neither they nor their clones are copied.
struct Shared<'a> {
    text: &'a str,
    bytes: Bytes,
}

impl<'a> Shared<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, bytes: Bytes::copy_from_slice(text.as_bytes()) }
    }

    fn part(&self, part: &str) -> Bytes {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        // A value that was escaped is no part of the JSON.
        match self.text.get(start..start.wrapping_add(part.len())) {
            Some(shared) if std::ptr::eq(shared, part) => self.bytes.slice(start..start + part.len()),
            _ => Bytes::copy_from_slice(part.as_bytes()),
        }
    }
}

fn grouped<'a>(pairs: impl IntoIterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> HashMap<String, Vec<String>> {
    let mut grouped: HashMap<String, Vec<String>> = HashMap::new();
    for (name, value) in pairs {
        grouped.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    grouped
}

/// More lines of fields than any front door lets through by their size.
const MOST_LINES: usize = 10_000;

/// The front door that makes such events. Where the context can't be read, what stands beside it tells.
fn door(event: &Object<'_>, context: &Object<'_>, has_http: bool) -> Option<&'static Door> {
    if context.get("elb").is_some() {
        return Some(&door::ALB);
    }
    if has_http || event.get("rawPath").is_some() {
        return Some(match context.text("domainName").unwrap_or_default() {
            domain if domain.contains(".lambda-url.") => &door::URL,
            domain if domain == "localhost" => &door::EMULATED_HTTP,
            _ => &door::HTTP,
        });
    }
    let has_method = event.get("httpMethod").is_some() || context.get("httpMethod").is_some();
    if !has_method || (context.is_empty() && event.get("path").is_none()) {
        return None;
    }
    // What a REST API makes has a resource and no version.
    Some(match event.text("version") {
        Some(version) if version == "1.0" => &door::HTTP_V1,
        _ if context.is_empty() && event.get("resource").is_none() => &door::ALB,
        _ => &door::REST,
    })
}
