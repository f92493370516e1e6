//! What a worker does with a batch: each record is decoded, claimed, run and completed; what failed is put off and
//! reported. Which record runs when is decided in `batch`, and which attempt it is in `tally`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{
    TaskingController,
    batch::{self, End, Limits, Outcome},
    bury::{Attempt, Verdict},
    context::TaskContext,
    event::{self, BatchResponse, Record},
    find::Found,
    log::{log_batch, log_end, task_span},
    offload::{Room, Taken, is_elsewhere},
    policy::Backoff,
    put_off::{LONGEST_DELAY, delay},
    scope::{Scope, flush},
    task::{Handler, RawTask},
};
use crate::{
    defects::{Defect, seeded},
    error::{BoxError, Error, ErrorKind, Result},
};

/// What is kept of an invocation's time for what comes after the handlers: a tenth, but within these.
const SHORTEST_MARGIN: Duration = Duration::from_millis(200);
const LONGEST_MARGIN: Duration = Duration::from_secs(1);
/// A claim ends by itself so long after the invocation, or so long after it was made where that has no end.
const LEASE_MARGIN: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(15 * 60);

/// The times of one invocation.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    begun: Instant,
    /// When handlers are cut.
    pub(super) until: Option<Instant>,
    /// When the rest must be over.
    pub(crate) end: Option<Instant>,
    pub(super) lease: Duration,
}

impl Times {
    fn of(remaining: Option<Duration>, margin: Option<Duration>) -> Self {
        let begun = Instant::now();
        let Some(remaining) = remaining else { return Self { begun, until: None, end: None, lease: LEASE } };
        let margin = margin.unwrap_or_else(|| (remaining / 10).clamp(SHORTEST_MARGIN, LONGEST_MARGIN));
        Self {
            begun,
            until: Some(begun + remaining.saturating_sub(margin)),
            end: Some(begun + remaining.saturating_sub(margin / 2)),
            lease: remaining + LEASE_MARGIN,
        }
    }

    /// Whether what begins now has nearly all of the invocation's time.
    fn is_whole(&self, begun: Instant) -> bool {
        self.until.is_some_and(|until| begun - self.begun <= (until - self.begun) / 10)
    }

    /// When this attempt is cut.
    fn until_of(&self, attempt: Attempt) -> Option<Instant> {
        let own = attempt.policy.timeout.and_then(|timeout| attempt.begun.checked_add(timeout));
        own.into_iter().chain(self.until).min()
    }

    /// What it means that an attempt was cut: to have had all of its time is a failure.
    fn cut(&self, attempt: Attempt) -> Outcome {
        let failed = |message: String| Outcome::Failed(Error::new(ErrorKind::Handler, message));
        match attempt.policy.timeout {
            Some(timeout) if self.until_of(attempt) != self.until => {
                failed(format!("a task took longer than its TIMEOUT of {timeout:?}"))
            }
            _ if self.is_whole(attempt.begun) => failed("a task took longer than its invocation".to_owned()),
            _ => Outcome::Cut,
        }
    }

    /// Whether something that needs so long can begin.
    fn is_enough(&self, needs: Duration) -> bool {
        self.until.is_none_or(|until| Instant::now() + needs < until)
    }
}

/// A batch that is worked off.
struct Batch<'a> {
    found: &'a [Found<'a>],
    times: Times,
    room: Room,
    /// How long the longest run of each kind of task took.
    longest: Mutex<HashMap<&'a str, Duration>>,
    /// The receipts of what is deleted before the batch ends.
    deleted: Mutex<HashSet<&'a str>>,
}

impl<'a> Batch<'a> {
    /// How much time a task must have: one that took longer before would only be cut.
    fn needs(&self, found: &Found<'_>) -> Duration {
        let own = found.handler().map_or(Duration::ZERO, |handler| handler.needs);
        let longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        longest.get(found.name().unwrap_or_default()).map_or(own, |longest| own.max(*longest))
    }

    fn took(&self, found: &'a Found<'_>, time: Duration) {
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = longest.entry(found.name().unwrap_or_default()).or_default();
        *longest = time.max(*longest);
    }

    /// What is still in the queue.
    fn left(&self) -> Vec<&'a Record> {
        let deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        self.found.iter().map(|found| found.record).filter(|record| !deleted.contains(&*record.receipt)).collect()
    }

    fn note_deleted(&self, record: &'a Record) {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).insert(&record.receipt);
    }
}

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
        let ends = self.work(&records, remaining).await;
        self.answer(&records, &ends)
    }

    /// Works off an event of one record; its error is the task's.
    pub(crate) async fn run_alone(&self, event: &str) -> Result<()> {
        let ends = self.work(&event::records(event)?, None).await;
        match ends.into_iter().next().map(|end| end.outcome) {
            Some(outcome) if outcome.is_done() => Ok(()),
            Some(Outcome::Failed(error) | Outcome::Unavailable(error) | Outcome::Panicked(error)) => Err(error),
            other => Err(Error::new(ErrorKind::Task, format!("a task did not run: {other:?}"))),
        }
    }

    async fn work(&self, records: &[Record], remaining: Option<Duration>) -> Vec<End> {
        let begun = Instant::now();
        let found: Vec<Found<'_>> = records.iter().map(|record| self.find(record)).collect();
        let batch = Batch {
            found: &found,
            times: Times::of(remaining, self.settings().margin),
            room: Room::of(self.settings().offload_limit),
            longest: Mutex::default(),
            deleted: Mutex::default(),
        };
        let limits = Limits { groups: self.settings().groups, until: batch.times.until };
        let mut ends = batch::process(
            &found,
            |found| found.record.group.as_deref(),
            |found| self.tally().is_suspect(found.record),
            |found| batch.needs(found),
            |found| self.run(found, &batch),
            limits,
        )
        .await;
        self.wait_if_nothing_ran(records, &mut ends);
        records.iter().zip(&ends).for_each(|(record, end)| self.tally().note(record, end));
        self.put_off(&found, &ends, batch.times).await;
        log_batch(self.queue_name(), &ends, begun);
        ends
    }

    /// A batch for which an invocation has no time at all is not given back at once: it would come at once, and again.
    fn wait_if_nothing_ran(&self, records: &[Record], ends: &mut [End]) {
        if ends.is_empty() || !ends.iter().all(|end| matches!(end.outcome, Outcome::NotStarted | Outcome::Skipped)) {
            return;
        }
        tracing::error!(
            queue = self.queue_name(),
            "no task of a batch could be started: `Task::NEEDS` or `with_margin` is more than the function's Timeout"
        );
        for (record, end) in records.iter().zip(ends) {
            end.again = end.again.and(Some(Backoff::default().delay(record.receives)));
        }
    }

    /// Runs a record, and where it fails and is to come again at once, again.
    async fn run<'a>(&self, found: &'a Found<'_>, batch: &Batch<'a>) -> End {
        let record = found.record;
        let is_suspect = self.tally().is_suspect(record);
        if is_suspect {
            self.isolate(found, &batch.left(), batch.times).await;
        }
        let (first, mut runs, policy) = (self.tally().attempt(record), 0, found.policy(self));
        loop {
            let begun = Instant::now();
            let span = task_span(self.queue_name(), record, found.name(), first + runs);
            let running =
                self.run_once(found, Attempt { number: first.saturating_add(runs), runs, begun, policy }, batch);
            let (end, is_due) = running.instrument(span.clone()).await;
            batch.took(found, begun.elapsed());
            let about = (self.queue_name(), found.name(), policy.attempts);
            span.in_scope(|| log_end(about, record, &end, begun, batch.times.until));
            if let Outcome::Buried(error) = &end.outcome {
                // Boxed: it is rare, and would make the future of each record larger.
                Box::pin(self.tell_last_failure(found, (error, end.attempt), &batch.room, batch.times)).await;
            }
            if !is_due {
                if is_suspect && end.outcome.is_done() && batch.found.len() > 1 {
                    // The next of the batch may end the process, and this one is not to come again for that.
                    self.delete(record, batch.times).await;
                    batch.note_deleted(record);
                }
                return end;
            }
            runs = end.runs;
        }
    }

    /// One run, and whether another is to follow at once.
    async fn run_once(&self, found: &Found<'_>, attempt: Attempt, batch: &Batch<'_>) -> (End, bool) {
        let (outcome, attempt) = match &found.handler {
            Ok((name, handler)) => self.claim_and_run(found.record, name, *handler, attempt, batch).await,
            Err(error) => (failed(error.clone()), attempt),
        };
        let record = found.record;
        let (Outcome::Failed(failure) | Outcome::Panicked(failure)) = &outcome else {
            let again = delay(record, attempt.number, &outcome, attempt.policy);
            return (End { outcome, attempt: attempt.number, runs: attempt.runs, again }, false);
        };
        if failure.retry_delay().is_some_and(|delay| delay > LONGEST_DELAY) {
            tracing::warn!("a task asks to wait for longer than a queue can hide it: it comes again after 11 hours");
        }
        let has_time = batch.times.is_enough(batch.needs(found));
        let verdict = self.judge(record, attempt, &outcome, failure, has_time, batch.times).await;
        let outcome = match verdict {
            Verdict::Buried => Outcome::Buried(failure.clone()),
            Verdict::AtOnce | Verdict::Later => outcome,
        };
        let again = match verdict {
            Verdict::AtOnce => Some(Duration::ZERO),
            _ => delay(record, attempt.number, &outcome, attempt.policy),
        };
        (End { outcome, attempt: attempt.number, runs: attempt.runs + 1, again }, matches!(verdict, Verdict::AtOnce))
    }

    /// Runs a record that has a handler, as the attempt that the store counts, or else as this one.
    async fn claim_and_run(
        &self,
        record: &Record,
        name: &str,
        handler: Option<&Handler>,
        mut attempt: Attempt,
        batch: &Batch<'_>,
    ) -> (Outcome, Attempt) {
        let times = batch.times;
        let mut delivery = self.delivery(record, name, times);
        let counted = match self.claim(&delivery, times).await {
            Ok(counted) => counted.filter(|_| !seeded(Defect::Attempts)),
            Err(outcome) => return (outcome, attempt),
        };
        attempt.number = counted.unwrap_or(attempt.number);
        if counted.is_some_and(|counted| counted > attempt.policy.attempts) {
            // It was begun as often as it may, and at least the last time its process did not come to the end of it.
            let crashed = Error::new(ErrorKind::Handler, "the process ended each time while a task ran");
            let outcome = Outcome::Failed(crashed.clone());
            let verdict = self.judge(record, attempt, &outcome, &crashed, false, times).await;
            if matches!(verdict, Verdict::Buried) {
                return (self.settle(Outcome::Buried(crashed), &delivery, times).await, attempt);
            }
        }
        delivery.attempt = attempt.number;
        delivery.until = times.until_of(attempt);
        let delivery = Arc::new(delivery);
        let context = TaskContext { delivery: delivery.clone(), tasking: self.clone() };
        let outcome = match batch::guarded(self.body(record, &batch.room), delivery.until).await {
            // The room is taken until the handler is done with the body.
            Ok(Ok((body, _taken))) => match handler.map_or_else(|| self.handler_by(record, &body), Ok) {
                Ok(handler) => {
                    let task = RawTask::new(body, record.attributes.clone());
                    match self.run_handler(handler, context, task, times).await {
                        Outcome::Cut => times.cut(attempt),
                        outcome => outcome,
                    }
                }
                Err(error) => Outcome::Failed(error),
            },
            Ok(Err(error)) => failed(error),
            Err(Outcome::Cut) if matches!(times.cut(attempt), Outcome::Failed(_)) => {
                let message = "the body of a task could not be fetched in the time that the task has";
                Outcome::Unavailable(Error::new(ErrorKind::Queue, message))
            }
            Err(outcome) => outcome,
        };
        (self.settle(outcome, &delivery, times).await, attempt)
    }

    /// The body that was posted, which may be elsewhere, and the room that it takes then.
    pub(super) async fn body<'a>(&self, record: &Record, room: &'a Room) -> Result<(String, Option<Taken<'a>>)> {
        let body = record.body.as_deref().unwrap_or_default();
        let Some(offload) = self.settings().offload.as_ref().filter(|_| is_elsewhere(&record.attributes)) else {
            return Ok((body.to_owned(), None));
        };
        let found = offload.locate(body, &record.attributes)?;
        let taken = room.take(found.bytes).await?;
        Ok((offload.fetch(found).await?, Some(taken)))
    }

    /// Runs the handler, and sends what it keeps for its success.
    async fn run_handler(&self, handler: &Handler, context: TaskContext, task: RawTask, times: Times) -> Outcome {
        // The message's id, and not the task's key: that one may be a name for something that happens every day.
        let ids = [&context.delivery.message_id, &context.delivery.key];
        let origin = ids.into_iter().find(|id| !id.is_empty()).cloned().unwrap_or_default();
        let until = context.delivery.until;
        let scope = Scope::new(origin, times.end, context.delivery.trace.clone());
        let running = scope.run(async { (handler.run)(context, task).await });
        match batch::guarded(running, until).await {
            Ok(Ok(())) => match flush(&scope).await {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::Failed(error),
            },
            Ok(Err(error)) => Outcome::Failed(Error::from_handler(error)),
            Err(outcome) => outcome,
        }
    }

    fn answer(&self, records: &[Record], ends: &[End]) -> Result<BatchResponse> {
        let left = || records.iter().zip(ends).filter(|(_, end)| !end.outcome.is_done());
        let failures = left().count();
        let unnamed = left().any(|(record, _)| record.message_id.is_none());
        if failures > 0 && (unnamed || !self.settings().report_batch_item_failures) {
            let message = format!("{failures} of {} tasks failed, and so their whole batch", records.len());
            return Err(Error::new(ErrorKind::Batch, message));
        }
        Ok(BatchResponse::new(left().filter_map(|(record, _)| record.message_id.clone())))
    }
}

/// A message that can't be run: by nobody, or just not by this worker or at this time.
fn failed(error: Error) -> Outcome {
    match error.kind() {
        ErrorKind::Configuration | ErrorKind::Queue => Outcome::Unavailable(error),
        _ => Outcome::Failed(error),
    }
}

/// A call to a store or a queue that must be over by then.
pub(crate) async fn within<T>(end: Option<Instant>, call: impl Future<Output = Result<T, BoxError>>) -> Result<T> {
    let outcome = match end {
        Some(end) => timeout_at(end, call).await.unwrap_or_else(|_| Err("the time was up".into())),
        None => call.await,
    };
    outcome.map_err(|error| match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::caused(ErrorKind::Store, "the idempotency store failed", error),
    })
}
