//! The server of plain HTTP: for a container, a VM, or a Web Function of Lambda.
//!
//! 1. [`address`] where to listen, if the environment says so
//! 2. [`settings`] what the site says of it: [`limits`], proxies, a path for health checks
//! 3. a [`connection`] at a time is accepted, at its [`pace`]; [`proxies`] say who is behind it
//! 4. at the end connections are accepted for a moment more, and requests in work have some time left
//!
//! What a request then meets is what it meets behind every other door: [`plain`](super::plain).

mod address;
mod connection;
mod limits;
mod pace;
mod proxies;
mod settings;

use std::{
    env,
    io::ErrorKind as Io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{Either, select},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::unconstrained,
    time::{sleep, timeout},
};

pub use limits::ServerLimits;

pub(super) use address::ListenAddress;
pub(super) use settings::Settings;

use self::{
    connection::{Connection, Ends},
    proxies::Proxies,
};
use super::{
    App,
    hosts::Hosts,
    listen::{listen, setting},
    signals::Signals,
};
use crate::{
    error::{Error, ErrorKind, Result},
    files::provenance,
};

/// A site, and how it is served.
#[derive(Debug)]
struct Server {
    app: App,
    settings: Settings,
    proxies: Proxies,
    /// Those that are served in development.
    hosts: Hosts,
    shutdown_time: Duration,
    /// Its process stands still between requests.
    is_web_function: bool,
    is_ending: AtomicBool,
    free: Arc<Semaphore>,
    free_for_surplus: Arc<Semaphore>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    NotYet,
    /// Requests in work may finish.
    Soon,
    Now,
}

/// Serves until a signal ends it; the second one ends it at once.
pub(super) async fn run(app: App, address: ListenAddress) -> Result<()> {
    let listener = listen(&address.host, address.port).await?;
    let (mut first, mut second) = (Signals::new()?, Signals::new()?);
    let server = Server::new(app, &address.host, address.is_web_function)?;
    let served = server.serve(listener, async move { first.next().await });
    let again = async {
        second.next().await;
        second.next().await;
    };
    match select(pin!(served), pin!(again)).await {
        Either::Left((served, _)) => served,
        Either::Right(_) => Ok(()),
    }
}

impl App {
    /// Serves plain HTTP on a socket that is open already, until something has happened: for a test with a real client, or a
    /// socket that another process has opened. [`run`](Self::run) does it by itself in a container, and ends at SIGTERM.
    ///
    /// HTTP/1.1 and HTTP/2 without TLS, within [`ServerLimits`]. At the end it says `Connection: close` with each answer. For a
    /// tenth of the [shutdown time](Self::with_shutdown_time), half a second at most, it goes on accepting connections. Then it
    /// closes the socket, and waits for requests in work.
    ///
    /// Details for developers are shown only if the socket is on a loopback address or `STAGE` is `dev`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Runtime`](crate::ErrorKind::Runtime) where the socket is not usable,
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for a setting that can't be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::App;
    /// use std::{io::{Read, Write}, net::{TcpListener, TcpStream}};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
    /// let app = App::new(service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new("hello".to_owned()))));
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let asked = tokio::task::spawn_blocking(move || {
    ///     let mut stream = TcpStream::connect(address)?;
    ///     stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    ///     let mut answer = String::new();
    ///     stream.read_to_string(&mut answer)?;
    ///     Ok::<_, std::io::Error>(answer)
    /// });
    /// let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    /// let served = tokio::spawn(app.serve(listener, async { _ = receiver.await }));
    /// assert!(asked.await??.ends_with("hello"));
    /// drop(sender);
    /// served.await??;
    /// # Ok::<(), chalice_http_toolkit::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub async fn serve(self, listener: std::net::TcpListener, until: impl Future<Output = ()>) -> Result<()> {
        self.mount.checked()?;
        self.server.checked()?;
        self.tasks.checked()?;
        self.tasks.start();
        let unusable = |error| Error::caused(ErrorKind::Runtime, "the socket can't be listened on", error);
        listener.set_nonblocking(true).map_err(unusable)?;
        let listener = TcpListener::from_std(listener).map_err(unusable)?;
        Server::new(self, "", false)?.serve(listener, until).await
    }
}

impl Server {
    fn new(app: App, host: &str, is_web_function: bool) -> Result<Self> {
        let settings = app.server.clone();
        let proxies = [settings.proxies.as_str(), &setting("TRUSTED_PROXIES", String::new())?].join(",");
        let proxies = Proxies::parse(&proxies)?;
        let time = settings.shutdown_time.unwrap_or(Duration::from_secs(10));
        let (proxies, shutdown_time) = match is_web_function {
            // Lambda ends the process about a second after SIGTERM.
            true => (proxies.with_lambda(), time.min(Duration::from_secs(1))),
            false => (proxies, time),
        };
        Ok(Self {
            hosts: Hosts::parse(&setting("ALLOWED_HOSTS", String::new())?)?.with(host),
            shutdown_time,
            is_web_function,
            is_ending: AtomicBool::new(false),
            free: Arc::new(Semaphore::new(settings.limits.connections.min(Semaphore::MAX_PERMITS))),
            free_for_surplus: Arc::new(Semaphore::new(MOST_SURPLUS)),
            app,
            settings,
            proxies,
        })
    }

    async fn serve(mut self, listener: TcpListener, until: impl Future<Output = ()>) -> Result<()> {
        let unknown = |error| Error::caused(ErrorKind::Runtime, "the address of the server is not known", error);
        let address = listener.local_addr().map_err(unknown)?;
        // SECURITY: whoever can reach it must not see what only a developer should.
        let is_meant = address.ip().is_loopback() || env::var("STAGE").is_ok_and(|stage| stage == "dev");
        self.app.development &= is_meant;
        self.greet(address);
        if !self.is_web_function {
            self.app.tasks.start_polling()?;
        }
        let server = Arc::new(self);
        let (end, _) = watch::channel(End::NotYet);
        server.accept(&listener, address, &end, until).await;
        server.end(listener, address, &end).await;
        Ok(())
    }

    /// The one line at the start.
    fn greet(&self, address: SocketAddr) {
        let stage = if self.app.development { "development" } else { "production" };
        let content: String = provenance::sentences().iter().map(|sentence| format!("; {sentence}")).collect();
        tracing::info!("serving plain HTTP on http://{address}, in {stage}{content}");
    }

    /// Takes connections until something has happened. That is checked before each connection, so no flood delays it.
    async fn accept(
        self: &Arc<Self>,
        listener: &TcpListener,
        address: SocketAddr,
        end: &watch::Sender<End>,
        until: impl Future<Output = ()>,
    ) {
        let mut until = pin!(until);
        loop {
            let accepted = match select(until.as_mut(), pin!(listener.accept())).await {
                Either::Left(_) => return,
                Either::Right((accepted, _)) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.start(stream, peer, address, end),
                Err(error) if [Io::ConnectionAborted, Io::ConnectionReset].contains(&error.kind()) => {}
                Err(error) => {
                    // Without a pause, one for want of file descriptors would come again and again.
                    tracing::warn!(%error, "a connection could not be accepted");
                    if let Either::Left(_) = select(until.as_mut(), pin!(sleep(Duration::from_millis(100)))).await {
                        return;
                    }
                }
            }
        }
    }

    /// Takes the connections that wait in the socket: they would be reset with it, and what their clients have sent would be lost.
    fn accept_waiting(self: &Arc<Self>, listener: &TcpListener, address: SocketAddr, end: &watch::Sender<End>) {
        for _ in 0..MOST_WAITING {
            match unconstrained(listener.accept()).now_or_never() {
                Some(Ok((stream, peer))) => self.start(stream, peer, address, end),
                _ => return,
            }
        }
    }

    /// Starts a connection, if there is room for it.
    fn start(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, address: SocketAddr, end: &watch::Sender<End>) {
        let permit = self.free.clone().try_acquire_owned();
        let (permit, is_surplus) = match permit {
            Ok(permit) => (permit, false),
            // The next 100 get a 503; all others are closed.
            Err(_) => match self.free_for_surplus.clone().try_acquire_owned() {
                Ok(permit) => (permit, true),
                Err(_) => return,
            },
        };
        // Answers are written whole: to wait for more of them would only delay the last part.
        _ = stream.set_nodelay(true);
        let asked_at = canonical(stream.local_addr().unwrap_or(address));
        let ends = Ends { peer: canonical(peer), asked_at, is_surplus };
        let connection = Connection::new(self.clone(), ends, end.subscribe(), permit);
        tokio::spawn(connection.serve(stream));
    }

    /// Lets what is in work come to its end, if it does so in time.
    async fn end(self: &Arc<Self>, listener: TcpListener, address: SocketAddr, end: &watch::Sender<End>) {
        self.is_ending.store(true, Relaxed);
        self.app.tasks.end_polling(self.shutdown_time);
        tracing::info!(connections = end.receiver_count(), "the server ends; what is in work is waited for");
        let finished = async {
            // A client that asks now, on an old connection or a new one, is answered, and told to ask no more on it. A connection
            // that waits to be accepted would be reset with the socket.
            let moment = sleep((self.shutdown_time / 10).min(Duration::from_millis(500)));
            self.accept(&listener, address, end, moment).await;
            self.accept_waiting(&listener, address, end);
            drop(listener);
            end.send_replace(End::Soon);
            end.closed().await;
            self.app.tasks.stop().await;
        };
        if timeout(self.shutdown_time, finished).await.is_err() {
            let time = self.shutdown_time;
            tracing::warn!(
                connections = end.receiver_count(),
                ?time,
                "the time is over; what is in work is broken off"
            );
        }
        end.send_replace(End::Now);
    }
}

fn canonical(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

/// How many connections are accepted after the last moment: as many as wait in a socket at most, so that no flood delays the end.
const MOST_WAITING: usize = 4096;
/// How many connections beyond the limit are answered at once.
const MOST_SURPLUS: usize = 100;
