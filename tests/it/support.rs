//! A site of files in a temporary folder, asked through the real way: an event goes in, a reply comes out.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Debug,
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    path::Path,
    sync::Once,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chalice_http_toolkit::{App, CloudFront, ContentManager, Front, Representation};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lambda_http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::{Layer, service_fn};
use tracing_subscriber::layer::SubscriberExt;

/// Those that hand over events, and those through which a test can ask.
pub(crate) const EVENT_FRONTS: [Front; 4] = [Front::Rest, Front::Http, Front::Url, Front::Alb];
#[cfg(feature = "testing")]
pub(crate) const FRONTS: [Front; 5] = [Front::Rest, Front::Http, Front::Url, Front::Alb, Front::Plain];
#[cfg(not(feature = "testing"))]
pub(crate) const FRONTS: [Front; 4] = EVENT_FRONTS;

/// What a client got, as its front door would hand it on.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// The reply as the front door was given it; null where it is none of JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn of(json: Value) -> Self {
        let body = json["body"].as_str().expect("the body is a string");
        let encoded = json["isBase64Encoded"].as_bool().expect("the flag is a boolean");
        let body = if encoded { STANDARD.decode(body).expect("valid base64") } else { body.as_bytes().to_vec() };
        let mut headers = HeaderMap::new();
        let mut add = |name: &str, value: &Value| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
            let value = value.as_str().expect("a header value is a string");
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a header value"));
        };
        for (name, value) in json["headers"].as_object().into_iter().flatten() {
            add(name, value);
        }
        for (name, values) in json["multiValueHeaders"].as_object().into_iter().flatten() {
            values.as_array().expect("a list").iter().for_each(|value| add(name, value));
        }
        json["cookies"].as_array().into_iter().flatten().for_each(|cookie| add("set-cookie", cookie));
        let status = json["statusCode"].as_u64().expect("the status is a number");
        Self { status: StatusCode::from_u16(status as u16).expect("a status"), headers, body, json }
    }

    /// A header as text; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| std::str::from_utf8(value.as_bytes()).expect("UTF-8"))
    }

    /// The field's one line; fails where there is none or more than one.
    pub(crate) fn line(&self, name: &str) -> &str {
        assert_eq!(self.headers.get_all(name).iter().count(), 1, "{name} in {self:?}");
        self.header(name)
    }

    /// The names of all fields, sorted.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// A request to be made of an app.
pub(crate) struct Asking<'a> {
    app: &'a App,
    front: Front,
    method: &'a str,
    target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: Option<(Value, bool)>,
}

pub(crate) fn get<'a>(app: &'a App, target: &'a str) -> Asking<'a> {
    ask(app, "GET", target)
}

pub(crate) fn ask<'a>(app: &'a App, method: &'a str, target: &'a str) -> Asking<'a> {
    Asking { app, front: Front::Url, method, target, headers: Vec::new(), body: None }
}

impl<'a> Asking<'a> {
    pub(crate) fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn headers(mut self, headers: &[(&'a str, &'a str)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    /// With a body that the event has as text.
    #[cfg(feature = "forms")]
    pub(crate) fn text(mut self, body: &str) -> Self {
        self.body = Some((body.into(), false));
        self
    }

    /// With a body that the event has in base64.
    #[cfg(feature = "forms")]
    pub(crate) fn bytes(mut self, body: &[u8]) -> Self {
        self.body = Some((STANDARD.encode(body).into(), true));
        self
    }

    /// Through another front door than the function URL, which hands over what the client sent as it is.
    pub(crate) fn through(mut self, front: Front) -> Self {
        self.front = front;
        self
    }

    pub(crate) async fn send(self) -> Answer {
        #[cfg(feature = "testing")]
        if self.front == Front::Plain {
            return self.send_plainly().await;
        }
        send(self.app, &self.event()).await
    }

    /// Without an event.
    #[cfg(feature = "testing")]
    async fn send_plainly(self) -> Answer {
        let site = chalice_http_toolkit::testing::TestSite::of(self.app.clone()).with_front(Front::Plain);
        let request = site.request(self.method.parse().expect("a method"), self.target);
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = match &self.body {
            None => request,
            Some((body, encoded)) => {
                let content_type = self.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                let body = body.as_str().expect("text");
                let body = if *encoded { STANDARD.decode(body).expect("base64") } else { body.as_bytes().to_vec() };
                request.body(content_type.map_or("application/octet-stream", |(_, value)| value), body)
            }
        };
        let answer = request.send().await;
        let (headers, body) = (answer.headers().clone(), answer.bytes().to_vec());
        Answer { status: answer.status(), headers, body, json: Value::Null }
    }

    pub(crate) fn event(&self) -> Value {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let mut many: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.headers {
            many.entry(name).or_default().push(value);
        }
        let joined: BTreeMap<&str, String> = many.iter().map(|(name, values)| (*name, values.join(","))).collect();
        let mut event = match self.front {
            Front::Url | Front::Http => json!({
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": query,
                "headers": joined,
                "requestContext": {
                    "domainName": if self.front == Front::Url { "x.lambda-url.eu-west-1.on.aws" } else { "shop.example" },
                    "stage": "$default",
                    "http": { "method": self.method, "path": path },
                },
                "isBase64Encoded": false,
            }),
            Front::Rest => json!({
                "path": path,
                "httpMethod": self.method,
                "multiValueHeaders": many,
                "requestContext": { "path": path, "stage": "prod", "httpMethod": self.method },
                "isBase64Encoded": false,
            }),
            Front::Alb => json!({
                "path": path,
                "httpMethod": self.method,
                "multiValueHeaders": many,
                "requestContext": { "elb": { "targetGroupArn": "arn:aws:elasticloadbalancing:x" } },
                "isBase64Encoded": false,
            }),
            Front::Plain => panic!("plain HTTP has no events"),
        };
        if let Some((body, encoded)) = &self.body {
            event["body"] = body.clone();
            event["isBase64Encoded"] = (*encoded).into();
        }
        event
    }
}

pub(crate) async fn send(app: &App, event: &(impl std::fmt::Display + ?Sized)) -> Answer {
    let reply = app.invoke(&event.to_string(), None).await.expect("the event is a front door's");
    Answer::of(serde_json::to_value(&reply).expect("a reply serializes"))
}

/// Folders of templates and static files. They live as long as this does.
pub(crate) struct Folders {
    root: TempDir,
}

/// Templates and static files by name: `("templates/a.html", "…")`, `("static/a.css", "…")`.
pub(crate) fn folders(files: &[(&str, &str)]) -> Folders {
    let folders = Folders { root: tempfile::tempdir().expect("a temporary folder") };
    for name in ["templates", "static"] {
        fs::create_dir(folders.root.path().join(name)).expect("a folder");
    }
    for (name, content) in files {
        folders.write(name, content.as_bytes());
    }
    folders
}

impl Folders {
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.root.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn content(&self) -> ContentManager {
        let folder = |name| self.root.path().join(name);
        ContentManager::new(folder("templates"), folder("static")).expect("both folders are there")
    }
}

/// An app of one handler, with the CloudFront layer around it.
pub(crate) fn app(handler: impl Fn(&Request) -> Representation + Clone + Send + Sync + 'static) -> App {
    app_with(CloudFront::new(), handler)
}

pub(crate) fn app_with(
    cloudfront: CloudFront,
    handler: impl Fn(&Request) -> Representation + Clone + Send + Sync + 'static,
) -> App {
    let service = service_fn(move |request: Request| {
        let response = http::Response::<String>::from(handler(&request));
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    App::new(cloudfront.layer(service))
}

/// An app that serves static files, and nothing else.
pub(crate) fn files_app(content: &ContentManager) -> App {
    let content = content.clone();
    app(move |request| content.static_file_at(request.uri()))
}

/// Remembers what this thread logs from here on.
pub(crate) struct Log;

impl Log {
    /// NOTE: the subscriber is the process's and only the memory the thread's. One for each test would lose events: a
    /// callsite that another test's thread meets first would be registered there, where nobody listens.
    pub(crate) fn start() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| {
            let listener = tracing_subscriber::registry().with(ToThread);
            tracing::subscriber::set_global_default(listener).expect("no other test listens");
        });
        LINES.take();
        Self
    }

    /// The events whose line has all of these words: `WARN message=… name=value …`.
    pub(crate) fn lines(&self, words: &[&str]) -> Vec<String> {
        LINES.with_borrow(|lines| {
            lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect()
        })
    }
}

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// How many images were converted so far for the test that runs in this span, on whatever threads.
#[cfg(feature = "images")]
pub(crate) fn conversions() -> usize {
    let span = tracing::Span::current().id().expect("the test runs in a span").into_u64();
    CONVERSIONS.lock().expect("no test panics with it").iter().filter(|other| **other == span).count()
}

/// The outermost span of each conversion.
static CONVERSIONS: std::sync::Mutex<Vec<u64>> = std::sync::Mutex::new(Vec::new());

struct ToThread;

impl<S> tracing_subscriber::Layer<S> for ToThread
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fn on_event(&self, event: &tracing::Event<'_>, context: tracing_subscriber::layer::Context<'_, S>) {
        let mut line = event.metadata().level().to_string();
        event.record(&mut |field: &tracing::field::Field, value: &dyn Debug| {
            line.push_str(&format!(" {field}={value:?}"));
        });
        if let (Some(mut spans), true) = (context.event_scope(event), line.contains("an image was converted")) {
            let outermost = spans.by_ref().last().expect("an event in a span has one");
            CONVERSIONS.lock().expect("no test panics with it").push(outermost.id().into_u64());
        }
        LINES.with_borrow_mut(|lines| lines.push(line));
    }
}

/// Reads a request as a server does: its first line with its header fields, and its body.
pub(crate) fn read_request(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut lines = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while lines.read_line(&mut head).expect("a line") > 2 {
        let last = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(value) = last.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).expect("the body");
    (head, body)
}
