//! Page tags by the form in which a site hands its arguments over: they are told beforehand, and by what the page shows.

use std::collections::{BTreeMap, HashMap};

use minijinja::{
    context,
    value::{Serde, Value},
};
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use crate::support::{Answer, app, folders, get};

#[derive(Clone, Serialize)]
struct Row {
    id: u32,
    name: &'static str,
    note: &'static str,
}

#[derive(Clone, Serialize)]
struct Page<Rows> {
    rows: Rows,
    visitor: &'static str,
}

#[derive(Clone)]
enum Arguments {
    Json(Json),
    Value(Value),
    Struct(Page<Vec<Row>>),
    Unordered(HashMap<&'static str, Vec<HashMap<String, Json>>>),
    Ordered(Page<Vec<BTreeMap<String, Json>>>),
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => json.serialize(serializer),
            Self::Value(value) => value.serialize(serializer),
            Self::Struct(page) => page.serialize(serializer),
            Self::Unordered(map) => map.serialize(serializer),
            Self::Ordered(page) => page.serialize(serializer),
        }
    }
}

/// A page of two rows in every form.
fn forms(name: &'static str, note: &'static str) -> Vec<(&'static str, Arguments)> {
    let rows = vec![Row { id: 1, name, note }, Row { id: 2, name: "two", note: "" }];
    let page = |visitor| Page { rows: rows.clone(), visitor };
    let json = json!(page(note));
    let maps = || json["rows"].as_array().into_iter().flatten().filter_map(|row| row.as_object().cloned());
    let ordered: Vec<BTreeMap<String, Json>> = maps().map(|row| row.into_iter().collect()).collect();
    let unordered: Vec<HashMap<String, Json>> = maps().map(|row| row.into_iter().collect()).collect();
    let values =
        |row: &Row| HashMap::from([("name", row.name.into()), ("note", row.note.into()), ("id", row.id.into())]);
    let values: Vec<HashMap<&'static str, Value>> = rows.iter().map(values).collect();
    let contexts = rows.iter().map(|Row { id, name, note }| context! { note => *note, id => *id, name => *name });
    let contexts: Vec<Value> = contexts.collect();
    let [first, second] = [contexts[0].clone(), contexts[1].clone()];
    vec![
        ("context! of context!", Arguments::Value(context! { rows => contexts, visitor => note })),
        ("context! of an array", Arguments::Value(context! { visitor => note, rows => [first, second] })),
        ("context! of json!", Arguments::Value(context! { rows => Value::from(Serde(&json["rows"])) })),
        ("context! of structs", Arguments::Value(context! { rows => Value::from(Serde(&rows)) })),
        ("context! of HashMap", Arguments::Value(context! { rows => values })),
        ("struct", Arguments::Struct(page(note))),
        ("HashMap", Arguments::Unordered(HashMap::from([("rows", unordered), ("visitors", vec![HashMap::new()])]))),
        ("BTreeMap", Arguments::Ordered(Page { rows: ordered, visitor: note })),
        ("json!", Arguments::Json(json)),
    ]
}

async fn answer(index: &str, arguments: Arguments) -> Answer {
    let folders = folders(&[("templates/index.html", index)]);
    let content = folders.content().with_reload(true);
    let app = app(move |_| content.render_template("index.html", arguments.clone()).expect("there is an index.html"));
    get(&app, "/").send().await
}

#[tokio::test]
async fn each_form_is_tagged_beforehand_by_what_is_shown() {
    let index = "{% for row in rows %}{{ row.id }}{{ row.name }}{% endfor %}";
    let (known, noted, named) = (forms("one", "n"), forms("one", "m"), forms("eins", "n"));
    for (((form, known), (_, noted)), (_, named)) in known.into_iter().zip(noted).zip(named) {
        let known = answer(index, known).await;
        assert_eq!((known.text(), known.header("x-etag-reason")), ("1one2two", ""), "{form}");
        let (noted, named) = (answer(index, noted).await, answer(index, named).await);
        assert_eq!(noted.header("etag"), known.header("etag"), "{form}: what is not shown");
        assert_ne!(named.header("etag"), known.header("etag"), "{form}: what is shown");
    }
}

#[tokio::test]
async fn maps_have_one_tag_in_every_form() {
    let one = json!({ "a": 1, "ab": { "x": "long ".repeat(300), "b": null }, "b": 2.5, "c": "unread" });
    let unordered: HashMap<String, Json> = serde_json::from_value(one.clone()).expect("a map");
    let ordered: BTreeMap<String, Json> = serde_json::from_value(one.clone()).expect("a map");
    for index in ["{{ a }}{{ ab.x }}{{ b }}", "{{ ab.b }}", "{{ ab }}"] {
        let tag = |value: Value| answer(index, Arguments::Value(value));
        let known = answer(index, Arguments::Json(one.clone())).await;
        for value in [Value::from(Serde(&unordered)), Value::from(Serde(&ordered)), Value::from(Serde(&one))] {
            assert_eq!(tag(value).await.header("etag"), known.header("etag"), "{index}");
        }
        let merged = context! { b => one["b"].as_f64(), ab => Value::from(Serde(&one["ab"])), a => 1 };
        assert_eq!(tag(merged).await.header("etag"), known.header("etag"), "{index}");
    }
}

#[tokio::test]
async fn the_order_of_a_context_that_is_printed_is_in_the_tag() {
    let ordered = |inner: Value| answer("{{ inner }}", Arguments::Value(context! { inner }));
    let (one, two) = (ordered(context! { a => 1, b => 2 }).await, ordered(context! { b => 2, a => 1 }).await);
    assert_ne!(one.text(), two.text());
    assert_ne!(one.header("etag"), two.header("etag"), "one tag, two pages");
}

#[tokio::test]
async fn a_map_without_an_order_is_rendered_first_where_an_order_shows() {
    for (index, is_known) in [
        ("{{ map.a }}{{ map.c }}", true),
        ("{{ map }}", false),
        ("{% for name in map %}{{ name }}{% endfor %}", false),
        ("{{ map[name] }}", false),
    ] {
        let map = HashMap::from([("a", 1), ("b", 2)]);
        let answer = answer(index, Arguments::Value(context! { map, name => "a" })).await;
        let reason = answer.header("x-etag-reason");
        assert_eq!(!reason.contains("rendered to know"), is_known, "{index}: {reason}");
    }
}

#[tokio::test]
async fn an_explanation_names_the_field_in_every_form() {
    let folders = folders(&[("templates/index.html", "{% for row in rows %}{{ row.id }}{{ row.name }}{% endfor %}")]);
    let content = folders.content();
    for ((form, one), (_, two)) in forms("one", "n").into_iter().zip(forms("two", "m")) {
        let of = |arguments| content.explain("index.html", arguments).expect("there is an index.html");
        assert_eq!(of(&one).changes(&of(&two)), ["args.rows[0].name"], "{form}");
    }
}
