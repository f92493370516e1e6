//! What a page does not show leaves its tag alone, and what it shows moves it: each construct of templates that looks at
//! less than all of a value.

use chalice_http_toolkit::{App, ContentManager};
use minijinja::Value;
use serde_json::{Value as Json, json};

use crate::support::{app, folders, get};

/// The arguments of all pages here. What is called `u` is shown nowhere.
fn arguments() -> Json {
    let item = |n: u32| json!({ "t": format!("t{n}"), "u": n, "n": n, "on": n != 1, "by": { "t": "B", "u": "c" } });
    json!({
        "items": [item(1), item(2), item(3)],
        "one": { "t": "T", "u": "U", "in": { "t": "I", "u": "U" } },
        "map": { "k": { "t": "K", "u": "U" }, "l": { "t": "L", "u": "U" } },
        "columns": [{ "name": "t", "u": "u" }], "labels": { "t": "T" },
        "tree": [{ "t": "1", "u": 1, "c": [{ "t": "2", "u": 2, "c": [{ "t": "3", "u": 3, "c": [] }] }] }],
        "u": "U", "yes": true, "no": false, "n": 1,
    })
}

/// A page, the part of its arguments that it shows, and one that it does not.
const PAGES: [(&str, &str, &str); 74] = [
    ("{{ items|length }}", "/items", "/items/0/u"),
    ("{{ items|count }}", "/items", "/items/1/t"),
    ("{% if items %}yes{% endif %}", "/items", "/items/0/t"),
    ("{% if one is defined %}{{ one.t }}{% endif %}", "/one/t", "/one/u"),
    ("{{ one is mapping }}{{ one.in.t is string }}{{ one.t }}", "/one/t", "/one/in/u"),
    ("{{ one is none }}{{ one is undefined }}{{ items is sequence }}{{ n }}", "/n", "/items/0/t"),
    ("{% for i in items[:2] %}{{ i.t }}{% endfor %}", "/items/0/t", "/items/0/u"),
    ("{{ items[1:][0].t }}", "/items/1/t", "/items/1/u"),
    ("{{ items[0].t }}{{ items[-1].t }}", "/items/2/t", "/items/2/u"),
    ("{% for i in items|sort(attribute='n') %}{{ i.t }}{% endfor %}", "/items/0/n", "/items/0/u"),
    (
        "{% for i in items|sort(attribute='by.t,n', reverse=true) %}{{ i.t }}{% endfor %}",
        "/items/0/by/t",
        "/items/0/by/u",
    ),
    ("{{ (items|first).t }}", "/items/0/t", "/items/0/u"),
    ("{% set f = items|first %}{{ f.t }}", "/items/0/t", "/items/0/u"),
    ("{{ (items|last).t }}", "/items/2/t", "/items/2/u"),
    ("{{ (items|max(attribute='n')).t }}", "/items/2/t", "/items/2/u"),
    ("{{ items|map(attribute='t')|join(', ') }}", "/items/0/t", "/items/0/u"),
    ("{{ items|map(attribute='by.t', default='-')|list }}", "/items/0/by/t", "/items/0/by/u"),
    ("{{ items|join(', ', attribute='t') }}", "/items/0/t", "/items/0/u"),
    ("{% for i in items|selectattr('on') %}{{ i.t }}{% endfor %}", "/items/0/on", "/items/0/u"),
    ("{% for i in items|selectattr('n', 'eq', 2) %}{{ i.t }}{% endfor %}", "/items/1/n", "/items/1/u"),
    (
        "{% for i in items|rejectattr('on', 'none')|rejectattr('n', 'odd') %}{{ i.t }}{% endfor %}",
        "/items/0/n",
        "/items/0/u",
    ),
    ("{{ items|select('mapping')|list|length }}", "/items", "/items/0/t"),
    (
        "{% for g in items|groupby('on') %}{{ g.grouper }}{% for i in g.list %}{{ i.t }}{% endfor %}{% endfor %}",
        "/items/0/on",
        "/items/0/u",
    ),
    (
        "{% for on, l in items|groupby(attribute='on') %}{{ l|length }}{{ l[0].t }}{% endfor %}",
        "/items/0/t",
        "/items/0/u",
    ),
    ("{% for row in items|batch(2) %}{% for i in row %}{{ i.t }}{% endfor %}{% endfor %}", "/items/0/t", "/items/0/u"),
    ("{% for i in items|reverse|list %}{{ i.t }}{% endfor %}", "/items/0/t", "/items/0/u"),
    ("{% for i in items|unique(attribute='on') %}{{ i.t }}{% endfor %}", "/items/0/on", "/items/1/u"),
    ("{% for i in items or [] %}{{ i.t }}{% endfor %}", "/items/0/t", "/items/0/u"),
    ("{% for i in items|default([]) %}{{ i.t }}{% endfor %}", "/items/0/t", "/items/0/u"),
    ("{{ (none_there|default(one)).t }}", "/one/t", "/one/u"),
    ("{{ (no or one).t }}{{ (yes and one.in).t }}", "/one/in/t", "/one/in/u"),
    ("{{ one.t == 'T' }}{{ n == 1 }}{{ one == none }}", "/n", "/one/u"),
    ("{{ one.t is sameas none }}{{ yes is sameas(true) }}{{ one.t }}", "/one/t", "/one/u"),
    ("{% macro m(a, p) %}{{ a[p] }}{% endmacro %}{{ m(one, columns[0].name) }}", "/one/t", "/one/u"),
    ("{{ n in [1, 2] }}{{ n < 3 }}{{ 'k' in map }}", "/n", "/map/k/t"),
    ("{{ one.t in map }}{{ one.t in ['T', 'K'] }}", "/one/t", "/map/k/t"),
    ("{{ (one if yes else map.k).t }}", "/one/t", "/one/u"),
    ("{{ one.t if yes else one.in.t }}", "/yes", "/one/in/u"),
    ("{{ map.get('k').t }}{{ map.get('none', one).t }}", "/map/k/t", "/map/l/t"),
    ("{% for k, v in map.items() %}{{ k }}{{ v.t }}{% endfor %}", "/map/k/t", "/map/k/u"),
    ("{% for v in map.values() %}{{ v.t }}{% endfor %}{{ map.keys()|join }}", "/map/k/t", "/map/k/u"),
    ("{% for k, v in map|items %}{{ k }}{{ v.t }}{% endfor %}", "/map/k/t", "/map/k/u"),
    ("{% for k, v in map|dictsort %}{{ v.t }}{% endfor %}", "/map/k/t", "/map/k/u"),
    ("{% for k in map %}{{ k }}{{ map[k].t }}{% endfor %}", "/map/k/t", "/map/k/u"),
    ("{{ one|attr('t') }}", "/one/t", "/one/u"),
    ("{{ one[columns[0].name] }}", "/one/t", "/one/u"),
    ("{{ one[columns[0].name] }}", "/columns/0/name", "/one/in/t"),
    ("{{ one|attr(columns[0].name) }}{{ one.get(columns[0].name) }}", "/one/t", "/one/u"),
    (
        "{% macro cell(row, column) %}{{ row[column.name] }}{% endmacro %}\
         {% for i in items %}{% for c in columns %}{{ cell(i, c) }}{% endfor %}{% endfor %}",
        "/items/0/t",
        "/items/0/u",
    ),
    ("{% for c in [{'name': 't'}, {'name': 'n'}] %}{{ items[0][c.name] }}{% endfor %}", "/items/0/n", "/items/0/u"),
    ("{% for k, label in labels|items %}{{ label }}{{ one[k] }}{% endfor %}", "/one/t", "/one/u"),
    ("{% for k in labels %}{{ one[k] }}{% endfor %}{{ one[labels|first] }}", "/one/t", "/one/u"),
    ("{{ map['k' if yes else 'l'].t }}{{ {'K': 1, 'L': 2}[map.k.t] }}", "/map/k/t", "/one/t"),
    ("{{ columns[0].name in one }}{{ one.t }}", "/columns/0/name", "/one/u"),
    ("{% for i in items + [one] %}{{ i.t }}{% endfor %}", "/one/t", "/items/0/u"),
    ("{{ n + 1 }}{{ one.t + 'T' }}{{ ([one] + items)|length }}", "/one/t", "/items/0/u"),
    ("{% for n in tree recursive %}{{ n.t }}{{ loop(n.c) }}{% endfor %}", "/tree/0/c/0/c/0/t", "/tree/0/c/0/c/0/u"),
    (
        "{% for i in items %}{{ loop.previtem.t if loop.previtem }}{{ loop.index }}{{ loop.cycle('a', 'b') }}{% endfor %}",
        "/items/0/t",
        "/items/0/u",
    ),
    (
        "{% macro m(n) %}{{ n.t }}{% for c in n.c %}{{ m(c) }}{% endfor %}{% endmacro %}{{ m(tree[0]) }}",
        "/tree/0/c/0/t",
        "/tree/0/c/0/u",
    ),
    ("{% macro unused() %}{{ one.u }}{% endmacro %}{{ n }}", "/n", "/one/u"),
    ("{% extends 'base.html' %}{% block body %}{{ n }}{% endblock %}", "/n", "/one/u"),
    ("{% extends 'base.html' %}{% block body %}{{ super() }}{% endblock %}", "/one/u", "/u"),
    ("{% extends 'base.html' %}{% set x = one.in %}{% block body %}{{ x.t }}{% endblock %}", "/one/in/t", "/one/in/u"),
    ("{% import 'card.html' as one %}{% for one in items %}{{ one.t }}{% endfor %}", "/items/0/t", "/one/u"),
    ("{% import 'card.html' as card %}{{ card }}{{ card.card(one) }}", "/one/t", "/one/u"),
    ("{% from 'card.html' import card as c %}{{ c(one) }}{% call c(one.in) %}{% endcall %}", "/one/in/t", "/one/in/u"),
    ("{% for p in items %}{% include 'part.html' %}{% endfor %}", "/items/0/t", "/items/0/u"),
    ("{% with p = one %}{% include 'part.html' %}{% endwith %}", "/one/t", "/one/u"),
    ("{% set x = one.in %}{% set y = x %}{{ y.t }}", "/one/in/t", "/one/in/u"),
    ("{% for a, b in [(one, map.k)] %}{{ a.t }}{{ b.t }}{% endfor %}", "/map/k/t", "/map/k/u"),
    ("{{ {'x': one, 'y': map}.x.t }}{{ [one, map.k][1].t }}", "/map/k/t", "/map/k/u"),
    ("{% set one = map.k %}{{ one.t }}", "/map/k/t", "/one/t"),
    ("{% set p %}{{ one.t }}{% endset %}{{ p|upper }}", "/one/t", "/one/u"),
    ("{% for i in items %}{% for i in [one] %}{{ i.t }}{% endfor %}{{ i.n }}{% endfor %}", "/one/t", "/items/0/t"),
];

fn site(index: &str) -> (crate::support::Folders, ContentManager) {
    let folders = folders(&[
        ("templates/index.html", index),
        ("templates/base.html", "<{% block body %}{{ one.u }}{% endblock %}>"),
        (
            "templates/card.html",
            "{% macro card(p) %}{{ p.t }}{{ caller() if caller }}{% endmacro %}{% macro other(p) %}{{ p.u }}{{ one }}{% endmacro %}",
        ),
        ("templates/part.html", "{{ p.t }}"),
    ]);
    // Watched, as a function of the site's own is: what the engine looks at beyond its tag is noticed.
    let content = folders.content().with_reload(true).with_environment(|engine| {
        engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    });
    (folders, content)
}

fn page(content: &ContentManager, arguments: impl serde::Serialize + Clone + Send + Sync + 'static) -> App {
    let content = content.clone();
    app(move |_| content.render_template("index.html", arguments.clone()).expect("there is an index.html"))
}

/// The tag and the text of the page with another value in a place.
async fn with(content: &ContentManager, place: &str) -> (String, String) {
    let mut arguments = arguments();
    let value = arguments.pointer_mut(place).expect(place);
    *value = match value.take() {
        Json::String(text) => json!(format!("{text}!")),
        Json::Number(number) => json!(number.as_i64().unwrap_or_default() + 7),
        Json::Bool(is) => json!(!is),
        _ => json!([]),
    };
    let forms = [page(content, arguments.clone()), page(content, Value::from(minijinja::value::Serde(arguments)))];
    let mut answers = Vec::new();
    for app in forms {
        let answer = get(&app, "/").send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.header("x-etag-reason").contains("rendered"), "{}", answer.header("x-etag-reason"));
        answers.push((answer.header("etag").to_owned(), answer.text().to_owned()));
    }
    answers.remove(0)
}

#[tokio::test]
async fn what_is_not_shown_leaves_the_tag_alone_and_what_is_shown_moves_it() {
    for (index, shown, hidden) in PAGES {
        let (_folders, content) = site(index);
        let first = get(&page(&content, arguments()), "/").send().await;
        assert_eq!(first.header("x-etag-reason"), "", "{index}: {}", first.text());
        let (tag, text) = (first.header("etag").to_owned(), first.text().to_owned());
        assert_eq!(with(&content, hidden).await, (tag.clone(), text.clone()), "{index} does not show {hidden}");
        let (other_tag, other_text) = with(&content, shown).await;
        assert_ne!(other_text, text, "{index} shows {shown}");
        assert_ne!(other_tag, tag, "{index} shows {shown}");
    }
}

/// Whether there is something in a map does not depend on what else is in it.
#[tokio::test]
async fn a_field_that_no_template_names_never_moves_a_tag() {
    for index in [
        "{% if one %}yes{% endif %}",
        "{{ (one or map).t }}",
        "{{ 1 if not one }}",
        "{{ (one and map).k.t }}",
        "{{ (one|default(map, true)).t }}",
        "{{ [one]|select|list|length }}",
        "{% for i in items if i.by %}{{ i.t }}{% endfor %}{% if one %}1{% endif %}",
        "{{ one|bool }}{% if items %}{{ items[0].t }}{% endif %}",
        "{{ one[columns[0].name] }}{{ items[0][columns[0].name] }}",
        "{{ 't' in one }}{{ columns[0].name in one }}",
        "{% for i in [one] + items %}{{ i.t }}{% endfor %}",
        "{% for name in ['t', 'n'] %}{{ one[name] }}{{ items[1].by[name] }}{% endfor %}",
    ] {
        let (_folders, content) = site(index);
        let mut more = arguments();
        for place in ["", "/one", "/map", "/items/0", "/items/1/by", "/columns/0"] {
            let fields = more.pointer_mut(place).and_then(Json::as_object_mut).expect("an object");
            fields.insert("of_no_template".into(), json!(1));
        }
        let mut empty = arguments();
        empty["one"] = json!({});
        let as_value = |arguments: &Json| Value::from(minijinja::value::Serde(arguments));
        for as_values in [false, true] {
            let answer = async |arguments: &Json| match as_values {
                true => get(&page(&content, as_value(arguments)), "/").send().await,
                false => get(&page(&content, arguments.clone()), "/").send().await,
            };
            let (first, more, empty) = (answer(&arguments()).await, answer(&more).await, answer(&empty).await);
            assert_eq!((first.header("etag"), first.header("x-etag-reason")), (more.header("etag"), ""), "{index}");
            assert_ne!(first.text(), empty.text(), "{index}");
            assert_ne!(first.header("etag"), empty.header("etag"), "{index}");
        }
    }
}

#[tokio::test]
async fn names_of_templates_are_joined_as_the_site_says() {
    let files = [
        ("templates/index.html", "{% include 'sub/a.html' %}"),
        ("templates/sub/a.html", "{% include './b.html' %}{% import '../m.html' as m %}{{ m.m(one) }}"),
        ("templates/sub/b.html", "{{ one.t }}"),
        ("templates/m.html", "{% macro m(x) %}{{ x.in.t }}{% endmacro %}"),
        ("templates/b.html", "another"),
    ];
    let folders = folders(&files);
    let content = folders.content().with_reload(true).with_environment(|engine| {
        engine.set_path_join_callback(|name, parent| {
            let mut segments: Vec<&str> = parent.split('/').collect();
            segments.pop();
            for segment in name.split('/') {
                match segment {
                    "." => {}
                    ".." => _ = segments.pop(),
                    _ => segments.push(segment),
                }
            }
            segments.join("/").into()
        });
    });
    let first = get(&page(&content, arguments()), "/").send().await;
    assert_eq!((first.text(), first.header("x-etag-reason")), ("TI", ""));
    assert_eq!(content.check(), []);
    let tag = first.header("etag").to_owned();
    assert_eq!(with(&content, "/one/u").await.0, tag);
    assert_ne!(with(&content, "/one/t").await.0, tag);
    assert_ne!(with(&content, "/one/in/t").await.0, tag);
    folders.write("templates/b.html", b"of another folder");
    assert_eq!(get(&page(&content, arguments()), "/").send().await.header("etag"), tag);
    folders.write("templates/sub/b.html", b"changed");
    let changed = get(&page(&content, arguments()), "/").send().await;
    assert_eq!(changed.text(), "changedI");
    assert_ne!(changed.header("etag"), tag);
}

#[tokio::test]
async fn a_computed_name_of_very_many_templates_makes_a_page_rendered_first() {
    let icons = (0..300).map(|n| (format!("templates/icons/{n}.svg"), format!("<svg id={n}>")));
    let mut files: Vec<(String, String)> = icons.collect();
    files.push(("templates/index.html".into(), "{% include 'icons/' ~ n ~ '.svg' %}".into()));
    files.push(("templates/few.html".into(), "{% include 'icons/1' ~ n ~ '.svg' %}".into()));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folders = folders(&files);
    let content = folders.content().with_reload(true);
    let first = get(&page(&content, arguments()), "/").send().await;
    assert_eq!(first.text(), "<svg id=1>");
    let reason = "rendered to know its tag: a computed name in `index.html` can mean any of 300 templates, and a tag covers at most 256 so";
    assert_eq!(first.header("x-etag-reason"), reason);
    let again = get(&page(&content, arguments()), "/").header("if-none-match", first.header("etag")).send().await;
    assert_eq!(again.status, 304);
    folders.write("templates/icons/1.svg", b"<svg>");
    let changed = get(&page(&content, arguments()), "/").header("if-none-match", first.header("etag")).send().await;
    assert_eq!((changed.status.as_u16(), changed.text()), (200, "<svg>"));
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    let problem = "index.html: its page is rendered at each request: a computed name in `index.html` can mean any of 300 templates, and a tag covers at most 256 so";
    assert_eq!(findings, [problem]);
}

#[tokio::test]
async fn a_hidden_folder_is_there_for_templates_that_name_it() {
    let files = [
        ("templates/index.html", "{% include '.icons/a.svg' %}{% include '.icons/' ~ n ~ '.svg' ignore missing %}"),
        ("templates/.icons/a.svg", "<svg id=a>"),
        ("templates/.icons/1.svg", "<svg id=1>"),
        ("templates/.draft.html", "{% broken"),
        ("templates/typo.html", "{% include '.icons/b.svg' %}"),
    ];
    let folders = folders(&files);
    let content = folders.content().with_reload(true);
    let first = get(&page(&content, arguments()), "/").send().await;
    assert_eq!((first.text(), first.header("x-etag-reason")), ("<svg id=a><svg id=1>", ""));
    for name in ["templates/.icons/a.svg", "templates/.icons/1.svg"] {
        let before = get(&page(&content, arguments()), "/").send().await;
        folders.write(name, b"<svg>");
        let changed = get(&page(&content, arguments()), "/").send().await;
        assert!(changed.text() != before.text() && changed.header("etag") != before.header("etag"), "{name}");
    }
    // It is nothing that a stranger can ask for.
    assert!(!content.has_template(".icons/a.svg") && content.render_template(".draft.html", ()).is_err());
    let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    assert_eq!(findings, ["typo.html:1: there is no template `.icons/b.svg`"]);
}

#[tokio::test]
async fn a_check_says_why_a_page_is_rendered_at_each_request() {
    for (index, reason) in [
        ("{{ items|map(one.t)|list }}", "a filter or a test is named by a value, and may be volatile"),
        ("{{ debug() }}", "`debug` may print everything there is"),
        ("{{ shop }}", "global `shop`: an object (plain object) shows what it is only when it is rendered"),
    ] {
        let (_folders, content) = site(index);
        #[derive(Debug)]
        struct Shop;
        impl minijinja::value::Object for Shop {
            fn repr(self: &std::sync::Arc<Self>) -> minijinja::value::ObjectRepr {
                minijinja::value::ObjectRepr::Plain
            }
        }
        let content = content.with_environment(|engine| engine.add_global("shop", Value::from_object(Shop)));
        let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
        assert_eq!(findings, [format!("index.html: its page is rendered at each request: {reason}")]);
        let answer = get(&page(&content, arguments()), "/").send().await;
        let told = answer.header("x-etag-reason");
        assert!(answer.status == 500 || told == format!("rendered to know its tag: {reason}"), "{told}");
    }
}

#[tokio::test]
async fn what_only_an_unused_macro_names_does_not_count() {
    let folders = folders(&[("templates/index.html", "{% macro unused() %}{{ u }}{% endmacro %}{{ n }}")]);
    let content = folders.content().with_reload(true);
    assert_eq!(with(&content, "/u").await, with(&content, "/no").await);
}

#[tokio::test]
async fn a_filter_or_test_of_the_sites_own_counts_all_that_it_is_handed() {
    for index in [
        "{{ items|length }}",
        "{{ items|first }}",
        "{{ one is none }}",
        "{{ items|select('none')|list|length }}",
        "{{ items|map('length')|list }}",
    ] {
        let (_folders, content) = site(index);
        let content = content.with_environment(|engine| {
            engine.add_filter("length", |value: Value| value.to_string());
            engine.add_filter("first", |value: Value| value.get_item_by_index(0).and_then(|item| item.get_attr("u")));
            engine.add_test("none", |value: Value| value.to_string().contains('!'));
        });
        let first = get(&page(&content, arguments()), "/").send().await;
        assert_eq!(first.header("x-etag-reason"), "", "{index}: it is known beforehand");
        let place = if index.contains("one is") { "/one/t" } else { "/items/0/u" };
        assert_ne!(with(&content, place).await.0, first.header("etag"), "{index}");
    }
}

/// As for comment trees and JSON schemas: the first answer of each takes as long as that of any page.
#[tokio::test]
#[allow(clippy::print_stdout)] // The times are figures to be seen.
async fn macros_that_call_themselves_on_many_fields_have_a_first_answer() {
    for fields in [1, 2, 3, 4, 5, 6, 7, 8, 24] {
        let calls = |n| format!("{{% if n.f{n} %}}{{{{ m(n.f{n}) }}}}{{% endif %}}");
        let calls: String = (0..fields).map(calls).collect();
        let (_folders, content) =
            site(&format!("{{% macro m(n) %}}{{{{ n.t }}}}{calls}{{% endmacro %}}{{{{ m(schema) }}}}"));
        let of = |t: &str, u: &str| json!({ "schema": { "f0": { "f0": { "t": t, "u": u } } } });
        let start = std::time::Instant::now();
        let first = get(&page(&content, of("T", "U")), "/").send().await;
        println!("first answer of a macro that calls itself on {fields} fields: {:?}", start.elapsed());
        let tag = |answer: &crate::support::Answer| answer.header("etag").to_owned();
        assert_eq!((first.status.as_u16(), first.text()), (200, "T"));
        assert_eq!(tag(&get(&page(&content, of("T", "V")), "/").send().await), tag(&first));
        assert_ne!(tag(&get(&page(&content, of("S", "U")), "/").send().await), tag(&first));
        content.explain("index.html", &of("T", "U")).expect("an explanation");
    }
}

/// Pages that show a part of their arguments by a detour that the analysis has a rule for.
#[cfg(feature = "seeded-defects")]
const DETOURS: [(&str, &str); 13] = [
    ("{% if no %}{% set one = map.k %}{% endif %}{{ one.t }}", "/one/t"),
    ("{% for i in items %}{{ u }}{% set u = i.t %}{% endfor %}", "/u"),
    ("{% set x = one %}{% extends 'base.html' %}{% block body %}{{ x.t }}{% endblock %}", "/one/t"),
    ("{% for p in items %}{% include 'part.html' %}{% endfor %}", "/items/0/t"),
    ("{% extends 'base.html' %}{% block body %}{{ super() }}{% endblock %}", "/one/u"),
    ("{% from 'card.html' import card %}{{ card(one) }}", "/one/t"),
    ("{% import 'card.html' as c %}{{ c.card(p=one) }}", "/one/t"),
    ("{% for n in tree recursive %}{{ n.t }}{{ loop(n.c) }}{% endfor %}", "/tree/0/c/0/t"),
    ("{% for i in items|sort(attribute='n') %}{{ i.t }}{% endfor %}", "/items/0/t"),
    ("{% for i in items[1:] %}{{ i.t }}{% endfor %}", "/items/1/t"),
    ("{{ items|length }}", "/items"),
    ("{% if items %}yes{% endif %}", "/items"),
    ("{{ one[columns[0].name] }}", "/one/t"),
];

/// The rules of the analysis are worth something if a page without one of them is found out.
#[cfg(feature = "seeded-defects")]
#[tokio::test]
async fn each_seeded_defect_of_the_analysis_is_found() {
    use chalice_http_toolkit::{Defect, seed};
    let of = |defect| async move {
        let mut found = 0;
        for (index, shown) in DETOURS {
            seed(defect);
            let (_folders, content) = site(index);
            let first = get(&page(&content, arguments()), "/").send().await;
            let (tag, text) = with(&content, shown).await;
            seed(None);
            assert_ne!(text, first.text(), "{index} shows {shown}");
            found += usize::from(tag == first.header("etag"));
        }
        found
    };
    assert_eq!(of(None).await, 0);
    for defect in [
        Defect::Unset,
        Defect::Outside,
        Defect::Super,
        Defect::Parameter,
        Defect::Recursion,
        Defect::Elements,
        Defect::Shape,
        Defect::Key,
    ] {
        assert_ne!(of(Some(defect)).await, 0, "{defect:?} is not found");
    }
}
