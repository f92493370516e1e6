//! A site with all that stands between it and a visitor's browser: a form with an upload, messages, a policy. For the step
//! `visitor.py` of tests/run.

use axum::{
    Extension, Router,
    extract::Request,
    routing::{get, post},
};
use chalice_http_toolkit::{
    App, BoxError, CloudFront, ContentManager, CookieJar, Cookies, CrossOriginProtection, Embedded, Form,
    Representation, Result, SecurityHeaders, SetCookie,
};
use http::StatusCode;
use serde_json::json;
use tower::Layer;

const TEMPLATES: Embedded = Embedded::new(&[(
    "index.html",
    "<!doctype html><html lang=en><title>Visitor</title>\n\
     <style>#styled { color: rgb(1, 2, 3) }</style>\n\
     <p id=styled>{{ name }}</p>\n\
     <ul>{% for flash in flashes %}<li class={{ flash.category }}>{{ flash.text }}{% endfor %}</ul>\n\
     <form method=post enctype=multipart/form-data action={{ url('/send') }}>\n\
     <input name=name><input type=file name=file><input type=file name=none><button>Send</button></form>\n\
     <script>\r\n  window.ours = 'gr\u{fc}n';\n</script>\n\
     <div id=slot>{{ injected|safe }}</div>\n\
     <p id=attribute style='color: rgb(9, 9, 9)' onclick='window.clicked = 1'>click</p></html>"
        .as_bytes(),
)]);

const INJECTED: &str = "<script>window.injected = 1</script><style>#styled { color: red }</style>\
    <img src=x onerror='window.injected = 2'><script src='data:text/javascript,window.injected=3'></script>";

async fn index(Extension(content): Extension<ContentManager>, jar: CookieJar) -> Result<Representation> {
    let name = jar.get("name").unwrap_or_else(|| "nobody".to_owned());
    let arguments = json!({ "name": name, "flashes": jar.take_flashes(), "injected": INJECTED });
    content.render_template("index.html", arguments)
}

async fn send(Extension(content): Extension<ContentManager>, jar: CookieJar, form: Form) -> Result<Representation> {
    jar.set(SetCookie::new("name", form.text("name").unwrap_or_default()))?;
    let files = form.fields().filter_map(|field| field.file());
    let files: Vec<String> =
        files.map(|file| format!("{} {} {}", file.file_name(), file.media_type(), file.bytes().len())).collect();
    jar.flash("success", &files.join(", "))?;
    Ok(content.redirect("/").with_status(StatusCode::SEE_OTHER))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    let router: Router = Router::new()
        .route("/", get(index))
        .route("/send", post(send))
        .fallback(async |request: Request| (StatusCode::NOT_FOUND, request.uri().to_string()))
        .layer(Extension(content));
    let service = CrossOriginProtection::new().layer(Cookies::new([7; 32])?.layer(router));
    App::new(CloudFront::new().layer(service)).with_security_headers(SecurityHeaders::new()).run().await?;
    Ok(())
}
