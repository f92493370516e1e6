//! What is told of tasks: a span and an event for each, an event for each batch, with OpenTelemetry's names for messaging.
//! Never a body, nor what it was made from.

use std::time::SystemTime;

use tokio::time::Instant;
use tracing::Span;

use super::{batch::Outcome, event::Record};

/// The span in which a task runs.
pub(crate) fn task_span(queue: &str, record: &Record, name: Option<&str>, attempt: u32) -> Span {
    tracing::info_span!(
        "task",
        messaging.system = "aws_sqs",
        messaging.operation.type = "process",
        messaging.destination.name = queue,
        messaging.message.id = record.message_id,
        task.name = name,
        task.group = record.group,
        task.attempt = attempt,
    )
}

/// What became of a task. Its span says which.
pub(crate) fn log_outcome(record: &Record, outcome: &Outcome, begun: Instant, until: Option<Instant>) {
    let handler_ms = milliseconds(begun.elapsed());
    let age = record.sent_at.and_then(|sent| SystemTime::now().duration_since(sent).ok());
    let queue_age_ms = age.map(milliseconds);
    let remaining_ms = until.map(|until| milliseconds(until.saturating_duration_since(Instant::now())));
    let outcome_name = name(outcome);
    match outcome {
        Outcome::Done | Outcome::Duplicate => {
            tracing::info!(task.outcome = outcome_name, queue_age_ms, handler_ms, remaining_ms, "a task was done");
        }
        Outcome::Failed(error) | Outcome::Unavailable(error) | Outcome::Buried(error) | Outcome::Panicked(error) => {
            let (error, kind) = (error.chain(), error.kind());
            tracing::error!(
                task.outcome = outcome_name,
                queue_age_ms,
                handler_ms,
                remaining_ms,
                ?kind,
                error,
                "a task failed"
            );
        }
        _ => {
            tracing::warn!(task.outcome = outcome_name, queue_age_ms, handler_ms, remaining_ms, "a task was not done");
        }
    }
}

/// The totals of a batch.
pub(crate) fn log_batch(queue: &str, outcomes: &[Outcome], begun: Instant) {
    let count = |names: &[&str]| outcomes.iter().filter(|outcome| names.contains(&name(outcome))).count();
    tracing::info!(
        messaging.system = "aws_sqs",
        messaging.destination.name = queue,
        messaging.batch.message_count = outcomes.len(),
        done = count(&["ok"]),
        duplicates = count(&["duplicate"]),
        failed = count(&["failed", "unavailable", "poison", "panic", "busy", "deadline"]),
        dead_letters = count(&["dead_letter"]),
        skipped = count(&["skipped_group"]),
        not_started = count(&["not_started"]),
        batch_ms = milliseconds(begun.elapsed()),
        "a batch of tasks was worked off"
    );
}

fn name(outcome: &Outcome) -> &'static str {
    use crate::error::ErrorKind;
    match outcome {
        Outcome::Done => "ok",
        Outcome::Duplicate => "duplicate",
        Outcome::Busy(_) => "busy",
        Outcome::Failed(error) if error.kind() == ErrorKind::Task => "poison",
        Outcome::Failed(_) => "failed",
        Outcome::Unavailable(_) => "unavailable",
        Outcome::Buried(_) => "dead_letter",
        Outcome::Panicked(_) => "panic",
        Outcome::Cut => "deadline",
        Outcome::Skipped => "skipped_group",
        Outcome::NotStarted => "not_started",
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
