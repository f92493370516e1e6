//! Which task has had its attempts, and how it gets to the dead letters. The worker sends it there itself, and its group goes
//! on in the same batch: would it wait for the queue to do that, all that was received behind it would have used up its
//! receives with it, and become dead letters that never ran. It does not know why a task failed.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    TaskingController,
    batch::Outcome,
    event::Record,
    message::Message,
    post::{ID, KEY},
    queue::Queue,
    send::{self, Budget},
    work::Times,
};
use crate::error::{Error, ErrorKind, Result};

/// Where the dead letters of a queue go.
pub(crate) struct DeadLetters {
    /// None where it keeps what nobody can run.
    pub(crate) queue: Option<Arc<dyn Queue>>,
    /// After so many receives the queue sends a message there by itself, run or not.
    pub(crate) most_receives: Option<u32>,
}

/// One run of a task.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) number: u32,
    pub(crate) begun: Instant,
}

impl TaskingController {
    /// What becomes of a task after a run. One that failed for good leaves at once, where there is a queue for such; any
    /// that failed leaves with its last attempt.
    pub(crate) async fn judge(&self, record: &Record, attempt: Attempt, outcome: Outcome, times: Times) -> Outcome {
        let failure = match &outcome {
            Outcome::Failed(error) | Outcome::Panicked(error) => error.clone(),
            // One that was begun late could not show whether it takes too long.
            Outcome::Cut if times.is_whole(attempt.begun) => {
                Error::new(ErrorKind::Handler, "a task took longer than its invocation")
            }
            _ => return outcome,
        };
        let is_final = matches!(failure.kind(), ErrorKind::Permanent | ErrorKind::Task);
        let leaves_at_once = is_final && self.settings().dead_letter_queue.is_some();
        let letters = match self.dead_letters_within(record, attempt.number, times).await {
            Ok(Some(letters)) => letters,
            Ok(None) => return outcome,
            Err(error) if attempt.number >= self.settings().attempts => {
                tracing::error!(
                    error = error.chain(),
                    attempts = attempt.number,
                    "a task has had its attempts, and its dead-letter queue is not known: it comes again. The worker \
                     needs sqs:GetQueueAttributes on its queue, or `with_dead_letter_queue`"
                );
                return outcome;
            }
            Err(_) => return outcome,
        };
        let most = letters.most_receives.map_or(self.settings().attempts, |most| most.min(self.settings().attempts));
        match letters.queue {
            _ if attempt.number < most && !leaves_at_once => outcome,
            Some(queue) => match self.bury(&*queue, record, times).await {
                Ok(()) => Outcome::Buried(failure),
                Err(error) => {
                    tracing::error!(
                        error = error.chain(),
                        "a task could not be sent to the dead-letter queue: it comes again. The worker needs \
                         sqs:SendMessage on that queue"
                    );
                    outcome
                }
            },
            None => {
                tracing::warn!(
                    attempts = attempt.number,
                    "a task has had its attempts, and its queue has no dead-letter queue: it comes again, and its group \
                     waits. Give the queue a RedrivePolicy"
                );
                outcome
            }
        }
    }

    /// Whether a task that failed is to be tried again at once, in this batch: then nothing behind it is received again for it.
    pub(crate) fn is_due_at_once(&self, record: &Record, number: u32, outcome: &Outcome) -> bool {
        let failed = matches!(outcome, Outcome::Failed(_) | Outcome::Panicked(_));
        let is_due = failed && self.delay(record, number, outcome) == Some(Duration::ZERO);
        is_due && number < self.settings().attempts && number - record.attempt < MOST_AT_ONCE
    }

    async fn dead_letters_within(&self, record: &Record, attempt: u32, times: Times) -> Result<Option<DeadLetters>> {
        let end = Instant::now() + self.settings().send_time;
        let end = times.end.map_or(end, |other| other.min(end));
        let late = |_| Err(Error::new(ErrorKind::Queue, "the queue did not say in time where its dead letters go"));
        timeout_at(end, self.dead_letters(record, attempt)).await.unwrap_or_else(late)
    }

    /// Sends a message on as it came, in its group. Its id is made from the one that it has in its queue, so that it is
    /// one letter although it comes again, as it does where the answer of its batch is lost.
    async fn bury(&self, queue: &dyn Queue, record: &Record, times: Times) -> Result<()> {
        let without = || Error::new(ErrorKind::Event, "a message has no id");
        let group = record.group.clone().filter(|group| !group.is_empty());
        let message = Message {
            body: record.body.clone().unwrap_or_default(),
            attributes: record.attributes.clone(),
            group: group.unwrap_or_else(|| self.default_group().to_owned()),
            deduplication: format!("dlq-{}", record.message_id.as_deref().ok_or_else(without)?),
            trace: record.trace.clone(),
        };
        let budget = Budget { until: times.end, ..self.budget() };
        send::one(queue, known_again(record, message)?, budget).await.map(drop)
    }
}

/// How often a task is tried again at once before others of its batch get the time.
const MOST_AT_ONCE: u32 = 10;

/// The message with what it was known by: come back from the dead letters, it is the same task. A message that is full is
/// sent without.
fn known_again(record: &Record, message: Message) -> Result<Message> {
    if record.attributes.contains_key(KEY) {
        return message.checked();
    }
    let mut known = message.clone();
    known.attributes.insert(ID.to_owned(), record.own_id().into());
    known.checked().or_else(|_| message.checked())
}
