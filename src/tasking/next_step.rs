//! Work that takes longer than an invocation: a handler posts the next step of its task, a message of its own in the same group.

use super::{
    controller::context::TaskContext,
    message::{ID, STEP},
    post::{Dedup, Post, digest},
    task::Task,
};
use crate::{
    defects::{Defect, seeded},
    error::{Error, ErrorKind, Result},
};

impl TaskContext {
    /// Which step of its task this is, from 1: by how many calls of [`next`](Self::next) it has come about.
    pub fn step(&self) -> u32 {
        self.delivery.steps.number
    }

    /// Goes on with this value in a next step, once this handler has succeeded: for work that takes longer than an invocation.
    /// The step is a message of its own, at the end of the same group, with attempts of its own. It has the same key, and is the
    /// same task for [`status`](crate::tasking::TaskingController::status).
    ///
    /// The step is posted before this one is marked as done. If the process dies in between, this step runs again and posts
    /// the next one again, with the same id: the queue drops it within five minutes, and with a store it runs once also after
    /// that. What this step has done, it does again, unless it marks it with `complete_with`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a task with another name, for a second call in one step, and outside of the handler, as in
    /// what it spawned; [`ErrorKind::Task`] for what SQS would refuse.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{Error, tasking::{LocalQueue, Task, TaskContext, TaskingController}};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Import {
    ///     from_row: u64,
    /// }
    ///
    /// impl Task for Import {
    ///     const NAME: &'static str = "import";
    /// }
    ///
    /// async fn import(context: TaskContext, task: Import) -> Result<(), Error> {
    ///     assert_eq!(u64::from(context.step()), task.from_row / 1000 + 1);
    ///     // Here it would read a thousand rows, or as many as it has the time for.
    ///     if task.from_row < 3000 {
    ///         context.next(&Import { from_row: task.from_row + 1000 })?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let queue = LocalQueue::new("shop.fifo");
    /// let tasks = TaskingController::new("shop.fifo")?.with_local_queue(&queue).on(import);
    /// tasks.post(&Import { from_row: 0 }).with_key("customers.csv").await?;
    /// assert_eq!(tasks.work_off().await?, 4);
    /// assert!(queue.is_empty());
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    pub fn next<T: Task>(&self, task: &T) -> Result<()> {
        let (delivery, steps) = (&self.delivery, &self.delivery.steps);
        let refused = |message: String| Err(Error::new(ErrorKind::Configuration, message));
        if delivery.name != T::NAME {
            return refused(format!(
                "the next step of `{}` is a `{}`: a step has the name of its task",
                delivery.name,
                T::NAME
            ));
        }
        if steps.go_on() {
            return refused(format!("a step of `{}` goes on twice: each has one next step", T::NAME));
        }
        let number = steps.number.saturating_add(1);
        let group = delivery.group.clone().unwrap_or_default();
        let salt = if seeded(Defect::Steps) { uuid::Uuid::now_v7().to_string() } else { String::new() };
        let id = digest(&["step", T::NAME, &group, &steps.task_id, &number.to_string(), &salt]);
        let post = Post::of(&self.tasking, task).with_group(group).with_dedup(Dedup::Id(id));
        let post = post.with_attribute(STEP, i64::from(number));
        let post = match &steps.key {
            Some(key) => post.with_key(key),
            None => post.without_key().with_attribute(ID, &*steps.task_id),
        };
        post.on_success()
    }
}
