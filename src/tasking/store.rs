//! Which tasks are done: the store's contract, and one in memory. It does not know what a task does.

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
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send + 'a>>;

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// The task is the claimant's until the lease ends.
    Acquired,
    /// The task is done.
    Done,
    /// Someone else has claimed it, and that lease has not ended.
    Busy,
}

/// Remembers which tasks are done, so that a message that is delivered again does not run again.
///
/// A task is claimed before it runs and completed after. A claim is a lease: it ends by itself where its owner dies. The
/// owner fences: who has lost a claim can neither complete nor release it. A store that fails is no permission to run: the
/// task fails and comes again.
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
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let minute = Duration::from_secs(60);
/// assert_eq!(store.claim("mail|welcome|7", "a", minute).await?, Claim::Acquired);
/// assert_eq!(store.claim("mail|welcome|7", "b", minute).await?, Claim::Busy);
/// assert!(store.complete("mail|welcome|7", "a", minute).await?);
/// assert_eq!(store.claim("mail|welcome|7", "b", minute).await?, Claim::Done);
/// # Ok::<(), chalice_http_toolkit::BoxError>(())
/// # }).unwrap();
/// ```
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Claims a task for `owner` until the lease ends, unless it is done or someone else's. Who claims again what it has
    /// keeps it.
    fn claim<'a>(&'a self, key: &'a str, owner: &'a str, lease: Duration) -> StoreFuture<'a, Claim>;

    /// Marks a task as done for so long; `false` where it is not the owner's any more.
    fn complete<'a>(&'a self, key: &'a str, owner: &'a str, keep: Duration) -> StoreFuture<'a, bool>;

    /// Gives a claim up, so that the next may run at once; `false` where it is not the owner's any more.
    fn release<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool>;
}

/// An [`IdempotencyStore`] in the memory of this process: for development, and for tests.
#[derive(Default)]
pub struct MemoryStore {
    rows: Mutex<HashMap<String, Row>>,
}

struct Row {
    /// `None` where the task is done.
    owner: Option<String>,
    until: Instant,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tasks are claimed or done.
    pub fn len(&self) -> usize {
        let now = Instant::now();
        self.rows().values().filter(|row| row.until > now).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<String, Row>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a row that is the owner's.
    fn change(&self, key: &str, owner: &str, row: Option<Row>) -> bool {
        let mut rows = self.rows();
        let owned = rows.get(key).is_some_and(|row| row.owner.as_deref() == Some(owner));
        match row {
            _ if !owned => {}
            Some(row) => drop(rows.insert(key.to_owned(), row)),
            None => drop(rows.remove(key)),
        }
        owned
    }
}

impl IdempotencyStore for MemoryStore {
    fn claim<'a>(&'a self, key: &'a str, owner: &'a str, lease: Duration) -> StoreFuture<'a, Claim> {
        let (mut rows, now) = (self.rows(), Instant::now());
        let claim = match rows.get(key).filter(|row| row.until > now) {
            Some(Row { owner: None, .. }) => Claim::Done,
            Some(Row { owner: Some(other), .. }) if other != owner => Claim::Busy,
            _ => {
                rows.insert(key.to_owned(), Row { owner: Some(owner.to_owned()), until: now + lease });
                Claim::Acquired
            }
        };
        Box::pin(std::future::ready(Ok(claim)))
    }

    fn complete<'a>(&'a self, key: &'a str, owner: &'a str, keep: Duration) -> StoreFuture<'a, bool> {
        let done = Row { owner: None, until: Instant::now() + keep };
        Box::pin(std::future::ready(Ok(self.change(key, owner, Some(done)))))
    }

    fn release<'a>(&'a self, key: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Ok(self.change(key, owner, None))))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("length", &self.len()).finish()
    }
}
