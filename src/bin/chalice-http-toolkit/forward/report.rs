//! What a person, or with `--json` a machine, sees of it. Never a body: it may hold what is nobody else's business.

use std::io::Write;

use serde_json::json;

use super::queue::Received;
use crate::say::plain;
pub(super) use crate::say::{causes, error, note, warn};

/// What became of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MessageOutcome {
    /// Done and deleted.
    Done,
    /// The function reported it, or failed as a whole; it comes back when it is no more hidden.
    Failed,
    /// Done, but it could not be deleted: it comes again.
    Undeleted(String),
    /// No function has seen it; it was given back at once.
    GivenBack,
}

impl MessageOutcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undeleted(_) => "undeleted",
            Self::GivenBack => "given back",
        }
    }
}

/// One batch, after it was settled.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) queue: &'a str,
    pub(super) function: &'a str,
    pub(super) outcomes: Vec<(&'a Received, MessageOutcome)>,
    /// Why the whole batch is not done.
    pub(super) reason: Option<String>,
    pub(super) ms: u128,
}

/// Prints a batch and its messages. Who has closed standard output does not want to see them.
pub(super) fn batch(batch: &Batch<'_>, json: bool) {
    let text = if json { lines(batch) } else { text(batch) };
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn lines(batch: &Batch<'_>) -> String {
    let line = |(message, outcome): &(&Received, MessageOutcome)| {
        let own = match outcome {
            MessageOutcome::Undeleted(reason) => Some(reason),
            MessageOutcome::Done => None,
            MessageOutcome::Failed | MessageOutcome::GivenBack => batch.reason.as_ref(),
        };
        let line = json!({
            "queue": batch.queue,
            "function": batch.function,
            "message_id": message.id,
            "task": message.task,
            "group": message.group,
            "attempt": message.attempt.parse::<u64>().ok(),
            "outcome": outcome.word(),
            "reason": own,
            "ms": u64::try_from(batch.ms).ok(),
        });
        format!("{line}\n")
    };
    batch.outcomes.iter().map(line).collect()
}

fn text(batch: &Batch<'_>) -> String {
    let done = batch.outcomes.iter().filter(|(_, outcome)| *outcome == MessageOutcome::Done).count();
    let mut text = format!("{} -> {}  {done} of {} done, ", batch.queue, batch.function, batch.outcomes.len());
    text += &format!("{} ms", batch.ms);
    if let Some(reason) = &batch.reason {
        text += &format!(": {}", plain(reason));
    }
    for (message, outcome) in &batch.outcomes {
        let group = message.group.as_deref().map(|group| format!("  group {}", plain(group))).unwrap_or_default();
        let task = message.task.as_deref().map(|task| format!("{}  ", plain(task))).unwrap_or_default();
        let (id, attempt) = (plain(&message.id), plain(&message.attempt));
        text += &format!("\n  {:<10}  {task}{id}{group}  attempt {attempt}", outcome.word());
        if let MessageOutcome::Undeleted(reason) = outcome {
            text += &format!(": {}", plain(reason));
        }
    }
    text + "\n"
}
