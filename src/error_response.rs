//! An error on its way through a service, which can only return a response. It does not know what the client is told.

use std::{any::Any, cell::Cell, error::Error as StdError, fmt};

use http::{HeaderMap, HeaderValue, Response, header};

use crate::error::{Error, ErrorKind};

/// Why a request is refused whose content is coded.
#[derive(Debug)]
pub(crate) struct ForeignCoding;

impl fmt::Display for ForeignCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has a Content-Encoding, and none is decoded here")
    }
}

impl StdError for ForeignCoding {}

impl Error {
    /// A response that carries it in its extensions.
    pub(crate) fn carried_by<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.accept_coding(response.headers_mut());
        response.extensions_mut().insert(self);
        response
    }

    /// The codings that a request may have, where it had another (RFC 9110 §12.5.3, §15.5.16).
    pub(crate) fn accept_coding(&self, headers: &mut HeaderMap) {
        if self.source().is_some_and(|cause| cause.is::<ForeignCoding>()) {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
    }

    /// What a handler panicked with.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = text_of(panic);
        // A panic that is passed on has no place of its own, and an earlier one's is wrong.
        let known = PLACE.take().filter(|(_, of)| of == text);
        let place = known.map_or_else(String::new, |(place, _)| format!(" at {place}"));
        Self::new(ErrorKind::Handler, format!("the handler panicked{place}: {text}"))
    }
}

thread_local! {
    /// Where this thread panicked last, and with what text, if a hook says so.
    static PLACE: Cell<Option<(String, String)>> = const { Cell::new(None) };
}

/// Keeps the place of the panic that now begins on this thread, for its error.
pub(crate) fn remember_place(place: String, panic: &(dyn Any + Send)) {
    PLACE.set(Some((place, text_of(panic).to_owned())));
}

/// The message of a panic.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// In the extensions of a response that stands for a panic: nothing that the handler has said before is to be left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// A response that stands for a panic.
pub(crate) fn panicked<B: From<&'static str>>(panic: &(dyn Any + Send)) -> Response<B> {
    let mut response = Response::from(Error::panicked(panic));
    response.extensions_mut().insert(Panicked);
    response
}

/// A response that stands for a failed handler. It carries the [`Error`] in its extensions, where an
/// [`App`](crate::App) finds it, logs it and puts the site's own error page in its place.
impl<B: From<&'static str>> From<Error> for Response<B> {
    fn from(error: Error) -> Self {
        error.carried_by(B::from("Something went wrong.\n"))
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Error {
    fn into_response(self) -> axum_core::response::Response {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_its_own_place_and_never_that_of_another() {
        let told = |panic: &(dyn Any + Send)| Error::panicked(panic).to_string();
        remember_place("src/a.rs:1:2".to_owned(), &"one");
        assert_eq!(told(&"one"), "the handler panicked at src/a.rs:1:2: one");
        assert_eq!(told(&"one"), "the handler panicked: one");
        remember_place("src/a.rs:1:2".to_owned(), &"one");
        assert_eq!(told(&"passed on".to_owned()), "the handler panicked: passed on");
    }

    #[test]
    fn a_failed_response_tells_a_stranger_nothing() {
        let response: Response<String> = Error::new(ErrorKind::Asset, "the password is wrong").into();
        assert_eq!(response.status(), 500);
        assert!(!response.body().contains("password"));
    }
}
