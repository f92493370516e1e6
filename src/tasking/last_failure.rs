//! Calls `on_last_failure`, once for each dead letter. It does not decide which task becomes one.

use std::sync::Arc;

use super::{
    batch,
    controller::{context::TaskContext, last_failure::LastFailure},
    event::Record,
    invocation::{Invocation, within},
    route::RoutedRecord,
    scope::Scope,
    sending::flush,
    store::Claim,
    task::RawTask,
};
use crate::error::{Error, ErrorKind};

impl Invocation<'_> {
    /// Calls the function of the site for a task that is a dead letter now.
    pub(super) async fn call_last_failure(&self, routed: &RoutedRecord<'_>, (error, attempt): (&Error, u32)) {
        let Some(call) = self.tasking.settings().last_failure.0.clone() else { return };
        let record = routed.record;
        let mut delivery = self.delivery(record, routed.name().unwrap_or("raw"));
        (delivery.attempt, delivery.until) = (attempt, self.times.end);
        // Of this message: the task may come back from the dead letters, and fail once more.
        let key = format!("{}|{}|last failure", delivery.key, delivery.message_id);
        let owner = delivery.owner.clone();
        if !self.is_first_call(&key, &owner).await {
            return;
        }
        let failure = LastFailure {
            name: routed.handler().and_then(|_| routed.name()).map(str::to_owned),
            error: error.clone(),
            raw: RawTask::new(self.body_if_any(record).await, record.attributes.clone()),
        };
        let scope =
            Scope::new(Some(format!("{} last failure", delivery.message_id)), self.times.end, delivery.trace.clone());
        let context = TaskContext { delivery: Arc::new(delivery), tasking: self.tasking.clone() };
        let running = scope.run(async { (call)(context, failure).await.map_err(Error::from_handler) });
        let called = async { running.await.and(flush(&scope).await) };
        let told = match batch::guarded(called, self.times.end).await {
            Ok(told) => told,
            Err(outcome) => Err(Error::new(ErrorKind::Handler, format!("it did not come to its end: {outcome:?}"))),
        };
        if let Err(error) = told {
            let queue = self.tasking.queue_name();
            tracing::error!(queue, error = error.chain(), "`on_last_failure` failed: it is not called again");
        }
        if let Some(store) = &self.tasking.settings().store
            && let Err(error) = within(self.times.end, store.complete(&key, &owner, self.tasking.settings().keep)).await
        {
            tracing::warn!(error = error.chain(), "that `on_last_failure` was called could not be marked");
        }
    }

    /// Whether the function was not called for this dead letter yet. If the store can't tell, it is called.
    async fn is_first_call(&self, key: &str, owner: &str) -> bool {
        let Some(store) = &self.tasking.settings().store else { return true };
        let claim = within(self.times.end, store.claim(key, owner, self.lease())).await;
        !matches!(claim, Ok(Claim::Done | Claim::Busy { .. }))
    }

    /// The body that was posted. If a body in S3 can't be fetched, the pointer to it.
    async fn body_if_any(&self, record: &Record) -> String {
        let fetched = self.body(record).await.map(|(body, _taken)| body);
        fetched.unwrap_or_else(|_| record.body.clone().unwrap_or_default())
    }
}
