//! The one error type of the crate. It knows what went wrong and where (template and line, folder, limit); it does not
//! know how a stranger is told: they see a status only.

use std::{error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::StatusCode;

/// What a fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error that may travel between threads: what the closures of a site may return.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a site could not be set up, or why a representation could not be made.
///
/// Expected outcomes (304, 404, 405, 412, 416) are responses and never errors: an `Error` means that the site or its
/// deployment is at fault. Its text is for the log; a stranger sees the status alone ([`status`](Self::status)), and what is
/// wrong with a form's field ([`field`](Self::field)). In an [`App`](crate::App) an error that a handler returns is logged once and answered with the site's error page.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, ErrorKind};
///
/// let error = ContentManager::new("no-such-folder", "static").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::FolderNotFound);
/// assert!(error.to_string().contains("no-such-folder"));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    context: String,
    detail: Detail,
    source: Option<BoxError>,
}

/// What a few kinds of error know besides.
enum Detail {
    None,
    Template(String, Option<usize>),
    #[cfg_attr(
        not(any(feature = "forms", feature = "images")),
        allow(dead_code, reason = "only forms and uploads have it")
    )]
    Field(Field),
    #[cfg_attr(not(feature = "tasking"), allow(dead_code, reason = "only what is sent can be lost on the way"))]
    MaybeSent,
    RetryAfter(Duration),
}

/// What is wrong with a field of a form, or with an upload.
struct Field {
    name: Option<String>,
    problem: String,
    /// Whether the problem's words may repeat what the visitor wrote: then they are for the visitor alone.
    is_for_log: bool,
}

/// The sorts of [`Error`].
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Embedded, ErrorKind};
///
/// let content = ContentManager::new(Embedded::new(&[]), Embedded::new(&[]))?;
/// match content.render_template("shop.html", ()) {
///     Err(error) if error.kind() == ErrorKind::TemplateNotFound => { /* a page for later */ }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A folder of templates or static files is in none of the places where it is looked for.
    FolderNotFound,
    /// A file of the site could not be read.
    File,
    /// There is no template of that name.
    TemplateNotFound,
    /// A template has no block of that name.
    BlockNotFound,
    /// A template does not compile, or failed while it was rendered.
    Template,
    /// A value could not be turned into JSON.
    Serialization,
    /// A closure of the site (an asset's tag or body) failed.
    Asset,
    /// An image is broken, too large or none. Status 400 where whoever sent it is told (`Images::inspect`), else 500.
    Image,
    /// A body could not be read to its end.
    Body,
    /// A 304 would have been false: one tag stands for two different bodies ([`Verify`](crate::diagnostics::Verify)).
    FalseNotModified,
    /// An answer has more cache tags than CloudFront keeps.
    CacheTags,
    /// An event is none that this crate serves.
    Event,
    /// A cookie has a name that no cookie may have, or is larger than browsers keep.
    Cookie,
    /// A form is malformed, cut off, or not what was expected. Status 400.
    Form,
    /// A form, or a part of one, is larger than its limits. Status 413.
    FormTooLarge,
    /// What was sent is no form: its Content-Type is another. Status 415.
    FormType,
    /// Another site's page made a visitor's browser send a request. Status 403.
    CrossOrigin,
    /// A redirect that is meant to stay on the site leads off it, or to a URL that is too long. Status 400.
    Redirect,
    /// A request is larger than its front door lets through.
    RequestTooLarge,
    /// A reply is larger than its front door takes.
    ReplyTooLarge,
    /// The handler of a site or of a task failed or panicked.
    Handler,
    /// The handler of a task failed for good: trying again is of no use ([`Error::permanent`]).
    Permanent,
    /// A task can't be sent, or can't be read, as it is: too large, a character that SQS refuses, an id that is too long,
    /// a value that its JSON would lose, a body that is not the task's JSON, a name that no handler has.
    Task,
    /// A queue did not take a task, or can't be reached; [`maybe_sent`](Error::maybe_sent) says whether it may be there.
    Queue,
    /// There is no queue of that name.
    QueueNotFound,
    /// A task of a packed batch was not sent in its place: a later one of its group is in the queue.
    OrderBroken,
    /// A batch of tasks failed and its event source can't be told which ones.
    Batch,
    /// CloudFront did not take an invalidation, or can't be reached.
    Purge,
    /// The store that remembers which tasks are done can't be reached, or refused.
    Store,
    /// A setting is missing or wrong.
    Configuration,
    /// The local server or the Lambda runtime loop stopped.
    Runtime,
}

impl Error {
    /// What a handler failed with: a database that is away, a service that does not answer. It is logged with its causes;
    /// the client gets the site's error page.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{Error, ErrorKind};
    ///
    /// let lookup = std::fs::read("/no/such/file").map_err(Error::handler);
    /// assert_eq!(lookup.unwrap_err().kind(), ErrorKind::Handler);
    /// ```
    pub fn handler(source: impl Into<BoxError>) -> Self {
        Self::caused(ErrorKind::Handler, "the handler failed", source)
    }

    /// What a task's handler fails with where trying again is of no use: an address that does not exist, a row that is
    /// gone. The task becomes a dead letter at once, with this as its reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{Error, ErrorKind};
    ///
    /// assert_eq!(Error::permanent("the account is closed").kind(), ErrorKind::Permanent);
    /// ```
    pub fn permanent(source: impl Into<BoxError>) -> Self {
        Self::caused(ErrorKind::Permanent, "the task failed for good", source)
    }

    /// What a task's handler fails with where it knows when to try again: a service that said `Retry-After`. The rest of
    /// its group waits too. With a delay of zero it is tried again at once, in the same batch. It waits for 11 hours at most, as
    /// a queue hides a message for twelve.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::Error;
    /// use std::time::Duration;
    ///
    /// let busy = Error::retry_after(Duration::from_secs(60), "the mail service is busy");
    /// assert_eq!(busy.retry_delay(), Some(Duration::from_secs(60)));
    /// ```
    pub fn retry_after(delay: Duration, source: impl Into<BoxError>) -> Self {
        let context = "the task is to be tried again later".to_owned();
        Self::build(ErrorKind::Handler, context, Detail::RetryAfter(delay), Some(source.into()))
    }

    /// An error of ours keeps its kind on the way through code that boxes it.
    pub(crate) fn from_handler(error: impl Into<BoxError>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::handler(error),
        }
    }

    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self::build(kind, context.into(), Detail::None, None)
    }

    pub(crate) fn caused(kind: ErrorKind, context: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::build(kind, context.into(), Detail::None, Some(source.into()))
    }

    /// For what may have happened all the same.
    #[cfg(feature = "tasking")]
    pub(crate) fn maybe_sent_of(kind: ErrorKind, context: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::build(kind, context.into(), Detail::MaybeSent, Some(source.into()))
    }

    pub(crate) fn in_template(
        kind: ErrorKind,
        context: impl Into<String>,
        template: (String, Option<usize>),
        source: impl Into<BoxError>,
    ) -> Self {
        Self::build(kind, context.into(), Detail::Template(template.0, template.1), Some(source.into()))
    }

    #[cfg(feature = "forms")]
    pub(crate) fn in_field(name: Option<String>, problem: String, is_for_log: bool) -> Self {
        let detail = Detail::Field(Field { name, problem, is_for_log });
        Self::build(ErrorKind::Form, "a form is not what was expected".to_owned(), detail, None)
    }

    /// For an upload that is not taken.
    #[cfg(feature = "images")]
    pub(crate) fn refused_image(problem: String) -> Self {
        let detail = Detail::Field(Field { name: None, problem, is_for_log: true });
        Self::build(ErrorKind::Image, "an image is refused".to_owned(), detail, None)
    }

    fn build(kind: ErrorKind, context: String, detail: Detail, source: Option<BoxError>) -> Self {
        Self(Arc::new(Inner { kind, context, detail, source }))
    }

    /// The sort of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The template at fault and, where it is known, the line in it.
    pub fn template(&self) -> Option<(&str, Option<usize>)> {
        match &self.0.detail {
            Detail::Template(name, line) => Some((name, *line)),
            _ => None,
        }
    }

    /// The name of the field of a form that is not what a type wants, and a sentence that says what is wrong with it, for
    /// the visitor who sent it. SECURITY: the name is the visitor's where the type takes any; the sentence is what the type
    /// says where it refuses a value itself (`#[serde(try_from = "String")]`), and may repeat that value.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "forms")] {
    /// use chalice_http_toolkit::forms::Form;
    /// use serde::Deserialize;
    ///
    /// #[derive(Debug, Deserialize)]
    /// struct Order {
    ///     number: u8,
    /// }
    ///
    /// let form = Form::of_query(&"/order?number=many".parse().unwrap()).unwrap();
    /// let error = form.deserialize::<Order>().unwrap_err();
    /// assert_eq!(error.field(), Some(("number", "a whole number from 0 to 255 is expected")));
    /// # }
    /// ```
    pub fn field(&self) -> Option<(&str, &str)> {
        match &self.0.detail {
            Detail::Field(field) => Some((field.name.as_deref()?, &field.problem)),
            _ => None,
        }
    }

    /// What whoever sent the request is told besides the status, in a sentence: what is wrong with a form's
    /// [field](Self::field), or with an image that they sent. The site's error page has it already; a handler that shows
    /// the form once more takes it from here.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "images")] {
    /// use chalice_http_toolkit::images::Images;
    ///
    /// let error = Images::inspect(b"a letter").unwrap_err();
    /// assert_eq!(error.for_visitor().as_deref(), Some("the file is not an image"));
    /// # }
    /// ```
    pub fn for_visitor(&self) -> Option<String> {
        match &self.0.detail {
            Detail::Field(Field { name: Some(name), problem, .. }) => Some(format!("{}: {problem}", shown(name))),
            Detail::Field(Field { name: None, problem, .. }) => Some(problem.clone()),
            _ => None,
        }
    }

    /// Whether a task that could not be posted may be in the queue all the same: an answer was lost, or the time was up
    /// while one was awaited. Posting it again with the same key or deduplication id within five minutes is safe.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "tasking")] {
    /// use chalice_http_toolkit::tasking::{LocalQueue, TaskingController};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let tasks = TaskingController::new("mail.fifo")?.with_local_queue(&LocalQueue::new("mail.fifo"));
    /// let post = || tasks.post_raw("", [("locale", "de")]).with_key("welcome-7");
    /// match post().await {
    ///     Err(error) if error.maybe_sent() => _ = post().await?,
    ///     Err(error) => assert!(error.to_string().contains("empty")), // never sent: a message has a body
    ///     Ok(_) => {}
    /// }
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// # }).unwrap();
    /// # }
    /// ```
    pub fn maybe_sent(&self) -> bool {
        matches!(self.0.detail, Detail::MaybeSent)
    }

    /// When a task's handler wants to be called again ([`retry_after`](Self::retry_after)).
    pub fn retry_delay(&self) -> Option<Duration> {
        match self.0.detail {
            Detail::RetryAfter(delay) => Some(delay),
            _ => None,
        }
    }

    /// The status that a client is answered with: 400, 413 or 415 for a form that can't be taken, 400 for an upload that is no
    /// image and for a redirect off the site, 413 for a request that is too large, 403 for one from another site's page, else 500.
    pub fn status(&self) -> StatusCode {
        match self.kind() {
            ErrorKind::Form | ErrorKind::Redirect => StatusCode::BAD_REQUEST,
            ErrorKind::Image if self.for_visitor().is_some() => StatusCode::BAD_REQUEST,
            ErrorKind::CrossOrigin => StatusCode::FORBIDDEN,
            ErrorKind::FormTooLarge | ErrorKind::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::FormType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error and all its causes in one line, for a log or for the error page in development.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.context)?;
        match &self.0.detail {
            Detail::Template(name, Some(line)) => write!(f, " (template {name}, line {line})"),
            Detail::Template(name, None) => write!(f, " (template {name})"),
            Detail::Field(field) => write!(f, ": {field}"),
            Detail::MaybeSent => f.write_str(" (it may have been sent)"),
            Detail::RetryAfter(_) | Detail::None => Ok(()),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "the field `{}`: ", shown(name))?;
        }
        f.write_str(if self.is_for_log { &self.problem } else { "its type refuses it" })
    }
}

/// A name that a visitor may have made up, cut short and on one line.
fn shown(name: &str) -> String {
    const LONGEST: usize = 60;
    name.chars().take(LONGEST).flat_map(char::escape_debug).collect()
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.0.kind).field("message", &self.chain()).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_the_template_and_its_line() {
        let error = Error::in_template(
            ErrorKind::Template,
            "could not render",
            ("index.html".into(), Some(7)),
            "undefined value",
        );
        assert_eq!(error.to_string(), "could not render (template index.html, line 7)");
        assert_eq!(error.chain(), "could not render (template index.html, line 7): undefined value");
    }
}
