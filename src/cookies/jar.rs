//! The cookies of one request: the ones that arrived, the ones to set, and whether the handler read any.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderValue, Request};

use super::{
    flash::{self, Flash, FlashCookie, Flashes},
    received, seal,
    set_cookie::SetCookie,
    settings::CookieSettings,
    viewing,
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
pub struct CookieJar(Arc<Mutex<JarState>>);

/// The cookies that a jar holds, and whether it was read.
struct JarState {
    settings: Arc<CookieSettings>,
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

/// The result of a jar whose handler has answered: the fields to send, and whether the answer is personal.
pub(super) struct ClosedJar {
    pub(super) fields: Vec<HeaderValue>,
    pub(super) read: bool,
    /// Whether the page shows or withholds messages, so that the next request gets another page.
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

    pub(super) fn new(settings: Arc<CookieSettings>, headers: &HeaderMap) -> Self {
        let received = received::cookies(headers);
        let is_for_a_person = viewing::is_for_a_person(headers);
        let (set, flashes, read, closed) = (BTreeMap::new(), None, false, false);
        Self(Arc::new(Mutex::new(JarState { settings, received, set, is_for_a_person, flashes, read, closed })))
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
    /// added by itself, for the name `flash`, which is that of the cookie with the [messages](Self::flash), and for a cookie of
    /// more than 4,096 bytes.
    pub fn set(&self, cookie: SetCookie) -> Result<()> {
        if cookie.name == flash::NAME {
            let message = "the cookie `flash` holds the messages of CookieJar::flash: give yours another name";
            return Err(Error::new(ErrorKind::Cookie, message));
        }
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

    /// Leaves a message for the next page that takes it, within an hour. Several are shown in their order; where they are
    /// more than a cookie holds, the oldest are dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cookie`] for a message that is larger than a cookie by itself: about 2,500 letters of ASCII, or 400 of a
    /// script that has three bytes for each.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Representation, Result, cookies::CookieJar};
    /// use http::StatusCode;
    ///
    /// fn sent(content: &ContentManager, jar: &CookieJar) -> Result<Representation> {
    ///     jar.flash("success", "Your message is on its way.")?;
    ///     Ok(content.redirect("/contact").with_status(StatusCode::SEE_OTHER))
    /// }
    /// ```
    pub fn flash(&self, category: &str, text: &str) -> Result<()> {
        self.with_flashes(Ok(()), |flashes, settings| flashes.add(category, text, settings))
    }

    /// The messages that wait, for the page that shows them. That page is the visitor's own, and `no-store` where there was
    /// one. Give such a page no `max-age`: a browser would show the copy that it has, without the message.
    ///
    /// It is a value, to be given to the page as an argument, and no function that templates call: so the page's tag covers
    /// the messages, and a page without any is the one that it was before.
    ///
    /// # A message goes when a person sees it
    ///
    /// | request or answer | messages |
    /// |---|---|
    /// | a page (2xx), by navigation or by a script's `fetch` | shown, and gone |
    /// | an error page that the handler makes itself, such as a form with 422 | shown, and gone |
    /// | HEAD, OPTIONS | as for GET, and still there: they change nothing (RFC 9110 §9.2.1) |
    /// | a redirect, 204, 205, an `Err`, a bare status | still there |
    /// | a request that may end in 412 (`If-Match`, `If-Unmodified-Since`) | none are given, and they are still there |
    /// | prefetch, prerender, preview | none are given, and they are still there |
    /// | an image, a script, a style sheet: what `Sec-Fetch-Dest` says is no page | none are given, and they are still there |
    ///
    /// A browser that prefetches says so in `Sec-Purpose` or `Purpose`; older ones in `X-Moz` or `X-Purpose`; Turbo in
    /// `X-Sec-Purpose`; htmx in `HX-Preloaded`. Nobody knows whether that page will be looked at. If it is, it has no
    /// message, and the next page has it: it comes a page late, but never twice and never to nobody. While a message waits,
    /// such an answer is `private, no-store`, so that it never stands in for the page that shows it. Behind CloudFront the
    /// origin request policy has to forward these fields, as AllViewerExceptHostHeader does.
    pub fn take_flashes(&self) -> Vec<Flash> {
        self.with_flashes(Vec::new(), |flashes, _| flashes.take())
    }

    /// Reads and changes the messages. Returns `closed` where the jar is closed.
    fn with_flashes<T>(&self, closed: T, change: impl FnOnce(&mut Flashes, &CookieSettings) -> T) -> T {
        let Some(mut open) = self.read() else { return closed };
        let mut flashes = match open.flashes.take() {
            Some(flashes) => flashes,
            None => Flashes::new(open.is_for_a_person, open.value(flash::NAME)),
        };
        let changed = change(&mut flashes, &open.settings);
        open.flashes = Some(flashes);
        changed
    }

    /// Closes the jar: later reads find nothing. `seen` says whether a person sees what the handler made.
    pub(super) fn close(&self, seen: bool) -> ClosedJar {
        let mut open = self.lock();
        open.closed = true;
        let is_for_now = open.flashes.as_ref().is_some_and(Flashes::are_for_this_request_alone);
        open.settle_flashes(seen);
        open.received.clear();
        let fields = std::mem::take(&mut open.set).into_values().map(|(_, field)| field).collect();
        ClosedJar { fields, read: open.read, is_for_now }
    }

    /// SECURITY: the one way to what the jar holds. Whoever takes it has made the response personal.
    fn read(&self) -> Option<MutexGuard<'_, JarState>> {
        let mut open = self.lock();
        open.read = true;
        open.is_there("read", "").then_some(open)
    }

    fn lock(&self) -> MutexGuard<'_, JarState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JarState {
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
        let field = match flashes.remaining(seen, &self.settings) {
            FlashCookie::Unchanged => return,
            // Good or not, it is of no more use.
            FlashCookie::Removed if self.received.iter().any(|(received, _)| *received == wire_name) => {
                self.settings.removal(flash::NAME)
            }
            FlashCookie::Removed => return,
            FlashCookie::Set(cookie) => self.settings.field(&cookie),
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
