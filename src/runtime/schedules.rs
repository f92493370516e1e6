//! The handlers of scheduled events. It knows neither rules nor clocks: an event comes, and one function runs.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use lambda_http::Context;

use super::{App, panicked, tasks::Scope, trigger::ScheduledEvent};
use crate::error::{BoxError, Error, ErrorKind, Result};

impl App {
    /// Runs this function for the events of an EventBridge rule or schedule of that name, or of that source. A handler
    /// that fails or panics fails the invocation, and Lambda tries it again. Default: such events are refused.
    ///
    /// A ping that keeps the function warm is answered before anything runs: an event of a rule whose name says so
    /// (`keep-warm`, `KeepWarm`, `warmup`, `warmer`), `{"keep-warm":true}`, `{"warmer":true}`, or what the Serverless
    /// Framework's plug-in sends.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, BoxError, ScheduledEvent};
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
        self.schedules.add(name.into(), handler);
        self
    }

    pub(super) async fn scheduled(&self, event: ScheduledEvent, context: Option<&Context>) -> Result<()> {
        let scope = Scope::new(event.id(), context);
        let running = AssertUnwindSafe(scope.run(self.schedules.run(event))).catch_unwind();
        match running.await.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(()) => scope.flush().await,
            Err(error) => {
                scope.drop_tasks();
                Err(error)
            }
        }
    }
}

type Run = dyn Fn(ScheduledEvent) -> BoxFuture<'static, Result<()>> + Send + Sync;

/// Handlers by the rule, schedule or source that they are for.
#[derive(Clone, Default)]
pub(crate) struct Schedules(Vec<(String, Arc<Run>)>);

impl Schedules {
    pub(crate) fn add<F, Fut, E>(&mut self, name: String, handler: F)
    where
        F: Fn(ScheduledEvent) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let run = move |event| -> BoxFuture<'static, Result<()>> {
            let running = handler(event);
            Box::pin(async move { running.await.map_err(Error::from_handler) })
        };
        self.0.push((name, Arc::new(run)));
    }

    /// Whether there is a handler of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Runs the first handler that an event is for.
    pub(crate) async fn run(&self, event: ScheduledEvent) -> Result<()> {
        match self.0.iter().find(|(name, _)| event.is_for(name)) {
            Some((_, run)) => run(event).await,
            None => {
                let (name, source) = (event.name().unwrap_or("none"), event.source());
                let message = format!("there is no handler for this event (rule: {name}, source: {source})");
                Err(Error::new(ErrorKind::Event, message))
            }
        }
    }
}

impl fmt::Debug for Schedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
