//! Receiving from SQS: what Lambda's event source mapping does. A message becomes the record of an event, and is read as that.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{
    event::{self, Record},
    queue::{MOST_ENTRIES, Queue},
    sqs::Sqs,
};
use crate::error::{BoxError, Error, ErrorKind, Result};

/// How long SQS waits for a message, in seconds; the longest that it takes.
const WAIT: i32 = 20;

/// A queue that a worker of this process polls.
pub(crate) trait Source: Queue {
    /// How long the queue by itself hides what is received.
    fn visibility(&self) -> BoxFuture<'_, Result<Duration>>;

    /// Waits for up to ten messages, and hides them for so long. Asked again with the same attempt after an answer that was
    /// lost, a FIFO queue gives the same messages again.
    fn receive<'a>(&'a self, attempt: &'a str, hidden: Duration) -> BoxFuture<'a, Result<Vec<Record>>>;
}

impl Source for Sqs {
    fn visibility(&self) -> BoxFuture<'_, Result<Duration>> {
        Box::pin(async move {
            let seconds = self.attribute(QueueAttributeName::VisibilityTimeout).await?;
            Ok(Duration::from_secs(seconds.parse().unwrap_or(30)))
        })
    }

    fn receive<'a>(&'a self, attempt: &'a str, hidden: Duration) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(async move {
            let (client, url) = self.connected().await?;
            let receive = client.receive_message().queue_url(url).wait_time_seconds(WAIT);
            let receive = receive.max_number_of_messages(MOST_ENTRIES as i32).receive_request_attempt_id(attempt);
            let receive = receive.visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX).max(1));
            let receive = receive.message_attribute_names("All");
            let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
            let caused = |error| Error::caused(ErrorKind::Queue, "no tasks could be received", error);
            let messages = receive.send().await.map_err(|error| caused(BoxError::from(error)))?.messages;
            let arn = self.arn().await?;
            // What has no receipt handle can't be deleted; SQS sends nothing like it.
            let is_whole = |message: &&Message| message.receipt_handle().is_some_and(|receipt| !receipt.is_empty());
            let messages = messages.unwrap_or_default();
            let records: Vec<Value> = messages.iter().filter(is_whole).map(|message| record(message, arn)).collect();
            event::records(&json!({ "Records": records }).to_string())
        })
    }
}

/// The record that Lambda makes of a message of the queue with this ARN.
#[doc(hidden)]
pub fn record(message: &Message, arn: &str) -> Value {
    let attributes = message.attributes().into_iter().flatten();
    let own = message.message_attributes().into_iter().flatten();
    let mut record = json!({
        "messageId": message.message_id(),
        "receiptHandle": message.receipt_handle(),
        "body": message.body().unwrap_or_default(),
        "attributes": attributes.map(|(name, value)| (name.as_str(), value.as_str())).collect::<Value>(),
        "messageAttributes": own.map(|(name, value)| (name.as_str(), attribute(value))).collect::<Value>(),
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(':').nth(3),
    });
    if let Some(md5) = message.md5_of_message_attributes() {
        record["md5OfMessageAttributes"] = md5.into();
    }
    record
}

fn attribute(value: &MessageAttributeValue) -> Value {
    let mut attribute = json!({
        "stringListValues": value.string_list_values(),
        "binaryListValues": value.binary_list_values().iter().map(|bytes| STANDARD.encode(bytes)).collect::<Vec<_>>(),
        "dataType": value.data_type(),
    });
    if let Some(text) = value.string_value() {
        attribute["stringValue"] = text.into();
    }
    if let Some(bytes) = value.binary_value() {
        attribute["binaryValue"] = STANDARD.encode(bytes).into();
    }
    attribute
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::primitives::Blob;

    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-central-1:123456789012:tasks.fifo";

    fn attribute(kind: &str, text: Option<&str>, bytes: Option<&[u8]>) -> MessageAttributeValue {
        let value = MessageAttributeValue::builder().data_type(kind).set_string_value(text.map(Into::into));
        value.set_binary_value(bytes.map(Blob::new)).build().unwrap()
    }

    #[test]
    fn a_record_has_what_lambda_gives() {
        let message = Message::builder()
            .message_id("id")
            .receipt_handle("handle")
            .body("<body>")
            .md5_of_body("5d")
            .md5_of_message_attributes("6e")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "2")
            .attributes(MessageSystemAttributeName::AwsTraceHeader, "Root=1")
            .message_attributes("task", attribute("String", Some("mail"), None))
            .message_attributes("n", attribute("Number.int", Some("7"), None))
            .message_attributes("raw", attribute("Binary", None, Some(b"\xff\x00")))
            .build();
        let list = json!([]);
        assert_eq!(
            record(&message, ARN),
            json!({
                "messageId": "id",
                "receiptHandle": "handle",
                "body": "<body>",
                "attributes": { "ApproximateReceiveCount": "2", "AWSTraceHeader": "Root=1" },
                "messageAttributes": {
                    "task": { "stringValue": "mail", "stringListValues": list, "binaryListValues": list, "dataType": "String" },
                    "n": { "stringValue": "7", "stringListValues": list, "binaryListValues": list, "dataType": "Number.int" },
                    "raw": { "binaryValue": "/wA=", "stringListValues": list, "binaryListValues": list, "dataType": "Binary" },
                },
                "md5OfBody": "5d",
                "md5OfMessageAttributes": "6e",
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
                "awsRegion": "eu-central-1",
            })
        );
    }

    #[test]
    fn a_message_without_attributes_has_no_digest_of_them() {
        let record = record(&Message::builder().body("b").build(), ARN);
        assert_eq!(record["messageAttributes"], json!({}));
        assert!(record.get("md5OfMessageAttributes").is_none());
    }
}
