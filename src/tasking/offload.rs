//! Where bodies go that are too large for a message: the contract. It knows no place for them.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use super::message::{Attributes, Message};
use crate::error::Result;

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

    /// The body that was posted, of what was received.
    fn expand<'a>(&'a self, body: &'a str, attributes: &'a Attributes) -> BoxFuture<'a, Result<String>>;
}
