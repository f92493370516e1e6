//! Messages that one request leaves and a later page shows, once: "saved", after the redirect that follows a form.

use serde::{Deserialize, Serialize};

use super::{CookieJar, SetCookie};
use crate::error::{Error, ErrorKind, Result};

/// A message that is shown once: [`CookieJar::flash`], [`CookieJar::take_flashes`].
///
/// It serializes as `{ "category": …, "text": … }`, for a template.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, CookieJar, Representation, Result};
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
/// # use chalice_http_toolkit::{Cookies, CookieJar, Error};
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
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Flash {
    category: String,
    text: String,
}

/// The cookie that messages travel in, and how long they wait for a page.
const NAME: &str = "flash";
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
    /// use chalice_http_toolkit::{ContentManager, CookieJar, Representation, Result};
    /// use http::StatusCode;
    ///
    /// fn sent(content: &ContentManager, jar: &CookieJar) -> Result<Representation> {
    ///     jar.flash("success", "Your message is on its way.")?;
    ///     Ok(content.redirect("/contact").with_status(StatusCode::SEE_OTHER))
    /// }
    /// ```
    pub fn flash(&self, category: &str, text: &str) -> Result<()> {
        let mut waiting = self.flashes();
        waiting.push(Flash { category: category.to_owned(), text: text.to_owned() });
        loop {
            let value = serde_json::to_string(&waiting)
                .map_err(|error| Error::caused(ErrorKind::Serialization, "messages have no JSON form", error))?;
            match self.set(SetCookie::new(NAME, value).with_max_age(WAITS)) {
                // Nobody looked at the oldest, and the newest says what was just done.
                Err(error) if error.kind() == ErrorKind::Cookie && waiting.len() > 1 => _ = waiting.remove(0),
                done => return done,
            }
        }
    }

    /// The messages that wait, each for the last time. The page that shows them is the visitor's own, and `no-store` where
    /// there was one: it has the cookie that says that they were shown.
    ///
    /// Give such a page no `max-age`: a browser would show the copy that it has, without the message.
    ///
    /// It is a value, to be given to the page as an argument, and no function that templates call: so the page's tag covers
    /// the messages, and a page without any is the one that it was before.
    pub fn take_flashes(&self) -> Vec<Flash> {
        let flashes = self.flashes();
        if self.has(NAME) {
            self.remove(NAME);
        }
        flashes
    }

    fn flashes(&self) -> Vec<Flash> {
        self.get(NAME).and_then(|value| serde_json::from_str(&value).ok()).unwrap_or_default()
    }
}
