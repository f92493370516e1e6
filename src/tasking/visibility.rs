//! How long messages stay hidden: what failed and what stands behind it, and before a suspect runs all else of its batch. It
//! runs nothing.
//!
//! Of a group the queue gives out only what stands before the first hidden message. So a follower that is hidden for longer
//! than its head lets the head come alone, and keeps its receives; and nothing is overtaken.

use std::{fmt, time::Duration};

use super::{
    batch::{RecordResult, TaskOutcome},
    event::Record,
    invocation::{Invocation, within},
    policy::{Backoff, RetryPolicy},
    queue::{MOST_ENTRIES, VisibilityChange},
    route::RoutedRecord,
};
use crate::error::{BoxError, Error};

/// A message can be hidden for twelve hours, counted from when it was received.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(11 * 60 * 60);
/// A lease's end is read from another clock.
const AFTER_LEASE: Duration = Duration::from_secs(1);
/// After the end of an invocation, Lambda has so long to delete what is done.
const TO_DELETE: Duration = Duration::from_secs(4);
/// For how many attempts of a suspect the rest of its batch stays hidden at most. After those it comes together with the suspect
/// once, which costs a receive, and is hidden again.
const ATTEMPTS_ALONE: u32 = 10;

impl<'a> Invocation<'a> {
    /// Hides what failed for as long as it is to wait, and what stands behind it in its group for longer. What only lacked
    /// the time is given back at once.
    pub(crate) async fn delay_failed(&self, results: &[RecordResult]) {
        let mut changes = Vec::new();
        let mut heads: Vec<(&str, &RecordResult, Duration, RetryPolicy)> = Vec::new();
        for (routed, end) in self.records.iter().zip(results).filter(|(_, end)| !end.outcome.is_done()) {
            let group = routed.record.group.as_deref();
            let head = heads.iter().find(|(name, ..)| group == Some(*name));
            let delay = match head {
                Some((_, head, delay, policy)) => Some(delay_behind(head, *delay, *policy)),
                None => end.again,
            };
            let Some(delay) = delay.filter(|_| !routed.record.receipt.is_empty()) else { continue };
            if let (Some(group), None) = (group, head) {
                heads.push((group, end, delay, routed.policy(self.tasking)));
            }
            changes.push(VisibilityChange { receipt: routed.record.receipt.clone(), delay });
        }
        self.change_visibility(&changes).await;
    }

    /// Before a suspect runs: should it end the process, it comes again soon and alone, as all else of its batch stays
    /// hidden until it has had its attempts, or ten. What was done before it in this batch is deleted already.
    pub(crate) async fn isolate(&self, suspect: &RoutedRecord<'_>) {
        if self.times.end.is_none() {
            return;
        }
        let own = match self.polled {
            // Its process hides it again for as long as it runs.
            Some(polled) => polled.hidden,
            None => self.lease().saturating_add(TO_DELETE).min(LONGEST_DELAY),
        };
        let others =
            own.saturating_mul(suspect.policy(self.tasking).attempts.clamp(2, ATTEMPTS_ALONE)).min(LONGEST_DELAY);
        let change = |record: &&Record| {
            let delay = if std::ptr::eq(*record, suspect.record) { own } else { others };
            VisibilityChange { receipt: record.receipt.clone(), delay }
        };
        let changes: Vec<VisibilityChange> =
            self.left().iter().map(change).filter(|change| !change.receipt.is_empty()).collect();
        self.change_visibility(&changes).await;
    }

    /// Deletes a message before the end of the batch.
    pub(crate) async fn delete(&self, record: &'a Record) {
        let Ok(queue) = self.tasking.queue() else { return };
        let deleted = async { queue.delete(&record.receipt).await.map_err(BoxError::from) };
        match within(self.times.end, deleted).await {
            Ok(()) => self.note_deleted(record),
            Err(error) => {
                let queue = self.tasking.queue_name();
                tracing::warn!(
                    queue,
                    error = error.chain(),
                    "a task that is done was not deleted before the next of its batch"
                );
            }
        }
    }

    pub(super) async fn change_visibility(&self, changes: &[VisibilityChange]) {
        let Ok(queue) = self.tasking.queue() else { return };
        for changes in changes.chunks(MOST_ENTRIES) {
            self.note_hidden(changes);
            let changed = async { queue.change_visibility(changes).await.map_err(BoxError::from) };
            // Else they come back when the queue's own time is up.
            if let Err(error) = within(self.times.end, changed).await {
                tracing::warn!(
                    queue = self.tasking.queue_name(),
                    error = error.chain(),
                    "tasks could not be put off: they come again when the queue's own VisibilityTimeout is over"
                );
            }
        }
    }
}

/// The cause of a failure with a delay that is none: the task has come before its time, as planned, and waits.
#[cfg_attr(not(feature = "purge"), allow(dead_code, reason = "only a purge waits as planned"))]
#[derive(Debug)]
pub(crate) struct NotYet(pub(crate) &'static str);

impl fmt::Display for NotYet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for NotYet {}

/// Whether a task waits as planned.
pub(crate) fn is_planned(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<NotYet>())
}

/// How long a task is to wait that was not done in this attempt.
pub(crate) fn delay(record: &Record, attempt: u32, outcome: &TaskOutcome, policy: RetryPolicy) -> Option<Duration> {
    let backoff = |times| policy.backoff.delay(times);
    let delay = match outcome {
        TaskOutcome::Failed(error) => error.retry_delay().unwrap_or_else(|| backoff(attempt)),
        TaskOutcome::Panicked(_) => backoff(attempt),
        // Nothing of the task's own is away: asked at once again and again, it would use up the receives in no time.
        TaskOutcome::Unavailable(_) => Backoff::default().delay(record.receives).max(backoff(record.receives)),
        // To come earlier would only use up receives: nobody else can claim it.
        TaskOutcome::Busy(remaining) => remaining.saturating_add(AFTER_LEASE).max(backoff(record.receives)),
        TaskOutcome::Waiting(remaining) => *remaining,
        // To have no time left is no failure.
        TaskOutcome::Cut | TaskOutcome::NotStarted => Duration::ZERO,
        TaskOutcome::Done
        | TaskOutcome::Duplicate
        | TaskOutcome::SentOn
        | TaskOutcome::DeadLettered(_)
        | TaskOutcome::Skipped => return None,
    };
    Some(delay.min(LONGEST_DELAY))
}

/// How long the tasks behind a failed head of their group stay hidden: until the head has failed once more and is hidden again.
/// Before the head's last attempt they wait no longer than the head, as the group goes on after it in any case.
fn delay_behind(head: &RecordResult, delay: Duration, policy: RetryPolicy) -> Duration {
    let next_is_last = head.attempt.saturating_add(1) >= policy.attempts;
    let delay = match &head.outcome {
        TaskOutcome::Busy(_) => delay.saturating_add(policy.backoff.delay(head.attempt)),
        TaskOutcome::Failed(_) | TaskOutcome::Panicked(_) if next_is_last => delay,
        _ => delay.saturating_mul(4),
    };
    delay.min(LONGEST_DELAY)
}
