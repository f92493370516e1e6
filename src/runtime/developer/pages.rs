//! The pages of the tools: HTML without scripts, made from the templates beside this file. It knows no tool.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use minijinja::{AutoEscape, Environment, value::Serde};
use serde_json::{Value, json};

/// Each page for a developer by its path and its name.
const PAGES: [(&str, &str); 3] = [("/_dev", "Requests"), ("/_dev/images", "Images"), ("/_dev/tasks", "Tasks")];

const TEMPLATES: [(&str, &str); 6] = [
    ("layout.html", include_str!("pages/layout.html")),
    ("requests.html", include_str!("pages/requests.html")),
    ("request.html", include_str!("pages/request.html")),
    ("images.html", include_str!("pages/images.html")),
    ("tasks.html", include_str!("pages/tasks.html")),
    ("picture.svg", include_str!("pages/picture.svg")),
];

/// Nothing is loaded, no script runs, and no other page shows it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// A page from the template of this name.
pub(super) fn page(name: &str, here: &str, mut arguments: Value) -> Response<Bytes> {
    arguments["here"] = here.into();
    arguments["pages"] = json!(PAGES);
    let mut response = Response::new(Bytes::from(render(name, arguments)));
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

pub(super) fn render(name: &str, arguments: Value) -> String {
    let mut engine = Environment::new();
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    let source =
        |name: &str| TEMPLATES.iter().find(|(known, _)| *known == name).map(|(_, source)| (*source).to_owned());
    engine.set_loader(move |name| Ok(source(name)));
    let page = engine.get_template(name).and_then(|template| template.render(Serde(arguments)));
    // A page that fails is no help: the reason is.
    page.unwrap_or_else(|error| error.to_string())
}
