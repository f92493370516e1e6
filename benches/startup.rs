//! What a site adds to a cold start: from the start of the process to its first poll of the Lambda Runtime API.
//!
//! `cargo bench --bench startup` starts this very program again and again, in turns as a site of 1,000 static files and 100
//! templates and as a no-op function of `lambda_http`, against a runtime API on loopback that only takes the first poll.
#![allow(clippy::print_stdout)] // A bench is there to print.

use std::{
    io::Read,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use chalice_http_toolkit::{App, BoxError, CloudFront, ContentManager};
use http::Response;
use lambda_http::Request;
use tower::{Layer, service_fn};

const ROLE: &str = "STARTUP_ROLE";
const FOLDER: &str = "STARTUP_FOLDER";
const STARTS: usize = 41;

fn main() -> Result<(), BoxError> {
    match std::env::var(ROLE).as_deref() {
        Ok("site") => serve(site()?.run()),
        Ok(_) => serve(async {
            let noop = lambda_http::service_fn(async |_: Request| Ok::<_, BoxError>(Response::new("hello".to_owned())));
            lambda_http::run(noop).await
        }),
        Err(_) => measure(),
    }
}

fn serve<E: Into<BoxError>>(run: impl Future<Output = Result<(), E>>) -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run).map_err(Into::into)
}

fn site() -> Result<App, BoxError> {
    let folder = std::env::var(FOLDER)?;
    let content = ContentManager::new(format!("{folder}/templates"), format!("{folder}/static"))?;
    let pages = content.clone();
    let service = service_fn(move |request: Request| {
        let page = pages.static_file_at(request.uri());
        async { Ok::<_, BoxError>(Response::<String>::from(page)) }
    });
    Ok(App::new(CloudFront::new().layer(service)).with_error_pages(&content))
}

fn measure() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    for (kind, count, text) in [("static", 1000, "body { color: #333 }"), ("templates", 100, "<p>{{ x }}")] {
        std::fs::create_dir(folder.path().join(kind))?;
        for number in 0..count {
            std::fs::write(folder.path().join(format!("{kind}/{number}.html")), text)?;
        }
    }
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..STARTS {
        for (role, times) in ["no-op", "site"].into_iter().zip(&mut times) {
            times.push(first_poll(role, folder.path())?);
        }
    }
    let [noop, site] = times.map(|mut times| {
        times.sort();
        times[STARTS / 2].as_secs_f64() * 1e3
    });
    println!("start to first poll, median of {STARTS}: no-op {noop:.2} ms, site {site:.2} ms, {:+.2} ms", site - noop);
    Ok(())
}

fn first_poll(role: &str, folder: &Path) -> Result<Duration, BoxError> {
    let api = TcpListener::bind("127.0.0.1:0")?;
    let started = Instant::now();
    let mut function = Command::new(std::env::current_exe()?)
        .env(ROLE, role)
        .env(FOLDER, folder)
        .env("STAGE", "prod")
        .env("AWS_LAMBDA_RUNTIME_API", api.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "startup")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .spawn()?;
    let (mut poll, _) = api.accept()?;
    poll.read_exact(&mut [0; 16])?;
    let time = started.elapsed();
    function.kill()?;
    function.wait()?;
    Ok(time)
}
