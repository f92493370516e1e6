//! Slow calls of another service, such as analytics, leave the request: pages post them to the queue, and the worker, in the
//! same binary, makes them. `cargo run --example tracking --features tasking`, then http://127.0.0.1:3000. What is sent
//! goes to `TRACKING_URL`, if that is set; it comes again until that answers.

use std::borrow::Cow;

use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post},
};
use chalice_http_toolkit::tasking::{Task, TaskContext, TaskingController};
use chalice_http_toolkit::{App, BoxError, CloudFront, ContentManager, Embedded, Error, Representation};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::Layer;

/// Somebody has an account now.
#[derive(Serialize, Deserialize)]
struct Register {
    visitor: String,
}

/// Somebody did something.
#[derive(Serialize, Deserialize)]
struct Track {
    visitor: String,
    event: String,
}

/// Two visitors turned out to be one.
#[derive(Serialize, Deserialize)]
struct Link {
    visitor: String,
    with: String,
}

/// What one visitor does is sent in its order, and nobody waits for another one.
macro_rules! of_visitor {
    ($task:ty, $name:literal) => {
        impl Task for $task {
            const NAME: &'static str = $name;

            fn group(&self) -> Option<Cow<'_, str>> {
                Some(format!("visitor-{}", self.visitor).into())
            }
        }
    };
}

of_visitor!(Register, "register");
of_visitor!(Track, "track");
of_visitor!(Link, "link");

/// The service. Clients that speak HTTPS need one of reqwest's features for TLS.
#[derive(Clone)]
struct Tracker {
    client: reqwest::Client,
    url: Option<String>,
}

impl Tracker {
    async fn send<T: Task>(self, context: TaskContext, task: T) -> Result<(), Error> {
        let call = json!({ "call": T::NAME, "id": context.message_id(), "with": task });
        let Some(url) = self.url else {
            tracing::info!(call = T::NAME, "nothing is sent: TRACKING_URL is not set");
            return Ok(());
        };
        let answer = self.client.post(url).json(&call).send().await.map_err(Error::handler)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            // It would be refused each time.
            status if status.is_client_error() => Err(Error::permanent(format!("the tracker answered {status}"))),
            status => Err(Error::handler(format!("the tracker answered {status}"))),
        }
    }
}

#[derive(Clone)]
struct Site {
    content: ContentManager,
    tasks: TaskingController,
}

impl Site {
    /// After a form, the page to see: to reload it posts nothing again.
    fn see(&self, visitor: &str) -> Representation {
        self.content.redirect(&format!("/visit/{visitor}")).with_status(StatusCode::SEE_OTHER)
    }
}

async fn index(State(site): State<Site>) -> Result<Representation, Error> {
    site.content.render_template("page.html", ())
}

async fn visit(State(site): State<Site>, Path(visitor): Path<String>) -> Result<Representation, Error> {
    // Sent when this function has succeeded; the answer does not wait for the tracker.
    site.tasks.post(&Track { visitor: visitor.clone(), event: "visit".into() }).on_success()?;
    site.content.render_template("page.html", json!({ "visitor": visitor }))
}

async fn register(State(site): State<Site>, Path(visitor): Path<String>) -> Result<Representation, Error> {
    site.tasks.post(&Register { visitor: visitor.clone() }).on_success()?;
    Ok(site.see(&visitor))
}

async fn link(
    State(site): State<Site>,
    Path((visitor, with)): Path<(String, String)>,
) -> Result<Representation, Error> {
    site.tasks.post(&Link { visitor: visitor.clone(), with }).on_success()?;
    Ok(site.see(&visitor))
}

const TEMPLATES: Embedded = Embedded::new(&[(
    "page.html",
    br#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Hello</title>
<h1>Hello{% if visitor %}, {{ visitor }}{% endif %}</h1>
<p><a href="/visit/ada">Visit as Ada</a>
<form method="post" action="/register/ada"><button>Register Ada</button></form>
<form method="post" action="/link/ada/countess"><button>Ada is the countess</button></form>
</html>
"#,
)]);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let tracker = Tracker { client: reqwest::Client::new(), url: std::env::var("TRACKING_URL").ok() };
    let [registers, tracks, links] = [tracker.clone(), tracker.clone(), tracker];
    let tasks = TaskingController::new("tracking.fifo")?
        .on(move |context, task: Register| registers.clone().send(context, task))
        .on(move |context, task: Track| tracks.clone().send(context, task))
        .on(move |context, task: Link| links.clone().send(context, task));
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    let router = Router::new()
        .route("/", get(index))
        .route("/visit/{visitor}", get(visit))
        .route("/register/{visitor}", post(register))
        .route("/link/{visitor}/{with}", post(link))
        .with_state(Site { content, tasks: tasks.clone() });
    Ok(App::new(CloudFront::new().layer(router)).with_tasks(&tasks).run().await?)
}
