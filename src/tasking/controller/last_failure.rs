//! The function of a site that is called when a task becomes a dead letter, and what it is given. It does not know when that is.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use super::{
    super::task::{RawTask, Task},
    TaskingController,
    context::TaskContext,
};
use crate::error::{BoxError, Error};

/// A task that has become a dead letter, for [`on_last_failure`](TaskingController::on_last_failure).
#[derive(Clone)]
pub struct LastFailure {
    pub(crate) name: Option<String>,
    pub(crate) error: Error,
    pub(crate) raw: RawTask,
}

impl LastFailure {
    /// Why its last attempt failed.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The name of the task; none for a message that no handler is for.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The task, where it is one of this type and its body can be read.
    pub fn task<T: Task>(&self) -> Option<T> {
        self.name().filter(|name| *name == T::NAME).and_then(|_| serde_json::from_str(self.raw.body()).ok())
    }

    /// Its body and its attributes.
    pub fn raw(&self) -> &RawTask {
        &self.raw
    }
}

/// Without the causes of the error, which may have a visitor's words.
impl fmt::Debug for LastFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.error.kind();
        f.debug_struct("LastFailure").field("name", &self.name).field("kind", &kind).field("raw", &self.raw).finish()
    }
}

pub(crate) type CallHook = dyn Fn(TaskContext, LastFailure) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync;

/// The function that a site wants to be called.
#[derive(Clone, Default)]
pub(crate) struct LastFailureHook(pub(crate) Option<Arc<CallHook>>);

impl LastFailureHook {
    pub(super) fn new<F, Fut, E>(hook: F) -> Self
    where
        F: Fn(TaskContext, LastFailure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Some(Arc::new(move |context, failure| {
            let running = hook(context, failure);
            Box::pin(async move { running.await.map_err(Into::into) })
        })))
    }
}

impl fmt::Debug for LastFailureHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hook").field(&self.0.is_some()).finish()
    }
}

impl TaskingController {
    /// Calls this function when the worker has sent a task of this queue to the dead letters: to tell somebody, or to undo what
    /// the task was a part of. A second one takes the place of the first. What the function fails with is logged, and nothing
    /// more.
    ///
    /// It is called once for each dead letter. Only where its process dies it is called again; without a
    /// [store](Self::with_store) also where the message is delivered twice. It has what is left of the invocation and is cut
    /// then: for a task that took all the time, that is half of [the margin](Self::with_margin). It is not called for what the
    /// queue itself makes a dead letter by its `maxReceiveCount`, nor where tasks run [while they are
    /// posted](Self::with_inline). Default: nothing is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{Error, ErrorKind};
    /// use chalice_http_toolkit::tasking::{LastFailure, LocalQueue, Task, TaskContext, TaskingController};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Charge {
    ///     order: u64,
    /// }
    ///
    /// impl Task for Charge {
    ///     const NAME: &'static str = "charge";
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let queue = LocalQueue::new("shop.fifo");
    /// let tasks = TaskingController::new("shop.fifo")?
    ///     .with_local_queue(&queue)
    ///     .on(async |_: TaskContext, _: Charge| Err(Error::permanent("the card has expired")))
    ///     .on_last_failure(async |context: TaskContext, failure: LastFailure| {
    ///         assert_eq!((failure.name(), context.attempt()), (Some("charge"), 1));
    ///         assert_eq!(failure.error().kind(), ErrorKind::Permanent);
    ///         assert_eq!(failure.raw().body(), r#"{"order":7}"#);
    ///         if let Some(charge) = failure.task::<Charge>() {
    ///             assert_eq!(charge.order, 7); // Here the order would be cancelled.
    ///         }
    ///         Ok::<(), Error>(())
    ///     });
    /// tasks.post(&Charge { order: 7 }).await?;
    /// tasks.work_off().await?;
    /// assert_eq!(queue.dead_letters().len(), 1);
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    pub fn on_last_failure<F, Fut, E>(self, hook: F) -> Self
    where
        F: Fn(TaskContext, LastFailure) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.change_settings(|settings| settings.last_failure = LastFailureHook::new(hook))
    }
}
