//! What tests of a site are given: requests through every front door, and an edge that keeps, asks again and hides as
//! CloudFront does.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::FRONTS;
use chalice_http_toolkit::{App, CacheResult, CloudFront, EntityTag, Front, Representation, TestEdge, TestSite};
use http::{HeaderMap, Method, Response, StatusCode, header};
use lambda_http::Request;
use tower::{Layer, service_fn};

fn site(handler: impl Fn(&Request) -> Representation + Clone + Send + Sync + 'static) -> TestSite {
    TestSite::new(CloudFront::new().layer(service_fn(move |request: Request| {
        let response = Response::<String>::from(handler(&request));
        async { Ok::<_, std::convert::Infallible>(response) }
    })))
}

#[tokio::test]
async fn requests_go_the_real_way_through_every_front_door() {
    let echo = |request: &Request| {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        let text = format!("{} {} {:?} {body}", request.method(), request.uri(), request.headers().get("x-a"));
        Representation::new("text/plain", text)
    };
    for front in FRONTS {
        let answer = site(echo)
            .with_front(front)
            .post("/a%20b?q=1&q=%C3%BC")
            .header("x-a", "1")
            .form(&[("n", "ü")])
            .send()
            .await;
        assert_eq!(answer.status(), 200);
        let expected = "POST https://site.test/a%20b?q=1&q=%C3%BC Some(\"1\") n=%C3%BC";
        assert_eq!(answer.text(), expected, "{front:?}");
        assert_eq!(answer.cache(), None);
        let binary = site(|request| Representation::new("image/png", request.body().to_vec()));
        let bytes = b"\x89PNG\x00\xff".as_slice();
        let answer = binary.request(Method::PUT, "/").body("image/png", bytes).through(front).send().await;
        assert_eq!((&answer.bytes()[..], answer.header("content-type")), (bytes, "image/png"), "{front:?}");
    }
    let too_large = site(|_| Representation::new("text/plain", "x".repeat(1_100_000)));
    assert_eq!(too_large.get("/").through(Front::Alb).send().await.status(), 500);
    assert_eq!(too_large.get("/").through(Front::Http).send().await.status(), 200);
    let panics =
        TestSite::of(App::new(service_fn(async |_: Request| -> Result<Response<String>, std::convert::Infallible> {
            panic!("on purpose")
        })));
    assert_eq!(panics.get("/").send().await.status(), 500);
}

#[tokio::test]
async fn a_form_says_where_it_comes_from_unless_that_is_told() {
    let from = |request: &Request| {
        let lines: Vec<_> = request.headers().get_all("sec-fetch-site").iter().collect();
        Representation::new("text/plain", format!("{lines:?}"))
    };
    let site = site(from);
    let untold = site.post("/").form(&[]);
    let before = site.post("/").header("sec-fetch-site", "cross-site").form(&[]);
    let after = site.post("/").form(&[]).header("sec-fetch-site", "cross-site");
    for (request, expected) in [(untold, "same-origin"), (before, "cross-site"), (after, "cross-site")] {
        assert_eq!(request.send().await.text(), format!("[{expected:?}]"));
    }
}

#[tokio::test]
async fn cookies_follow_a_browsers_answers() {
    let cookies = site(|request| {
        let had = request.headers().get("cookie").map_or("none", |pairs| pairs.to_str().expect("text"));
        let page = Representation::new("text/plain", had.to_owned());
        let lines: &[&str] = match request.uri().path() {
            "/in" => &["user=ada; Path=/; Secure", "theme=dark; Max-Age=60"],
            "/other" => &["theme=light"],
            "/out" => &["user=; Path=/; Max-Age=0"],
            "/none" => &["user=; Max-Age=0", "theme=; max-age=0"],
            _ => &[],
        };
        lines.iter().fold(page, |page, line| page.with_added_header(header::SET_COOKIE, line.parse().expect("a field")))
    });
    let mut answers = Vec::new();
    for (path, expected) in [
        ("/in", "user=ada; theme=dark"),
        ("/other", "user=ada; theme=light"),
        ("/out", "theme=light"),
        ("/none", "none"),
    ] {
        answers.push(cookies.get(path).send().await);
        let request = answers.iter().fold(cookies.get("/"), |request, answer| request.cookies_of(answer));
        assert_eq!(request.send().await.text(), expected, "{path}");
    }
}

#[cfg(feature = "forms")]
#[tokio::test]
async fn a_form_with_files_arrives_as_it_was_given_through_every_front_door() {
    let bytes = [b"\x89PNG\r\n----test-0\r\n--".as_slice(), &[0, 255]].concat();
    let files = [("a\"b", "ü \"x\".png", &bytes[..]), ("empty", "none.txt", b"")];
    let service = service_fn(async |request: Request| {
        let form = chalice_http_toolkit::Form::read(request).await?;
        let fields = form.fields().map(|field| match (field.text(), field.file()) {
            (Some(text), _) => format!("{} {text:?}\n", field.name()),
            (_, Some(file)) => format!("{} {} {:?}\n", field.name(), file.file_name(), file.bytes()),
            _ => unreachable!("it is one of them"),
        });
        Ok::<_, chalice_http_toolkit::Error>(Response::new(fields.collect::<String>()))
    });
    let site = TestSite::new(service);
    let expected = format!(
        "n \"1\\r\\n2\\r\\n3\"\nn \"\"\na\"b ü \"x\".png {:?}\nempty none.txt b\"\"\n",
        bytes::Bytes::from(bytes.clone())
    );
    for front in FRONTS {
        let request = site.post("/").through(front).form_with_files(&[("n", "1\r\n2\n3"), ("n", "")], &files);
        assert_eq!(request.send().await.text(), expected, "{front:?}");
    }
}

/// A page whose policy and status can change, a count of how often it was asked for, and what it was asked with.
#[derive(Clone)]
struct Page {
    policy: Arc<Mutex<(&'static str, u16, &'static str)>>,
    asked: Arc<AtomicUsize>,
    fields: Arc<Mutex<HeaderMap>>,
}

impl Page {
    fn new(policy: &'static str) -> Self {
        Self { policy: Arc::new(Mutex::new((policy, 200, "v1"))), asked: Arc::default(), fields: Arc::default() }
    }

    fn change(&self, policy: &'static str, status: u16, version: &'static str) {
        *self.policy.lock().unwrap() = (policy, status, version);
    }

    fn edge(&self) -> TestEdge {
        let page = self.clone();
        TestEdge::new(site(move |request| {
            page.asked.fetch_add(1, Ordering::Relaxed);
            *page.fields.lock().unwrap() = request.headers().clone();
            let (policy, status, version) = *page.policy.lock().unwrap();
            let text = format!("{version} {}", "x".repeat(2_000));
            let answer = Representation::new("text/plain", text).with_entity_tag(EntityTag::strong(version));
            let answer = answer.with_header(header::VARY, "accept, x-unknown".parse().unwrap());
            let answer = answer.with_status(StatusCode::from_u16(status).unwrap());
            if policy.is_empty() { answer } else { answer.with_header(header::CACHE_CONTROL, policy.parse().unwrap()) }
        }))
    }

    fn field(&self, name: &str) -> String {
        let fields = self.fields.lock().unwrap();
        fields.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }
}

use CacheResult::{Hit, Miss, RefreshHit, Stale};

#[tokio::test]
async fn an_edge_keeps_what_its_policy_allows_and_asks_again_after() {
    for (policy, at_once, after_a_minute) in [
        ("public, max-age=90", Hit, Hit),
        ("max-age=30", Hit, RefreshHit),
        ("max-age=90, s-maxage=30", Hit, RefreshHit),
        ("max-age=0, s-maxage=90", Hit, Hit),
        ("no-cache", RefreshHit, RefreshHit),
        ("", RefreshHit, RefreshHit),
        ("max-age=30, stale-while-revalidate=90", Hit, Stale),
        ("must-revalidate", Hit, Hit),
        ("private, max-age=90", Miss, Miss),
        ("no-store", Miss, Miss),
    ] {
        let page = Page::new(policy);
        let edge = page.edge();
        let mut found = Vec::new();
        for wait in [0, 0, 60] {
            edge.advance(Duration::from_secs(wait));
            let answer = edge.get("/").send().await;
            assert_eq!((answer.status().as_u16(), answer.text().len()), (200, 2_003), "{policy}");
            found.extend(answer.cache());
        }
        assert_eq!(found, [Miss, at_once, after_a_minute], "{policy}");
        let asked = found.iter().filter(|result| **result != Hit).count();
        assert_eq!(page.asked.load(Ordering::Relaxed), asked, "{policy}");
    }
}

#[tokio::test]
async fn what_changed_is_fetched_and_an_error_leaves_the_copy() {
    let page = Page::new("max-age=30");
    let edge = page.edge();
    edge.get("/").send().await;
    edge.advance(Duration::from_secs(31));
    page.change("max-age=30", 500, "v2");
    let stale = edge.get("/").send().await;
    assert_eq!((stale.cache(), stale.status().as_u16(), &stale.text()[..2]), (Some(Stale), 200, "v1"));
    page.change("max-age=30, stale-if-error=0", 200, "v2");
    let new = edge.get("/").send().await;
    assert_eq!((new.cache(), &new.text()[..2]), (Some(Miss), "v2"));
    edge.advance(Duration::from_secs(31));
    page.change("no-store", 503, "v3");
    assert_eq!(edge.get("/").send().await.status(), 503);
}

#[tokio::test]
async fn a_tag_that_compression_made_weak_is_still_good() {
    let page = Page::new("max-age=30");
    let edge = page.edge();
    let first = edge.get("/").header("accept-encoding", "gzip, br").send().await;
    assert_eq!(first.header("etag"), "W/\"v1\"");
    assert_eq!(page.field("accept-encoding"), "br,gzip");
    let has_it = edge.get("/").header("accept-encoding", "gzip, br").header("if-none-match", "W/\"v1\"").send().await;
    assert_eq!((has_it.status().as_u16(), has_it.cache(), has_it.bytes().len()), (304, Some(Hit), 0));
    edge.advance(Duration::from_secs(31));
    let renewed = edge.get("/").header("accept-encoding", "gzip, br").send().await;
    assert_eq!((renewed.cache(), page.field("if-none-match").as_str()), (Some(RefreshHit), "W/\"v1\""));
    let plain = edge.get("/").send().await;
    assert_eq!((plain.cache(), plain.header("etag")), (Some(Miss), "\"v1\""), "another form is another copy");
}

#[tokio::test]
async fn fields_that_are_not_forwarded_are_hidden_from_the_site_and_from_the_key() {
    let page = Page::new("max-age=30");
    let fields =
        [("accept", "image/avif"), ("cookie", "a=1"), ("referer", "/"), ("accept-language", "de"), ("x-a", "1")];
    let edge = page.edge();
    let asking = fields.iter().fold(edge.get("/"), |request, (name, value)| request.header(name, value));
    let answer = asking.send().await;
    let seen = fields.map(|(name, _)| page.field(name));
    assert_eq!(seen, [""; 5]);
    assert_eq!((page.field("host"), page.field("user-agent")), ("origin.test".into(), "Amazon CloudFront".into()));
    assert_eq!(answer.header("vary"), "", "names that are not forwarded are taken out");
    assert_eq!(edge.get("/").header("accept", "image/webp").send().await.cache(), Some(Hit));

    let edge = page.edge().with_key_header(header::ACCEPT);
    let answer = edge.get("/").header("accept", "image/avif").send().await;
    assert_eq!((page.field("accept").as_str(), answer.header("vary")), ("image/avif", "accept"));
    assert_eq!(edge.get("/").header("accept", "image/webp").send().await.cache(), Some(Miss));
    assert_eq!(edge.get("/").header("accept", "image/avif").send().await.cache(), Some(Hit));
    assert_eq!(edge.get("/?a").header("accept", "image/avif").send().await.cache(), Some(Miss));
}

#[tokio::test]
async fn errors_are_kept_whatever_they_say_unless_the_distribution_says_none() {
    for (policy, status) in [("private, no-store", 404), ("no-store", 500), ("no-cache", 503), ("private", 410)] {
        let page = Page::new(policy);
        for (edge, kept) in [
            (page.edge(), true),
            (page.edge().with_caching_disabled(), true),
            (page.edge().with_error_caching_min_ttl(Duration::ZERO), false),
            (page.edge().with_caching_disabled().with_error_caching_min_ttl(Duration::ZERO), false),
        ] {
            page.change(policy, status, "Ada's");
            edge.get("/").header("cookie", "user=ada").send().await;
            page.change(policy, status, "Bob's");
            edge.advance(Duration::from_secs(9));
            let to_another = edge.get("/").header("cookie", "user=bob").send().await;
            assert_eq!(to_another.cache(), Some(if kept { Hit } else { Miss }), "{policy} {status}");
            assert_eq!(to_another.text().starts_with("Ada's"), kept, "{policy} {status}");
            edge.advance(Duration::from_secs(2));
            let later = edge.get("/").send().await;
            assert!(later.text().starts_with("Bob's") && later.status() == status, "{policy} {status}");
        }
    }
}

#[tokio::test]
async fn without_caching_all_but_the_host_reaches_the_site() {
    let page = Page::new("public, max-age=30");
    let edge = page.edge().with_caching_disabled();
    let names = ["accept", "authorization", "cookie", "origin", "sec-fetch-site", "user-agent", "x-a"];
    for cache in [Some(Miss), Some(Miss)] {
        let request = names.iter().fold(edge.get("/"), |request, name| request.header(name, "1"));
        assert_eq!(request.send().await.cache(), cache);
        assert_eq!(names.map(|name| page.field(name)), ["1"; 7]);
    }
    assert_eq!(page.field("host"), "origin.test");
}

#[tokio::test]
async fn the_origins_secret_is_the_edges_and_not_the_viewers() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let guarded = CloudFront::new().with_origin_secret(SECRET).expect("it is long enough");
    let site = TestSite::new(guarded.layer(service_fn(async |_: Request| {
        Ok::<_, std::convert::Infallible>(Response::<String>::from(Representation::new("text/plain", "in")))
    })));
    let name = http::HeaderName::from_static("x-origin-secret");
    for (edge, status) in [
        (TestEdge::new(site.clone()), 403),
        (TestEdge::new(site.clone()).with_origin_header(name.clone(), SECRET.parse().expect("a value")), 200),
        (
            TestEdge::new(site.clone())
                .with_caching_disabled()
                .with_origin_header(name, "wrong".parse().expect("a value")),
            403,
        ),
    ] {
        let answer = edge.get("/").header("x-origin-secret", SECRET).send().await;
        assert_eq!(answer.status(), status);
    }
}

#[tokio::test]
async fn with_cookies_forwarded_nothing_is_asked_again() {
    let page = Page::new("max-age=30");
    let edge = page.edge().with_cookies(true);
    assert_eq!(edge.get("/").header("cookie", "a=1").send().await.cache(), Some(Miss));
    assert_eq!(page.field("cookie"), "a=1");
    assert_eq!(edge.get("/").header("cookie", "a=2").send().await.cache(), Some(Miss));
    assert_eq!(edge.get("/").header("cookie", "a=1").send().await.cache(), Some(Hit));
    edge.advance(Duration::from_secs(31));
    assert_eq!(edge.get("/").header("cookie", "a=1").send().await.cache(), Some(Miss));
    assert_eq!(page.field("if-none-match"), "", "CloudFront sends no conditions where it forwards cookies");
}

#[tokio::test]
async fn only_reading_is_answered_from_the_cache() {
    let page = Page::new("max-age=30");
    let edge = page.edge();
    edge.get("/").send().await;
    let head = edge.request(Method::HEAD, "/").send().await;
    assert_eq!((head.cache(), head.bytes().len(), head.header("content-length")), (Some(Hit), 0, "2003"));
    assert_eq!(edge.post("/").form(&[]).send().await.cache(), Some(Miss));
    assert_eq!(edge.get("/").send().await.cache(), Some(Hit));
    // A condition of the viewer's own goes to the site on a miss, and its 304 is nothing to keep.
    let has_it = edge.get("/other").header("if-none-match", "\"v1\"").send().await;
    assert_eq!((has_it.status().as_u16(), has_it.cache()), (304, Some(Miss)));
    assert_eq!(edge.get("/other").send().await.status(), 200);
}

#[cfg(feature = "cookies")]
#[tokio::test]
async fn no_visitor_gets_a_page_that_an_edge_kept_from_another() {
    use chalice_http_toolkit::{CookieJar, Cookies, SetCookie};

    let service = service_fn(async |request: Request| {
        let jar = CookieJar::of(&request)?;
        if let Some(name) = request.uri().query() {
            jar.set(SetCookie::new("name", name))?;
            jar.flash("info", name)?;
        }
        let text = format!("{:?} {:?}", jar.get("name"), jar.take_flashes());
        let page =
            Representation::new("text/plain", text).with_header(header::CACHE_CONTROL, "public, max-age=99".parse()?);
        Ok::<Response<String>, chalice_http_toolkit::BoxError>(page.into())
    });
    let cookies = Cookies::new([7; 32]).expect("a secret");
    for forwards in [true, false] {
        let edge = TestEdge::new(TestSite::new(CloudFront::new().layer(cookies.clone().layer(service))))
            .with_cookies(forwards);
        let theirs = edge.get("/?them").send().await;
        assert!(theirs.text().contains("them"));
        let back = edge.get("/").cookies_of(&theirs).send().await;
        assert_eq!((back.text().contains("them"), back.cache()), (forwards, Some(Miss)));
        for target in ["/", "/?us"] {
            let ours = edge.get(target).send().await;
            assert_eq!((ours.text().contains("them"), ours.cache()), (false, Some(Miss)), "{target}");
        }
    }
}

/// Of a site as people build it: pages of a list, a form, files of the content, and a redirect.
#[cfg(feature = "axum")]
#[tokio::test]
async fn a_crawl_finds_what_a_visitor_would_stumble_over() {
    use axum::{
        Router,
        extract::Query,
        response::{Html, Redirect},
        routing::{get, post},
    };
    use chalice_http_toolkit::{App, CloudFront, ContentManager, Embedded};
    use std::collections::HashMap;

    const FILES: Embedded = Embedded::new(&[("site.css", b"a { color: teal }")]);
    let content = ContentManager::new(Embedded::new(&[]), FILES).expect("embedded files are there");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let list = async move |Query(query): Query<HashMap<String, u32>>| {
        count.fetch_add(1, Ordering::Relaxed);
        let page = query.get("page").copied().unwrap_or(1);
        let next =
            if page < 5 { format!("<a href='?page={}'>next</a>", page + 1) } else { "<a href=/tpyo>next</a>".into() };
        Html(format!(
            "<link rel=stylesheet href=/static/site.css><a href=/list#{page}>first</a><a href=/old>old</a>{next}"
        ))
    };
    let router: Router = Router::new()
        .route(
            "/",
            get(async || Html("<a href=list>List</a><img src=/static/nope.png><form method=post action=/send>")),
        )
        .route("/list", get(list))
        .route("/old", get(async || Redirect::permanent("/new")))
        .route("/send", post(async || "sent"))
        .route("/broken", post(async || "sent"));
    let app = App::new(router).with_content(&content).with_cloudfront(CloudFront::new());
    let broken = TestSite::of(app).crawl("/").await;
    let told: Vec<String> = broken.iter().map(ToString::to_string).collect();
    let expected = [
        "/ names /static/nope.png: 404 Not Found",
        "/old names /new: 404 Not Found",
        "/list?page=5 names /tpyo: 404 Not Found",
    ];
    assert_eq!(told, expected);
    assert_eq!(asked.load(Ordering::Relaxed), 5, "each page once");
}
