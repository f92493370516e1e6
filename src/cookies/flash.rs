//! Messages that one request leaves and a later page shows, once: "saved", after the redirect that follows a form.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CookieJar, SetCookie, layer::Settings};
use crate::error::{Error, ErrorKind, Result};

/// A message that is shown once: [`CookieJar::flash`], [`CookieJar::take_flashes`].
///
/// It serializes as `{ "category": …, "text": … }`, for a template.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Representation, Result, cookies::CookieJar};
/// use serde_json::json;
///
/// // {% for flash in flashes %}<p class="{{ flash.category }}">{{ flash.text }}</p>{% endfor %}
/// fn thanks(content: &ContentManager, jar: &CookieJar) -> Result<Representation> {
///     content.render_template("thanks.html", json!({ "flashes": jar.take_flashes() }))
/// }
/// ```
///
/// Without a template:
///
/// ```
/// # use chalice_http_toolkit::{Error, cookies::{CookieJar, Cookies}};
/// # use tower::{Layer, ServiceExt, service_fn};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let site = service_fn(async |request: http::Request<()>| {
///     let jar = CookieJar::of(&request)?;
/// #   jar.flash("success", "Saved.")?;
///     let lines = jar.take_flashes().into_iter().map(|flash| format!("{}: {}", flash.category(), flash.text()));
///     Ok::<_, Error>(http::Response::new(lines.collect::<String>()))
/// });
/// # let response = Cookies::new([7; 32])?.layer(site).oneshot(http::Request::new(())).await?;
/// # assert_eq!(response.body(), "success: Saved.");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
pub struct Flash {
    category: String,
    text: String,
}

/// The cookie that messages travel in, and how long they wait for a page.
pub(super) const NAME: &str = "flash";
const WAITS: std::time::Duration = std::time::Duration::from_secs(60 * 60);

impl Flash {
    /// A word for what kind of message it is, such as `success` or `error`: a class for the style sheet.
    pub fn category(&self) -> &str {
        &self.category
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Without the text, which is for the visitor.
impl fmt::Debug for Flash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flash").field("category", &self.category).finish_non_exhaustive()
    }
}

impl CookieJar {
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
        self.with_flashes(Ok(()), |flashes, settings| {
            let mut waiting = flashes.waiting.clone();
            waiting.push(Flash { category: category.to_owned(), text: text.to_owned() });
            fitting(&mut waiting, settings)?;
            (flashes.waiting, flashes.is_added) = (waiting, true);
            Ok(())
        })
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
        self.with_flashes(Vec::new(), |flashes, _| {
            if !flashes.is_for_a_person {
                flashes.is_withheld |= !flashes.waiting.is_empty();
                return Vec::new();
            }
            let shown = std::mem::take(&mut flashes.waiting);
            flashes.is_taken = true;
            flashes.taken.extend_from_slice(&shown);
            shown
        })
    }
}

/// The messages of one request.
#[derive(Default)]
pub(super) struct Flashes {
    /// Whether the request is one for a page.
    is_for_a_person: bool,
    waiting: Vec<Flash>,
    /// What was given to the handler, in case nobody sees what it makes of it.
    taken: Vec<Flash>,
    is_taken: bool,
    is_added: bool,
    is_withheld: bool,
}

/// What becomes of the cookie that messages travel in.
pub(super) enum Left {
    AsItWas,
    Nothing,
    These(SetCookie),
}

impl Flashes {
    pub(super) fn new(is_for_a_person: bool, value: Option<String>) -> Self {
        let waiting = value.and_then(|value| serde_json::from_str(&value).ok()).unwrap_or_default();
        Self { is_for_a_person, waiting, ..Self::default() }
    }

    /// Whether an answer shows messages that nobody sees, or leaves out some that the next page shows.
    pub(super) fn are_for_this_request_alone(&self) -> bool {
        self.is_withheld || !self.taken.is_empty()
    }

    /// What is left of the messages once the answer is `seen`.
    pub(super) fn left(self, seen: bool, settings: &Settings) -> Left {
        let mut left = match seen {
            true => self.waiting,
            false => [self.taken, self.waiting].concat(),
        };
        match (self.is_added, self.is_taken && seen) {
            (false, false) => Left::AsItWas,
            (false, true) => Left::Nothing,
            (true, _) if left.is_empty() => Left::Nothing,
            // Each was found to fit when it was added.
            (true, _) => fitting(&mut left, settings).map_or(Left::AsItWas, Left::These),
        }
    }
}

/// The cookie with as many of these as it holds: nobody looked at the oldest, and the newest says what was just done.
fn fitting(flashes: &mut Vec<Flash>, settings: &Settings) -> Result<SetCookie> {
    loop {
        let value = serde_json::to_string(flashes)
            .map_err(|error| Error::caused(ErrorKind::Serialization, "messages have no JSON form", error))?;
        let cookie = SetCookie::new(NAME, value).with_max_age(WAITS);
        match settings.field(&cookie) {
            Err(error) if error.kind() == ErrorKind::Cookie && flashes.len() > 1 => _ = flashes.remove(0),
            Err(error) => return Err(error),
            Ok(_) => return Ok(cookie),
        }
    }
}
