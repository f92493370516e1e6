//! How long what failed stays hidden. It decides for a batch whose outcomes are known, and runs nothing.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    TaskingController,
    batch::Outcome,
    event::Record,
    find::Found,
    queue::{MOST_ENTRIES, Queue},
    settings::Backoff,
    work::{Times, within},
};
use crate::error::BoxError;

/// A message can be hidden for twelve hours, counted from when it was received.
const LONGEST_DELAY: Duration = Duration::from_secs(11 * 60 * 60);
/// A lease's end is read from another clock.
const AFTER_LEASE: Duration = Duration::from_secs(1);

impl TaskingController {
    /// Hides what failed for as long as it is to wait, and what stands behind it in its group for longer: the head then
    /// mostly comes alone, and what waits behind it keeps its receives. Nothing is overtaken, since a queue
    /// gives out of a group only what stands before the first hidden message.
    pub(crate) async fn put_off(&self, found: &[Found<'_>], outcomes: &[Outcome], times: Times) {
        let Ok(queue) = self.queue() else { return };
        let queue = &*queue;
        let waits = |outcome: &Outcome| matches!(outcome, Outcome::Skipped | Outcome::NotStarted);
        let heads = found.iter().zip(outcomes).enumerate().filter(|(at, (head, outcome))| {
            let before = found.iter().zip(outcomes).take(*at);
            let mut group =
                before.filter(|(other, _)| head.record.group.is_some() && other.record.group == head.record.group);
            !(waits(outcome) && group.any(|(_, outcome)| !outcome.is_done()))
        });
        let delayed = heads.filter_map(|(at, (head, outcome))| {
            Some((at, head, outcome, self.delay(head.record, head.record.attempt, outcome)?))
        });
        let hiding = delayed.map(|(at, head, outcome, delay)| async move {
            let group = head.record.group.as_deref();
            let followers = found.iter().zip(outcomes).skip(at + 1).filter(|(follower, outcome)| {
                group.is_some() && follower.record.group.as_deref() == group && waits(outcome)
            });
            let followers: Vec<String> = followers.map(|(follower, _)| follower.record.receipt.clone()).collect();
            // The followers first: for as long as only the head is visible, nothing is wrong.
            for receipts in followers.chunks(MOST_ENTRIES) {
                self.hide(queue, receipts, self.delay_behind(head.record, outcome, delay), times).await;
            }
            self.hide(queue, std::slice::from_ref(&head.record.receipt), delay, times).await;
        });
        join_all(hiding.collect::<Vec<_>>()).await;
    }

    async fn hide(&self, queue: &dyn Queue, receipts: &[String], delay: Duration, times: Times) {
        let hidden = async { queue.hide(receipts, delay.min(LONGEST_DELAY)).await.map_err(BoxError::from) };
        // Else they come back when the queue's own time is up.
        if let Err(error) = within(times.end, hidden).await {
            tracing::warn!(queue = self.queue_name(), error = error.chain(), "tasks could not be put off");
        }
    }

    /// How long a task that failed is to wait.
    pub(crate) fn delay(&self, record: &Record, attempt: u32, outcome: &Outcome) -> Option<Duration> {
        if record.receipt.is_empty() {
            return None;
        }
        let backoff = || self.settings().backoff.delay(attempt);
        match outcome {
            Outcome::Failed(error) => Some(error.retry_delay().unwrap_or_else(backoff).min(LONGEST_DELAY)),
            // Nothing of the task's own is away: asked at once again and again, it would use up the receives in no time.
            Outcome::Unavailable(_) => Some(Backoff::default().delay(attempt).max(backoff())),
            Outcome::Panicked(_) | Outcome::Cut | Outcome::NotStarted => Some(backoff()),
            // To come earlier would only use up receives: nobody else can claim it.
            Outcome::Busy(remaining) => Some(remaining.saturating_add(AFTER_LEASE).max(backoff())),
            _ => None,
        }
    }

    /// How long what stands behind such a task is to wait: until the head has failed once more, and is hidden again. With the
    /// head's last attempt it comes too, as it goes on then, whatever becomes of the head.
    fn delay_behind(&self, head: &Record, outcome: &Outcome, delay: Duration) -> Duration {
        let next_is_last = head.attempt.saturating_add(1) >= self.settings().attempts;
        match outcome {
            Outcome::Busy(_) => delay.saturating_add(self.settings().backoff.delay(head.attempt)),
            Outcome::Failed(_) | Outcome::Panicked(_) if next_is_last => delay,
            _ => delay.saturating_mul(4),
        }
    }
}
