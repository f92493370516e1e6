//! What cache tags cost: `cargo bench --bench edge` prints an answer with tags as a ratio to the same answer without, timed in turns
//! in the same run, and how long the manifest of a site of 500 templates takes.
#![allow(clippy::print_stdout)] // A bench is there to print.

mod turns;

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use chalice_http_toolkit::{App, CacheControl, CloudFront, ContentManager};
use lambda_http::Request;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::{Layer, service_fn};

use self::turns::{Case, event, in_turns, noop};

const TEMPLATES: usize = 500;
const PAGE: &str = "{% extends 'base.html' %}{% block main %}<table>{% for row in rows %}<tr><td>{{ row.id }}<td>{{ row.name }}\
    {% endfor %}</table>{% endblock %}";
const BASE: &str = "<!doctype html><link rel=stylesheet href=\"{{ static('site.css') }}\">{% include 'nav.html' %}\
    <main>{% block main %}{% endblock %}</main>";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_site(folder.path());
    let minimum = std::env::var("BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    for rows in [1, 50] {
        compare(&runtime, &content(folder.path()), rows, Duration::from_secs_f64(minimum));
    }
    let mut times: Vec<f64> = (0..11).map(|_| manifest(folder.path())).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "the manifest of {TEMPLATES} templates: {:.1} ms (median of the first of a process' life)",
        times[5] * 1e3
    );
}

fn write_site(folder: &Path) {
    let write = |name: String, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("templates/base.html".into(), BASE);
    write(
        "templates/nav.html".into(),
        "<nav>{% for page in ['/', '/about'] %}<a href=\"{{ url(page) }}\">{{ page }}</a>{% endfor %}</nav>",
    );
    write("static/site.css".into(), &"body { color: #333 }\n".repeat(500));
    (2..TEMPLATES).for_each(|n| write(format!("templates/{n}.html"), &format!("{PAGE}{{# {n} #}}")));
}

fn content(folder: &Path) -> ContentManager {
    let content = ContentManager::new(folder.join("templates"), folder.join("static"));
    content.expect("both folders are there").with_reload(false)
}

/// How long the first manifest takes.
fn manifest(folder: &Path) -> f64 {
    let content = content(folder);
    let begun = Instant::now();
    black_box(content.edge_manifest());
    begun.elapsed().as_secs_f64()
}

fn app(content: &ContentManager, rows: u32, cloudfront: CloudFront) -> App {
    let content = content.clone();
    let rows: Vec<Value> = (0..rows).map(|id| json!({ "id": id, "name": format!("Product <{id}>") })).collect();
    App::new(cloudfront.layer(service_fn(move |_: Request| {
        let page = content.render_template("2.html", json!({ "rows": rows }));
        let page = page.map(|page| page.with_data_tags(["products"]).with_cache_control(CacheControl::until_purged()));
        async { page.map(http::Response::<String>::from) }
    })))
}

/// Times the same answers with and without tags in turns.
fn compare(runtime: &Runtime, content: &ContentManager, rows: u32, minimum: Duration) {
    let plain = app(content, rows, CloudFront::new());
    let tagged = app(content, rows, CloudFront::new().with_cache_tags("cache-tag"));
    let invoke = |app: &App, event: &str| {
        let reply = runtime.block_on(app.invoke(event, None)).expect("a reply");
        serde_json::to_vec(&reply).expect("JSON")
    };
    let page = event("/", &[]);
    let again = |app: &App| {
        let reply: Value = serde_json::from_slice(&invoke(app, &page)).expect("JSON");
        event("/", &[("if-none-match", reply["headers"]["etag"].as_str().expect("a tag"))])
    };
    let (plain_again, tagged_again) = (again(&plain), again(&tagged));
    let mut cases: Vec<Case<'_>> = vec![
        ("no-op lambda_http", Box::new(|| _ = black_box(noop(runtime, &page, "text/plain", "hello")))),
        ("200", Box::new(|| _ = black_box(invoke(&plain, &page)))),
        ("200 with tags", Box::new(|| _ = black_box(invoke(&tagged, &page)))),
        ("304", Box::new(|| _ = black_box(invoke(&plain, &plain_again)))),
        ("304 with tags", Box::new(|| _ = black_box(invoke(&tagged, &tagged_again)))),
    ];
    let medians = in_turns(&mut cases, minimum);
    println!("a page of {rows} rows");
    for ((name, _), median) in cases.iter().zip(&medians) {
        println!("{name:<24} {:>9.2} µs   {:>7.2} × no-op", median * 1e6, median / medians[0]);
    }
    println!(
        "with tags: 200 = {:.3}, 304 = {:.3} × the same without",
        medians[2] / medians[1],
        medians[4] / medians[3]
    );
}
