//! Events that are no requests: what EventBridge and its Scheduler send, inputs of a site's own, and what is none of these.

use std::sync::{Arc, Mutex};

use chalice_http_toolkit::{App, BoxError, ErrorKind, ScheduledEvent};
use lambda_http::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::service_fn;

use crate::support::Log;

fn app() -> App {
    App::new(service_fn(async |_: Request| Ok::<_, BoxError>(http::Response::new(String::new()))))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[derive(Debug, Deserialize, PartialEq)]
struct Nothing {}

#[derive(Debug, Deserialize, PartialEq)]
struct Order {
    order: u32,
}

/// What the handler of `nightly` makes of the detail of an event.
async fn detail<T: serde::de::DeserializeOwned + Send + 'static>(detail: &str) -> Result<T, ErrorKind> {
    let seen = Arc::new(Mutex::new(None));
    let into = seen.clone();
    let app = app().with_schedule("nightly", move |event: ScheduledEvent| {
        *into.lock().expect("no panic") = Some(event.detail::<T>().map_err(|error| error.kind()));
        async { Ok::<(), BoxError>(()) }
    });
    let event = r#"{"version":"0","id":"2","detail-type":"Scheduled Event","source":"aws.scheduler","resources":
        ["arn:aws:scheduler:eu-west-1:1:schedule/default/nightly"],"detail":@}"#;
    app.invoke(&event.replace('@', detail), None).await.expect("it is taken");
    let seen = seen.lock().expect("no panic").take();
    seen.expect("the handler ran")
}

#[tokio::test]
async fn a_detail_that_is_a_text_of_json_is_read_as_json() {
    for text in ["{}", r#""{}""#, r#""{\"order\":7}""#, r#"" { } ""#] {
        assert_eq!(detail::<Nothing>(text).await, Ok(Nothing {}), "{text}");
    }
    for text in [r#"{"order":7}"#, r#""{\"order\":7}""#, r#""\n{\u0022order\u0022: 7}""#] {
        assert_eq!(detail::<Order>(text).await, Ok(Order { order: 7 }), "{text}");
        assert_eq!(detail::<Value>(text).await, Ok(json!({ "order": 7 })), "{text}");
    }
    assert_eq!(detail::<String>(r#""hello""#).await.as_deref(), Ok("hello"));
    assert_eq!(detail::<String>(r#""{}""#).await.as_deref(), Ok("{}"));
    assert_eq!(detail::<Value>(r#""hello""#).await, Ok(json!("hello")));
    assert_eq!(detail::<Vec<u32>>(r#""[1,2]""#).await, Ok(vec![1, 2]));
    assert_eq!(detail::<Option<Order>>("null").await, Ok(None));
    for text in ["7", r#""""#, r#""{\"order\":""#, r#""\ud800""#, "null"] {
        assert_eq!(detail::<Order>(text).await, Err(ErrorKind::Event), "{text}");
    }
}

#[tokio::test]
async fn odd_fields_of_an_event_spoil_nothing() {
    let app = app().with_schedule("nightly", async |event: ScheduledEvent| {
        let order: Order = event.detail()?;
        if order.order == 7 { Ok(()) } else { Err(BoxError::from("another order")) }
    });
    let arn = "arn:aws:events:eu-west-1:1:rule/nightly";
    for (odd, event) in [
        ("resources are null", json!({ "detail-type": "x", "source": "nightly", "resources": null })),
        ("resources are an object", json!({ "detail-type": "x", "source": "nightly", "resources": { "a": 1 } })),
        ("resources are one text", json!({ "detail-type": "x", "resources": arn })),
        ("some resources are none", json!({ "detail-type": "x", "resources": [null, 7, {}, [arn], "x", arn] })),
        ("no detail-type", json!({ "source": "nightly" })),
        ("a detail-type of null", json!({ "source": "nightly", "detail-type": null })),
        ("a detail-type that is no text", json!({ "source": "nightly", "detail-type": { "a": 7 } })),
        ("no source", json!({ "detail-type": "x", "resources": [arn] })),
        ("a source that is no text", json!({ "detail-type": "x", "source": 7, "resources": [arn] })),
        ("id, time and account are odd", json!({ "source": "nightly", "id": 7, "time": {}, "account": null })),
        ("records are null", json!({ "source": "nightly", "Records": null })),
        ("records are no list", json!({ "source": "nightly", "Records": "none" })),
        ("records have none", json!({ "source": "nightly", "Records": [null] })),
        ("a record is odd", json!({ "source": "nightly", "Records": [{ "eventSource": 7 }] })),
        ("it says nothing of warmth", json!({ "source": "nightly", "warmer": "no", "keep-warm": null })),
    ] {
        let mut event = event;
        event["detail"] = json!({ "order": 7 });
        assert!(app.invoke(&event.to_string(), None).await.is_ok(), "{odd}");
        event["detail"] = json!({ "order": 8 });
        assert!(app.invoke(&event.to_string(), None).await.is_err(), "{odd}: the handler runs");
    }
    let half = r#"{"source":"nightly","id":"\ud800","time":"\ud800","resources":["\ud800"],"account":"\ud800","detail":{"order":7}}"#;
    assert!(app.invoke(half, None).await.is_ok());
}

#[tokio::test]
async fn a_scheduled_event_that_nobody_handles_keeps_the_function_warm() {
    let app = app().with_schedule("nightly", async |_: ScheduledEvent| Err::<(), _>("it is not for this one"));
    for event in [
        json!({ "detail-type": "Scheduled Event", "source": "aws.events", "resources": [], "detail": {} }),
        json!({ "detail-type": "Scheduled Event" }),
        json!({ "source": "aws.events" }),
        json!({ "source": "aws.scheduler", "detail": "{}" }),
        json!({}),
        json!({ "detail-type": "x", "resources": ["arn:aws:events:eu-west-1:1:rule/weekly"] }),
        json!({ "detail-type": "x", "resources": ["arn:aws:scheduler:eu-west-1:1:schedule/default/weekly"] }),
        json!({ "detail-type": "x", "resources": ["arn:aws:events:eu-west-1:1:rule/KeepWarm"] }),
    ] {
        let log = Log::start();
        let reply = app.invoke(&event.to_string(), None).await.expect("no failed invocation");
        assert_eq!(serde_json::to_value(&reply).expect("JSON"), Value::Null, "{event}");
        assert_eq!(log.lines(&["DEBUG", "kept the function warm"]).len(), 1, "{event}");
        assert!(["INFO", "WARN", "ERROR"].iter().all(|level| log.lines(&[level]).is_empty()), "{event}");
    }
}

#[tokio::test]
async fn what_is_none_of_ours_is_an_error_that_says_what_came() {
    for (event, told) in [
        (r#"{"order":7,"secret":"hunter2"}"#, "the fields `order`, `secret`"),
        (r#"{"detail-type":"OrderPaid","source":"my.shop","detail":{}}"#, "comes from `my.shop`"),
        (r#"{"Records":[{"eventSource":"aws:s3"}]}"#, "records of `aws:s3`"),
        (r#"{"Records":[{"EventSource":"aws:sns"}]}"#, "records of `aws:sns`"),
        (r#"{"Records":null}"#, "the fields `Records`"),
        (r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}"#, "`h` and others"),
        ("7", "no JSON object"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        ("{", "can't be read as JSON"),
        ("", "can't be read as JSON"),
        (r#"{"requestContext":7}"#, "the fields `requestContext`"),
    ] {
        let error = app().invoke(event, None).await.expect_err("it is none of ours");
        assert_eq!(error.kind(), ErrorKind::Event, "{event}");
        let text = error.to_string();
        assert!(text.contains(told) && text.contains("App::with_event_handler"), "{event}: {text}");
        assert!(!text.contains("hunter2"), "values are nobody's business: {text}");
    }
}

#[tokio::test]
async fn inputs_of_a_sites_own_have_a_handler() {
    let app = app().with_schedule("nightly", async |_: ScheduledEvent| Ok::<(), BoxError>(())).with_event_handler(
        async |event: Value| match event.get("fail") {
            Some(_) => Err(BoxError::from("as it was asked")),
            None => Ok(json!({ "got": event })),
        },
    );
    let rule = |name: &str| json!({ "resources": [format!("arn:aws:events:eu-west-1:1:rule/{name}")] });
    for event in [
        json!({ "order": 7 }),
        json!({}),
        json!(7),
        json!([1]),
        json!(null),
        json!("text"),
        json!({ "source": "my.shop", "detail": {} }),
        json!({ "detail-type": "Scheduled Event", "source": "aws.events" }),
        rule("weekly"),
        json!({ "Records": [{ "eventSource": "aws:s3" }] }),
    ] {
        let reply = app.invoke(&event.to_string(), None).await.expect("it is taken");
        assert_eq!(serde_json::to_value(&reply).expect("JSON"), json!({ "got": event }));
    }
    for event in [rule("nightly"), rule("keep-warm"), json!({ "keep-warm": true }), json!({ "warmer": true })] {
        let reply = app.invoke(&event.to_string(), None).await.expect("it is taken");
        assert_eq!(serde_json::to_value(&reply).expect("JSON"), Value::Null, "{event}");
    }
    let error = app.invoke(r#"{"fail":true}"#, None).await.expect_err("the handler's error");
    assert!(chain(&error).contains("as it was asked"), "{error}");
    assert_eq!(app.invoke("{", None).await.expect_err("no JSON").kind(), ErrorKind::Event);
    let request = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}"#;
    assert_eq!(app.invoke(request, None).await.expect("a reply").status(), 200);
}

#[tokio::test]
async fn a_handler_of_other_events_takes_what_it_can_read_and_never_ends_the_process() {
    let app = app().with_event_handler(async |event: Order| {
        assert_ne!(event.order, 8, "eight is too many");
        Ok::<_, BoxError>(())
    });
    let reply = app.invoke(r#"{"order":7}"#, None).await.expect("it is taken");
    assert_eq!(serde_json::to_string(&reply).expect("JSON"), "null");
    for (event, told) in [("{}", "missing field `order`"), (r#"{"order":8}"#, "eight is too many")] {
        let error = app.invoke(event, None).await.expect_err("a failed invocation");
        assert!(chain(&error).contains(told), "{event}: {}", chain(&error));
    }
}
