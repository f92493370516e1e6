//! From an event to a request: the four front doors' JSON, with what is odd in it answered and never a panic.
//! lambda_http's own conversion panics on a bad Host or a raw space, drops repeated header fields of a REST API, shuffles
//! the query and adds the stage to the path. The requests made here are its type, with all that its `RequestExt` gives.

use std::{collections::HashMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use lambda_http::{Body, Request, RequestExt, aws_lambda_events as events, request::RequestContext};
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::{
    front::Front,
    mount::{Mount, Place},
    uri::{self, BadRequest, NOT_IN_COMPONENT, NOT_IN_QUERY},
};
use crate::{
    ScriptRoot,
    body::Limit,
    error::{Error, ErrorKind, Result},
    hidden::is_secret,
    ows,
};

/// An event of a front door, with its parts not yet read.
pub(crate) struct Event<'a> {
    pub(crate) front: Front,
    wire: Wire<'a>,
    context: Context,
}

/// The fields of all four forms. Each is read later and by itself, so that an odd one spoils nothing else.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow, default)]
    version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    raw_path: Option<&'a RawValue>,
    #[serde(borrow, default)]
    raw_query_string: Option<&'a RawValue>,
    #[serde(borrow, default)]
    path: Option<&'a RawValue>,
    #[serde(borrow, default)]
    http_method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default)]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow, default)]
    query_string_parameters: Option<&'a RawValue>,
    #[serde(borrow, default)]
    multi_value_query_string_parameters: Option<&'a RawValue>,
    #[serde(borrow, default)]
    path_parameters: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stage_variables: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cookies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    is_base64_encoded: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_context: Option<&'a RawValue>,
}

/// What of `requestContext` decides the front door and the place of the site.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Context {
    #[serde(deserialize_with = "lenient")]
    request_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    stage: Option<String>,
    #[serde(deserialize_with = "lenient")]
    path: Option<String>,
    #[serde(deserialize_with = "lenient")]
    domain_name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    http_method: Option<String>,
    http: Option<HttpContext>,
    elb: Option<de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HttpContext {
    #[serde(deserialize_with = "lenient")]
    method: Option<String>,
    #[serde(deserialize_with = "lenient")]
    path: Option<String>,
}

impl<'a> Event<'a> {
    /// Tells which front door an event comes from, by its fields; `None` where it is none's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] for what is no event at all.
    pub(crate) fn parse(json: &'a str) -> Result<Option<Self>> {
        let wire: Wire<'_> = serde_json::from_str(json)
            .map_err(|error| Error::caused(ErrorKind::Event, "an event is no JSON object", error))?;
        let context: Option<Context> = wire.request_context.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let front = front(&wire, context.as_ref());
        Ok(front.map(|front| Self { front, wire, context: context.unwrap_or_default() }))
    }

    /// Whether the event has `multiValueHeaders`; an ALB wants them back then, and reads nothing else.
    pub(crate) fn is_multi_value(&self) -> bool {
        self.wire.multi_value_headers.is_some_and(|raw| raw.get() != "null")
    }

    /// The method and the path for a log, as far as they can be read.
    pub(crate) fn summary(&self) -> (String, String) {
        (self.method_text().unwrap_or_default(), self.path_text().unwrap_or_default())
    }

    /// What the front door calls this request; empty where it has no name for it.
    pub(crate) fn request_id(&self) -> &str {
        self.context.request_id.as_deref().unwrap_or_default()
    }

    /// The prefix that links of this request's answer carry.
    pub(crate) fn script_root(&self, mount: &Mount) -> ScriptRoot {
        mount.split(&self.place(&self.path_text().unwrap_or_default())).0
    }

    fn place<'p>(&'p self, path: &'p str) -> Place<'p> {
        Place {
            front: self.front,
            path,
            context_path: self.context.path.as_deref(),
            stage: self.context.stage.as_deref(),
            domain: self.context.domain_name.as_deref(),
        }
    }

    /// The request that the site's service gets.
    pub(crate) fn into_request(self, mount: &Mount) -> Result<Request, BadRequest> {
        let method = self.method_text().ok_or(BadRequest("the request has no method"))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| BadRequest("the method can't be read"))?;
        let headers = self.headers()?;
        let raw_path = self.path_text().unwrap_or_default();
        let domain = self.context.domain_name.as_deref();
        let (root, path) = mount.split(&self.place(&raw_path));
        let path = if self.path_is_decoded() { uri::encoded_path(path) } else { uri::checked_path(path)? };
        let query = self.query()?;
        let uri = uri::absolute(&headers, domain, &path, &query)?;

        let mut request = Request::new(self.body()?);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        request.extensions_mut().insert(root);
        request.extensions_mut().insert(Limit(self.front.reply_limit()));
        Ok(self.with_lambda_extensions(request, &query).with_raw_http_path(raw_path))
    }

    /// What lambda_http's `RequestExt` offers besides.
    fn with_lambda_extensions(&self, request: Request, query: &str) -> Request {
        let mut parameters: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            parameters.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        let map = |raw| pairs(raw).unwrap_or_default().into_iter().collect::<HashMap<String, Vec<String>>>();
        request
            .with_query_string_parameters(parameters)
            .with_path_parameters(map(self.wire.path_parameters))
            .with_stage_variables(map(self.wire.stage_variables))
            .with_request_context(self.lambda_context())
    }

    /// The context in lambda_http's own types; empty where it has fields that they refuse.
    fn lambda_context(&self) -> RequestContext {
        fn read<T: Default + de::DeserializeOwned>(raw: Option<&RawValue>) -> T {
            let read = raw.map(|raw| serde_json::from_str(raw.get()).or_else(|_| without_nulls(raw)));
            read.transpose()
                .unwrap_or_else(|error| {
                    tracing::debug!(%error, "requestContext can't be read in full");
                    None
                })
                .unwrap_or_default()
        }
        let raw = self.wire.request_context;
        match self.front {
            Front::Rest => RequestContext::ApiGatewayV1(read::<events::apigw::ApiGatewayProxyRequestContext>(raw)),
            Front::Http | Front::Url => {
                RequestContext::ApiGatewayV2(read::<events::apigw::ApiGatewayV2httpRequestContext>(raw))
            }
            Front::Alb => RequestContext::Alb(read::<events::alb::AlbTargetGroupRequestContext>(raw)),
        }
    }

    fn method_text(&self) -> Option<String> {
        let of_context = self.context.http.as_ref().and_then(|http| http.method.clone());
        of_context.or_else(|| text(self.wire.http_method)).or_else(|| self.context.http_method.clone())
    }

    fn path_text(&self) -> Option<String> {
        let path = text(self.wire.raw_path).or_else(|| text(self.wire.path));
        path.or_else(|| self.context.http.as_ref().and_then(|http| http.path.clone()))
    }

    /// An HTTP API hands over a decoded path, in both payload formats; the others leave it as the client sent it. What
    /// `cargo lambda watch` makes looks like an HTTP API's event from `localhost`, and is not decoded.
    fn path_is_decoded(&self) -> bool {
        let local = self.context.domain_name.as_deref() == Some("localhost");
        let http_api_v1 = self.front == Front::Rest && text(self.wire.version).as_deref() == Some("1.0");
        (self.front == Front::Http && !local) || http_api_v1
    }

    /// All lines of all fields. A REST API and an ALB with that setting have them in `multiValueHeaders`; `headers` then
    /// holds only the last line of each.
    fn headers(&self) -> Result<HeaderMap, BadRequest> {
        let lines = match pairs(self.wire.multi_value_headers)? {
            many if many.is_empty() => pairs(self.wire.headers)?,
            many => many,
        };
        let mut headers = HeaderMap::with_capacity(lines.len());
        for (name, values) in lines {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadRequest("a header name can't be read"))?;
            for value in values {
                let mut value = HeaderValue::from_bytes(ows::trim(&value).as_bytes())
                    .map_err(|_| BadRequest("a header value can't be read"))?;
                // A handler that logs its request with `{:?}` logs no session.
                value.set_sensitive(is_secret(&name));
                headers.append(&name, value);
            }
        }
        if let Some(raw) = self.wire.cookies {
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

    /// The query in the order in which the event has it. A REST API hands it over decoded, the others raw.
    fn query(&self) -> Result<String, BadRequest> {
        if let Some(raw) = text(self.wire.raw_query_string) {
            return Ok(utf8_percent_encode(&raw, NOT_IN_QUERY).to_string());
        }
        let parameters = match pairs(self.wire.multi_value_query_string_parameters)? {
            many if many.is_empty() => pairs(self.wire.query_string_parameters)?,
            many => many,
        };
        let set = if self.front == Front::Alb { NOT_IN_QUERY } else { NOT_IN_COMPONENT };
        let mut query = String::new();
        for (name, values) in parameters {
            for value in values {
                let separator = if query.is_empty() { "" } else { "&" };
                let (name, value) = (utf8_percent_encode(&name, set), utf8_percent_encode(&value, set));
                query.push_str(&format!("{separator}{name}={value}"));
            }
        }
        Ok(query)
    }

    fn body(&self) -> Result<Body, BadRequest> {
        let Some(body) = text(self.wire.body) else { return Ok(Body::Empty) };
        let encoded = self.wire.is_base64_encoded.is_some_and(|flag| flag.get() == "true");
        match (body.is_empty(), encoded) {
            (true, _) => Ok(Body::Empty),
            (_, false) => Ok(Body::Text(body)),
            (_, true) => {
                STANDARD.decode(body).map(Body::Binary).map_err(|_| BadRequest("the body is not valid base64"))
            }
        }
    }
}

fn front(wire: &Wire<'_>, context: Option<&Context>) -> Option<Front> {
    let context = context?;
    let has_method = wire.http_method.is_some() || context.http_method.is_some();
    match (&context.elb, &context.http) {
        (Some(_), _) => Some(Front::Alb),
        (_, Some(_)) if context.domain_name.as_deref().is_some_and(|name| name.contains(".lambda-url.")) => {
            Some(Front::Url)
        }
        (_, Some(_)) => Some(Front::Http),
        (_, None) if has_method && wire.path.is_some() => Some(Front::Rest),
        _ => None,
    }
}

/// A string; `None` for null, for what is missing and for what is none.
fn text(raw: Option<&RawValue>) -> Option<String> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().map(str::to_owned))
}

fn without_nulls<T: de::DeserializeOwned>(raw: &RawValue) -> serde_json::Result<T> {
    fn prune(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(map) => {
                map.retain(|_, value| !value.is_null());
                map.values_mut().for_each(prune);
            }
            serde_json::Value::Array(list) => list.iter_mut().for_each(prune),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(raw.get())?;
    prune(&mut value);
    serde_json::from_value(value)
}

/// Names with one value or several, in the order of the event; nulls are left out.
fn pairs(raw: Option<&RawValue>) -> Result<Vec<(String, Vec<String>)>, BadRequest> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    let pairs: Option<Pairs> = serde_json::from_str(raw.get()).map_err(|_| BadRequest("the event is malformed"))?;
    Ok(pairs.map(|pairs| pairs.0).unwrap_or_default())
}

struct Pairs(Vec<(String, Vec<String>)>);

/// A value, several, or null.
struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a list of strings, or null")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![value.to_owned()]))
            }

            fn visit_unit<E: de::Error>(self) -> Result<OneOrMany, E> {
                Ok(OneOrMany(Vec::new()))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element::<Option<String>>()? {
                    values.extend(value);
                }
                Ok(OneOrMany(values))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings or lists of strings")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some((name, OneOrMany(values))) = map.next_entry::<String, OneOrMany>()? {
                    pairs.push((name, values));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}
