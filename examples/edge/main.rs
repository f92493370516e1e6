//! A shop whose pages CloudFront keeps until a price or a style sheet changes. `cargo run --example edge --features forms,purge`,
//! then http://127.0.0.1:3000. `SHOP` names a folder with other `templates` and `static`, `PRICES` the file of prices.

use std::{fs, path::PathBuf};

use axum::extract::{Path, State};
use axum::{Router, http::StatusCode, http::Uri, routing::get};
use chalice_http_toolkit::{App, BoxError, CacheControl, CloudFront, ContentManager, Error, Representation};
use chalice_http_toolkit::{Embedded, Source, embed, forms::Form, purge::Purge, tasking::TaskingController};
use serde_json::json;
use tower::Layer;

type Answer = Result<Representation, Error>;

#[derive(Clone)]
struct Shop {
    content: ContentManager,
    purge: Purge,
    file: PathBuf,
}

impl Shop {
    fn prices(&self) -> Vec<u32> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_else(|_| vec![12, 30, 45])
    }
}

async fn list(State(shop): State<Shop>) -> Answer {
    let page = shop.content.render_template("index.html", json!({ "prices": shop.prices() }))?;
    Ok(page.with_data_tags(["products"]).with_cache_control(CacheControl::until_purged()))
}

async fn about(State(shop): State<Shop>) -> Answer {
    Ok(shop.content.render_template("about.html", ())?.with_cache_control(CacheControl::until_purged()))
}

async fn product(State(shop): State<Shop>, Path(id): Path<usize>) -> Answer {
    let Some(price) = shop.prices().get(id).copied() else { return Ok(shop.content.not_found()) };
    let page = shop.content.render_template("product.html", json!({ "id": id, "price": price }))?;
    Ok(page.with_data_tags([format!("product:{id}")]).with_cache_control(CacheControl::until_purged()))
}

async fn edit(State(shop): State<Shop>, Path(id): Path<usize>, form: Form) -> Answer {
    let (mut prices, new) = (shop.prices(), form.text("price").and_then(|price| price.parse().ok()));
    let (Some(price), Some(new)) = (prices.get_mut(id), new) else { return Ok(shop.content.not_found()) };
    *price = new;
    fs::write(&shop.file, json!(prices).to_string()).map_err(Error::handler)?;
    shop.purge.tags([format!("product:{id}"), "products".to_owned()]).on_success()?;
    Ok(shop.content.redirect(&format!("/products/{id}")).with_status(StatusCode::SEE_OTHER))
}

async fn file(State(shop): State<Shop>, uri: Uri) -> Representation {
    shop.content.static_file_at(&uri)
}

fn folder(name: &str, embedded: Embedded) -> Source {
    std::env::var_os("SHOP").map_or(embedded.into(), |shop| PathBuf::from(shop).join(name).into())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let templates = folder("templates", embed!("examples/edge/templates"));
    let content = ContentManager::new(templates, folder("static", embed!("examples/edge/static")))?;
    let file_of_prices =
        std::env::var_os("PRICES").map_or_else(|| std::env::temp_dir().join("prices.json"), PathBuf::from);
    let purge = Purge::new(TaskingController::new("shop.fifo")?);
    let shop = Shop { content: content.clone(), purge: purge.clone(), file: file_of_prices };
    let router = Router::new().route("/", get(list)).route("/about", get(about));
    let router = router.route("/products/{id}", get(product).post(edit)).route("/static/{*path}", get(file));
    let site = CloudFront::new().with_cache_tags("cache-tag").layer(router.with_state(shop));
    App::new(site).with_edge_manifest(&content).with_tasks(purge.tasks()).run().await?;
    Ok(())
}
