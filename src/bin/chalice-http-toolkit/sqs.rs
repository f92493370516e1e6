//! SQS for the subcommands that need it: its configuration, finding a queue, and what a failed call means. It does not know
//! what is done with a message.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig};
use aws_sdk_sqs::{
    Client,
    config::{Builder, Region},
    error::{ProvideErrorMetadata, SdkError},
};
use aws_smithy_http_client::{
    Builder as HttpBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use crate::{queue_name::QueueName, say};

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It may work later.
    Passing(String),
    /// It needs a person.
    Lasting(String),
}

/// What SQS did not do of a batch: which entries, by their place in it, and why; and whether asking again is of no use.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) place: usize,
    pub(crate) reason: String,
    pub(crate) lasting: bool,
}

/// Credentials, region, TLS and the endpoint: this one, or that of the environment.
pub(crate) async fn configuration(endpoint_url: Option<&str>) -> SdkConfig {
    let https = HttpBuilder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    // Shorter pauses than a server's: a person waits for it.
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(100));
    let mut config = aws_config::defaults(BehaviorVersion::latest()).http_client(https).retry_config(retries);
    if let Some(url) = endpoint_url {
        config = config.endpoint_url(url);
    }
    config.load().await
}

/// The client for a queue, and the queue's URL.
pub(crate) async fn find(config: &SdkConfig, name: &QueueName) -> Result<(Client, String), Trouble> {
    let region = match name {
        QueueName::Arn { region, .. } => Some(region),
        QueueName::Url { region, .. } => region.as_ref(),
        QueueName::Name(_) => None,
    };
    let mut builder = Builder::from(config);
    if let Some(region) = region {
        builder = builder.region(Region::new(region.clone()));
    }
    let client = Client::from_conf(builder.build());
    let url = url(&client, name).await?;
    Ok((client, url))
}

async fn url(client: &Client, name: &QueueName) -> Result<String, Trouble> {
    let (name, account) = match name {
        QueueName::Url { url, .. } => return Ok(url.clone()),
        QueueName::Name(name) => (name, None),
        QueueName::Arn { name, account, .. } => (name, Some(account.clone())),
    };
    let find = client.get_queue_url().queue_name(name).set_queue_owner_aws_account_id(account);
    let found = find.send().await.map_err(|error| match trouble(error) {
        Trouble::Passing(why) => Trouble::Passing(format!("{name}: {why}")),
        Trouble::Lasting(why) => Trouble::Lasting(format!("{name}: {why}")),
    })?;
    found.queue_url.ok_or_else(|| Trouble::Lasting(format!("{name}: SQS gave no URL for it")))
}

pub(crate) fn refused(entry: aws_sdk_sqs::types::BatchResultErrorEntry) -> Refused {
    Refused {
        place: entry.id.parse().unwrap_or(usize::MAX),
        reason: entry.message.unwrap_or(entry.code),
        lasting: entry.sender_fault,
    }
}

/// Codes after which only a person can help. Throttling has many names, so everything else may pass.
const LASTING: [&str; 8] = [
    "AccessDenied",
    "ExpiredToken",
    "InvalidAddress",
    "InvalidClientTokenId",
    "NonExistentQueue",
    "QueueDoesNotExist",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
];

pub(crate) fn trouble<E>(error: SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if let (Some(code), SdkError::ServiceError(_)) = (error.code(), &error) {
        let text = format!("{code}: {}", error.message().unwrap_or("no more was said"));
        return if LASTING.iter().any(|lasting| code.contains(lasting)) {
            Trouble::Lasting(text)
        } else {
            Trouble::Passing(text)
        };
    }
    let text = say::causes(&error);
    match error {
        SdkError::ConstructionFailure(_) => Trouble::Lasting(text),
        SdkError::DispatchFailure(failure) if failure.is_user() => Trouble::Lasting(text),
        _ => Trouble::Passing(text),
    }
}

/// A failed call as a person is told it, with what SQS needs.
pub(crate) fn help(trouble: Trouble) -> String {
    let (Trouble::Lasting(reason) | Trouble::Passing(reason)) = trouble;
    format!(
        "{reason}\n\
         What SQS must know: credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; an emulator takes \
         any), the region of the queue (AWS_REGION, or name the queue by its ARN), and the endpoint if it is not AWS \
         (AWS_ENDPOINT_URL_SQS or --endpoint-url)."
    )
}
