//! The settings of a controller, with their defaults.

use std::{sync::Arc, time::Duration};

use super::{
    super::{
        long_delays::LongDelays,
        message::LARGEST,
        offload::Offload,
        policy::{Backoff, RetryPolicy},
        queue_name::{configured_url, fifo},
        sqs::Sqs,
        store::IdempotencyStore,
    },
    TaskingController,
    handlers::Handler,
    last_failure::LastFailureHook,
};
use crate::error::Result;

#[derive(Clone, Debug)]
pub(crate) struct TaskingSettings {
    pub(crate) default_group: Option<String>,
    pub(crate) names_in_bodies: bool,
    pub(crate) send_time: Duration,
    pub(crate) groups: usize,
    pub(crate) margin: Option<Duration>,
    pub(crate) report_batch_item_failures: bool,
    pub(crate) backoff: Backoff,
    pub(crate) attempts: u32,
    pub(crate) dead_letter_queue: Option<Arc<Sqs>>,
    pub(crate) store: Option<Arc<dyn IdempotencyStore>>,
    pub(crate) lease: Option<Duration>,
    pub(crate) keep: Duration,
    pub(crate) offload: Option<Arc<dyn Offload>>,
    pub(crate) offload_above: usize,
    pub(crate) offload_limit: usize,
    pub(crate) last_failure: LastFailureHook,
    /// How long the status of a task is kept.
    pub(crate) status: Option<Duration>,
    /// Whether metrics are written to standard output.
    pub(crate) metrics: bool,
    /// Where tasks wait that wait for long; none where all wait in the queue.
    pub(crate) long_delays: Option<Arc<dyn LongDelays>>,
    /// How long a batch has in a worker that polls.
    pub(crate) worker_time: Duration,
}

impl Default for TaskingSettings {
    fn default() -> Self {
        Self {
            default_group: None,
            names_in_bodies: false,
            send_time: Duration::from_secs(2),
            groups: 10,
            margin: None,
            report_batch_item_failures: true,
            backoff: Backoff::default(),
            attempts: 5,
            dead_letter_queue: None,
            store: None,
            lease: None,
            keep: Duration::from_secs(14 * 24 * 60 * 60),
            offload: None,
            offload_above: LARGEST,
            offload_limit: 64 * 1024 * 1024,
            last_failure: LastFailureHook::default(),
            status: None,
            metrics: false,
            long_delays: None,
            worker_time: Duration::from_secs(5 * 60),
        }
    }
}

impl TaskingController {
    /// The group of tasks that name none: they run one after another, in the order in which they were posted. Default: each of
    /// them has a group of its own, so that none waits for another.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{RawTask, TaskContext, TaskingController};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.with_inline();
    /// let tasks = tasks.on_raw(async |context: TaskContext, task: RawTask| {
    ///     assert_eq!(context.group() == Some("mail"), task.body() == "in order");
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// tasks.post_raw("by itself", [("locale", "de")]).await?;
    /// tasks.with_default_group("mail").post_raw("in order", [("locale", "de")]).await?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_default_group(self, group: impl Into<String>) -> Self {
        self.change_settings(|settings| settings.default_group = Some(group.into()))
    }

    /// Takes the task's name from the body too, `{"task":"send_welcome",…}`, where a message has no attribute
    /// `chalice-task`: for a queue that other programs fill, which can't set it. Whoever may write such a message may run
    /// any task of the queue. What [`post_raw`](Self::post_raw) posts stays a text, by the attribute `chalice-raw`. A text
    /// that was posted without it, by another program or before there was this mark, is taken by what it says: work those
    /// off first. Default: only the attribute names a task.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{Task, TaskContext, TaskingController};
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
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.on(async |_: TaskContext, task: SendWelcome| match &*task.address {
    ///     "ada@example.com" => Ok(()),
    ///     _ => Err("nobody else"),
    /// });
    /// let body = r#""body":"{\"task\":\"send_welcome\",\"address\":\"ada@example.com\"}""#;
    /// let event = format!(r#"{{"Records":[{{"messageId":"1",{body},"eventSource":"aws:sqs"}}]}}"#);
    /// assert_eq!(tasks.handle_event(&event, None).await?.failed().count(), 1);
    /// assert_eq!(tasks.with_names_in_bodies().handle_event(&event, None).await?.failed().count(), 0);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_names_in_bodies(self) -> Self {
        self.change_settings(|settings| settings.names_in_bodies = true)
    }

    /// How long a post may be tried, and a batch without anything going through. Default: two seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{TaskContext, TaskingController};
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.with_inline();
    /// let tasks = tasks.with_default_group("mail").with_send_time(Duration::from_secs(5));
    /// let tasks = tasks.on_raw(async |context: TaskContext, _task| {
    ///     assert_eq!(context.group(), Some("mail"));
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// tasks.post_raw("hello", [("locale", "de")]).await?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_send_time(self, time: Duration) -> Self {
        self.change_settings(|settings| settings.send_time = time)
    }

    /// How many groups of a batch run side by side. Default: 10, which is all of them.
    pub fn with_concurrency(self, groups: usize) -> Self {
        self.change_settings(|settings| settings.groups = groups)
    }

    /// How long before the end of the invocation handlers are cut. Default: a tenth of it, from 0.2 to 1 second.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{TaskContext, TaskingController};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # runtime.block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.with_concurrency(1).with_margin(Duration::from_secs(3));
    /// let tasks = tasks.on_raw(async |context: TaskContext, _task| {
    ///     assert_eq!(context.remaining(), Some(Duration::from_secs(27)));
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// let event = r#"{"Records":[{"messageId":"1","body":"hello","eventSource":"aws:sqs"}]}"#;
    /// let response = tasks.handle_event(event, Some(Duration::from_secs(30))).await?;
    /// assert_eq!(response.failed().count(), 0);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_margin(self, margin: Duration) -> Self {
        self.change_settings(|settings| settings.margin = Some(margin))
    }

    /// Whether the event source mapping has `ReportBatchItemFailures`. Without it Lambda ignores which tasks failed and
    /// deletes them all: so any failure must be one of the whole batch, and what was done runs again. Default: `true`.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ErrorKind, tasking::TaskingController};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.with_report_batch_item_failures(false);
    /// let tasks = tasks.on_raw(async |_context, _task| Err("not today"));
    /// let event = r#"{"Records":[{"messageId":"1","body":"hello","eventSource":"aws:sqs"}]}"#;
    /// assert_eq!(tasks.handle_event(event, None).await.unwrap_err().kind(), ErrorKind::Batch);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_report_batch_item_failures(self, reported: bool) -> Self {
        self.change_settings(|settings| settings.report_batch_item_failures = reported)
    }

    /// How long a task that failed waits, where it does not [say so itself](crate::tasking::Task::BACKOFF): so long after the first attempt, twice as long after each further one, and never
    /// longer than `longest`, nor than 11 hours. What was behind it in its batch waits four times as long, so that mostly the one
    /// that failed comes alone and the others keep their receives. Where the wait is zero it is tried again at once, in the same
    /// batch. A task for which the invocation had no time left has not failed, and comes at once.
    /// Needs `sqs:ChangeMessageVisibility`; without it they wait for as long as the queue hides messages. Default: 5
    /// seconds, 15 minutes.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{LocalQueue, TaskContext, TaskingController};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # runtime.block_on(async {
    /// let queue = LocalQueue::new("mail.fifo");
    /// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
    /// let tasks = tasks.with_backoff(Duration::from_secs(60), Duration::from_secs(600));
    /// let tasks = tasks.on_raw(async |context: TaskContext, _task| match context.attempt() {
    ///     1 => Err("not yet"),
    ///     _ => Ok(()),
    /// });
    /// tasks.post_raw("hello", [("locale", "de")]).await?;
    /// assert_eq!(tasks.work_off().await?, 1);
    /// assert_eq!(tasks.work_off().await?, 0); // it waits
    /// tokio::time::sleep(Duration::from_secs(61)).await; // in a test, without waiting: tokio's clock is paused
    /// assert_eq!(tasks.work_off().await?, 1);
    /// assert!(queue.is_empty());
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_backoff(self, first: Duration, longest: Duration) -> Self {
        self.change_settings(|settings| settings.backoff = Backoff::new(first, longest))
    }

    /// How often a task is tried that does not [say so itself](crate::tasking::Task::ATTEMPTS). When its last attempt fails, by an error, a panic or for want of time, the worker sends
    /// it to the dead-letter queue, and its group goes on in the same batch.
    ///
    /// An attempt is one in which the task's own handler was begun, and failed or did not come to its end because its process
    /// died. That another task failed, that there was no time, or that the store was away, is none. So nothing becomes a dead
    /// letter for its neighbours. This is exact with a store that counts ([`with_store`](Self::with_store)). Without one the
    /// worker counts receives, and takes off those of which its own process knows that the task did not run in them: a task that
    /// waited in another process behind others that failed may have fewer attempts, and one at least; and one that ends its
    /// process each time is tried until the queue's `maxReceiveCount`.
    ///
    /// After a process died, what it may have died of runs alone, and before all else of its batch.
    ///
    /// The dead letter goes to the dead-letter queue of the queue's RedrivePolicy, which needs `sqs:GetQueueAttributes` on the
    /// queue, or to that of [`with_dead_letter_queue`](Self::with_dead_letter_queue); `sqs:SendMessage` on it. It is the message
    /// with its attributes, and with `chalice-dead-reason`, `chalice-dead-attempts`, and `chalice-dead-first` and
    /// `chalice-dead-last`, the times of its first receive and of its death in milliseconds since 1970, as far as a message has
    /// room for them.
    ///
    /// The queue itself makes a dead letter of what was received `maxReceiveCount` times, run or not, and a task is received with
    /// each batch that its group's first is in. Set it to 100. In what would be its last receive, a task has the rest of its
    /// attempts at once. Default: 5.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{LocalQueue, TaskContext, TaskingController};
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let queue = LocalQueue::new("mail.fifo");
    /// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue).with_attempts(3);
    /// let tasks = tasks.with_backoff(Duration::ZERO, Duration::ZERO).on_raw(async |_: TaskContext, task| match task.body() {
    ///     "good" => Ok(()),
    ///     _ => Err("not this one"),
    /// });
    /// for body in ["bad", "worse", "good"] {
    ///     tasks.post_raw(body, [("locale", "de")]).await?;
    /// }
    /// tasks.work_off().await?;
    /// assert!(queue.is_empty());
    /// let letters: Vec<_> = queue.dead_letters().into_iter().map(|letter| (letter.task.into_body(), letter.receives)).collect();
    /// assert_eq!(letters, [("bad".to_owned(), 3), ("worse".to_owned(), 3)]);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_attempts(self, attempts: u32) -> Self {
        self.change_settings(|settings| settings.attempts = attempts.max(1))
    }

    /// Sends tasks to this FIFO queue, and not to that of the queue's RedrivePolicy: those that have had
    /// [their attempts](Self::with_attempts), at once those that fail for good ([`Error::permanent`](crate::Error::permanent)), and
    /// here also those that nobody can run (a body that can't be read, a name that no handler has). Default: that of the
    /// RedrivePolicy, where the last kind has all its attempts, since the next deployment may be able to handle it.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{Dedup, LocalQueue, MemoryStore, TaskingController};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let store = Arc::new(MemoryStore::new());
    /// let queue = LocalQueue::new("mail.fifo");
    /// let tasks = TaskingController::new("mail.fifo")?
    ///     .with_local_queue(&queue)
    ///     .with_shared_store(store.clone())
    ///     .with_lease(Duration::from_secs(60))
    ///     .with_memory(Duration::from_secs(24 * 60 * 60));
    /// let tasks = tasks.on_raw(async |_context, _task| Ok::<(), std::io::Error>(()));
    /// for id in ["1", "2"] {
    ///     // Two messages of one task: the second does not run.
    ///     tasks.post_raw("hello", [("n", id)]).with_key("welcome-7").with_dedup(Dedup::Id(id.into())).await?;
    /// }
    /// tasks.work_off().await?;
    /// assert_eq!((queue.len(), store.len()), (0, 1));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_shared_store(self, store: Arc<dyn IdempotencyStore>) -> Self {
        self.change_settings(|settings| settings.store = Some(store))
    }

    /// How long a claim at the store holds, should its owner die. Default: what is left of the invocation and a second, or
    /// 15 minutes where nothing ends it.
    pub fn with_lease(self, lease: Duration) -> Self {
        self.change_settings(|settings| settings.lease = Some(lease))
    }

    /// How long the store remembers that a task is done. Default: 14 days, the longest that a queue keeps a message.
    pub fn with_memory(self, keep: Duration) -> Self {
        self.change_settings(|settings| settings.keep = keep)
    }

    /// What holds for tasks of this handler; for those that have none the controller's.
    pub(crate) fn policy(&self, handler: Option<&Handler>) -> RetryPolicy {
        let own = handler.map(|handler| handler.policy).unwrap_or_default();
        let settings = self.settings();
        RetryPolicy {
            attempts: own.attempts.unwrap_or(settings.attempts).max(1),
            backoff: own.backoff.unwrap_or(settings.backoff),
            timeout: own.timeout,
        }
    }
}
