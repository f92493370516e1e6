//! When a task becomes a dead letter, and how it gets into that queue. The worker sends it itself, and its group goes on in the
//! same batch. If the worker left that to SQS, the tasks behind it would use up their receives with it, and become dead letters
//! without having run. It does not know why a task failed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use super::{
    batch::TaskOutcome,
    event::Record,
    invocation::{Attempt, Invocation},
    message::{ATTEMPTS, Attribute, FIRST, ID, KEY, LAST, LETTER, Message, REASON},
    queue::{DeadLetterTarget, Queue},
    send::{self, Budget},
    visibility::delay,
};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::digest::hex,
};

/// What happens next to a task that failed.
pub(crate) enum NextStep {
    /// Nothing: the dead-letter queue has it.
    DeadLetter,
    /// It runs again in this batch, so that the tasks behind it are not received again.
    RetryNow,
    /// It runs again when it is received again.
    RetryLater,
}

impl Invocation<'_> {
    /// The next step for a task that failed. A permanent failure goes to the dead letters at once, if the queue has any; other
    /// failures go there with the last attempt.
    pub(crate) async fn next_step(
        &self,
        record: &Record,
        attempt: Attempt,
        outcome: &TaskOutcome,
        failure: &Error,
        has_time: bool,
    ) -> NextStep {
        let is_due_at_once = delay(record, attempt.number, outcome, attempt.policy) == Some(Duration::ZERO);
        let may_go_on = has_time && !record.receipt.is_empty() && attempt.runs + 1 < MOST_AT_ONCE;
        let next = if is_due_at_once && may_go_on { NextStep::RetryNow } else { NextStep::RetryLater };
        let is_last = attempt.number >= attempt.policy.attempts;
        let target = match self.dead_letter_target(record, attempt.number).await {
            Ok(Some(target)) => target,
            Ok(None) => return next,
            Err(error) => {
                if is_last {
                    tracing::error!(
                        error = error.chain(),
                        attempts = attempt.number,
                        "a task has had its attempts, and its dead-letter queue is not known: it comes again. The worker \
                         needs sqs:GetQueueAttributes on its queue, or `with_dead_letter_queue`"
                    );
                }
                return if is_last { NextStep::RetryLater } else { next };
            }
        };
        let is_final = match failure.kind() {
            ErrorKind::Permanent => true,
            // The next deployment may well be able to handle it.
            ErrorKind::Task => self.tasking.settings().dead_letter_queue.is_some(),
            _ => false,
        };
        let leaves = is_last || is_final;
        // The queue makes a dead letter of it when it would give it again.
        let is_last_receive = target.most_receives.is_some_and(|most| record.receives >= most);
        match target.queue {
            _ if !leaves && !is_last_receive => next,
            _ if !leaves && may_go_on => NextStep::RetryNow,
            Some(queue) => match self.send_to_dead_letters(&*queue, record, attempt.number, failure).await {
                Ok(()) => NextStep::DeadLetter,
                Err(error) => {
                    tracing::error!(
                        error = error.chain(),
                        "a task could not be sent to the dead-letter queue: it comes again. The worker needs \
                         sqs:SendMessage on that queue"
                    );
                    NextStep::RetryLater
                }
            },
            None => {
                tracing::warn!(
                    attempts = attempt.number,
                    "a task has had its attempts, and its queue has no dead-letter queue: it comes again, and its group \
                     waits. Give the queue a RedrivePolicy"
                );
                NextStep::RetryLater
            }
        }
    }

    async fn dead_letter_target(&self, record: &Record, attempt: u32) -> Result<Option<DeadLetterTarget>> {
        let end = Instant::now() + self.tasking.settings().send_time;
        let end = self.times.end.map_or(end, |other| other.min(end));
        let late = |_| Err(Error::new(ErrorKind::Queue, "the queue did not say in time where its dead letters go"));
        timeout_at(end, self.tasking.dead_letter_target(record, attempt)).await.unwrap_or_else(late)
    }

    /// Sends a message on as it came, in its group, with what became of it. Its id is made from the one that it has in its
    /// queue, so that it is one letter although it comes again, as it does where the answer of its batch is lost.
    async fn send_to_dead_letters(
        &self,
        queue: &dyn Queue,
        record: &Record,
        attempts: u32,
        failure: &Error,
    ) -> Result<()> {
        let without = || Error::new(ErrorKind::Event, "a message has no id");
        let id = record.message_id.as_deref().ok_or_else(without)?;
        let group = record.group.clone().filter(|group| !group.is_empty());
        let message = Message {
            body: record.body.clone().unwrap_or_default(),
            attributes: record.attributes.clone(),
            group: group.unwrap_or_else(|| id.to_owned()),
            deduplication: letter_id(id, &record.own_id()),
            trace: record.trace.clone(),
        };
        let budget = Budget { until: self.times.end, ..self.tasking.budget() };
        send::one(queue, with_history(record, message, attempts, failure)?, budget).await.map(drop)
    }
}

/// How often a task is tried again at once before others of its batch get the time.
const MOST_AT_ONCE: u32 = 10;
/// A message's id is no longer at SQS.
const LONGEST_MESSAGE_ID: usize = 36;
/// An attribute counts towards the size of a message, and a reason is for people.
const LONGEST_REASON: usize = 1_000;

/// The id of a dead letter. Also where no attribute has room in it, the task's own id is in there.
fn letter_id(message_id: &str, own_id: &str) -> String {
    let digest;
    let message_id = match message_id.get(LONGEST_MESSAGE_ID..) {
        None | Some("") => message_id,
        Some(_) => {
            digest = hex(&Sha256::digest(message_id));
            digest.get(..LONGEST_MESSAGE_ID).unwrap_or_default()
        }
    };
    format!("{LETTER}{message_id}:{own_id}")
}

/// The message with what it was known by, so that it is the same task when it comes back from the dead letters, and with why
/// it is one. What has no room in it is left out.
fn with_history(record: &Record, message: Message, attempts: u32, failure: &Error) -> Result<Message> {
    let now = SystemTime::now();
    let first = record.first_received_at.or(record.sent_at).unwrap_or(now);
    // As SQS writes its own times: milliseconds since 1970.
    let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let time = |time| Attribute::Number(since_1970(time).to_string());
    let is_known = [KEY, ID].iter().any(|name| record.attributes.contains_key(*name));
    let id = (!is_known).then(|| (ID, Attribute::from(&*record.own_id())));
    let history = [
        (REASON, reason(failure).into()),
        (ATTEMPTS, Attribute::from(i64::from(attempts))),
        (FIRST, time(first)),
        (LAST, time(now)),
    ];
    let mut message = message.checked()?;
    for (name, value) in id.into_iter().chain(history) {
        let mut fuller = message.clone();
        fuller.attributes.insert(name.to_owned(), value);
        message = fuller.checked().unwrap_or(message);
    }
    Ok(message)
}

/// The error with its causes, without what no message takes.
pub(super) fn reason(failure: &Error) -> String {
    let text = failure.chain();
    text.chars()
        .map(|c| if c < ' ' || c > '\u{fffd}' && c < '\u{10000}' { ' ' } else { c })
        .take(LONGEST_REASON)
        .collect()
}
