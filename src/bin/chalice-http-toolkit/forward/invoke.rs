//! One invocation: the event to the function by HTTP, its answer back. A connection a time, as a function that was
//! restarted must not be met on a connection of the old one.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{report::causes, verdict::Answer};

/// A reply of Lambda has at most 6 MB; a little more, so that one that is too long is told as such.
const LIMIT: usize = 7 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// Nothing listens there: the function did not run.
    NotThere(String),
    /// It may have run.
    Lost(String),
}

pub(super) async fn invoke(at: &Uri, event: Vec<u8>, within: Duration) -> Result<Answer, NoAnswer> {
    let stream = connect(at).await.map_err(NoAnswer::NotThere)?;
    match timeout(within, ask(stream, at, event)).await {
        Ok(answer) => answer.map_err(|error| NoAnswer::Lost(causes(&*error))),
        Err(_) => Err(NoAnswer::Lost(format!("no answer within {} s", within.as_secs()))),
    }
}

/// Whether something listens there.
pub(super) async fn listens(at: &Uri) -> bool {
    connect(at).await.is_ok()
}

async fn connect(at: &Uri) -> Result<TcpStream, String> {
    let host = at.host().unwrap_or_default().trim_matches(['[', ']']);
    let connecting = TcpStream::connect((host, at.port_u16().unwrap_or(80)));
    match timeout(Duration::from_secs(5), connecting).await {
        Ok(stream) => stream.map_err(|error| error.to_string()),
        Err(_) => Err("no connection within 5 s".into()),
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn ask(stream: TcpStream, at: &Uri, event: Vec<u8>) -> Result<Answer, BoxError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its errors arrive with the answer as well.
    let driver = tokio::spawn(connection);
    let authority = at.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let request = Request::post(at.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-amz-invocation-type", "RequestResponse")
        .body(Full::new(Bytes::from(event)))?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let function_error = parts.headers.get("x-amz-function-error");
        Ok(Answer {
            status: parts.status,
            function_error: function_error.map(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
            body: Limited::new(body, LIMIT).collect().await?.to_bytes().into(),
        })
    };
    let answer = answer.await;
    driver.abort();
    answer
}
