//! An error on its way through a service, which can only return a response. It does not know what the client is told.

use http::{HeaderValue, Response, header};

use crate::error::Error;

impl Error {
    /// A response that carries it in its extensions.
    pub(crate) fn carried_by<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
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
    use crate::error::ErrorKind;

    #[test]
    fn a_failed_response_tells_a_stranger_nothing() {
        let response: Response<String> = Error::new(ErrorKind::Asset, "the password is wrong").into();
        assert_eq!(response.status(), 500);
        assert!(!response.body().contains("password"));
    }
}
