//! Tasks: a type that travels as JSON, and a text with attributes. It does not know where they come from, nor what runs them.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    message::{Attribute, Attributes},
    policy::Backoff,
};
use crate::hidden::Length;

/// Work to be done after a response is sent: a type whose values travel as JSON.
///
/// A value that would not come out of its JSON as it went in is refused when it is posted, with [`ErrorKind::Task`](crate::ErrorKind::Task) and the
/// name of the field where that is known: a float that is not finite, also in an `Option`; what is nested deeper than 127
/// levels; `Some(None)`; an integer beyond 64 bits in an enum with a tag; a number as the key of a flattened map; a variant of
/// an untagged enum that an earlier one takes. All else arrives with the same bits and characters. (Two variants of an
/// untagged enum that have the same fields of the same types can't be told apart by anybody: give such an enum a tag.)
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
///
/// use chalice_http_toolkit::tasking::Task;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct SendWelcome {
///     user: u64,
///     address: String,
/// }
///
/// impl Task for SendWelcome {
///     const NAME: &'static str = "send_welcome";
///
///     // One user's tasks in their order, those of different users side by side.
///     fn group(&self) -> Option<Cow<'_, str>> {
///         Some(format!("user-{}", self.user).into())
///     }
///
///     // One welcome for each user, however often it is posted.
///     fn key(&self) -> Option<Cow<'_, str>> {
///         Some(self.user.to_string().into())
///     }
/// }
/// ```
pub trait Task: Serialize + DeserializeOwned + Send + 'static {
    /// The name that travels with the task. It must stay the same as long as tasks of this kind may be waiting, and differ
    /// from those of other tasks of the queue.
    const NAME: &'static str;

    /// The least time that a run needs: with less left of an invocation it is not started. Default: none.
    const NEEDS: Duration = Duration::ZERO;

    /// How often it is tried before it becomes a dead letter. A queue's `maxReceiveCount` is no limit to that: in what would be
    /// its last receive, a task has the rest of its attempts at once. Default: the
    /// [controller's](crate::tasking::TaskingController::with_attempts), which is five.
    const ATTEMPTS: Option<u32> = None;

    /// How long it waits after an attempt that failed. Default: the [controller's](crate::tasking::TaskingController::with_backoff),
    /// which is 5 seconds after the first, twice as long after each further one, and 15 minutes at most.
    const BACKOFF: Option<Backoff> = None;

    /// How long an attempt may take. A handler that takes longer is cut, and that is a failure. It should be less than the
    /// function's own time, as at the end of that all is cut; [`NEEDS`](Self::NEEDS) of the same length keeps an attempt from
    /// being begun that would not have its time. Default: as long as the invocation.
    const TIMEOUT: Option<Duration> = None;

    /// Tasks of one group run one after another in the order in which they were posted; one that fails holds up those
    /// behind it. 1 to 128 ASCII letters, digits or punctuation. Default: the
    /// [controller's](crate::tasking::TaskingController::with_default_group), and where that has none a group of its own, so that nothing waits
    /// for it.
    fn group(&self) -> Option<Cow<'_, str>> {
        None
    }

    /// What makes this task the same as another: of tasks with one key, one is queued within five minutes, and where there
    /// is an [idempotency store](crate::tasking::IdempotencyStore) one runs. Default: each is a task of its own.
    fn key(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// The body and the attributes of a message, as they were posted.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::{Attribute, TaskingController};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let tasks = TaskingController::new("mail.fifo")?.with_inline().on_raw(async |_context, task| {
///     assert_eq!(task.body(), "hello");
///     assert_eq!(task.text("locale"), Some("de"));
///     assert_eq!(task.attribute("copies"), Some(&Attribute::from(2)));
///     assert!(task.attributes().map(|(name, _)| name).eq(["copies", "locale"]));
///     Ok::<(), std::io::Error>(())
/// });
/// tasks.post_raw("hello", [("locale", "de")]).with_attribute("copies", 2).await?;
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RawTask {
    body: String,
    attributes: Attributes,
}

impl RawTask {
    pub(crate) fn new(body: String, attributes: Attributes) -> Self {
        Self { body, attributes }
    }

    /// The body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The body, owned.
    pub fn into_body(self) -> String {
        self.body
    }

    /// An attribute.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.get(name)
    }

    /// An attribute's text, or the digits of a number.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name)?.as_str()
    }

    /// All attributes by their names.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Without the body, which belongs in no log.
impl fmt::Debug for RawTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RawTask");
        debug.field("body", &Length(self.body.len())).field("attributes", &self.attributes).finish()
    }
}

/// A body that names its task itself.
#[derive(Deserialize)]
struct Tagged<'a> {
    #[serde(borrow)]
    task: Cow<'a, str>,
}

/// The name of a task that a body has itself, as other programs write it.
pub(super) fn named_in(body: &str) -> Option<Cow<'_, str>> {
    // An object alone: serde would take a list for one.
    let is_object = body.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{');
    is_object.then(|| serde_json::from_str(body).ok()).flatten().map(|tagged: Tagged<'_>| tagged.task)
}

/// Where a body is wrong, and not what it has there: serde's own text quotes values, and no body belongs in a log.
pub(super) struct WithoutValues(pub(super) serde_json::Error);

impl fmt::Display for WithoutValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        let what = match error.classify() {
            serde_json::error::Category::Data => "the JSON is of another shape",
            serde_json::error::Category::Eof => "the JSON ends too early",
            _ if error.to_string().starts_with("recursion limit") => "the JSON is nested deeper than 127 levels",
            _ => "it is not valid JSON",
        };
        f.write_str(what)?;
        match error.line() {
            // What an enum reads twice has no place.
            0 => Ok(()),
            line => write!(f, ", at line {line} column {}", error.column()),
        }
    }
}

impl fmt::Debug for WithoutValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WithoutValues {}
