//! What a site has to show: templates and what they may say, static files and their URLs, changes while it is developed,
//! error pages, assets, redirects.

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use chalice_http_toolkit::{
    App, BoxError, CacheControl, CloudFront, ContentManager, Embedded, EntityTag, Error, ErrorKind, Front,
    Representation, Source, minijinja,
};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::{Layer, service_fn};

use crate::support::{Answer, FRONTS, Folders, Log, app, ask, files_app, folders, get, send};

const NOTHING: Embedded = Embedded::new(&[]);

/// An app whose paths are names of templates, and below `/static/` files.
fn pages(content: &ContentManager, arguments: Value) -> App {
    let content = content.clone();
    fallible(move |request| match request.uri().path() {
        path if path.starts_with("/static/") => Ok(content.static_file_at(request.uri())),
        path => content.render_template(&path[1..], arguments.clone()),
    })
}

fn fallible(
    handler: impl Fn(&lambda_http::Request) -> Result<Representation, Error> + Clone + Send + Sync + 'static,
) -> App {
    App::new(CloudFront::new().layer(service_fn(move |request| {
        let answer = handler(&request).map(Response::<String>::from);
        async { answer }
    })))
}

async fn page(app: &App, path: &str) -> String {
    let answer = get(app, path).send().await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.text().to_owned()
}

// Templates

#[tokio::test]
async fn templates_have_inheritance_includes_imports_and_macros() {
    let folders = folders(&[
        ("templates/base.html", "<title>{% block title %}Site{% endblock %}</title>{% block body %}{% endblock %}"),
        ("templates/middle.html", "{% extends 'base.html' %}{% block title %}Shop - {{ super() }}{% endblock %}"),
        ("templates/child.html", "{% extends 'middle.html' %}{% block body %}<p>{{ name }}{% endblock %}"),
        ("templates/includes.html", "{% include 'parts/nav.html' %}{% include 'gone.html' ignore missing %}!"),
        ("templates/chosen.html", "{% include ['gone.html', 'parts/' ~ part] %}"),
        ("templates/parts/nav.html", "<nav>{{ name }}</nav>"),
        ("templates/parts/macros.html", "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}"),
        ("templates/imports.html", "{% import 'parts/macros.html' as m %}{{ m.bold(name) }}"),
        ("templates/from.html", "{% from 'parts/macros.html' import bold as strong %}{{ strong('x') }}"),
        ("templates/loop.html", "{% for item in items %}{{ loop.index }}{{ item }}{% else %}none{% endfor %}"),
        ("templates/unknown.html", "[{{ nobody }}]"),
    ]);
    let app = pages(&folders.content(), json!({ "name": "Mo", "part": "nav.html", "items": ["a", "b"] }));
    for (path, expected) in [
        ("/child.html", "<title>Shop - Site</title><p>Mo"),
        ("/includes.html", "<nav>Mo</nav>!"),
        ("/chosen.html", "<nav>Mo</nav>"),
        ("/imports.html", "<b>Mo</b>"),
        ("/from.html", "<b>x</b>"),
        ("/loop.html", "1a2b"),
        ("/unknown.html", "[]"),
    ] {
        assert_eq!(page(&app, path).await, expected, "{path}");
    }
}

/// What is printed must mean nothing in the type that the page is sent as. The original escapes nothing.
#[tokio::test]
async fn arguments_are_escaped_by_the_type_that_a_page_is_sent_as() {
    let printed = "{{ name }}";
    let names =
        ["a.html", "a.htm", "a.xml", "a.html.j2", "a", "a.tmpl", "a.svg", "a.xhtml", "a.rss", "a.json", "a.txt"];
    let files: Vec<_> = names.iter().map(|name| (format!("templates/{name}"), printed)).collect();
    let folders = folders(&files.iter().map(|(name, text)| (name.as_str(), *text)).collect::<Vec<_>>());
    let app = pages(&folders.content(), json!({ "name": "<script>\"&" }));
    let mut wrong = Vec::new();
    for name in names {
        let answer = get(&app, &format!("/{name}")).send().await;
        let content_type = answer.line("content-type");
        let is_markup = ["html", "xml"].iter().any(|markup| content_type.contains(markup));
        let escaped = match content_type {
            _ if is_markup => !answer.text().contains('<') && !answer.text().contains('"'),
            "application/json" => serde_json::from_slice::<Value>(&answer.body).is_ok(),
            _ => answer.text() == "<script>\"&",
        };
        if !escaped {
            wrong.push(format!("{name} is {content_type}: {}", answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_safe_is_not_escaped_again() {
    let folders = folders(&[
        ("templates/a.html", "{{ html|safe }} {{ static('a b.css') }} {{ url('/x?a=1&b=2') }} {{ m }}"),
        ("static/a b.css", "x"),
    ]);
    let app = pages(&folders.content(), json!({ "html": "<b>", "m": "'" }));
    let text = page(&app, "/a.html").await;
    let (before, after) = text.split_once(" /static/a%20b.").expect("the URL");
    assert_eq!((before, &*after[20..].replace("&#x2f;", "/")), ("<b>", ".css /x?a=1&amp;b=2 &#x27;"));
}

/// In a web app's manifest a link stands between quotation marks: whatever is in it, it is JSON, and leads to the same place.
#[tokio::test]
async fn a_link_stands_in_json_as_in_html() {
    let folders = folders(&[
        ("templates/a.webmanifest", r#"["{{ url(to) }}", "{{ absolute_url(to) }}", "{{ static('a.svg' ~ to) }}"]"#),
        ("templates/a.html", "<a href='{{ url(to) }}'>{{ absolute_url(to) }}</a>"),
        ("static/a.svg", "<svg/>"),
    ]);
    let content = folders.content().with_public_origin("https://shop.example").expect("an origin");
    for (to, expected) in [
        ("/?source=pwa", "/?source=pwa"),
        ("/?a=1&b=2#c", "/?a=1&b=2#c"),
        ("/a\"b", "/a%22b"),
        ("/it's", "/it's"),
        ("/a\\b\nc", "/a%5Cb%0Ac"),
        ("/é <b>", "/%C3%A9%20%3Cb%3E"),
        ("/%20%22", "/%20%22"),
    ] {
        let app = pages(&content, json!({ "to": to }));
        let links: Vec<String> = serde_json::from_str(&page(&app, "/a.webmanifest").await).expect("JSON");
        assert_eq!(links[..2], [expected.to_owned(), format!("https://shop.example{expected}")], "{to}");
        assert!(links[2].starts_with("/static/a."), "{to}: {}", links[2]);
        let escaped = expected.replace('&', "&amp;").replace('\'', "&#x27;");
        let html = page(&app, "/a.html").await.replace("&#x2f;", "/");
        assert_eq!(html, format!("<a href='{escaped}'>https://shop.example{escaped}</a>"), "{to}");
    }
}

/// As some editors save UTF-8. Before a doctype it would be quirks mode, in JSON an error (RFC 8259 §8.1).
#[tokio::test]
async fn a_byte_order_mark_of_a_template_is_no_part_of_the_page() {
    const TEMPLATES: [(&str, &str); 10] = [
        ("base.html", "\u{feff}<!doctype html><title>{% block t %}{% endblock %}</title>{% block b %}{% endblock %}"),
        ("page.html", "\u{feff}{% extends 'base.html' %}{% block t %}{% include 'name.txt' %}{% endblock %}"),
        ("child.html", "\u{feff}{% extends 'page.html' %}{% block b %}{{ super() }}{{ m }}{% endblock %}"),
        ("name.txt", "\u{feff}Kiln"),
        ("data.json", "\u{feff}{\"a\": 1}"),
        ("feed.xml", "\u{feff}<?xml version=\"1.0\"?>{% include 'entry.xml' %}"),
        ("entry.xml", "\u{feff}\u{feff}<entry/>"),
        ("macros.html", "\u{feff}{% macro hi() %}hi{% endmacro %}"),
        ("uses.html", "{% import 'macros.html' as m %}{{ m.hi() }}{% from 'macros.html' import hi %}{{ hi() }}"),
        ("inside.html", "a\u{feff}b"),
    ];
    static EMBEDDED: std::sync::LazyLock<Embedded> = std::sync::LazyLock::new(|| {
        let files = TEMPLATES.map(|(name, source)| (name, source.as_bytes()));
        Embedded::new(files.to_vec().leak())
    });
    let folders = folders(&[]);
    TEMPLATES.iter().for_each(|(name, source)| folders.write(&format!("templates/{name}"), source.as_bytes()));
    let added = ContentManager::new(NOTHING, NOTHING).unwrap().with_environment(|engine| {
        let (borrowed, owned) = TEMPLATES.split_at(4);
        borrowed.iter().for_each(|(name, source)| engine.add_template(name, source).unwrap());
        owned.iter().for_each(|(name, source)| engine.add_template_owned(*name, (*source).to_owned()).unwrap());
    });
    for content in [folders.content(), ContentManager::new(*EMBEDDED, NOTHING).unwrap(), added] {
        let app = pages(&content, json!({ "m": "\u{feff}" }));
        for (path, expected) in [
            ("/page.html", "<!doctype html><title>Kiln</title>"),
            ("/child.html", "<!doctype html><title>Kiln</title>\u{feff}"),
            ("/name.txt", "Kiln"),
            ("/data.json", "{\"a\": 1}"),
            ("/feed.xml", "<?xml version=\"1.0\"?><entry/>"),
            ("/uses.html", "hihi"),
            ("/inside.html", "a\u{feff}b"),
        ] {
            assert_eq!(page(&app, path).await, expected, "{path}");
        }
    }
}

/// A template with a mark is one of the folder's as any other: its tag is known, and a change of the mark is none of it.
#[tokio::test]
async fn a_page_with_a_byte_order_mark_has_a_tag_and_the_lines_that_an_editor_shows() {
    let folders = folders(&[("templates/a.html", "\u{feff}<p>{{ name }}"), ("templates/b.html", "\u{feff}\n{% if %}")]);
    let content = folders.content().with_reload(true);
    let (explained, log) = (content.explain("a.html", &json!({})).unwrap(), Log::start());
    assert!(explained.changes(&content.explain("a.html", &json!({ "name": 1 })).unwrap()).len() == 1);
    let app = pages(&content, json!({}));
    let marked = get(&app, "/a.html").send().await;
    assert_eq!(log.lines(&["why a page is rendered"]), [""; 0], "its tag is known");
    folders.write("templates/a.html", b"<p>{{ name }}");
    assert_eq!(get(&app, "/a.html").send().await.line("etag"), marked.line("etag"));
    assert_eq!(content.check()[0].to_string().split(':').take(2).collect::<Vec<_>>(), ["b.html", "2"]);
    folders.write("templates/a.html", b"\xff\xfe<\0p\0>\0");
    assert!(content.check()[0].problem().contains("is UTF-16: save it as UTF-8"), "{:?}", content.check());
}

#[tokio::test]
async fn a_site_adds_filters_functions_tests_and_globals() {
    const TEMPLATES: Embedded = Embedded::new(&[(
        "a.html",
        b"{{ 'hi'|shout }} {{ add(1, 2) }} {{ site }} {{ 4 is even_number }} {{ added }}{% include 'added.html' %}",
    )]);
    let content = ContentManager::new(TEMPLATES, NOTHING).unwrap().with_environment(|engine| {
        engine.add_filter("shout", |text: String| text.to_uppercase());
        engine.add_function("add", |a: i64, b: i64| a + b);
        engine.add_test("even_number", |number: i64| number % 2 == 0);
        engine.add_global("site", "Kiln & Clay");
    });
    let content = content.with_environment(|engine| engine.add_template("added.html", "[in code]").unwrap());
    assert_eq!(page(&pages(&content, json!({})), "/a.html").await, "HI 3 Kiln &amp; Clay True [in code]");
    assert!(content.has_template("a.html") && content.has_template("added.html") && !content.has_template("b.html"));
}

#[tokio::test]
async fn arguments_are_anything_that_serializes() {
    #[derive(serde::Serialize)]
    struct Product {
        name: &'static str,
        prices: Vec<f64>,
    }
    const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"{{ name }}{{ prices|last }}")]);
    let content = ContentManager::new(TEMPLATES, NOTHING).unwrap();
    let product = Product { name: "jug", prices: vec![1.5, 2.5] };
    for (arguments, expected) in [
        (content.render_template("a.html", product), "jug2.5"),
        (content.render_template("a.html", minijinja::context! { name => "x", prices => vec![7] }), "x7"),
        (content.render_template("a.html", json!({ "name": "y", "prices": [8] })), "y8"),
    ] {
        let response = CloudFront::new().respond(&Request::new(()), arguments.unwrap()).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected);
    }
}

// Errors

#[test]
fn errors_say_what_and_where() {
    let folders = folders(&[("templates/a.html", "a")]);
    let content = folders.content();
    for name in ["missing.html", "", "../static/a.css", "/a.html", "./a.html"] {
        let error = content.render_template(name, ()).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::TemplateNotFound, StatusCode::INTERNAL_SERVER_ERROR));
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
    let error = content.json(&std::collections::HashMap::from([((1, 2), 3)])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Serialization);
}

#[test]
fn a_folder_that_is_not_there_is_named_with_every_place() {
    let error = ContentManager::new("no-such-folder", NOTHING).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FolderNotFound);
    let beside = std::env::current_exe().unwrap().with_file_name("no-such-folder");
    let package = format!("{}/no-such-folder", env!("CARGO_MANIFEST_DIR"));
    for place in [beside.to_str().unwrap(), &package] {
        assert!(error.to_string().contains(place), "{place}: {error}");
    }
    let absolute = ContentManager::new(NOTHING, "/no/such/folder").unwrap_err();
    assert!(absolute.to_string().contains("/no/such/folder"), "{absolute}");
    ContentManager::new(Source::folder("no-such-folder").or(NOTHING), NOTHING).expect("the embedded files instead");
}

/// A folder is found in the package by its name alone.
#[tokio::test]
async fn a_relative_folder_is_looked_for_in_the_package() {
    let content = ContentManager::new("templates", "static").unwrap();
    assert_eq!(get(&files_app(&content), "/static/robots.txt").send().await.status, 200);
}

#[cfg(feature = "embed")]
#[tokio::test]
async fn embedded_folders_are_the_same_site() {
    let embedded = chalice_http_toolkit::ContentManager::new(
        chalice_http_toolkit::embed!("templates"),
        chalice_http_toolkit::embed!("static"),
    );
    let (embedded, folder) = (embedded.unwrap(), ContentManager::new("templates", "static").unwrap());
    for path in ["/hello.html", "/static/css/site.css", "/static/img/products/jug.svg", "/static/hello.txt"] {
        let (a, b) = (pages(&embedded, json!({ "name": "x" })), pages(&folder, json!({ "name": "x" })));
        let (a, b) = (get(&a, path).send().await, get(&b, path).send().await);
        assert_eq!((a.status.as_u16(), &a.headers, &a.body), (200, &b.headers, &b.body), "{path}");
    }
}

const BROKEN: [(&str, &str, u32); 4] = [
    ("broken.html", "<p>fine\n<p>{{ name.first.letter }}", 2),
    ("syntax.html", "<p>fine\n\n{% if %}", 3),
    ("raises.html", "{{ fail('the database is away') }}", 1),
    ("missing.html", "\n\n\n{% include 'gone.html' %}", 4),
];

fn broken() -> Folders {
    let folders = folders(&[]);
    BROKEN.iter().for_each(|(name, source, ..)| folders.write(&format!("templates/{name}"), source.as_bytes()));
    folders
}

fn broken_content(folders: &Folders) -> ContentManager {
    folders.content().with_environment(|engine| {
        engine.add_function("fail", |text: String| {
            let kind = minijinja::ErrorKind::InvalidOperation;
            Err::<String, _>(minijinja::Error::new(kind, text))
        });
    })
}

#[tokio::test]
async fn a_page_that_fails_is_logged_once_with_template_and_line() {
    let folders = broken();
    let app = pages(&broken_content(&folders), json!({ "name": "x" }));
    for (name, _, line) in BROKEN {
        assert_logged(&app, name, (name, line)).await;
    }
}

/// Asks for a page that fails, and reads in the log where.
async fn assert_logged(app: &App, name: &str, (template, line): (&str, u32)) {
    let log = Log::start();
    assert_eq!(get(app, &format!("/{name}")).send().await.status, 500, "{name}");
    let (template, line) = (format!("template=\"{template}\""), format!("line={line} "));
    let errors = log.lines(&["ERROR"]);
    assert_eq!((errors.len(), log.lines(&["ERROR", &template, &line]).len()), (1, 1), "{name}: {errors:?}");
}

/// `Error::template` is the template at fault, not the one that was asked for.
#[tokio::test]
async fn an_error_is_where_it_happens_and_not_where_that_is_included() {
    let folders = folders(&[
        ("templates/part.html", "\n\n{{ 1 / 0 }}"),
        ("templates/macros.html", "\n{% macro divide() %}\n\n{{ 1 / 0 }}{% endmacro %}"),
        ("templates/base.html", "\n\n\n\n{{ 1 / 0 }}"),
        ("templates/syntax.html", "\n\n\n\n\n{% if %}"),
        ("templates/child.html", "{% extends 'base.html' %}"),
        ("templates/imports.html", "{% import 'macros.html' as m %}{{ m.divide() }}"),
        ("templates/includes.html", "\n{% include 'part.html' %}"),
        ("templates/includes-syntax.html", "{% include 'syntax.html' %}"),
        ("templates/nested.html", "{% include 'includes.html' %}"),
    ]);
    let app = pages(&folders.content(), json!({}));
    for (name, template, line) in [
        ("child.html", "base.html", 5),
        ("imports.html", "macros.html", 4),
        ("includes.html", "part.html", 3),
        ("includes-syntax.html", "syntax.html", 6),
        ("nested.html", "part.html", 3),
    ] {
        assert_logged(&app, name, (template, line)).await;
    }
}

/// The stage is the process's: this test runs itself once in each.
#[tokio::test]
async fn what_went_wrong_is_shown_in_development_only() {
    const INSIDE: &str = "IT_RUNS_INSIDE_A_STAGE";
    if std::env::var_os(INSIDE).is_some() {
        return errors_of_this_stage(std::env::var("STAGE").as_deref() == Ok("dev")).await;
    }
    let this = ["content::what_went_wrong_is_shown_in_development_only", "--exact"];
    for stage in ["dev", "prod"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(this).env("STAGE", stage).env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{stage}: {said}");
    }
}

async fn errors_of_this_stage(development: bool) {
    let folders = broken();
    let content = broken_content(&folders);
    let plain = pages(&content, json!({ "name": "x" }));
    let errors = ContentManager::new(Embedded::new(&[("500.html", b"Oh no. <pre>{{ detail }}</pre>")]), NOTHING);
    let styled = plain.clone().with_error_pages(&errors.unwrap());
    for (app, styled) in [(plain, false), (styled, true)] {
        for (path, ..) in BROKEN {
            let answer = get(&app, &format!("/{path}")).send().await;
            assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (500, "no-store"));
            for secret in ["template", "line", "database", folders.path().to_str().unwrap()] {
                assert!(development || !answer.text().contains(secret), "{secret}: {answer:?}");
            }
            assert_eq!(answer.text().contains(", line "), development, "{answer:?}");
            assert_eq!(answer.text().starts_with("Oh no."), styled, "{answer:?}");
        }
    }
    folders.write("templates/broken.html", b"mended");
    let app = pages(&content, json!({}));
    assert_eq!(get(&app, "/broken.html").send().await.status, if development { 200 } else { 500 });
}

#[tokio::test]
async fn an_error_page_that_fails_itself_is_replaced() {
    const BROKEN: Embedded = Embedded::new(&[("500.html", b"{{ detail.a.b }}"), ("a.html", b"{{ a.b.c }}")]);
    let content = ContentManager::new(BROKEN, NOTHING).unwrap();
    let answer = get(&pages(&content, json!({})).with_error_pages(&content), "/a.html").send().await;
    assert_eq!((answer.status.as_u16(), answer.line("content-type")), (500, "text/html; charset=utf-8"));
    assert!(answer.text().contains("Internal Server Error"));
}

#[tokio::test]
async fn what_is_not_there_has_the_sites_own_page_or_a_plain_one() {
    let styled = folders(&[("templates/404.html", "<p>Nothing at {{ status }}{{ detail }}")]);
    for (folders, expected) in [(styled, "<p>Nothing at 404"), (folders(&[]), "<h1>Not Found</h1>")] {
        let content = folders.content();
        for answer in [
            get(&files_app(&content), "/static/gone.txt").send().await,
            get(&app(move |_| content.not_found()), "/").header("if-none-match", "*").send().await,
        ] {
            assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (404, "no-cache"));
            assert_eq!(answer.line("content-type"), "text/html; charset=utf-8");
            assert!(answer.text().contains(expected), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_error_page_takes_the_template_of_its_status() {
    let folders = folders(&[("templates/503.html", "{{ status }}: {{ detail }}")]);
    let content = folders.content();
    let app = app(move |request| match request.uri().path() {
        "/styled" => content.error_page(StatusCode::SERVICE_UNAVAILABLE, Some("<back at noon>")),
        _ => content.error_page(StatusCode::IM_A_TEAPOT, Some("<short>")),
    });
    for (path, status, body) in
        [("/styled", 503, "503: &lt;back at noon&gt;"), ("/plain", 418, "<pre>&lt;short&gt;</pre>")]
    {
        let answer = get(&app, path).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("cache-control")), (status, "no-store"));
        assert!(answer.text().contains(body), "{answer:?}");
    }
}

// Static files and their URLs

#[tokio::test]
async fn a_fingerprinted_url_is_kept_for_ever_and_found_again() {
    let folders = folders(&[
        (
            "templates/a.html",
            "{{ static('css/site.css') }} {{ static('deep/er/LICENSE') }} {{ static('a b+c%20.txt') }}",
        ),
        ("static/css/site.css", "body {}"),
        ("static/deep/er/LICENSE", "Apache"),
        ("static/a b+c%20.txt", "odd"),
    ]);
    for (prefix, path) in [
        ("/static", "/static/"),
        ("/assets/v1", "/assets/v1/"),
        ("assets/", "/assets/"),
        ("/statische dateien", "/statische%20dateien/"),
        ("/größe?", "/gr%C3%B6%C3%9Fe%3F/"),
        ("/a%20b", "/a%20b/"),
    ] {
        let content = folders.content().with_static_prefix(prefix);
        let text = page(&pages(&content, json!({})), "/a.html").await;
        let app = files_app(&content);
        for (url, body) in text.split(' ').zip(["body {}", "Apache", "odd"]) {
            assert!(url.starts_with(path), "{url}");
            let answer = get(&app, url).send().await;
            assert_eq!((answer.status.as_u16(), answer.text()), (200, body), "{url}");
            assert_eq!(answer.line("cache-control"), "public, max-age=31536000, immutable", "{url}");
        }
        assert_eq!(get(&app, "/elsewhere/css/site.css").send().await.status, 404);
    }
}

#[tokio::test]
async fn a_url_of_older_content_is_served_and_not_kept() {
    let folders = folders(&[("templates/a.html", "{{ static('a.css') }}"), ("static/a.css", "old")]);
    let content = folders.content().with_reload(true);
    let app = pages(&content, json!({}));
    let old = page(&app, "/a.html").await;
    folders.write("static/a.css", b"new");
    let new = page(&app, "/a.html").await;
    for (url, cache_control) in [(&old, "no-cache"), (&new, "public, max-age=31536000, immutable")] {
        let answer = get(&app, url).send().await;
        assert_eq!((answer.text(), answer.line("cache-control")), ("new", cache_control), "{url}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_file_gives_the_plain_url_and_is_logged_once() {
    let folders = folders(&[
        ("templates/a.html", "<p>\n{{ static('no/file.css') }}{% include 'b.html' %}"),
        ("templates/b.html", "\n\n{{ static('nor-this.js') }}"),
    ]);
    let (app, log) = (pages(&folders.content().with_reload(true), json!({})), Log::start());
    for _ in 0..3 {
        assert_eq!(page(&app, "/a.html").await, "<p>\n/static/no/file.css\n\n/static/nor-this.js");
    }
    for (template, line, file) in [("a.html", 2, "no/file.css"), ("b.html", 3, "nor-this.js")] {
        let words = [format!("template=\"{template}\""), format!("line={line}"), format!("file=\"{file}\"")];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(log.lines(&words).len(), 1, "{:?}", log.lines(&["WARN"]));
        assert_eq!(log.lines(&[file]).len(), 1, "{:?}", log.lines(&["WARN"]));
    }
}

#[tokio::test]
async fn files_have_the_type_of_their_name() {
    let folders = folders(&[]);
    let types = [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("sub/folder/a.js", "text/javascript; charset=utf-8"),
        ("a.js.map", "application/json"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.PNG", "image/png"),
        ("a.ico", "image/vnd.microsoft.icon"),
        ("a.woff2", "font/woff2"),
        ("a.pdf", "application/pdf"),
        ("a.csv", "text/csv; charset=utf-8"),
    ];
    types.iter().for_each(|(name, _)| folders.write(&format!("static/{name}"), b"some text"));
    let app = files_app(&folders.content());
    for (name, expected) in types {
        let answer = get(&app, &format!("/static/{name}")).send().await;
        assert_eq!(
            (answer.line("content-type"), answer.line("x-content-type-options")),
            (expected, "nosniff"),
            "{name}"
        );
    }
}

/// The original took validators from mtimes, which a zip package, a roll-back and each machine set anew.
#[tokio::test]
async fn a_files_time_says_nothing_of_its_content() {
    let folders = folders(&[("static/a.txt", "hello")]);
    let first = get(&files_app(&folders.content()), "/static/a.txt").send().await;
    let stamp = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    fs::File::options().write(true).open(folders.path().join("static/a.txt")).unwrap().set_modified(stamp).unwrap();
    let again = get(&files_app(&folders.content()), "/static/a.txt").send().await;
    assert_eq!(again.headers, first.headers);
    assert_eq!(first.header("last-modified"), "");
}

#[tokio::test]
async fn names_are_decoded_exactly_once() {
    let folders = folders(&[
        ("static/a b.txt", "space"),
        ("static/a+b.txt", "plus"),
        ("static/a%20b.txt", "percent"),
        ("static/caf\u{e9}.txt", "accent"),
        ("static/sub/a.txt", "sub"),
    ]);
    let app = files_app(&folders.content());
    for (path, expected) in [
        ("/static/a%20b.txt", "space"),
        ("/static/a+b.txt", "plus"),
        ("/static/a%2Bb.txt", "plus"),
        ("/static/a%2520b.txt", "percent"),
        ("/static/caf%C3%A9.txt", "accent"),
        ("/static/%61%20%62.txt", "space"),
        ("/static/sub/a.txt", "sub"),
        ("/static/sub/a.txt?v=1", "sub"),
        ("/static/sub%2Fa.txt", ""),
        ("/static/sub/a.txt/", ""),
        ("/static//sub/a.txt", ""),
        ("/static/sub", ""),
        ("/static/sub/", ""),
        ("/static/", ""),
        ("/static/SUB/a.txt", ""),
        ("/staticsub/a.txt", ""),
    ] {
        let answer = get(&app, path).send().await;
        let got = if answer.status == 200 { answer.text() } else { "" };
        assert_eq!(got, expected, "{path}: {}", answer.status);
        assert!(answer.status == 200 || answer.status == 404, "{path}");
    }
}

// Changes while a site is developed

#[tokio::test]
async fn in_development_the_next_request_sees_every_change() {
    let folders = folders(&[
        ("templates/page.html", "{% include 'part.html' ignore missing %}{{ static('a.css') }}"),
        ("static/a.css", "one"),
    ]);
    settle(&folders);
    let live = pages(&folders.content().with_reload(true), json!({}));
    let kept = pages(&folders.content().with_reload(false), json!({}));
    let at_first = page(&kept, "/page.html").await;
    let mut seen = vec![state(&live).await];
    let steps: [(&str, &dyn Fn()); 5] = [
        ("a template comes", &|| folders.write("templates/part.html", b"part ")),
        ("a template changes", &|| folders.write("templates/part.html", b"PART ")),
        ("a static file changes", &|| folders.write("static/a.css", b"two")),
        ("a static file goes", &|| fs::remove_file(folders.path().join("static/a.css")).unwrap()),
        ("a template changes again", &|| folders.write("templates/page.html", b"other")),
    ];
    for (what, step) in steps {
        step();
        let now = state(&live).await;
        assert!(!seen.iter().any(|before| before.0 == now.0 || before.1 == now.1), "{what}: {now:?} after {seen:?}");
        seen.push(now);
        assert_eq!(page(&kept, "/page.html").await, at_first, "{what}, and with_reload(false)");
    }
    fs::remove_file(folders.path().join("templates/page.html")).unwrap();
    assert_eq!(get(&live, "/page.html").send().await.status, 500, "a template goes");
    folders.write("static/new/file.txt", b"new");
    assert_eq!(page(&live, "/static/new/file.txt").await, "new");
    assert_eq!(get(&kept, "/static/new/file.txt").send().await.status, 404);
}

/// The bytes of the page and its tag.
async fn state(app: &App) -> (String, String) {
    let answer = get(app, "/page.html").send().await;
    (answer.text().to_owned(), answer.line("etag").to_owned())
}

/// As if the files had been written long ago.
fn settle(folders: &Folders) {
    for folder in ["templates", "static"] {
        for entry in fs::read_dir(folders.path().join(folder)).unwrap() {
            let file = fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_page_that_must_be_rendered_to_be_tagged_says_why_in_the_log() {
    const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"{{ debug() }}"), ("b.html", b"{{ now() }}")]);
    let content = ContentManager::new(TEMPLATES, NOTHING).unwrap();
    let content = content.with_environment(|engine| engine.add_function("now", || 1));
    let (app, log) = (pages(&content, json!({})), Log::start());
    assert_eq!(get(&app, "/a.html").send().await.line("etag").parse::<EntityTag>().map(|tag| tag.is_weak()), Ok(false));
    assert_eq!(get(&app, "/b.html").send().await.header("etag"), "");
    assert_eq!(log.lines(&["template=\"a.html\"", "reason="]).len(), 1);
    assert_eq!(log.lines(&["template=\"b.html\"", "reason="]).len(), 1);
}

// What is no template and no file

#[tokio::test]
async fn content_that_is_there_is_tagged_by_its_bytes() {
    let content = ContentManager::new(NOTHING, NOTHING).unwrap();
    let png = b"\x89PNG\r\n\x1a\n0000";
    for (representation, content_type, body) in [
        (content.html("<p>caf\u{e9}"), "text/html; charset=utf-8", "<p>caf\u{e9}".as_bytes()),
        (content.xml("<a/>"), "application/xml; charset=utf-8", b"<a/>"),
        (content.json(&json!({ "a": [1, null] })).unwrap(), "application/json", b"{\"a\":[1,null]}"),
        (content.asset(&png[..]), "image/png", png),
        (content.asset("<script>"), "text/plain; charset=utf-8", b"<script>"),
        (content.asset(&b"\x00\xff"[..]), "application/octet-stream", b"\x00\xff"),
    ] {
        let response = CloudFront::new().respond(&Request::new(()), representation).await.unwrap();
        let (parts, got) = response.into_parts();
        assert_eq!(parts.headers["content-type"], content_type);
        assert_eq!(parts.headers["etag"], EntityTag::of(body).to_string());
        assert_eq!(parts.headers["cache-control"], "no-cache");
        assert_eq!(got.collect().await.unwrap().to_bytes(), body);
    }
}

#[tokio::test]
async fn an_assets_bytes_are_fetched_only_where_they_are_sent() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    #[rustfmt::skip]
    let table = [
        ("GET",     "x-none",        "",           200, &["etag", "body"][..]),
        ("HEAD",    "x-none",        "",           200, &["etag", "body"]),
        ("GET",     "range",         "bytes=0-1",  206, &["etag", "body"]),
        ("GET",     "if-none-match", "\"other\"",  200, &["etag", "body"]),
        ("GET",     "if-none-match", "\"row 7\"",  200, &["etag", "body"]),
        ("GET",     "if-none-match", "W/\"row-7\"", 304, &["etag"]),
        ("HEAD",    "if-none-match", "\"row-7\"",  304, &["etag"]),
        ("GET",     "if-none-match", "*",          304, &["etag"]),
        ("GET",     "if-match",      "\"other\"",  412, &["etag"]),
        ("POST",    "x-none",        "",           405, &["etag"]),
        ("OPTIONS", "x-none",        "",           204, &["etag"]),
    ];
    for (method, name, value, status, expected) in table {
        let answer = ask(&asset(&calls, Ok(Some("row-7"))), method, "/").header(name, value).send().await;
        assert_eq!(answer.status, status, "{method} {name}: {value}");
        assert_eq!(std::mem::take(&mut *calls.lock().unwrap()), expected, "{method} {name}: {value}");
        let is_sent = [200, 206, 304].contains(&status);
        assert_eq!(answer.header("etag"), if is_sent { "\"row-7\"" } else { "" }, "{method} {name}: {value}");
    }
    assert_eq!(get(&asset(&calls, Ok(None)), "/").send().await.status, 404);
    assert_eq!(get(&asset(&calls, Err("no database")), "/").send().await.status, 500);
    assert_eq!(*calls.lock().unwrap(), ["etag", "etag"], "the body of what has no tag is not asked for");
}

/// An app of one asset that notes which of its closures are called.
fn asset(calls: &Arc<Mutex<Vec<&'static str>>>, version: Result<Option<&'static str>, &'static str>) -> App {
    let calls = calls.clone();
    App::new(CloudFront::new().layer(service_fn(move |_: lambda_http::Request| {
        let content = ContentManager::new(NOTHING, NOTHING).unwrap();
        let (for_etag, for_body) = (calls.clone(), calls.clone());
        async move {
            let etag = async move || {
                for_etag.lock().unwrap().push("etag");
                version.map_err(BoxError::from)
            };
            let body = async move || {
                for_body.lock().unwrap().push("body");
                Ok(b"the blob".to_vec())
            };
            content.asset_with(etag, body).await.map(Response::<String>::from)
        }
    })))
}

/// A stranger could ask ahead for all that is not there yet, and CloudFront would keep each 404 for a year.
#[tokio::test]
async fn what_is_not_there_has_nothing_of_what_was_set_for_the_thing() {
    type Set = fn(Representation) -> Representation;
    let content = folders(&[]).content();
    let missing = async |maker: usize| match maker {
        0 => content.asset_with(async || Ok::<_, BoxError>(None::<&str>), async || Ok(Vec::new())).await.unwrap(),
        1 => content.static_file("missing.txt"),
        2 => content.static_file("../missing.txt"),
        3 => content.file("missing.txt").unwrap(),
        4 => content.file(".").unwrap(),
        _ => content.static_file_at(&"/static/missing.txt".parse().unwrap()),
    };
    const YEAR: http::HeaderValue = http::HeaderValue::from_static("max-age=31536000");
    let setters: [(&str, Set); 9] = [
        ("cache-control", |it| it.with_cache_control(CacheControl::immutable())),
        ("cache-control", |it| it.with_header(http::header::CACHE_CONTROL, YEAR)),
        ("cache-control", |it| it.with_added_header(http::header::CACHE_CONTROL, YEAR)),
        ("cdn-cache-control", |it| it.with_header(http::HeaderName::from_static("cdn-cache-control"), YEAR)),
        ("content-disposition", |it| it.with_download("a.pdf")),
        ("last-modified", |it| it.with_last_modified(SystemTime::UNIX_EPOCH)),
        ("etag", |it| it.with_entity_tag(EntityTag::strong("v1"))),
        ("content-type", |it| it.with_header(http::header::CONTENT_TYPE, "image/png".parse().unwrap())),
        ("status", |it| it.with_status(StatusCode::CREATED)),
    ];
    for maker in 0..6 {
        let sent = async |set: Set| {
            let answer = CloudFront::new().respond(&Request::new(()), set(missing(maker).await)).await.unwrap();
            (answer.status(), answer.headers().clone())
        };
        let plain = sent(|it| it).await;
        assert_eq!((plain.0.as_u16(), &plain.1["cache-control"]), (404, &"no-cache".parse().unwrap()), "{maker}");
        for (field, set) in setters {
            assert_eq!(sent(set).await, plain, "{maker} {field}");
        }
        let (_, cookie) = sent(|it| it.with_header(http::header::SET_COOKIE, "a=1".parse().unwrap())).await;
        assert_eq!(cookie["set-cookie"], "a=1", "what is put around a page is no part of the thing");
    }
    let own = content.not_found().with_cache_control(CacheControl::until_purged());
    let own = CloudFront::new().respond(&Request::new(()), own).await.unwrap();
    assert_eq!(own.headers()["cache-control"], CacheControl::until_purged().to_string(), "a handler's own 404");
}

#[tokio::test]
async fn a_large_file_has_the_type_of_its_name_or_of_its_bytes() {
    let folders = folders(&[]);
    let content = folders.content();
    let long = "a".repeat(8191) + "\u{e4}";
    for (name, bytes, expected) in [
        ("upload", &b"\x89PNG\r\n\x1a\n0000"[..], "image/png"),
        ("a.7f3c9", b"\x00\x01\xff", "application/octet-stream"),
        ("notes", b"some text", "text/plain; charset=utf-8"),
        ("long", long.as_bytes(), "text/plain; charset=utf-8"),
        ("page", b"<!doctype html><script>", "text/plain; charset=utf-8"),
        ("empty", b"", "text/plain; charset=utf-8"),
        ("a.csv", b"\x89PNG\r\n\x1a\n0000", "text/csv; charset=utf-8"),
    ] {
        folders.write(&format!("static/{name}"), bytes);
        let file = content.file(folders.path().join("static").join(name)).unwrap();
        let answer = CloudFront::new().respond(&Request::new(()), file).await.unwrap();
        assert_eq!(answer.headers()["content-type"], expected, "{name}");
    }
}

#[tokio::test]
async fn an_asset_that_fails_is_an_error_of_that_kind() {
    let content = ContentManager::new(NOTHING, NOTHING).unwrap();
    let no_tag = content.asset_with(async || Err::<Option<&str>, _>("away"), async || Ok(Vec::new())).await;
    assert_eq!(no_tag.unwrap_err().kind(), ErrorKind::Asset);
    let no_body = content.asset_with(async || Ok(Some("1")), async || Err("away")).await.unwrap();
    let error = CloudFront::new().respond(&Request::new(()), no_body).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Asset);
    assert!(std::error::Error::source(&error).is_some_and(|cause| cause.to_string() == "away"));
}

// Redirects, and the place where a site is mounted

#[tokio::test]
async fn a_redirect_stays_one_location_whatever_it_is_given() {
    for (to, at_root, mounted) in [
        ("/products?a=1&b=2#top", "/products?a=1&b=2#top", "/prod/products?a=1&b=2#top"),
        ("/already%20encoded", "/already%20encoded", "/prod/already%20encoded"),
        ("/go?to=https://a.example//b", "/go?to=https://a.example//b", "/prod/go?to=https://a.example//b"),
        ("next?page=2", "next?page=2", "next?page=2"),
        ("?page=2", "?page=2", "?page=2"),
        ("", "/", "/prod"),
        (" /cart ", "/cart", "/prod/cart"),
        ("/caf\u{e9} au lait", "/caf%C3%A9%20au%20lait", "/prod/caf%C3%A9%20au%20lait"),
        ("/x\r\nSet-Cookie: a=b", "/x%0D%0ASet-Cookie:%20a=b", "/prod/x%0D%0ASet-Cookie:%20a=b"),
        ("/a\\b", "/a%5Cb", "/prod/a%5Cb"),
        ("/\0\u{7f}", "/%00%7F", "/prod/%00%7F"),
        ("/\"><script>", "/%22%3E%3Cscript%3E", "/prod/%22%3E%3Cscript%3E"),
    ] {
        let content = ContentManager::new(NOTHING, NOTHING).unwrap();
        let app = app(move |_| content.redirect(to));
        for (answer, location) in [(get(&app, "/").send().await, at_root), (at_stage(&app, "/").await, mounted)] {
            assert_eq!((answer.status.as_u16(), answer.line("location")), (302, location), "{to:?}");
            assert_eq!((answer.header("set-cookie"), answer.body.len()), ("", 0), "{to:?}");
        }
    }
}

/// The target is a stranger's: whatever a browser would leave the site for is refused, and is no failure of the site.
#[tokio::test]
async fn a_redirect_never_leads_off_the_site() {
    let content = ContentManager::new(NOTHING, NOTHING).unwrap();
    let app = app(move |request| {
        let query = request.uri().query().unwrap_or_default();
        let next = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
        content.redirect(&next.map_or("/".into(), |(_, next)| next))
    });
    let log = Log::start();
    for next in [
        "//evil.example",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "/%09/evil.example",
        "%0A/%0D/evil.example",
        "%20//evil.example",
        "%01//evil.example",
        "https://evil.example",
        "https:evil.example",
        "HTTP:/evil.example",
        "ht%0Atp://evil.example",
        "javascript:alert(1)",
        "java%09script:alert(1)",
    ] {
        let answer = get(&app, &format!("/login?next={next}")).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, ""), "{next}");
    }
    assert_eq!(log.lines(&["INFO", "a request was refused", "redirect_external"]).len(), 14);
    assert_eq!(log.lines(&["ERROR"]), [""; 0]);
}

/// A field of a form may be as long as its sender likes. Front doors take no field that is much longer.
#[tokio::test]
async fn a_redirect_to_what_is_no_url_for_its_length_is_refused() {
    let content = ContentManager::new(NOTHING, NOTHING).unwrap();
    for (target, status) in [
        (format!("/{}", "a".repeat(8_191)), 302),
        (format!("/{}", "a".repeat(8_192)), 400),
        (format!("/{}", "é".repeat(2_000)), 400),
        (format!("?q={}", "\"".repeat(100_000)), 400),
    ] {
        let content = content.clone();
        let app = app(move |_| content.redirect(&target));
        for front in FRONTS {
            let answer = get(&app, "/").through(front).send().await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location").len()),
                (status, if status == 302 { 8_192 } else { 0 })
            );
        }
    }
}

#[tokio::test]
async fn a_redirect_to_another_site_is_made_by_name() {
    for url in ["https://pay.example/x?a=1", "//cdn.example.com/x", "app.example:/callback"] {
        let content = ContentManager::new(NOTHING, NOTHING).unwrap();
        let app = app(move |_| content.redirect_external(url));
        let answer = at_stage(&app, "/").await;
        assert_eq!((answer.status.as_u16(), answer.line("location")), (302, url));
    }
}

#[tokio::test]
async fn a_link_of_a_page_stays_on_the_site() {
    const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"{{ url(to) }}"), ("base.html", b"{{ url('') }}/api")]);
    let content = ContentManager::new(TEMPLATES, NOTHING).unwrap();
    let shown = |to: &str| pages(&content, json!({ "to": to }));
    assert_eq!(page(&shown("/a//b"), "/a.html").await, "/a//b");
    assert_eq!(at_stage(&shown("?page=2"), "/a.html").await.text(), "?page=2", "it is meant from this page");
    assert_eq!(at_stage(&shown(""), "/base.html").await.text(), "/prod/api");
    for to in ["//evil.example", "/\\evil.example", "\t//evil.example", "javascript:alert(1)", "https://evil.example"] {
        let log = Log::start();
        assert_eq!(get(&shown(to), "/a.html").send().await.status, 500, "{to}");
        assert_eq!(log.lines(&["ERROR", "url() makes links within the site", "a.html"]).len(), 1, "{to}");
    }
}

#[tokio::test]
async fn a_redirect_may_have_another_status() {
    let content = ContentManager::new(NOTHING, NOTHING).unwrap();
    let app = app(move |_| content.redirect("/x").with_status(StatusCode::MOVED_PERMANENTLY));
    let answer = at_stage(&app, "/").await;
    assert_eq!((answer.status.as_u16(), answer.line("location")), (301, "/prod/x"));
}

/// Through a REST API at its stage `prod`, whose prefix the event's path doesn't have.
async fn at_stage(app: &App, path: &str) -> Answer {
    let mut event = get(app, path).through(Front::Rest).event();
    event["requestContext"]["path"] = format!("/prod{path}").into();
    send(app, &event).await
}

#[tokio::test]
async fn links_of_a_page_carry_the_prefix_of_their_place() {
    let folders = folders(&[
        ("templates/base.html", "{% import 'm.html' as m %}{{ m.link('/a') }} {% block b %}{% endblock %}"),
        ("templates/m.html", "{% macro link(to) %}{{ url(to) }}{% endmacro %}"),
        (
            "templates/page.html",
            "{% extends 'base.html' %}{% block b %}{{ url('/') }} {{ static('none.css') }}{% endblock %}",
        ),
    ]);
    let app = pages(&folders.content(), json!({}));
    let (at_root, at_prod) = (get(&app, "/page.html").send().await, at_stage(&app, "/page.html").await);
    assert_eq!(at_root.text(), "/a / /static/none.css");
    assert_eq!(at_prod.text(), "/prod/a /prod/ /prod/static/none.css");
    assert_ne!(at_root.line("etag"), at_prod.line("etag"));
    let public = app.clone().with_public_root("/shop");
    assert_eq!(at_stage(&public, "/page.html").await.text(), "/shop/a /shop/ /shop/static/none.css");
}

/// What a method of Python's reads of its value is in the tag, and so is what a filter looks up.
#[cfg(feature = "jinja-compat")]
#[test]
fn what_jinja_has_counts_in_the_tag() {
    const TEMPLATES: Embedded =
        Embedded::new(&[("a.html", b"{{ post.title.upper() }} {{ post.day|dateformat(tz='UTC') }} {{ n|pluralize }}")]);
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content").with_jinja_compat();
    let explained = |title: &str, day: u32, text: &str| {
        let arguments = json!({ "post": { "title": title, "day": day, "text": text }, "n": 1, "DATE_FORMAT": "long" });
        content.explain("a.html", &arguments).expect("a page")
    };
    let before = explained("a", 0, "-");
    assert_eq!(before.changes(&explained("b", 0, "-")), ["args.post.title"]);
    assert_eq!(before.changes(&explained("a", 86_400, "-")), ["args.post.day"]);
    assert_eq!(before.changes(&explained("a", 0, "+")), [""; 0]);
    assert!(before.parts().any(|part| part == "args.DATE_FORMAT"));
    assert!(content.check().is_empty());
}
