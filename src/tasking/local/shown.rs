//! The queue as a developer sees it, and what they do to single tasks. It shows no page.

use std::time::SystemTime;

use tokio::time::Instant;

pub(crate) use super::engine::MessageState;

use super::LocalQueue;
use crate::tasking::{
    message::{Attribute, REASON, TASK},
    task::RawTask,
};

/// A task of the queue.
#[derive(Debug)]
pub(crate) struct ShownTask {
    pub(crate) id: String,
    /// The name of its kind.
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) sent_at: SystemTime,
    pub(crate) state: MessageState,
    pub(crate) attempts: u32,
    /// Why it failed last.
    pub(crate) error: Option<String>,
    pub(crate) raw: RawTask,
}

impl LocalQueue {
    /// All tasks, then the dead letters, each as they were posted.
    pub(crate) fn shown(&self) -> Vec<ShownTask> {
        let listed = self.engine().list(Instant::now());
        let shown = listed.into_iter().map(|listed| {
            let (record, text) =
                (listed.record, |value: Option<&Attribute>| value.and_then(Attribute::as_str).map(str::to_owned));
            let id = record.message_id.unwrap_or_default();
            let noted = self.last_failure(&id);
            ShownTask {
                name: text(record.attributes.get(TASK)).unwrap_or_else(|| "raw".into()),
                group: record.group.unwrap_or_default(),
                sent_at: listed.sent_at,
                state: listed.state,
                attempts: record.receives,
                error: noted.or_else(|| text(record.attributes.get(REASON))),
                raw: RawTask::new(record.body.unwrap_or_default(), record.attributes),
                id,
            }
        });
        shown.collect()
    }

    /// Lets a task that waits after a failure run now.
    pub(crate) fn run_now(&self, id: &str) -> bool {
        let is_done = self.engine().run_now(id, Instant::now());
        self.0.changed.notify_waiters();
        is_done
    }

    /// Posts a dead letter again.
    pub(crate) fn revive(&self, id: &str) -> bool {
        let is_done = self.engine().revive(id, Instant::now());
        self.0.changed.notify_waiters();
        is_done
    }

    /// Drops a task that does not run, or a dead letter.
    pub(crate) fn discard(&self, id: &str) -> bool {
        let is_done = self.engine().discard(id, Instant::now());
        self.0.changed.notify_waiters();
        is_done
    }
}
