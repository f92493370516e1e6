//! A FIFO queue inside the process, for development and tests, and the worker that empties it the way Lambda does: an
//! event's JSON goes in, what its answer does not list is deleted. It does not know what the worker's function does.

mod engine;
mod failures;
#[cfg(feature = "dev-server")]
pub(crate) mod shown;
mod worker;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::{sync::Notify, time::Instant};

pub use self::worker::LocalWorker;

use self::engine::{Engine, LocalQueueSettings, Refused};
use super::{
    event::{BatchResponse, Record},
    message::{Attribute, Message, TASK},
    queue::{DeadLetterTarget, Failed, MOST_ENTRIES, Queue, Sent, VisibilityChange},
    task::RawTask,
};
use crate::error::{Error, ErrorKind, Result};

/// How many times the function's time a message stays hidden: what AWS asks of a queue.
const VISIBILITY_PER_TIMEOUT: u32 = 6;

/// A FIFO queue inside the process, by SQS's rules: order in each group, a group waits while an earlier message of it is
/// hidden, five minutes of deduplication, receipts that expire, receive counts and dead letters.
///
/// In development it comes by itself ([`TaskingController`](crate::tasking::TaskingController)). A test makes one and decides
/// when its tasks run, with [`work_off`](crate::tasking::TaskingController::work_off); under tokio's paused clock its time is the
/// test's too.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Error, tasking::{LocalQueue, TaskingController}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let queue = LocalQueue::new("mail.fifo").with_most_receives(2);
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue).on_raw(async |_context, task| {
///     match task.body() {
///         "good" => Ok(()),
///         _ => Err(Error::retry_after(std::time::Duration::ZERO, "not this one")),
///     }
/// });
/// for body in ["good", "bad"] {
///     tasks.post_raw(body, [("from", "the example")]).await?;
/// }
/// assert_eq!(queue.len(), 2);
/// tasks.work_off().await?;
/// assert!(queue.is_empty());
/// assert_eq!(queue.dead_letters()[0].task.body(), "bad");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
///
/// With the times that the queue and the function have at AWS, of which the worker keeps a second for itself:
///
/// ```
/// use chalice_http_toolkit::{Error, tasking::{LocalQueue, RawTask, TaskContext, TaskingController}};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let queue = || LocalQueue::new("mail.fifo").with_visibility(Duration::from_secs(180));
/// for (queue, left) in [(queue(), 29), (queue().with_timeout(Duration::from_secs(10)), 9)] {
///     let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
///     let tasks = tasks.on_raw(async |context: TaskContext, task: RawTask| {
///         let left = context.remaining().map(|left| left.as_secs().to_string());
///         assert_eq!(left.as_deref(), task.text("left"));
///         Ok::<(), Error>(())
///     });
///     tasks.post_raw("hello", [("left", left)]).await?;
///     tasks.work_off().await?;
///     assert!(queue.is_empty());
/// }
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct LocalQueue(Arc<Shared>);

struct Shared {
    name: String,
    /// The same moment by both clocks.
    begun: (Instant, SystemTime),
    engine: Mutex<Engine>,
    changed: Notify,
    has_worker: AtomicBool,
    has_warned: AtomicBool,
    failures: failures::Failures,
    /// Its own, in development.
    worker: Mutex<Option<LocalWorker>>,
}

impl LocalQueue {
    /// An empty queue.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let settings = LocalQueueSettings { visibility: Duration::from_secs(360), timeout: None, most_receives: 100 };
        let engine = Mutex::new(Engine::new(format!("arn:aws:sqs:local:000000000000:{name}"), settings));
        Self(Arc::new(Shared {
            name,
            begun: (Instant::now(), SystemTime::now()),
            engine,
            changed: Notify::new(),
            has_worker: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
            failures: Default::default(),
            worker: Mutex::new(None),
        }))
    }

    /// The queue of this name that all controllers of the process share.
    pub(crate) fn of_process(name: &str) -> Self {
        static QUEUES: Mutex<BTreeMap<String, LocalQueue>> = Mutex::new(BTreeMap::new());
        let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
        queues.entry(name.to_owned()).or_insert_with(|| Self::new(name)).clone()
    }

    /// How long a received message stays hidden. Default: six minutes.
    pub fn with_visibility(self, visibility: Duration) -> Self {
        self.engine().settings().visibility = visibility;
        self
    }

    /// How long the worker's function has for a batch. Default: a sixth of what messages stay hidden for, as AWS advises.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.engine().settings().timeout = Some(timeout);
        self
    }

    /// After how many receives the queue makes a message a dead letter by itself, run or not: `maxReceiveCount` of a queue at
    /// AWS. The worker sends it there earlier, after [`with_attempts`](crate::tasking::TaskingController::with_attempts), or
    /// with this receive at the latest. Default: 100.
    pub fn with_most_receives(self, most: u32) -> Self {
        self.engine().settings().most_receives = most;
        self
    }

    /// How many messages it holds, also those that are hidden.
    pub fn len(&self) -> usize {
        self.engine().len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has had its attempts or was received too often, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        let engine = self.engine();
        let letter = |record: &Record| DeadLetter {
            group: record.group.clone().unwrap_or_default(),
            receives: record.receives,
            task: RawTask::new(record.body.clone().unwrap_or_default(), record.attributes.clone()),
        };
        engine.dead().iter().map(letter).collect()
    }

    /// The time by tokio's clock, which a test can pause.
    pub(crate) fn now(&self) -> SystemTime {
        let (instant, time) = self.0.begun;
        time + instant.elapsed()
    }

    pub(crate) fn arn(&self) -> String {
        self.engine().arn().to_owned()
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// How long the function has for a batch.
    pub(crate) fn timeout(&self) -> Duration {
        let settings = *self.engine().settings();
        settings.timeout.unwrap_or(settings.visibility / VISIBILITY_PER_TIMEOUT)
    }

    /// Whether this caller is the first who would start a worker.
    pub(crate) fn take_worker(&self) -> bool {
        !self.0.has_worker.swap(true, Ordering::Relaxed)
    }

    /// Says once that nobody runs what is posted here.
    pub(crate) fn warn_of_no_worker(&self) {
        if !self.0.has_worker.load(Ordering::Relaxed) && !self.0.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                queue = self.name(),
                "a task waits in this process, and nothing runs it so far: no controller with handlers for this queue is \
                 part of the app or has posted"
            );
        }
    }

    pub(crate) fn keep(&self, worker: LocalWorker) {
        *self.worker() = Some(worker);
    }

    /// Waits for what its own worker runs, and says what ends with the process.
    pub(crate) async fn stop(&self) {
        let worker = self.worker().take();
        if let Some(worker) = worker {
            worker.stop().await;
        }
        let left = self.engine().left();
        if left.is_empty() {
            return;
        }
        let count = left.values().sum::<usize>();
        let tasks: Vec<String> = left.into_iter().map(|(name, count)| format!("{name} ({count})")).collect();
        tracing::warn!(
            queue = self.name(),
            tasks = tasks.join(", "),
            "{count} tasks end with this process, and have not run or not succeeded"
        );
    }

    fn worker(&self) -> MutexGuard<'_, Option<LocalWorker>> {
        self.0.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the other is this one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where its dead letters go: what was tried as often as this record's attempt says.
    pub(crate) fn dead_letter_target(&self, attempt: u32) -> DeadLetterTarget {
        let most_receives = Some(self.engine().settings().most_receives);
        DeadLetterTarget { queue: Some(Arc::new(LocalDeadLetters(self.clone(), attempt))), most_receives }
    }

    pub(crate) fn receive(&self) -> Vec<Record> {
        let mut engine = self.engine();
        let before = engine.dead().len();
        let received = engine.receive(MOST_ENTRIES, Instant::now());
        for dead in engine.dead().iter().skip(before) {
            tracing::error!(
                queue = self.name(),
                task.name = dead.attributes.get(TASK).and_then(Attribute::as_str),
                task.group = dead.group,
                messaging.message.id = dead.message_id,
                receives = dead.receives,
                "the queue made a dead letter of a task: it was received as often as it may be"
            );
        }
        received
    }

    /// What Lambda does with an answer: nothing is deleted on an error, nor where a listed id is none of the batch's.
    pub(crate) fn settle(&self, records: &[Record], answer: Result<BatchResponse>) {
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(queue = self.name(), error = error.chain(), "a batch of tasks failed");
                return;
            }
        };
        let failed: Vec<&str> = response.failed().collect();
        let is_failed = |record: &Record| record.message_id.as_deref().is_some_and(|id| failed.contains(&id));
        if records.iter().filter(|record| is_failed(record)).count() != failed.len() {
            tracing::error!(queue = self.name(), "the answer names messages that are not in the batch");
            return;
        }
        let now = Instant::now();
        for record in records.iter().filter(|record| !is_failed(record)) {
            self.settled(self.engine().delete(&record.receipt, now).is_ok(), record);
        }
        self.0.changed.notify_waiters();
    }

    fn settled(&self, done: bool, record: &Record) {
        if !done {
            let message_id = record.message_id.as_deref();
            tracing::warn!(queue = self.name(), message_id, "a receipt has expired: the message will come again");
        }
    }

    /// Receives, waiting until there is something.
    pub(crate) async fn next(&self) -> Vec<Record> {
        loop {
            // Before looking, so that nothing that is sent in between goes unnoticed.
            let changed = self.0.changed.notified();
            let records = self.receive();
            if !records.is_empty() {
                return records;
            }
            let wake = self.engine().next_wake();
            match wake {
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
                None => changed.await,
            }
        }
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.0.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue for LocalQueue {
    fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>> {
        let now = Instant::now();
        let mut engine = self.engine();
        let sent = messages.iter().map(|message| Ok(engine.send((*message).clone(), now))).collect();
        drop(engine);
        self.0.changed.notify_waiters();
        Box::pin(std::future::ready(Ok(sent)))
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
        let now = Instant::now();
        let mut engine = self.engine();
        // All of them, and then the first that failed.
        let hidden: Vec<_> = changes.iter().map(|change| engine.hide(&change.receipt, change.delay, now)).collect();
        drop(engine);
        self.0.changed.notify_waiters();
        Box::pin(std::future::ready(hidden.into_iter().collect::<Result<(), _>>().map_err(refused)))
    }

    fn delete<'a>(&'a self, receipt: &'a str) -> BoxFuture<'a, Result<()>> {
        let deleted = self.engine().delete(receipt, Instant::now());
        self.0.changed.notify_waiters();
        Box::pin(std::future::ready(deleted.map_err(refused)))
    }
}

fn refused(refused: Refused) -> Error {
    Error::new(ErrorKind::Queue, refused.reason())
}

/// A message that nobody could handle.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Error, tasking::{LocalQueue, TaskingController}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let queue = LocalQueue::new("mail.fifo");
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue).with_dead_letter_queue("mail-dlq.fifo")?;
/// let tasks = tasks.on_raw(async |_context, _task| Err(Error::permanent("nobody reads this")));
/// tasks.post_raw("hello", [("locale", "de")]).with_group("user-7").await?;
/// tasks.work_off().await?;
/// let letters = queue.dead_letters();
/// assert_eq!((letters[0].group.as_str(), letters[0].task.body()), ("user-7", "hello"));
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Its group.
    pub group: String,
    /// How often it was received, and with that tried again at once.
    pub receives: u32,
    /// What was posted.
    pub task: RawTask,
}

/// The dead letters of a queue as a queue of their own, for a message that was tried so often.
#[derive(Debug)]
struct LocalDeadLetters(LocalQueue, u32);

impl Queue for LocalDeadLetters {
    fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>> {
        let Self(queue, attempts) = self;
        let mut engine = queue.engine();
        let now = Instant::now();
        let sent = messages.iter().map(|message| Ok(engine.bury((*message).clone(), *attempts, now))).collect();
        Box::pin(std::future::ready(Ok(sent)))
    }

    fn change_visibility<'a>(&'a self, _: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for LocalQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalQueue").field("name", &self.0.name).field("length", &self.len()).finish()
    }
}
