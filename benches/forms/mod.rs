//! What a 304 costs in each form of arguments that sites have, against its 200 and against what a site would do without
//! tags: render the page with the plain engine and hash its bytes. The data is ready beforehand.

use std::{
    collections::{BTreeMap, HashMap},
    hint::black_box,
    sync::Arc,
    time::Duration,
};

use chalice_http_toolkit::{CloudFront, ContentManager};
use http::Request;
use minijinja::{
    Environment, context,
    value::{Serde, Value},
};
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::turns::{Case, in_turns};

#[derive(Clone, Serialize)]
pub(crate) struct Row {
    id: u32,
    name: String,
    price: f64,
}

pub(crate) fn rows(count: u32) -> Vec<Row> {
    (0..count).map(|id| Row { id, name: format!("Product <{id}>"), price: f64::from(id) * 1.25 }).collect()
}

/// Data that a site keeps, shared with each request.
pub(crate) struct Shared<T>(pub(crate) Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// The arguments of the page.
#[derive(Clone, Serialize)]
pub(crate) struct Page<T> {
    pub(crate) rows: Shared<T>,
}

/// The site and the plain engine, with the same templates.
pub(crate) struct Forms<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) content: &'a ContentManager,
    pub(crate) engine: &'a Environment<'a>,
    pub(crate) minimum: Duration,
}

impl Forms<'_> {
    /// Prints a line for each form of a page of so many rows.
    pub(crate) fn compare(&self, count: u32) {
        println!("\n{count} rows, through CloudFront::respond (medians of turns)");
        println!(
            "{:<17} {:>9} {:>9} {:>11} {:>28}",
            "", "304 in µs", "200 in µs", "304 / 200", "304 / plain render and hash"
        );
        let plain = rows(count);
        let json = json!({ "rows": plain });
        let maps = || json["rows"].as_array().into_iter().flatten().filter_map(|row| row.as_object().cloned());
        let unordered: Vec<HashMap<String, Json>> = maps().map(|row| row.into_iter().collect()).collect();
        let ordered: Vec<BTreeMap<String, Json>> = maps().map(|row| row.into_iter().collect()).collect();
        let of_row = |Row { id, name, price }: &Row| context! { id => *id, name => name, price => *price };
        let contexts: Vec<Value> = plain.iter().map(of_row).collect();
        self.line("json!", Shared(Arc::new(json.clone())));
        self.line("context!", context! { rows => contexts });
        self.line("context! of json!", context! { rows => Value::from(Serde(&json["rows"])) });
        self.line("struct", Page { rows: Shared(Arc::new(plain)) });
        self.line("HashMap", HashMap::from([("rows", Shared(Arc::new(unordered)))]));
        self.line("BTreeMap", BTreeMap::from([("rows", Shared(Arc::new(ordered)))]));
    }

    fn line<T: Serialize + Clone + Send + 'static>(&self, form: &str, arguments: T) {
        let cloudfront = CloudFront::new();
        let respond = |request: &Request<()>| {
            let page = self.content.render_template("page.html", arguments.clone()).expect("a template");
            self.runtime.block_on(cloudfront.respond(request, page)).expect("a response")
        };
        let first = respond(&Request::default());
        let again = Request::get("/").header("if-none-match", &first.headers()["etag"]).body(()).expect("a request");
        assert_eq!((first.status().as_u16(), respond(&again).status().as_u16()), (200, 304));
        let mut cases: Vec<Case<'_>> = vec![
            ("304", Box::new(|| _ = black_box(respond(&again)))),
            ("200", Box::new(|| _ = black_box(respond(&Request::default())))),
            ("plain", Box::new(|| _ = black_box(Sha256::digest(render(self.engine, &arguments))))),
        ];
        let medians = in_turns(&mut cases, self.minimum);
        let [tagged, full, plain] = medians[..] else { return };
        println!(
            "{form:<17} {:>9.2} {:>9.2} {:>9.1} % {:>26.1} %",
            tagged * 1e6,
            full * 1e6,
            100.0 * tagged / full,
            100.0 * tagged / plain
        );
    }
}

fn render(engine: &Environment<'_>, arguments: &impl Serialize) -> String {
    let template = engine.get_template("page.html").expect("a template");
    template.render(Value::from(Serde(arguments))).expect("a page")
}
