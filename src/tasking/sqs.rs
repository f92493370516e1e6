//! Amazon SQS through its SDK: the one file that knows its types. The client is made, and a queue's URL asked for, when
//! the first message is sent. It sends what it is given once; when to try again is decided in `send`.

use std::{error::Error as StdError, io, time::Duration};

use aws_sdk_sqs::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, MessageAttributeValue,
        MessageSystemAttributeNameForSends, MessageSystemAttributeValue, SendMessageBatchRequestEntry,
    },
};
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::{
    aws,
    message::{Attribute, Message},
    queue::{Failed, Queue, Sent},
};
use crate::error::{BoxError, Error, ErrorKind, Result};

/// A queue at AWS, or at whatever `AWS_ENDPOINT_URL_SQS` names.
#[derive(Debug)]
pub(crate) struct Sqs {
    /// A name, or a URL.
    queue: String,
    client: OnceCell<Client>,
    url: OnceCell<String>,
}

impl Sqs {
    pub(crate) fn new(queue: &str) -> Self {
        Self { queue: queue.to_owned(), client: OnceCell::new(), url: OnceCell::new() }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| async { Client::new(aws::configuration().await) }).await
    }

    /// The queue's URL: as it was given, or asked for once.
    async fn url(&self) -> Result<&String, Failed> {
        let ask = || async {
            if self.queue.contains("://") {
                return Ok(self.queue.clone());
            }
            let answer = self.client().await.get_queue_url().queue_name(&self.queue).send().await;
            let answer = answer.map_err(|error| Failed { maybe_sent: false, ..failed(error) })?;
            let url = answer.queue_url;
            url.ok_or_else(|| Failed::new(ErrorKind::Queue, "GetQueueUrl answered without a URL"))
        };
        self.url.get_or_try_init(ask).await
    }

    async fn send_one(&self, message: &Message) -> Result<Sent, Failed> {
        let (client, url) = (self.client().await, self.url().await?);
        let request = client.send_message().queue_url(url).message_body(&message.body);
        let request = request.message_group_id(&message.group).message_deduplication_id(&message.deduplication);
        let request = request.set_message_attributes(attributes(message)).set_message_system_attributes(trace(message));
        let sent = request.send().await.map_err(failed)?;
        Ok(Sent {
            message_id: sent.message_id.unwrap_or_default(),
            sequence_number: sent.sequence_number.unwrap_or_default(),
        })
    }

    async fn send_many(&self, messages: &[&Message]) -> Result<Vec<Result<Sent, Failed>>, Failed> {
        let (client, url) = (self.client().await, self.url().await?);
        let entries: Result<Vec<_>, _> = messages.iter().enumerate().map(|(at, message)| entry(at, message)).collect();
        let entries = entries.map_err(|error| Failed::new(ErrorKind::Queue, error))?;
        let answer = client.send_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(failed)?;
        let unnamed =
            || Failed { retry: true, maybe_sent: true, ..Failed::new(ErrorKind::Queue, "no answer for an entry") };
        let mut outcomes: Vec<_> = messages.iter().map(|_| Err(unnamed())).collect();
        for sent in answer.successful {
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

impl Queue for Sqs {
    fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>> {
        Box::pin(async move {
            match messages {
                [message] => self.send_one(message).await.map(|sent| vec![Ok(sent)]),
                _ => self.send_many(messages).await,
            }
        })
    }

    fn hide<'a>(&'a self, receipts: &'a [String], delay: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let failed = |failed: Failed| failed.error(1, false);
            let (client, url) = (self.client().await, self.url().await.map_err(failed)?);
            let seconds = i32::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
            let entry = |(at, receipt): (usize, &String)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                entry.receipt_handle(receipt).visibility_timeout(seconds).build()
            };
            let entries: Result<Vec<_>, _> = receipts.iter().enumerate().map(entry).collect();
            let caused = |error| Error::caused(ErrorKind::Queue, "tasks could not be put off", error);
            let entries = entries.map_err(|error| caused(error.into()))?;
            let request = client.change_message_visibility_batch().queue_url(url).set_entries(Some(entries));
            let answer = request.send().await.map_err(|error| caused(BoxError::from(error)))?;
            match answer.failed.into_iter().next() {
                Some(entry) => Err(caused(failed_entry(entry).source.into())),
                None => Ok(()),
            }
        })
    }
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

/// What a failed request means for the next.
fn failed<E>(error: SdkError<E, aws_sdk_sqs::config::http::HttpResponse>) -> Failed
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let throttled = status == 429 || is_throttling(&code);
    let (retry, maybe_sent) = match &error {
        SdkError::ConstructionFailure(_) => (false, false),
        SdkError::DispatchFailure(failure) if failure.is_user() => (false, false),
        SdkError::DispatchFailure(_) => (true, !is_refused(&error)),
        SdkError::ServiceError(_) if throttled => (true, false),
        SdkError::ServiceError(_) => (status >= 500, status >= 500),
        _ => (true, true),
    };
    let kind = if code.ends_with("NonExistentQueue") || code.ends_with("QueueDoesNotExist") {
        ErrorKind::QueueNotFound
    } else {
        ErrorKind::Queue
    };
    Failed { retry, maybe_sent, ..Failed::new(kind, error) }
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
    let source = format!("{}: {}", entry.code, entry.message.unwrap_or_default());
    let retry = !entry.sender_fault || is_throttling(&entry.code);
    Failed { retry, ..Failed::new(ErrorKind::Queue, source) }
}
