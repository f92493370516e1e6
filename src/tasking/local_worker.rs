//! The worker of a local queue: events go in, answers come out, and what they don't list is deleted, as Lambda does it. With
//! [`Inline`] a task runs while it is posted.

use std::pin::pin;

use futures_util::future::{BoxFuture, Either, select};
use tokio::sync::watch;

use super::{
    backend::{Backend, WorkerStart},
    controller::TaskingController,
    event::{self, Record},
    local::{LocalQueue, LocalWorker},
    message::Message,
    queue::{Failed, Queue, Sent, VisibilityChange},
};
use crate::error::{Error, ErrorKind, Result};

/// How many batches run at a time.
pub(super) const BATCHES: usize = 4;

impl TaskingController {
    /// Runs what can be received from the [`LocalQueue`], batch by batch, until nothing can; says how many batches.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the queue is not a local one.
    pub async fn work_off(&self) -> Result<usize> {
        Ok(work_off(self, &self.local_queue()?).await)
    }

    /// Works off the [`LocalQueue`] as tasks come, until it is told to stop.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the queue is not a local one.
    pub fn spawn_worker(&self) -> Result<LocalWorker> {
        Ok(spawn(self, &self.local_queue()?))
    }

    fn local_queue(&self) -> Result<LocalQueue> {
        in_runtime()?;
        match self.backend() {
            Backend::Local(queue, _) => Ok(queue),
            _ => Err(Error::new(ErrorKind::Configuration, format!("`{}` is no local queue", self.name()))),
        }
    }

    /// The queue in this process, where it has one.
    #[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "the local server shows it"))]
    pub(crate) fn queue_of_process(&self) -> Option<LocalQueue> {
        match self.backend() {
            Backend::Local(queue, _) => Some(queue),
            Backend::Sqs(_) | Backend::Inline => None,
        }
    }

    /// Starts the worker of the local queue, where this is one that has its own: an app does that before the first post,
    /// for what posts may be a controller without handlers.
    pub(crate) fn start_local_worker(&self) {
        if let Backend::Local(queue, start) = self.backend() {
            self.start(&queue, start);
        }
    }

    pub(super) fn start(&self, queue: &LocalQueue, start: WorkerStart) {
        if start != WorkerStart::WithFirstPost {
            return;
        }
        if self.handlers().is_empty() {
            queue.warn_of_no_worker();
        } else if queue.take_worker() {
            queue.keep(spawn(self, queue));
        }
    }

    /// Ends the worker of the local queue where it has its own: what runs is finished, and what can't be is named.
    pub(crate) async fn stop_local_worker(&self) {
        if let Backend::Local(queue, WorkerStart::WithFirstPost) = self.backend() {
            queue.stop().await;
        }
    }
}

fn spawn(tasking: &TaskingController, queue: &LocalQueue) -> LocalWorker {
    let (stopping, stopped) = watch::channel(false);
    let work = || tokio::spawn(work(tasking.clone(), queue.clone(), stopped.clone()));
    LocalWorker { loops: (0..BATCHES).map(|_| work()).collect(), stopping }
}

/// Timeouts and workers are the runtime's.
pub(super) fn in_runtime() -> Result<()> {
    let message = "tasks are posted and worked off within a Tokio runtime: call this from async code that one runs";
    tokio::runtime::Handle::try_current().map(drop).map_err(|_| Error::new(ErrorKind::Configuration, message))
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
async fn work_off(tasking: &TaskingController, queue: &LocalQueue) -> usize {
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

    fn change_visibility<'a>(&'a self, _: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// The ARN of a queue whose tasks run while they are posted.
pub(super) fn inline_arn(queue: &str) -> String {
    format!("arn:aws:sqs:local:000000000000:{queue}")
}

/// A message as it is received.
pub(super) fn inline_record(queue: &str, message: &Message, id: String) -> Record {
    Record {
        message_id: Some(id),
        // There is nothing to put off.
        receipt: String::new(),
        queue_arn: inline_arn(queue),
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
