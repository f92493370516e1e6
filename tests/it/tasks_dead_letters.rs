//! What becomes a dead letter, and when: only what has run as often as it may, however much of its group fails before it.

use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex},
    time::Duration,
};

use chalice_http_toolkit::{
    BoxError, Error, Task, TaskContext, TaskingController,
    tasking::{Attribute, IdempotencyStore, LocalQueue, MemoryStore, RawTask, StoreFuture},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    support::Log,
    tasks::{Journal, event, record},
};

/// How a poisoned task fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Poison {
    /// By an error, as its handler's `with_backoff` has it.
    Error,
    /// By an error that asks to be called again at once.
    AtOnce,
    Panic,
    Permanent,
    /// It takes longer than there is.
    Hang,
}

async fn fail(poison: Poison) -> Result<(), BoxError> {
    match poison {
        Poison::Error => Err("as always".into()),
        Poison::AtOnce => Err(Error::retry_after(Duration::ZERO, "as always").into()),
        Poison::Panic => resume_unwind(Box::new("as always")),
        Poison::Permanent => Err(Error::permanent("as always").into()),
        Poison::Hang => {
            sleep(Duration::from_secs(3600)).await;
            Ok(())
        }
    }
}

fn controller(queue: &LocalQueue) -> TaskingController {
    TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(queue)
}

/// A controller whose tasks fail where their body says `poison`, and where it says `flaky` the first time; the rest succeed.
fn poisonable(queue: &LocalQueue, journal: &Journal, poison: Poison) -> TaskingController {
    let journal = journal.clone();
    controller(queue).on_raw(move |context: TaskContext, task: RawTask| {
        let is_first = !journal.lines().iter().any(|line| line == task.body());
        journal.note(task.body());
        async move {
            assert!(context.attempt() > 0);
            match task.body().split(' ').next() {
                Some("poison") => fail(poison).await,
                Some("flaky") if is_first => Err("this once".into()),
                _ => Ok(()),
            }
        }
    })
}

/// Works off until nothing is left; how long that took.
async fn work_off(tasks: &TaskingController, queue: &LocalQueue) -> Duration {
    let begun = Instant::now();
    for _ in 0..100_000 {
        tasks.work_off().await.expect("a local queue");
        if queue.is_empty() {
            return begun.elapsed();
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("{} tasks never end", queue.len());
}

async fn post(tasks: &TaskingController, group: &str, bodies: &[String]) {
    let posts = bodies.iter().map(|body| tasks.post_raw(body, [("a", "b")]).with_group(group));
    assert!(tasks.post_batch(posts).await.iter().all(Result::is_ok));
}

fn dead(queue: &LocalQueue) -> Vec<String> {
    queue.dead_letters().iter().map(|letter| letter.task.body().to_owned()).collect()
}

/// So many poisoned heads, then tasks to fill a batch; some of another group between.
async fn heads(count: usize, poison: Poison, set: impl Fn(TaskingController) -> TaskingController, queue: LocalQueue) {
    let case = format!("{count} {poison:?} {queue:?}");
    let journal = Journal::default();
    let tasks = set(poisonable(&queue, &journal, poison));
    let poisoned: Vec<String> = (0..count).map(|n| format!("poison {n}")).collect();
    let healthy: Vec<String> = (count..count.max(9) + 4).map(|n| format!("fine {n}")).collect();
    post(&tasks, "g", &poisoned).await;
    post(&tasks, "h", &["other".to_owned()]).await;
    post(&tasks, "g", &healthy).await;
    work_off(&tasks, &queue).await;
    assert_eq!(dead(&queue), poisoned, "{case}");
    let ran = journal.lines();
    let times = |body: &String| ran.iter().filter(|line| *line == body).count();
    let expected = if poison == Poison::Permanent { 1 } else { 5 };
    assert!(poisoned.iter().all(|body| times(body) == expected), "{case}: {ran:?}");
    // In their order, each once, and after all that fails.
    let after: Vec<String> = ran.iter().skip_while(|line| !line.starts_with("fine")).cloned().collect();
    assert_eq!(after.iter().filter(|line| *line != "other").cloned().collect::<Vec<_>>(), healthy, "{case}: {ran:?}");
    let mut first_runs = poisoned.clone();
    first_runs.sort_by_key(|body| ran.iter().position(|line| line == body));
    assert_eq!(first_runs, poisoned, "{case}");
}

const ZERO: fn(TaskingController) -> TaskingController = |tasks| tasks.with_backoff(Duration::ZERO, Duration::ZERO);
const DEFAULT: fn(TaskingController) -> TaskingController = |tasks| tasks;

#[tokio::test(start_paused = true)]
async fn however_many_fail_before_it_no_task_is_dead_before_it_ran() {
    for count in 1..=9 {
        for (poison, set) in [
            (Poison::AtOnce, DEFAULT),
            (Poison::Error, ZERO),
            (Poison::Error, DEFAULT),
            (Poison::Panic, ZERO),
            (Poison::Panic, DEFAULT),
            (Poison::Permanent, ZERO),
            (Poison::Permanent, DEFAULT),
        ] {
            heads(count, poison, set, LocalQueue::new("t.fifo")).await;
            heads(count, poison, set, LocalQueue::new("t.fifo").with_most_receives(5)).await;
            heads(count, poison, set, LocalQueue::new("t.fifo").with_most_receives(2)).await;
        }
        let store = |tasks: TaskingController| tasks.with_store(MemoryStore::new());
        heads(count, Poison::Error, store, LocalQueue::new("t.fifo")).await;
        let letters = |tasks: TaskingController| tasks.with_dead_letter_queue("d.fifo").expect("a FIFO name");
        heads(count, Poison::Permanent, letters, LocalQueue::new("t.fifo")).await;
        let unreported = |tasks: TaskingController| tasks.with_report_batch_item_failures(false);
        heads(count.min(1), Poison::AtOnce, unreported, LocalQueue::new("t.fifo")).await;
    }
}

/// Short waits, long ones, and such as are shorter than a task takes.
#[tokio::test(start_paused = true)]
async fn whatever_the_backoff_no_task_is_dead_before_it_ran() {
    for (first, longest) in [(1, 1), (1, 100), (900_000, 900_000), (60_000, 3_600_000)] {
        let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
        for count in [1, 4, 9] {
            heads(count, Poison::Error, |tasks| tasks.with_backoff(first, longest), LocalQueue::new("t.fifo")).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_each_time_is_a_dead_letter_and_its_group_goes_on() {
    for count in [1, 3] {
        heads(count, Poison::Hang, DEFAULT, LocalQueue::new("t.fifo")).await;
    }
}

/// What stands behind a failing task still has attempts of its own when its turn comes.
#[tokio::test(start_paused = true)]
async fn what_waits_behind_a_failing_task_keeps_its_attempts() {
    for (poison, set) in [(Poison::AtOnce, DEFAULT), (Poison::Error, ZERO), (Poison::Error, DEFAULT)] {
        let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
        let tasks = set(poisonable(&queue, &journal, poison));
        let bodies: Vec<String> = ["poison", "flaky 1", "flaky 2", "fine"].map(str::to_owned).into();
        post(&tasks, "g", &bodies).await;
        work_off(&tasks, &queue).await;
        assert_eq!(dead(&queue), ["poison"], "{poison:?}");
        let expected: Vec<&str> =
            std::iter::repeat_n("poison", 5).chain(["flaky 1", "flaky 1", "flaky 2", "flaky 2", "fine"]).collect();
        assert_eq!(journal.lines(), expected, "{poison:?}");
    }
}

/// After 5, 10, 20 and 40 seconds it is a dead letter, and its group waits no longer than that.
#[tokio::test(start_paused = true)]
async fn a_group_goes_on_when_its_head_has_had_its_attempts() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = poisonable(&queue, &journal, Poison::Error);
    post(&tasks, "g", &["poison".to_owned(), "fine".to_owned()]).await;
    let took = work_off(&tasks, &queue).await;
    assert!((75..=80).contains(&took.as_secs()), "{took:?}");
    let letters = queue.dead_letters();
    assert_eq!((letters.len(), letters[0].group.as_str(), letters[0].receives), (1, "g", 5));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_what_was_posted() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = ZERO(poisonable(&queue, &journal, Poison::Error));
    let bytes = Attribute::Binary(vec![0, 255].into());
    let post = tasks.post_raw("poison ü", [("locale", "de")]).with_group("user-7").with_key("k");
    post.with_attribute("copies", 2).with_attribute("bytes", bytes.clone()).await.expect("posted");
    work_off(&tasks, &queue).await;
    let letters = queue.dead_letters();
    let letter = &letters[0];
    assert_eq!((letters.len(), letter.group.as_str(), letter.task.body()), (1, "user-7", "poison ü"));
    assert_eq!((letter.task.text("locale"), letter.task.attribute("bytes")), (Some("de"), Some(&bytes)));
    assert_eq!(letter.task.attribute("copies"), Some(&Attribute::from(2)));
    assert_eq!(letter.task.text("chalice-key"), Some("k"));
}

/// What can't be read, or has no handler, does not hold up its group for ever.
#[tokio::test(start_paused = true)]
async fn what_nobody_can_run_is_a_dead_letter_like_any_other() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Number(u8);
    impl Task for Number {
        const NAME: &'static str = "number";
    }
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let noted = journal.clone();
    let tasks = ZERO(controller(&queue)).on(move |_: TaskContext, task: Number| {
        noted.note(task.0.to_string());
        async { Ok::<(), Error>(()) }
    });
    for body in ["1", "no number", "2"] {
        tasks.post_raw(body, [("chalice-task", "number")]).await.expect("posted");
    }
    tasks.post_raw("3", [("chalice-task", "unknown")]).await.expect("posted");
    tasks.post_raw("4", [("chalice-task", "number")]).await.expect("posted");
    work_off(&tasks, &queue).await;
    assert_eq!(dead(&queue), ["no number", "3"]);
    assert_eq!(journal.lines(), ["1", "2", "4"]);
}

/// A store that is away for a while.
#[derive(Debug)]
struct Away(Instant, MemoryStore);

impl Away {
    fn is_back(&self) -> bool {
        self.0.elapsed() > Duration::from_secs(3600)
    }
}

impl IdempotencyStore for Away {
    fn claim<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        lease: Duration,
    ) -> StoreFuture<'a, chalice_http_toolkit::tasking::Claim> {
        match self.is_back() {
            true => self.1.claim(key, owner, lease),
            false => Box::pin(async { Err("the table is away".into()) }),
        }
    }

    fn complete<'a>(&'a self, key: &'a str, owner: &'a str, keep: Duration) -> StoreFuture<'a, bool> {
        self.1.complete(key, owner, keep)
    }

    fn release<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        self.1.release(key, owner)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_makes_no_dead_letters() {
    for set in [ZERO, DEFAULT] {
        let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
        let tasks = set(poisonable(&queue, &journal, Poison::Error));
        let tasks = tasks.with_store(Away(Instant::now(), MemoryStore::new()));
        post(&tasks, "g", &["one".to_owned(), "two".to_owned()]).await;
        work_off(&tasks, &queue).await;
        assert_eq!((dead(&queue), journal.lines()), (Vec::new(), vec!["one".to_owned(), "two".to_owned()]));
    }
}

/// Each takes most of an invocation: the next is begun, and cut. That is none of its own attempts.
#[tokio::test(start_paused = true)]
async fn what_was_begun_with_too_little_time_has_not_failed() {
    let (queue, journal) = (LocalQueue::new("t.fifo").with_timeout(Duration::from_secs(30)), Journal::default());
    let noted = journal.clone();
    let tasks = ZERO(controller(&queue)).on_raw(move |_: TaskContext, task: RawTask| {
        let noted = noted.clone();
        async move {
            sleep(Duration::from_secs(18)).await;
            noted.note(task.into_body());
            Ok::<(), Error>(())
        }
    });
    let bodies: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    post(&tasks, "g", &bodies).await;
    work_off(&tasks, &queue).await;
    assert_eq!((dead(&queue), journal.lines()), (Vec::new(), bodies));
}

/// Answers of batches, by what has been received how often.
#[tokio::test]
async fn a_task_that_has_had_its_attempts_is_buried_and_its_group_goes_on_in_the_same_batch() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = poisonable(&queue, &journal, Poison::Error);
    let of = |id: &str, receives: u32, body: &str| {
        let mut record = record(id, Some("g"), body);
        record["attributes"]["ApproximateReceiveCount"] = receives.to_string().into();
        record
    };
    let batch = event([of("1", 5, "poison a"), of("2", 7, "poison b"), of("3", 4, "poison c"), of("4", 1, "fine")]);
    let answer = tasks.handle_event(&batch, Some(Duration::from_secs(30))).await.expect("an answer");
    assert_eq!(answer.failed().collect::<Vec<_>>(), ["3", "4"]);
    assert_eq!(dead(&queue), ["poison a", "poison b"]);
    // The same again, as if the answer had been lost: it is the same two letters.
    let answer = tasks.handle_event(&batch, Some(Duration::from_secs(30))).await.expect("an answer");
    assert_eq!(answer.failed().collect::<Vec<_>>(), ["3", "4"]);
    assert_eq!(dead(&queue), ["poison a", "poison b"]);
}

/// The same task for services and stores, also when it comes back from the dead letters with other ids.
#[tokio::test]
async fn a_task_that_comes_back_from_the_dead_letters_has_the_key_that_it_had() {
    let keys = Arc::new(Mutex::new(Vec::new()));
    let queue = LocalQueue::new("t.fifo");
    let noted = keys.clone();
    let tasks = controller(&queue).on_raw(move |context: TaskContext, _: RawTask| {
        noted.lock().expect("no panic").push(context.idempotency_key().to_owned());
        async { Err("as always") }
    });
    for (message, key) in [("1", None), ("2", Some("order-7"))] {
        let post = tasks.post_raw("x", [("a", "b")]);
        let post = key.into_iter().fold(post, |post, key| post.with_key(key));
        let id = post.await.expect("posted").deduplication_id;
        let mut last = record(message, Some("default"), "x");
        last["attributes"]["ApproximateReceiveCount"] = "5".into();
        last["attributes"]["MessageDeduplicationId"] = id.into();
        let attribute = |value: &str| json!({ "stringValue": value, "dataType": "String" });
        last["messageAttributes"] = json!({ "a": attribute("b") });
        if let Some(key) = key {
            last["messageAttributes"]["chalice-key"] = attribute(key);
        }
        assert_eq!(tasks.handle_event(&event([last]), None).await.expect("an answer").failed().count(), 0);
        let letter = queue.dead_letters().pop().expect("a dead letter");
        let mut again = record("3", Some("default"), letter.task.body());
        again["attributes"]["MessageDeduplicationId"] = "another".into();
        let attributes =
            letter.task.attributes().map(|(name, value)| (name.to_owned(), attribute(value.as_str().expect("a text"))));
        again["messageAttributes"] = Value::Object(attributes.collect());
        tasks.handle_event(&event([again]), None).await.expect("an answer");
    }
    let keys = keys.lock().expect("no panic");
    assert!(keys[0] == keys[1] && keys[2] == keys[3] && keys[0] != keys[2], "{keys:?}");
}

/// Each poisoned task says once that it is a dead letter, and each failed attempt that it failed.
#[tokio::test(start_paused = true)]
async fn each_attempt_and_each_dead_letter_is_in_the_log() {
    let log = Log::start();
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = ZERO(poisonable(&queue, &journal, Poison::Error));
    post(&tasks, "g", &["poison".to_owned()]).await;
    work_off(&tasks, &queue).await;
    assert_eq!(log.lines(&["a task failed"]).len(), 5);
    assert_eq!(log.lines(&["a task failed", "dead_letter"]).len(), 1);
}

/// Why, after how many attempts, and when: for people, and for tools.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_says_why_it_is_one() {
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = ZERO(poisonable(&queue, &journal, Poison::Error)).with_attempts(3);
    let before = std::time::SystemTime::now();
    post(&tasks, "g", &["poison".to_owned()]).await;
    work_off(&tasks, &queue).await;
    let letters = queue.dead_letters();
    let text = |name: &str| letters[0].task.text(name).unwrap_or_default().to_owned();
    assert_eq!(text("chalice-dead-reason"), "the handler failed: as always");
    assert_eq!(text("chalice-dead-attempts"), "3");
    let time = |name: &str| {
        std::time::UNIX_EPOCH + Duration::from_millis(text(name).parse().expect("milliseconds since 1970"))
    };
    let (first, last) = (time("chalice-dead-first"), time("chalice-dead-last"));
    assert!(before - Duration::from_millis(1) <= first && first <= last && last <= std::time::SystemTime::now());
}

/// What no message takes is not in the reason, and what has no room is left out: the letter arrives in any case.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_arrives_whatever_its_reason_and_however_full_it_is() {
    for (attributes, reason) in [(1, "\u{0}\u{1b}[31m\u{fffe}"), (1, &*"ü".repeat(1 << 20)), (10, "no"), (8, "no")] {
        let (queue, reason) = (LocalQueue::new("t.fifo"), reason.to_owned());
        let tasks = ZERO(controller(&queue)).on_raw(move |_: TaskContext, _: RawTask| {
            let reason = reason.clone();
            async move { Err::<(), _>(BoxError::from(reason)) }
        });
        tasks.post_raw("x", (0..attributes).map(|n| (format!("a{n}"), n))).await.expect("posted");
        work_off(&tasks, &queue).await;
        assert_eq!(queue.dead_letters().len(), 1);
    }
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = ZERO(poisonable(&queue, &journal, Poison::Error));
    // With its attribute it is as large as a message can be.
    let largest = format!("poison {}", "x".repeat(1_048_576 - "poison ".len() - "aStringb".len()));
    tasks.post_raw(largest, [("a", "b")]).await.expect("posted");
    work_off(&tasks, &queue).await;
    assert_eq!(queue.dead_letters().len(), 1);
}

/// Whatever is known of it after the way through the dead letters, once and again.
#[tokio::test]
async fn a_full_task_has_its_key_after_the_dead_letters_too() {
    let long = "i".repeat(128);
    for (id, attributes) in [("own-id", 10), ("own-id", 1), (long.as_str(), 10), (long.as_str(), 1)] {
        let keys = Arc::new(Mutex::new(Vec::new()));
        let noted = keys.clone();
        let queue = LocalQueue::new("t.fifo");
        let tasks = controller(&queue).on_raw(move |context: TaskContext, _: RawTask| {
            noted.lock().expect("no panic").push(context.idempotency_key().to_owned());
            async { Err("as always") }
        });
        let attributes: Vec<_> = (0..attributes).map(|n| (format!("a{n}"), "b".to_owned())).collect();
        let (mut known, mut deduplication) = (attributes, id.to_owned());
        for round in 0..3 {
            // A UUID, as SQS gives them; a redrive keeps the deduplication id and the attributes.
            let mut last = record(&format!("0e0da1b5-9c54-4a4e-9d3c-b7f6f1b1a4c{round}"), Some("g"), "x");
            last["attributes"]["ApproximateReceiveCount"] = "5".into();
            last["attributes"]["MessageDeduplicationId"] = deduplication.as_str().into();
            let attribute = |value: &str| json!({ "stringValue": value, "dataType": "String" });
            last["messageAttributes"] =
                Value::Object(known.iter().map(|(name, value)| (name.clone(), attribute(value))).collect());
            let message_id = last["messageId"].as_str().expect("a text").to_owned();
            assert_eq!(tasks.handle_event(&event([last]), None).await.expect("an answer").failed().count(), 0);
            let letter = queue.dead_letters().pop().expect("a dead letter");
            known = letter
                .task
                .attributes()
                .map(|(name, value)| (name.to_owned(), value.as_str().expect("a text").to_owned()))
                .collect();
            let own = keys.lock().expect("no panic")[0].rsplit('|').next().expect("an id").to_owned();
            deduplication = format!("dlq-{message_id}:{own}");
        }
        let keys = keys.lock().expect("no panic");
        assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

/// Each event says all of it.
#[tokio::test(start_paused = true)]
async fn each_end_of_a_task_is_one_event_that_says_all_of_it() {
    let log = Log::start();
    let (queue, journal) = (LocalQueue::new("t.fifo"), Journal::default());
    let tasks = poisonable(&queue, &journal, Poison::Error).with_attempts(2);
    post(&tasks, "user-7", &["poison".to_owned(), "fine".to_owned()]).await;
    work_off(&tasks, &queue).await;
    let of = [
        "task.name=\"raw\"",
        "task.group=\"user-7\"",
        "messaging.message.id=",
        "messaging.destination.name=\"t.fifo\"",
    ];
    let with = |more: &[&'static str]| log.lines(&[&of[..], more].concat());
    let failed = with(&[
        "WARN",
        "a task failed",
        "task.attempt=1",
        "task.attempts=2",
        "task.outcome=\"failed\"",
        "again_ms=5000",
    ]);
    assert_eq!(failed.len(), 1, "{:?}", log.lines(&["task."]));
    let dead = with(&["ERROR", "a dead letter", "task.attempt=2", "task.attempts=2", "as always"]);
    assert_eq!(dead.len(), 1, "{:?}", log.lines(&["task."]));
    assert!(!dead[0].contains("again_ms"), "{dead:?}");
    let done = with(&["INFO", "a task was done", "task.attempt=1", "handler_ms=", "queue_age_ms="]);
    assert_eq!(done.len(), 1, "{:?}", log.lines(&["task."]));
}
