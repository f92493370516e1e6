//! A page that posts a task and answers at once; the task runs after. `cargo run --example tasks --features tasking`, then
//! http://127.0.0.1:3000. Nothing else is needed: without a queue, tasks stay in this process.

use std::{borrow::Cow, time::Duration};

use chalice_http_toolkit::tasking::{Task, TaskContext, TaskingController};
use chalice_http_toolkit::{App, BoxError, CloudFront, ContentManager, Embedded, Error, Representation};
use lambda_http::Request;
use serde::{Deserialize, Serialize};
use tower::{Layer, service_fn};

#[derive(Serialize, Deserialize)]
struct SendWelcome {
    name: String,
}

impl Task for SendWelcome {
    const NAME: &'static str = "send_welcome";

    fn group(&self) -> Option<Cow<'_, str>> {
        Some(format!("visitor-{}", self.name).into())
    }
}

async fn send_welcome(context: TaskContext, task: SendWelcome) -> Result<(), Error> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    if task.name == "nobody" {
        return Err(Error::permanent("there is nobody of that name"));
    }
    tracing::info!(attempt = context.attempt(), "welcomed");
    Ok(())
}

async fn page(content: ContentManager, tasks: TaskingController, request: Request) -> Result<Representation, Error> {
    let name = request.uri().path().trim_start_matches('/');
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(content.html(r#"<a href="/ada">Welcome Ada</a>, <a href="/nobody">welcome nobody</a>"#));
    }
    tasks.post(&SendWelcome { name: name.to_owned() }).await?;
    Ok(content.html(format!("<h1>Hello, {name}</h1><p>A welcome is on its way.")))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    let tasks = TaskingController::new("welcome.fifo")?.on(send_welcome);
    let posting = tasks.clone();
    let site = service_fn(move |request: Request| {
        let page = page(content.clone(), posting.clone(), request);
        async { page.await.map(http::Response::<String>::from) }
    });
    Ok(App::new(CloudFront::new().layer(site)).with_tasks(&tasks).run().await?)
}
