//! The origin secret: who gets in, who doesn't, and that nothing tells it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use chalice_http_toolkit::{App, CloudFront, ErrorKind, Representation, ScheduledEvent};
use lambda_http::Request;
use serde_json::{Value, json};
use tower::{Layer, service_fn};

use crate::{
    events::fixture,
    support::{FRONTS, Log, app_with, ask, folders, get, send},
};

const NEW: &str = "a-new-secret-of-forty-characters-0123456";
const OLD: &str = "an-old-secret-of-forty-characters-012345";
fn guarded() -> CloudFront {
    let cloudfront = CloudFront::new().with_origin_secret(NEW).expect("it is long enough");
    cloudfront.with_previous_origin_secret(OLD).expect("it is long enough")
}

/// A site behind the guard, and how often its service was called.
fn site(cloudfront: CloudFront) -> (App, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let app = app_with(cloudfront, move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        assert!(!request.headers().contains_key("x-origin-secret"), "the service sees the secret");
        Representation::new("text/plain", "hello")
    });
    (app, calls)
}

#[tokio::test]
async fn only_who_has_the_secret_gets_in_behind_every_front_door() {
    let longer = format!("{NEW}0");
    let upper = NEW.to_uppercase();
    let both = format!("{NEW}, {OLD}");
    #[rustfmt::skip]
    let table = [
        ("none", vec![], false),
        ("new", vec![("x-origin-secret", NEW)], true),
        ("old, while it is changed", vec![("x-origin-secret", OLD)], true),
        ("the header in other letters", vec![("X-ORIGIN-Secret", NEW)], true),
        ("the value in other letters", vec![("x-origin-secret", upper.as_str())], false),
        ("empty", vec![("x-origin-secret", "")], false),
        ("wrong", vec![("x-origin-secret", "a-bad-secret-of-forty-characters-0123456")], false),
        ("its beginning", vec![("x-origin-secret", &NEW[..39])], false),
        ("more than it", vec![("x-origin-secret", longer.as_str())], false),
        ("twice", vec![("x-origin-secret", NEW), ("x-origin-secret", NEW)], false),
        ("a stranger's before it", vec![("x-origin-secret", "guess"), ("x-origin-secret", NEW)], false),
        ("a stranger's after it", vec![("x-origin-secret", NEW), ("x-origin-secret", "guess")], false),
        ("both", vec![("x-origin-secret", NEW), ("x-origin-secret", OLD)], false),
        ("both in one line", vec![("x-origin-secret", both.as_str())], false),
        ("in another header", vec![("x-secret", NEW)], false),
    ];
    for (case, headers, admitted) in table {
        for front in FRONTS {
            let (app, calls) = site(guarded());
            let answer = get(&app, "/").headers(&headers).through(front).send().await;
            let (status, called) = if admitted { (200, 1) } else { (403, 0) };
            assert_eq!(answer.status, status, "{case}, {front:?}");
            assert_eq!(calls.load(Ordering::Relaxed), called, "{case}, {front:?}");
        }
    }
}

#[tokio::test]
async fn without_a_change_the_old_secret_is_a_strangers() {
    let (app, _) = site(CloudFront::new().with_origin_secret(NEW).expect("it is long enough"));
    for (secret, status) in [(NEW, 200), (OLD, 403)] {
        assert_eq!(get(&app, "/").header("x-origin-secret", secret).send().await.status, status);
    }
}

#[tokio::test]
async fn a_site_without_a_secret_answers_everyone() {
    let app = app_with(CloudFront::new(), |_| Representation::new("text/plain", "hello"));
    assert_eq!(get(&app, "/").send().await.status, 200);
    assert_eq!(get(&app, "/").header("x-origin-secret", "anything").send().await.status, 200);
}

/// A 304, a 404, a 405, a static file and a redirect would each tell a stranger something.
#[tokio::test]
async fn a_stranger_gets_one_answer_whatever_is_there() {
    let folders = folders(&[("static/a.css", "a"), ("templates/404.html", "the site's own page")]);
    let content = folders.content();
    let handler = move |request: &Request| match request.uri().path() {
        "/moved" => content.redirect("/"),
        path if path.starts_with("/static/") => content.static_file_at(request.uri()),
        _ => content.not_found(),
    };
    let (open, closed) = (app_with(CloudFront::new(), handler.clone()), app_with(guarded(), handler));
    let mut seen = std::collections::HashSet::new();
    for (method, target, status) in [
        ("GET", "/static/a.css", 200),
        ("GET", "/static/none.css", 404),
        ("GET", "/moved", 302),
        ("GET", "/no-such-page", 404),
        ("POST", "/static/a.css", 405),
        ("OPTIONS", "/static/a.css", 204),
        ("BREW", "/static/a.css", 405),
    ] {
        assert_eq!(ask(&open, method, target).send().await.status, status, "{method} {target}");
        assert_eq!(
            ask(&closed, method, target).header("x-origin-secret", NEW).send().await.status,
            status,
            "{method} {target}"
        );
        let tag = get(&open, target).send().await.header("etag").to_owned();
        let answer = ask(&closed, method, target).header("if-none-match", &tag).send().await;
        assert_eq!(answer.status, 403, "{method} {target}");
        assert_eq!(answer.line("cache-control"), "no-store");
        assert_eq!(
            answer.names(),
            ["cache-control", "content-length", "content-type", "x-content-type-options"],
            "{method} {target}"
        );
        seen.insert(answer.text().to_owned());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["Forbidden.\n"]);
    let head = ask(&closed, "HEAD", "/static/a.css").send().await;
    assert_eq!((head.status.as_u16(), head.text()), (403, ""));
}

/// A handler may decide by itself, inside of the layer that has looked at the secret and taken it away.
#[tokio::test]
async fn a_decision_inside_of_the_layer_is_not_asked_twice() {
    let inner = guarded();
    let service = service_fn(move |request: Request| {
        let response = inner.respond(&request, Representation::new("text/plain", "hello"));
        async { response.await.map_err(|error| error.to_string()) }
    });
    let app = App::new(guarded().layer(service));
    assert_eq!(get(&app, "/").header("x-origin-secret", NEW).send().await.status, 200);
    assert_eq!(get(&app, "/").send().await.status, 403);
}

#[tokio::test]
async fn what_is_no_request_needs_no_secret() {
    let app = site(guarded()).0.with_schedule("aws.events", async |_: ScheduledEvent| Ok::<(), std::io::Error>(()));
    let done = async |event: Value| {
        let reply = app.invoke(&event.to_string(), None).await.expect("no request");
        serde_json::to_value(&reply).expect("JSON")
    };
    assert_eq!(done(json!({ "warmer": true })).await, Value::Null);
    assert_eq!(done(json!({ "keep-warm": true })).await, Value::Null);
    assert_eq!(done(fixture("schedule")).await, Value::Null);
    // And a request that only looks like one of them needs it.
    let mut request = fixture("http");
    request["warmer"] = json!(true);
    assert_eq!(send(&app, &request).await.status, 403);
}

#[cfg(feature = "tasking")]
#[tokio::test]
async fn a_queues_batch_needs_no_secret() {
    use crate::tasks::{Journal, event, obedient, record};

    let journal = Journal::default();
    let app = site(guarded()).0.with_tasks(&obedient(&journal));
    let reply = app.invoke(&event([record("1", Some("g"), "work")]), None).await.expect("a batch");
    assert_eq!(serde_json::to_value(&reply).expect("JSON"), json!({ "batchItemFailures": [] }));
    assert_eq!(journal.lines(), ["g:work"]);
}

#[test]
fn a_secret_that_could_be_guessed_or_not_be_sent_is_refused() {
    let (short, long) = ("s".repeat(31), "s".repeat(1784));
    for secret in
        ["", short.as_str(), long.as_str(), &"ü".repeat(40), &" ".repeat(40), &"s ".repeat(20), &"s\n".repeat(20)]
    {
        for refused in
            [CloudFront::new().with_origin_secret(secret), CloudFront::new().with_previous_origin_secret(secret)]
        {
            let error = refused.expect_err("no secret");
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains("openssl rand -hex 32"), "{error}");
            assert!(secret.is_empty() || !error.to_string().contains(secret), "{error}");
        }
    }
    for secret in ["s".repeat(32), "s".repeat(1783)] {
        CloudFront::new().with_origin_secret(&secret).expect("a secret");
    }
}

#[tokio::test]
async fn neither_the_log_nor_debug_shows_a_secret() {
    let log = Log::start();
    let cloudfront = guarded();
    let (app, _) = site(cloudfront.clone());
    let wrong = format!("{NEW}-guess");
    get(&app, "/page").header("x-origin-secret", &wrong).send().await;
    let lines = log.lines(&["refused"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("WARN") && lines[0].contains("path=\"/page\""), "{lines:?}");
    for shown in [lines[0].as_str(), &format!("{cloudfront:?}"), &format!("{app:?}")] {
        assert!(![NEW, OLD, "guess"].iter().any(|secret| shown.contains(secret)), "{shown}");
    }
    assert!(format!("{cloudfront:?}").contains("Origin { secrets: 2, .. }"), "{cloudfront:?}");
}

/// Redirects are relative: the Host that a function sees is its own, and would lead visitors around CloudFront.
#[tokio::test]
async fn a_redirect_never_leads_to_the_origins_own_host() {
    let folders = folders(&[]);
    let content = folders.content();
    let app = app_with(guarded(), move |_| content.redirect("/welcome"));
    for front in FRONTS {
        let asked = get(&app, "/").header("host", "abc.execute-api.eu-west-1.amazonaws.com");
        let answer = asked.header("x-origin-secret", NEW).through(front).send().await;
        let location = answer.line("location");
        assert!(location.starts_with('/') && location.ends_with("/welcome"), "{front:?}: {location}");
    }
}
