//! Goes through a queue: receives message after message, keeps them hidden until it has seen all, and gives them back. It does
//! not know what is looked for.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
};

use futures_util::future::try_join_all;

use super::{
    letter::Letter,
    queue::{AT_ONCE, Queue},
};
use crate::sqs::Trouble;

/// How long a task is hidden at most, in seconds: until all are seen, or after a `kill -9` of this command.
pub(super) const HIDDEN: i32 = 30;
/// The same for a dead letter, for which nobody waits.
pub(super) const HIDDEN_LETTER: i32 = 120;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    Continue,
    Stop,
}

/// Which messages were seen: one that comes again was hidden for too short a time for such a queue.
#[derive(Debug, Default)]
pub(super) struct Seen(HashSet<String>);

impl Seen {
    /// What of a batch is new. None if nothing is: then all has been seen.
    pub(super) fn new_of(&mut self, batch: Vec<Letter>) -> Option<Vec<Letter>> {
        let new: Vec<Letter> = batch.into_iter().filter(|letter| self.0.insert(letter.id.clone())).collect();
        (!new.is_empty()).then_some(new)
    }
}

/// Shows each message to `see` once, and gives all of them back at the end, also after an error and at Ctrl-C. Nothing of a body
/// is kept.
pub(super) async fn each(queue: &Queue, see: impl FnMut(&Letter) -> Next) -> Result<(), Trouble> {
    let (receipts, stop, see) = (RefCell::new(Vec::new()), Cell::new(false), RefCell::new(see));
    let all_seen = RefCell::new(Seen::default());
    let receive = || async {
        while !stop.get() {
            let batch = queue.receive().await?;
            let Some(batch) = all_seen.borrow_mut().new_of(batch) else { break };
            for letter in batch {
                // What comes after the end was received all the same, and is given back.
                if !stop.get() && (see.borrow_mut())(&letter) == Next::Stop {
                    stop.set(true);
                }
                receipts.borrow_mut().push(letter.receipt);
            }
        }
        Ok(())
    };
    let all = async { try_join_all((0..AT_ONCE).map(|_| receive())).await.map(drop) };
    let seen = tokio::select! {
        seen = all => seen,
        _ = tokio::signal::ctrl_c() => Err(Trouble::Passing("it was interrupted".into())),
    };
    let released = queue.release(&receipts.take()).await;
    seen.and(released)
}
