//! Plain HTTP over a real socket: what RFC 9112 asks of a server, its limits, and its end.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use chalice_http_toolkit::{
    App, BoxError, ErrorKind, Front, security::SecurityHeaders, server::ServerLimits, testing::TestSite,
};
use http::{Response, StatusCode};
use lambda_http::{Request, RequestExt, request::RequestContext};
use tokio::{runtime::Builder, sync::oneshot, time::sleep};
use tower::service_fn;

use crate::support::folders;

/// A site that listens until it is told to end.
struct Running {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// In production, which serves every host.
fn start(app: App) -> Running {
    start_at("127.0.0.1:0", app.with_development(false))
}

fn start_at(address: &str, app: App) -> Running {
    let listener = TcpListener::bind(address).expect("a port");
    let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr().expect("an address").port()));
    let (end, ended) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(app.serve(listener, async { _ = ended.await })).expect("it serves");
    });
    Running { address, end: Some(end), thread: Some(thread) }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        stream
    }

    /// All that comes back for these bytes until the connection is closed.
    fn answer(&self, sent: &[u8]) -> String {
        let mut stream = self.connect();
        // A server may close before it has read all.
        _ = stream.write_all(sent);
        rest(&mut stream)
    }

    /// Tells it to end, and waits until it has.
    fn end(mut self) -> Duration {
        let since = Instant::now();
        drop(self.end.take());
        self.thread.take().expect("it runs").join().expect("no panic");
        since.elapsed()
    }
}

fn rest(stream: &mut TcpStream) -> String {
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 {
            break;
        }
        received.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// Reads until this has come.
fn until(stream: &mut TcpStream, expected: &str) -> String {
    let mut received = Vec::new();
    while !received.ends_with(expected.as_bytes()) {
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).expect("it comes in time"), 1, "{}", String::from_utf8_lossy(&received));
        received.push(byte[0]);
    }
    String::from_utf8(received).expect("text")
}

/// The statuses of all answers on a connection.
fn statuses(received: &str) -> Vec<u16> {
    let lines = received.match_indices("HTTP/1.").map(|(at, name)| &received[at + name.len()..]);
    lines.map(|rest| rest[2..5].parse().expect("a status")).collect()
}

/// Answers with what it gets: `method path host|body|trailer`.
fn echo() -> App {
    App::new(service_fn(async |request: Request| {
        let field = |name| request.headers().get(name).map_or("", |value| value.to_str().unwrap_or("?"));
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let (method, path) = (request.method().as_str(), request.uri().path());
        let text = format!("{method} {path} {}|{body}|{}", field("host"), field("x-trailer"));
        Ok::<_, BoxError>(Response::new(text))
    }))
}

#[test]
fn requests_are_read_as_rfc_9112_says() {
    let site = start(echo());
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
    let head = "GET / HTTP/1.1\r\nHost: a\r\n";
    #[rustfmt::skip]
    let table = [
        // §3.2: exactly one Host, and one that can be read.
        (format!("{head}Connection: close\r\n\r\n"), vec![200], "GET / a|"),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".into(), vec![400], ""),
        (format!("{head}Host: b\r\nConnection: close\r\n\r\n"), vec![400], ""),
        ("GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n".into(), vec![400], ""),
        ("GET / HTTP/1.0\r\n\r\n".into(), vec![200], "GET / |"),
        // §3.2.2: a target in absolute form counts more than the field.
        ("GET http://b.example/x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(), vec![200], "GET /x b.example|"),
        // §3.2.3: what a proxy is asked for.
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".into(), vec![400], ""),
        // §3.2.4: the server itself is asked for by OPTIONS alone.
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(), vec![204], "allow: GET, HEAD"),
        ("GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(), vec![400], ""),
        ("OPTIONS /* HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(), vec![200], "OPTIONS /* a|"),
        ("GET / HTTP/1.1\r\nHost: user@a\r\nConnection: close\r\n\r\n".into(), vec![400], ""),
        ("GET /% HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(), vec![400], ""),
        // §7.1: chunks are put together, and trailers are no fields.
        (format!("{chunked}Connection: close\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: t\r\n\r\n"), vec![200], "|hello|"),
        (format!("{chunked}Connection: close\r\n\r\n3;a=b\r\nhel\r\n0\r\n\r\n"), vec![200], "|hel|"),
        (format!("{chunked}Connection: close\r\n\r\nx\r\nhel\r\n0\r\n\r\n"), vec![400], ""),
        (format!("{chunked}Connection: close\r\n\r\n3\r\nhello\r\n0\r\n\r\n"), vec![400], ""),
        // §9.3.2: two requests at once are answered in their order.
        ("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".into(), vec![200, 200], "GET /2"),
        // §5.2: lines that go on.
        (format!("{head}X-A: 1\r\n 2\r\nConnection: close\r\n\r\n"), vec![400], ""),
        // §5.1: no space before the colon.
        (format!("{head}X-A : 1\r\nConnection: close\r\n\r\n"), vec![400], ""),
        (format!("{head}X-A: a\0b\r\nConnection: close\r\n\r\n"), vec![400], ""),
        // §6.3: a length that is none, two lengths, a coding that does not end the body.
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".into(), vec![400], ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\nhello!".into(), vec![400], ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello".into(), vec![400], ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nhello".into(), vec![400], ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".into(), vec![400], ""),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n".into(), vec![400], ""),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), vec![400], ""),
        // §6.1: with both the coding counts, and the connection is closed: the rest is no second request.
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".into(), vec![200], "POST / a||"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n".into(), vec![200], "POST / a||"),
        // §3: what is no request line.
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(), vec![400], ""),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n".into(), vec![400], ""),
        ("G\u{e4}T / HTTP/1.1\r\nHost: a\r\n\r\n".into(), vec![400], ""),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(65_600)), vec![414], ""),
    ];
    for (sent, expected, part) in table {
        let received = site.answer(sent.as_bytes());
        let shown = &sent[..sent.len().min(200)];
        assert_eq!(statuses(&received), expected, "{shown}\n{received}");
        assert!(received.contains(part) && !received.contains("smuggled"), "{shown}\n{received}");
    }
}

#[test]
fn a_body_is_asked_for_where_the_client_waits_for_that() {
    let site = start(echo().with_server_limits(ServerLimits::new().with_body_bytes(5)));
    let asking = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
    };
    let mut stream = site.connect();
    stream.write_all(asking(5).as_bytes()).expect("sent");
    assert_eq!(until(&mut stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").expect("sent");
    assert!(rest(&mut stream).ends_with("POST / a|hello|"));
    // One that is too large is refused unseen (RFC 9110 §10.1.1).
    assert_eq!(statuses(&site.answer(asking(6).as_bytes())), [413]);
}

#[test]
fn what_has_no_body_is_sent_without_one() {
    let site = start(App::new(service_fn(async |request: Request| {
        let mut response = Response::new("body".to_owned());
        *response.status_mut() = request.uri().path()[1..].parse().unwrap_or(StatusCode::OK);
        Ok::<_, BoxError>(response)
    })));
    for (method, status, length, body) in [
        ("GET", 200, Some("4"), "body"),
        ("HEAD", 200, Some("4"), ""),
        ("GET", 204, None, ""),
        ("GET", 304, None, ""),
        ("HEAD", 304, None, ""),
        ("GET", 404, Some("4"), "body"),
    ] {
        let received =
            site.answer(format!("{method} /{status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
        let (head, sent) = received.split_once("\r\n\r\n").expect("a head");
        let field = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!((statuses(head), field, sent), (vec![status], length, body), "{method} {status}\n{received}");
    }
}

#[test]
fn what_is_too_large_is_refused_with_its_status() {
    let limits = ServerLimits::new().with_header_bytes(10_000).with_body_bytes(1000);
    let site = start(echo().with_server_limits(limits));
    let get = |fields: String| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
    let post = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{}",
            "a".repeat(length)
        )
    };
    let chunk = format!("3e8\r\n{}\r\n", "a".repeat(1000));
    let chunked = |chunks: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{}0\r\n\r\n",
            chunk.repeat(chunks)
        )
    };
    for (sent, status) in [
        (get(format!("X-A: {}\r\n", "a".repeat(9_900))), 200),
        (get(format!("X-A: {}\r\n", "a".repeat(10_000))), 431),
        (get(format!("X-A: {}\r\n", "a".repeat(1_000_000))), 431),
        (get("X-A: a\r\n".repeat(200)), 431),
        (get("X-A: a\r\n".repeat(100_000)), 431),
        (post(1000), 200),
        (post(1001), 413),
        (post(100_000), 413),
        (chunked(1), 200),
        (chunked(2), 413),
        (chunked(100), 413),
    ] {
        let mut stream = site.connect();
        let mut writer = stream.try_clone().expect("a second handle");
        let writing = std::thread::spawn(move || _ = writer.write_all(sent.as_bytes()));
        let received = until(&mut stream, "\r\n\r\n");
        assert_eq!(statuses(&received), [status], "{received}");
        drop(stream);
        writing.join().expect("no panic");
    }
}

#[tokio::test]
async fn settings_that_serve_nobody_are_told_at_the_start() {
    let limits = ServerLimits::new;
    for (app, told) in [
        (echo().with_health_path("healthz"), "health path"),
        (echo().with_health_path(""), "health path"),
        (echo().with_health_path("/healthz?x"), "health path"),
        (echo().with_health_path("/health z"), "health path"),
        (echo().with_health_path("https://a/healthz"), "health path"),
        (echo().with_server_limits(limits().with_connections(0)), "connections"),
        (echo().with_server_limits(limits().with_header_bytes(0)), "header bytes"),
        (echo().with_server_limits(limits().with_header_time(Duration::ZERO)), "header time"),
        (echo().with_server_limits(limits().with_body_time(Duration::ZERO)), "body time"),
        (echo().with_server_limits(limits().with_idle_time(Duration::ZERO)), "idle time"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let error = app.serve(listener, async {}).await.expect_err(told);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{told}");
        assert!(error.to_string().contains(told), "{error}");
    }
}

/// What is tried out on a developer's machine is what the container does.
#[tokio::test]
async fn who_plays_the_server_has_its_limits_and_its_health_path() {
    let limits = ServerLimits::new().with_body_bytes(10 << 20).with_header_bytes(1000);
    let app = echo().with_server_limits(limits).with_health_path("/healthz").with_development(false);
    let site = TestSite::of(app).with_front(Front::Plain);
    for (size, status) in [(7 << 20, 200), (10 << 20, 200), ((10 << 20) + 1, 413)] {
        let answer = site.post("/").body("application/octet-stream", vec![0; size]).send().await;
        assert_eq!(answer.status(), status, "{size}");
    }
    assert_eq!(site.get("/").header("x-long", &"x".repeat(1000)).send().await.status(), 431);
    let health = site.get("/healthz").send().await;
    assert_eq!((health.status().as_u16(), health.text()), (200, "ok\n"));
    let without = TestSite::of(echo()).with_front(Front::Plain);
    assert_eq!(without.get("/healthz").send().await.text(), "GET /healthz site.test||");
}

#[test]
fn an_answer_that_resets_a_form_has_no_content() {
    let reset = App::new(service_fn(async |_: Request| {
        Response::builder().status(205).header("content-type", "text/plain").body("x".to_owned())
    }));
    let received = start(reset).answer(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&received), [205]);
    assert!(received.contains("content-length: 0\r\n") && received.ends_with("\r\n\r\n"), "{received}");
    assert!(!received.contains("content-type"), "{received}");
}

#[test]
fn a_client_that_is_too_slow_is_closed() {
    let time = Duration::from_millis(200);
    let limits = ServerLimits::new().with_header_time(time).with_body_time(time).with_idle_time(time * 3);
    let site = start(echo().with_server_limits(limits));
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (sent, expected) in [
        ("", vec![]),
        ("GET / HTTP/1.1\r\nHo", vec![]),
        ("PRI * HTTP/2.0\r\n", vec![]),
        (request, vec![200]),
        (&*format!("{request}GET / HTT"), vec![200]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", vec![408]),
    ] {
        let since = Instant::now();
        let received = site.answer(sent.as_bytes());
        assert_eq!(statuses(&received), expected, "{sent} {received}");
        assert!(since.elapsed() >= time && since.elapsed() < Duration::from_secs(15), "{sent}");
    }
    // A body of which each byte comes in time, and the end does not.
    let mut stream = site.connect();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").expect("sent");
    let mut writer = stream.try_clone().expect("a second handle");
    let writing = std::thread::spawn(move || {
        while writer.write_all(b"a").is_ok() {
            std::thread::sleep(time / 10);
        }
    });
    let received = until(&mut stream, "\r\n\r\n");
    assert_eq!(statuses(&received), [408]);
    // RFC 9110 §15.5.9.
    assert!(received.contains("connection: close\r\n"), "{received}");
    drop(stream);
    writing.join().expect("no panic");
    // A header that never ends, byte by byte.
    let mut stream = site.connect();
    let since = Instant::now();
    while stream.write_all(b"G").is_ok() && since.elapsed() < Duration::from_secs(15) {
        std::thread::sleep(time / 10);
    }
    assert!(since.elapsed() < Duration::from_secs(15), "it was not closed");
}

#[test]
fn beyond_the_limit_of_connections_a_client_is_told_to_try_again() {
    let site = start(echo().with_server_limits(ServerLimits::new().with_connections(1)));
    let mut first = site.connect();
    first.write_all(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    until(&mut first, "GET /1 a||");
    let refused = site.answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(statuses(&refused), [503]);
    assert!(refused.contains("retry-after: 1\r\n") && refused.contains("connection: close\r\n"), "{refused}");
    first.write_all(b"GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("sent");
    assert!(rest(&mut first).ends_with("GET /2 a||"));
    let again = |_| statuses(&site.answer(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")) == [200];
    assert!((0..100).any(again), "there is room again");
}

#[test]
fn a_connection_beyond_the_limit_ends_with_one_answer_whatever_it_speaks() {
    let site = start(echo().with_server_limits(ServerLimits::new().with_connections(1)));
    let _first = site.connect();
    let mut surplus = site.connect();
    surplus.write_all(&[HTTP_2, &headers_frame(1, "GET", "/")].concat()).expect("sent");
    let since = Instant::now();
    rest(&mut surplus);
    assert!(since.elapsed() < Duration::from_secs(8), "it is still open");
}

#[test]
fn a_handler_whose_client_has_left_counts_among_the_connections() {
    let (app, done) = slow(Duration::from_secs(60));
    let site = start(app.with_server_limits(ServerLimits::new().with_connections(1)));
    let mut first = site.connect();
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    drop(first);
    std::thread::sleep(Duration::from_millis(200));
    let mut second = site.connect();
    second.set_read_timeout(Some(Duration::from_secs(3))).expect("a time");
    second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    assert_eq!(statuses(&rest(&mut second)), [503]);
    assert_eq!(done.load(Ordering::Relaxed), 0);
}

/// RFC 9113 §10.5: a stream that is reset no longer counts as one, and its handler still runs.
#[test]
fn streams_that_are_reset_leave_no_more_handlers_than_a_connection_may_have() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counted = begun.clone();
    let site = start(App::new(service_fn(move |_: Request| {
        counted.fetch_add(1, Ordering::Relaxed);
        async {
            sleep(Duration::from_secs(60)).await;
            Ok::<_, BoxError>(Response::new(String::new()))
        }
    })));
    let mut stream = site.connect();
    stream.write_all(HTTP_2).expect("sent");
    // A server need not let a client reset more than 20 streams that it has not looked at.
    for number in 0..120 {
        let id = 2 * number + 1;
        stream.write_all(&headers_frame(id, "GET", "/")).expect("sent");
        let has_begun = || begun.load(Ordering::Relaxed) > number as usize;
        let attempts = if number < 100 { 1000 } else { 2 };
        (0..attempts).take_while(|_| !has_begun()).for_each(|_| std::thread::sleep(Duration::from_millis(5)));
        let reset = [&[0, 0, 4, 3, 0][..], &id.to_be_bytes(), &8_u32.to_be_bytes()].concat();
        stream.write_all(&reset).expect("sent");
    }
    assert_eq!(begun.load(Ordering::Relaxed), 100);
}

/// A site whose requests take this long.
fn slow(time: Duration) -> (App, Arc<AtomicUsize>) {
    let done = Arc::new(AtomicUsize::new(0));
    let counted = done.clone();
    let app = App::new(service_fn(move |_: Request| {
        let counted = counted.clone();
        async move {
            sleep(time).await;
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, BoxError>(Response::new("done".to_owned()))
        }
    }));
    (app, done)
}

#[test]
fn at_the_end_a_request_in_work_is_answered_and_no_other_is_taken() {
    let (app, _) = slow(Duration::from_millis(500));
    let site = start(app);
    let (mut asking, mut idle) = (site.connect(), site.connect());
    asking.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    let address = site.address;
    assert!(site.end() < Duration::from_secs(8));
    let answer = rest(&mut asking);
    assert!(answer.ends_with("done") && answer.contains("connection: close"), "{answer}");
    assert_eq!(rest(&mut idle), "");
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn a_connection_that_comes_at_the_end_is_answered_and_closed() {
    let mut site = start(echo().with_health_path("/healthz"));
    drop(site.end.take());
    let ask = |_| site.answer(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let health = (0..10_000).map(ask).find(|answer| statuses(answer) != [200]).unwrap_or_default();
    assert!(statuses(&health) == [503] && health.contains("connection: close"), "{health}");
    let other = site.answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(statuses(&other) == [200] && other.contains("connection: close"), "{other}");
    let address = site.address;
    site.end();
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn at_the_end_a_request_that_is_on_its_way_is_answered() {
    let mut site = start(echo().with_shutdown_time(Duration::from_secs(5)));
    let (first, second) = ("GET /last HTTP/1.1\r\n", "Host: a\r\n\r\n");
    let [mut silent, mut partly, mut idle, mut again] = [(); 4].map(|()| site.connect());
    partly.write_all(first.as_bytes()).expect("sent");
    for stream in [&mut idle, &mut again] {
        stream.write_all(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        until(stream, "GET /first a||");
    }
    again.write_all(first.as_bytes()).expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    drop(site.end.take());
    // By then it takes no more connections.
    std::thread::sleep(Duration::from_millis(800));
    assert!(TcpStream::connect(site.address).is_err());
    silent.write_all(first.as_bytes()).expect("sent");
    for stream in [&mut silent, &mut partly, &mut again] {
        stream.write_all(second.as_bytes()).expect("sent");
        let received = rest(stream);
        assert!(received.contains("connection: close") && received.ends_with("GET /last a||"), "{received}");
    }
    assert_eq!(rest(&mut idle), "", "a connection that asks for nothing is closed");
    assert!(site.end() < Duration::from_secs(4));
}

#[test]
fn what_takes_too_long_at_the_end_is_broken_off() {
    let (app, done) = slow(Duration::from_secs(60));
    let site = start(app.with_shutdown_time(Duration::from_millis(300)));
    let mut asking = site.connect();
    asking.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    assert!(site.end() < Duration::from_secs(10));
    assert_eq!((rest(&mut asking), done.load(Ordering::Relaxed)), (String::new(), 0));
}

#[test]
fn a_handler_runs_to_its_end_though_its_client_has_left() {
    let (app, done) = slow(Duration::from_millis(300));
    let site = start(app);
    let mut asking = site.connect();
    asking.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    drop(asking);
    site.end();
    assert_eq!(done.load(Ordering::Relaxed), 1);
}

#[test]
fn the_client_is_whom_a_trusted_proxy_names() {
    let app = || {
        App::new(service_fn(async |request: Request| {
            let field = |name| request.headers().get(name).map_or("", |value| value.to_str().unwrap_or("?"));
            let RequestContext::ApiGatewayV2(context) = request.request_context() else { unreachable!("it is one") };
            let client = context.http.source_ip.unwrap_or_default();
            let seen = [field("x-forwarded-for"), field("forwarded"), field("x-forwarded-host"), &client];
            Ok::<_, BoxError>(Response::new(format!("{} {}", request.uri(), seen.join(","))))
        }))
    };
    let sent = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nForwarded: for=1.1.1.1\r\nConnection: close\r\n\r\n";
    for (proxies, expected) in [
        ("", "http://a/ 127.0.0.1,,,127.0.0.1"),
        ("10.0.0.0/8", "http://a/ 127.0.0.1,,,127.0.0.1"),
        ("127.0.0.0/8", "https://a/ 203.0.113.9,,b,203.0.113.9"),
        ("*, 203.0.113.0/24", "https://a/ 10.0.0.1,,b,10.0.0.1"),
    ] {
        let site = start(app().with_trusted_proxies(proxies));
        let received = site.answer(sent);
        assert!(received.ends_with(expected), "{proxies} {received}");
    }
    // What a client asked for stands in quotes (RFC 7239 §4), and names nobody.
    let site = start(app().with_trusted_proxies("127.0.0.1"));
    let received = site.answer(
        b"GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=203.0.113.9;host=\"a,for=10.0.0.1;b=\"\r\nConnection: close\r\n\r\n",
    );
    assert!(received.ends_with("http://a/ 203.0.113.9,,,203.0.113.9"), "{received}");
}

#[test]
fn a_health_path_is_answered_without_the_site() {
    let site = start(echo().with_health_path("/healthz"));
    for (sent, status, part) in [
        ("GET /healthz HTTP/1.0\r\n\r\n", 200, "ok\n"),
        ("HEAD /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n", 200, ""),
        ("POST /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, "POST /healthz a"),
        ("GET /healthz/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, "GET /healthz/ a"),
    ] {
        let received = site.answer(sent.as_bytes());
        assert!(statuses(&received) == [status] && received.contains(part), "{sent} {received}");
    }
}

#[test]
fn what_development_shows_is_shown_on_this_machine_alone() {
    let app = || {
        App::new(service_fn(async |_: Request| Err::<Response<String>, _>("the secret is 42"))).with_development(true)
    };
    let sent = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let shown = start_at("127.0.0.1:0", app()).answer(sent);
    assert!(statuses(&shown) == [500] && shown.contains("the secret is 42"), "{shown}");
    let elsewhere = start_at("0.0.0.0:0", app()).answer(sent);
    assert!(statuses(&elsewhere) == [500] && !elsewhere.contains("the secret is 42"), "{elsewhere}");
    // A name of another site may lead here.
    let other =
        start_at("127.0.0.1:0", app()).answer(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&other), [403], "{other}");
}

#[test]
fn http_2_is_spoken_where_the_client_begins_with_it() {
    let site = start(echo());
    let mut stream = site.connect();
    stream.write_all(&[HTTP_2, &headers_frame(1, "GET", "/")].concat()).expect("sent");
    assert_eq!(answer_in_frames(&mut stream), (STATUS_200, "GET / a.example||".to_owned()));
}

/// RFC 9110 §9.3.2, whether the site answers or the server itself.
#[test]
fn head_has_no_body_over_http_2() {
    let site = start(echo().with_health_path("/healthz"));
    let mut stream = site.connect();
    stream.write_all(&[HTTP_2, &headers_frame(1, "HEAD", "/healthz")].concat()).expect("sent");
    assert_eq!(answer_in_frames(&mut stream), (STATUS_200, String::new()));
    stream.write_all(&headers_frame(3, "HEAD", "/")).expect("sent");
    assert_eq!(answer_in_frames(&mut stream).1, "");
    stream.write_all(&headers_frame(5, "GET", "/healthz")).expect("sent");
    assert_eq!(answer_in_frames(&mut stream).1, "ok\n");
}

/// The start of a connection (RFC 9113 §3.4), and an empty SETTINGS.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// The indexed field `:status: 200` (RFC 7541 appendix A).
const STATUS_200: u8 = 0x88;

/// HEADERS that end their stream, as a request for `a.example`: each field without an entry in the table (RFC 7541 §6.2.2).
fn headers_frame(id: u32, method: &str, path: &str) -> Vec<u8> {
    let field = |index: u8, value: &str| [&[index, value.len() as u8], value.as_bytes()].concat();
    let block = [field(2, method), vec![0x86], field(4, path), field(1, "a.example")].concat();
    [&[0, 0, block.len() as u8, 1, 5][..], &id.to_be_bytes(), &block].concat()
}

/// The first byte of the fields and the body of the next answer.
fn answer_in_frames(stream: &mut TcpStream) -> (u8, String) {
    let (mut status, mut body) = (0, Vec::new());
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload).expect("its payload");
        match head[3] {
            1 => status = payload[0],
            0 => body.extend(payload),
            _ => continue,
        }
        if head[4] & 1 == 1 {
            return (status, String::from_utf8_lossy(&body).into_owned());
        }
    }
}

/// The status, the fields and the body of an answer: those of the connection aside.
fn parts(received: &str) -> (u16, Vec<String>, String) {
    let (head, body) = received.split_once("\r\n\r\n").expect("a head");
    let of_the_connection = |line: &&str| ["date: ", "connection: "].iter().any(|name| line.starts_with(name));
    let mut fields: Vec<String> =
        head.lines().skip(1).filter(|line| !of_the_connection(line)).map(str::to_owned).collect();
    fields.sort();
    (statuses(head)[0], fields, body.to_owned())
}

#[test]
fn a_site_answers_over_a_socket_as_behind_the_other_doors() {
    let folders = folders(&[
        ("templates/page.html", "{{ url('/next') }} {{ static('a.css') }} {{ name }}"),
        ("templates/error.html", "{{ status }} {{ title }}"),
        ("static/a.css", "a { color: teal }"),
    ]);
    let content = folders.content();
    let pages = content.clone();
    let app = crate::support::app(move |request| match request.uri().path() {
        "/page" => pages.render_template("page.html", serde_json::json!({ "name": "Núria" })).expect("a page"),
        "/go" => pages.redirect("/page"),
        path if path.starts_with("/static/") => pages.static_file_at(request.uri()),
        _ => pages.not_found(),
    });
    let app = app.with_error_pages(&content).with_base_path("/shop").with_development(false);
    let app = app.with_security_headers(SecurityHeaders::new());
    let other = TestSite::of(app.clone()).with_front(Front::Url);
    let site = start(app.with_trusted_proxies("127.0.0.1"));
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tag = runtime.block_on(other.get("/shop/page").send()).header("etag").to_owned();
    for (method, target, fields) in [
        ("GET", "/shop/page", vec![]),
        ("HEAD", "/shop/page?a=1", vec![]),
        ("GET", "/shop/page", vec![("if-none-match", tag.as_str())]),
        ("GET", "/page", vec![("if-match", "\"other\"")]),
        ("POST", "/shop/page", vec![]),
        ("GET", "/shop/go", vec![]),
        ("GET", "/shop/static/a.css", vec![("range", "bytes=0-3")]),
        ("GET", "/shop/static/a.css", vec![("range", "bytes=99-")]),
        ("GET", "/shop/static/%2e%2e/page.html", vec![]),
        ("GET", "/%", vec![]),
        ("GET", "/none", vec![("accept", "application/json")]),
    ] {
        let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let sent = format!(
            "{method} {target} HTTP/1.1\r\nHost: site.test\r\nX-Forwarded-Proto: https\r\n{lines}Connection: close\r\n\r\n"
        );
        let (status, found, body) = parts(&site.answer(sent.as_bytes()));
        let request =
            fields.iter().fold(other.request(method.parse().expect("a method"), target), |request, (name, value)| {
                request.header(name, value)
            });
        let expected = runtime.block_on(request.send());
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut lines: Vec<String> =
            expected.headers().iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
        lines.sort();
        assert_eq!(
            (status, found, body.as_str()),
            (expected.status().as_u16(), lines, expected.text()),
            "{method} {target}"
        );
    }
}

/// The environment is a process's, so each is one of its own: this test again, with a variable that says so.
#[test]
fn the_environment_says_whether_plain_http_is_served() {
    const ROLE: &str = "PLAIN_IN_A_PROCESS_OF_ITS_OWN";
    if std::env::var_os(ROLE).is_some() {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        return runtime.block_on(echo().run()).expect("it serves");
    }
    // What an HTTP API does to a path tells its events from plain HTTP.
    let (plain, events) = ("GET /a%3Fb localhost||", "GET /a localhost||");
    for (variables, expected) in [
        ("STAGE=prod PORT={}", plain),
        ("STAGE=prod PORT={} FRONT=plain", plain),
        ("HOST=0.0.0.0 PORT={}", plain),
        ("AWS_LAMBDA_HTTP_ENDPOINT=127.0.0.1:{} AWS_LAMBDA_RUNTIME_API=127.0.0.1:9", plain),
        ("PORT={}", events),
        ("STAGE=dev HOST=0.0.0.0 PORT={}", events),
        ("STAGE=prod FRONT=http PORT={}", events),
    ] {
        // Nobody takes the port of a socket that has just been closed.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let variables = variables.replace("{}", &port.to_string());
        let mut process = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "plain::the_environment_says_whether_plain_http_is_served"])
            .env_clear()
            .envs(variables.split(' ').filter_map(|variable| variable.split_once('=')))
            .env(ROLE, "1")
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        let since = Instant::now();
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(since.elapsed() < Duration::from_secs(30), "{variables}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        stream.write_all(b"GET /a%3Fb HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
        let received = rest(&mut stream);
        assert!(received.ends_with(expected), "{variables}: {received}");
        let told = std::process::Command::new("kill").arg(process.id().to_string()).status().expect("there is one");
        assert!(told.success() && process.wait().expect("it ends").success(), "{variables}: SIGTERM ends it well");
    }
}
