//! What a worker does with a batch: each record is decoded, claimed, run and completed; what failed is put off and
//! reported. Which record runs when is decided in `batch`.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use super::{
    TaskingController,
    batch::{self, Limits, Outcome},
    bury::Attempt,
    context::{Delivery, TaskContext},
    event::{self, BatchResponse, Record},
    find::Found,
    log::{log_batch, log_outcome, task_span},
    offload::{Room, Taken, is_elsewhere},
    scope::Scope,
    send::BatchOrder,
    store::{Claim, IdempotencyStore},
    task::{Handler, RawTask},
};
use crate::{
    defects::{Defect, seeded},
    entity_tag::hex,
    error::{BoxError, Error, ErrorKind, Result},
};

/// What is kept of an invocation's time for what comes after the handlers: a tenth, but within these.
const SHORTEST_MARGIN: Duration = Duration::from_millis(200);
const LONGEST_MARGIN: Duration = Duration::from_secs(1);
/// A claim ends by itself so long after the invocation, or so long after it was made where that has no end.
const LEASE_MARGIN: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(15 * 60);

/// A longer key stands in the store as its digest: DynamoDB takes 2048 bytes.
const LONGEST_KEY: usize = 1024;

/// The times of one invocation.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    begun: Instant,
    /// When handlers are cut.
    until: Option<Instant>,
    /// When the rest must be over.
    pub(crate) end: Option<Instant>,
    lease: Duration,
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
    pub(crate) fn is_whole(&self, begun: Instant) -> bool {
        self.until.is_some_and(|until| begun - self.begun <= (until - self.begun) / 10)
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
    /// use chalice_http_toolkit::{Error, TaskingController};
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
        let outcomes = self.work(&records, remaining).await;
        self.answer(&records, &outcomes)
    }

    /// Works off an event of one record; its error is the task's.
    pub(crate) async fn run_alone(&self, event: &str) -> Result<()> {
        let outcomes = self.work(&event::records(event)?, None).await;
        match outcomes.into_iter().next() {
            Some(outcome) if outcome.is_done() => Ok(()),
            Some(Outcome::Failed(error) | Outcome::Unavailable(error) | Outcome::Panicked(error)) => Err(error),
            other => Err(Error::new(ErrorKind::Task, format!("a task did not run: {other:?}"))),
        }
    }

    async fn work(&self, records: &[Record], remaining: Option<Duration>) -> Vec<Outcome> {
        let begun = Instant::now();
        let times = Times::of(remaining, self.settings().margin);
        let found: Vec<Found<'_>> = records.iter().map(|record| self.find(record)).collect();
        let limits = Limits { groups: self.settings().groups, until: times.until };
        let room = Room::of(self.settings().offload_limit);
        let outcomes = batch::process(
            &found,
            |found| found.record.group.as_deref(),
            |found| found.handler().map_or(Duration::ZERO, |handler| handler.needs),
            |found| self.run(found, times, &room),
            limits,
        )
        .await;
        self.put_off(&found, &outcomes, times).await;
        log_batch(self.queue_name(), &outcomes, begun);
        outcomes
    }

    /// Runs a record, and where it fails and is to come again at once, again.
    async fn run(&self, found: &Found<'_>, times: Times, room: &Room) -> Outcome {
        let (record, mut number) = (found.record, found.record.attempt);
        loop {
            let attempt = Attempt { number, begun: Instant::now() };
            let span = task_span(self.queue_name(), record, found.name(), number);
            let running = async {
                let outcome = self.run_once(found, number, times, room).await;
                self.judge(record, attempt, outcome, times).await
            };
            let outcome = running.instrument(span.clone()).await;
            span.in_scope(|| log_outcome(record, &outcome, attempt.begun, times.until));
            let needs = found.handler().map_or(Duration::ZERO, |handler| handler.needs);
            let has_time = times.until.is_none_or(|until| Instant::now() + needs < until);
            if !has_time || !self.is_due_at_once(record, number, &outcome) {
                return outcome;
            }
            number += 1;
        }
    }

    async fn run_once(&self, found: &Found<'_>, attempt: u32, times: Times, room: &Room) -> Outcome {
        let record = found.record;
        let (name, handler) = match &found.handler {
            Ok((name, handler)) => (name, *handler),
            Err(error) => return failed(error.clone()),
        };
        let delivery = Arc::new(self.delivery(record, name, attempt, times));
        if let Some(store) = self.settings().store.as_ref().filter(|_| !seeded(Defect::Store)) {
            let claim = within(times.until, store.claim(&delivery.key, &delivery.owner, self.lease(times))).await;
            match claim {
                Ok(Claim::Acquired) => {}
                Ok(Claim::Done) => return Outcome::Duplicate,
                Ok(Claim::Busy { remaining }) => return Outcome::Busy(remaining),
                Err(error) => return Outcome::Unavailable(error),
            }
        }
        let context = TaskContext { delivery: delivery.clone(), tasking: self.clone() };
        let outcome = match batch::guarded(self.body(record, room), times.until).await {
            // The room is taken until the handler is done with the body.
            Ok(Ok((body, _taken))) => match handler.map_or_else(|| self.handler_by(record, &body), Ok) {
                Ok(handler) => {
                    let task = RawTask::new(body, record.attributes.clone());
                    self.run_handler(handler, context, task, times).await
                }
                Err(error) => Outcome::Failed(error),
            },
            Ok(Err(error)) => failed(error),
            Err(Outcome::Cut) => Outcome::NotStarted,
            Err(outcome) => outcome,
        };
        self.settle(outcome, &delivery, times).await
    }

    /// The body that was posted, which may be elsewhere, and the room that it takes then.
    async fn body<'a>(&self, record: &Record, room: &'a Room) -> Result<(String, Option<Taken<'a>>)> {
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
        let scope = Scope::new(origin, times.end, context.delivery.trace.clone());
        let running = scope.run(async { (handler.run)(context, task).await });
        match batch::guarded(running, times.until).await {
            Ok(Ok(())) => match flush(&scope).await {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::Failed(error),
            },
            Ok(Err(error)) => Outcome::Failed(Error::from_handler(error)),
            Err(outcome) => outcome,
        }
    }

    /// Tells the store.
    async fn settle(&self, outcome: Outcome, delivery: &Delivery, times: Times) -> Outcome {
        let Some(store) = &self.settings().store else { return outcome };
        let (key, owner) = (&delivery.key, &delivery.owner);
        let is_complete = delivery.is_complete.load(Ordering::Acquire);
        match outcome {
            Outcome::Failed(error) | Outcome::Panicked(error) if is_complete => {
                tracing::warn!(error = error.chain(), "a handler failed after its effect was written: it is done");
                Outcome::Done
            }
            Outcome::Done | Outcome::Cut if is_complete => Outcome::Done,
            Outcome::Failed(_) | Outcome::Panicked(_) | Outcome::Unavailable(_) => {
                released(within(times.end, store.release(key, owner)).await);
                outcome
            }
            Outcome::Done => {
                complete(&**store, delivery, self.settings().keep, times).await;
                outcome
            }
            // Cut at the end of the invocation: there is no time left, and the lease ends soon after.
            _ => outcome,
        }
    }

    fn delivery(&self, record: &Record, name: &str, attempt: u32, times: Times) -> Delivery {
        let message_id = record.message_id.clone().unwrap_or_default();
        let queue = if record.queue_arn.is_empty() { self.queue_name() } else { &record.queue_arn };
        let group = record.group.as_deref().unwrap_or_default();
        let key = match format!("{queue}|{}|{}|{}", part(name), part(group), record.own_id()) {
            long if long.len() > LONGEST_KEY => hex(&Sha256::digest(long)),
            key => key,
        };
        Delivery {
            queue: queue.rsplit(':').next().unwrap_or_default().to_owned(),
            key,
            owner: uuid::Uuid::now_v7().to_string(),
            message_id,
            group: record.group.clone(),
            attempt,
            sent_at: record.sent_at,
            until: times.until,
            trace: record.trace.clone(),
            is_complete: AtomicBool::new(false),
        }
    }

    fn lease(&self, times: Times) -> Duration {
        self.settings().lease.unwrap_or(times.lease)
    }

    fn answer(&self, records: &[Record], outcomes: &[Outcome]) -> Result<BatchResponse> {
        let left = || records.iter().zip(outcomes).filter(|(_, outcome)| !outcome.is_done());
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

/// A part of a key that can't run into the next.
fn part(text: &str) -> Cow<'_, str> {
    if text.contains(['|', '\\']) { text.replace('\\', r"\\").replace('|', r"\|").into() } else { text.into() }
}

/// Sends what a handler kept for its success, in the order in which it did.
pub(crate) async fn flush(scope: &Arc<Scope>) -> Result<()> {
    // Within the scope, whose deadline and trace are those of what it posts.
    scope.run(send_buffered(scope)).await
}

async fn send_buffered(scope: &Scope) -> Result<()> {
    let mut buffered = scope.take().into_iter().peekable();
    while let Some(first) = buffered.next() {
        let tasking = first.tasking;
        let mut messages = vec![Ok(first.message)];
        while let Some(next) = buffered.next_if(|next| next.tasking.is_same_queue(&tasking)) {
            messages.push(Ok(next.message));
        }
        let posted = tasking.send_many(messages, BatchOrder::Strict).await;
        posted.into_iter().collect::<Result<Vec<_>>>()?;
    }
    Ok(())
}

/// Marks a task as done. That failing is no failure of the task: its effect is there, and to run it again is worse than
/// the chance that its message comes once more.
async fn complete(store: &dyn IdempotencyStore, delivery: &Delivery, keep: Duration, times: Times) {
    match within(times.end, store.complete(&delivery.key, &delivery.owner, keep)).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("a task took longer than its lease: it may have run twice"),
        Err(error) => tracing::error!(error = error.chain(), "a task is done, but could not be marked as done"),
    }
}

fn released(outcome: Result<bool>) {
    if let Err(error) = outcome {
        tracing::warn!(error = error.chain(), "a claim could not be released: the task waits until its lease ends");
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
