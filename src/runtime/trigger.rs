//! Events that are no requests: a queue's batch, a scheduled event, a ping that keeps the function warm. It tells which it
//! is; what then runs is decided elsewhere.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::error::{Error, ErrorKind, Result};

/// What an event that is no request is.
#[derive(Debug)]
pub(crate) enum Trigger {
    /// Answered before anything else runs.
    KeepWarm,
    Queue,
    Scheduled(ScheduledEvent),
}

/// An event of EventBridge: of a rule or a schedule, or of any source that a rule passes on.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{App, ScheduledEvent};
/// use tower::service_fn;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let site = service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
/// let app = App::new(site).with_schedule("nightly-report", async |event: ScheduledEvent| {
///     assert_eq!(event.name(), Some("nightly-report"));
///     assert_eq!((event.id(), event.source()), ("7", "aws.events"));
///     Ok::<(), std::io::Error>(())
/// });
/// let event = r#"{"id":"7","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-22T04:00:00Z",
///     "resources":["arn:aws:events:eu-west-1:123456789012:rule/nightly-report"],"detail":{}}"#;
/// app.invoke(event, None).await?;
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ScheduledEvent {
    id: String,
    name: Option<String>,
    source: String,
    time: String,
    detail: Box<RawValue>,
}

impl ScheduledEvent {
    /// The event's id: the same in each delivery.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name of the rule or schedule, where it is one's.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the event comes from: `aws.events`, `aws.scheduler`, `aws.s3`, a source of your own.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// When it was due, as the event says it (RFC 3339).
    pub fn time(&self) -> &str {
        &self.time
    }

    /// What else the event says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where it is something else.
    pub fn detail<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.detail.get()).map_err(|error| {
            Error::caused(ErrorKind::Event, "the detail of a scheduled event is something else", error)
        })
    }

    /// Whether it goes to the handler of this rule, schedule or source.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name) || self.source == name
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(rename = "Records")]
    records: Vec<Record>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    resources: Vec<Value>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    warmer: bool,
    #[serde(rename = "keep-warm")]
    keep_warm: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Record {
    #[serde(alias = "EventSource", rename = "eventSource")]
    source: String,
}

impl Trigger {
    /// What an event is; `None` where it is nothing of these. A rule that has a handler is no ping, whatever its name.
    pub(crate) fn parse(json: &str, is_handled: impl Fn(&str) -> bool) -> Option<Self> {
        let wire: Wire<'_> = serde_json::from_str(json).ok()?;
        let text = |raw: Option<&RawValue>| -> String {
            raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
        };
        if wire.records.first().is_some_and(|record| record.source == "aws:sqs") {
            return Some(Self::Queue);
        }
        let source = text(wire.source);
        if wire.warmer || wire.keep_warm || source == "serverless-plugin-warmup" {
            return Some(Self::KeepWarm);
        }
        wire.detail_type?;
        let name = wire.resources.iter().find_map(|arn| name(arn.as_str()?));
        if name.as_deref().is_some_and(|name| keeps_warm(name) && !is_handled(name)) {
            return Some(Self::KeepWarm);
        }
        let detail = wire.detail.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned);
        Some(Self::Scheduled(ScheduledEvent { id: text(wire.id), name, source, time: text(wire.time), detail }))
    }
}

/// The error for an event that is nothing which this crate serves.
pub(crate) fn unknown(json: &str) -> Error {
    let wire: Wire<'_> = serde_json::from_str(json).unwrap_or_default();
    let source: Option<String> = wire.source.and_then(|raw| serde_json::from_str(raw.get()).ok());
    let came = match (wire.records.first(), source) {
        (Some(record), _) => format!("this event has records of `{}`", record.source),
        (None, Some(source)) => format!("this event comes from `{source}`"),
        (None, None) => "this event is of no kind that is known".to_owned(),
    };
    Error::new(ErrorKind::Event, format!("{came}; expected an event of {SERVED}"))
}

const SERVED: &str =
    "an API Gateway REST or HTTP API, a function URL, an ALB, a queue of SQS, or a rule or schedule of EventBridge";

/// The name in the ARN of a rule (`…:rule/name`, `…:rule/bus/name`) or of a schedule (`…:schedule/group/name`).
fn name(arn: &str) -> Option<String> {
    let resource = arn.splitn(6, ':').nth(5)?;
    let is_rule = resource.starts_with("rule/") || resource.starts_with("schedule/");
    is_rule.then(|| resource.rsplit('/').next().map(str::to_owned)).flatten()
}

/// Whether a rule is there to keep the function warm, by its name: `keep-warm`, `Shop-KeepWarm-1A2B`, `warmup`.
fn keeps_warm(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    let letters = letters.to_ascii_lowercase();
    letters.contains("keepwarm") || letters.contains("warmup") || letters.contains("warmer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_rule_is_in_its_arn() {
        #[rustfmt::skip]
        let table = [
            ("arn:aws:events:eu-west-1:1:rule/nightly", Some("nightly")),
            ("arn:aws:events:eu-west-1:1:rule/bus/nightly", Some("nightly")),
            ("arn:aws:scheduler:eu-west-1:1:schedule/default/nightly", Some("nightly")),
            ("arn:aws:s3:::bucket/rule/x", None),
            ("nonsense", None),
        ];
        for (arn, expected) in table {
            assert_eq!(name(arn).as_deref(), expected, "{arn}");
        }
    }

    #[test]
    fn only_rules_that_keep_warm_do() {
        for rule in ["keep-warm", "Shop-KeepWarmRule-1A2B3C", "keep_warm", "warmup", "function-warmer"] {
            assert!(keeps_warm(rule), "{rule}");
        }
        for rule in ["nightly", "warm-cache-report", "keep"] {
            assert!(!keeps_warm(rule), "{rule}");
        }
    }
}
