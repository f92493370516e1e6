//! The controller of one queue: its handlers, its settings, and what a handler is given. How tasks are posted and run is
//! decided elsewhere.
//!
//! A [`TaskContext`] has the controller, a handler takes a context, and the controller has the handlers: so these types are
//! one module.

pub(super) mod context;
pub(super) mod handlers;
pub(super) mod last_failure;
pub(super) mod settings;

use std::{fmt, sync::Arc};

use self::{context::TaskContext, handlers::Handlers, settings::TaskingSettings};
use super::{
    attempts::AttemptCounter,
    backend::{Backend, BackendChoice, WorkerStart},
    local::LocalQueue,
    queue_name::named,
    task::{RawTask, Task},
};
use crate::error::{BoxError, Result};

/// Background tasks over one SQS FIFO queue: posts them, and runs them.
///
/// A handler of the site posts a task and answers at once; the task runs in another invocation. Tasks of a group run in
/// their order, those of different groups side by side. Delivery is *at least once*: a task is never lost, but after a
/// crash or a timeout it may run again; an [idempotency store](Self::with_store) keeps it from that.
///
/// # Which queue
///
/// `new` takes a name (`mail.fifo`) or a URL. For a name, the variable `QUEUE_URL_MAIL` is the URL where it is set (the
/// name without `.fifo`, in capitals, with `_` for what is no letter or digit); otherwise SQS is asked, once, by the first
/// post. Region, credentials and endpoint are those of the AWS configuration: `AWS_REGION`, `AWS_ENDPOINT_URL_SQS`.
/// Nothing of this happens before the first post.
///
/// In development ([`Stage`](crate::Stage)) and not on Lambda, a name for which neither that variable nor `AWS_ENDPOINT_URL_SQS` or
/// `AWS_ENDPOINT_URL` is set (a warning says so where `STAGE` is not) means a [`LocalQueue`] with a worker of its own, in this process: tasks really run after the
/// response, with SQS's rules and through the same code.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{LocalQueue, Task, TaskContext, TaskingController};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct SendWelcome {
///     address: String,
/// }
///
/// impl Task for SendWelcome {
///     const NAME: &'static str = "send_welcome";
/// }
///
/// async fn send_welcome(_context: TaskContext, task: SendWelcome) -> Result<(), std::io::Error> {
///     assert_eq!(task.address, "ada@example.com");
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let queue = LocalQueue::new("mail.fifo"); // A test's; without it, the queue that is configured.
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue).on(send_welcome);
///
/// // In a handler of the site:
/// tasks.post(&SendWelcome { address: "ada@example.com".into() }).await?;
///
/// tasks.work_off().await?;
/// assert!(queue.is_empty());
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct TaskingController(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    name: String,
    handlers: Handlers,
    settings: TaskingSettings,
    backend: BackendChoice,
    /// Shared by all that are made of this controller.
    attempts: Arc<AttemptCounter>,
}

impl TaskingController {
    /// A controller for the queue of this name or URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) for the name of a queue that is not FIFO, or a URL of one in its variable: those end in `.fifo`.
    pub fn new(queue: impl Into<String>) -> Result<Self> {
        let queue = named(queue.into())?;
        let backend = BackendChoice::Environment(Arc::default());
        let (handlers, settings) = Default::default();
        let inner = Inner { name: queue, handlers, settings, backend, attempts: Arc::default() };
        Ok(Self(Arc::new(inner)))
    }

    /// Runs tasks of this type with this function. Whatever error it returns, the task comes again, after a while that
    /// grows with each attempt, until it has had [all of them](Self::with_attempts); [`Error::retry_after`](crate::Error::retry_after) says when, and
    /// [`Error::permanent`](crate::Error::permanent) that it is of no use: then it is a dead letter at once. What it panics with is an error too.
    ///
    /// # Panics
    ///
    /// Where there is a handler for a task of the same [`NAME`](Task::NAME).
    pub fn on<T, F, Fut, E>(self, handler: F) -> Self
    where
        T: Task,
        F: Fn(TaskContext, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.change(|inner| inner.handlers.add(handler))
    }

    /// Runs what no other handler is for: messages without a task's name, or with one that is not known. Default: they fail.
    pub fn on_raw<F, Fut, E>(self, handler: F) -> Self
    where
        F: Fn(TaskContext, RawTask) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.change(|inner| inner.handlers.add_raw(handler))
    }

    /// Posts to this queue, and works it off when told to: [`work_off`](Self::work_off), [`spawn_worker`](Self::spawn_worker).
    pub fn with_local_queue(self, queue: &LocalQueue) -> Self {
        self.change(|inner| inner.backend = BackendChoice::Fixed(Backend::Local(queue.clone(), WorkerStart::Manual)))
    }

    /// Runs each task while it is posted, and fails the post where the task fails: for tests of a handler. It goes through
    /// the same event and the same code; what waits, groups and comes again is left out.
    pub fn with_inline(self) -> Self {
        self.change(|inner| inner.backend = BackendChoice::Fixed(Backend::Inline))
    }

    pub(crate) fn change_settings(self, change: impl FnOnce(&mut TaskingSettings)) -> Self {
        self.change(|inner| change(&mut inner.settings))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl TaskingController {
    pub(crate) fn handlers(&self) -> &Handlers {
        &self.0.handlers
    }

    pub(crate) fn settings(&self) -> &TaskingSettings {
        &self.0.settings
    }

    pub(crate) fn attempts(&self) -> &AttemptCounter {
        &self.0.attempts
    }

    /// The name or URL that it was made with.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }

    /// The queue's name, also where a URL was given.
    pub(crate) fn queue_name(&self) -> &str {
        self.0.name.rsplit('/').next().unwrap_or_default()
    }

    /// Whether what is posted to the one may go with what is posted to the other.
    pub(crate) fn is_same_queue(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether an event of the queue with this ARN is this controller's.
    pub(crate) fn is_for(&self, arn: &str) -> bool {
        arn.rsplit(':').next() == Some(self.queue_name())
    }

    pub(super) fn backend(&self) -> Backend {
        self.0.backend.of(&self.0.name)
    }
}

impl fmt::Debug for TaskingController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TaskingController");
        debug.field("queue", &self.0.name).field("handlers", &self.0.handlers).field("settings", &self.0.settings);
        debug.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_queue_that_is_not_fifo_is_refused() {
        let error = TaskingController::new("mail").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
