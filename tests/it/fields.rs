//! Who owns which field of an answer: what stays on 304, 405, 412 and 416, whoever has put it there, and what goes. Sections
//! are of RFC 9110 where no other is named.

use std::{convert::Infallible, time::Duration};

use axum::{Router, response::IntoResponse, routing::any};
use chalice_http_toolkit::{
    App, CacheControl, CloudFront, ContentManager, Embedded, EntityTag, Error, Representation, layers::ResponseBody,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::support::{Answer, FRONTS, app, ask, get};

/// Whoever puts them there: they speak neither of the content nor of its state.
const OTHERS: [(&str, &str); 30] = [
    ("accept-patch", "application/json"),
    ("access-control-allow-credentials", "true"),
    ("access-control-allow-origin", "https://a.example"),
    ("access-control-expose-headers", "etag"),
    ("alt-svc", "h3=\":443\""),
    ("clear-site-data", "\"cache\""),
    ("content-security-policy", "default-src 'self'"),
    ("content-security-policy-report-only", "default-src 'none'"),
    ("critical-ch", "ect"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("date", "Sun, 22 Nov 2026 12:00:00 GMT"),
    ("link", "</a.css>; rel=preload"),
    ("nel", "{}"),
    ("origin-agent-cluster", "?1"),
    ("permissions-policy", "camera=()"),
    ("preference-applied", "x"),
    ("proxy-authenticate", "Basic"),
    ("referrer-policy", "no-referrer"),
    ("retry-after", "5"),
    ("server", "test"),
    ("server-timing", "db;dur=5"),
    ("strict-transport-security", "max-age=60"),
    ("timing-allow-origin", "*"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-own", "1"),
    ("x-request-id", "7"),
    ("x-robots-tag", "noindex"),
];

/// They describe bytes that are not sent (§8.3 to §8.6, §14.4, RFC 6266, RFC 9530), or one connection (§7.6.1).
const OF_CONTENT: [(&str, &str); 12] = [
    ("connection", "close"),
    ("content-digest", "sha-256=:AA==:"),
    ("content-disposition", "attachment"),
    ("content-encoding", "identity"),
    ("content-language", "en"),
    ("content-md5", "AA=="),
    ("digest", "sha-256=AA=="),
    ("keep-alive", "timeout=5"),
    ("repr-digest", "sha-256=:AA==:"),
    ("te", "trailers"),
    ("trailer", "expires"),
    ("upgrade", "h2c"),
];

/// What a cache updates its copy by (§15.4.5), and for how long it keeps it (RFC 9111, RFC 9213).
const OF_CACHES: [(&str, &str); 10] = [
    ("cache-tag", "a"),
    ("cdn-cache-control", "max-age=60"),
    ("content-location", "/en"),
    ("edge-control", "max-age=60"),
    ("expires", "Mon, 23 Nov 2026 12:00:00 GMT"),
    ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("surrogate-control", "max-age=60"),
    ("surrogate-key", "a"),
    ("vercel-cdn-cache-control", "max-age=60"),
    ("x-accel-expires", "60"),
];

/// Who puts fields on an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Representation,
    Handler,
    MiddlewareInside,
    MiddlewareOutside,
}

const ALL: [By; 4] = [By::Representation, By::Handler, By::MiddlewareInside, By::MiddlewareOutside];

fn put(headers: &mut HeaderMap, fields: &[(&'static str, &'static str)]) {
    fields.iter().for_each(|(name, value)| _ = headers.insert(*name, HeaderValue::from_static(value)));
}

/// Ten digits at `/`, an answer that is no representation at `/plain`; with these fields on each.
fn site(by: By, fields: &'static [(&'static str, &'static str)]) -> App {
    let handler = service_fn(move |request: lambda_http::Request| async move {
        let plain = request.uri().path() == "/plain" || by == By::Handler;
        let mut response = if plain {
            let body = if request.method() == Method::OPTIONS { "" } else { "0123456789" };
            Response::builder().header("etag", "\"now\"").body(body.to_owned()).expect("a response")
        } else {
            let digits = Representation::new("text/plain", "0123456789").with_ranges(true);
            let digits = digits.with_methods([Method::GET]).with_entity_tag(EntityTag::strong("now"));
            Response::from(match by {
                By::Representation => fields.iter().fold(digits, |digits, (name, value)| {
                    digits.with_header(HeaderName::from_static(name), HeaderValue::from_static(value))
                }),
                _ => digits,
            })
        };
        if by == By::Handler {
            put(response.headers_mut(), fields);
        }
        Ok::<_, Infallible>(response)
    });
    let inside = tower::util::MapResponseLayer::new(move |mut response: Response<String>| {
        if by == By::MiddlewareInside {
            put(response.headers_mut(), fields);
        }
        response
    });
    let outside = tower::util::MapResponseLayer::new(move |mut response: Response<ResponseBody>| {
        if by == By::MiddlewareOutside {
            put(response.headers_mut(), fields);
        }
        response
    });
    App::new(outside.layer(CloudFront::new().layer(inside.layer(handler))))
}

/// What a client may ask, and the status where the digits are a representation and where they are not.
const QUESTIONS: [(&str, &str, &str, u16, u16); 8] = [
    ("GET", "x-none", "", 200, 200),
    ("HEAD", "x-none", "", 200, 200),
    ("GET", "if-none-match", "\"now\"", 304, 304),
    ("HEAD", "if-none-match", "\"now\"", 304, 304),
    ("GET", "if-match", "\"other\"", 412, 412),
    ("GET", "range", "bytes=0-1", 206, 200),
    ("GET", "range", "bytes=99-", 416, 200),
    ("POST", "x-none", "", 405, 200),
];

async fn asked(by: By, app: &App, target: &str, question: usize) -> (Answer, u16) {
    let (method, name, value, ours, plain) = QUESTIONS[question];
    let answer = ask(app, method, target).header(name, value).send().await;
    let expected = if target == "/plain" || by == By::Handler { plain } else { ours };
    (answer, expected)
}

#[tokio::test]
async fn whatever_is_put_around_an_answer_stays_on_each_status() {
    for by in ALL {
        let (with, without) = (site(by, &OTHERS), site(by, &[]));
        for (target, question) in ["/", "/plain"].iter().flat_map(|target| (0..8).map(move |q| (*target, q))) {
            if target == "/plain" && by == By::Representation {
                continue;
            }
            let (answer, status) = asked(by, &with, target, question).await;
            let what = format!("by {by:?}: {:?} {target}", QUESTIONS[question]);
            assert_eq!(answer.status, status, "{what}");
            for (name, value) in OTHERS {
                assert_eq!(answer.line(name), value, "{what}: {name}");
            }
            // And nothing else differs from an answer without them.
            let (bare, _) = asked(by, &without, target, question).await;
            let rest = |answer: &Answer| {
                let mut headers = answer.headers.clone();
                OTHERS.iter().for_each(|(name, _)| _ = headers.remove(*name));
                headers
            };
            assert_eq!((rest(&answer), &answer.body), (rest(&bare), &bare.body), "{what}");
        }
    }
}

#[tokio::test]
async fn a_304_keeps_what_caches_go_by_and_nothing_of_the_content() {
    for by in [By::Representation, By::Handler, By::MiddlewareInside] {
        for (target, method) in [("/", "GET"), ("/", "HEAD"), ("/plain", "GET")] {
            if target == "/plain" && by == By::Representation {
                continue;
            }
            let answer = ask(&site(by, &OF_CONTENT), method, target).header("if-none-match", "\"now\"").send().await;
            let what = format!("by {by:?}: {method} {target}");
            assert_eq!((answer.status.as_u16(), answer.names()), (304, vec!["cache-control", "etag"]), "{what}");

            let answer = ask(&site(by, &OF_CACHES), method, target).header("if-none-match", "\"now\"").send().await;
            assert_eq!(answer.status, 304, "{what}");
            OF_CACHES.iter().for_each(|(name, value)| assert_eq!(answer.line(name), *value, "{what}: {name}"));
        }
    }
}

#[tokio::test]
async fn a_refusal_has_nothing_of_the_representation() {
    for by in [By::Representation, By::MiddlewareInside] {
        for (method, name, value, status) in [
            ("GET", "if-match", "\"other\"", 412),
            ("POST", "x-none", "", 405),
            ("OPTIONS", "x-none", "", 204),
            ("GET", "range", "bytes=99-", 416),
        ] {
            let answer = ask(&site(by, &OF_CONTENT), method, "/").header(name, value).send().await;
            assert_eq!(answer.status, status);
            let gone = OF_CONTENT.iter().filter(|(name, _)| answer.headers.contains_key(*name)).count();
            assert_eq!(gone, 0, "{by:?} {method} {name}: {answer:?}");

            let answer = ask(&site(by, &OF_CACHES), method, "/").header(name, value).send().await;
            let kept: Vec<&str> =
                OF_CACHES.iter().map(|(name, _)| *name).filter(|name| answer.headers.contains_key(*name)).collect();
            // §15.5.17: a 416 says of which state it speaks. Nobody is to keep it in place of the file.
            let expected = if status == 416 { vec!["content-location", "last-modified"] } else { vec![] };
            assert_eq!(kept, expected, "{by:?} {method} {name}");
            assert_eq!(answer.line("cache-control"), if status == 416 { "no-cache" } else { "no-store" });
        }
    }
}

#[tokio::test]
async fn a_part_has_no_digest_of_the_whole() {
    let app = site(By::Representation, &OF_CONTENT);
    let part = get(&app, "/").header("range", "bytes=0-1").send().await;
    assert_eq!(part.status, 206);
    assert_eq!((part.header("content-digest"), part.header("content-md5")), ("", ""), "RFC 9530 §2");
    assert_eq!((part.header("repr-digest"), part.header("content-language")), ("sha-256=:AA==:", "en"), "RFC 9530 §3");
    assert_ne!(get(&app, "/").send().await.header("content-digest"), "");
}

/// A cache would give its copy this type (RFC 9111 §3.2).
#[tokio::test]
async fn a_handlers_own_304_has_nothing_of_the_content_either() {
    let router =
        Router::new().route("/", any(async || (StatusCode::NOT_MODIFIED, [("x-own", "1"), ("etag", "\"1\"")], "")));
    let answer = get(&App::new(CloudFront::new().layer(router.clone())), "/").send().await;
    assert_eq!((answer.status.as_u16(), answer.names()), (304, vec!["cache-control", "etag", "x-own"]));
    // Without the layer, and where a layer outside of it knows no status.
    let typed = tower::util::MapResponseLayer::new(|mut response: Response<axum::body::Body>| {
        put(response.headers_mut(), &OF_CONTENT[1..]);
        response
    });
    for app in [App::new(router.clone()), App::new(router.layer(CloudFront::new()).layer(typed))] {
        let answer = get(&app, "/").send().await;
        let gone = OF_CONTENT[1..7].iter().all(|(name, _)| !answer.headers.contains_key(*name));
        assert!(answer.status == 304 && gone && answer.header("content-type").is_empty(), "{answer:?}");
        assert_eq!((answer.line("etag"), answer.line("x-own")), ("\"1\"", "1"));
    }
}

#[tokio::test]
async fn a_cookie_stays_on_what_is_refused() {
    let app = app(|_| {
        let digits = Representation::new("text/plain", "0123456789").with_methods([Method::GET]).with_ranges(true);
        let digits = digits.with_cache_control(CacheControl::immutable()).with_entity_tag(EntityTag::strong("now"));
        digits.with_header(http::header::SET_COOKIE, HeaderValue::from_static("a=1"))
    });
    for (method, name, value, status) in [
        ("GET", "if-match", "\"other\"", 412),
        ("POST", "x-none", "", 405),
        ("OPTIONS", "x-none", "", 204),
        ("GET", "range", "bytes=99-", 416),
    ] {
        let answer = ask(&app, method, "/").header(name, value).send().await;
        assert_eq!((answer.status.as_u16(), answer.line("set-cookie")), (status, "a=1"));
        assert!(answer.line("cache-control").ends_with("no-store"), "{answer:?}");
    }
}

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(AllowOrigin::mirror_request()).allow_credentials(true)
}

const CORS: &str = "access-control-allow-origin";

/// In a browser the second origin's `fetch` fails without it: the copy in its cache names the first one.
#[tokio::test]
async fn cors_is_on_every_answer_whatever_side_its_layer_is_on() {
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[("a.txt", b"0123456789")])).expect("content");
    let files = content.clone();
    let router = Router::new()
        .route("/items", any(async move || content.json(&[1, 2, 3])))
        .route("/file", any(async move || files.static_file("a.txt")))
        .route("/plain", axum::routing::get(async || "plain"));
    let inside = App::new(CloudFront::new().layer(router.clone().layer(cors())));
    let outside = App::new(cors().layer(CloudFront::new().layer(router.clone())));
    let both = App::new(router.layer(CloudFront::new()).layer(cors()));
    for (place, app) in [("inside", inside), ("outside", outside), ("all of axum's", both)] {
        for target in ["/items", "/file", "/plain"] {
            let first = get(&app, target).header("origin", "https://a.example").send().await;
            let tag = first.line("etag");
            for (method, name, value) in [
                ("GET", "x-none", ""),
                ("HEAD", "x-none", ""),
                ("GET", "if-none-match", tag),
                ("HEAD", "if-none-match", tag),
                ("GET", "if-match", "\"other\""),
                ("GET", "range", "bytes=0-1"),
                ("GET", "range", "bytes=99-"),
                ("DELETE", "x-none", ""),
                ("GET", "accept", "application/json"),
            ] {
                let answer =
                    ask(&app, method, target).header("origin", "https://b.example").header(name, value).send().await;
                let what = format!("{place} {method} {target} {name}: {value} {}", answer.status);
                assert_eq!(answer.line(CORS), "https://b.example", "{what}");
                assert_eq!(answer.line("access-control-allow-credentials"), "true", "{what}");
                let varies: Vec<&str> =
                    answer.headers.get_all("vary").iter().filter_map(|line| line.to_str().ok()).collect();
                assert!(varies.join(",").contains("origin"), "{what}: {varies:?}");
            }
        }
    }
}

/// A router answers OPTIONS with 405 and Allow; the layer makes 204 of it (§9.3.7), and takes nothing else off.
#[tokio::test]
async fn an_answer_to_options_keeps_what_was_put_around_it() {
    let router = Router::new().route("/", axum::routing::get(async || "x"));
    let marked = router.layer(axum::middleware::map_response(async |response: axum::response::Response| {
        ([("x-own", "1"), (CORS, "*"), ("set-cookie", "a=1")], response).into_response()
    }));
    let answer = ask(&App::new(CloudFront::new().layer(marked)), "OPTIONS", "/").send().await;
    assert_eq!((answer.status.as_u16(), answer.line("x-own"), answer.line(CORS)), (204, "1", "*"));
    assert_eq!((answer.line("allow"), answer.line("set-cookie")), ("GET,HEAD", "a=1"));
}

/// Errors and panics pass where no [`App`] is there to answer them.
#[tokio::test]
async fn outside_of_an_app_a_failure_passes_the_layer() {
    let failing = service_fn(async |_: Request<()>| Err::<Response<String>, _>("the database is away".to_owned()));
    let failing = failing.map_err(chalice_http_toolkit::BoxError::from);
    let mut service = CloudFront::new().layer(failing);
    let error = service.ready().await.expect("ready").call(Request::new(())).await.expect_err("it fails");
    assert_eq!(error.to_string(), "the database is away");
}

type Fields = &'static [(&'static str, &'static str)];

/// What of an answer makes it one visitor's, or lets a shared cache keep it; and the policy that it has in the end.
const GUARDED: [(&str, Fields, &str); 12] = [
    ("/personal", &[("cache-control", "public, max-age=60")], "private, no-cache"),
    ("/personal", &[("cdn-cache-control", "max-age=60")], "private, no-cache"),
    ("/personal", &[("set-cookie", "a=1"), ("cache-control", "max-age=60")], "private, no-store"),
    ("/cookie", &[("cache-control", "public, max-age=60"), ("x-accel-expires", "60")], "private, no-cache"),
    ("/cookie", &[("surrogate-control", "max-age=60")], "private, no-store"),
    ("/private", &[("cdn-cache-control", "max-age=60"), ("surrogate-control", "max-age=60")], "private, max-age=5"),
    ("/private", &[("set-cookie", "a=1"), ("vercel-cdn-cache-control", "max-age=60")], "private, max-age=5"),
    ("/public", &[("set-cookie", "a=1"), ("netlify-cdn-cache-control", "max-age=60")], "private, no-cache"),
    ("/public", &[("cache-control", "private"), ("fastly-surrogate-control", "max-age=60")], "private"),
    ("/file", &[("set-cookie", "a=1")], "private, no-cache"),
    ("/nowhere", &[("set-cookie", "a=1"), ("cdn-cache-control", "max-age=60")], "private, no-cache"),
    ("/fails", &[("set-cookie", "a=1"), ("cache-control", "public, max-age=60")], "private, no-store"),
];

fn guarded_site(fields: Fields) -> App {
    let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[("a.txt", b"a")])).expect("content");
    let service = service_fn(move |request: lambda_http::Request| {
        let page = || Representation::new("text/plain", "x").with_entity_tag(EntityTag::strong("now"));
        let answer = match request.uri().path() {
            "/personal" => page().with_personal(),
            "/cookie" => page().with_header(http::header::SET_COOKIE, HeaderValue::from_static("b=2")),
            "/private" => {
                page().with_cache_control(CacheControl::new().with_private().with_max_age(Duration::from_secs(5)))
            }
            "/public" => page().with_cache_control(CacheControl::immutable()),
            "/file" => content.static_file("a.txt"),
            "/fails" => Representation::lazy("text/plain", async { Err(Error::handler("x")) }),
            _ => page().with_status(StatusCode::NOT_FOUND),
        };
        async { Ok::<Response<String>, Infallible>(answer.into()) }
    });
    let outside = tower::util::MapResponseLayer::new(move |mut response: Response<ResponseBody>| {
        put(response.headers_mut(), fields);
        response
    });
    App::new(outside.layer(CloudFront::new().layer(service)))
}

/// SECURITY: a layer outside of the `CloudFront` layer sets a session's cookie, or says how long everything may be kept.
#[tokio::test]
async fn what_is_one_visitors_is_kept_from_shared_caches_whichever_layer_says_so() {
    for (target, fields, policy) in GUARDED {
        let app = guarded_site(fields);
        for front in FRONTS {
            for (method, tag) in [("GET", ""), ("HEAD", ""), ("GET", "\"now\"")] {
                let answer = ask(&app, method, target).through(front).header("if-none-match", tag).send().await;
                let what = format!("{front:?} {method} {target} {tag} {fields:?}: {answer:?}");
                assert_eq!(answer.line("cache-control"), policy, "{what}");
                let targeted = |name: &&str| name.ends_with("-control") || name.starts_with("x-accel");
                let left: Vec<&str> = answer.names().into_iter().filter(targeted).collect();
                assert_eq!(left, ["cache-control"], "{what}");
                if target == "/personal" {
                    assert!(answer.header("vary").contains("cookie"), "{what}");
                }
            }
        }
    }
}

/// `no-store` may be meant for browsers while a CDN keeps the answer (RFC 9213 §1).
#[tokio::test]
async fn what_nobody_calls_private_keeps_what_is_for_caches() {
    const FIELDS: [(&str, &str); 3] =
        [("cdn-cache-control", "max-age=60"), ("surrogate-key", "a"), ("cache-control", "no-store")];
    for (app, policy) in [
        (guarded_site(&FIELDS), "no-store"),
        (guarded_site(&[FIELDS[0], FIELDS[1], ("cache-control", "public, x=\"private\"")]), "public, x=\"private\""),
        (guarded_site(&[FIELDS[0], FIELDS[1], ("cache-control", "private=\"x-own\"")]), "private=\"x-own\""),
    ] {
        let answer = get(&app, "/public").send().await;
        assert_eq!(answer.line("cache-control"), policy);
        assert_eq!((answer.line("cdn-cache-control"), answer.line("surrogate-key")), ("max-age=60", "a"));
    }
}

/// A site may let its cookies be shared, and then a layer outside may set them too.
#[tokio::test]
async fn cookies_that_all_visitors_may_have_stay_shared() {
    let service = service_fn(async |_: lambda_http::Request| {
        let page = Representation::new("text/plain", "x").with_cache_control(CacheControl::immutable());
        let page = page.with_header(http::header::SET_COOKIE, HeaderValue::from_static("theme=dark"));
        Ok::<Response<String>, Infallible>(page.into())
    });
    let decided = service_fn(async |_: lambda_http::Request| {
        let part = Response::builder().status(206).header("cache-control", "public").header("set-cookie", "theme=dark");
        part.body(String::new())
    });
    let shared = || CloudFront::new().with_shared_cookies(true);
    for (app, policy) in [
        (App::new(shared().layer(service)), "public, max-age=31536000, immutable"),
        (App::new(shared().layer(decided)), "public"),
        (App::new(CloudFront::new().layer(shared().layer(service))), "private, no-cache"),
        (App::new(CloudFront::new().layer(shared().layer(decided))), "private, no-cache"),
    ] {
        assert_eq!(get(&app, "/").send().await.line("cache-control"), policy);
    }
}

/// An app without the layer.
#[tokio::test]
async fn a_cookie_is_kept_from_shared_caches_without_the_layer_too() {
    for (policy, expected) in [
        ("", "private, no-store"),
        ("public, max-age=60", "private, no-cache"),
        ("private, max-age=60", "private, max-age=60"),
    ] {
        let service = service_fn(move |_: lambda_http::Request| {
            let mut response =
                Response::builder().header("set-cookie", "a=1").header("cdn-cache-control", "max-age=60");
            if !policy.is_empty() {
                response = response.header("cache-control", policy);
            }
            async move { response.body(String::new()) }
        });
        let answer = get(&App::new(service), "/").send().await;
        assert_eq!((answer.line("cache-control"), answer.header("cdn-cache-control")), (expected, ""), "{policy}");
    }
}

/// As they are: a layer may go by the status, leave a field that is there, change one or take it off.
#[tokio::test]
async fn layers_inside_see_the_status_and_the_fields_of_a_representation() {
    use tower_http::set_header::SetResponseHeaderLayer;
    let own = |name| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static("layer's"))
    };
    let page = || {
        let page = Representation::new("text/x-own", "0123456789").with_entity_tag(EntityTag::strong("now"));
        let page = page.with_header(HeaderName::from_static("x-own"), HeaderValue::from_static("handler's"));
        let page = page.with_added_header(http::header::SET_COOKIE, HeaderValue::from_static("a=1"));
        page.with_header(HeaderName::from_static("x-gone"), HeaderValue::from_static("1"))
    };
    let content =
        ContentManager::new(Embedded::new(&[("a.html", b"{{ url('/') }}")]), Embedded::new(&[])).expect("content");
    let missing = content.clone();
    let router = Router::new()
        .route("/page", any(async move || page()))
        .route("/gone", any(async move || page().with_status(StatusCode::GONE)))
        .route("/hidden", any(async move || page().with_status(StatusCode::IM_A_TEAPOT)))
        .route(
            "/template",
            any(async move || {
                let page = content.render_template("a.html", ()).expect("a template");
                page.with_header(HeaderName::from_static("x-own"), HeaderValue::from_static("handler's"))
            }),
        )
        .fallback(any(async move || missing.not_found()));
    let seen = axum::middleware::map_response(async |mut response: axum::response::Response| {
        let (status, typed) = (response.status(), response.headers().contains_key("content-type"));
        let seen = format!("{} {typed}", status.as_u16());
        response.headers_mut().insert("x-seen", seen.parse().expect("a value"));
        response.headers_mut().remove("x-gone");
        response.headers_mut().append("set-cookie", HeaderValue::from_static("b=2"));
        if status == StatusCode::IM_A_TEAPOT {
            *response.status_mut() = StatusCode::OK;
        }
        response
    });
    let app = App::new(CloudFront::new().layer(router.layer(own("x-own")).layer(own("x-other")).layer(seen)));
    for (target, status, own, seen, cookies) in [
        ("/page", 200, "handler's", "200 true", 2),
        ("/gone", 410, "handler's", "410 true", 2),
        ("/hidden", 200, "handler's", "418 true", 2),
        ("/template", 200, "handler's", "200 false", 1),
        ("/nowhere", 404, "layer's", "404 true", 1),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = ask(&app, method, target).send().await;
            assert_eq!((answer.status.as_u16(), answer.line("x-seen")), (status, seen), "{method} {target}");
            assert_eq!((answer.line("x-own"), answer.line("x-other")), (own, "layer's"), "{method} {target}");
            assert_eq!(answer.headers.get_all("set-cookie").iter().count(), cookies, "{method} {target}");
            assert_eq!(answer.header("x-gone"), "", "{method} {target}");
            assert_ne!(answer.line("content-type"), "", "{method} {target}");
        }
    }
}
