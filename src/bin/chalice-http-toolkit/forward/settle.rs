//! What happens to received messages: kept while the function works, deleted when it has done them, or given back.

use std::{collections::HashMap, time::Duration};

use chalice_http_toolkit::tasking::polling::kept;
use tokio::time::{sleep, timeout};

use super::{
    queue::{Queue, Received},
    report,
};
use crate::sqs::{Refused, Trouble};

/// Runs `work` and keeps the messages hidden, the head of the batch first, until it ends.
///
/// SQS gives a message again once it is not hidden, even if an earlier one of its batch still is worked on; so all of
/// them are extended, also those that the function has not come to.
///
/// The function may hide some of them for longer, so that what may end its process comes again alone. An extension takes that
/// back, as SQS doesn't say for how long a message is hidden: they come again together. It costs each of them a receive,
/// and the function still runs the one that it suspects first.
pub(super) async fn held<T>(queue: &Queue, batch: &[Received], work: impl Future<Output = T>) -> T {
    let lease = Duration::from_secs(queue.visibility.unsigned_abs().into());
    let extend = || async {
        let extended = timeout(lease, queue.hide(batch, queue.visibility)).await;
        if let Some(reason) = why_not(extended.ok()) {
            let name = queue.name();
            report::warn(&format!("{name}: messages could not be kept hidden and may be given again: {reason}"));
        }
    };
    kept(work, lease / 3, extend).await
}

fn why_not(extended: Option<Result<Vec<Refused>, Trouble>>) -> Option<String> {
    match extended {
        None => Some("no answer".into()),
        Some(Err(Trouble::Passing(reason) | Trouble::Lasting(reason))) => Some(reason),
        Some(Ok(refused)) => refused.into_iter().next().map(|entry| entry.reason),
    }
}

/// How often a deletion is tried, and the pause after the first time; it doubles.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(200);

/// Deletes messages in the order in which they were received. The ids and reasons of those that are still there: they
/// will be given again although they are done.
pub(super) async fn delete(queue: &Queue, done: &[&Received]) -> HashMap<String, String> {
    let mut left = done.to_vec();
    let mut refused_for_good = HashMap::new();
    let mut reasons = HashMap::new();
    for time in 0..TRIES {
        if left.is_empty() {
            break;
        }
        if time > 0 {
            sleep(PAUSE * 2_u32.pow(time - 1)).await;
        }
        let refused = match queue.delete(&left).await {
            Ok(refused) => refused,
            Err(Trouble::Passing(reason) | Trouble::Lasting(reason)) => {
                reasons = left.iter().map(|message| (message.id.clone(), reason.clone())).collect();
                continue;
            }
        };
        reasons.clear();
        let mut again = Vec::new();
        for entry in refused {
            let Some(message) = left.get(entry.place).copied() else { continue };
            if entry.lasting {
                refused_for_good.insert(message.id.clone(), entry.reason);
            } else {
                reasons.insert(message.id.clone(), entry.reason);
                again.push((entry.place, message));
            }
        }
        // SQS lists what failed in no promised order.
        again.sort_by_key(|(place, _)| *place);
        left = again.into_iter().map(|(_, message)| message).collect();
    }
    refused_for_good.extend(reasons);
    refused_for_good
}

/// Gives messages back that no function has seen. If that fails they come back by themselves, later.
pub(super) async fn give_back(queue: &Queue, messages: &[Received]) {
    if messages.is_empty() {
        return;
    }
    if let Some(reason) = why_not(Some(queue.hide(messages, 0).await)) {
        let seconds = queue.visibility;
        report::warn(&format!("{}: messages come back in {seconds} s, not at once: {reason}", queue.name()));
    }
}
