//! Amazon SQS through its SDK: the one file that knows its types. The client is made, and a queue's URL asked for, when
//! the first message is sent. It sends what it is given once; when to try again is decided in `send`.

use std::{error::Error as StdError, io, sync::Arc};

use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue,
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName,
        SendMessageBatchRequestEntry,
    },
};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{
    aws,
    message::{Attribute, Message},
    queue::{DeadLetterTarget, Failed, Queue, Sent, VisibilityChange},
    queue_name::variable,
};
use crate::error::{BoxError, Error, ErrorKind, Result};

/// A queue that sends its messages away after fewer receives than this may do it before they have run.
const LEAST_RECEIVES: u32 = 20;

/// A queue at AWS, or at whatever `AWS_ENDPOINT_URL_SQS` names.
#[derive(Debug)]
pub(crate) struct Sqs {
    /// A name, or a URL.
    queue: String,
    client: OnceCell<Client>,
    url: OnceCell<String>,
    redrive: OnceCell<Option<Redrive>>,
    arn: OnceCell<String>,
}

/// What a queue does with a message that was received too often.
#[derive(Debug)]
struct Redrive {
    queue: Arc<Sqs>,
    most_receives: u32,
}

/// The attribute that says it. Some tools write the number as a text.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: Value,
}

impl Sqs {
    pub(crate) fn new(queue: &str) -> Self {
        let (client, url, redrive, arn) = Default::default();
        Self { queue: queue.to_owned(), client, url, redrive, arn }
    }

    async fn client(&self) -> Result<&Client, Failed> {
        let make = || async {
            let configuration = aws::configuration().await;
            match aws::fault(configuration, "AWS_ENDPOINT_URL_SQS").await {
                Some(fault) => Err(Failed::configuration(fault)),
                None => Ok(Client::new(configuration)),
            }
        };
        self.client.get_or_try_init(make).await
    }

    /// The queue's URL: as it was given, or asked for once.
    pub(crate) async fn url(&self) -> Result<&String, Failed> {
        let ask = || async {
            if self.queue.contains("://") {
                return Ok(self.queue.clone());
            }
            let answer = self.client().await?.get_queue_url().queue_name(&self.queue).send().await;
            let answer = answer.map_err(|error| Failed { maybe_sent: false, ..self.failed(error) })?;
            let url = answer.queue_url;
            url.ok_or_else(|| Failed::new(ErrorKind::Queue, "GetQueueUrl answered without a URL"))
        };
        let url = self.url.get_or_try_init(ask).await?;
        if !url.ends_with(".fifo") {
            return Err(Failed::configuration(format!("`{url}` is no FIFO queue: the name of one ends in `.fifo`")));
        }
        Ok(url)
    }

    /// Where its dead letters go: to the named queue, or else where its RedrivePolicy says, which is asked for once.
    pub(crate) async fn dead_letter_target(
        &self,
        arn: &str,
        named: Option<Arc<dyn Queue>>,
    ) -> Result<DeadLetterTarget> {
        let redrive = match self.redrive(arn).await {
            Ok(redrive) => redrive,
            Err(_) if named.is_some() => None,
            Err(error) => return Err(error),
        };
        let own = redrive.map(|redrive| redrive.queue.clone() as Arc<dyn Queue>);
        Ok(DeadLetterTarget { queue: named.or(own), most_receives: redrive.map(|redrive| redrive.most_receives) })
    }

    /// The queue's ARN, which is asked for once.
    pub(crate) async fn arn(&self) -> Result<&String> {
        self.arn.get_or_try_init(|| self.attribute(QueueAttributeName::QueueArn)).await
    }

    pub(super) async fn attribute(&self, name: QueueAttributeName) -> Result<String> {
        let ask = async {
            let ask = self.client().await?.get_queue_attributes().queue_url(self.url().await?);
            let answer = ask.attribute_names(name.clone()).send().await;
            let attributes = answer.map_err(|error| Failed { maybe_sent: false, ..self.failed(error) })?.attributes;
            let value = attributes.and_then(|mut attributes| attributes.remove(&name));
            value.ok_or_else(|| Failed::new(ErrorKind::Queue, format!("GetQueueAttributes answered without {name}")))
        };
        ask.await.map_err(|failed: Failed| failed.error(1, false))
    }

    /// The client, and the queue's URL.
    pub(super) async fn connected(&self) -> Result<(&Client, &String)> {
        let failed = |failed: Failed| failed.error(1, false);
        Ok((self.client().await.map_err(failed)?, self.url().await.map_err(failed)?))
    }

    async fn redrive(&self, arn: &str) -> Result<Option<&Redrive>> {
        let url = self.url().await.map_err(|failed| failed.error(1, false))?;
        if url.rsplit('/').next() != arn.rsplit(':').next() {
            // Another queue's dead letters would be no place to look for it.
            let message = format!("a message of the queue `{arn}` is worked off by the controller of `{url}`");
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        let asked = self.redrive.get_or_try_init(|| self.ask_for_redrive(url)).await;
        asked.map(Option::as_ref).map_err(|failed| failed.error(1, false))
    }

    async fn ask_for_redrive(&self, url: &str) -> Result<Option<Redrive>, Failed> {
        let ask = self.client().await?.get_queue_attributes().queue_url(url);
        let ask = ask.attribute_names(QueueAttributeName::RedrivePolicy);
        let answer = ask.send().await.map_err(|error| Failed { maybe_sent: false, ..self.failed(error) })?;
        let policy = answer.attributes.and_then(|mut attributes| attributes.remove(&QueueAttributeName::RedrivePolicy));
        let Some((url, most_receives)) = policy.as_deref().and_then(|policy| redrive_target(policy, url)) else {
            return Ok(None);
        };
        if most_receives < LEAST_RECEIVES {
            tracing::warn!(
                queue = self.queue,
                max_receive_count = most_receives,
                "the queue's maxReceiveCount is low: it may make dead letters of tasks that never ran. Set it to 100; how \
                 often a task is tried is said by `with_attempts`"
            );
        }
        // The same account and region, and so the same client.
        let queue = Self { client: OnceCell::new_with(Some(self.client().await?.clone())), ..Self::new(&url) };
        Ok(Some(Redrive { queue: Arc::new(queue), most_receives }))
    }

    async fn send_one(&self, message: &Message) -> Result<Sent, Failed> {
        let (client, url) = (self.client().await?, self.url().await?);
        let request = client.send_message().queue_url(url).message_body(&message.body);
        let request = request.message_group_id(&message.group).message_deduplication_id(&message.deduplication);
        let request = request.set_message_attributes(attributes(message)).set_message_system_attributes(trace(message));
        let sent = request.send().await.map_err(|error| self.failed(error))?;
        // What has no id is the answer of something that is no SQS.
        let message_id = sent.message_id.filter(|id| !id.is_empty()).ok_or_else(unanswered)?;
        Ok(Sent { message_id, sequence_number: sent.sequence_number.unwrap_or_default() })
    }

    async fn send_many(&self, messages: &[&Message]) -> Result<Vec<Result<Sent, Failed>>, Failed> {
        let (client, url) = (self.client().await?, self.url().await?);
        let entries: Result<Vec<_>, _> = messages.iter().enumerate().map(|(at, message)| entry(at, message)).collect();
        let entries = entries.map_err(|error| Failed::new(ErrorKind::Queue, error))?;
        let answer = client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| self.failed(error))?;
        let mut outcomes: Vec<_> = messages.iter().map(|_| Err(unanswered())).collect();
        for sent in answer.successful.into_iter().filter(|sent| !sent.message_id.is_empty()) {
            if let Some(outcome) = sent.id.parse().ok().and_then(|at: usize| outcomes.get_mut(at)) {
                let sequence_number = sent.sequence_number.unwrap_or_default();
                *outcome = Ok(Sent { message_id: sent.message_id, sequence_number });
            }
        }
        for entry in answer.failed {
            if let Some(outcome) = entry.id.parse().ok().and_then(|at: usize| outcomes.get_mut(at)) {
                *outcome = Err(failed_entry(entry));
            }
        }
        Ok(outcomes)
    }
}

impl Sqs {
    /// What a failed request means for the next, with the name of the queue where there is none.
    fn failed<E>(&self, error: SdkError<E, aws_sdk_sqs::config::http::HttpResponse>) -> Failed
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let failed = failed(error);
        if failed.kind != ErrorKind::QueueNotFound {
            return failed;
        }
        let region = self.client.get().and_then(|client| Some(client.config().region()?.to_string()));
        let (queue, region) = (&self.queue, region.unwrap_or_default());
        let told = format!(
            "there is no queue `{queue}` in the region {region} of this account: create it, or set AWS_REGION, or the variable \
             `{}` to its URL",
            variable(queue.rsplit('/').next().unwrap_or_default())
        );
        Failed { told: Some(told), ..failed }
    }
}

/// A message of which the answer says nothing.
fn unanswered() -> Failed {
    Failed { retry: true, maybe_sent: true, ..Failed::new(ErrorKind::Queue, "the answer does not name the message") }
}

impl Queue for Sqs {
    fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>> {
        Box::pin(async move {
            match messages {
                [message] => self.send_one(message).await.map(|sent| vec![Ok(sent)]),
                _ => self.send_many(messages).await,
            }
        })
    }

    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (client, url) = self.connected().await?;
            let entry = |(at, VisibilityChange { receipt, delay }): (usize, &VisibilityChange)| {
                let seconds = i32::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                entry.receipt_handle(receipt).visibility_timeout(seconds).build()
            };
            let entries: Result<Vec<_>, _> = changes.iter().enumerate().map(entry).collect();
            let caused = |error| Error::caused(ErrorKind::Queue, "tasks could not be put off", error);
            let entries = entries.map_err(|error| caused(error.into()))?;
            let request = client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries));
            let answer = request.send().await.map_err(|error| caused(BoxError::from(error)))?;
            match answer.failed.into_iter().next() {
                Some(entry) => Err(caused(entry_fault(&entry).into())),
                None => Ok(()),
            }
        })
    }

    fn delete<'a>(&'a self, receipt: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (client, url) = self.connected().await?;
            let deleted = client.delete_message().queue_url(url).receipt_handle(receipt).send().await;
            deleted.map(drop).map_err(|error| Error::caused(ErrorKind::Queue, "a task could not be deleted", error))
        })
    }
}

/// The URL of a queue's dead-letter queue, which is of the same account and region, and after how many receives a message
/// goes there.
fn redrive_target(policy: &str, url: &str) -> Option<(String, u32)> {
    let policy: RedrivePolicy = serde_json::from_str(policy).ok()?;
    let count = &policy.max_receive_count;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok())?;
    let (account, name) = (url.rsplit_once('/')?.0, policy.dead_letter_target_arn.rsplit(':').next()?);
    Some((format!("{account}/{name}"), count.try_into().ok()?))
}

fn entry(at: usize, message: &Message) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let entry = SendMessageBatchRequestEntry::builder().id(at.to_string()).message_body(&message.body);
    let entry = entry.message_group_id(&message.group).message_deduplication_id(&message.deduplication);
    entry.set_message_attributes(attributes(message)).set_message_system_attributes(trace(message)).build()
}

type Map<K, V> = std::collections::HashMap<K, V>;

fn attributes(message: &Message) -> Option<Map<String, MessageAttributeValue>> {
    let value = |value: &Attribute| {
        let builder = MessageAttributeValue::builder().data_type(value.data_type());
        let builder = match value {
            Attribute::Text(text) | Attribute::Number(text) => builder.string_value(text),
            Attribute::Binary(bytes) => builder.binary_value(Blob::new(bytes.to_vec())),
        };
        // The builder asks for a data type only, which is there.
        builder.build().ok()
    };
    let named = |(name, given): (&String, &Attribute)| Some((name.clone(), value(given)?));
    (!message.attributes.is_empty()).then(|| message.attributes.iter().filter_map(named).collect())
}

fn trace(message: &Message) -> Option<Map<MessageSystemAttributeNameForSends, MessageSystemAttributeValue>> {
    let header = message.trace.as_ref()?;
    let value = MessageSystemAttributeValue::builder().data_type("String").string_value(header).build().ok()?;
    Some(Map::from([(MessageSystemAttributeNameForSends::AwsTraceHeader, value)]))
}

/// What a failed request means for the next. Only an error with a code is a refusal by SQS: anything else may come from a proxy
/// on the way, before or after SQS has taken the message.
fn failed<E>(error: SdkError<E, aws_sdk_sqs::config::http::HttpResponse>) -> Failed
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    if lacks_credentials(&error) || CREDENTIAL_CODES.iter().any(|known| code.contains(known)) {
        let told = format!(
            "AWS takes no request with these credentials ({}): see to AWS_PROFILE, or to AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY",
            if code.is_empty() { "they can't be loaded" } else { &code }
        );
        return Failed { told: Some(told), ..Failed::new(ErrorKind::Configuration, error) };
    }
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let (retry, maybe_sent) = match &error {
        SdkError::ConstructionFailure(_) => (false, false),
        SdkError::DispatchFailure(failure) if failure.is_user() => (false, false),
        SdkError::DispatchFailure(_) => (true, !is_refused(&error)),
        SdkError::ServiceError(_) if is_throttling(&code) => (true, false),
        // `RequestTimeout` is said of what has perhaps arrived.
        SdkError::ServiceError(_) if !code.is_empty() && !code.contains("Timeout") => (status >= 500, status >= 500),
        _ => (true, true),
    };
    let kind = if code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist") {
        ErrorKind::QueueNotFound
    } else {
        ErrorKind::Queue
    };
    Failed { retry, maybe_sent, ..Failed::new(kind, error) }
}

/// Codes that say that nobody is known by these credentials.
const CREDENTIAL_CODES: [&str; 4] =
    ["InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch", "MissingAuthenticationToken"];

/// Whether a request was not even signed. The type that says so is none of the SDK's public ones.
fn lacks_credentials(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("loading credentials") || text.contains("credential provider") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether no connection came about.
fn is_refused(error: &(dyn StdError + 'static)) -> bool {
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(refused) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Codes come with and without prefixes and suffixes: `ThrottlingException`, `RequestThrottled`, `KmsThrottled`,
/// `AWS.SimpleQueueService.ThrottlingException`.
fn is_throttling(code: &str) -> bool {
    ["Throttl", "TooManyRequests", "SlowDown"].iter().any(|word| code.contains(word))
}

fn failed_entry(entry: BatchResultErrorEntry) -> Failed {
    let retry = !entry.sender_fault || is_throttling(&entry.code);
    Failed { retry, ..Failed::new(ErrorKind::Queue, entry_fault(&entry)) }
}

fn entry_fault(entry: &BatchResultErrorEntry) -> String {
    format!("{}: {}", entry.code, entry.message.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use aws_config::{profile::ProfileFileCredentialsProvider, provider_config::ProviderConfig};
    use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, ProvideCredentials, Region, retry::RetryConfig};

    use super::*;

    /// A queue whose server answers each request with these bytes, and then hangs up.
    fn answering(answer: String) -> Sqs {
        answering_to(answer, Credentials::new("none", "none", None, None, "a test"))
    }

    fn answering_to(answer: String, credentials: impl ProvideCredentials + 'static) -> Sqs {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut request = [0; 1 << 14];
                drop(stream.read(&mut request));
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::new("eu-west-1"))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled())
            .endpoint_url(&url);
        let client = OnceCell::new_with(Some(Client::from_conf(config.build())));
        Sqs { client, ..Sqs::new(&format!("{url}/000000000000/t.fifo")) }
    }

    fn message() -> Message {
        Message {
            body: "x".into(),
            attributes: Default::default(),
            group: "g".into(),
            deduplication: "d".into(),
            trace: None,
        }
    }

    /// Only SQS itself refuses, by a code; whoever else answers knows nothing of the message.
    #[tokio::test]
    async fn only_an_error_with_a_code_is_a_refusal() {
        let error = |code: &str| format!(r#"{{"__type":"com.amazonaws.sqs#{code}","message":"so it is"}}"#);
        let html = "<html><body>Bad gateway</body></html>".to_owned();
        let (queue, none) = (ErrorKind::Queue, "");
        for (status, body, kind, retry, maybe_sent, told) in [
            (200, html.clone(), queue, true, true, none),
            (200, "{}".to_owned(), queue, true, true, none),
            (200, r#"{"MessageId":""}"#.to_owned(), queue, true, true, none),
            (200, r#"{"MessageId":"1","#.to_owned(), queue, true, true, none),
            (200, String::new(), queue, true, true, none),
            (302, String::new(), queue, true, true, none),
            (400, html.clone(), queue, true, true, none),
            (403, html.clone(), queue, true, true, none),
            (404, String::new(), queue, true, true, none),
            (408, String::new(), queue, true, true, none),
            (408, error("RequestTimeout"), queue, true, true, none),
            (429, html.clone(), queue, true, true, none),
            (502, html, queue, true, true, none),
            (503, error("ServiceUnavailable"), queue, true, true, none),
            (400, error("RequestThrottled"), queue, true, false, none),
            (400, error("InvalidMessageContents"), queue, false, false, none),
            (403, error("AccessDeniedException"), queue, false, false, none),
            (
                400,
                error("QueueDoesNotExist"),
                ErrorKind::QueueNotFound,
                false,
                false,
                "t.fifo` in the region eu-west-1",
            ),
            (403, error("InvalidClientTokenId"), ErrorKind::Configuration, false, false, "AWS_ACCESS_KEY_ID"),
        ] {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\nConnection: close\r\n");
            for cut in [0, 1] {
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", length + cut * 100);
                let sqs = answering(answer);
                let failed = match sqs.send(&[&message()]).await {
                    Err(failed) => failed,
                    Ok(outcomes) => outcomes.into_iter().next().expect("an outcome").expect_err("it was not sent"),
                };
                // What is cut has no code any more.
                let (kind, retry, maybe_sent) = if cut == 0 { (kind, retry, maybe_sent) } else { (queue, true, true) };
                assert_eq!(
                    (failed.kind, failed.retry, failed.maybe_sent),
                    (kind, retry, maybe_sent),
                    "{status} {body} {failed:?}"
                );
                let error = failed.error(1, false);
                assert_eq!(error.maybe_sent(), maybe_sent);
                assert!(cut > 0 || error.to_string().contains(told), "{error}");
            }
        }
    }

    /// By the SDK's own text: a change of it is seen here.
    #[tokio::test]
    async fn credentials_that_cant_be_loaded_are_an_error_of_configuration() {
        let http = ProviderConfig::empty().with_http_client(aws_smithy_http_client::Builder::new().build_http());
        let profile = ProfileFileCredentialsProvider::builder().configure(&http).profile_name("there-is-none");
        let failed =
            answering_to(String::new(), profile.build()).send(&[&message()]).await.expect_err("nothing is signed");
        assert_eq!((failed.kind, failed.retry, failed.maybe_sent), (ErrorKind::Configuration, false, false));
        assert!(failed.error(1, false).to_string().contains("AWS_PROFILE"), "{failed:?}");
    }

    #[test]
    fn dead_letters_go_to_a_queue_beside_the_queue() {
        let arn = "arn:aws:sqs:eu-west-1:123456789012:dead.fifo";
        for (count, url, expected) in [
            (
                "5",
                "https://sqs.eu-west-1.amazonaws.com/123456789012/t.fifo",
                Some(("https://sqs.eu-west-1.amazonaws.com/123456789012/dead.fifo", 5)),
            ),
            (
                "\"100\"",
                "http://127.0.0.1:4566/000000000000/t.fifo",
                Some(("http://127.0.0.1:4566/000000000000/dead.fifo", 100)),
            ),
            ("null", "http://127.0.0.1:4566/000000000000/t.fifo", None),
            ("-1", "http://127.0.0.1:4566/000000000000/t.fifo", None),
        ] {
            let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
            assert_eq!(redrive_target(&policy, url), expected.map(|(url, count)| (url.to_owned(), count)));
        }
        assert_eq!(redrive_target("", "http://127.0.0.1/t.fifo"), None);
    }

    #[tokio::test]
    async fn a_message_of_another_queue_has_no_place_among_the_dead_letters_of_this_one() {
        let sqs = Sqs::new("https://sqs.eu-west-1.amazonaws.com/123456789012/t.fifo");
        let arn = "arn:aws:sqs:eu-west-1:123456789012:other.fifo";
        let error = sqs.dead_letter_target(arn, None).await.err().expect("it is refused before anything is asked");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let named: Arc<dyn Queue> = Arc::new(Sqs::new("https://sqs.eu-west-1.amazonaws.com/123456789012/d.fifo"));
        let letters = sqs.dead_letter_target(arn, Some(named)).await.expect("it is named");
        assert!(letters.queue.is_some() && letters.most_receives.is_none());
    }
}
