//! The request, task or scheduled event that the current code runs for, with its deadline, trace and outbox. It does not know
//! what runs.

use std::sync::{
    Arc, Mutex, OnceLock, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::{task::futures::TaskLocalFuture, time::Instant};

use super::{
    controller::TaskingController,
    message::{Attribute, Message, TASK},
};

tokio::task_local! {
    static SCOPE: Arc<Scope>;
}

#[derive(Debug)]
pub(crate) struct Scope {
    /// [`origin`](Self::origin), once it is known.
    origin: OnceLock<String>,
    /// When the invocation ends.
    pub(crate) deadline: Option<Instant>,
    /// The header of its X-Ray trace.
    pub(crate) trace: Option<String>,
    outbox: Mutex<Vec<Buffered>>,
    /// Whether its task is marked as done already: the handler will not run again.
    is_closed: AtomicBool,
}

/// A task that waits for its handler to succeed.
#[derive(Debug)]
pub(crate) struct Buffered {
    pub(crate) tasking: TaskingController,
    pub(crate) message: Message,
}

impl Scope {
    pub(crate) fn new(origin: Option<String>, deadline: Option<Instant>, trace: Option<String>) -> Arc<Self> {
        let origin = origin.map_or_else(OnceLock::new, OnceLock::from);
        Arc::new(Self { origin, deadline, trace, outbox: Mutex::default(), is_closed: AtomicBool::new(false) })
    }

    /// What makes this the same as another delivery of it: the gateway's request id, a message's deduplication id. Where it has
    /// neither, nothing tells it from another one, and this is a new id: made when it is asked for, as few requests post tasks.
    pub(crate) fn origin(&self) -> &str {
        self.origin.get_or_init(|| uuid::Uuid::now_v7().to_string())
    }

    /// The scope of the code that asks, where it has one: not in what it spawned.
    pub(crate) fn current() -> Option<Arc<Self>> {
        SCOPE.try_with(Arc::clone).ok()
    }

    /// Runs a future as part of this. No `async fn`, whose future would have room for this one twice.
    pub(crate) fn run<F: Future>(self: &Arc<Self>, future: F) -> TaskLocalFuture<Arc<Self>, F> {
        SCOPE.scope(self.clone(), future)
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

    /// Nothing more can wait for success: if the process died, it would be lost.
    #[cfg_attr(not(feature = "dynamodb"), allow(dead_code, reason = "only a transaction marks a task before its end"))]
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.outbox().is_empty()
    }

    /// What waits, in its order. None of it waits any longer.
    pub(crate) fn take(&self) -> Vec<Buffered> {
        std::mem::take(&mut *self.outbox())
    }

    fn outbox(&self) -> std::sync::MutexGuard<'_, Vec<Buffered>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ErrorKind, Result};

    #[tokio::test]
    async fn what_is_posted_after_the_mark_that_a_task_is_done_is_refused_and_not_lost_in_a_crash() -> Result<()> {
        let tasks = TaskingController::new("t.fifo")?.with_inline();
        let scope = Scope::new(Some("m".to_owned()), None, None);
        let post = || tasks.post_raw("x", [("n", 1)]).on_success();
        scope.run(async { post() }).await?;
        scope.close();
        let error = scope.run(async { post() }).await.expect_err("too late");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains("before `complete_with`"), "{error}");
        assert_eq!(scope.take().len(), 1);
        Ok(())
    }
}
