//! A task becomes a dead letter only after its own handler failed as often as it may, however its neighbours behave: as a
//! property over schedules with poison, crashes, slow tasks and kills on a paused clock, in two processes with memories of
//! their own. `TASK_SCHEDULES=10000` plays more of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
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
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    support::Log,
    tasks_rules::{runtime, schedules},
};

/// The function has so long, of which a second is kept.
const TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Healthy,
    /// Fails so often, and then succeeds.
    Flaky(u32),
    Poison,
    AtOnce,
    Panics,
    /// Takes longer than there is.
    Hangs,
    /// Ends its process.
    Crashes,
}

#[derive(Clone, Debug)]
struct Planned {
    group: u8,
    takes: u64,
    kind: Kind,
}

#[derive(Clone, Debug)]
struct Schedule {
    tasks: Vec<Planned>,
    /// After so many milliseconds each, a process is killed.
    kills: Vec<u64>,
    has_zero_backoff: bool,
}

fn any_schedule(crashes: bool) -> impl Strategy<Value = Schedule> {
    let kind = prop_oneof![
        12 => Just(Kind::Healthy),
        2 => (1..ATTEMPTS).prop_map(Kind::Flaky),
        1 => Just(Kind::Poison),
        1 => Just(Kind::AtOnce),
        1 => Just(Kind::Panics),
        1 => Just(Kind::Hangs),
        1 => Just(if crashes { Kind::Crashes } else { Kind::Poison }),
    ];
    // From a hundredth of the time to nine tenths of it.
    let takes = prop_oneof![3 => 1..500_u64, 1 => 500..8000_u64];
    let task = (0..6_u8, takes, kind).prop_map(|(group, takes, kind)| Planned { group, takes, kind });
    let kills = proptest::collection::vec(0..40_000_u64, 0..if crashes { 5 } else { 1 });
    (proptest::collection::vec(task, 1..60), kills, any::<bool>())
        .prop_map(|(tasks, kills, has_zero_backoff)| Schedule { tasks, kills, has_zero_backoff })
}

#[derive(Default)]
struct Seen {
    /// By task: how often its handler failed, or its process ended while it ran.
    failures: BTreeMap<usize, u32>,
    done: BTreeSet<usize>,
    faults: Vec<String>,
}

/// One process: what ends it, and whether it has ended.
#[derive(Default)]
struct Process {
    ends: Notify,
    has_ended: AtomicBool,
}

/// A run that is dropped before its end was cut, or its process ended.
struct Running {
    at: usize,
    had_all_time: bool,
    has_returned: bool,
    seen: Arc<Mutex<Seen>>,
    process: Arc<Process>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.has_returned || !(self.had_all_time || self.process.has_ended.load(Ordering::Relaxed)) {
            return;
        }
        *lock(&self.seen).failures.entry(self.at).or_default() += 1;
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    (seen, process): (Arc<Mutex<Seen>>, Arc<Process>),
    tasks: Arc<Vec<Planned>>,
    (context, task): (TaskContext, RawTask),
) -> Result<(), BoxError> {
    let at: usize = task.body().parse()?;
    let planned = &tasks[at];
    let left = context.remaining().unwrap_or_default();
    let had_all_time = left >= (TIMEOUT - Duration::from_secs(1)) * 9 / 10;
    let mut running = Running { at, had_all_time, has_returned: false, seen: seen.clone(), process: process.clone() };
    sleep(Duration::from_millis(planned.takes)).await;
    let failed_before = lock(&seen).failures.get(&at).copied().unwrap_or_default();
    match planned.kind {
        Kind::Flaky(times) if failed_before < times => {}
        Kind::Healthy | Kind::Flaky(_) => {
            running.has_returned = true;
            let mut seen = lock(&seen);
            let earlier = |other: &usize| tasks[*other].group == planned.group && tasks[*other].kind == Kind::Healthy;
            if let Some(earlier) = (0..at).filter(earlier).find(|other| !seen.done.contains(other)) {
                seen.faults.push(format!("{at} is done before {earlier}"));
            }
            seen.done.insert(at);
            return Ok(());
        }
        Kind::Hangs => sleep(Duration::from_secs(3600)).await,
        Kind::Crashes => {
            process.has_ended.store(true, Ordering::Relaxed);
            process.ends.notify_one();
            std::future::pending::<()>().await;
        }
        Kind::Poison | Kind::AtOnce | Kind::Panics => {}
    }
    running.has_returned = true;
    *lock(&seen).failures.entry(at).or_default() += 1;
    match planned.kind {
        Kind::Panics => resume_unwind(Box::new("told to")),
        Kind::AtOnce => Err(Error::retry_after(Duration::ZERO, "told to").into()),
        _ => Err("told to".into()),
    }
}

/// What outlives a process.
struct World {
    queue: LocalQueue,
    store: Option<Arc<MemoryStore>>,
    seen: Arc<Mutex<Seen>>,
    tasks: Arc<Vec<Planned>>,
    has_zero_backoff: bool,
    attempts: u32,
}

impl World {
    fn new(schedule: &Schedule, has_store: bool) -> Self {
        Self {
            queue: LocalQueue::new("t.fifo").with_visibility(6 * TIMEOUT),
            store: has_store.then(Arc::default),
            seen: Arc::default(),
            tasks: Arc::new(schedule.tasks.clone()),
            has_zero_backoff: schedule.has_zero_backoff,
            attempts: ATTEMPTS,
        }
    }

    async fn post(&self) {
        let posting = self.controller(&Arc::default());
        for (at, task) in self.tasks.iter().enumerate() {
            let post = posting.post_raw(at.to_string(), [("a", "b")]).with_group(task.group.to_string());
            post.await.expect("posted");
        }
    }

    /// A controller with a memory of its own.
    fn controller(&self, process: &Arc<Process>) -> TaskingController {
        let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&self.queue);
        let tasks = self.store.iter().fold(tasks, |tasks, store| tasks.with_shared_store(store.clone()));
        let backoff = Duration::from_secs(if self.has_zero_backoff { 0 } else { 2 });
        let tasks = tasks.with_attempts(self.attempts).with_backoff(backoff, backoff * 4);
        let (seen, planned, process) = (self.seen.clone(), self.tasks.clone(), process.clone());
        tasks.on_raw(move |context: TaskContext, task: RawTask| {
            run((seen.clone(), process.clone()), planned.clone(), (context, task))
        })
    }

    /// Works off what there is, until it is killed or kills itself: then the next begins with no memory.
    async fn process(&self, current: &mut Option<(Arc<Process>, TaskingController)>, kill: Option<u64>) {
        let (process, tasks) = current.get_or_insert_with(|| {
            let process = Arc::<Process>::default();
            let tasks = self.controller(&process);
            (process, tasks)
        });
        let killed = async {
            match kill {
                Some(after) => sleep(Duration::from_millis(after)).await,
                None => std::future::pending().await,
            }
            process.has_ended.store(true, Ordering::Relaxed);
        };
        tokio::select! {
            biased;
            () = process.ends.notified() => {}
            () = killed => {}
            worked = tasks.work_off() => {
                worked.expect("a local queue");
                return;
            }
        }
        *current = None;
    }
}

async fn play(schedule: &Schedule, has_store: bool) -> Result<(), String> {
    let world = World::new(schedule, has_store);
    world.post().await;
    let (mut first, mut second) = (None, None);
    let mut kills = schedule.kills.iter().copied();
    for _ in 0..50_000 {
        let (kill, other_kill) = (kills.next(), kills.next());
        let other = async {
            // What the one knows the other can learn from the store alone.
            if has_store || has_crashes(schedule) {
                world.process(&mut second, other_kill).await;
            }
        };
        join(world.process(&mut first, kill), other).await;
        if world.queue.is_empty() {
            break;
        }
        sleep(Duration::from_secs(1)).await;
    }
    judge(schedule, &world)
}

fn has_crashes(schedule: &Schedule) -> bool {
    !schedule.kills.is_empty() || schedule.tasks.iter().any(|task| task.kind == Kind::Crashes)
}

fn judge(schedule: &Schedule, world: &World) -> Result<(), String> {
    let is_exact = world.store.is_some() || !has_crashes(schedule);
    let seen = lock(&world.seen);
    if let Some(fault) = seen.faults.first() {
        return Err(fault.clone());
    }
    if !world.queue.is_empty() {
        return Err(format!("{} tasks never end", world.queue.len()));
    }
    let dead: Vec<usize> =
        world.queue.dead_letters().iter().filter_map(|letter| letter.task.body().parse().ok()).collect();
    for at in &dead {
        let failures = seen.failures.get(at).copied().unwrap_or_default();
        let kind = schedule.tasks[*at].kind;
        if (is_exact || kind == Kind::Healthy) && failures < ATTEMPTS {
            return Err(format!("{at}, {kind:?}, is dead after {failures} failures of its own"));
        }
    }
    match (0..schedule.tasks.len()).find(|at| !seen.done.contains(at) && !dead.contains(at)) {
        Some(lost) => Err(format!("{lost} is lost")),
        None => Ok(()),
    }
}

/// Plays schedules until one shows a fault.
fn search(count: u32) -> Result<(), String> {
    for crashes in [false, true] {
        let config = Config { cases: count, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
        let found = TestRunner::new(config).run(&any_schedule(crashes), |schedule| {
            for has_store in [false, true] {
                let played = runtime().block_on(AssertUnwindSafe(play(&schedule, has_store)).catch_unwind());
                let played = played.unwrap_or_else(|_| Err("the worker panicked".to_owned()));
                played.map_err(|fault| TestCaseError::fail(format!("store {has_store}: {fault}")))?;
            }
            Ok(())
        });
        found.map_err(|error| error.to_string())?;
    }
    Ok(())
}

#[test]
fn only_its_own_failures_make_a_task_a_dead_letter() {
    search(schedules()).expect("no schedule shows a fault");
}

/// Plays one schedule; how often each task failed of itself, which are dead, and how long it took.
fn played(tasks: Vec<Planned>, has_store: bool) -> (BTreeMap<usize, u32>, Vec<String>, Duration) {
    let schedule = Schedule { tasks, kills: Vec::new(), has_zero_backoff: false };
    runtime().block_on(async {
        let world = World::new(&schedule, has_store);
        world.post().await;
        let (begun, mut process) = (Instant::now(), None);
        while !world.queue.is_empty() {
            world.process(&mut process, None).await;
            sleep(Duration::from_millis(10)).await;
        }
        let dead = world.queue.dead_letters().iter().map(|letter| letter.task.body().to_owned()).collect();
        let failures = lock(&world.seen).failures.clone();
        (failures, dead, begun.elapsed())
    })
}

fn planned(group: u8, takes: u64, kind: Kind) -> Planned {
    Planned { group, takes, kind }
}

/// With a store that counts it leaves after its attempts; without one when the queue takes it, and nothing else does.
#[test]
fn a_task_that_ends_its_process_takes_no_other_with_it() {
    for first in [0, 4, 9] {
        for groups in [1, 3, 10] {
            for has_store in [false, true] {
                let kind = |at| if at == first { Kind::Crashes } else { Kind::Healthy };
                let tasks = (0..10).map(|at| planned(at % groups, 100, kind(at))).collect();
                let (failures, dead, _) = played(tasks, has_store);
                assert_eq!(dead, [first.to_string()], "{groups} groups, store {has_store}");
                let crashes = failures.get(&usize::from(first)).copied();
                assert_eq!(crashes, Some(if has_store { ATTEMPTS } else { 100 }), "{groups} groups");
                // A neighbour of another group may have run beside it, the first time only.
                assert!(failures.values().filter(|times| **times > 1).count() == 1, "{failures:?}");
            }
        }
    }
}

/// Two kills, the second of them while the first suspect runs. How long the others are hidden then is bounded, and no longer
/// than SQS takes.
#[test]
fn what_was_beside_a_crash_comes_back_soon_however_often_it_may_be_tried() {
    for attempts in [5, 100, u32::MAX] {
        let log = Log::start();
        let tasks = (0..10).map(|at| planned(at, 100, Kind::Healthy)).collect();
        let schedule = Schedule { tasks, kills: Vec::new(), has_zero_backoff: false };
        let took = runtime().block_on(async {
            let world = World { attempts, ..World::new(&schedule, true) };
            world.post().await;
            let (begun, mut process) = (Instant::now(), None);
            for _ in 0..2 {
                world.process(&mut process, Some(50)).await;
                sleep(6 * TIMEOUT).await;
            }
            while !world.queue.is_empty() && begun.elapsed() < Duration::from_secs(100_000) {
                world.process(&mut process, None).await;
                sleep(Duration::from_secs(1)).await;
            }
            begun.elapsed()
        });
        assert!(took < Duration::from_secs(300), "{attempts}: {took:?}");
        assert_eq!(log.lines(&["could not be put off"]), [""; 0]);
    }
}

/// Thirty tasks, each of which takes six tenths of the function's time.
#[test]
fn slow_tasks_are_no_failures_and_wait_for_nothing() {
    for has_store in [false, true] {
        let (failures, dead, took) = played((0..30).map(|_| planned(1, 6000, Kind::Healthy)).collect(), has_store);
        assert!(failures.is_empty() && dead.is_empty(), "{failures:?} {dead:?}");
        assert!(took < Duration::from_secs(30 * 6 + 10), "{took:?}");
    }
}

/// From a hundredth to nine tenths of the function's time, in several groups.
#[test]
fn tasks_of_all_lengths_take_little_more_than_their_work() {
    let lengths = (0..60_u64).map(|at| 100 + at * 1_777 % 8_000);
    let tasks: Vec<Planned> = lengths.map(|takes| planned((takes % 4) as u8, takes, Kind::Healthy)).collect();
    let of = |group: u8| tasks.iter().filter(|task| task.group == group).map(|task| task.takes).sum::<u64>();
    let work = Duration::from_millis((0..4).map(of).max().unwrap_or_default());
    let schedule = Schedule { tasks, kills: Vec::new(), has_zero_backoff: false };
    let took = runtime().block_on(async {
        let world = World::new(&schedule, false);
        world.post().await;
        let (begun, worker) =
            (Instant::now(), world.controller(&Arc::default()).spawn_worker().expect("a local queue"));
        while !world.queue.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        worker.stop().await;
        assert!(lock(&world.seen).failures.is_empty() && world.queue.dead_letters().is_empty());
        begun.elapsed()
    });
    assert!(took < work * 3 / 2, "{took:?} for {work:?}");
}

#[cfg(feature = "seeded-defects")]
#[test]
fn a_worker_that_takes_receives_for_attempts_is_found() {
    chalice_http_toolkit::seed(Some(chalice_http_toolkit::Defect::Attempts));
    let fault = search(300);
    chalice_http_toolkit::seed(None);
    assert!(fault.unwrap_err().contains("failures of its own"));
}
