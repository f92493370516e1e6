//! The request, task or scheduled event that the current code runs for, with its deadline, trace and outbox. It does not know
//! what runs.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::{
    controller::TaskingController,
    message::{Attribute, Message, TASK},
};

tokio::task_local! {
    static SCOPE: Arc<Scope>;
}

#[derive(Debug)]
pub(crate) struct Scope {
    /// What makes this the same as another delivery of it: the gateway's request id, a message's deduplication id.
    pub(crate) origin: String,
    /// When the invocation ends.
    pub(crate) deadline: Option<Instant>,
    /// The header of its X-Ray trace.
    pub(crate) trace: Option<String>,
    outbox: Mutex<Vec<Buffered>>,
}

/// A task that waits for its handler to succeed.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) tasking: TaskingController,
    pub(crate) message: Message,
}

impl Scope {
    pub(crate) fn new(origin: String, deadline: Option<Instant>, trace: Option<String>) -> Arc<Self> {
        Arc::new(Self { origin, deadline, trace, outbox: Mutex::default() })
    }

    /// The scope of the code that asks, where it has one: not in what it spawned.
    pub(crate) fn current() -> Option<Arc<Self>> {
        SCOPE.try_with(Arc::clone).ok()
    }

    /// Runs a future as part of this.
    pub(crate) async fn run<F: Future>(self: &Arc<Self>, future: F) -> F::Output {
        SCOPE.scope(self.clone(), future).await
    }

    /// Whether a task with this id waits for this queue.
    pub(crate) fn has(&self, queue: &str, deduplication: &str) -> bool {
        let is_it = |buffered: &Buffered| {
            buffered.message.deduplication == deduplication && buffered.tasking.queue_name() == queue
        };
        self.outbox().iter().any(is_it)
    }

    /// Takes back the task of this name that waits for this queue, to post it with more in it.
    #[cfg_attr(not(feature = "purge"), allow(dead_code, reason = "only purges join"))]
    pub(crate) fn take_back(&self, queue: &str, name: &str) -> Option<Message> {
        let mut outbox = self.outbox();
        let is_it = |buffered: &Buffered| {
            let named = buffered.message.attributes.get(TASK).and_then(Attribute::as_str);
            named == Some(name) && buffered.tasking.queue_name() == queue
        };
        let at = outbox.iter().position(is_it)?;
        Some(outbox.remove(at).message)
    }

    pub(crate) fn buffer(&self, buffered: Buffered) {
        self.outbox().push(buffered);
    }

    /// What waits, in its order. None of it waits any longer.
    pub(crate) fn take(&self) -> Vec<Buffered> {
        std::mem::take(&mut *self.outbox())
    }

    fn outbox(&self) -> std::sync::MutexGuard<'_, Vec<Buffered>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
