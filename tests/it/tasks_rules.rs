//! The rules that hold whatever fails, as properties over schedules of failures on a paused clock: nothing is lost, nothing
//! of a group is overtaken. `TASK_SCHEDULES=10000 cargo test --release --features tasking tasks_rules` plays more of them;
//! with `seeded-defects` each rule is broken on purpose, and must be found broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chalice_http_toolkit::{
    BoxError, Error, TaskContext, TaskingController,
    tasking::{LocalQueue, MemoryStore, RawTask},
};
use futures_util::{FutureExt, future::join};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::time::{Instant, sleep};

use crate::tasks::{event, record};

/// How many schedules are played.
pub(crate) fn schedules() -> u32 {
    std::env::var("TASK_SCHEDULES").ok().and_then(|count| count.parse().ok()).unwrap_or(60)
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

fn controller() -> TaskingController {
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name");
    tasks.with_local_queue(&LocalQueue::new("t.fifo"))
}

/// What a handler does in one attempt.
#[derive(Clone, Copy, Debug)]
enum Does {
    Succeed,
    Fail,
    Panic,
    /// For longer than there is.
    Hang,
    /// Fails for good, and leaves the queue.
    GiveUp,
}

#[derive(Clone, Debug)]
struct Planned {
    group: u8,
    takes: u64,
    /// One attempt after the other; then it succeeds.
    attempts: Vec<Does>,
}

#[derive(Clone, Debug)]
struct Schedule {
    tasks: Vec<Planned>,
    /// After so many milliseconds each, both workers die in the middle of what they do.
    crashes: Vec<u64>,
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let does = prop_oneof![
        6 => Just(Does::Succeed),
        3 => Just(Does::Fail),
        1 => Just(Does::Panic),
        1 => Just(Does::Hang),
        1 => Just(Does::GiveUp),
    ];
    let attempts = proptest::collection::vec(does, 0..4);
    let task = (0..8_u8, 0..2000_u64, attempts).prop_map(|(group, takes, attempts)| Planned { group, takes, attempts });
    (proptest::collection::vec(task, 1..200), proptest::collection::vec(0..30_000_u64, 0..6))
        .prop_map(|(tasks, crashes)| Schedule { tasks, crashes })
}

/// What was seen while a schedule was played.
struct Seen {
    queue: LocalQueue,
    attempts: BTreeMap<usize, usize>,
    running: BTreeSet<u8>,
    settled: BTreeSet<usize>,
    faults: Vec<String>,
}

impl Seen {
    fn new(queue: &LocalQueue) -> Self {
        let queue = queue.clone();
        Self {
            queue,
            attempts: BTreeMap::new(),
            running: BTreeSet::new(),
            settled: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    /// The places of those that are dead letters.
    fn dead(&self) -> BTreeSet<usize> {
        self.queue.dead_letters().iter().filter_map(|letter| letter.task.body().parse().ok()).collect()
    }
}

/// A group that is busy as long as this lives: a worker that dies drops it.
struct Running(u8, Arc<Mutex<Seen>>);

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.1).running.remove(&self.0);
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn run(seen: Arc<Mutex<Seen>>, tasks: Arc<Vec<Planned>>, task: RawTask) -> Result<(), BoxError> {
    let at: usize = task.body().parse()?;
    let planned = &tasks[at];
    let does = {
        let mut seen = lock(&seen);
        let attempt = *seen.attempts.entry(at).and_modify(|count| *count += 1).or_insert(0);
        if !seen.running.insert(planned.group) {
            seen.faults.push(format!("two tasks of group {} run at once", planned.group));
        }
        let dead = seen.dead();
        let is_over = |other: &usize| seen.settled.contains(other) || dead.contains(other);
        let earlier = (0..at).find(|other| tasks[*other].group == planned.group && !is_over(other));
        if let Some(earlier) = earlier {
            seen.faults.push(format!("{at} runs before {earlier} is done"));
        }
        planned.attempts.get(attempt).copied().unwrap_or(Does::Succeed)
    };
    let _running = Running(planned.group, seen.clone());
    sleep(Duration::from_millis(planned.takes)).await;
    match does {
        Does::Succeed => {}
        Does::Fail => return Err("told to".into()),
        Does::Panic => resume_unwind(Box::new("told to")),
        Does::Hang => sleep(Duration::from_secs(3600)).await,
        Does::GiveUp => {
            lock(&seen).settled.insert(at);
            return Err(Error::permanent("told to").into());
        }
    }
    lock(&seen).settled.insert(at);
    // A worker may die between the effect and the end.
    sleep(Duration::from_millis(5)).await;
    Ok(())
}

/// With so many attempts for each task.
async fn play(schedule: &Schedule, attempts: u32) -> Result<(), String> {
    let queue = LocalQueue::new("t.fifo").with_visibility(Duration::from_secs(60)).with_most_receives(u32::MAX);
    let seen = Arc::new(Mutex::new(Seen::new(&queue)));
    let (noted, planned) = (seen.clone(), Arc::new(schedule.tasks.clone()));
    let tasks = controller().with_local_queue(&queue).with_store(MemoryStore::new()).with_attempts(attempts);
    let tasks = tasks.with_dead_letter_queue("d.fifo").map_err(|error| error.to_string())?;
    let tasks = tasks.with_backoff(Duration::from_secs(1), Duration::from_secs(8));
    let tasks = tasks.on_raw(move |_: TaskContext, task: RawTask| run(noted.clone(), planned.clone(), task));
    let posts = schedule.tasks.iter().enumerate();
    let posts = posts.map(|(at, task)| tasks.post_raw(at.to_string(), [("a", "b")]).with_group(task.group.to_string()));
    for result in tasks.post_batch(posts).await {
        result.map_err(|error| format!("{error:?}"))?;
    }
    for crash in &schedule.crashes {
        let workers = join(tasks.work_off(), tasks.work_off());
        drop(tokio::time::timeout(Duration::from_millis(*crash), workers).await);
    }
    for _ in 0..10_000 {
        let (first, second) = join(tasks.work_off(), tasks.work_off()).await;
        first.and(second).map_err(|error| format!("{error:?}"))?;
        if queue.is_empty() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    let seen = lock(&seen);
    let dead = seen.dead();
    let is_over = |at: &usize| seen.settled.contains(at) || dead.contains(at);
    let lost: Vec<usize> = (0..schedule.tasks.len()).filter(|at| !is_over(at)).collect();
    let unrun: Vec<&usize> = dead.iter().filter(|at| !seen.attempts.contains_key(at)).collect();
    match seen.faults.first() {
        Some(fault) => Err(fault.clone()),
        None if !queue.is_empty() => Err(format!("{} tasks never end", queue.len())),
        None if !lost.is_empty() => Err(format!("{lost:?} are lost")),
        None if !unrun.is_empty() => Err(format!("{unrun:?} are dead letters and never ran")),
        None => Ok(()),
    }
}

/// Plays schedules until one shows a fault.
fn search(count: u32) -> Result<(), String> {
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    TestRunner::new(config)
        .run(&any_schedule(), |schedule| {
            for attempts in [u32::MAX, 5, 1] {
                let played = runtime().block_on(AssertUnwindSafe(play(&schedule, attempts)).catch_unwind());
                let played = played.unwrap_or_else(|_| Err("the worker panicked".to_owned()));
                played.map_err(TestCaseError::fail)?;
            }
            Ok(())
        })
        .map_err(|error| error.to_string())
}

#[test]
fn nothing_is_lost_and_nothing_is_overtaken() {
    search(schedules()).expect("no schedule shows a fault");
}

/// Twenty groups of twenty tasks; one task of one group fails each time.
#[tokio::test(start_paused = true)]
async fn a_poisoned_group_waits_for_its_dead_letter_and_no_other_waits() {
    let queue = LocalQueue::new("t.fifo").with_most_receives(5);
    let ran = Arc::new(Mutex::new(BTreeMap::<String, Vec<String>>::new()));
    let noted = ran.clone();
    let tasks = controller().with_local_queue(&queue).on_raw(move |context: TaskContext, task: RawTask| {
        let group = context.group().unwrap_or_default().to_owned();
        noted.lock().expect("no panic").entry(group).or_default().push(task.body().to_owned());
        async move { if task.body() == "g7 poison" { Err("as always") } else { Ok(()) } }
    });
    let posts = (0..400).map(|n| {
        let (group, place) = (n % 20, n / 20);
        let body = if (group, place) == (7, 4) { "g7 poison".to_owned() } else { place.to_string() };
        tasks.post_raw(body, [("a", "b")]).with_group(format!("g{group}"))
    });
    assert!(tasks.post_batch(posts).await.iter().all(Result::is_ok));
    tasks.work_off().await.expect("a local queue");
    let begun = Instant::now();
    while !queue.is_empty() {
        sleep(Duration::from_secs(1)).await;
        tasks.work_off().await.expect("a local queue");
    }
    // 5, 10, 20, 40 and 80 s of backoff, and at most as long again for what is behind: not thirty minutes of visibility.
    assert!(begun.elapsed() < Duration::from_secs(330), "{:?}", begun.elapsed());
    let ran = ran.lock().expect("no panic");
    for (group, bodies) in ran.iter() {
        let expected: Vec<String> = match group.as_str() {
            "g7" => {
                let poison = std::iter::repeat_n("g7 poison".to_owned(), 5);
                (0..4).map(|n| n.to_string()).chain(poison).chain((5..20).map(|n| n.to_string())).collect()
            }
            _ => (0..20).map(|n| n.to_string()).collect(),
        };
        assert_eq!(*bodies, expected, "{group}");
    }
    let letters = queue.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].group.as_str(), letters[0].receives), ("g7", 5));
}

/// Batches of ten tasks of 200 ms with a second for all: how many invocations took too long.
async fn overruns(batches: usize) -> usize {
    let tasks = controller().on_raw(async |_: TaskContext, _: RawTask| {
        sleep(Duration::from_millis(200)).await;
        Ok::<(), BoxError>(())
    });
    let mut overruns = 0;
    for batch in 0..batches {
        let groups = 1 + batch % 3;
        let event = event((0..10).map(|id| record(&id.to_string(), Some(&format!("g{}", id % groups)), "x")));
        let begun = Instant::now();
        let answer = tasks.handle_event(&event, Some(Duration::from_secs(1))).await.expect("an answer");
        let done = 10 - answer.failed().count();
        assert!(done >= 3, "only {done} done");
        overruns += usize::from(begun.elapsed() > Duration::from_secs(1));
    }
    overruns
}

#[tokio::test(start_paused = true)]
async fn no_batch_overruns_its_invocation() {
    assert_eq!(overruns(1000).await, 0);
}

/// Batches in which each tenth task panics.
async fn panics(batches: u64) {
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let tasks = controller().on_raw(move |_: TaskContext, task: RawTask| {
        counted.fetch_add(1, Ordering::Relaxed);
        if task.body() == "early" {
            // While its future is made.
            resume_unwind(Box::new("told to"));
        }
        async move {
            if task.body() == "late" {
                resume_unwind(Box::new("told to"));
            }
            Ok::<(), BoxError>(())
        }
    });
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..batches {
        let plan: Vec<(usize, &str)> = (0..10)
            .map(|_| {
                (
                    random.usize(..4),
                    if random.u8(..10) == 0 { *random.choice(&["early", "late"]).unwrap_or(&"") } else { "ok" },
                )
            })
            .collect();
        let records = plan.iter().enumerate();
        let records = records.map(|(id, (group, body))| record(&id.to_string(), Some(&format!("g{group}")), body));
        let answer = tasks.handle_event(&event(records), None).await.expect("an answer");
        let mut broken = BTreeSet::new();
        let expected: Vec<String> = plan
            .iter()
            .enumerate()
            .filter(|(_, (group, body))| {
                let fails = broken.contains(group) || *body != "ok";
                if fails {
                    broken.insert(*group);
                }
                fails
            })
            .map(|(id, _)| id.to_string())
            .collect();
        assert_eq!(answer.failed().collect::<Vec<_>>(), expected, "{plan:?}");
    }
    assert!(ran.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn panics_are_failures_of_their_tasks() {
    panics(1000).await;
}

/// Each message two to five times, at once and one after another; says how many effects there are too many.
async fn duplicates(messages: usize) -> usize {
    let effects = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let overlap = Arc::new(AtomicBool::new(false));
    let (counted, overlapped) = (effects.clone(), overlap.clone());
    let running = Arc::new(Mutex::new(BTreeSet::<String>::new()));
    let tasks = controller().with_store(MemoryStore::new()).on_raw(move |context: TaskContext, _: RawTask| {
        let (counted, overlapped, running) = (counted.clone(), overlapped.clone(), running.clone());
        async move {
            let id = context.message_id().to_owned();
            if !running.lock().expect("no panic").insert(id.clone()) {
                overlapped.store(true, Ordering::Relaxed);
            }
            sleep(Duration::from_millis(20)).await;
            running.lock().expect("no panic").remove(&id);
            *counted.lock().expect("no panic").entry(id).or_default() += 1;
            Ok::<(), BoxError>(())
        }
    });
    let mut random = fastrand::Rng::with_seed(4);
    for message in 0..messages {
        let event = event([record(&message.to_string(), Some("g"), "x")]);
        let deliveries = (0..random.usize(2..=5)).map(|_| {
            let (tasks, event, pause) = (&tasks, &event, Duration::from_millis(random.u64(..40)));
            async move {
                sleep(pause).await;
                tasks.handle_event(event, Some(Duration::from_secs(30))).await.expect("an answer")
            }
        });
        futures_util::future::join_all(deliveries.collect::<Vec<_>>()).await;
    }
    let effects = effects.lock().expect("no panic");
    assert_eq!(effects.len(), messages);
    effects.values().map(|count| count - 1).sum::<usize>() + usize::from(overlap.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_delivered_many_times_has_one_effect() {
    assert_eq!(duplicates(5000).await, 0);
}

/// A batch is still running when its messages become visible, and a second worker gets them too.
async fn late_batches(batches: u64) -> usize {
    let effects = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    for batch in 0..batches {
        let queue =
            LocalQueue::new("t.fifo").with_visibility(Duration::from_secs(2)).with_timeout(Duration::from_secs(60));
        let queue = queue.with_most_receives(u32::MAX);
        let counted = effects.clone();
        let tasks = controller().with_local_queue(&queue).with_store(MemoryStore::new()).on_raw(
            move |_: TaskContext, task: RawTask| {
                let counted = counted.clone();
                async move {
                    sleep(Duration::from_millis(700 + 13 * (batch % 50))).await;
                    *counted.lock().expect("no panic").entry(task.into_body()).or_default() += 1;
                    Ok::<(), BoxError>(())
                }
            },
        );
        for n in 0..4 {
            tasks.post_raw(format!("{batch} {n}"), [("a", "b")]).with_group("g").await.expect("posted");
        }
        let second = async {
            sleep(Duration::from_millis(2100)).await;
            tasks.work_off().await
        };
        // Without a store, such a batch never ends: each of its deletions comes too late.
        let minute = Duration::from_secs(60);
        drop(tokio::time::timeout(minute, join(tasks.work_off(), second)).await);
        sleep(minute).await;
        drop(tokio::time::timeout(minute, tasks.work_off()).await);
    }
    let effects = effects.lock().expect("no panic");
    assert_eq!(effects.len() as u64, 4 * batches, "nothing is lost");
    effects.values().map(|count| count - 1).sum()
}

#[tokio::test(start_paused = true)]
async fn what_is_seen_again_while_it_runs_has_one_effect() {
    assert_eq!(late_batches(200).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_stopped_leaves_nothing_half_done() {
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..100 {
        let queue = LocalQueue::new("t.fifo");
        let done = Arc::new(AtomicUsize::new(0));
        let counted = done.clone();
        let tasks = controller().with_local_queue(&queue).on_raw(move |_: TaskContext, _: RawTask| {
            let counted = counted.clone();
            async move {
                sleep(Duration::from_millis(100)).await;
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<(), BoxError>(())
            }
        });
        for n in 0..60 {
            tasks.post_raw("x", [("n", n)]).with_group(format!("g{}", n % 7)).await.expect("posted");
        }
        let worker = tasks.spawn_worker().expect("a local queue");
        sleep(Duration::from_millis(random.u64(..1500))).await;
        worker.stop().await;
        assert_eq!(done.load(Ordering::Relaxed) + queue.len(), 60, "what is deleted is done, and nothing else is");
        // What is left comes at once.
        let begun = Instant::now();
        let left = queue.len();
        if left > 0 {
            let next = tasks.spawn_worker().expect("a local queue");
            sleep(Duration::from_millis(900)).await;
            assert!(done.load(Ordering::Relaxed) > 60 - left);
            next.stop().await;
            assert!(begun.elapsed() < Duration::from_secs(3));
        }
    }
}

#[cfg(feature = "seeded-defects")]
mod broken {
    use chalice_http_toolkit::{Defect, seed};

    use super::*;

    /// Runs with a rule broken; whatever happens, it is whole again after.
    fn with<T>(defect: Defect, run: impl FnOnce() -> T) -> T {
        struct Whole;
        impl Drop for Whole {
            fn drop(&mut self) {
                seed(None);
            }
        }
        let _whole = Whole;
        seed(Some(defect));
        run()
    }

    #[test]
    fn a_worker_that_does_not_stop_a_failed_group_is_found() {
        let fault = with(Defect::GroupSkip, || search(200)).unwrap_err();
        assert!(fault.contains("runs before"), "{fault}");
    }

    #[test]
    fn a_worker_that_does_not_catch_panics_is_found() {
        let fault = with(Defect::Panic, || search(200)).unwrap_err();
        assert!(fault.contains("panicked"), "{fault}");
        let run = || runtime().block_on(panics(1000));
        assert!(with(Defect::Panic, || std::panic::catch_unwind(run)).is_err());
    }

    #[test]
    fn a_worker_that_knows_no_deadline_is_found() {
        assert!(with(Defect::Deadline, || runtime().block_on(overruns(20))) > 0);
    }

    #[test]
    fn a_worker_that_asks_no_store_is_found() {
        assert!(with(Defect::Store, || runtime().block_on(duplicates(100))) > 0);
        assert!(with(Defect::Store, || runtime().block_on(late_batches(20))) > 0);
    }
}
