//! Templates and static files as they are at one moment. A page and its tag always come from the same snapshot; in
//! development a changed folder makes a new one. It does not know requests.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{CONTROLS, utf8_percent_encode};
use serde::Serialize;

use super::{
    assets::Assets,
    explain::{Explanation, History},
    images, media_type,
    page_tag::{Closure, Closures, PageTag, Site},
    provenance::Provenance,
    source::Located,
    templates::{Settings, Templates},
};
use crate::{
    CacheControl, EntityTag, Representation,
    error::{BoxError, Error, ErrorKind, Result},
};

/// How a site is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) templates: Located,
    pub(crate) files: Located,
    pub(crate) settings: Arc<Settings>,
    pub(crate) reload: bool,
    /// In development, what the pages that were sent have been made from.
    pub(crate) history: Option<History>,
    pub(crate) provenance: Arc<Provenance>,
}

/// The content of one moment: a page and its tag are always made from the same one.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) templates: Templates,
    pub(crate) assets: Arc<Assets>,
    closures: Closures,
    settings: Arc<Settings>,
}

/// A page that is asked for: its template, where the site is mounted, and in development what the client has.
pub(crate) struct Asked<'a> {
    pub(crate) name: &'a str,
    pub(crate) script_root: &'a str,
    pub(crate) development: Option<(&'a History, &'a HeaderMap)>,
}

impl Setup {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let assets = Arc::new(Assets::new(self.files.files()));
        let templates = Templates::new(self.templates.files(), assets.clone(), &self.settings);
        Snapshot { templates, assets, closures: Closures::default(), settings: self.settings.clone() }
    }

    pub(crate) fn is_unchanged(&self, snapshot: &Snapshot) -> bool {
        self.templates.is_unchanged(snapshot.templates.files()) && self.files.is_unchanged(snapshot.assets.files())
    }
}

impl Snapshot {
    pub(crate) fn closure(&self, name: &str) -> Arc<Closure> {
        let site = Site { templates: &self.templates, assets: &self.assets, settings: &self.settings };
        self.closures.get(site, name)
    }

    pub(crate) fn page(
        self: Arc<Self>,
        asked: &Asked<'_>,
        arguments: impl Serialize + Send + 'static,
    ) -> Result<Representation> {
        let content_type = media_type::of_template(asked.name);
        let closure = self.closure(asked.name);
        let tag = closure.tag(&arguments, asked.script_root);
        if let PageTag::Render(reason) = &tag {
            let body = self.templates.render(asked.name, &arguments, asked.script_root)?;
            let page = tagged(&content_type, body).with_inline(closure.inline.clone());
            return Ok(asked.because(page, &format!("rendered to know its tag: {reason}")));
        }
        let missed = asked.missed(&tag, || closure.explain(&arguments, asked.script_root));
        let (name, script_root) = (asked.name.to_owned(), asked.script_root.to_owned());
        let inline = closure.inline.clone();
        let render = move || self.templates.render(&name, &arguments, &script_root);
        let body = async move { if closure.shows_images { images::render(render).await } else { render() } };
        let page = Representation::lazy(&content_type, body).with_inline(inline);
        Ok(asked.explained(asked.tagged(page, tag), missed))
    }

    /// A page whose tag a key decides, and whose arguments are loaded when it is rendered.
    pub(crate) fn page_by_key<T, E, LoadFuture>(
        self: Arc<Self>,
        asked: &Asked<'_>,
        key: &impl Serialize,
        load: impl FnOnce() -> LoadFuture + Send + 'static,
    ) -> Representation
    where
        T: Serialize + Send,
        E: Into<BoxError>,
        LoadFuture: Future<Output = Result<T, E>> + Send,
    {
        let content_type = media_type::of_template(asked.name);
        let closure = self.closure(asked.name);
        let tag = closure.tag_by_key(key, asked.script_root);
        let missed = asked.missed(&tag, || closure.explain_by_key(key, asked.script_root));
        let (name, script_root) = (asked.name.to_owned(), asked.script_root.to_owned());
        let body = async move {
            let failed =
                |error: E| Error::caused(ErrorKind::Handler, "the arguments of a page could not be loaded", error);
            let arguments = load().await.map_err(failed)?;
            self.templates.render(&name, &arguments, &script_root)
        };
        let page = Representation::lazy(&content_type, body).with_inline(closure.inline.clone());
        asked.explained(asked.tagged(page, tag), missed)
    }
}

impl Asked<'_> {
    /// A page that is rendered only if it is needed: with the tag that is known, or with none.
    fn tagged(&self, page: Representation, tag: PageTag) -> Representation {
        match tag {
            PageTag::Tag(tag) => page.with_entity_tag(tag),
            PageTag::Render(reason) => self.because(page, &format!("no tag: {reason}")),
            PageTag::Volatile(reason) => {
                self.because(page, &format!("no tag: {reason}")).with_cache_control(CacheControl::no_store())
            }
        }
    }

    /// Why the client's copy will not do, where it has one of another tag.
    fn missed(&self, tag: &PageTag, explain: impl FnOnce() -> Explanation) -> Option<String> {
        let ((history, headers), PageTag::Tag(tag)) = (self.development?, tag) else { return None };
        let explanation = explain();
        let reason = history.why(headers, tag, &explanation);
        history.remember(tag, explanation);
        reason
    }

    fn explained(&self, page: Representation, missed: Option<String>) -> Representation {
        match missed {
            Some(missed) => self.because(page, &missed),
            None => page,
        }
    }

    /// Says why a page costs what it does: in the log, and in development to whoever looks at the response.
    fn because(&self, page: Representation, reason: &str) -> Representation {
        tracing::debug!(template = self.name, reason, "why a page is rendered");
        match HeaderValue::from_str(&utf8_percent_encode(reason, CONTROLS).to_string()) {
            Ok(value) if self.development.is_some() => page.with_header(REASON, value),
            _ => page,
        }
    }
}

/// Tells a developer why a page was rendered although the client had a copy, or why it has no tag.
const REASON: HeaderName = HeaderName::from_static("x-etag-reason");

/// A representation of these bytes, tagged by them.
pub(crate) fn tagged(content_type: &str, body: Bytes) -> Representation {
    let tag = EntityTag::of(&body);
    Representation::new(content_type, body).with_entity_tag(tag)
}
