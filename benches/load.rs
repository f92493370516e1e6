//! Requests a second over plain HTTP, beside the same site by hand: axum, MiniJinja and tower-http's `ServeDir`.
//!
//! `cargo bench --bench load` starts this very program twice on loopback, and sends requests to both in turns with `wrk`
//! (a package of Debian). `BENCH_SECONDS` (3) is the time for each figure; the best of three rounds counts. With two cores, one is
//! the server's and one is the client's. The site by hand has no ETag for a page: in the row of the 304 it sends the page.
//!
//! Then it prints how much memory connections take that ask for nothing, and that send a header without an end. At last it sends
//! SIGTERM to this crate's server under load, and counts the requests that got no whole answer: there must be none.
#![allow(clippy::print_stdout)] // A bench is there to print.

#[allow(dead_code)] // The other forms of arguments are timed by `invocation`.
mod forms;
#[allow(dead_code)] // Its own way to serve it is the other benches'.
mod site;
#[allow(dead_code)] // So are turns in one process.
mod turns;

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    response::{Html, IntoResponse},
    routing::get,
};
use chalice_http_toolkit::{Answer, App, BoxError, CloudFront, ContentManager};
use http::StatusCode;
use minijinja::{Environment, path_loader, value::Serde};
use tower_http::services::ServeDir;

use self::forms::{Page, Row, Shared, rows};

const ROLE: &str = "BENCH_ROLE";
const FOLDER: &str = "BENCH_FOLDER";
const ROWS: u32 = 50;
const ROUNDS: usize = 3;
const CONNECTIONS: &str = "32";
/// How long clients ask before the server is told to end.
const BEFORE_END: Duration = Duration::from_secs(2);

fn main() -> Result<(), BoxError> {
    let folder = || Ok::<_, BoxError>(env::var(FOLDER)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match env::var(ROLE).as_deref() {
        Ok("toolkit") => runtime.block_on(toolkit(folder()?.as_ref())),
        Ok("axum") => runtime.block_on(by_hand(folder()?.as_ref())),
        _ => compare(),
    }
}

#[derive(Clone)]
struct Site {
    content: ContentManager,
    rows: Shared<Vec<Row>>,
}

async fn page(State(site): State<Site>) -> Answer {
    Ok(site.content.render_template("page.html", Page { rows: site.rows })?)
}

async fn toolkit(folder: &Path) -> Result<(), BoxError> {
    let content = site::content(folder);
    let site = Site { content: content.clone(), rows: Shared(Arc::new(rows(ROWS))) };
    let router = Router::new().route("/page", get(page)).with_state(site);
    Ok(App::new(router).with_content(&content).with_cloudfront(CloudFront::new()).run().await?)
}

async fn by_hand(folder: &Path) -> Result<(), BoxError> {
    let mut engine = Environment::new();
    engine.set_loader(path_loader(folder.join("templates")));
    engine.add_function("static", |name: &str| format!("/static/{name}"));
    engine.add_function("url", |path: String| path);
    let state = (Arc::new(engine), Shared(Arc::new(rows(ROWS))));
    let page = async |State((engine, rows)): State<(Arc<Environment<'static>>, Shared<Vec<Row>>)>| {
        let page = engine.get_template("page.html").and_then(|template| template.render(Serde(Page { rows })));
        page.map(Html).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response())
    };
    let router = Router::new().route("/page", get(page)).with_state(state);
    let router = router.nest_service("/static", ServeDir::new(folder.join("static")));
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{}", env::var("PORT")?)).await?;
    Ok(axum::serve(listener, router).await?)
}

/// A server of this program in a process of its own, which ends with this value.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(role: &str, folder: &Path) -> Result<Self, BoxError> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(env::current_exe()?).env(ROLE, role).env(FOLDER, folder);
        let process = command.env("STAGE", "prod").env("HOST", "127.0.0.1").env("PORT", port.to_string()).spawn()?;
        let server = Self { process, port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Err(format!("the server of {role} does not listen").into())
    }

    /// The status of a path, and its ETag.
    fn ask(&self, path: &str, tag: &str) -> Result<(u16, String), BoxError> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n")?;
        let mut reader = BufReader::new(stream);
        let (mut status, mut etag) = (String::new(), String::new());
        reader.read_line(&mut status)?;
        for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            if let Some(value) = line.strip_prefix("etag: ") {
                etag = value.to_owned();
            }
        }
        Ok((status.split(' ').nth(1).ok_or("no status")?.parse()?, etag))
    }

    fn requests_a_second(&self, path: &str, tag: &str, seconds: &str) -> Result<f64, BoxError> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut wrk = Command::new("taskset");
        wrk.args(["-c", "1", "wrk", "-t1", "-c", CONNECTIONS, "-d"]).arg(format!("{seconds}s"));
        let output = wrk.args(["-H", &format!("If-None-Match: {tag}"), &url]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let figure = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")).ok_or("wrk has no figure")?;
        // wrk counts what is not 2xx or 3xx, and connections that fail.
        if text.contains("Non-2xx") || text.contains("Socket errors") {
            return Err(format!("{url}: {text}").into());
        }
        Ok(figure.trim().parse()?)
    }
}

/// What connections cost, and what the end of the process costs those who ask.
impl Server {
    fn connect(&self) -> std::io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.port))
    }

    /// The memory of the process in KiB.
    fn memory(&self) -> Result<i64, BoxError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// By how many KiB the memory grows for each of so many connections that send this.
    fn memory_of_connections(&self, count: u32, sent: &[u8]) -> Result<f64, BoxError> {
        let before = self.memory()?;
        let mut open = Vec::new();
        for _ in 0..count {
            let mut stream = self.connect()?;
            stream.write_all(sent)?;
            open.push(stream);
        }
        thread::sleep(Duration::from_secs(1));
        Ok((self.memory()? - before) as f64 / f64::from(count))
    }

    /// Sends SIGTERM while clients ask as fast as they can. The answer: how many requests were answered after it, how many failed.
    fn end_under_load(&mut self) -> Result<(usize, usize), BoxError> {
        let clients: Vec<_> = (0..32).map(|_| Client { port: self.port }).collect();
        let begun = Instant::now();
        let asking: Vec<_> =
            clients.into_iter().map(|client| thread::spawn(move || client.ask(begun + BEFORE_END))).collect();
        thread::sleep(BEFORE_END);
        Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status()?;
        let mut sum = (0, 0);
        for client in asking {
            let (answered, failed) = client.join().map_err(|_| "a client panicked")?;
            sum = (sum.0 + answered, sum.1 + failed);
        }
        let status = self.process.wait()?;
        if status.success() { Ok(sum) } else { Err(format!("the server ended with {status}").into()) }
    }
}

/// A client that keeps its connection as long as the server does, and ends when the server takes no new one.
struct Client {
    port: u16,
}

impl Client {
    /// How many requests after this moment were answered, and how many in all were not.
    fn ask(&self, moment: Instant) -> (usize, usize) {
        let (mut answered, mut failed) = (0, 0);
        while let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let mut reader = BufReader::new(stream);
            loop {
                match answer(&mut reader) {
                    Ok(goes_on) => {
                        answered += usize::from(Instant::now() > moment);
                        if !goes_on {
                            break;
                        }
                    }
                    Err(_) => {
                        failed += 1;
                        break;
                    }
                }
            }
        }
        (answered, failed)
    }
}

/// Asks for the page once, and reads all of the answer. Whether the connection goes on.
fn answer(reader: &mut BufReader<TcpStream>) -> Result<bool, BoxError> {
    reader.get_mut().write_all(b"GET /page HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
    let (mut length, mut goes_on, mut line) = (None, true, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err("the connection ended".into());
        }
        match line.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = Some(value.parse()?),
            Some(("connection", "close")) => goes_on = false,
            _ if line == "\r\n" => break,
            _ => {}
        }
    }
    let mut body = vec![0; length.ok_or("no length")?];
    reader.read_exact(&mut body)?;
    Ok(goes_on)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).ok();
    }
}

fn compare() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let seconds = env::var("BENCH_SECONDS").unwrap_or_else(|_| "3".into());
    let mut servers = [Server::start("toolkit", folder.path())?, Server::start("axum", folder.path())?];
    let tag = servers[0].ask("/page", "\"none\"")?.1;
    println!("requests a second over plain HTTP, {CONNECTIONS} connections, a page of {ROWS} rows, a file of 10 KB");
    println!("{:12} {:>10} {:>10} {:>7}", "", "this crate", "by hand", "ratio");
    for (name, path, tag, status) in [
        ("page 304", "/page", tag.as_str(), 304),
        ("page 200", "/page", "\"none\"", 200),
        ("static 200", "/static/site.css", "\"none\"", 200),
    ] {
        assert_eq!(servers[0].ask(path, tag)?.0, status, "{name}");
        let mut best = [0.0_f64; 2];
        for _ in 0..ROUNDS {
            for (server, best) in servers.iter().zip(&mut best) {
                *best = best.max(server.requests_a_second(path, tag, &seconds)?);
            }
        }
        println!("{name:12} {:10.0} {:10.0} {:7.2}", best[0], best[1], best[0] / best[1]);
    }
    let header = [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nLong: ".as_slice(), &[b'x'; 30_000]].concat();
    println!("\nKiB of memory a connection");
    for (name, count, sent) in [("idle", 9_000, b"".as_slice()), ("30 KB of a header", 1_000, &header)] {
        let [toolkit, by_hand] = &servers;
        let (toolkit, by_hand) =
            (toolkit.memory_of_connections(count, sent)?, by_hand.memory_of_connections(count, sent)?);
        println!("{count:6} {name:20} {toolkit:8.1} {by_hand:8.1}");
    }
    let (answered, failed) = servers[0].end_under_load()?;
    println!("\nafter SIGTERM {answered} requests were answered, and {failed} failed");
    Ok(())
}
