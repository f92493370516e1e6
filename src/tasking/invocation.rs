//! One invocation of a worker: its batch, its times, and what its records share. It decides nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{
    batch::TaskOutcome,
    controller::TaskingController,
    ending::Polled,
    event::Record,
    offload::{BodyMemory, BodyPermit, is_elsewhere},
    policy::RetryPolicy,
    queue::VisibilityChange,
    route::RoutedRecord,
};
use crate::{
    defects::{Defect, seeded},
    error::{BoxError, Error, ErrorKind, Result},
};

/// What is kept of an invocation's time for what comes after the handlers: a tenth, but within these.
const SHORTEST_MARGIN: Duration = Duration::from_millis(200);
const LONGEST_MARGIN: Duration = Duration::from_secs(1);
/// A claim ends by itself so long after the invocation, or so long after it was made where that has no end.
const LEASE_MARGIN: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(15 * 60);

/// The times of one invocation.
#[derive(Clone, Copy)]
pub(crate) struct InvocationTimes {
    begun: Instant,
    /// When handlers are cut.
    pub(super) until: Option<Instant>,
    /// When the rest must be over.
    pub(crate) end: Option<Instant>,
    pub(super) lease: Duration,
}

impl InvocationTimes {
    fn of(remaining: Option<Duration>, margin: Option<Duration>) -> Self {
        let begun = Instant::now();
        let Some(remaining) = remaining else { return Self { begun, until: None, end: None, lease: LEASE } };
        let margin = margin.unwrap_or_else(|| (remaining / 10).clamp(SHORTEST_MARGIN, LONGEST_MARGIN));
        Self {
            begun,
            until: Some(begun + remaining.saturating_sub(margin)),
            end: Some(begun + remaining.saturating_sub(margin / 2)),
            lease: remaining + LEASE_MARGIN,
        }
    }

    /// Whether what begins now has nearly all of the invocation's time.
    fn is_whole(&self, begun: Instant) -> bool {
        self.until.is_some_and(|until| begun - self.begun <= (until - self.begun) / 10)
    }

    /// When this attempt is cut.
    pub(super) fn until_of(&self, attempt: Attempt) -> Option<Instant> {
        let own = attempt.policy.timeout.and_then(|timeout| attempt.begun.checked_add(timeout));
        own.into_iter().chain(self.until).min()
    }

    /// What it means that an attempt was cut: to have had all of its time is a failure.
    pub(super) fn cut(&self, attempt: Attempt) -> TaskOutcome {
        let failed = |message: String| TaskOutcome::Failed(Error::new(ErrorKind::Handler, message));
        match attempt.policy.timeout {
            Some(timeout) if self.until_of(attempt) != self.until => {
                failed(format!("a task took longer than its TIMEOUT of {timeout:?}"))
            }
            _ if self.is_whole(attempt.begun) => failed("a task took longer than its invocation".to_owned()),
            _ => TaskOutcome::Cut,
        }
    }

    /// Whether something that needs so long can begin.
    pub(super) fn is_enough(&self, needs: Duration) -> bool {
        self.until.is_none_or(|until| Instant::now() + needs < until)
    }
}

/// One run of a task.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    /// How often it has failed before in this batch.
    pub(crate) runs: u32,
    pub(crate) begun: Instant,
    pub(crate) policy: RetryPolicy,
}

/// One invocation of a worker, with the batch that it runs.
pub(super) struct Invocation<'a> {
    pub(super) tasking: &'a TaskingController,
    pub(super) records: &'a [RoutedRecord<'a>],
    pub(super) times: InvocationTimes,
    pub(super) memory: BodyMemory,
    /// Of a batch that this process received by itself.
    pub(super) polled: Option<&'a Polled>,
    /// How long the longest run of each kind of task took.
    longest: Mutex<HashMap<&'a str, Duration>>,
    /// The receipts of what is deleted before the batch ends.
    deleted: Mutex<HashSet<&'a str>>,
    /// Until when messages are hidden for which the batch has said it, by their receipts.
    hidden: Mutex<HashMap<String, Instant>>,
}

impl<'a> Invocation<'a> {
    pub(super) fn new(
        tasking: &'a TaskingController,
        records: &'a [RoutedRecord<'a>],
        remaining: Option<Duration>,
        polled: Option<&'a Polled>,
    ) -> Self {
        Self {
            tasking,
            records,
            times: InvocationTimes::of(remaining, tasking.settings().margin),
            memory: BodyMemory::of(tasking.settings().offload_limit),
            polled,
            longest: Mutex::default(),
            deleted: Mutex::default(),
            hidden: Mutex::default(),
        }
    }

    /// How much time a task must have: one that took longer before would only be cut.
    pub(super) fn needs(&self, routed: &RoutedRecord<'_>) -> Duration {
        let own = routed.handler().map_or(Duration::ZERO, |handler| handler.needs);
        let longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        longest.get(routed.name().unwrap_or_default()).map_or(own, |longest| own.max(*longest))
    }

    /// Whether there is time for a task now.
    pub(super) fn may_start(&self, routed: &RoutedRecord<'_>) -> bool {
        !self.is_ending() && (self.times.is_enough(self.needs(routed)) || seeded(Defect::Deadline))
    }

    pub(super) fn took(&self, routed: &'a RoutedRecord<'_>, time: Duration) {
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = longest.entry(routed.name().unwrap_or_default()).or_default();
        *longest = time.max(*longest);
    }

    /// The messages that are still in the queue.
    pub(super) fn left(&self) -> Vec<&'a Record> {
        let deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        self.records.iter().map(|routed| routed.record).filter(|record| !deleted.contains(&*record.receipt)).collect()
    }

    pub(super) fn note_deleted(&self, record: &'a Record) {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).insert(&record.receipt);
    }

    pub(super) fn note_hidden(&self, changes: &[VisibilityChange]) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        hidden.extend(changes.iter().map(|change| (change.receipt.clone(), Instant::now() + change.delay)));
    }

    pub(super) fn hidden_until(&self, record: &Record) -> Option<Instant> {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).get(&record.receipt).copied()
    }

    /// The body that was posted, which may be elsewhere, and the room that it takes then.
    pub(super) async fn body(&self, record: &Record) -> Result<(String, Option<BodyPermit<'_>>)> {
        let body = record.body.as_deref().unwrap_or_default();
        let Some(offload) = self.tasking.settings().offload.as_ref().filter(|_| is_elsewhere(&record.attributes))
        else {
            return Ok((body.to_owned(), None));
        };
        let location = offload.locate(body, &record.attributes)?;
        let taken = self.memory.take(location.bytes).await?;
        Ok((offload.fetch(location).await?, Some(taken)))
    }

    /// How long a claim at the store holds.
    pub(super) fn lease(&self) -> Duration {
        self.tasking.settings().lease.unwrap_or(self.times.lease)
    }
}

/// A call to a store or a queue that must be over by then.
pub(super) async fn within<T>(end: Option<Instant>, call: impl Future<Output = Result<T, BoxError>>) -> Result<T> {
    let outcome = match end {
        Some(end) => timeout_at(end, call).await.unwrap_or_else(|_| Err("the time was up".into())),
        None => call.await,
    };
    outcome.map_err(|error| match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::caused(ErrorKind::Store, "the idempotency store failed", error),
    })
}
