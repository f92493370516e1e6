//! The shop's goods and its database. Nothing here knows the web.

use std::sync::{Arc, Mutex, PoisonError};

use chalice_http_toolkit::BoxError;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Product {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) price: String,
    pub(crate) image: String,
    pub(crate) glaze: String,
    pub(crate) description: Vec<String>,
    pub(crate) dimensions: String,
}

/// A photograph of the gallery.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Pot {
    pub(crate) image: String,
    pub(crate) title: String,
    pub(crate) alt: String,
}

/// The goods, what the gallery shows, and a SQLite database of pictures.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) products: Arc<Vec<Product>>,
    pub(crate) pots: Arc<Vec<Pot>>,
    database: Arc<Mutex<Connection>>,
}

impl Shop {
    pub(crate) fn open() -> Result<Self, BoxError> {
        let database = Connection::open_in_memory()?;
        database.execute_batch("CREATE TABLE pictures (name TEXT PRIMARY KEY, version INTEGER, bytes BLOB)")?;
        let logo = include_bytes!("../../static/img/logo.png").as_slice();
        database.execute("INSERT INTO pictures VALUES ('logo', 1, ?1)", [logo])?;
        let products = serde_json::from_str(include_str!("products.json"))?;
        let pots = serde_json::from_str(include_str!("pictures.json"))?;
        Ok(Self { products: Arc::new(products), pots: Arc::new(pots), database: Arc::new(Mutex::new(database)) })
    }

    /// The version of a picture: all that a 304 needs.
    pub(crate) fn picture_version(&self, name: &str) -> Result<Option<String>, BoxError> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let version: Option<u32> =
            database.query_row("SELECT version FROM pictures WHERE name = ?1", [name], |row| row.get(0)).optional()?;
        Ok(version.map(|version| format!("{name}-{version}")))
    }

    pub(crate) fn picture(&self, name: &str) -> Result<Vec<u8>, BoxError> {
        tracing::info!(name, "a blob is read");
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(database.query_row("SELECT bytes FROM pictures WHERE name = ?1", [name], |row| row.get(0))?)
    }
}
