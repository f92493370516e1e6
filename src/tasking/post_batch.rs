//! Many posts in few requests.

use std::{future::IntoFuture, pin::Pin};

use super::{
    controller::TaskingController,
    post::Post,
    send::{BatchOrder, Posted},
};
use crate::error::{Error, ErrorKind, Result};

impl TaskingController {
    /// Posts many tasks in few requests: await it. There is one result for each, in their order.
    pub fn post_batch(&self, posts: impl IntoIterator<Item = Post>) -> PostBatch {
        PostBatch { tasking: self.clone(), posts: posts.into_iter().collect(), order: BatchOrder::default() }
    }
}

/// Tasks on their way: await it to send them.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{BatchOrder, LocalQueue, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&LocalQueue::new("mail.fifo"));
/// let posts = ["a", "b", ""].map(|body| tasks.post_raw(body, [("locale", "de")]));
/// let results = tasks.post_batch(posts).with_order(BatchOrder::Packed).await;
/// assert!(results[0].is_ok() && results[1].is_ok());
/// assert!(results[2].as_ref().unwrap_err().to_string().contains("empty"));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "a batch is sent when it is awaited"]
pub struct PostBatch {
    tasking: TaskingController,
    posts: Vec<Post>,
    order: BatchOrder,
}

impl PostBatch {
    /// How the order within a group is kept when something fails. Default: [`BatchOrder::Strict`].
    pub fn with_order(mut self, order: BatchOrder) -> Self {
        self.order = order;
        self
    }
}

impl IntoFuture for PostBatch {
    type Output = Vec<Result<Posted>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Vec<Result<Posted>>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let message = |post: Post| match post.tasking.posts_to_queue_of(&self.tasking) {
                true => post.message(None),
                false => {
                    let (own, other) = (post.tasking.queue_name(), self.tasking.queue_name());
                    let message =
                        format!("a task for the queue `{own}` is in a batch for `{other}`: post it by itself");
                    Err(Error::new(ErrorKind::Configuration, message))
                }
            };
            let messages = self.posts.into_iter().map(message).collect();
            self.tasking.send_many(messages, self.order).await
        })
    }
}
