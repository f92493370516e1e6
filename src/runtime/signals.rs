//! What tells a process to end: Ctrl-C, and SIGTERM where there is such a thing. It ends nothing itself.

use std::pin::pin;

use futures_util::future::select;
use tokio::signal;

use crate::error::{Error, ErrorKind, Result};

/// The signals to this process from now on.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self> {
        #[cfg(unix)]
        {
            let terminate = signal::unix::signal(signal::unix::SignalKind::terminate());
            let unheard = |error| Error::caused(ErrorKind::Runtime, "SIGTERM can't be listened for", error);
            Ok(Self { terminate: terminate.map_err(unheard)? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        let interrupt = pin!(async {
            if signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        #[cfg(unix)]
        let terminate = pin!(async {
            if self.terminate.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        });
        #[cfg(not(unix))]
        let terminate = pin!(std::future::pending::<()>());
        select(interrupt, terminate).await;
    }
}
