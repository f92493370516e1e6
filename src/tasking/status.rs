//! What becomes of a task, for a page that tells it: kept at the store for a while. It is for people; nothing is decided by it.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    batch::{RecordResult, TaskOutcome},
    claims::store_key,
    controller::{
        TaskingController,
        context::{Delivery, TaskContext},
    },
    dead_letters::reason,
    delayed::later,
    event::Record,
    invocation::{Invocation, within},
    local_worker::inline_record,
    log::milliseconds,
    message::{Attribute, KEY, Message, TASK},
    task::Task,
    visibility::is_planned,
};
use crate::error::{BoxError, Error, ErrorKind, Result};

/// The longest result and the longest note, in bytes.
const LONGEST: usize = 4096;

/// The status of a task, as [`TaskingController::status`] returns it. Times are in milliseconds since 1970.
///
/// As JSON, and for a template, it is an object with the field `state`: `queued`, `running`, `retrying`, `done`, `cancelled` or
/// `failed`.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::TaskStatus;
///
/// let status = TaskStatus::Running { since: 1_700_000_000_000, progress: Some(0.4), note: Some("resizing".into()) };
/// let json = r#"{"state":"running","since":1700000000000,"progress":0.4,"note":"resizing"}"#;
/// assert_eq!(serde_json::to_string(&status)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskStatus {
    /// It is posted, and has not run yet.
    Queued {
        /// When it was posted.
        since: u64,
    },
    /// Its handler runs, or was interrupted and runs again.
    Running {
        /// When this run began.
        since: u64,
        /// The number of the last call of [`TaskContext::progress`], from 0 to 1.
        progress: Option<f64>,
        /// The note of the last call of [`TaskContext::progress`].
        note: Option<String>,
    },
    /// It has failed and is tried again.
    Retrying {
        /// When it failed.
        since: u64,
        /// Why it failed: the error with its causes, which are not for visitors.
        reason: String,
    },
    /// It is done.
    Done {
        /// When it was done.
        since: u64,
        /// The value of [`TaskContext::set_result`].
        result: Option<Value>,
    },
    /// It was [cancelled](TaskingController::cancel) before it ran.
    Cancelled {
        /// When it was cancelled.
        since: u64,
    },
    /// It is a dead letter.
    Failed {
        /// When it became one.
        since: u64,
        /// Why it failed: the error with its causes, which are not for visitors.
        reason: String,
    },
}

impl TaskingController {
    /// Records the status of each task that has a key in the [store](Self::with_store). [`status`](Self::status) reads it.
    ///
    /// A status is kept for this time after its last change. The site and the worker both need this setting and the store. Each
    /// task costs three more writes, and one for each call of [`progress`](TaskContext::progress). If a write fails, the log says
    /// so, and the task goes on. Default: nothing is recorded.
    pub fn with_status(self, keep: Duration) -> Self {
        self.change_settings(|settings| settings.status = Some(keep))
    }

    /// The status of the task with this name, group and key. `None` if it was never posted, or if its status is no longer kept.
    ///
    /// If the process of a task dies, its status stays `Running` until the queue delivers the task again.
    ///
    /// On AWS, the function that reads a status needs `dynamodb:GetItem`. A function that posts needs `dynamodb:UpdateItem`, and the
    /// worker needs both.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Task`] for a task without a key, [`ErrorKind::Configuration`] without a store, and [`ErrorKind::Store`] if the
    /// store can't be reached.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{borrow::Cow, time::Duration};
    ///
    /// use chalice_http_toolkit::{Error, tasking::{LocalQueue, MemoryStore, Task, TaskContext, TaskStatus, TaskingController}};
    /// use serde::{Deserialize, Serialize};
    /// use serde_json::json;
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Resize {
    ///     album: u64,
    /// }
    ///
    /// impl Task for Resize {
    ///     const NAME: &'static str = "resize";
    ///
    ///     fn key(&self) -> Option<Cow<'_, str>> {
    ///         Some(self.album.to_string().into())
    ///     }
    /// }
    ///
    /// async fn resize(context: TaskContext, _task: Resize) -> Result<(), Error> {
    ///     for picture in 1..=10 {
    ///         context.progress(f64::from(picture) / 10.0, "resizing").await;
    ///     }
    ///     context.set_result(&json!({ "pictures": 10 }))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("shop.fifo")?.with_local_queue(&LocalQueue::new("shop.fifo"));
    /// let tasks = tasks.with_store(MemoryStore::new()).with_status(Duration::from_secs(3600)).on(resize);
    /// tasks.post(&Resize { album: 7 }).await?;
    /// assert!(matches!(tasks.status(&Resize { album: 7 }).await?, Some(TaskStatus::Queued { .. })));
    /// tasks.work_off().await?;
    /// let Some(TaskStatus::Done { result, .. }) = tasks.status(&Resize { album: 7 }).await? else { panic!("it is done") };
    /// assert_eq!(result, Some(json!({ "pictures": 10 })));
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn status<T: Task>(&self, task: &T) -> Result<Option<TaskStatus>> {
        let message = self.message_with_key(task)?;
        let Some(store) = &self.settings().store else {
            let message = "the status of tasks is kept in the idempotency store: add one with `with_store`";
            return Err(Error::new(ErrorKind::Configuration, message));
        };
        let key = self.status_key_of(T::NAME, &message);
        let failed = |error: BoxError| Error::caused(ErrorKind::Store, "the status of a task could not be read", error);
        let kept = store.status(&key).await.map_err(failed)?;
        kept.map(|kept| serde_json::from_str(&kept).map_err(|error| failed(error.into()))).transpose()
    }

    fn status_key_of(&self, name: &str, message: &Message) -> String {
        let record = inline_record(self.queue_name(), message, String::new());
        let group = later(&message.attributes).map_or(&*message.group, |(.., group)| group);
        status_key(self.queue_name(), name, group, &record.task_id())
    }

    /// Remembers that a task with a key was cancelled.
    pub(super) async fn note_cancelled(&self, name: &str, message: &Message) {
        let status = TaskStatus::Cancelled { since: self.milliseconds_now() };
        self.keep_status(&self.status_key_of(name, message), &status, None).await;
    }

    /// What the status of a task is kept by, if it is.
    pub(super) fn status_key_if_kept(&self, message: &Message) -> Option<String> {
        self.settings().status.and(self.settings().store.as_ref())?;
        let name = message.attributes.get(TASK).and_then(Attribute::as_str)?;
        message.attributes.contains_key(KEY).then(|| self.status_key_of(name, message))
    }

    /// Remembers that a task was posted, where nothing is known of it. It is not told before the queue has the task, as a post
    /// can be refused. A worker may be faster: what it has told stays.
    pub(super) async fn note_queued(&self, key: Option<String>) {
        let (Some(keep), Some(store)) = (self.settings().status, &self.settings().store) else { return };
        let Some(key) = key else { return };
        let status = TaskStatus::Queued { since: self.milliseconds_now() };
        // A store that hangs takes no more time than a queue may.
        let end = Some(self.budget().end());
        if let Err(error) = within(end, store.add_status(&key, &as_text(&status), keep)).await {
            tracing::warn!(error = error.chain(), "the status of a task could not be kept");
        }
    }

    fn milliseconds_now(&self) -> u64 {
        milliseconds(self.now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    async fn keep_status(&self, key: &str, status: &TaskStatus, until: Option<tokio::time::Instant>) {
        let (Some(keep), Some(store)) = (self.settings().status, &self.settings().store) else { return };
        if let Err(error) = within(until, store.put_status(key, &as_text(status), keep)).await {
            tracing::warn!(error = error.chain(), "the status of a task could not be kept");
        }
    }
}

impl TaskContext {
    /// Records the progress of the task, from 0 to 1, and a note, for [`TaskingController::status`].
    ///
    /// With [`with_status`](TaskingController::with_status), and if the task has a key, each call costs a write. If the write fails,
    /// the log says so. A note of more than 4096 bytes is cut.
    pub async fn progress(&self, progress: f64, note: &str) {
        let progress = progress.is_finite().then(|| progress.clamp(0.0, 1.0));
        let note = Some(cut(note).to_owned()).filter(|note| !note.is_empty());
        let status = TaskStatus::Running { since: self.tasking.milliseconds_now(), progress, note };
        self.delivery.keep(&self.tasking, &status).await;
    }

    /// Sets a small value, such as a URL, that [`TaskingController::status`] returns when the task is done.
    ///
    /// The last call counts. For a task with several [steps](Self::next), the value of the last step counts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Task`] if the value can't be JSON, or has more than 4096 bytes as JSON.
    pub fn set_result(&self, result: &impl Serialize) -> Result<()> {
        let failed = |message: String| Error::new(ErrorKind::Task, message);
        let result = serde_json::to_value(result).map_err(|error| failed(format!("the result of a task: {error}")))?;
        let length = result.to_string().len();
        if length > LONGEST {
            return Err(failed(format!("the result of a task has {length} bytes, and {LONGEST} are allowed")));
        }
        self.delivery.result.set(result);
        Ok(())
    }
}

impl Delivery {
    async fn keep(&self, tasking: &TaskingController, status: &TaskStatus) {
        if !self.steps.has_key() {
            return;
        }
        let group = self.group.as_deref().unwrap_or_default();
        let key = status_key(tasking.queue_name(), &self.name, group, &self.steps.task_id);
        tasking.keep_status(&key, status, self.until).await;
    }

    /// The handler begins. Between steps, what the one before has said stays.
    pub(super) async fn note_running(&self, tasking: &TaskingController) {
        if self.steps.is_first() || self.attempt > 1 {
            let status = TaskStatus::Running { since: tasking.milliseconds_now(), progress: None, note: None };
            self.keep(tasking, &status).await;
        }
    }

    /// The task is done, unless another step follows.
    pub(super) async fn note_done(&self, tasking: &TaskingController) {
        if self.steps.is_last() {
            let status = TaskStatus::Done { since: tasking.milliseconds_now(), result: self.result.take() };
            self.keep(tasking, &status).await;
        }
    }
}

impl Invocation<'_> {
    /// What has become of a task that is not done by this run: it comes again, is a dead letter, or was done before.
    pub(super) async fn note_end(&self, record: &Record, name: Option<&str>, end: &RecordResult) {
        let tasking = self.tasking;
        let since = tasking.milliseconds_now();
        let status = match &end.outcome {
            TaskOutcome::Failed(error) if is_planned(error) => return,
            TaskOutcome::Failed(error) | TaskOutcome::Panicked(error) => {
                TaskStatus::Retrying { since, reason: reason(error) }
            }
            TaskOutcome::DeadLettered(error) => TaskStatus::Failed { since, reason: reason(error) },
            TaskOutcome::Duplicate => TaskStatus::Done { since, result: None },
            _ => return,
        };
        let Some(name) = name.filter(|_| record.attributes.contains_key(KEY)) else { return };
        let group = record.group.as_deref().unwrap_or_default();
        let key = status_key(tasking.queue_name(), name, group, &record.task_id());
        if !matches!(end.outcome, TaskOutcome::Duplicate) || self.is_at_most_queued(&key).await {
            tasking.keep_status(&key, &status, self.times.end).await;
        }
    }

    /// Whether nothing is known of a task but that it was posted: then it was done so long ago that its status is forgotten. Who
    /// posted it again may tell that later than this worker asks.
    async fn is_at_most_queued(&self, key: &str) -> bool {
        let Some(store) = self.tasking.settings().store.as_ref().filter(|_| self.tasking.settings().status.is_some())
        else {
            return false;
        };
        let Ok(kept) = within(self.times.end, store.status(key)).await else { return false };
        kept.is_none_or(|kept| matches!(serde_json::from_str(&kept), Ok(TaskStatus::Queued { .. })))
    }
}

/// What the store knows the status of a task by. It has the queue's name and no ARN, which a site would have to ask for.
fn status_key(queue: &str, name: &str, group: &str, task_id: &str) -> String {
    store_key(&format!("status|{queue}"), name, group, task_id)
}

fn as_text(status: &TaskStatus) -> String {
    // Neither a map with other keys than texts nor a float that is no number is in it.
    serde_json::to_string(status).unwrap_or_default()
}

/// The beginning of a text that is not too long.
fn cut(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}
