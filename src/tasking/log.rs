//! Log events of tasks: a span and an event for each task, an event for each batch, with OpenTelemetry's names for messaging.
//! They contain no body and nothing made from one.

use std::time::SystemTime;

use tokio::time::Instant;
use tracing::Span;

use super::{
    batch::{RecordResult, TaskOutcome},
    event::Record,
    visibility::is_planned,
};
use crate::error::{Error, ErrorKind};

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

/// What became of a task, in one event that says all of it: which task of which queue, which attempt of how many, how long it
/// took, and when it comes again.
pub(crate) fn log_end(
    (queue, name, attempts): (&str, Option<&str>, u32),
    record: &Record,
    end: &RecordResult,
    begun: Instant,
    until: Option<Instant>,
) {
    let error = match &end.outcome {
        TaskOutcome::Failed(error)
        | TaskOutcome::Unavailable(error)
        | TaskOutcome::DeadLettered(error)
        | TaskOutcome::Panicked(error) => Some(error),
        _ => None,
    };
    let age = record.sent_at.and_then(|sent| SystemTime::now().duration_since(sent).ok());
    macro_rules! event {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                task.name = name,
                task.group = record.group,
                task.outcome = outcome_name(&end.outcome),
                task.attempt = end.attempt,
                task.attempts = attempts,
                messaging.destination.name = queue,
                messaging.message.id = record.message_id,
                messaging.message.receives = record.receives,
                queue_age_ms = age.map(milliseconds),
                handler_ms = milliseconds(begun.elapsed()),
                remaining_ms = until.map(|until| milliseconds(until.saturating_duration_since(Instant::now()))),
                again_ms = end.again.map(milliseconds),
                kind = error.map(|error| tracing::field::debug(error.kind())),
                error = error.map(Error::chain),
                $message
            )
        };
    }
    match &end.outcome {
        TaskOutcome::Done | TaskOutcome::Duplicate => event!(info, "a task was done"),
        TaskOutcome::Waiting(_) => event!(info, "a task is not due yet: it waits"),
        TaskOutcome::SentOn => event!(info, "a task that had to wait is due: it is in its group now"),
        TaskOutcome::DeadLettered(_) => event!(error, "a task failed: it is a dead letter now"),
        TaskOutcome::Failed(error) if is_planned(error) => event!(info, "a task waits as planned: it comes again"),
        TaskOutcome::Failed(_) | TaskOutcome::Panicked(_) => event!(warn, "a task failed: it comes again"),
        TaskOutcome::Unavailable(_) => event!(error, "a task failed to start: it comes again"),
        _ => event!(info, "a task was not done: it comes again"),
    }
}

/// The totals of a batch.
pub(crate) fn log_batch(queue: &str, results: &[RecordResult], begun: Instant) {
    let count = |names: &[&str]| results.iter().filter(|end| names.contains(&outcome_name(&end.outcome))).count();
    tracing::info!(
        messaging.system = "aws_sqs",
        messaging.destination.name = queue,
        messaging.batch.message_count = results.len(),
        done = count(&["ok"]),
        duplicates = count(&["duplicate"]),
        failed = count(&["failed", "unavailable", "poison", "panic", "busy"]),
        dead_letters = count(&["dead_letter"]),
        waiting = count(&["waiting"]),
        skipped = count(&["skipped_group"]),
        not_started = count(&["not_started", "deadline"]),
        batch_ms = milliseconds(begun.elapsed()),
        "a batch of tasks was worked off"
    );
}

fn outcome_name(outcome: &TaskOutcome) -> &'static str {
    match outcome {
        TaskOutcome::Done => "ok",
        TaskOutcome::Duplicate => "duplicate",
        TaskOutcome::Busy(_) => "busy",
        TaskOutcome::Failed(error) if error.kind() == ErrorKind::Task => "poison",
        TaskOutcome::Failed(error) if is_planned(error) => "waiting",
        TaskOutcome::Failed(_) => "failed",
        TaskOutcome::Waiting(_) => "waiting",
        TaskOutcome::SentOn => "sent_on",
        TaskOutcome::Unavailable(_) => "unavailable",
        TaskOutcome::DeadLettered(_) => "dead_letter",
        TaskOutcome::Panicked(_) => "panic",
        TaskOutcome::Cut => "deadline",
        TaskOutcome::Skipped => "skipped_group",
        TaskOutcome::NotStarted => "not_started",
    }
}

pub(super) fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
