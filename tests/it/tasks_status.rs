//! What can be known of a task while it waits, runs and is done; and tasks that go on in steps.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
    time::Duration,
};

use chalice_http_toolkit::{
    BoxError, Error, ErrorKind, Task, TaskContext, TaskingController,
    tasking::{Claim, IdempotencyStore, LastFailure, LocalQueue, MemoryStore, Post, StoreFuture, TaskStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{task::yield_now, time::sleep};

use crate::tasks::{Journal, event, record};

#[derive(Clone, Deserialize, Serialize)]
struct Import {
    file: String,
    from: u32,
}

impl Task for Import {
    const NAME: &'static str = "import";

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(self.file.as_str().into())
    }
}

#[derive(Deserialize, Serialize)]
struct Other;

impl Task for Other {
    const NAME: &'static str = "other";
}

const HOUR: Duration = Duration::from_secs(3600);

fn import(file: &str, from: u32) -> Import {
    Import { file: file.to_owned(), from }
}

fn controller(queue: &LocalQueue) -> TaskingController {
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(queue).with_default_group("g");
    tasks.with_store(MemoryStore::new()).with_status(HOUR).with_attempts(2)
}

/// The status without its time.
async fn status(tasks: &TaskingController, file: &str) -> Value {
    let status = tasks.status(&import(file, 0)).await.expect("a store");
    let mut status = serde_json::to_value(status).expect("JSON");
    if let Some(status) = status.as_object_mut() {
        assert!(status.remove("since").and_then(|since| since.as_u64()).is_some_and(|since| since > 1_700_000_000_000));
    }
    status
}

#[tokio::test(start_paused = true)]
async fn a_task_is_queued_runs_and_is_done_with_its_result() {
    let queue = LocalQueue::new("t.fifo");
    let tasks = controller(&queue).on(async |context: TaskContext, task: Import| {
        sleep(Duration::from_secs(10)).await;
        context.progress(0.4, "resizing").await;
        sleep(Duration::from_secs(10)).await;
        context.set_result(&json!({ "rows": task.from }))
    });
    assert_eq!(status(&tasks, "a").await, Value::Null);
    tasks.post(&import("a", 7)).after(Duration::from_secs(60)).await.expect("posted");
    assert_eq!(status(&tasks, "a").await, json!({ "state": "queued" }), "also while it waits");
    sleep(Duration::from_secs(61)).await;
    let worker = tasks.spawn_worker().expect("a local queue");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(status(&tasks, "a").await, json!({ "state": "running", "progress": null, "note": null }));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(status(&tasks, "a").await, json!({ "state": "running", "progress": 0.4, "note": "resizing" }));
    // The same task, posted once more, is not queued for it.
    tasks.post(&import("a", 7)).await.expect("posted");
    assert_eq!(status(&tasks, "a").await["state"], "running");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(status(&tasks, "a").await, json!({ "state": "done", "result": { "rows": 7 } }));
    sleep(HOUR).await;
    assert_eq!(status(&tasks, "a").await, Value::Null, "it is forgotten");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_says_why_and_whether_it_comes_again() {
    let queue = LocalQueue::new("t.fifo");
    let tasks = controller(&queue).on(async |_: TaskContext, _: Import| Err::<(), _>("no such file"));
    tasks.post(&import("a", 0)).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    let reason = "the handler failed: no such file";
    assert_eq!(status(&tasks, "a").await, json!({ "state": "retrying", "reason": reason }));
    sleep(Duration::from_secs(6)).await;
    tasks.work_off().await.expect("a local queue");
    assert_eq!(status(&tasks, "a").await, json!({ "state": "failed", "reason": reason }));
    assert_eq!(queue.dead_letters().len(), 1);
}

/// The store knows for longer that a task is done than its status is kept.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_done_does_not_stay_queued_when_it_is_posted_again() {
    let queue = LocalQueue::new("t.fifo");
    let tasks = controller(&queue).on(async |_: TaskContext, _: Import| Ok::<(), Error>(()));
    tasks.post(&import("a", 0)).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    sleep(2 * HOUR).await;
    tasks.post(&import("a", 0)).await.expect("posted");
    assert_eq!(status(&tasks, "a").await["state"], "queued");
    tasks.work_off().await.expect("a local queue");
    assert_eq!(status(&tasks, "a").await, json!({ "state": "done", "result": null }));

    tasks.post(&import("b", 0)).await.expect("posted");
    assert!(tasks.cancel(&import("b", 0)).await.expect("a store"));
    tasks.work_off().await.expect("a local queue");
    assert_eq!(status(&tasks, "b").await, json!({ "state": "cancelled" }));
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_task_has_limits() {
    let queue = LocalQueue::new("t.fifo");
    let tasks = controller(&queue).on(async |context: TaskContext, _: Import| {
        for progress in [f64::NAN, -1.0, 7.0] {
            context.progress(progress, &"ä".repeat(5000)).await;
        }
        let error = context.set_result(&"x".repeat(5000)).expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::Task);
        Err::<(), _>(Error::retry_after(HOUR, "wait"))
    });
    tasks.post(&import("a", 0)).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert!(matches!(tasks.status(&import("a", 0)).await, Ok(Some(TaskStatus::Retrying { .. }))));
    assert_eq!(tasks.status(&Other).await.expect_err("no key").kind(), ErrorKind::Task);
    let without = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    assert_eq!(without.status(&import("a", 0)).await.expect_err("no store").kind(), ErrorKind::Configuration);
}

/// Steps of a thousand rows; each fails once before it goes on, and once after that.
#[tokio::test(start_paused = true)]
async fn a_task_in_steps_is_one_task_and_each_step_runs_to_its_end_once() {
    let (queue, journal, runs) = (LocalQueue::new("t.fifo"), Journal::default(), Arc::new(AtomicU32::new(0)));
    let (noted, counted) = (journal.clone(), runs.clone());
    let tasks = controller(&queue).with_attempts(5).on(move |context: TaskContext, task: Import| {
        let (journal, runs) = (noted.clone(), counted.clone());
        async move {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            assert_eq!((context.step(), context.group()), (task.from / 1000 + 1, Some("g")));
            if run % 3 == 0 {
                return Err("before".into());
            }
            if task.from < 4000 {
                context.next(&import(&task.file, task.from + 1000))?;
                context.progress(f64::from(task.from + 1000) / 5000.0, "").await;
            } else {
                context.set_result(&"all of it")?;
            }
            if run % 3 == 1 {
                return Err("after".into());
            }
            journal.note(format!("{} {}", task.file, task.from));
            Ok::<(), BoxError>(())
        }
    });
    tasks.post(&import("a", 0)).await.expect("posted");
    for _ in 0..40 {
        tasks.work_off().await.expect("a local queue");
        let status = status(&tasks, "a").await;
        assert!(status["state"] != "done" || queue.is_empty(), "not before its last step: {status}");
        sleep(Duration::from_secs(6)).await;
    }
    assert_eq!(journal.lines(), ["a 0", "a 1000", "a 2000", "a 3000", "a 4000"]);
    assert_eq!(status(&tasks, "a").await, json!({ "state": "done", "result": "all of it" }));
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
    // The store knows the whole as done.
    sleep(Duration::from_secs(600)).await;
    tasks.post(&import("a", 0)).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert_eq!(runs.load(Ordering::Relaxed), 15);
}

/// Goes on once where the file is `a`, and notes each step.
fn in_two_steps(tasks: TaskingController, journal: &Journal) -> TaskingController {
    let noted = journal.clone();
    tasks.on(move |context: TaskContext, task: Import| {
        let journal = noted.clone();
        async move {
            if task.file == "a" && task.from == 0 {
                context.next(&import("a", 1))?;
            }
            journal.note(format!("{} {}", task.file, task.from));
            Ok::<(), Error>(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_step_is_not_taken_for_another_task() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = in_two_steps(controller(&queue), &journal);
    for file in ["a", "a#2", "step 2 a"] {
        tasks.post(&import(file, 0)).await.expect("posted");
    }
    tasks.work_off().await.expect("a local queue");
    assert_eq!(journal.lines(), ["a 0", "a#2 0", "step 2 a 0", "a 1"]);
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
}

/// The first is forgotten by the queue, and its next step is not.
#[tokio::test(start_paused = true)]
async fn a_task_that_is_posted_again_has_steps_of_its_own() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    let tasks = in_two_steps(tasks, &journal);
    tasks.post(&import("a", 0)).await.expect("posted");
    sleep(Duration::from_secs(290)).await;
    tasks.work_off().await.expect("a local queue");
    sleep(Duration::from_secs(20)).await;
    tasks.post(&import("a", 0)).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert_eq!(journal.lines(), ["a 0", "a 1", "a 0", "a 1"]);
}

/// As after a process that died before its message was deleted. How many next steps there are.
async fn delivered_twice(with_store: bool) -> usize {
    let queue = LocalQueue::new("t.fifo");
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    let tasks = if with_store { tasks.with_store(MemoryStore::new()) } else { tasks };
    let tasks = tasks.on(async |context: TaskContext, task: Import| context.next(&import(&task.file, task.from + 1)));
    let mut record = record("m", Some("g"), r#"{"file":"a","from":0}"#);
    for (name, value) in [("chalice-task", "import"), ("chalice-key", "a")] {
        record["messageAttributes"][name] = json!({ "dataType": "String", "stringValue": value });
    }
    for _ in 0..2 {
        let answer = tasks.handle_event(&event([record.clone()]), None).await.expect("an event");
        assert_eq!(answer.failed().count(), 0);
    }
    queue.len()
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_delivered_twice_has_one_next_step() {
    assert_eq!((delivered_twice(false).await, delivered_twice(true).await), (1, 1));
}

/// The control of the test before.
#[cfg(feature = "seeded-defects")]
#[tokio::test(start_paused = true)]
async fn a_step_that_goes_on_twice_is_seen() {
    chalice_http_toolkit::seed(Some(chalice_http_toolkit::Defect::Steps));
    let steps = delivered_twice(false).await;
    chalice_http_toolkit::seed(None);
    assert_eq!(steps, 2);
}

#[tokio::test(start_paused = true)]
async fn between_steps_a_task_runs_on() {
    let queue = LocalQueue::new("t.fifo").with_visibility(Duration::from_secs(60));
    let tasks = controller(&queue).on(async |context: TaskContext, task: Import| {
        if task.from == 0 {
            context.progress(0.5, "half").await;
            context.next(&import(&task.file, 1))?;
        } else {
            sleep(Duration::from_secs(5)).await;
        }
        Ok::<(), Error>(())
    });
    tasks.post(&import("a", 0)).await.expect("posted");
    let worker = tasks.spawn_worker().expect("a local queue");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(status(&tasks, "a").await, json!({ "state": "running", "progress": 0.5, "note": "half" }));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(status(&tasks, "a").await["state"], "done");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_has_the_name_of_its_task_and_one_successor() {
    let queue = LocalQueue::new("t.fifo");
    let tasks = controller(&queue).on(async |context: TaskContext, task: Import| {
        let other = context.next(&Other).expect_err("another task");
        assert_eq!(other.kind(), ErrorKind::Configuration);
        if task.from == 0 {
            context.next(&import(&task.file, 1))?;
            let twice = context.next(&import(&task.file, 2)).expect_err("a second one");
            assert_eq!(twice.kind(), ErrorKind::Configuration);
        }
        Ok::<(), Error>(())
    });
    tasks.post(&import("a", 0)).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
}

/// A message takes ten attributes, and these are more.
fn too_many(tasks: &TaskingController, file: &str) -> Post {
    let post = tasks.post(&import(file, 0));
    (0..11).fold(post, |post, number| post.with_attribute(format!("a{number}"), number))
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_queue_does_not_have_is_not_queued() {
    let queue = LocalQueue::new("t.fifo");
    let tasks = controller(&queue).on(async |_: TaskContext, _: Import| Ok::<(), Error>(()));
    too_many(&tasks, "a").await.expect_err("refused");
    assert_eq!(status(&tasks, "a").await, Value::Null);
    let posted = tasks.post_batch([tasks.post(&import("c", 0)), too_many(&tasks, "b")]).await;
    assert!(posted[0].is_ok() && posted[1].is_err(), "{posted:?}");
    assert_eq!(status(&tasks, "b").await, Value::Null);
    assert_eq!(status(&tasks, "c").await, json!({ "state": "queued" }));
    assert_eq!(queue.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_attributes_of_a_task_go_on_to_all_its_steps() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let noted = journal.clone();
    let tasks = controller(&queue).on_last_failure(move |_: TaskContext, failure: LastFailure| {
        let own = failure.raw().attributes().filter(|(name, _)| !name.starts_with("chalice-"));
        own.for_each(|(name, value)| noted.note(format!("{name}={value:?} {:?}", value.as_str())));
        async { Ok::<(), Error>(()) }
    });
    let tasks = tasks.on(async |context: TaskContext, task: Import| match task.from {
        2 => Err(Error::permanent("the end")),
        from => context.next(&import(&task.file, from + 1)).map_err(Error::permanent),
    });
    let post = tasks.post(&import("a", 0)).with_attribute("locale", "de").with_attribute("tenant", 7);
    post.await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert_eq!(journal.lines(), ["locale=Text(<2 bytes>) Some(\"de\")", "tenant=Number(<1 bytes>) Some(\"7\")"]);
}

/// A store that takes a while, so that a process can end before and after each of its calls.
#[derive(Debug, Default)]
struct Slow(MemoryStore);

impl IdempotencyStore for Slow {
    fn claim<'a>(&'a self, key: &'a str, owner: &'a str, lease: Duration) -> StoreFuture<'a, Claim> {
        Box::pin(between_yields(self.0.claim(key, owner, lease)))
    }

    fn complete<'a>(&'a self, key: &'a str, owner: &'a str, keep: Duration) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            yield_now().await;
            between_yields(self.0.complete(key, owner, keep)).await
        })
    }

    fn release<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            yield_now().await;
            between_yields(self.0.release(key, owner)).await
        })
    }

    fn fail<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            yield_now().await;
            between_yields(self.0.fail(key, owner)).await
        })
    }

    fn counts_attempts(&self) -> bool {
        true
    }
}

async fn between_yields<T>(call: impl Future<Output = T>) -> T {
    yield_now().await;
    let outcome = call.await;
    yield_now().await;
    outcome
}

/// Runs a future until it has waited so often, and drops it there, as a process does that dies. Whether it came to its end.
async fn dies_after(waits: usize, running: impl Future<Output = ()>) -> bool {
    let (mut running, mut waited) = (std::pin::pin!(running), 0);
    std::future::poll_fn(|context| {
        if running.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        waited += 1;
        if waited > waits { Poll::Ready(false) } else { Poll::Pending }
    })
    .await
}

/// What the next steps are that were begun after a process had died at this place, and whether it died.
async fn steps_after_a_death(waits: usize) -> (Vec<String>, bool) {
    let (queue, journal) = (LocalQueue::new("t.fifo").with_visibility(Duration::from_secs(60)), Journal::default());
    let noted = journal.clone();
    let tasks = controller(&queue).with_attempts(5).with_store(Slow::default());
    let tasks = tasks.on(move |context: TaskContext, task: Import| {
        let journal = noted.clone();
        async move {
            yield_now().await;
            if task.from < 3 {
                context.next(&import(&task.file, task.from + 1))?;
            }
            yield_now().await;
            journal.note(task.from.to_string());
            Ok::<(), Error>(())
        }
    });
    tasks.post(&import("a", 0)).await.expect("posted");
    let working = async { tasks.work_off().await.map(drop).expect("a local queue") };
    let has_died = !dies_after(waits, working).await;
    for _ in 0..40 {
        sleep(Duration::from_secs(60)).await;
        tasks.work_off().await.expect("a local queue");
    }
    assert!(queue.is_empty() && queue.dead_letters().is_empty(), "died after {waits} waits");
    (journal.lines(), has_died)
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_anywhere_loses_no_step_and_takes_none_twice() {
    let mut deaths = 0;
    for waits in 0.. {
        let (mut steps, has_died) = steps_after_a_death(waits).await;
        if !has_died {
            break;
        }
        deaths += 1;
        // The step at which the process died may run again; no other does.
        let runs = steps.len();
        steps.dedup();
        assert_eq!(steps, ["0", "1", "2", "3"], "died after {waits} waits");
        assert!(runs <= 5, "died after {waits} waits");
    }
    assert!(deaths > 20, "{deaths}");
}

/// The task `stop` cancels the first task, between two of its steps or after the last. How many steps ran.
async fn cancelled_after(step: u32, last: u32) -> (u32, bool, Value) {
    let (queue, runs) = (LocalQueue::new("t.fifo"), Arc::new(AtomicU32::new(0)));
    let (counted, answer) = (runs.clone(), Arc::new(AtomicBool::new(false)));
    let answered = answer.clone();
    let tasks = controller(&queue).on(move |context: TaskContext, task: Import| {
        let (runs, answer) = (counted.clone(), answered.clone());
        async move {
            if task.file == "stop" {
                answer.store(context.tasking().cancel(&import("a", 0)).await?, Ordering::Relaxed);
                return Ok(());
            }
            runs.fetch_add(1, Ordering::Relaxed);
            if task.from == step {
                // It takes its place in the group before the next step.
                context.tasking().post(&import("stop", 0)).on_success()?;
            }
            if task.from < last {
                context.next(&import("a", task.from + 1))?;
            }
            Ok::<(), Error>(())
        }
    });
    tasks.post(&import("a", 1)).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
    let state = status(&tasks, "a").await["state"].clone();
    (runs.load(Ordering::Relaxed), answer.load(Ordering::Relaxed), state)
}

#[tokio::test(start_paused = true)]
async fn a_task_can_be_cancelled_between_two_steps_and_not_after_the_last() {
    assert_eq!(cancelled_after(1, 3).await, (1, true, json!("cancelled")));
    assert_eq!(cancelled_after(2, 3).await, (2, true, json!("cancelled")));
    assert_eq!(cancelled_after(3, 3).await, (3, false, json!("done")));
    assert_eq!(cancelled_after(1, 1).await, (1, false, json!("done")), "of one step");
}
