//! The smallest site: one handler, no router. `cargo run --example minimal`, then http://127.0.0.1:3000.

use chalice_http_toolkit::{BoxError, CloudFront, ContentManager, Source, embed};
use lambda_http::Request;
use serde_json::json;
use tower::{Layer, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let templates = Source::folder("templates").or(embed!("templates"));
    let files = Source::folder("static").or(embed!("static"));
    let content = ContentManager::new(templates, files)?;
    let site = service_fn(move |request: Request| {
        let page = match request.uri().path() {
            "/" => content.render_template("hello.html", json!({ "name": "world" })),
            path if path.starts_with("/static/") => Ok(content.static_file_at(request.uri())),
            _ => Ok(content.not_found()),
        };
        async { page.map(http::Response::<String>::from) }
    });
    Ok(chalice_http_toolkit::run(CloudFront::new().layer(site)).await?)
}
