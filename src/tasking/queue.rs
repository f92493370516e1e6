//! The interface of a queue. AWS and the local queue implement it.

use std::{error::Error as StdError, fmt::Debug, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::message::Message;
use crate::error::{BoxError, Error, ErrorKind, Result};

/// The most messages that one request takes.
pub(crate) const MOST_ENTRIES: usize = 10;

pub(crate) trait Queue: Debug + Send + Sync {
    /// Sends up to ten messages in one request, with an outcome for each in their order; `Err` where the request failed
    /// as a whole.
    fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, Result<Vec<Result<Sent, Failed>>, Failed>>;

    /// Hides up to ten received messages, each for so long from now; for no time gives it back.
    fn change_visibility<'a>(&'a self, changes: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>>;

    /// Deletes a received message; also one that is deleted already.
    fn delete<'a>(&'a self, receipt: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// Where the dead letters of a queue go.
pub(crate) struct DeadLetterTarget {
    /// None where it keeps what nobody can run.
    pub(crate) queue: Option<Arc<dyn Queue>>,
    /// After so many receives the queue sends a message there by itself, run or not.
    pub(crate) most_receives: Option<u32>,
}

/// A received message, and for how long it is hidden from now (`ChangeMessageVisibility`).
#[derive(Clone, Debug)]
pub(crate) struct VisibilityChange {
    pub(crate) receipt: String,
    pub(crate) delay: Duration,
}

/// What a queue says of a message that it took, also where it had taken the same one before.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message_id: String,
    pub(crate) sequence_number: String,
}

/// Why an attempt failed, and what that means for the next.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) kind: ErrorKind,
    /// Another attempt may succeed.
    pub(crate) retry: bool,
    /// The queue may have taken the message: its answer is what failed.
    pub(crate) maybe_sent: bool,
    /// What a person is told, where that is more than the kind says.
    pub(crate) told: Option<String>,
    pub(crate) source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Failed {
    /// A refusal: no other attempt succeeds, and nothing was sent.
    pub(crate) fn new(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, retry: false, maybe_sent: false, told: None, source: Some(source.into().into()) }
    }

    /// A wrong setting. `told` says which, and what to do.
    pub(crate) fn configuration(told: String) -> Self {
        Self { kind: ErrorKind::Configuration, retry: false, maybe_sent: false, told: Some(told), source: None }
    }

    /// The error of a post whose last attempt this was. A lost answer to any attempt leaves it open whether it was sent.
    pub(crate) fn error(&self, attempts: u32, maybe_sent: bool) -> Error {
        let message = match (&self.told, self.kind) {
            (Some(told), _) => told.clone(),
            (None, ErrorKind::QueueNotFound) => "there is no such queue".to_owned(),
            (None, ErrorKind::Handler | ErrorKind::Permanent | ErrorKind::Task) => "the task failed".to_owned(),
            (None, ErrorKind::OrderBroken) => {
                "a task was not sent, for a later one of its group is in the queue".to_owned()
            }
            (None, _) => format!("the queue did not take a task (attempts: {attempts})"),
        };
        match (maybe_sent || self.maybe_sent, self.source.clone()) {
            (true, Some(source)) => Error::maybe_sent_of(self.kind, message, source),
            (true, None) => Error::maybe_sent_of(self.kind, message, "an answer was lost"),
            (false, Some(source)) => Error::caused(self.kind, message, source),
            (false, None) => Error::new(self.kind, message),
        }
    }
}
