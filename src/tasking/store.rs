//! The interface of the idempotency store, which remembers finished tasks, and one in memory. It does not know what a task
//! does.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::error::BoxError;

/// What a store's methods return.
///
/// # Examples
///
/// A store that is away, for a test of what happens then:
///
/// ```
/// use chalice_http_toolkit::{ErrorKind, tasking::{Claim, IdempotencyStore, StoreFuture, TaskingController}};
/// use std::time::Duration;
///
/// #[derive(Debug)]
/// struct Away;
///
/// impl IdempotencyStore for Away {
///     fn claim<'a>(&'a self, _: &'a str, _: &'a str, _: Duration) -> StoreFuture<'a, Claim> {
///         Box::pin(async { Err("there is no way to the database".into()) })
///     }
///     fn complete<'a>(&'a self, _: &'a str, _: &'a str, _: Duration) -> StoreFuture<'a, bool> {
///         Box::pin(async { Ok(false) })
///     }
///     fn release<'a>(&'a self, _: &'a str, _: &'a str) -> StoreFuture<'a, bool> {
///         Box::pin(async { Ok(false) })
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let tasks = TaskingController::new("mail.fifo")?.with_inline().with_store(Away);
/// let tasks = tasks.on_raw(async |_context, _task| Ok::<(), std::io::Error>(()));
/// let error = tasks.post_raw("hello", [("locale", "de")]).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Store);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The task is the claimant's until the lease ends. Of a store that counts, it is the first attempt.
    Acquired,
    /// The same for an attempt that is not the first: so many claims of this message, with this one, were made and not
    /// given back.
    Again {
        /// Which attempt it is, from 2.
        attempt: u32,
    },
    /// The task is done.
    Done,
    /// Someone else has claimed it, and that lease has not ended: the task comes again when it has.
    Busy {
        /// How long the lease still holds; zero where that is not known.
        remaining: Duration,
    },
}

/// Remembers which tasks are done, so that a message that is delivered again does not run again.
///
/// A task is claimed before it runs and completed after. A claim is a lease: it ends by itself where its owner dies. The
/// owner fences: who has lost a claim can neither complete nor release it. A store that fails is no permission to run: the
/// task fails and comes again.
///
/// A store may count attempts too ([`counts_attempts`](Self::counts_attempts)). Then no task becomes a dead letter before its own
/// handler was begun [as often as it may](crate::tasking::TaskingController::with_attempts), whatever happens to its neighbours: a
/// process that dies leaves its claim behind, which counts. Without that, receives are counted.
///
/// [`MemoryStore`] is for development and tests, `DynamoStore` (feature `dynamodb`) for the rest. A store of your own must
/// decide each call in one step.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use chalice_http_toolkit::tasking::{Claim, IdempotencyStore, MemoryStore};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let minute = Duration::from_secs(60);
/// assert_eq!(store.claim("mail|welcome|7", "a", minute).await?, Claim::Acquired);
/// assert_eq!(store.claim("mail|welcome|7", "b", minute).await?, Claim::Busy { remaining: minute });
/// assert!(store.complete("mail|welcome|7", "a", minute).await?);
/// assert_eq!(store.claim("mail|welcome|7", "b", minute).await?, Claim::Done);
/// # Ok::<(), chalice_http_toolkit::BoxError>(())
/// # }).unwrap();
/// ```
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Claims a task for `owner` until the lease ends, unless it is done or someone else's. Who claims again what it has
    /// keeps it. An owner is a message and a delivery of it, `MESSAGE/DELIVERY`: what stands before the last slash is the same
    /// for all attempts of one message.
    fn claim<'a>(&'a self, key: &'a str, owner: &'a str, lease: Duration) -> StoreFuture<'a, Claim>;

    /// Marks a task as done for so long; `false` where it is not the owner's any more.
    fn complete<'a>(&'a self, key: &'a str, owner: &'a str, keep: Duration) -> StoreFuture<'a, bool>;

    /// Gives a claim up, so that the next may run at once; `false` where it is not the owner's any more. The task was not to
    /// blame: a store that counts takes the attempt back.
    fn release<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool>;

    /// Gives a claim up after its task failed: a store that counts keeps the attempt. Default: [`release`](Self::release).
    fn fail<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        self.release(key, owner)
    }

    /// Stores the status of a task for this time, in place of the old one.
    /// [`TaskingController::status`](crate::tasking::TaskingController::status) reads it. The keys differ from those of claims.
    /// Default: nothing is stored.
    fn put_status<'a>(&'a self, key: &'a str, status: &'a str, keep: Duration) -> StoreFuture<'a, ()> {
        let _ = (key, status, keep);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Like [`put_status`](Self::put_status), but keeps a status that is there. Default: nothing is stored.
    fn add_status<'a>(&'a self, key: &'a str, status: &'a str, keep: Duration) -> StoreFuture<'a, ()> {
        let _ = (key, status, keep);
        Box::pin(std::future::ready(Ok(())))
    }

    /// The stored status of a task. Default: none.
    fn status<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<String>> {
        let _ = key;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether it counts the attempts of a message: claims that were not released. Those of another message with the same key
    /// begin anew. Default: no.
    fn counts_attempts(&self) -> bool {
        false
    }
}

/// The message that an owner is a delivery of.
pub(super) fn message_of(owner: &str) -> &str {
    owner.rsplit_once('/').map_or(owner, |(message, _)| message)
}

/// Longer than any process lives, and not too long for a clock.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long the attempts of a task that failed are remembered: longer than it may wait for the next.
pub(super) const KEEP_COUNT: Duration = Duration::from_secs(24 * 60 * 60);

/// An [`IdempotencyStore`] in the memory of this process: for development, and for tests.
#[derive(Default)]
pub struct MemoryStore {
    rows: Mutex<HashMap<String, Row>>,
    /// Texts about tasks, and until when they are kept.
    statuses: Mutex<HashMap<String, (String, Instant)>>,
}

struct Row {
    owner: String,
    /// Claims of this owner's message that were not released.
    attempts: u32,
    state: State,
    until: Instant,
}

#[derive(PartialEq)]
enum State {
    Claimed,
    /// Given up; it is kept for its count.
    Free,
    Done,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tasks are claimed or done.
    pub fn len(&self) -> usize {
        let now = Instant::now();
        self.rows().values().filter(|row| row.until > now && row.state != State::Free).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends a claim, which counts for so many attempts.
    fn free(&self, key: &str, owner: &str, counts: u32) -> bool {
        let mut rows = self.rows();
        let row = rows.get_mut(key).filter(|row| row.owner == owner && row.state == State::Claimed);
        let Some(row) = row else { return false };
        row.attempts = row.attempts.saturating_sub(1) + counts;
        (row.state, row.until) = (State::Free, Instant::now() + KEEP_COUNT);
        if row.attempts == 0 {
            rows.remove(key);
        }
        true
    }

    fn statuses(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IdempotencyStore for MemoryStore {
    fn claim<'a>(&'a self, key: &'a str, owner: &'a str, lease: Duration) -> StoreFuture<'a, Claim> {
        let (mut rows, now) = (self.rows(), Instant::now());
        if rows.len() >= 1024 && rows.len().is_power_of_two() {
            rows.retain(|_, row| row.until > now);
        }
        let row = rows.get(key);
        let claim = match row.filter(|row| row.until > now) {
            Some(row) if row.state == State::Done => Claim::Done,
            Some(row) if row.state == State::Claimed && row.owner != owner => {
                Claim::Busy { remaining: row.until - now }
            }
            _ => {
                let is_again = |row: &&Row| row.state != State::Done && message_of(&row.owner) == message_of(owner);
                let before = row.filter(is_again);
                // Who claims again what it has is still at the same attempt.
                let is_same = before.is_some_and(|row| row.state == State::Claimed && row.owner == owner);
                let attempts = before.map_or(0, |row| row.attempts) + u32::from(!is_same);
                let until = now + lease.min(CENTURY);
                rows.insert(key.to_owned(), Row { owner: owner.to_owned(), attempts, state: State::Claimed, until });
                if attempts > 1 { Claim::Again { attempt: attempts } } else { Claim::Acquired }
            }
        };
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn complete<'a>(&'a self, key: &'a str, owner: &'a str, keep: Duration) -> StoreFuture<'a, bool> {
        let mut rows = self.rows();
        let row = rows.get_mut(key).filter(|row| row.owner == owner && row.state != State::Free);
        let until = Instant::now() + keep.min(CENTURY);
        let is_owned = row.map(|row| (row.state, row.until) = (State::Done, until)).is_some();
        Box::pin(std::future::ready(Ok(is_owned)))
    }

    fn release<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Ok(self.free(key, owner, 0))))
    }

    fn fail<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Ok(self.free(key, owner, 1))))
    }

    fn put_status<'a>(&'a self, key: &'a str, status: &'a str, keep: Duration) -> StoreFuture<'a, ()> {
        let (mut statuses, now) = (self.statuses(), Instant::now());
        if statuses.len() >= 1024 && statuses.len().is_power_of_two() {
            statuses.retain(|_, (_, until)| *until > now);
        }
        statuses.insert(key.to_owned(), (status.to_owned(), now + keep.min(CENTURY)));
        Box::pin(std::future::ready(Ok(())))
    }

    fn add_status<'a>(&'a self, key: &'a str, status: &'a str, keep: Duration) -> StoreFuture<'a, ()> {
        let is_kept = self.statuses().get(key).is_some_and(|(_, until)| *until > Instant::now());
        if is_kept { Box::pin(std::future::ready(Ok(()))) } else { self.put_status(key, status, keep) }
    }

    fn status<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<String>> {
        let statuses = self.statuses();
        let kept = statuses.get(key).filter(|(_, until)| *until > Instant::now()).map(|(status, _)| status.clone());
        Box::pin(std::future::ready(Ok(kept)))
    }

    fn counts_attempts(&self) -> bool {
        true
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("length", &self.len()).finish()
    }
}
