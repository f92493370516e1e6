//! Events of every front door, as AWS sends them and as they go wrong, and the requests that a site gets from them.

use chalice_http_toolkit::{App, ErrorKind, ScriptRoot};
use http::Response;
use lambda_http::{Request, RequestExt};
use serde_json::{Value, json};
use tower::service_fn;

use crate::support::{Answer, send};

pub(crate) fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("JSON")
}

/// A site that answers with what it got.
fn echo() -> App {
    App::new(service_fn(async |request: Request| {
        let lines = |name: &str| -> Vec<String> {
            request.headers().get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect()
        };
        let body = json!({
            "method": request.method().as_str(),
            "path": request.uri().path(),
            "query": request.uri().query(),
            "host": request.uri().host(),
            "scheme": request.uri().scheme_str(),
            "root": request.extensions().get::<ScriptRoot>().map(ScriptRoot::as_str),
            "raw": request.raw_http_path(),
            "tags": request.query_string_parameters().all("tag"),
            "name": request.query_string_parameters().first("name"),
            "accept": lines("accept"),
            "cookie": lines("cookie"),
            "context": request.request_context_ref().is_some(),
            "body": request.body().as_ref(),
        });
        Ok::<_, std::convert::Infallible>(Response::new(body.to_string()))
    }))
}

async fn echoed(event: &Value) -> Value {
    let answer = send(&echo(), event).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.text()).expect("the echo is JSON")
}

async fn with(name: &str, changes: Value) -> Answer {
    send(&echo(), &changed(name, changes)).await
}

/// A fixture with some fields, named by their paths, set to other values.
fn changed(name: &str, changes: Value) -> Value {
    let mut event = fixture(name);
    for (pointer, value) in changes.as_object().expect("an object") {
        let (parent, key) = pointer.rsplit_once('/').expect("a path");
        event.pointer_mut(parent).expect("the parent is there")[key] = value.clone();
    }
    event
}

#[tokio::test]
async fn each_front_door_gives_the_same_request() {
    for (name, root) in [
        ("rest", "/prod"),
        ("http", ""),
        ("url", ""),
        ("alb", ""),
        ("http-payload-1.0", ""),
        ("cargo-lambda-watch", ""),
    ] {
        let got = echoed(&fixture(name)).await;
        assert_eq!(got["method"], "GET", "{name}");
        assert_eq!(got["path"], "/hello", "{name}");
        assert_eq!(got["raw"], "/hello", "{name}");
        assert_eq!(got["root"], root, "{name}");
        assert_eq!(got["name"], "N & M", "{name}");
        assert_eq!(got["tags"], json!(["a,b", "c"]), "{name}");
        assert_eq!(got["context"], true, "{name}");
    }
}

#[tokio::test]
async fn repeated_header_lines_all_arrive() {
    for (name, accept) in [
        ("rest", json!(["image/avif", "image/webp"])),
        ("alb", json!(["image/avif", "image/webp"])),
        ("http", json!(["image/avif,image/webp"])),
        ("alb-single-value", json!(["image/webp"])),
    ] {
        assert_eq!(echoed(&fixture(name)).await["accept"], accept, "{name}");
    }
}

#[tokio::test]
async fn cookies_arrive_once_and_whole() {
    for name in ["rest", "http", "url", "alb", "alb-single-value"] {
        assert_eq!(echoed(&fixture(name)).await["cookie"], json!(["a=1; b=ä"]), "{name}");
    }
}

#[tokio::test]
async fn the_query_keeps_its_order() {
    for (name, query) in [
        ("rest", "tag=a,b&tag=c&name=N%20%26%20M"),
        ("http", "tag=a,b&name=N%20%26%20M&tag=c"),
        ("url", "tag=a,b&name=N%20%26%20M&tag=c"),
        ("alb", "tag=a,b&tag=c&name=N%20%26%20M"),
        ("alb-single-value", "tag=c&name=N%20%26%20M"),
    ] {
        // As text: a `Value` would sort the keys.
        let path = format!("{}/tests/fixtures/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let event = std::fs::read_to_string(path).expect("a fixture");
        let reply = echo().invoke(&event, None).await.expect("a reply");
        let answer = Answer::of(serde_json::to_value(&reply).expect("JSON"));
        let got: Value = serde_json::from_str(answer.text()).expect("JSON");
        assert_eq!(got["query"], query, "{name}");
    }
}

/// What a router that decodes once makes of the path that it is given.
#[tokio::test]
async fn a_path_is_decoded_exactly_once() {
    for (client, seen_by_http_api) in [
        ("/a%20b", "/a b"),
        ("/a%2520b", "/a%20b"),
        ("/caf%C3%A9", "/café"),
        ("/a%23b", "/a#b"),
        ("/a%3Fb", "/a?b"),
        ("/a%2Fb", "/a/b"),
        ("/100%25", "/100%"),
        ("/a+b", "/a+b"),
        ("/a%5Cb", "/a\\b"),
        ("/%7Bid%7D", "/{id}"),
    ] {
        let decoded = |uri: &Value| {
            let path = uri["path"].as_str().expect("a path");
            percent_encoding::percent_decode_str(path).decode_utf8().expect("UTF-8").into_owned()
        };
        for name in ["url", "cargo-lambda-watch"] {
            let got = echoed(&changed(name, json!({ "/rawPath": client }))).await;
            assert_eq!(got["path"], client, "{name}: the path is left as the client sent it");
            assert_eq!(decoded(&got), seen_by_http_api, "{name}");
        }
        for name in ["rest", "alb"] {
            let event = changed(name, json!({ "/path": client, "/requestContext/path": client }));
            assert_eq!(echoed(&event).await["path"], client, "{name}");
        }
        let got = echoed(&changed("http", json!({ "/rawPath": seen_by_http_api }))).await;
        assert_eq!(decoded(&got), seen_by_http_api, "http {client}");
        assert_eq!(got["query"], "tag=a,b&name=N%20%26%20M&tag=c", "nothing of the path became a query");
        let got = echoed(&changed("http-payload-1.0", json!({ "/path": seen_by_http_api }))).await;
        assert_eq!(decoded(&got), seen_by_http_api, "http-payload-1.0 {client}");
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_a_400() {
    for (name, changes) in [
        ("http", json!({ "/headers/host": "a b" })),
        ("http", json!({ "/headers/host": "[::1" })),
        ("http", json!({ "/headers/host": "shop.example:http" })),
        ("http", json!({ "/headers/host": "shop.example:80:80" })),
        ("http", json!({ "/headers/host": "shop.example:99999" })),
        ("http", json!({ "/headers/host": ":80" })),
        ("http", json!({ "/headers/host": ":" })),
        ("http", json!({ "/headers/host": "user@example.com" })),
        ("http", json!({ "/headers/host": "\u{1f4a9}" })),
        ("http", json!({ "/headers/x": "a\nb" })),
        ("http", json!({ "/headers/a b": "c" })),
        ("http", json!({ "/headers": ["a"] })),
        ("http", json!({ "/headers": { "accept": 7 } })),
        ("http", json!({ "/cookies": "a=1" })),
        ("http", json!({ "/cookies": ["a=\n"] })),
        ("http", json!({ "/requestContext/http/method": "" })),
        ("http", json!({ "/requestContext/http/method": "G T" })),
        ("http", json!({ "/requestContext/http/method": null })),
        ("http", json!({ "/body": "%%%", "/isBase64Encoded": true })),
        ("url", json!({ "/rawPath": "/a%" })),
        ("url", json!({ "/rawPath": "/%zz" })),
        ("rest", json!({ "/path": "/%4", "/requestContext/path": "/%4" })),
        ("alb", json!({ "/path": "/a%2" })),
        ("alb", json!({ "/multiValueHeaders": { "host": ["a b"] } })),
    ] {
        let answer = with(name, changes.clone()).await;
        assert_eq!(answer.status, 400, "{name} {changes}");
        assert_eq!(answer.header("cache-control"), "no-store", "{name} {changes}");
    }
}

/// JSON can hold half of a surrogate pair (RFC 8259 §8.2), which is no text.
#[tokio::test]
async fn half_a_surrogate_pair_is_a_400_and_never_another_page() {
    for (name, pointers) in [
        (
            "http",
            &[
                "/rawPath",
                "/rawQueryString",
                "/body",
                "/headers/host",
                "/headers/x",
                "/headers/@",
                "/cookies",
                "/requestContext/http/method",
                "/requestContext/domainName",
                "/requestContext/stage",
            ][..],
        ),
        ("url", &["/rawPath", "/rawQueryString", "/body", "/headers/host", "/requestContext/http/method"]),
        (
            "rest",
            &[
                "/path",
                "/httpMethod",
                "/body",
                "/multiValueHeaders/Host",
                "/multiValueHeaders/@",
                "/multiValueQueryStringParameters/a",
                "/multiValueQueryStringParameters/@",
                "/requestContext/path",
            ],
        ),
        (
            "http-payload-1.0",
            &["/path", "/httpMethod", "/version", "/requestContext/stage", "/multiValueHeaders/Cookie"],
        ),
        ("alb", &["/path", "/httpMethod", "/multiValueHeaders/host", "/multiValueQueryStringParameters/a"]),
        ("alb-single-value", &["/headers/host", "/queryStringParameters/a"]),
    ] {
        for pointer in pointers {
            for half in [r"/admin\ud800", r"\udc00", r"\ud800\ud800", r"/\uDBFFx"] {
                let odd = if *pointer == "/cookies" { json!(["a=1", "@"]) } else { json!("@") };
                let event = changed(name, json!({ *pointer: odd })).to_string().replace('@', half);
                let reply = echo().invoke(&event, None).await.expect("a reply");
                assert_eq!(reply.status(), 400, "{name} {pointer} {half}");
            }
        }
    }
}

#[tokio::test]
async fn a_field_of_another_type_is_a_400_and_never_another_page() {
    for (name, pointer) in [
        ("http", "/rawPath"),
        ("http", "/rawQueryString"),
        ("http", "/body"),
        ("http", "/isBase64Encoded"),
        ("http", "/requestContext/http/method"),
        ("http", "/requestContext/stage"),
        ("http", "/requestContext/domainName"),
        ("rest", "/path"),
        ("rest", "/httpMethod"),
        ("rest", "/requestContext/path"),
        ("alb", "/path"),
    ] {
        for odd in [json!(7), json!(["/"]), json!({})] {
            let answer = with(name, json!({ pointer: odd })).await;
            assert_eq!(answer.status, 400, "{name} {pointer} {odd}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_read_and_shapes_no_request_is_left_out() {
    for (name, pointer) in [
        ("http", "/version"),
        ("http", "/routeKey"),
        ("http", "/pathParameters/a"),
        ("http", "/stageVariables/a"),
        ("http", "/queryStringParameters/name"),
        ("http", "/requestContext/requestId"),
        ("http", "/requestContext/http/userAgent"),
        ("http", "/requestContext/http/path"),
        ("http", "/requestContext/authorizer/jwt"),
        ("rest", "/resource"),
        ("rest", "/headers/Accept"),
        ("rest", "/pathParameters/proxy"),
        ("rest", "/requestContext/requestId"),
        ("rest", "/requestContext/identity/userAgent"),
    ] {
        let mut event = fixture(name);
        for parent in ["/pathParameters", "/stageVariables", "/requestContext/authorizer"] {
            let (at, key) = parent.rsplit_once('/').expect("a path");
            event.pointer_mut(at).expect("it is there")[key] = json!({});
        }
        let (at, key) = pointer.rsplit_once('/').expect("a path");
        event.pointer_mut(at).expect("it is there")[key] = "@".into();
        let event = event.to_string().replace("\"@\"", r#""\ud800""#);
        let reply = echo().invoke(&event, None).await.expect("a reply");
        let answer = Answer::of(serde_json::to_value(&reply).expect("JSON"));
        assert!(answer.status == 200 && answer.text().contains("\"/hello\""), "{name} {pointer} {}", answer.text());
    }
}

/// All that a field's place can hold instead of what belongs there.
const ODD: [&str; 12] = [
    "null",
    "true",
    "7",
    "-1e999",
    r#""""#,
    r#""x""#,
    r#""\ud800""#,
    "[]",
    "[null]",
    r#"[{"\ud800":null}]"#,
    "{}",
    r#"{"\ud800":"\udc00","x":{"y":[null]}}"#,
];

/// Each field of each event, at whatever depth, replaced in turn, and accompanied by one of an odd name.
fn odd_events(name: &str) -> Vec<(String, String)> {
    fn visit(value: &Value, pointer: &str, found: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.replace('/', "~1"), value)).collect(),
            Value::Array(list) => list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
            _ => Vec::new(),
        };
        for (key, child) in children {
            let pointer = format!("{pointer}/{key}");
            visit(child, &pointer, found);
            found.push(pointer);
        }
    }
    let (mut pointers, event) = (Vec::new(), fixture(name));
    visit(&event, "", &mut pointers);
    let mut events = Vec::new();
    for pointer in pointers {
        for odd in ODD {
            let mut event = event.clone();
            *event.pointer_mut(&pointer).expect("it is there") = "@odd".into();
            events.push((pointer.clone(), event.to_string().replace("\"@odd\"", odd)));
        }
        let mut event = event.clone();
        if let Some(Value::Object(fields)) = event.pointer_mut(&pointer) {
            fields.insert("@odd".into(), "@odd".into());
            events.push((pointer, event.to_string().replace("@odd", r"\ud800")));
        }
    }
    events
}

#[tokio::test]
async fn whatever_stands_in_an_event_a_request_is_answered() {
    for name in ["rest", "http", "url", "alb", "alb-single-value", "http-payload-1.0", "cargo-lambda-watch"] {
        for (pointer, event) in odd_events(name) {
            let reply = echo().invoke(&event, None).await.unwrap_or_else(|error| panic!("{name} {pointer}: {error}"));
            assert!([200, 400].contains(&reply.status().as_u16()), "{name} {pointer} {event}");
        }
    }
}

#[tokio::test]
async fn an_odd_field_of_the_context_leaves_the_others() {
    let app = App::new(service_fn(async |request: Request| {
        let account = match request.request_context() {
            lambda_http::request::RequestContext::ApiGatewayV1(context) => context.account_id,
            lambda_http::request::RequestContext::ApiGatewayV2(context) => context.account_id,
            other => panic!("{other:?}"),
        };
        Ok::<_, std::convert::Infallible>(Response::new(account.unwrap_or_default()))
    }));
    for (name, pointer) in [
        ("rest", "/requestContext/identity/userAgent"),
        ("rest", "/requestContext/apiId"),
        ("rest", "/requestContext/@odd"),
        ("http", "/requestContext/http/userAgent"),
        ("http", "/requestContext/time"),
        ("http", "/requestContext/http/@odd"),
        ("url", "/requestContext/time"),
    ] {
        for odd in ["null", r#""\ud800""#] {
            let account = fixture(name)["requestContext"]["accountId"].clone();
            let event = changed(name, json!({ pointer: "@odd" })).to_string();
            let event = event.replace("\"@odd\":", r#""\udc00":"#).replace("\"@odd\"", odd);
            let answer = send(&app, &event).await;
            assert_eq!((answer.status.as_u16(), json!(answer.text())), (200, account), "{name} {pointer} {odd}");
        }
    }
}

#[tokio::test]
async fn a_request_without_a_context_is_one() {
    for (name, without, status) in [
        ("rest", Value::Null, 200),
        ("rest", json!("x"), 200),
        ("http-payload-1.0", Value::Null, 200),
        ("alb", json!([]), 200),
        ("alb-single-value", Value::Null, 200),
        // There the method is.
        ("http", Value::Null, 400),
        ("url", json!(7), 400),
    ] {
        assert_eq!(with(name, json!({ "/requestContext": without })).await.status, status, "{name}");
    }
}

/// More than a map of fields can hold.
#[tokio::test]
async fn too_many_header_fields_are_a_400() {
    for name in ["rest", "http"] {
        for count in [9_000_usize, 11_000, 40_000] {
            let key = if name == "rest" { "multiValueHeaders" } else { "headers" };
            let names: Value =
                (0..count).map(|at| (format!("x-{at}"), json!(["a"]))).collect::<serde_json::Map<_, _>>().into();
            let lines = json!({ "x": vec!["a"; count] });
            for fields in [names, lines] {
                let status = with(name, json!({ format!("/{key}"): fields })).await.status;
                assert_eq!(status, if count < 10_000 { 200 } else { 400 }, "{name} {count}");
            }
        }
    }
}

#[tokio::test]
async fn of_two_fields_with_one_name_the_last_counts() {
    let event = r#"{"rawPath":"/a","requestContext":{"http":{"method":"POST"}},"rawPath":"/b","requestContext":{"http":{"method":"GET"}}}"#;
    let answer = send(&echo(), event).await;
    let got: Value = serde_json::from_str(answer.text()).expect("JSON");
    assert_eq!((&got["path"], &got["method"]), (&json!("/b"), &json!("GET")));
}

#[tokio::test]
async fn what_is_odd_is_served_all_the_same() {
    for (name, changes) in [
        ("http", json!({ "/headers": null, "/cookies": null, "/body": null, "/isBase64Encoded": null })),
        ("http", json!({ "/headers/accept": null })),
        ("http", json!({ "/requestContext": { "http": { "method": "GET" } } })),
        (
            "http",
            json!({ "/requestContext/time": 7, "/requestContext/timeEpoch": null, "/requestContext/stage": null }),
        ),
        ("http", json!({ "/rawQueryString": "a b=c d&\"<ä>#" })),
        ("http", json!({ "/rawQueryString": null })),
        ("http", json!({ "/rawPath": "", "/requestContext/http/path": null })),
        ("http", json!({ "/rawPath": "//x//" })),
        ("http", json!({ "/rawPath": "/\u{0}\t\n" })),
        ("http", json!({ "/headers/x-forwarded-proto": "https,http" })),
        ("http", json!({ "/headers/x-forwarded-proto": "gopher://" })),
        ("http", json!({ "/headers/host": "" })),
        ("http", json!({ "/headers/x": "ä" })),
        ("url", json!({ "/rawPath": "/a b\\c|{d}" })),
        ("rest", json!({ "/multiValueHeaders": null, "/headers": null, "/queryStringParameters": null })),
        ("rest", json!({ "/multiValueQueryStringParameters": { "a": null, "b": [null, "c"] } })),
        ("rest", json!({ "/requestContext/identity": null, "/requestContext/authorizer": { "claims": null } })),
        ("rest", json!({ "/stageVariables": { "a": null }, "/pathParameters": null })),
        ("alb", json!({ "/body": null, "/multiValueHeaders": {} })),
        ("alb", json!({ "/multiValueQueryStringParameters": { "a": ["%zz", "b c"] } })),
    ] {
        let answer = with(name, changes.clone()).await;
        assert_eq!(answer.status, 200, "{name} {changes} {}", answer.text());
    }
}

#[tokio::test]
async fn the_uri_names_the_host_and_the_scheme_that_are_known() {
    for (changes, host, scheme) in [
        (json!({}), json!("abcde12345.execute-api.eu-central-1.amazonaws.com"), json!("https")),
        (
            json!({ "/headers/x-forwarded-proto": "http, https" }),
            json!("abcde12345.execute-api.eu-central-1.amazonaws.com"),
            json!("http"),
        ),
        (json!({ "/headers": {} }), json!("abcde12345.execute-api.eu-central-1.amazonaws.com"), json!("https")),
        (json!({ "/headers": {}, "/requestContext/domainName": null }), Value::Null, Value::Null),
    ] {
        let got = echoed(&changed("http", changes)).await;
        assert_eq!((&got["host"], &got["scheme"]), (&host, &scheme));
    }
}

#[tokio::test]
async fn a_stage_is_a_prefix_for_links_and_not_for_routes() {
    for (name, changes, root, path) in [
        ("http", json!({ "/rawPath": "/prod/hello", "/requestContext/stage": "prod" }), "/prod", "/hello"),
        ("http", json!({ "/rawPath": "/prod", "/requestContext/stage": "prod" }), "/prod", "/"),
        ("http", json!({ "/rawPath": "/product", "/requestContext/stage": "prod" }), "", "/product"),
        (
            "http-payload-1.0",
            json!({ "/path": "/prod/a b", "/requestContext/path": "/prod/a b", "/requestContext/stage": "prod" }),
            "/prod",
            "/a%20b",
        ),
        ("http-payload-1.0", json!({ "/path": "/prod", "/requestContext/stage": "prod" }), "/prod", "/"),
        ("http-payload-1.0", json!({ "/path": "/product", "/requestContext/stage": "prod" }), "", "/product"),
        (
            "http-payload-1.0",
            json!({
                "/path": "/prod/hello",
                "/requestContext/path": "/prod/hello",
                "/requestContext/stage": "prod",
                "/requestContext/domainName": "www.shop.example",
            }),
            "",
            "/prod/hello",
        ),
        ("rest", json!({ "/path": "/prod/x", "/requestContext/path": "/prod/prod/x" }), "/prod", "/prod/x"),
        ("rest", json!({ "/path": "/", "/requestContext/path": "/prod" }), "/prod", "/"),
    ] {
        let got = echoed(&changed(name, changes)).await;
        assert_eq!((&got["root"], &got["path"]), (&json!(root), &json!(path)), "{name}");
    }
}

#[tokio::test]
async fn a_body_is_the_same_as_text_and_as_base64() {
    let form = "name=N&message=caf%C3%A9";
    for (body, encoded) in [(form, false), ("bmFtZT1OJm1lc3NhZ2U9Y2FmJUMzJUE5", true)] {
        for (name, method) in [
            ("http", "/requestContext/http/method"),
            ("url", "/requestContext/http/method"),
            ("rest", "/httpMethod"),
            ("alb", "/httpMethod"),
        ] {
            let event = changed(name, json!({ method: "POST", "/body": body, "/isBase64Encoded": encoded }));
            let got = echoed(&event).await;
            assert_eq!(got["method"], "POST", "{name}");
            assert_eq!(got["body"], json!(form.as_bytes()), "{name}");
        }
    }
}

#[tokio::test]
async fn an_event_of_no_front_door_is_refused_with_what_it_was() {
    let of_a_queue = if cfg!(feature = "tasking") { "aws:sqs" } else { "feature `tasking`" };
    for (name, told) in [("sqs", of_a_queue), ("sam-test", "no kind that is known")] {
        let error = echo().invoke(&fixture(name).to_string(), None).await.expect_err("it is none of ours");
        assert_eq!(error.kind(), ErrorKind::Event);
        assert!(error.to_string().contains(told), "{error}");
    }
    for json in ["", "[]", "null", "7", "\"x\"", "{", "{\"requestContext\":7}"] {
        assert_eq!(echo().invoke(json, None).await.expect_err("no event").kind(), ErrorKind::Event, "{json}");
    }
}

mod any_event {
    use super::*;
    use proptest::prelude::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(\\PC|[%/\\\\\u{0}\n]){0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::vec(("[a-zA-Z-]{0,8}", inner), 0..3)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    const POINTERS: [&str; 12] = [
        "/headers",
        "/headers/host",
        "/cookies",
        "/rawPath",
        "/path",
        "/rawQueryString",
        "/multiValueHeaders",
        "/multiValueQueryStringParameters",
        "/body",
        "/isBase64Encoded",
        "/requestContext",
        "/requestContext/stage",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn is_answered_or_refused_and_never_a_panic(
            name in prop_oneof![Just("rest"), Just("http"), Just("url"), Just("alb")],
            changes in proptest::collection::vec((proptest::sample::select(&POINTERS[..]), any_json()), 1..4),
        ) {
            let mut event = fixture(name);
            for (pointer, value) in changes {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                if let Some(Value::Object(parent)) = event.pointer_mut(parent) {
                    parent.insert(key.to_owned(), value);
                }
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            if let Ok(reply) = runtime.block_on(echo().invoke(&event.to_string(), None)) {
                prop_assert!([200, 400].contains(&reply.status().as_u16()));
            }
        }
    }
}
