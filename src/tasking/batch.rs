//! Which records of a batch run, when, and the result of each. It knows neither AWS nor tasks: records have a group or
//! none, running one is a function, and all state is local to the call.
//!
//! Groups run side by side, the records of one in their order. The first that fails ends its group, and only that: a later
//! record must never overtake an earlier one that will come again. What may end the process runs first, with nothing
//! beside it.

use std::{collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::{
    defects::{Defect, seeded},
    error::{Error, ErrorKind},
};

/// The outcome of one record. Every record of a batch has exactly one.
#[derive(Debug)]
pub(crate) enum TaskOutcome {
    Done,
    /// It was done before, as the store knows.
    Duplicate,
    /// Another delivery of it runs at this time, as the store knows, or has died and holds it for so long.
    Busy(Duration),
    Failed(Error),
    /// It is not due yet: it waits for so long.
    Waiting(Duration),
    /// It was delayed and is due: it is in its own group now.
    SentOn,
    /// It could not be run: the store or its body can't be reached, or this worker lacks a setting.
    Unavailable(Error),
    /// It failed for good or has had its attempts, and the dead-letter queue has it.
    DeadLettered(Error),
    Panicked(Error),
    /// It was begun too late to end in time, and was cut.
    Cut,
    /// Left alone, for an earlier record of its group is not done.
    Skipped,
    /// Left alone, for there was not time enough.
    NotStarted,
}

impl TaskOutcome {
    /// Whether the message may leave the queue.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Duplicate | Self::DeadLettered(_) | Self::SentOn)
    }
}

/// The result of one record of a batch.
#[derive(Debug)]
pub(crate) struct RecordResult {
    pub(crate) outcome: TaskOutcome,
    /// Which attempt of its own it was; zero where it was none.
    pub(crate) attempt: u32,
    /// How often its handler failed in this batch.
    pub(crate) runs: u32,
    /// When it is to come again, if it is.
    pub(crate) again: Option<Duration>,
}

impl RecordResult {
    fn left_alone(outcome: TaskOutcome) -> Self {
        let again = matches!(outcome, TaskOutcome::NotStarted).then_some(Duration::ZERO);
        Self { outcome, attempt: 0, runs: 0, again }
    }
}

/// Runs records with their groups, so many of them side by side; `None` is a group of its own. `is_alone` says of a record that
/// nothing may run beside it, `may_start` whether there is time for it now. The ends are in the order of the records.
pub(crate) async fn process<'a, R, F>(
    records: &'a [R],
    group: impl Fn(&'a R) -> Option<&'a str>,
    is_alone: impl Fn(&'a R) -> bool,
    may_start: impl Fn(&'a R) -> bool,
    run: impl Fn(&'a R) -> F,
    groups: usize,
) -> Vec<RecordResult>
where
    F: Future<Output = RecordResult>,
{
    let (may_start, run) = (&may_start, &run);
    let in_order = |places: Vec<usize>, mut stopped: bool| async move {
        let mut results = Vec::with_capacity(places.len());
        for at in places {
            let record = &records[at];
            let end = if stopped {
                RecordResult::left_alone(TaskOutcome::Skipped)
            } else if !may_start(record) {
                RecordResult::left_alone(TaskOutcome::NotStarted)
            } else {
                guarded(async { run(record).await }, None).await.unwrap_or_else(RecordResult::left_alone)
            };
            stopped |= !end.outcome.is_done() && !seeded(Defect::GroupSkip);
            results.push((at, end));
        }
        (results, stopped)
    };
    let (mut results, mut rest) = (Vec::with_capacity(records.len()), Vec::new());
    for mut places in buckets(records, group) {
        let alone = places.iter().take_while(|at| is_alone(&records[**at])).count();
        let others = places.split_off(alone);
        let (ended, stopped) = in_order(places, false).await;
        results.extend(ended);
        rest.push(in_order(others, stopped));
    }
    let side_by_side = stream::iter(rest).buffer_unordered(groups.max(1));
    results.extend(side_by_side.flat_map(|(ended, _)| stream::iter(ended)).collect::<Vec<_>>().await);
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, end)| end).collect()
}

/// The places of the records, by group; groups in the order of their first record.
fn buckets<'a, R>(records: &'a [R], group: impl Fn(&'a R) -> Option<&'a str>) -> Vec<Vec<usize>> {
    let mut buckets: Vec<Vec<usize>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, record) in records.iter().enumerate() {
        match group(record) {
            Some(name) => match places.get(name).and_then(|place| buckets.get_mut(*place)) {
                Some(bucket) => bucket.push(at),
                None => {
                    places.insert(name, buckets.len());
                    buckets.push(vec![at]);
                }
            },
            None => buckets.push(vec![at]),
        }
    }
    buckets
}

/// What a future comes to, although it may panic, while it is made as well as later, and although the time may be up.
pub(crate) async fn guarded<T>(future: impl Future<Output = T>, until: Option<Instant>) -> Result<T, TaskOutcome> {
    let caught = async {
        if seeded(Defect::Panic) {
            return Ok(future.await);
        }
        let outcome = AssertUnwindSafe(future).catch_unwind().await;
        // What it says is not kept, for that may be of somebody's data; the panic hook has it.
        let panicked = |_| Error::new(ErrorKind::Handler, "the handler of a task panicked");
        outcome.map_err(|panic| TaskOutcome::Panicked(panicked(panic)))
    };
    match until {
        Some(until) if !seeded(Defect::Deadline) => timeout_at(until, caught).await.unwrap_or(Err(TaskOutcome::Cut)),
        _ => caught.await,
    }
}
