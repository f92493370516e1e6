//! Templates and static files as they are at one moment. A page and its tag always come from the same snapshot; in
//! development a changed folder makes a new one. It does not know requests.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::{
    assets::Assets,
    media_type,
    page_tag::{Closures, PageTag},
    source::Located,
    templates::{Settings, Templates},
};
use crate::{CacheControl, EntityTag, Representation, error::Result};

/// How a site is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) templates: Located,
    pub(crate) files: Located,
    pub(crate) settings: Arc<Settings>,
    pub(crate) reload: bool,
}

/// The content of one moment: a page and its tag are always made from the same one.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) templates: Templates,
    pub(crate) assets: Arc<Assets>,
    closures: Closures,
}

impl Setup {
    pub(crate) fn snapshot(&self) -> Snapshot {
        let assets = Arc::new(Assets::new(self.files.files()));
        let templates = Templates::new(self.templates.files(), assets.clone(), &self.settings);
        Snapshot { templates, assets, closures: Closures::default() }
    }

    pub(crate) fn is_unchanged(&self, snapshot: &Snapshot) -> bool {
        self.templates.is_unchanged(snapshot.templates.files()) && self.files.is_unchanged(snapshot.assets.files())
    }
}

impl Snapshot {
    pub(crate) fn page<T>(
        self: Arc<Self>,
        settings: &Settings,
        name: String,
        arguments: T,
        script_root: String,
    ) -> Result<Representation>
    where
        T: Serialize + Send + 'static,
    {
        let content_type = media_type::of_template(&name);
        let page = (name.as_str(), &arguments, script_root.as_str());
        match self.closures.tag(&self.templates, &self.assets, settings, page) {
            PageTag::Render(reason) => {
                tracing::debug!(template = name, reason, "a page is rendered to know its tag");
                let body = self.templates.render(&name, &arguments, &script_root)?;
                Ok(tagged(&content_type, body))
            }
            PageTag::Volatile(reason) => {
                tracing::debug!(template = name, reason, "a page has no tag");
                let body = async move { self.templates.render(&name, &arguments, &script_root) };
                Ok(Representation::lazy(&content_type, body).with_cache_control(CacheControl::no_store()))
            }
            PageTag::Tag(tag) => {
                let body = async move { self.templates.render(&name, &arguments, &script_root) };
                Ok(Representation::lazy(&content_type, body).with_entity_tag(tag))
            }
        }
    }
}

/// A representation of these bytes, tagged by them.
pub(crate) fn tagged(content_type: &str, body: Bytes) -> Representation {
    let tag = EntityTag::of(&body);
    Representation::new(content_type, body).with_entity_tag(tag)
}
