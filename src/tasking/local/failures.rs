//! Why messages of the queue failed last, for a developer who looks at it. Nothing depends on it.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::LocalQueue;
use crate::{error::Error, tasking::event::Record};

/// Causes by the ids of messages, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<VecDeque<(String, String)>>);

/// So many are kept.
const MOST: usize = 200;

impl LocalQueue {
    /// Keeps why a message failed.
    pub(crate) fn note_failure(&self, record: &Record, error: &Error) {
        let Some(id) = record.message_id.clone() else { return };
        let mut failures = self.0.failures.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|(known, _)| *known != id);
        if failures.len() == MOST {
            failures.pop_front();
        }
        failures.push_back((id, error.chain()));
    }

    #[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "the local server shows it"))]
    pub(crate) fn last_failure(&self, message_id: &str) -> Option<String> {
        let failures = self.0.failures.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.iter().find(|(known, _)| known == message_id).map(|(_, error)| error.clone())
    }
}
