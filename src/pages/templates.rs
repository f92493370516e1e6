//! Templates: the engine with the functions that know the site's URLs, and rendering. It does not know tags or caching.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    error::Error as _,
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use minijinja::{
    AutoEscape, Environment, ErrorKind as ErrorOfEngine, State, UndefinedBehavior,
    value::{Kwargs, Serde, Value},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use super::{
    fragment::Fragment,
    links,
    loader::{load, without_mark, without_marks},
    replaced,
    routes::{self, URL_FOR},
    shallow::{Shallow, TOO_DEEP},
    site_settings::{Configure, SiteSettings},
    syntax::{self, Replaced},
    translated::{self, Translating},
    watch::Watch,
};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::{digest::ContentDigest, media_type},
    files::{assets::Assets, path::NOT_IN_PATH, source::Files, urls::Urls},
    translations::{Catalogue, Catalogues},
};

/// The templates of one moment.
pub(crate) struct Templates {
    files: Arc<Files>,
    environment: Environment<'static>,
    /// The names of those that the site added in code.
    added: BTreeSet<String>,
    configure: Vec<Configure>,
    replaced: OnceLock<Replaced>,
    /// Where one block of a page is all that is rendered.
    fragment: Option<Fragment>,
}

impl Templates {
    pub(crate) fn new(
        files: Files,
        assets: Arc<Assets>,
        settings: &Arc<SiteSettings>,
        catalogues: Option<&Arc<Catalogues>>,
    ) -> Self {
        let files = Arc::new(files);
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(auto_escape);
        environment.set_recursion_limit(DEEPEST);
        // A name is that of a template as it stands, unless the site says otherwise.
        environment.set_path_join_callback(|name, _parent| name.into());
        for configure in &settings.configure {
            configure(&mut environment);
        }
        without_marks(&mut environment);
        let added = environment.templates().map(|(name, _)| name.to_owned()).collect();
        let sources = files.clone();
        environment.set_loader(move |name| load(&sources, name));
        let urls = urls(&assets, settings);
        settings.images.add_functions(&mut environment, &assets, &urls);
        environment.add_function(syntax::STATIC, move |state: &State<'_, '_>, name: &str| {
            link(state, (urls.of_file)(state.name(), name))
        });
        environment.add_function("url", |state: &State<'_, '_>, path: &str| {
            let within = SCRIPT_ROOT.with_borrow(|root| links::within(root, path));
            let within =
                within.ok_or_else(|| minijinja::Error::new(ErrorOfEngine::InvalidOperation, leads_away(path)))?;
            Ok::<_, minijinja::Error>(link(state, links::encoded(&within)))
        });
        let origin = settings.public_origin.clone();
        environment.add_function(ABSOLUTE_URL, move |state: &State<'_, '_>, path: &str| {
            absolute_url(origin.as_deref(), path).map(|url| link(state, url))
        });
        add_url_for(&mut environment, settings);
        translated::add_functions(&mut environment, catalogues);
        let (configure, replaced) = (settings.configure.clone(), OnceLock::new());
        Self { files, environment, added, configure, replaced, fragment: None }
    }

    /// What the site has put in the place of the engine's own.
    pub(crate) fn replaced(&self) -> &Replaced {
        self.replaced.get_or_init(|| replaced::of(&self.configure))
    }

    /// Whether one of these is a function, filter or test of the site's own.
    pub(crate) fn has_own<'a>(&self, names: impl Iterator<Item = &'a str>) -> bool {
        replaced::has_own(&self.configure, names)
    }

    /// The same templates, of which one block is rendered.
    pub(crate) fn with_fragment(&self, fragment: Fragment) -> Self {
        let (files, configure, replaced) = (self.files.clone(), self.configure.clone(), self.replaced.clone());
        let environment = fragment.environment(&self.environment, &files);
        let added = self.added.iter().filter(|name| fragment.source(name).is_none()).cloned().collect();
        Self { files, environment, added, configure, replaced, fragment: Some(fragment) }
    }

    /// The block that is rendered, where it is not the whole page.
    pub(crate) fn fragment(&self) -> Option<&Fragment> {
        self.fragment.as_ref()
    }

    /// The digest of the file of a template.
    pub(crate) fn digest(&self, name: &str) -> Option<ContentDigest> {
        self.files.get(name).map(|file| file.digest)
    }

    /// Whether the source of a template is that of its file; what the site adds in code has none, or another.
    pub(crate) fn is_of_file(&self, name: &str, source: &str) -> bool {
        self.fragment().is_some_and(|fragment| fragment.source(name).is_some())
            || self.files.get(name).is_some_and(|file| without_mark(&file.bytes) == source.as_bytes())
    }

    /// The names of the templates that the site added in code.
    pub(crate) fn added(&self) -> &BTreeSet<String> {
        &self.added
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn environment(&self) -> &Environment<'static> {
        &self.environment
    }

    /// Whether the engine fails where a template shows what is not there.
    pub(crate) fn is_strict(&self) -> bool {
        matches!(self.environment.undefined_behavior(), UndefinedBehavior::Strict | UndefinedBehavior::SemiStrict)
    }

    /// Renders a template.
    pub(crate) fn render(&self, name: &str, arguments: &impl Serialize, place: &Place) -> Result<Bytes> {
        self.render_value(name, value_of(name, arguments)?, place, None)
    }

    /// The same, unless more than what `watch` covers is looked at: then nothing of it is given.
    pub(crate) fn render_watched(
        &self,
        name: &str,
        arguments: &impl Serialize,
        place: &Place,
        watch: Option<Watch>,
    ) -> Result<Watched> {
        let arguments = value_of(name, arguments)?;
        let Some(watch) = watch else {
            return Ok(Watched::Covered(self.render_value(name, arguments, place, None)?));
        };
        let page = self.render_value(name, watch.arguments(arguments.clone()), place, Some(watch.clone()));
        match watch.found() {
            None => Ok(Watched::Covered(page?)),
            // Once more as it would be without a watch: its arguments are not of the types that a function may ask for.
            Some(found) => Ok(Watched::Beyond(found.to_owned(), self.render_value(name, arguments, place, None)?)),
        }
    }

    fn render_value(&self, name: &str, arguments: Value, place: &Place, watch: Option<Watch>) -> Result<Bytes> {
        let _mounted = Mounted::at(&place.script_root, watch);
        let _translating = Translating::into(place.catalogue.clone());
        let template = self.environment.get_template(name).map_err(|error| failed(name, error))?;
        let page = match self.fragment() {
            None => template.render(arguments),
            Some(fragment) => fragment.render(&template, arguments),
        };
        Ok(page.map_err(|error| failed(name, error))?.into())
    }
}

/// What of a request a page is rendered for, besides its arguments.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The prefix under which the site is mounted.
    pub(crate) script_root: String,
    /// Of the language of the page, where the site has translations.
    pub(crate) catalogue: Option<Arc<Catalogue>>,
}

/// The arguments as the engine takes them.
pub(crate) fn value_of(name: &str, arguments: &impl Serialize) -> Result<Value> {
    let is_too_deep = Cell::new(false);
    let value = Value::from(Serde(Shallow::new(arguments, MOST_LEVELS, &is_too_deep)));
    if is_too_deep.get() {
        let reason = format!("its {TOO_DEEP}: at most {MOST_LEVELS} levels, which a thread's stack is enough for");
        return Err(failed(name, minijinja::Error::new(ErrorOfEngine::BadSerialization, reason)));
    }
    Ok(value)
}

/// How deep arguments may lie within one another. JSON that is read has at most 128 levels; without optimisation two
/// megabytes of stack end at some hundreds.
const MOST_LEVELS: usize = 250;

/// A page, and whether all that it was made from is covered by its tag.
pub(crate) enum Watched {
    Covered(Bytes),
    /// What was looked at besides.
    Beyond(String, Bytes),
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").field("files", &self.files).finish_non_exhaustive()
    }
}

/// How far templates, macros and loops may go within one another. Each takes stack, and without optimisation so much that
/// a thread's two megabytes end before the engine's own limit does.
const DEEPEST: usize = if cfg!(debug_assertions) { 250 } else { 500 };

/// Escaping by the type that a template's output is sent as: whatever a browser may read as markup is escaped as HTML.
fn auto_escape(name: &str) -> AutoEscape {
    match media_type::of_template(name) {
        html if media_type::is_markup(&html) => AutoEscape::Html,
        json if json.contains("json") => AutoEscape::Json,
        _ => AutoEscape::None,
    }
}

/// An error of the engine, as one of ours that names the template and the line where it happened.
pub(crate) fn failed(name: &str, error: minijinja::Error) -> Error {
    let at = innermost(name, &error);
    Error::in_template(ErrorKind::Template, "a template could not be rendered", at, error)
}

/// Where an error happened: the template and the line, and not those of what included them.
pub(crate) fn innermost(name: &str, mut error: &minijinja::Error) -> (String, Option<usize>) {
    while let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<minijinja::Error>()) {
        error = cause;
    }
    (error.name().unwrap_or(name).to_owned(), error.line())
}

/// How the functions of templates make URLs.
fn urls(assets: &Arc<Assets>, settings: &Arc<SiteSettings>) -> Urls {
    let (assets, settings) = (assets.clone(), settings.clone());
    let of_file = move |template: &str, text: &str| static_url(&assets, &settings, template, text);
    Urls { of_file: Arc::new(of_file), of_path: site_url }
}

/// The URL of the static file that a text names, fingerprinted, or plain where there is no such file. A query or fragment
/// behind the name stays behind the URL; a query of another's invention (`?v=2`) for which an image would be refused does not.
fn static_url(assets: &Assets, settings: &SiteSettings, template: &str, text: &str) -> String {
    WATCH.with_borrow(|watch| watch.iter().for_each(|watch| watch.file(text)));
    let (name, rest) = assets.named(text);
    let fingerprinted = assets.fingerprinted(name);
    if fingerprinted.is_none() {
        settings.report_missing(template, None, name);
    }
    let (query, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
    let is_refused = settings.images.refuses(assets, name, query);
    if is_refused && settings.is_news(template, text) {
        tracing::warn!(template, file = name, query, "static() leaves out a query that an image has no parameters for");
    }
    let rest = if is_refused { fragment } else { rest };
    let path = utf8_percent_encode(fingerprinted.as_deref().unwrap_or(name), SAFE_PATH);
    let rest = utf8_percent_encode(rest, SAFE_REST);
    SCRIPT_ROOT.with_borrow(|root| format!("{root}{}/{path}{rest}", settings.static_prefix))
}

/// A link that is encoded. Without a character that means something in HTML it needs no escaping. In JSON none means
/// something, and the quotation marks around it are the template's.
fn link(state: &State<'_, '_>, link: String) -> Value {
    let is_safe = matches!(state.auto_escape(), AutoEscape::Json) || !link.contains(['&', '\'']);
    if is_safe { Value::from_safe_string(link) } else { Value::from(link) }
}

/// The function that makes absolute URLs: pages that name it depend on the public origin.
pub(crate) const ABSOLUTE_URL: &str = "absolute_url";

fn absolute_url(origin: Option<&str>, path: &str) -> Result<String, minijinja::Error> {
    let failed = |message| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, message);
    let unknown =
        || failed("absolute_url() needs the site's address: ContentManager::with_public_origin tells it".into());
    let origin = origin.ok_or_else(unknown)?;
    let url = SCRIPT_ROOT.with_borrow(|root| links::absolute(origin, root, path));
    let shown = || failed(format!("absolute_url() takes a path of the site, and not {}", links::shown(path)));
    url.ok_or_else(shown)
}

/// The URL of a path of the site, which has the prefix under which it is mounted already or not.
fn site_url(path: &str) -> Result<String, String> {
    SCRIPT_ROOT.with_borrow(|root| links::absolute("", root, path)).ok_or_else(|| leads_away(path))
}

/// Where the site has named its routes, and has no function of this name of its own otherwise.
fn add_url_for(environment: &mut Environment<'static>, settings: &SiteSettings) {
    if settings.routes.is_empty() {
        return;
    }
    let known = settings.routes.clone();
    environment.add_function(URL_FOR, move |state: &State<'_, '_>, name: &str, values: Kwargs| {
        let url = routes::url_for(&known, name, &values)?;
        let url = SCRIPT_ROOT.with_borrow(|root| format!("{root}{url}"));
        Ok::<_, minijinja::Error>(link(state, links::encoded(&url)))
    });
}

fn leads_away(path: &str) -> String {
    let shown = links::shown(path);
    format!("url() makes links within the site, and {shown} leads off it: write such a link as it is")
}

/// What may stand in a path and means nothing in HTML: such a URL needs no escaping and goes out as a safe string.
const SAFE_PATH: &AsciiSet = &SAFE_PREFIX.add(b'%');

/// The same for a prefix, which is encoded already where it needs to be.
const SAFE_PREFIX: &AsciiSet = &NOT_IN_PATH.add(b'&').add(b'\'');

/// The same for a query and a fragment, which are written as URLs have them. An ampersand has its meaning there.
#[rustfmt::skip]
const SAFE_REST: &AsciiSet = &CONTROLS
    .add(b' ').add(b'"').add(b'\'').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

thread_local! {
    /// NOTE: the engine's functions see no more than the arguments they are called with, and macros see not even the
    /// page's arguments. A render is synchronous and stays on its thread, so the mount prefix waits here for it.
    static SCRIPT_ROOT: RefCell<String> = const { RefCell::new(String::new()) };
    /// What is told of the static files whose URLs are made.
    static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// While it lives, links of this thread carry a prefix, and are watched.
struct Mounted {
    before: (String, Option<Watch>),
}

impl Mounted {
    fn at(script_root: &str, watch: Option<Watch>) -> Self {
        let prefix = utf8_percent_encode(script_root, SAFE_PREFIX).to_string();
        Self { before: (SCRIPT_ROOT.replace(prefix), WATCH.replace(watch)) }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let (prefix, watch) = std::mem::take(&mut self.before);
        SCRIPT_ROOT.set(prefix);
        WATCH.set(watch);
    }
}
