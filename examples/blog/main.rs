//! A blog: posts with tags, a search, a feed and comments; an editor with pictures behind a sign-in; mail by a task.
//!
//! `cargo run --example blog --features cookies,dynamodb,forms,images,testing`, then http://127.0.0.1:3000. In development the
//! password is `clay`, and the posts are in the file of `BLOG_FILE`. `BLOG_TABLE` names a table of DynamoDB instead, for Lambda.
//! `AUTHOR_HASH` is the hash of the author's password; with `hash` as its argument the program reads a password and prints one.

mod blog;
mod store;
#[cfg(test)]
mod tests;

use std::io::Write;

use chalice_http_toolkit::{BoxError, ContentManager, Stage, embed, tasking::TaskingController};

use self::store::Store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    if std::env::args().nth(1).as_deref() == Some("hash") {
        let mut password = String::new();
        std::io::stdin().read_line(&mut password)?;
        return Ok(writeln!(std::io::stdout(), "{}", blog::hash(password.trim_end_matches(['\r', '\n']))?)?);
    }
    let store = match std::env::var("BLOG_TABLE") {
        Ok(table) => Store::table(table).await,
        Err(_) => Store::file(&std::env::var("BLOG_FILE").unwrap_or_else(|_| "target/blog.sqlite".into()))?,
    };
    let password = match std::env::var("AUTHOR_HASH") {
        Ok(hash) => hash,
        Err(_) if Stage::current().is_development() => blog::hash("clay")?,
        Err(_) => return Err("AUTHOR_HASH is not set: it is the hash of the author's password".into()),
    };
    let content = ContentManager::new(embed!("examples/blog/templates"), embed!("examples/blog/static"))?;
    let app = blog::app(blog::content(content)?, store, TaskingController::new("blog.fifo")?, &password)?;
    Ok(app.run().await?)
}
