//! One file to deploy: templates and static files are inside the binary, and no folder is looked for.
//! `cargo run --example embedded`, then http://127.0.0.1:3000. While you write templates, prefer
//! `Source::folder("templates").or(embed!("templates"))`: then a change shows without a build.

use chalice_http_toolkit::{BoxError, CloudFront, ContentManager, embed};
use lambda_http::Request;
use serde_json::json;
use tower::{Layer, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let content = ContentManager::new(embed!("templates"), embed!("static"))?;
    let site = service_fn(move |request: Request| {
        let page = match request.uri().path() {
            "/" => content.render_template("hello.html", json!({ "name": "binary" })),
            path if path.starts_with("/static/") => Ok(content.static_file_at(request.uri())),
            _ => Ok(content.not_found()),
        };
        async { page.map(http::Response::<String>::from) }
    });
    Ok(chalice_http_toolkit::run(CloudFront::new().layer(site)).await?)
}
