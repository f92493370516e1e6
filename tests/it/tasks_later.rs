//! Tasks that run later: not before their time, in the place of their group that they have then, once, and not if they are
//! cancelled.

use std::{borrow::Cow, time::Duration};

use chalice_http_toolkit::{
    BoxError, Error, ErrorKind, Task, TaskContext, TaskingController,
    tasking::{BatchOrder, LocalQueue, MemoryStore, RawTask},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::tasks::{Journal, event, record};

#[derive(Deserialize, Serialize)]
struct Remind(String);

impl Task for Remind {
    const NAME: &'static str = "remind";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(self.0.as_str().into())
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Notes what runs in which group, and in which minute.
fn controller(queue: &LocalQueue, journal: &Journal) -> TaskingController {
    let (begun, typed, raw) = (Instant::now(), journal.clone(), journal.clone());
    let note = move |journal: &Journal, context: &TaskContext, what: &str| {
        let minute = begun.elapsed().as_secs() / 60;
        journal.note(format!("{what} in {} at {minute}", context.group().unwrap_or("none")));
        assert_eq!(context.attempt(), 1, "to wait is no attempt");
    };
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(queue).with_default_group("g");
    let tasks = tasks.on(move |context: TaskContext, Remind(what)| {
        note(&typed, &context, &what);
        async { Ok::<(), Error>(()) }
    });
    tasks.on_raw(move |context: TaskContext, task: RawTask| {
        note(&raw, &context, task.body());
        let result = if task.body() == "bad" { Err(Error::permanent("told to")) } else { Ok(()) };
        async { result }
    })
}

async fn minutes(tasks: &TaskingController, minutes: u32) {
    for _ in 0..minutes * 6 {
        tasks.work_off().await.expect("a local queue");
        sleep(Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_delayed_task_takes_its_place_when_it_is_due_and_holds_up_nobody() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal);
    tasks.post(&Remind("later".into())).after(10 * MINUTE).await.expect("posted");
    let in_an_hour = std::time::SystemTime::now() + 60 * MINUTE;
    tasks.post_raw("at", [("locale", "de")]).with_group("h").at(in_an_hour).await.expect("posted");
    let ages_ago = std::time::UNIX_EPOCH;
    tasks.post_raw("at once", [("locale", "de")]).at(ages_ago).await.expect("posted");
    tasks.post_raw("now", [("locale", "de")]).await.expect("posted");
    minutes(&tasks, 9).await;
    assert_eq!(journal.lines(), ["at once in g at 0", "now in g at 0"]);
    tasks.post_raw("before", [("locale", "de")]).await.expect("posted");
    minutes(&tasks, 60).await;
    assert_eq!(journal.lines()[2..], ["before in g at 9", "later in g at 10", "at in h at 60"]);
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
}

/// The control of the test before: a task that waits in its own group is found out.
#[cfg(feature = "seeded-defects")]
#[tokio::test(start_paused = true)]
async fn a_delayed_task_that_holds_up_its_group_is_seen() {
    use chalice_http_toolkit::{Defect, seed};

    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal);
    seed(Some(Defect::Later));
    tasks.post(&Remind("later".into())).after(10 * MINUTE).await.expect("posted");
    tasks.post_raw("now", [("locale", "de")]).await.expect("posted");
    minutes(&tasks, 9).await;
    seed(None);
    assert_eq!(journal.lines(), Vec::<String>::new(), "what need not wait has waited");
}

#[tokio::test(start_paused = true)]
async fn many_delayed_tasks_run_once_each_and_in_order_of_their_times() {
    let (queue, journal) = (LocalQueue::new("t.fifo").with_most_receives(3), Journal::default());
    let tasks = controller(&queue, &journal).with_attempts(1);
    let posts = (1..=40_u32).rev().map(|n| tasks.post_raw(format!("{n:02}"), [("n", "x")]).after(n * MINUTE));
    for posted in tasks.post_batch(posts).with_order(BatchOrder::Packed).await {
        posted.expect("posted");
    }
    minutes(&tasks, 42).await;
    let wanted: Vec<String> = (1..=40).map(|n| format!("{n:02} in g at {n}")).collect();
    assert_eq!(journal.lines(), wanted);
    // Two receives for the wait, whatever else is in the queue, and one to run: none is a dead letter.
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_delayed_task_is_one() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal).with_store(MemoryStore::new());
    for _ in 0..3 {
        tasks.post(&Remind("once".into())).after(2 * MINUTE).await.expect("posted");
    }
    assert_eq!(queue.len(), 1);
    // One that need not wait is not dropped for it; then the other has nothing left to do.
    tasks.post(&Remind("once".into())).await.expect("posted");
    assert_eq!(queue.len(), 2);
    minutes(&tasks, 4).await;
    assert_eq!(journal.lines(), ["once in g at 0"]);
    assert!(queue.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_for_eleven_hours_at_most() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal);
    let hours = |hours: u32| tasks.post_raw("x", [("n", "x")]).after(hours * 60 * MINUTE);
    hours(11).await.expect("posted");
    for far in [hours(12), tasks.post_raw("x", [("n", "x")]).after(Duration::MAX)] {
        let error = far.await.expect_err("too far");
        assert_eq!(error.kind(), ErrorKind::Task);
        assert!(error.to_string().contains("EventBridge"), "{error}");
    }
    let wrong = tasks.post_raw("x", [("n", "x")]).with_group("a b").after(MINUTE).await.expect_err("no group");
    assert_eq!(wrong.kind(), ErrorKind::Task, "what could not be sent on is refused at once");
    minutes(&tasks, 11 * 60 + 1).await;
    assert_eq!(journal.lines(), ["x in g at 660"]);
}

/// As a worker on AWS gets it, where nobody has the local queue's clock.
#[tokio::test]
async fn what_can_not_be_read_is_due_and_another_id_of_the_queue_is_kept() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal);
    for later in ["", "soon", "1", "1 id", "99999999999999999999999 id g"] {
        let mut record = record("m", Some("g"), "x");
        record["messageAttributes"]["chalice-later"] =
            serde_json::json!({ "dataType": "String", "stringValue": later });
        let answer = tasks.handle_event(&event([record]), None).await.expect("an event");
        assert_eq!(answer.failed().count(), 0, "{later:?} was sent on");
        tasks.work_off().await.expect("a local queue");
    }
    assert_eq!(journal.lines(), ["x in g at 0"], "and is one message, as all had the same id");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_does_not_run() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal).with_store(MemoryStore::new());
    for what in ["a", "b"] {
        tasks.post(&Remind(what.into())).after(MINUTE).await.expect("posted");
    }
    tasks.post(&Remind("c".into())).await.expect("posted");
    assert!(tasks.cancel(&Remind("a".into())).await.expect("a store"));
    assert!(tasks.cancel(&Remind("c".into())).await.expect("a store"));
    minutes(&tasks, 3).await;
    assert_eq!(journal.lines(), ["b in g at 1"]);
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
    assert!(!tasks.cancel(&Remind("b".into())).await.expect("a store"), "it is done");

    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let without = controller(&queue, &journal);
    let whole = without.clone().with_report_batch_item_failures(false);
    let error = whole.post(&Remind("a".into())).after(MINUTE).await.expect_err("the batch would come again");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = without.cancel(&Remind("a".into())).await.expect_err("no store");
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

/// A task runs while it is posted: there is nothing to wait in.
#[tokio::test(start_paused = true)]
async fn inline_nothing_waits() -> Result<(), BoxError> {
    let journal = Journal::default();
    let tasks = controller(&LocalQueue::new("t.fifo"), &journal).with_inline();
    tasks.post(&Remind("now".into())).after(MINUTE).await?;
    assert_eq!(journal.lines(), ["now in g at 0"]);
    Ok(())
}

/// Where tasks may wait elsewhere, the local queue keeps them by itself, for as long as they say.
#[cfg(feature = "schedules")]
#[tokio::test(start_paused = true)]
async fn with_a_scheduler_a_task_waits_for_as_long_as_it_says() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal);
    let error = tasks.post_raw("early", [("n", "x")]).after(12 * 60 * MINUTE).await.unwrap_err();
    assert!(error.to_string().contains("with_scheduler"), "{error}");
    let tasks = tasks.with_scheduler();
    tasks.post(&Remind("later".into())).after(40 * 60 * MINUTE).await.expect("posted");
    tasks.post(&Remind("later".into())).after(40 * 60 * MINUTE).await.expect("posted");
    let worker = tasks.spawn_worker().expect("a local queue");
    sleep(50 * 60 * MINUTE).await;
    worker.stop().await;
    assert_eq!(journal.lines(), ["later in g at 2400"]);
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
}
