//! The error type of handlers: any error becomes one by `?`. It does not know what the client is told.

use std::{error::Error as StdError, fmt};

use crate::{
    error::{BoxError, Error},
    representation::Representation,
};

/// The return type of a handler: a [`Representation`], or a [`Failure`]. The operator `?` converts any error into a `Failure`.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Answer, ContentManager};
///
/// async fn rate(content: &ContentManager) -> Answer {
///     let rate: f64 = std::fs::read_to_string("/no/such/file")?.trim().parse()?; // two types of error
///     Ok(content.html(format!("<p>{rate}</p>")))
/// }
/// ```
pub type Answer<T = Representation> = std::result::Result<T, Failure>;

/// Why a handler has no answer. `?` makes it of any error, as `anyhow::Error` is made: of one of a database, of
/// [`std::io::Error`], of an [`Error`] of this crate.
///
/// An [`Error`] of this crate keeps its kind, and so its [status](Error::status): a malformed form is answered with 400. Any
/// other error is answered with 500. In an [`App`](crate::App) the log has the error with its causes, and the client gets the
/// site's error page; a stranger sees no more than the status.
///
/// It does not implement [`std::error::Error`], as `?` could not take any error then. It becomes a [`BoxError`] or an [`Error`]
/// by `into()`.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Answer, BoxError, ErrorKind, Failure};
///
/// fn number(text: &str) -> Answer<u8> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(number("7").ok(), Some(7));
/// assert_eq!(number("many").unwrap_err().error().kind(), ErrorKind::Handler);
///
/// // A boxed error is no error type of its own for `?`.
/// fn boxed() -> Result<u8, BoxError> {
///     Err("the shop is closed".into())
/// }
/// fn shop() -> Answer<u8> {
///     Ok(boxed().map_err(Failure::new)?)
/// }
/// assert!(shop().is_err());
/// ```
pub struct Failure(Error);

impl Failure {
    /// Makes a failure from a text or a [`BoxError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::Failure;
    ///
    /// let failure = Failure::new("the warehouse does not answer");
    /// assert_eq!(failure.error().status(), 500);
    /// ```
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(Error::from_handler(error))
    }

    /// The error, with its kind and its status.
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

/// For services that are no axum routers, which fail with any error.
impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        failure.0.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Failure {
    fn into_response(self) -> axum_core::response::Response {
        self.0.into()
    }
}
