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
    /// The number of this step of the task. The first step has the number 1, and each [`next`](Self::next) adds 1.
    pub fn step(&self) -> u32 {
        self.delivery.steps.number
    }

    /// Posts this value as the next step of the task after this handler has succeeded. Use it for work that takes longer than an
    /// invocation.
    ///
    /// The next step is a new message at the end of the same group, with attempts of its own. It has the same key, and the same
    /// [`status`](crate::tasking::TaskingController::status). The attributes of the task
    /// ([`with_attribute`](crate::tasking::Post::with_attribute)) go on to it. A message takes ten, and a step needs three for itself.
    ///
    /// Call it before `complete_with`: after that, nothing can be posted in a way that no crash can lose.
    ///
    /// The next step is posted before this step is marked as done. If the process dies in between, this step runs again and posts
    /// the next step again, with the same id. Within five minutes, the queue drops the second message. Later, the store makes sure
    /// that it runs only once. The effects of this step happen again, unless it uses `complete_with`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a task with another name, for a second call in one step, for a call after
    /// `complete_with`, and for a call outside of the handler, such as in a spawned future. [`ErrorKind::Task`] for a message that SQS would refuse.
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
                "the next step of `{}` is a `{}`: all steps of a task must have the same name",
                delivery.name,
                T::NAME
            ));
        }
        if !steps.is_last() {
            return refused(format!("a step of `{}` called `next` twice: each step has one next step", T::NAME));
        }
        let number = steps.number.saturating_add(1);
        let group = delivery.group.clone().unwrap_or_default();
        let salt = if seeded(Defect::Steps) { uuid::Uuid::now_v7().to_string() } else { String::new() };
        // Of this message and not of the task alone: one that is posted again has steps of its own.
        let (message, place) = (&delivery.message_id, number.to_string());
        let id = digest(&["step", T::NAME, &group, &steps.task_id, message, &place, &salt]);
        let post = Post::of(&self.tasking, task).with_group(group).with_dedup(Dedup::Id(id));
        let own = steps.attributes.iter().map(|(name, value)| (name.clone(), value.clone()));
        let post = own.fold(post, |post, (name, value)| post.with_attribute(name, value));
        let post = post.with_attribute(STEP, i64::from(number));
        let post = match &steps.key {
            Some(key) => post.with_key(key),
            None => post.without_key().with_attribute(ID, &*steps.task_id),
        };
        post.on_success()?;
        steps.go_on();
        Ok(())
    }
}
