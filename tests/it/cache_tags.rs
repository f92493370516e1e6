//! Cache tags: which answers have which, through every front door, and what takes them off.

use std::sync::Arc;

use chalice_http_toolkit::{App, CacheControl, CloudFront, ContentManager, EntityTag, ErrorKind, Representation};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::Request;
use minijinja::{State, Value, value::Object};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{Answer, FRONTS, Folders, app_with, ask, folders, get};

fn site() -> (Folders, ContentManager) {
    let folders = folders(&[
        ("templates/index.html", "{% extends 'base.html' %}{% block body %}{{ name }}{% endblock %}"),
        ("templates/base.html", "<link href={{ static('a.css') }}>{% block body %}{% endblock %}"),
        ("templates/other.html", "other {{ name }}"),
        ("templates/any.html", "{{ name|map(name)|list }}"),
        ("templates/404.html", "nothing"),
        ("static/a.css", "a{}"),
        ("static/b.css", "b{}"),
    ]);
    let content = folders.content().with_reload(true).with_build_id("1");
    (folders, content)
}

fn until_purged(representation: Representation) -> Representation {
    representation.with_cache_control(CacheControl::until_purged())
}

fn tagged_app(content: &ContentManager) -> App {
    let content = content.clone();
    app_with(CloudFront::new().with_cache_tags("cache-tag"), move |request| answer(&content, request))
}

fn answer(content: &ContentManager, request: &Request) -> Representation {
    let page = |name| content.render_template(name, json!({ "name": "N" })).expect("a template");
    let personal = |page: Representation| page.with_data_tags(["post:7"]);
    match request.uri().path() {
        "/page" => until_purged(page("index.html")).with_data_tags(["post:7", "Posts", "post:7"]),
        "/other" => page("other.html").with_data_tags(["a,b"]),
        "/block" => content.render_block("index.html", "body", json!({ "name": "N" })).expect("a block"),
        "/json" => until_purged(content.json(&json!({ "a": 1 })).expect("JSON")).with_data_tags(["post:7"]),
        "/feed" => content.xml("<rss/>").with_data_tags(["posts"]),
        "/redirect" => until_purged(content.redirect("/page")).with_data_tags(["moved"]),
        "/asset" => content.asset(b"0123456789".as_slice()).with_data_tags(["blob"]),
        "/missing" => content.not_found().with_data_tags(["post:9"]),
        "/personal" => personal(until_purged(page("index.html"))).with_personal(),
        "/private" => personal(page("index.html")).with_cache_control(CacheControl::new().with_private()),
        "/no-store" => personal(page("index.html")).with_cache_control(CacheControl::no_store()),
        "/cookie" => {
            personal(until_purged(page("index.html"))).with_header(header::SET_COOKIE, HeaderValue::from_static("a=1"))
        }
        "/error" => personal(until_purged(page("index.html"))).with_status(StatusCode::BAD_GATEWAY),
        "/many" => page("other.html").with_data_tags((0..50).map(|n| format!("t{n}"))),
        "/most" => page("other.html").with_data_tags((0..49).map(|n| format!("t{n}"))),
        "/own" => {
            page("other.html").with_header(TAG, HeaderValue::from_static("mine , post:7")).with_data_tags(["post:7"])
        }
        "/own-bytes" => {
            let own = HeaderValue::from_bytes("mine, \u{fc},,MINE".as_bytes()).expect("a value");
            page("other.html").with_header(TAG, own).with_data_tags(["\u{fc}"])
        }
        _ => content.static_file_at(request.uri()),
    }
}

const TAG: HeaderName = HeaderName::from_static("cache-tag");

/// The tags of an answer without that of its closure, and that one.
fn tags(answer: &Answer) -> (String, String) {
    let (closure, data) = answer.header("cache-tag").split_once(',').unwrap_or((answer.header("cache-tag"), ""));
    (data.to_owned(), closure.to_owned())
}

#[tokio::test]
async fn each_answer_that_a_shared_cache_may_store_has_tags_through_every_front_door() {
    let (_folders, content) = site();
    let app = tagged_app(&content);
    for front in FRONTS {
        for (path, status, data) in [
            ("/page", 200, "post:7,posts"),
            ("/block", 200, ""),
            ("/json", 200, "post:7"),
            ("/feed", 200, "posts"),
            ("/redirect", 302, "moved"),
            ("/asset", 200, "blob"),
            ("/missing", 404, "post:9"),
            ("/static/a.css", 200, ""),
            ("/static/none.css", 404, ""),
        ] {
            let first = get(&app, path).through(front).send().await;
            let (found, closure) = tags(&first);
            assert_eq!((first.status.as_u16(), found.as_str()), (status, data), "{path} {front:?}");
            assert!(closure.starts_with("closure:"), "{path} {front:?}: {closure}");
            let head = ask(&app, "HEAD", path).through(front).send().await;
            assert_eq!(head.header("cache-tag"), first.header("cache-tag"), "HEAD {path} {front:?}");
            if !first.header("etag").is_empty() {
                let again = get(&app, path).through(front).header("if-none-match", first.header("etag")).send().await;
                assert_eq!(
                    (again.status.as_u16(), again.header("cache-tag")),
                    (304, first.header("cache-tag")),
                    "{path} {front:?}"
                );
            }
        }
        let part = get(&app, "/asset").through(front).header("range", "bytes=0-3").send().await;
        assert_eq!((part.status.as_u16(), part.header("cache-tag")), (206, "closure:code,blob"));
        for (method, path, status) in [
            ("GET", "/personal", 200),
            ("GET", "/private", 200),
            ("GET", "/no-store", 200),
            ("GET", "/cookie", 200),
            ("GET", "/error", 502),
            ("POST", "/page", 200),
            ("OPTIONS", "/asset", 204),
            ("PUT", "/asset", 405),
        ] {
            let answer = ask(&app, method, path).through(front).send().await;
            assert_eq!((answer.status.as_u16(), answer.header("cache-tag")), (status, ""), "{method} {path} {front:?}");
        }
    }
    let untagged = app_with(CloudFront::new(), move |request| answer(&content, request));
    assert_eq!(get(&untagged, "/page").send().await.header("cache-tag"), "");
}

#[tokio::test]
async fn a_tag_that_is_not_valid_is_a_digest_and_a_field_of_the_sites_own_stays() {
    let (_folders, content) = site();
    let app = tagged_app(&content);
    let other = get(&app, "/other").send().await;
    let (data, _) = tags(&other);
    assert!(data.len() == 32 && data.bytes().all(|byte| byte.is_ascii_hexdigit()), "{data}");
    assert_eq!(tags(&get(&app, "/own").send().await).0, "mine,post:7");
    let bytes = tags(&get(&app, "/own-bytes").send().await).0;
    let (digest, mine) = bytes.split_once(',').expect("two tags");
    assert_eq!((digest.len(), mine), (32, "mine"), "{bytes}");
}

/// Comments and blocks that are replaced leave a page as it is. A macro that nobody calls may not: the engine keeps values for it.
#[tokio::test]
async fn comments_and_replaced_blocks_are_in_no_tag_of_a_page() {
    let macros =
        "{% macro card(p) %}<b>{{ p }}</b>{% endmacro %}{% macro idle() %}{{ static('idle.svg') }}{% endmacro %}";
    let folders = folders(&[
        (
            "templates/index.html",
            "{% extends 'base.html' %}{% from 'macros.html' import card %}{% block body %}{{ card(name) }}{# a #}{% endblock %}",
        ),
        ("templates/super.html", "{% extends 'base.html' %}{% block body %}{{ super() }}{% endblock %}"),
        ("templates/own.html", "{% from 'macros.html' import card %}{{ card(name)|own }}"),
        ("templates/told.html", "{% from 'macros.html' import card %}{{ card(name)|told }}"),
        ("templates/base.html", "<p>{% block body %}{{ base }} old{% endblock %}"),
        ("templates/macros.html", macros),
        ("static/idle.svg", "<svg/>"),
    ]);
    let content = folders.content().with_reload(true).with_build_id("1").with_environment(|engine| {
        engine.add_filter("own", |text: minijinja::Value| text);
        engine.add_filter("told", |text: minijinja::Value| text);
    });
    let content = content.with_lookups("told", &[]);
    let all = async || {
        let mut found = Vec::new();
        for name in ["index.html", "super.html", "own.html", "told.html"] {
            let page = content.render_template(name, json!({ "name": "N" })).expect("a template");
            let response = CloudFront::new().with_cache_tags("cache-tag").respond(&http::Request::new(()), page).await;
            let response = response.expect("a page");
            found.push(["cache-tag", "etag"].map(|name| response.headers()[name].clone()));
        }
        found
    };
    let mut before = all().await;
    for (name, text, expected) in [
        ("macros.html", macros.replace("{{ static", "idle {{ static"), &[0, 2, 3][..]),
        ("macros.html", macros.replace("idle.svg", "other.svg"), &[0, 2, 3]),
        ("macros.html", macros.replace("<b>", "<i>"), &[0, 2, 3]),
        ("macros.html", macros.replace("{{ static", "{{ name }}{{ static"), &[0, 2, 3]),
        ("base.html", "<p>{% block body %}{{ base }} new{% endblock %}".into(), &[1]),
        ("base.html", "<p>{% block body %}{{ base }} new{% endblock %}{# b #}".into(), &[0, 1]),
        ("base.html", "<p>{% block body %}{{ base }} new{% endblock %}{# {{ b }} c #}".into(), &[]),
        ("base.html", "<p>{% block body %}{{ base }} new{% endblock %}{#- c #}".into(), &[0, 1]),
        ("base.html", "<p>{% block body %}{{ base }} {#- c #}new{% endblock %}{#- c #}".into(), &[1]),
        ("base.html", "<p>{% block body %}{{ base }} {#- d #}new{% endblock %}{#- d #}".into(), &[]),
    ] {
        folders.write(&format!("templates/{name}"), text.as_bytes());
        let after = all().await;
        let changed: Vec<usize> = (0..4).filter(|at| before[*at][0] != after[*at][0]).collect();
        assert_eq!(changed, expected, "{name}: {text}");
        let other_pages: Vec<usize> = (0..4).filter(|at| before[*at][1] != after[*at][1]).collect();
        assert_eq!(other_pages, changed, "{name}: the ETag of {text}");
        before = after;
    }
    folders.write("static/idle.svg", b"<svg></svg>");
    let changed: Vec<bool> = all().await.iter().zip(&before).map(|(after, before)| after[0] != before[0]).collect();
    assert_eq!(changed, [true, false, true, true]);
}

#[tokio::test]
async fn more_tags_than_cloudfront_keeps_are_an_error_that_names_them() {
    let (_folders, content) = site();
    let app = tagged_app(&content);
    assert_eq!(get(&app, "/many").send().await.status, 500);
    let most = get(&app, "/most").send().await;
    assert_eq!((most.status.as_u16(), most.header("cache-tag").split(',').count()), (200, 50));
    let page = |page: Representation| page.with_data_tags((0..50).map(|n| format!("t{n}")));
    let cloudfront = CloudFront::new().with_cache_tags("cache-tag");
    let asked = http::Request::new(());
    let error = cloudfront.respond(&asked, page(content.html("x"))).await.expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::CacheTags);
    assert!(error.to_string().contains("`t0`") && error.to_string().contains("`t49`"), "{error}");
    let personal = cloudfront.respond(&asked, page(content.html("x")).with_personal()).await.expect("none are sent");
    assert_eq!(personal.status(), 200);
}

#[tokio::test]
async fn a_field_that_can_not_have_tags_is_told() {
    for (name, is_field) in [
        ("cache-tag", true),
        ("Cache-Tag", true),
        ("x-amz-meta-cache-tag", true),
        ("edge-cache-tags", true),
        ("cache-control", false),
        ("cdn-cache-control", false),
        ("etag", false),
        ("x y", false),
        ("", false),
    ] {
        let answered = CloudFront::new()
            .with_cache_tags(name)
            .respond(&http::Request::new(()), Representation::new("text/plain", "x"))
            .await;
        match answered {
            Ok(response) => assert!(is_field && response.headers().contains_key(name), "{name}"),
            Err(error) => assert_eq!((is_field, error.kind()), (false, ErrorKind::Configuration), "{name}"),
        }
    }
}

/// Whatever a layer outside says is known when the reply is written.
#[tokio::test]
async fn a_layer_outside_that_makes_an_answer_private_takes_the_tags_off() {
    for (name, value) in [
        ("cache-control", "private"),
        ("cache-control", "no-store"),
        ("set-cookie", "a=1"),
        ("cache-control", "max-age=5"),
    ] {
        let page = || Representation::new("text/plain", "x").with_data_tags(["post:7"]);
        let inner = service_fn(move |_: Request| {
            let response = http::Response::<String>::from(until_purged(page()));
            async { Ok::<_, std::convert::Infallible>(response) }
        });
        let inner = CloudFront::new().with_cache_tags("cache-tag").layer(inner);
        let outer = service_fn(move |request: Request| {
            let answer = inner.clone().oneshot(request);
            async move {
                let mut response = answer.await?;
                response.headers_mut().insert(name, HeaderValue::from_static(value));
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let answer = get(&App::new(outer), "/").send().await;
        let expected = if value == "max-age=5" { "closure:code,post:7" } else { "" };
        assert_eq!((answer.status.as_u16(), answer.header("cache-tag")), (200, expected), "{name}: {value}");
    }
}

#[tokio::test]
async fn the_tag_of_a_closure_changes_with_what_the_page_is_made_from_and_with_nothing_else() {
    let (folders, content) = site();
    let of = async |content: &ContentManager, path: &str| tags(&get(&tagged_app(content), path).send().await).1;
    let all = async |content: &ContentManager| {
        let mut closures = Vec::new();
        for path in ["/page", "/block", "/other", "/static/a.css", "/static/b.css", "/json"] {
            closures.push(of(content, path).await);
        }
        closures
    };
    let changed = |before: &[String], after: &[String]| {
        (0..before.len()).filter(|at| before[*at] != after[*at]).collect::<Vec<_>>()
    };
    let mut before = all(&content).await;
    assert_eq!(before[0], before[1], "a block has the tag of its page");
    for (name, text, expected) in [
        ("templates/other.html", "another {{ name }}", &[2][..]),
        ("templates/base.html", "<p>{{ static('a.css') }}{% block body %}{% endblock %}", &[0, 1]),
        ("static/a.css", "a{b}", &[0, 1, 3]),
        ("static/b.css", "b{c}", &[4]),
        ("static/b.css.gz", "no gzip", &[4]),
        ("templates/none.html", "nobody's", &[]),
    ] {
        folders.write(name, text.as_bytes());
        let after = all(&content).await;
        assert_eq!(changed(&before, &after), expected, "{name}");
        before = after;
    }
    let after = all(&content.clone().with_build_id("2")).await;
    assert_eq!(changed(&before, &after), [0, 1, 2], "the build");
    let arguments = |name: &str| content.render_template("index.html", json!({ "name": name })).expect("a template");
    let mut closures = Vec::new();
    for name in ["one", "two"] {
        let response = CloudFront::new().with_cache_tags("cache-tag").respond(&http::Request::new(()), arguments(name));
        closures.push(response.await.expect("a page").headers()["cache-tag"].clone());
    }
    assert_eq!(closures[0], closures[1], "arguments");
}

/// A page of which not all is known depends on everything.
#[tokio::test]
async fn a_page_that_may_be_made_from_anything_has_the_tag_of_the_whole() {
    let (folders, content) = site();
    let of = async || {
        let page = content.render_template("any.html", json!({ "name": "upper" })).expect("a template");
        let response = CloudFront::new().with_cache_tags("cache-tag").respond(&http::Request::new(()), page).await;
        response.expect("a page").headers()["cache-tag"].clone()
    };
    let mut before = of().await;
    for (name, text) in [("templates/other.html", "x"), ("static/b.css", "y"), ("static/new.css", "z")] {
        folders.write(name, text.as_bytes());
        let after = of().await;
        assert_ne!(before, after, "{name}");
        before = after;
    }
}

/// Nobody says whether a 304 renews the tags of a copy.
#[tokio::test]
async fn a_copy_with_other_tags_is_never_called_good() {
    let page = |tag: &'static str| {
        let page = Representation::new("text/plain", "the same").with_entity_tag(EntityTag::strong("v1"));
        page.with_data_tags([tag])
    };
    let cloudfront = CloudFront::new().with_cache_tags("cache-tag");
    let first = cloudfront.respond(&http::Request::new(()), page("a")).await.expect("a page");
    let again = http::Request::get("/").header("if-none-match", &first.headers()["etag"]).body(()).expect("a request");
    for (tag, status) in [("a", 304), ("A", 304), ("b", 200)] {
        assert_eq!(cloudfront.respond(&again, page(tag)).await.expect("an answer").status(), status, "{tag}");
    }
    let plain = CloudFront::new().respond(&http::Request::new(()), page("a")).await.expect("a page");
    assert_eq!(plain.headers()["etag"], "\"v1\"", "without tags it is what the site says");
}

#[tokio::test]
async fn in_development_a_tag_with_data_is_known_again() {
    let (_folders, content) = site();
    let page = |name: &str| {
        let page = content.render_template("other.html", json!({ "name": name })).expect("a template");
        page.with_data_tags(["post:7"])
    };
    let cloudfront = CloudFront::new().with_cache_tags("cache-tag");
    let first = cloudfront.respond(&http::Request::new(()), page("one")).await.expect("a page");
    let again = http::Request::get("/").header("if-none-match", &first.headers()["etag"]).body(()).expect("a request");
    let changed = cloudfront.respond(&again, page("two")).await.expect("a page");
    assert_eq!(changed.headers()["x-etag-reason"], "changed: args.name");
    let same = cloudfront.respond(&again, page("one")).await.expect("an answer");
    assert_eq!((same.status().as_u16(), same.headers().get("x-etag-reason")), (304, None));
}

#[cfg(feature = "images")]
#[tokio::test]
async fn an_image_has_the_tag_of_its_file_and_of_how_its_variants_are_made() {
    use chalice_http_toolkit::Images;
    let folders = folders(&[("static/a.css", "a{}")]);
    let png = include_bytes!("../fixtures/images/1x1.png");
    folders.write("static/a.png", png);
    let content = folders.content();
    let of = async |content: &ContentManager, path: &str| tags(&get(&tagged_app(content), path).send().await).1;
    let (fine, coarse) =
        (content.clone().with_images(Images::new()), content.clone().with_images(Images::new().with_quality(60)));
    for path in ["/static/a.png", "/static/a.png?w=16"] {
        assert_ne!(of(&fine, path).await, of(&coarse, path).await, "{path}");
    }
    assert_eq!(of(&fine, "/static/a.png").await, of(&fine, "/static/a.png?w=16").await);
    assert_eq!(of(&fine, "/static/a.css").await, of(&coarse, "/static/a.css").await);
}

/// What is called or asked for an entry may be an object of the site's own, which has the engine at hand.
#[tokio::test]
async fn a_page_with_an_object_among_its_arguments_goes_when_a_template_that_the_object_renders_has_changed() {
    #[derive(Debug)]
    struct Renders;

    impl Object for Renders {
        fn call(self: &Arc<Self>, state: &mut State<'_, '_>, _: &[Value]) -> Result<Value, minijinja::Error> {
            state.get_template("other.html")?.render(()).map(Value::from_safe_string)
        }
    }

    let mut answers = Vec::new();
    for other in ["one", "two"] {
        let folders = folders(&[("templates/index.html", "{{ part() }}"), ("templates/other.html", other)]);
        let content = folders.content().with_build_id("1");
        let app = app_with(CloudFront::new().with_cache_tags("cache-tag"), move |_| {
            let page =
                content.render_template("index.html", minijinja::context! { part => Value::from_object(Renders) });
            until_purged(page.expect("a template"))
        });
        answers.push(get(&app, "/").send().await);
    }
    assert_eq!((answers[0].text(), answers[1].text()), ("one", "two"));
    assert_ne!(answers[0].header("etag"), answers[1].header("etag"));
    assert_ne!(tags(&answers[0]).1, tags(&answers[1]).1, "the tag of its closure stays");
}
