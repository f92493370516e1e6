//! The interface for bodies that are too large for a message, and the limit of memory for such bodies. It does not store them.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::message::{Attributes, Message};
use crate::error::{Error, ErrorKind, Result};

/// Says that a body is compressed; no other client knows this one.
pub(crate) const ENCODING: &str = "chalice-encoding";
/// Says that a body is a pointer, and how large what it points to is. The second name is that of older clients.
pub(crate) const SIZES: [&str; 2] = ["ExtendedPayloadSize", "SQSLargePayloadSize"];

/// Whether the body that came with these is not the one that was posted.
pub(crate) fn is_elsewhere(attributes: &Attributes) -> bool {
    SIZES.iter().chain([&ENCODING]).any(|name| attributes.contains_key(*name))
}

pub(crate) trait Offload: Debug + Send + Sync {
    /// A message of at most so many bytes, if that can be, in place of a larger one.
    fn shrink(&self, message: Message, most: usize) -> BoxFuture<'_, Result<Message>>;

    /// Where the body is that was posted, by what was received.
    fn locate(&self, body: &str, attributes: &Attributes) -> Result<BodyLocation>;

    /// The body, if it is no larger than was said.
    fn fetch(&self, location: BodyLocation) -> BoxFuture<'_, Result<String>>;
}

/// A body that is not in its message.
#[derive(Debug)]
#[cfg_attr(not(feature = "s3-offload"), expect(dead_code, reason = "without the feature nobody fetches one"))]
pub(crate) struct BodyLocation {
    pub(crate) place: BodyPlace,
    /// How large it says that it is.
    pub(crate) bytes: usize,
}

#[derive(Debug)]
#[cfg_attr(not(feature = "s3-offload"), expect(dead_code, reason = "without the feature there is no such place"))]
pub(crate) enum BodyPlace {
    Compressed(Vec<u8>),
    /// Under this key.
    Stored(String),
}

/// The memory for those bodies of a batch that are not in their messages.
#[derive(Debug)]
pub(crate) struct BodyMemory {
    kibibytes: Semaphore,
    most: usize,
}

/// Memory for one body, until it is dropped.
pub(crate) type BodyPermit<'a> = SemaphorePermit<'a>;

impl BodyMemory {
    pub(crate) fn of(most: usize) -> Self {
        Self { kibibytes: Semaphore::new(most.div_ceil(1024).min(Semaphore::MAX_PERMITS)), most }
    }

    /// Waits until there is so much.
    pub(crate) async fn take(&self, bytes: usize) -> Result<BodyPermit<'_>> {
        check_size(bytes, self.most)?;
        let kibibytes = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let taken = self.kibibytes.acquire_many(kibibytes).await;
        taken.map_err(|error| Error::caused(ErrorKind::Task, "there is no room for the body of a task", error))
    }
}

/// What no worker has room for.
pub(crate) fn check_size(bytes: usize, most: usize) -> Result<()> {
    if bytes > most {
        let message = format!("the body of a task has {bytes} bytes; a worker takes {most} (`with_offload_limit`)");
        return Err(Error::new(ErrorKind::Task, message));
    }
    Ok(())
}
