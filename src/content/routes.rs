//! The names of a site's routes, for links in templates.

use super::ContentManager;
use crate::{
    error::{Error, ErrorKind, Result},
    route::Route,
};

impl ContentManager {
    /// Gives templates `url_for('post', slug=post.slug)`: the URL of a route by its name, as Flask's function of that name.
    ///
    /// Values are texts, numbers and booleans, and are percent-encoded. What the path has no parameter for becomes the query
    /// (`url_for('index', page=2)`); a value that is `none` or undefined is left out there. The mount prefix is added as
    /// `url()` adds it. `absolute_url(url_for('post', slug=slug))` is the whole address. The routes count in the tags of pages
    /// that name `url_for`.
    ///
    /// A name that is no route, a parameter that is missing, and a value that no URL can have in its place make the page fail,
    /// with the template and the line. [`check`](Self::check) finds the first two without rendering, where the name is written
    /// out.
    ///
    /// Called again, it adds more. Default: no routes, and no such function.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for a path that no router takes, and for a second route of one name.
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
