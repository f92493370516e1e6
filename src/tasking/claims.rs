//! Claims a task at the idempotency store before it runs, and completes or releases the claim afterwards. The store decides
//! what a claim means.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::{
    batch::TaskOutcome,
    controller::context::Delivery,
    event::Record,
    invocation::{Invocation, InvocationTimes, within},
    steps::{HandlerResult, Steps},
    store::{Claim, IdempotencyStore},
};
use crate::{
    defects::{Defect, seeded},
    error::Result,
    fields::digest::hex,
};

/// A longer key stands in the store as its digest: DynamoDB takes 2048 bytes.
const LONGEST_KEY: usize = 1024;

impl Invocation<'_> {
    /// Claims a task at the store; which attempt it is, where the store counts them.
    pub(super) async fn claim(&self, delivery: &Delivery) -> Result<Option<u32>, TaskOutcome> {
        let Some(store) = self.tasking.settings().store.as_ref().filter(|_| !seeded(Defect::Store)) else {
            return Ok(None);
        };
        self.hold_task(&**store, delivery).await?;
        let claimed = match within(self.times.until, store.claim(&delivery.key, &delivery.owner, self.lease())).await {
            Ok(Claim::Acquired) if store.counts_attempts() => Ok(Some(1)),
            Ok(Claim::Acquired) => Ok(None),
            Ok(Claim::Again { attempt }) => Ok(Some(attempt)),
            Ok(Claim::Done) => Err(TaskOutcome::Duplicate),
            Ok(Claim::Busy { remaining }) => Err(TaskOutcome::Busy(remaining)),
            Err(error) => Err(TaskOutcome::Unavailable(error)),
        };
        if let Err(outcome) = &claimed {
            self.leave_task(&**store, delivery, outcome).await;
        }
        claimed
    }

    /// Tells the store.
    pub(super) async fn settle(&self, outcome: TaskOutcome, delivery: &Delivery) -> TaskOutcome {
        let Some(store) = &self.tasking.settings().store else { return outcome };
        let (key, owner) = (&delivery.key, &delivery.owner);
        let is_complete = delivery.is_complete.load(Ordering::Acquire);
        let outcome = match outcome {
            TaskOutcome::Failed(error) | TaskOutcome::Panicked(error) if is_complete => {
                tracing::warn!(error = error.chain(), "a handler failed after its effect was written: it is done");
                TaskOutcome::Done
            }
            TaskOutcome::Cut if is_complete => TaskOutcome::Done,
            outcome => outcome,
        };
        self.leave_task(&**store, delivery, &outcome).await;
        match outcome {
            TaskOutcome::Done if is_complete => TaskOutcome::Done,
            TaskOutcome::Failed(_) | TaskOutcome::Panicked(_) | TaskOutcome::DeadLettered(_) => {
                released(within(self.times.end, store.fail(key, owner)).await);
                outcome
            }
            TaskOutcome::Unavailable(_) | TaskOutcome::Cut => {
                released(within(self.times.end, store.release(key, owner)).await);
                outcome
            }
            TaskOutcome::Done => {
                complete(&**store, delivery, self.tasking.settings().keep, self.times).await;
                outcome
            }
            _ => outcome,
        }
    }

    pub(super) fn delivery(&self, record: &Record, name: &str) -> Delivery {
        let message_id = record.message_id.clone().unwrap_or_default();
        let queue = if record.queue_arn.is_empty() { self.tasking.queue_name() } else { &record.queue_arn };
        let group = record.group.as_deref().unwrap_or_default();
        let key = store_key(queue, name, group, &record.own_id());
        let first_step = (record.step() > 1).then(|| store_key(queue, name, group, &record.task_id()));
        Delivery {
            first_step,
            queue: queue.rsplit(':').next().unwrap_or_default().to_owned(),
            key,
            owner: format!("{message_id}/{}", uuid::Uuid::now_v7()),
            message_id,
            group: record.group.clone(),
            attempt: 1,
            sent_at: record.sent_at,
            until: self.times.until,
            trace: record.trace.clone(),
            is_complete: AtomicBool::new(false),
            name: name.to_owned(),
            steps: Steps::of(record),
            result: HandlerResult::default(),
        }
    }
}

/// What the store knows a task by.
pub(super) fn store_key(queue: &str, name: &str, group: &str, own_id: &str) -> String {
    match format!("{queue}|{}|{}|{own_id}", part(name), part(group)) {
        long if long.len() > LONGEST_KEY => hex(&Sha256::digest(long)),
        key => key,
    }
}

/// A part of a key that can't run into the next.
fn part(text: &str) -> Cow<'_, str> {
    if text.contains(['|', '\\']) { text.replace('\\', r"\\").replace('|', r"\|").into() } else { text.into() }
}

/// Marks a task as done. That failing is no failure of the task: its effect is there, and to run it again is worse than
/// the chance that its message comes once more.
async fn complete(store: &dyn IdempotencyStore, delivery: &Delivery, keep: Duration, times: InvocationTimes) {
    match within(times.end, store.complete(&delivery.key, &delivery.owner, keep)).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("a task took longer than its lease: it may have run twice"),
        Err(error) => tracing::error!(error = error.chain(), "a task is done, but could not be marked as done"),
    }
}

fn released(outcome: Result<bool>) {
    if let Err(error) = outcome {
        tracing::warn!(error = error.chain(), "a claim could not be released: the task waits until its lease ends");
    }
}
