//! The site that is timed: a page of rows in a base template, and a style sheet.

use std::path::Path;

use chalice_http_toolkit::{App, CloudFront, ContentManager};
use lambda_http::Request;
use tower::{Layer, service_fn};

use crate::forms::{Page, Row, Shared};

pub(crate) const BASE: &str = "<!doctype html><title>{% block title %}{% endblock %}</title><link rel=stylesheet href=\"{{ static('site.css') }}\">\
    {% include 'nav.html' %}<main>{% block main %}{% endblock %}</main>";
pub(crate) const NAV: &str =
    "<nav>{% for page in ['/', '/products', '/about'] %}<a href=\"{{ url(page) }}\">{{ page }}</a>{% endfor %}</nav>";
pub(crate) const PAGE: &str = "{% extends 'base.html' %}{% block title %}Rows{% endblock %}{% block main %}<table>{% for row in rows %}\
    <tr><td>{{ row.id }}<td>{{ row.name }}<td>{{ row.price }}{% endfor %}</table>{% endblock %}";

/// Its folders, written below this one.
pub(crate) fn content(folder: &Path) -> ContentManager {
    let write = |name: &str, text: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("templates/base.html", BASE.as_bytes());
    write("templates/nav.html", NAV.as_bytes());
    write("templates/page.html", PAGE.as_bytes());
    write("static/site.css", "body { color: #333 }\n".repeat(500).as_bytes());
    let content = ContentManager::new(folder.join("templates"), folder.join("static"));
    content.expect("both folders are there").with_reload(false)
}

/// `/page`, and the static files.
pub(crate) fn app(content: &ContentManager, rows: Shared<Vec<Row>>) -> App {
    let site = content.clone();
    App::new(CloudFront::new().layer(service_fn(move |request: Request| {
        let response = match request.uri().path() {
            "/page" => site.render_template("page.html", Page { rows: rows.clone() }),
            _ => Ok(site.static_file_at(request.uri())),
        };
        async { response.map(http::Response::<String>::from) }
    })))
}
