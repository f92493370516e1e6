//! JSON with ETags, one of them known before the JSON is: `cargo run --example api`, then
//! `curl -i http://127.0.0.1:3000/notes/1`, and again with `-H 'If-None-Match: …'`.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use chalice_http_toolkit::{
    App, BoxError, CacheControl, CloudFront, ContentManager, Embedded, EntityTag, Error, Representation,
};
use http::StatusCode;
use serde::Serialize;
use tower::Layer;

/// What would be a table with the columns id, version and text.
#[derive(Clone)]
struct Notes {
    content: ContentManager,
    rows: BTreeMap<u32, (u32, &'static str)>,
}

#[derive(Serialize)]
struct Note {
    id: u32,
    text: String,
}

impl Notes {
    /// The cheap part of the row.
    fn version(&self, id: u32) -> Option<u32> {
        Some(self.rows.get(&id)?.0)
    }

    /// The costly part.
    fn load(&self, id: u32) -> Option<Note> {
        Some(Note { id, text: (*self.rows.get(&id)?.1).to_owned() })
    }
}

/// All notes: the tag comes from the JSON's bytes.
async fn list(State(notes): State<Notes>) -> Result<Representation, Error> {
    let all: Vec<Note> = notes.rows.keys().filter_map(|id| notes.load(*id)).collect();
    let minute = CacheControl::new().with_public().with_max_age(Duration::from_secs(60));
    Ok(notes.content.json(&all)?.with_cache_control(minute))
}

/// One note: the tag comes from its version, and a 304 never loads it.
async fn one(State(notes): State<Notes>, Path(id): Path<u32>) -> Result<Representation, Error> {
    let Some(version) = notes.version(id) else { return missing(State(notes)).await };
    let tag = EntityTag::strong(format!("note-{id}-{version}"));
    let body = async move {
        tracing::info!(id, "a note is loaded");
        serde_json::to_vec(&notes.load(id)).map(Into::into).map_err(Error::handler)
    };
    Ok(Representation::lazy("application/json", body).with_entity_tag(tag))
}

async fn missing(State(notes): State<Notes>) -> Result<Representation, Error> {
    let answer = notes.content.json(&serde_json::json!({ "error": "there is no such note" }))?;
    Ok(answer.with_status(StatusCode::NOT_FOUND))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
    let rows = BTreeMap::from([(1, (3, "Buy clay")), (2, (1, "Fire the kiln on Friday"))]);
    let router = Router::new()
        .route("/", get(list))
        .route("/notes", get(list))
        .route("/notes/{id}", get(one))
        .fallback(missing)
        .with_state(Notes { content, rows });
    Ok(App::new(CloudFront::new().layer(router)).run().await?)
}
