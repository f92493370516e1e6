//! The handle of a running worker. It does not know what the worker does.

use std::fmt;

use tokio::{sync::watch, task::JoinHandle};

/// A running worker of a [`LocalQueue`](super::LocalQueue).
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{LocalQueue, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let queue = LocalQueue::new("mail.fifo");
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
/// let tasks = tasks.on_raw(async |_context, _task| Ok::<(), std::io::Error>(()));
/// let worker = tasks.spawn_worker()?;
/// tasks.post_raw("hello", [("locale", "de")]).await?;
/// while !queue.is_empty() {
///     tokio::task::yield_now().await;
/// }
/// worker.stop().await;
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "a worker that is dropped stops in the middle of what it does"]
pub struct LocalWorker {
    pub(in super::super) stopping: watch::Sender<bool>,
    pub(in super::super) loops: Vec<JoinHandle<()>>,
}

impl LocalWorker {
    /// Takes no further batch, and waits for those that run.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        for running in std::mem::take(&mut self.loops) {
            // It panics for nothing, and is aborted by nobody else.
            drop(running.await);
        }
    }
}

impl Drop for LocalWorker {
    fn drop(&mut self) {
        self.loops.iter().for_each(JoinHandle::abort);
    }
}

impl fmt::Debug for LocalWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalWorker").field("loops", &self.loops.len()).finish()
    }
}
