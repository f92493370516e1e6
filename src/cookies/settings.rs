//! How the cookies of a site are named, sealed and written as `Set-Cookie`. It knows no request.

use std::time::Duration;

use http::HeaderValue;

use super::{
    seal::{self, Secrets},
    set_cookie::SetCookie,
};
use crate::error::Result;

/// How the cookies of a site are written and protected.
#[derive(Clone, Debug)]
pub(super) struct CookieSettings {
    pub(super) secrets: Secrets,
    pub(super) secure: bool,
}

impl CookieSettings {
    /// The name that a cookie has on the wire.
    pub(super) fn wire_name(&self, name: &str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }

    /// The field that sets a cookie.
    pub(super) fn field(&self, cookie: &SetCookie) -> Result<HeaderValue> {
        let wire_name = self.wire_name(&cookie.name);
        let until = cookie.max_age.map(|age| seal::now().saturating_add(age.as_secs()));
        let sealed = self.secrets.seal(&wire_name, &cookie.value, until);
        cookie.field(&wire_name, &sealed, self.secure)
    }

    /// The field that removes one.
    pub(super) fn removal(&self, name: &str) -> Result<HeaderValue> {
        SetCookie::new(name, "").with_max_age(Duration::ZERO).field(&self.wire_name(name), "", self.secure)
    }
}
