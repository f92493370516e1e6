//! Which attempt of its own a message is at, as far as that can be known, and which messages may have ended a process.
//!
//! SQS counts receives (`ApproximateReceiveCount`), and a receive is not an attempt: a message is received with each batch
//! that its group's head is in, also where the head fails and nothing behind it runs. Nothing can be written on a message
//! that is in a queue, and one that is sent again loses its place. So an attempt is counted elsewhere:
//!
//! - With a store that counts ([`Claim::Again`](super::Claim)) it is the store. A claim is made before a handler runs. It is
//!   given back where the handler was not to blame, and stays counted where the process died. That is exact: nothing becomes a
//!   dead letter before its own handler was begun so often, and what ends its process each time leaves after as many.
//! - Without one it is the receives, less those of which this process knows that the message did not run in them. What a
//!   process that died or another function instance knew is lost: a task that waited there behind others may have fewer
//!   attempts than it should, and one at least. A task that ends its process each time goes on until the queue's
//!   `maxReceiveCount`.
//!
//! The receives matter all the same, for at `maxReceiveCount` the queue itself makes a dead letter of what may never have
//! run. What keeps them few stands in `visibility`.
//!
//! A message is a *suspect* where it was received before and this process does not know how that ended: its handler may
//! have ended the process. It runs alone, before all else of its batch.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{batch::RecordResult, event::Record};
use crate::defects::{Defect, seeded};

/// More messages are not remembered. Of those that are forgotten, receives count as attempts.
const MOST: usize = 10_000;

/// What this process knows of messages that are still in the queue.
#[derive(Debug, Default)]
pub(crate) struct AttemptCounter(Mutex<HashMap<String, Seen>>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// The last receive whose end this process has seen.
    receives: u32,
    /// By how many the attempts are more than the receives.
    more: i64,
    /// Whether it was a suspect then, and has not run since.
    is_suspect: bool,
}

impl AttemptCounter {
    /// Which attempt of a message its next run is, by its receives.
    pub(crate) fn attempt(&self, record: &Record) -> u32 {
        let more = if seeded(Defect::Attempts) { 0 } else { self.known(record).more };
        let attempt = i64::from(record.receives) + more;
        u32::try_from(attempt.max(1)).unwrap_or(u32::MAX)
    }

    /// Whether a message may have ended the process that received it before.
    pub(crate) fn is_suspect(&self, record: &Record) -> bool {
        let known = self.known(record);
        // What waits for its time is received again as planned, and no handler ran.
        !record.is_delayed() && record.receives > 1 && (known.receives != record.receives - 1 || known.is_suspect)
    }

    /// Records how a receive ended.
    pub(crate) fn note(&self, record: &Record, end: &RecordResult) {
        let Some(id) = record.message_id.as_ref() else { return };
        let is_suspect = end.runs == 0 && self.is_suspect(record);
        let mut known = self.all();
        if end.outcome.is_done() {
            known.remove(id);
            return;
        }
        if known.len() >= MOST {
            known.clear();
        }
        let known = known.entry(id.clone()).or_default();
        *known = Seen { receives: record.receives, more: known.more + i64::from(end.runs) - 1, is_suspect };
    }

    fn known(&self, record: &Record) -> Seen {
        let id = record.message_id.as_ref();
        id.and_then(|id| self.all().get(id).copied()).unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
