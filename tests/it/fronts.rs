//! Replies: the form that each front door wants, bytes that arrive as they were, sizes, and what goes wrong in a service.

use chalice_http_toolkit::{App, BoxError, Error, Front, Representation};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use lambda_http::Request;
use serde_json::json;
use tower::service_fn;

use crate::{
    events::fixture,
    support::{EVENT_FRONTS, FRONTS, ask, folders, get, send},
};

/// A site that answers everything with a copy of one response.
fn fixed(response: Response<Vec<u8>>) -> App {
    App::new(service_fn(move |_: Request| {
        let response = response.clone().map(Full::<bytes::Bytes>::from);
        async { Ok::<_, BoxError>(response) }
    }))
}

fn typed(content_type: Option<&'static str>, body: &[u8]) -> Response<Vec<u8>> {
    let mut response = Response::new(body.to_vec());
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

#[tokio::test]
async fn every_byte_arrives_whatever_the_type_says() {
    let bom = "\u{feff}body { }".as_bytes();
    let binary = b"\x89PNG\r\n\x1a\n\x00\xff";
    for (content_type, body, base64) in [
        (Some("text/html; charset=utf-8"), &b"<p>\"quoted\"\n"[..], false),
        (Some("Text/HTML"), b"<p>", false),
        (Some("text/css"), bom, false),
        (Some("text/plain; charset=iso-8859-1"), b"caf\xe9", true),
        (Some("application/json"), b"{}", false),
        (Some("application/problem+json"), b"{}", false),
        (Some("application/rss+xml"), b"<rss/>", false),
        (Some("image/svg+xml"), b"<svg/>", false),
        (Some("image/svg+xml"), b"\x1f\x8b\x08\x00", true),
        (Some("application/javascript"), b"1", false),
        (Some("image/png"), binary, true),
        (Some("font/woff2"), b"wOF2", true),
        (Some("application/pdf"), b"%PDF", true),
        (Some("application/wasm"), b"\x00asm", true),
        (Some("application/octet-stream"), b"text, perhaps", true),
        (Some("application/x-www-form-urlencoded"), b"a=b", true),
        (None, b"text \x00\x1f\x7f", false),
        (None, binary, true),
        (None, b"", false),
    ] {
        for front in FRONTS {
            let answer = get(&fixed(typed(content_type, body)), "/").through(front).send().await;
            assert_eq!(answer.body, body, "{content_type:?} {front:?}");
            assert!(answer.json.is_null() || answer.json["isBase64Encoded"] == base64, "{content_type:?} {front:?}");
            assert_eq!(answer.header("content-length"), body.len().to_string());
        }
    }
}

#[tokio::test]
async fn what_is_compressed_travels_as_base64() {
    let mut response = typed(Some("text/html"), b"only seems to be text");
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    let answer = get(&fixed(response), "/").send().await;
    assert_eq!(answer.json["isBase64Encoded"], true);
    assert_eq!(answer.text(), "only seems to be text");
}

#[tokio::test]
async fn repeated_fields_and_cookies_all_leave() {
    let mut response = typed(Some("text/plain"), b"x");
    for (name, value) in [
        (header::LINK, "</a>; rel=preload"),
        (header::LINK, "</b>; rel=preload"),
        (header::VARY, "accept"),
        (header::VARY, "accept-encoding"),
        (header::SET_COOKIE, "a=1; Path=/"),
        (header::SET_COOKIE, "b=ä"),
        (header::SET_COOKIE, "c=3"),
    ] {
        response.headers_mut().append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
    }
    let app = fixed(response);
    for (name, multi_value) in
        [("rest", true), ("http", false), ("url", false), ("alb", true), ("alb-single-value", false)]
    {
        let answer = send(&app, &fixture(name)).await;
        assert_eq!(answer.json.get("multiValueHeaders").is_some(), multi_value, "{name}");
        assert_eq!(answer.json.get("headers").is_some(), !multi_value, "{name}: no name may stand in both");
        let all = |field: &str| -> Vec<String> {
            answer.headers.get_all(field).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect()
        };
        // The spellings of an ALB's cookies have no order once they are parsed.
        let mut cookies = all("set-cookie");
        cookies.sort();
        assert_eq!(cookies, ["a=1; Path=/", "b=ä", "c=3"], "{name}");
        assert_eq!(all("link").join(", "), "</a>; rel=preload, </b>; rel=preload", "{name}");
        assert_eq!(all("vary").join(", "), "accept, accept-encoding", "{name}");
    }
}

#[tokio::test]
async fn each_front_door_gets_the_fields_that_it_knows() {
    let app = fixed(typed(Some("text/plain"), b"x"));
    for (name, fields) in [
        ("rest", "body isBase64Encoded multiValueHeaders statusCode"),
        ("http", "body cookies headers isBase64Encoded statusCode"),
        ("url", "body cookies headers isBase64Encoded statusCode"),
        ("alb", "body isBase64Encoded multiValueHeaders statusCode statusDescription"),
    ] {
        let answer = send(&app, &fixture(name)).await;
        let keys: Vec<&str> = answer.json.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys.join(" "), fields, "{name}");
        assert!(answer.json["statusCode"].is_u64(), "{name}");
    }
    assert_eq!(send(&app, &fixture("alb")).await.json["statusDescription"], "200 OK");
}

#[tokio::test]
async fn what_has_no_body_leaves_without_one() {
    for (method, status, length) in
        [("HEAD", 200, "4"), ("GET", 204, ""), ("GET", 304, ""), ("HEAD", 304, ""), ("GET", 404, "4")]
    {
        let mut response = typed(Some("image/webp"), b"body");
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        let app = fixed(response);
        for front in FRONTS {
            let answer = ask(&app, method, "/").through(front).send().await;
            let has_body = method == "GET" && status != 204 && status != 304;
            assert_eq!(!answer.body.is_empty(), has_body, "{method} {status}");
            assert_eq!(answer.header("content-length"), length, "{method} {status}");
        }
    }
}

/// The largest body that fits is sent, and one byte more is not; the reply is never larger than its front door takes.
#[tokio::test]
async fn a_reply_that_would_not_fit_is_a_clear_error() {
    for front in EVENT_FRONTS {
        // What a body of units costs: a letter one byte, a quote two, and three bytes of an image four.
        for (content_type, unit, (bytes, cost)) in
            [("text/html", b'a', (1, 1)), ("text/html", b'"', (1, 2)), ("image/png", b'a', (3, 4))]
        {
            let status = async |length: usize| {
                let app = fixed(typed(Some(content_type), &vec![unit; length]));
                let event = get(&app, "/").through(front).event();
                let reply = app.invoke(&event.to_string(), None).await.expect("a reply");
                let json = serde_json::to_string(&reply).expect("JSON");
                assert!(json.len() <= front.reply_limit());
                (reply.status().as_u16(), json.len())
            };
            let about = (front.reply_limit() - 1000) / cost * bytes;
            let (_, length) = status(about).await;
            let largest = about + (front.reply_limit() - length) / cost * bytes;
            let (fits, length) = status(largest).await;
            assert_eq!(fits, 200, "{front:?} {content_type}");
            assert!(length + cost > front.reply_limit(), "{front:?} {content_type}: the limit is used in full");
            assert_eq!(status(largest + bytes).await.0, 500, "{front:?} {content_type}");
        }
    }
}

#[tokio::test]
async fn an_endless_body_ends() {
    let app = App::new(service_fn(async |_: Request| {
        let chunks = futures_util::stream::repeat_with(|| Ok::<_, BoxError>(bytes::Bytes::from_static(&[b'a'; 65536])));
        Ok::<_, BoxError>(Response::new(axum::body::Body::from_stream(chunks)))
    }));
    assert_eq!(get(&app, "/").send().await.status, 500);
}

#[tokio::test]
async fn too_many_header_bytes_are_an_error_before_the_front_door_says_so() {
    let with = |length: usize| {
        let mut response = typed(Some("text/plain"), b"x");
        response.headers_mut().insert("x-long", HeaderValue::from_str(&"a".repeat(length)).expect("a value"));
        fixed(response)
    };
    for (front, status) in [(Front::Rest, 500), (Front::Http, 500), (Front::Alb, 200), (Front::Url, 200)] {
        assert_eq!(get(&with(10_300), "/").through(front).send().await.status, status, "{front:?}");
        assert_eq!(get(&with(9_000), "/").through(front).send().await.status, 200, "{front:?}");
    }
    assert_eq!(get(&with(33_000), "/").through(Front::Alb).send().await.status, 500);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_a_413() {
    let app = fixed(typed(Some("text/plain"), b"x"));
    for front in EVENT_FRONTS {
        let mut event = ask(&app, "POST", "/").through(front).event();
        event["body"] = json!("a".repeat(front.event_limit()));
        assert_eq!(send(&app, &event).await.status, 413, "{front:?}");
        event["body"] = json!("a".repeat(front.body_limit() + 1));
        assert_eq!(send(&app, &event).await.status, 413, "{front:?}");
        event["body"] = json!("a".repeat(front.body_limit().min(front.event_limit() - 2000)));
        assert_eq!(send(&app, &event).await.status, 200, "{front:?}");
    }
}

#[tokio::test]
async fn a_service_that_fails_or_panics_leaves_an_error_page_and_the_process() {
    let site = folders(&[
        ("templates/500.html", "<h1>Sorry</h1>{{ detail or '' }}"),
        ("templates/400.html", "<h1>What?</h1>"),
    ]);
    let app = App::new(service_fn(async |request: Request| match request.uri().path() {
        "/panic" => panic!("the secret is 42"),
        "/index" => Ok(Response::new(String::from(&"short"[..request.uri().path().len()]))),
        "/error" => Err(BoxError::from("the secret is 42")),
        "/failed" => {
            let content = folders(&[]).content();
            let error: Error = content.render_template("none.html", ()).expect_err("there is no template");
            Ok(Response::from(error))
        }
        // Without the layer, nobody answers it.
        "/pending" => Ok(Response::from(Representation::new("text/plain", "x"))),
        _ => Ok(Response::new("fine".to_owned())),
    }))
    .with_error_pages(&site.content())
    .with_development(false);
    for path in ["/panic", "/index", "/error", "/failed", "/pending"] {
        let answer = get(&app, path).send().await;
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(answer.text(), "<h1>Sorry</h1>", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(get(&app, "/").send().await.text(), "fine");
    }
    assert_eq!(get(&app, "/%").send().await.text(), "<h1>What?</h1>");
    let answer = get(&app.with_development(true), "/panic").send().await;
    assert!(answer.text().contains("the secret is 42"), "a developer sees it");
}

#[tokio::test]
async fn an_error_page_that_fails_gives_way_to_a_plain_one() {
    let site = folders(&[("templates/500.html", "{{ none.of.this }}")]);
    let app = App::new(service_fn(async |_: Request| Err::<Response<String>, _>(BoxError::from("no"))))
        .with_error_pages(&site.content());
    let answer = get(&app, "/").send().await;
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("Internal Server Error"));
}

#[tokio::test]
async fn a_base_path_is_taken_off_and_put_before_links() {
    let site = folders(&[("templates/a.html", "{{ url('/next') }} {{ static('a.css') }}"), ("static/a.css", "")]);
    let content = site.content();
    let router = move |request: &Request| match request.uri().path() {
        "/page" => content.render_template("a.html", ()).expect("a template"),
        "/go" => content.redirect("/page"),
        _ => content.not_found(),
    };
    let app = crate::support::app(router).with_base_path("/shop");
    let page = get(&app, "/shop/page").send().await;
    assert_eq!(page.text(), "/shop/next /shop/static/a.e3b0c44298fc1c149afb.css");
    assert_eq!(get(&app, "/shop/go").send().await.header("location"), "/shop/page");
    assert_eq!(get(&app, "/shopping/page").send().await.status, 404);
    let behind_origin_path = app.with_public_root("");
    let other = get(&behind_origin_path, "/shop/page").send().await;
    assert_eq!(other.text(), "/next /static/a.e3b0c44298fc1c149afb.css");
    assert_ne!(page.header("etag"), other.header("etag"), "a page's links are in its tag");
}

/// A link with a query or a host in the middle would lead nowhere, or off the site.
#[tokio::test]
async fn what_is_no_prefix_is_an_error_with_the_reason_before_a_request_is_answered() {
    let app = || crate::support::app(|_| chalice_http_toolkit::Representation::new("text/plain", "x"));
    let event = get(&app(), "/").event().to_string();
    for prefix in ["/shop", "shop", "/shop/", "", "/", "/shop/v1", "/caf%C3%A9", "/$stage"] {
        for app in [app().with_base_path(prefix), app().with_public_root(prefix)] {
            assert_eq!(app.invoke(&event, None).await.expect(prefix).status(), 200, "{prefix}");
        }
    }
    for (prefix, why) in [
        ("https://user:hunter2@www.shop.example/shop", "whole URL"),
        ("/shop?a", "`?`"),
        ("/shop#a", "`#`"),
        ("/\\evil.example", "`\\`"),
        ("/a//b", "two slashes"),
        ("/../shop", "`..`"),
        ("/%2e%2e/shop", "`..`"),
        ("/my shop", "percent-encoded"),
        ("/café", "percent-encoded"),
        ("/shop\r\nset-cookie: a=1", "percent-encoded"),
    ] {
        for (app, what) in
            [(app().with_base_path(prefix), "base path"), (app().with_public_root(prefix), "public root")]
        {
            let refused = app.invoke(&event, None).await.expect_err(prefix);
            assert_eq!(app.run().await.expect_err(prefix).to_string(), refused.to_string());
            assert_eq!(refused.kind(), chalice_http_toolkit::ErrorKind::Configuration);
            let told = refused.to_string();
            assert!(told.contains(what) && told.contains(why) && !told.contains("hunter2"), "{told}");
        }
    }
}
