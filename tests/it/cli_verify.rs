//! The command `verify`: which pages at the edge are not what the function answers, and what it says of them.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    process::Output,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{cli::command, support::read_request};

/// A stand-in for CloudFront, and for Lambda with the function behind it. Each page is `page N`, where N is how often the page
/// was asked for by then, as far as the page counts.
fn start() -> (String, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    let (events, base) = (Arc::<Mutex<Vec<Value>>>::default(), at.clone());
    let noted = events.clone();
    // It ends with the test's process.
    std::thread::spawn(move || {
        let (mut turns, mut started) = (0_u32, None);
        for stream in listener.incoming().flatten() {
            turns += 1;
            let (head, body) = read_request(&stream);
            let target = head.split_whitespace().nth(1).expect("a target");
            match target.ends_with("/invocations") {
                true => {
                    assert!(head.contains("AWS4-HMAC-SHA256") && target.contains("/shop/"), "{head}");
                    let event: Value = serde_json::from_slice(&body).expect("an event");
                    let reply = fresh(event["rawPath"].as_str().expect("a path"), turns);
                    noted.lock().expect("no panic").push(event);
                    send(stream, "", &reply);
                }
                false => send(
                    stream,
                    "age: 120\r\n",
                    kept(target, turns, &base, *started.get_or_insert_with(Instant::now)).as_bytes(),
                ),
            }
        }
    });
    (at, events)
}

fn send(mut stream: TcpStream, fields: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it is taken");
}

fn kept(target: &str, turns: u32, base: &str, started: Instant) -> String {
    match target {
        "/sitemap.xml" => format!(
            "<urlset><url><loc>{base}/same</loc></url><url><loc> {base}/stale?a=1&amp;b=2 </loc></url></urlset>"
        ),
        // It was purged after it had been asked for once.
        "/purged" if turns == 1 => "old".into(),
        // It was changed before it was asked for, and is purged for the second time while the command waits.
        "/purged-later" if started.elapsed() < Duration::from_millis(900) => "old".into(),
        "/purged" | "/purged-later" | "/same" | "/streamed" | "/bytes" => "now".into(),
        _ => "old".into(),
    }
}

fn fresh(path: &str, turns: u32) -> Vec<u8> {
    let reply = |body: &str| json!({ "statusCode": 200, "headers": { "Cache-Tag": "post:7,posts" }, "body": body });
    match path {
        "/streamed" => [reply("").to_string().as_bytes(), &[0; 8], b"now"].concat(),
        "/bytes" => json!({ "statusCode": 200, "body": "bm93", "isBase64Encoded": true }).to_string().into(),
        "/changing" => reply(&turns.to_string()).to_string().into(),
        _ => reply("now").to_string().into(),
    }
}

fn verify(at: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = command(&["verify", at, "--function", "shop", "--wait", "1"]);
    command.args(arguments).env("AWS_ENDPOINT_URL", at).env("NO_PROXY", "*").env("AWS_REGION", "eu-west-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("ORIGIN_SECRET", "of the test");
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_copy_that_nobody_purged_is_found() {
    for (path, code, line) in [
        ("/same", 0, "1 pages compared, 0 of them differ\n"),
        ("/streamed", 0, "1 pages compared, 0 of them differ\n"),
        ("/bytes", 0, "1 pages compared, 0 of them differ\n"),
        ("/purged", 0, "1 pages compared, 0 of them differ\n"),
        ("/purged-later", 0, "1 pages compared, 0 of them differ\n"),
        (
            "/changing",
            0,
            "/changing: each answer is another one, so no copy can be compared\n1 pages compared, 0 of them differ\n",
        ),
        (
            "/stale",
            1,
            "/stale: the copy is not what the function answers now (120 s old, tags post:7,posts)\n\
             1 pages compared, 1 of them differ\n",
        ),
    ] {
        let (at, _) = start();
        assert_eq!(verify(&at, &[path]), (Some(code), line.to_owned(), String::new()), "{path}");
    }
}

#[test]
fn the_pages_are_those_of_the_sitemap_where_none_is_named() {
    let (at, events) = start();
    let (code, out, err) = verify(&at, &["--json"]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let stale = json!([{ "path": "/stale?a=1&b=2", "age": "120", "tags": "post:7,posts" }]);
    assert_eq!(found, json!({ "compared": 2, "stale": stale, "changing": [] }));
    let last = events.lock().expect("no panic").last().expect("an event").clone();
    assert_eq!((&last["rawPath"], &last["rawQueryString"]), (&json!("/stale"), &json!("a=1&b=2")));
    assert_eq!(last["headers"]["x-origin-secret"], "of the test");

    let (code, out, _) = verify(&at, &["--sample", "1"]);
    assert!(code < Some(2) && out.contains("1 pages compared"), "{out}");
}

#[test]
fn what_can_not_be_compared_is_an_error() {
    let (at, _) = start();
    let (code, _, err) = verify(&at, &["products"]);
    assert!(code == Some(2) && err.contains("a path such as /products/7"), "{err}");
    let (code, out, err) = verify("http://127.0.0.1:9", &["/"]);
    assert!(code == Some(2) && out.is_empty() && err.starts_with("error: "), "{err}");
}
