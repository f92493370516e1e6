//! Lists the cache tags of a release, and the sources of each page, so that a deployment can compare two releases. It does not
//! purge.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ContentManager;
use crate::{
    fields::{
        cache_tags::OF_CODE,
        digest::{PartDigest, hex},
    },
    files::path::AssetPath,
    pages::{build_id::build_id, explain::Parts},
};

/// The closures of a release: by which cache tags its pages and files are found at the edge, and what each is made from. It is
/// JSON, so that the one of the release that was can be kept until the next is deployed.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Embedded, diagnostics::EdgeManifest};
///
/// const OLD: Embedded = Embedded::new(&[("base.html", b"<p>"), ("a.html", b"{% include 'base.html' %}"), ("b.html", b"b")]);
/// const NEW: Embedded = Embedded::new(&[("base.html", b"<h1>"), ("a.html", b"{% include 'base.html' %}"), ("b.html", b"b")]);
/// let manifest = |templates: Embedded| -> Result<EdgeManifest, chalice_http_toolkit::Error> {
///     Ok(ContentManager::new(templates, Embedded::new(&[]))?.with_build_id("1").edge_manifest())
/// };
/// let json = serde_json::to_string(&manifest(OLD)?).unwrap();
/// let old: EdgeManifest = serde_json::from_str(&json).unwrap();
/// let gone = old.gone(&manifest(NEW)?);
/// let mut names: Vec<&str> = gone.iter().flat_map(|gone| &gone.names).map(String::as_str).collect();
/// names.sort();
/// assert_eq!(names, ["pages that may be made from anything", "template a.html", "template base.html"]);
/// assert!(gone.iter().any(|gone| gone.changes == ["template base.html"] && gone.tag.starts_with("closure:")));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct EdgeManifest {
    /// What stands for the site's code.
    build: String,
    /// The tag of pages that may be made from anything.
    whole: String,
    /// By the kind and the name: `template index.html`, `static file a.css`.
    closures: BTreeMap<String, ClosureEntry>,
}

/// The cache tag of a template or file, and the digests of the parts that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
struct ClosureEntry {
    tag: String,
    parts: BTreeMap<String, String>,
}

/// A cache tag of the release that was, which the next one has no more.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::diagnostics::{EdgeManifest, GoneTag};
///
/// let (old, new) = (EdgeManifest::default(), EdgeManifest::default());
/// let gone: Vec<GoneTag> = old.gone(&new);
/// assert_eq!(gone, []);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GoneTag {
    /// The tag.
    pub tag: String,
    /// What had it: `template index.html`, `static file a.css`, `what the site's code makes`.
    pub names: Vec<String>,
    /// What of it has changed: `template base.html`, `the build id`.
    pub changes: Vec<String>,
}

impl ContentManager {
    /// The closures of all templates and static files, for the copies that a deployment has to drop:
    /// [`App::with_edge_manifest`](crate::App) hands it out.
    ///
    /// The build id is in the tag of each page, and by default it changes with each build of the program. So each deployment of
    /// a new program drops every page. A deployment that changes templates or files alone drops those that use them if the
    /// program stays the same (templates and files that lie beside it), or if the site says which build it is:
    /// [`with_build_id`](Self::with_build_id) has to change whenever the code makes another page of the same data.
    pub fn edge_manifest(&self) -> EdgeManifest {
        let snapshot = self.snapshot();
        let mut closures = BTreeMap::new();
        for name in snapshot.templates.names() {
            for closure in snapshot.closures(&name) {
                let made =
                    ClosureEntry { tag: snapshot.cache_tag(&closure).to_string(), parts: short(closure.parts()) };
                let language = if closure.is_translated { format!(" in {}", closure.language) } else { String::new() };
                closures.insert(format!("template {name}{language}"), made);
            }
        }
        for name in snapshot.assets.files().names("") {
            let path = AssetPath::from_name(name).ok();
            if let Some(tag) = path.and_then(|path| snapshot.cache_tag_of_file(&path)) {
                let tag = tag.to_string();
                let parts = BTreeMap::from([(format!("static file {name}"), tag.clone())]);
                closures.insert(format!("static file {name}"), ClosureEntry { tag, parts });
            }
        }
        let build = build_id(self.setup.settings.build_id.as_deref()).to_owned();
        EdgeManifest { build, whole: snapshot.site_tag().to_string(), closures }
    }
}

impl EdgeManifest {
    /// The tags that the next release has no more, each with what had it and what has changed.
    pub fn gone(&self, next: &Self) -> Vec<GoneTag> {
        let kept: BTreeSet<&String> = next.closures.values().map(|made| &made.tag).collect();
        let mut gone: BTreeMap<&str, (Vec<String>, BTreeSet<String>)> = BTreeMap::new();
        let made = self.closures.iter().filter(|(_, made)| !kept.contains(&made.tag));
        for (name, made) in made {
            let (names, changes) = gone.entry(&made.tag).or_default();
            names.push(name.clone());
            changes.extend(next.closures.get(name).map_or_else(|| vec![name.clone()], |next| made.changes(next)));
        }
        if self.build != next.build {
            let (names, changes) = gone.entry(OF_CODE).or_default();
            names.push("what the site's code makes".to_owned());
            changes.insert("the build id".to_owned());
        }
        if self.whole != next.whole && !self.whole.is_empty() {
            let (names, changes) = gone.entry(&self.whole).or_default();
            names.push("pages that may be made from anything".to_owned());
            changes.insert("anything".to_owned());
        }
        let gone = gone.into_iter().map(|(tag, (names, changes))| GoneTag {
            tag: tag.to_owned(),
            names,
            changes: changes.into_iter().collect(),
        });
        gone.collect()
    }
}

impl ClosureEntry {
    /// The parts that differ, or that one of the two alone has.
    fn changes(&self, next: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.parts.keys().chain(next.parts.keys()).collect();
        let changes: Vec<String> =
            names.into_iter().filter(|name| self.parts.get(*name) != next.parts.get(*name)).cloned().collect();
        if changes.is_empty() { vec!["how it is made".to_owned()] } else { changes }
    }
}

/// Enough of each digest to tell it from another.
fn short(parts: &Parts) -> BTreeMap<String, String> {
    let digest =
        |digest: &Option<PartDigest>| digest.as_ref().map(|digest| hex(&digest.as_bytes()[..8])).unwrap_or_default();
    parts.iter().map(|(name, part)| (name.clone(), digest(part))).collect()
}
