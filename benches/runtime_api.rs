//! What one invocation costs through the loop of the Lambda Runtime API, as Lambda drives it: from the answer to the poll for
//! the next event until the reply has come.
//!
//! `taskset -c 0 cargo bench --bench runtime_api` starts this very program three times, as the site and twice as a no-op function
//! of `lambda_http`, each with a Runtime API of its own on loopback, and sends events to all in turns. On one core, as a function
//! of up to 1,769 MB has: else the way from one core to the other costs more than all else, and for some processes only. The
//! second no-op shows how much of a ratio is noise.
#![allow(clippy::print_stdout)] // A bench is there to print.

#[allow(dead_code)] // The other forms of arguments are timed by `invocation`.
mod forms;
#[allow(dead_code)] // So is the plain engine.
mod site;
#[allow(dead_code)]
mod turns;

use std::{
    cell::RefCell,
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderName, StatusCode},
    routing::{get, post},
};
use chalice_http_toolkit::BoxError;
use lambda_http::Request;
use serde_json::Value;
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use self::{
    forms::{Shared, rows},
    turns::{Case, event, in_turns},
};

const ROLE: &str = "BENCH_ROLE";
const FOLDER: &str = "BENCH_FOLDER";
const ROWS: u32 = 10;

fn main() -> Result<(), BoxError> {
    match std::env::var(ROLE).as_deref() {
        Ok("site") => {
            let content = site::content(std::env::var(FOLDER)?.as_ref());
            serve(site::app(&content, Shared(Arc::new(rows(ROWS)))).run())
        }
        Ok(_) => serve(async {
            let noop = lambda_http::service_fn(async |_: Request| {
                Ok::<_, BoxError>(
                    http::Response::builder().header("content-type", "text/plain").body("hello".to_owned())?,
                )
            });
            lambda_http::run(noop).await
        }),
        Err(_) => measure(),
    }
}

fn serve<E: Into<BoxError>>(run: impl Future<Output = Result<(), E>>) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run).map_err(Into::into)
}

fn measure() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let folder = folder.path().to_str().ok_or("a folder with a plain name")?;
    let start = |role: &'static str| runtime.block_on(Function::start(role, folder));
    let (mut noop, mut second, mut site) = (start("no-op")?, start("no-op")?, start("site")?);
    let (page, css) = (event("/page", &[]), event("/static/site.css", &[]));
    let mut again = |path: &str| -> Result<String, BoxError> {
        let first: Value = serde_json::from_slice(&runtime.block_on(site.invoke(&event(path, &[]))))?;
        let again = event(path, &[("if-none-match", first["headers"]["etag"].as_str().ok_or("no tag")?)]);
        let second: Value = serde_json::from_slice(&runtime.block_on(site.invoke(&again)))?;
        assert_eq!((&first["statusCode"], &second["statusCode"]), (&200.into(), &304.into()));
        Ok(again)
    };
    let (page_again, css_again) = (again("/page")?, again("/static/site.css")?);
    let (runtime, site) = (&runtime, RefCell::new(site));
    let mut cases: Vec<Case<'_>> = vec![
        ("no-op lambda_http", Box::new(|| _ = runtime.block_on(noop.invoke(&page)))),
        ("a second no-op", Box::new(|| _ = runtime.block_on(second.invoke(&page)))),
    ];
    for (name, event) in
        [("page 200", &page), ("page 304", &page_again), ("static 200", &css), ("static 304", &css_again)]
    {
        let site = &site;
        cases.push((name, Box::new(move || _ = runtime.block_on(site.borrow_mut().invoke(event)))));
    }
    let minimum = std::env::var("BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(4.0);
    let medians = in_turns(&mut cases, Duration::from_secs_f64(minimum));
    println!("a page of {ROWS} rows and a file of 10 KB through the Runtime API, ratios to a no-op (median of turns)");
    for ((name, _), median) in cases.iter().zip(&medians) {
        println!("{name:<24} {:>9.2} µs   {:>7.2} × no-op", median * 1e6, median / medians[0]);
    }
    Ok(())
}

/// A function that runs, and its Runtime API.
struct Function {
    process: Child,
    events: UnboundedSender<String>,
    replies: UnboundedReceiver<Bytes>,
}

impl Function {
    async fn start(role: &str, folder: &str) -> Result<Self, BoxError> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (events, waiting) = unbounded_channel();
        let (answered, replies) = unbounded_channel();
        let api = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .with_state(Arc::new(Mutex::new(waiting)))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(reply))
            .with_state(answered);
        tokio::spawn(async { axum::serve(listener, api).await });
        let process = Command::new(std::env::current_exe()?)
            .env(ROLE, role)
            .env(FOLDER, folder)
            .env("STAGE", "prod")
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .spawn()?;
        Ok(Self { process, events, replies })
    }

    async fn invoke(&mut self, event: &str) -> Bytes {
        self.events.send(event.to_owned()).expect("a Runtime API");
        self.replies.recv().await.expect("a reply")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

type Waiting = Arc<Mutex<UnboundedReceiver<String>>>;

async fn next(State(events): State<Waiting>) -> Result<([(HeaderName, &'static str); 3], String), StatusCode> {
    let event = events.lock().await.recv().await.ok_or(StatusCode::GONE)?;
    let fields = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:bench"),
    ];
    Ok((fields.map(|(name, value)| (HeaderName::from_static(name), value)), event))
}

async fn reply(State(replies): State<UnboundedSender<Bytes>>, body: Bytes) -> StatusCode {
    _ = replies.send(body);
    StatusCode::ACCEPTED
}
