//! One queue, by the AWS SDK: finding it, receiving, hiding and deleting. It does not know why a message is deleted.

use aws_config::SdkConfig;
use aws_sdk_sqs::{
    Client,
    types::{
        ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName,
        QueueAttributeName,
    },
};
use chalice_http_toolkit::tasking::polling::record;
use serde_json::Value;

use crate::{
    queue_name::QueueName,
    sqs::{self, Refused, Trouble, refused, trouble},
};

/// The attribute that names a message's task.
const TASK: &str = "chalice-task";

/// A queue that exists.
#[derive(Debug)]
pub(super) struct Queue {
    client: Client,
    url: String,
    pub(super) arn: String,
    /// How long a received message stays hidden, in seconds.
    pub(super) visibility: i32,
}

/// A message that was received.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) id: String,
    pub(super) group: Option<String>,
    /// The name of its task.
    pub(super) task: Option<String>,
    pub(super) attempt: String,
    /// Its record in the event.
    pub(super) record: Value,
    receipt: String,
}

impl Queue {
    /// Finds the queue and what the forwarder must know of it.
    pub(super) async fn open(config: &SdkConfig, name: &QueueName, visibility: Option<i32>) -> Result<Self, Trouble> {
        let (client, url) = sqs::find(config, name).await?;
        let wanted = [QueueAttributeName::QueueArn, QueueAttributeName::VisibilityTimeout];
        let answer = client.get_queue_attributes().queue_url(&url).set_attribute_names(Some(wanted.into()));
        let attributes = answer.send().await.map_err(trouble)?.attributes.unwrap_or_default();
        let arn = attributes.get(&QueueAttributeName::QueueArn).cloned();
        let own = attributes.get(&QueueAttributeName::VisibilityTimeout).and_then(|seconds| seconds.parse().ok());
        Ok(Self {
            client,
            arn: arn.ok_or_else(|| Trouble::Lasting(format!("the queue {url} has no ARN")))?,
            url,
            // A queue whose messages are never hidden would give each of them again before it is handled.
            visibility: visibility.or(own).filter(|seconds| *seconds > 0).unwrap_or(30),
        })
    }

    pub(super) fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or(&self.arn)
    }

    /// Up to `count` messages, waited for some seconds. Asked again with the same attempt, a FIFO queue gives the same
    /// messages again, so that an answer that was lost on its way hides nothing.
    pub(super) async fn receive(&self, count: i32, wait: i32, attempt: &str) -> Result<Vec<Received>, Trouble> {
        let fifo = self.arn.ends_with(".fifo");
        let receive = self.client.receive_message().queue_url(&self.url);
        let receive = receive.max_number_of_messages(count).wait_time_seconds(wait).visibility_timeout(self.visibility);
        let receive =
            receive.message_system_attribute_names(MessageSystemAttributeName::All).message_attribute_names("All");
        let receive = receive.set_receive_request_attempt_id(fifo.then(|| attempt.into()));
        let messages = receive.send().await.map_err(trouble)?.messages.unwrap_or_default();
        Ok(messages.iter().filter_map(|message| received(message, &self.arn)).collect())
    }

    /// How many messages it holds, hidden ones too, as far as it says so.
    pub(super) async fn count(&self) -> Option<usize> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let ask = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.into()));
        let counts = ask.send().await.ok()?.attributes?;
        counts.values().map(|count| count.parse::<usize>().ok()).sum()
    }

    /// Hides messages from now on for that many seconds, in their order; 0 gives them back.
    pub(super) async fn hide(&self, messages: &[Received], seconds: i32) -> Result<Vec<Refused>, Trouble> {
        let entries = messages.iter().enumerate().filter_map(|(place, message)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
            entry.receipt_handle(&message.receipt).visibility_timeout(seconds).build().ok()
        });
        let change = self.client.change_message_visibility_batch().queue_url(&self.url);
        let answer = change.set_entries(Some(entries.collect())).send().await.map_err(trouble)?;
        Ok(answer.failed.into_iter().map(refused).collect())
    }

    /// Deletes messages, in their order.
    pub(super) async fn delete(&self, messages: &[&Received]) -> Result<Vec<Refused>, Trouble> {
        let entries = messages.iter().enumerate().filter_map(|(place, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            entry.receipt_handle(&message.receipt).build().ok()
        });
        let delete = self.client.delete_message_batch().queue_url(&self.url);
        let answer = delete.set_entries(Some(entries.collect())).send().await.map_err(trouble)?;
        Ok(answer.failed.into_iter().map(refused).collect())
    }
}

/// What has no id or no receipt handle can be neither reported nor deleted; SQS sends nothing like it.
fn received(message: &Message, arn: &str) -> Option<Received> {
    let system = |name| message.attributes()?.get(&name).cloned();
    Some(Received {
        id: message.message_id()?.into(),
        receipt: message.receipt_handle()?.into(),
        group: system(MessageSystemAttributeName::MessageGroupId),
        task: message.message_attributes().and_then(|own| Some(own.get(TASK)?.string_value()?.to_owned())),
        attempt: system(MessageSystemAttributeName::ApproximateReceiveCount).unwrap_or_else(|| "?".into()),
        record: record(message, arn),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_without_a_receipt_is_not_forwarded() {
        assert!(received(&Message::builder().message_id("id").build(), "arn").is_none());
    }
}
