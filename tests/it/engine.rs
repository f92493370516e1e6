//! The template engine as sites have it: with its companion crate, with functions of their own, in any version, and with
//! arguments of any depth.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use chalice_http_toolkit::{App, BoxError, ContentManager, Embedded};
use minijinja::{AutoEscape, Environment, Error, State, Value};
use serde_json::{Value as Json, json};

use crate::support::{Answer, app, folders, get};

type Setup = fn(&mut Environment<'static>);

/// What a process that has just started answers for `index.html` with these arguments.
async fn fresh(files: &[(&str, &str)], setup: Setup, arguments: &Json, headers: &[(&str, &str)]) -> Answer {
    let folders = folders(files);
    let content = folders.content().with_environment(setup);
    get(&page(&content, arguments), "/").headers(headers).send().await
}

fn page(content: &ContentManager, arguments: &Json) -> App {
    let (content, arguments) = (content.clone(), arguments.clone());
    app(move |_| content.render_template("index.html", arguments.clone()).expect("there is an index.html"))
}

fn companion(engine: &mut Environment<'static>) {
    minijinja_contrib::add_to_environment(engine);
    engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
}

#[tokio::test]
async fn the_companion_crate_and_python_methods_render() {
    let index = "{{ n }} item{{ n|pluralize }}, {{ text|truncate(length=8, leeway=0) }}, {{ at|datetimeformat(format='iso') }}, \
        {{ text.upper() }}, {{ d.get('k', 1) }}, {{ d.items()|list|length }}, {{ '<b>x</b>'|striptags }}, \
        {% set row = cycler(['a', 'b']) %}{{ row.next() }}{{ row.next() }}{% set and = joiner('&') %}{{ and() }}{{ and()|safe }}";
    let arguments = json!({ "n": 2, "text": "one two three", "at": "2024-02-03T04:05:06Z", "d": { "k": 7 } });
    let answer =
        fresh(&[("templates/index.txt", ""), ("templates/index.html", index)], companion, &arguments, &[]).await;
    assert_eq!(answer.text(), "2 items, one..., 2024-02-03T04:05:06+00:00, ONE TWO THREE, 7, 1, x, ab&");
    assert_ne!(answer.header("etag"), "");
}

/// The engine asks how a template escapes when it compiles it.
#[tokio::test]
async fn a_304_compiles_no_template() {
    let folders = folders(&[
        ("templates/index.html", "{% extends 'base.html' %}{% block b %}{{ name }}{% endblock %}"),
        ("templates/base.html", "{% block b %}{% endblock %}{% include 'foot.html' %}"),
        ("templates/foot.html", "."),
    ]);
    let compiled = Arc::new(Mutex::new(BTreeSet::new()));
    let site = || {
        let compiled = compiled.clone();
        let content = folders.content().with_environment(move |engine| {
            let compiled = compiled.clone();
            engine.set_auto_escape_callback(move |name| {
                compiled.lock().unwrap().insert(name.to_owned());
                AutoEscape::Html
            });
        });
        page(&content, &json!({ "name": "Ada" }))
    };
    let names = || ["index.html", "base.html", "foot.html"].map(|name| compiled.lock().unwrap().contains(name));
    let first = get(&site(), "/").send().await;
    assert_eq!(names(), [true; 3]);
    compiled.lock().unwrap().clear();
    let again = get(&site(), "/").headers(&[("if-none-match", first.header("etag"))]).send().await;
    assert_eq!((again.status.as_u16(), names()), (304, [false; 3]));
}

/// Comments within comments, for which a site has one template that includes itself by the loop it is in.
#[tokio::test]
async fn a_recursive_loop_goes_on_from_an_included_template() {
    let files = [
        (
            "templates/index.html",
            "{% for c in comments recursive %}<p>{{ c.text }}{% include 'answers.html' %}{% endfor %}",
        ),
        ("templates/answers.html", "{% if c.answers %}{{ loop(c.answers) }}{% endif %}</p>"),
    ];
    let comments =
        json!({ "comments": [{ "text": "a", "answers": [{ "text": "b", "answers": [] }] }, { "text": "c" }] });
    let answer = fresh(&files, |_| {}, &comments, &[]).await;
    assert_eq!(answer.text(), "<p>a<p>b</p></p><p>c</p>");
}

/// Each with two values of an argument that no template names.
#[tokio::test]
async fn what_the_companions_filters_look_up_is_in_the_tag_beforehand() {
    let at = "{{ '2024-02-03T04:05:06+02:00'|";
    for (index, name, one, two) in [
        (format!("{at}datetimeformat }}}}"), "TIMEZONE", "UTC", "original"),
        (format!("{at}datetimeformat }}}}"), "DATETIME_FORMAT", "short", "full"),
        (format!("{at}dateformat }}}}"), "DATE_FORMAT", "short", "full"),
        (format!("{at}timeformat }}}}"), "TIME_FORMAT", "short", "full"),
        (format!("{at}timeformat }}}}"), "TIMEZONE", "UTC", "original"),
        ("{{ ['a b ' * 65]|map('truncate')|list }}".into(), "TRUNCATE_LEEWAY", "0", "20"),
        ("{% filter truncate(length=5) %}a b c d e f{% endfilter %}".into(), "TRUNCATE_LEEWAY", "0", "20"),
        (
            "{% macro m(x) %}{{ x|truncate(length=5) }}{% endmacro %}{{ m('a b c d e f') }}".into(),
            "TRUNCATE_LEEWAY",
            "0",
            "20",
        ),
    ] {
        let value = |text: &str| text.parse::<u32>().map_or(json!(text), |number| json!(number));
        let of = |text: &str| json!({ name: value(text), "unread": text });
        let files = [("templates/index.html", index.as_str())];
        let first = fresh(&files, companion, &of(one), &[]).await;
        let known = [("if-none-match", first.header("etag"))];
        assert_eq!(fresh(&files, companion, &of(one), &known).await.status, 304, "{index}: {}", first.text());
        assert_eq!(first.header("x-etag-reason"), "", "{index}");
        let other = fresh(&files, companion, &of(two), &known).await;
        if !index.contains("macro") {
            assert_ne!(other.text(), first.text(), "{index} shows {name}");
        }
        assert_eq!(other.status, 200, "{index}: one tag, two pages");
    }
}

#[tokio::test]
async fn a_global_that_the_companions_filters_look_up_is_in_the_tag() {
    let files = [("templates/index.html", "{{ '2024-02-03T04:05:06Z'|dateformat }}")];
    let with = |format: &'static str| {
        let folders = folders(&files);
        let content = folders.content().with_environment(companion);
        let content = content.with_environment(move |engine| engine.add_global("DATE_FORMAT", format));
        (page(&content, &json!({})), folders)
    };
    let (short, full) = (with("short"), with("full"));
    let (one, two) = (get(&short.0, "/").send().await, get(&full.0, "/").send().await);
    assert_ne!(one.text(), two.text());
    assert_ne!(one.header("etag"), two.header("etag"));
}

#[tokio::test]
async fn the_companions_random_functions_have_no_tag() {
    for index in [
        "{{ [1, 2, 3]|random }}",
        "{{ randrange(9) }}",
        "{{ lipsum(1) }}",
        "{{ now() }}",
        "{{ [[1]]|map('random')|list }}",
    ] {
        let answer = fresh(&[("templates/index.html", index)], companion, &json!({ "RAND_SEED": 1 }), &[]).await;
        let told = (answer.status.as_u16(), answer.header("etag"), answer.header("cache-control"));
        assert_eq!(told, (200, "", "no-store"), "{index}: {}", answer.text());
    }
}

fn curious(engine: &mut Environment<'static>) {
    fn looked_up(state: &State<'_, '_>, path: &str) -> String {
        let mut names = path.split('.');
        let value = state.lookup(names.next().unwrap_or_default()).unwrap_or_default();
        let of = |value: Value, name| match str::parse::<usize>(name) {
            Ok(at) => value.get_item_by_index(at).unwrap_or_default(),
            Err(_) => value.get_attr(name).unwrap_or_default(),
        };
        names.fold(value, of).to_string()
    }
    engine.add_filter("look", |state: &State<'_, '_>, path: &str| looked_up(state, path));
    engine.add_function("look", |state: &State<'_, '_>, path: &str| looked_up(state, path));
    engine.add_function("look_mutably", |state: &mut State<'_, '_>, path: &str| looked_up(state, path));
    engine.add_test("showing", |state: &State<'_, '_>, path: &str| looked_up(state, path) == "1");
    engine.add_function("count", |state: &State<'_, '_>, name: &str| state.lookup(name).and_then(|value| value.len()));
    engine.add_function("all", |state: &State<'_, '_>| {
        let mut names: Vec<String> = state.known_variables().into_iter().map(|name| name.into_owned()).collect();
        names.sort();
        names.iter().map(|name| state.lookup(name).unwrap_or_default().to_string()).collect::<String>()
    });
    engine.add_function("told", |state: &mut State<'_, '_>, name: &str| state.call_macro(name, &[]));
    engine.set_unknown_method_callback(|state, _, method, _| match method {
        "look" => Ok(state.lookup("secret").unwrap_or_default()),
        _ => Err(Error::from(minijinja::ErrorKind::UnknownMethod)),
    });
}

/// Pages that show `secret`, `posts[0].secret` or how many `posts` there are by a function of the site's own.
const CURIOUS: [&str; 24] = [
    "{{ 'secret'|look }}",
    "{{ look('secret') }}",
    "{{ look_mutably('secret') }}",
    "{{ 1 if 'secret' is showing }}",
    "{{ ['secret']|map('look')|join }}",
    "{{ ['secret']|select('showing')|list }}",
    "{% filter look %}secret{% endfilter %}",
    "{% include 'part.html' %}",
    "{% import 'macros.html' as m %}{{ m.shown() }}",
    "{% for post in posts %}{{ post.title }}{{ 'post.secret'|look }}{% endfor %}",
    "{% for post in posts %}{{ post.title }}{% endfor %}{{ look('posts.0.secret') }}",
    "{% for post in posts %}{{ post.title }}{% endfor %}{{ look('posts') }}",
    "{{ posts[0].title }}{{ count('posts') }}",
    "{% if posts %}{% endif %}{{ look('posts.0.secret') }}",
    "{% set first = posts[0] %}{{ first.title }}{{ look('first.secret') }}",
    "{% with first = posts[0] %}{{ first.title }}{{ look('first.secret') }}{% endwith %}",
    "{% macro m(post) %}{{ post.title }}{{ look('post.secret') }}{% endmacro %}{{ m(posts[0]) }}",
    "{{ author.name }}{{ look('author.secret') }}",
    "{{ author.name }}{{ look('author') }}",
    "{{ author.name }}{{ all() }}",
    "{{ 'x'.look() }}",
    "{{ author.name }}{{ author.look() }}",
    "{% macro m() %}{{ 'secret'|look }}{% endmacro %}{{ told('m') }}",
    "{% for post in posts %}{{ post.title }}{{ look('loop.previtem.secret') if loop.index == 2 }}{% endfor %}",
];

#[tokio::test]
async fn what_a_function_of_the_sites_own_looks_up_never_has_one_tag_for_two_pages() {
    for index in CURIOUS {
        let files = [
            ("templates/index.html", index),
            ("templates/part.html", "{{ 'secret'|look }}"),
            ("templates/macros.html", "{% macro shown() %}{{ 'secret'|look }}{% endmacro %}"),
        ];
        let of = |secret: &str, posts: usize| {
            let post = json!({ "title": "T", "secret": secret });
            json!({ "secret": secret, "posts": vec![post; posts], "author": { "name": "N", "secret": secret }, "zero": [] })
        };
        let nothing = json!({ "posts": [{ "title": "T" }, { "title": "T" }], "author": { "name": "N" } });
        let mut sent: Vec<(String, Vec<u8>)> = Vec::new();
        for arguments in [of("1", 2), of("2", 2), of("1", 3), nothing] {
            // Of one process that has just started, and of one that has answered before.
            let folders = folders(&files);
            let content = folders.content().with_environment(curious);
            for _ in 0..2 {
                let answer = get(&page(&content, &arguments), "/").send().await;
                assert_eq!(answer.status, 200, "{index}: {}", answer.text());
                sent.push((answer.header("etag").to_owned(), answer.body));
            }
            for (tag, body) in &sent {
                let again = get(&page(&content, &arguments), "/").header("if-none-match", tag).send().await;
                if again.status == 304 {
                    assert_eq!(*body, sent.last().expect("a page").1, "{index}: a false 304");
                }
            }
        }
        for (tag, body) in &sent {
            let same = sent.iter().filter(|(other, _)| other == tag);
            assert!(!tag.is_empty() && same.clone().all(|(_, other)| other == body), "{index}: one tag, two pages");
        }
        let bodies: std::collections::BTreeSet<_> = sent.iter().map(|(_, body)| body).collect();
        assert!(bodies.len() > 1 || index.contains("import") || index.contains("macro"), "{index} shows it");
    }
}

#[tokio::test]
async fn a_page_whose_function_looked_something_up_is_rendered_to_know_its_tag() {
    const TEMPLATES: Embedded = Embedded::new(&[("index.html", b"{{ 'secret'|look }}")]);
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("a site");
    let content = content.with_reload(true).with_environment(curious);
    let app = page(&content, &json!({ "secret": "1" }));
    let first = get(&app, "/").send().await;
    let reason =
        "rendered to know its tag: a function or filter of the site looked at `secret`, which no template names";
    assert_eq!(first.header("x-etag-reason"), reason);
    let again = get(&app, "/").header("if-none-match", first.header("etag")).send().await;
    assert_eq!(again.status, 304, "its bytes are the same");
    let declared = content.with_lookups("look", &["secret"]);
    let known = get(&page(&declared, &json!({ "secret": "1" })), "/").send().await;
    assert_eq!((known.text(), known.header("x-etag-reason")), ("1", ""));
    let other = page(&declared, &json!({ "secret": "2" }));
    let other = get(&other, "/").header("if-none-match", known.header("etag")).send().await;
    assert_eq!((other.status.as_u16(), other.text()), (200, "2"));
}

#[tokio::test]
async fn a_function_that_looks_nothing_up_leaves_the_tag_known_beforehand() {
    let rendered = Arc::new(AtomicUsize::new(0));
    let counter = rendered.clone();
    let folders = folders(&[(
        "templates/index.html",
        "{% for post in posts if post.shown %}{{ loop.index }}{{ post.title|mine }}{% for t in post.tags %}{{ t.name }}{% endfor %}\
         {{ author.name if author }}{{ author.city|default('none') }}{% endfor %}{{ missing is defined }}{{ missing }}{{ rows[0][1] }}",
    )]);
    let content = folders.content().with_reload(true).with_environment(move |engine| {
        let counter = counter.clone();
        engine.add_filter("mine", move |text: &str| {
            counter.fetch_add(1, Ordering::Relaxed);
            text.to_owned()
        });
    });
    let tags = json!([{ "name": "a", "unread": 1 }]);
    let post = |shown| json!({ "title": "T", "shown": shown, "tags": tags, "unread": 2 });
    let arguments = json!({ "posts": [post(true), post(false), post(true)], "author": { "name": "N", "unread": 3 }, "rows": [[1, 2]] });
    let app = page(&content, &arguments);
    let first = get(&app, "/").send().await;
    assert_eq!(first.text(), "1TaNnone2TaNnoneFalse2");
    assert_eq!(first.header("x-etag-reason"), "");
    assert_eq!(rendered.load(Ordering::Relaxed), 2);
    let again = get(&app, "/").header("if-none-match", first.header("etag")).send().await;
    assert_eq!((again.status.as_u16(), rendered.load(Ordering::Relaxed)), (304, 2));
}

#[tokio::test]
async fn a_global_that_only_a_function_looks_up_is_no_false_304() {
    let with = |currency: &'static str, by_key: bool| {
        let folders = folders(&[("templates/index.html", "{{ name }}{{ 'CURRENCY'|look }}")]);
        let content = folders.content().with_build_id("1").with_environment(curious);
        let content = content.with_environment(move |engine| engine.add_global("CURRENCY", currency));
        let app = app(move |_| {
            match by_key {
                true => {
                    content.render_template_with("index.html", 1, async || Ok::<_, BoxError>(json!({ "name": "N" })))
                }
                false => content.render_template("index.html", json!({ "name": "N" })),
            }
            .expect("a page")
        });
        (app, folders)
    };
    for by_key in [false, true] {
        let (euros, pounds) = (with("EUR", by_key), with("GBP", by_key));
        let first = get(&euros.0, "/").send().await;
        assert_eq!(first.text(), "NEUR");
        let other = get(&pounds.0, "/").header("if-none-match", first.header("etag")).send().await;
        assert_eq!((other.status.as_u16(), other.text()), (200, "NGBP"));
    }
}

#[tokio::test]
async fn loops_that_are_left_early_are_tagged_beforehand() {
    let index = "{% for n in items %}{% if n.skip %}{% continue %}{% endif %}{{ n.name }}{% if n.last %}{% break %}{% endif %}{% endfor %}";
    let files = [("templates/index.html", index)];
    let of =
        |name: &str| json!({ "items": [{ "skip": 1 }, { "name": name, "last": 1, "unread": name }, { "name": "no" }] });
    let first = fresh(&files, |_| {}, &of("a"), &[]).await;
    assert_eq!(first.text(), "a");
    let known = [("if-none-match", first.header("etag"))];
    assert_eq!(fresh(&files, |_| {}, &of("a"), &known).await.status, 304);
    assert_eq!(fresh(&files, |_| {}, &of("b"), &known).await.text(), "b");
}

/// As many levels, each a map with one field or a list of one element.
fn nested(levels: usize, is_list: bool) -> Json {
    let around = |inner, _| match is_list {
        true => Json::Array(vec![inner]),
        false => Json::Object([("a".to_owned(), inner)].into_iter().collect()),
    };
    (0..levels).fold(Json::Null, around)
}

/// A value that is let go level by level: of itself it would take stack for each.
struct Deep(Json);

impl Drop for Deep {
    fn drop(&mut self) {
        let mut waiting = vec![self.0.take()];
        while let Some(value) = waiting.pop() {
            match value {
                Json::Array(items) => waiting.extend(items),
                Json::Object(fields) => waiting.extend(fields.into_iter().map(|(_, value)| value)),
                _ => {}
            }
        }
    }
}

impl serde::Serialize for Deep {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("tree", &self.0)])
    }
}

/// On a thread with the stack that Rust gives by default.
fn on_a_thread(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread").join().expect("no panic");
}

fn answer(index: &'static str, arguments: Deep) -> Answer {
    let folders = folders(&[("templates/index.html", index)]);
    let content = folders.content().with_reload(true).with_environment(curious);
    content.explain("index.html", &arguments).expect("an explanation");
    let arguments = Arc::new(arguments);
    let app = app(move |_| content.render_template("index.html", arguments.clone()).expect("there is an index.html"));
    blocking(get(&app, "/").send())
}

fn blocking<T>(answer: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(answer)
}

#[test]
fn arguments_of_any_depth_are_a_page_or_an_error() {
    for (index, levels, status, is_rendered_first) in [
        ("{{ tree }}", 100, 200, false),
        ("{{ tree }}", 240, 200, true),
        ("{{ tree|tojson }}", 240, 200, true),
        ("{{ 'tree'|look|length }}", 240, 200, true),
        ("none", 240, 200, false),
        ("{{ tree }}", 700, 500, false),
        ("none", 5_000, 500, false),
    ] {
        for is_list in [false, true] {
            on_a_thread(move || {
                let answer = answer(index, Deep(nested(levels, is_list)));
                assert_eq!(answer.status, status, "{index} with {levels}: {}", answer.text());
                assert_eq!(!answer.header("etag").is_empty(), status == 200, "{index} with {levels}");
                let reason = answer.header("x-etag-reason");
                assert_eq!(reason.contains("rendered to know"), is_rendered_first, "{index} with {levels}: {reason}");
            });
        }
    }
}

#[test]
fn templates_of_any_length_are_analysed() {
    for index in [
        format!("{{{{ 1{} }}}}", "+1".repeat(1_000)),
        format!("{{{{ 'a'{} }}}}", "|upper".repeat(1_000)),
        format!("{{{{ x{} }}}}", ".a".repeat(1_000)),
        format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(100)),
        format!("{}x{}", "{% if 1 %}".repeat(100), "{% endif %}".repeat(100)),
        "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}".into(),
        "{% include 'index.html' %}".into(),
    ] {
        on_a_thread(move || {
            let folders = folders(&[("templates/index.html", &index)]);
            let app = page(&folders.content(), &json!({}));
            let answer = blocking(get(&app, "/").send());
            assert!([200, 500].contains(&answer.status.as_u16()), "{index}");
        });
    }
}
