//! Retries of a task: the number of attempts, the timeout and the wait between them. The task's own values come before the
//! controller's.

use std::time::Duration;

/// How long a task that failed waits: twice as long after each attempt, up to a limit. For [`Task::BACKOFF`](crate::tasking::Task::BACKOFF).
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{Backoff, Task};
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// #[derive(Serialize, Deserialize)]
/// struct CallPartner {
///     order: u64,
/// }
///
/// impl Task for CallPartner {
///     const NAME: &'static str = "call_partner";
///     // Ten attempts over nearly two hours: after 1, 2, 4, 8, 16 and then each 20 minutes.
///     const ATTEMPTS: Option<u32> = Some(10);
///     const BACKOFF: Option<Backoff> = Some(Backoff::new(Duration::from_secs(60), Duration::from_secs(20 * 60)));
///     const TIMEOUT: Option<Duration> = Some(Duration::from_secs(10));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// So long after the first attempt, twice as long after each further one, and never longer than `longest`, nor than 11
    /// hours. Where it is zero the task is tried again at once, in the same batch.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest }
    }

    pub(crate) fn delay(self, attempt: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1))).min(self.longest)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(5), Duration::from_secs(15 * 60))
    }
}

/// What a kind of task says of itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct PolicyOverrides {
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) timeout: Option<Duration>,
}

/// What holds for a task.
#[derive(Clone, Copy)]
pub(crate) struct RetryPolicy {
    pub(crate) attempts: u32,
    pub(crate) backoff: Backoff,
    pub(crate) timeout: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
        let delays = [0, 1, 2, 3, 4, 5, u32::MAX].map(|attempt| backoff.delay(attempt).as_secs());
        assert_eq!(delays, [5, 5, 10, 20, 40, 60, 60]);
    }
}
