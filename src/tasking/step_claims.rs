//! The row of a task in steps at the idempotency store, beside those of its steps. It says that the task goes on, and the step
//! that runs holds it. So a task can be cancelled between two steps. A task of one step has no such row.

use super::{
    batch::TaskOutcome,
    controller::{TaskingController, context::Delivery},
    invocation::{Invocation, within},
    store::{Claim, IdempotencyStore},
};
use crate::error::BoxError;

/// The key of the row, by that of the first step.
fn row_of(first_step: &str) -> String {
    format!("{first_step}|steps")
}

/// All owners of the row are deliveries of one message: so a store that counts knows whether the row was there before.
fn owner_of(delivery: &str) -> String {
    format!("steps/{}", delivery.rsplit('/').next().unwrap_or_default())
}

impl Delivery {
    fn row(&self) -> (String, String) {
        (row_of(self.first_step.as_deref().unwrap_or(&self.key)), owner_of(&self.owner))
    }
}

impl Invocation<'_> {
    /// A step after the first holds the row while it runs. It does not run if the task is cancelled.
    pub(super) async fn hold_task(&self, store: &dyn IdempotencyStore, delivery: &Delivery) -> Result<(), TaskOutcome> {
        if delivery.steps.is_first() {
            return Ok(());
        }
        let (row, owner) = delivery.row();
        match within(self.times.until, store.claim(&row, &owner, self.lease())).await {
            Ok(Claim::Acquired | Claim::Again { .. }) => Ok(()),
            Ok(Claim::Done) => Err(TaskOutcome::Duplicate),
            Ok(Claim::Busy { remaining }) => Err(TaskOutcome::Busy(remaining)),
            Err(error) => Err(TaskOutcome::Unavailable(error)),
        }
    }

    /// The row is open for the next step, or done with the last. It comes before the record of the step, after which nothing is
    /// made good.
    pub(super) async fn leave_task(&self, store: &dyn IdempotencyStore, delivery: &Delivery, outcome: &TaskOutcome) {
        let (steps, is_done) = (&delivery.steps, matches!(outcome, TaskOutcome::Done));
        if steps.is_first() && (!is_done || steps.is_last()) {
            return;
        }
        let (row, owner) = delivery.row();
        let left = async {
            if steps.is_first() {
                store.claim(&row, &owner, self.lease()).await?;
            }
            match is_done && steps.is_last() {
                true => store.complete(&row, &owner, self.tasking.settings().keep).await,
                // A count stays: it tells that the task goes on.
                false => store.fail(&row, &owner).await,
            }
        };
        if let Err(error) = within(self.times.end, left).await {
            tracing::warn!(
                error = error.chain(),
                "the store could not be told that a task in steps goes on or is done"
            );
        }
    }
}

impl TaskingController {
    /// Cancels a task whose first step is done, if another step waits. A store that does not count can't tell that.
    pub(super) async fn cancel_next_step(
        &self,
        store: &dyn IdempotencyStore,
        first_step: &str,
        delivery: &str,
    ) -> Result<bool, BoxError> {
        let (row, owner) = (row_of(first_step), owner_of(delivery));
        match store.claim(&row, &owner, self.settings().send_time).await? {
            Claim::Again { .. } => store.complete(&row, &owner, self.settings().keep).await,
            Claim::Acquired => store.release(&row, &owner).await.map(|_| false),
            Claim::Done | Claim::Busy { .. } => Ok(false),
        }
    }
}
