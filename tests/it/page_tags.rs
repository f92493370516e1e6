//! The tag of a page: the same bytes for the same tag, always, and another tag for nothing that the page doesn't show.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use chalice_http_toolkit::{App, ContentManager};
use minijinja::{Value, context};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use serde::Serialize;
use serde_json::json;

use crate::support::{Answer, Folders, app, folders, get};

/// A site of one page, `index.html`, with these arguments.
fn page(content: &ContentManager, arguments: impl Serialize + Clone + Send + Sync + 'static) -> App {
    let content = content.clone();
    app(move |_| content.render_template("index.html", arguments.clone()).expect("there is an index.html"))
}

async fn index(content: &ContentManager, arguments: impl Serialize + Clone + Send + Sync + 'static) -> Answer {
    get(&page(content, arguments), "/").send().await
}

async fn tag(content: &ContentManager, arguments: impl Serialize + Clone + Send + Sync + 'static) -> String {
    let answer = index(content, arguments).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.header("etag").is_empty());
    answer.header("etag").to_owned()
}

fn site(files: &[(&str, &str)]) -> (Folders, ContentManager) {
    let folders = folders(files);
    let content = folders.content().with_reload(true);
    (folders, content)
}

#[tokio::test]
async fn a_304_renders_nothing() {
    let rendered = Arc::new(AtomicUsize::new(0));
    let (_folders, content) = site(&[("templates/index.html", "{{ probe(name) }}")]);
    let counter = rendered.clone();
    let content = content.with_environment(move |engine| {
        let counter = counter.clone();
        engine.add_function("probe", move |name: String| {
            counter.fetch_add(1, Ordering::Relaxed);
            name
        });
    });
    let app = page(&content, json!({ "name": "N" }));
    let first = get(&app, "/").send().await;
    assert_eq!((first.text(), rendered.load(Ordering::Relaxed)), ("N", 1));
    let again = get(&app, "/").header("if-none-match", first.header("etag")).send().await;
    assert_eq!((again.status.as_u16(), rendered.load(Ordering::Relaxed)), (304, 1));
}

#[tokio::test]
async fn what_a_page_does_not_show_does_not_change_its_tag() {
    let (folders, content) = site(&[
        (
            "templates/index.html",
            "{% extends 'base.html' %}{% block body %}{{ name }}{{ static('a.css') }}{% endblock %}",
        ),
        ("templates/base.html", "<p>{% block body %}{% endblock %}"),
        ("templates/other.html", "other"),
        ("static/a.css", "a"),
        ("static/b.css", "b"),
    ]);
    let before = tag(&content, json!({ "name": "N", "request_id": 1 })).await;
    assert_eq!(tag(&content, json!({ "request_id": 2, "name": "N" })).await, before, "an argument that is not read");
    assert_eq!(tag(&content, context! { name => "N" }).await.len(), before.len());
    let unordered = |salt: u32| -> HashMap<String, String> {
        let noise = (0..50).map(|n| (format!("{}", n * salt), String::new()));
        noise.chain([("name".to_owned(), "N".to_owned())]).collect()
    };
    assert_eq!(tag(&content, unordered(1)).await, tag(&content, unordered(7)).await, "the order of a map");
    folders.write("templates/other.html", b"changed");
    folders.write("templates/new.html", b"new");
    folders.write("static/b.css", b"changed");
    assert_eq!(tag(&content, json!({ "name": "N" })).await, before, "other templates and files");
}

#[tokio::test]
async fn whatever_a_page_shows_changes_its_tag() {
    let files = [
        (
            "templates/index.html",
            "{% extends 'base.html' %}{% from 'macros.html' import hi %}{% block body %}{{ hi(name) }}{% include 'part.html' %}\
             {{ static('a.css') }}{{ static('img/' ~ name) }}{{ shop }}{% include ['none.html', 'part.html'] %}{% endblock %}",
        ),
        ("templates/base.html", "{% import 'more.html' as more %}{{ more.x() }}{% block body %}{% endblock %}"),
        ("templates/macros.html", "{% macro hi(name) %}Hi {{ name }}{% endmacro %}"),
        ("templates/more.html", "{% macro x() %}x{% endmacro %}"),
        ("templates/part.html", "part"),
        ("static/a.css", "a"),
        ("static/img/N", "N"),
    ];
    let (folders, content) = site(&files);
    let content = content.with_environment(|engine| engine.add_global("shop", "Kiln"));
    let mut seen = vec![tag(&content, json!({ "name": "N" })).await];
    let mut another = |tag: String, what: &str| {
        assert!(!seen.contains(&tag), "{what} is not in the tag");
        seen.push(tag);
    };
    another(tag(&content, json!({ "name": "M" })).await, "an argument");
    for (name, source) in files {
        folders.write(name, format!("{source} ").as_bytes());
        another(tag(&content, json!({ "name": "N" })).await, name);
    }
    folders.write("templates/none.html", b"now it is there");
    another(tag(&content, json!({ "name": "N" })).await, "a template that was missing");
    let other_global = content.clone().with_environment(|engine| engine.add_global("shop", "Clay"));
    another(tag(&other_global, json!({ "name": "N" })).await, "a global");
    another(tag(&content.clone().with_build_id("2"), json!({ "name": "N" })).await, "the build id");
    another(tag(&content.with_static_prefix("/files"), json!({ "name": "N" })).await, "the prefix of files");
}

#[tokio::test]
async fn a_page_that_can_not_be_tagged_beforehand_is_tagged_by_its_bytes() {
    let (_folders, content) = site(&[("templates/index.html", "{% for n in items %}{{ n }}{% endfor %}")]);
    let numbers = |to: i32| {
        // A one-shot iterator gives way when it is looked at.
        let content = content.clone();
        app(move |_| {
            let items = Value::make_one_shot_iterator(0..to);
            content.render_template("index.html", context! { items }).expect("a template")
        })
    };
    let (three, four) = (get(&numbers(3), "/").send().await, get(&numbers(4), "/").send().await);
    assert_eq!((three.text(), four.text()), ("012", "0123"));
    assert_ne!(three.header("etag"), four.header("etag"));
    let again = get(&numbers(3), "/").header("if-none-match", three.header("etag")).send().await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn a_volatile_page_has_no_tag_and_is_not_stored() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (_folders, content) = site(&[("templates/index.html", "{{ now() }}{{ now }}"), ("templates/part.html", "")]);
    let with_clock = content.clone().with_environment(move |engine| {
        let calls = calls.clone();
        engine.add_function("now", move || calls.fetch_add(1, Ordering::Relaxed));
    });
    let answer = index(&with_clock, ()).await;
    assert_eq!((answer.status.as_u16(), answer.header("etag"), answer.header("cache-control")), (200, "", "no-store"));
    // An argument of that name is only an argument.
    let (_folders, content) = site(&[("templates/index.html", "{{ now }}")]);
    assert_ne!(tag(&content, json!({ "now": 1 })).await, tag(&content, json!({ "now": 2 })).await);
    let custom = content.with_environment(|engine| engine.add_filter("dice", |_: Value| 4)).with_volatile("dice");
    let (_folders, other) = site(&[("templates/index.html", "{{ 1|dice }}")]);
    let other = other.with_environment(|engine| engine.add_filter("dice", |_: Value| 4)).with_volatile("dice");
    assert_eq!(index(&other, ()).await.header("etag"), "");
    assert_ne!(index(&custom, json!({ "now": 1 })).await.header("etag"), "");
}

/// Everything that a generated page can depend on.
#[derive(Clone, Debug)]
struct World {
    templates: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    arguments: serde_json::Value,
    form: Form,
    global: String,
    root: String,
}

/// As what the arguments are given: all three must be read alike.
#[derive(Clone, Copy, Debug)]
enum Form {
    Json,
    Struct,
    Value,
}

#[derive(Clone, Serialize)]
struct Arguments {
    a: String,
    b: Inner,
    c: Vec<i64>,
    d: i64,
}

#[derive(Clone, Serialize)]
struct Inner {
    x: serde_json::Value,
}

impl Arguments {
    fn of(value: &serde_json::Value) -> Self {
        Self {
            a: value["a"].as_str().unwrap_or_default().to_owned(),
            b: Inner { x: value["b"]["x"].clone() },
            c: value["c"].as_array().into_iter().flatten().filter_map(|n| n.as_i64()).collect(),
            d: value["d"].as_i64().unwrap_or_default(),
        }
    }
}

impl World {
    /// The tag and the bytes of the page; `None` where it has no tag, or fails.
    async fn page(&self) -> Option<(String, Vec<u8>)> {
        let mut files = Vec::new();
        files.extend(self.templates.iter().map(|(name, text)| (format!("templates/{name}"), text.clone())));
        files.extend(self.files.iter().map(|(name, text)| (format!("static/{name}"), text.clone())));
        let borrowed: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let folders = folders(&borrowed);
        let global = self.global.clone();
        let content = folders.content().with_reload(false);
        let content = content.with_environment(move |engine| engine.add_global("g", global.clone()));
        let app = match self.form {
            Form::Json => page(&content, self.arguments.clone()),
            Form::Struct => page(&content, Arguments::of(&self.arguments)),
            Form::Value => page(&content, Value::from(minijinja::value::Serde(&self.arguments))),
        };
        let answer = get(&app.with_public_root(&self.root), "/").send().await;
        let tag = answer.header("etag").to_owned();
        (answer.status == 200 && !tag.is_empty()).then_some((tag, answer.body))
    }
}

/// A piece of a template; `{}` stands for the number of a template further on, so that most sets end.
fn piece() -> impl Strategy<Value = String> {
    let pieces = vec![
        "text",
        "{{ a }}",
        "{{ b.x }}",
        "{{ b['x'] }}",
        "{{ c[0:2] }}",
        "{{ c|length }}",
        "{{ g }}",
        "{{ url('/p') }}",
        "{{ static('0.css') }}",
        "{{ static(a) }}",
        "{{ static(b.x ~ '.css') }}",
        "{{ static('1' ~ '.css') }}",
        "{% for i in c %}{{ i }}{{ loop.last }}{% endfor %}",
        "{% if a %}yes{% else %}{{ b }}{% endif %}",
        "{% set z = a %}{{ z }}",
        "{% set z %}{{ a }}{% endset %}{{ z|upper }}",
        "{% with a = b.x %}{{ a }}{% endwith %}",
        "{% filter upper %}{{ a }}{% endfilter %}",
        "{{ a|default(g) is string }}",
        "{{ [a, b]|tojson }}",
        "{% autoescape a == '' %}{{ a }}{% endautoescape %}",
        "{% include '{}.html' %}",
        "{% include '{}.html' ignore missing %}",
        "{% include ['none.html', '{}.html'] %}",
        "{% include a ignore missing %}",
        "{% include b.x ~ '.html' ignore missing %}",
        "{% include ('{}' ~ '.html') %}",
        "{% import 'macros.html' as m %}{{ m.hi(a) }}",
        "{% from 'macros.html' import hi %}{% call hi(b.x) %}{{ a }}{% endcall %}",
        "{% block body %}{{ a }}{% endblock %}",
        "{% macro own(x=a) %}{{ x }}{{ static('0.css') }}{% endmacro %}{{ own() }}",
    ];
    (select(pieces), 1..4u8).prop_map(|(piece, further)| piece.replace("{}", &further.to_string()))
}

fn template() -> impl Strategy<Value = String> {
    (prop::option::of(select(vec!["1", "2", "3"])), prop::collection::vec(piece(), 0..4)).prop_map(|(base, pieces)| {
        // A block may stand once in a template.
        let mut blocks = 0;
        let pieces = pieces.into_iter().filter(|piece| {
            !piece.contains("{% block") || {
                blocks += 1;
                blocks == 1
            }
        });
        let text: String = pieces.collect();
        base.map_or(text.clone(), |base| format!("{{% extends '{base}.html' %}}{text}"))
    })
}

fn plain_template() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..3)
        .prop_map(|pieces| pieces.into_iter().filter(|p| !p.contains("block")).collect())
}

fn arguments() -> impl Strategy<Value = serde_json::Value> {
    let a = select(vec!["", "x", "1.html", "2.html", "3.html", "0.css", "1.css", "<b>"]);
    let x = select(vec![json!(0), json!(1), json!("1"), json!(null), json!(0.0), json!("2")]);
    (a, x, prop::collection::vec(0..3, 0..3), 0..5)
        .prop_map(|(a, x, c, d)| json!({ "a": a, "b": { "x": x }, "c": c, "d": d }))
}

fn world() -> impl Strategy<Value = World> {
    let further = (plain_template(), plain_template(), prop::option::of(plain_template()));
    let files = prop::collection::vec(prop::option::of(select(vec!["p", "q"])), 2);
    let arguments = (arguments(), select(vec![Form::Json, Form::Struct, Form::Value]));
    (template(), further, plain_template(), files, arguments, select(vec!["g", "h"]), select(vec!["", "/prod"]))
        .prop_map(|(index, (one, two, three), body, files, arguments, global, root)| {
            let macros = format!("{{% macro hi(x) %}}{{{{ x }}}}{{{{ caller() if caller }}}}{body}{{% endmacro %}}");
            let mut templates = BTreeMap::from([("index.html".into(), index), ("macros.html".into(), macros)]);
            templates.extend([("1.html".to_owned(), one), ("2.html".to_owned(), two)]);
            templates.extend(three.map(|three| ("3.html".to_owned(), three)));
            let files =
                files.into_iter().enumerate().filter_map(|(n, text)| Some((format!("{n}.css"), text?.to_owned())));
            let (arguments, form) = arguments;
            World { templates, files: files.collect(), arguments, form, global: global.into(), root: root.into() }
        })
}

/// Which part of a world is taken from another one.
fn mixed(world: &World, other: &World, part: usize) -> World {
    let mut mixed = world.clone();
    let names: Vec<String> = other.templates.keys().cloned().collect();
    match part {
        0 => mixed.arguments = other.arguments.clone(),
        1 => mixed.global = other.global.clone(),
        2 => mixed.root = other.root.clone(),
        3 => mixed.files = other.files.clone(),
        4..8 => {
            let name = ["a", "b", "c", "d"][part - 4];
            mixed.arguments[name] = other.arguments[name].clone();
        }
        _ => {
            let name = &names[part % names.len()];
            mixed.templates.insert(name.clone(), other.templates[name].clone());
        }
    }
    mixed
}

/// The heart of the crate: whatever is changed, if the tag stays, the bytes stay.
#[test]
fn equal_tags_mean_equal_bytes() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (same_tag, same_bytes, tagged) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let cases = std::env::var("PAGE_TAG_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    let mut runner = TestRunner::new(Config { cases, max_shrink_iters: 2_000, ..Config::default() });
    let outcome = runner.run(&(world(), world(), 0..13usize), |(world, other, part)| {
        let changed = mixed(&world, &other, part);
        let pages = runtime.block_on(async { (world.page().await, changed.page().await) });
        let (Some((tag, bytes)), Some((changed_tag, changed_bytes))) = pages else { return Ok(()) };
        tagged.set(tagged.get() + 1);
        same_tag.set(same_tag.get() + usize::from(tag == changed_tag));
        same_bytes.set(same_bytes.get() + usize::from(bytes == changed_bytes));
        prop_assert!(tag != changed_tag || bytes == changed_bytes, "one tag, two pages");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let (tagged, same_tag, same_bytes) = (tagged.get(), same_tag.get(), same_bytes.get());
    assert!(tagged * 4 > cases as usize, "most pages are tagged: {tagged} of {cases}");
    assert!(
        same_bytes > same_tag && same_tag * 4 > same_bytes,
        "both happen: {same_tag} tags and {same_bytes} pages stayed"
    );
}
