//! Stores and what a worker makes of them. The one in DynamoDB goes through the same rules in `tests/dynamodb.rs`.

use std::{convert::Infallible, time::Duration};

use chalice_http_toolkit::{
    BoxError, Error, TaskContext, TaskingController,
    tasking::{Claim, IdempotencyStore, LocalQueue, MemoryStore, RawTask, StoreFuture},
};
use tokio::time::Instant;

use crate::{
    store_rules,
    tasks::{Journal, event, record},
};

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_keeps_the_rules_of_every_store() {
    store_rules::check(&MemoryStore::new(), tokio::time::sleep).await;
}

/// A queue, and a controller with a store that notes the keys of what it runs.
fn noting(store: impl IdempotencyStore) -> (Journal, LocalQueue, TaskingController) {
    let (journal, queue) = (Journal::default(), LocalQueue::new("t.fifo"));
    let noted = journal.clone();
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue).with_store(store);
    let tasks = tasks.on_raw(move |context: TaskContext, _: RawTask| {
        noted.note(context.idempotency_key());
        async { Ok::<(), Infallible>(()) }
    });
    (journal, queue, tasks)
}

/// As the queue sees it: the key of one group is not that of another.
#[tokio::test]
async fn a_key_is_one_task_in_each_group() {
    let (journal, _, tasks) = noting(MemoryStore::new());
    // The last two would be one if the parts of a key could run into each other.
    for (group, key) in [("a", "k"), ("b", "k"), ("a", "k"), ("c|d", "e"), ("c", "d|e")] {
        tasks.post_raw("x", [("n", 1)]).with_group(group).with_key(key).await.expect("posted");
    }
    tasks.work_off().await.expect("a local queue");
    assert_eq!(journal.lines().len(), 4, "{:?}", journal.lines());
}

/// A worker that died has claimed everything for so long.
#[derive(Debug)]
struct Died(Instant, Duration);

impl IdempotencyStore for Died {
    fn claim<'a>(&'a self, _: &'a str, _: &'a str, _: Duration) -> StoreFuture<'a, Claim> {
        let remaining = (self.0 + self.1).saturating_duration_since(Instant::now());
        let claim = if remaining.is_zero() { Claim::Acquired } else { Claim::Busy { remaining } };
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn complete<'a>(&'a self, _: &'a str, _: &'a str, _: Duration) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn release<'a>(&'a self, _: &'a str, _: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }
}

/// With attempts after 5, 10, 20… seconds the five receives would be used up long before the lease ends.
#[tokio::test(start_paused = true)]
async fn what_is_claimed_by_the_dead_waits_for_the_lease_and_loses_no_attempts() {
    let lease = Duration::from_secs(15 * 60);
    let (journal, queue, tasks) = noting(Died(Instant::now(), lease));
    let begun = Instant::now();
    for body in ["first", "second"] {
        tasks.post_raw(body, [("n", 1)]).await.expect("posted");
    }
    while !queue.is_empty() {
        tasks.work_off().await.expect("a local queue");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((journal.lines().len(), queue.dead_letters().len()), (2, 0));
    let waited = begun.elapsed();
    assert!(waited > lease && waited < lease + Duration::from_secs(30), "{waited:?}");
}

/// What a key names may happen again each day: the tasks that it posts are not those of the day before.
#[tokio::test]
async fn children_belong_to_a_message_and_not_to_its_key() {
    let queue = LocalQueue::new("t.fifo");
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    let tasks = tasks.on_raw(async |context: TaskContext, task: RawTask| {
        if task.body() == "daily" {
            context.tasking().post_raw("child", [("n", 1)]).on_success()?;
        }
        Ok::<(), Error>(())
    });
    for message in ["monday", "tuesday", "tuesday"] {
        let mut daily = record(message, Some("g"), "daily");
        daily["messageAttributes"]["chalice-key"] =
            serde_json::json!({ "stringValue": "report", "dataType": "String" });
        let answer = tasks.handle_event(&event([daily]), None).await.expect("an answer");
        assert_eq!(answer.failed().count(), 0);
    }
    assert_eq!(queue.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_runs_inline_takes_its_time_and_must_have_run() {
    let slow = |tasks: TaskingController| {
        tasks.with_inline().on_raw(async |_: TaskContext, _: RawTask| {
            tokio::time::sleep(Duration::from_secs(600)).await;
            Ok::<(), BoxError>(())
        })
    };
    let tasks = || TaskingController::new("t.fifo").expect("a FIFO name");
    slow(tasks()).post_raw("x", [("n", 1)]).await.expect("nothing cuts it");
    let busy = slow(tasks().with_store(Died(Instant::now(), Duration::from_secs(60))));
    assert!(busy.post_raw("x", [("n", 1)]).await.is_err());
}

/// Bodies are not what was posted, and this worker can't fetch them: they wait for one that can.
#[tokio::test]
async fn a_pointer_is_no_body() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Anything(serde_json::Value);
    impl chalice_http_toolkit::Task for Anything {
        const NAME: &'static str = "anything";
    }
    let queue = LocalQueue::new("t.fifo");
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    let tasks = tasks.with_dead_letter_queue("d.fifo").expect("a FIFO name");
    let tasks = tasks.on(async |_: TaskContext, _: Anything| Ok::<(), Infallible>(()));
    for (name, value) in [("ExtendedPayloadSize", "7"), ("chalice-encoding", "zstd")] {
        let mut pointer = record("1", Some("g"), "[]");
        pointer["messageAttributes"]["chalice-task"] =
            serde_json::json!({ "stringValue": "anything", "dataType": "String" });
        let answer = tasks.handle_event(&event([pointer.clone()]), None).await.expect("an answer");
        assert_eq!(answer.failed().count(), 0, "a body like any other");
        pointer["messageAttributes"][name] = serde_json::json!({ "stringValue": value, "dataType": "String" });
        let answer = tasks.handle_event(&event([pointer]), None).await.expect("an answer");
        assert_eq!((answer.failed().count(), queue.dead_letters().len()), (1, 0), "{name}");
    }
}

#[test]
fn dead_letters_of_a_fifo_queue_go_to_a_fifo_queue() {
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name");
    assert!(tasks.with_dead_letter_queue("dead").is_err());
}
