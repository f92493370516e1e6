//! The handlers of events that are no requests and no tasks. It knows neither rules nor clocks: an event comes, and one
//! function runs.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use lambda_http::Context;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    App,
    tasks::Scope,
    trigger::{self, ScheduledEvent, Trigger},
};
use crate::error::{BoxError, Error, ErrorKind, Result};

impl App {
    /// Runs this function for the events of an EventBridge rule or schedule of that name, or of that source. A handler
    /// that fails or panics fails the invocation, and Lambda tries it again.
    ///
    /// A ping that keeps the function warm is answered before anything runs: an event of a rule whose name says so
    /// (`keep-warm`, `KeepWarm`, `warmup`, `warmer`), `{"keep-warm":true}`, `{"warmer":true}`, or what the Serverless
    /// Framework's plug-in sends. Default: a scheduled event without a handler is such a ping too, and so is `{}`, which the
    /// console gives a new schedule for its input; the log says so at level `debug`. An event of another source without a handler
    /// fails the invocation.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, BoxError, events::ScheduledEvent};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let site = service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_schedule("my.shop", async |event: ScheduledEvent| {
    ///     let order: u64 = event.detail()?;
    ///     assert_eq!(order, 7);
    ///     Ok::<(), BoxError>(())
    /// });
    /// app.invoke(r#"{"detail-type":"OrderPaid","source":"my.shop","detail":7}"#, None).await?;
    /// app.invoke(r#"{"keep-warm":true}"#, None).await?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_schedule<F, Fut, E>(mut self, name: impl Into<String>, handler: F) -> Self
    where
        F: Fn(ScheduledEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let run = move |event| -> BoxFuture<'static, Result<()>> {
            let running = handler(event);
            Box::pin(async move { running.await.map_err(Error::from_handler) })
        };
        self.schedules.named.push((name.into(), Arc::new(run)));
        self
    }

    /// Runs this function for every event that nothing else takes: the input that a rule or schedule was given in place of its
    /// own event, the console's test, a call by another function. The reply is what it returns, as JSON. Whatever type it
    /// takes is read from the event's JSON; [`serde_json::Value`] takes any. A handler that fails or panics fails the
    /// invocation, and so does an event that is not of its type. Default: such events fail the invocation, but for `{}`.
    ///
    /// Requests, batches of a queue, events that [`with_schedule`](Self::with_schedule) names and pings that keep the function
    /// warm do not come here; scheduled events without a handler of their own do.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, BoxError, ErrorKind};
    /// use serde::Deserialize;
    /// use tower::service_fn;
    ///
    /// #[derive(Deserialize)]
    /// struct Remind {
    ///     order: u32,
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let site = service_fn(async |_request| Ok::<_, std::convert::Infallible>(http::Response::new(String::new())));
    /// let app = App::new(site).with_event_handler(async |event: Remind| Ok::<_, BoxError>(event.order));
    /// let reply = app.invoke(r#"{"order":7}"#, None).await?;
    /// assert_eq!(serde_json::to_string(&reply).unwrap(), "7");
    /// assert_eq!(app.invoke("{}", None).await.unwrap_err().kind(), ErrorKind::Event); // there is no `order`
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn with_event_handler<T, R, F, Fut, E>(mut self, handler: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize,
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let run = move |event: &str| -> Result<BoxFuture<'static, Result<Value>>> {
            let event = serde_json::from_str(event).map_err(|error| {
                Error::caused(ErrorKind::Event, "an event is not what the handler of other events takes", error)
            })?;
            let running = handler(event);
            Ok(Box::pin(async move { reply(&running.await.map_err(Error::from_handler)?) }))
        };
        self.schedules.other = Some(Arc::new(run));
        self
    }

    /// The reply to an event that is no request.
    pub(super) async fn triggered(&self, event: &str, context: Option<&Context>) -> Result<Value> {
        if let Some(manifest) = self.asked_for_manifest(event) {
            return manifest;
        }
        if let Some((origin, posting)) = self.tasks.due(event)? {
            return within_scope(&origin, context, posting).await;
        }
        let scheduled = match Trigger::parse(event) {
            Trigger::Queue => return self.tasks.work(event, context).await,
            Trigger::KeepWarm => {
                tracing::debug!("kept warm");
                return Ok(Value::Null);
            }
            Trigger::Bridge(scheduled) => Some(scheduled),
            Trigger::Other => None,
        };
        if let Some((scheduled, run)) = scheduled.as_ref().and_then(|event| Some((event, self.schedules.of(event)?))) {
            let running = async { run(scheduled.clone()).await.map(|()| Value::Null) };
            return within_scope(scheduled.id(), context, running).await;
        }
        let is_ping = scheduled.as_ref().is_some_and(ScheduledEvent::keeps_warm);
        if let Some(run) = self.schedules.other.as_ref().filter(|_| !is_ping) {
            let id = scheduled.as_ref().map_or("", ScheduledEvent::id);
            return within_scope(id, context, async { run(event)?.await }).await;
        }
        match scheduled {
            Some(scheduled) if scheduled.is_scheduled() => {
                tracing::debug!(rule = scheduled.name(), "a scheduled event without a handler kept the function warm");
                Ok(Value::Null)
            }
            None if trigger::is_empty(event) => {
                tracing::debug!("an empty event without a handler kept the function warm");
                Ok(Value::Null)
            }
            _ => Err(trigger::unknown(event)),
        }
    }
}

/// Runs a handler, whose tasks are posted if it succeeds.
async fn within_scope(
    origin: &str,
    context: Option<&Context>,
    running: impl Future<Output = Result<Value>>,
) -> Result<Value> {
    let scope = Scope::new(origin, context);
    let outcome = AssertUnwindSafe(scope.run(running)).catch_unwind().await;
    match outcome.unwrap_or_else(|panic| Err(Error::panicked(&*panic))) {
        Ok(value) => scope.flush().await.map(|()| value),
        Err(error) => {
            scope.drop_tasks();
            Err(error)
        }
    }
}

fn reply(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|error| {
        Error::caused(ErrorKind::Serialization, "the reply to an event can't be written as JSON", error)
    })
}

type Run = dyn Fn(ScheduledEvent) -> BoxFuture<'static, Result<()>> + Send + Sync;
type RunOther = dyn Fn(&str) -> Result<BoxFuture<'static, Result<Value>>> + Send + Sync;

/// Handlers by the rule, schedule or source that they are for, and the one for all other events.
#[derive(Clone, Default)]
pub(crate) struct Schedules {
    named: Vec<(String, Arc<Run>)>,
    other: Option<Arc<RunOther>>,
}

impl Schedules {
    /// The first handler that an event is for.
    fn of(&self, event: &ScheduledEvent) -> Option<&Run> {
        self.named.iter().find(|(name, _)| event.is_for(name)).map(|(_, run)| &**run)
    }
}

impl fmt::Debug for Schedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.named.iter().map(|(name, _)| name)).finish()
    }
}
