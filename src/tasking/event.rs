//! The JSON between Lambda and a worker: the event of a batch of messages, both ways, and the answer. A record that can't
//! be read spoils no other. It does not know what a message is for.

use std::{
    borrow::Cow,
    fmt,
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};
use sha2::{Digest, Sha256};

use super::{
    message::{Attribute, Attributes, ID, KEY, LETTER, RAW, STEP, TASK},
    offload::{ENCODING, SIZES},
};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::digest::hex,
    hidden::Length,
    json::Object,
};

/// A longer id stands for itself by its digest, so that it fits into the id of a dead letter.
const LONGEST_OWN_ID: usize = 64;

/// A received message, read as far as it can be.
#[derive(Clone)]
pub(crate) struct Record {
    /// Without it nothing can be said of this record.
    pub(crate) message_id: Option<String>,
    pub(crate) receipt: String,
    pub(crate) queue_arn: String,
    pub(crate) group: Option<String>,
    pub(crate) deduplication: Option<String>,
    pub(crate) sequence_number: Option<String>,
    /// How often it was received, with this time, run or not.
    pub(crate) receives: u32,
    pub(crate) first_received_at: Option<SystemTime>,
    pub(crate) sent_at: Option<SystemTime>,
    pub(crate) trace: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) attributes: Attributes,
}

/// Without the body, which belongs in no log.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("message_id", &self.message_id)
            .field("queue_arn", &self.queue_arn)
            .field("group", &self.group)
            .field("receives", &self.receives)
            .field("body", &self.body.as_ref().map(|body| Length(body.len())))
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// What the task is known by, within its queue, group and name: also in another message, which a post of the same task
    /// after the window of deduplication makes, or the way through the dead letters.
    pub(crate) fn own_id(&self) -> Cow<'_, str> {
        match self.step() {
            1 => self.task_id(),
            // A digest, as any text may be the key of another task.
            step => hex(&Sha256::digest(format!("step {step} {}", self.posted_id()))).into(),
        }
    }

    /// The same for all steps of a task.
    pub(crate) fn task_id(&self) -> Cow<'_, str> {
        short(self.posted_id())
    }

    fn posted_id(&self) -> &str {
        let attribute = |name: &str| self.attributes.get(name).and_then(Attribute::as_str);
        let deduplication = self.deduplication.as_deref();
        let of_letter = || deduplication?.strip_prefix(LETTER)?.split_once(':').map(|(_, own)| own);
        let posted = attribute(KEY).or_else(|| attribute(ID)).or_else(of_letter).or(deduplication);
        posted.or(self.message_id.as_deref()).unwrap_or_default()
    }

    /// Which step of its task it is, from 1.
    pub(crate) fn step(&self) -> u32 {
        let step = self.attributes.get(STEP).and_then(Attribute::as_str);
        step.and_then(|step| step.parse().ok()).unwrap_or(1).max(1)
    }
}

/// An id that fits into the id of a dead letter.
fn short(id: &str) -> Cow<'_, str> {
    if id.len() > LONGEST_OWN_ID { hex(&Sha256::digest(id)).into() } else { id.into() }
}

/// The records of an event, in their order.
pub(crate) fn records(event: &str) -> Result<Vec<Record>> {
    let unreadable = || Error::new(ErrorKind::Event, "an event of a queue has no records");
    Ok(raw_records(event).ok_or_else(unreadable)?.into_iter().map(record).collect())
}

fn raw_records(event: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(Object::parse(event)?.get("Records")?.get()).ok()
}

/// The queue that an event comes from, by the first record that names it.
pub(crate) fn source_arn(event: &str) -> Option<String> {
    raw_records(event)?.into_iter().find_map(|raw| text(&Object::parse(raw.get())?, "eventSourceARN"))
}

fn record(raw: &RawValue) -> Record {
    let wire = Object::parse(raw.get()).unwrap_or_default();
    let system = wire.object("attributes").unwrap_or_default();
    let own = wire.object("messageAttributes").unwrap_or_default();
    let queue_arn = text(&wire, "eventSourceARN").unwrap_or_default();
    // Of a FIFO queue without groups, all is one group.
    let group = text(&system, "MessageGroupId").or_else(|| queue_arn.ends_with(".fifo").then(String::new));
    let attribute = |(name, raw): (&str, &RawValue)| Some((name.to_owned(), attribute(&Object::parse(raw.get())?)?));
    let attributes: Attributes = own.fields().filter_map(attribute).collect();
    // SECURITY: what says how a body is to be taken is not missing where it can't be read: a task is no text then.
    let mut says = [TASK, RAW, ENCODING].into_iter().chain(SIZES);
    let is_known = says.all(|name| attributes.contains_key(name) || own.get(name).is_none());
    Record {
        message_id: text(&wire, "messageId").filter(|id| !id.is_empty()),
        receipt: text(&wire, "receiptHandle").unwrap_or_default(),
        queue_arn,
        group,
        deduplication: text(&system, "MessageDeduplicationId"),
        sequence_number: text(&system, "SequenceNumber"),
        receives: number(&system, "ApproximateReceiveCount").unwrap_or(1),
        first_received_at: time(&system, "ApproximateFirstReceiveTimestamp"),
        sent_at: time(&system, "SentTimestamp"),
        trace: text(&system, "AWSTraceHeader"),
        body: text(&wire, "body").filter(|_| is_known),
        attributes,
    }
}

fn text(object: &Object<'_>, name: &str) -> Option<String> {
    object.text(name).map(Cow::into_owned)
}

/// A number, which SQS writes as a text.
fn number<T: FromStr>(object: &Object<'_>, name: &str) -> Option<T> {
    object.get(name)?.get().trim_matches('"').parse().ok()
}

fn time(object: &Object<'_>, name: &str) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_millis(number(object, name)?))
}

fn attribute(wire: &Object<'_>) -> Option<Attribute> {
    // A type may have a label of its own: `Number.int`.
    match wire.text("dataType").unwrap_or_default().split('.').next() {
        Some("Binary") => {
            STANDARD.decode(&*wire.text("binaryValue")?).ok().map(|bytes| Attribute::Binary(bytes.into()))
        }
        Some("Number") => text(wire, "stringValue").map(Attribute::Number),
        _ => text(wire, "stringValue").map(Attribute::Text),
    }
}

/// The event that Lambda would make of these records.
pub(crate) fn event(records: &[Record]) -> String {
    let region = |arn: &str| arn.split(':').nth(3).unwrap_or_default().to_owned();
    let milliseconds = |at: &SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
    let records: Vec<Value> = records
        .iter()
        .map(|record| {
            let sent = record.sent_at.as_ref().map(milliseconds);
            let first_received = record.first_received_at.as_ref().map(milliseconds);
            let mut system = json!({
                "ApproximateReceiveCount": record.receives.to_string(),
                "ApproximateFirstReceiveTimestamp": first_received.as_ref().or(sent.as_ref()),
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
