//! What Jinja has and the engine has not: filters, functions, and methods of Python's values. The only file that knows the crate
//! for it.

use super::ContentManager;

impl ContentManager {
    /// Adds more of Jinja's filters and functions, and Python's methods, to the templates.
    ///
    /// They come from the crate `minijinja-contrib`: filters such as `truncate`, `wordwrap`, `pluralize` and `datetimeformat`,
    /// functions such as `joiner` and `cycler`, and methods such as `name.upper()`, `text.startswith('a')` and `d.items()`.
    ///
    /// Page tags cover their results. The whole value on which a method is called counts, except for `get`, `items`, `keys` and
    /// `values` of a map. The settings that filters look up (`TIMEZONE`, `DATETIME_FORMAT`, `TRUNCATE_LEEWAY`) count too.
    /// `now()` has another result each time, so pages with it have no tag. A filter that you add later with
    /// [`with_environment`](Self::with_environment) replaces a filter of the same name.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{CloudFront, ContentManager, Embedded};
    /// use serde_json::json;
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"{{ name.upper() }} has {{ n }} cup{{ n|pluralize }}")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?.with_jinja_compat();
    /// let page = content.render_template("a.html", json!({ "name": "Maya", "n": 2 }))?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # use http_body_util::BodyExt;
    /// let response = CloudFront::new().respond(&http::Request::new(()), page).await?;
    /// assert_eq!(response.into_body().collect().await?.to_bytes(), "MAYA has 2 cups");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_jinja_compat(self) -> Self {
        self.with_environment(|engine| {
            minijinja_contrib::add_to_environment(engine);
            engine.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        })
    }
}
