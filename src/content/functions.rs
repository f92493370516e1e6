//! Functions, filters and globals that a site adds to its template engine, and declarations of what they depend on.

use std::sync::Arc;

use minijinja::Environment;

use super::ContentManager;

impl ContentManager {
    /// Adds filters, functions, tests and globals to the template engine, or changes its settings. The closure runs
    /// again whenever templates are loaded anew.
    ///
    /// What it adds must be pure: equal arguments, equal results for the life of a build. Whatever isn't (a clock, a random
    /// number, another template or a list of globals that it gets from the engine by itself) is declared with
    /// [`with_volatile`](Self::with_volatile). What it looks up by name in the engine's [`State`](minijinja::State) is
    /// declared with [`with_lookups`](Self::with_lookups), or the page is rendered to know its tag. How templates are loaded stays
    /// as it is; how their names are joined (`set_path_join_callback`, as for `./part.html`) is the site's. A page that uses a template added here is rendered to know its tag. Where
    /// unknown methods have a callback, no argument may have the name of an imported module. Neither such a callback nor a formatter
    /// calls a macro by its name.
    ///
    /// What `minijinja_contrib::add_to_environment` adds is known: its volatile functions, and what its filters look up.
    pub fn with_environment(self, configure: impl Fn(&mut Environment<'static>) + Send + Sync + 'static) -> Self {
        self.with_settings(|settings| settings.configure.push(Arc::new(configure)))
    }

    /// Declares a function or filter of the site's own whose result changes from call to call. A page that uses it has
    /// no tag and is sent with `no-store`. Default: `now`, `random`, `randrange`, `lipsum` and `csp_nonce`.
    pub fn with_volatile(self, name: &str) -> Self {
        self.with_settings(|settings| _ = settings.volatile.insert(name.to_owned()))
    }

    /// Declares the names that a function, filter or test of the site's own looks up in the engine's
    /// [`State`](minijinja::State), as `minijinja-contrib`'s `datetimeformat` does with `TIMEZONE`: a page that uses it reads them.
    /// Without it the first page that does so is noticed when it is rendered: it is tagged by its bytes, as are all further
    /// ones of its template, and a line in the log says which name it was. Default: those of `minijinja-contrib`'s
    /// `dateformat`, `datetimeformat`, `timeformat` and `truncate`.
    ///
    /// A filter that makes URLs by `static`, which it looks up too, declares `&["static"]`: the page is taken to name all
    /// static files.
    ///
    /// A function may also render a block by its name. So if a page uses a function, filter or test of the site's own that is not
    /// declared here, its tag covers the whole text of its templates. If all are declared (with `&[]` if they look up nothing),
    /// the tag leaves out blocks that another block replaces. Do not declare a function that renders a block by its name.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    /// use minijinja::{State, context};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("price.txt", b"{{ 5|money }}")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?
    ///     .with_environment(|engine| {
    ///         engine.add_filter("money", |state: &State, amount: u32| {
    ///             let currency = state.lookup("CURRENCY").unwrap_or_default();
    ///             format!("{amount} {currency}")
    ///         });
    ///     })
    ///     .with_lookups("money", &["CURRENCY"]);
    /// let euros = content.explain("price.txt", &context! { CURRENCY => "EUR" })?;
    /// let pounds = content.explain("price.txt", &context! { CURRENCY => "GBP" })?;
    /// assert_eq!(euros.changes(&pounds), ["args.CURRENCY"]);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_lookups(self, function: &str, names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned());
        self.with_settings(|settings| settings.lookups.entry(function.to_owned()).or_default().extend(names))
    }
}
