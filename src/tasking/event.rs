//! The JSON between Lambda and a worker: the event of a batch of messages, both ways, and the answer. A record that can't
//! be read spoils no other. It does not know what a message is for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use super::{
    message::{Attribute, Attributes},
    post::{ID, KEY},
};
use crate::error::{Error, ErrorKind, Result};

/// A received message, read as far as it can be.
#[derive(Debug)]
pub(crate) struct Record {
    /// Without it nothing can be said of this record.
    pub(crate) message_id: Option<String>,
    pub(crate) receipt: String,
    pub(crate) queue_arn: String,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
    pub(crate) sequence_number: Option<String>,
    /// How often it was received, with this time.
    pub(crate) attempt: u32,
    pub(crate) sent_at: Option<SystemTime>,
    pub(crate) trace: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) attributes: Attributes,
}

impl Record {
    /// What the task is known by, within its queue, group and name: also in another message, which a post of the same task
    /// after the window of deduplication makes, or the way through the dead letters.
    pub(crate) fn own_id(&self) -> &str {
        let attribute = |name: &str| self.attributes.get(name).and_then(Attribute::as_str);
        let posted = attribute(KEY).or_else(|| attribute(ID)).or(self.deduplication.as_deref());
        posted.or(self.message_id.as_deref()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    message_id: Option<String>,
    receipt_handle: Option<String>,
    body: Option<String>,
    attributes: System,
    message_attributes: std::collections::BTreeMap<String, WireAttribute>,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct System {
    approximate_receive_count: Option<String>,
    sent_timestamp: Option<String>,
    sequence_number: Option<String>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
    #[serde(rename = "AWSTraceHeader")]
    trace: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireAttribute {
    string_value: Option<String>,
    binary_value: Option<String>,
    data_type: String,
}

/// The records of an event, in their order.
pub(crate) fn records(event: &str) -> Result<Vec<Record>> {
    let event: Event<'_> = serde_json::from_str(event)
        .map_err(|error| Error::caused(ErrorKind::Event, "an event of a queue has no records", error))?;
    Ok(event.records.into_iter().map(record).collect())
}

/// The queue that an event comes from, by its first record.
pub(crate) fn source_arn(event: &str) -> Option<String> {
    let event: Event<'_> = serde_json::from_str(event).ok()?;
    let first: Wire = serde_json::from_str(event.records.first()?.get()).ok()?;
    first.event_source_arn
}

fn record(raw: &RawValue) -> Record {
    let wire: Wire = serde_json::from_str(raw.get()).unwrap_or_else(|_| identity(raw));
    let system = wire.attributes;
    let sent_at = system.sent_timestamp.and_then(|at| at.parse().ok());
    let queue_arn = wire.event_source_arn.unwrap_or_default();
    // Of a FIFO queue without groups, all is one group.
    let group = system.message_group_id.or_else(|| queue_arn.ends_with(".fifo").then(String::new));
    Record {
        message_id: wire.message_id.filter(|id| !id.is_empty()),
        receipt: wire.receipt_handle.unwrap_or_default(),
        queue_arn,
        group,
        deduplication: system.message_deduplication_id,
        sequence_number: system.sequence_number,
        attempt: system.approximate_receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
        sent_at: sent_at.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_millis(at))),
        trace: system.trace,
        body: wire.body,
        attributes: wire.message_attributes.into_iter().filter_map(attribute).collect(),
    }
}

/// What can be told of a record that is not as it should be: enough to report it, and to stop its group.
fn identity(raw: &RawValue) -> Wire {
    let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Wire {
        message_id: text(&value["messageId"]),
        receipt_handle: text(&value["receiptHandle"]),
        event_source_arn: text(&value["eventSourceARN"]),
        attributes: System {
            message_group_id: text(&value["attributes"]["MessageGroupId"]),
            approximate_receive_count: text(&value["attributes"]["ApproximateReceiveCount"]),
            ..System::default()
        },
        ..Wire::default()
    }
}

fn attribute((name, wire): (String, WireAttribute)) -> Option<(String, Attribute)> {
    // A type may have a label of its own: `Number.int`.
    let value = match wire.data_type.split('.').next() {
        Some("Binary") => Attribute::Binary(STANDARD.decode(wire.binary_value?).ok()?.into()),
        Some("Number") => Attribute::Number(wire.string_value?),
        _ => Attribute::Text(wire.string_value?),
    };
    Some((name, value))
}

/// The event that Lambda would make of these records.
pub(crate) fn event(records: &[Record]) -> String {
    let region = |arn: &str| arn.split(':').nth(3).unwrap_or_default().to_owned();
    let milliseconds = |at: &SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    let records: Vec<Value> = records
        .iter()
        .map(|record| {
            let sent = record.sent_at.as_ref().map(milliseconds);
            let mut system = json!({
                "ApproximateReceiveCount": record.attempt.to_string(),
                "ApproximateFirstReceiveTimestamp": &sent,
                "SentTimestamp": sent,
                "SenderId": "local",
                "SequenceNumber": record.sequence_number,
                "MessageGroupId": record.group,
                "MessageDeduplicationId": record.deduplication,
            });
            if let Some(trace) = &record.trace {
                system["AWSTraceHeader"] = trace.as_str().into();
            }
            json!({
                "messageId": record.message_id,
                "receiptHandle": record.receipt,
                "body": record.body,
                "attributes": system,
                "messageAttributes": wire_attributes(&record.attributes),
                "eventSource": "aws:sqs",
                "eventSourceARN": record.queue_arn,
                "awsRegion": region(&record.queue_arn),
            })
        })
        .collect();
    json!({ "Records": records }).to_string()
}

fn wire_attributes(attributes: &Attributes) -> Map<String, Value> {
    let wire = |(name, value): (&String, &Attribute)| {
        let value = match value {
            Attribute::Binary(bytes) => json!({ "binaryValue": STANDARD.encode(bytes), "dataType": "Binary" }),
            text => json!({ "stringValue": text.as_str(), "dataType": text.data_type() }),
        };
        (name.clone(), value)
    };
    attributes.iter().map(wire).collect()
}

/// Which messages Lambda is to leave in the queue.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::BatchResponse;
///
/// let json = r#"{"batchItemFailures":[{"itemIdentifier":"id-7"}]}"#;
/// let response: BatchResponse = serde_json::from_str(json)?;
/// assert_eq!(response.failed().collect::<Vec<_>>(), ["id-7"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl BatchResponse {
    pub(crate) fn new(failed: impl IntoIterator<Item = String>) -> Self {
        let failure = |item_identifier| ItemFailure { item_identifier };
        Self { batch_item_failures: failed.into_iter().map(failure).collect() }
    }

    /// The ids of the messages that failed, were skipped or not started, in the order of the batch.
    pub fn failed(&self) -> impl Iterator<Item = &str> {
        self.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str())
    }
}
