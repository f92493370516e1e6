//! A form as an argument of an axum handler.

use axum_core::extract::{FromRequest, Request};

use super::Form;
use crate::error::Error;

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Error;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Error> {
        Self::read(request).await
    }
}
