//! Where the blog's data lives: a file of SQLite on a developer's machine, a table of DynamoDB on Lambda, where a file would be gone
//! with the instance. An entry is a value under a kind and a key. Of a table, `kind` is the partition key and `key` the sort key.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::{Client, error::ProvideErrorMetadata, primitives::Blob, types::AttributeValue};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use chalice_http_toolkit::Answer;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Serialize, de::DeserializeOwned};

#[derive(Clone)]
pub(crate) enum Store {
    File(Arc<Mutex<Connection>>),
    Table { client: Client, name: String },
}

impl Store {
    /// A file of SQLite, or `:memory:`.
    pub(crate) fn file(path: &str) -> Answer<Self> {
        let file = Connection::open(path)?;
        file.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000;
             CREATE TABLE IF NOT EXISTS entry (kind TEXT, key TEXT, value BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID",
        )?;
        Ok(Self::File(Arc::new(Mutex::new(file))))
    }

    /// A table of DynamoDB, in the account and the region of the environment.
    pub(crate) async fn table(name: String) -> Self {
        let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let configuration = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(https);
        Self::Table { client: Client::new(&configuration.load().await), name }
    }

    pub(crate) async fn get(&self, kind: &str, key: &str) -> Answer<Option<Vec<u8>>> {
        match self {
            // A query takes microseconds: no thread of its own is worth it.
            Self::File(file) => {
                let file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut query = file.prepare_cached("SELECT value FROM entry WHERE kind = ? AND key = ?")?;
                Ok(query.query_row([kind, key], |row| row.get(0)).optional()?)
            }
            Self::Table { client, name } => {
                let get = client.get_item().table_name(name).key("kind", text(kind)).key("key", text(key));
                let item = get.send().await?.item;
                Ok(item.and_then(|mut item| bytes(item.remove("value")?)))
            }
        }
    }

    /// Puts a new entry. `false` if there is one already.
    pub(crate) async fn add(&self, kind: &str, key: &str, value: Vec<u8>) -> Answer<bool> {
        match self {
            Self::File(file) => {
                let file = file.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(file.execute("INSERT OR IGNORE INTO entry VALUES (?, ?, ?)", params![kind, key, value])? == 1)
            }
            Self::Table { client, name } => {
                let put = client.put_item().table_name(name).item("kind", text(kind)).item("key", text(key));
                let put = put.item("value", AttributeValue::B(Blob::new(value)));
                let put =
                    put.condition_expression("attribute_not_exists(#key)").expression_attribute_names("#key", "key");
                match put.send().await {
                    Ok(_) => Ok(true),
                    Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }

    /// Puts an entry in the place of the one that there may be.
    pub(crate) async fn put(&self, kind: &str, key: &str, value: Vec<u8>) -> Answer<()> {
        match self {
            Self::File(file) => {
                let file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", params![kind, key, value])?;
            }
            Self::Table { client, name } => {
                let put = client.put_item().table_name(name).item("kind", text(kind)).item("key", text(key));
                put.item("value", AttributeValue::B(Blob::new(value))).send().await?;
            }
        }
        Ok(())
    }

    /// All values of a kind, in the order of their keys.
    pub(crate) async fn list(&self, kind: &str) -> Answer<Vec<Vec<u8>>> {
        match self {
            Self::File(file) => {
                let file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let mut query = file.prepare_cached("SELECT value FROM entry WHERE kind = ? ORDER BY key")?;
                Ok(query.query_map([kind], |row| row.get(0))?.collect::<Result<_, _>>()?)
            }
            Self::Table { client, name } => {
                let query = client.query().table_name(name).key_condition_expression("kind = :kind");
                let mut items = query.expression_attribute_values(":kind", text(kind)).into_paginator().items().send();
                let mut values = Vec::new();
                while let Some(item) = items.next().await {
                    values.extend(item?.remove("value").and_then(bytes));
                }
                Ok(values)
            }
        }
    }

    pub(crate) async fn get_json<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Answer<Option<T>> {
        let value = self.get(kind, key).await?;
        Ok(value.map(|value| serde_json::from_slice(&value)).transpose()?)
    }

    pub(crate) async fn list_json<T: DeserializeOwned>(&self, kind: &str) -> Answer<Vec<T>> {
        let values = self.list(kind).await?;
        Ok(values.iter().map(|value| serde_json::from_slice(value)).collect::<Result<_, _>>()?)
    }
}

pub(crate) fn json(value: &impl Serialize) -> Answer<Vec<u8>> {
    Ok(serde_json::to_vec(value)?)
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn bytes(value: AttributeValue) -> Option<Vec<u8>> {
    match value {
        AttributeValue::B(bytes) => Some(bytes.into_inner()),
        _ => None,
    }
}
