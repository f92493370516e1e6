//! The local server: sockets. It has no way of its own; what comes in goes through [`exchange`](super::exchange).

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::{
    App, Front,
    exchange::{exchange, gateway_error},
};
use crate::error::{BoxError, Error, ErrorKind, Result};

pub(super) async fn run(app: App) -> Result<()> {
    let front = setting("FRONT", Front::Http)?;
    let address = SocketAddr::from(([127, 0, 0, 1], setting("PORT", 3000)?));
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let message = format!("can't listen on http://{address}; PORT sets another port");
        Error::caused(ErrorKind::Runtime, message, error)
    })?;
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(?front, "serving http://{address}");
    let app = Arc::new(app);
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                continue;
            }
        };
        let app = app.clone();
        let service = service_fn(move |request| {
            let app = app.clone();
            async move { Ok::<_, Infallible>(serve(&app, front, request).await) }
        });
        tokio::spawn(async move {
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
        });
    }
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> Result<T>
where
    T::Err: Into<BoxError>,
{
    match std::env::var(name) {
        Ok(value) => value.parse().map_err(|error| {
            Error::caused(ErrorKind::Configuration, format!("{name} is `{value}`, which can't be read"), error)
        }),
        Err(_) => Ok(default),
    }
}

async fn serve(app: &App, front: Front, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (mut parts, body) = request.into_parts();
    for (name, value) in [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "http")] {
        parts.headers.insert(name, HeaderValue::from_static(value));
    }
    let Ok(body) = Limited::new(body, front.event_limit()).collect().await else {
        tracing::warn!(path = parts.uri.path(), limit = front.event_limit(), "a request is too large");
        return gateway_error(StatusCode::PAYLOAD_TOO_LARGE).map(Full::new);
    };
    exchange(app, front, &parts, &body.to_bytes()).await.map(Full::new)
}
