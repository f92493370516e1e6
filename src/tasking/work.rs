//! What a worker does with a batch: each record is decoded, claimed, run and completed, and what failed is delayed and
//! reported. Which record runs when is decided in `batch`, and which attempt it is in `attempts`.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::Instrument;

use super::{
    backend::Backend,
    batch::{self, RecordResult, TaskOutcome},
    controller::{TaskingController, context::TaskContext, handlers::Handler},
    dead_letters::NextStep,
    ending::Polled,
    event::{self, BatchResponse, Record},
    invocation::{Attempt, Invocation},
    log::{log_batch, log_end, task_span},
    policy::Backoff,
    route::RoutedRecord,
    scope::Scope,
    sending::flush,
    task::RawTask,
    visibility::{LONGEST_DELAY, delay},
};
use crate::{
    defects::{Defect, seeded},
    error::{Error, ErrorKind, Result},
};

impl TaskingController {
    /// Works off one event of the queue, as [`App`](crate::App) does: for a runtime loop of your own. `remaining` is what
    /// is left of the invocation; handlers are cut a little before.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Event`] for what is no event of a queue; [`ErrorKind::Batch`] where tasks failed and Lambda can't be
    /// told which: it then keeps the whole batch.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{Error, tasking::TaskingController};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.on_raw(async |_context, task| match task.body() {
    ///     "good" => Ok(()),
    ///     other => Err(format!("{other} is not good")),
    /// });
    /// let event = r#"{"Records":[
    ///     {"messageId":"1","body":"good","eventSource":"aws:sqs","attributes":{"MessageGroupId":"a"}},
    ///     {"messageId":"2","body":"bad","eventSource":"aws:sqs","attributes":{"MessageGroupId":"a"}},
    ///     {"messageId":"3","body":"good","eventSource":"aws:sqs","attributes":{"MessageGroupId":"a"}}]}"#;
    /// let response = tasks.handle_event(event, None).await?;
    /// assert_eq!(response.failed().collect::<Vec<_>>(), ["2", "3"]);
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn handle_event(&self, event: &str, remaining: Option<Duration>) -> Result<BatchResponse> {
        let records = event::records(event)?;
        let results = self.work(&records, remaining, None).await;
        self.answer(&records, &results)
    }

    /// Works off an event of one record; its error is the task's.
    pub(crate) async fn run_alone(&self, event: &str) -> Result<()> {
        let results = self.work(&event::records(event)?, None, None).await;
        match results.into_iter().next().map(|end| end.outcome) {
            Some(outcome) if outcome.is_done() => Ok(()),
            Some(TaskOutcome::Failed(error) | TaskOutcome::Unavailable(error) | TaskOutcome::Panicked(error)) => {
                Err(error)
            }
            other => Err(Error::new(ErrorKind::Task, format!("a task did not run: {other:?}"))),
        }
    }

    /// Works off a batch that this process received by itself: what is done is deleted, and what is not comes again.
    pub(super) async fn work_polled(&self, records: &[Record], polled: &Polled) {
        self.work(records, Some(polled.time), Some(polled)).await;
    }

    async fn work(
        &self,
        records: &[Record],
        remaining: Option<Duration>,
        polled: Option<&Polled>,
    ) -> Vec<RecordResult> {
        let begun = Instant::now();
        let routed: Vec<RoutedRecord<'_>> = records.iter().map(|record| self.route(record)).collect();
        let results = Invocation::new(self, &routed, remaining, polled).work().await;
        log_batch(self.queue_name(), &results, begun);
        self.note_failures(records, &results);
        results
    }

    /// A developer sees why a task of a local queue failed.
    fn note_failures(&self, records: &[Record], results: &[RecordResult]) {
        let Backend::Local(queue, _) = self.backend() else { return };
        for (record, result) in records.iter().zip(results) {
            if let TaskOutcome::Failed(error) | TaskOutcome::Unavailable(error) | TaskOutcome::Panicked(error) =
                &result.outcome
            {
                queue.note_failure(record, error);
            }
        }
    }

    fn answer(&self, records: &[Record], results: &[RecordResult]) -> Result<BatchResponse> {
        let left = || records.iter().zip(results).filter(|(_, end)| !end.outcome.is_done());
        let failures = left().count();
        let unnamed = left().any(|(record, _)| record.message_id.is_none());
        if failures > 0 && (unnamed || !self.settings().report_batch_item_failures) {
            let message = format!("{failures} of {} tasks failed, and so their whole batch", records.len());
            return Err(Error::new(ErrorKind::Batch, message));
        }
        Ok(BatchResponse::new(left().filter_map(|(record, _)| record.message_id.clone())))
    }
}

impl<'a> Invocation<'a> {
    async fn work(&self) -> Vec<RecordResult> {
        let running = batch::process(
            self.records,
            |routed| routed.record.group.as_deref(),
            |routed| self.tasking.attempts().is_suspect(routed.record),
            |routed| self.may_start(routed),
            |routed| self.run(routed),
            self.tasking.settings().groups,
        );
        // By reference, as a future that is handed on is copied each time.
        let mut results = self.kept_hidden(pin!(running)).await;
        self.delete_done(&results).await;
        self.wait_if_nothing_ran(&mut results);
        let records = self.records.iter().map(|routed| routed.record);
        records.zip(&results).for_each(|(record, result)| self.tasking.attempts().note(record, result));
        self.delay_failed(&results).await;
        results
    }

    /// A batch for which an invocation has no time at all is not given back at once: it would come at once, and again.
    fn wait_if_nothing_ran(&self, results: &mut [RecordResult]) {
        if results.is_empty()
            || self.is_ending()
            || !results.iter().all(|end| matches!(end.outcome, TaskOutcome::NotStarted | TaskOutcome::Skipped))
        {
            return;
        }
        tracing::error!(
            queue = self.tasking.queue_name(),
            "no task of a batch could be started: `Task::NEEDS` or `with_margin` is more than the function's Timeout"
        );
        for (routed, end) in self.records.iter().zip(results) {
            end.again = end.again.and(Some(Backoff::default().delay(routed.record.receives)));
        }
    }

    /// Runs a record, and where it fails and is to come again at once, again.
    async fn run(&self, routed: &'a RoutedRecord<'a>) -> RecordResult {
        let record = routed.record;
        let is_suspect = self.tasking.attempts().is_suspect(record);
        if is_suspect {
            self.isolate(routed).await;
        }
        let (first, mut runs, policy) = (self.tasking.attempts().attempt(record), 0, routed.policy(self.tasking));
        loop {
            let begun = Instant::now();
            let span = task_span(self.tasking.queue_name(), record, routed.name(), first + runs);
            let running = self.run_once(routed, Attempt { number: first.saturating_add(runs), runs, begun, policy });
            let (end, is_due) = running.instrument(span.clone()).await;
            self.took(routed, begun.elapsed());
            let about = (self.tasking.queue_name(), routed.name(), policy.attempts);
            span.in_scope(|| log_end(about, record, &end, begun, self.times.until));
            self.note_end(record, routed.name(), &end).await;
            self.tasking.write_metrics(routed.name(), record, &end, begun.elapsed());
            if let TaskOutcome::DeadLettered(error) = &end.outcome {
                // Boxed: it is rare, and would make the future of each record larger.
                Box::pin(self.call_last_failure(routed, (error, end.attempt))).await;
            }
            if !is_due {
                // The next of the batch may end the process, and this one is not to come again for that.
                if end.outcome.is_done() && (self.polled.is_some() || is_suspect && self.records.len() > 1) {
                    self.delete(record).await;
                }
                return end;
            }
            runs = end.runs;
        }
    }

    /// One run, and whether another is to follow at once.
    async fn run_once(&self, routed: &RoutedRecord<'_>, attempt: Attempt) -> (RecordResult, bool) {
        if routed.record.is_delayed() {
            let outcome = self.wait_or_send_on(routed.record).await;
            let again = delay(routed.record, attempt.number, &outcome, attempt.policy);
            return (RecordResult { outcome, attempt: 0, runs: attempt.runs, again }, false);
        }
        let (outcome, attempt) = match &routed.handler {
            Ok((name, handler)) => self.claim_and_run(routed.record, name, *handler, attempt).await,
            Err(error) => (failed(error.clone()), attempt),
        };
        let record = routed.record;
        let (TaskOutcome::Failed(failure) | TaskOutcome::Panicked(failure)) = &outcome else {
            let again = delay(record, attempt.number, &outcome, attempt.policy);
            return (RecordResult { outcome, attempt: attempt.number, runs: attempt.runs, again }, false);
        };
        if failure.retry_delay().is_some_and(|delay| delay > LONGEST_DELAY) {
            tracing::warn!("a task asks to wait for longer than a queue can hide it: it comes again after 11 hours");
        }
        let has_time = self.times.is_enough(self.needs(routed));
        let next = self.next_step(record, attempt, &outcome, failure, has_time).await;
        let outcome = match next {
            NextStep::DeadLetter => TaskOutcome::DeadLettered(failure.clone()),
            NextStep::RetryNow | NextStep::RetryLater => outcome,
        };
        let again = match next {
            NextStep::RetryNow => Some(Duration::ZERO),
            _ => delay(record, attempt.number, &outcome, attempt.policy),
        };
        (
            RecordResult { outcome, attempt: attempt.number, runs: attempt.runs + 1, again },
            matches!(next, NextStep::RetryNow),
        )
    }

    /// Runs a record that has a handler, as the attempt that the store counts, or else as this one.
    async fn claim_and_run(
        &self,
        record: &Record,
        name: &str,
        handler: Option<&Handler>,
        mut attempt: Attempt,
    ) -> (TaskOutcome, Attempt) {
        let mut delivery = self.delivery(record, name);
        let counted = match self.claim(&delivery).await {
            Ok(counted) => counted.filter(|_| !seeded(Defect::Attempts)),
            Err(outcome) => return (outcome, attempt),
        };
        attempt.number = counted.unwrap_or(attempt.number);
        if counted.is_some_and(|counted| counted > attempt.policy.attempts) {
            // It was begun as often as it may, and at least the last time its process did not come to the end of it.
            let crashed = Error::new(ErrorKind::Handler, "the process ended each time while a task ran");
            let outcome = TaskOutcome::Failed(crashed.clone());
            let next = self.next_step(record, attempt, &outcome, &crashed, false).await;
            if matches!(next, NextStep::DeadLetter) {
                return (self.settle(TaskOutcome::DeadLettered(crashed), &delivery).await, attempt);
            }
        }
        delivery.attempt = attempt.number;
        delivery.until = self.times.until_of(attempt);
        let delivery = Arc::new(delivery);
        delivery.note_running(self.tasking).await;
        let context = TaskContext { delivery: delivery.clone(), tasking: self.tasking.clone() };
        let outcome = match batch::guarded(self.body(record), delivery.until).await {
            // The memory is taken until the handler is done with the body.
            Ok(Ok((body, _taken))) => match handler.map_or_else(|| self.tasking.handler_by(record, &body), Ok) {
                Ok(handler) => {
                    let task = RawTask::new(body, record.attributes.clone());
                    match self.run_handler(handler, context, task).await {
                        TaskOutcome::Cut if !self.has_ended() => self.times.cut(attempt),
                        outcome => outcome,
                    }
                }
                Err(error) => TaskOutcome::Failed(error),
            },
            Ok(Err(error)) => failed(error),
            Err(TaskOutcome::Cut) if matches!(self.times.cut(attempt), TaskOutcome::Failed(_)) => {
                let message = "the body of a task could not be fetched in the time that the task has";
                TaskOutcome::Unavailable(Error::new(ErrorKind::Queue, message))
            }
            Err(outcome) => outcome,
        };
        let outcome = self.settle(outcome, &delivery).await;
        if matches!(outcome, TaskOutcome::Done) {
            delivery.note_done(self.tasking).await;
        }
        (outcome, attempt)
    }

    /// Runs the handler, and sends what it keeps for its success.
    async fn run_handler(&self, handler: &Handler, context: TaskContext, task: RawTask) -> TaskOutcome {
        // The message's id, and not the task's key: that one may be a name for something that happens every day.
        let ids = [&context.delivery.message_id, &context.delivery.key];
        let origin = ids.into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default();
        let until = context.delivery.until;
        let scope = Scope::new(Some(origin), self.times.end, context.delivery.trace.clone());
        let running = scope.run(async { (handler.run)(context, task).await });
        match self.until_the_end(pin!(batch::guarded(running, until))).await {
            Ok(Ok(())) => match flush(&scope).await {
                Ok(()) => TaskOutcome::Done,
                Err(error) => TaskOutcome::Failed(error),
            },
            Ok(Err(error)) => TaskOutcome::Failed(Error::from_handler(error)),
            Err(outcome) => outcome,
        }
    }
}

/// A message that can't be run: by nobody, or just not by this worker or at this time.
fn failed(error: Error) -> TaskOutcome {
    match error.kind() {
        ErrorKind::Configuration | ErrorKind::Queue => TaskOutcome::Unavailable(error),
        _ => TaskOutcome::Failed(error),
    }
}
