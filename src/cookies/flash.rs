//! Messages that one request leaves and the next page shows once, such as "saved" after a form.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{set_cookie::SetCookie, settings::CookieSettings};
use crate::error::{Error, ErrorKind, Result};

/// A message that is shown once: [`CookieJar::flash`](super::CookieJar::flash),
/// [`CookieJar::take_flashes`](super::CookieJar::take_flashes).
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

/// The change of the cookie that messages travel in.
pub(super) enum FlashCookie {
    Unchanged,
    Removed,
    Set(SetCookie),
}

impl Flashes {
    pub(super) fn new(is_for_a_person: bool, value: Option<String>) -> Self {
        let waiting = value.and_then(|value| serde_json::from_str(&value).ok()).unwrap_or_default();
        Self { is_for_a_person, waiting, ..Self::default() }
    }

    pub(super) fn add(&mut self, category: &str, text: &str, settings: &CookieSettings) -> Result<()> {
        let mut waiting = self.waiting.clone();
        waiting.push(Flash { category: category.to_owned(), text: text.to_owned() });
        fitting(&mut waiting, settings)?;
        (self.waiting, self.is_added) = (waiting, true);
        Ok(())
    }

    /// The messages that the handler may show.
    pub(super) fn take(&mut self) -> Vec<Flash> {
        if !self.is_for_a_person {
            self.is_withheld |= !self.waiting.is_empty();
            return Vec::new();
        }
        let shown = std::mem::take(&mut self.waiting);
        self.is_taken = true;
        self.taken.extend_from_slice(&shown);
        shown
    }

    /// Whether an answer shows messages that nobody sees, or leaves out some that the next page shows.
    pub(super) fn are_for_this_request_alone(&self) -> bool {
        self.is_withheld || !self.taken.is_empty()
    }

    /// The cookie with the messages that remain after the answer. `seen` says whether a person sees it.
    pub(super) fn remaining(self, seen: bool, settings: &CookieSettings) -> FlashCookie {
        let mut left = match seen {
            true => self.waiting,
            false => [self.taken, self.waiting].concat(),
        };
        match (self.is_added, self.is_taken && seen) {
            (false, false) => FlashCookie::Unchanged,
            (false, true) => FlashCookie::Removed,
            (true, _) if left.is_empty() => FlashCookie::Removed,
            // Each was found to fit when it was added.
            (true, _) => fitting(&mut left, settings).map_or(FlashCookie::Unchanged, FlashCookie::Set),
        }
    }
}

/// The cookie with as many of these as it holds: nobody looked at the oldest, and the newest says what was just done.
fn fitting(flashes: &mut Vec<Flash>, settings: &CookieSettings) -> Result<SetCookie> {
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
