//! Makes a message of a task: its group, ids and attributes. It does not send it.

use std::{borrow::Cow, fmt, future::IntoFuture, pin::Pin, time::SystemTime};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    canonical::canonical,
    controller::TaskingController,
    message::{Attribute, Attributes, KEY, Message, RAW, TASK},
    roundtrip::{Serialized, serialized},
    scope::{Buffered, Scope},
    send::Posted,
    task::{Task, named_in},
};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::digest::{hex, update_framed},
    hidden::Length,
};

/// What makes a task the same as another that is posted within five minutes. It is decided once for each post, and holds
/// for all its attempts.
///
/// An idempotency store goes by it too, where a task has no key: what it has seen done does not run again for as long as it
/// remembers ([`with_memory`](TaskingController::with_memory)), which is longer than the queue does.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{Dedup, LocalQueue, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let queue = LocalQueue::new("mail.fifo");
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
/// for _ in 0..3 {
///     tasks.post_raw("hello", [("a", "b")]).with_dedup(Dedup::PerPost).await?;
///     tasks.post_raw("hello", [("a", "b")]).with_dedup(Dedup::Id("greeting".into())).await?;
/// }
/// assert_eq!(queue.len(), 4);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dedup {
    /// The key, where the task has one; otherwise as `PerPost`.
    #[default]
    Key,
    /// The body, with name and group. The order of a list's elements counts. That of a map's entries does not, nor that of the
    /// elements of a type whose name ends in `Set`, such as a `HashSet`, unless its field has a `serialize_with`.
    Content,
    /// Nothing: each post is a task of its own, however often it is attempted.
    PerPost,
    /// This id: 1 to 128 ASCII letters, digits or punctuation.
    Id(String),
}

/// A task on its way: await it to send it, or give it to [`post_batch`](TaskingController::post_batch).
///
/// # Errors
///
/// [`ErrorKind::Task`] for what SQS would refuse, and for a [`Task`] that its worker would not read as it is, before anything
/// is sent; [`ErrorKind::Queue`] where the queue did not take it within the time for it
/// ([`with_send_time`](TaskingController::with_send_time)), and never past the end of the Lambda invocation;
/// [`ErrorKind::QueueNotFound`]; [`ErrorKind::Configuration`] at once where region or credentials are missing, an endpoint is no
/// URL, or no Tokio runtime runs this. [`Error::maybe_sent`] says whether it may be in the queue.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{LocalQueue, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&LocalQueue::new("mail.fifo"));
/// let posted = tasks.post_raw("hello", [("locale", "de")]).with_group("user-7").with_key("welcome-7").await?;
/// assert_eq!(posted.attempts, 1);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "a post is sent when it is awaited"]
pub struct Post {
    pub(super) tasking: TaskingController,
    name: Option<&'static str>,
    body: Result<String>,
    /// Stands for the order of a task's lists.
    order: u64,
    attributes: Attributes,
    group: Option<String>,
    key: Option<String>,
    dedup: Dedup,
    pub(super) not_before: Option<SystemTime>,
}

impl TaskingController {
    /// A post of a task: await it.
    pub fn post<T: Task>(&self, task: &T) -> Post {
        Post::of(self, task)
    }

    /// A post of any text, with attributes beside it: await it. Whatever it says, it goes to the handler for
    /// [raw texts](Self::on_raw). One that a worker could take for a task is marked as a text, by an attribute of the ten that
    /// a message takes.
    pub fn post_raw<N, V>(&self, body: impl Into<String>, attributes: impl IntoIterator<Item = (N, V)>) -> Post
    where
        N: Into<String>,
        V: Into<Attribute>,
    {
        let attributes = attributes.into_iter().map(|(name, value)| (name.into(), value.into()));
        Post::raw(self, Ok(body.into()), attributes.collect())
    }
}

/// Without the body and the key, which belong in no log.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("tasking", &self.tasking)
            .field("name", &self.name)
            .field("body", &self.body.as_ref().map(|body| Length(body.len())))
            .field("attributes", &self.attributes)
            .field("group", &self.group)
            .field("key", &self.key.as_ref().map(|key| Length(key.len())))
            .field("dedup", &self.dedup)
            .finish()
    }
}

impl Post {
    pub(crate) fn of<T: Task>(tasking: &TaskingController, task: &T) -> Self {
        let (body, order) = match serialized(task) {
            Ok(Serialized { json, order }) => (Ok(json), order),
            Err(error) => (Err(error), 0),
        };
        Self {
            name: Some(T::NAME),
            group: task.group().map(|group| group.into_owned()),
            key: task.key().map(|key| key.into_owned()),
            order,
            ..Self::raw(tasking, body, Attributes::new())
        }
    }

    pub(crate) fn raw(tasking: &TaskingController, body: Result<String>, attributes: Attributes) -> Self {
        let tasking = tasking.clone();
        let (dedup, not_before) = Default::default();
        Self { tasking, name: None, body, order: 0, attributes, group: None, key: None, dedup, not_before }
    }

    /// The group in which it keeps its place. Default: the task's, else the controller's
    /// ([`with_default_group`](TaskingController::with_default_group)), else one of its own.
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// What makes it the same as another task, in the queue and in the idempotency store. Default: the task's.
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// A run of a schedule: the same task however often it is posted for this time, and behind the runs before it.
    pub(crate) fn of_schedule(mut self, name: &str, time: &str) -> Self {
        self.group = self.group.or_else(|| Some(format!("schedule-{name}")));
        self.key = Some(format!("{name}/{time}"));
        self
    }

    /// A step of a task without a key has none, whatever its type says.
    pub(super) fn without_key(mut self) -> Self {
        self.key = None;
        self
    }

    /// What the queue drops it for. Default: [`Dedup::Key`].
    pub fn with_dedup(mut self, dedup: Dedup) -> Self {
        self.dedup = dedup;
        self
    }

    /// An attribute that travels beside the body. A message takes ten; a task's name and key are two of them.
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Keeps the task until the handler that runs at this time, of a request, a task or a scheduled event, has succeeded;
    /// then it is sent with all others, before the response leaves. Where the handler fails, panics, or answers with a
    /// status of 500 or more, it is dropped.
    ///
    /// Where sending fails, the request is answered with the error page. The task's id comes from the request's and from what
    /// the task says; of two tasks that say the same, the second has one of its own. So the same request handled twice posts
    /// each once, in whatever order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Task`] for what SQS would refuse; [`ErrorKind::Configuration`] outside of an
    /// [`App`](crate::App)'s handler, as in what it spawned, and after `complete_with`.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{App, tasking::{LocalQueue, TaskingController}};
    /// use tower::service_fn;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let queue = LocalQueue::new("mail.fifo");
    /// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&queue);
    /// let posting = tasks.clone();
    /// let app = App::new(service_fn(move |_request| {
    ///     let kept = posting.post_raw("hello", [("locale", "de")]).on_success();
    ///     async { kept.map(|()| http::Response::new(String::from("You get mail."))) }
    /// }));
    /// let event = r#"{"rawPath":"/","requestContext":{"http":{"method":"POST"},"requestId":"r-1"}}"#;
    /// for _ in 0..2 {
    ///     assert_eq!(app.invoke(event, None).await?.status(), 200);
    /// }
    /// assert_eq!(queue.len(), 1);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn on_success(self) -> Result<()> {
        let message = "a task can wait for success only while a request or an event is handled: post it at once here";
        let scope = Scope::current().ok_or_else(|| Error::new(ErrorKind::Configuration, message))?;
        if scope.is_closed() {
            let message = "the task is marked as done: post what waits for its success before `complete_with`";
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        let tasking = self.tasking.clone();
        let message = self.message(Some(&scope))?;
        // What may go elsewhere gets its size when it is sent.
        let message = match tasking.settings().offload {
            Some(_) => message.checked_but_size()?,
            None => message.checked()?,
        };
        scope.buffer(Buffered { tasking, message });
        Ok(())
    }

    /// The message. A task that waits for success has an id that is the same in every handling of its request.
    pub(crate) fn message(self, waits_in: Option<&Scope>) -> Result<Message> {
        let body = self.body?;
        let group = self.group.or_else(|| self.tasking.settings().default_group.clone());
        // One that has none is by itself, and the same one each time that the same task is posted.
        let named_group = group.as_deref().unwrap_or_default();
        let name = self.name.unwrap_or_default();
        // Of a task, in which its maps and sets may come in any order. A raw text is what it is.
        let content = || self.name.map_or(Cow::Borrowed(body.as_str()), |_| canonical(&body).into());
        let deduplication = match (self.dedup, &self.key, waits_in) {
            (Dedup::Id(id), _, _) => id,
            (Dedup::Key, Some(key), _) => digest(&["key", name, named_group, key]),
            (Dedup::Content, _, _) => digest(&["content", name, named_group, &content(), &self.order.to_string()]),
            // By what it says and not by its place: a handler that goes through a map posts in another order each time, and one
            // that posts something else the second time must not lose it.
            (_, _, Some(scope)) => {
                let content = content();
                let nth =
                    |nth: usize| digest(&["place", scope.origin(), &nth.to_string(), name, named_group, &content]);
                (0..).map(nth).find(|id| !scope.has(self.tasking.queue_name(), id)).unwrap_or_default()
            }
            (_, _, None) => Uuid::now_v7().to_string(),
        };
        let group = group.unwrap_or_else(|| match &self.key {
            Some(key) => digest(&["key", name, "", key]),
            None => deduplication.clone(),
        });
        let mut attributes = self.attributes;
        if let Some(name) = self.name {
            attributes.insert(TASK.to_owned(), name.into());
        }
        // SECURITY: a visitor's text is never a task, also where bodies may name theirs.
        if !attributes.contains_key(TASK) && named_in(&body).is_some() {
            attributes.insert(RAW.to_owned(), "1".into());
        }
        if let Some(key) = self.key {
            attributes.insert(KEY.to_owned(), key.into());
        }
        let message = Message { body, attributes, group, deduplication, trace: trace() };
        match self.not_before {
            Some(time) => self.tasking.delayed(message, time),
            None => Ok(message),
        }
    }
}

impl IntoFuture for Post {
    type Output = Result<Posted>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Posted>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let tasking = self.tasking.clone();
            tasking.send_one(self.message(None)?).await
        })
    }
}

/// A digest of parts that can't run into each other.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        update_framed(&mut hash, part.as_bytes());
    }
    hex(&hash.finalize())
}

/// The header of the trace that this post is part of.
fn trace() -> Option<String> {
    let trace = match Scope::current() {
        Some(scope) => scope.trace.clone(),
        None => trace_of_process(),
    };
    trace.filter(|trace| !trace.is_empty())
}

/// The environment has one trace, which is right where one request comes at a time.
fn trace_of_process() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let at_once = variable("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|at_once| at_once.parse::<u32>().ok());
    let is_one_at_a_time = at_once.is_none_or(|at_once| at_once <= 1) && variable("AWS_LAMBDA_HTTP_ENDPOINT").is_none();
    variable("_X_AMZN_TRACE_ID").filter(|_| is_one_at_a_time)
}
