//! Responsive images: each browser gets the format it knows and the width it needs.
//! `cargo run --example images --features images`, then http://127.0.0.1:3000, or
//! `curl -H 'Accept: image/webp' -sD- -o/dev/null 'http://127.0.0.1:3000/static/img/gallery/bowl.jpg?w=640'`.

use chalice_http_toolkit::{BoxError, CloudFront, ContentManager, Embedded, Source, embed, images::Images};
use lambda_http::Request;
use tower::{Layer, service_fn};

const TEMPLATES: Embedded = Embedded::new(&[(
    "page.html",
    br#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pots</title>
<h1>Pots</h1>
{% for pot in ["bowl", "mug", "vase"] %}
<p>{{ picture("img/gallery/" ~ pot ~ ".jpg", widths=[320, 640, 1280], sizes="(min-width: 50em) 40em, 90vw",
              alt="A " ~ pot, placeholder="blur", style="max-width: 100%; height: auto") }}</p>
{% endfor %}
</html>
"#,
)]);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let images = Images::new().with_widths([320, 640, 1280]);
    let files = Source::folder("static").or(embed!("static"));
    let content = ContentManager::new(TEMPLATES, files)?.with_images(images);
    let site = service_fn(move |request: Request| {
        let page = match request.uri().path() {
            "/" => content.render_template("page.html", ()),
            path if path.starts_with("/static/") => Ok(content.static_file_at(request.uri())),
            _ => Ok(content.not_found()),
        };
        async { page.map(http::Response::<String>::from) }
    });
    Ok(chalice_http_toolkit::run(CloudFront::new().layer(site)).await?)
}
