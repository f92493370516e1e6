//! Tasks that wait for longer than their queue is good for: they wait elsewhere, and come to the queue when they are due. It
//! decides which do, and does not know where they wait.

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::{BoxFuture, join_all};

use super::{
    backend::Backend,
    controller::TaskingController,
    delayed::{due, waiting_id},
    message::Message,
    queue::{Failed, Queue, Sent, VisibilityChange},
    sqs::Sqs,
};
use crate::error::{ErrorKind, Result};

/// What waits for longer waits elsewhere: in the queue it would be in flight all the time.
const LONGEST_IN_QUEUE: Duration = Duration::from_secs(15 * 60);

/// Where tasks wait for a long time.
pub(crate) trait LongDelays: Debug + Send + Sync {
    /// Keeps a waiting message, and brings what it [becomes](due) to the queue with this URL; also one that it keeps already.
    fn keep<'a>(&'a self, url: &'a str, waiting: &'a Message) -> BoxFuture<'a, Result<Sent, Failed>>;

    /// Forgets the message that waits by this id; whether there was one.
    fn forget<'a>(&'a self, url: &'a str, waiting_id: &'a str) -> BoxFuture<'a, Result<bool, Failed>>;
}

/// A queue, and where its tasks wait for a long time.
#[derive(Debug)]
pub(super) struct QueueWithDelays {
    pub(super) queue: Arc<Sqs>,
    pub(super) delays: Arc<dyn LongDelays>,
}

impl QueueWithDelays {
    async fn send_each(&self, messages: &[&Message]) -> Result<Vec<Result<Sent, Failed>>, Failed> {
        let now = SystemTime::now();
        let is_long = |message: &&Message| due(message).is_some_and(|due| due > now + LONGEST_IN_QUEUE);
        let (long, short): (Vec<&Message>, Vec<&Message>) = messages.iter().copied().partition(is_long);
        if long.is_empty() {
            return self.queue.send(messages).await;
        }
        let url = self.queue.url().await?;
        let kept = join_all(long.iter().map(|message| self.delays.keep(url, message))).await;
        let sent = match self.queue.send(&short).await {
            _ if short.is_empty() => Vec::new(),
            Ok(sent) => sent,
            Err(failed) => short.iter().map(|_| Err(failed.clone())).collect(),
        };
        let (mut kept, mut sent) = (kept.into_iter(), sent.into_iter());
        let unanswered = || Err(Failed::new(ErrorKind::Queue, "the answer does not name the message"));
        let outcome = |message: &&Message| if is_long(message) { kept.next() } else { sent.next() };
        Ok(messages.iter().map(outcome).map(|outcome| outcome.unwrap_or_else(unanswered)).collect())
    }
}

impl Queue for QueueWithDelays {
    fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>> {
        Box::pin(self.send_each(messages))
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
        self.queue.change_visibility(changes)
    }

    fn delete<'a>(&'a self, receipt: &'a str) -> BoxFuture<'a, Result<()>> {
        self.queue.delete(receipt)
    }
}

impl TaskingController {
    /// Where tasks of this queue wait for a long time. The local queue keeps them itself.
    pub(super) fn long_delays(&self) -> Option<(Arc<Sqs>, Arc<dyn LongDelays>)> {
        match (self.backend(), &self.settings().long_delays) {
            (Backend::Sqs(sqs), Some(delays)) => Some((sqs, delays.clone())),
            _ => None,
        }
    }

    /// Forgets a task that waits for a long time; whether there was one.
    pub(super) fn forget<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let Some((sqs, delays)) = self.long_delays() else { return Ok(false) };
            let forgotten = async { delays.forget(sqs.url().await?, &waiting_id(message)).await };
            forgotten.await.map_err(|failed| failed.error(1, false))
        })
    }
}
