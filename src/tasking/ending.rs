//! The times of a worker that polls, and its end: from then on it starts nothing, and what runs has some time left. It stops
//! nothing itself.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// What holds for the batches of a worker that polls.
#[derive(Clone, Debug)]
pub(crate) struct Polled {
    /// How long a message is hidden at a time.
    pub(super) hidden: Duration,
    /// How long a batch has.
    pub(super) time: Duration,
    pub(super) ending: Ending,
}

/// Ends a worker: holds the time until which what runs may run, as soon as it is to end.
pub(crate) type EndSender = watch::Sender<Option<Instant>>;

/// The end of a worker, as its loops see it.
#[derive(Clone, Debug)]
pub(crate) struct Ending(watch::Receiver<Option<Instant>>);

impl Ending {
    pub(super) fn new() -> (EndSender, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    /// Whether nothing is to be started any more.
    pub(super) fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Whether nothing is to run any more.
    pub(super) fn is_over(&self) -> bool {
        self.0.borrow().is_some_and(|until| until <= Instant::now())
    }

    /// Waits until nothing is to be started any more.
    pub(super) async fn begun(&self) {
        self.until().await;
    }

    /// Waits until nothing is to run any more.
    pub(super) async fn over(&self) {
        sleep_until(self.until().await).await;
    }

    async fn until(&self) -> Instant {
        match self.0.clone().wait_for(Option::is_some).await.map(|until| *until) {
            Ok(Some(until)) => until,
            // Nobody can end it any more.
            _ => std::future::pending().await,
        }
    }
}
