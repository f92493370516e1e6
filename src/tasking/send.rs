//! Sends messages with retries: it packs requests, decides when to try again, and reports a result for each message. It knows
//! neither queues nor tasks.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    message::{LARGEST, Message},
    queue::{Failed, MOST_ENTRIES, Queue, Sent},
};
use crate::{
    defects::{Defect, seeded},
    error::{Error, ErrorKind, Result},
};

/// The first pause is up to so long; each further one up to twice as long, but for this limit.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// With less left than this, an attempt gets all of it; otherwise half, so that a hanging one leaves time for another.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(500);

/// How the order of a batch is kept.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::BatchOrder;
///
/// assert_eq!(BatchOrder::default(), BatchOrder::Strict);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchOrder {
    /// A request carries one task of each group, and the next of a group goes out when the one before is in the queue. No
    /// failure can reorder a group; a batch of one group is as slow as single posts. Where a task can't be sent, those
    /// behind it in its group are not sent either.
    #[default]
    Strict,
    /// Requests are as full as they can be. SQS may take a later task of a group and not an earlier one; that one is not
    /// sent then, and its result is [`ErrorKind::OrderBroken`].
    Packed,
}

/// The queue's answer to a post: the ids that the task has there.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{Dedup, LocalQueue, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&LocalQueue::new("mail.fifo"));
/// let first = tasks.post_raw("hello", [("a", "b")]).with_dedup(Dedup::Content).await?;
/// let again = tasks.post_raw("hello", [("a", "b")]).with_dedup(Dedup::Content).await?;
/// assert_eq!(first.message_id, again.message_id);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Posted {
    /// The message's id. Of a task that was posted before, within five minutes, it is the earlier one's.
    pub message_id: String,
    /// Its place in the queue: greater than those of what was taken before.
    pub sequence_number: String,
    /// The id by which the queue knows it again.
    pub deduplication_id: String,
    /// How many attempts it took.
    pub attempts: u32,
}

/// How long attempts may go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// For a post; for a batch, as long as nothing goes through.
    pub(crate) time: Duration,
    /// Never past this, whatever goes through.
    pub(crate) until: Option<Instant>,
}

impl Budget {
    pub(super) fn end(&self) -> Instant {
        let end = Instant::now() + self.time;
        self.until.map_or(end, |until| end.min(until))
    }
}

/// One message and how it fares.
struct Entry {
    message: Message,
    attempts: u32,
    maybe_sent: bool,
    last: Option<Failed>,
}

/// Sends one message.
pub(crate) async fn one(queue: &dyn Queue, message: Message, budget: Budget) -> Result<Posted> {
    let outcomes = many(queue, vec![Ok(message)], BatchOrder::Packed, budget).await;
    let outcome = outcomes.into_iter().next();
    outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Queue, "the queue gave no answer")))
}

/// Sends messages, with an outcome for each in their order.
pub(crate) async fn many(
    queue: &dyn Queue,
    messages: Vec<Result<Message>>,
    order: BatchOrder,
    budget: Budget,
) -> Vec<Result<Posted>> {
    let mut batch = Batch::new(messages, order);
    let mut end = budget.end();
    let mut pause = 0;
    while let Some(request) = batch.next_request() {
        let now = Instant::now();
        if now >= end {
            batch.give_up();
            break;
        }
        let half = (end - now) / 2;
        let attempt_end = if half < SHORTEST_ATTEMPT { end } else { now + half };
        let outcomes = attempt(queue, &batch.messages(&request), attempt_end).await;
        if batch.note(&request, outcomes) {
            (end, pause) = (budget.end(), 0);
        } else {
            pause += 1;
        }
        if batch.is_left(&request) {
            let delay = jitter(pause);
            if Instant::now() + delay >= end {
                batch.give_up();
                break;
            }
            sleep(delay).await;
        }
    }
    if order == BatchOrder::Packed {
        batch.report_inversions();
    }
    batch
        .outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Queue, "a task was not sent"))))
        .collect()
}

type SendResults = Result<Vec<Result<Sent, Failed>>, Failed>;

async fn attempt(queue: &dyn Queue, messages: &[&Message], end: Instant) -> SendResults {
    let outcomes = timeout_at(end, queue.send(messages)).await;
    let late = || Failed { retry: true, maybe_sent: true, ..Failed::new(ErrorKind::Queue, "no answer in time") };
    outcomes.unwrap_or_else(|_| Err(late()))
}

/// Full jitter: anything between nothing and the pause of this step.
fn jitter(step: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(step.saturating_sub(1))).min(LONGEST_PAUSE);
    pause.mul_f64(fastrand::f64())
}

/// All messages, those that are not settled yet, and what became of the others.
struct Batch {
    entries: Vec<Option<Entry>>,
    outcomes: Vec<Option<Result<Posted>>>,
    unsettled: usize,
    order: BatchOrder,
    /// Where the first entry is that is not settled.
    first: usize,
    /// The groups of those entries to which an answer was lost.
    lost: BTreeMap<usize, String>,
}

impl Batch {
    fn new(messages: Vec<Result<Message>>, order: BatchOrder) -> Self {
        let mut batch =
            Self { entries: Vec::new(), outcomes: Vec::new(), unsettled: 0, order, first: 0, lost: BTreeMap::new() };
        for message in messages {
            let (entry, outcome) = match message {
                Ok(message) => (Some(Entry { message, attempts: 0, maybe_sent: false, last: None }), None),
                Err(error) => (None, Some(Err(error))),
            };
            batch.unsettled += usize::from(entry.is_some());
            batch.entries.push(entry);
            batch.outcomes.push(outcome);
        }
        batch
    }

    /// What the next request carries: entries in their order, as many as it takes.
    fn next_request(&mut self) -> Option<Vec<usize>> {
        while self.entries.get(self.first).is_some_and(Option::is_none) {
            self.first += 1;
        }
        let (mut request, mut size, mut groups) = (Vec::new(), 0, HashSet::new());
        for (at, entry) in self.entries.iter().enumerate().skip(self.first) {
            let Some(entry) = entry else { continue };
            let is_new = groups.insert(entry.message.group.as_str());
            if self.order == BatchOrder::Strict && !is_new && !seeded(Defect::Waves) {
                continue;
            }
            size += entry.message.size();
            if request.len() == MOST_ENTRIES || (size > LARGEST && !request.is_empty()) {
                break;
            }
            request.push(at);
        }
        (!request.is_empty()).then_some(request)
    }

    fn messages(&self, request: &[usize]) -> Vec<&Message> {
        let entries = request.iter().filter_map(|at| self.entries.get(*at)?.as_ref());
        entries.map(|entry| &entry.message).collect()
    }

    /// Takes note of a request's answer; whether anything was settled by it.
    fn note(&mut self, request: &[usize], outcomes: SendResults) -> bool {
        let before = self.unsettled;
        match outcomes {
            Ok(outcomes) => {
                // For each group, the last place that the queue has taken.
                let mut reached: HashMap<String, usize> = HashMap::new();
                for (at, entry) in self.accepted(request, &outcomes) {
                    reached.insert(entry.message.group.clone(), at);
                }
                for (at, outcome) in request.iter().zip(outcomes) {
                    match outcome {
                        Ok(sent) => self.sent(*at, sent),
                        Err(failed) => self.failed(*at, failed, &reached),
                    }
                }
            }
            Err(failed) if failed.retry => {
                request.iter().for_each(|at| self.failed(*at, failed.clone(), &HashMap::new()));
            }
            // There is nowhere to send the others to.
            Err(failed) if matches!(failed.kind, ErrorKind::QueueNotFound | ErrorKind::Configuration) => {
                (0..self.entries.len()).for_each(|at| self.settle(at, &failed));
            }
            Err(failed) => request.iter().for_each(|at| self.failed(*at, failed.clone(), &HashMap::new())),
        }
        self.unsettled < before
    }

    fn accepted<'a>(
        &'a self,
        request: &'a [usize],
        outcomes: &'a [Result<Sent, Failed>],
    ) -> impl Iterator<Item = (usize, &'a Entry)> {
        let accepted = request.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_ok());
        accepted.filter_map(|(at, _)| Some((*at, self.entries.get(*at)?.as_ref()?)))
    }

    fn sent(&mut self, at: usize, sent: Sent) {
        let Some(entry) = self.take(at) else { return };
        let posted = Posted {
            message_id: sent.message_id,
            sequence_number: sent.sequence_number,
            deduplication_id: entry.message.deduplication,
            attempts: entry.attempts + 1,
        };
        self.put(at, Ok(posted));
    }

    fn failed(&mut self, at: usize, failed: Failed, reached: &HashMap<String, usize>) {
        let Some(entry) = self.entries.get_mut(at).and_then(Option::as_mut) else { return };
        let is_overtaken =
            self.order == BatchOrder::Packed && reached.get(&entry.message.group).is_some_and(|reached| *reached > at);
        if failed.retry && !is_overtaken {
            entry.attempts += 1;
            if failed.maybe_sent {
                entry.maybe_sent = true;
                self.lost.insert(at, entry.message.group.clone());
            }
            entry.last = Some(failed);
            return;
        }
        let group = entry.message.group.clone();
        let kind = if is_overtaken { ErrorKind::OrderBroken } else { failed.kind };
        self.settle(at, &Failed { kind, ..failed });
        if self.order == BatchOrder::Strict {
            self.leave_group(&group);
        }
    }

    /// What stands behind a task that can't be sent would overtake it once it is posted again.
    fn leave_group(&mut self, group: &str) {
        for at in 0..self.entries.len() {
            if self.entries.get(at).and_then(Option::as_ref).is_some_and(|entry| entry.message.group == group) {
                self.take(at);
                let message = "a task was not sent, for one before it in its group can't be";
                self.put(at, Err(Error::new(ErrorKind::Queue, message)));
            }
        }
    }

    /// After a lost answer the same messages go out again. Where the queue had taken only some of them, the rest is behind
    /// those now: sequence numbers tell.
    fn report_inversions(&mut self) {
        let mut lowest: HashMap<&str, &str> = HashMap::new();
        let mut late = Vec::new();
        for (at, group) in self.lost.iter().rev() {
            let Some(Some(Ok(posted))) = self.outcomes.get(*at) else { continue };
            match lowest.get(group.as_str()) {
                Some(later) if posted.sequence_number.as_str() > *later => late.push(*at),
                _ => drop(lowest.insert(group, &posted.sequence_number)),
            }
        }
        for at in late {
            let message = "a later task of its group got into the queue before this one";
            self.put(at, Err(Error::maybe_sent_of(ErrorKind::OrderBroken, message, "an answer was lost")));
        }
    }

    /// Ends with what is not settled.
    fn give_up(&mut self) {
        for at in 0..self.entries.len() {
            let last = self.entries.get_mut(at).and_then(Option::as_mut).and_then(|entry| entry.last.take());
            let late = || Failed::new(ErrorKind::Queue, "the time was up before a task could be sent");
            self.settle(at, &last.unwrap_or_else(late));
        }
    }

    fn settle(&mut self, at: usize, failed: &Failed) {
        if let Some(entry) = self.take(at) {
            self.put(at, Err(failed.error(entry.attempts.max(1), entry.maybe_sent)));
        }
    }

    fn take(&mut self, at: usize) -> Option<Entry> {
        let entry = self.entries.get_mut(at).and_then(Option::take);
        self.unsettled -= usize::from(entry.is_some());
        entry
    }

    fn put(&mut self, at: usize, outcome: Result<Posted>) {
        if let Some(place) = self.outcomes.get_mut(at) {
            *place = Some(outcome);
        }
    }

    /// Whether a request left something for another attempt.
    fn is_left(&self, request: &[usize]) -> bool {
        request.iter().any(|at| self.entries.get(*at).is_some_and(Option::is_some))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;

    use super::{super::queue::VisibilityChange, *};

    /// A queue that fails as its random numbers say, and knows what it has.
    #[derive(Debug)]
    struct Flaky {
        random: Mutex<fastrand::Rng>,
        taken: Mutex<Vec<(String, String)>>,
        requests: Mutex<Vec<usize>>,
        /// Of a hundred.
        entry_fails: u8,
        request_fails: u8,
    }

    impl Flaky {
        fn new(seed: u64, entry_fails: u8, request_fails: u8) -> Self {
            let random = Mutex::new(fastrand::Rng::with_seed(seed));
            Self { random, taken: Mutex::default(), requests: Mutex::default(), entry_fails, request_fails }
        }

        fn happens(&self, of_hundred: u8) -> bool {
            self.random.lock().unwrap().u8(..100) < of_hundred
        }

        fn take(&self, message: &Message) -> Sent {
            let mut taken = self.taken.lock().unwrap();
            let known = taken.iter().position(|(_, id)| *id == message.deduplication);
            let at = known.unwrap_or_else(|| {
                taken.push((message.group.clone(), message.deduplication.clone()));
                taken.len() - 1
            });
            Sent { message_id: at.to_string(), sequence_number: format!("{at:020}") }
        }

        /// The ids of a group in the queue's order.
        fn ids(&self, group: &str) -> Vec<String> {
            let taken = self.taken.lock().unwrap();
            taken.iter().filter(|(of, _)| of == group).map(|(_, id)| id.clone()).collect()
        }
    }

    fn throttled() -> Failed {
        Failed { retry: true, ..Failed::new(ErrorKind::Queue, "throttled") }
    }

    impl Queue for Flaky {
        fn send<'a>(&'a self, messages: &'a [&'a Message]) -> BoxFuture<'a, SendResults> {
            self.requests.lock().unwrap().push(messages.len());
            assert!(messages.len() <= MOST_ENTRIES && messages.iter().map(|m| m.size()).sum::<usize>() <= LARGEST);
            let lost = self.happens(self.request_fails);
            if lost && self.happens(50) {
                return Box::pin(std::future::ready(Err(throttled())));
            }
            let entry = |message: &&Message| match self.happens(self.entry_fails) {
                true if self.happens(20) => Err(Failed::new(ErrorKind::Queue, "refused")),
                true => Err(throttled()),
                false => Ok(self.take(message)),
            };
            let outcomes = messages.iter().map(entry).collect();
            let answer = if lost { Err(Failed { maybe_sent: true, ..throttled() }) } else { Ok(outcomes) };
            Box::pin(std::future::ready(answer))
        }

        fn change_visibility<'a>(&'a self, _: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
            Box::pin(std::future::ready(Ok(())))
        }

        fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn message(at: usize, group: usize, size: usize) -> Message {
        Message {
            body: "x".repeat(size),
            attributes: Default::default(),
            group: format!("g{group}"),
            deduplication: format!("{at:06}"),
            trace: None,
        }
    }

    fn budget(milliseconds: u64) -> Budget {
        Budget { time: Duration::from_millis(milliseconds), until: None }
    }

    /// Sends many batches through a flaky queue; the first rule that is seen broken.
    async fn fault(batches: u64, order: BatchOrder) -> Option<String> {
        for seed in 0..batches {
            let queue = Flaky::new(seed, 20, 10);
            let messages: Vec<Message> = (0..40).map(|at| message(at, at % 4, 10)).collect();
            let results = many(&queue, messages.iter().cloned().map(Ok).collect(), order, budget(800)).await;
            for group in 0..4 {
                let ids = queue.ids(&format!("g{group}"));
                let is_reported = |(at, result): (usize, &Result<Posted>)| {
                    at % 4 == group
                        && result
                            .as_ref()
                            .is_err_and(|error| error.kind() == ErrorKind::OrderBroken || error.maybe_sent())
                };
                let reported = order == BatchOrder::Packed && results.iter().enumerate().any(is_reported);
                if !ids.is_sorted() && !reported {
                    return Some(format!("seed {seed}: {ids:?} is out of order"));
                }
            }
            for (message, result) in messages.iter().zip(&results) {
                let count = queue.ids(&message.group).iter().filter(|id| **id == message.deduplication).count();
                let fits = match result {
                    Ok(posted) => count == 1 && posted.deduplication_id == message.deduplication,
                    Err(error) => count == 0 || (count == 1 && error.maybe_sent()),
                };
                if !fits {
                    return Some(format!("seed {seed}: {result:?} and {count} in the queue"));
                }
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_fails_a_group_keeps_its_order_and_every_result_is_true() {
        assert_eq!(fault(1000, BatchOrder::Strict).await, None);
        assert_eq!(fault(1000, BatchOrder::Packed).await, None);
    }

    #[cfg(feature = "seeded-defects")]
    #[tokio::test(start_paused = true)]
    async fn a_batch_without_waves_is_found() {
        crate::defects::seed(Some(Defect::Waves));
        let fault = fault(1000, BatchOrder::Strict).await;
        crate::defects::seed(None);
        assert!(fault.is_some_and(|fault| fault.contains("out of order")));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_packed_by_count_and_by_bytes() {
        let small = |count| (0..count).map(|at| Ok(message(at, 0, 10))).collect::<Vec<_>>();
        let large = |count| (0..count).map(|at| Ok(message(at, at, 400_000))).collect::<Vec<_>>();
        let each = |count| (0..count).map(|at| Ok(message(at, at % 3, 10))).collect::<Vec<_>>();
        for (messages, order, expected) in [
            (small(25), BatchOrder::Packed, vec![10, 10, 5]),
            (small(3), BatchOrder::Strict, vec![1, 1, 1]),
            (each(6), BatchOrder::Strict, vec![3, 3]),
            (large(5), BatchOrder::Packed, vec![2, 2, 1]),
            (large(5), BatchOrder::Strict, vec![2, 2, 1]),
        ] {
            let queue = Flaky::new(1, 0, 0);
            assert!(many(&queue, messages, order, budget(1000)).await.iter().all(Result::is_ok));
            assert_eq!(*queue.requests.lock().unwrap(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end_with_the_budget_and_never_after_the_deadline() {
        let queue = Flaky::new(1, 0, 100);
        for (until, longest) in [(None, 2000), (Some(300), 300), (Some(0), 0)] {
            let begun = Instant::now();
            let until = until.map(|milliseconds| begun + Duration::from_millis(milliseconds));
            let budget = Budget { time: Duration::from_secs(2), until };
            let error = one(&queue, message(0, 0, 10), budget).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Queue);
            assert!(begun.elapsed() <= Duration::from_millis(longest), "{:?}", begun.elapsed());
        }
        assert!(queue.requests.lock().unwrap().len() > 3);
    }

    #[derive(Debug)]
    struct Hanging;

    impl Queue for Hanging {
        fn send<'a>(&'a self, _: &'a [&'a Message]) -> BoxFuture<'a, SendResults> {
            Box::pin(std::future::pending())
        }

        fn change_visibility<'a>(&'a self, _: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
            Box::pin(std::future::pending())
        }

        fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_queue_that_does_not_answer_may_have_the_message() {
        let begun = Instant::now();
        let error = one(&Hanging, message(0, 0, 10), budget(2000)).await.unwrap_err();
        assert!(error.maybe_sent());
        assert!(begun.elapsed() <= Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_not_tried_again() {
        #[derive(Debug)]
        struct Missing;
        impl Queue for Missing {
            fn send<'a>(&'a self, _: &'a [&'a Message]) -> BoxFuture<'a, SendResults> {
                Box::pin(std::future::ready(Err(Failed::new(ErrorKind::QueueNotFound, "no such queue"))))
            }
            fn change_visibility<'a>(&'a self, _: &'a [VisibilityChange]) -> BoxFuture<'a, Result<()>> {
                Box::pin(std::future::ready(Ok(())))
            }

            fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
                Box::pin(std::future::ready(Ok(())))
            }
        }
        let messages = (0..30).map(|at| Ok(message(at, at, 10))).collect();
        let results = many(&Missing, messages, BatchOrder::Strict, budget(2000)).await;
        assert_eq!(results.len(), 30);
        assert!(
            results.iter().all(|r| r.as_ref().is_err_and(|e| e.kind() == ErrorKind::QueueNotFound && !e.maybe_sent()))
        );
    }
}
