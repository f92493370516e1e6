//! The cookies of one request, as its handler sees them: what came, what is to be set, and whether anybody looked.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderValue, Request};

use super::{
    SetCookie,
    flash::{self, Flashes, Left},
    layer::Settings,
    received, seal, viewing,
};
use crate::error::{Error, ErrorKind, Result};

/// The cookies of one request. The [`Cookies`](crate::cookies::Cookies) layer puts one into each; an axum handler takes it as an
/// argument (feature `axum`), any other one finds it with [`of`](Self::of).
///
/// Whoever asks it for a cookie, there or not, makes the response the visitor's own: `Vary: cookie`, and no Cache-Control
/// that would let a shared cache keep it ([`with_personal`](crate::Representation::with_personal)). What is asked for stays
/// a value: give it to the page as an argument, and the page's tag covers it.
///
/// It ends with the handler: a body that is made later, such as that of
/// [`render_template_with`](crate::ContentManager::render_template_with), finds nothing in it, and that is logged as an
/// error. By then the response's fields are decided on.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Error, cookies::{CookieJar, Cookies, SetCookie}};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let count = service_fn(async |request: http::Request<()>| {
///     let jar = CookieJar::of(&request)?;
///     let visits: u32 = jar.get("visits").and_then(|text| text.parse().ok()).unwrap_or(0);
///     jar.set(SetCookie::new("visits", (visits + 1).to_string()))?;
///     Ok::<_, Error>(http::Response::new(format!("You were here {visits} times.")))
/// });
/// let site = Cookies::new("a secret of 32 random bytes or more")?.layer(count);
///
/// let first = site.clone().oneshot(http::Request::new(())).await?;
/// assert_eq!(first.headers()["cache-control"], "private, no-store");
/// let cookie = first.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
///
/// let again = http::Request::get("/").header("cookie", cookie).body(()).unwrap();
/// assert_eq!(site.oneshot(again).await?.body(), "You were here 1 times.");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
///
/// Logging out, and a cookie that a script of the page has set:
///
/// ```
/// use chalice_http_toolkit::{Error, cookies::{CookieJar, Cookies}};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let log_out = service_fn(async |request: http::Request<()>| {
///     let jar = CookieJar::of(&request)?;
///     jar.remove("user");
///     let theme = jar.get_untrusted("theme").filter(|theme| ["dark", "light"].contains(&theme.as_str()));
///     Ok::<_, Error>(http::Response::new(theme.unwrap_or("light".into())))
/// });
/// let site = Cookies::new([7; 32])?.layer(log_out);
/// let request = http::Request::post("/log-out").header("cookie", "theme=dark").body(()).unwrap();
/// let response = site.oneshot(request).await?;
/// assert_eq!(response.headers()["set-cookie"], "user=; Path=/; Max-Age=0; SameSite=Lax; HttpOnly");
/// assert_eq!(response.body(), "dark");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct CookieJar(Arc<Mutex<Open>>);

/// What the jar holds while it is open.
struct Open {
    settings: Arc<Settings>,
    received: Vec<(String, String)>,
    /// By name on the wire: the value that was set, or that it was removed, and the field that says so.
    set: BTreeMap<String, (Option<String>, HeaderValue)>,
    /// Whether the request is one for a page.
    is_for_a_person: bool,
    /// Opened when they are first asked for.
    flashes: Option<Flashes>,
    read: bool,
    closed: bool,
}

/// What is left of a jar when its handler has answered.
pub(super) struct Closed {
    pub(super) fields: Vec<HeaderValue>,
    pub(super) read: bool,
    /// Whether the same page will be another one the next time that it is asked for.
    pub(super) is_for_now: bool,
}

impl CookieJar {
    /// The jar of a request.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] where the [`Cookies`](crate::cookies::Cookies) layer is not around the service.
    pub fn of<B>(request: &Request<B>) -> Result<Self> {
        Self::in_extensions(request.extensions())
    }

    pub(super) fn in_extensions(extensions: &http::Extensions) -> Result<Self> {
        let message = "there is no cookie jar: put the Cookies layer around the service";
        extensions.get::<Self>().cloned().ok_or_else(|| Error::new(ErrorKind::Configuration, message))
    }

    pub(super) fn new(settings: Arc<Settings>, headers: &HeaderMap) -> Self {
        let received = received::cookies(headers);
        let is_for_a_person = viewing::is_for_a_person(headers);
        let (set, flashes, read, closed) = (BTreeMap::new(), None, false, false);
        Self(Arc::new(Mutex::new(Open { settings, received, set, is_for_a_person, flashes, read, closed })))
    }

    /// The value of a cookie that this site has set; `None` where there is none, where it was changed on the way, where its
    /// time is over, and where it is another cookie's value. What was set in this request counts.
    pub fn get(&self, name: &str) -> Option<String> {
        self.read()?.value(name)
    }

    /// The value of a cookie as it came, whoever set it: a script of the page, another host of the domain, the visitor. The
    /// name is the one on the wire, compared byte for byte; of several the first counts. Quotation marks and percent signs
    /// stay; what is no UTF-8 is read as ISO 8859-1.
    ///
    /// Trust it like a field of a form.
    pub fn get_untrusted(&self, name: &str) -> Option<String> {
        let open = self.read()?;
        open.received.iter().find(|(received, _)| received == name).map(|(_, value)| value.clone())
    }

    /// Sets a cookie, signed or encrypted. A response that sets one is the visitor's own, and `private, no-store`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cookie`] for a name that is no token (RFC 9110 §5.6.2), for one with a prefix such as `__Host-`, which is
    /// added by itself, and for a cookie of more than 4,096 bytes.
    pub fn set(&self, cookie: SetCookie) -> Result<()> {
        let mut open = self.lock();
        let field = open.settings.field(&cookie)?;
        if open.is_there("set", &cookie.name) {
            let wire_name = open.settings.wire_name(&cookie.name);
            open.set.insert(wire_name, (Some(cookie.value), field));
        }
        Ok(())
    }

    /// Removes a cookie that [`set`](Self::set) has set, now or before.
    pub fn remove(&self, name: &str) {
        let mut open = self.lock();
        // What can't be called that was never set.
        if let (Ok(field), true) = (open.settings.removal(name), open.is_there("removed", name)) {
            let wire_name = open.settings.wire_name(name);
            open.set.insert(wire_name, (None, field));
        }
    }

    /// Lets messages be looked at and changed; `closed` where the jar is.
    pub(super) fn with_flashes<T>(&self, closed: T, change: impl FnOnce(&mut Flashes, &Settings) -> T) -> T {
        let Some(mut open) = self.read() else { return closed };
        let mut flashes = match open.flashes.take() {
            Some(flashes) => flashes,
            None => Flashes::new(open.is_for_a_person, open.value(flash::NAME)),
        };
        let changed = change(&mut flashes, &open.settings);
        open.flashes = Some(flashes);
        changed
    }

    /// Ends it: whoever still holds it finds nothing. `seen` says whether a person sees what the handler made.
    pub(super) fn close(&self, seen: bool) -> Closed {
        let mut open = self.lock();
        open.closed = true;
        let is_for_now = open.flashes.as_ref().is_some_and(Flashes::are_for_this_request_alone);
        open.settle_flashes(seen);
        open.received.clear();
        let fields = std::mem::take(&mut open.set).into_values().map(|(_, field)| field).collect();
        Closed { fields, read: open.read, is_for_now }
    }

    /// SECURITY: the one way to what the jar holds. Whoever takes it has made the response personal.
    fn read(&self) -> Option<MutexGuard<'_, Open>> {
        let mut open = self.lock();
        open.read = true;
        open.is_there("read", "").then_some(open)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn is_there(&self, what: &str, cookie: &str) -> bool {
        if self.closed {
            tracing::error!(what, cookie, "a cookie jar is used after its handler has answered: nothing is in it");
        }
        !self.closed
    }

    fn value(&self, name: &str) -> Option<String> {
        let wire_name = self.settings.wire_name(name);
        if let Some((value, _)) = self.set.get(&wire_name) {
            return value.clone();
        }
        // A cookie of that name may stand there twice, if another host of the domain has set one.
        let mut named = self.received.iter().filter(|(received, _)| *received == wire_name);
        named.find_map(|(_, sealed)| self.settings.secrets.open(&wire_name, sealed, seal::now()))
    }

    /// Sets or removes the cookie of messages, if it is not to stay as it is.
    fn settle_flashes(&mut self, seen: bool) {
        let Some(flashes) = self.flashes.take() else { return };
        let wire_name = self.settings.wire_name(flash::NAME);
        let field = match flashes.left(seen, &self.settings) {
            Left::AsItWas => return,
            // Good or not, it is of no more use.
            Left::Nothing if self.received.iter().any(|(received, _)| *received == wire_name) => {
                self.settings.removal(flash::NAME)
            }
            Left::Nothing => return,
            Left::These(cookie) => self.settings.field(&cookie),
        };
        if let Ok(field) = field {
            self.set.insert(wire_name, (None, field));
        }
    }
}

/// The names of the cookies, without a value: what is in them is the visitor's, and a log is not encrypted.
impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.lock();
        let received: Vec<&str> = open.received.iter().map(|(name, _)| name.as_str()).collect();
        let set: Vec<&String> = open.set.keys().collect();
        f.debug_struct("CookieJar").field("received", &received).field("set", &set).finish_non_exhaustive()
    }
}

#[cfg(feature = "axum")]
impl<S: Send + Sync> axum_core::extract::FromRequestParts<S> for CookieJar {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut http::request::Parts, _state: &S) -> Result<Self, Error> {
        Self::in_extensions(&parts.extensions)
    }
}
