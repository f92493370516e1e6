//! The controller: one queue, how to post to it and what its tasks run. Which queue that is, AWS's or the local one,
//! is decided in `place`.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{
    bury::DeadLetters,
    context::TaskContext,
    event::Record,
    local::{Inline, LocalQueue, LocalWorker},
    message::{Attribute, Message},
    offload::check_size,
    place::{Found, Place, Start, named},
    post::{Post, PostBatch, Posted},
    queue::Queue,
    scope::Scope,
    send::{self, BatchOrder, Budget},
    settings::Settings,
    tally::Tally,
    task::{Handlers, RawTask, Task},
};
use crate::error::{BoxError, Error, ErrorKind, Result};

/// What an invocation keeps for its answer when a post goes on until its end.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// How long a task may run while it is posted; half of it, as a post may be attempted twice.
const INLINE_TIME: Duration = Duration::from_secs(24 * 60 * 60);

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
    settings: Settings,
    place: Place,
    /// Shared by all that are made of this controller.
    tally: Arc<Tally>,
}

impl TaskingController {
    /// A controller for the queue of this name or URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for the name of a queue that is not FIFO, or a URL of one in its variable: those end in `.fifo`.
    pub fn new(queue: impl Into<String>) -> Result<Self> {
        let queue = named(queue.into())?;
        let place = Place::Found(Arc::default());
        let (handlers, settings) = Default::default();
        let inner = Inner { name: queue, handlers, settings, place, tally: Arc::default() };
        Ok(Self(Arc::new(inner)))
    }

    /// Runs tasks of this type with this function. Whatever error it returns, the task comes again, after a while that
    /// grows with each attempt, until it has had [all of them](Self::with_attempts); [`Error::retry_after`] says when, and
    /// [`Error::permanent`] that it is of no use: then it is a dead letter at once. What it panics with is an error too.
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
        self.change(|inner| inner.place = Place::Given(Found::Local(queue.clone(), Start::Nothing)))
    }

    /// Runs each task while it is posted, and fails the post where the task fails: for tests of a handler. It goes through
    /// the same event and the same code; what waits, groups and comes again is left out.
    pub fn with_inline(self) -> Self {
        self.change(|inner| inner.place = Place::Given(Found::Inline))
    }

    pub(crate) fn change_settings(self, change: impl FnOnce(&mut Settings)) -> Self {
        self.change(|inner| change(&mut inner.settings))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl TaskingController {
    /// A post of a task: await it.
    pub fn post<T: Task>(&self, task: &T) -> Post {
        Post::of(self, task)
    }

    /// A post of any text, with attributes beside it: await it. Whatever it says, it goes to the handler for
    /// [raw texts](Self::on_raw). One that a worker could take for a task is marked as a text, by an attribute of the ten that
    /// a message takes.
    pub fn post_raw<N, V>(&self, body: impl Into<String>, attributes: impl IntoIterator<Item = (N, V)>) -> Post
    where
        N: Into<String>,
        V: Into<Attribute>,
    {
        let attributes = attributes.into_iter().map(|(name, value)| (name.into(), value.into()));
        Post::raw(self, Ok(body.into()), attributes.collect())
    }

    /// Posts many tasks in few requests: await it. There is one result for each, in their order.
    pub fn post_batch(&self, posts: impl IntoIterator<Item = Post>) -> PostBatch {
        PostBatch { tasking: self.clone(), posts: posts.into_iter().collect(), order: BatchOrder::default() }
    }

    /// Runs what can be received from the [`LocalQueue`], batch by batch, until nothing can; says how many batches.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the queue is not a local one.
    pub async fn work_off(&self) -> Result<usize> {
        Ok(super::local::work_off(self, &self.local_queue()?).await)
    }

    /// Works off the [`LocalQueue`] as tasks come, until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the queue is not a local one.
    pub fn spawn_worker(&self) -> Result<LocalWorker> {
        Ok(LocalWorker::spawn(self, &self.local_queue()?))
    }

    fn local_queue(&self) -> Result<LocalQueue> {
        in_runtime()?;
        match self.place() {
            Found::Local(queue, _) => Ok(queue),
            _ => Err(Error::new(ErrorKind::Configuration, format!("`{}` is no local queue", self.0.name))),
        }
    }
}

impl TaskingController {
    pub(crate) fn handlers(&self) -> &Handlers {
        &self.0.handlers
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// The queue's name, also where a URL was given.
    pub(crate) fn queue_name(&self) -> &str {
        self.0.name.rsplit('/').next().unwrap_or_default()
    }

    /// Whether what is posted to the one may go with what is posted to the other.
    pub(crate) fn is_same_queue(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether both mean one queue, whatever else is set of them.
    pub(crate) fn posts_to_queue_of(&self, other: &Self) -> bool {
        let is_same_name = match [&self.0.name, &other.0.name].map(|name| name.contains("://")) {
            [true, true] => self.0.name == other.0.name,
            _ => self.queue_name() == other.queue_name(),
        };
        is_same_name
            && match (self.place(), other.place()) {
                (Found::Local(queue, _), Found::Local(other, _)) => queue.is(&other),
                (Found::Sqs(_), Found::Sqs(_)) | (Found::Inline, Found::Inline) => true,
                _ => false,
            }
    }

    /// Whether an event of the queue with this ARN is this controller's.
    pub(crate) fn is_for(&self, arn: &str) -> bool {
        arn.rsplit(':').next() == Some(self.queue_name())
    }

    pub(crate) async fn send_one(&self, message: Message) -> Result<Posted> {
        let queue = self.queue()?;
        send::one(&*queue, self.ready(message).await?, self.budget()).await
    }

    pub(crate) async fn send_many(&self, messages: Vec<Result<Message>>, order: BatchOrder) -> Vec<Result<Posted>> {
        let queue = match self.queue() {
            Ok(queue) => queue,
            Err(error) => return messages.into_iter().map(|message| message.and(Err(error.clone()))).collect(),
        };
        let mut ready = Vec::with_capacity(messages.len());
        for message in messages {
            ready.push(match message {
                Ok(message) => self.ready(message).await,
                Err(error) => Err(error),
            });
        }
        send::many(&*queue, ready, order, self.budget()).await
    }

    /// A message that keeps the rules, also where what was posted is too large for one.
    async fn ready(&self, message: Message) -> Result<Message> {
        match &self.0.settings.offload {
            Some(offload) => {
                let settings = &self.0.settings;
                if message.size() > settings.offload_above {
                    // What would go elsewhere, and could not come back.
                    check_size(message.body.len(), settings.offload_limit)?;
                }
                offload.shrink(message, settings.offload_above).await?.checked()
            }
            None => message.checked(),
        }
    }

    /// Attempts end with the invocation that they are part of.
    pub(crate) fn budget(&self) -> Budget {
        let deadline = Scope::current().and_then(|scope| scope.deadline);
        let until = deadline.map(|deadline| deadline.checked_sub(ANSWER_TIME).unwrap_or_else(Instant::now));
        let time = match self.place() {
            // It is the task that takes the time.
            Found::Inline => INLINE_TIME,
            _ => self.0.settings.send_time,
        };
        Budget { time, until }
    }

    pub(crate) fn queue(&self) -> Result<Arc<dyn Queue>> {
        in_runtime()?;
        Ok(match self.place() {
            Found::Sqs(sqs) => sqs,
            Found::Inline => Arc::new(Inline::new(self)),
            Found::Local(queue, start) => {
                self.start(&queue, start);
                Arc::new(queue)
            }
        })
    }

    /// Where this queue's dead letters go; none where tasks run while they are posted. Boxed, as the compiler gives up on
    /// the type of a future with all of the SDK in it.
    pub(crate) fn dead_letters<'a>(
        &self,
        record: &'a Record,
        attempt: u32,
    ) -> BoxFuture<'a, Result<Option<DeadLetters>>> {
        let named = self.0.settings.dead_letter_queue.clone().map(|queue| queue as Arc<dyn Queue>);
        match self.place() {
            Found::Sqs(sqs) => Box::pin(async move { sqs.dead_letters(&record.queue_arn, named).await.map(Some) }),
            Found::Local(queue, _) => Box::pin(std::future::ready(Ok(Some(queue.dead_letters_of(attempt))))),
            Found::Inline => Box::pin(std::future::ready(Ok(None))),
        }
    }

    /// Starts the worker of the local queue, where this is one that has its own: an app does that before the first post,
    /// for what posts may be a controller without handlers.
    pub(crate) fn start_local_worker(&self) {
        if let Found::Local(queue, start) = self.place() {
            self.start(&queue, start);
        }
    }

    fn start(&self, queue: &LocalQueue, start: Start) {
        if start != Start::Worker {
            return;
        }
        if self.0.handlers.is_empty() {
            queue.warn_of_no_worker();
        } else if queue.take_worker() {
            queue.keep(LocalWorker::spawn(self, queue));
        }
    }

    /// Ends the worker of the local queue where it has its own: what runs is finished, and what can't be is named.
    pub(crate) async fn stop_local_worker(&self) {
        if let Found::Local(queue, Start::Worker) = self.place() {
            queue.stop().await;
        }
    }

    fn place(&self) -> Found {
        self.0.place.of(&self.0.name)
    }
}

/// Timeouts and workers are the runtime's.
fn in_runtime() -> Result<()> {
    let message = "tasks are posted and worked off within a Tokio runtime: call this from async code that one runs";
    tokio::runtime::Handle::try_current().map(drop).map_err(|_| Error::new(ErrorKind::Configuration, message))
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

    #[test]
    fn a_queue_that_is_not_fifo_is_refused() {
        let error = TaskingController::new("mail").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
