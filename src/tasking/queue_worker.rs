//! The worker of a queue at AWS, in a process that no events of a queue reach: it polls, as Lambda's event source mapping does.
//! What happens to a batch is decided elsewhere.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, Either, select};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    backend::Backend,
    controller::TaskingController,
    ending::{EndSender, Ending, Polled},
    local_worker::{BATCHES, in_runtime},
    receive::Source,
};
use crate::error::{Error, ErrorKind, Result};

/// How long a message is hidden at a time, at most: so long after the death of a process it comes again.
const LONGEST_HIDDEN: Duration = Duration::from_secs(30);
/// SQS counts whole seconds.
const SHORTEST_HIDDEN: Duration = Duration::from_secs(1);
/// A request that waits for messages for 20 seconds has been answered by then, or its answer is lost.
const ANSWER: Duration = Duration::from_secs(40);
/// The pause after the first request that failed, and the longest one; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

impl TaskingController {
    /// Works off the queue in this process, by polling SQS, until something has happened: for a program that no events of a
    /// queue reach, and that has no [`App`](crate::App). With one, [`App::with_worker`](crate::App::with_worker) does it.
    ///
    /// Four requests wait for messages at a time, each up to 20 seconds for up to ten. All else is as behind Lambda's event
    /// source mapping: attempts, waits, groups, dead letters, the store. A task that is done is deleted at once. While a batch
    /// runs, its messages are hidden for 30 seconds at a time, or for the queue's `VisibilityTimeout` if that is shorter. If the
    /// process dies, they come again after that time; a task whose claim is at the [store](Self::with_store) comes again after
    /// its [lease](Self::with_lease).
    ///
    /// Once `until` has happened, nothing is received or started any more. What runs has `time` to end. What has not ended then
    /// is cut, and all that is not done is given back to the queue.
    ///
    /// A request to SQS that fails is logged and tried again after a while, for as long as the worker runs.
    ///
    /// Needs `sqs:ReceiveMessage`, `sqs:DeleteMessage`, `sqs:ChangeMessageVisibility` and `sqs:GetQueueAttributes`; and
    /// `sqs:GetQueueUrl` where the queue has a name and no URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the queue is in this process, where the controller has no handlers, or outside of a
    /// Tokio runtime.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use chalice_http_toolkit::{BoxError, tasking::TaskingController};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let tasks = TaskingController::new("mail.fifo")?.on_raw(async |_context, _task| Ok::<(), BoxError>(()));
    /// let interrupted = async { _ = tokio::signal::ctrl_c().await };
    /// tasks.run_worker(interrupted, Duration::from_secs(10)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_worker(&self, until: impl Future<Output = ()>, time: Duration) -> Result<()> {
        let refused = |why: &str| Error::new(ErrorKind::Configuration, format!("`{}` {why}", self.name()));
        if self.handlers().is_empty() {
            return Err(refused("has no handlers: add them with `on` or `on_raw`"));
        }
        let worker = self.spawn_queue_worker()?;
        let worker = worker.ok_or_else(|| refused("is a queue in this process, which has a worker of its own"))?;
        until.await;
        worker.end_within(time);
        worker.ended().await;
        Ok(())
    }

    /// How long a batch has in a [worker that polls](Self::run_worker), as a Lambda function has its Timeout: a little before
    /// its end, handlers are cut. Default: 5 minutes.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::TaskingController;
    /// use std::time::Duration;
    ///
    /// let tasks = TaskingController::new("films.fifo")?.with_worker_time(Duration::from_secs(60 * 60));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_worker_time(self, time: Duration) -> Self {
        self.change_settings(|settings| settings.worker_time = time)
    }

    /// Starts the worker of a queue at AWS; none for another queue.
    pub(crate) fn spawn_queue_worker(&self) -> Result<Option<QueueWorker>> {
        in_runtime()?;
        match self.backend() {
            Backend::Sqs(sqs) => Ok(Some(spawn(self, &(sqs as Arc<dyn Source>)))),
            Backend::Local(..) | Backend::Inline => Ok(None),
        }
    }
}

/// A running worker. Without it what it runs is dropped.
pub(crate) struct QueueWorker {
    queue: String,
    loops: Vec<JoinHandle<()>>,
    end: EndSender,
}

impl QueueWorker {
    /// Receives and starts nothing any more, and cuts after this time what still runs.
    pub(crate) fn end_within(&self, time: Duration) {
        let until = Instant::now() + time;
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            *end = end.or(Some(until));
            is_first
        });
    }

    /// Waits until nothing runs any more.
    pub(crate) async fn ended(mut self) {
        for running in std::mem::take(&mut self.loops) {
            // It panics for nothing, and is aborted by nobody else.
            drop(running.await);
        }
    }
}

impl Drop for QueueWorker {
    fn drop(&mut self) {
        self.loops.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for QueueWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueWorker").field("queue", &self.queue).finish_non_exhaustive()
    }
}

fn spawn(tasking: &TaskingController, source: &Arc<dyn Source>) -> QueueWorker {
    let (end, ending) = Ending::new();
    let work = || tokio::spawn(work(tasking.clone(), source.clone(), ending.clone()));
    let queue = tasking.queue_name().to_owned();
    tracing::info!(queue, "this process works off the queue");
    QueueWorker { queue, loops: (0..BATCHES).map(|_| work()).collect(), end }
}

async fn work(tasking: TaskingController, source: Arc<dyn Source>, ending: Ending) {
    let Some(visibility) = answer(&tasking, &ending, || source.visibility()).await else { return };
    let hidden = visibility.clamp(SHORTEST_HIDDEN, LONGEST_HIDDEN);
    let polled = Polled { hidden, time: tasking.settings().worker_time, ending };
    loop {
        let attempt = Uuid::now_v7().to_string();
        let receive = || source.receive(&attempt, polled.hidden);
        match answer(&tasking, &polled.ending, receive).await {
            Some(records) if records.is_empty() => {}
            Some(records) => tasking.work_polled(&records, &polled).await,
            None => return,
        }
    }
}

/// What the queue answers, which is asked until it does; none once the worker ends. What SQS gives to a request that nobody
/// waits for any more stays hidden for a while, and comes again.
async fn answer<'a, T>(
    tasking: &TaskingController,
    ending: &Ending,
    ask: impl Fn() -> BoxFuture<'a, Result<T>>,
) -> Option<T> {
    let mut pause = FIRST_PAUSE;
    while !ending.has_begun() {
        let error = match select(pin!(timeout(ANSWER, ask())), pin!(ending.begun())).await {
            Either::Left((Ok(Ok(answer)), _)) => return Some(answer),
            Either::Left((Ok(Err(error)), _)) => error.chain(),
            Either::Left((Err(_), _)) => "there was no answer".to_owned(),
            Either::Right(_) => return None,
        };
        tracing::warn!(queue = tasking.queue_name(), error, again_in = ?pause, "the queue could not be asked for tasks");
        select(pin!(sleep(pause)), pin!(ending.begun())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use super::*;
    use crate::{
        error::BoxError,
        tasking::{
            LocalQueue, MemoryStore,
            event::Record,
            message::Message,
            queue::{Failed, Queue, Sent, VisibilityChange},
        },
    };

    impl Source for LocalQueue {
        fn visibility(&self) -> BoxFuture<'_, Result<Duration>> {
            Box::pin(async { Ok(Duration::from_secs(30)) })
        }

        fn receive<'a>(&'a self, _: &'a str, _: Duration) -> BoxFuture<'a, Result<Vec<Record>>> {
            Box::pin(async { Ok(self.next().await) })
        }
    }

    /// A queue that answers nothing the first times, and what it was asked with.
    #[derive(Debug)]
    struct Shaky(LocalQueue, AtomicUsize, Mutex<Vec<String>>);

    impl Source for Shaky {
        fn visibility(&self) -> BoxFuture<'_, Result<Duration>> {
            self.0.visibility()
        }

        fn receive<'a>(&'a self, attempt: &'a str, hidden: Duration) -> BoxFuture<'a, Result<Vec<Record>>> {
            self.2.lock().expect("no panic").push(attempt.to_owned());
            match self.1.fetch_add(1, Relaxed) {
                0 => Box::pin(async { Err(Error::new(ErrorKind::Queue, "not now")) }),
                1 => Box::pin(std::future::pending()),
                _ => Source::receive(&self.0, attempt, hidden),
            }
        }
    }

    impl Queue for Shaky {
        fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>> {
            self.0.send(messages)
        }

        fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
            self.0.change_visibility(changes)
        }

        fn delete<'a>(&'a self, receipt: &'a str) -> BoxFuture<'a, Result<()>> {
            self.0.delete(receipt)
        }
    }

    type Done = Arc<Mutex<Vec<String>>>;

    /// A queue with tasks of one group each, `name:seconds`, and a controller that notes each at its begin and at its end.
    async fn queue(tasks: &[(&str, &str)]) -> (LocalQueue, TaskingController, Done) {
        let (queue, done) = (LocalQueue::new("t.fifo").with_visibility(Duration::from_secs(30)), Done::default());
        let noted = done.clone();
        let tasking = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue);
        let tasking = tasking.on_raw(move |_, task| {
            let noted = noted.clone();
            async move {
                let body = task.into_body();
                let seconds = body.split(':').nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
                noted.lock().expect("no panic").push(format!("+{body}"));
                sleep(Duration::from_secs(seconds)).await;
                noted.lock().expect("no panic").push(body);
                Ok::<(), BoxError>(())
            }
        });
        for (group, body) in tasks {
            tasking.post_raw(*body, [("a", "b")]).with_group(*group).await.expect("posted");
        }
        (queue, tasking, done)
    }

    fn started(tasking: &TaskingController, queue: &LocalQueue) -> QueueWorker {
        spawn(tasking, &(Arc::new(queue.clone()) as Arc<dyn Source>))
    }

    fn seen(done: &Done) -> Vec<String> {
        std::mem::take(&mut done.lock().expect("no panic"))
    }

    async fn seconds(seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_stays_hidden_while_it_runs_and_what_is_done_is_deleted_at_once() {
        let (queue, tasking, done) = queue(&[("a", "a1:0"), ("a", "a2:200"), ("b", "b1:100"), ("b", "b2:0")]).await;
        let worker = started(&tasking, &queue);
        seconds(1).await;
        assert_eq!(queue.len(), 3, "a1 is deleted");
        seconds(120).await;
        assert_eq!(queue.len(), 1, "a2 runs");
        seconds(120).await;
        worker.end_within(Duration::ZERO);
        worker.ended().await;
        assert_eq!(seen(&done), ["+a1:0", "a1:0", "+a2:200", "+b1:100", "b1:100", "+b2:0", "b2:0", "a2:200"]);
        assert!(queue.is_empty() && queue.dead_letters().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_ends_finishes_what_runs_and_gives_back_the_rest() {
        let (queue, tasking, done) = queue(&[("a", "a1:5"), ("a", "a2:0"), ("a", "a3:0")]).await;
        let worker = started(&tasking, &queue);
        seconds(1).await;
        worker.end_within(Duration::from_secs(9));
        // Not within less time, nor within more.
        worker.end_within(Duration::ZERO);
        let begun = Instant::now();
        tasking.post_raw("later:0", [("a", "b")]).with_group("c").await.expect("posted");
        worker.ended().await;
        assert_eq!(begun.elapsed().as_secs(), 4);
        assert_eq!(seen(&done), ["+a1:5", "a1:5"]);
        // They come at once, in their order, and as nobody's failure.
        tasking.work_off().await.expect("a local queue");
        let (later, of_a): (Vec<_>, Vec<_>) = seen(&done).into_iter().partition(|body| body.contains("later"));
        assert_eq!((of_a, later.len()), (["+a2:0", "a2:0", "+a3:0", "a3:0"].map(String::from).to_vec(), 2));
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_not_ended_in_time_is_cut_and_given_back() {
        let (queue, tasking, done) = queue(&[("a", "a1:60"), ("a", "a2:0"), ("b", "b1:60")]).await;
        let store = Arc::new(MemoryStore::new());
        let tasking = tasking.with_shared_store(store.clone()).with_attempts(1);
        let worker = started(&tasking, &queue);
        seconds(1).await;
        let begun = Instant::now();
        worker.end_within(Duration::from_secs(9));
        worker.ended().await;
        assert_eq!(begun.elapsed().as_secs(), 9);
        let mut cut = seen(&done);
        cut.sort();
        assert_eq!(cut, ["+a1:60", "+b1:60"]);
        // Neither the queue nor the store keeps it back, and it was no attempt.
        let worker = started(&tasking, &queue);
        seconds(61).await;
        let mut all = seen(&done);
        all.sort();
        assert_eq!(all, ["+a1:60", "+a2:0", "+b1:60", "a1:60", "a2:0", "b1:60"]);
        drop(worker);
        assert!(queue.is_empty() && queue.dead_letters().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_dead_process_had_comes_again_soon_and_in_order() {
        let (queue, tasking, done) = queue(&[("a", "a1:20"), ("a", "a2:0")]).await;
        let worker = started(&tasking, &queue);
        seconds(19).await;
        drop(worker);
        assert_eq!(seen(&done), ["+a1:20"]);
        let worker = started(&tasking, &queue);
        seconds(29).await;
        assert_eq!(seen(&done), ["+a1:20"], "30 s after it was hidden last");
        seconds(60).await;
        assert_eq!(seen(&done), ["a1:20", "+a2:0", "a2:0"]);
        drop(worker);
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_does_not_answer_is_asked_again_with_the_same_attempt() {
        let (queue, tasking, done) = queue(&[("a", "a1:0")]).await;
        let shaky = Arc::new(Shaky(queue.clone(), AtomicUsize::new(0), Mutex::default()));
        let (end, ending) = Ending::new();
        let working = tokio::spawn(work(tasking, shaky.clone(), ending));
        seconds(60).await;
        end.send_replace(Some(Instant::now()));
        working.await.expect("it ends by itself");
        let attempts = shaky.2.lock().expect("no panic").clone();
        assert!(attempts[0] == attempts[1] && attempts[1] == attempts[2] && attempts[2] != attempts[3], "{attempts:?}");
        assert_eq!(seen(&done), ["+a1:0", "a1:0"]);
    }

    #[tokio::test]
    async fn a_queue_in_the_process_is_not_polled() {
        let (_, tasking, _) = queue(&[]).await;
        let error = tasking.run_worker(std::future::ready(()), Duration::ZERO).await.expect_err("it is local");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let idle = TaskingController::new("https://sqs.eu-west-1.amazonaws.com/123456789012/t.fifo").expect("FIFO");
        let error = idle.run_worker(std::future::ready(()), Duration::ZERO).await.expect_err("nothing would run");
        assert!(error.to_string().contains("`on`"), "{error}");
    }
}
