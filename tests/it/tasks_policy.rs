//! What a kind of task says of itself: how often it is tried, how long it waits and how long it may take; and what is called
//! when it was tried for the last time.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use chalice_http_toolkit::{
    BoxError, Error, Task, TaskContext, TaskingController,
    tasking::{Backoff, LastFailure, LocalQueue, MemoryStore, RawTask},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{
    support::Log,
    tasks::{Journal, event, record},
};

#[derive(Deserialize, Serialize)]
struct Patient(String);

impl Task for Patient {
    const NAME: &'static str = "patient";
    const ATTEMPTS: Option<u32> = Some(7);
    const BACKOFF: Option<Backoff> = Some(Backoff::new(Duration::from_secs(60), Duration::from_secs(100)));
}

#[derive(Deserialize, Serialize)]
struct Hasty(String);

impl Task for Hasty {
    const NAME: &'static str = "hasty";
    const ATTEMPTS: Option<u32> = Some(2);
    const BACKOFF: Option<Backoff> = Some(Backoff::new(Duration::ZERO, Duration::ZERO));
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(3));
}

#[derive(Deserialize, Serialize)]
struct Usual(String);

impl Task for Usual {
    const NAME: &'static str = "usual";
}

/// Does what a body says, and takes note of when.
async fn does(journal: Journal, begun: Instant, context: TaskContext, what: String) -> Result<(), BoxError> {
    journal.note(format!("{what} {} at {}", context.attempt(), begun.elapsed().as_secs()));
    match what.split(' ').next() {
        Some("fine") => Ok(()),
        Some("hang") => {
            sleep(Duration::from_secs(3600)).await;
            Ok(())
        }
        Some("permanent") => Err(Error::permanent("the account is closed").into()),
        Some("panic") => resume_unwind(Box::new("told to")),
        _ => Err("told to".into()),
    }
}

fn controller(queue: &LocalQueue, journal: &Journal) -> TaskingController {
    let begun = Instant::now();
    let noted = || journal.clone();
    let (first, second, third, raw) = (noted(), noted(), noted(), noted());
    TaskingController::new("t.fifo")
        .expect("a FIFO name")
        .with_local_queue(queue)
        .with_default_group("g")
        .on(move |context, Patient(what)| does(first.clone(), begun, context, what))
        .on(move |context, Hasty(what)| does(second.clone(), begun, context, what))
        .on(move |context, Usual(what)| does(third.clone(), begun, context, what))
        .on_raw(move |context, task: RawTask| does(raw.clone(), begun, context, task.into_body()))
}

/// A hook that takes note of what it is called for.
fn noting(tasks: TaskingController, journal: &Journal) -> TaskingController {
    let journal = journal.clone();
    tasks.on_last_failure(move |context: TaskContext, failure: LastFailure| {
        let task = failure.task::<Hasty>().map(|Hasty(what)| what);
        let what = task.unwrap_or_else(|| failure.raw().body().to_owned());
        let (name, attempt, error) = (failure.name().unwrap_or("nobody's"), context.attempt(), failure.error());
        journal.note(format!("dead: {name} {what} after {attempt}, {:?}", error.kind()));
        async { Ok::<(), Error>(()) }
    })
}

async fn work_off(tasks: &TaskingController, queue: &LocalQueue) {
    for _ in 0..10_000 {
        tasks.work_off().await.expect("a local queue");
        if queue.is_empty() {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("{} tasks never end", queue.len());
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_task_has_its_own_attempts_and_waits() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal).with_attempts(3);
    tasks.post(&Patient("p".into())).with_group("p").await.expect("posted");
    work_off(&tasks, &queue).await;
    let at = [0, 60, 160, 260, 360, 460, 560];
    let expected: Vec<String> = at.iter().enumerate().map(|(n, at)| format!("p {} at {at}", n + 1)).collect();
    assert_eq!(journal.lines(), expected);

    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal).with_attempts(3);
    for (what, group) in [("h", "h"), ("fine", "h")] {
        tasks.post(&Hasty(what.into())).with_group(group).await.expect("posted");
    }
    tasks.post(&Usual("u".into())).with_group("u").await.expect("posted");
    work_off(&tasks, &queue).await;
    let lines = journal.lines();
    let of = |what: &str| lines.iter().filter(|line| line.starts_with(what)).cloned().collect::<Vec<_>>();
    assert_eq!([of("h"), of("fine")].concat(), ["h 1 at 0", "h 2 at 0", "fine 1 at 0"]);
    assert_eq!(of("u"), ["u 1 at 0", "u 2 at 5", "u 3 at 15"]);
}

/// Behind a head of another kind: what waits keeps its own attempts.
#[tokio::test(start_paused = true)]
async fn kinds_of_one_group_keep_their_own_attempts() {
    for has_store in [false, true] {
        let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
        let tasks = controller(&queue, &journal);
        let tasks = if has_store { tasks.with_store(MemoryStore::new()) } else { tasks };
        tasks.post(&Patient("p".into())).await.expect("posted");
        tasks.post(&Hasty("h".into())).await.expect("posted");
        tasks.post(&Usual("u".into())).await.expect("posted");
        tasks.post(&Patient("fine".into())).await.expect("posted");
        work_off(&tasks, &queue).await;
        let lines = journal.lines();
        let ran: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(ran, [&["p"; 7][..], &["h"; 2], &["u"; 5], &["fine"]].concat(), "store {has_store}");
        let dead: Vec<u32> = queue.dead_letters().iter().map(|letter| letter.receives).collect();
        assert_eq!(dead, [7, 2, 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_longer_than_its_timeout_has_failed() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let log = Log::start();
    let tasks = controller(&queue, &journal);
    tasks.post(&Hasty("hang".into())).await.expect("posted");
    tasks.post(&Hasty("fine".into())).await.expect("posted");
    let begun = Instant::now();
    work_off(&tasks, &queue).await;
    assert_eq!(journal.lines(), ["hang 1 at 0", "hang 2 at 3", "fine 1 at 6"]);
    assert_eq!((begun.elapsed(), queue.dead_letters().len()), (Duration::from_secs(6), 1));
    assert_eq!(log.lines(&["a task failed", "TIMEOUT of 3s"]).len(), 2);
    let letters = queue.dead_letters();
    assert_eq!(letters[0].task.text("chalice-dead-reason"), Some("a task took longer than its TIMEOUT of 3s"));
}

/// What is cut because the invocation ends has not failed, as it did not have its time.
#[tokio::test(start_paused = true)]
async fn a_task_that_had_less_time_than_its_timeout_has_not_failed() {
    let queue = LocalQueue::new("t.fifo").with_timeout(Duration::from_secs(5));
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
    let left = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = left.clone();
    let tasks = tasks.with_default_group("g").with_attempts(1).on(move |context: TaskContext, Hasty(_)| {
        noted.lock().expect("no panic").push(context.remaining().unwrap_or_default().as_millis());
        async {
            sleep(Duration::from_millis(2_500)).await;
            Ok::<(), Error>(())
        }
    });
    for n in 0..3 {
        tasks.post(&Hasty(n.to_string())).await.expect("posted");
    }
    work_off(&tasks, &queue).await;
    assert_eq!(queue.dead_letters().len(), 0);
    // Of 4.5 seconds the second has 2: known by the first to be too little, it is begun in the next invocation.
    assert_eq!(*left.lock().expect("no panic"), [3_000, 3_000, 3_000]);
}

#[tokio::test(start_paused = true)]
async fn what_failed_for_good_leaves_at_once_with_its_reason() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal);
    tasks.post(&Patient("permanent".into())).await.expect("posted");
    tasks.post(&Patient("fine".into())).await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert_eq!(journal.lines(), ["permanent 1 at 0", "fine 1 at 0"]);
    let letters = queue.dead_letters();
    let text = |name| letters[0].task.text(name);
    assert_eq!(text("chalice-dead-reason"), Some("the task failed for good: the account is closed"));
    assert_eq!(text("chalice-dead-attempts"), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_told_once() {
    for has_store in [false, true] {
        let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
        let tasks = controller(&queue, &Journal::default()).with_attempts(2);
        let tasks = if has_store { tasks.with_store(MemoryStore::new()) } else { tasks };
        let tasks = noting(tasks, &journal);
        tasks.post(&Hasty("bad".into())).await.expect("posted");
        tasks.post(&Hasty("fine".into())).await.expect("posted");
        tasks.post(&Usual("panic".into())).await.expect("posted");
        tasks.post(&Patient("permanent".into())).await.expect("posted");
        tasks.post(&Hasty("hang".into())).await.expect("posted");
        tasks.post_raw("no JSON", [("chalice-task", "hasty")]).await.expect("posted");
        work_off(&tasks, &queue).await;
        let expected = [
            "dead: hasty bad after 2, Handler",
            "dead: usual \"panic\" after 2, Handler",
            "dead: patient \"permanent\" after 1, Permanent",
            "dead: hasty hang after 2, Handler",
            "dead: hasty no JSON after 2, Task",
        ];
        assert_eq!(journal.lines(), expected, "store {has_store}");
        assert_eq!(queue.dead_letters().len(), 5);
    }
}

/// The answer of the batch was lost: the message comes again, and is the same dead letter. One that was posted again, or came
/// back from the dead letters, is told of itself.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_delivered_again_is_told_once_with_a_store() {
    for (has_store, times) in [(true, 1), (false, 2)] {
        let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
        let tasks = controller(&queue, &Journal::default()).with_attempts(1);
        let tasks = if has_store { tasks.with_store(MemoryStore::new()) } else { tasks };
        let tasks = noting(tasks, &journal);
        let batch = event([record("1", Some("g"), "bad")]);
        for _ in 0..2 {
            let answer = tasks.handle_event(&batch, Some(Duration::from_secs(30))).await.expect("an answer");
            assert_eq!((answer.failed().count(), queue.dead_letters().len()), (0, 1));
        }
        assert_eq!(journal.lines().len(), times, "{:?}", journal.lines());
        let batch = event([record("2", Some("g"), "bad")]);
        tasks.handle_event(&batch, Some(Duration::from_secs(30))).await.expect("an answer");
        assert_eq!(journal.lines().len(), times + 1);
    }
}

/// The task is a dead letter in any case, and its group goes on.
#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_is_logged_and_holds_up_nothing() {
    for fault in ["error", "panic", "hang"] {
        let (queue, journal, log) = (LocalQueue::new("t.fifo"), Journal::default(), Log::start());
        let tasks = controller(&queue, &journal);
        let tasks = tasks.on_last_failure(move |_, _| async move {
            match fault {
                "error" => return Err("nobody is there"),
                "panic" => resume_unwind(Box::new("told to")),
                _ => sleep(Duration::from_secs(3600)).await,
            }
            Ok(())
        });
        tasks.post(&Hasty("permanent".into())).await.expect("posted");
        tasks.post(&Hasty("fine".into())).await.expect("posted");
        work_off(&tasks, &queue).await;
        assert_eq!(queue.dead_letters().len(), 1, "{fault}");
        assert!(journal.lines().iter().any(|line| line.starts_with("fine")), "{fault}");
        assert_eq!(log.lines(&["ERROR", "`on_last_failure` failed"]).len(), 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_posts_is_posted() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = controller(&queue, &journal).on_last_failure(async |context: TaskContext, _: LastFailure| {
        context.tasking().post(&Usual("fine 2".into())).on_success()?;
        context.tasking().post(&Usual("fine 1".into())).await.map(drop)
    });
    tasks.post(&Hasty("permanent".into())).await.expect("posted");
    work_off(&tasks, &queue).await;
    assert_eq!(journal.lines(), ["permanent 1 at 0", "fine 1 1 at 0", "fine 2 1 at 0"]);
}
