//! Bodies that are not in their messages: which are followed, which task they are, how much memory they take.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chalice_http_toolkit::{
    ErrorKind, Task, TaskContext, TaskingController,
    tasking::{LocalQueue, RawTask},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::tasks::{Journal, event, record};

#[derive(Serialize, Deserialize)]
struct Report {
    text: String,
}

impl Task for Report {
    const NAME: &'static str = "report";
}

fn controller() -> TaskingController {
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&LocalQueue::new("t.fifo"));
    tasks.with_s3_offload("bodies/tasks/")
}

fn with(mut record: Value, attributes: &[(&str, &str)]) -> Value {
    for (name, value) in attributes {
        record["messageAttributes"][*name] = json!({ "stringValue": value, "dataType": "String" });
    }
    record
}

fn compressed(id: &str, group: &str, body: &str) -> Value {
    let bytes = zstd::bulk::compress(body.as_bytes(), 3).expect("compressed");
    with(record(id, Some(group), &STANDARD.encode(bytes)), &[("chalice-encoding", "zstd")])
}

#[tokio::test]
async fn a_compressed_body_names_its_task_where_that_is_wished() {
    let body = json!({ "task": "report", "text": "hello" }).to_string();
    for (wished, expected) in [(false, body.clone()), (true, "a report: hello".to_owned())] {
        let journal = Journal::default();
        let (reports, texts) = (journal.clone(), journal.clone());
        let tasks = controller().on(move |_: TaskContext, task: Report| {
            reports.note(format!("a report: {}", task.text));
            async { Ok::<(), Infallible>(()) }
        });
        let tasks = tasks.on_raw(move |_: TaskContext, task: RawTask| {
            texts.note(task.into_body());
            async { Ok::<(), Infallible>(()) }
        });
        let tasks = if wished { tasks.with_names_in_bodies() } else { tasks };
        let marked = with(compressed("2", "g", &body), &[("chalice-raw", "1")]);
        let answer = tasks.handle_event(&event([compressed("1", "g", &body), marked]), None).await.expect("an answer");
        assert_eq!(answer.failed().count(), 0);
        assert_eq!(journal.lines(), [expected, body.clone()]);
    }
}

/// Ten groups at once: as many as there is room for.
#[tokio::test(start_paused = true)]
async fn the_bodies_of_a_batch_take_no_more_memory_than_they_may() {
    let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (holding, highest) = (held.clone(), most.clone());
    let tasks = controller().with_offload_limit(4_000_000).on_raw(move |_: TaskContext, task: RawTask| {
        let (holding, highest) = (holding.clone(), highest.clone());
        async move {
            let bytes = task.body().len();
            let now = holding.fetch_add(bytes, Ordering::Relaxed) + bytes;
            highest.fetch_max(now, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            holding.fetch_sub(bytes, Ordering::Relaxed);
            Ok::<(), Infallible>(())
        }
    });
    let body = "x".repeat(1_300_000);
    let records = (0..10).map(|n| compressed(&n.to_string(), &format!("g{n}"), &body));
    let begun = tokio::time::Instant::now();
    let answer = tasks.handle_event(&event(records), Some(Duration::from_secs(60))).await.expect("an answer");
    assert_eq!(answer.failed().count(), 0, "what waits is not lost");
    assert_eq!((most.load(Ordering::Relaxed), begun.elapsed()), (3 * 1_300_000, Duration::from_secs(4)));
    // One that no worker takes fails, and those that wait in vain are not begun.
    let large = "x".repeat(4_000_001);
    let records = [compressed("1", "a", &large), compressed("2", "b", "small")];
    let answer = tasks.handle_event(&event(records), Some(Duration::from_secs(60))).await.expect("an answer");
    assert_eq!(answer.failed().collect::<Vec<_>>(), ["1"]);
    let records = (0..10).map(|n| compressed(&n.to_string(), &format!("g{n}"), &body));
    let answer = tasks.handle_event(&event(records), Some(Duration::from_secs(3))).await.expect("an answer");
    assert_eq!(answer.failed().count(), 4);
}

#[tokio::test]
async fn a_body_that_no_worker_would_take_is_refused_when_it_is_posted() {
    let tasks = controller().with_offload_limit(2_000_000);
    let error = tasks.post_raw("x".repeat(2_000_001), [("a", "b")]).await.expect_err("it is too large");
    assert!(error.kind() == ErrorKind::Task && error.to_string().contains("2000001"), "{error}");
    tasks.post_raw("x".repeat(2_000_000), [("a", "b")]).await.expect("posted");
    // What fits into a message goes nowhere else.
    tasks.with_offload_limit(1).post_raw("x".repeat(1_000_000), [("a", "b")]).await.expect("posted");
}

/// A pointer that somebody else wrote into the queue.
#[tokio::test]
async fn a_pointer_that_leads_elsewhere_fails_and_reads_nothing() {
    let journal = Journal::default();
    let noted = journal.clone();
    let tasks = controller().on_raw(move |_: TaskContext, task: RawTask| {
        noted.note(task.into_body());
        async { Ok::<(), Infallible>(()) }
    });
    for (bucket, key) in [("secrets", "tasks/k"), ("bodies", "k"), ("bodies", "tasks/../k")] {
        let pointer = json!(["a.b.C", { "s3BucketName": bucket, "s3Key": key }]).to_string();
        let pointer = with(record("1", Some("g"), &pointer), &[("ExtendedPayloadSize", "7")]);
        let answer = tasks.handle_event(&event([pointer]), Some(Duration::from_secs(5))).await.expect("an answer");
        assert_eq!(answer.failed().count(), 1);
    }
    assert!(journal.lines().is_empty());
}
