//! An edge that keeps pages until they are purged: what goes with which tag, and what is found where a purge is forgotten.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chalice_http_toolkit::{
    CacheControl,
    CacheResult::{Hit, Miss, RefreshHit},
    CloudFront, ContentManager, LocalEdge, Representation, TestEdge, TestSite,
};
use http::{HeaderName, HeaderValue, header};
use lambda_http::Request;
use serde_json::json;
use tower::{Layer, service_fn};

use crate::support::{Folders, folders};

type Prices = Arc<Mutex<Vec<u32>>>;

/// A shop of products, `/0`, `/1` and so on, and the list of them, `/`.
fn shop(prices: &Prices, policy: &CacheControl) -> (Folders, TestSite) {
    let folders = folders(&[
        ("templates/product.html", "{{ price }}"),
        ("templates/list.html", "{% for price in prices %}{{ price }},{% endfor %}"),
    ]);
    let content = folders.content().with_reload(true);
    let (prices, policy) = (prices.clone(), policy.clone());
    let service = service_fn(move |request: Request| {
        let page = page(&content, &prices.lock().unwrap(), request.uri().path()).with_cache_control(policy.clone());
        async { Ok::<_, std::convert::Infallible>(http::Response::<String>::from(page)) }
    });
    (folders, TestSite::new(CloudFront::new().with_cache_tags("cache-tag").layer(service)))
}

fn page(content: &ContentManager, prices: &[u32], path: &str) -> Representation {
    match path[1..].parse::<usize>() {
        Ok(product) => {
            let page = content.render_template("product.html", json!({ "price": prices[product] }));
            page.expect("a template").with_data_tags([format!("product:{product}")])
        }
        Err(_) => {
            let page = content.render_template("list.html", json!({ "prices": prices })).expect("a template");
            page.with_data_tags(["products"])
        }
    }
}

#[tokio::test]
async fn a_purge_drops_the_copies_that_have_the_tag_and_no_other() {
    let prices = Prices::new(Mutex::new(vec![10, 20, 30]));
    let (_folders, site) = shop(&prices, &CacheControl::until_purged());
    let local = LocalEdge::new();
    let edge = TestEdge::new(site).with_local_edge(&local).with_verify();
    for path in ["/0", "/1", "/2", "/"] {
        assert_eq!(edge.get(path).send().await.cache(), Some(Miss), "{path}");
    }
    edge.advance(Duration::from_secs(300 * 24 * 60 * 60));
    for path in ["/0", "/1", "/2", "/"] {
        assert_eq!(edge.get(path).send().await.cache(), Some(Hit), "{path}");
    }
    assert_eq!(edge.hit_ratio(), 0.5);
    prices.lock().unwrap()[1] = 21;
    edge.purge(["Product:1", "products"]);
    for (path, cache, text) in [("/0", Hit, "10"), ("/1", Miss, "21"), ("/2", Hit, "30"), ("/", Miss, "10,21,30,")] {
        let answer = edge.get(path).send().await;
        assert_eq!((answer.cache(), answer.text()), (Some(cache), text), "{path}");
    }
    local.purge_paths(["/*"]);
    assert_eq!(edge.get("/0").send().await.cache(), Some(Miss));
    assert_eq!(local.purges(), [vec!["#product:1", "#products"], vec!["/*"]]);
}

#[tokio::test]
async fn a_closure_is_purged_by_the_tag_that_the_answer_had() {
    let prices = Prices::new(Mutex::new(vec![10]));
    let (folders, site) = shop(&prices, &CacheControl::until_purged());
    let edge = TestEdge::new(site).with_verify();
    let first = edge.get("/0").send().await;
    edge.get("/").send().await;
    let closure = first.header("cache-tag").split(',').next().unwrap().to_owned();
    folders.write("templates/product.html", b"now {{ price }}");
    edge.purge([closure]);
    let after = edge.get("/0").send().await;
    assert_eq!((after.cache(), after.text()), (Some(Miss), "now 10"));
    assert_eq!(edge.get("/").send().await.cache(), Some(Hit));
}

#[tokio::test]
#[should_panic(expected = "nothing has purged it by its tags `closure:")]
async fn a_forgotten_purge_is_found() {
    let prices = Prices::new(Mutex::new(vec![10]));
    let (_folders, site) = shop(&prices, &CacheControl::until_purged());
    let edge = TestEdge::new(site).with_verify();
    edge.get("/0").send().await;
    prices.lock().unwrap()[0] = 11;
    edge.get("/0").send().await;
}

#[tokio::test]
#[should_panic(expected = "args.prices[1]")]
async fn the_argument_that_was_not_purged_is_named() {
    let prices = Prices::new(Mutex::new(vec![10, 20]));
    let (_folders, site) = shop(&prices, &CacheControl::until_purged());
    let edge = TestEdge::new(site).with_verify();
    edge.get("/").send().await;
    prices.lock().unwrap()[1] = 21;
    edge.purge(["product:1"]); // and the list is forgotten
    edge.get("/").send().await;
}

/// A site that sends the tags by itself, with an ETag that does not know them.
fn by_hand(tag: &Arc<Mutex<&'static str>>) -> TestSite {
    let tag = tag.clone();
    TestSite::new(CloudFront::new().layer(service_fn(move |_: Request| {
        let field = HeaderValue::from_static(*tag.lock().unwrap());
        let page =
            Representation::new("text/plain", "the same").with_header(HeaderName::from_static("cache-tag"), field);
        let page = page.with_entity_tag(chalice_http_toolkit::EntityTag::strong("v1"));
        let page = page.with_header(header::CACHE_CONTROL, HeaderValue::from_static("max-age=30"));
        async { Ok::<_, std::convert::Infallible>(http::Response::<String>::from(page)) }
    })))
}

#[tokio::test]
async fn a_304_renews_the_tags_of_a_copy_or_does_not() {
    for (renewed, after) in [(true, Miss), (false, Hit)] {
        let tag = Arc::new(Mutex::new("a"));
        let edge = TestEdge::new(by_hand(&tag)).with_tags_renewed_by_304(renewed);
        edge.get("/").send().await;
        *tag.lock().unwrap() = "b";
        edge.advance(Duration::from_secs(31));
        assert_eq!(edge.get("/").send().await.cache(), Some(RefreshHit));
        edge.purge(["b"]);
        assert_eq!(edge.get("/").send().await.cache(), Some(after), "{renewed}");
    }
}

/// The same change of tags where this crate sends them.
#[tokio::test]
async fn a_site_is_right_whether_a_304_renews_tags_or_not() {
    for renewed in [true, false] {
        let tag = Arc::new(Mutex::new("a"));
        let named = tag.clone();
        let cloudfront = CloudFront::new().with_cache_tags("x-amz-meta-cache-tag");
        let site = TestSite::new(cloudfront.layer(service_fn(move |_: Request| {
            let page = Representation::new("text/plain", "the same").with_data_tags([*named.lock().unwrap()]);
            let page = page.with_entity_tag(chalice_http_toolkit::EntityTag::strong("v1"));
            let page = page.with_header(header::CACHE_CONTROL, HeaderValue::from_static("max-age=30"));
            async { Ok::<_, std::convert::Infallible>(http::Response::<String>::from(page)) }
        })));
        let edge = TestEdge::new(site).with_cache_tags("x-amz-meta-cache-tag").with_tags_renewed_by_304(renewed);
        edge.get("/").send().await;
        edge.advance(Duration::from_secs(31));
        assert_eq!(edge.get("/").send().await.cache(), Some(RefreshHit), "the same tags");
        *tag.lock().unwrap() = "b";
        edge.advance(Duration::from_secs(31));
        assert_eq!(edge.get("/").send().await.cache(), Some(Miss), "other tags");
        edge.purge(["b"]);
        assert_eq!(edge.get("/").send().await.cache(), Some(Miss));
    }
}

/// A site whose answers all show one number.
fn of_all_kinds(number: &Arc<Mutex<u32>>) -> (Folders, TestSite) {
    let folders = folders(&[
        ("templates/page.html", "{% extends 'base.html' %}{% block body %}{{ number }}{% endblock %}"),
        ("templates/base.html", "<p>{% block body %}{% endblock %}"),
    ]);
    let (content, number) = (folders.content().with_reload(true), number.clone());
    let service = service_fn(move |request: Request| {
        let number = *number.lock().unwrap();
        let arguments = json!({ "number": number });
        let answer = match request.uri().path() {
            "/page" => content.render_template("page.html", arguments).expect("a template"),
            "/block" => content.render_block("page.html", "body", arguments).expect("a block"),
            "/json" => content.json(&arguments).expect("JSON"),
            "/feed" => content.xml(format!("<rss>{number}</rss>")),
            "/redirect" => content.redirect(&format!("/{number}")),
            "/asset" => content.asset(format!("{number}").into_bytes()),
            "/image" => Representation::new("image/svg+xml", format!("<svg>{number}</svg>")),
            _ => content.html(format!("there is no {number}")).with_status(http::StatusCode::NOT_FOUND),
        };
        let answer =
            answer.with_data_tags(["shown", "Shown", "a,b", "\u{fc}"]).with_cache_control(CacheControl::until_purged());
        async { Ok::<_, std::convert::Infallible>(http::Response::<String>::from(answer)) }
    });
    (folders, TestSite::new(CloudFront::new().with_cache_tags("cache-tag").layer(service)))
}

#[tokio::test]
async fn a_forgotten_purge_is_found_whatever_the_answer_is() {
    for path in ["/page", "/block", "/json", "/feed", "/redirect", "/asset", "/image", "/missing"] {
        let number = Arc::new(Mutex::new(1));
        let (_folders, site) = of_all_kinds(&number);
        let edge = Arc::new(TestEdge::new(site).with_verify());
        assert_eq!(edge.get(path).send().await.cache(), Some(Miss), "{path}");
        assert_eq!(edge.get(path).send().await.cache(), Some(Hit), "{path}");
        *number.lock().unwrap() = 2;
        let asking = edge.clone();
        let found = tokio::spawn(async move { asking.get(path).send().await.status() }).await;
        let panic = found.expect_err("it is found").into_panic();
        let words = panic.downcast_ref::<String>().expect("words");
        assert!(words.starts_with(&format!("{path} is kept")) && words.contains(",shown`"), "{words}");
        assert_eq!(words.contains("args.number"), ["/page", "/block"].contains(&path), "{words}");
        for tag in ["SHOWN", "\u{fc}", "a,b"] {
            edge.purge([tag]);
            assert_eq!(edge.get(path).send().await.cache(), Some(Miss), "{path} by {tag}");
        }
    }
}
