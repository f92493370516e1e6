//! Sends the messages of a controller: it picks the queue, limits the time for attempts, and sends the outbox of a scope.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{
    backend::Backend,
    controller::TaskingController,
    event::Record,
    local_worker::{Inline, in_runtime, inline_arn},
    long_delays::QueueWithDelays,
    message::Message,
    offload::check_size,
    queue::{DeadLetterTarget, Queue},
    scope::Scope,
    send::{self, BatchOrder, Budget, Posted},
};
use crate::error::Result;

/// What an invocation keeps for its answer when a post goes on until its end.
const ANSWER_TIME: Duration = Duration::from_millis(100);
/// How long a task may run while it is posted; half of it, as a post may be attempted twice.
const INLINE_TIME: Duration = Duration::from_secs(24 * 60 * 60);

impl TaskingController {
    /// Whether both mean one queue, whatever else is set of them.
    pub(crate) fn posts_to_queue_of(&self, other: &Self) -> bool {
        let is_same_name = match [self.name(), other.name()].map(|name| name.contains("://")) {
            [true, true] => self.name() == other.name(),
            _ => self.queue_name() == other.queue_name(),
        };
        is_same_name
            && match (self.backend(), other.backend()) {
                (Backend::Local(queue, _), Backend::Local(other, _)) => queue.is(&other),
                (Backend::Sqs(_), Backend::Sqs(_)) | (Backend::Inline, Backend::Inline) => true,
                _ => false,
            }
    }

    pub(crate) async fn send_one(&self, message: Message) -> Result<Posted> {
        let queue = self.queue()?;
        let status = self.status_key_if_kept(&message);
        let posted = send::one(&*queue, self.ready(message).await?, self.budget()).await?;
        self.note_queued(status).await;
        Ok(posted)
    }

    pub(crate) async fn send_many(&self, messages: Vec<Result<Message>>, order: BatchOrder) -> Vec<Result<Posted>> {
        let queue = match self.queue() {
            Ok(queue) => queue,
            Err(error) => return messages.into_iter().map(|message| message.and(Err(error.clone()))).collect(),
        };
        let (mut ready, mut statuses) = (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
        for message in messages {
            statuses.push(message.as_ref().ok().and_then(|message| self.status_key_if_kept(message)));
            ready.push(match message {
                Ok(message) => self.ready(message).await,
                Err(error) => Err(error),
            });
        }
        let posted = send::many(&*queue, ready, order, self.budget()).await;
        for (_, status) in posted.iter().zip(statuses).filter(|(posted, _)| posted.is_ok()) {
            self.note_queued(status).await;
        }
        posted
    }

    /// A message that keeps the rules, also where what was posted is too large for one.
    async fn ready(&self, message: Message) -> Result<Message> {
        match &self.settings().offload {
            Some(offload) => {
                let settings = self.settings();
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
        let time = match self.backend() {
            // It is the task that takes the time.
            Backend::Inline => INLINE_TIME,
            _ => self.settings().send_time,
        };
        Budget { time, until }
    }

    pub(crate) fn queue(&self) -> Result<Arc<dyn Queue>> {
        in_runtime()?;
        Ok(match self.backend() {
            Backend::Sqs(queue) => match self.settings().long_delays.clone() {
                Some(delays) => Arc::new(QueueWithDelays { queue, delays }),
                None => queue,
            },
            Backend::Inline => Arc::new(Inline::new(self)),
            Backend::Local(queue, start) => {
                self.start(&queue, start);
                Arc::new(queue)
            }
        })
    }

    /// The queue as its events name it.
    pub(super) fn queue_arn(&self) -> BoxFuture<'_, Result<String>> {
        match self.backend() {
            Backend::Sqs(sqs) => Box::pin(async move { sqs.arn().await.cloned() }),
            Backend::Local(queue, _) => Box::pin(std::future::ready(Ok(queue.arn()))),
            Backend::Inline => Box::pin(std::future::ready(Ok(inline_arn(self.queue_name())))),
        }
    }

    /// Where this queue's dead letters go; none where tasks run while they are posted. Boxed, as the compiler gives up on
    /// the type of a future with all of the SDK in it.
    pub(crate) fn dead_letter_target<'a>(
        &self,
        record: &'a Record,
        attempt: u32,
    ) -> BoxFuture<'a, Result<Option<DeadLetterTarget>>> {
        let named = self.settings().dead_letter_queue.clone().map(|queue| queue as Arc<dyn Queue>);
        match self.backend() {
            Backend::Sqs(sqs) => {
                Box::pin(async move { sqs.dead_letter_target(&record.queue_arn, named).await.map(Some) })
            }
            Backend::Local(queue, _) => Box::pin(std::future::ready(Ok(Some(queue.dead_letter_target(attempt))))),
            Backend::Inline => Box::pin(std::future::ready(Ok(None))),
        }
    }
}

/// Sends what a handler kept for its success, in the order in which it did.
pub(crate) async fn flush(scope: &Arc<Scope>) -> Result<()> {
    // Within the scope, whose deadline and trace are those of what it posts.
    scope.run(send_buffered(scope)).await
}

async fn send_buffered(scope: &Scope) -> Result<()> {
    let mut buffered = scope.take().into_iter().peekable();
    while let Some(first) = buffered.next() {
        let tasking = first.tasking;
        let mut messages = vec![Ok(first.message)];
        while let Some(next) = buffered.next_if(|next| next.tasking.is_same_queue(&tasking)) {
            messages.push(Ok(next.message));
        }
        let posted = tasking.send_many(messages, BatchOrder::Strict).await;
        posted.into_iter().collect::<Result<Vec<_>>>()?;
    }
    Ok(())
}
