//! The way of one batch, again and again: receive, invoke, judge, settle, report. It decides the order of things; how each
//! is done stands in the files beside it.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use http::Uri;
use tokio::{sync::watch, time::sleep};
use uuid::Uuid;

use super::{
    event,
    invoke::{self, NoAnswer},
    queue::{Queue, Received},
    report::{self, Batch, MessageOutcome},
    settle,
    verdict::{Answer, verdict},
};
use crate::sqs::Trouble;

/// How long SQS waits for a message, in seconds. No longer, for the end waits for the end of it: what SQS gives to a poll
/// that was abandoned stays hidden from the next one.
const WAIT: i32 = 3;

/// A queue and the function that its messages go to.
#[derive(Debug)]
pub(super) struct Forwarding {
    pub(super) queue: Queue,
    pub(super) function: String,
    pub(super) at: Uri,
    pub(super) batch_size: i32,
    pub(super) timeout: Duration,
    pub(super) once: bool,
    pub(super) json: bool,
}

/// Forwards until it is told to stop, or until the queue is empty if it shall go through it once. How many messages were
/// received and are not done.
pub(super) async fn run(forwarding: &Forwarding, stop: watch::Receiver<bool>) -> Result<usize, String> {
    let mut open = HashSet::new();
    let mut there = false;
    while !*stop.borrow() {
        // A message that is received counts as tried, so none is taken before there is something to give it to.
        there = there || wait_for_function(forwarding, &stop).await?;
        if !there {
            continue;
        }
        let mut batch = receive(forwarding, &stop).await?;
        if batch.is_empty() {
            if forwarding.once {
                break;
            }
            continue;
        }
        if *stop.borrow() {
            settle::give_back(&forwarding.queue, &batch).await;
            break;
        }
        let (event, count) = event::event(batch.iter().map(|message| &message.record));
        let later = batch.split_off(count);
        settle::give_back(&forwarding.queue, &later).await;
        there = forward(forwarding, &batch, event, &mut open).await;
    }
    if !open.is_empty() && forwarding.queue.count().await == Some(0) {
        // Others who forward this queue have done them.
        return Ok(0);
    }
    Ok(open.len())
}

/// One event to the function, and what follows from its answer. False if no function is there.
async fn forward(
    Forwarding { queue, function, at, timeout, json, .. }: &Forwarding,
    batch: &[Received],
    event: Vec<u8>,
    open: &mut HashSet<String>,
) -> bool {
    let begun = Instant::now();
    let answer = settle::held(queue, batch, invoke::invoke(at, event, *timeout)).await;
    let ms = begun.elapsed().as_millis();
    let there = !matches!(answer, Err(NoAnswer::NotThere(_)));
    let (outcomes, reason) = match answer {
        Err(NoAnswer::NotThere(reason)) => {
            settle::give_back(queue, batch).await;
            (all(batch, &MessageOutcome::GivenBack), Some(format!("no connection to {at}: {reason}")))
        }
        Err(NoAnswer::Lost(reason)) => (all(batch, &MessageOutcome::Failed), Some(format!("no answer: {reason}"))),
        Ok(answer) => judged(queue, batch, &answer).await,
    };
    for (message, outcome) in &outcomes {
        match outcome {
            MessageOutcome::Done => open.remove(&message.id),
            _ => open.insert(message.id.clone()),
        };
    }
    report::batch(&Batch { queue: queue.name(), function, outcomes, reason, ms }, *json);
    there
}

type Outcomes<'a> = Vec<(&'a Received, MessageOutcome)>;

fn all<'a>(batch: &'a [Received], outcome: &MessageOutcome) -> Outcomes<'a> {
    batch.iter().map(|message| (message, outcome.clone())).collect()
}

/// Deletes what the answer says is done.
async fn judged<'a>(queue: &Queue, batch: &'a [Received], answer: &Answer) -> (Outcomes<'a>, Option<String>) {
    let ids = batch.iter().map(|message| message.id.as_str()).collect();
    let failed = match verdict(answer, &ids) {
        Ok(failed) => failed,
        Err(reason) => return (all(batch, &MessageOutcome::Failed), Some(reason)),
    };
    let done: Vec<&Received> = batch.iter().filter(|message| !failed.contains(&message.id)).collect();
    let mut undeleted = settle::delete(queue, &done).await;
    let outcome = |message: &Received| match undeleted.remove(&message.id) {
        _ if failed.contains(&message.id) => MessageOutcome::Failed,
        Some(reason) => MessageOutcome::Undeleted(reason),
        None => MessageOutcome::Done,
    };
    let outcomes: Vec<MessageOutcome> = batch.iter().map(outcome).collect();
    (batch.iter().zip(outcomes).collect(), None)
}

/// True once something listens where the function is invoked; false if it shall stop.
async fn wait_for_function(
    Forwarding { function, at, once, .. }: &Forwarding,
    stop: &watch::Receiver<bool>,
) -> Result<bool, String> {
    if invoke::listens(at).await {
        return Ok(true);
    }
    let missing = format!("{function}: nothing listens at {at}; start it with `cargo lambda watch`");
    if *once {
        return Err(missing);
    }
    report::note(&format!("{missing}; no message is taken until then"));
    while pause(Duration::from_millis(500), stop).await {
        if invoke::listens(at).await {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How often a queue is asked in vain where it is to be gone through once.
const TRIES: u32 = 5;
/// The pause after the first failure, and the longest one; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

async fn receive(
    Forwarding { queue, batch_size, once, .. }: &Forwarding,
    stop: &watch::Receiver<bool>,
) -> Result<Vec<Received>, String> {
    let attempt = Uuid::now_v7().to_string();
    let wait = if *once { 1 } else { WAIT };
    let mut tries = 0;
    loop {
        let reason = match queue.receive(*batch_size, wait, &attempt).await {
            Ok(batch) => return Ok(batch),
            Err(Trouble::Lasting(reason)) => return Err(format!("{}: {reason}", queue.name())),
            Err(Trouble::Passing(reason)) => reason,
        };
        tries += 1;
        if *once && tries >= TRIES {
            return Err(format!("{}: {reason}; asked {tries} times", queue.name()));
        }
        report::warn(&format!("{}: nothing could be received: {reason}; asking again", queue.name()));
        let longer = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries - 1));
        if !pause(longer.min(LONGEST_PAUSE), stop).await {
            return Ok(Vec::new());
        }
    }
}

/// False if it shall stop before the time is over.
async fn pause(time: Duration, stop: &watch::Receiver<bool>) -> bool {
    let mut stop = stop.clone();
    tokio::select! {
        () = sleep(time) => true,
        _ = stop.wait_for(|stopped| *stopped) => false,
    }
}
