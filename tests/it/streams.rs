//! Bodies that are streams, behind each front door: what is sent, what is not opened, and what a failure looks like.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::Range,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chalice_http_toolkit::{
    App, CloudFront, ContentManager, Embedded, EntityTag, Front, Representation, server::ServerLimits,
};
use futures_util::stream::{self, Stream, StreamExt};
use http::{HeaderValue, StatusCode, header};
use lambda_http::Request;
use serde_json::{Value, json};
use tokio::{runtime::Builder, sync::oneshot, time::sleep};

use crate::support::{Log, app, get};

const PIECE: usize = 64 * 1024;
const MIB: usize = 1024 * 1024;

/// The bytes of a body from one place to another, in pieces: each begins with its place, so that none is mistaken for another.
fn pieces(part: Range<u64>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let first = part.start / PIECE as u64;
    stream::iter(first..part.end.div_ceil(PIECE as u64)).map(move |number| {
        let begin = number * PIECE as u64;
        let (from, to) = (part.start.saturating_sub(begin), part.end.min(begin + PIECE as u64) - begin);
        Ok(piece(begin).slice(from as usize..to as usize))
    })
}

fn piece(begin: u64) -> Bytes {
    let mut piece = vec![b'.'; PIECE];
    piece[..8].copy_from_slice(&begin.to_be_bytes());
    piece.into()
}

/// Whether these are the bytes of a body from this place on.
fn is_right(body: &[u8], start: usize) -> bool {
    let mut place = start;
    let mut left = body;
    while !left.is_empty() {
        let within = place % PIECE;
        let length = (PIECE - within).min(left.len());
        if left[..length] != piece((place - within) as u64)[within..within + length] {
            return false;
        }
        (left, place) = (&left[length..], place + length);
    }
    true
}

/// What a stream has in place of a piece.
fn fault(how: &str, number: usize) -> Option<Result<Bytes, std::io::Error>> {
    match (how, number) {
        ("torn", 1) => Some(Err(std::io::Error::other("the disk is gone"))),
        ("panic", 1) => panic!("no more"),
        ("refused", _) => Some(Err(std::io::Error::other("no permission"))),
        _ => None,
    }
}

/// A site whose paths say what it answers: `/{how}/{status}/{bytes}`. The field `x-opened` counts how many bodies it has opened.
fn site() -> App {
    let opened = Arc::new(AtomicUsize::new(0));
    app(move |request: &Request| {
        let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        let (how, status, length) = (path[0].to_owned(), path[1].parse().expect("a status"), path[2].parse::<u64>());
        let (counted, before, length) = (opened.clone(), opened.load(SeqCst), length.expect("a length"));
        let known = (how != "endless").then_some(length);
        let representation = match &*how {
            "ranged" => Representation::ranged_stream("application/octet-stream", length, async move |part| {
                counted.fetch_add(1, SeqCst);
                pieces(part)
            }),
            _ => Representation::stream("application/octet-stream", known, async move || {
                counted.fetch_add(1, SeqCst);
                pieces(0..length).enumerate().then(move |(number, piece)| {
                    let how = how.clone();
                    async move {
                        if ["torn", "panic"].contains(&&*how) && number == 1 {
                            // The first piece is on its way by then.
                            sleep(Duration::from_millis(50)).await;
                        }
                        fault(&how, number).unwrap_or(piece)
                    }
                })
            })
            .with_ranges(true),
        };
        let status = StatusCode::from_u16(status).expect("a status");
        let representation = representation
            .with_entity_tag(EntityTag::strong("v1"))
            .with_header("x-opened".parse().expect("a name"), before.into());
        // A 304 and a 206 come by conditions and ranges. What sets a cookie has no 304.
        match status.as_u16() {
            304 => representation,
            206 => representation.with_header(header::SET_COOKIE, HeaderValue::from_static("a=1")),
            _ => representation.with_status(status).with_header(header::SET_COOKIE, HeaderValue::from_static("a=1")),
        }
    })
    .with_streaming()
}

/// What a client asks for, and what it is to get: status, Content-Length, how many bytes of the body from which place on.
struct Case {
    method: &'static str,
    path: String,
    fields: Vec<(&'static str, &'static str)>,
    status: u16,
    length: Option<usize>,
    body: Range<usize>,
}

fn cases(sizes: &[usize]) -> Vec<Case> {
    let mut cases = Vec::new();
    for status in [200, 204, 206, 301, 304, 404] {
        for method in ["GET", "HEAD"] {
            for size in sizes {
                let is_part = status == 206 && method == "GET";
                let how = if size % 2 == 0 { "stream" } else { "ranged" };
                let (expected, length) = match status {
                    204 | 304 => (status, None),
                    // An empty body has no such part.
                    206 if is_part && *size == 0 => (416, Some(0)),
                    206 if is_part => (206, Some(size - 1)),
                    206 => (200, Some(*size)),
                    _ => (status, Some(*size)),
                };
                let start = usize::from(expected == 206);
                let is_sent = method == "GET" && length.is_some();
                cases.push(Case {
                    method,
                    path: format!("/{how}/{status}/{size}"),
                    fields: match status {
                        206 => vec![("range", "bytes=1-")],
                        304 => vec![("if-none-match", "\"v1\"")],
                        _ => vec![],
                    },
                    status: expected,
                    length,
                    body: if is_sent && *size > 0 { start..*size } else { 0..0 },
                });
            }
        }
    }
    cases
}

/// What came back: status, fields and the body.
#[derive(Debug, Default)]
struct Got {
    status: u16,
    fields: BTreeMap<String, String>,
    /// How many bytes came, and whether they are the right ones from this place on.
    body: usize,
    is_right: bool,
    /// Whether the transfer ended as one of a whole body.
    is_whole: bool,
    trailers: BTreeMap<String, String>,
    prelude: Value,
}

impl Case {
    fn check(&self, got: &Got, door: &str) {
        let named = format!("{door} {} {} {got:?}", self.method, self.path);
        assert_eq!(got.status, self.status, "{named}");
        let length = got.fields.get("content-length").map(|length| length.parse().expect("a length"));
        assert_eq!(length, self.length, "{named}");
        assert_eq!((got.body, got.is_right, got.is_whole), (self.body.len(), true, true), "{named}");
        assert!(got.trailers.is_empty(), "{named}");
        assert_eq!(got.fields.contains_key("content-type"), self.status != 304 && self.status != 416, "{named}");
    }
}

/// Reads the fields of a head, up to its empty line.
fn read_fields(lines: &mut impl BufRead) -> BTreeMap<String, String> {
    let (mut fields, mut line) = (BTreeMap::new(), String::new());
    while lines.read_line(&mut line).is_ok_and(|length| length > 2) {
        let (name, value) = line.trim_end().split_once(':').expect("a field");
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        line.clear();
    }
    fields
}

/// Reads chunks as RFC 9112 §7.1 has them. What they are is told as they come; the answer is the trailers, or `None` if they broke off.
fn read_chunks(lines: &mut impl BufRead, mut each: impl FnMut(&[u8])) -> Option<BTreeMap<String, String>> {
    loop {
        let mut size = String::new();
        lines.read_line(&mut size).ok().filter(|length| *length > 0)?;
        let size = usize::from_str_radix(size.trim_end(), 16).expect("the size of a chunk");
        if size == 0 {
            return Some(read_fields(lines));
        }
        let mut chunk = vec![0; size + 2];
        lines.read_exact(&mut chunk).ok()?;
        each(&chunk[..size]);
    }
}

/// Takes the bytes of a body, and keeps none.
struct Taken {
    place: usize,
    start: usize,
    is_right: bool,
}

impl Taken {
    fn from(start: usize) -> Self {
        Self { place: start, start, is_right: true }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.is_right &= is_right(bytes, self.place);
        self.place += bytes.len();
    }

    fn length(&self) -> usize {
        self.place - self.start
    }
}

/// A stand-in for Lambda's Runtime API, which reads what a function sends byte by byte.
struct Api {
    address: SocketAddr,
    events: Sender<(String, usize)>,
    replies: Receiver<Got>,
}

type Events = Arc<Mutex<Receiver<(String, usize)>>>;

impl Api {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (events, waiting) = channel();
        let (sender, replies) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        // Where the body begins that is asked for: the connection that has the reply may be another one.
        let begins = Arc::new(Mutex::new(0));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (waiting, begins, sender) = (waiting.clone(), begins.clone(), sender.clone());
                std::thread::spawn(move || serve_api(connection, &waiting, &begins, &sender));
            }
        });
        Self { address, events, replies }
    }

    /// The reply to an event, whose body is to begin at this place.
    fn ask(&self, event: &Value, start: usize) -> Got {
        self.events.send((event.to_string(), start)).expect("it runs");
        self.replies.recv_timeout(Duration::from_secs(120)).expect("a reply in time")
    }
}

fn serve_api(connection: TcpStream, events: &Events, begins: &Mutex<usize>, replies: &Sender<Got>) {
    let mut lines = BufReader::with_capacity(2 * PIECE, connection.try_clone().expect("a socket"));
    let mut writer = connection;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).map_or(true, |length| length == 0) {
            return;
        }
        let fields = read_fields(&mut lines);
        if line.starts_with("GET ") {
            let Ok((event, start)) = events.lock().expect("no panic").recv() else { return };
            *begins.lock().expect("no panic") = start;
            let head = "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 7\r\nlambda-runtime-deadline-ms: 4000000000000\r\n\
                lambda-runtime-invocation-id: 70\r\nlambda-runtime-trace-id: Root=1\r\ncontent-type: application/json\r\n";
            let answer = format!("{head}content-length: {}\r\n\r\n{event}", event.len());
            writer.write_all(answer.as_bytes()).expect("it listens");
            continue;
        }
        let start = *begins.lock().expect("no panic");
        replies.send(read_reply(&mut lines, &line, &fields, start)).expect("the test waits");
        _ = writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n");
    }
}

fn read_reply(lines: &mut impl BufRead, line: &str, fields: &BTreeMap<String, String>, start: usize) -> Got {
    assert!(line.starts_with("POST /2018-06-01/runtime/invocation/7/response "), "{line}");
    assert_eq!(fields["lambda-runtime-invocation-id"], "70");
    if !fields.contains_key("lambda-runtime-function-response-mode") {
        let mut json = vec![0; fields["content-length"].parse().expect("a length")];
        lines.read_exact(&mut json).expect("a reply");
        return Got { prelude: serde_json::from_slice(&json).expect("JSON"), ..Got::default() };
    }
    assert_eq!(fields["lambda-runtime-function-response-mode"], "streaming");
    assert_eq!(fields["content-type"], "application/vnd.awslambda.http-integration-response");
    assert_eq!(fields["transfer-encoding"], "chunked");
    let (mut head, mut taken) = (Vec::new(), None::<Taken>);
    let trailers = read_chunks(lines, |chunk| match &mut taken {
        Some(taken) => taken.take(chunk),
        None => {
            head.extend_from_slice(chunk);
            if let Some(at) = head.windows(8).position(|bytes| bytes == [0; 8]) {
                let mut begun = Taken::from(start);
                begun.take(&head.split_off(at)[8..]);
                taken = Some(begun);
            }
        }
    });
    let prelude: Value = serde_json::from_slice(&head).expect("a prelude");
    let taken = taken.expect("eight zero bytes");
    let fields = prelude["headers"].as_object().or(prelude["multiValueHeaders"].as_object()).expect("fields");
    let text = |value: &Value| value.as_str().or(value[0].as_str()).expect("a value").to_owned();
    Got {
        status: prelude["statusCode"].as_u64().expect("a status") as u16,
        fields: fields.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        body: taken.length(),
        is_right: taken.is_right,
        is_whole: trailers.as_ref().is_some_and(|trailers| trailers.is_empty()),
        trailers: trailers.unwrap_or_default(),
        prelude,
    }
}

/// The event of a request through this door.
fn event(door: Front, method: &str, path: &str, fields: &[(&str, &str)]) -> Value {
    let many: BTreeMap<&str, [&str; 1]> = fields.iter().map(|(name, value)| (*name, [*value])).collect();
    let single: BTreeMap<&str, &str> = fields.iter().copied().collect();
    match door {
        Front::Rest => json!({
            "path": path, "httpMethod": method, "multiValueHeaders": many,
            "requestContext": { "path": path, "stage": "prod", "httpMethod": method },
        }),
        _ => json!({
            "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": single,
            "requestContext": {
                "domainName": if door == Front::Url { "x.lambda-url.eu-west-1.on.aws" } else { "x.execute-api.eu-west-1.amazonaws.com" },
                "stage": "$default", "http": { "method": method, "path": path },
            },
        }),
    }
}

const ROLE: &str = "STREAMS_ROLE";

/// The function in a process of its own, as the environment is a process's.
fn function(test: &str, address: SocketAddr) -> Child {
    Command::new(env::current_exe().expect("this program"))
        .args(["--exact", &format!("streams::{test}"), "--nocapture"])
        .env_clear()
        .envs([(ROLE, "function"), ("AWS_LAMBDA_RUNTIME_API", &address.to_string()), ("NO_PROXY", "*")])
        .envs([("AWS_LAMBDA_FUNCTION_NAME", "f"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")])
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

fn serve_function() {
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(site().run()).expect("it serves");
}

#[test]
fn a_reply_to_lambda_is_a_prelude_and_a_body_at_each_door_that_streams() {
    if env::var_os(ROLE).is_some() {
        return serve_function();
    }
    let api = Api::start();
    let mut function = function("a_reply_to_lambda_is_a_prelude_and_a_body_at_each_door_that_streams", api.address);
    let mut opened = 0;
    for door in [Front::Url, Front::Rest] {
        for case in cases(&[0, 11, 3 * PIECE + 8, 50 * MIB]) {
            let got = api.ask(&event(door, case.method, &case.path, &case.fields), case.body.start);
            case.check(&got, &format!("{door:?}"));
            // It is known before a body is opened how many were: none for HEAD, 204, 304, 416.
            assert_eq!(got.fields["x-opened"], opened.to_string(), "{door:?} {} {}", case.method, case.path);
            opened += usize::from(!case.body.is_empty());
            let cookies = match door {
                Front::Rest => &got.prelude["multiValueHeaders"]["set-cookie"],
                _ => &got.prelude["cookies"],
            };
            let expected = match (door, case.path.contains("/304/")) {
                (Front::Rest, true) => Value::Null,
                (_, true) => json!([]),
                (_, false) => json!(["a=1"]),
            };
            assert_eq!(*cookies, expected, "{}", got.prelude);
        }
    }
    // A door that can't stream gets the reply that it knows.
    let got = api.ask(&event(Front::Http, "GET", "/stream/200/11", &[]), 0);
    assert_eq!((&got.prelude["statusCode"], &got.prelude["isBase64Encoded"]), (&json!(200), &json!(true)));
    let body = STANDARD.decode(got.prelude["body"].as_str().expect("text")).expect("base64");
    assert!(body.len() == 11 && is_right(&body, 0));
    function.kill().and_then(|()| function.wait()).expect("it ends");
}

#[test]
fn a_stream_that_fails_ends_with_the_error_trailers_of_lambda() {
    if env::var_os(ROLE).is_some() {
        std::panic::set_hook(Box::new(|_| {}));
        return serve_function();
    }
    let api = Api::start();
    let mut function = function("a_stream_that_fails_ends_with_the_error_trailers_of_lambda", api.address);
    for (path, said) in [("/torn/200/200000", "the disk is gone"), ("/panic/200/200000", "no more")] {
        let got = api.ask(&event(Front::Url, "GET", path, &[]), 0);
        assert_eq!((got.status, got.body, got.is_right, got.is_whole), (200, PIECE, true, false), "{got:?}");
        assert_eq!(got.trailers["lambda-runtime-function-error-type"], "Runtime.StreamError");
        let body = STANDARD.decode(&got.trailers["lambda-runtime-function-error-body"]).expect("base64");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert!(body["errorMessage"].as_str().is_some_and(|message| message.contains(said)), "{body}");
    }
    // What fails before the first piece is an error page; and the function lives.
    let got = api.ask(&event(Front::Url, "GET", "/refused/200/200000", &[]), 0);
    assert_eq!((got.status, got.is_whole, &*got.fields["cache-control"]), (500, true, "no-store"));
    // More than AWS lets through is refused before anything is sent.
    let got = api.ask(&event(Front::Url, "GET", "/stream/200/300000000", &[]), 0);
    assert_eq!((got.status, got.is_whole), (500, true));
    function.kill().and_then(|()| function.wait()).expect("it ends");
}

/// How much memory a process has had at most, in KiB.
fn peak(process: &Child) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn a_reply_of_200_mb_takes_little_memory() {
    if env::var_os(ROLE).is_some() {
        return serve_function();
    }
    let api = Api::start();
    let mut function = function("a_reply_of_200_mb_takes_little_memory", api.address);
    api.ask(&event(Front::Url, "GET", "/stream/200/11", &[]), 0);
    let before = peak(&function);
    let got = api.ask(&event(Front::Url, "GET", "/endless/200/200000000", &[]), 0);
    assert_eq!((got.body, got.is_right, got.is_whole), (200_000_000, true, true), "{got:?}");
    let after = peak(&function);
    assert!(after - before < 8 * 1024, "{before} KiB before it, {after} after it");
    function.kill().and_then(|()| function.wait()).expect("it ends");
}

/// A site over plain HTTP that listens until it is dropped.
struct Running {
    address: SocketAddr,
    _end: oneshot::Sender<()>,
}

fn start(app: App) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (end, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let app = app.with_development(false).with_shutdown_time(Duration::from_millis(100));
        runtime.block_on(app.serve(listener, async { _ = ended.await })).expect("it serves");
    });
    Running { address, _end: end }
}

impl Running {
    fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], start: usize) -> Got {
        let mut stream = self.send(method, path, fields);
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        let mut lines = BufReader::with_capacity(2 * PIECE, &mut stream);
        let mut line = String::new();
        lines.read_line(&mut line).expect("an answer");
        let fields = read_fields(&mut lines);
        let mut taken = Taken::from(start);
        let is_whole = if fields.contains_key("transfer-encoding") {
            read_chunks(&mut lines, |chunk| taken.take(chunk)).is_some()
        } else {
            let mut buffer = vec![0; 2 * PIECE];
            while let Ok(length) = lines.read(&mut buffer) {
                if length == 0 {
                    break;
                }
                taken.take(&buffer[..length]);
            }
            let status = &line[9..12];
            let is_without = method == "HEAD" || ["204", "304"].contains(&status);
            is_without || fields["content-length"].parse() == Ok(taken.length())
        };
        let status = line[9..12].parse().expect("a status");
        Got { status, fields, body: taken.length(), is_right: taken.is_right, is_whole, ..Got::default() }
    }

    fn send(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        stream
    }
}

#[test]
fn plain_http_streams_each_status_and_method() {
    let site = start(site());
    for case in cases(&[0, 11, 3 * PIECE + 8, 50 * MIB]) {
        case.check(&site.ask(case.method, &case.path, &case.fields, case.body.start), "plain HTTP");
    }
    let got = site.ask("GET", "/endless/200/200000", &[], 0);
    assert_eq!((got.body, got.is_right, got.is_whole), (200_000, true, true));
    assert_eq!((got.fields.get("content-length"), &*got.fields["transfer-encoding"]), (None, "chunked"));
}

#[test]
fn a_stream_that_fails_breaks_the_transfer_off() {
    let site = start(site());
    for path in ["/torn/200/200000", "/panic/200/200000"] {
        let got = site.ask("GET", path, &[], 0);
        assert_eq!((got.status, got.body, got.is_right, got.is_whole), (200, PIECE, true, false), "{path} {got:?}");
    }
    assert_eq!(site.ask("GET", "/refused/200/200000", &[], 0).status, 500);
}

/// A stream that is another length than it says.
#[tokio::test]
async fn a_stream_of_another_length_is_broken_off() {
    for (length, pieces, range, is_right) in [
        (5, vec!["abc"], "", false),
        (5, vec![], "", false),
        (2, vec!["abc"], "", false),
        (4, vec!["abc", "def"], "", false),
        // Its first piece is as long as it says.
        (3, vec!["abc", "def"], "", false),
        (3, vec!["abc", "", "d"], "", false),
        (3, vec!["abc", ""], "", true),
        (3, vec!["abc", "def"], "bytes=1-", false),
        (4, vec!["abc", "def"], "bytes=1-", false),
        // Nobody reads on to see it.
        (5, vec!["abc", "def"], "bytes=0-2", true),
    ] {
        let given = pieces.clone();
        let representation = Representation::stream("text/plain", Some(length), async move || {
            stream::iter(given).map(Ok::<_, std::io::Error>)
        });
        let request = http::Request::builder().header("range", range).body(()).expect("a request");
        let sent = CloudFront::new().respond(&request, representation.with_ranges(true)).await;
        let outcome = match sent {
            Ok(response) => http_body_util::BodyExt::collect(response.into_body()).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert_eq!(outcome.is_ok(), is_right, "{length} {pieces:?} {range}");
    }
}

#[tokio::test]
async fn ranges_of_a_stream() {
    let ten = |seeks: bool| match seeks {
        true => Representation::ranged_stream("text/plain", 10, async |part: Range<u64>| {
            stream::iter([Ok::<_, std::io::Error>(&b"0123456789"[part.start as usize..part.end as usize])])
        }),
        false => {
            let pieces = ["012", "", "3456", "789"].map(Ok::<_, std::io::Error>);
            Representation::stream("text/plain", Some(10), async move || stream::iter(pieces)).with_ranges(true)
        }
    };
    for seeks in [true, false] {
        for (fields, status, body, range) in [
            (&[("range", "bytes=0-0")][..], 206, "0", "bytes 0-0/10"),
            (&[("range", "bytes=2-4")], 206, "234", "bytes 2-4/10"),
            (&[("range", "bytes=7-")], 206, "789", "bytes 7-9/10"),
            (&[("range", "bytes=-4")], 206, "6789", "bytes 6-9/10"),
            (&[("range", "bytes=0-")], 206, "0123456789", "bytes 0-9/10"),
            (&[("range", "bytes=10-")], 416, "", "bytes */10"),
            // RFC 9110 §14.2: a server may send all instead of several parts.
            (&[("range", "bytes=0-0,5-6")], 200, "0123456789", ""),
            (&[("range", "bytes=2-4"), ("if-range", "\"v1\"")], 206, "234", "bytes 2-4/10"),
            (&[("range", "bytes=2-4"), ("if-range", "\"v0\"")], 200, "0123456789", ""),
            (&[("if-match", "\"v0\"")], 412, "The page has changed meanwhile.\n", ""),
        ] {
            let app = app(move |_| ten(seeks).with_entity_tag(EntityTag::strong("v1")));
            let answer = get(&app, "/").headers(fields).send().await;
            let got = (answer.status.as_u16(), answer.text(), answer.header("content-range"));
            assert_eq!(got, (status, body, range), "{seeks} {fields:?}");
        }
    }
}

#[tokio::test]
async fn a_door_that_does_not_stream_collects_what_fits_and_says_what_helps() {
    let log = Log::start();
    let ask = async |door: Front, app: &App, path: &'static str| get(app, path).through(door).send().await;
    for door in [Front::Http, Front::Alb, Front::Url, Front::Rest] {
        // `invoke` gives whole replies.
        let answer = ask(door, &site(), "/endless/200/200000").await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 200_000), "{door:?}");
        assert!(is_right(&answer.body, 0) && answer.line("content-length") == "200000", "{door:?}");
        for path in ["/stream/200/50000000", "/endless/200/50000000", "/torn/200/200000"] {
            let answer = ask(door, &site(), path).await;
            let is_kept = !answer.header("cache-control").contains("no-store");
            assert_eq!((answer.status.as_u16(), is_kept), (500, false), "{door:?} {path}");
        }
        // A length that is known is refused before the body is read.
        assert_eq!(ask(door, &site(), "/torn/200/50000000").await.status, 500);
    }
    assert!(!log.lines(&["this front door can stream it (App::with_streaming)"]).is_empty());
    assert!(!log.lines(&["a function URL and a REST API can stream it, this front door can't"]).is_empty());
}

#[tokio::test]
async fn tests_of_a_site_go_the_way_of_a_stream_too() {
    use chalice_http_toolkit::TestSite;
    let site = TestSite::of(site());
    for door in [Front::Url, Front::Rest, Front::Plain] {
        let answer = site.get("/stream/200/9000000").through(door).send().await;
        assert_eq!((answer.status().as_u16(), answer.bytes().len()), (200, 9_000_000), "{door:?}");
        assert!(is_right(answer.bytes(), 0) && answer.header("set-cookie") == "a=1", "{door:?}");
    }
    assert_eq!(site.get("/stream/200/9000000").through(Front::Http).send().await.status(), 500);
}

/// Sets a flag when it is dropped.
struct Flag(Arc<AtomicUsize>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Whether something comes to be within a few seconds.
fn comes(what: impl Fn() -> bool) -> bool {
    (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        what()
    })
}

#[test]
fn a_stream_is_dropped_when_its_client_leaves_or_reads_nothing() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = dropped.clone();
    let app = app(move |_| {
        let flag = Flag(counted.clone());
        Representation::stream("text/plain", None, async move || {
            stream::iter(0..).map(move |number| {
                _ = &flag;
                Ok::<_, std::io::Error>(piece(number))
            })
        })
    });
    let time = Duration::from_millis(500);
    let limits = ServerLimits::new().with_header_time(time).with_idle_time(time);
    let site = start(app.with_server_limits(limits));
    let mut leaves = site.send("GET", "/", &[]);
    leaves.read_exact(&mut [0; 1000]).expect("it begins");
    drop(leaves);
    assert!(comes(|| dropped.load(SeqCst) == 1));
    let stalls = site.send("GET", "/", &[]);
    assert!(comes(|| dropped.load(SeqCst) == 2));
    drop(stalls);
}

#[test]
fn a_slow_stream_is_no_slow_client() {
    let app = app(|_| {
        Representation::stream("text/plain", None, async || {
            stream::iter(["a", "b", "c"]).then(async |piece| {
                sleep(Duration::from_millis(1200)).await;
                Ok::<_, std::io::Error>(piece)
            })
        })
    });
    let time = Duration::from_millis(500);
    let limits = ServerLimits::new().with_header_time(time).with_idle_time(time);
    let got = start(app.with_server_limits(limits)).ask("GET", "/", &[], 0);
    assert_eq!((got.status, got.body, got.is_whole), (200, 3, true), "{got:?}");
}

#[tokio::test]
async fn a_large_file_is_read_from_the_place_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("film.mp4");
    let mut file = fs::File::create(&path).expect("a file");
    (0..40).for_each(|number| file.write_all(&piece(number * PIECE as u64)).expect("written"));
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[])).expect("nothing to read");
    let (given, made) = (path.clone(), content.clone());
    let app = app(move |_| made.file(&given).expect("it can be looked at").with_entity_tag(EntityTag::strong("v1")));
    let whole = get(&app, "/").send().await;
    assert_eq!((whole.header("content-type"), whole.body.len()), ("video/mp4", 40 * PIECE));
    assert!(is_right(&whole.body, 0) && whole.line("accept-ranges") == "bytes");
    let part = get(&app, "/").header("range", "bytes=1000000-1999999").send().await;
    assert_eq!((part.status.as_u16(), part.body.len()), (206, 1_000_000));
    assert!(is_right(&part.body, 1_000_000));
    let last = get(&app, "/").header("range", "bytes=-8").send().await;
    assert_eq!((last.header("content-range"), last.body.len()), ("bytes 2621432-2621439/2621440", 8));
    assert_eq!(get(&app, "/").header("if-none-match", "\"v1\"").send().await.status, 304);
    assert_eq!(crate::support::ask(&app, "POST", "/").send().await.status, 405);
    // It became shorter after it was looked at.
    let late = content.file(&path).expect("it can be looked at");
    fs::write(&path, "short").expect("written");
    let error = CloudFront::new().respond(&http::Request::new(()), late).await.expect_err("it is another file");
    assert!(error.to_string().contains("film.mp4"), "{error}");
    for missing in ["nothing", "film.mp4/more", ""] {
        let made = content.file(folder.path().join(missing)).expect("a page");
        let response = CloudFront::new().respond(&http::Request::new(()), made).await.expect("a page");
        assert_eq!(response.status(), 404, "{missing}");
    }
}
