//! What can be set of a controller, with the defaults. It does nothing by itself.

use std::{sync::Arc, time::Duration};

use super::{
    TaskingController,
    controller::{configured_url, fifo},
    message::LARGEST,
    offload::Offload,
    sqs::Sqs,
    store::IdempotencyStore,
};
use crate::error::Result;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) default_group: String,
    pub(crate) send_time: Duration,
    pub(crate) groups: usize,
    pub(crate) margin: Option<Duration>,
    pub(crate) report_batch_item_failures: bool,
    pub(crate) backoff: Backoff,
    pub(crate) dead_letter_queue: Option<Arc<Sqs>>,
    pub(crate) store: Option<Arc<dyn IdempotencyStore>>,
    pub(crate) lease: Option<Duration>,
    pub(crate) keep: Duration,
    pub(crate) offload: Option<Arc<dyn Offload>>,
    pub(crate) offload_above: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            default_group: "default".to_owned(),
            send_time: Duration::from_secs(2),
            groups: 10,
            margin: None,
            report_batch_item_failures: true,
            backoff: Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(15 * 60) },
            dead_letter_queue: None,
            store: None,
            lease: None,
            keep: Duration::from_secs(14 * 24 * 60 * 60),
            offload: None,
            offload_above: LARGEST,
        }
    }
}

/// How long a task that failed waits: twice as long after each attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) fn delay(self, attempt: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(self.longest)
    }
}

impl TaskingController {
    /// The group of tasks that name none. Default: `default`.
    pub fn with_default_group(self, group: impl Into<String>) -> Self {
        self.change_settings(|settings| settings.default_group = group.into())
    }

    /// How long a post may be tried, and a batch without anything going through. Default: two seconds.
    pub fn with_send_time(self, time: Duration) -> Self {
        self.change_settings(|settings| settings.send_time = time)
    }

    /// How many groups of a batch run side by side. Default: 10, which is all of them.
    pub fn with_concurrency(self, groups: usize) -> Self {
        self.change_settings(|settings| settings.groups = groups)
    }

    /// How long before the end of the invocation handlers are cut. Default: a tenth of it, from 0.2 to 1 second.
    pub fn with_margin(self, margin: Duration) -> Self {
        self.change_settings(|settings| settings.margin = Some(margin))
    }

    /// Whether the event source mapping has `ReportBatchItemFailures`. Without it Lambda ignores which tasks failed and
    /// deletes them all: so any failure must be one of the whole batch, and what was done runs again. Default: `true`.
    pub fn with_report_batch_item_failures(self, reported: bool) -> Self {
        self.change_settings(|settings| settings.report_batch_item_failures = reported)
    }

    /// How long a task that failed waits: so long after the first attempt, twice as long after each further one, and never
    /// longer than `longest`. What was behind it in its batch waits four times as long, so that mostly the one that failed comes alone
    /// and the others do not use up their receives. Needs `sqs:ChangeMessageVisibility`; without it they
    /// wait for as long as the queue hides messages. Default: 5 seconds, 15 minutes.
    pub fn with_backoff(self, first: Duration, longest: Duration) -> Self {
        self.change_settings(|settings| settings.backoff = Backoff { first, longest })
    }

    /// Sends tasks that fail for good ([`Error::permanent`](crate::Error::permanent), a body that can't be read, a name that no handler has) to this
    /// FIFO queue at once, and goes on with their group. Default: they come again until the queue itself makes them dead
    /// letters, since the next deployment may be able to handle them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for the name of a queue that is not FIFO.
    pub fn with_dead_letter_queue(self, queue: impl Into<String>) -> Result<Self> {
        let queue = fifo(queue.into())?;
        let queue = Sqs::new(configured_url(&queue).as_deref().unwrap_or(&queue));
        Ok(self.change_settings(|settings| settings.dead_letter_queue = Some(Arc::new(queue))))
    }

    /// Remembers in this store which tasks are done. Default: nothing is remembered.
    pub fn with_store(self, store: impl IdempotencyStore) -> Self {
        self.with_shared_store(Arc::new(store))
    }

    /// The same for a store that others use too.
    pub fn with_shared_store(self, store: Arc<dyn IdempotencyStore>) -> Self {
        self.change_settings(|settings| settings.store = Some(store))
    }

    /// How long a claim at the store holds, should its owner die. Default: what is left of the invocation and a second.
    pub fn with_lease(self, lease: Duration) -> Self {
        self.change_settings(|settings| settings.lease = Some(lease))
    }

    /// How long the store remembers that a task is done. Default: 14 days, the longest that a queue keeps a message.
    pub fn with_memory(self, keep: Duration) -> Self {
        self.change_settings(|settings| settings.keep = keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(60) };
        let delays = [0, 1, 2, 3, 4, 5, u32::MAX].map(|attempt| backoff.delay(attempt).as_secs());
        assert_eq!(delays, [5, 5, 10, 20, 40, 60, 60]);
    }
}
