//! One message of a queue, as the worker wrote it: which task, and as a dead letter why and since when. It knows no network.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};

use super::args::Filter;

/// The attributes that the library gives a message, and what the deduplication id of a dead letter begins with.
const TASK: &str = "chalice-task";
const KEY: &str = "chalice-key";
const ID: &str = "chalice-id";
const REASON: &str = "chalice-dead-reason";
const ATTEMPTS: &str = "chalice-dead-attempts";
const FIRST: &str = "chalice-dead-first";
const LAST: &str = "chalice-dead-last";
const LETTER: &str = "dlq-";

/// What the worker tells of a dead letter.
const HISTORY: [&str; 4] = [REASON, ATTEMPTS, FIRST, LAST];

/// The longest deduplication id, and the most attributes.
const LONGEST_ID: usize = 128;
const MOST_ATTRIBUTES: usize = 10;

/// A message that was received.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) group: Option<String>,
    pub(super) body: String,
    pub(super) trace: Option<String>,
    pub(super) receives: u32,
    pub(super) sent_at: Option<SystemTime>,
    deduplication: Option<String>,
    attributes: HashMap<String, MessageAttributeValue>,
}

impl Letter {
    /// None for what SQS never sends: a message without an id or a receipt.
    pub(super) fn of(message: Message) -> Option<Self> {
        let mut system = message.attributes.unwrap_or_default();
        let mut take = |name| system.remove(&name);
        Some(Self {
            id: message.message_id?,
            receipt: message.receipt_handle?,
            group: take(MessageSystemAttributeName::MessageGroupId),
            body: message.body.unwrap_or_default(),
            trace: take(MessageSystemAttributeName::AwsTraceHeader),
            receives: take(MessageSystemAttributeName::ApproximateReceiveCount)
                .and_then(|count| count.parse().ok())
                .unwrap_or_default(),
            sent_at: take(MessageSystemAttributeName::SentTimestamp).and_then(|time| since_1970(&time)),
            deduplication: take(MessageSystemAttributeName::MessageDeduplicationId),
            attributes: message.message_attributes.unwrap_or_default(),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.string_value()
    }

    pub(super) fn task(&self) -> Option<&str> {
        self.text(TASK)
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.text(KEY)
    }

    /// Why it is a dead letter.
    pub(super) fn reason(&self) -> Option<&str> {
        self.text(REASON)
    }

    /// How many attempts it had before it became a dead letter.
    pub(super) fn attempts(&self) -> Option<u32> {
        self.text(ATTEMPTS)?.parse().ok()
    }

    pub(super) fn first_received_at(&self) -> Option<SystemTime> {
        since_1970(self.text(FIRST)?)
    }

    /// When it became a dead letter. Of one that the queue itself moved, the queue knows only when it was posted.
    pub(super) fn dead_since(&self) -> Option<SystemTime> {
        since_1970(self.text(LAST)?)
    }

    /// The texts and numbers of the site, by their names.
    pub(super) fn own_attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        let is_own = |name: &str| !name.starts_with("chalice-");
        let own = self.attributes.iter().filter(move |(name, _)| is_own(name));
        own.map(|(name, value)| (name.as_str(), value.string_value().unwrap_or("(binary)")))
    }

    /// All attributes but those that make it a dead letter. The rest says what the task is and by what it is known. A letter that
    /// the queue itself has moved gets the attribute that the worker would have given it.
    pub(super) fn attributes_of_task(&self) -> HashMap<String, MessageAttributeValue> {
        let is_history = |name: &str| HISTORY.contains(&name);
        let rest = self.attributes.iter().filter(|(name, _)| !is_history(name));
        let mut rest: HashMap<_, _> = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
        let posted = self.deduplication.as_deref().filter(|id| !id.starts_with(LETTER));
        let is_known = [KEY, ID].iter().any(|name| rest.contains_key(*name));
        if let Some(posted) = posted.filter(|_| !is_known && rest.len() < MOST_ATTRIBUTES) {
            let value = MessageAttributeValue::builder().data_type("String").string_value(posted).build();
            rest.extend(value.ok().map(|value| (ID.to_owned(), value)));
        }
        rest
    }

    /// The id by which the task queue drops it where it was sent already. It is not the one that the task was posted with: within
    /// five minutes of that post the queue would drop the letter. It still ends in the task's own id, by which the idempotency
    /// store knows a task without a key.
    pub(super) fn deduplication_for_redrive(&self) -> String {
        let deduplication = self.deduplication.as_deref().unwrap_or(&self.id);
        let own = match deduplication.strip_prefix(LETTER) {
            None => deduplication,
            // The worker has made it, and no task had it in the task queue.
            Some(_) if self.is_of_the_worker() => return deduplication.to_owned(),
            // It was sent back by this id, and then the queue itself has moved it.
            Some(of_letter) => of_letter.split_once(':').map_or("", |(_, own)| own),
        };
        match format!("{LETTER}{}:{own}", self.id) {
            id if !own.is_empty() && id.len() <= LONGEST_ID => id,
            _ => format!("{LETTER}{}", self.id),
        }
    }

    /// Whether the worker has written it, and not the queue moved it.
    fn is_of_the_worker(&self) -> bool {
        HISTORY.iter().any(|name| self.attributes.contains_key(*name))
    }

    pub(super) fn matches(&self, filter: &Filter) -> bool {
        let is_it = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        is_it(&filter.name, self.task())
            && is_it(&filter.group, self.group.as_deref())
            && (filter.ids.is_empty() || filter.ids.contains(&self.id))
    }
}

/// Milliseconds since 1970, as SQS writes its times.
fn since_1970(text: &str) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(deduplication: &str) -> Letter {
        let message = Message::builder().message_id("m-1").receipt_handle("r").body("b");
        let message = message.attributes(MessageSystemAttributeName::MessageDeduplicationId, deduplication);
        Letter::of(message.build()).unwrap()
    }

    #[test]
    fn a_redriven_letter_is_not_dropped_for_the_first_post_and_is_still_the_same_task() {
        let long = "x".repeat(128);
        for (deduplication, wanted) in [
            ("posted", "dlq-m-1:posted"),
            ("dlq-m-0:posted", "dlq-m-1:posted"),
            ("dlq-m-0", "dlq-m-1"),
            (&*long, "dlq-m-1"),
        ] {
            let letter = letter(deduplication);
            assert_eq!(letter.deduplication_for_redrive(), wanted);
            let id = letter.attributes_of_task().get(ID).and_then(|id| id.string_value().map(str::to_owned));
            assert_eq!(id.as_deref(), (!deduplication.starts_with(LETTER)).then_some(deduplication));
        }
    }

    #[test]
    fn a_letter_that_the_worker_wrote_twice_is_one_task_when_it_is_sent_back() {
        let reason = MessageAttributeValue::builder().data_type("String").string_value("it failed").build().unwrap();
        let letter = Letter { attributes: [(REASON.to_owned(), reason)].into(), ..letter("dlq-m-0:posted") };
        assert_eq!(letter.deduplication_for_redrive(), "dlq-m-0:posted");
    }

    #[test]
    fn a_message_without_a_receipt_is_none() {
        assert!(Letter::of(Message::builder().message_id("id").build()).is_none());
    }
}
