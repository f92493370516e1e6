//! A received message as a record of the event that Lambda makes of it. It knows neither queue nor network.

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// What a synchronous invocation may carry (Lambda quotas, "Invocation payload").
const LIMIT: usize = 6 * 1024 * 1024;

/// The record of one message, from the queue with this ARN.
pub(super) fn record(message: &Message, arn: &str) -> Value {
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

/// The event of as many of these records, from the first on, as one invocation carries, and how many they are: at least
/// one, as a message fits alone.
pub(super) fn event<'a>(records: impl Iterator<Item = &'a Value>) -> (Vec<u8>, usize) {
    let mut event = b"{\"Records\":[".to_vec();
    let mut count = 0;
    for record in records {
        let record = record.to_string();
        if count > 0 && event.len() + record.len() + ",]}".len() > LIMIT {
            break;
        }
        if count > 0 {
            event.push(b',');
        }
        event.extend_from_slice(record.as_bytes());
        count += 1;
    }
    event.extend_from_slice(b"]}");
    (event, count)
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{primitives::Blob, types::MessageSystemAttributeName};

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

    #[test]
    fn an_event_takes_what_fits_and_at_least_one() {
        for (size, wanted) in [(10, 10), (1024 * 1024, 5), (LIMIT, 1)] {
            let records = vec![Value::from("x".repeat(size)); 10];
            let (event, count) = event(records.iter());
            assert_eq!(count, wanted, "records of {size} bytes");
            let event: Value = serde_json::from_slice(&event).unwrap();
            assert_eq!(event["Records"].as_array().map(Vec::len), Some(wanted));
        }
    }
}
