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
    routing::get,
};
use chalice_http_toolkit::cookies::Cookies;
use chalice_http_toolkit::diagnostics::Verify;
use chalice_http_toolkit::images::Images;
use chalice_http_toolkit::security::{CrossOriginProtection, SecurityHeaders};
use chalice_http_toolkit::tasking::TaskingController;
use chalice_http_toolkit::{
    Answer, App, BoxError, CloudFront, ContentManager, Embedded, Representation, Source, embed,
};
use serde_json::{Value, json};
use shop::Shop;

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
    let content = ContentManager::new(templates, files)?.with_images(Images::new());
    // The links of the feed are absolute.
    let content = content.with_public_origin_from_env()?;
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
        .with_state(site);
    // For tests: every 304 is checked against the page.
    let verify = if std::env::var_os("SITE_VERIFY").is_some() { Verify::Always } else { Verify::Never };
    let app = App::new(router)
        .with_content(&content)
        .with_cookies(Cookies::from_env()?)
        .with_protection(CrossOriginProtection::from_env()?)
        .with_cloudfront(CloudFront::new().with_verify(verify));
    app.with_security_headers(SecurityHeaders::new()).with_tasks(&tasks).run().await?;
    Ok(())
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
        Ok(self.content.render_template(template, arguments)?)
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
    Ok(site.content.json(&*site.shop.products)?)
}

async fn feed(State(site): State<Site>) -> Answer {
    site.page("feed.xml", json!({ "products": *site.shop.products }))
}

async fn asset(State(site): State<Site>, extract::Path(name): extract::Path<String>) -> Answer {
    let (shop, wanted) = (site.shop.clone(), name.clone());
    let version = async || site.shop.picture_version(&name);
    Ok(site.content.asset_with(version, async move || shop.picture(&wanted)).await?)
}

async fn redirect(State(site): State<Site>) -> Representation {
    site.content.redirect("/static/hello.txt")
}
