//! The local server: sockets. It has no way of its own; what comes in goes through [`exchange`](super::exchange).

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Instant,
};

use futures_util::future::{Either, select};
use http::{HeaderValue, Request, Response, StatusCode, request, uri::Authority};
use http_body_util::{BodyExt, Limited};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;

use super::{
    App, Front,
    developer::tools::Tools,
    exchange::{exchange, gateway_error},
    hosts::{self, Hosts},
    listen::{listen, setting},
    plain_text::plain_text,
    signals::Signals,
};
use crate::{
    content::ContentManager,
    error::{Error, ErrorKind, Result},
    files::provenance,
    notes::noted,
    response_body::ResponseBody,
    stage::is_loopback,
};

/// What the local server is told by the environment, and the app that it serves.
struct Server {
    app: App,
    front: Front,
    hosts: Hosts,
    /// In development, where this machine alone reaches the server.
    tools: Option<Tools>,
}

pub(super) async fn run(mut app: App) -> Result<()> {
    let front = setting("FRONT", Front::Http)?;
    let host = setting("HOST", "127.0.0.1".to_owned())?;
    let hosts = Hosts::parse(&setting("ALLOWED_HOSTS", String::new())?)?.with(&host);
    let listener = listen(&host, setting("PORT", 3000)?).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::caused(ErrorKind::Runtime, "the address of the local server is not known", error))?;
    // SECURITY: the page has source, variables and causes. A program that was built for others does not have it.
    app.shows_errors = cfg!(debug_assertions) && app.development && address.ip().is_loopback();
    let tools = Tools::of_environment()?;
    let tools = Some(tools).filter(|_| app.shows_errors);
    let server = Arc::new(Server { app, front, hosts, tools });
    server.greet(address);
    server.warn_of_unknown_names();
    let mut background = JoinSet::new();
    if let Some(clock) = server.app.tasks.clock(&server.app)? {
        background.spawn(clock);
    }
    server.app.tasks.start_polling()?;
    let mut signals = Signals::new()?;
    loop {
        let accepted = match select(pin!(listener.accept()), pin!(signals.next())).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => break,
        };
        let (stream, _) = match accepted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                continue;
            }
        };
        let asked_at = stream.local_addr().map_or(address, |address| address).ip().to_canonical();
        tokio::spawn(server.clone().converse(TokioIo::new(stream), asked_at));
    }
    background.abort_all();
    tracing::info!("the server ends; tasks that run are waited for, unless it is told again");
    select(pin!(server.app.tasks.stop()), pin!(signals.next())).await;
    Ok(())
}

impl Server {
    /// The one line at the start.
    fn greet(&self, address: SocketAddr) {
        let everywhere = if address.ip().is_unspecified() { " (all addresses of this machine)" } else { "" };
        let stage = if self.app.development { "development" } else { "production (STAGE=dev: development)" };
        let front = self.front;
        let content: String = provenance::sentences().iter().map(|sentence| format!("; {sentence}")).collect();
        tracing::info!("serving http://{address}{everywhere} as {front} does, in {stage}{content}");
    }

    /// Says before a visitor meets it which templates use what the engine has not.
    fn warn_of_unknown_names(&self) {
        let content = self.app.error_pages.as_ref().filter(|_| self.app.development);
        for finding in content.map(ContentManager::unknown_names).unwrap_or_default() {
            let (template, line, problem) = (finding.template(), finding.line(), finding.problem());
            tracing::warn!(template, line, problem, "a page with this template fails when it uses this name");
        }
    }

    /// Answers all requests of a connection that came in at this address.
    async fn converse(self: Arc<Self>, connection: impl Read + Write + Unpin, asked_at: IpAddr) {
        let service = service_fn(move |request| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.serve(request, asked_at).await) }
        });
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(connection, service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    async fn serve(&self, request: Request<Incoming>, asked_at: IpAddr) -> Response<ResponseBody> {
        let (mut parts, body) = request.into_parts();
        let host = match hosts::requested_host(&mut parts) {
            Ok(host) => host,
            Err(reason) => return plain_text(StatusCode::BAD_REQUEST, format!("{reason}\n")),
        };
        if let Some(refusal) = self.hosts.refusal(host.as_ref(), asked_at).filter(|_| self.app.development) {
            return refusal;
        }
        let is_direct = is_direct(&parts, host.as_ref());
        let tools = self.tools.as_ref().filter(|_| is_direct);
        if let Some(answer) = tools.and_then(|tools| tools.answer(&parts, &self.app.tasks)) {
            return answer;
        }
        let document = tools.and_then(|tools| tools.document(&mut parts));
        // The page asks for itself to show an edit.
        let is_quiet = tools.is_some() && parts.headers.remove("x-dev-reload").is_some();
        let app = App { shows_errors: self.app.shows_errors && is_direct, ..self.app.clone() };
        for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")] {
            parts.headers.insert(name, HeaderValue::from_static(value));
        }
        let limit = match self.front {
            // What is somewhat larger is read: the answer is then the site's own page.
            Front::Plain => self.app.server.body_limit().saturating_mul(4),
            front => front.event_limit(),
        };
        let Ok(body) = Limited::new(body, limit).collect().await else {
            tracing::warn!(path = parts.uri.path(), limit, "a request is too large");
            return gateway_error(StatusCode::PAYLOAD_TOO_LARGE);
        };
        let begun = Instant::now();
        let (response, notes) = noted(exchange(&app, self.front, &parts, &body.to_bytes())).await;
        let (tools, took) = (self.tools.as_ref().filter(|_| !is_quiet), begun.elapsed());
        let verdict = tools.map(|tools| tools.requests.add((&parts.method, &parts.uri), &response, took, &notes));
        if self.app.development && !is_quiet {
            let (method, path, status) = (&parts.method, parts.uri.path(), response.status().as_u16());
            let (time, verdict) = (took.as_secs_f64() * 1000.0, verdict.filter(|verdict| !verdict.is_empty()));
            let verdict = verdict.map(|verdict| format!(" ({verdict})")).unwrap_or_default();
            tracing::info!(target: "chalice_http_toolkit::access", "{method} {path} {status} {time:.1} ms{verdict}");
        }
        match document {
            Some(document) => document.with_script_in(response),
            None => response,
        }
    }
}

/// Whether a request comes from this machine's own browser. SECURITY: a proxy or a tunnel on this machine comes from a loopback
/// address too, and brings strangers. It names another host, or it says for whom it asks.
fn is_direct(request: &request::Parts, host: Option<&Authority>) -> bool {
    let of_proxies =
        ["forwarded", "via", "x-real-ip", "x-client-ip", "x-original-host", "true-client-ip", "cf-connecting-ip"];
    let is_of_a_proxy = |name: &str| name.starts_with("x-forwarded") || of_proxies.contains(&name);
    host.is_none_or(|host| is_loopback(host.host())) && !request.headers.keys().any(|name| is_of_a_proxy(name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// The status and the body that a server with these settings answers a connection with.
    async fn answer(server: Server, sent: &[u8]) -> (u16, String) {
        let (mut client, connection) = duplex(1 << 16);
        let asked_at = "192.168.1.5".parse().expect("an address");
        let served = tokio::spawn(Arc::new(server).converse(TokioIo::new(connection), asked_at));
        client.write_all(sent).await.expect("it takes a request");
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.expect("it answers and ends");
        served.await.expect("no panic");
        let received = String::from_utf8(received).expect("text");
        let (head, body) = received.split_once("\r\n\r\n").expect("a head");
        (head[9..12].parse().expect("a status"), body.to_owned())
    }

    /// A server of a site that answers with the host, the cookies and the field `x-name` that it gets.
    fn server(front: Front, allowed: &str, development: bool) -> Server {
        let app = App::new(tower::service_fn(async |request: lambda_http::Request| {
            let field = |name| {
                let lines = request.headers().get_all(name).iter();
                lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect::<Vec<_>>().join("|")
            };
            Ok::<_, Infallible>(Response::new([field("host"), field("cookie"), field("x-name")].join(" ")))
        }));
        Server {
            app: app.with_development(development),
            front,
            hosts: Hosts::parse(allowed).expect("hosts"),
            tools: None,
        }
    }

    const FRONTS: [Front; 5] = [Front::Http, Front::Rest, Front::Url, Front::Alb, Front::Plain];

    #[tokio::test]
    async fn a_request_has_exactly_one_host() {
        for (sent, expected) in [
            ("GET / HTTP/1.1\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nhost: evil.example\r\n", 400),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400),
            ("GET http://localhost/ HTTP/1.1\r\n", 400),
            ("GET http://localhost/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
            ("GET / HTTP/1.1\r\nHost:\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: local host\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: user@localhost\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: http://localhost\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost, localhost\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost:evil\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost:3000:80\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: localhost:65536\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: :3000\r\n", 400),
            // What a proxy is asked for.
            ("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n", 400),
            ("GET localhost HTTP/1.1\r\nHost: localhost\r\n", 400),
            ("GET localhost:3000 HTTP/1.1\r\nHost: localhost\r\n", 400),
            ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: localhost:3000\r\n", 200),
            ("GET / HTTP/1.1\r\nHost: localhost:\r\n", 200),
            ("GET / HTTP/1.0\r\n", 200),
        ] {
            for development in [true, false] {
                let sent = format!("{sent}Connection: close\r\n\r\n");
                let (status, body) = answer(server(Front::Http, "", development), sent.as_bytes()).await;
                assert_eq!(status, expected, "{sent} {body}");
            }
        }
    }

    #[tokio::test]
    async fn an_error_is_shown_in_full_where_only_a_developer_sees_it() {
        let fails = || App::new(tower::service_fn(async |_| Err::<http::Response<String>, _>("no <database>")));
        let get = |fields: &str| format!("GET / HTTP/1.1\r\nConnection: close\r\n{fields}\r\n\r\n");
        for (shows_errors, fields, expected, title) in [
            (true, "Host: localhost\r\nAccept: text/html", true, "<h1>no &lt;database&gt;</h1>"),
            (true, "Host: 127.0.0.1:3000", true, "What to try"),
            (true, "Host: localhost\r\nAccept: application/json", false, "\"title\":\"Internal Server Error\""),
            (false, "Host: localhost\r\nAccept: text/html", false, "<h1>Internal Server Error</h1>"),
            // A proxy or a tunnel on this machine.
            (true, "Host: localhost\r\nX-Forwarded-For: 192.0.2.1", false, "<h1>Internal Server Error</h1>"),
            (true, "Host: localhost\r\nX-Forwarded-Proto: https", false, "<h1>Internal Server Error</h1>"),
            (true, "Host: localhost\r\nCF-Connecting-IP: 192.0.2.1", false, "<h1>Internal Server Error</h1>"),
            (true, "Host: localhost\r\nVia: 1.1 tunnel", false, "<h1>Internal Server Error</h1>"),
            (true, "Host: shop.test", false, "<h1>Internal Server Error</h1>"),
        ] {
            let app = App { shows_errors, ..fails().with_development(true) };
            let hosts = Hosts::parse("shop.test").expect("a host");
            let server = Server { app, front: Front::Http, hosts, tools: None };
            let (status, body) = answer(server, get(fields).as_bytes()).await;
            assert_eq!((status, body.contains("What a visitor sees")), (500, expected), "{fields}");
            assert!(body.contains(title), "{fields}: {body}");
        }
        assert!(!fails().shows_errors, "only the local server shows them");
    }

    /// A site that answers with the fields that it gets, as a page with a tag.
    fn pages(tools: Option<Tools>) -> Server {
        let app = App::new(tower::service_fn(async |request: lambda_http::Request| {
            let fields = request.headers().iter().map(|(name, value)| format!("{name}={value:?}")).collect::<Vec<_>>();
            let page = format!("<body>{} {}</body>", request.uri(), fields.join(" "));
            Response::builder().header("content-type", "text/html").header("etag", "\"1\"").body(page)
        }));
        let hosts = Hosts::parse("shop.test").expect("a host");
        Server { app: app.with_development(true), front: Front::Http, hosts, tools }
    }

    #[tokio::test]
    async fn tools_are_for_this_machines_browser_and_all_else_is_the_sites() {
        let own = "Host: localhost\r\n";
        let proxied = "Host: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n";
        for path in
            ["/", "/_dev", "/_dev/", "/_dev/reload.js", "/_dev/events", "/_dev/images", "/_dev/tasks", "/_dev/no-such"]
        {
            for (fields, is_own) in [
                (own.to_owned(), true),
                (format!("{own}Sec-Fetch-Site: same-origin\r\n"), true),
                (format!("{own}Sec-Fetch-Site: cross-site\r\n"), false),
                (format!("{own}Sec-Fetch-Site: same-site\r\n"), false),
                (proxied.to_owned(), false),
                (format!("{own}Via: 1.1 tunnel\r\nX-Dev-Reload: 1\r\n"), false),
                ("Host: shop.test\r\nX-Dev-Reload: 1\r\n".to_owned(), false),
            ] {
                let sent = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{fields}\r\n");
                if path == "/_dev/events" && is_own {
                    continue;
                }
                let with = answer(pages(Some(Tools::new(true))), sent.as_bytes()).await;
                let without = answer(pages(None), sent.as_bytes()).await;
                let is_tool =
                    is_own && ["/_dev", "/_dev/", "/_dev/reload.js", "/_dev/images", "/_dev/tasks"].contains(&path);
                assert_eq!(with != without, is_tool, "{sent} {with:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_page_in_a_tab_has_the_script_that_shows_edits() {
        let page = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nSec-Fetch-Dest: document\r\n";
        for (tools, more, expected) in [
            (Some(Tools::new(true)), "", true),
            (Some(Tools::new(false)), "", false),
            (None, "", false),
            (Some(Tools::new(true)), "Forwarded: for=192.0.2.1\r\n", false),
        ] {
            let (status, body) = answer(pages(tools), format!("{page}{more}\r\n").as_bytes()).await;
            assert_eq!((status, body.contains("/_dev/reload.js")), (200, expected), "{more} {body}");
        }
    }

    #[tokio::test]
    async fn in_development_no_other_sites_host_is_served() {
        for (target, host, allowed, seen) in [
            ("/", "localhost", "", Some("localhost")),
            ("/", "[::1]:3000", "", Some("[::1]:3000")),
            ("/", "192.168.1.5:3000", "", Some("192.168.1.5:3000")),
            ("/", "192.168.1.6:3000", "", None),
            ("/", "evil.example", "", None),
            ("/", "evil.example:3000", "shop.test", None),
            ("/", "SHOP.test.:3000", "shop.test", Some("SHOP.test.:3000")),
            ("/", "a.shop.test", "other.test,.shop.test", Some("a.shop.test")),
            // A target in absolute form counts more than the field (RFC 9112 §3.2.2).
            ("http://evil.example/", "localhost", "", None),
            ("http://localhost@evil.example/", "localhost", "", None),
            ("http://localhost:3000/", "evil.example", "", Some("localhost:3000")),
        ] {
            let sent = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let (status, body) = answer(server(Front::Http, allowed, true), sent.as_bytes()).await;
            match seen {
                Some(seen) => assert_eq!((status, body.trim_end()), (200, seen), "{sent}"),
                None => assert!(status == 403 && body.contains("ALLOWED_HOSTS="), "{sent} {status} {body}"),
            }
            let in_production = answer(server(Front::Http, "", false), sent.as_bytes()).await.0;
            assert_eq!(in_production, if target.contains('@') { 400 } else { 200 }, "{sent}");
        }
    }

    #[tokio::test]
    async fn a_byte_that_is_no_utf_8_is_a_character_of_iso_8859_1() {
        for front in FRONTS {
            let sent = b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: city=M\xfcnchen; user=7; \xc3\xa4=1\r\nCookie: b=2\r\nX-Name: J\xfcrgen\r\n\
                X-Name: J\xc3\xbcrgen\r\nConnection: close\r\n\r\n";
            let (status, body) = answer(server(front, "", true), sent).await;
            let seen = body.replace("J\u{fc}rgen,J\u{fc}rgen", "J\u{fc}rgen|J\u{fc}rgen").replace("1|b", "1; b");
            assert_eq!(
                (status, &*seen),
                (200, "localhost city=M\u{fc}nchen; user=7; \u{e4}=1; b=2 J\u{fc}rgen|J\u{fc}rgen"),
                "{front:?}"
            );
        }
    }
}
