//! The fields that tell browsers what a page may do: on which answers, whose value wins, and that the policy's hashes are
//! those of the markup that is sent.

use base64::{Engine, engine::general_purpose::STANDARD};
use chalice_http_toolkit::{App, CloudFront, ContentManager, ErrorKind, Representation, SecurityHeaders};
use http::{HeaderValue, Response, header};
use lambda_http::Request;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tower::{Layer, service_fn};

use crate::support::{Answer, Folders, Log, folders, get};

const SCRIPT: &str = "\n  start('ü');\n";

fn site_files() -> Folders {
    folders(&[
        ("templates/base.html", "<style>b { c: d }</style>{% block body %}{% endblock %}{% include 'foot.html' %}"),
        ("templates/foot.html", "{% from 'macros.html' import tail %}{{ tail(1) }}"),
        ("templates/macros.html", "{% macro tail(n) %}<script>tail()</script>{{ n }}{% endmacro %}"),
        (
            "templates/page.html",
            &format!(
                "{{% extends 'base.html' %}}{{% block body %}}<script>{SCRIPT}</script>{{{{ text|safe }}}}{{% endblock %}}"
            ),
        ),
        ("templates/other.html", "<script>other()</script><script>dynamic({{ n }})</script>\n<p onclick='a()'>"),
        ("templates/plain.html", "<p>"),
        ("templates/data.json", "{}"),
        ("templates/404.html", "<script>lost()</script>"),
        ("static/a.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("static/a.css", "a{}"),
    ])
}

fn app(content: &ContentManager, headers: Option<SecurityHeaders>) -> App {
    let content_of = content.clone();
    let site = CloudFront::new().layer(service_fn(move |request: Request| {
        let content = &content_of;
        let page = match request.uri().path() {
            "/fails" => content.render_template("fails.html", ()),
            "/own" => content.render_template("page.html", ()).map(|page| {
                let page = page.with_header(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src *"));
                page.with_header(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
            }),
            "/key" => content.render_template_with("page.html", 1, async || Ok::<_, chalice_http_toolkit::Error>(())),
            "/injected" => content.render_template("page.html", json!({ "text": "<script>evil()</script>" })),
            "/redirect" => Ok(content.redirect("/")),
            "/html" => Ok(content.html("<script>a()</script>")),
            "/xml" => Ok(content.xml("<a/>")),
            "/missing" => Ok(content.not_found()),
            path if path.starts_with("/static/") => Ok(content.static_file_at(request.uri())),
            path => content.render_template(&path[1..], ()),
        };
        async { page.map(Response::<String>::from) }
    }));
    let app = match headers {
        Some(headers) => App::new(site).with_security_headers(headers),
        None => App::new(SecurityHeaders::new().layer(site)),
    };
    app.with_error_pages(content)
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

const REST: &str =
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'; img-src 'self' data:; object-src 'none'";

fn policy(scripts: &[&str], styles: &[&str]) -> String {
    let of = |name: &str, texts: &[&str]| {
        let mut hashes: Vec<String> = texts.iter().map(|text| hash(text)).collect();
        hashes.sort();
        if hashes.is_empty() { String::new() } else { format!("; {name} 'self' {}", hashes.join(" ")) }
    };
    format!("default-src 'self'; {REST}{}{}", of("script-src", scripts), of("style-src", styles))
}

#[tokio::test]
async fn each_page_allows_the_scripts_of_its_own_templates() {
    let folders = site_files();
    let content = folders.content();
    for app in [app(&content, None), app(&content, Some(SecurityHeaders::new()))] {
        for (path, scripts, styles) in [
            ("/page.html", &[SCRIPT, "tail()"][..], &["b { c: d }"][..]),
            ("/key", &[SCRIPT, "tail()"], &["b { c: d }"]),
            ("/injected", &[SCRIPT, "tail()"], &["b { c: d }"]),
            ("/other.html", &["other()"], &[]),
            ("/plain.html", &[], &[]),
            ("/html", &[], &[]),
            ("/xml", &[], &[]),
            ("/missing", &["lost()"], &[]),
        ] {
            let answer = get(&app, path).send().await;
            assert_eq!(answer.line("content-security-policy"), policy(scripts, styles), "{path}");
            assert_eq!(answer.line("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.line("referrer-policy"), "strict-origin-when-cross-origin", "{path}");
            assert_eq!(answer.line("x-content-type-options"), "nosniff", "{path}");
            for script in scripts {
                assert!(answer.text().contains(&format!("<script>{script}</script>")), "{path}: {}", answer.text());
            }
        }
        for path in ["/data.json", "/static/a.css", "/redirect"] {
            let answer = get(&app, path).send().await;
            assert_eq!(
                (answer.header("content-security-policy"), answer.header("x-frame-options")),
                ("", ""),
                "{path}"
            );
            assert_eq!(answer.line("referrer-policy"), "strict-origin-when-cross-origin", "{path}");
        }
    }
}

#[tokio::test]
async fn what_a_handler_has_set_stays() {
    let folders = site_files();
    let app = app(&folders.content(), None);
    let own = get(&app, "/own").send().await;
    assert_eq!((own.line("content-security-policy"), own.line("referrer-policy")), ("default-src *", "no-referrer"));
    assert_eq!(own.header("x-frame-options"), "");
    let svg = get(&app, "/static/a.svg").send().await;
    assert!(svg.line("content-security-policy").starts_with("default-src 'none'"), "{svg:?}");
}

#[tokio::test]
async fn a_304_has_none_of_it_and_the_policy_of_the_page_that_is_kept_fits_it() {
    let folders = site_files();
    let content = folders.content();
    for app in [app(&content, None), app(&content, Some(SecurityHeaders::new()))] {
        let first = get(&app, "/page.html").send().await;
        let second = get(&app, "/page.html").header("if-none-match", first.line("etag")).send().await;
        assert_eq!(second.status, 304);
        assert_eq!(second.names(), ["cache-control", "etag"]);
        let head = crate::support::ask(&app, "HEAD", "/page.html").send().await;
        assert_eq!(head.line("content-security-policy"), first.line("content-security-policy"));

        // A script that changes is a page with another tag, and so a policy that is sent anew.
        folders.write("templates/macros.html", b"{% macro tail(n) %}<script>tail(2)</script>{{ n }}{% endmacro %}");
        let changed = get(&app, "/page.html").header("if-none-match", first.line("etag")).send().await;
        assert_eq!(changed.status, 200);
        assert!(changed.line("content-security-policy").contains(&hash("tail(2)")), "{changed:?}");
        folders.write("templates/macros.html", b"{% macro tail(n) %}<script>tail()</script>{{ n }}{% endmacro %}");
    }
}

#[tokio::test]
async fn an_app_adds_them_to_its_own_answers_too() {
    let folders = site_files();
    let headers = SecurityHeaders::new().with_hsts(Duration::from_millis(60_999));
    let app = app(&folders.content(), Some(headers));
    let complete = |answer: &Answer| {
        assert_eq!(answer.line("strict-transport-security"), "max-age=60");
        assert_eq!(answer.line("content-security-policy"), policy(&[], &[]));
    };
    let failed = get(&app, "/fails").send().await;
    assert_eq!(failed.status, 500);
    complete(&failed);
    let mut event = get(&app, "/").event();
    event["headers"] = json!({ "host": "bad host" });
    let bad = crate::support::send(&app, &event).await;
    assert_eq!(bad.status, 400);
    complete(&bad);
}

#[tokio::test]
async fn choices_are_sent_and_what_is_none_is_refused() {
    let folders = site_files();
    let headers = || SecurityHeaders::new();
    let chosen = headers()
        .with_directive("frame-ancestors", "'self'")
        .and_then(|headers| headers.with_directive("img-src", "*"))
        .and_then(|headers| headers.with_referrer_policy("same-origin"))
        .and_then(|headers| headers.with_permissions_policy("camera=()"))
        .expect("choices")
        .with_hsts_and_subdomains(Duration::from_secs(86_400));
    let answer = get(&app(&folders.content(), Some(chosen)), "/plain.html").send().await;
    for (name, value) in [
        ("x-frame-options", "SAMEORIGIN"),
        ("referrer-policy", "same-origin"),
        ("permissions-policy", "camera=()"),
        ("strict-transport-security", "max-age=86400; includeSubDomains"),
    ] {
        assert_eq!(answer.line(name), value);
    }
    let policy = answer.line("content-security-policy");
    assert!(policy.contains("frame-ancestors 'self'; img-src *;"), "{policy}");
    for (name, value) in
        [("", "x"), ("img src", "x"), ("img-src", "a; b"), ("img-src", "a, b"), ("img-src", "a\nb"), ("img-src", "ü")]
    {
        assert_eq!(
            headers().with_directive(name, value).unwrap_err().kind(),
            ErrorKind::Configuration,
            "{name} {value}"
        );
    }
    // What browsers would take for a host of that name, and what they would not know.
    for value in ["self", "none", "https://x unsafe-inline", "NONCE-abc", "sha256-abc="] {
        let error = headers().with_directive("script-src", value).unwrap_err();
        assert!(error.kind() == ErrorKind::Configuration && error.to_string().contains("is written `'"), "{error}");
    }
    for value in ["'self' 'nonce-abc'", "self.example", "https://self", "*", ""] {
        assert!(headers().with_directive("script-src", value).is_ok(), "{value}");
    }
    for policy in ["orgin", "same_origin", "'same-origin'", "", "same-origin; origin"] {
        assert!(headers().with_referrer_policy(policy).is_err(), "{policy}");
    }
    assert!(headers().with_referrer_policy("no-referrer, strict-origin-when-cross-origin").is_ok());
    assert!(headers().with_referrer_policy("a\nb").is_err() && headers().with_permissions_policy("a\nb").is_err());
}

#[tokio::test]
async fn a_page_with_more_inline_than_fits_says_so_and_still_arrives() {
    let scripts: String = (0..150).map(|n| format!("<script>f({n})</script>")).collect();
    let folders = folders(&[("templates/page.html", &scripts)]);
    let log = Log::start();
    for front in [chalice_http_toolkit::Front::Rest, chalice_http_toolkit::Front::Http] {
        let answer = get(&app(&folders.content(), None), "/page.html").through(front).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("content-security-policy")), (200, policy(&[], &[]).as_str()));
    }
    assert!(!log.lines(&["ERROR", "Content-Security-Policy", "too long"]).is_empty());
}

#[test]
fn what_the_policy_blocks_is_found_beforehand() {
    let folders = site_files();
    let findings: Vec<String> = folders.content().check_inline().iter().map(ToString::to_string).collect();
    let [script, handler] = findings.as_slice() else { panic!("{findings:?}") };
    assert!(script.starts_with("other.html:1: a strict Content-Security-Policy blocks this inline script"), "{script}");
    assert!(
        handler.starts_with("other.html:2: a strict Content-Security-Policy blocks the event handler `onclick`"),
        "{handler}"
    );
}

#[cfg(feature = "images")]
#[tokio::test]
async fn placeholders_of_pictures_may_have_their_style() {
    let folders = folders(&[("templates/page.html", "{{ picture('a.png', alt='', placeholder='colour') }}")]);
    let content = folders.content().with_images(chalice_http_toolkit::Images::new());
    let answer = get(&app(&content, None), "/page.html").send().await;
    assert!(answer.line("content-security-policy").ends_with("style-src-attr 'unsafe-inline'"), "{answer:?}");
}

#[tokio::test]
async fn a_layer_in_the_wrong_place_is_reported() {
    let log = Log::start();
    let site = service_fn(async |_: Request| {
        let page = Representation::new("text/html", "<p>");
        Ok::<Response<String>, std::convert::Infallible>(page.into())
    });
    let app = App::new(CloudFront::new().layer(SecurityHeaders::new().layer(site)));
    assert_eq!(get(&app, "/").send().await.header("referrer-policy"), "");
    assert_eq!(log.lines(&["ERROR", "put them around it"]).len(), 1);
}

#[tokio::test]
async fn a_representation_of_a_type_in_capitals_is_a_document_too() {
    let site = service_fn(async |_: Request| {
        Ok::<Response<String>, std::convert::Infallible>(Representation::new("Text/HTML", "<p>").into())
    });
    let answer = get(&App::new(SecurityHeaders::new().layer(CloudFront::new().layer(site))), "/").send().await;
    assert_eq!(answer.line("content-security-policy"), policy(&[], &[]));
}
