//! The context of a handler: the delivery of its task.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    super::steps::{HandlerResult, Steps},
    TaskingController,
};

/// The delivery of a task: which message, which attempt, how much time is left.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{RawTask, TaskContext, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let tasks = TaskingController::new("mail.fifo")?.with_inline();
/// let tasks = tasks.on_raw(async |context: TaskContext, _task: RawTask| {
///     assert_eq!((context.queue(), context.group(), context.attempt()), ("mail.fifo", Some("u7"), 1));
///     assert!(context.sent_at().is_some_and(|sent| sent <= std::time::SystemTime::now()));
///     Ok::<(), std::io::Error>(())
/// });
/// tasks.post_raw("hello", [("locale", "de")]).with_group("u7").await?;
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct TaskContext {
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) tasking: TaskingController,
}

pub(crate) struct Delivery {
    pub(crate) queue: String,
    pub(crate) message_id: String,
    pub(crate) group: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) sent_at: Option<SystemTime>,
    /// When the handler is cut.
    pub(crate) until: Option<Instant>,
    pub(crate) trace: Option<String>,
    /// What the idempotency store knows this task by, and this delivery of it.
    pub(crate) key: String,
    pub(crate) owner: String,
    /// What the store knows the first step by, unless this is it.
    pub(crate) first_step: Option<String>,
    /// Whether the handler has marked the task as done itself.
    pub(crate) is_complete: AtomicBool,
    /// The name of its task.
    pub(crate) name: String,
    pub(crate) steps: Steps,
    pub(crate) result: HandlerResult,
}

/// Without the key, which may be a visitor's address.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("queue", &self.queue)
            .field("message_id", &self.message_id)
            .field("group", &self.group)
            .field("attempt", &self.attempt)
            .field("sent_at", &self.sent_at)
            .finish_non_exhaustive()
    }
}

impl TaskContext {
    /// The name of the queue.
    pub fn queue(&self) -> &str {
        &self.delivery.queue
    }

    /// The message's id: the same in each delivery.
    pub fn message_id(&self) -> &str {
        &self.delivery.message_id
    }

    /// The group of the task.
    pub fn group(&self) -> Option<&str> {
        self.delivery.group.as_deref()
    }

    /// Which attempt this is: how often the task's handler was begun, with this time. A store that
    /// [counts](crate::tasking::IdempotencyStore::counts_attempts) knows it exactly; without one it is how often the message
    /// was received, less the times of which this process knows that it did not run.
    pub fn attempt(&self) -> u32 {
        self.delivery.attempt
    }

    /// When the task was posted.
    pub fn sent_at(&self) -> Option<SystemTime> {
        self.delivery.sent_at
    }

    /// How long the handler may go on before it is cut; `None` where nothing cuts it.
    pub fn remaining(&self) -> Option<Duration> {
        self.delivery.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// What stands for this task and no other, in every delivery: the key for an idempotent call of another service. It
    /// begins with the queue's ARN, so that stages and accounts have keys of their own.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::TaskingController;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("pay.fifo")?.with_inline().on_raw(async |context, _task| {
    ///     // A payment service gets it as `Idempotency-Key`.
    ///     assert!(context.idempotency_key().ends_with("|shop|order-7"));
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// tasks.post_raw("42 EUR", [("currency", "EUR")]).with_group("shop").with_key("order-7").await?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn idempotency_key(&self) -> &str {
        &self.delivery.key
    }

    /// The controller, to post further tasks.
    pub fn tasking(&self) -> &TaskingController {
        &self.tasking
    }
}
