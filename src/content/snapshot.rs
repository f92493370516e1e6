//! Templates and static files as they are at one moment. A page and its tag always come from the same snapshot; in
//! development a changed folder makes a new one. It does not know requests.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde::Serialize;

use super::context::Context;
use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    fields::{cache_control::CacheControl, cache_tags::ClosureTag, entity_tag::EntityTag, media_type},
    files::{
        assets::Assets,
        provenance::Provenance,
        source::{FileFilter, ResolvedSource},
    },
    images, notes,
    pages::{
        chain::Chain,
        closure::Site,
        explain::{Explanation, History},
        graph::{Graph, PageNote},
        page_tag::{Closure, Closures, PageTag},
        reads::Reads,
        site_settings::SiteSettings,
        templates::{Place, Templates, Watched},
    },
    representation::{MadeBody, Representation, Selection},
    translations::{Catalogue, Catalogues, LocatedTranslations},
};

/// By this name the closures of a site without translations are kept.
const NO_LANGUAGE: &str = "";

/// The settings of a site.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) templates: ResolvedSource,
    pub(crate) files: ResolvedSource,
    pub(crate) settings: Arc<SiteSettings>,
    pub(crate) reload: bool,
    /// In development: what recent tags covered, to explain why a page was rendered again.
    pub(crate) history: Option<History>,
    pub(crate) provenance: Arc<Provenance>,
    /// The arguments that every page may have.
    pub(super) context: Context,
    pub(super) translations: Option<LocatedTranslations>,
}

/// Templates and static files as they were when they were read. A page and its tag always come from the same snapshot.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) templates: Templates,
    pub(crate) assets: Arc<Assets>,
    /// By language; without translations, of none.
    closures: BTreeMap<String, Closures>,
    pub(crate) settings: Arc<SiteSettings>,
    /// By template and block: snapshots in which the template consists of that block alone.
    fragments: RwLock<HashMap<(String, String), Arc<Self>>>,
    /// In the snapshot of a block: the closure of its page, by language.
    pub(crate) page: BTreeMap<String, Arc<Closure>>,
    /// What is translated, where the site has translations.
    pub(crate) catalogues: Option<Arc<Catalogues>>,
    /// The cache tag of pages whose sources are not known: it covers all templates and files.
    pub(crate) site_tag: OnceLock<Arc<str>>,
}

/// The request for a page: its template, the mount prefix, and in development the fields that tell which copy the client has.
pub(crate) struct PageRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) script_root: &'a str,
    pub(crate) development: Option<(&'a History, &'a HeaderMap)>,
    /// Of the language that the page is in, if it shows translations, and whether Accept-Language has chosen it.
    pub(crate) catalogue: Option<Arc<Catalogue>>,
    pub(crate) is_negotiated: bool,
}

impl Setup {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let assets = Arc::new(Assets::new(self.files.files(FileFilter::Visible)));
        let catalogues = self.translations.as_ref().map(|translations| Arc::new(translations.catalogues()));
        let files = self.templates.files(FileFilter::All);
        let templates = Templates::new(files, assets.clone(), &self.settings, catalogues.as_ref());
        Snapshot::new(templates, assets, self.settings.clone(), catalogues)
    }

    pub(crate) fn is_unchanged(&self, snapshot: &Snapshot) -> bool {
        let are_translations = || match (&self.translations, &snapshot.catalogues) {
            (Some(translations), Some(catalogues)) => translations.source.is_unchanged(&catalogues.files),
            _ => true,
        };
        self.templates.is_unchanged(snapshot.templates.files())
            && self.files.is_unchanged(snapshot.assets.files())
            && are_translations()
    }
}

impl Snapshot {
    fn new(
        templates: Templates,
        assets: Arc<Assets>,
        settings: Arc<SiteSettings>,
        catalogues: Option<Arc<Catalogues>>,
    ) -> Self {
        let languages = catalogues.iter().flat_map(|catalogues| catalogues.names()).chain([NO_LANGUAGE]);
        let closures = languages.map(|language| (language.to_owned(), Closures::default())).collect();
        let (fragments, page) = (RwLock::default(), BTreeMap::new());
        Self { templates, assets, closures, settings, fragments, page, catalogues, site_tag: OnceLock::new() }
    }

    /// The content for one block of a page.
    pub(crate) fn fragment(&self, name: &str, block: &str) -> Result<Arc<Self>> {
        let key = (name.to_owned(), block.to_owned());
        if let Some(known) = self.fragments.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let chain = Chain::of(&self.templates, name)?;
        let blocks = chain.blocks();
        // SECURITY: a name that came from a stranger is kept only if it is one of the site's.
        if !blocks.contains(block) {
            let known = match blocks.into_iter().map(|block| format!("`{block}`")).collect::<Vec<_>>() {
                none if none.is_empty() => "it has none".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            let message = format!("the template `{name}` has no block `{block}`: {known}");
            return Err(Error::new(ErrorKind::BlockNotFound, message));
        }
        let templates = self.templates.with_fragment(chain.fragment(&self.templates, &self.settings, block));
        let (assets, settings) = (self.assets.clone(), self.settings.clone());
        let page = self.closures(name).map(|closure| (closure.language.clone(), closure)).collect();
        let fragment = Arc::new(Self { page, ..Self::new(templates, assets, settings, self.catalogues.clone()) });
        self.fragments.write().unwrap_or_else(PoisonError::into_inner).insert(key, fragment.clone());
        Ok(fragment)
    }

    /// The closure of a page in a language of the site.
    pub(crate) fn closure(&self, name: &str, catalogue: Option<&Catalogue>) -> Arc<Closure> {
        let site = Site { catalogue, ..self.site() };
        match self.closures.get(catalogue.map_or(NO_LANGUAGE, Catalogue::language)) {
            Some(closures) => closures.get(site, name),
            None => Closures::default().get(site, name),
        }
    }

    /// The closures of a page in each language.
    pub(crate) fn closures(&self, name: &str) -> impl Iterator<Item = Arc<Closure>> {
        let catalogues = self.catalogues.iter().flat_map(|catalogues| catalogues.all());
        let none = self.catalogues.is_none().then(|| self.closure(name, None));
        catalogues.map(|catalogue| self.closure(name, Some(catalogue))).chain(none)
    }

    pub(crate) fn site(&self) -> Site<'_> {
        Site {
            templates: &self.templates,
            assets: &self.assets,
            settings: &self.settings,
            catalogues: self.catalogues.as_deref(),
            catalogue: None,
        }
    }

    /// The catalogue of the language that the site's code names, or else of the one that a request does.
    pub(crate) fn catalogue(
        &self,
        language: Option<&str>,
        selection: Option<&Selection<'_>>,
    ) -> (Option<Arc<Catalogue>>, bool) {
        let Some(catalogues) = &self.catalogues else { return (None, false) };
        let (catalogue, is_negotiated) = match (language, selection) {
            (Some(language), _) => (catalogues.of(language), false),
            (None, Some(selection)) => catalogues.chosen(selection.path, selection.headers),
            (None, None) => (catalogues.default(), false),
        };
        (Some(catalogue.clone()), is_negotiated)
    }

    pub(crate) fn page(
        self: Arc<Self>,
        request: &PageRequest<'_>,
        arguments: impl Serialize + Send + 'static,
    ) -> Result<Representation> {
        let content_type = media_type::of_template(request.name);
        let closure = self.closure(request.name, request.catalogue.as_deref());
        let counted = closure.counted(&arguments);
        self.note(request, || closure.explain(&arguments, &counted, request.script_root));
        let tag = closure.tag(&arguments, &counted, request.script_root);
        if let PageTag::Render(reason) = &tag {
            let body = self.templates.render(request.name, &arguments, &request.place())?;
            let page = request.localized(tagged(&content_type, body), &closure).with_inline(closure.inline.clone());
            // An object among the arguments may render any template when it is called or asked.
            let page = page.with_closure(ClosureTag::Known(self.site_tag()));
            return Ok(request.because(page, &format!("rendered to know its tag: {reason}")));
        }
        let change = request.change(&tag, || closure.explain(&arguments, &counted, request.script_root));
        let (inline, cache_tag) = (closure.inline.clone(), self.cache_tag(&closure));
        let watched = closure.watched(&counted).filter(|_| matches!(tag, PageTag::Tag(_)));
        let headers = request.headers(&content_type, &closure);
        let shows_images = closure.shows_images;
        let page_render = self.page_render(request, closure, watched);
        let render = move || page_render.made(&arguments);
        let body = async move { if shows_images { images::render(render).await } else { render() } };
        let page = Representation::making(headers, body).with_inline(inline).with_closure(ClosureTag::Known(cache_tag));
        Ok(request.explained(request.tagged(page, tag), change))
    }

    /// A page whose tag a key decides, and whose arguments are loaded when it is rendered.
    pub(crate) fn page_by_key<T, E, LoadFuture>(
        self: Arc<Self>,
        request: &PageRequest<'_>,
        key: &impl Serialize,
        load: impl FnOnce() -> LoadFuture + Send + 'static,
    ) -> Representation
    where
        T: Serialize + Send,
        E: Into<BoxError>,
        LoadFuture: Future<Output = Result<T, E>> + Send,
    {
        let content_type = media_type::of_template(request.name);
        let closure = self.closure(request.name, request.catalogue.as_deref());
        self.note(request, || closure.explain_by_key(key, request.script_root));
        let tag = closure.tag_by_key(key, request.script_root);
        let change = request.change(&tag, || closure.explain_by_key(key, request.script_root));
        let (inline, cache_tag) = (closure.inline.clone(), self.cache_tag(&closure));
        let watched = closure.watched_by_key().filter(|_| matches!(tag, PageTag::Tag(_)));
        let headers = request.headers(&content_type, &closure);
        let page_render = self.page_render(request, closure, watched);
        let body = async move {
            let failed =
                |error: E| Error::caused(ErrorKind::Handler, "the arguments of a page could not be loaded", error);
            let arguments = load().await.map_err(failed)?;
            page_render.made(&arguments)
        };
        let page = Representation::making(headers, body).with_inline(inline).with_closure(ClosureTag::Known(cache_tag));
        request.explained(request.tagged(page, tag), change)
    }

    /// Notes what a page is made from, for a developer who looks at it.
    fn note(self: &Arc<Self>, request: &PageRequest<'_>, explain: impl FnOnce() -> Explanation) {
        if request.development.is_none() {
            return;
        }
        notes::note(|| {
            let (snapshot, name) = (self.clone(), request.name.to_owned());
            let graph = Arc::new(move || snapshot.graph(&name));
            PageNote { template: request.name.to_owned(), covered: explain(), graph }
        });
    }

    fn graph(&self, name: &str) -> Graph {
        Graph::of(self.site(), name)
    }

    fn page_render(
        self: Arc<Self>,
        request: &PageRequest<'_>,
        closure: Arc<Closure>,
        watched: Option<Reads>,
    ) -> PageRender {
        let (name, place) = (request.name.to_owned(), request.place());
        PageRender { snapshot: self, closure, watched, name, place, shows_reason: request.development.is_some() }
    }
}

/// A page that has a tag and is not rendered yet.
struct PageRender {
    snapshot: Arc<Snapshot>,
    closure: Arc<Closure>,
    /// The arguments that its tag covers, if functions of the site may read more.
    watched: Option<Reads>,
    name: String,
    place: Place,
    /// Whether the response says why it is tagged as it is.
    shows_reason: bool,
}

impl PageRender {
    /// Renders the page. If it read more than its tag covers, its bytes are hashed for a new tag.
    fn made(self, arguments: &impl Serialize) -> Result<MadeBody> {
        let Self { snapshot, closure, watched, name, place, shows_reason } = self;
        let watch = watched.map(|covered| closure.watch(covered));
        let (found, body) = match snapshot.templates.render_watched(&name, arguments, &place, watch)? {
            Watched::Covered(body) => return Ok(MadeBody::Promised(body)),
            Watched::Beyond(found, body) => (found, body),
        };
        let reason = closure.distrust(&name, &found);
        let mut headers = HeaderMap::new();
        headers.extend(HeaderValue::from_str(&EntityTag::of(&body).to_string()).ok().map(|tag| (header::ETAG, tag)));
        if shows_reason {
            headers.extend(reason_value(&format!("rendered to know its tag: {reason}")).map(|reason| (REASON, reason)));
        }
        Ok(MadeBody::Instead { body, headers, closure: Some(snapshot.site_tag()), provisional: false })
    }
}

impl<'a> PageRequest<'a> {
    pub(super) fn of(
        name: &'a str,
        snapshot: &Snapshot,
        language: Option<&str>,
        history: Option<&'a History>,
        selection: &Selection<'a>,
    ) -> Self {
        let development = history.map(|history| (history, selection.headers));
        let (catalogue, is_negotiated) = snapshot.catalogue(language, Some(selection));
        Self { name, script_root: selection.script_root, development, catalogue, is_negotiated }
    }

    fn place(&self) -> Place {
        Place { script_root: self.script_root.to_owned(), catalogue: self.catalogue.clone() }
    }

    /// The fields of a page that is not rendered yet.
    fn headers(&self, content_type: &str, closure: &Closure) -> HeaderMap {
        let mut headers = typed(content_type);
        headers.extend(self.of_language(closure));
        headers
    }

    /// The page with the fields of its language.
    fn localized(&self, page: Representation, closure: &Closure) -> Representation {
        self.of_language(closure).fold(page, |page, (name, value)| page.with_header(name, value))
    }

    /// What a page says of its language (RFC 9110 §8.5), and of how it was chosen (§12.5.5).
    fn of_language(&self, closure: &Closure) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let catalogue = self.catalogue.as_deref().filter(|_| closure.is_translated);
        let language = catalogue.and_then(|catalogue| HeaderValue::from_str(catalogue.language()).ok());
        let vary = catalogue.filter(|_| self.is_negotiated).map(|_| HeaderValue::from_static("accept-language"));
        let fields = [(header::CONTENT_LANGUAGE, language), (header::VARY, vary)];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// Gives a page that is not rendered yet its tag, or says why it has none.
    fn tagged(&self, page: Representation, tag: PageTag) -> Representation {
        match tag {
            PageTag::Tag(tag) => page.with_computed_tag(tag),
            PageTag::Render(reason) => self.because(page, &format!("no tag: {reason}")),
            PageTag::Volatile(reason) => {
                self.because(page, &format!("no tag: {reason}")).with_cache_control(CacheControl::no_store())
            }
        }
    }

    /// The parts that changed since the copy that the client has, in development.
    fn change(&self, tag: &PageTag, explain: impl FnOnce() -> Explanation) -> Option<String> {
        let ((history, headers), PageTag::Tag(tag)) = (self.development?, tag) else { return None };
        let explanation = explain();
        let reason = history.why(headers, tag, &explanation);
        history.remember(tag, explanation);
        reason
    }

    fn explained(&self, page: Representation, change: Option<String>) -> Representation {
        match change {
            Some(change) => self.because(page, &change),
            None => page,
        }
    }

    /// Writes the reason why a page is rendered: into the log, and in development into a response header.
    fn because(&self, page: Representation, reason: &str) -> Representation {
        tracing::debug!(template = self.name, reason, "why a page is rendered");
        match reason_value(reason) {
            Some(value) if self.development.is_some() => page.with_header(REASON, value),
            _ => page,
        }
    }
}

fn reason_value(reason: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&utf8_percent_encode(reason, CONTROLS).to_string()).ok()
}

fn typed(content_type: &str) -> HeaderMap {
    HeaderValue::from_str(content_type).map(|value| (header::CONTENT_TYPE, value)).into_iter().collect()
}

/// The header that tells a developer why a page was rendered although the client had a copy, or why it has no tag.
const REASON: HeaderName = HeaderName::from_static("x-etag-reason");

/// A representation of these bytes, tagged by them.
pub(crate) fn tagged(content_type: &str, body: Bytes) -> Representation {
    let tag = EntityTag::of(&body);
    Representation::new(content_type, body).with_computed_tag(tag)
}
