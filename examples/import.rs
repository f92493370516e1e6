//! A task that takes longer than an invocation, in steps, and a page that shows how far it is: without JavaScript by refresh, and
//! as a block with an ETag of its own. `cargo run --example import --features tasking`, then http://127.0.0.1:3000.

use std::{borrow::Cow, time::Duration};

use chalice_http_toolkit::tasking::{MemoryStore, Task, TaskContext, TaskingController};
use chalice_http_toolkit::{App, BoxError, CloudFront, ContentManager, Embedded, Error, Representation};
use lambda_http::Request;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::{Layer, service_fn};

const PAGE: &[u8] = br#"<!doctype html><title>Import</title>
{% if status and status.state in ["queued", "running", "retrying"] %}<meta http-equiv="refresh" content="1">{% endif %}
{% block progress %}<p>{{ status.state if status else "not begun" }}
<progress value="{{ status.progress or 0 }}"></progress> {{ status.note or "" }} {{ status.result or "" }}{% endblock %}
<p><a href="/start">Import 100,000 rows</a>"#;
const ROWS: u32 = 100_000;
const ROWS_OF_A_STEP: u32 = 10_000;

#[derive(Default, Serialize, Deserialize)]
struct Import {
    from_row: u32,
}

impl Task for Import {
    const NAME: &'static str = "import";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some("rows.csv".into())
    }
}

async fn import(context: TaskContext, task: Import) -> Result<(), Error> {
    tokio::time::sleep(Duration::from_millis(300)).await; // Here it would write the rows.
    let next = task.from_row + ROWS_OF_A_STEP;
    if next >= ROWS {
        return context.set_result(&format!("{ROWS} rows"));
    }
    context.progress(f64::from(next) / f64::from(ROWS), &format!("{next} rows so far")).await;
    context.next(&Import { from_row: next })
}

async fn page(content: ContentManager, tasks: TaskingController, request: Request) -> Result<Representation, Error> {
    if request.uri().path() == "/start" {
        tasks.post(&Import::default()).await?;
        return Ok(content.redirect("/"));
    }
    let arguments = json!({ "status": tasks.status(&Import::default()).await? });
    match request.uri().path() {
        "/progress" => content.render_block("import.html", "progress", arguments),
        _ => content.render_template("import.html", arguments),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let content = ContentManager::new(Embedded::new(&[("import.html", PAGE)]), Embedded::new(&[]))?;
    // On AWS the store is a `DynamoStore`, which the site and the worker share.
    let tasks = TaskingController::new("import.fifo")?.with_store(MemoryStore::new());
    let tasks = tasks.with_status(Duration::from_secs(3600)).on(import);
    let posting = tasks.clone();
    let site = service_fn(move |request: Request| {
        let page = page(content.clone(), posting.clone(), request);
        async { page.await.map(http::Response::<String>::from) }
    });
    Ok(App::new(CloudFront::new().layer(site)).with_tasks(&tasks).run().await?)
}
