//! Static files: what a template may say behind a name, what is hidden, and compressed files that are not what they say.

use std::{
    fs,
    io::Write,
    time::{Duration, SystemTime},
};

use chalice_http_toolkit::{App, CloudFront, ContentManager, Embedded};
use flate2::{Compression, write::GzEncoder};
use http::Response;
use serde_json::{Value, json};
use tower::{Layer, service_fn};

use crate::support::{Folders, Log, files_app, folders, get};

const NOTHING: Embedded = Embedded::new(&[]);

/// An app of one page, `a.html`, and the static files.
fn site(content: &ContentManager, arguments: Value) -> App {
    let content = content.clone();
    App::new(CloudFront::new().layer(service_fn(move |request: lambda_http::Request| {
        let answer = match request.uri().path() {
            "/" => content.render_template("a.html", arguments.clone()),
            _ => Ok(content.static_file_at(request.uri())),
        };
        async { answer.map(Response::<String>::from) }
    })))
}

async fn page(app: &App) -> String {
    let answer = get(app, "/").send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_owned()
}

// Behind a name

#[tokio::test]
async fn a_query_and_a_fragment_stay_behind_the_fingerprint() {
    let names = [
        ("icons.svg#cart", "/static/icons.*.svg#cart"),
        ("icons.svg?v=2", "/static/icons.*.svg?v=2"),
        ("icons.svg?#iefix", "/static/icons.*.svg?#iefix"),
        ("icons.svg?v=2&w=3#a?b", "/static/icons.*.svg?v=2&w=3#a?b"),
        ("icons.svg?q=ü 'x'", "/static/icons.*.svg?q=%C3%BC%20%27x%27"),
        ("icons.svg?q=a%20b", "/static/icons.*.svg?q=a%20b"),
        ("sub/icons.svg#a/b", "/static/sub/icons.*.svg#a/b"),
        ("LICENSE#top", "/static/LICENSE.*#top"),
        ("none.svg#cart", "/static/none.svg#cart"),
        // Names that have it themselves.
        ("c#.svg", "/static/c%23.*.svg"),
        ("c#.svg#cart", "/static/c%23.*.svg#cart"),
        ("100%.css", "/static/100%25.*.css"),
        ("100%.css?v=1", "/static/100%25.*.css?v=1"),
        ("what?.txt", "/static/what%3F.*.txt"),
    ];
    let folders = folders(&[("templates/a.html", "{% for name in names %}{{ static(name) }}\n{% endfor %}")]);
    for name in ["icons.svg", "sub/icons.svg", "LICENSE", "c#.svg", "100%.css", "what?.txt"] {
        folders.write(&format!("static/{name}"), name.as_bytes());
    }
    let app = site(&folders.content(), json!({ "names": names.map(|(name, _)| name) }));
    for (url, (name, expected)) in page(&app).await.lines().zip(names) {
        let url = url.replace("&amp;", "&").replace("&#x2f;", "/");
        let (start, end) = expected.split_once('*').unwrap_or((expected, ""));
        let is_there = expected.contains('*');
        let expected_length = start.len() + end.len() + if is_there { 20 } else { 0 };
        assert!(url.starts_with(start) && url.ends_with(end) && url.len() == expected_length, "{name}: {url}");
        // As a browser does: the fragment stays behind.
        let answer = get(&app, url.split('#').next().expect("one")).send().await;
        assert_eq!(answer.status, if is_there { 200 } else { 404 }, "{name}");
        if is_there {
            assert!(name.starts_with(answer.text()), "{name}: {}", answer.text());
            assert_eq!(answer.line("cache-control"), "public, max-age=31536000, immutable", "{name}");
        }
    }
}

/// A tag that left the file out would be a false 304: the page names the file's old URL for ever.
#[tokio::test]
async fn what_stands_behind_a_name_never_takes_the_file_out_of_the_tag() {
    for template in [
        "{{ static('icons.svg#cart') }}",
        "{{ static('icons.svg?v=2') }}",
        "{{ static('icons.svg?#iefix') }}",
        "{{ static('icons.svg#' ~ symbol) }}",
        "{{ static('icons.svg?v=2#' ~ symbol) }}",
        "{{ static('icons.svg?' ~ symbol ~ '#x') }}",
        "{{ static('icons' ~ '.svg#' ~ symbol) }}",
        "{{ static('icons' ~ '.svg' ~ hash ~ symbol) }}",
        "{{ static('icons.svg#' ~ symbol if symbol else 'other.svg') }}",
        "{{ static(whole) }}",
        "{{ static('icons.svg#%s'|format(symbol)) }}",
        "{% set s = static %}{{ s('icons.svg#cart') }}",
        "{% set name = 'icons.svg#cart' %}{{ static(name) }}",
        "{% macro icon(id) %}{{ static('icons.svg#' ~ id) }}{% endmacro %}{{ icon('cart') }}",
        "{% for id in ['a', 'b'] %}{{ static('icons.svg#' ~ id) }}{% endfor %}",
        "{{ static(*['icons.svg#cart']) }}",
    ] {
        let folders = folders(&[("templates/a.html", template), ("static/icons.svg", "<svg/>")]);
        let arguments = json!({ "symbol": "cart", "hash": "#", "whole": "icons.svg#cart" });
        let app = site(&folders.content().with_reload(true), arguments);
        let before = get(&app, "/").send().await;
        folders.write("static/icons.svg", b"<svg id='new'/>");
        let after = get(&app, "/").header("if-none-match", before.line("etag")).send().await;
        assert_eq!(after.status, 200, "{template}");
        assert_ne!((before.line("etag"), before.text()), (after.line("etag"), after.text()), "{template}");
        // A file that is named so in full takes its place.
        folders.write("static/icons.svg#cart", b"<svg id='exact'/>");
        let exact = get(&app, "/").header("if-none-match", after.line("etag")).send().await;
        let is_the_same = exact.status == 304 || exact.text() == after.text();
        assert_eq!(is_the_same, template.contains('?') || template.contains("'a', 'b'"), "{template}: {exact:?}");
        // And when all are gone, so is the fingerprint.
        fs::remove_file(folders.path().join("static/icons.svg#cart")).expect("it was there");
        fs::remove_file(folders.path().join("static/icons.svg")).expect("it was there");
        let gone = get(&app, "/").header("if-none-match", after.line("etag")).send().await;
        assert_eq!(gone.status, 200, "{template}");
    }
}

/// What a function of the site's own asks `static` for is named by no template, in a macro either.
#[tokio::test]
async fn a_file_that_only_a_function_of_the_site_names_is_no_false_304() {
    for (template, declared) in [
        ("{{ 'a.css'|cdn }}", false),
        ("{{ 'a.css'|cdn }}{{ static('b.css') }}", false),
        ("{{ 'a.css'|cdn }}{{ static('b.css') }}", true),
        ("{{ name|cdn }}{{ static('b' ~ name) }}", false),
        ("{% macro m(name) %}{{ name|cdn }}{% endmacro %}{{ m('a.css') }}", false),
        ("{% macro m(name) %}{{ name|cdn }}{{ static('b.css') }}{% endmacro %}{{ m('a.css') }}", true),
        ("{% if static('b.css') %}{{ 'a.css#x'|cdn }}{% endif %}", false),
    ] {
        let folders = folders(&[("templates/a.html", template), ("static/b.css", "b")]);
        let content = folders.content().with_reload(true).with_environment(|engine| {
            engine.add_filter("cdn", |state: &mut minijinja::State<'_, '_>, name: &str| {
                let url = state.lookup("static").expect("a function");
                url.call(state, &[name.into()]).map(|url| format!("https://cdn.example{url}"))
            });
        });
        let content = if declared { content.with_lookups("cdn", &["static"]) } else { content };
        let app = site(&content, json!({ "name": "a.css" }));
        let (mut seen, log) = (Vec::new(), Log::start());
        for version in [None, Some("1"), Some("2")] {
            version.into_iter().for_each(|css| folders.write("static/a.css", css.as_bytes()));
            let answer = get(&app, "/").send().await;
            assert!(answer.text().contains("https:&#x2f;&#x2f;cdn.example"), "{template}: {answer:?}");
            assert!(
                seen.iter().all(|(tag, _)| tag != answer.line("etag")),
                "{template} {version:?}: {seen:?} {answer:?}"
            );
            seen.push((answer.line("etag").to_owned(), answer.text().to_owned()));
        }
        assert_eq!(log.lines(&["WARN", "rendered to know their tags"]).is_empty(), declared, "{template}");
    }
}

#[test]
fn a_check_looks_for_the_file_before_a_query_or_a_fragment() {
    const TEMPLATES: Embedded = Embedded::new(&[(
        "a.html",
        b"{{ static('icons.svg#cart') }}{{ static('icons.svg?v=2') }}{{ static('c#.svg') }}\n{{ static('none.svg?#x') }}",
    )]);
    const FILES: Embedded = Embedded::new(&[("icons.svg", b"<svg/>"), ("c#.svg", b"<svg/>")]);
    let content = ContentManager::new(TEMPLATES, FILES).unwrap();
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    assert_eq!(findings, ["a.html:2: there is no static file `none.svg`"]);
}

#[cfg(feature = "images")]
#[tokio::test]
async fn pictures_are_found_before_a_query_or_a_fragment() {
    use chalice_http_toolkit::Images;

    let template = "{{ picture('logo.png?v=2#x', alt='') }}\n{{ picture('icons.svg#cart', alt='') }}\n\
        {{ srcset('logo.png#x', widths=[16, 32]) }}\n{{ static('logo.png?v=2#x') }}\n{{ static('logo.png?w=32#x') }}";
    let folders = folders(&[("templates/a.html", template), ("static/icons.svg", "<svg/>")]);
    let logo = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/static/img/logo.png")).unwrap();
    folders.write("static/logo.png", &logo);
    let app = site(&folders.content().with_images(Images::new()), json!({}));
    let text = page(&app).await;
    let lines: Vec<&str> = text.lines().collect();
    assert!(!lines[0].contains("v=2") && !lines[0].contains("#x") && lines[0].contains("/static/logo."), "{text}");
    assert!(lines[1].contains(".svg#cart\""), "{text}");
    assert!(lines[2].contains("?w=16 16w, ") && !lines[2].contains('#'), "{text}");
    // A query that its URL would be refused for is left out; the fingerprint does what it is for.
    assert!(lines[3].ends_with(".png#x") && lines[4].ends_with(".png?w=32#x"), "{text}");
    let urls = lines[2].split(", ").filter_map(|one| one.split(' ').next());
    for url in urls.chain(lines[3..].iter().filter_map(|line| line.split('#').next())) {
        assert_eq!(get(&app, url).send().await.status, 200, "{url}");
    }
    folders.write("templates/a.html", b"{{ static('logo.png?v=2') }}");
    let (app, log) = (site(&folders.content().with_images(Images::new()), json!({})), Log::start());
    assert_eq!((page(&app).await, page(&app).await).0.len(), "/static/logo..png".len() + 20);
    assert_eq!(log.lines(&["WARN", "a.html", "?v=2"]).len(), 1);
}

/// Which queries stay behind the name of an image is a matter of its settings: the tag covers them.
#[cfg(feature = "images")]
#[tokio::test]
async fn settings_of_images_that_change_a_url_change_the_tag() {
    use chalice_http_toolkit::Images;

    let logo = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/static/img/logo.png")).expect("a file");
    for (template, is_moved) in [
        ("{{ static('logo.png?w=384') }}", true),
        ("{{ static('logo.png?' ~ query) }}", true),
        ("{{ static(name) }}", true),
        ("{% set s = static %}{{ s(name) }}", true),
        ("{{ static('logo.png') }}", false),
    ] {
        let folders = folders(&[("templates/a.html", template)]);
        folders.write("static/logo.png", &logo);
        let mut tags = Vec::new();
        for images in [Images::new(), Images::new().with_widths([16])] {
            let content = folders.content().with_build_id("the same").with_images(images);
            let app = site(&content, json!({ "query": "w=384", "name": "logo.png?w=384" }));
            tags.push(get(&app, "/").send().await.line("etag").to_owned());
        }
        assert_eq!(tags[0] != tags[1], is_moved, "{template}");
    }
}

// What is hidden

const WELL_KNOWN: [(&str, &[u8]); 8] = [
    (".well-known/security.txt", b"Contact: mailto:a@shop.example"),
    (".well-known/apple-app-site-association", b"{\"applinks\": {}}"),
    (".well-known/assetlinks.json", b"[]"),
    (".well-known/acme-challenge/token", b"token.thumbprint"),
    (".well-known/.hidden", b"hidden"),
    ("sub/.well-known/x.txt", b"hidden"),
    (".env", b"hidden"),
    (".well-known-too/x.txt", b"hidden"),
];

fn well_known() -> [(Option<Folders>, ContentManager); 2] {
    let folders = folders(&[]);
    WELL_KNOWN.iter().for_each(|(name, content)| folders.write(&format!("static/{name}"), content));
    let content = folders.content();
    [(Some(folders), content), (None, ContentManager::new(NOTHING, Embedded::new(&WELL_KNOWN)).unwrap())]
}

/// RFC 8615 §3: its place is the root of the origin, whatever prefix other files have.
#[tokio::test]
async fn files_in_well_known_are_served_and_nothing_else_that_is_hidden() {
    for (_folders, content) in well_known() {
        let app = files_app(&content);
        for (path, content_type, status) in [
            ("/.well-known/security.txt", "text/plain; charset=utf-8", 200),
            ("/static/.well-known/security.txt", "text/plain; charset=utf-8", 200),
            ("/.well-known/apple-app-site-association", "application/json", 200),
            ("/.well-known/assetlinks.json", "application/json", 200),
            ("/.well-known/acme-challenge/token", "text/plain; charset=utf-8", 200),
            ("/.well-known/none.txt", "", 404),
            ("/.well-known/.hidden", "", 404),
            ("/static/.well-known/.hidden", "", 404),
            ("/static/sub/.well-known/x.txt", "", 404),
            ("/static/.env", "", 404),
            ("/static/.well-known-too/x.txt", "", 404),
            ("/.well-known-too/x.txt", "", 404),
            ("/.env", "", 404),
        ] {
            let answer = get(&app, path).send().await;
            assert_eq!(answer.status, status, "{path}");
            assert!(status == 404 || answer.line("content-type") == content_type, "{path}: {answer:?}");
            assert!(!answer.text().contains("hidden"), "{path}");
        }
        let named = crate::support::app({
            let content = content.clone();
            move |_| content.static_file(".well-known/security.txt")
        });
        assert_eq!(get(&named, "/").send().await.status, 200);
    }
}

/// `embed!` has the folder's hidden files too, and a template may be one.
#[tokio::test]
async fn a_template_in_well_known_is_one() {
    const TEMPLATES: Embedded = Embedded::new(&[(".well-known/security.txt", b"Expires: {{ expires }}")]);
    let content = ContentManager::new(TEMPLATES, NOTHING).unwrap();
    assert!(content.has_template(".well-known/security.txt"));
}

#[tokio::test]
async fn the_log_says_why_a_file_is_not_found() {
    for (_folders, content) in well_known() {
        let content_too = content.clone();
        let by_name = crate::support::app(move |request| content_too.static_file(&request.uri().path()[1..]));
        let by_url = files_app(&content);
        for (app, path, words) in [
            (&by_name, "/.env", &["asked=\".env\"", "starts with a dot"][..]),
            (&by_name, "/sub/.well-known/x.txt", &["starts with a dot"]),
            (&by_name, "/none.txt", &["there is no such static file", "none.txt"]),
            (&by_url, "/static/.env", &["asked=\"/static/.env\"", "starts with a dot"]),
            (&by_url, "/static/a%2fb", &["has a slash"]),
            (&by_url, "/static/a//b", &["empty segment"]),
            (&by_url, "/elsewhere/a.css", &["not below the prefix"]),
        ] {
            let log = Log::start();
            assert_eq!(get(app, path).send().await.status, 404, "{path}");
            assert_eq!(log.lines(&[&["DEBUG"], words].concat()).len(), 1, "{path}: {:?}", log.lines(&[]));
        }
    }
}

// Compressed files

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

/// `old` in the Brotli format: one meta-block that is not compressed.
const BROTLI_OF_OLD: &[u8] = b"\x0b\x01\x80old\x03";

/// As an edit leaves them, long ago by the files' times.
fn edited() -> Folders {
    let folders = folders(&[("templates/a.html", "{{ static('a.css') }}"), ("static/a.css", "old")]);
    folders.write("static/a.css.gz", &gzip(b"old"));
    folders.write("static/a.css.br", BROTLI_OF_OLD);
    for name in ["a.css", "a.css.gz", "a.css.br"] {
        let file = fs::File::options().write(true).open(folders.path().join("static").join(name)).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("a time");
    }
    folders
}

#[tokio::test]
async fn a_compressed_file_is_sent_only_while_it_is_of_the_plain_one() {
    let folders = edited();
    let content = folders.content().with_reload(true);
    let app = site(&content, json!({}));
    let old_url = page(&app).await;
    for (accept, coding) in [("br", "br"), ("gzip", "gzip"), ("br, gzip", "br"), ("identity", "")] {
        let answer = get(&app, "/static/a.css").header("accept-encoding", accept).send().await;
        assert_eq!((answer.header("content-encoding"), answer.line("vary")), (coding, "accept-encoding"), "{accept}");
    }
    assert_eq!(content.check(), []);

    folders.write("static/a.css", b"new");
    let (url, log) = (page(&app).await, Log::start());
    assert_ne!(url, old_url);
    for target in ["/static/a.css", &url] {
        for accept in ["identity", "gzip", "br", "br, gzip", "*"] {
            let answer = get(&app, target).header("accept-encoding", accept).send().await;
            assert_eq!((answer.text(), answer.header("content-encoding")), ("new", ""), "{target} {accept}");
        }
    }
    assert!(!log.lines(&["WARN", "a.css.gz", "compress a.css again"]).is_empty());
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    let advice = "it does not decompress to `a.css`, which is sent uncompressed instead: compress that again, or remove \
        this file";
    assert_eq!(findings, [format!("a.css.br: {advice}"), format!("a.css.gz: {advice}")]);
    assert!(content.check().iter().all(chalice_http_toolkit::Finding::is_static_file));

    // One of them is made again; the other is not.
    folders.write("static/a.css.gz", &gzip(b"new"));
    let answer = get(&app, "/static/a.css").header("accept-encoding", "br, gzip").send().await;
    assert_eq!((answer.header("content-encoding"), &answer.body), ("gzip", &gzip(b"new")));
    assert_eq!(content.check().len(), 1);
}

/// In production nothing is read anew: what counts is what the files were when they were first asked for.
#[tokio::test]
async fn a_stale_file_is_told_once_and_a_page_that_names_it_decompresses_nothing() {
    let folders = edited();
    folders.write("static/a.css", b"new");
    let app = site(&folders.content().with_reload(false), json!({}));
    let log = Log::start();
    for _ in 0..3 {
        page(&app).await;
    }
    assert_eq!(log.lines(&["WARN"]), [""; 0]);
    for _ in 0..3 {
        assert_eq!(get(&app, "/static/a.css").header("accept-encoding", "gzip").send().await.text(), "new");
    }
    assert_eq!(log.lines(&["WARN", "a.css.gz"]).len(), 1);
    assert_eq!(log.lines(&["WARN", "a.css.br"]).len(), 1);
}

#[tokio::test]
async fn what_only_looks_compressed_is_not_sent_as_a_coding() {
    let bomb = gzip(&vec![0; 8 << 20]);
    for compressed in [&b"new"[..], b"", b"\x1f\x8b", &bomb, &[&gzip(b"new")[..], b"more"].concat()] {
        let folders = folders(&[("static/a.css", "new")]);
        folders.write("static/a.css.gz", compressed);
        let content = folders.content();
        let answer = get(&files_app(&content), "/static/a.css").header("accept-encoding", "gzip").send().await;
        assert_eq!((answer.text(), answer.header("content-encoding")), ("new", ""), "{}", compressed.len());
        assert_eq!(content.check().len(), 1);
        let itself = get(&files_app(&content), "/static/a.css.gz").send().await;
        assert_eq!((itself.status.as_u16(), &itself.body[..]), (200, compressed), "it is a file too");
    }
    const FILES: Embedded = Embedded::new(&[("a.css", b"new"), ("a.css.br", b"new"), ("only.gz", b"no plain one")]);
    let content = ContentManager::new(NOTHING, FILES).unwrap();
    let answer = get(&files_app(&content), "/static/a.css").header("accept-encoding", "br").send().await;
    assert_eq!((answer.text(), answer.header("vary")), ("new", ""));
    assert_eq!(content.check().len(), 1);
}
