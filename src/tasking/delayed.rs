//! Tasks that run later. A FIFO queue can't delay one message, and a message that is hidden holds up its group. So a delayed
//! task waits in a group of its own, which the worker hides until the task is due; then the worker sends it to its own group,
//! where it takes its place. It runs no handler.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{
    backend::Backend,
    batch::TaskOutcome,
    controller::TaskingController,
    event::Record,
    invocation::{Invocation, within},
    message::{Attributes, LATER, Message},
    post::{Post, digest},
    send,
    visibility::LONGEST_DELAY,
};
use crate::{
    defects::{Defect, seeded},
    error::{BoxError, Error, ErrorKind, Result},
};

/// A time that no calendar has.
const LATEST: Duration = Duration::from_secs(100_000 * 366 * 24 * 60 * 60);

impl Post {
    /// Runs the task after this time, and not earlier. See [`at`](Self::at).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::{LocalQueue, TaskingController};
    /// use std::time::Duration;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # runtime.block_on(async {
    /// let queue = LocalQueue::new("mail.fifo");
    /// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
    /// let tasks = tasks.on_raw(async |_context, _task| Ok::<(), std::io::Error>(()));
    /// tasks.post_raw("remember the milk", [("locale", "en")]).after(Duration::from_secs(600)).await?;
    /// tasks.work_off().await?;
    /// assert_eq!(queue.len(), 1); // it waits
    /// tokio::time::sleep(Duration::from_secs(601)).await; // in a test, without waiting: tokio's clock is paused
    /// tasks.work_off().await?;
    /// assert!(queue.is_empty());
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn after(self, delay: Duration) -> Self {
        let now = self.tasking.now();
        let time = now.checked_add(delay).unwrap_or(now + LATEST);
        self.at(time)
    }

    /// Runs the task at this time or soon after, and not earlier.
    ///
    /// At this time the task goes to the end of its group. Until then it blocks no other task. If the time has passed already, the
    /// task is not delayed.
    ///
    /// SQS can't delay a single message of a FIFO queue. So the task waits in the queue in a group of its own, and the worker keeps
    /// it hidden. At its time, the worker sends it to its real group. This costs two messages and three invocations of the worker.
    /// While the task waits, SQS counts it as *in flight*, and allows 120,000 such messages in a FIFO queue. The time is one of the
    /// ten attributes of the message. The worker needs `sqs:ChangeMessageVisibility`, and `sqs:SendMessage` on its own queue.
    ///
    /// Two delayed tasks with the same key are the same task. A delayed task and a task without a delay are two messages, even with
    /// the same key. With a store, only one of the two runs.
    ///
    /// # Errors
    ///
    /// When it is sent: [`ErrorKind::Task`] for a time that is more than 11 hours away (unless tasks wait at EventBridge Scheduler,
    /// by `with_scheduler` of the feature `schedules`), and [`ErrorKind::Configuration`] with
    /// [`with_report_batch_item_failures(false)`](TaskingController::with_report_batch_item_failures).
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ErrorKind, tasking::{LocalQueue, TaskingController}};
    /// use std::time::{Duration, SystemTime};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let queue = LocalQueue::new("mail.fifo");
    /// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
    /// let in_an_hour = SystemTime::now() + Duration::from_secs(3600);
    /// tasks.post_raw("remember the milk", [("locale", "en")]).with_key("milk").at(in_an_hour).await?;
    /// let next_week = SystemTime::now() + Duration::from_secs(7 * 24 * 3600);
    /// let error = tasks.post_raw("remember the milk", [("locale", "en")]).at(next_week).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Task);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn at(mut self, time: SystemTime) -> Self {
        self.not_before = Some(time);
        self
    }
}

impl TaskingController {
    /// The time by the queue's clock: the local queue has tokio's, which a test can pause.
    pub(crate) fn now(&self) -> SystemTime {
        match self.backend() {
            Backend::Local(queue, _) => queue.now(),
            Backend::Sqs(_) | Backend::Inline => SystemTime::now(),
        }
    }

    /// The message that waits until then, and becomes this one when it is due. Where a task runs while it is posted, nothing
    /// waits.
    pub(super) fn delayed(&self, message: Message, until: SystemTime) -> Result<Message> {
        let Ok(delay) = until.duration_since(self.now()) else { return Ok(message) };
        if delay.is_zero() || matches!(self.backend(), Backend::Inline) {
            return Ok(message);
        }
        if !self.settings().report_batch_item_failures {
            let message = "a task can't wait in a queue without ReportBatchItemFailures: the whole batch would be delivered again";
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        if delay > LONGEST_DELAY && self.settings().long_delays.is_none() {
            let message = "a task can wait for 11 hours at most in its queue: for a later time, add `with_scheduler` (feature \
                           `schedules`), by which it waits at EventBridge Scheduler";
            return Err(Error::new(ErrorKind::Task, message));
        }
        let mut message = message.checked_but_size()?;
        let due = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let waiting = match seeded(Defect::Later) {
            true => message.group.clone(),
            false => waiting_id(&message),
        };
        // Neither id has a space in it.
        let later = format!("{due} {} {}", message.deduplication, message.group);
        message.attributes.insert(LATER.to_owned(), later.into());
        (message.group, message.deduplication) = (waiting.clone(), waiting);
        Ok(message)
    }
}

/// The group and the deduplication id of a task while it waits.
pub(super) fn waiting_id(message: &Message) -> String {
    digest(&["waits", &message.group, &message.deduplication])
}

/// When a waiting message is due; `None` for one that does not wait.
pub(super) fn due(message: &Message) -> Option<SystemTime> {
    let (due, ..) = later(&message.attributes)?;
    UNIX_EPOCH.checked_add(Duration::from_millis(due))
}

/// When a waiting message is due, and what it becomes then.
#[cfg_attr(
    not(feature = "schedules"),
    allow(dead_code, reason = "only a message that waits elsewhere becomes it at once")
)]
pub(super) fn task_of(waiting: &Message) -> Option<(SystemTime, Message)> {
    let (_, deduplication, group) = later(&waiting.attributes)?;
    let (deduplication, group) = (deduplication.to_owned(), group.to_owned());
    let mut task = Message { deduplication, group, ..waiting.clone() };
    task.attributes.remove(LATER);
    Some((due(waiting)?, task))
}

/// What a delayed task becomes: the time in milliseconds since 1970, the deduplication id and the group.
pub(super) fn later(attributes: &Attributes) -> Option<(u64, &str, &str)> {
    let mut parts = attributes.get(LATER)?.as_str()?.splitn(3, ' ');
    Some((parts.next()?.parse().ok()?, parts.next()?, parts.next()?))
}

impl Record {
    /// Whether it waits for its time, and is sent on then.
    pub(super) fn is_delayed(&self) -> bool {
        self.attributes.contains_key(LATER)
    }
}

impl Invocation<'_> {
    /// What becomes of a delayed task: it waits, or is sent to its group.
    pub(super) async fn wait_or_send_on(&self, record: &Record) -> TaskOutcome {
        // What can't be read is due.
        let due = later(&record.attributes).map_or(0, |(due, ..)| due);
        let due = UNIX_EPOCH.checked_add(Duration::from_millis(due)).unwrap_or(UNIX_EPOCH);
        match due.duration_since(self.tasking.now()) {
            Ok(remaining) if !remaining.is_zero() => return TaskOutcome::Waiting(remaining),
            _ => {}
        }
        let sent = async {
            let queue = self.tasking.queue()?;
            let budget = send::Budget { until: self.times.end, ..self.tasking.budget() };
            send::one(&*queue, received(record).checked()?, budget).await.map_err(BoxError::from)
        };
        match within(self.times.end, sent).await {
            Ok(_) => TaskOutcome::SentOn,
            Err(error) => TaskOutcome::Unavailable(error),
        }
    }
}

/// The message as it was before it had to wait. The ids are those that it was posted with, however often this is sent.
fn received(record: &Record) -> Message {
    let own = |id: &Option<String>| id.clone().unwrap_or_default();
    let (deduplication, group) = match later(&record.attributes) {
        Some((_, deduplication, group)) => (deduplication.to_owned(), group.to_owned()),
        // The queue would drop a message with the id of this one.
        None => (digest(&["due", &own(&record.deduplication)]), own(&record.group)),
    };
    let mut attributes = record.attributes.clone();
    attributes.remove(LATER);
    let body = record.body.clone().unwrap_or_default();
    Message { body, attributes, group, deduplication, trace: record.trace.clone() }
}
