//! A small shop: pages, static files, JSON, a feed and pictures out of a database, all with their ETag before the work; and
//! a contact form whose messages a task brings to the workshop.
//!
//! `cargo run --example site --features cookies,forms,images,tasking`, then http://127.0.0.1:3000. `SITE_TEMPLATES` and
//! `SITE_STATIC` name other folders, `SITE_INBOX` where messages are kept, `COOKIE_SECRET` what cookies are signed with,
//! `PUBLIC_ORIGIN` the address that visitors have.

mod contact;
mod shop;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    Router,
    extract::{self, Query, State},
    http::Uri,
    routing::get,
};
use chalice_http_toolkit::cookies::Cookies;
use chalice_http_toolkit::diagnostics::Verify;
use chalice_http_toolkit::images::Images;
use chalice_http_toolkit::security::{CrossOriginProtection, SecurityHeaders};
use chalice_http_toolkit::tasking::TaskingController;
use chalice_http_toolkit::{App, BoxError, CloudFront, ContentManager, Embedded, Error, Representation, Source, embed};
use serde_json::{Value, json};
use shop::Shop;
use tower::Layer;

type Answer = Result<Representation, Error>;

#[derive(Clone)]
struct Site {
    content: ContentManager,
    shop: Shop,
    tasks: TaskingController,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let log = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();

    let templates = folder("SITE_TEMPLATES", "templates", embed!("templates"));
    let files = folder("SITE_STATIC", "static", embed!("static"));
    let mut content = ContentManager::new(templates, files)?.with_images(Images::new());
    if let Some(origin) = public_origin() {
        content = content.with_public_origin(&origin)?;
    }
    let inbox: Option<Arc<Path>> = inbox().map(Into::into);
    let tasks = TaskingController::new("shop.fifo")?.on(move |context, enquiry| {
        let inbox = inbox.clone();
        async move { contact::keep(inbox.as_deref(), context, enquiry).await }
    });
    let site = Site { content: content.clone(), shop: Shop::open()?, tasks: tasks.clone() };
    let router = Router::new()
        .route("/", get(index))
        .route("/gallery", get(gallery))
        .route("/hello", get(hello))
        .route("/products/{id}", get(product))
        .route("/api/products", get(api))
        .route("/feed.xml", get(feed))
        .route("/asset/{name}", get(asset))
        .route("/redirect", get(redirect))
        .route("/contact", get(contact::show).post(contact::send))
        .route("/static/{*path}", get(file))
        .route("/.well-known/{*path}", get(file))
        .fallback(missing)
        .with_state(site);
    // For tests: every 304 is checked against the page.
    let verify = if std::env::var_os("SITE_VERIFY").is_some() { Verify::Always } else { Verify::Never };
    let site = protection()?.layer(Cookies::new(secret()?)?.layer(router));
    let app = App::new(CloudFront::new().with_verify(verify).layer(site)).with_error_pages(&content);
    app.with_security_headers(SecurityHeaders::new()).with_tasks(&tasks).run().await?;
    Ok(())
}

/// The address that visitors have. No request says it, for CloudFront sends the API's own Host: `PUBLIC_ORIGIN` does.
fn public_origin() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let of_this_machine = || format!("http://localhost:{}", set("PORT").unwrap_or_else(|| "3000".into()));
    let is_lambda = std::env::var_os("LAMBDA_TASK_ROOT").is_some();
    set("PUBLIC_ORIGIN").or_else(|| (!is_lambda).then(of_this_machine))
}

/// Forms are taken from this site's own pages.
fn protection() -> Result<CrossOriginProtection, Error> {
    match public_origin() {
        Some(origin) => CrossOriginProtection::new().with_trusted_origin(&origin),
        None => Ok(CrossOriginProtection::new()),
    }
}

/// What cookies are signed with: the same in all instances, and nobody else's.
fn secret() -> Result<String, BoxError> {
    match std::env::var("COOKIE_SECRET") {
        Ok(secret) => Ok(secret),
        Err(_) if std::env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_none() => {
            Ok("everybody knows it: for this machine".into())
        }
        Err(_) => {
            Err("set COOKIE_SECRET to 32 random bytes or more: messages after a redirect are signed with it".into())
        }
    }
}

/// Where messages are kept: a folder that is there tomorrow, as none on Lambda is by itself.
fn inbox() -> Option<PathBuf> {
    let of_this_machine = || std::env::temp_dir().join("kiln-and-clay");
    let is_lambda = std::env::var_os("LAMBDA_TASK_ROOT").is_some();
    std::env::var_os("SITE_INBOX").map(PathBuf::from).or_else(|| (!is_lambda).then(of_this_machine))
}

/// A folder of the developer's choice, else the one beside the code, else the copy in the binary.
fn folder(variable: &str, name: &str, embedded: Embedded) -> Source {
    match std::env::var_os(variable).and_then(|path| std::path::absolute(path).ok()) {
        Some(path) => path.into(),
        None => Source::folder(name).or(embedded),
    }
}

impl Site {
    /// A page, or 404 where the folder of templates has none of that name.
    fn page(&self, template: &str, arguments: Value) -> Answer {
        if !self.content.has_template(template) {
            return Ok(self.content.not_found());
        }
        self.content.render_template(template, arguments)
    }
}

async fn index(State(site): State<Site>) -> Answer {
    site.page("index.html", json!({ "products": *site.shop.products }))
}

async fn gallery(State(site): State<Site>) -> Answer {
    site.page("gallery.html", json!({ "pots": *site.shop.pots }))
}

async fn hello(State(site): State<Site>, Query(query): Query<Vec<(String, String)>>) -> Answer {
    let name = query.iter().find(|(name, _)| name == "name").map_or("", |(_, value)| value);
    site.page("hello.html", json!({ "name": name }))
}

async fn product(State(site): State<Site>, extract::Path(id): extract::Path<String>) -> Answer {
    let products = &site.shop.products;
    let Some(at) = products.iter().position(|product| product.id.to_string() == id) else {
        return Ok(site.content.not_found());
    };
    let others: Vec<_> = products.iter().cycle().skip(at + 1).take(3).collect();
    site.page("product.html", json!({ "product": products[at], "others": others }))
}

async fn api(State(site): State<Site>) -> Answer {
    site.content.json(&*site.shop.products)
}

async fn feed(State(site): State<Site>) -> Answer {
    // The links of a feed are absolute: where nobody knows the site's address there is none.
    if site.content.public_origin().is_none() {
        return Ok(site.content.not_found());
    }
    site.page("feed.xml", json!({ "products": *site.shop.products }))
}

async fn asset(State(site): State<Site>, extract::Path(name): extract::Path<String>) -> Answer {
    let (shop, wanted) = (site.shop.clone(), name.clone());
    let version = async || site.shop.picture_version(&name);
    site.content.asset_with(version, async move || shop.picture(&wanted)).await
}

async fn redirect(State(site): State<Site>) -> Representation {
    site.content.redirect("/static/hello.txt")
}

async fn file(State(site): State<Site>, uri: Uri) -> Representation {
    site.content.static_file_at(&uri)
}

async fn missing(State(site): State<Site>) -> Representation {
    site.content.not_found()
}
