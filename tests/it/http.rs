//! HTTP as RFC 9110 and RFC 9111 say it, of everything that a site sends: preconditions, ranges, negotiation, methods,
//! fields, cookies, and the layer over services that know nothing of it. Sections are of RFC 9110 where no other is named.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    response::{Html, IntoResponse},
    routing::{get as axum_get, post as axum_post},
};
use bytes::Bytes;
use chalice_http_toolkit::{
    App, BoxError, CacheControl, CloudFront, ContentManager, Embedded, EntityTag, Error, Front, Representation,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use http_body_util::{StreamBody, combinators::UnsyncBoxBody};
use lambda_http::Request;
use serde_json::json;
use tower::{Layer, service_fn};

use crate::support::{Answer, app, app_with, ask, get};

const TEMPLATES: Embedded = Embedded::new(&[
    ("page.html", b"<link href={{ static('css/site.css') }}><p>Hello, {{ name }}"),
    ("clock.html", b"{{ now() }}"),
    ("broken.html", b"{{ name.first.letter }}"),
    ("404.html", b"<h1>Nothing here</h1>"),
]);
const FILES: Embedded = Embedded::new(&[
    ("digits.txt", b"0123456789"),
    ("empty.txt", b""),
    ("css/site.css", b"the plain stylesheet"),
    ("css/site.css.br", STYLESHEET_BR),
    ("css/site.css.gz", STYLESHEET_GZ),
    ("css/gzip-only.css", b"the plain stylesheet"),
    ("css/gzip-only.css.gz", STYLESHEET_GZ),
]);
const STYLESHEET_BR: &[u8] = b"\x1b\x13\x00\xf8%\xcb\xd0\xe8j\x13`*\x98u\x9c\xaa<";
const STYLESHEET_GZ: &[u8] =
    b"\x1f\x8b\x08\0\0\0\0\0\x02\x03+\xc9HU(\xc8I\xcc\xccS(.\xa9\xccI-\xceHM-\x01\0P\x1e\xbc\x90\x14\0\0\0";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n-not really a picture";

/// One of each kind of answer.
const EVERYTHING: [&str; 15] = [
    "/page",
    "/clock",
    "/html",
    "/xml",
    "/json",
    "/redirect",
    "/asset",
    "/blob",
    "/static/digits.txt",
    "/static/empty.txt",
    "/static/css/site.css",
    "/static/css/site.00000000000000000000.css",
    "/static/missing.txt",
    "/missing",
    "/broken",
];

fn content() -> ContentManager {
    let content = ContentManager::new(TEMPLATES, FILES).expect("embedded files are there");
    content.with_environment(|engine| engine.add_function("now", || "noon"))
}

async fn answer(content: ContentManager, uri: Uri) -> Result<Representation, Error> {
    Ok(match uri.path() {
        "/page" => content.render_template("page.html", json!({ "name": "you" }))?,
        "/clock" => content.render_template("clock.html", ())?,
        "/broken" => content.render_template("broken.html", ())?,
        "/html" => content.html("<p>Hello"),
        "/xml" => content.xml("<hello/>"),
        "/json" => content.json(&json!({ "hello": "world" }))?,
        "/redirect" => content.redirect("/page"),
        "/asset" => content.asset(PNG),
        "/blob" => {
            let etag = async || Ok::<_, BoxError>(Some("blob-1"));
            content.asset_with(etag, async || Ok(PNG.to_vec())).await?
        }
        path if path.starts_with("/static/") => content.static_file_at(&uri),
        _ => content.not_found(),
    })
}

fn site() -> App {
    site_behind(CloudFront::new())
}

fn site_behind(cloudfront: CloudFront) -> App {
    let content = content();
    App::new(cloudfront.layer(service_fn(move |request: Request| {
        let answer = answer(content.clone(), request.uri().clone());
        async { answer.await.map(Response::<String>::from) }
    })))
}

// Preconditions (§13)

const STAMP: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Mon, 07 Nov 1994 08:49:37 GMT";
const FUTURE: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

/// Ten digits in several states of knowledge about them.
fn stamped() -> App {
    app(by_path)
}

fn by_path(request: &Request) -> Representation {
    let stamp = httpdate::parse_http_date(STAMP).expect("a date");
    let digits = Representation::new("text/plain", "0123456789").with_ranges(true);
    match request.uri().path() {
        "/both" => digits.with_entity_tag(EntityTag::strong("now")).with_last_modified(stamp),
        "/tag" => digits.with_entity_tag(EntityTag::strong("now")),
        "/weak" => digits.with_entity_tag(EntityTag::weak("now")),
        // Changed within the second: dates of HTTP don't tell (§8.8.2.2).
        "/date" => digits.with_last_modified(stamp + Duration::from_millis(500)),
        "/young" => digits.with_last_modified(SystemTime::now() - Duration::from_secs(5)),
        "/gone" => digits.with_entity_tag(EntityTag::strong("now")).with_status(StatusCode::NOT_FOUND),
        "/moved" => digits.with_entity_tag(EntityTag::strong("now")).with_status(StatusCode::FOUND),
        _ => digits,
    }
}

/// A service that asks by itself, before it acts: behind the layer it would be too late to refuse.
fn asking() -> App {
    App::new(service_fn(async |request: Request| CloudFront::new().respond(&request, by_path(&request)).await))
}

type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], u16, &'static str);

const IM: &str = "if-match";
const INM: &str = "if-none-match";
const IMS: &str = "if-modified-since";
const IUS: &str = "if-unmodified-since";

#[rustfmt::skip]
const PRECONDITIONS: &[Row] = &[
    ("GET",  "/both", &[], 200, "13.2.2: no condition"),
    // If-Match
    ("GET",  "/both", &[(IM, "\"now\"")], 200, "13.1.1"),
    ("GET",  "/both", &[(IM, "\"old\"")], 412, "13.1.1"),
    ("HEAD", "/both", &[(IM, "\"old\"")], 412, "13.1.1"),
    ("PUT",  "/both", &[(IM, "\"now\"")], 200, "13.1.1"),
    ("PUT",  "/both", &[(IM, "\"old\"")], 412, "13.1.1"),
    ("POST", "/both", &[(IM, "\"old\"")], 412, "13.1.1"),
    ("GET",  "/both", &[(IM, "W/\"now\"")], 412, "13.1.1: strong comparison"),
    ("GET",  "/weak", &[(IM, "W/\"now\"")], 412, "13.1.1: weak tags never match strongly"),
    ("GET",  "/weak", &[(IM, "\"now\"")], 412, "13.1.1"),
    ("GET",  "/both", &[(IM, "\"old\", \"now\"")], 200, "13.1.1: a list"),
    ("GET",  "/both", &[(IM, "\"old\", \"older\"")], 412, "13.1.1"),
    ("GET",  "/both", &[(IM, "\"old\""), (IM, "\"now\"")], 200, "5.3: lines are one list"),
    ("GET",  "/both", &[(IM, "*")], 200, "13.1.1"),
    ("PUT",  "/both", &[(IM, "*")], 200, "13.1.1"),
    ("GET",  "/bare", &[(IM, "*")], 200, "13.1.1: there is a representation"),
    ("GET",  "/bare", &[(IM, "\"now\"")], 412, "13.1.1: no tag, no match"),
    ("GET",  "/both", &[(IM, "now")], 200, "a malformed list is ignored"),
    ("GET",  "/both", &[(IM, "\"old\", now")], 200, "a malformed list is ignored whole"),
    ("GET",  "/both", &[(IM, "\"old\", *")], 200, "a malformed list is ignored whole"),
    ("GET",  "/both", &[(IM, "\"now\""), (INM, "\"now\"")], 304, "13.2.2: both are asked"),
    ("GET",  "/both", &[(IM, "\"old\""), (INM, "\"now\"")], 412, "13.2.2: If-Match comes first"),
    // If-Unmodified-Since
    ("GET",  "/both", &[(IUS, STAMP)], 200, "13.1.4"),
    ("GET",  "/both", &[(IUS, AFTER)], 200, "13.1.4"),
    ("GET",  "/both", &[(IUS, FUTURE)], 200, "13.1.4"),
    ("GET",  "/both", &[(IUS, BEFORE)], 412, "13.1.4"),
    ("PUT",  "/both", &[(IUS, BEFORE)], 412, "13.1.4"),
    ("GET",  "/both", &[(IUS, "Sunday, 06-Nov-94 08:49:36 GMT")], 412, "5.6.7: RFC 850"),
    ("GET",  "/both", &[(IUS, "Sun Nov  6 08:49:36 1994")], 412, "5.6.7: asctime"),
    ("GET",  "/date", &[(IUS, STAMP)], 200, "13.1.4: to the second"),
    ("GET",  "/both", &[(IUS, "yesterday")], 200, "13.1.4: no date is ignored"),
    ("GET",  "/both", &[(IUS, BEFORE), (IUS, BEFORE)], 200, "5.3: two dates are no date"),
    ("GET",  "/tag",  &[(IUS, BEFORE)], 200, "13.1.4: nothing to compare with"),
    ("GET",  "/both", &[(IM, "\"now\""), (IUS, BEFORE)], 200, "13.1.4: ignored beside If-Match"),
    ("GET",  "/both", &[(IM, "now"), (IUS, BEFORE)], 200, "13.1.4: ignored beside any If-Match"),
    // If-None-Match
    ("GET",  "/both", &[(INM, "\"now\"")], 304, "13.1.2"),
    ("HEAD", "/both", &[(INM, "\"now\"")], 304, "13.1.2"),
    ("PUT",  "/both", &[(INM, "\"now\"")], 412, "13.1.2"),
    ("POST", "/both", &[(INM, "\"now\"")], 412, "13.1.2"),
    ("PUT",  "/both", &[(INM, "\"old\"")], 200, "13.1.2"),
    ("PUT",  "/both", &[(INM, "*")], 412, "13.1.2: create only where nothing is"),
    ("GET",  "/both", &[(INM, "\"old\"")], 200, "13.1.2"),
    ("GET",  "/both", &[(INM, "W/\"now\"")], 304, "13.1.2: weak comparison"),
    ("GET",  "/weak", &[(INM, "W/\"now\"")], 304, "13.1.2"),
    ("GET",  "/weak", &[(INM, "\"now\"")], 304, "13.1.2"),
    ("GET",  "/both", &[(INM, "\"a\", W/\"b\", \"now\"")], 304, "13.1.2: a list"),
    ("GET",  "/both", &[(INM, "\"a\",\"now\",\"b\"")], 304, "13.1.2"),
    ("GET",  "/both", &[(INM, " \t\"a\" \t, \t\"now\" ")], 304, "5.6.1: odd white space"),
    ("GET",  "/both", &[(INM, ", ,\"a\",,\"now\",")], 304, "5.6.1: empty elements"),
    ("GET",  "/both", &[(INM, "\"a\""), (INM, "\"now\"")], 304, "5.3: lines are one list"),
    ("GET",  "/both", &[(INM, "*")], 304, "13.1.2"),
    ("HEAD", "/both", &[(INM, "*")], 304, "13.1.2"),
    ("GET",  "/bare", &[(INM, "*")], 304, "13.1.2: there is a representation"),
    ("GET",  "/bare", &[(INM, "\"now\"")], 200, "13.1.2: no tag, no match"),
    ("GET",  "/both", &[(INM, "now")], 200, "8.8.3: a tag has quotes"),
    ("GET",  "/both", &[(INM, "\"now")], 200, "8.8.3"),
    ("GET",  "/both", &[(INM, "w/\"now\"")], 200, "8.8.3: W is case-sensitive"),
    ("GET",  "/both", &[(INM, "\"NOW\"")], 200, "8.8.3: so is the tag"),
    ("GET",  "/both", &[(INM, "\"now\", now")], 200, "a malformed list is ignored whole"),
    ("GET",  "/both", &[(INM, "\"now\", *")], 200, "a malformed list is ignored whole"),
    ("GET",  "/both", &[(INM, "\"now\" \"a\"")], 200, "a malformed list is ignored whole"),
    ("GET",  "/both", &[(INM, "")], 200, "an empty list matches nothing"),
    // If-Modified-Since
    ("GET",  "/both", &[(IMS, STAMP)], 304, "13.1.3: IMF-fixdate"),
    ("HEAD", "/both", &[(IMS, STAMP)], 304, "13.1.3"),
    ("GET",  "/both", &[(IMS, "Sunday, 06-Nov-94 08:49:37 GMT")], 304, "5.6.7: RFC 850"),
    ("GET",  "/both", &[(IMS, "Sun Nov  6 08:49:37 1994")], 304, "5.6.7: asctime"),
    ("GET",  "/both", &[(IMS, AFTER)], 304, "13.1.3"),
    ("GET",  "/both", &[(IMS, BEFORE)], 200, "13.1.3"),
    ("GET",  "/date", &[(IMS, STAMP)], 304, "13.1.3: to the second"),
    ("GET",  "/tag",  &[(IMS, STAMP)], 200, "13.1.3: nothing to compare with"),
    ("GET",  "/both", &[(IMS, FUTURE)], 200, "13.1.3: a date in the future is ignored"),
    ("GET",  "/both", &[(IMS, "Sun, 06 Nov 1994")], 200, "13.1.3: no date is ignored"),
    ("GET",  "/both", &[(IMS, "784111777")], 200, "13.1.3"),
    ("GET",  "/both", &[(IMS, "")], 200, "13.1.3"),
    ("GET",  "/both", &[(IMS, STAMP), (IMS, STAMP)], 200, "13.1.3: two dates are no date"),
    ("POST", "/both", &[(IMS, STAMP)], 200, "13.1.3: GET and HEAD only"),
    ("PUT",  "/both", &[(IMS, STAMP)], 200, "13.1.3"),
    ("GET",  "/both", &[(INM, "\"now\""), (IMS, BEFORE)], 304, "13.2.2: ignored beside If-None-Match"),
    ("GET",  "/both", &[(INM, "\"old\""), (IMS, STAMP)], 200, "13.2.2: also where that one doesn't match"),
    ("GET",  "/both", &[(INM, "now"), (IMS, STAMP)], 200, "13.2.2: also where that one is malformed"),
    // Only where the plain answer is a success
    ("GET",  "/gone", &[(INM, "*")], 404, "13.2.1"),
    ("GET",  "/gone", &[(INM, "\"now\"")], 404, "13.2.1"),
    ("GET",  "/gone", &[(IM, "\"old\"")], 404, "13.2.1"),
    ("HEAD", "/gone", &[(INM, "\"now\"")], 404, "13.2.1"),
    ("GET",  "/gone", &[("range", "bytes=0-1")], 404, "14.2"),
    ("GET",  "/moved", &[(INM, "\"now\"")], 302, "13.2.1"),
    // Range comes last
    ("GET",  "/both", &[(INM, "\"now\""), ("range", "bytes=0-1")], 304, "13.2.2"),
    ("GET",  "/both", &[(IM, "\"old\""), ("range", "bytes=0-1")], 412, "13.2.2"),
    ("GET",  "/both", &[(IM, "\"now\""), ("range", "bytes=0-1")], 206, "13.2.2"),
    ("POST", "/both", &[("range", "bytes=0-1")], 200, "14.2: GET only"),
    ("GET",  "/both", &[("range", "bytes=0-1"), ("range", "bytes=2-3")], 200, "5.3: two lines are no range"),
    ("GET",  "/both", &[(IUS, STAMP), (INM, "\"now\"")], 304, "13.2.2: both are asked"),
    ("PUT",  "/both", &[(IM, "\"now\""), (INM, "\"now\"")], 412, "13.2.2: both are asked"),
];

#[tokio::test]
async fn preconditions_are_evaluated_in_the_order_of_13_2_2() {
    let (layered, by_itself) = (stamped(), asking());
    let mut wrong = Vec::new();
    for row @ (method, target, headers, expected, _) in PRECONDITIONS {
        let app = if ["PUT", "POST"].contains(method) { &by_itself } else { &layered };
        let answer = ask(app, method, target).headers(headers).through(Front::Rest).send().await;
        if answer.status != *expected {
            wrong.push(format!("{} for {row:?}", answer.status));
        }
        if matches!(expected, 304) || *method == "HEAD" {
            assert!(answer.body.is_empty(), "{row:?}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// §13.2.1: a server MUST ignore them where the method neither selects nor changes a representation.
#[tokio::test]
async fn conditions_mean_nothing_to_options_and_trace() {
    for (method, name, value, status) in [
        ("OPTIONS", INM, "*", 204),
        ("OPTIONS", IM, "\"old\"", 204),
        ("OPTIONS", IUS, BEFORE, 204),
        ("TRACE", INM, "\"now\"", 405),
    ] {
        let answer = ask(&stamped(), method, "/both").header(name, value).send().await;
        assert_eq!(answer.status, status, "{method} {name}: {value}");
    }
}

#[tokio::test]
async fn a_304_has_the_fields_that_a_cache_updates_and_no_other() {
    let app = site();
    for (target, fields) in [
        ("/page", &["cache-control", "etag"][..]),
        ("/html", &["cache-control", "etag"]),
        ("/json", &["cache-control", "etag"]),
        ("/xml", &["cache-control", "etag"]),
        ("/asset", &["cache-control", "etag"]),
        ("/blob", &["cache-control", "etag"]),
        ("/static/digits.txt", &["cache-control", "etag"]),
        ("/static/css/site.css", &["cache-control", "etag", "vary"]),
    ] {
        let whole = get(&app, target).send().await;
        for method in ["GET", "HEAD"] {
            let answer = ask(&app, method, target).header(INM, whole.line("etag")).send().await;
            assert_eq!((answer.status.as_u16(), answer.names()), (304, fields.to_vec()), "{method} {target}");
            assert!(answer.body.is_empty());
            fields.iter().for_each(|name| assert_eq!(answer.line(name), whole.line(name), "{target}"));
        }
    }
}

/// §15.4.5 limits representation metadata alone.
#[tokio::test]
async fn a_304_has_all_of_a_pages_own_fields_but_those_of_its_content() {
    let app = app(|_| {
        let fields = ["content-location", "date", "expires", "vary", "link", "content-language", "x-own"];
        let page = Representation::new("text/html", "hello").with_entity_tag(EntityTag::strong("now"));
        let page = page.with_last_modified(SystemTime::UNIX_EPOCH);
        let value = HeaderValue::from_static("value");
        fields.into_iter().fold(page, |page, name| page.with_header(HeaderName::from_static(name), value.clone()))
    });
    let answer = get(&app, "/").header(INM, "\"now\"").send().await;
    let kept =
        ["cache-control", "content-location", "date", "etag", "expires", "last-modified", "link", "vary", "x-own"];
    assert_eq!((answer.status.as_u16(), answer.names()), (304, kept.to_vec()));
}

/// A 304 could not carry it, and the visitor would go without.
#[tokio::test]
async fn a_page_that_sets_a_cookie_is_sent() {
    let cookie = HeaderValue::from_static("session=2");
    let app = app(move |_| {
        let page = Representation::new("text/html", "hello").with_entity_tag(EntityTag::strong("now"));
        page.with_header(header::SET_COOKIE, cookie.clone())
    });
    let answer = get(&app, "/").header(INM, "\"now\"").send().await;
    assert_eq!((answer.status.as_u16(), answer.line("set-cookie"), answer.text()), (200, "session=2", "hello"));
}

/// A session's cookie, a status, a header of middleware: whatever was put around a page goes out with it.
#[tokio::test]
async fn what_is_put_around_a_page_goes_out_with_it() {
    let service = service_fn(async |_: Request| {
        let page =
            Representation::new("text/plain", "made").with_header(header::VARY, HeaderValue::from_static("cookie"));
        let mut response = Response::<String>::from(page);
        *response.status_mut() = StatusCode::CREATED;
        for (name, value) in [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-own", "x"), ("vary", "origin")] {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    let answer = get(&App::new(CloudFront::new().layer(service)), "/").through(Front::Rest).send().await;
    assert_eq!((answer.status.as_u16(), answer.text(), answer.line("x-own")), (201, "made", "x"));
    let all = |name| answer.headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect::<Vec<_>>();
    assert_eq!((all("set-cookie"), all("vary")), (vec!["a=1", "b=2"], vec!["cookie", "origin"]));
}

#[tokio::test]
async fn every_tag_is_an_entity_tag_and_the_same_for_the_same_bytes() {
    let (app, again) = (site(), site());
    for target in EVERYTHING {
        let answer = get(&app, target).send().await;
        let tagged = answer.status == 200 && target != "/clock";
        assert_eq!(answer.header("etag").parse::<EntityTag>().is_ok(), tagged, "{target}: {answer:?}");
        assert_eq!(answer.header("etag"), get(&again, target).send().await.header("etag"), "{target}");
    }
}

#[tokio::test]
async fn last_modified_is_never_in_the_future() {
    let answer = get(&changed_at(SystemTime::now() + Duration::from_secs(86400)), "/").send().await;
    let sent = httpdate::parse_http_date(answer.header("last-modified"));
    assert!(sent.is_err() || sent.is_ok_and(|sent| sent <= SystemTime::now()), "§8.8.2.1: {answer:?}");
}

/// §5.6.7 has four digits for a year, and httpdate panics at more.
#[tokio::test]
async fn a_stamp_that_no_date_can_say_is_left_out() {
    let (second, years) = (Duration::from_secs(1), |years: u64| Duration::from_secs(years * 31_557_600));
    for stamp in [SystemTime::UNIX_EPOCH - second, SystemTime::UNIX_EPOCH + years(9000)] {
        assert_eq!(get(&changed_at(stamp), "/").send().await.status, 200, "{stamp:?}");
    }
}

fn changed_at(stamp: SystemTime) -> App {
    app(move |_| Representation::new("text/plain", "x").with_last_modified(stamp))
}

// HEAD (§9.3.2), fields and lengths

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = site();
    for target in EVERYTHING {
        let (got, head) = (get(&app, target).send().await, ask(&app, "HEAD", target).send().await);
        assert_eq!(head.status, got.status, "{target}");
        assert_eq!(head.headers, got.headers, "{target}");
        assert_eq!(head.line("content-length"), got.body.len().to_string(), "{target}");
        assert!(head.body.is_empty(), "{target}");
    }
}

#[tokio::test]
async fn every_answer_is_well_formed() {
    let app = site();
    let conditions = [("x-none", ""), (INM, "*"), (IM, "\"no\""), ("range", "bytes=1-2"), ("range", "bytes=99-")];
    for target in EVERYTHING {
        for method in ["GET", "POST", "OPTIONS", "DELETE", "get"] {
            for (name, value) in conditions {
                let answer = ask(&app, method, target).header(name, value).through(Front::Rest).send().await;
                check(&answer, &format!("{method} {target} {name}: {value}"));
            }
        }
    }
}

fn check(answer: &Answer, asked: &str) {
    let at = format!("{asked} -> {answer:?}");
    for name in answer.headers.keys().filter(|name| *name != header::VARY) {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "§5.3: {name} twice: {at}");
    }
    assert!(answer.headers.contains_key("cache-control") || asked.starts_with("OPTIONS"), "{at}");
    assert_eq!(answer.header("access-control-allow-origin"), "", "{at}");
    let content_type = answer.header("content-type");
    if answer.status == 204 || answer.status == 304 {
        assert!(
            answer.body.is_empty() && content_type.is_empty() && answer.header("content-length").is_empty(),
            "{at}"
        );
        return;
    }
    assert_eq!(answer.line("content-length"), answer.body.len().to_string(), "{at}");
    let is_empty_file = asked.contains("empty.txt") && answer.status == 200;
    assert_eq!(content_type.is_empty(), answer.body.is_empty() && !is_empty_file, "{at}");
    let is_text = content_type.starts_with("text/") || content_type.starts_with("application/xml");
    assert_eq!(content_type.ends_with("; charset=utf-8"), is_text, "{at}");
    assert_eq!(answer.line("x-content-type-options"), "nosniff", "{at}");
    if answer.status.is_redirection() {
        assert_eq!(answer.line("location"), "/page", "{at}");
    }
}

#[tokio::test]
async fn types_are_the_names_or_told_from_the_bytes() {
    let app = site();
    for (target, expected) in [
        ("/page", "text/html; charset=utf-8"),
        ("/html", "text/html; charset=utf-8"),
        ("/xml", "application/xml; charset=utf-8"),
        ("/json", "application/json"),
        ("/asset", "image/png"),
        ("/blob", "image/png"),
        ("/static/digits.txt", "text/plain; charset=utf-8"),
        ("/static/css/site.css", "text/css; charset=utf-8"),
        ("/missing", "text/html; charset=utf-8"),
        ("/broken", "text/html; charset=utf-8"),
    ] {
        assert_eq!(get(&app, target).send().await.line("content-type"), expected, "{target}");
    }
}

// Ranges (§14)

#[rustfmt::skip]
const RANGES: &[(&str, u16, &str, &str, &str)] = &[
    ("bytes=0-0",      206, "bytes 0-0/10", "0", "14.1.2"),
    ("bytes=2-4",      206, "bytes 2-4/10", "234", "14.1.2"),
    ("bytes=7-",       206, "bytes 7-9/10", "789", "14.1.2: open-ended"),
    ("bytes=0-",       206, "bytes 0-9/10", "0123456789", "14.1.2"),
    ("bytes=-3",       206, "bytes 7-9/10", "789", "14.1.2: a suffix"),
    ("bytes=-99",      206, "bytes 0-9/10", "0123456789", "14.1.2: longer than the file"),
    ("bytes=8-99",     206, "bytes 8-9/10", "89", "14.1.2: the last position is cut"),
    ("bytes=9-99999999999999999999999", 206, "bytes 9-9/10", "9", "14.1.2: overflow"),
    ("Bytes=0-0",      206, "bytes 0-0/10", "0", "14.1: units are case-insensitive"),
    ("bytes=, 1-1 ,,", 206, "bytes 1-1/10", "1", "5.6.1: empty elements"),
    ("bytes=0-0,50-",  206, "bytes 0-0/10", "0", "15.3.7: the part that there is"),
    ("bytes=10-",      416, "bytes */10", "", "15.5.17"),
    ("bytes=10-12,20-", 416, "bytes */10", "", "15.5.17"),
    ("bytes=-0",       416, "bytes */10", "", "14.1.2: an empty suffix"),
    ("bytes=99999999999999999999999-", 416, "bytes */10", "", "15.5.17"),
    ("lines=0-1",      200, "", "0123456789", "14.2: another unit"),
    ("bytes",          200, "", "0123456789", "14.2: malformed"),
    ("bytes=",         200, "", "0123456789", "14.2: malformed"),
    ("bytes=-",        200, "", "0123456789", "14.2: malformed"),
    ("bytes=4-2",      200, "", "0123456789", "14.1.2: malformed"),
    ("bytes=a-b",      200, "", "0123456789", "14.2: malformed"),
    ("bytes=0-1,x",    200, "", "0123456789", "14.2: malformed"),
    ("bytes=1--2",     200, "", "0123456789", "14.2: malformed"),
    ("bytes=0x1-2",    200, "", "0123456789", "14.2: malformed"),
    ("bytes=+1-2",     200, "", "0123456789", "14.2: malformed"),
    ("bytes=0-5,5-9",  200, "", "0123456789", "14.2: overlapping"),
    ("bytes=0-,0-,0-", 200, "", "0123456789", "17.15: overlapping"),
];

#[tokio::test]
async fn ranges_are_cut_as_section_14_says() {
    let app = site();
    for (range, status, content_range, body, section) in RANGES {
        let answer = get(&app, "/static/digits.txt").header("range", range).send().await;
        let got = (answer.status.as_u16(), answer.header("content-range"), answer.text());
        assert_eq!(got, (*status, *content_range, *body), "{range}: {section}");
    }
    let whole = get(&app, "/static/digits.txt").send().await;
    assert_eq!(whole.line("accept-ranges"), "bytes", "§14.3");
}

#[tokio::test]
async fn many_ranges_are_the_whole_file() {
    let range = format!("bytes={}", (0..500).map(|_| "0-0").collect::<Vec<_>>().join(","));
    let answer = get(&site(), "/static/digits.txt").header("range", &range).send().await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "0123456789"), "§17.15");
}

/// A suffix with a length is satisfiable whatever the file's length (§14.1.2), and no 206 can say "none of none".
#[tokio::test]
async fn a_suffix_of_an_empty_file_is_the_file() {
    let answer = get(&site(), "/static/empty.txt").header("range", "bytes=-5").send().await;
    assert_eq!(answer.status, 200);
    let answer = get(&site(), "/static/empty.txt").header("range", "bytes=0-").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("content-range")), (416, "bytes */0"));
}

#[tokio::test]
async fn several_ranges_come_as_multipart_in_the_order_asked_for() {
    for (range, expected) in [
        ("bytes=0-1,4-5", vec![("bytes 0-1/10", "01"), ("bytes 4-5/10", "45")]),
        ("bytes=8-,0-0", vec![("bytes 8-9/10", "89"), ("bytes 0-0/10", "0")]),
        ("bytes=0-0,-1, 4-4", vec![("bytes 0-0/10", "0"), ("bytes 9-9/10", "9"), ("bytes 4-4/10", "4")]),
    ] {
        let answer = get(&site(), "/static/digits.txt").header("range", range).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("content-range")), (206, ""), "§15.3.7.2");
        assert_eq!(parts(&answer), expected, "{range}");
    }
}

/// Reads `multipart/byteranges` as a client does (§14.6, RFC 2046 §5.1.1): the Content-Range and the bytes of each part.
fn parts(answer: &Answer) -> Vec<(&str, &str)> {
    let boundary = answer.line("content-type").strip_prefix("multipart/byteranges; boundary=").expect("a multipart");
    let body = answer.text().strip_prefix(&format!("--{boundary}\r\n")).expect("the first delimiter");
    let body = body.strip_suffix(&format!("\r\n--{boundary}--\r\n")).expect("the last delimiter");
    let delimiter = format!("\r\n--{boundary}\r\n");
    let parts = body.split(&delimiter).map(|part| {
        let (head, bytes) = part.split_once("\r\n\r\n").expect("an empty line");
        assert!(head.lines().any(|line| line == "Content-Type: text/plain; charset=utf-8"), "{head}");
        (head.lines().find_map(|line| line.strip_prefix("Content-Range: ")).expect("its range"), bytes)
    });
    parts.collect()
}

#[tokio::test]
async fn head_never_has_a_range() {
    let app = site();
    for range in ["bytes=0-1", "bytes=99-", "bytes=0-0,2-2"] {
        let answer = ask(&app, "HEAD", "/static/digits.txt").header("range", range).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("content-length")), (200, "10"), "§14.2: {range}");
        assert_eq!(answer.header("content-range"), "");
    }
}

#[tokio::test]
async fn if_range_takes_a_strong_tag_or_the_exact_date() {
    let app = stamped();
    for (target, condition, status, section) in [
        ("/both", "\"now\"", 206, "13.1.5: the strong tag"),
        ("/both", "\"old\"", 200, "13.1.5"),
        ("/both", "W/\"now\"", 200, "13.1.5: strong comparison"),
        ("/weak", "W/\"now\"", 200, "13.1.5"),
        ("/weak", "\"now\"", 200, "13.1.5"),
        ("/both", "*", 200, "13.1.5: not in the grammar"),
        ("/both", "\"old\", \"now\"", 200, "13.1.5: no list"),
        ("/both", "now", 200, "13.1.5"),
        ("/both", STAMP, 206, "13.1.5: the exact date"),
        ("/both", "Sun Nov  6 08:49:37 1994", 206, "5.6.7"),
        ("/date", STAMP, 206, "13.1.5"),
        ("/both", AFTER, 200, "13.1.5: exact, not later"),
        ("/both", BEFORE, 200, "13.1.5"),
        ("/tag", STAMP, 200, "13.1.5: nothing to compare with"),
        ("/bare", "\"now\"", 200, "13.1.5"),
    ] {
        let answer = get(&app, target).header("range", "bytes=0-1").header("if-range", condition).send().await;
        assert_eq!(answer.status, status, "{target} {condition}: {section}");
        let plain = get(&app, target).header("if-range", condition).send().await;
        assert_eq!(plain.status, 200, "§13.1.5: without Range it says nothing");
    }
    let young = get(&app, "/young").send().await;
    let date = young.line("last-modified");
    let answer = get(&app, "/young").header("range", "bytes=0-1").header("if-range", date).send().await;
    assert_eq!(answer.status, 200, "§8.8.2.2: a date of this minute is weak");
}

#[tokio::test]
async fn a_part_has_the_fields_of_the_whole() {
    let app = app(|_| {
        let digits = Representation::new("text/plain", "0123456789").with_ranges(true);
        let digits = digits.with_entity_tag(EntityTag::strong("now")).with_last_modified(SystemTime::UNIX_EPOCH);
        digits.with_header(header::VARY, HeaderValue::from_static("accept-language"))
    });
    for (range, status) in [("bytes=0-1", 206), ("bytes=0-0,2-2", 206), ("bytes=99-", 416)] {
        let answer = get(&app, "/").header("range", range).send().await;
        assert_eq!(answer.status, status);
        for (name, value) in [
            ("etag", "\"now\""),
            ("vary", "accept-language"),
            ("cache-control", "no-cache"),
            ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(answer.line(name), value, "§15.3.7 {range}");
        }
    }
}

/// A cache keys by URL: a 416 with the file's lifetime would be handed to whoever asks for the file (RFC 9111 §3, §4).
#[tokio::test]
async fn a_416_is_not_kept_in_place_of_the_file() {
    let day = CacheControl::new().with_public().with_max_age(Duration::from_secs(86400));
    let app = site_behind(CloudFront::new().with_default_cache_control(day));
    let answer = get(&app, "/static/digits.txt").header("range", "bytes=99-").send().await;
    assert_eq!(answer.status, 416);
    assert!(["no-cache", "no-store"].contains(&answer.line("cache-control")), "{answer:?}");
}

// Negotiation (§12.5.3)

#[rustfmt::skip]
const ENCODINGS: &[(&[&str], &str)] = &[
    (&[], "identity"),
    (&[""], "identity"),
    (&["gzip, deflate, br"], "br"),
    (&["gzip"], "gzip"),
    (&["GZip"], "gzip"),
    (&["x-gzip"], "gzip"),
    (&["deflate"], "identity"),
    (&["gzip", "br"], "br"),
    (&["br;q=0.5, gzip;q=0.8"], "gzip"),
    (&["br;q=0.801,gzip;q=0.8"], "br"),
    (&["br;q=0, gzip;q=0"], "identity"),
    (&["br ; q=0 , gzip"], "gzip"),
    (&["*"], "br"),
    (&["*;q=0"], "identity"),
    (&["*;q=0, gzip"], "gzip"),
    (&["br;q=0, *;q=0.1"], "gzip"),
    (&["identity"], "identity"),
    (&["identity;q=0"], "identity"), // nothing is acceptable: the default rather than 406
    (&["identity;q=0, gzip;q=0.1"], "gzip"),
    (&["gzip;q=0.2, identity;q=0.5"], "identity"),
    (&["gzip;Q=1.000"], "gzip"),
    (&["br;q=nonsense, gzip"], "gzip"),
    (&["gzip;q=2"], "identity"),
];

#[tokio::test]
async fn the_best_acceptable_coding_is_sent() {
    let app = site();
    let (plain, mut tags) = (get(&app, "/static/css/site.css").send().await, HashSet::new());
    for (lines, expected) in ENCODINGS {
        let headers: Vec<_> = lines.iter().map(|line| ("accept-encoding", *line)).collect();
        let answer = get(&app, "/static/css/site.css").headers(&headers).through(Front::Rest).send().await;
        let (coding, body) = match *expected {
            "br" => ("br", STYLESHEET_BR),
            "gzip" => ("gzip", STYLESHEET_GZ),
            _ => ("", &b"the plain stylesheet"[..]),
        };
        assert_eq!((answer.header("content-encoding"), &answer.body[..]), (coding, body), "{lines:?}");
        assert_eq!(answer.line("content-type"), plain.line("content-type"), "{lines:?}");
        assert_eq!(answer.line("vary"), "accept-encoding", "{lines:?}");
        tags.insert(answer.line("etag").to_owned());
    }
    assert_eq!(tags.len(), 3, "§8.8.3.3: each form has a tag of its own");
}

#[tokio::test]
async fn a_coded_form_is_a_representation_of_its_own() {
    let app = site();
    let fingerprinted = fingerprinted_url(&app).await;
    for target in ["/static/css/site.css", "/static/css/gzip-only.css", &fingerprinted] {
        let plain = get(&app, target).send().await;
        let coded = get(&app, target).header("accept-encoding", "gzip").send().await;
        for (tag, accept, status) in [
            (plain.line("etag"), "identity", 304),
            (coded.line("etag"), "gzip", 304),
            (plain.line("etag"), "gzip", 200),
            (coded.line("etag"), "identity", 200),
        ] {
            let answer = get(&app, target).header("accept-encoding", accept).header(INM, tag).send().await;
            assert_eq!((answer.status.as_u16(), answer.line("vary")), (status, "accept-encoding"), "{target} {accept}");
        }
        for (range, status, body) in [("bytes=0-1", 206, &coded.body[..2]), ("bytes=99-", 416, b"")] {
            let answer = get(&app, target).header("accept-encoding", "gzip").header("range", range).send().await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, body), "§14: {target}");
            assert_eq!((answer.line("vary"), answer.line("etag")), ("accept-encoding", coded.line("etag")));
            assert_eq!(answer.header("content-encoding"), if status == 206 { "gzip" } else { "" }, "{target}");
        }
    }
    assert_eq!(get(&app, &fingerprinted).send().await.line("cache-control"), "public, max-age=31536000, immutable");
    let alone = get(&app, "/static/digits.txt").header("accept-encoding", "br, gzip").send().await;
    assert_eq!(alone.header("vary"), "", "a file without siblings does not vary");
}

/// Without `accept-encoding` a cache would hand the compressed form to who can't read it (§12.5.5).
#[tokio::test]
async fn a_site_adds_to_what_a_file_varies_by() {
    let content = content();
    let app = app(move |_| {
        content.static_file("css/site.css").with_added_header(header::VARY, HeaderValue::from_static("origin"))
    });
    let answer = get(&app, "/").through(Front::Rest).send().await;
    assert_eq!(answer.headers.get_all("vary").iter().collect::<Vec<_>>(), ["accept-encoding", "origin"]);
}

// Methods (§9, §15.5.6)

#[tokio::test]
async fn files_and_assets_are_there_to_be_read_only() {
    let app = site();
    for target in ["/static/digits.txt", "/static/css/site.css", "/asset", "/blob"] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "get", "BREW"] {
            let answer = ask(&app, method, target).send().await;
            assert_eq!(
                (answer.status.as_u16(), answer.line("allow")),
                (405, "GET, HEAD, OPTIONS"),
                "{method} {target}"
            );
        }
        let answer = ask(&app, "OPTIONS", target).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("allow")), (204, "GET, HEAD, OPTIONS"), "§9.3.7 {target}");
    }
    for method in ["POST", "OPTIONS"] {
        assert_eq!(ask(&app, method, "/static/missing.txt").send().await.status, 404, "{method}");
    }
}

#[tokio::test]
async fn a_page_has_the_methods_it_names() {
    let app = app(|_| Representation::new("text/plain", "x").with_methods([http::Method::GET, http::Method::POST]));
    for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 200), ("OPTIONS", 204), ("PUT", 405), ("post", 405)]
    {
        let answer = ask(&app, method, "/").send().await;
        assert_eq!(answer.status, status, "{method}");
        let allow = if [204, 405].contains(&status) { "GET, POST, HEAD, OPTIONS" } else { "" };
        assert_eq!(answer.header("allow"), allow, "{method}");
    }
}

/// `with_methods` says: every method but these.
#[tokio::test]
async fn methods_count_whatever_the_status() {
    let content = content();
    let app = app(move |_| content.redirect("/page").with_methods([http::Method::GET]));
    for (method, status) in [("GET", 302), ("HEAD", 302), ("OPTIONS", 204), ("POST", 405)] {
        assert_eq!(ask(&app, method, "/").send().await.status, status, "{method}");
    }
}

// Cache-Control (RFC 9111 §5.2)

/// A field without a value says nothing (RFC 9111 §5.2 wants a directive).
#[tokio::test]
async fn an_empty_policy_is_not_sent() {
    let by_default = site_behind(CloudFront::new().with_default_cache_control(CacheControl::new()));
    let own = app(|_| Representation::new("text/plain", "x").with_cache_control(CacheControl::new()));
    for (app, target) in [(by_default, "/html"), (own, "/")] {
        assert!(!get(&app, target).send().await.headers.contains_key("cache-control"), "{target}");
    }
}

/// CloudFront can be told to cache answers to OPTIONS.
#[tokio::test]
async fn an_answer_to_options_has_its_cache_control() {
    assert_eq!(ask(&site(), "OPTIONS", "/asset").send().await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn every_kind_of_answer_has_its_cache_control() {
    let fingerprinted = fingerprinted_url(&site()).await;
    let fingerprinted = fingerprinted.as_str();
    let outdated = "/static/css/site.00000000000000000000.css";
    let day = CacheControl::new().with_public().with_max_age(Duration::from_secs(86400));
    let forever = CacheControl::immutable();
    for (policy, policy_text) in [
        (CacheControl::no_cache(), "no-cache"),
        (day, "public, max-age=86400"),
        (forever, "public, max-age=31536000, immutable"),
    ] {
        let app = site_behind(CloudFront::new().with_default_cache_control(policy));
        for (method, target, expected) in [
            ("GET", "/page", policy_text),
            ("GET", "/html", policy_text),
            ("GET", "/json", policy_text),
            ("GET", "/asset", policy_text),
            ("GET", "/static/digits.txt", policy_text),
            ("GET", "/redirect", policy_text),
            ("GET", fingerprinted, "public, max-age=31536000, immutable"),
            ("GET", outdated, "no-cache"),
            ("GET", "/clock", "no-store"),
            ("GET", "/missing", "no-cache"),
            ("GET", "/static/missing.txt", "no-cache"),
            ("GET", "/broken", "no-store"),
            ("POST", "/html", "no-store"),
            ("POST", "/redirect", "no-store"),
            ("POST", "/static/digits.txt", "no-store"),
        ] {
            let answer = ask(&app, method, target).send().await;
            assert_eq!(answer.line("cache-control"), expected, "{method} {target} with {policy_text}");
            if method == "GET" {
                let again = get(&app, target).header(INM, answer.header("etag")).send().await;
                assert_eq!(again.line("cache-control"), expected, "{target}: 304");
            }
        }
    }
}

async fn fingerprinted_url(app: &App) -> String {
    let page = get(app, "/page").send().await;
    let (_, url) = page.text().split_once("href=").expect("a link");
    url.split('>').next().expect("its end").to_owned()
}

#[tokio::test]
async fn errors_are_not_stored_whoever_makes_them() {
    for (status, expected) in [
        (400, "no-store"),
        (403, "no-store"),
        (404, "no-cache"),
        (410, "no-cache"),
        (422, "no-store"),
        (500, "no-store"),
        (503, "no-store"),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let policy = CacheControl::immutable();
        let app = app_with(CloudFront::new().with_default_cache_control(policy), move |_| {
            Representation::new("text/plain", "x").with_status(status)
        });
        let answer = get(&app, "/").send().await;
        assert_eq!((answer.status, answer.line("cache-control")), (status, expected));
        assert_eq!(answer.header("etag"), "");
    }
}

/// Policies that a handler may set beside a cookie.
const POLICIES: [Option<&str>; 12] = [
    None,
    Some("no-cache"),
    Some("public"),
    Some("max-age=60"),
    Some("public, max-age=60, s-maxage=600"),
    Some("max-age=60, private"),
    Some("PRIVATE"),
    Some("no-store"),
    Some("private=\"set-cookie\", max-age=60"),
    Some("private=\"x-other\", max-age=60"),
    Some("max-age=60, no-cache=\"x-one, private, x-two\""),
    Some("must-revalidate"),
];

#[tokio::test]
async fn a_cookie_is_never_stored_by_a_shared_cache() {
    assert_eq!(shared_cookies_of(&[200, 201, 302, 404, 500]).await, [] as [String; 0]);
}

/// What a handler has decided by itself goes through as it is, but not with a cookie for everyone.
#[tokio::test]
async fn a_cookie_is_never_stored_by_a_shared_cache_where_the_handler_decides() {
    assert_eq!(shared_cookies_of(&[206, 304, 412, 416]).await, [] as [String; 0]);
}

/// Where a shared cache may store a cookie that the site has not shared by name; fails where a policy is changed without
/// need.
async fn shared_cookies_of(statuses: &[u16]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (policy, status) in POLICIES.into_iter().flat_map(|policy| statuses.iter().map(move |status| (policy, *status)))
    {
        for (shared_cookies, has_cookie) in [(false, false), (false, true), (true, false), (true, true)] {
            let app = plain(CloudFront::new().with_shared_cookies(shared_cookies), status, policy, has_cookie);
            for condition in ["", "*"] {
                let answer = get(&app, "/").header(INM, condition).send().await;
                if has_cookie && !shared_cookies && is_shared(&answer) {
                    wrong.push(format!("{} with {policy:?}: {}", answer.status, answer.header("cache-control")));
                }
                if let Some(policy) = policy.filter(|_| shared_cookies || !has_cookie) {
                    assert_eq!(answer.line("cache-control"), policy, "{status}");
                }
            }
        }
    }
    wrong
}

/// A service that knows nothing of the crate.
fn plain(cloudfront: CloudFront, status: u16, policy: Option<&'static str>, has_cookie: bool) -> App {
    App::new(cloudfront.layer(service_fn(move |_: Request| {
        let mut response = Response::builder().status(status);
        if let Some(policy) = policy {
            response = response.header("cache-control", policy);
        }
        if has_cookie {
            response = response.header("set-cookie", "a=1").header("set-cookie", "b=2");
        }
        async { response.body("hello".to_owned()) }
    })))
}

/// Whether a shared cache may store it (RFC 9111 §3): nothing forbids it for the whole response. `private` with names
/// of fields forbids these fields only (§5.2.2.7).
fn is_shared(answer: &Answer) -> bool {
    let lines = answer.headers.get_all("cache-control").iter().map(|line| line.to_str().expect("ASCII"));
    let mut quoted = false;
    let text = lines.collect::<Vec<_>>().join(",").to_ascii_lowercase();
    let outside_quotes = |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    let directives: Vec<_> = text.split(outside_quotes).map(|directive| directive.trim().to_owned()).collect();
    !directives.iter().any(|directive| {
        let names_cookie = directive.starts_with("private=") && directive.contains("set-cookie");
        directive == "private" || directive == "no-store" || names_cookie
    })
}

// The layer over services that know nothing of it

/// Handlers of axum alone.
fn router() -> Router {
    let tagged = |tag: &'static str| axum_get(async move || ([(header::ETAG, tag)], "own tag"));
    Router::new()
        .route("/json", axum_get(async || Json(json!({ "hello": "world" }))))
        .route("/html", axum_get(async || Html("<p>Hello")))
        .route("/ours", axum_get(async || Response::<axum::body::Body>::from(content().html("<p>Hello"))))
        .route("/text", axum_get(async || "hello").post(async || "posted"))
        .route("/strong", tagged("\"mine\""))
        .route("/weak", tagged("W/\"mine\""))
        .route("/dated", axum_get(async || ([(header::LAST_MODIFIED, STAMP)], "dated")))
        .route("/unchanged", axum_get(async || (StatusCode::NOT_MODIFIED, [(header::ETAG, "\"mine\"")])))
        .route("/stream", axum_get(stream))
        .route("/own", axum_get(async || ([(header::CACHE_CONTROL, "private, max-age=5")], "own policy")))
        .route("/form", axum_post(async || (StatusCode::SEE_OTHER, [(header::LOCATION, "/text")])))
        .route("/created", axum_post(async || (StatusCode::CREATED, "created")))
        .route("/empty", axum_get(async || StatusCode::NO_CONTENT))
        .route("/failed", axum_get(async || (StatusCode::INTERNAL_SERVER_ERROR, "oh")))
}

async fn stream() -> impl IntoResponse {
    let chunks = ["hel", "lo ", "stream"].map(|chunk| Ok::<_, Infallible>(Bytes::from_static(chunk.as_bytes())));
    axum::body::Body::from_stream(futures_util::stream::iter(chunks))
}

/// The layer around the router, inside it, and both.
fn layered() -> [(&'static str, App); 3] {
    [
        ("around", App::new(CloudFront::new().layer(router()))),
        ("inside", App::new(router().layer(CloudFront::new()))),
        ("both", App::new(CloudFront::new().layer(router().layer(CloudFront::new())))),
    ]
}

#[tokio::test]
async fn the_layer_gives_plain_responses_what_ours_have() {
    for (place, app) in layered() {
        for (method, target, status, cache_control, body) in [
            ("GET", "/json", 200, "no-cache", "{\"hello\":\"world\"}"),
            ("GET", "/html", 200, "no-cache", "<p>Hello"),
            ("GET", "/ours", 200, "no-cache", "<p>Hello"),
            ("GET", "/text", 200, "no-cache", "hello"),
            ("GET", "/strong", 200, "no-cache", "own tag"),
            ("GET", "/weak", 200, "no-cache", "own tag"),
            ("GET", "/dated", 200, "no-cache", "dated"),
            ("GET", "/stream", 200, "no-cache", "hello stream"),
            ("GET", "/own", 200, "private, max-age=5", "own policy"),
            ("GET", "/missing", 404, "no-cache", ""),
            ("GET", "/failed", 500, "no-store", "oh"),
            ("POST", "/text", 200, "no-store", "posted"),
            ("POST", "/form", 303, "no-store", ""),
            ("POST", "/created", 201, "no-store", "created"),
            ("POST", "/html", 405, "no-store", ""),
            ("GET", "/empty", 204, "no-cache", ""),
        ] {
            let answer = ask(&app, method, target).through(Front::Rest).send().await;
            let at = format!("{place} {method} {target}");
            assert_eq!((answer.status.as_u16(), answer.text()), (status, body), "{at}");
            assert_eq!(answer.line("cache-control"), cache_control, "{at}");
            assert_eq!(answer.header("etag").parse::<EntityTag>().is_ok(), status == 200 && method == "GET", "{at}");
            if status != 204 {
                assert_eq!(answer.line("content-length"), body.len().to_string(), "{at}");
                assert_eq!(answer.line("x-content-type-options"), "nosniff", "{at}");
            }
            if method == "GET" {
                let head = ask(&app, "HEAD", target).through(Front::Rest).send().await;
                assert_eq!((head.status, &head.headers), (answer.status, &answer.headers), "{at}: HEAD");
                assert!(head.body.is_empty(), "{at}");
            }
            let again = ask(&app, method, target).header(INM, answer.header("etag")).send().await;
            let expected = if status == 200 && method == "GET" { 304 } else { status };
            assert_eq!(again.status, expected, "{at}: again");
        }
        assert_eq!(ask(&app, "POST", "/html").send().await.header("allow"), "GET,HEAD", "{place}");
    }
}

#[tokio::test]
async fn a_handlers_own_validators_are_kept() {
    for (place, app) in layered() {
        for (target, name, value, status) in [
            ("/strong", INM, "\"mine\"", 304),
            ("/strong", INM, "\"other\"", 200),
            ("/weak", INM, "W/\"mine\"", 304),
            ("/weak", IM, "\"mine\"", 412),
            ("/unchanged", "x-none", "", 304),
        ] {
            let answer = get(&app, target).header(name, value).send().await;
            assert_eq!(answer.status, status, "{place} {target} {name}: {value}");
        }
        assert_eq!(get(&app, "/strong").send().await.line("etag"), "\"mine\"", "{place}");
        assert_eq!(get(&app, "/unchanged").send().await.line("etag"), "\"mine\"", "{place}");
    }
}

/// §8.8, §9.3.4, §15.3.2: a client goes on with the tag of what it has put or created.
#[tokio::test]
async fn a_handlers_own_validators_are_sent_on_every_status() {
    const OWN: [(HeaderName, &str); 2] = [(header::ETAG, "\"v2\""), (header::LAST_MODIFIED, STAMP)];
    let stamp = httpdate::parse_http_date(STAMP).expect("a date");
    let own_tag = EntityTag::strong("v2");
    let json = move || content().json(&json!({ "id": 7 })).map(|json| json.with_status(StatusCode::CREATED));
    let made = move || json().map(|json| json.with_entity_tag(own_tag.clone()).with_last_modified(stamp));
    let router = Router::new()
        .route("/doc", axum::routing::put(async || (StatusCode::NO_CONTENT, OWN)))
        .route("/docs", axum_post(async || (StatusCode::CREATED, OWN, "made")))
        .route("/saved", axum_post(async || (OWN, "saved")))
        .route("/changed", axum_get(async || (StatusCode::NON_AUTHORITATIVE_INFORMATION, OWN, "changed")))
        .route("/gone", axum_get(async || (StatusCode::NOT_FOUND, OWN, "gone")))
        .route("/made", axum_post(async move || made().map(Response::<axum::body::Body>::from).expect("JSON")))
        .route("/json", axum_post(async move || json().map(Response::<axum::body::Body>::from).expect("JSON")))
        .route("/page", axum_get(async || Response::<axum::body::Body>::from(content().not_found())));
    let apps = [App::new(CloudFront::new().layer(router.clone())), App::new(router.layer(CloudFront::new()))];
    for (app, (method, target, status, is_own)) in apps.iter().flat_map(|app| {
        [
            ("PUT", "/doc", 204, true),
            ("POST", "/docs", 201, true),
            ("POST", "/saved", 200, true),
            ("GET", "/changed", 203, true),
            ("HEAD", "/changed", 203, true),
            ("GET", "/gone", 404, true),
            ("POST", "/made", 201, true),
            // Tags of this crate are of what a GET sends.
            ("POST", "/json", 201, false),
            ("GET", "/page", 404, false),
        ]
        .map(|row| (app, row))
    }) {
        let answer = ask(app, method, target).send().await;
        let (tag, date) = if is_own { ("\"v2\"", STAMP) } else { ("", "") };
        let sent = (answer.status.as_u16(), answer.header("etag"), answer.header("last-modified"));
        assert_eq!(sent, (status, tag, date), "{method} {target}");
    }
}

#[tokio::test]
async fn a_handlers_own_last_modified_is_a_validator() {
    for (place, app) in layered() {
        for (name, value, status) in [(IMS, STAMP, 304), (IMS, BEFORE, 200), (IUS, STAMP, 200), (IUS, BEFORE, 412)] {
            let answer = get(&app, "/dated").header(name, value).send().await;
            assert_eq!(answer.status, status, "{place} {name}: {value}");
        }
    }
}

/// §8.8.3: what is no entity-tag is none, and CloudFront would drop it.
#[tokio::test]
async fn a_handlers_malformed_tag_is_not_sent() {
    let service =
        service_fn(async |_: Request| Response::builder().header("etag", "d41d8cd9").body("hello".to_owned()));
    let answer = get(&App::new(CloudFront::new().layer(service)), "/").send().await;
    let tag = answer.header("etag");
    assert!(tag.is_empty() || tag.parse::<EntityTag>().is_ok(), "{tag}");
}

/// §13.1.1: once it is done, 412 would be a lie; and the hash of an answer is no tag of what was posted to.
#[tokio::test]
async fn what_a_plain_handler_has_done_is_not_answered_with_412() {
    for (place, app) in layered() {
        for (name, value) in [(IM, "\"version-7\""), (INM, "*")] {
            let answer = ask(&app, "POST", "/text").header(name, value).send().await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, "posted"), "{place} {name}");
        }
    }
}

/// The layer asks the handler with GET where the client said HEAD: it must not let a Range come along (§14.2).
#[tokio::test]
async fn head_never_has_a_range_even_where_the_handler_makes_it() {
    let ranged = service_fn(async |request: Request| {
        let status = if request.headers().contains_key("range") { 206 } else { 200 };
        Response::builder().status(status).body("hello".to_owned())
    });
    let app = App::new(CloudFront::new().layer(ranged));
    assert_eq!(get(&app, "/").header("range", "bytes=0-4").send().await.status, 206);
    assert_eq!(ask(&app, "HEAD", "/").header("range", "bytes=0-4").send().await.status, 200);
}

#[tokio::test]
async fn an_endless_body_is_given_up_where_no_front_door_would_take_more() {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let endless = service_fn(move |_: Request| {
        let count = count.clone();
        let frames = futures_util::stream::iter((0..64).map(move |_| {
            count.fetch_add(1, Relaxed);
            Ok::<_, Infallible>(http_body::Frame::data(Bytes::from(vec![b'x'; 1 << 20])))
        }));
        async { Ok::<_, Infallible>(Response::new(UnsyncBoxBody::new(StreamBody::new(frames)))) }
    });
    let answer = get(&App::new(CloudFront::new().layer(endless)), "/").send().await;
    assert_eq!(answer.status, 500);
    assert!(pulled.load(Relaxed) < 16, "{} MiB were taken", pulled.load(Relaxed));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_no_half_page() {
    let broken = service_fn(async |_: Request| {
        let frames = [Ok(http_body::Frame::data(Bytes::from_static(b"half"))), Err(BoxError::from("gone"))];
        let body = UnsyncBoxBody::new(StreamBody::new(futures_util::stream::iter(frames)));
        Ok::<_, Infallible>(Response::new(body))
    });
    let answer = get(&App::new(CloudFront::new().layer(broken)), "/").send().await;
    assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (500, "no-store"));
    assert!(!answer.text().contains("half"));
}

/// What a representation says wins over the layer's own fields, each once.
#[tokio::test]
async fn a_representations_own_fields_are_sent_once() {
    let app = app(|_| {
        let page = Representation::new("text/plain", "hello").with_cache_control(CacheControl::no_store());
        let options = HeaderValue::from_static("nosniff");
        page.with_header(header::X_CONTENT_TYPE_OPTIONS, options)
            .with_added_header(header::LINK, HeaderValue::from_static("</a>"))
            .with_added_header(header::LINK, HeaderValue::from_static("</b>"))
    });
    let answer = get(&app, "/").through(Front::Rest).send().await;
    assert_eq!(answer.line("cache-control"), "no-store");
    assert_eq!(answer.line("x-content-type-options"), "nosniff");
    assert_eq!(answer.headers.get_all("link").iter().collect::<Vec<_>>(), ["</a>", "</b>"]);
    let expected = ["cache-control", "content-length", "content-type", "link", "x-content-type-options"];
    assert_eq!(answer.names(), expected, "and nothing else: {:?}", HeaderMap::clone(&answer.headers));
}
