//! Which task has had its attempts, and how it gets to the dead letters. The worker sends it there itself, and its group goes
//! on in the same batch: would it wait for the queue to do that, all that was received behind it would have used up its
//! receives with it, and become dead letters that never ran. It does not know why a task failed.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};

use super::{
    TaskingController,
    batch::Outcome,
    event::Record,
    message::{Attribute, Message},
    policy::Policy,
    post::{ATTEMPTS, FIRST, ID, KEY, LAST, LETTER, REASON},
    put_off::delay,
    queue::Queue,
    send::{self, Budget},
    work::Times,
};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::digest::hex,
};

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
    /// How often it has failed before in this batch.
    pub(crate) runs: u32,
    pub(crate) begun: Instant,
    pub(crate) policy: Policy,
}

/// What becomes of a task that failed.
pub(crate) enum Verdict {
    /// The dead-letter queue has it.
    Buried,
    /// It is tried again in this batch: then nothing behind it is received again for it.
    AtOnce,
    Later,
}

impl TaskingController {
    /// What becomes of a task that failed: one that failed for good leaves at once, where there is a queue for such; any
    /// leaves with its last attempt.
    pub(crate) async fn judge(
        &self,
        record: &Record,
        attempt: Attempt,
        outcome: &Outcome,
        failure: &Error,
        has_time: bool,
        times: Times,
    ) -> Verdict {
        let is_due_at_once = delay(record, attempt.number, outcome, attempt.policy) == Some(Duration::ZERO);
        let may_go_on = has_time && !record.receipt.is_empty() && attempt.runs + 1 < MOST_AT_ONCE;
        let next = if is_due_at_once && may_go_on { Verdict::AtOnce } else { Verdict::Later };
        let is_last = attempt.number >= attempt.policy.attempts;
        let letters = match self.dead_letters_within(record, attempt.number, times).await {
            Ok(Some(letters)) => letters,
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
                return if is_last { Verdict::Later } else { next };
            }
        };
        let is_final = match failure.kind() {
            ErrorKind::Permanent => true,
            // The next deployment may well be able to handle it.
            ErrorKind::Task => self.settings().dead_letter_queue.is_some(),
            _ => false,
        };
        let leaves = is_last || is_final;
        // The queue makes a dead letter of it when it would give it again.
        let is_last_receive = letters.most_receives.is_some_and(|most| record.receives >= most);
        match letters.queue {
            _ if !leaves && !is_last_receive => next,
            _ if !leaves && may_go_on => Verdict::AtOnce,
            Some(queue) => match self.bury(&*queue, record, attempt.number, failure, times).await {
                Ok(()) => Verdict::Buried,
                Err(error) => {
                    tracing::error!(
                        error = error.chain(),
                        "a task could not be sent to the dead-letter queue: it comes again. The worker needs \
                         sqs:SendMessage on that queue"
                    );
                    Verdict::Later
                }
            },
            None => {
                tracing::warn!(
                    attempts = attempt.number,
                    "a task has had its attempts, and its queue has no dead-letter queue: it comes again, and its group \
                     waits. Give the queue a RedrivePolicy"
                );
                Verdict::Later
            }
        }
    }

    async fn dead_letters_within(&self, record: &Record, attempt: u32, times: Times) -> Result<Option<DeadLetters>> {
        let end = Instant::now() + self.settings().send_time;
        let end = times.end.map_or(end, |other| other.min(end));
        let late = |_| Err(Error::new(ErrorKind::Queue, "the queue did not say in time where its dead letters go"));
        timeout_at(end, self.dead_letters(record, attempt)).await.unwrap_or_else(late)
    }

    /// Sends a message on as it came, in its group, with what became of it. Its id is made from the one that it has in its
    /// queue, so that it is one letter although it comes again, as it does where the answer of its batch is lost.
    async fn bury(
        &self,
        queue: &dyn Queue,
        record: &Record,
        attempts: u32,
        failure: &Error,
        times: Times,
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
        let budget = Budget { until: times.end, ..self.budget() };
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
    let id = (!record.attributes.contains_key(KEY)).then(|| (ID, Attribute::from(&*record.own_id())));
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
fn reason(failure: &Error) -> String {
    let text = failure.chain();
    text.chars()
        .map(|c| if c < ' ' || c > '\u{fffd}' && c < '\u{10000}' { ' ' } else { c })
        .take(LONGEST_REASON)
        .collect()
}
