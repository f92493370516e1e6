//! What each front door does to requests and answers, as tests of sites and the local server see it.

use chalice_http_toolkit::{App, Front, TestSite};
use http::Response;
use lambda_http::{Request, RequestExt};
use serde_json::{Value, json};
use tower::service_fn;

use crate::support::{FRONTS, Log};

/// A site that answers with what it gets.
fn echo() -> TestSite {
    TestSite::new(service_fn(async |request: Request| {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))));
        let body = json!({
            "method": request.method().as_str(),
            "path": request.uri().path(),
            "query": request.query_string_parameters().iter().collect::<Vec<_>>(),
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "body": request.body().as_ref(),
        });
        Ok::<_, std::convert::Infallible>(Response::new(body.to_string()))
    }))
}

async fn echoed(request: chalice_http_toolkit::TestRequest<'_>) -> Value {
    let answer = request.send().await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    serde_json::from_str(answer.text()).expect("the echo is JSON")
}

const RENAMED: [&str; 5] = ["connection", "content-length", "date", "server", "www-authenticate"];

/// A site that answers with all fields that a door has its way with.
fn answering() -> TestSite {
    TestSite::new(service_fn(async |request: Request| {
        let mut response = Response::builder().status(401).header("etag", "\"1\"").header("vary", "accept");
        let fields = RENAMED.iter().filter(|name| **name != "content-length").chain(&["transfer-encoding"]);
        if request.uri().path() != "/plain" {
            for name in fields {
                response = response.header(*name, "Basic realm=\"Staging\"").header(*name, "another");
            }
        }
        response.body("who?".to_owned())
    }))
}

#[tokio::test]
async fn front_doors_rename_and_drop_fields_of_answers() {
    for front in FRONTS {
        let answer = answering().get("/").through(front).send().await;
        let lines = |name: &str| answer.headers().get_all(name).iter().count();
        for name in RENAMED {
            let renamed = format!("x-amzn-remapped-{name}");
            let expected = match (front, name) {
                // It counts the body by itself.
                (Front::Rest, "content-length") => (1, 1),
                (Front::Rest, _) => (0, 2),
                // Two lines came joined by a comma.
                (Front::Url, "www-authenticate") => (0, 1),
                (Front::Alb | Front::Plain, _) if name != "content-length" => (2, 0),
                // Two lines are one, joined by a comma.
                _ => (1, 0),
            };
            assert_eq!((lines(name), lines(&renamed)), expected, "{front:?} {name}");
        }
        assert_eq!((lines("transfer-encoding"), lines("x-amzn-remapped-transfer-encoding")), (0, 0), "{front:?}");
        assert_eq!((answer.header("etag"), answer.header("vary"), answer.text()), ("\"1\"", "accept", "who?"));
        assert_eq!(answer.header("content-length"), "4");
    }
}

#[tokio::test]
async fn the_log_says_once_which_fields_do_not_reach_the_client() {
    let log = Log::start();
    let site = answering();
    for path in ["/plain", "/", "/"] {
        for front in [Front::Http, Front::Alb, Front::Plain] {
            site.get(path).through(front).send().await;
        }
    }
    for front in [Front::Rest, Front::Url] {
        site.get("/plain").through(front).send().await;
    }
    let lost = ["WARN", "does not reach the client"];
    assert_eq!(log.lines(&lost), [""; 0], "these doors hand all on");
    for _ in 0..3 {
        site.get("/").through(Front::Rest).send().await;
        site.clone().with_front(Front::Rest).get("/").send().await;
    }
    assert_eq!(log.lines(&lost).len(), 5);
    for name in ["connection", "date", "server", "www-authenticate"] {
        let lines = log.lines(&[&lost[..], &[name, &format!("x-amzn-remapped-{name}"), "Rest"]].concat());
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
    }
    let behind_a_function_url = answering();
    for _ in 0..2 {
        behind_a_function_url.get("/").through(Front::Url).send().await;
    }
    assert_eq!(log.lines(&lost).len(), 6);
    assert_eq!(log.lines(&["www-authenticate", "x-amzn-remapped-www-authenticate", "Url"]).len(), 1);
}

#[tokio::test]
async fn a_rest_api_drops_fields_of_requests() {
    let dropped = [
        "connection",
        "content-length",
        "content-md5",
        "expect",
        "max-forwards",
        "proxy-authenticate",
        "server",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
    ];
    let kept = ["accept", "authorization", "host", "range", "referer", "user-agent", "via", "x-own"];
    for front in FRONTS {
        let site = echo();
        let request = dropped.iter().chain(&kept).fold(site.get("/"), |request, name| request.header(name, "1"));
        let got = echoed(request.through(front)).await;
        let arrived = |name: &str| got["headers"].get(name).is_some();
        assert!(kept.iter().all(|name| arrived(name)), "{front:?} {got}");
        let of_the_connection = ["connection", "expect", "te", "trailer", "transfer-encoding", "upgrade"];
        let is_dropped = |name| match front {
            Front::Rest => true,
            Front::Plain => of_the_connection.contains(name),
            _ => false,
        };
        assert!(dropped.iter().all(|name| arrived(name) != is_dropped(name)), "{front:?} {got}");
    }
}

#[tokio::test]
async fn a_rest_api_takes_the_method_from_a_field() {
    for (front, method) in FRONTS.map(|front| (front, if front == Front::Rest { "DELETE" } else { "POST" })) {
        let site = echo();
        let overridden = site.post("/").header("x-http-method-override", "DELETE").through(front);
        let got = echoed(overridden).await;
        assert_eq!((&got["method"], got["headers"].get("content-type")), (&json!(method), None), "{front:?}");
    }
}

#[tokio::test]
async fn each_front_door_hands_over_its_own_path() {
    for (sent, rest, http, others) in [
        ("/a%20b", "/a%20b", "/a%20b", "/a%20b"),
        // An HTTP API decodes the path, and cuts it at what then is a question mark.
        ("/what%3Fa=1/b?c=2", "/what%3Fa=1/b", "/what", "/what%3Fa=1/b"),
        ("/%3F", "/%3F", "/", "/%3F"),
        ("/a%3fb%3Fc", "/a%3fb%3Fc", "/a", "/a%3fb%3Fc"),
        ("/a%23b", "/a%23b", "/a%23b", "/a%23b"),
        ("/a%2Fb", "/a%2Fb", "/a/b", "/a%2Fb"),
        ("/a/%253F", "/a/%253F", "/a/%253F", "/a/%253F"),
        // A REST API has one slash at the start; inner ones stay.
        ("//evil.example//a/", "/evil.example//a/", "//evil.example//a/", "//evil.example//a/"),
        ("///", "/", "///", "///"),
        ("/a/", "/a/", "/a/", "/a/"),
    ] {
        for (front, expected) in [
            (Front::Rest, rest),
            (Front::Http, http),
            (Front::Url, others),
            (Front::Alb, others),
            (Front::Plain, others),
        ] {
            let site = echo();
            assert_eq!(echoed(site.get(sent).through(front)).await["path"], expected, "{front:?} {sent}");
        }
    }
}

#[tokio::test]
async fn a_rest_api_has_rules_of_its_own_for_queries_and_every_api_for_the_size_of_fields() {
    for front in FRONTS {
        let site = echo();
        let is_rest = front == Front::Rest;
        let split = echoed(site.get("/?a=1;b=2&c=%3B").through(front)).await;
        let expected = if is_rest { 3 } else { 2 };
        assert_eq!(split["query"].as_array().map(Vec::len), Some(expected), "{front:?} {split}");
        for bare in ["/?a=x|y", "/?{a}=1", "/?}"] {
            let status = site.get(bare).through(front).send().await.status();
            assert_eq!(status, if is_rest { 400 } else { 200 }, "{front:?} {bare}");
        }
        let long = "a".repeat(10_241);
        let status = site.get("/").header("x-long", &long).through(front).send().await.status();
        let is_limited = matches!(front, Front::Rest | Front::Http);
        assert_eq!(status, if is_limited { 431 } else { 200 }, "{front:?}");
    }
}

#[tokio::test]
async fn cookies_arrive_once_through_every_front_door() {
    for front in FRONTS {
        let site = echo();
        let got = echoed(site.get("/").header("cookie", "a=1; b=\u{e4};c=3").through(front)).await;
        assert_eq!(got["headers"]["cookie"], "a=1; b=\u{e4}; c=3", "{front:?}");
    }
}

#[tokio::test]
async fn a_body_arrives_whole_whatever_its_type_through_every_front_door() {
    let types = ["text/plain", "application/json", "application/xml", "application/javascript", "image/png"];
    for (front, media_type) in FRONTS.iter().flat_map(|front| types.map(|media_type| (*front, media_type))) {
        for body in ["{\"a\": \"\u{e4}\"}".as_bytes(), b"\xff\x00"] {
            let site = echo();
            let got = echoed(site.post("/").body(media_type, body.to_vec()).through(front)).await;
            assert_eq!(got["body"], json!(body), "{front:?} {media_type}");
        }
    }
}

#[tokio::test]
async fn links_carry_the_base_path_whether_the_event_has_it_or_not() {
    let site = crate::support::folders(&[("templates/a.html", "{{ url('/cart') }}"), ("static/a.css", "")]);
    let content = site.content();
    let app: App = crate::support::app(move |request| match request.uri().path() {
        "/go" => content.redirect("/cart"),
        "/page" | "/" => content.render_template("a.html", ()).expect("a template"),
        _ => content.not_found(),
    });
    let site = TestSite::of(app.with_base_path("/shop"));
    for front in FRONTS {
        for path in ["/", "/page", "/shop", "/shop/", "/shop/page"] {
            assert_eq!(site.get(path).through(front).send().await.text(), "/shop/cart", "{front:?} {path}");
        }
        for path in ["/go", "/shop/go"] {
            assert_eq!(site.get(path).through(front).send().await.header("location"), "/shop/cart", "{front:?} {path}");
        }
        assert_eq!(site.get("/shopping").through(front).send().await.status(), 404, "{front:?}");
    }
}

#[tokio::test]
async fn a_base_path_is_encoded_once_in_every_link_and_found_however_a_path_encodes_it() {
    let site = crate::support::folders(&[("templates/a.html", "{{ url('/cart') }}"), ("static/a.css", "")]);
    let content = site.content();
    let app: App = crate::support::app(move |request| match request.uri().path() {
        "/go" => content.redirect("/cart"),
        "/page" => content.render_template("a.html", ()).expect("a template"),
        _ => content.not_found(),
    });
    let app = app.with_base_path("caf%C3%A9%20du%20port/");
    let public = TestSite::of(app.clone().with_public_root("/%C3%A9"));
    let site = TestSite::of(app);
    for front in FRONTS {
        for path in ["/page", "/caf%C3%A9%20du%20port/page", "/caf%c3%a9%20d%75%20port/page"] {
            let page = site.get(path).through(front).send().await;
            assert_eq!(page.text(), "/caf%C3%A9%20du%20port/cart", "{front:?} {path}");
            assert_eq!(public.get(path).through(front).send().await.text(), "/%C3%A9/cart", "{front:?} {path}");
        }
        let answer = site.get("/caf%C3%A9%20du%20port/go").through(front).send().await;
        assert_eq!(answer.header("location"), "/caf%C3%A9%20du%20port/cart", "{front:?}");
    }
}
