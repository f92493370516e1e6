//! A batch that this process received by itself. There is no Lambda that deletes at the end of it what is done, and a process
//! that dies must not hide the rest for long: what is done is deleted at once, and all else is kept hidden for a short time,
//! again and again.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use tokio::time::{Instant, sleep};

use super::{
    batch::{RecordResult, TaskOutcome},
    event::Record,
    heartbeat,
    invocation::Invocation,
    queue::VisibilityChange,
};

/// How often a message that is done is deleted in vain, and the pause after the first time; it doubles.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

impl<'a> Invocation<'a> {
    /// Whether the worker ends, and starts nothing any more.
    pub(super) fn is_ending(&self) -> bool {
        self.polled.is_some_and(|polled| polled.ending.has_begun())
    }

    /// Whether the worker has ended, and nothing is to run any more.
    pub(super) fn has_ended(&self) -> bool {
        self.polled.is_some_and(|polled| polled.ending.is_over())
    }

    /// What a handler comes to, or that it is cut because the worker has ended.
    pub(super) async fn until_the_end<T>(
        &self,
        running: impl Future<Output = Result<T, TaskOutcome>>,
    ) -> Result<T, TaskOutcome> {
        let Some(polled) = self.polled else { return running.await };
        match select(pin!(running), pin!(polled.ending.over())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(TaskOutcome::Cut),
        }
    }

    /// Keeps what is not done hidden while the batch runs, the first of it first: SQS gives a message again once it is not
    /// hidden, although an earlier one of its batch is still worked on.
    pub(super) async fn kept_hidden<T>(&self, work: impl Future<Output = T>) -> T {
        let Some(polled) = self.polled else { return work.await };
        heartbeat::kept(work, polled.hidden / 3, || self.extend(polled.hidden)).await
    }

    /// Hides again what would soon be given to somebody else.
    async fn extend(&self, hidden: Duration) {
        let soon = Instant::now() + hidden * 2 / 3;
        let is_due = |record: &&Record| self.hidden_until(record).is_none_or(|until| until <= soon);
        let change = |record: &Record| VisibilityChange { receipt: record.receipt.clone(), delay: hidden };
        let changes: Vec<_> = self.left().into_iter().filter(is_due).map(change).collect();
        self.change_visibility(&changes).await;
    }

    /// Deletes what is done and could not be deleted at once.
    pub(super) async fn delete_done(&self, results: &[RecordResult]) {
        if self.polled.is_none() {
            return;
        }
        let is_done = |record: &&Record| {
            let mut pairs = self.records.iter().zip(results);
            pairs.any(|(routed, end)| std::ptr::eq(routed.record, *record) && end.outcome.is_done())
        };
        for time in 0..TRIES {
            let undeleted: Vec<&'a Record> = self.left().into_iter().filter(is_done).collect();
            if undeleted.is_empty() {
                return;
            }
            sleep(PAUSE * 2_u32.pow(time)).await;
            for record in undeleted {
                self.delete(record).await;
            }
        }
    }
}
