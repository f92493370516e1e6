//! A representation on its way through a service, which can only return a response. It knows neither what is in it nor what is
//! decided on it.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Response, StatusCode, header};

use crate::{
    fields::owners::{self, Line},
    representation::Representation,
};

/// In the extensions of a response: what the `CloudFront` layer takes out again.
#[derive(Clone)]
pub(crate) struct Pending(Arc<Mutex<Option<Representation>>>);

impl Pending {
    pub(crate) fn take(&self) -> Option<Representation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Layers on the way see its status and its fields, as far as they are known before the request chooses, and may change them:
/// `Representation::dressed` takes them back. Fields that add up stay in it.
impl<B: Default> From<Representation> for Response<B> {
    fn from(mut representation: Representation) -> Self {
        let mut response = Response::new(B::default());
        *response.status_mut() = representation.status.unwrap_or_default();
        *response.headers_mut() = owners::take_replaceable(&mut representation.headers);
        response.extensions_mut().insert(Pending(Arc::new(Mutex::new(Some(representation)))));
        response
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Representation {
    fn into_response(self) -> axum_core::response::Response {
        self.into()
    }
}

impl Representation {
    /// With the status and the fields that it has on its way out, by handlers and middleware.
    pub(crate) fn dressed(mut self, status: StatusCode, mut headers: HeaderMap) -> Self {
        if status != self.status.unwrap_or_default() {
            self.status = Some(status);
        }
        headers.remove(header::CONTENT_LENGTH); // of the empty body that stood in for its own
        owners::lines(headers).fold(self, |this, line| match line {
            Line::Only(name, value) => this.with_line(name, value),
            Line::Further(name, value) => this.with_added_line(name, value),
        })
    }
}
