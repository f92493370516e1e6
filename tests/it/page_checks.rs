//! What stands around page tags: explaining them, checking a site, verifying 304s, pages by a key, and tags that stay what
//! they were.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chalice_http_toolkit::{App, BoxError, CloudFront, ContentManager, EntityTag, ErrorKind, Representation, Verify};
use http::{Request, Response};
use minijinja::{Value, context};
use serde_json::json;
use tower::{Layer, service_fn};

use crate::support::{Folders, app, app_with, folders, get};

fn site(files: &[(&str, &str)]) -> (Folders, ContentManager) {
    let folders = folders(files);
    let content = folders.content().with_reload(true);
    (folders, content)
}

#[test]
fn an_explanation_names_what_changed() {
    let (folders, content) = site(&[
        (
            "templates/index.html",
            "{% extends 'base.html' %}{% block body %}{% for post in posts %}{{ post.title }}{% if post.tags %}{% endif %}\
             {% endfor %}{{ user.name }}{{ static('a.css') }}{{ shop }}{% endblock %}",
        ),
        ("templates/base.html", "{% block body %}{% endblock %}"),
        ("static/a.css", "a"),
    ]);
    let content = content.with_environment(|engine| engine.add_global("shop", "Kiln"));
    let arguments = |title: &str, likes: u32, name: &str| json!({ "posts": [{ "title": "One", "likes": 1 }, { "title": title, "likes": likes }], "user": { "name": name } });
    let explain = |content: &ContentManager, arguments| content.explain("index.html", &arguments).expect("a template");
    let before = explain(&content, arguments("Two", 2, "N"));
    for (arguments, changes) in [
        (arguments("Two", 2, "N"), &[][..]),
        (arguments("Two", 3, "N"), &[]),
        (arguments("Three", 2, "N"), &["args.posts[1].title"]),
        (arguments("Two", 2, "M"), &["args.user.name"]),
        (
            json!({ "posts": [], "user": { "name": "N" } }),
            &["args.posts", "args.posts[0]", "args.posts[0].title", "args.posts[1]", "args.posts[1].title"],
        ),
    ] {
        assert_eq!(before.changes(&explain(&content, arguments)), changes);
    }
    let now = |content: &ContentManager| before.changes(&explain(content, arguments("Two", 2, "N")));
    folders.write("templates/base.html", b"<p>{% block body %}{% endblock %}");
    assert_eq!(now(&content), ["template base.html"]);
    folders.write("static/a.css", b"b");
    assert_eq!(now(&content), ["static file a.css", "template base.html"]);
    let other = content.with_environment(|engine| engine.add_global("shop", "Clay")).with_build_id("2");
    assert_eq!(now(&other), ["global shop", "static file a.css", "template base.html", "the build id"]);
}

#[tokio::test]
async fn in_development_a_header_says_why_a_page_was_rendered() {
    let (folders, content) = site(&[("templates/index.html", "{{ name }}"), ("templates/clock.html", "{{ now() }}")]);
    let content = content.with_environment(|engine| engine.add_function("now", || 0));
    let page = |content: &ContentManager, name: &'static str| {
        let content = content.clone();
        app(move |request| match request.uri().path() {
            "/clock" => content.render_template("clock.html", ()).expect("a template"),
            "/each" => {
                let arguments = context! { name => Value::make_one_shot_iterator(0..1) };
                content.render_template("index.html", arguments).expect("a template")
            }
            _ => content.render_template("index.html", json!({ "name": name })).expect("a template"),
        })
    };
    let first = get(&page(&content, "N"), "/").send().await;
    assert_eq!(first.header("x-etag-reason"), "", "nobody asked with a tag");
    let asked = async |content: &ContentManager, name, tag: &str| {
        let answer = get(&page(content, name), "/").header("if-none-match", tag).send().await;
        (answer.status.as_u16(), answer.header("x-etag-reason").to_owned())
    };
    assert_eq!(asked(&content, "N", first.header("etag")).await, (304, String::new()));
    assert_eq!(asked(&content, "M", first.header("etag")).await, (200, "changed: args.name".into()));
    folders.write("templates/index.html", b"<b>{{ name }}");
    assert_eq!(asked(&content, "N", first.header("etag")).await, (200, "changed: template index.html".into()));
    let unknown = "changed: no page of this process had that tag";
    assert_eq!(asked(&content, "N", "\"of-yesterday\"").await, (200, unknown.into()));
    let reason = |target| {
        let app = page(&content, "N");
        async move { get(&app, target).send().await.header("x-etag-reason").to_owned() }
    };
    assert_eq!(reason("/clock").await, "no tag: `now` gives another result each time");
    assert!(reason("/each").await.starts_with("rendered to know its tag: an object"));
    let production = content.with_reload(false);
    assert_eq!(asked(&production, "M", first.header("etag")).await, (200, String::new()));
}

#[tokio::test]
async fn a_page_by_a_key_loads_its_arguments_only_to_be_rendered() {
    let (folders, content) =
        site(&[("templates/index.html", "{{ title }}{{ static('a.css') }}"), ("static/a.css", "a")]);
    let loaded = Arc::new(AtomicUsize::new(0));
    let page = |version: u32| {
        let (content, loaded) = (content.clone(), loaded.clone());
        app(move |_| {
            let loaded = loaded.clone();
            let load = async move || {
                loaded.fetch_add(1, Ordering::Relaxed);
                Ok::<_, BoxError>(json!({ "title": format!("version {version}") }))
            };
            content.render_template_with("index.html", version, load).expect("a template")
        })
    };
    let first = get(&page(1), "/").send().await;
    assert!(first.text().starts_with("version 1"));
    let again = async |version, calls| {
        let answer = get(&page(version), "/").header("if-none-match", first.header("etag")).send().await;
        assert_eq!(loaded.load(Ordering::Relaxed), calls);
        answer.status.as_u16()
    };
    assert_eq!(again(1, 1).await, 304);
    assert_eq!(again(1, 1).await, 304);
    assert_eq!(again(2, 2).await, 200, "another key");
    folders.write("static/a.css", b"b");
    assert_eq!(again(1, 3).await, 200, "another static file");
}

#[tokio::test]
async fn arguments_that_can_not_be_loaded_are_an_error_with_its_cause() {
    let (_folders, content) = site(&[("templates/index.html", "")]);
    let load = async || Err::<Value, _>(BoxError::from("the database is away"));
    let page = content.render_template_with("index.html", 1, load).expect("a template");
    let error = CloudFront::new().respond(&Request::new(()), page).await.expect_err("it can't be loaded");
    assert_eq!(error.kind(), ErrorKind::Handler);
    assert!(format!("{error:?}").contains("the database is away"));
}

#[test]
fn a_check_finds_what_would_fail() {
    let (_folders, content) = site(&[
        ("templates/broken.html", "fine\n{% if %}"),
        ("templates/links.html", "\n{{ static('none.css') }}\n{{ static('a.css') }}\n{{ static(computed) }}"),
        ("templates/extends.html", "{% extends 'none.html' %}"),
        (
            "templates/optional.html",
            "{% include 'none.html' ignore missing %}{% include ['none.html', 'links.html'] %}",
        ),
        ("templates/lists.html", "{% include ['none.html', 'neither.html'] %}"),
        ("templates/imports.html", "{% import 'none.html' as m %}{% from 'links.html' import x %}"),
        ("templates/choice.html", "{% include 'links.html' if x else 'typo.html' %}"),
        ("static/a.css", ""),
    ]);
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    let (broken, others) = findings.split_first().expect("findings");
    assert!(broken.starts_with("broken.html:2: it does not compile"), "{broken}");
    assert_eq!(
        others,
        [
            "choice.html:1: there is no template `typo.html`",
            "extends.html:1: there is no template `none.html`",
            "imports.html:1: there is no template `none.html`",
            "links.html:2: there is no static file `none.css`",
            "lists.html:1: there is no template `none.html` or `neither.html`",
        ]
    );
}

/// It shows images.
#[cfg(feature = "images")]
#[test]
fn the_demo_site_has_nothing_to_find() {
    let content = ContentManager::new("templates", "static").expect("both folders are there");
    assert_eq!(content.check(), []);
}

/// The analysis of templates knows each construct of the engine, or it would not compile; and it knows what the engine's
/// own functions look at. Another function may look at more than its arguments, as `debug` does.
#[test]
fn the_engine_has_no_function_that_is_not_known_here() {
    let engine = minijinja::Environment::new();
    let mut names: Vec<&str> = engine.globals().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["debug", "dict", "namespace", "range"]);
}

#[tokio::test]
async fn templates_with_delimiters_of_their_own_are_followed_too() {
    let (folders, content) = site(&[
        ("templates/index.html", "<% include 'part.html' %>${ name }${ static('a.css') }"),
        ("templates/part.html", "part"),
        ("static/a.css", "a"),
    ]);
    let content = content.with_environment(|engine| {
        let mut syntax = minijinja::syntax::SyntaxConfig::builder();
        syntax.block_delimiters("<%", "%>").variable_delimiters("${", "}");
        engine.set_syntax(syntax.build().expect("a syntax"));
    });
    let asked = async |name: &'static str| {
        let content = content.clone();
        let app = app(move |_| {
            content.render_template("index.html", json!({ "name": name, "unread": name })).expect("a page")
        });
        let answer = get(&app, "/").send().await;
        assert!(answer.text().starts_with("part"), "{}", answer.text());
        answer.header("etag").to_owned()
    };
    let first = asked("N").await;
    assert_eq!(asked("N").await, first);
    assert_ne!(asked("M").await, first);
    folders.write("static/a.css", b"b");
    let second = asked("N").await;
    assert_ne!(second, first);
    folders.write("templates/part.html", b"part two");
    assert_ne!(asked("N").await, second);
}

/// A site whose tag stays while its content changes.
fn lying(verify: Verify) -> App {
    let calls = Arc::new(AtomicUsize::new(0));
    app_with(CloudFront::new().with_verify(verify), move |_| {
        let body = format!("body {}", calls.fetch_add(1, Ordering::Relaxed) / 2);
        Representation::new("text/plain", body).with_entity_tag(EntityTag::strong("1"))
    })
}

#[tokio::test]
async fn a_false_304_is_found() {
    let asked = async |app: &App| {
        let answer = get(app, "/").header("if-none-match", "\"1\"").send().await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    for (verify, third) in [
        (Verify::Never, (304, String::new())),
        (Verify::OneIn(1.try_into().expect("one")), (200, "body 1".into())),
        (Verify::OneIn(1000.try_into().expect("many")), (304, String::new())),
    ] {
        let app = lying(verify);
        assert_eq!(get(&app, "/").send().await.text(), "body 0");
        assert_eq!(asked(&app).await, (304, String::new()), "{verify:?}: still the same");
        assert_eq!(asked(&app).await, third, "{verify:?}");
    }
    let app = lying(Verify::Always);
    get(&app, "/").send().await;
    assert_eq!(asked(&app).await.0, 304);
    assert_eq!(asked(&app).await.0, 500);
}

/// The pages of a true site, with every 304 checked.
#[tokio::test]
async fn a_true_site_passes_every_check() {
    let (folders, content) = site(&[("templates/index.html", "{{ q }}{{ static('a.css') }}"), ("static/a.css", "a")]);
    let pages = content.clone();
    let service = service_fn(move |request: lambda_http::Request| {
        let page = match request.uri().path() {
            "/a" => Ok(pages.static_file("a.css")),
            _ => pages.render_template("index.html", json!({ "q": request.uri().query() })),
        };
        async move { page.map(Response::<String>::from) }
    });
    let app = App::new(CloudFront::new().with_verify(Verify::Always).layer(service));
    for round in 0..4 {
        for target in ["/a", "/", "/?1", "/?2"] {
            let first = get(&app, target).send().await;
            let again = get(&app, target).header("if-none-match", first.header("etag")).send().await;
            assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 304), "{target}");
        }
        folders.write("static/a.css", format!("{round}").as_bytes());
    }
}

/// A template that is broken, deleted and put back, and files that change while they are asked for, by several threads at
/// once: no wrong tag, no panic.
#[test]
fn a_site_that_changes_under_its_readers_never_has_one_tag_for_two_pages() {
    let (folders, content) = site(&[("templates/index.html", "0"), ("static/a.css", "0")]);
    let seen = std::sync::Mutex::new(std::collections::HashMap::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let content = content.clone();
                let app = app(move |request| match request.uri().path() {
                    "/a" => content.static_file("a.css"),
                    _ => content.render_template("index.html", ()).unwrap_or_else(|_| content.not_found()),
                });
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                for turn in 0..400 {
                    let target = ["/", "/a"][turn % 2];
                    let answer = runtime.block_on(get(&app, target).send());
                    assert!([200, 404, 500].contains(&answer.status.as_u16()), "{}", answer.status);
                    if answer.status == 200 {
                        let key = (target, answer.header("etag").to_owned());
                        let mut seen = seen.lock().expect("no panic");
                        let body = seen.entry(key).or_insert_with(|| answer.body.clone());
                        assert_eq!(*body, answer.body, "one tag, two bodies");
                    }
                }
            });
        }
        for round in 0..200 {
            let page = ["{% if %}".to_owned(), format!("{round}"), format!("{{% include '{round}' %}}")];
            folders.write("templates/index.html", page[round % 3].as_bytes());
            folders.write("static/a.css", format!("{round}").as_bytes());
            if round % 10 == 0 {
                std::fs::remove_file(folders.path().join("templates/index.html")).expect("it was there");
            }
        }
    });
    assert!(seen.lock().expect("no panic").len() > 2);
}

/// Tags as they were when this file was written. They must not change by themselves: not from run to run, nor with the
/// machine or the number of threads. A change of what is fed into a tag, or of the crate's version, changes all of them:
/// the first bumps `VERSION` in `page_tag.rs`; then `UPDATE_GOLDEN=1 cargo test golden` writes the file anew.
#[tokio::test]
async fn golden_tags_stay() {
    let (_folders, content) = site(&[
        ("templates/plain.html", "plain"),
        ("templates/name.html", "{{ name }}"),
        ("templates/fields.html", "{% for row in rows %}{{ row.id }}{{ row.name }}{% endfor %}"),
        (
            "templates/child.html",
            "{% extends 'plain.html' %}{% include ['part.html', 'name.html'] %}{{ static('a.css') }}",
        ),
        ("templates/dynamic.html", "{% include part %}{{ static('img/' ~ name) }}{{ shop }}"),
        ("static/a.css", "a"),
        ("static/img/1.png", "1"),
    ]);
    let content = content.with_build_id("golden").with_environment(|engine| engine.add_global("shop", "Kiln"));
    let arguments = [
        json!({ "part": "plain.html" }),
        json!({ "name": "N", "rows": [], "part": "plain.html" }),
        json!({ "name": "ä", "rows": [{ "id": 1, "name": "a" }], "part": "name.html" }),
        json!({ "name": -1, "rows": [{ "id": 1.5, "name": null }, { "id": true }], "part": "child.html" }),
        json!({ "name": u64::MAX, "rows": { "id": 1 }, "part": "plain.html" }),
        json!({ "name": [[], {}], "rows": "text", "part": "plain.html" }),
    ];
    let mut lines = Vec::new();
    for template in ["plain", "name", "fields", "child", "dynamic"] {
        for (number, arguments) in arguments.iter().enumerate() {
            let (content, arguments) = (content.clone(), arguments.clone());
            let name = format!("{template}.html");
            let app = app(move |_| content.render_template(&name, arguments.clone()).expect("a template"));
            let answer = ask_head(&app).await;
            lines.push(format!("{template} {number} {answer}"));
        }
    }
    assert_eq!(lines.len(), 30);
    let (path, now) = (format!("{}/tests/fixtures/page-tags.txt", env!("CARGO_MANIFEST_DIR")), lines.join("\n") + "\n");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).expect("the file can be written");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the file is there"), now);
}

async fn ask_head(app: &App) -> String {
    let answer = get(app, "/").send().await;
    format!("{} {}", answer.status.as_u16(), answer.header("etag"))
}

#[test]
fn unknown_filters_tests_and_functions_are_found_before_a_visitor_meets_them() {
    let (_folders, content) = site(&[
        (
            "templates/a.html",
            "{% from 'm.html' import card %}{{ card() }}{{ x|uper }}\n{% if x is evn %}{{ rnge(3) }}{% endif %}\n\
             {{ x|shout }}{% filter lenght %}x{% endfilter %}{{ helper() }}{% macro own(inner) %}{{ inner() }}{{ caller() }}\
             {% endmacro %}{% block b %}{{ super() }}{{ own(card) }}{% endblock %}{{ x|upper is even }}{{ range(3) }}",
        ),
        (
            "templates/m.html",
            "{% macro card() %}{% endmacro %}{% for helper in x recursive %}{{ loop(x) }}{% endfor %}",
        ),
        ("templates/never-shown.html", "\n\n{{ a|slugify }}"),
    ]);
    let content = content.with_environment(|engine| engine.add_filter("shout", |text: String| text.to_uppercase()));
    let found = content.check();
    let unknown: Vec<_> = found.iter().filter_map(|it| Some((it.template(), it.line()?, it.unknown_name()?))).collect();
    let expected = [
        ("a.html", 1, "uper"),
        ("a.html", 2, "evn"),
        ("a.html", 2, "rnge"),
        ("a.html", 3, "lenght"),
        ("never-shown.html", 3, "slugify"),
    ];
    assert_eq!(unknown, expected, "{found:#?}");
    let problem = |name: &str| found.iter().find(|it| it.unknown_name() == Some(name)).map_or("", |it| it.problem());
    assert!(problem("uper").starts_with("there is no filter `uper`: did you mean `upper`?"), "{}", problem("uper"));
    assert!(problem("evn").contains("did you mean `even`?") && problem("rnge").contains("did you mean `range`?"));
    assert!(!problem("slugify").contains("did you mean"), "{}", problem("slugify"));
}
