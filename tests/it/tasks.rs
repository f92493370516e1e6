//! Background tasks through the public API: what is posted, what a batch is answered with, what a request keeps.

use std::{
    borrow::Cow,
    convert::Infallible,
    panic::resume_unwind,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chalice_http_toolkit::{
    App, BoxError, Error, ErrorKind, ScheduledEvent, Task, TaskContext, TaskingController,
    tasking::{BatchOrder, Dedup, LocalQueue, MemoryStore, Posted, RawTask},
};
use http::Response;
use lambda_http::{Context, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::service_fn;

use crate::support::Log;

#[derive(Serialize, Deserialize)]
struct Mail {
    to: String,
}

impl Task for Mail {
    const NAME: &'static str = "mail";

    fn group(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.to))
    }
}

fn mail(to: &str) -> Mail {
    Mail { to: to.to_owned() }
}

#[derive(Serialize, Deserialize)]
struct Slow(u64);

impl Task for Slow {
    const NAME: &'static str = "slow";
    const NEEDS: Duration = Duration::from_millis(500);
}

/// What ran, in its order.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.0.lock().expect("no test panics in here").push(line.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("no test panics in here").clone()
    }
}

/// A controller whose raw tasks do what their body says.
pub(crate) fn obedient(journal: &Journal) -> TaskingController {
    let journal = journal.clone();
    local().1.on_raw(move |context: TaskContext, task: RawTask| {
        let journal = journal.clone();
        async move {
            journal.note(format!("{}:{}", context.group().unwrap_or("-"), task.body()));
            match task.body().split_once(' ').unwrap_or((task.body(), "")) {
                ("fail", _) => Err(BoxError::from("told to")),
                ("permanent", _) => Err(Error::permanent("told to").into()),
                ("panic", _) => resume_unwind(Box::new("told to")),
                ("sleep", milliseconds) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds.parse()?)).await;
                    journal.note("slept");
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    })
}

pub(crate) fn record(id: &str, group: Option<&str>, body: &str) -> Value {
    let mut record = json!({
        "messageId": id,
        "receiptHandle": format!("receipt-{id}"),
        "body": body,
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1790000000000", "SequenceNumber": id },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:t.fifo",
        "awsRegion": "eu-west-1",
    });
    if group.is_none() {
        record["eventSourceARN"] = "arn:aws:sqs:eu-west-1:123456789012:standard".into();
    }
    if let Some(group) = group {
        record["attributes"]["MessageGroupId"] = group.into();
        record["attributes"]["MessageDeduplicationId"] = format!("d-{id}").into();
    }
    record
}

pub(crate) fn event(records: impl IntoIterator<Item = Value>) -> String {
    json!({ "Records": records.into_iter().collect::<Vec<_>>() }).to_string()
}

async fn failures(tasks: &TaskingController, event: &str) -> Vec<String> {
    let response = tasks.handle_event(event, None).await.expect("an answer");
    response.failed().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_failure_stops_its_group_and_no_other() {
    // group, body -> the ids that come back
    #[rustfmt::skip]
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let table: &[Row<'_>] = &[
        (&[("a", "ok"), ("a", "ok")], &[]),
        (&[("a", "fail"), ("a", "ok"), ("b", "ok")], &["0", "1"]),
        (&[("a", "ok"), ("a", "panic"), ("b", "ok"), ("a", "ok"), ("b", "ok")], &["1", "3"]),
        (&[("a", "ok"), ("b", "panic"), ("a", "fail"), ("b", "ok")], &["1", "2", "3"]),
        // It is a dead letter, and its group goes on.
        (&[("a", "ok"), ("b", "permanent"), ("a", "fail"), ("b", "ok")], &["2"]),
        (&[("a", "fail"), ("b", "fail"), ("c", "fail")], &["0", "1", "2"]),
        (&[("-", "fail"), ("-", "ok"), ("-", "ok")], &["0"]),
    ];
    for (records, expected) in table {
        let journal = Journal::default();
        let group = |group: &'static str| (group != "-").then_some(group);
        let records = records.iter().enumerate();
        let records = records.map(|(id, (name, body))| record(&id.to_string(), group(name), body));
        assert_eq!(failures(&obedient(&journal), &event(records)).await, *expected);
    }
}

#[tokio::test]
async fn a_bad_record_fails_alone() {
    let journal = Journal::default();
    let noted = journal.clone();
    let tasks = local().1.on(move |_: TaskContext, task: Mail| {
        noted.note(task.to);
        async { Ok::<(), Infallible>(()) }
    });
    let mut named = record("1", Some("a"), r#"{"to":"named"}"#);
    named["messageAttributes"]["chalice-task"] = json!({ "stringValue": "mail", "dataType": "String" });
    let mut broken = record("3", Some("c"), r#"{"to":7}"#);
    broken["messageAttributes"] = named["messageAttributes"].clone();
    let mut odd = record("4", Some("d"), "");
    odd["body"] = json!({ "not": "text" });
    odd["attributes"]["ApproximateReceiveCount"] = json!(7);
    let records = [
        named,
        record("2", Some("b"), r#"{"task":"mail","to":"tagged"}"#),
        broken,
        odd,
        record("5", Some("e"), "no task at all"),
        record("6", Some("f"), r#"{"task":"unknown"}"#),
    ];
    assert_eq!(failures(&tasks.with_names_in_bodies(), &event(records)).await, ["3", "4", "5", "6"]);
    assert_eq!(journal.lines(), ["named", "tagged"]);
}

/// What can stand in the place of any field.
const ODD: [&str; 11] = [
    "null",
    "true",
    "7",
    "-1.5e300",
    r#""""#,
    r#""x""#,
    r#""\ud800""#,
    "[]",
    r#"[null,"x"]"#,
    "{}",
    r#"{"\ud800":"\udc00","x":null}"#,
];

/// A record of a task for `ada`, with everything that SQS and Lambda send.
fn full_record() -> Value {
    let mut record = record("a", Some("g"), r#"{"to":"ada"}"#);
    record["md5OfBody"] = "x".into();
    record["md5OfMessageAttributes"] = "x".into();
    record["attributes"]["AWSTraceHeader"] = "Root=1".into();
    record["messageAttributes"] = json!({
        "chalice-task": { "stringValue": "mail", "dataType": "String", "stringListValues": [], "binaryListValues": [] },
        "locale": { "stringValue": "de", "dataType": "String" },
        "bytes": { "binaryValue": "AAEC", "dataType": "Binary" },
    });
    record
}

#[tokio::test]
async fn odd_fields_of_a_record_that_a_task_can_do_without_spoil_nothing() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").on(move |_: TaskContext, task: Mail| {
        into.lock().expect("no panic").push(task.to);
        async { Ok::<(), Infallible>(()) }
    });
    let site = service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(String::new())));
    let app = App::new(site).with_tasks(&tasks);
    let other = || record("b", Some("other"), r#"{"to":"bob"}"#);
    let named = |mut record: Value| {
        record["messageAttributes"]["chalice-task"] = json!({ "stringValue": "mail", "dataType": "String" });
        record
    };
    for pointer in [
        "/receiptHandle",
        "/attributes",
        "/attributes/ApproximateReceiveCount",
        "/attributes/SentTimestamp",
        "/attributes/SequenceNumber",
        "/attributes/MessageGroupId",
        "/attributes/MessageDeduplicationId",
        "/attributes/AWSTraceHeader",
        "/attributes/@odd",
        "/messageAttributes/locale",
        "/messageAttributes/locale/stringValue",
        "/messageAttributes/locale/dataType",
        "/messageAttributes/bytes/binaryValue",
        "/messageAttributes/chalice-task/dataType",
        "/messageAttributes/chalice-task/binaryValue",
        "/messageAttributes/chalice-task/stringListValues",
        "/messageAttributes/chalice-task/@odd",
        "/messageAttributes/chalice-key",
        "/messageAttributes/@odd",
        "/messageId",
        "/eventSource",
        "/eventSourceARN",
        "/awsRegion",
        "/md5OfBody",
        "/@odd",
    ] {
        for odd in ODD {
            let mut first = full_record();
            let (parent, key) = pointer.rsplit_once('/').expect("a path");
            first.pointer_mut(parent).expect("it is there")[key] = "@odd".into();
            let event = event([first, named(other())]);
            let event = event.replace("\"@odd\":", r#""\udfff":"#).replace("\"@odd\"", odd);
            let reply = app.invoke(&event, None).await.unwrap_or_else(|error| panic!("{pointer} {odd}: {error}"));
            let reply = serde_json::to_string(&reply).expect("JSON");
            assert_eq!(reply, r#"{"batchItemFailures":[]}"#, "{pointer} {odd}");
            let mut seen = std::mem::take(&mut *seen.lock().expect("no panic"));
            seen.sort();
            assert_eq!(seen, ["ada", "bob"], "{pointer} {odd}");
        }
    }
}

#[tokio::test]
async fn without_attributes_a_text_is_one_whatever_stands_in_their_place() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = seen.clone();
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").on_raw(move |_, task| {
        into.lock().expect("no panic").push(task.into_body());
        async { Ok::<(), Infallible>(()) }
    });
    for odd in ODD {
        let mut text = record("a", Some("g"), "hello");
        text["messageAttributes"] = "@odd".into();
        let event = event([text]).replace("\"@odd\"", odd);
        assert_eq!(failures(&tasks, &event).await, [""; 0], "{odd}");
        assert_eq!(std::mem::take(&mut *seen.lock().expect("no panic")), ["hello"], "{odd}");
    }
}

/// It is a task, and no text for the handler of texts: only which one, nobody can tell.
#[tokio::test]
async fn a_task_whose_name_can_not_be_read_fails() {
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").on_raw(async |_, _| Ok::<(), Infallible>(()));
    for (pointer, odd) in [
        ("/chalice-task/stringValue", r#""\ud800""#),
        ("/chalice-task/stringValue", "7"),
        ("/chalice-task/stringValue", "null"),
        ("/chalice-task", "7"),
        ("/chalice-task", "[]"),
        ("/chalice-raw", "[]"),
        ("/chalice-encoding", "7"),
        ("/ExtendedPayloadSize", "{}"),
    ] {
        let mut first = full_record();
        let (parent, key) = pointer.rsplit_once('/').expect("a path");
        first["messageAttributes"].pointer_mut(parent).expect("it is there")[key] = "@odd".into();
        let event = event([first, record("b", Some("other"), "hello")]).replace("\"@odd\"", odd);
        assert_eq!(failures(&tasks, &event).await, ["a"], "{pointer} {odd}");
    }
}

#[tokio::test]
async fn no_body_comes_into_the_log() {
    let log = Log::start();
    let tasks = local().1.on(async |_: TaskContext, _: Mail| Err("no")).with_names_in_bodies();
    let secret = record("1", Some("a"), r#"{"task":"mail","to":"secret"}"#);
    let shape = record("2", Some("b"), r#"{"task":"mail","to":["secret"]}"#);
    let syntax = record("3", Some("c"), r#"{"task":"mail","to":secret"#);
    assert_eq!(failures(&tasks, &event([secret, shape, syntax])).await.len(), 3);
    assert_eq!(log.lines(&["a task failed"]).len(), 3);
    let panicking = local().1.on_raw(async |_: TaskContext, task: RawTask| -> Result<(), Infallible> {
        resume_unwind(Box::new(task.into_body()))
    });
    assert_eq!(failures(&panicking, &event([record("4", Some("d"), "secret")])).await.len(), 1);
    assert!(log.lines(&["secret"]).is_empty(), "{:?}", log.lines(&["secret"]));
    let totals = log.lines(&["a batch of tasks was worked off", "message_count=3", "failed=3", "done=0"]);
    assert_eq!(totals.len(), 1);
}

#[tokio::test]
async fn what_lambda_can_not_be_told_keeps_the_whole_batch() {
    let journal = Journal::default();
    let mut unnamed = record("1", Some("a"), "fail");
    unnamed["messageId"] = Value::Null;
    let error = obedient(&journal).handle_event(&event([unnamed, record("2", None, "ok")]), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Batch);

    let unreported = obedient(&journal).with_report_batch_item_failures(false);
    let error = unreported.handle_event(&event([record("1", None, "fail")]), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Batch);
    let good = unreported.handle_event(&event([record("1", None, "ok")]), None).await;
    assert_eq!(good.expect("nothing failed").failed().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn groups_run_side_by_side_and_handlers_are_cut_before_the_end() {
    let journal = Journal::default();
    let begun = tokio::time::Instant::now();
    let records = (0..10).map(|id| record(&id.to_string(), Some(&format!("g{id}")), "sleep 1000"));
    assert!(failures(&obedient(&journal), &event(records)).await.is_empty());
    assert_eq!(begun.elapsed(), Duration::from_secs(1));

    let begun = tokio::time::Instant::now();
    let records = [record("1", Some("a"), "sleep 60000"), record("2", Some("a"), "ok"), record("3", Some("b"), "ok")];
    let answer = obedient(&journal).handle_event(&event(records), Some(Duration::from_secs(30))).await;
    assert_eq!(answer.expect("an answer").failed().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(begun.elapsed(), Duration::from_secs(29));
}

#[tokio::test(start_paused = true)]
async fn a_task_is_not_started_with_less_time_than_it_needs() {
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").on(async |_: TaskContext, task: Slow| {
        tokio::time::sleep(Duration::from_millis(task.0)).await;
        Ok::<(), Infallible>(())
    });
    let records = (1..=3).map(|id| {
        let mut record = record(&id.to_string(), Some("a"), "400");
        record["messageAttributes"]["chalice-task"] = json!({ "stringValue": "slow", "dataType": "String" });
        record
    });
    let answer = tasks.handle_event(&event(records), Some(Duration::from_millis(1300))).await;
    // It ends at 1.1 s: the third would have 0.3 s and needs 0.5.
    assert_eq!(answer.expect("an answer").failed().collect::<Vec<_>>(), ["3"]);
}

#[test]
#[should_panic(expected = "two tasks are named `mail`")]
fn two_tasks_of_one_name_are_refused() {
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name");
    let tasks = tasks.on(async |_: TaskContext, _: Mail| Ok::<(), Infallible>(()));
    drop(tasks.on(async |_: TaskContext, _: Mail| Ok::<(), Infallible>(())));
}

fn local() -> (LocalQueue, TaskingController) {
    let queue = LocalQueue::new("t.fifo");
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    (queue, tasks)
}

#[tokio::test]
async fn what_makes_a_task_the_same_as_another() {
    let (queue, tasks) = local();
    let post = |body: &str| tasks.post_raw(body, [("a", "b")]);
    for _ in 0..2 {
        post("x").await.expect("posted"); // Each its own: 2.
        post("x").with_key("k").await.expect("posted"); // 1.
        post("y").with_key("k").with_group("other").await.expect("posted"); // Another group: 1.
        post("x").with_dedup(Dedup::Content).await.expect("posted"); // 1.
        post("y").with_dedup(Dedup::Content).await.expect("posted"); // 1.
        post("z").with_dedup(Dedup::Id("own".into())).await.expect("posted"); // 1.
    }
    assert_eq!(queue.len(), 7);
}

#[tokio::test]
async fn a_batch_has_one_result_for_each_post_in_their_order() {
    let (queue, tasks) = local();
    for order in [BatchOrder::Strict, BatchOrder::Packed] {
        let bodies = (0..25).map(|n| if n % 7 == 3 { String::new() } else { format!("{order:?} {n}") });
        let posts = bodies.enumerate().map(|(n, body)| tasks.post_raw(body, [("n", n as i64)]).with_group("g"));
        let results: Vec<Result<Posted, Error>> = tasks.post_batch(posts).with_order(order).await;
        let refused: Vec<usize> = results.iter().enumerate().filter(|(_, r)| r.is_err()).map(|(at, _)| at).collect();
        assert_eq!(refused, [3, 10, 17, 24]);
        let numbers: Vec<&str> = results.iter().flatten().map(|posted| posted.sequence_number.as_str()).collect();
        assert!(numbers.is_sorted());
    }
    assert_eq!(queue.len(), 42);
}

#[tokio::test]
async fn inline_tasks_run_while_they_are_posted_and_fail_there() {
    let journal = Journal::default();
    let tasks = obedient(&journal).with_inline();
    tasks.post_raw("ok", [("a", "b")]).with_group("g").await.expect("it succeeds");
    let error = tasks.clone().with_default_group("default").post_raw("fail", [("a", "b")]).await.unwrap_err();
    assert!(!error.maybe_sent());
    assert!(format!("{error:?}").contains("told to"), "{error:?}");
    assert_eq!(journal.lines(), ["g:ok", "default:fail"]);
}

#[tokio::test]
async fn a_task_may_post_tasks_that_go_out_when_it_succeeds() {
    let (queue, tasks) = local();
    let journal = Journal::default();
    let noted = journal.clone();
    let tasks =
        tasks.with_backoff(Duration::ZERO, Duration::ZERO).on_raw(move |context: TaskContext, task: RawTask| {
            let noted = noted.clone();
            async move {
                noted.note(format!("{} {}", task.body(), context.attempt()));
                if task.body() == "first" {
                    context.tasking().post_raw("second", [("a", "b")]).on_success()?;
                    if context.attempt() < 3 {
                        return Err(BoxError::from("not yet"));
                    }
                }
                Ok(())
            }
        });
    tasks.post_raw("first", [("a", "b")]).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert_eq!(journal.lines(), ["first 1", "first 2", "first 3", "second 1"]);
    assert!(queue.is_empty());
}

/// A site that keeps a task for its success, and then answers as the path says.
fn keeping_site(tasks: &TaskingController) -> App {
    let posting = tasks.clone();
    let site = service_fn(move |request: Request| {
        let kept = posting.post_raw("kept", [("a", "b")]).on_success();
        let path = request.uri().path().to_owned();
        async move {
            kept?;
            let status = match path.as_str() {
                "/error" => return Err(BoxError::from("told to")),
                "/panic" => resume_unwind(Box::new("told to")),
                path => path.trim_start_matches('/').parse::<u16>()?,
            };
            Ok(Response::builder().status(status).body(String::new())?)
        }
    });
    App::new(site).with_tasks(tasks)
}

fn request(path: &str, id: &str) -> String {
    json!({ "rawPath": path, "requestContext": { "http": { "method": "POST" }, "requestId": id } }).to_string()
}

#[tokio::test]
async fn what_a_request_keeps_is_posted_once_and_only_if_it_succeeds() {
    for (path, expected) in
        [("/200", 1), ("/302", 1), ("/404", 1), ("/500", 0), ("/503", 0), ("/error", 0), ("/panic", 0)]
    {
        let (queue, tasks) = local();
        let app = keeping_site(&tasks);
        for _ in 0..2 {
            app.invoke(&request(path, "r-1"), None).await.expect("a reply");
        }
        assert_eq!(queue.len(), expected, "{path}");
        app.invoke(&request(path, "r-2"), None).await.expect("a reply");
        assert_eq!(queue.len(), 2 * expected, "{path}");
    }
}

#[tokio::test]
async fn a_task_that_can_not_go_out_fails_its_request() {
    let journal = Journal::default();
    let failing = obedient(&journal).with_inline();
    let posting = failing.clone();
    let site = service_fn(move |_: Request| {
        let kept = posting.post_raw("fail", [("a", "b")]).on_success();
        async {
            kept?;
            let response = Response::builder().status(303).header("location", "/thanks").header("x-own", "1");
            Ok::<_, BoxError>(response.header("set-cookie", "user=7").body(String::new())?)
        }
    });
    let reply = App::new(site).invoke(&request("/", "r-1"), None).await.expect("a reply");
    assert_eq!(reply.status(), 500);
    let reply = serde_json::to_value(&reply).expect("JSON");
    assert_eq!(
        (&reply["cookies"][0], &reply["headers"]["x-own"]),
        (&"user=7".into(), &"1".into()),
        "what was set stays"
    );
    assert_eq!(reply["headers"]["location"], Value::Null, "an error leads nowhere");
}

#[tokio::test]
async fn outside_of_a_handler_nothing_can_wait_for_success() {
    let (_, tasks) = local();
    let error = tasks.post_raw("x", [("a", "b")]).on_success().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn one_binary_takes_requests_batches_schedules_and_pings() {
    let journal = Journal::default();
    let (noted, tasks) = (journal.clone(), obedient(&journal));
    let posting = tasks.clone().with_inline().with_default_group("default");
    let app = keeping_site(&posting).with_tasks(&tasks);
    let app = app.with_schedule("nightly", move |event: ScheduledEvent| {
        noted.note(format!("{} {}", event.name().unwrap_or("-"), event.source()));
        async { Ok::<(), Infallible>(()) }
    });
    let rule = |name: &str| {
        let arn = format!("arn:aws:events:eu-west-1:1:rule/{name}");
        json!({ "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "resources": [arn], "detail": {} })
    };
    let reply =
        async |event: String| serde_json::to_value(app.invoke(&event, None).await.expect("a reply")).expect("JSON");
    assert_eq!(reply(request("/404", "r")).await["statusCode"], 404);
    let batch = reply(event([record("1", Some("g"), "fail"), record("2", Some("h"), "ok")])).await;
    assert_eq!(batch, json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] }));
    assert_eq!(reply(rule("nightly").to_string()).await, Value::Null);
    for ping in [
        rule("Shop-KeepWarm-1A"),
        rule("weekly"),
        json!({ "keep-warm": true }),
        json!({ "source": "serverless-plugin-warmup" }),
    ] {
        assert_eq!(reply(ping.to_string()).await, Value::Null);
    }
    assert_eq!(journal.lines(), ["default:kept", "g:fail", "h:ok", "nightly aws.events"]);
}

#[tokio::test]
async fn queues_are_told_apart_by_their_names() {
    let journal = Journal::default();
    let other = TaskingController::new("https://sqs.eu-west-1.amazonaws.com/1/u.fifo").expect("a FIFO URL");
    let other = other.with_local_queue(&LocalQueue::new("u.fifo"));
    let app = App::worker(&obedient(&journal)).with_tasks(&other);
    let of = |queue: &str| {
        let mut record = record("1", Some("g"), "ok");
        record["eventSourceARN"] = format!("arn:aws:sqs:eu-west-1:1:{queue}").into();
        event([record])
    };
    let reply =
        async |queue| app.invoke(&of(queue), None).await.map(|reply| serde_json::to_string(&reply).expect("JSON"));
    assert_eq!(reply("t.fifo").await.expect("taken"), r#"{"batchItemFailures":[]}"#);
    assert_eq!(reply("u.fifo").await.expect("taken"), r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#);
    assert!(reply("v.fifo").await.unwrap_err().to_string().contains("v.fifo"));
    assert_eq!(app.invoke(&request("/", "r"), None).await.expect("a reply").status(), 404);
}

#[tokio::test]
async fn a_batch_through_the_app_ends_with_its_invocation() {
    let mut context = Context::default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    context.deadline = now + 400;
    let app = App::worker(&obedient(&Journal::default()));
    let begun = std::time::Instant::now();
    let event = event([record("1", Some("a"), "sleep 30000"), record("2", Some("a"), "ok")]);
    let reply = serde_json::to_string(&app.invoke(&event, Some(context)).await.expect("a reply")).expect("JSON");
    assert!(reply.contains(r#""1""#) && reply.contains(r#""2""#), "{reply}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_store_that_fails_is_no_permission_to_run() {
    #[derive(Debug)]
    struct Away;
    impl chalice_http_toolkit::tasking::IdempotencyStore for Away {
        fn claim<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
            _: Duration,
        ) -> chalice_http_toolkit::tasking::StoreFuture<'a, chalice_http_toolkit::tasking::Claim> {
            Box::pin(async { Err("the table is away".into()) })
        }
        fn complete<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
            _: Duration,
        ) -> chalice_http_toolkit::tasking::StoreFuture<'a, bool> {
            Box::pin(async { Err("the table is away".into()) })
        }
        fn release<'a>(&'a self, _: &'a str, _: &'a str) -> chalice_http_toolkit::tasking::StoreFuture<'a, bool> {
            Box::pin(async { Err("the table is away".into()) })
        }
    }
    let journal = Journal::default();
    let tasks = obedient(&journal).with_store(Away);
    assert_eq!(failures(&tasks, &event([record("1", Some("a"), "ok")])).await, ["1"]);
    assert!(journal.lines().is_empty());
}

#[tokio::test]
async fn with_a_store_a_message_that_comes_again_does_not_run_again() {
    let journal = Journal::default();
    let tasks = obedient(&journal).with_store(MemoryStore::new());
    let batch = event([record("1", Some("a"), "one"), record("2", Some("a"), "fail"), record("3", Some("a"), "three")]);
    for _ in 0..3 {
        assert_eq!(failures(&tasks, &batch).await, ["2", "3"]);
    }
    assert_eq!(journal.lines(), ["a:one", "a:fail", "a:fail", "a:fail"]);
    // A post of the same task after the window has another id of the message, and the same of its content or key.
    let mut again = record("9", Some("a"), "one");
    again["attributes"]["MessageDeduplicationId"] = "d-1".into();
    assert!(failures(&tasks, &event([again])).await.is_empty());
    assert_eq!(journal.lines().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_typed_task_goes_all_the_way() {
    let journal = Journal::default();
    let (queue, tasks) = local();
    let noted = journal.clone();
    let tasks = tasks.on(move |context: TaskContext, task: Mail| {
        noted.note(format!("{} {} {}", task.to, context.group().unwrap_or("-"), context.attempt()));
        async { Ok::<(), Infallible>(()) }
    });
    let worker = tasks.spawn_worker().expect("a local queue");
    tasks.post(&mail("ada")).await.expect("posted");
    while !queue.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    worker.stop().await;
    assert_eq!(journal.lines(), ["ada ada 1"]);
}

/// Each names both queues, and nothing goes where it is not meant to.
#[tokio::test]
async fn a_batch_takes_no_tasks_of_another_queue() {
    let (queue, tasks) = local();
    let other_queue = LocalQueue::new("u.fifo");
    let other = TaskingController::new("u.fifo").expect("a FIFO name").with_local_queue(&other_queue);
    let same_name = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&LocalQueue::new("t.fifo"));
    let post = |tasks: &TaskingController| tasks.post_raw("x", [("a", "b")]);
    let posts = [post(&tasks), post(&other), post(&same_name), post(&tasks.clone().with_attempts(3))];
    let results = tasks.post_batch(posts).await;
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
    let error = results[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.maybe_sent()), (ErrorKind::Configuration, false));
    assert!(error.to_string().contains("`u.fifo`") && error.to_string().contains("`t.fifo`"), "{error}");
    assert_eq!((queue.len(), other_queue.len()), (2, 0));
}

#[tokio::test]
async fn a_queue_has_one_controller_with_handlers() {
    let (journal, (queue, posting)) = (Journal::default(), local());
    let handling = |tasks: TaskingController| tasks.on(async |_: TaskContext, _: Mail| Ok::<(), Infallible>(()));
    let first = obedient(&journal).with_local_queue(&queue);
    let batch = event([record("1", Some("a"), "ok")]);
    // One that posts only, and the same one twice, take nothing from it.
    let app = App::worker(&first).with_tasks(&posting).with_tasks(&first.clone().with_attempts(3));
    assert!(app.invoke(&batch, None).await.is_ok());
    let app = App::worker(&posting).with_tasks(&first);
    let reply = serde_json::to_value(app.invoke(&batch, None).await.expect("a reply")).expect("JSON");
    assert_eq!(reply, json!({ "batchItemFailures": [] }));
    let app = App::worker(&first).with_tasks(&handling(posting));
    let error = app.invoke(&batch, None).await.expect_err("the second would never run");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.to_string().contains("`t.fifo`"), "{error}");
    assert_eq!(app.run().await.unwrap_err().kind(), ErrorKind::Configuration);
}

#[test]
fn without_a_runtime_it_is_an_error_and_no_panic() {
    let (_, tasks) = local();
    let is_configuration =
        |error: Error| error.kind() == ErrorKind::Configuration && error.to_string().contains("Tokio");
    let post = || tasks.post_raw("x", [("a", "b")]);
    let posted = futures_util::FutureExt::now_or_never(post().into_future()).expect("it says so at once");
    assert!(is_configuration(posted.unwrap_err()));
    let batch =
        futures_util::FutureExt::now_or_never(tasks.post_batch([post()]).into_future()).expect("it says so at once");
    assert!(batch.into_iter().all(|result| is_configuration(result.unwrap_err())));
    let worked = futures_util::FutureExt::now_or_never(tasks.work_off()).expect("it says so at once");
    assert!(is_configuration(worked.unwrap_err()));
    assert!(is_configuration(tasks.spawn_worker().unwrap_err()));
}

/// In development, each of them is one line.
#[tokio::test(start_paused = true)]
async fn what_becomes_of_local_tasks_is_in_the_log() {
    let log = Log::start();
    let tasks = TaskingController::new("nobody.fifo").expect("a FIFO name");
    for _ in 0..2 {
        tasks.post(&mail("x")).await.expect("posted");
    }
    assert_eq!(log.lines(&["WARN", "nothing runs it", "nobody.fifo"]).len(), 1);

    // It is received again and again, and never runs to an end.
    let queue = LocalQueue::new("t.fifo").with_most_receives(1).with_visibility(Duration::from_secs(1));
    let queue = queue.with_timeout(Duration::from_secs(60));
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    let tasks = tasks.on(async |_: TaskContext, _: Mail| {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        Ok::<(), Infallible>(())
    });
    tasks.post(&mail("x")).await.expect("posted");
    // Its worker dies.
    drop(tokio::time::timeout(Duration::from_millis(10), tasks.work_off()).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    tasks.work_off().await.expect("a local queue");
    assert_eq!(queue.dead_letters().len(), 1);
    assert_eq!(
        log.lines(&["ERROR", "made a dead letter", "t.fifo", "task.name=\"mail\"", "task.group=\"x\""]).len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_wish_to_wait_for_longer_than_a_queue_can_is_in_the_log() {
    let (log, (queue, tasks)) = (Log::start(), local());
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let tasks = tasks.on_raw(async |_: TaskContext, _: RawTask| Err(Error::retry_after(DAY, "tomorrow")));
    tasks.post_raw("x", [("a", "b")]).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert_eq!(log.lines(&["WARN", "longer than a queue can", "11 hours"]).len(), 1);
    assert_eq!((log.lines(&["a task failed", "again_ms=39600000"]).len(), queue.len()), (1, 1));
}
