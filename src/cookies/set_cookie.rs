//! A cookie to be set, and the Set-Cookie field that sets it (RFC 6265 §4.1). It does not know how values are sealed.

use std::{fmt::Write, time::Duration};

use http::HeaderValue;

use crate::error::{Error, ErrorKind, Result};

/// A cookie to be set, for [`CookieJar::set`](crate::cookies::CookieJar::set).
///
/// By default it is as narrow as a cookie can be: until the browser closes, `HttpOnly`, `SameSite=Lax`, `Path=/`, for this
/// host alone; `Secure` and named `__Host-…` but in development on one's own machine.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::cookies::{SameSite, SetCookie};
/// use std::time::Duration;
///
/// let month = Duration::from_secs(30 * 24 * 60 * 60);
/// let cookie = SetCookie::new("user", "7").with_max_age(month).with_same_site(SameSite::Strict);
/// ```
///
/// One that scripts read too, on its way to the browser:
///
/// ```
/// use chalice_http_toolkit::{Error, cookies::{CookieJar, Cookies, SetCookie}};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let site = service_fn(async |request: http::Request<()>| {
///     CookieJar::of(&request)?.set(SetCookie::new("cart", "3").with_script_access())?;
///     Ok::<_, Error>(http::Response::new(()))
/// });
/// let response = Cookies::new([7; 32])?.with_secure(true).layer(site).oneshot(http::Request::new(())).await?;
/// let field = response.headers()["set-cookie"].to_str().unwrap();
/// assert!(field.starts_with("__Host-cart=") && field.ends_with("; Path=/; SameSite=Lax; Secure"));
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) max_age: Option<Duration>,
    same_site: SameSite,
    script_access: bool,
}

/// Which requests that start on other sites a cookie goes with (RFC 6265bis §5.6.7).
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::cookies::{SameSite, SetCookie};
///
/// let cookie = SetCookie::new("step", "2").with_same_site(SameSite::Strict);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// None at all: who follows a link to the site is not known on the first page.
    Strict,
    /// Links that are followed, no forms and no frames.
    #[default]
    Lax,
    /// All: in frames of other sites, and with their forms. Without `Secure`, in development, browsers refuse it.
    None,
}

impl SetCookie {
    /// A cookie of this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        Self { name, value, max_age: None, same_site: SameSite::default(), script_access: false }
    }

    /// How long it is good, in whole seconds. The time is sealed into it: a copy that somebody kept is worth nothing
    /// afterwards. Default: until the browser closes.
    pub fn with_max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Which requests from other sites it goes with. Default: `Lax`.
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Lets scripts of the page read it: of a signed one they see the signature, a dot, and the value, percent-encoded; of an
    /// encrypted one nothing that says anything. Default: not (`HttpOnly`).
    pub fn with_script_access(mut self) -> Self {
        self.script_access = true;
        self
    }

    /// The field for this cookie under the name and with the value that it has on the wire.
    pub(super) fn field(&self, name: &str, value: &str, secure: bool) -> Result<HeaderValue> {
        let mut field = format!("{name}={value}; Path=/");
        if let Some(age) = self.max_age {
            // Writing to a string does not fail.
            _ = write!(field, "; Max-Age={}", age.as_secs());
        }
        field.push_str(match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        field.push_str(if self.script_access { "" } else { "; HttpOnly" });
        field.push_str(if secure { "; Secure" } else { "" });
        if !is_name(&self.name) {
            return Err(Error::new(ErrorKind::Cookie, format!("no cookie can be called `{}`", self.name)));
        }
        if has_prefix(&self.name) {
            let message = format!(
                "the cookie `{}` has a prefix that browsers guard: leave it out, it is added where it can be kept",
                self.name
            );
            return Err(Error::new(ErrorKind::Cookie, message));
        }
        if field.len() > LARGEST {
            let message = format!(
                "the cookie `{}` would have {} bytes and browsers keep {LARGEST}: keep an id in it, and the rest in a database",
                self.name,
                field.len()
            );
            return Err(Error::new(ErrorKind::Cookie, message));
        }
        let mut field = HeaderValue::try_from(field)
            .map_err(|error| Error::caused(ErrorKind::Cookie, "a cookie can't be sent", error))?;
        field.set_sensitive(true);
        Ok(field)
    }
}

/// Without the value, which is nobody's business but the visitor's.
impl std::fmt::Debug for SetCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetCookie").field("name", &self.name).field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

/// A token (RFC 6265 §4.1.1, RFC 9110 §5.6.2).
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// Whether browsers take a name for one that only this host may set (RFC 6265bis §5.7 compares without case). They refuse
/// it over HTTP, in development, and it is not the name that it seems to be in production.
fn has_prefix(name: &str) -> bool {
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    ["__host-", "__secure-", "__http-"].into_iter().any(starts)
}

/// What every browser keeps of a cookie, with its name and attributes (RFC 6265 §6.1).
pub(super) const LARGEST: usize = 4096;
