//! Arguments that every page may have: read for the pages that name them, counted in their tags, and of their request alone.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use chalice_http_toolkit::{
    Answer, App, CloudFront, ContentManager, Embedded, Error,
    cookies::{CookieJar, Cookies, SetCookie},
    testing::{TestAnswer, TestSite},
};
use serde::Serialize;
use serde_json::json;

const TEMPLATES: Embedded = Embedded::new(&[
    ("base.html", b"{% block menu %}<i>{{ user or 'guest' }}</i>{% endblock %}{% block main %}{% endblock %}"),
    ("mine.html", b"{% extends 'base.html' %}{% block main %}{{ title }}{% endblock %}"),
    ("about.html", b"<h1>{{ title }}</h1>"),
    ("flashes.html", b"{% for flash in flashes %}{{ flash.text }};{% endfor %}"),
    ("path.html", b"{{ path }}"),
    ("404.html", b"404 for {{ user or 'guest' }}"),
]);

fn content() -> ContentManager {
    ContentManager::new(TEMPLATES, Embedded::new(&[]))
        .expect("content")
        .with_context("user", |request| Ok::<_, Error>(CookieJar::of(request)?.get("user")))
        .with_context("flashes", |request| Ok::<_, Error>(CookieJar::of(request)?.take_flashes()))
        .with_context("path", |request| Ok::<_, Error>(request.uri().path().to_owned()))
}

async fn page(State(content): State<ContentManager>, Path(name): Path<String>) -> Answer {
    Ok(content.render_template(&format!("{name}.html"), json!({ "title": "T" }))?)
}

async fn given(State(content): State<ContentManager>) -> Answer {
    Ok(content.render_template("mine.html", minijinja::context! { title => "T", user => "given" })?)
}

async fn none(State(content): State<ContentManager>) -> Answer {
    Ok(content.render_template("mine.html", ())?)
}

async fn block(State(content): State<ContentManager>, Path(name): Path<String>) -> Answer {
    Ok(content.render_block("mine.html", &name, json!({ "title": "T" }))?)
}

async fn by_key(State(content): State<ContentManager>, Path(name): Path<String>) -> Answer {
    #[derive(Serialize)]
    struct Post {
        title: &'static str,
    }
    let load = async || Ok::<_, Error>(Post { title: "loaded" });
    Ok(content.render_template_with(&format!("{name}.html"), 7, load)?)
}

async fn sign_in(State(content): State<ContentManager>, Path(name): Path<String>, jar: CookieJar) -> Answer {
    jar.set(SetCookie::new("user", name))?;
    jar.flash("success", "Welcome")?;
    Ok(content.see_other("/page/mine"))
}

async fn in_a_task(State(content): State<ContentManager>) -> Answer {
    Ok(tokio::spawn(async move { content.render_template("mine.html", ()) }).await??)
}

fn site() -> TestSite {
    let content = content();
    let router = Router::new()
        .route("/page/{name}", get(page))
        .route("/block/{name}", get(block))
        .route("/by-key/{name}", get(by_key))
        .route("/given", get(given))
        .route("/none", get(none))
        .route("/task", get(in_a_task))
        .route("/sign-in/{name}", get(sign_in).post(sign_in))
        .with_state(content.clone());
    let cookies = Cookies::new([7; 32]).expect("cookies");
    let app = App::new(router).with_content(&content).with_cookies(cookies).with_cloudfront(CloudFront::new());
    TestSite::of(app)
}

/// The answer to Maya, who has signed in.
async fn mayas(site: &TestSite, path: &str) -> TestAnswer {
    let signed_in = site.post("/sign-in/Maya").send().await;
    site.get(path).cookies_of(&signed_in).send().await
}

#[tokio::test]
async fn pages_that_do_not_name_it_stay_shareable_and_keep_their_tag() {
    let site = site();
    for path in ["/page/about", "/block/main", "/by-key/about"] {
        let (guests, mayas) = (site.get(path).send().await, mayas(&site, path).await);
        assert_eq!(mayas.header("etag"), guests.header("etag"), "{path}");
        assert_eq!((mayas.header("vary"), mayas.header("cache-control")), ("", "no-cache"), "{path}");
        // A message waits for a page that shows it.
        assert_eq!(mayas.header("set-cookie"), "", "{path}");
    }
    let flashes = mayas(&site, "/page/flashes").await;
    assert_eq!(flashes.text(), "Welcome;");
    assert!(flashes.header("set-cookie").contains("Max-Age=0"), "{flashes:?}");
}

#[tokio::test]
async fn pages_that_name_it_are_the_visitors_own_and_it_counts_in_their_tags() {
    let site = site();
    for (path, guests_text, mayas_text) in [
        ("/page/mine", "<i>guest</i>T", "<i>Maya</i>T"),
        ("/none", "<i>guest</i>", "<i>Maya</i>"),
        ("/block/menu", "<i>guest</i>", "<i>Maya</i>"),
        ("/by-key/mine", "<i>guest</i>loaded", "<i>Maya</i>loaded"),
        ("/static/none.css", "404 for guest", "404 for Maya"),
        ("/no-route", "404 for guest", "404 for Maya"),
    ] {
        let (guest, maya) = (site.get(path).send().await, mayas(&site, path).await);
        assert_eq!((guest.text(), maya.text()), (guests_text, mayas_text), "{path}");
        assert!(guest.header("vary").contains("cookie") && maya.header("vary").contains("cookie"), "{path}");
        if maya.status() == 200 {
            assert_eq!(maya.header("cache-control"), "private, no-cache", "{path}");
            assert_ne!(maya.header("etag"), guest.header("etag"), "{path}");
            let signed_in = site.post("/sign-in/Maya").send().await;
            let again = site.get(path).cookies_of(&signed_in).header("if-none-match", maya.header("etag")).send().await;
            assert_eq!(again.status(), 304, "{path}");
        }
    }
}

#[tokio::test]
async fn what_the_handler_gives_takes_its_place() {
    let given = mayas(&site(), "/given").await;
    assert_eq!((given.text(), given.header("vary")), ("<i>given</i>T", ""));
}

#[tokio::test]
async fn it_is_undefined_outside_of_a_request() {
    assert_eq!(mayas(&site(), "/task").await.text(), "<i>guest</i>");
}

#[tokio::test]
async fn requests_that_share_a_thread_have_each_their_own() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let content =
        ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content").with_context("path", move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Error>(request.uri().path().to_owned())
        });
    let handler = async |State(content): State<ContentManager>| -> Answer {
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        Ok(content.render_template("path.html", ())?)
    };
    let router = Router::new().route("/{name}", get(handler)).with_state(content.clone());
    let app = App::new(router).with_content(&content).with_cloudfront(CloudFront::new());
    let visits = (0..20).map(|at| {
        let site = TestSite::of(app.clone());
        async move { (at, site.get(&format!("/{at}")).send().await.text().to_owned()) }
    });
    for (at, text) in futures_util::future::join_all(visits).await {
        assert_eq!(text, format!("&#x2f;{at}"));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 20);
}

#[tokio::test]
async fn an_error_of_its_function_is_one_of_the_page() {
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))
        .expect("content")
        .with_context("path", |_| Err::<(), _>("the menu is not there"));
    let router = Router::new().route("/page/{name}", get(page)).with_state(content.clone());
    let site = TestSite::of(App::new(router).with_content(&content).with_cloudfront(CloudFront::new()));
    assert_eq!(site.get("/page/path").send().await.status(), 500);
    assert_eq!(site.get("/page/about").send().await.status(), 200);
}
