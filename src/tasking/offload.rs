//! Where bodies go that are too large for a message: the contract. It knows no place for them.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use super::message::{Attributes, Message};
use crate::error::Result;

pub(crate) trait Offload: Debug + Send + Sync {
    /// A message that fits, in place of one that may not.
    fn shrink(&self, message: Message) -> BoxFuture<'_, Result<Message>>;

    /// The body that was posted, of what was received.
    fn expand<'a>(&'a self, body: &'a str, attributes: &'a Attributes) -> BoxFuture<'a, Result<String>>;
}
