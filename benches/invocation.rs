//! What one invocation costs: event JSON in, reply JSON out.
//!
//! `cargo bench --bench invocation` prints each case as a ratio to a no-op function of `lambda_http`, timed in turns in
//! the same run: the machine is noisy, and an absolute time proves nothing.
#![allow(clippy::print_stdout)] // A bench is there to print.

mod forms;
mod site;
mod turns;

use std::{hint::black_box, sync::Arc, time::Duration};

use chalice_http_toolkit::ContentManager;
use serde_json::Value;
use tokio::runtime::Runtime;

use self::{
    forms::{Forms, Row, Shared, rows},
    site::{BASE, NAV, PAGE},
    turns::{Case, event, in_turns, noop},
};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let content = site::content(folder.path());

    let minimum = std::env::var("BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2.0);
    let minimum = Duration::from_secs_f64(minimum);
    for count in [10, 50, 200, 1000] {
        println!("\na page of {count} rows, ratios to a no-op lambda_http function (median of turns)");
        compare(&runtime, &content, count, minimum);
    }
    let forms = Forms { runtime: &runtime, content: &content, engine: &bare_engine(), minimum };
    [50, 1000].into_iter().for_each(|count| forms.compare(count));
}

/// Times all cases in turns, so that a slow moment of the machine slows all of them.
fn compare(runtime: &Runtime, content: &ContentManager, count: u32, minimum: Duration) {
    let app = site::app(content, Shared(Arc::new(rows(count))));
    let invoke = |event: &str| {
        let reply = runtime.block_on(app.invoke(event, None)).expect("a reply");
        serde_json::to_vec(&reply).expect("JSON")
    };
    let tag = |path: &str| -> String {
        let reply: Value = serde_json::from_slice(&invoke(&event(path, &[]))).expect("JSON");
        reply["headers"]["etag"].as_str().expect("a tag").to_owned()
    };
    let (page, css) = (event("/page", &[]), event("/static/site.css", &[]));
    let page_again = event("/page", &[("if-none-match", &tag("/page"))]);
    let css_again = event("/static/site.css", &[("if-none-match", &tag("/static/site.css"))]);
    let bare = bare_engine();
    let data = rows(count);

    let mut cases: Vec<Case<'_>> = vec![
        ("no-op lambda_http", Box::new(|| _ = black_box(noop(runtime, &page, "text/plain", "hello")))),
        ("page 200", Box::new(|| _ = black_box(invoke(&page)))),
        ("page 304", Box::new(|| _ = black_box(invoke(&page_again)))),
        ("static 200", Box::new(|| _ = black_box(invoke(&css)))),
        ("static 304", Box::new(|| _ = black_box(invoke(&css_again)))),
        ("bare MiniJinja render", Box::new(|| _ = black_box(bare_render(&bare, &data)))),
    ];
    let medians = in_turns(&mut cases, minimum);
    let noop = medians[0];
    for ((name, _), median) in cases.iter().zip(&medians) {
        println!("{name:<24} {:>9.2} µs   {:>7.2} × no-op", median * 1e6, median / noop);
    }
    let (page, bare) = (medians[1], medians[5]);
    println!(
        "page 200 = no-op + {:.2} × bare render; page 304 = {:.3} × page 200, {:.3} × bare render",
        (page - noop) / bare,
        medians[2] / page,
        medians[2] / bare
    );
}

fn bare_engine() -> minijinja::Environment<'static> {
    let mut engine = minijinja::Environment::new();
    engine.add_function("static", |name: String| minijinja::Value::from_safe_string(format!("/static/{name}")));
    engine.add_function("url", |path: String| minijinja::Value::from_safe_string(path));
    for (name, source) in [("base.html", BASE), ("nav.html", NAV), ("page.html", PAGE)] {
        engine.add_template(name, source).expect("a template");
    }
    engine
}

fn bare_render(engine: &minijinja::Environment<'_>, rows: &[Row]) -> String {
    let arguments = minijinja::context! { rows => minijinja::value::Value::from(minijinja::value::Serde(rows)) };
    engine.get_template("page.html").expect("a template").render(arguments).expect("a page")
}
