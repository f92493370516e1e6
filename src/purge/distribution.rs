//! A distribution of CloudFront through its SDK: the one file that knows its types. The client is made with the first purge.

use std::time::Duration;

use aws_sdk_cloudfront::{
    Client,
    error::ProvideErrorMetadata,
    types::{InvalidationBatch, Paths},
};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    tasking::{configuration, fault},
};

/// A distribution at AWS, or at whatever `AWS_ENDPOINT_URL_CLOUDFRONT` names.
#[derive(Debug)]
pub(super) struct Distribution {
    id: String,
    client: OnceCell<Client>,
}

impl Distribution {
    pub(super) fn new(id: String) -> Self {
        Self { id, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client> {
        let make = || async {
            let configuration = configuration().await;
            match fault(configuration, "AWS_ENDPOINT_URL_CLOUDFRONT").await {
                Some(fault) => Err(Error::new(ErrorKind::Configuration, fault)),
                None => Ok(Client::new(configuration)),
            }
        };
        self.client.get_or_try_init(make).await
    }

    /// Creates an invalidation. While CloudFront has too many in progress it is tried again, for as long as there is time.
    pub(super) async fn invalidate(
        &self,
        items: Vec<String>,
        reference: &str,
        remaining: Option<Duration>,
    ) -> Result<()> {
        let end = Instant::now() + remaining.map_or(LONGEST_WAIT, |left| left.min(LONGEST_WAIT));
        let batch = batch(items, reference)?;
        let mut pause = FIRST_PAUSE;
        loop {
            let request =
                self.client().await?.create_invalidation().distribution_id(&self.id).invalidation_batch(batch.clone());
            let Err(error) = request.send().await else { return Ok(()) };
            let is_busy = error.code().is_some_and(|code| BUSY.contains(&code));
            let failed = failed(&self.id, error.into());
            if !is_busy {
                return Err(failed);
            }
            if Instant::now() + 2 * pause > end {
                return Err(Error::retry_after(NEXT_ATTEMPT, failed));
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

fn batch(items: Vec<String>, reference: &str) -> Result<InvalidationBatch> {
    let invalid = |error: BoxError| Error::caused(ErrorKind::Purge, "an invalidation can't be written", error);
    let quantity = i32::try_from(items.len()).unwrap_or(i32::MAX);
    let paths = Paths::builder().quantity(quantity).set_items(Some(items)).build();
    let paths = paths.map_err(|error| invalid(error.into()))?;
    let batch = InvalidationBatch::builder().paths(paths).caller_reference(reference).build();
    batch.map_err(|error| invalid(error.into()))
}

fn failed(id: &str, error: BoxError) -> Error {
    let message = format!(
        "an invalidation was not taken for the distribution `{}` (the worker needs cloudfront:CreateInvalidation)",
        id.escape_debug()
    );
    Error::caused(ErrorKind::Purge, message, error)
}

/// The error codes after which the call is worth another try.
const BUSY: [&str; 4] = ["TooManyInvalidationsInProgress", "Throttling", "ThrottlingException", "ServiceUnavailable"];

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// An invalidation is done in less than 25 seconds, mostly.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const NEXT_ATTEMPT: Duration = Duration::from_secs(30);
