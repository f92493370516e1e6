//! One block of a page: what it shows, what its tag counts, and what is not rendered for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chalice_http_toolkit::{App, ContentManager, ErrorKind};
use serde_json::{Value, json};

use crate::support::{Answer, Folders, app, folders, get};

fn site(files: &[(&str, &str)]) -> (Folders, ContentManager) {
    let files: Vec<(String, &str)> = files.iter().map(|(name, text)| (format!("templates/{name}"), *text)).collect();
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let folders = folders(&borrowed);
    let content = folders.content().with_reload(true);
    (folders, content)
}

/// A site that answers with the block `b` of `index.html`.
fn block(content: &ContentManager, arguments: &Value) -> App {
    let (content, arguments) = (content.clone(), arguments.clone());
    app(move |_| content.render_block("index.html", "b", arguments.clone()).expect("there is the block"))
}

async fn ask(content: &ContentManager, arguments: &Value) -> Answer {
    let answer = get(&block(content, arguments), "/").send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

async fn tag(content: &ContentManager, arguments: &Value) -> String {
    let answer = ask(content, arguments).await;
    assert_ne!(answer.header("etag"), "");
    assert!(!answer.header("x-etag-reason").contains("rendered"), "{}", answer.header("x-etag-reason"));
    answer.header("etag").to_owned()
}

/// The base of most pages here: much of it fails without arguments of its own.
const BASE: &str = "{{ user.name.first }}{% if user.is.staff %}!{% endif %}{% for n in nav.items.all %}{{ n.x.y }}{% endfor %}\
    {% set unused = user.a.b.c %}{% include 'header.html' %}<main>{% block b %}base{% endblock %}</main>{% block foot %}{{ foot.x.y }}{% endblock %}";

#[tokio::test]
async fn a_block_is_what_it_is_in_its_page() {
    for (index, expected) in [
        ("{% extends 'base.html' %}", "base"),
        ("{% extends 'base.html' %}{% block b %}{{ x }}{% endblock %}", "X"),
        ("{% extends 'base.html' %}{% block b %}[{{ super() }}]{% endblock %}", "[base]"),
        ("{% extends 'middle.html' %}{% block b %}[{{ super() }}]{% endblock %}", "[(base)(in)]"),
        ("{% extends 'middle.html' %}{% block inner %}mine{{ super() }}{% endblock %}", "(base)(minein)"),
        ("{{ foot.x.y }}{% block b %}\n  {%- if x -%} {{ x }} {%- endif -%}\n{% endblock b %}", "X"),
        ("{% for row in rows.a.b %}{% block b %}{{ x }}{{ row }}{% endblock %}{% endfor %}", "X"),
        ("{% if no.a.b %}{% block b %}{{ x }}{% endblock %}{% endif %}", "X"),
        ("{% with y = no.a.b %}{% block b %}{{ x }}{{ y }}{% endblock %}{% endwith %}", "X"),
        // What is defined outside of blocks.
        ("{% set y = x %}{% extends 'base.html' %}{% block b %}{{ y }}{% endblock %}", "X"),
        ("{% extends 'base.html' %}{% block b %}{{ y }}{% endblock %}{% set y = x %}", "X"),
        ("{% extends 'base.html' %}{% set z = x %}{% set y = z ~ z %}{% block b %}{{ y }}{% endblock %}", "XX"),
        ("{% extends 'sets.html' %}{% set y = 'mine' %}{% block b %}{{ y }}{% endblock %}", "X of sets"),
        ("{% extends 'base.html' %}{% set y %}<{{ x }}>{% endset %}{% block b %}{{ y }}{% endblock %}", "<X>"),
        ("{% extends 'base.html' %}{% set y, z = x, 1 %}{% block b %}{{ y }}{{ z }}{% endblock %}", "X1"),
        ("{% extends 'base.html' %}{% if x %}{% set y = 'yes' %}{% endif %}{% block b %}{{ y }}{% endblock %}", "yes"),
        (
            "{% extends 'base.html' %}{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}\
             {% block b %}{{ ns.n }}{% endblock %}",
            "3",
        ),
        ("{% extends 'base.html' %}{% import 'm.html' as m %}{% block b %}{{ m.hi(x) }}{% endblock %}", "hi X"),
        ("{% extends 'base.html' %}{% from 'm.html' import hi as h %}{% block b %}{{ h(x) }}{% endblock %}", "hi X"),
        (
            "{% extends 'base.html' %}{% set y = x %}{% macro own() %}{{ y }}{% endmacro %}{% block b %}{{ own() }}{% endblock %}",
            "X",
        ),
        ("{% extends 'base.html' %}{% set y = x %}{% block b %}{% include 'shows-y.html' %}{% endblock %}", "y=X"),
        ("{% extends 'base.html' %}{% include 'gives-y.html' %}{% block b %}{{ y }}{% endblock %}", "given X"),
        (
            "{% extends 'plain.html' %}{% set t = 'shows-y.html' %}{% set y = x %}{% block b %}{% include t ignore missing %}{% endblock %}",
            "y=X",
        ),
        (
            "{% extends 'base.html' %}{% block foot %}foot{% endblock %}{% block b %}{{ self.foot() }}{{ x }}{% endblock %}",
            "footX",
        ),
        // Where it stands counts.
        ("{% set y = x %}{% block b %}{{ y }}{% endblock %}{% set y = 2 %}", "X"),
        ("{% set y = x %}{% block o %}{% block b %}{{ y }}{% endblock %}{% endblock %}{% set y = 2 %}", "X"),
        (
            "{% extends 'base.html' %}{% block foot %}{% set y = x %}{% if y %}{% block b %}{{ y }}{% endblock %}{% endif %}\
             {% set y = 2 %}{% endblock %}{% block c %}{% set y = 3 %}{% endblock %}",
            "X",
        ),
        ("{% extends 'outer.html' %}{% block o %}{% set y = x %}{{ super() }}{% endblock %}", "X in outer"),
        // Another parent.
        ("{% extends 'base.html' if x else 'sets.html' %}{% block b %}{{ super() }}{% endblock %}", "base"),
        ("{% set p = 'plain' %}{% extends p ~ '.html' %}{% block b %}{{ super() }}{{ x }}{% endblock %}", "plainX"),
        ("{% if x %}{% extends 'plain.html' %}{% endif %}{% block b %}{{ super() }}{{ x }}{% endblock %}", "plainX"),
        // A template that includes itself.
        (
            "<p>{% block b %}{{ x }}{% if not y %}{% set y = 1 %}{% include 'index.html' %}{% endif %}{% endblock %}</p>",
            "X<p>X</p>",
        ),
        ("{# {% block c %} #}{% raw %}{% block d %}{% endraw %}é{% block b %}é{{ x }}{% endblock %}", "éX"),
    ] {
        let (_folders, content) = site(&[
            ("index.html", index),
            ("base.html", BASE),
            ("header.html", "{{ user.name.first }}"),
            (
                "middle.html",
                "{% extends 'base.html' %}{% block b %}({{ super() }})({% block inner %}in{% endblock %}){% endblock %}",
            ),
            ("sets.html", "{% set y = x ~ ' of sets' %}{% block b %}{% endblock %}"),
            ("outer.html", "{% block o %}{% block b %}{{ y }} in outer{% endblock %}{% endblock %}{% set y = 2 %}"),
            ("plain.html", "<p>{% block b %}plain{% endblock %}</p>"),
            ("m.html", "{% macro hi(x) %}hi {{ x }}{% endmacro %}{% macro other() %}{{ no.a.b }}{% endmacro %}"),
            ("shows-y.html", "y={{ y }}"),
            ("gives-y.html", "{% set y = 'given ' ~ x %}"),
        ]);
        let answer = get(&block(&content, &json!({ "x": "X" })), "/").send().await;
        // As in the whole page, where that can be rendered.
        let whole = content.clone();
        let whole = app(move |_| whole.render_template("index.html", json!({ "x": "X" })).expect("a page"));
        let whole = get(&whole, "/").send().await;
        assert!(whole.status != 200 || whole.text().contains(expected), "{index}: {}", whole.text());
        assert_eq!((answer.status.as_u16(), answer.text()), (200, expected), "{index}");
        if expected.contains('X') {
            let other = get(&block(&content, &json!({ "x": "Z" })), "/").send().await;
            assert_ne!(other.body, answer.body, "{index}");
            assert_ne!(other.header("etag"), answer.header("etag"), "{index}");
        }
    }
}

#[tokio::test]
async fn the_tag_of_a_block_counts_what_the_block_reads() {
    let (folders, content) = site(&[
        (
            "index.html",
            "{% extends 'base.html' %}{% import 'm.html' as m %}{% from 'unused.html' import u %}{% set t = title|upper %}{% set v = side|upper %}\
             {% block b %}{{ super() }}{{ t }}{% for r in rows %}{{ m.row(r) }}{% endfor %}{% endblock %}\
             {% block side %}{{ v }}{{ u() }}{{ others|length }}{{ now() }}{{ static('side.css') }}{% endblock %}",
        ),
        (
            "base.html",
            "{{ user.name }}{% block b %}{{ super_text }}{% endblock %}{% block side %}{% endblock %}<script>f()</script>",
        ),
        ("m.html", "{% macro row(r) %}<li>{{ r.t }}{% endmacro %}"),
        ("unused.html", "{% macro u() %}{{ 1 }}{% endmacro %}"),
    ]);
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    let content = content.with_environment(move |engine| {
        let counter = counter.clone();
        engine.add_function("now", move || counter.fetch_add(1, Ordering::Relaxed));
    });
    let arguments = json!({ "title": "T", "rows": [{ "t": 1, "id": 7 }], "super_text": "S", "user": { "name": "U" }, "side": "s", "others": [1] });
    let before = tag(&content, &arguments).await;
    let with = |pointer: &str, value: Value| {
        let mut arguments = arguments.clone();
        *arguments.pointer_mut(pointer).expect("it is there") = value;
        arguments
    };
    for (pointer, value) in [
        ("/user/name", json!("V")),
        ("/user", json!(null)),
        ("/side", json!("t")),
        ("/others", json!([1, 2])),
        ("/rows/0/id", json!(8)),
    ] {
        assert_eq!(tag(&content, &with(pointer, value)).await, before, "{pointer} is not in the block");
    }
    for (pointer, value) in
        [("/title", json!("V")), ("/rows/0/t", json!(2)), ("/rows", json!([])), ("/super_text", json!("V"))]
    {
        assert_ne!(tag(&content, &with(pointer, value)).await, before, "{pointer} is in the block");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0, "what the rest of the page calls is not called");
    let again = get(&block(&content, &arguments), "/").header("if-none-match", &before).send().await;
    assert_eq!(again.status, 304);
    folders.write("templates/unused.html", b"{% macro u() %}{{ 2 }}{% endmacro %}");
    folders.write("static/side.css", b"p {}");
    let base = "{{ user.id }}{% block b %}{{ super_text }}{% endblock %}{% block side %}.{% endblock %}";
    folders.write("templates/base.html", base.as_bytes());
    let moved = tag(&content, &arguments).await;
    folders.write("templates/base.html", base.replace("user.id", "user.no").as_bytes());
    assert_eq!(tag(&content, &arguments).await, moved, "an edit elsewhere of as many bytes");
    folders.write("templates/base.html", base.replace("{{ super_text }}", "!{{ super_text }}").as_bytes());
    assert_ne!(tag(&content, &arguments).await, moved, "an edit of the parent's block");
    folders.write("templates/base.html", base.as_bytes());
    folders.write("templates/m.html", b"{% macro row(r) %}<p>{{ r.t }}{% endmacro %}");
    assert_ne!(tag(&content, &arguments).await, moved, "an edit of what the block imports");
}

#[tokio::test]
async fn a_block_and_its_page_have_two_tags() {
    let (_folders, content) =
        site(&[("index.html", "{% block b %}{{ x }}{% endblock %}{% block c %}{{ x }}{% endblock %}")]);
    let page = content.clone();
    let page = app(move |_| page.render_template("index.html", json!({ "x": 1 })).expect("a page"));
    let page = get(&page, "/").send().await;
    let other = content.clone();
    let other = app(move |_| other.render_block("index.html", "c", json!({ "x": 1 })).expect("a block"));
    let other = get(&other, "/").send().await;
    let one = ask(&content, &json!({ "x": 1 })).await;
    assert_eq!((page.text(), one.text(), other.text()), ("11", "1", "1"));
    assert_eq!(one.header("content-type"), "text/html; charset=utf-8");
    let tags = [&page, &one, &other].map(|answer| answer.header("etag"));
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
}

#[tokio::test]
async fn a_block_obeys_the_settings_of_the_engine() {
    let (_folders, content) = site(&[
        (
            "index.html",
            "<% extends 'base.html' %><< no.a >><% set y = x %><% block b %><< y >>/<< z|default('d') >><% endblock %>",
        ),
        ("base.html", "<< no >><% block b %><% endblock %>"),
    ]);
    let content = content.with_environment(|engine| {
        let mut syntax = minijinja::syntax::SyntaxConfig::builder();
        syntax.block_delimiters("<%", "%>").variable_delimiters("<<", ">>");
        engine.set_syntax(syntax.build().expect("a syntax"));
        engine.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    });
    assert_eq!(ask(&content, &json!({ "x": "<i>" })).await.text(), "&lt;i&gt;/d");
    let (_folders, content) = site(&[
        ("index.html", "# extends 'base.html'\n{{ no.a.b }}\n# set y = x\n# block b\n{{ y }}\n# endblock\n"),
        ("base.html", "# block b\n# endblock\n"),
    ]);
    let content = content.with_environment(|engine| {
        let mut syntax = minijinja::syntax::SyntaxConfig::builder();
        syntax.line_statement_prefix("#");
        engine.set_syntax(syntax.build().expect("a syntax"));
    });
    assert_eq!(ask(&content, &json!({ "x": "X", "no": { "a": {} } })).await.text().trim(), "X");
    let (_folders, content) = site(&[(
        "index.html",
        "{% set TIMEZONE = zone %}{% block b %}{{ at|datetimeformat(format='iso') }}{% endblock %}",
    )]);
    let content = content.with_environment(minijinja_contrib::add_to_environment);
    let at = |zone: &str| json!({ "at": 1_700_000_000, "zone": zone });
    let (one, two) = (ask(&content, &at("UTC")).await, ask(&content, &at("Europe/Berlin")).await);
    assert_eq!((one.text(), two.text()), ("2023-11-14T22:13:20+00:00", "2023-11-14T23:13:20+01:00"));
    assert_ne!(one.header("etag"), two.header("etag"));
}

#[tokio::test]
async fn a_volatile_function_in_the_block_makes_it_volatile() {
    let (_folders, content) = site(&[("index.html", "{% set n = now() %}{% block b %}{{ n }}{% endblock %}")]);
    let content = content.with_environment(|engine| engine.add_function("now", || 1));
    let answer = ask(&content, &json!({})).await;
    assert_eq!((answer.text(), answer.header("etag"), answer.header("cache-control")), ("1", "", "no-store"));
}

#[tokio::test]
async fn a_block_that_is_not_there_is_named_with_those_that_are() {
    let (_folders, content) = site(&[
        ("index.html", "{% extends 'base.html' %}{% block b %}{% block in %}{% endblock %}{% endblock %}"),
        ("base.html", "{% block b %}{% endblock %}{% block foot %}{% endblock %}"),
        ("plain.html", "text"),
        ("broken.html", "{% extends 'no.html' %}{% block b %}{% endblock %}"),
        ("fails.html", "{% block a %}{% endblock %}\n{% block b %}\n{{ no.a }}{% endblock %}"),
    ]);
    let error = |name: &str, block: &str| content.render_block(name, block, ()).expect_err("an error");
    let unknown = error("index.html", "rows");
    assert_eq!(unknown.kind(), ErrorKind::BlockNotFound);
    assert_eq!(unknown.to_string(), "the template `index.html` has no block `rows`: there are `b`, `foot`, `in`");
    assert_eq!(error("plain.html", "b").to_string(), "the template `plain.html` has no block `b`: it has none");
    assert_eq!(error("no.html", "b").kind(), ErrorKind::TemplateNotFound);
    assert_eq!(error("broken.html", "b").kind(), ErrorKind::Template);
    assert!(content.has_block("index.html", "foot") && !content.has_block("no.html", "b"));
    let fails = content.render_block("fails.html", "b", ()).expect("there is the block");
    let failed = chalice_http_toolkit::CloudFront::new().respond(&http::Request::new(()), fails).await;
    let failed = failed.expect_err("`no` is not there");
    assert_eq!(failed.template(), Some(("fails.html", Some(3))));
}

#[test]
fn check_finds_blocks_that_no_page_shows() {
    let (_folders, content) = site(&[
        (
            "index.html",
            "{% extends 'middle.html' %}\n{% block contnet %}{% block own %}{% endblock %}{% endblock %}{% block content %}{% endblock %}{% block m %}{% endblock %}",
        ),
        ("middle.html", "{% extends 'base.html' %}{% block content %}{% block m %}{% endblock %}{% endblock %}"),
        ("base.html", "{% block content %}{% endblock %}"),
        (
            "called.html",
            "{% extends 'base.html' %}{% block x %}{% endblock %}{% block content %}{{ self.x() }}{% endblock %}",
        ),
        ("computed.html", "{% extends base %}{% block x %}{% endblock %}"),
        ("alone.html", "{% block x %}{% endblock %}"),
    ]);
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].starts_with("index.html:2: no template that this one extends has a block `contnet`"));
}

/// A site may join names of templates to the folder of the one that names them.
#[tokio::test]
async fn a_block_of_a_site_that_joins_names_is_that_of_its_page() {
    let (_folders, content) = site(&[
        ("index.html", "{% extends 'base.html' %}{% block b %}[{{ super() }}{{ x }}]{% endblock %}"),
        // Where names are joined to themselves, this one is not meant.
        ("base.html", "{% block b %}the wrong one{% endblock %}"),
        ("joined/base.html", "{{ other }}{% block b %}base {% endblock %}"),
    ]);
    let content = content.with_environment(|engine| {
        engine.set_path_join_callback(|name, parent| {
            if parent == "index.html" { format!("joined/{name}").into() } else { name.into() }
        });
    });
    let first = tagged(&content, &json!({ "x": 1 })).await;
    assert_eq!(first.1, "[base 1]");
    assert_ne!(first.0, tagged(&content, &json!({ "x": 2 })).await.0);
    let unknown = content.render_block("index.html", "c", json!({})).expect_err("there is no such block");
    assert_eq!(unknown.kind(), ErrorKind::BlockNotFound);
}

async fn tagged(content: &ContentManager, arguments: &Value) -> (String, String) {
    let answer = ask(content, arguments).await;
    (answer.header("etag").to_owned(), answer.text().to_owned())
}
