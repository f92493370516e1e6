//! Cancels a task that has not run: it is marked as done at the store, so that no worker runs it.

use uuid::Uuid;

use super::{
    claims::store_key,
    controller::TaskingController,
    local_worker::inline_record,
    message::{KEY, Message},
    post::Post,
    store::Claim,
    task::Task,
};
use crate::error::{Error, ErrorKind, Result};

impl TaskingController {
    /// Cancels a delayed or waiting task by its name, group and key. Returns `true` if it will not run, and `false` if it is done
    /// already or runs now.
    ///
    /// Its message stays in the queue until its time. The worker then drops it as a duplicate. No task with this name, group and
    /// key runs as long as the [store](Self::with_store) remembers it ([`with_memory`](Self::with_memory)). So give a later task
    /// another key.
    ///
    /// A task in [steps](crate::tasking::TaskContext::next) can also be cancelled between two steps: the next step does not run. That
    /// needs a store that [counts attempts](crate::tasking::IdempotencyStore::counts_attempts), and a next step that is not older
    /// than a day.
    ///
    /// It needs the store. On AWS, the function that cancels needs `sqs:GetQueueAttributes`. A task that waits at EventBridge
    /// Scheduler (`with_scheduler`) is deleted there; without a store, only such tasks are cancelled, and the result is `false` for
    /// others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Task`] for a task without a key, [`ErrorKind::Configuration`] without a store, [`ErrorKind::Store`] if the store
    /// can't be reached, and the errors of posting if the queue can't be reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{borrow::Cow, time::Duration};
    ///
    /// use chalice_http_toolkit::tasking::{LocalQueue, MemoryStore, Task, TaskContext, TaskingController};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Remind {
    ///     order: u64,
    /// }
    ///
    /// impl Task for Remind {
    ///     const NAME: &'static str = "remind";
    ///
    ///     fn key(&self) -> Option<Cow<'_, str>> {
    ///         Some(self.order.to_string().into())
    ///     }
    /// }
    ///
    /// async fn remind(_context: TaskContext, task: Remind) -> Result<(), std::io::Error> {
    ///     panic!("order {} is paid", task.order);
    /// }
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # runtime.block_on(async {
    /// let queue = LocalQueue::new("shop.fifo");
    /// let tasks = TaskingController::new("shop.fifo")?.with_local_queue(&queue).with_store(MemoryStore::new()).on(remind);
    /// tasks.post(&Remind { order: 7 }).after(Duration::from_secs(3600)).await?;
    /// assert!(tasks.cancel(&Remind { order: 7 }).await?);
    /// tokio::time::sleep(Duration::from_secs(3601)).await;
    /// tasks.work_off().await?;
    /// assert!(queue.is_empty() && queue.dead_letters().is_empty());
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn cancel<T: Task>(&self, task: &T) -> Result<bool> {
        let message = self.message_with_key(task)?;
        let was_waiting = self.forget(&message).await?;
        let Some(store) = self.settings().store.clone() else {
            if self.settings().long_delays.is_some() {
                return Ok(was_waiting);
            }
            let message = "a task is cancelled in the idempotency store: add one with `with_store`";
            return Err(Error::new(ErrorKind::Configuration, message));
        };
        let record = inline_record(self.queue_name(), &message, String::new());
        let key = store_key(&self.queue_arn().await?, T::NAME, &message.group, &record.own_id());
        let owner = format!("cancelled/{}", Uuid::now_v7());
        let failed = |error| Error::caused(ErrorKind::Store, "the idempotency store failed", error);
        let claim = store.claim(&key, &owner, self.settings().send_time).await.map_err(failed)?;
        let is_cancelled = match claim {
            Claim::Acquired | Claim::Again { .. } => store.complete(&key, &owner, self.settings().keep).await,
            Claim::Done => self.cancel_next_step(&*store, &key, &owner).await,
            Claim::Busy { .. } => Ok(false),
        };
        let is_cancelled = is_cancelled.map_err(failed)?;
        if is_cancelled {
            self.note_cancelled(T::NAME, &message).await;
        }
        Ok(is_cancelled)
    }

    /// The message of a task that has a key, as it would be posted.
    pub(super) fn message_with_key<T: Task>(&self, task: &T) -> Result<Message> {
        let message = Post::of(self, task).message(None)?;
        if message.attributes.contains_key(KEY) {
            return Ok(message);
        }
        let message = format!("the task `{}` has no key (`Task::key`), and can only be found by its key", T::NAME);
        Err(Error::new(ErrorKind::Task, message))
    }
}
