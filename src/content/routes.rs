//! The names of a site's routes, for links in templates.

use super::ContentManager;
use crate::{
    error::{Error, ErrorKind, Result},
    route::Route,
};

impl ContentManager {
    /// Adds the function `url_for('post', slug=post.slug)` to templates. Like Flask's function, it returns the URL of a route by
    /// its name.
    ///
    /// Values are texts, numbers and booleans, and are percent-encoded. A value that is no parameter of the path goes into the
    /// query (`url_for('index', page=2)`), unless it is `none` or undefined. The mount prefix is added as `url()` adds it.
    /// `absolute_url(url_for('post', slug=slug))` is the whole address. The routes count in the tags of pages that name `url_for`.
    ///
    /// Rendering fails for an unknown route, for a missing parameter, for a value that can't be in that place of a URL, and for a
    /// name that begins with `_`, such as Flask's `_external`, unless it is a parameter of the path. The error has the template and
    /// the line. [`check`](Self::check) finds unknown routes, missing parameters and such names without rendering, if the name of
    /// the route is a literal.
    ///
    /// A second call adds more routes. Default: no routes, and no such function. `check` then finds each call of it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a path that no router accepts, and for two routes with the same name.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded, Route};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"{{ url_for('pots') }}{{ url_for('post') }}")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let content = content.with_routes([Route::new("post", "/posts/{slug}")])?;
    /// let problems: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    /// assert_eq!(problems, [
    ///     "a.html:1: url_for(): the route `post` needs `slug`",
    ///     "a.html:1: url_for(): there is no route `pots`: there are `post`",
    /// ]);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_routes(self, routes: impl IntoIterator<Item = Route>) -> Result<Self> {
        let mut all = self.setup.settings.routes.clone();
        for route in routes {
            let is_known = all.iter().any(|known| known.name() == route.name());
            let twice = is_known.then(|| format!("there are two routes `{}`: give one another name", route.name()));
            if let Some(problem) = route.problem().or(twice) {
                return Err(Error::new(ErrorKind::Configuration, problem));
            }
            all.push(route);
        }
        Ok(self.with_settings(|settings| settings.routes = all))
    }
}
