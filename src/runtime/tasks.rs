//! Background tasks as part of an app: whose batch an event is, and what a request keeps for its success.

use std::{
    collections::HashSet,
    io::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use http::StatusCode;
use lambda_http::{Context, Request};
use serde_json::Value;
use tokio::time::Instant;
use tower::service_fn;

use super::{
    App,
    recurring::{Recurring, manifest, slot},
};
use crate::{
    error::{Error, ErrorKind, Result},
    tasking::{self, QueueWorker, controller::TaskingController, flush, source_arn},
};

/// The queues of an app, and the tasks that it posts again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    queues: Vec<TaskingController>,
    pub(super) recurring: Vec<Recurring>,
    /// Whether a server of this process works off queues at AWS too.
    polls: bool,
    workers: Arc<Mutex<Vec<QueueWorker>>>,
}

impl App {
    /// Works off this queue's events too, in the same function or in one of its own. More than one queue is told apart by
    /// the name in the event; a single one takes every event of a queue. The handlers of a queue belong to one controller: with
    /// two, [`run`](Self::run) is an error that names the queue. Default: none.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, tasking::TaskingController};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.on_raw(async |_context, _task| Err("not today"));
    /// let site = service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_tasks(&tasks);
    /// let event = r#"{"Records":[{"messageId":"1","body":"hello","eventSource":"aws:sqs",
    ///     "eventSourceARN":"arn:aws:sqs:eu-west-1:123456789012:mail.fifo"}]}"#;
    /// let reply = app.invoke(event, None).await?;
    /// let json = serde_json::to_string(&reply).unwrap();
    /// assert_eq!(json, r#"{"batchItemFailures":[{"itemIdentifier":"1"}]}"#);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_tasks(mut self, tasks: &TaskingController) -> Self {
        self.tasks.queues.push(tasks.clone());
        self
    }

    /// Works off the queues of [`with_tasks`](Self::with_tasks) in the process of the site too, by polling SQS: for a container or
    /// a VM, which no events of a queue reach. [`run`](Self::run) and [`serve`](Self::serve) start such a worker beside the
    /// server, and SIGTERM ends both. On Lambda it does nothing: there the queue is an event source of the function, and a Web
    /// Function stands still between requests. Default: no worker.
    ///
    /// What a worker does is told at [`TaskingController::run_worker`]. At the end, tasks that run have the
    /// [shutdown time](Self::with_shutdown_time), less a tenth of it, in which the rest is given back to the queue. A queue has
    /// either workers of this kind or an event source mapping; both at once only share the work.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use chalice_http_toolkit::{App, BoxError, tasking::TaskingController};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let site = tower::service_fn(async |_: lambda_http::Request| Ok::<_, BoxError>(http::Response::new(String::new())));
    /// let tasks = TaskingController::new("mail.fifo")?.on_raw(async |_context, _task| Ok::<(), BoxError>(()));
    /// App::new(site).with_tasks(&tasks).with_worker().run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_worker(mut self) -> Self {
        self.tasks.polls = true;
        self
    }

    /// An app that works off a queue and has no site: requests are answered with 404.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use chalice_http_toolkit::{App, BoxError, tasking::TaskingController};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let tasks = TaskingController::new("mail.fifo")?.on_raw(async |_context, _task| Ok::<(), BoxError>(()));
    /// App::worker(&tasks).run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn worker(tasks: &TaskingController) -> Self {
        let nothing = service_fn(async |_: Request| {
            let mut response = http::Response::new("There is no site here.\n".to_owned());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok::<_, std::convert::Infallible>(response)
        });
        Self::new(nothing).with_tasks(tasks)
    }
}

impl Tasks {
    #[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "the local server shows them"))]
    pub(super) fn controllers(&self) -> impl Iterator<Item = &TaskingController> {
        self.queues.iter()
    }

    /// Starts what works off local queues.
    pub(crate) fn start(&self) {
        self.queues.iter().for_each(TaskingController::start_local_worker);
    }

    /// Starts what works off queues at AWS, where the site wants that.
    #[cfg_attr(not(any(feature = "dev-server", feature = "server")), allow(dead_code, reason = "servers start it"))]
    pub(crate) fn start_polling(&self) -> Result<()> {
        // Of a queue, those without handlers only post; of those with, the first has all of them.
        let mut names = HashSet::new();
        let queues = self.queues.iter().filter(|tasking| self.polls && !tasking.handlers().is_empty());
        for tasking in queues.filter(|tasking| names.insert(tasking.queue_name())) {
            self.workers().extend(tasking.spawn_queue_worker()?);
        }
        Ok(())
    }

    /// Ends what works off queues at AWS: nothing is received any more, and what runs has nearly this time.
    #[cfg_attr(not(any(feature = "dev-server", feature = "server")), allow(dead_code, reason = "servers end it"))]
    pub(crate) fn end_polling(&self, time: Duration) {
        let to_give_back = (time / 10).min(Duration::from_secs(1));
        self.workers().iter().for_each(|worker| worker.end_within(time - to_give_back));
    }

    fn workers(&self) -> MutexGuard<'_, Vec<QueueWorker>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what works off queues, when it has finished what it runs.
    pub(crate) async fn stop(&self) {
        // The server of plain HTTP has said its own time before; this is the local server's.
        self.end_polling(Duration::from_secs(10));
        let workers = std::mem::take(&mut *self.workers());
        for worker in workers {
            worker.ended().await;
        }
        for tasking in &self.queues {
            tasking.stop_local_worker().await;
        }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for [handlers](Self::checked_handlers) that would never run, and for a schedule that AWS would
    /// refuse, whose name another one has, or whose task no queue is for.
    pub(crate) fn checked(&self) -> Result<()> {
        self.checked_handlers()?;
        for (at, recurring) in self.recurring.iter().enumerate() {
            recurring.checked(self.recurring.iter().take(at))?;
            self.queue_for(recurring)?;
        }
        Ok(())
    }

    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where a queue has two controllers, and the second has handlers that the first has not:
    /// they would never run.
    fn checked_handlers(&self) -> Result<()> {
        let twice = self.queues.iter().enumerate().find(|(at, tasking)| {
            let is_first =
                |other: &&TaskingController| other.queue_name() == tasking.queue_name() && !other.handlers().is_empty();
            let first = self.queues.iter().take(*at).find(is_first);
            first.is_some_and(|first| !first.handlers().have_all_of(tasking.handlers()))
        });
        twice.map_or(Ok(()), |(_, tasking)| {
            let queue = tasking.queue_name();
            let message = format!(
                "two controllers of the queue `{queue}` have handlers, and only the first's would run: add those of both to one, by \
                 `on` and `on_raw`"
            );
            Err(Error::new(ErrorKind::Configuration, message))
        })
    }

    /// The post of a schedule whose time has come, with what stands for that time; `None` for any other event.
    pub(crate) fn due(&self, event: &str) -> Result<Option<(String, BoxFuture<'static, Result<Value>>)>> {
        let Some((name, time)) = slot(event)? else { return Ok(None) };
        self.checked()?;
        let Some(recurring) = self.recurring.iter().find(|recurring| recurring.name() == name) else {
            let message = format!(
                "this program has no schedule `{name}` (App::every): write those that it has into the template by \
                 `chalice-http-toolkit schedules`"
            );
            return Err(Error::new(ErrorKind::Event, message));
        };
        let post = recurring.post(self.queue_for(recurring)?, &time);
        let posting = async move { post.await.map(|_| Value::Null) };
        Ok(Some((format!("{name}/{time}"), Box::pin(posting))))
    }

    /// Prints the schedules, if that is asked for by the environment; whether it was.
    pub(crate) fn print_schedules(&self) -> Result<bool> {
        if std::env::var_os("SCHEDULE_MANIFEST").is_none_or(|value| value.is_empty()) {
            return Ok(false);
        }
        let manifest = manifest(&self.recurring);
        let written = writeln!(std::io::stdout(), "{manifest:#}");
        written.map_err(|error| Error::caused(ErrorKind::Runtime, "the schedules can't be printed", error))?;
        Ok(true)
    }

    /// What fires the schedules of an app on this machine; none where it has none.
    #[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "the local server has a clock"))]
    pub(crate) fn clock(&self, app: &App) -> Result<Option<BoxFuture<'static, ()>>> {
        for recurring in &self.recurring {
            recurring.show()?;
        }
        let app = app.clone();
        let clock = async move {
            // What is wrong with a schedule was found above.
            if let Err(error) = app.run_schedules().await {
                tracing::error!(error = error.chain(), "the schedules ended");
            }
        };
        Ok((!self.recurring.is_empty()).then(|| -> BoxFuture<'static, ()> { Box::pin(clock) }))
    }

    /// The queue whose handler runs a task that is posted again and again; one that only posts may have none.
    fn queue_for(&self, recurring: &Recurring) -> Result<&TaskingController> {
        let task = recurring.task();
        let has_handler = |tasking: &&TaskingController| tasking.handlers().has(task);
        let only = match &self.queues[..] {
            [only] if only.handlers().is_empty() => Some(only),
            _ => None,
        };
        self.queues.iter().find(has_handler).or(only).ok_or_else(|| {
            let message = format!(
                "the task `{task}` is posted by a schedule (App::every), and no queue of this app has a handler for it: \
                 App::with_tasks with a controller that has it by `on`"
            );
            Error::new(ErrorKind::Configuration, message)
        })
    }

    /// Works off a batch; the answer is which of it failed.
    pub(crate) async fn work(&self, event: &str, context: Option<&Context>) -> Result<Value> {
        let response = self.of(event)?.handle_event(event, context.and_then(remaining)).await?;
        serde_json::to_value(response)
            .map_err(|error| Error::caused(ErrorKind::Serialization, "the failures of a batch can't be written", error))
    }

    fn of(&self, event: &str) -> Result<&TaskingController> {
        self.checked()?;
        let arn = source_arn(event).unwrap_or_default();
        match &self.queues[..] {
            [only] => Ok(only),
            // One that only posts takes nothing from the one that works.
            all => all
                .iter()
                .filter(|tasking| tasking.is_for(&arn))
                .min_by_key(|own| own.handlers().is_empty())
                .ok_or_else(|| {
                    let names: Vec<&str> = all.iter().map(TaskingController::queue_name).collect();
                    let message =
                        format!("this event is of the queue `{arn}`; expected one of {names:?} (App::with_tasks)");
                    Error::new(ErrorKind::Event, message)
                }),
        }
    }
}

/// What a request or a scheduled event is, for the tasks that it posts.
pub(crate) struct Scope(Arc<tasking::Scope>);

impl Scope {
    pub(crate) fn new(origin: &str, context: Option<&Context>) -> Self {
        let deadline = context.and_then(remaining).map(|remaining| Instant::now() + remaining);
        let trace = context.and_then(|context| context.xray_trace_id.clone());
        let own = context.map(|context| context.request_id.as_str()).unwrap_or_default();
        let origin = [origin, own].into_iter().find(|id| !id.is_empty()).map(str::to_owned);
        Self(tasking::Scope::new(origin, deadline, trace))
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.0.run(future)
    }

    /// Sends what the handler kept for its success.
    pub(crate) async fn flush(&self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        // Boxed: most requests send nothing, and their futures need no room for it.
        Box::pin(flush(&self.0)).await
    }

    /// Forgets it.
    pub(crate) fn drop_tasks(&self) {
        let dropped = self.0.take().len();
        if dropped > 0 {
            tracing::warn!(dropped, "the handler failed, and what it wanted to post on success is dropped");
        }
    }
}

/// What is left of the invocation. No invocation begins after its end: such a deadline is none. (`cargo lambda watch` gives
/// one in the year 1970.)
fn remaining(context: &Context) -> Option<Duration> {
    let deadline = UNIX_EPOCH + Duration::from_millis(context.deadline);
    deadline.duration_since(SystemTime::now()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_runs_is_finished_before_the_process_ends() {
        let done = Arc::new(std::sync::Mutex::new(Vec::new()));
        let noted = done.clone();
        let tasks = TaskingController::new("ends.fifo").expect("a FIFO name");
        let tasks = tasks.on_raw(move |_, task| {
            let noted = noted.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                noted.lock().expect("no panic").push(task.into_body());
                Ok::<(), Error>(())
            }
        });
        let app = App::worker(&tasks);
        app.tasks.start();
        for body in ["runs", "waits"] {
            tasks.post_raw(body, [("a", "b")]).with_group("g").await.expect("posted");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        app.tasks.stop().await;
        assert_eq!(*done.lock().expect("no panic"), ["runs"]);
    }
}
