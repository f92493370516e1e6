//! Error pages: which answers they take the place of, what stays of those, and what clients of an API get.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Multipart, NestedPath, Path, Query, RawPathParams},
    response::{Html, IntoResponse},
    routing::{any, get as axum_get, head, post},
};
use chalice_http_toolkit::{
    App, BoxError, CloudFront, ContentManager, Embedded, EntityTag, Error, Front, Representation,
};
use http::{HeaderValue, Response, StatusCode, header};
use lambda_http::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{Layer, service_fn};
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer, limit::RequestBodyLimitLayer};

use crate::support::{Answer, Log, app, ask, get};

const TEMPLATES: Embedded = Embedded::new(&[
    ("404.html", b"the site's 404"),
    ("405.html", b"the site's 405{{ detail }}"),
    ("500.html", b"the site's 500{{ detail }}"),
    ("error.html", b"the site's {{ status }} {{ title }}: {{ detail }}"),
]);
const FILES: Embedded = Embedded::new(&[("a.txt", b"0123456789")]);

fn content() -> ContentManager {
    ContentManager::new(TEMPLATES, FILES).expect("embedded files are there")
}

/// What visitors see, with the site's pages.
fn with_pages(app: App) -> App {
    app.with_error_pages(&content()).with_development(false)
}

fn page(status: u16) -> String {
    match status {
        404 | 405 | 500 => format!("the site's {status}"),
        _ => format!("the site's {status} {}: ", StatusCode::from_u16(status).unwrap().canonical_reason().unwrap()),
    }
}

/// That the answer is the site's page for its status, and is kept by nobody in place of what was asked for.
fn is_page(answer: &Answer, status: u16, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.text()), (status, page(status).as_str()), "{what}");
    assert_eq!(answer.line("content-type"), "text/html; charset=utf-8", "{what}");
    assert_eq!(answer.line("content-length"), answer.body.len().to_string(), "{what}");
    let policy = answer.line("cache-control");
    assert!(["no-store", "no-cache", "private, no-store"].contains(&policy), "{what}: {policy}");
    let vary: Vec<&str> = answer.headers.get_all("vary").iter().filter_map(|line| line.to_str().ok()).collect();
    assert!(vary.join(",").contains("accept"), "{what}: {vary:?}");
}

/// Each refusal that axum's extractors of this version have, and some of layers of tower-http.
fn refusing() -> Router {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Cup,
        Bowl,
    }
    #[derive(Deserialize)]
    struct Item {
        #[allow(dead_code)]
        id: u32,
    }
    async fn multipart(mut parts: Multipart) -> Result<String, axum::extract::multipart::MultipartError> {
        while let Some(part) = parts.next_field().await? {
            part.bytes().await?;
        }
        Ok("taken".into())
    }
    let limited = Router::new()
        .route("/limited", post(async |body: Bytes| body))
        .layer(DefaultBodyLimit::max(4))
        .route("/limited-layer", post(async |body: Bytes| body).layer(RequestBodyLimitLayer::new(4)))
        .route("/limited-multipart", post(multipart).layer(DefaultBodyLimit::max(4)));
    Router::new()
        .route("/path/{id}", axum_get(async |Path(id): Path<u32>| id.to_string()))
        .route("/pair/{a}/{b}", axum_get(async |Path((a, b)): Path<(u32, u32)>| (a + b).to_string()))
        .route("/struct/{id}", axum_get(async |Path(_): Path<Item>| "item"))
        .route("/other/{other}", axum_get(async |Path(_): Path<Item>| "item"))
        .route(
            "/kind/{kind}",
            axum_get(async |Path(kind): Path<Kind>| matches!(kind, Kind::Cup | Kind::Bowl).to_string()),
        )
        .route("/two/{a}/{b}", axum_get(async |Path(a): Path<String>| a))
        .route("/bytes/{a}", axum_get(async |Path(_): Path<HashMap<String, Option<Vec<u32>>>>| "bytes"))
        .route("/raw/{a}", axum_get(async |_: RawPathParams| "raw"))
        .route("/query", axum_get(async |Query(query): Query<HashMap<String, u32>>| query.len().to_string()))
        .route(
            "/form",
            axum_get(async |axum::Form(_): axum::Form<Item>| "form")
                .post(async |axum::Form(_): axum::Form<Item>| "form"),
        )
        .route("/json", post(async |Json(_): Json<Item>| "json"))
        .route("/text", post(async |text: String| text))
        .route("/multipart", post(multipart))
        .route("/extension", axum_get(async |Extension(text): Extension<&'static str>| text))
        .route("/nested", axum_get(async |_: NestedPath| "nested"))
        .route("/panic", axum_get(async || if true { panic!("a bug") } else { "" }).layer(CatchPanicLayer::new()))
        .merge(limited)
}

/// The request, and the status that axum refuses it with.
type Refused = (&'static str, &'static str, &'static str, &'static [u8], u16);

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=x";

const REFUSED: [Refused; 28] = [
    ("GET", "/nowhere", "", b"", 404),
    ("POST", "/path/1", "", b"", 405),
    ("GET", "/path/one", "", b"", 400),
    ("GET", "/path/%ff", "", b"", 400),
    ("GET", "/pair/1/two", "", b"", 400),
    ("GET", "/struct/one", "", b"", 400),
    ("GET", "/other/1", "", b"", 400),
    ("GET", "/kind/plate", "", b"", 400),
    ("GET", "/two/a/b", "", b"", 500),
    ("GET", "/bytes/1", "", b"", 500),
    ("GET", "/raw/%ff", "", b"", 400),
    ("GET", "/query?page=one", "", b"", 400),
    ("GET", "/form?id=one", "", b"", 400),
    ("POST", "/form", "", b"id=1", 415),
    ("POST", "/form", FORM, b"id=one", 422),
    ("POST", "/json", "", b"{}", 415),
    ("POST", "/json", "application/json", b"{", 400),
    ("POST", "/json", "application/json", b"{\"id\":\"one\"}", 422),
    ("POST", "/text", "", b"\xff", 400),
    ("POST", "/multipart", "", b"x", 400),
    ("POST", "/multipart", MULTIPART, b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1", 400),
    ("POST", "/multipart", MULTIPART, b"--x\r\nContent-", 400),
    ("POST", "/limited", "", b"12345", 413),
    ("POST", "/limited-layer", "", b"12345", 413),
    (
        "POST",
        "/limited-multipart",
        MULTIPART,
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n",
        413,
    ),
    ("GET", "/extension", "", b"", 500),
    ("GET", "/nested", "", b"", 500),
    ("GET", "/panic", "", b"", 500),
];

async fn refused(app: &App, (method, target, content_type, body, _): Refused, accept: &str) -> Answer {
    let request = ask(app, method, target).header("accept", accept).header("x-client", "test");
    let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
    let mut event = request.event();
    use base64::{Engine, engine::general_purpose::STANDARD};
    event["body"] = STANDARD.encode(body).into();
    event["isBase64Encoded"] = true.into();
    crate::support::send(app, &event).await
}

/// With the layer around the router, inside of it, and without.
fn places() -> [(&'static str, App); 3] {
    [
        ("around", App::new(CloudFront::new().layer(refusing()))),
        ("inside", App::new(refusing().layer(CloudFront::new()))),
        ("without", App::new(refusing())),
    ]
}

#[tokio::test]
async fn what_axum_refuses_gets_the_sites_page() {
    for (place, app) in places() {
        let plain = app.clone();
        let app = with_pages(app);
        for case @ (method, target, .., status) in REFUSED {
            let what = format!("{place}: {method} {target}");
            let before = refused(&plain, case, "*/*").await;
            assert_eq!(before.status, status, "{what}: {}", before.text());
            let answer = refused(&app, case, "text/html,*/*;q=0.8").await;
            is_page(&answer, status, &what);
            assert_eq!(answer.header("allow"), before.header("allow"), "{what}");
            if method == "GET" {
                let head = refused(&app, ("HEAD", target, "", b"", status), "text/html").await;
                assert_eq!((head.status, &head.headers), (answer.status, &answer.headers), "{what}: HEAD");
                assert!(head.body.is_empty(), "{what}");
            }
        }
    }
    assert_eq!(ask(&with_pages(App::new(refusing())), "POST", "/path/1").send().await.line("allow"), "GET,HEAD");
}

#[tokio::test]
async fn a_developer_sees_why_and_the_log_says_it() {
    let (_, app) = places().into_iter().next().expect("the first");
    let app = with_pages(app).with_development(true);
    let log = Log::start();
    let answer = get(&app, "/query?page=one").send().await;
    assert!(answer.text().contains("page: invalid digit found in string"), "{}", answer.text());
    assert_eq!(log.lines(&["INFO", "a request was refused", "/query", "page: invalid digit"]).len(), 1);
    get(&app, "/extension").send().await;
    assert_eq!(log.lines(&["ERROR", "a request failed", "/extension", "Missing request extension"]).len(), 1);
    get(&app, "/nowhere").send().await;
    assert!(log.lines(&["/nowhere"]).is_empty(), "nothing is said of what is not there");
}

/// The crate's own refusals are nobody's text either.
#[tokio::test]
async fn what_this_crate_refuses_gets_the_sites_page() {
    let content = content();
    let service = service_fn(move |request: Request| {
        let answer = match request.uri().path() {
            "/empty" => Representation::new("text/plain", "").with_status(StatusCode::CONFLICT),
            "/html" => content.html("<p>Hello"),
            _ => content.static_file("a.txt"),
        };
        async { Ok::<Response<String>, Infallible>(answer.into()) }
    });
    let once = CloudFront::new().layer(service);
    refused_with_a_page(&with_pages(App::new(once.clone()))).await;
    refused_with_a_page(&with_pages(App::new(CloudFront::new().layer(once)))).await;
}

async fn refused_with_a_page(app: &App) {
    for (method, target, name, value, status) in [
        ("POST", "/file", "x-none", "", 405),
        ("BREW", "/html", "x-none", "", 501),
        ("GET", "/file", "if-match", "\"x\"", 412),
        ("GET", "/file", "range", "bytes=99-", 416),
        ("GET", "/empty", "x-none", "", 409),
    ] {
        let answer = ask(app, method, target).header(name, value).send().await;
        is_page(&answer, status, &format!("{method} {target} {name}"));
        assert_eq!(answer.header("allow"), if status == 405 { "GET, HEAD, OPTIONS" } else { "" });
        assert_eq!(answer.header("content-range"), if status == 416 { "bytes */10" } else { "" });
        assert_eq!(answer.header("etag"), "", "the tag is another representation's");
        if method == "GET" {
            let head = ask(app, "HEAD", target).header(name, value).send().await;
            let expected = if status == 416 { 200 } else { status };
            assert_eq!(head.status, expected, "§14.2: a range is for GET alone");
            assert!(status == 416 || head.headers == answer.headers, "{head:?} {answer:?}");
        }
    }
    let method = ask(app, "POST", "/html").send().await;
    assert_eq!(method.status, 200, "a page is there for any method");
}

/// Answers that a handler has given a body: a text that is like none of axum's, or is of another status or type.
fn own() -> Router {
    Router::new()
        .route("/text", any(async || (StatusCode::NOT_FOUND, "no such order")))
        .route("/html", any(async || (StatusCode::CONFLICT, Html("<p>Somebody was faster"))))
        .route("/json", any(async || (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "field": "id" })))))
        .route("/null", any(async || (StatusCode::BAD_REQUEST, Json(()))))
        .route("/space", any(async || (StatusCode::BAD_REQUEST, " ")))
        .route("/like", any(async || (StatusCode::BAD_REQUEST, "Invalid URL: it must begin with https")))
        .route("/begins", any(async || (StatusCode::BAD_REQUEST, "Failed to deserialize form letters")))
        .route("/inner", any(async || (StatusCode::BAD_REQUEST, "Sorry. Failed to deserialize query string: x")))
        .route("/status", any(async || (StatusCode::CONFLICT, "Failed to deserialize query string: x")))
        .route(
            "/type",
            any(async || {
                (StatusCode::BAD_REQUEST, [("content-type", "text/x-own")], "Failed to deserialize query string: x")
            }),
        )
        .route("/teapot", any(async || (StatusCode::IM_A_TEAPOT, [("content-length", "1")], "x")))
        .route("/bare", any(async || StatusCode::CONFLICT))
        .route("/fine", any(async || ""))
        .route("/moved", any(async || (StatusCode::SEE_OTHER, [("location", "/fine")])))
        .route("/ours", any(async || content().not_found()))
        .route("/closed", any(async || content().error_page(StatusCode::SERVICE_UNAVAILABLE, Some("until Monday"))))
}

#[tokio::test]
async fn what_a_handler_writes_itself_stays() {
    for (place, app) in
        [("around", App::new(CloudFront::new().layer(own()))), ("inside", App::new(own().layer(CloudFront::new())))]
    {
        let pages = with_pages(app.clone());
        for target in [
            "/text", "/html", "/json", "/null", "/space", "/like", "/begins", "/inner", "/status", "/type", "/teapot",
            "/fine", "/moved", "/ours", "/closed",
        ] {
            for (method, accept) in ["GET", "HEAD", "POST"]
                .iter()
                .flat_map(|method| ["text/html", "application/json"].map(|accept| (*method, accept)))
            {
                let without = ask(&app, method, target).header("accept", accept).send().await;
                let with = ask(&pages, method, target).header("accept", accept).send().await;
                let both = (with.status, &with.headers, &with.body);
                assert_eq!(both, (without.status, &without.headers, &without.body), "{place} {method} {target}");
            }
        }
    }
}

/// As a layer of tower-http does with any text of some length.
async fn gzipped(response: axum::response::Response) -> axum::response::Response {
    use std::io::Write;
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    if body.len() < 32 {
        return Response::from_parts(parts, body.into());
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&body).expect("memory");
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(parts, encoder.finish().expect("memory").into())
}

#[tokio::test]
async fn what_axum_refuses_gets_the_sites_page_compressed_or_not() {
    let gzip = || axum::middleware::map_response(gzipped);
    for (place, router) in [
        ("inside", refusing().merge(own()).layer(gzip()).layer(CloudFront::new())),
        ("outside", refusing().merge(own()).layer(CloudFront::new()).layer(gzip())),
        ("without", refusing().merge(own()).layer(gzip())),
    ] {
        let app = with_pages(App::new(router));
        for case @ (method, target, .., status) in REFUSED {
            let answer = refused(&app, case, "text/html").await;
            is_page(&answer, status, &format!("{place}: {method} {target}"));
            assert_eq!(answer.header("content-encoding"), "", "{place}: {method} {target}");
        }
        // What a handler writes stays as it was compressed.
        let answer = get(&app, "/begins").send().await;
        assert_eq!((answer.status.as_u16(), answer.line("content-encoding")), (400, "gzip"), "{place}");
    }
}

/// Which refusal it is only the text tells, and a router takes that off.
#[tokio::test]
async fn head_has_the_fields_of_get_without_the_layer_too() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let of = asked.clone();
    let seen = move |request: axum::extract::Request, next: axum::middleware::Next| {
        of.lock().unwrap().push(request.method().to_string());
        next.run(request)
    };
    let router = own().layer(axum::middleware::from_fn(seen));
    for (app, again) in [
        (App::new(router.clone()), &["HEAD", "GET"][..]),
        (App::new(CloudFront::new().layer(router.clone())), &["GET"]),
        (App::new(router.layer(CloudFront::new())), &["GET"]),
    ] {
        let app = with_pages(app);
        for target in ["/text", "/html", "/json", "/null", "/like", "/status", "/nowhere", "/bare"] {
            let whole = get(&app, target).send().await;
            asked.lock().unwrap().clear();
            let fields = ask(&app, "HEAD", target).send().await;
            assert_eq!((fields.status, &fields.headers), (whole.status, &whole.headers), "{target}");
            assert!(fields.body.is_empty(), "{target}");
            // An answer without a body says that it has none.
            let says_so = target == "/bare" && again.len() == 2;
            assert!(says_so || *asked.lock().unwrap() == again, "{target}: {asked:?}");
        }
        // Nothing is asked again of what does not fail.
        for target in ["/fine", "/moved"] {
            asked.lock().unwrap().clear();
            ask(&app, "HEAD", target).send().await;
            assert_eq!(asked.lock().unwrap().len(), 1, "{target}");
        }
    }
    // A route that answers HEAD by itself.
    for route in [head(async || StatusCode::GONE), head(async || StatusCode::GONE).get(async || "x")] {
        let answer = ask(&with_pages(App::new(Router::new().route("/", route))), "HEAD", "/").send().await;
        assert_eq!((answer.status, answer.line("content-length")), (StatusCode::GONE, "21"));
    }
}

/// A site that names no pages keeps what it has; only what fails gets a plain page.
#[tokio::test]
async fn without_pages_refusals_stay_as_they_are() {
    let app = App::new(CloudFront::new().layer(refusing()));
    assert_eq!(get(&app, "/nowhere").send().await.text(), "");
    assert!(get(&app, "/path/one").send().await.text().starts_with("Invalid URL: "));
    let failing = App::new(service_fn(async |_: Request| Err::<Response<String>, _>(BoxError::from("x"))));
    let failing = failing.with_development(false);
    assert!(get(&failing, "/").send().await.text().contains("<h1>Internal Server Error</h1>"));
    let problem = get(&failing, "/").header("accept", "application/json").send().await;
    assert_eq!(problem.line("content-type"), "application/problem+json");
}

#[tokio::test]
async fn a_client_of_an_api_gets_problem_details() {
    for (place, app) in places() {
        let app = with_pages(app);
        for case @ (method, target, .., status) in REFUSED {
            let answer = refused(&app, case, "application/json").await;
            let what = format!("{place}: {method} {target}");
            assert_eq!(
                (answer.status.as_u16(), answer.line("content-type")),
                (status, "application/problem+json"),
                "{what}"
            );
            assert!(answer.line("vary").contains("accept"), "{what}");
            let problem: Value = serde_json::from_str(answer.text()).expect("JSON");
            let title = answer.status.canonical_reason().expect("a known status");
            assert_eq!(
                (&problem["type"], &problem["title"]),
                (&"about:blank".into(), &title.into()),
                "RFC 9457 §4.2.1"
            );
            assert_eq!(problem["status"], status, "{what}");
            // Why a request is wrong is for the client; why the site fails is not.
            let is_told = (400..500).contains(&status) && status != 404 && status != 405;
            assert_eq!(
                problem.get("detail").is_some_and(|detail| !detail.as_str().unwrap().is_empty()),
                is_told,
                "{what}"
            );
        }
        let answer = ask(&app, "POST", "/path/1").header("accept", "application/json").send().await;
        assert_eq!(answer.line("allow"), "GET,HEAD", "{place}");
    }
    let app = with_pages(App::new(service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(String::new())))));
    for (target, name, value) in [("/%zz", "x", "y"), ("/", "host", "a b")] {
        let unread = get(&app, target).header("accept", "application/json").header(name, value).send().await;
        assert_eq!(
            (unread.status.as_u16(), unread.line("content-type")),
            (400, "application/problem+json"),
            "{target}"
        );
    }
    for (accept, is_problem) in
        [("*/*", false), ("text/html, application/json", false), ("application/json, */*", true)]
    {
        let answer = get(&app, "/%zz").header("accept", accept).send().await;
        assert_eq!(answer.line("content-type").ends_with("json"), is_problem, "{accept}");
    }
}

#[tokio::test]
async fn a_page_takes_the_template_of_its_status_then_the_one_of_errors_then_a_plain_one() {
    let bare =
        |status: u16| {
            App::new(CloudFront::new().layer(service_fn(move |_: Request| async move {
                Response::builder().status(status).body(String::new())
            })))
        };
    for (templates, expected) in [
        (Embedded::new(&[("405.html", b"own"), ("error.html", b"any")]), "own"),
        (
            Embedded::new(&[("404.html", b"other"), ("error.html", b"any {{ status }}, {{ title }}{{ detail }}")]),
            "any 405, Method Not Allowed",
        ),
        (Embedded::new(&[("404.html", b"other")]), "<h1>Method Not Allowed</h1>"),
    ] {
        let content = ContentManager::new(templates, FILES).expect("content");
        let answer = get(&bare(405).with_error_pages(&content), "/").send().await;
        assert!(answer.text().contains(expected), "{}", answer.text());
    }
    let unknown = get(&with_pages(bare(599)), "/").send().await;
    assert_eq!((unknown.status.as_u16(), unknown.text()), (599, "the site's 599 Error: "));
}

#[tokio::test]
async fn a_page_without_a_detail_prints_nothing_for_it() {
    use minijinja_of_site::UndefinedBehavior;
    let page = b"[{{ detail }}|{% if detail %}x{% endif %}|{{ detail or 'y' }}]" as &[u8];
    let templates: &'static [(&str, &[u8])] = Box::leak(Box::new([("500.html", page), ("404.html", page)]));
    for behavior in [
        UndefinedBehavior::Lenient,
        UndefinedBehavior::Chainable,
        UndefinedBehavior::SemiStrict,
        UndefinedBehavior::Strict,
    ] {
        let content = ContentManager::new(Embedded::new(templates), FILES).expect("content");
        let content = content.with_environment(move |engine| {
            engine.set_undefined_behavior(behavior);
        });
        let failing = App::new(service_fn(async |_: Request| Err::<Response<String>, _>(BoxError::from("x"))));
        let answer = get(&failing.with_error_pages(&content).with_development(false), "/").send().await;
        assert_eq!(answer.text(), "[||y]", "{behavior:?}");
        let pages = content.clone();
        let missing = get(&app(move |_| pages.not_found()), "/").send().await;
        assert_eq!(missing.text(), "[||y]", "{behavior:?}");
    }
    let content =
        ContentManager::new(Embedded::new(&[("404.html", b"{{ detail is defined }}{{ detail|default('-') }}")]), FILES);
    let content = content.expect("content");
    assert_eq!(get(&app(move |_| content.not_found()), "/").send().await.text(), "False-");
}

use chalice_http_toolkit::minijinja as minijinja_of_site;

/// What a layer puts on an answer, and where it stands.
fn marked(response: Response<axum::body::Body>, name: &'static str) -> Response<axum::body::Body> {
    ([(name, "1")], response).into_response()
}

/// A handler that fails, in each way that there is.
fn failing() -> Router {
    Router::new()
        .route("/error", any(async || Err::<String, _>(Error::handler("the database is away"))))
        .route(
            "/status",
            any(async || (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "5")], Error::handler("busy"))),
        )
        .route(
            "/template",
            any(async || {
                let broken = Embedded::new(&[("a.html", b"{{ a.b.c }}")]);
                ContentManager::new(broken, FILES).expect("content").render_template("a.html", ())
            }),
        )
        .route(
            "/lazy",
            any(async || Representation::lazy("text/plain", async { Err(Error::handler("the disk is away")) })),
        )
        .route(
            "/redirect",
            any(async || {
                let broken = Representation::lazy("text/plain", async { Err(Error::handler("x")) });
                let moved = broken.with_status(StatusCode::SEE_OTHER);
                moved.with_header(header::LOCATION, HeaderValue::from_static("/next"))
            }),
        )
        .route(
            "/broken-off",
            any(async || {
                let chunks = [Ok(Bytes::from_static(b"half")), Err(BoxError::from("gone"))];
                axum::body::Body::from_stream(futures_util::stream::iter(chunks))
            }),
        )
        .route("/refused/{id}", any(async |Path(id): Path<u32>| id.to_string()))
}

#[tokio::test]
async fn fields_of_layers_stay_on_an_error_page_whatever_side_they_are_on() {
    let inside = failing().layer(axum::middleware::map_response(async |response| marked(response, "x-inside")));
    let site = CloudFront::new().layer(inside);
    let outside = CorsLayer::new().allow_origin(tower_http::cors::Any).layer(site);
    let app = with_pages(App::new(outside));
    for (target, status) in [
        ("/error", 500),
        ("/status", 503),
        ("/template", 500),
        ("/lazy", 500),
        ("/redirect", 500),
        ("/broken-off", 500),
        ("/refused/one", 400),
        ("/nowhere", 404),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&app, method, target).header("origin", "https://a.example").send().await;
            let what = format!("{method} {target}");
            if method == "GET" {
                is_page(&answer, status, &what);
            }
            assert_eq!((answer.status.as_u16(), answer.line("x-inside")), (status, "1"), "{what}");
            assert_eq!(answer.line("access-control-allow-origin"), "*", "{what}");
            assert_eq!(answer.header("location"), "", "{what}: an error leads nowhere");
            assert_eq!(answer.header("retry-after"), if status == 503 { "5" } else { "" }, "{what}");
        }
    }
}

/// The layers inside never saw an answer; those outside did.
#[tokio::test]
async fn after_a_panic_the_fields_of_layers_outside_are_left() {
    let router = Router::new()
        .route("/panic", any(async || if true { panic!("a bug") } else { "" }))
        .layer(axum::middleware::map_response(async |response| marked(response, "x-inside")));
    let cors = || CorsLayer::new().allow_origin(tower_http::cors::Any);
    let app = with_pages(App::new(cors().layer(CloudFront::new().layer(router))));
    let answer = get(&app, "/panic").header("origin", "https://a.example").send().await;
    is_page(&answer, 500, "a panic");
    assert_eq!((answer.header("x-inside"), answer.line("access-control-allow-origin")), ("", "*"));
    // A service may panic before there is anything to wait for, and a body when it is made.
    let at_once = service_fn(|request: Request| {
        assert_ne!(request.uri().path(), "/call", "a bug");
        let body = Representation::lazy("text/plain", async { panic!("a bug") });
        async { Ok::<Response<String>, Infallible>(body.into()) }
    });
    let app = with_pages(App::new(cors().layer(CloudFront::new().layer(at_once))));
    for target in ["/call", "/body"] {
        let answer = get(&app, target).header("origin", "https://a.example").send().await;
        is_page(&answer, 500, target);
        assert_eq!(answer.line("access-control-allow-origin"), "*", "{target}");
    }
}

#[tokio::test]
async fn an_error_of_a_service_that_is_no_response_has_the_fields_of_layers_too() {
    let failing = service_fn(async |_: Request| Err::<Response<String>, _>(BoxError::from("the database is away")));
    let app = App::new(CorsLayer::new().allow_origin(tower_http::cors::Any).layer(CloudFront::new().layer(failing)));
    let log = Log::start();
    let answer = get(&with_pages(app), "/").header("origin", "https://a.example").send().await;
    is_page(&answer, 500, "an error");
    assert_eq!(answer.line("access-control-allow-origin"), "*");
    assert_eq!(log.lines(&["ERROR", "a request failed", "the database is away"]).len(), 1, "it is logged once");
}

/// A field of a cache has no place on a page that no cache may keep.
#[tokio::test]
async fn a_page_is_not_kept_whatever_the_answer_said_that_it_stands_for() {
    let app = with_pages(App::new(CloudFront::new().layer(service_fn(async |request: Request| {
        let status: u16 = request.uri().path()[1..].parse()?;
        let response = Response::builder().status(status).header("cache-control", "public, max-age=60");
        let response = response.header("cdn-cache-control", "max-age=60").header("surrogate-control", "max-age=60");
        let response = response.header("expires", "Fri, 01 Jan 2100 00:00:00 GMT").header("etag", "\"1\"");
        Ok::<_, BoxError>(response.header("content-language", "en").body(String::new())?)
    }))));
    for (path, policy) in [("/404", "no-cache"), ("/410", "no-cache"), ("/403", "no-store"), ("/503", "no-store")] {
        let answer = get(&app, path).send().await;
        assert_eq!(answer.line("cache-control"), policy, "{path}");
        let fields = ["cache-control", "content-length", "content-type", "vary", "x-content-type-options"];
        assert_eq!(answer.names(), fields, "{path}");
    }
}

/// Too large a reply, or a task that can't be sent, is known when the handler has answered: what it said stays.
#[tokio::test]
async fn a_reply_that_does_not_fit_keeps_the_fields_that_do() {
    let service = service_fn(async |request: Request| {
        let body = if request.uri().path() == "/body" { "x".repeat(7 << 20) } else { String::new() };
        let cookie = if request.uri().path() == "/cookie" { "c".repeat(20_000) } else { "a=1".into() };
        let response =
            Response::builder().header("x-own", "1").header("set-cookie", "b=2").header("set-cookie", cookie);
        let response = response.header("content-type", "text/x-own").header("location", "/next");
        response.header("cache-control", "public, max-age=60").body(body)
    });
    let app = with_pages(App::new(service));
    let answer = get(&app, "/body").through(Front::Rest).send().await;
    is_page(&answer, 500, "a body");
    assert_eq!((answer.line("x-own"), answer.header("location")), ("1", ""));
    assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["b=2", "a=1"]);
    let answer = get(&app, "/cookie").through(Front::Rest).send().await;
    is_page(&answer, 500, "fields");
    assert_eq!((answer.header("x-own"), answer.header("set-cookie")), ("", ""), "they are what is too large");
}

/// SECURITY: whoever goes around the distribution is shown nothing of the site.
#[tokio::test]
async fn a_stranger_at_the_origin_sees_no_page_of_the_site() {
    let guarded = CloudFront::new().with_origin_secret("1f8c2a9e4b7d6053a1e9c8b7d6f5e4a3").expect("a secret");
    let app = with_pages(App::new(guarded.layer(own())));
    let answer = get(&app, "/text").send().await;
    assert_eq!((answer.status.as_u16(), answer.text()), (403, "Forbidden.\n"));
}

#[cfg(feature = "images")]
#[tokio::test]
async fn parameters_that_no_image_has_get_the_sites_page() {
    use chalice_http_toolkit::Images;
    let png = include_bytes!("../../static/img/logo.png");
    let files: &'static [(&str, &[u8])] = Box::leak(Box::new([("logo.png", png.as_slice())]));
    let content = ContentManager::new(TEMPLATES, Embedded::new(files)).expect("content").with_images(Images::new());
    let app = with_pages(app(move |request| content.static_file_at(request.uri())));
    is_page(&get(&app, "/static/logo.png?w=31").send().await, 400, "a width");
    let problem = get(&app, "/static/logo.png?w=31").header("accept", "application/json").send().await;
    assert!(problem.text().contains("The parameter w can be 16, 32"), "{}", problem.text());
}

#[cfg(feature = "cookies")]
mod cookies {
    use super::*;
    use chalice_http_toolkit::{CookieJar, Cookies, SetCookie};

    fn site(router: Router) -> App {
        let cookies = Cookies::new([7; 32]).expect("a secret").with_secure(false);
        with_pages(App::new(CloudFront::new().layer(cookies.layer(router))))
    }

    fn names(answer: &Answer) -> Vec<&str> {
        let lines = answer.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
        lines.filter_map(|line| line.split('=').next()).collect()
    }

    #[tokio::test]
    async fn cookies_and_messages_stay_on_an_error_page() {
        let router = Router::new()
            .route(
                "/set",
                any(async |jar: CookieJar| {
                    jar.set(SetCookie::new("attempts", "3"))?;
                    Err::<String, _>(Error::handler("x"))
                }),
            )
            .route(
                "/removed",
                any(async |jar: CookieJar| {
                    jar.remove("user");
                    Err::<String, _>(Error::handler("x"))
                }),
            )
            .route(
                "/flash",
                any(async |jar: CookieJar| {
                    jar.flash("error", "Please say how many.")?;
                    Err::<String, _>(Error::handler("x"))
                }),
            )
            .route(
                "/late",
                any(async |jar: CookieJar| {
                    jar.set(SetCookie::new("late", "1"))?;
                    let late = Representation::lazy("text/plain", async { Err(Error::handler("x")) });
                    Ok::<_, Error>(late.with_entity_tag(EntityTag::strong("1")))
                }),
            )
            .route(
                "/bare",
                any(async |jar: CookieJar| {
                    jar.set(SetCookie::new("bare", "1"))?;
                    Ok::<_, Error>(StatusCode::NOT_FOUND)
                }),
            )
            .route(
                "/panic",
                any(async |jar: CookieJar| {
                    jar.set(SetCookie::new("lost", "1")).expect("a name");
                    if true { panic!("a bug") } else { "" }
                }),
            );
        let app = site(router);
        for (target, status, expected) in [
            ("/set", 500, &["attempts"][..]),
            ("/removed", 500, &["user"]),
            ("/flash", 500, &["flash"]),
            ("/late", 500, &["late"]),
            ("/bare", 404, &["bare"]),
            ("/panic", 500, &[]),
        ] {
            for method in ["GET", "POST"] {
                let answer = ask(&app, method, target).send().await;
                is_page(&answer, status, target);
                assert_eq!(names(&answer), expected, "{method} {target}");
                let policy = if expected.is_empty() { "no-store" } else { "private, no-store" };
                assert_eq!(answer.line("cache-control"), policy, "{method} {target}");
            }
        }
    }

    /// Whatever side the jar's layer is on.
    #[tokio::test]
    async fn a_panic_leaves_no_cookie() {
        let router = || {
            Router::new().route(
                "/",
                any(async |jar: CookieJar| {
                    jar.set(SetCookie::new("lost", "1")).expect("a name");
                    if true { panic!("a bug") } else { "" }
                }),
            )
        };
        let cookies = || Cookies::new([7; 32]).expect("a secret").with_secure(false);
        for app in [
            App::new(CloudFront::new().layer(cookies().layer(router()))),
            App::new(cookies().layer(CloudFront::new().layer(router()))),
            App::new(cookies().layer(router())),
        ] {
            let answer = get(&with_pages(app), "/").send().await;
            is_page(&answer, 500, "a panic");
            assert_eq!(names(&answer), [""; 0]);
        }
    }

    /// A service that is no router may fail with an error that is no response.
    #[tokio::test]
    async fn cookies_stay_where_the_service_itself_fails() {
        let service = service_fn(async |request: Request| {
            let jar = CookieJar::of(&request)?;
            jar.set(SetCookie::new("attempts", "3"))?;
            jar.remove("user");
            if request.uri().path() == "/" { Err(Error::handler("x")) } else { Ok(Response::new(String::new())) }
        });
        let cookies = Cookies::new([7; 32]).expect("a secret").with_secure(false);
        let app = with_pages(App::new(CloudFront::new().layer(cookies.layer(service))));
        let answer = get(&app, "/").send().await;
        is_page(&answer, 500, "an error");
        assert_eq!(names(&answer), ["attempts", "user"]);
        let app = with_pages(App::new(cookies.layer(CloudFront::new().layer(service))));
        assert_eq!(names(&get(&app, "/").send().await), ["attempts", "user"], "the layer is outside");
    }

    #[cfg(feature = "forms")]
    #[tokio::test]
    async fn a_message_about_a_bad_form_stays() {
        use chalice_http_toolkit::Form;
        let router = Router::new().route(
            "/order",
            post(async |jar: CookieJar, form: Form| {
                jar.flash("error", "Please say how many.")?;
                let order: HashMap<String, u32> = form.deserialize()?;
                Ok::<_, Error>(order.len().to_string())
            }),
        );
        let app = site(router);
        let request = ask(&app, "POST", "/order").header("content-type", FORM).text("count=two");
        let answer = request.send().await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().starts_with("the site's 400 Bad Request: count: "), "{}", answer.text());
        assert_eq!(names(&answer), ["flash"]);
    }

    /// Who is shown a page that speaks of them.
    #[tokio::test]
    async fn a_page_in_place_of_what_is_personal_is_not_kept() {
        let router = Router::new().route(
            "/",
            any(async |jar: CookieJar| {
                jar.get("user");
                StatusCode::NOT_FOUND
            }),
        );
        let answer = get(&site(router), "/").send().await;
        assert_eq!((answer.text(), answer.line("cache-control")), ("the site's 404", "no-store"));
        let varies: Vec<_> = answer.headers.get_all("vary").iter().filter_map(|line| line.to_str().ok()).collect();
        assert_eq!(varies.join(", "), "cookie, accept");
    }
}
