//! Computes the cache tags of pages and static files from everything that they are made from. It does not send them.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::snapshot::Snapshot;
use crate::{
    fields::{
        cache_tags,
        digest::{ClosureDigest, update_framed},
    },
    files::path::AssetPath,
    pages::{build_id::build_id, page_tag::Closure},
};

impl Snapshot {
    /// The cache tag of a page with this closure. A block has the tag of its page. A page whose sources are not all known has
    /// the tag of the whole site.
    pub(crate) fn cache_tag(&self, closure: &Closure) -> Arc<str> {
        let page = self.page.get(&closure.language).map_or(closure, Arc::as_ref);
        if closure.is_known() && page.is_known() { page.cache_tag.clone() } else { self.site_tag() }
    }

    /// The cache tag that changes with any template, static file or setting.
    pub(crate) fn site_tag(&self) -> Arc<str> {
        self.site_tag.get_or_init(|| self.hash_site()).clone()
    }

    fn hash_site(&self) -> Arc<str> {
        let mut hash = Sha256::new_with_prefix(env!("CARGO_PKG_VERSION"));
        let settings = &self.settings;
        let texts = [build_id(settings.build_id.as_deref()), &settings.static_prefix, &self.settings_of_images()];
        let origin = settings.public_origin.as_deref().unwrap_or_default();
        let mut feed = |part: &[u8]| update_framed(&mut hash, part);
        texts.iter().chain([&origin]).for_each(|text| feed(text.as_bytes()));
        for files in [self.templates.files(), self.assets.files()] {
            for name in files.names("") {
                feed(name.as_bytes());
                feed(files.get(name).map_or(&[], |content| content.digest.as_ref()));
            }
            feed(&[]);
        }
        for catalogue in self.catalogues.iter().flat_map(|catalogues| catalogues.all()) {
            feed(catalogue.language().as_bytes());
            feed(catalogue.digest().as_ref());
        }
        cache_tags::of_closure(&ClosureDigest::finish(hash))
    }

    /// The tag of a static file: of its bytes in all forms, and of what its variants are made by where it is an image.
    pub(crate) fn cache_tag_of_file(&self, path: &AssetPath) -> Option<Arc<str>> {
        // The parameters of an image may stand behind its name.
        let image = || self.assets.find(&AssetPath::from_name(path.as_str().rsplit_once('/')?.0).ok()?);
        let name = self.assets.find(path).or_else(image)?.name;
        self.cache_tag_of(&name)
    }

    /// The same for a file's own name.
    fn cache_tag_of(&self, name: &str) -> Option<Arc<str>> {
        let mut hash = Sha256::new_with_prefix(self.assets.fingerprinted(name)?);
        if self.settings.images.converts(&self.assets, name) {
            hash.update(self.settings_of_images());
        }
        Some(cache_tags::of_closure(&ClosureDigest::finish(hash)))
    }

    fn settings_of_images(&self) -> String {
        self.settings.images.description(&self.assets, std::iter::empty())
    }
}
