//! Content: what a site has to show, as representations.
//!
//! 1. [`ContentManager`]; [`snapshot`] all that it shows as it is at one moment, so that a page and its tag agree
//! 2. [`functions`] what a site adds to its templates; [`context`] arguments of every page; [`public_origin`] where it stands on
//!    the web; [`routes`] its paths by name; [`translated`] its languages
//! 3. pages, here, and [`blocks`] of pages
//! 4. [`static_files`], and the [`layer`] that serves them beside a site's routes
//! 5. [`makers`]: HTML, XML, JSON, redirects, assets, error pages
//! 6. `image_makers` and `drawn_images`: images that the site's code has
//! 7. [`cache_tags`] by which copies at the edge are found again; [`manifest`] all of them
//!
//! It does not know requests beyond what selects a representation, nor caches.

mod blocks;
mod cache_tags;
mod context;
#[cfg(feature = "images")]
mod drawn_images;
mod functions;
#[cfg(feature = "images")]
mod image_makers;
#[cfg(feature = "jinja-compat")]
mod jinja;
mod large_files;
mod layer;
mod makers;
mod manifest;
mod public_origin;
mod routes;
mod snapshot;
mod static_files;
mod translated;

use std::{
    fmt,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
};

use minijinja::value::Value;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;

pub use layer::ContentService;
pub use manifest::{EdgeManifest, GoneTag};

use self::{
    context::Context,
    snapshot::{PageRequest, Setup, Snapshot},
};
use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    files::{path::NOT_IN_PATH, provenance::Provenance, source::Source},
    pages::{
        check::{self, Finding},
        explain::{Explanation, History},
        page_tag::Closure,
        site_settings::SiteSettings,
        templates::value_of,
    },
    representation::Representation,
    script_root::ScriptRoot,
    stage::Stage,
};

/// Makes a site's representations: pages from templates, static files, assets, HTML, XML, JSON, redirects.
///
/// It is cheap to clone: make one and share it. Nothing is read before it is needed; a file that was read is kept. In
/// development ([`Stage`]) an edited template or static file is seen by the next request.
///
/// # In templates
///
/// [MiniJinja](https://docs.rs/minijinja) templates have inheritance, includes, imports and macros. What they print is
/// escaped by the template's extension: as HTML for `.html`, `.htm` and `.xml`, as JSON for `.json`. Templates are UTF-8; a
/// byte order mark at the start of one is left out of the page. Three functions are added:
///
/// - `static('css/site.css')`: the URL of a static file with a fingerprint of its content. It is served as `public,
///   max-age=31536000, immutable`. A name that is no file gives the plain URL and is logged once. A query or a fragment
///   behind the name stays behind the URL: `static('icons.svg#cart')`, `static('font.eot?#iefix')`. A file whose own name
///   has a `?` or a `#` in it is found all the same.
/// - `url('/products')`: a link within the site, with the prefix under which it is mounted. What leads to another site is
///   an error: such a link needs no function.
/// - `absolute_url('/products')`: the same with the [public origin](Self::with_public_origin) before it, for feeds, sitemaps
///   and `og:image`. It takes what `static()` gives too.
///
/// What they give is percent-encoded where it has to be, so that in JSON it stands between quotation marks of the template's
/// own: `"start_url": "{{ url('/?source=app') }}"`.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Embedded};
/// use minijinja::context;
///
/// const TEMPLATES: Embedded = Embedded::new(&[("hello.html", b"<h1>Hello, {{ name }}!</h1>")]);
/// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
/// assert!(content.has_template("hello.html"));
/// let page = content.render_template("hello.html", context! { name => "<you>" })?;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # use http_body_util::BodyExt;
/// let response = chalice_http_toolkit::CloudFront::new().respond(&http::Request::new(()), page).await?;
/// let body = response.into_body().collect().await?.to_bytes();
/// assert_eq!(body, "<h1>Hello, &lt;you&gt;!</h1>");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
///
/// With a filter, a function and a global of the site's own, another place for static files, a release's name in tags,
/// and no second look at files:
///
/// ```
/// use chalice_http_toolkit::ContentManager;
///
/// let content = ContentManager::new("templates", "static")?
///     .with_static_prefix("/assets")
///     .with_build_id("release-7")
///     .with_reload(false)
///     .with_environment(|engine| {
///         engine.add_filter("shout", |text: String| text.to_uppercase());
///         engine.add_function("visitors_now", || 7);
///         engine.add_global("site", "Kiln & Clay");
///     })
///     .with_volatile("visitors_now");
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone)]
pub struct ContentManager {
    setup: Arc<Setup>,
    now: Arc<RwLock<Option<Arc<Snapshot>>>>,
    /// The language of its pages, where the site's code has chosen it.
    language: Option<Arc<str>>,
}

impl ContentManager {
    /// Content from a folder (or other [`Source`]) of templates and one of static files.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FolderNotFound`] where a folder is in none of the places that [`Source`] names and nothing is
    /// embedded in its stead.
    pub fn new(templates: impl Into<Source>, files: impl Into<Source>) -> Result<Self> {
        let (templates, files) = (templates.into().locate()?, files.into().locate()?);
        let settings = Arc::new(SiteSettings::new("/static"));
        let reload = Stage::current().is_development();
        let history = reload.then(History::default);
        let provenance = Provenance::of(&templates, &files, reload);
        let context = Context::default();
        let setup = Setup { templates, files, settings, reload, history, provenance, context, translations: None };
        Ok(Self { setup: Arc::new(setup), now: Arc::default(), language: None })
    }

    /// The path under which static files are served, as text: what can't stand in a URL is percent-encoded, in links and where
    /// a request is compared with it. It is no pattern and no URL. Default: `/static`.
    pub fn with_static_prefix(self, prefix: &str) -> Self {
        let prefix = utf8_percent_encode(prefix, NOT_IN_PATH).to_string();
        self.with_settings(|settings| settings.static_prefix = ScriptRoot::new(&prefix).as_str().to_owned())
    }

    /// What stands in page tags for the application's code, such as a release's name: pages of two builds never share a
    /// tag. Default: the id that the linker wrote into the executable, else a hash of the executable.
    pub fn with_build_id(self, id: &str) -> Self {
        self.with_settings(|settings| settings.build_id = Some(id.to_owned()))
    }

    /// Whether folders are looked at again for each request. Default: in development only ([`Stage`]).
    pub fn with_reload(self, reload: bool) -> Self {
        self.with(|setup| {
            setup.reload = reload;
            setup.provenance.set_reload(reload);
            setup.history = reload.then(History::default);
        })
    }

    /// A page from a template, with any serializable arguments.
    ///
    /// Its ETag is known without rendering; it is rendered only if the client needs it. Status 200; Content-Type by the
    /// template's extension (`text/html; charset=utf-8` for `.html` and for none).
    ///
    /// The arguments are serialized once for the tag and again when the page is rendered: they must be the same both times,
    /// which a clock or a value behind a lock may not be.
    ///
    /// A page whose tag can't be known beforehand (arguments with objects that only show themselves when asked, a
    /// `context!` merged with `..`, the `debug` function) is rendered first and tagged by its bytes. One that uses a volatile function has no tag and is
    /// sent with `no-store`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TemplateNotFound`] here; [`ErrorKind::Template`], with the template and the line, when it is rendered.
    pub fn render_template(&self, name: &str, arguments: impl Serialize + Send + 'static) -> Result<Representation> {
        self.page(self.with_template(name)?, name, arguments)
    }

    fn page(
        &self,
        snapshot: Arc<Snapshot>,
        name: &str,
        arguments: impl Serialize + Send + 'static,
    ) -> Result<Representation> {
        let closure = self.closure_with_context(&snapshot, name);
        Ok(match self.in_context(name, closure.as_deref(), &arguments)? {
            Some(arguments) => self.page_of(snapshot, name, arguments),
            None => self.page_of(snapshot, name, arguments),
        })
    }

    /// What a page is made from, if that may be arguments of its request.
    fn closure_with_context(&self, snapshot: &Snapshot, name: &str) -> Option<Arc<Closure>> {
        (!self.setup.context.is_empty()).then(|| self.default_closure(snapshot, name))
    }

    fn page_of(
        &self,
        snapshot: Arc<Snapshot>,
        name: &str,
        arguments: impl Serialize + Send + 'static,
    ) -> Representation {
        let (name, history, language) = (name.to_owned(), self.setup.history.clone(), self.language.clone());
        Representation::select(move |selection| {
            let request = PageRequest::of(&name, &snapshot, language.as_deref(), history.as_ref(), selection);
            snapshot.page(&request, arguments)
        })
    }

    /// A page whose tag a cheap `key` decides, such as the version of a row or the time of its last change. `load` gives
    /// the arguments, and is called only if the page is rendered: a 304 reads no data at all.
    ///
    /// The key must change whenever the arguments do; all of it counts. Templates, static files, globals and the mount
    /// prefix are in the tag as for [`render_template`](Self::render_template). A page that no tag can cover beforehand
    /// has none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TemplateNotFound`] here. When it is rendered, [`ErrorKind::Handler`] where `load` fails, and
    /// [`ErrorKind::Template`].
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{BoxError, ContentManager, Embedded};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("post.html", b"<h1>{{ title }}</h1>")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let version = 7; // SELECT version FROM posts WHERE id = 1
    /// let page = content.render_template_with("post.html", version, async || {
    ///     Ok::<_, BoxError>(serde_json::json!({ "title": "Hello" })) // SELECT * FROM posts WHERE id = 1
    /// })?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn render_template_with<T, E, LoadFuture>(
        &self,
        name: &str,
        key: impl Serialize + Send + 'static,
        load: impl FnOnce() -> LoadFuture + Send + 'static,
    ) -> Result<Representation>
    where
        T: Serialize + Send,
        E: Into<BoxError>,
        LoadFuture: Future<Output = Result<T, E>> + Send,
    {
        let snapshot = self.with_template(name)?;
        let closure = self.closure_with_context(&snapshot, name);
        let context = self.context(name, closure.as_deref(), &Value::UNDEFINED)?;
        if context.is_empty() {
            return Ok(self.page_by_key(snapshot, name, key, load));
        }
        let (key, page) = (context::keyed(value_of(name, &key)?, &context), name.to_owned());
        let load = async move || {
            let arguments = load().await.map_err(Into::into)?;
            Ok::<_, BoxError>(context::merged(value_of(&page, &arguments)?, context))
        };
        Ok(self.page_by_key(snapshot, name, key, load))
    }

    fn page_by_key<T, E, LoadFuture>(
        &self,
        snapshot: Arc<Snapshot>,
        name: &str,
        key: impl Serialize + Send + 'static,
        load: impl FnOnce() -> LoadFuture + Send + 'static,
    ) -> Representation
    where
        T: Serialize + Send,
        E: Into<BoxError>,
        LoadFuture: Future<Output = Result<T, E>> + Send,
    {
        let (name, history, language) = (name.to_owned(), self.setup.history.clone(), self.language.clone());
        Representation::select(move |selection| {
            let request = PageRequest::of(&name, &snapshot, language.as_deref(), history.as_ref(), selection);
            Ok(snapshot.page_by_key(&request, &key, load))
        })
    }

    /// Everything that the tag of a page with these arguments covers, part by part, at the root of the site. Two of them
    /// compared tell why the page was rendered anew. In development the header `x-etag-reason` tells it for each miss.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TemplateNotFound`].
    pub fn explain(&self, name: &str, arguments: &impl Serialize) -> Result<Explanation> {
        let closure = self.default_closure(&*self.with_template(name)?, name);
        Ok(closure.explain(arguments, &closure.counted(arguments), ""))
    }

    /// Looks for what would fail at run time, or would not do what is meant. Nothing is rendered. A test of a site asserts
    /// that there is nothing to find. It finds
    ///
    /// - templates that don't compile;
    /// - templates and static files that are named and not there;
    /// - filters, tests and functions that do not exist, in the engine or in [`with_environment`](Self::with_environment). A
    ///   function that a handler passes as an argument is not known here: add it to the engine instead;
    /// - blocks that no page shows, as none of the templates that are extended has them;
    /// - compressed files that are not what their plain ones compress to;
    /// - where images are converted, those whose names say another kind than they are, and URLs of images of which a
    ///   template does not say the size.
    /// - messages without a translation, and faults in catalogues;
    /// - pages that are rendered at each request, and whose tags cover more than they show, each with the reason: a computed name
    ///   can mean very many templates, a filter is named by a value, templates hand very much to one another.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"\n{{ static('typo.css') }}")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let findings: Vec<String> = content.check().iter().map(ToString::to_string).collect();
    /// assert_eq!(findings, ["a.html:2: there is no static file `typo.css`"]);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn check(&self) -> Vec<Finding> {
        check::check(self.snapshot().site())
    }

    /// Looks for what a [`SecurityHeaders`](crate::security::SecurityHeaders) policy without `'unsafe-inline'` blocks in the site's HTML:
    /// inline scripts and styles with expressions in them, event handlers, `style` attributes, `javascript:` URLs. Nothing
    /// is rendered.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// const TEMPLATES: Embedded = Embedded::new(&[("a.html", b"<script>f()</script>\n<script>g({{ n }})</script>")]);
    /// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
    /// let findings = content.check_inline();
    /// assert_eq!((findings.len(), findings[0].line()), (1, Some(2))); // the first one is allowed by its hash
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn check_inline(&self) -> Vec<Finding> {
        check::check_inline(&self.snapshot().templates)
    }

    /// What [`check`](Self::check) finds of filters, tests and functions.
    #[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "the local server says it at its start"))]
    pub(crate) fn unknown_names(&self) -> Vec<Finding> {
        check::unknown(&self.snapshot().templates)
    }

    fn with_template(&self, name: &str) -> Result<Arc<Snapshot>> {
        let snapshot = self.snapshot();
        if snapshot.templates.has_page(name) {
            return Ok(snapshot);
        }
        Err(Error::new(ErrorKind::TemplateNotFound, format!("there is no template `{name}`")))
    }

    /// Whether there is a template of this name.
    pub fn has_template(&self, name: &str) -> bool {
        self.snapshot().templates.has_page(name)
    }

    fn with_settings(self, change: impl FnOnce(&mut SiteSettings)) -> Self {
        self.with(|setup| change(Arc::make_mut(&mut setup.settings)))
    }

    fn with(mut self, change: impl FnOnce(&mut Setup)) -> Self {
        change(Arc::make_mut(&mut self.setup));
        Self { now: Arc::default(), ..self }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let current = self.now.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(snapshot) = current.filter(|snapshot| !self.setup.reload || self.setup.is_unchanged(snapshot)) {
            return snapshot;
        }
        let snapshot = Arc::new(self.setup.snapshot());
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot.clone());
        snapshot
    }
}

impl fmt::Debug for ContentManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentManager").field("setup", &self.setup).finish_non_exhaustive()
    }
}
