//! Who empties the local queue: events go in, answers come out, and what they don't list is deleted, as Lambda does it.

use std::{fmt, pin::pin};

use futures_util::future::{BoxFuture, Either, select};
use tokio::{sync::watch, task::JoinHandle};

use super::LocalQueue;
use crate::{
    error::Result,
    tasking::{
        TaskingController,
        event::{self, Record},
        message::Message,
        queue::{Failed, Hiding, Queue, Sent},
    },
};

/// How many batches run at a time.
const BATCHES: usize = 4;

/// A running worker of a [`LocalQueue`].
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{LocalQueue, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let queue = LocalQueue::new("mail.fifo");
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
/// let tasks = tasks.on_raw(async |_context, _task| Ok::<(), std::io::Error>(()));
/// let worker = tasks.spawn_worker()?;
/// tasks.post_raw("hello", [("locale", "de")]).await?;
/// while !queue.is_empty() {
///     tokio::task::yield_now().await;
/// }
/// worker.stop().await;
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "a worker that is dropped stops in the middle of what it does"]
pub struct LocalWorker {
    stopping: watch::Sender<bool>,
    loops: Vec<JoinHandle<()>>,
}

impl LocalWorker {
    pub(crate) fn spawn(tasking: &TaskingController, queue: &LocalQueue) -> Self {
        let (stopping, stopped) = watch::channel(false);
        let work = || tokio::spawn(work(tasking.clone(), queue.clone(), stopped.clone()));
        Self { loops: (0..BATCHES).map(|_| work()).collect(), stopping }
    }

    /// Takes no further batch, and waits for those that run.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        for running in std::mem::take(&mut self.loops) {
            // It panics for nothing, and is aborted by nobody else.
            drop(running.await);
        }
    }
}

impl Drop for LocalWorker {
    fn drop(&mut self) {
        self.loops.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for LocalWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalWorker").field("loops", &self.loops.len()).finish()
    }
}

async fn work(tasking: TaskingController, queue: LocalQueue, mut stopped: watch::Receiver<bool>) {
    loop {
        let stop = async {
            if stopped.wait_for(|stopped| *stopped).await.is_err() {
                // Its handle is gone: nobody can stop it.
                std::future::pending::<()>().await;
            }
        };
        // First whether to stop, so that nothing is received after it. A batch that was received is worked off: the branch that
        // waits is the only one that is dropped.
        let records = match select(pin!(stop), pin!(queue.next())).await {
            Either::Left(_) => return,
            Either::Right((records, _)) => records,
        };
        run(&tasking, &queue, &records).await;
    }
}

/// Works off what can be received now.
pub(crate) async fn work_off(tasking: &TaskingController, queue: &LocalQueue) -> usize {
    let mut batches = 0;
    loop {
        let records = queue.receive();
        if records.is_empty() {
            return batches;
        }
        run(tasking, queue, &records).await;
        batches += 1;
    }
}

async fn run(tasking: &TaskingController, queue: &LocalQueue, records: &[Record]) {
    let answer = tasking.handle_event(&event::event(records), Some(queue.timeout())).await;
    queue.settle(records, answer);
}

/// Runs a task while it is posted.
#[derive(Debug)]
pub(crate) struct Inline(TaskingController);

impl Inline {
    pub(crate) fn new(tasking: &TaskingController) -> Self {
        Self(tasking.clone())
    }
}

impl Queue for Inline {
    fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>> {
        Box::pin(async move {
            let mut outcomes = Vec::new();
            for message in messages {
                let id = message.deduplication.clone();
                let sent = Sent { message_id: id.clone(), sequence_number: String::new() };
                let event = event::event(&[inline_record(self.0.queue_name(), message, id)]);
                let outcome = self.0.run_alone(&event).await;
                outcomes.push(outcome.map(|()| sent).map_err(|error| Failed::new(error.kind(), error)));
            }
            Ok(outcomes)
        })
    }

    fn hide<'a>(&'a self, _: &'a [Hiding]) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn inline_record(queue: &str, message: &Message, id: String) -> Record {
    Record {
        message_id: Some(id),
        // There is nothing to put off.
        receipt: String::new(),
        queue_arn: format!("arn:aws:sqs:local:000000000000:{queue}"),
        group: Some(message.group.clone()),
        deduplication: Some(message.deduplication.clone()),
        sequence_number: None,
        receives: 1,
        first_received_at: None,
        sent_at: Some(std::time::SystemTime::now()),
        trace: message.trace.clone(),
        body: Some(message.body.clone()),
        attributes: message.attributes.clone(),
    }
}
