//! The layers of this crate around a router: static files and pages without routes for them, one order, and errors of any type.

use axum::{
    Router,
    extract::State,
    routing::{get as axum_get, post},
};
use chalice_http_toolkit::{
    Answer, App, BoxError, CloudFront, ContentManager, Embedded, Error, ErrorKind, Failure,
    security::CrossOriginProtection,
};
use http::StatusCode;
use tower::{Layer, service_fn};

use crate::support::{Log, ask, get};

const TEMPLATES: Embedded = Embedded::new(&[
    ("index.html", b"home"),
    ("404.html", b"the site's 404"),
    ("error.html", b"the site's {{ status }}"),
]);
const FILES: Embedded = Embedded::new(&[
    ("a.txt", b"a file"),
    ("home", b"a file that is called home"),
    (".well-known/security.txt", b"Contact: x"),
]);

fn content() -> ContentManager {
    ContentManager::new(TEMPLATES, FILES).expect("embedded files are there")
}

async fn index(State(content): State<ContentManager>) -> Answer {
    Ok(content.render_template("index.html", ())?)
}

fn router(content: &ContentManager) -> Router {
    Router::new()
        .route("/", axum_get(index))
        .route("/contact", post(async || "sent"))
        .route("/static/own", axum_get(async || "a route below the prefix"))
        .route("/.well-known/own", axum_get(async || "a challenge"))
        .route("/gone", axum_get(async || StatusCode::GONE))
        .route("/teapot", axum_get(async || (StatusCode::IM_A_TEAPOT, "short and stout")))
        .with_state(content.clone())
}

#[tokio::test]
async fn a_layer_serves_files_beside_the_routes_and_gives_errors_a_page() {
    let content = content();
    let short = App::new(router(&content)).with_content(&content).with_cloudfront(CloudFront::new());
    let long = App::new(CloudFront::new().layer(content.layer(router(&content))));
    #[rustfmt::skip]
    let table = [
        ("GET", "/", 200, "home"),
        ("GET", "/static/a.txt", 200, "a file"),
        ("HEAD", "/static/a.txt", 200, ""),
        ("GET", "/static/nope.txt", 404, "the site's 404"),
        ("GET", "/static/own", 404, "the site's 404"), // the prefix is the files' alone
        ("GET", "/static", 404, "the site's 404"),
        ("GET", "/staticky", 404, "the site's 404"),
        ("GET", "/static/../index.html", 404, "the site's 404"),
        ("GET", "/.well-known/security.txt", 200, "Contact: x"),
        ("GET", "/.well-known/own", 200, "a challenge"),
        ("GET", "/.well-known/nope", 404, "the site's 404"),
        ("GET", "/.well-known", 404, "the site's 404"),
        ("GET", "/nope", 404, "the site's 404"),
        ("POST", "/contact", 200, "sent"),
        ("GET", "/contact", 405, "the site's 405"),
        ("GET", "/gone", 410, "the site's 410"),
        ("GET", "/teapot", 418, "short and stout"),
    ];
    for (method, path, status, text) in table {
        for (which, app) in [("short", &short), ("long", &long)] {
            let answer = ask(app, method, path).send().await;
            assert_eq!((answer.status.as_u16(), answer.text()), (status, text), "{which}: {method} {path}");
        }
    }
    for app in [&short, &long] {
        assert_eq!(get(app, "/contact").send().await.header("allow"), "POST");
        let answer = ask(app, "POST", "/static/a.txt").send().await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD, OPTIONS"));
        let tag = get(app, "/static/a.txt").send().await.header("etag").to_owned();
        assert_eq!(get(app, "/static/a.txt").header("if-none-match", &tag).send().await.status, 304);
    }
}

/// What a client of an API gets, and what may not stay of an answer without a body.
#[tokio::test]
async fn an_error_without_a_body_becomes_a_problem_for_clients_of_an_api() {
    let kept = async || (StatusCode::NOT_FOUND, [("cache-control", "public, max-age=31536000"), ("etag", "\"1\"")]);
    let router = Router::new().route("/kept", axum_get(kept)).route("/sent", post(async || "sent"));
    let app = App::new(CloudFront::new().layer(content().layer(router)));
    for (path, status) in [("/nope", 404), ("/sent", 405), ("/kept", 404)] {
        let problem = get(&app, path).header("accept", "application/json").send().await;
        assert_eq!(
            (problem.status.as_u16(), problem.line("content-type")),
            (status, "application/problem+json"),
            "{path}"
        );
        let page = get(&app, path).header("accept", "text/html").send().await;
        assert_eq!(page.line("content-type"), "text/html; charset=utf-8", "{path}");
        for answer in [problem, page] {
            assert!(answer.header("vary").contains("accept"), "{path}: {answer:?}");
            assert!(answer.header("cache-control").starts_with("no-"), "{path}: {answer:?}");
            assert_ne!(answer.header("etag"), "\"1\"", "{path}");
        }
    }
}

/// A site whose files are at its root has its own routes there too.
#[tokio::test]
async fn files_at_the_root_leave_other_paths_to_the_routes() {
    let content = content().with_static_prefix("/");
    let app = App::new(router(&content)).with_content(&content).with_cloudfront(CloudFront::new());
    for (path, status, text) in [
        ("/", 200, "home"),
        ("/a.txt", 200, "a file"),
        ("/home", 200, "a file that is called home"),
        ("/static/own", 200, "a route below the prefix"),
        ("/nope", 404, "the site's 404"),
    ] {
        let answer = get(&app, path).send().await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, text), "{path}");
    }
}

#[tokio::test]
async fn the_order_of_calls_makes_no_other_order_of_layers() {
    type Call = fn(App) -> App;
    let calls: [Call; 3] = [
        |app| app.with_content(&content()),
        |app| app.with_protection(CrossOriginProtection::new()),
        |app| app.with_cloudfront(CloudFront::new()),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let app = order.iter().fold(App::new(router(&content())), |app, call| calls[*call](app));
        let refused = ask(&app, "POST", "/contact").header("sec-fetch-site", "cross-site").send().await;
        assert_eq!((refused.status.as_u16(), refused.text()), (403, "the site's 403"), "{order:?}");
        let page = get(&app, "/").send().await;
        let again = get(&app, "/").header("if-none-match", page.header("etag")).send().await;
        assert_eq!((page.text(), again.status.as_u16()), ("home", 304), "{order:?}");
        assert_eq!(get(&app, "/static/a.txt").send().await.text(), "a file", "{order:?}");
    }
    let twice = App::new(router(&content())).with_cloudfront(CloudFront::new());
    let secret = "a-secret-of-forty-characters-01234567890";
    let twice = twice.with_cloudfront(CloudFront::new().with_origin_secret(secret).expect("a secret"));
    assert_eq!(get(&twice, "/contact").send().await.status, 403);
}

/// CloudFront's layer is the outermost: who bypasses the distribution reaches no other layer.
#[tokio::test]
async fn a_request_without_the_origin_secret_meets_no_layer_inside() {
    let guarded =
        || CloudFront::new().with_origin_secret("a-secret-of-forty-characters-01234567890").expect("a secret");
    let protected = |app: App| app.with_protection(CrossOriginProtection::new());
    let site = || App::new(router(&content()));
    for app in [protected(site().with_cloudfront(guarded())), protected(site()).with_cloudfront(guarded())] {
        let log = Log::start();
        let refused = ask(&app, "POST", "/contact").header("sec-fetch-site", "cross-site").send().await;
        assert_eq!(refused.status, 403);
        assert_eq!(log.lines(&["CrossOrigin"]), [] as [String; 0]);
    }
}

#[cfg(feature = "cookies")]
#[tokio::test]
async fn cookies_stand_between_content_and_protection() {
    use chalice_http_toolkit::cookies::{CookieJar, Cookies};

    let greeting = async |jar: CookieJar| -> Answer<String> {
        jar.flash("info", "hello")?;
        Ok(jar.get("name").unwrap_or_else(|| "stranger".to_owned()))
    };
    let cookies = Cookies::new([7; 32]).expect("long enough");
    let router: Router = Router::new().route("/greeting", axum_get(greeting));
    let app = App::new(router).with_cloudfront(CloudFront::new()).with_cookies(cookies).with_content(&content());
    let answer = get(&app, "/greeting").send().await;
    assert_eq!((answer.text(), answer.header("cache-control")), ("stranger", "private, no-store"));
    assert!(answer.headers.contains_key("set-cookie"));
    let file = get(&app, "/static/a.txt").send().await;
    assert!(!file.headers.contains_key("set-cookie"), "files stay everybody's: {file:?}");
}

#[tokio::test]
async fn any_error_is_a_failure_and_keeps_its_status() {
    async fn number() -> Answer<String> {
        let number: u8 = "many".parse()?;
        Ok(number.to_string())
    }
    async fn missing(State(content): State<ContentManager>) -> Answer {
        Ok(content.render_template("nope.html", ())?)
    }
    async fn boxed() -> Answer<String> {
        let boxed: BoxError = "the warehouse does not answer".into();
        Err(Failure::new(boxed))
    }
    async fn away(State(content): State<ContentManager>) -> Answer {
        let _: Error = Failure::new("as an error of this crate").into();
        Ok(content.redirect("//evil.example"))
    }
    let content = content();
    let router = Router::new()
        .route("/number", axum_get(number))
        .route("/missing", axum_get(missing))
        .route("/boxed", axum_get(boxed))
        .route("/away", axum_get(away))
        .with_state(content.clone());
    let app = App::new(router).with_content(&content).with_cloudfront(CloudFront::new()).with_development(false);
    for (path, status, logged) in [
        ("/number", 500, "invalid digit found in string"),
        ("/missing", 500, "nope.html"),
        ("/boxed", 500, "the warehouse does not answer"),
        ("/away", 400, "evil.example"),
    ] {
        let log = Log::start();
        let answer = get(&app, path).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.text()),
            (status, format!("the site's {status}").as_str()),
            "{path}"
        );
        assert_eq!(log.lines(&[logged]).len(), 1, "{path}: {:?}", log.lines(&[]));
    }
}

/// A service that is no router fails with it too.
#[tokio::test]
async fn a_failure_is_an_error_of_any_service() {
    let site = service_fn(async |_: lambda_http::Request| -> Answer<http::Response<String>> {
        std::fs::read("/no/such/file")?;
        Ok(http::Response::new(String::new()))
    });
    let app = App::new(site).with_content(&content()).with_cloudfront(CloudFront::new()).with_development(false);
    assert_eq!(get(&app, "/").send().await.text(), "the site's 500");
    assert_eq!(Failure::new(Error::permanent("gone")).error().kind(), ErrorKind::Permanent);
}
