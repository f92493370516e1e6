//! Pages, a contact form whose messages go through a queue, and the worker that takes them from
//! there: one program.
//!
//! `cargo run` serves it on http://127.0.0.1:3000, with a queue inside the process; PORT, HOST and
//! ALLOWED_HOSTS change where and under which names (README.md). On Lambda the same program answers
//! requests, works off the queue's events, and answers pings that keep it warm before anything else
//! runs.

use axum::{Router, extract::State, routing::get};
use chalice_http_toolkit::{
#% if edge
    Answer, App, BoxError, CacheControl, CloudFront, ContentManager, Error, Source, Stage, embed,
#% else
    Answer, App, BoxError, CloudFront, ContentManager, Error, Source, Stage, embed,
#% endif
    forms::Form,
#% if images
    images::Images,
#% endif
#% if edge
    purge::Purge,
#% endif
    security::{CrossOriginProtection, SecurityHeaders},
    tasking::{Task, TaskContext, TaskingController},
};
use serde::{Deserialize, Serialize};

#[derive(Clone)]
struct Site {
    content: ContentManager,
#% if edge
    purge: Purge,
#% else
    tasks: TaskingController,
#% endif
}

/// What somebody wrote into the contact form.
#[derive(Serialize, Deserialize)]
struct Message {
    name: String,
    text: String,
}

impl Task for Message {
    const NAME: &'static str = "message";
}

#% if edge
/// CloudFront keeps it until a deployment changes it. A page that shows data names the data too:
/// `.with_data_tags(["post:7"])`. A handler that changes it drops the pages that show it:
/// `site.purge.tags(["post:7"]).on_success()?`.
async fn index(State(site): State<Site>) -> Answer {
    let page = site.content.render_template("index.html", ())?;
    Ok(page.with_cache_control(CacheControl::until_purged()))
}
#% else
async fn index(State(site): State<Site>) -> Answer {
    Ok(site.content.render_template("index.html", ())?)
}
#% endif

async fn contact(State(site): State<Site>) -> Answer {
    Ok(site.content.render_template("contact.html", ())?)
}

/// Posts the message when all the rest has succeeded. The answer is a way to another page: to
/// reload that one sends nothing again.
async fn send(State(site): State<Site>, form: Form) -> Answer {
    let message: Message = form.deserialize()?;
#% if edge
    site.purge.tasks().post(&message).on_success()?;
#% else
    site.tasks.post(&message).on_success()?;
#% endif
    Ok(site.content.see_other("/thanks"))
}

async fn thanks(State(site): State<Site>) -> Answer {
#% if edge
    let page = site.content.render_template("thanks.html", ())?;
    Ok(page.with_cache_control(CacheControl::until_purged()))
#% else
    Ok(site.content.render_template("thanks.html", ())?)
#% endif
}

/// The worker: a message comes again until this succeeds. What it says stays out of the log.
async fn deliver(context: TaskContext, message: Message) -> Result<(), Error> {
    let (attempt, bytes) = (context.attempt(), message.text.len());
    if !Stage::current().is_development() {
        // No message is lost until you write this: it waits in the queue, then with the dead
        // letters, and an alarm tells of it.
        let missing = "nothing is delivered yet: send the message to somebody in `deliver`";
        return Err(Error::handler(missing));
    }
    tracing::info!(attempt, bytes, "a message is delivered");
    Ok(())
}

fn app() -> Result<App, Error> {
    // The folders where they are, else their copies in the program: at AWS there is nothing but
    // the program.
    let templates = Source::folder("templates").or(embed!("templates"));
    let files = Source::folder("static").or(embed!("static"));
#% if images and free_plan
    // CloudFront's free plan has no cache key by Accept: pages name the format in the path.
    let images = Images::new().with_widths([640, 1280]).with_path_urls();
    let content = ContentManager::new(templates, files)?.with_images(images);
#% elif images
    let images = Images::new().with_widths([640, 1280]);
    let content = ContentManager::new(templates, files)?.with_images(images);
#% else
    let content = ContentManager::new(templates, files)?;
#% endif
    let tasks = TaskingController::new("tasks.fifo")?.on(deliver);
#% if schedules
    // `tasks.post(&task).after(time)`: what waits for more than 15 minutes waits at EventBridge
    // Scheduler.
    let tasks = tasks.with_scheduler();
#% endif
#% if edge
    let purge = Purge::new(tasks);
    let state = Site {
        content: content.clone(),
        purge: purge.clone(),
    };
#% else
    let state = Site {
        content: content.clone(),
        tasks: tasks.clone(),
    };
#% endif
    let site = Router::new()
        .route("/", get(index))
        .route("/contact", get(contact).post(send))
        .route("/thanks", get(thanks))
        .with_state(state);
#% if edge
    // The field's name is that of CacheTagConfig in template.yaml.
    let cloudfront = CloudFront::new().with_cache_tags("cache-tag");
#% else
    let cloudfront = CloudFront::new();
#% endif
    // Static files and error pages come from the content. Only forms of this site's own pages are
    // taken, and only what came through CloudFront is answered.
    let app = App::new(site)
        .with_content(&content)
        .with_protection(CrossOriginProtection::from_env()?)
        .with_cloudfront(cloudfront.with_origin_secret_from_env()?);
    let app = app.with_security_headers(SecurityHeaders::new());
#% if streaming
    // The function URL in template.yaml streams, and takes nothing but streams.
    let app = app.with_streaming();
#% endif
#% if edge
    Ok(app.with_edge_manifest(&content).with_tasks(purge.tasks()))
#% else
    Ok(app.with_tasks(&tasks))
#% endif
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr);
    match std::env::var_os("AWS_LAMBDA_RUNTIME_API") {
        Some(_) => log.json().init(),
        None => log.init(),
    }
    Ok(app()?.run().await?)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
#% if edge
    use chalice_http_toolkit::testing::{CacheResult, TestEdge, TestSite};
#% else
    use chalice_http_toolkit::testing::TestSite;
#% endif

    use super::*;

    /// Requests go the whole way, from the event that Lambda gives to the answer that it gets.
    fn site() -> TestSite {
        TestSite::of(app().unwrap())
    }

    #[tokio::test]
    async fn pages_and_files_are_there() {
        for path in ["/", "/contact", "/thanks", "/static/css/site.css"] {
            let answer = site().get(path).send().await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let tag = answer.header("etag");
            let again = site().get(path).header("if-none-match", tag).send().await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        }
        for path in ["/no-such-page", "/.well-known/none.txt"] {
            let missing = site().get(path).send().await;
            assert_eq!(missing.status(), StatusCode::NOT_FOUND, "{path}");
            assert!(missing.text().contains("There is no such page"), "{path}");
        }
    }

#% if edge
    #[tokio::test]
    async fn cloudfront_keeps_pages_until_they_are_purged() {
        let edge = TestEdge::new(site()).with_verify();
        for path in ["/", "/thanks"] {
            let first = edge.get(path).send().await;
            assert_eq!(first.cache(), Some(CacheResult::Miss), "{path}");
            let tags = first.header("cache-tag").to_owned();
            let kept = edge.get(path).send().await;
            assert_eq!(kept.cache(), Some(CacheResult::Hit), "{path}");
            edge.purge([tags]);
            let after = edge.get(path).send().await;
            assert_eq!(after.cache(), Some(CacheResult::Miss), "{path}");
        }
    }

#% endif
    #[tokio::test]
    async fn a_message_is_taken_from_this_sites_own_form_only() {
        let site = site();
        let message = [("name", "Ada"), ("text", "Hello")];
        let taken = site.post("/contact").form(&message).send().await;
        assert_eq!(taken.status(), StatusCode::SEE_OTHER);
        assert_eq!(taken.header("location"), "/thanks");
        let half = site.post("/contact").form(&message[..1]).send().await;
        assert_eq!(half.status(), StatusCode::BAD_REQUEST);
        assert!(half.text().contains("text: it is missing"));
        let other = site.post("/contact").header("sec-fetch-site", "cross-site");
        assert_eq!(other.send().await.status(), StatusCode::FORBIDDEN);
    }
}
