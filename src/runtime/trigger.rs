//! Events that are no requests: a queue's batch, a scheduled event, a ping that keeps the function warm, anything else. It
//! tells which it is; what then runs is decided elsewhere.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind, Result},
    hidden::Length,
    json::{Object, text},
};

/// What an event that is no request is.
#[derive(Debug)]
pub(crate) enum Trigger {
    /// Answered before anything else runs.
    KeepWarm,
    Queue,
    /// One of EventBridge, as far as its fields say.
    Bridge(ScheduledEvent),
    Other,
}

/// An event of EventBridge: of a rule or a schedule, or of any source that a rule passes on.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{App, events::ScheduledEvent};
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
#[derive(Clone)]
pub struct ScheduledEvent {
    id: String,
    name: Option<String>,
    source: String,
    time: String,
    detail: Box<RawValue>,
    is_scheduled: bool,
}

/// Without the detail, which belongs in no log.
impl fmt::Debug for ScheduledEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduledEvent")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("source", &self.source)
            .field("time", &self.time)
            .field("detail", &Length(self.detail.get().len()))
            .finish_non_exhaustive()
    }
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

    /// What else the event says. EventBridge Scheduler sends it as a text that has JSON in it (`"detail":"{}"`): such a text is
    /// read as its JSON, and any other one as a text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] where it is something else.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, events::ScheduledEvent};
    /// use serde_json::json;
    /// # use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let site = service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_schedule("nightly", async |event: ScheduledEvent| {
    ///     let detail: serde_json::Value = event.detail()?;
    ///     assert_eq!(detail, json!({ "order": 7 }));
    ///     Ok::<(), chalice_http_toolkit::Error>(())
    /// });
    /// for detail in [json!({ "order": 7 }), json!("{\"order\": 7}")] {
    ///     let event = json!({ "source": "nightly", "detail-type": "Orders", "detail": detail });
    ///     app.invoke(&event.to_string(), None).await?;
    /// }
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn detail<T: DeserializeOwned>(&self) -> Result<T> {
        if let Some(text) = text(&self.detail)
            && let Ok(detail) = serde_json::from_str(&text)
        {
            return Ok(detail);
        }
        serde_json::from_str(self.detail.get()).map_err(|error| {
            Error::caused(ErrorKind::Event, "the detail of a scheduled event is something else", error)
        })
    }

    /// Whether it goes to the handler of this rule, schedule or source.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name) || self.source == name
    }

    /// Whether a rule or schedule made it because it was time.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.is_scheduled
    }

    /// Whether its rule is there to keep the function warm, as the rule's name says.
    pub(crate) fn keeps_warm(&self) -> bool {
        self.name.as_deref().is_some_and(keeps_warm)
    }
}

impl Trigger {
    /// What an event is, which is known to be no request.
    pub(crate) fn parse(json: &str) -> Self {
        let Some(event) = Object::parse(json) else { return Self::Other };
        let text = |name| event.text(name).unwrap_or_default().into_owned();
        let is_true = |name| event.get(name).is_some_and(|raw| raw.get() == "true");
        if record_sources(&event).iter().any(|source| source == QUEUE) {
            return Self::Queue;
        }
        let (source, detail_type) = (text("source"), text("detail-type"));
        if is_true("warmer") || is_true("keep-warm") || source == "serverless-plugin-warmup" {
            return Self::KeepWarm;
        }
        let name = rule(&event);
        if source.is_empty() && detail_type.is_empty() && name.is_none() {
            return Self::Other;
        }
        let clocks = ["aws.events", "aws.scheduler"];
        let is_scheduled = name.is_some() || clocks.contains(&&*source) || detail_type == "Scheduled Event";
        let detail = event.get("detail").unwrap_or(RawValue::NULL).to_owned();
        let (id, time) = (text("id"), text("time"));
        Self::Bridge(ScheduledEvent { id, name, source, time, detail, is_scheduled })
    }
}

/// Where the records come from, as far as they say it; of a queue's also by its ARN.
fn record_sources(event: &Object<'_>) -> Vec<String> {
    let records = event.get("Records").and_then(|records| serde_json::from_str(records.get()).ok());
    let source = |record: &RawValue| {
        let record = Object::parse(record.get())?;
        let is_of_queue = record.text("eventSourceARN").is_some_and(|arn| arn.split(':').nth(2) == Some("sqs"));
        let said = record.text("eventSource").or_else(|| record.text("EventSource")).map(Cow::into_owned);
        if is_of_queue { Some(QUEUE.to_owned()) } else { said }
    };
    let records: Vec<&RawValue> = records.unwrap_or_default();
    records.into_iter().filter_map(source).collect()
}

const QUEUE: &str = "aws:sqs";

/// The name of the rule or schedule that the event is from.
fn rule(event: &Object<'_>) -> Option<String> {
    let resources = event.get("resources")?;
    let list: Vec<&RawValue> = serde_json::from_str(resources.get()).unwrap_or_else(|_| vec![resources]);
    list.into_iter().find_map(|arn| name(&text(arn)?))
}

/// Whether an event says nothing: `{}`, as the console gives a new schedule for its input.
pub(crate) fn is_empty(json: &str) -> bool {
    Object::parse(json).is_some_and(|fields| fields.is_empty())
}

/// The error for an event that nothing serves: what came, without its values, and what could have come.
pub(crate) fn unknown(json: &str) -> Error {
    let event = Object::parse(json);
    let came = match &event {
        None if serde_json::from_str::<IgnoredAny>(json).is_err() => "this event can't be read as JSON".to_owned(),
        None => "this event is no JSON object".to_owned(),
        Some(event) => match (record_sources(event).first(), event.text("source").unwrap_or_default()) {
            (Some(source), _) => format!("this event has records of `{source}`"),
            (None, source) if !source.is_empty() => format!("this event comes from `{source}`"),
            _ => with_fields(event),
        },
    };
    Error::new(ErrorKind::Event, format!("{came}; expected an event of {SERVED}"))
}

fn with_fields(event: &Object<'_>) -> String {
    let mut names = event.fields().map(|(name, _)| format!("`{}`", name.escape_debug()));
    let first: Vec<String> = names.by_ref().take(8).collect();
    let more = if names.next().is_some() { " and others" } else { "" };
    format!("this event is of no kind that is known: it has the fields {}{more}", first.join(", "))
}

const SERVED: &str = "an API Gateway REST or HTTP API, a function URL, an ALB, a queue of SQS, or a rule or schedule of \
     EventBridge with a handler of its name or source (App::with_schedule); App::with_event_handler takes any other";

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
