//! Which records of a batch run, when, and what became of each. It knows neither AWS nor tasks: records have a group or
//! none, running one is a function, and all state is local to the call.
//!
//! Groups run side by side, the records of one in their order. The first that fails ends its group, and only that: a later
//! record must never overtake an earlier one that will come again.

use std::{collections::HashMap, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::{
    defects::{Defect, seeded},
    error::{Error, ErrorKind},
};

/// What became of one record. Every record of a batch has exactly one.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    /// It was done before, as the store knows.
    Duplicate,
    /// Another delivery of it runs at this time, as the store knows, or has died and holds it for so long.
    Busy(Duration),
    Failed(Error),
    /// It could not be run: the store or its body can't be reached, or this worker lacks a setting.
    Unavailable(Error),
    /// It failed for good or has had its attempts, and the dead-letter queue has it.
    Buried(Error),
    Panicked(Error),
    /// It ran until the time was up, and was cut.
    Cut,
    /// Left alone, for an earlier record of its group is not done.
    Skipped,
    /// Left alone, for there was not time enough.
    NotStarted,
}

impl Outcome {
    /// Whether the message may leave the queue.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Duplicate | Self::Buried(_))
    }
}

/// What a batch may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many groups run side by side.
    pub(crate) groups: usize,
    /// When nothing is started any more.
    pub(crate) until: Option<Instant>,
}

/// Runs records with their groups; `None` is a group of its own. `needs` says how much time a record must have to be
/// started. The outcomes are in the order of the records.
pub(crate) async fn process<'a, R, F>(
    records: &'a [R],
    group: impl Fn(&'a R) -> Option<&'a str>,
    needs: impl Fn(&'a R) -> Duration,
    run: impl Fn(&'a R) -> F,
    limits: Limits,
) -> Vec<Outcome>
where
    F: Future<Output = Outcome>,
{
    let (needs, run) = (&needs, &run);
    let work = buckets(records, group).into_iter().map(|bucket| async move {
        let mut outcomes = Vec::with_capacity(bucket.len());
        let mut stopped = false;
        for at in bucket {
            let record = &records[at];
            let outcome = match limits.until {
                _ if stopped => Outcome::Skipped,
                Some(until) if Instant::now() + needs(record) >= until && !seeded(Defect::Deadline) => {
                    Outcome::NotStarted
                }
                _ => guarded(async { run(record).await }, None).await.unwrap_or_else(|outcome| outcome),
            };
            stopped |= !outcome.is_done() && !seeded(Defect::GroupSkip);
            outcomes.push((at, outcome));
        }
        outcomes
    });
    let mut outcomes: Vec<(usize, Outcome)> =
        stream::iter(work).buffer_unordered(limits.groups.max(1)).flat_map(stream::iter).collect().await;
    outcomes.sort_unstable_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
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
pub(crate) async fn guarded<T>(future: impl Future<Output = T>, until: Option<Instant>) -> Result<T, Outcome> {
    let caught = async {
        if seeded(Defect::Panic) {
            return Ok(future.await);
        }
        let outcome = AssertUnwindSafe(future).catch_unwind().await;
        // What it says is not kept, for that may be of somebody's data; the panic hook has it.
        let panicked = |_| Error::new(ErrorKind::Handler, "the handler of a task panicked");
        outcome.map_err(|panic| Outcome::Panicked(panicked(panic)))
    };
    match until {
        Some(until) if !seeded(Defect::Deadline) => timeout_at(until, caught).await.unwrap_or(Err(Outcome::Cut)),
        _ => caught.await,
    }
}
