//! One queue, by the AWS SDK, for a person who looks at it: receiving, giving back, deleting, sending back. It does not know
//! which messages are meant.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::letter::Letter;
use crate::{
    queue_name::QueueName,
    sqs::{self, Trouble, refused, trouble},
};

/// The most entries of one request.
const MOST_ENTRIES: usize = 10;
/// How many requests are on their way at once.
pub(super) const AT_ONCE: usize = 8;
/// How long SQS looks for messages before it says that there are none, in seconds. With none of it, SQS asks only some of its
/// servers and may miss messages.
const WAIT: i32 = 1;

/// A queue that exists.
#[derive(Debug)]
pub(super) struct Queue {
    client: Client,
    url: String,
    pub(super) name: String,
    is_fifo: bool,
    redrive: Option<Redrive>,
    /// How long a message that is received is hidden, in seconds.
    hidden: i32,
}

/// Where its dead letters go, and after how many receives it sends them there itself.
#[derive(Clone, Debug)]
pub(super) struct Redrive {
    pub(super) dead_letters: QueueName,
    pub(super) most_receives: u64,
}

/// How many messages a queue says that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) waiting: u64,
    pub(super) hidden: u64,
    pub(super) delayed: u64,
}

impl Counts {
    pub(super) fn all(self) -> u64 {
        self.waiting + self.hidden + self.delayed
    }
}

impl Queue {
    pub(super) async fn open(config: &SdkConfig, name: &QueueName, hidden: i32) -> Result<Self, Trouble> {
        let (client, url) = sqs::find(config, name).await?;
        let wanted = [QueueAttributeName::QueueArn, QueueAttributeName::RedrivePolicy];
        let answer = client.get_queue_attributes().queue_url(&url).set_attribute_names(Some(wanted.into()));
        let attributes = answer.send().await.map_err(trouble)?.attributes.unwrap_or_default();
        let arn = attributes.get(&QueueAttributeName::QueueArn).cloned().unwrap_or_default();
        let name = arn.rsplit(':').next().filter(|name| !name.is_empty()).unwrap_or(&url).to_owned();
        let redrive = attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|policy| redrive(policy));
        Ok(Self { client, is_fifo: url.ends_with(".fifo"), url, name, redrive, hidden })
    }

    pub(super) fn redrive(&self) -> Option<&Redrive> {
        self.redrive.as_ref()
    }

    pub(super) fn is_fifo(&self) -> bool {
        self.is_fifo
    }

    /// Up to ten messages, which are hidden from others from now on.
    pub(super) async fn receive(&self) -> Result<Vec<Letter>, Trouble> {
        let receive = self.client.receive_message().queue_url(&self.url).max_number_of_messages(10);
        let receive = receive.wait_time_seconds(WAIT).visibility_timeout(self.hidden);
        let receive =
            receive.message_system_attribute_names(MessageSystemAttributeName::All).message_attribute_names("All");
        let messages = receive.send().await.map_err(trouble)?.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(Letter::of).collect())
    }

    /// Gives messages back, so that others see them at once.
    pub(super) async fn release(&self, receipts: &[String]) -> Result<(), Trouble> {
        let release = |receipts: &[String]| {
            let entry = |(place, receipt): (usize, &String)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(receipt).visibility_timeout(0).build().ok()
            };
            let entries = receipts.iter().enumerate().filter_map(entry).collect();
            let change = self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries));
            // One that is visible again by itself is refused, and that is as well.
            async { change.send().await.map(drop).map_err(trouble) }
        };
        stream::iter(receipts.chunks(MOST_ENTRIES)).map(release).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Deletes messages. Why some of them are still there, by their places.
    pub(super) async fn delete(&self, receipts: &[String]) -> Result<BTreeMap<usize, String>, Trouble> {
        let delete = |(chunk, receipts): (usize, &[String])| {
            let entry = |(place, receipt): (usize, &String)| {
                let place = chunk * MOST_ENTRIES + place;
                let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(receipt).build().ok()
            };
            let entries = receipts.iter().enumerate().filter_map(entry).collect();
            let delete = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
            async {
                let answer = delete.send().await.map_err(trouble)?;
                // Each message of a batch is deleted or refused by itself.
                Ok(answer.failed.into_iter().map(refused).map(|entry| (entry.place, entry.reason)).collect::<Vec<_>>())
            }
        };
        let chunks = receipts.chunks(MOST_ENTRIES).enumerate();
        let failed: Vec<_> = stream::iter(chunks).map(delete).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(failed.into_iter().flatten().collect())
    }

    /// Sends a dead letter as the task that it was.
    pub(super) async fn send(&self, letter: &Letter) -> Result<(), Trouble> {
        let send = self.client.send_message().queue_url(&self.url).message_body(&letter.body);
        let attributes = letter.attributes_of_task();
        let send = send.set_message_attributes((!attributes.is_empty()).then_some(attributes));
        let trace = letter.trace.as_ref().and_then(|trace| {
            let value = MessageSystemAttributeValue::builder().data_type("String").string_value(trace).build().ok()?;
            Some([(MessageSystemAttributeNameForSends::AwsTraceHeader, value)].into())
        });
        let send = send.set_message_system_attributes(trace);
        let send = if self.is_fifo {
            let group = letter.group.as_ref().unwrap_or(&letter.id);
            send.message_group_id(group).message_deduplication_id(letter.deduplication_for_redrive())
        } else {
            send
        };
        send.send().await.map(drop).map_err(trouble)
    }

    pub(super) async fn counts(&self) -> Result<Counts, Trouble> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let ask = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.into()));
        let attributes = ask.send().await.map_err(trouble)?.attributes.unwrap_or_default();
        let count = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default();
        Ok(Counts {
            waiting: count(QueueAttributeName::ApproximateNumberOfMessages),
            hidden: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: count(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        })
    }

    pub(super) async fn purge(&self) -> Result<(), Trouble> {
        self.client.purge_queue().queue_url(&self.url).send().await.map(drop).map_err(trouble)
    }
}

/// The RedrivePolicy of a queue. Some tools write the number as a text.
fn redrive(policy: &str) -> Option<Redrive> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let count = &policy["maxReceiveCount"];
    let most_receives = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    Some(Redrive { dead_letters: policy["deadLetterTargetArn"].as_str()?.parse().ok()?, most_receives })
}
