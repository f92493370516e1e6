//! The handlers of a queue, by the names of their tasks. It does not know where tasks come from, nor in which order they run.

use std::{any::type_name, borrow::Cow, collections::HashMap, fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::{
    super::{
        policy::PolicyOverrides,
        task::{RawTask, Task, WithoutValues, named_in},
    },
    context::TaskContext,
};
use crate::error::{BoxError, Error, ErrorKind, Result};

type RunTask = dyn Fn(TaskContext, RawTask) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync;

/// How one kind of task is run.
#[derive(Clone)]
pub(crate) struct Handler {
    type_name: &'static str,
    /// Whether it reads bodies itself, and so can't do without them.
    pub(crate) is_typed: bool,
    pub(crate) needs: Duration,
    pub(crate) policy: PolicyOverrides,
    pub(crate) run: Arc<RunTask>,
}

/// The handlers of a queue, by the names of their tasks.
#[derive(Clone, Default)]
pub(crate) struct Handlers {
    typed: HashMap<&'static str, Handler>,
    raw: Option<Handler>,
}

impl Handlers {
    /// # Panics
    ///
    /// Where there is a handler of that name: one of the two would never run.
    pub(crate) fn add<T, F, Fut, E>(&mut self, handler: F)
    where
        T: Task,
        F: Fn(TaskContext, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let run = move |context, raw: RawTask| -> BoxFuture<'static, Result<(), BoxError>> {
            match serde_json::from_str(raw.body()) {
                Ok(task) => {
                    let running = handler(context, task);
                    Box::pin(async move { running.await.map_err(Into::into) })
                }
                Err(error) => {
                    let message = format!("the body of a task is no {}", T::NAME);
                    let error = Error::caused(ErrorKind::Task, message, WithoutValues(error));
                    Box::pin(std::future::ready(Err(error.into())))
                }
            }
        };
        let handler = Handler {
            type_name: type_name::<T>(),
            is_typed: true,
            needs: T::NEEDS,
            policy: PolicyOverrides { attempts: T::ATTEMPTS, backoff: T::BACKOFF, timeout: T::TIMEOUT },
            run: Arc::new(run),
        };
        if let Some(other) = self.typed.insert(T::NAME, handler) {
            panic!("two tasks are named `{}`: {} and {}", T::NAME, other.type_name, type_name::<T>());
        }
    }

    pub(crate) fn add_raw<F, Fut, E>(&mut self, handler: F)
    where
        F: Fn(TaskContext, RawTask) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let run = move |context, raw| -> BoxFuture<'static, Result<(), BoxError>> {
            let running = handler(context, raw);
            Box::pin(async move { running.await.map_err(Into::into) })
        };
        let (needs, policy) = Default::default();
        self.raw = Some(Handler { type_name: "raw", is_typed: false, needs, policy, run: Arc::new(run) });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.typed.is_empty() && self.raw.is_none()
    }

    /// Whether each handler of the other is one of these.
    pub(crate) fn have_all_of(&self, other: &Self) -> bool {
        let is_same = |own: Option<&Handler>, other: &Handler| own.is_some_and(|own| Arc::ptr_eq(&own.run, &other.run));
        other.typed.iter().all(|(name, handler)| is_same(self.typed.get(name), handler))
            && other.raw.iter().all(|handler| is_same(self.raw.as_ref(), handler))
    }

    /// Whether there is a handler for tasks of this name. Raw texts have one by the name `raw`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.typed.contains_key(name) || (name == "raw" && self.raw.is_some())
    }

    /// The handler for a message, with its task's name; that of the raw ones for what has no name that is known.
    pub(crate) fn find<'a>(&self, name: Option<Cow<'a, str>>) -> Result<(Cow<'a, str>, &Handler)> {
        let typed = name.as_deref().and_then(|name| self.typed.get(name));
        match (typed.or(self.raw.as_ref()), name) {
            (Some(handler), name) => Ok((name.unwrap_or("raw".into()), handler)),
            (None, Some(name)) => {
                Err(Error::new(ErrorKind::Task, format!("there is no handler for the task `{name}`")))
            }
            (None, None) => {
                let message = "there is no handler for a message without a task's name: add `on_raw`, or \
                               `with_names_in_bodies` where other programs have it in the body";
                Err(Error::new(ErrorKind::Task, message))
            }
        }
    }

    /// The name in a body, if it is one of ours. Another text is no name: it may be anybody's, and names stand in logs.
    pub(crate) fn named_in<'a>(&self, body: &'a str) -> Option<Cow<'a, str>> {
        named_in(body).filter(|name| self.typed.contains_key(name.as_ref()))
    }
}
impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.typed.keys().copied().chain(self.raw.as_ref().map(|raw| raw.type_name));
        f.debug_set().entries(names).finish()
    }
}
