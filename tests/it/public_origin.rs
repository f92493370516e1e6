//! Absolute URLs: from the origin that the site was told, whatever a request says.

use chalice_http_toolkit::{App, CloudFront, ContentManager, ErrorKind};
use lambda_http::Request;
use tower::{Layer, service_fn};

use crate::support::{FRONTS, Folders, app, folders, get};

const ORIGIN: &str = "https://www.shop.example";

fn templates() -> Folders {
    folders(&[
        ("templates/feed.xml", "<link>{{ absolute_url('/a?b') }}</link>"),
        ("templates/sitemap.txt", "{{ absolute_url('/a b?b&c') }}"),
        ("templates/image.html", "<meta content=\"{{ absolute_url(static('a.css')) }}\">{{ absolute_url(url('/x')) }}"),
        ("templates/plain.html", "{{ url('/a') }}"),
        ("templates/macros.html", "{% macro link(p) %}{{ absolute_url(p) }}{% endmacro %}"),
        ("templates/imports.html", "{% from 'macros.html' import link %}{{ link('/a') }}"),
        ("templates/module.html", "{% import 'macros.html' as m %}{{ m.link('/a') }}"),
        ("templates/includes.html", "{% include 'feed.xml' %}"),
        ("templates/extends.html", "{% extends 'base.html' %}{% block b %}{{ absolute_url('/a') }}{% endblock %}"),
        ("templates/base.html", "{% block b %}{% endblock %}"),
        ("templates/alias.html", "{% set f = absolute_url %}{{ f('/a') }}"),
        ("templates/mapped.html", "{% for p in ['/a'] %}{{ absolute_url(p) }}{% endfor %}"),
        ("templates/away.html", "{{ absolute_url('//evil.example') }}"),
        ("static/a.css", "a {}"),
    ])
}

/// A site that answers `/name` with the template of that name.
fn site(content: &ContentManager) -> App {
    let content = content.clone();
    App::new(CloudFront::new().layer(service_fn(move |request: Request| {
        let page = content.render_template(request.uri().path().trim_start_matches('/'), ());
        async { page.map(http::Response::<String>::from) }
    })))
}

fn at(folders: &Folders, origin: &str) -> ContentManager {
    folders.content().with_public_origin(origin).expect("an origin")
}

#[tokio::test]
async fn absolute_urls_come_from_the_public_origin_and_never_from_the_request() {
    let folders = templates();
    let app = site(&at(&folders, ORIGIN));
    for front in FRONTS {
        for fields in [
            &[][..],
            &[("host", "abc123.execute-api.eu-west-1.amazonaws.com")],
            &[("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")],
            &[("host", "www.shop.example"), ("x-forwarded-proto", "http"), ("x-forwarded-port", "8080")],
        ] {
            let feed = get(&app, "/feed.xml").headers(fields).through(front).send().await;
            assert_eq!(feed.text(), "<link>https://www.shop.example/a?b</link>", "{front:?} {fields:?}");
            let image = get(&app, "/image.html").headers(fields).through(front).send().await;
            let (fingerprinted, link) = image.text().split_once(".css\">").expect("a style sheet");
            assert!(
                fingerprinted.starts_with("<meta content=\"https://www.shop.example/static/a."),
                "{}",
                image.text()
            );
            assert_eq!(link, "https://www.shop.example/x", "{front:?} {fields:?}");
            let text = get(&app, "/sitemap.txt").headers(fields).through(front).send().await;
            assert_eq!(text.text(), "https://www.shop.example/a%20b?b&c", "{front:?} {fields:?}");
        }
    }
}

#[tokio::test]
async fn absolute_urls_carry_the_prefix_of_the_site_once() {
    let folders = templates();
    let app = site(&at(&folders, ORIGIN)).with_base_path("/shop");
    assert!(get(&app, "/feed.xml").send().await.text().contains(">https://www.shop.example/shop/a?b<"));
    let image = get(&app, "/image.html").send().await;
    assert!(image.text().starts_with("<meta content=\"https://www.shop.example/shop/static/a."), "{}", image.text());
    assert!(image.text().ends_with(">https://www.shop.example/shop/x"), "{}", image.text());
}

#[tokio::test]
async fn the_public_origin_is_in_the_tags_of_the_pages_that_use_it_and_of_no_others() {
    let folders = templates();
    let (one, other) = (site(&at(&folders, ORIGIN)), site(&at(&folders, "https://other.example")));
    for name in [
        "feed.xml",
        "image.html",
        "imports.html",
        "module.html",
        "includes.html",
        "extends.html",
        "alias.html",
        "mapped.html",
    ] {
        let path = format!("/{name}");
        let (page, moved) = (get(&one, &path).send().await, get(&other, &path).send().await);
        assert!(page.text().contains("https://www.shop.example/"), "{name}: {}", page.text());
        assert!(moved.text().contains("https://other.example/"), "{name}: {}", moved.text());
        assert_ne!(page.line("etag"), moved.line("etag"), "{name}");
        let again = get(&one, &path).header("if-none-match", page.header("etag")).send().await;
        assert_eq!(again.status, 304, "{name}");
        let stale = get(&other, &path).header("if-none-match", page.header("etag")).send().await;
        assert_eq!(stale.status, 200, "{name}");
    }
    let plain = get(&one, "/plain.html").send().await;
    for app in [&other, &site(&folders.content())] {
        assert_eq!(get(app, "/plain.html").send().await.line("etag"), plain.line("etag"));
    }
    let changes = at(&folders, ORIGIN).explain("feed.xml", &()).expect("a template");
    let changes = changes.changes(&at(&folders, "http://localhost:3000").explain("feed.xml", &()).expect("a template"));
    assert_eq!(changes, ["the public origin"]);
}

#[tokio::test]
async fn without_an_origin_or_with_what_is_no_path_of_the_site_it_is_an_error_that_says_so() {
    let folders = templates();
    for (content, name, told) in [
        (folders.content(), "feed.xml", "with_public_origin"),
        (at(&folders, ORIGIN), "away.html", "takes a path of the site"),
    ] {
        let answer = get(&site(&content).with_development(true), &format!("/{name}")).send().await;
        assert_eq!(answer.status, 500, "{name}");
        assert!(answer.text().contains(told), "{name}: {}", answer.text());
        assert_eq!(answer.header("etag"), "", "{name}");
    }
}

#[test]
fn what_is_no_origin_is_refused_with_the_reason() {
    let content = || ContentManager::new("templates", "static").expect("both folders are there");
    for (origin, normal) in
        [(ORIGIN, ORIGIN), ("HTTPS://WWW.Shop.example:443", ORIGIN), ("http://localhost:3000", "http://localhost:3000")]
    {
        let content = content().with_public_origin(origin).expect("an origin");
        assert_eq!(content.public_origin(), Some(normal));
    }
    for odd in [
        "",
        "www.shop.example",
        "//www.shop.example",
        "https://www.shop.example/",
        "https://www.shop.example/shop",
        "https://*.shop.example",
        "https://user:hunter2@www.shop.example",
        "ftp://www.shop.example",
        "null",
        "https://",
    ] {
        let error = content().with_public_origin(odd).expect_err(odd);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{odd}");
        assert!(error.to_string().contains("https://www.shop.example") && !error.to_string().contains("hunter2"));
    }
    assert_eq!(content().public_origin(), None);
}

/// As a Referer field has it, or a `?next=` that a client built from `location.href`.
#[tokio::test]
async fn a_redirect_takes_an_absolute_url_of_the_public_origin() {
    let folders = folders(&[]);
    for (content, status) in [(at(&folders, ORIGIN), 302), (folders.content(), 400)] {
        let app = app(move |request| {
            let referer = request.headers()["referer"].to_str().expect("a text");
            content.redirect(referer)
        });
        for front in FRONTS {
            let own = "https://www.shop.example/shop/cart?a=b";
            let answer = get(&app, "/").header("referer", own).through(front).send().await;
            let location = if status == 302 { own } else { "" };
            assert_eq!((answer.status.as_u16(), answer.header("location")), (status, location), "{front:?}");
            for other in ["https://www.shop.example.evil.example/", "https://www.shop.example@evil.example/"] {
                let answer = get(&app, "/").header("referer", other).through(front).send().await;
                assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{front:?} {other}");
            }
        }
    }
}

#[tokio::test]
async fn redirects_name_no_host_that_a_request_says() {
    let content = folders(&[]).content();
    let app = app(move |_| content.redirect("/cart"));
    for fields in [&[("host", "evil.example")][..], &[("host", "a"), ("x-forwarded-host", "evil.example")]] {
        assert_eq!(get(&app, "/").headers(fields).send().await.header("location"), "/cart");
    }
}
