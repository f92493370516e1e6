//! URLs by the names of routes: right for their place and under a prefix, part of page tags, and checked before they are shown.

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use chalice_http_toolkit::{
    Answer, App, CloudFront, ContentManager, Embedded, ErrorKind, Route, events::ScriptRoot, testing::TestSite,
};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};

const INDEX: Route = Route::new("index", "/");
const POST: Route = Route::new("post", "/posts/{slug}");
const FILE: Route = Route::new("file", "/files/{*path}");

fn content(templates: &'static [(&'static str, &'static [u8])]) -> ContentManager {
    let content = ContentManager::new(Embedded::new(templates), Embedded::new(&[])).expect("content");
    content
        .with_routes([INDEX, POST, FILE])
        .expect("routes")
        .with_public_origin("https://blog.example")
        .expect("an origin")
}

/// What a page shows, or why it fails.
fn shown(content: &ContentManager, arguments: Value, root: &str) -> Result<String, String> {
    let mut request = http::Request::new(());
    request.extensions_mut().insert(ScriptRoot::new(root));
    let page = content.render_template("a.html", arguments).expect("a page");
    let answer = CloudFront::new().respond(&request, page).now_or_never().expect("nothing to wait for");
    let body = answer.map_err(|error| format!("{error:?}"))?.into_body();
    let bytes = body.collect().now_or_never().expect("it is there").map_err(|error| format!("{error:?}"))?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

macro_rules! page {
    ($source:literal) => {
        content(const { &[("a.html", $source.as_bytes())] })
    };
}

#[test]
fn a_url_has_its_values_encoded_and_the_mount_prefix() {
    let page = page!(
        "{{ url_for('index') }} {{ url_for('post', slug=slug) }} {{ url_for('file', path='a/b c') }} \
         {{ url_for('index', page=2, q=none, tag=slug) }} {{ absolute_url(url_for('post', slug=7)) }}"
    );
    for (root, expected) in [
        (
            "",
            "/ /posts/%C3%A9%2F%26%27%3C /files/a/b%20c &#x2f;?page=2&amp;tag=%C3%A9%2F%26%27%3C https://blog.example/posts/7",
        ),
        (
            "/dev",
            "/dev/ /dev/posts/%C3%A9%2F%26%27%3C /dev/files/a/b%20c &#x2f;dev&#x2f;?page=2&amp;tag=%C3%A9%2F%26%27%3C \
             https://blog.example/dev/posts/7",
        ),
    ] {
        assert_eq!(shown(&page, json!({ "slug": "é/&'<" }), root).as_deref(), Ok(expected), "{root}");
    }
}

#[test]
fn what_is_wrong_is_an_error_with_the_template_and_the_line() {
    for (page, problem) in [
        (page!("\n{{ url_for(name, slug='x') }}"), "there is no route `x`: there are `index`, `post`, `file`"),
        (page!("\n{{ url_for('post') }}"), "the route `post` needs `slug`"),
        (page!("\n{{ url_for('post', slug=none) }}"), "the route `post` needs `slug`"),
        (page!("\n{{ url_for('post', slug='..') }}"), "the route `post` can't have `..` as its `slug`"),
        (page!("\n{{ url_for('post', slug=[1]) }}"), "`slug` is a sequence, and a URL has texts and numbers"),
    ] {
        let error = shown(&page, json!({ "name": "x" }), "").expect_err(problem);
        assert!(error.contains(problem) && error.contains("template a.html, line 2"), "{error}");
    }
}

#[test]
fn check_finds_a_wrong_name_and_a_missing_value() {
    let page = page!(
        "{{ url_for('pots', slug=1) }}\n{{ url_for('post', slg=1) }}\n{{ url_for('post', **more) }}{{ url_for(any) }}\n\
         {{ url_for('index' if x else 'idx') }}\n{{ url_for('post', slug=x) }}{{ url_for('index', page=2) }}"
    );
    let problems: Vec<String> = page.check().iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "a.html:1: url_for(): there is no route `pots`: there are `index`, `post`, `file`",
            "a.html:2: url_for(): the route `post` needs `slug`",
            "a.html:4: url_for(): there is no route `idx`: there are `index`, `post`, `file`",
        ]
    );
}

/// Of Flask, where a name that begins with `_` is no value of the URL.
#[test]
fn what_flask_writes_in_another_way_is_an_error_that_says_how() {
    for (page, problem) in [
        (page!("{{ url_for('index', _external=true) }}"), "`absolute_url(url_for(…))`"),
        (page!("{{ url_for('index', _scheme='https') }}"), "`absolute_url(url_for(…))`"),
        (page!("{{ url_for('index', _anchor='top') }}"), "`{{ url_for(…) }}#top`"),
        (page!("{{ url_for('index', _method='POST') }}"), "`_method`"),
        (page!("{{ url_for('static', filename='a.css') }}"), "`static('a.css')`"),
    ] {
        let error = shown(&page, json!({}), "").expect_err(problem);
        assert!(error.contains(problem), "{error}");
        let found = page.check();
        assert!(found.len() == 1 && found[0].problem().contains(problem), "{found:?}");
    }
    // A parameter of the path may be called so.
    const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"{{ url_for('key', _key=7) }}")]);
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content");
    let content = content.with_routes([Route::new("key", "/keys/{_key}")]).expect("routes");
    assert_eq!((content.check(), shown(&content, json!({}), "")), (Vec::new(), Ok("/keys/7".to_owned())));
}

#[test]
fn check_says_that_url_for_needs_routes() {
    const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"\n{{ url_for('post', slug=1) }}")]);
    let content = ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content");
    let found = content.check();
    assert!(found.len() == 1 && found[0].line() == Some(2), "{found:?}");
    assert!(found[0].problem().contains("ContentManager::with_routes"), "{found:?}");
    let own = content.with_environment(|engine| engine.add_function("url_for", |name: String| name));
    assert_eq!(own.check(), []);
}

#[test]
fn routes_count_in_the_tags_of_pages_that_name_them() {
    const TEMPLATES: Embedded =
        Embedded::new(&[("a.html", b"{{ url_for('post', slug=post.slug) }}"), ("b.html", b"-")]);
    let content = || ContentManager::new(TEMPLATES, Embedded::new(&[])).expect("content");
    let before = content().with_routes([POST]).expect("routes");
    let after = content().with_routes([Route::new("post", "/p/{slug}")]).expect("routes");
    let explained = |content: &ContentManager, name, slug| {
        content.explain(name, &json!({ "post": { "slug": slug, "text": slug } })).expect("a page")
    };
    assert_eq!(explained(&before, "a.html", 1).changes(&explained(&after, "a.html", 1)), ["the routes"]);
    assert_eq!(explained(&before, "b.html", 1).changes(&explained(&after, "b.html", 1)), [""; 0]);
    assert_eq!(explained(&before, "a.html", 1).changes(&explained(&before, "a.html", 2)), ["args.post.slug"]);
}

#[test]
fn routes_that_cannot_be_are_refused() {
    for routes in [&[Route::new("a", "a")][..], &[POST, POST], &[Route::new("a", "/{")]] {
        let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[])).expect("content");
        let error = content.with_routes(routes.iter().copied()).expect_err("they can't be");
        assert_eq!(error.kind(), ErrorKind::Configuration, "{routes:?}");
    }
}

#[tokio::test]
async fn the_router_and_the_links_agree_and_crawl_finds_what_is_wrong() {
    async fn index(State(content): State<ContentManager>) -> Answer {
        Ok(content.render_template("index.html", json!({ "slugs": ["a b", "é 100%", "wrong"] }))?)
    }
    async fn post(State(content): State<ContentManager>, Path(slug): Path<String>) -> Answer {
        Ok(content.render_template("post.html", json!({ "slug": slug }))?)
    }
    let content = content(&[
        (
            "index.html",
            b"{% for slug in slugs %}<a href=\"{{ url_for('post', slug=slug) }}\">{{ slug }}</a>{% endfor %}",
        ),
        ("post.html", b"{{ slug }}{% if slug == 'wrong' %}{{ url_for(slug) }}{% endif %}"),
    ]);
    let router =
        Router::new().route(INDEX.path(), get(index)).route(POST.path(), get(post)).with_state(content.clone());
    let site = TestSite::of(App::new(router).with_content(&content).with_cloudfront(CloudFront::new()));
    let slug = "é 100%";
    assert_eq!(site.get(&POST.url([("slug", slug)]).expect("a URL")).send().await.text(), "é 100%");
    let found: Vec<String> = site.crawl("/").await.iter().map(ToString::to_string).collect();
    assert!(found.len() == 1 && found[0].contains("/posts/wrong") && found[0].contains("500"), "{found:?}");
}
