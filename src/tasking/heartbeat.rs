//! Keeping messages hidden while they are worked on. It does not know how that is done.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use tokio::time::sleep;

/// Runs `work`, and calls `extend` again and again until it ends. An extension that is on its way by then is waited for: it
/// must not arrive after what is said about the messages at the end of the work.
#[doc(hidden)]
pub async fn kept<T, F: Future<Output = ()>>(
    work: impl Future<Output = T>,
    every: Duration,
    extend: impl Fn() -> F,
) -> T {
    let mut work = pin!(work);
    loop {
        if let Either::Left((output, _)) = select(work.as_mut(), pin!(sleep(every))).await {
            return output;
        }
        let mut extended = pin!(extend());
        if let Either::Left((output, _)) = select(work.as_mut(), extended.as_mut()).await {
            extended.await;
            return output;
        }
    }
}
