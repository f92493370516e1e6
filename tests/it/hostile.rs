//! What strangers send: whatever path or field comes through whichever front door, there is an answer, it is no failure,
//! and not a byte of it is from outside the root.

use std::{os::unix::fs::symlink, sync::LazyLock};

use chalice_http_toolkit::{App, CloudFront, Front};
use http::Response;
use lambda_http::Request;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, service_fn};

use crate::support::{Answer, EVENT_FRONTS as FRONTS, Folders, ask, folders, get, send};

/// Stands in every file that nobody may see.
const SECRET: &str = "the marker of a secret";

struct Site {
    app: App,
    _folders: Folders,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    // A template is for rendering: its source is a secret too.
    let source = format!("{{# {SECRET} #}}a page");
    let folders = folders(&[
        ("templates/page.html", &source),
        ("secret.txt", SECRET),
        ("outside/secret.txt", SECRET),
        ("static/.env", SECRET),
        ("static/.git/config", SECRET),
        ("static/css/.hidden", SECRET),
        ("static/css/.well-known/secret.txt", SECRET),
        ("static/.well-known/.env", SECRET),
        ("static/.well-known/security.txt", "Contact: mailto:a@shop.example"),
        ("static/css/site.css", "body {}"),
        ("static/css/site.css.br", "compressed"),
        ("static/hello.txt", "hello"),
        ("static/a b.txt", "spaced"),
    ]);
    let root = folders.path();
    symlink(root.join("secret.txt"), root.join("static/link.txt")).expect("a link");
    symlink("../secret.txt", root.join("static/relative.txt")).expect("a link");
    symlink(root.join("outside"), root.join("static/outside")).expect("a link");
    symlink("/", root.join("static/slash")).expect("a link");
    let content = folders.content().with_reload(false);
    let app = App::new(CloudFront::new().layer(service_fn(move |request: Request| {
        let path = request.uri().path();
        let answer = match path.strip_prefix("/pages/") {
            Some(name) => content.render_template(name, ()).unwrap_or_else(|_| content.not_found()),
            None => content.static_file_at(request.uri()),
        };
        let response = Response::<String>::from(answer);
        async { Ok::<_, std::convert::Infallible>(response) }
    })));
    Site { app, _folders: folders }
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

/// The answers to a target, as a client sends it, through all front doors.
fn answers(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<Answer> {
    FRONTS.map(|front| RUNTIME.block_on(send(&SITE.app, &event(front, method, target, headers)))).into()
}

/// An HTTP API decodes the path before it hands it over.
fn event(front: Front, method: &str, target: &str, headers: &[(&str, &str)]) -> Value {
    let mut event = ask(&SITE.app, method, target).headers(headers).through(front).event();
    if let (Front::Http, Some(path)) = (front, event["rawPath"].as_str()) {
        event["rawPath"] = percent_decode_str(path).decode_utf8_lossy().into();
    }
    event
}

fn is_harmless(answer: &Answer) -> bool {
    let leaks = answer.body.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
    // 501 is for a method that nobody has heard of.
    let failed = answer.status.is_server_error() && answer.status != 501;
    !failed && !leaks
}

#[test]
fn what_leaves_the_root_or_is_hidden_is_not_there() {
    for (path, body) in [("/static/hello.txt", "hello"), ("/pages/page.html", "a page")] {
        assert!(answers("GET", path, &[]).iter().all(|answer| answer.text() == body), "the site works");
    }
    let long = |text: &str, times| format!("/static/{}", text.repeat(times));
    let mut wrong = Vec::new();
    for path in [
        "/static/../secret.txt",
        "/static/css/../../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/static/%2E%2E/secret.txt",
        "/static/.%2e/secret.txt",
        "/static/..%2fsecret.txt",
        "/static/%2e%2e%2fsecret.txt",
        "/static/..%5csecret.txt",
        "/static/..\\secret.txt",
        "/static/css%5csite.css",
        "/static/%252e%252e/secret.txt",
        "/static/%252e%252e%252fsecret.txt",
        "/static/..;/secret.txt",
        "/static/....//secret.txt",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/file:///etc/passwd",
        "/static/hello.txt%00.css",
        "/static/%00",
        "/static/hello.txt/",
        "/static/hello.txt/.",
        "/static/./hello.txt",
        "/static/.env",
        "/static/%2eenv",
        "/static/.git/config",
        "/static/css/.hidden",
        "/static/css/.well-known/secret.txt",
        "/static/.well-known/.env",
        "/static/.well-known/../.env",
        "/static/.well-known/%2e%2e/.env",
        "/static/.well-known%2f..%2f.env",
        "/static/.well-known",
        "/static/.well-known/",
        "/static/.Well-Known/security.txt",
        "/.well-known/.env",
        "/.well-known/../.env",
        "/.well-known/../secret.txt",
        "/.well-known/%2e%2e/css/site.css",
        "/.well-known//etc/passwd",
        "/.well-known",
        "/.well-known.txt",
        "//.well-known/security.txt",
        "/static/link.txt",
        "/static/relative.txt",
        "/static/outside/secret.txt",
        "/static/slash/etc/passwd",
        "/static/slash/proc/self/environ",
        "/secret.txt",
        "/pages/../secret.txt",
        "/static/page.html",
        "/static/../templates/page.html",
        &long("a", 300),
        &long("%C3%A9", 300),
        &long("../", 2700),
        &long("%2e%2e%2f", 900),
        &long("a/", 4000),
        &long("%25", 2700),
    ] {
        for (answer, front) in answers("GET", path, &[]).iter().zip(FRONTS) {
            if answer.status != 404 || !is_harmless(answer) {
                wrong.push(format!("{front:?} {}: {}", &path[..path.len().min(60)], answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_no_path_is_a_bad_request() {
    for path in ["/static/%", "/static/%zz", "/static/a%4", "/%%/"] {
        for front in [Front::Url, Front::Rest, Front::Alb] {
            let answer = RUNTIME.block_on(get(&SITE.app, path).through(front).send());
            assert_eq!(answer.status, 400, "{front:?} {path}");
        }
    }
    let invalid = "/static/%ff%fe.txt";
    assert!(answers("GET", invalid, &[]).iter().all(|answer| answer.status == 404), "no file is named so");
}

#[test]
fn long_urls_and_long_fields_do_no_harm() {
    let query = format!("/static/hello.txt?{}", "a=b&".repeat(2000));
    assert!(answers("GET", &query, &[]).iter().all(|answer| answer.text() == "hello"));
    let (tags, ranges) = ("\"x\",".repeat(2000), format!("bytes={}", "0-0,".repeat(2000)));
    for (name, value) in [("if-none-match", &tags), ("range", &ranges), ("accept-encoding", &"br;q=0,".repeat(1000))] {
        let answers = answers("GET", "/static/hello.txt", &[(name, value)]);
        assert!(answers.iter().all(|answer| answer.status == 200 && answer.text() == "hello"), "{name}");
    }
    let enormous = format!("/static/{}", "a".repeat(100_000));
    assert!(answers("GET", &enormous, &[]).iter().all(|answer| answer.status.is_client_error()));
}

/// What the fields mean that a decision reads, right and nearly right.
fn field_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,40}",
        "[ -~\t]{0,80}",
        "(W/|w/)?\"[!-~]{0,8}\"?([, \t]{0,3}(W/)?\"[a-z]{0,3}\"){0,3}[,*]?",
        "bytes ?=( ?[0-9]{0,22}-[0-9]{0,22} ?,?){0,6}",
        "(gzip|br|\\*|identity|x-gzip)?( ?; ?q ?= ?[0-9.]{0,6})?(, ?(gzip|br|\\*)(;q=[01](\\.[0-9]{0,4})?)?){0,3}",
        "(Sun|Sunday|Mon), ?[0-9]{1,2}[- ](Jan|Nov|Zzz)[- ][0-9]{1,5} [0-9]{2}:[0-9]{2}:[0-9]{2} ?(GMT)?",
        "Sun Nov {1,2}[0-9]{1,2} [0-9:]{8} [0-9]{1,5}",
        "[a-z.:@\\[\\]/0-9]{0,30}",
        "(\\PC|[\u{0}-\u{1f}\u{7f}]){0,20}",
    ]
}

const FIELDS: &str = "accept accept-encoding connection content-length content-type cookie host if-match \
    if-modified-since if-none-match if-range if-unmodified-since range transfer-encoding x-forwarded-host \
    x-forwarded-proto";

const SEGMENTS: &str = "static css site.css hello.txt secret.txt link.txt outside slash etc passwd .env .git config pages \
    page.html templates .. . %2e%2e %2E. ..%2f %5c %00 %252e%252e %c0%ae%c0%ae %uff0e % ~ ; %e2%80%ae con ::$DATA";

/// Names that are there, names that must not be, and ways to write what leads from one to the other.
fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(SEGMENTS.split(' ').collect::<Vec<_>>());
    let odd = prop_oneof!["\\PC{0,12}", "[%a-f0-9.]{0,12}", "(%[0-9a-fA-F]{2}){0,8}", "a{280,320}"];
    let segment = prop_oneof![6 => known.prop_map(str::to_owned), 1 => odd];
    let separator = prop::sample::select(vec!["/", "/", "/", "//", "\\", "%2f", "%5C", "?", "#"]);
    let rest = prop::collection::vec((separator, segment), 0..8);
    let start = prop::sample::select(vec!["/static/", "/static/../", "/", "", "/pages/", "/STATIC/"]);
    (start, rest).prop_map(|(start, rest)| {
        rest.into_iter().fold(start.to_owned(), |path, (separator, segment)| path + separator + &segment)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_path_is_answered_and_none_leaves_the_root(path in path(), method in "GET|HEAD|POST|OPTIONS|[a-zA-Z!]{1,9}") {
        for answer in answers(&method, &path, &[]) {
            prop_assert!(is_harmless(&answer), "{answer:?}");
        }
    }

    #[test]
    fn any_field_is_answered(
        method in "GET|GET|HEAD|PUT",
        target in prop::sample::select(vec!["/static/css/site.css", "/static/hello.txt", "/static/none", "/pages/x"]),
        fields in prop::collection::vec((prop::sample::select(FIELDS.split(' ').collect::<Vec<_>>()), field_value()), 0..5),
    ) {
        let headers: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for answer in answers(&method, target, &headers) {
            prop_assert!(is_harmless(&answer), "{answer:?}");
            let length = answer.header("content-length").parse::<usize>().ok();
            let has_length = method == "HEAD" || answer.status == 304 || length == Some(answer.body.len());
            prop_assert!(has_length, "{answer:?}");
        }
    }

    #[test]
    fn any_method_and_any_name_of_a_field_is_answered(method in "\\PC{0,12}", name in "\\PC{0,12}", value in "\\PC{0,12}") {
        for answer in answers(&method, "/static/hello.txt", &[(name.as_str(), value.as_str())]) {
            prop_assert!(is_harmless(&answer), "{answer:?}");
        }
    }
}
