//! The tag of a page, known without rendering it: a hash over everything that its bytes can depend on. It decides what
//! counts; `syntax` says what a template mentions and `canonical` how arguments are fed.
//!
//! 1. the closure: every template that can take part, with its source, found by following extends, include and import;
//! 2. every static file that they name, by content, and every global that they mention, by value;
//! 3. the crate's version, the application's build id, the prefix of static URLs;
//! 4. per request: the mount prefix, and those parts of the arguments that the closure [reads](super::reads).
//!
//! 1 to 3 are hashed once and kept; 4 is all that a request costs.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use minijinja::value::Value;
use serde::Serialize;

use super::{
    build_id::build_id,
    canonical::{self, Stream, Untaggable},
    closure::{Site, collect, files, look_up, meant, narrow, report_cut, too_many},
    explain::{Explanation, Parts},
    fragment::Fragment,
    lookups::VOLATILE,
    reads::{AnalysisOptions, Counts, Keys, Reads},
    reference::Reference,
    routes,
    syntax::Mentions,
    templates::{ABSOLUTE_URL, Templates},
    translated,
    watch::Watch,
};
use crate::{
    defects::{Defect, is_any_seeded, seeded},
    fields::{
        cache_tags,
        digest::{ClosureDigest, PageDigest, PartDigest, update_framed},
        entity_tag::EntityTag,
    },
    images,
    inline::Inline,
    translations::Catalogue,
};

/// What can be said about a page before it is rendered.
#[derive(Debug, PartialEq)]
pub(crate) enum PageTag {
    /// Equal tags mean equal bytes.
    Tag(EntityTag),
    /// The page has to be rendered, and its bytes tagged; the text says why.
    Render(String),
    /// The page is another at each request; the text names the reason.
    Volatile(String),
}

/// The closures of the templates of one moment, by the name of the template that is rendered.
#[derive(Debug, Default)]
pub(crate) struct Closures(RwLock<HashMap<String, Arc<Closure>>>);

/// All that a page depends on but its arguments and where the site is mounted.
#[derive(Debug)]
pub(crate) struct Closure {
    parts: Parts,
    digest: ClosureDigest,
    /// By which copies at the edge are found again when any of it has changed.
    pub(crate) cache_tag: Arc<str>,
    counts: Counts,
    /// What counts with the keys that there were last.
    keyed: RwLock<Vec<Arc<Keyed>>>,
    /// What its templates mention by name.
    names: Arc<BTreeSet<String>>,
    /// What static files they name.
    files: Arc<BTreeSet<Reference>>,
    /// Whether functions of the site's own may look at more than the templates do.
    is_watched: bool,
    /// What they were seen to look at.
    looked_up: OnceLock<String>,
    verdict: Verdict,
    /// Whether rendering may look at pixels.
    pub(crate) shows_images: bool,
    /// Whether it is in a language: its templates name a function that translates.
    pub(crate) is_translated: bool,
    /// The language that it is for; none where the site has no translations.
    pub(crate) language: String,
    /// What of it is inline, where its templates have anything of that.
    pub(crate) inline: Arc<Inline>,
}

/// What counts of arguments with these keys.
#[derive(Debug)]
pub(crate) struct Keyed {
    keys: Keys,
    reads: Reads,
}

/// So many sets of keys are remembered for a page.
const MOST_KEYED: usize = 16;

#[derive(Debug)]
enum Verdict {
    Taggable,
    Render(String),
    Volatile(String),
}

/// Bumped by whoever changes what is fed into a tag, so that no tag of an older release is taken for one of this.
const VERSION: &str = "3";

impl Closures {
    pub(crate) fn get(&self, site: Site<'_>, name: &str) -> Arc<Closure> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.unwrap_or_else(|| {
            let closure = Arc::new(Closure::of(site, name));
            self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), closure.clone());
            closure
        })
    }
}

impl Closure {
    fn of(site: Site<'_>, name: &str) -> Self {
        let (mut sources, mut mentions, flow) = collect(site, name);
        // Whatever has a global's name may be the global: a function looks at all that it is handed.
        let globals_there = site.templates.environment().globals().map(|(name, _)| name.to_owned()).collect();
        let is_watched = !site.settings.configure.is_empty() && !is_any_seeded();
        let named = std::mem::take(&mut mentions.files);
        let looked_up = look_up(site.settings, &mut mentions);
        let files_looked_up = std::mem::replace(&mut mentions.files, named);
        let options = AnalysisOptions { globals: globals_there, looked_up, is_watched };
        let (counts, cut) = Counts::of(flow, name, &options);
        let fragment = site.templates.fragment();
        // A block that is not rendered alone is rendered outside of what is around it: its names mean something else there.
        let mut counts = if fragment.is_none_or(Fragment::is_alone) { counts } else { Counts::whole() };
        narrow(site, &mut sources, &mut mentions, counts.running.take().as_ref());
        mentions.files.extend(files_looked_up);
        report_cut(name, &cut);
        let mut verdict = verdict(site, &mentions);
        let mut parts = sources;
        if !seeded(Defect::StaticFile) {
            parts.extend(files(site.assets, &mentions));
        }
        match globals(site.templates, &mentions) {
            Ok(_) if seeded(Defect::Global) => {}
            Ok(globals) => parts.extend(globals),
            Err(reason) if matches!(verdict, Verdict::Taggable) => verdict = Verdict::Render(reason),
            Err(_) => {}
        }
        let shows_images = images::FUNCTIONS.iter().any(|name| mentions.names.contains(*name));
        parts.extend(settings(site, name, &mentions, shows_images));
        let mut hash = Stream::new();
        feed_parts(&mut hash, &parts);
        let is_translated = translated::FUNCTIONS.iter().any(|name| mentions.names.contains(*name));
        let inline = Arc::new(Inline { style_attributes: shows_images, ..mentions.inline.inline });
        canonical::hash_reads(&mut hash, &counts.reads);
        counts.keys.iter().for_each(|keys| canonical::hash_reads(&mut hash, keys));
        let (names, files) = (Arc::new(mentions.names), Arc::new(mentions.files));
        let (looked_up, digest) = (OnceLock::new(), ClosureDigest::new(hash.finalize()));
        Self {
            parts,
            digest,
            cache_tag: cache_tags::of_closure(&digest),
            counts,
            keyed: RwLock::default(),
            names,
            files,
            is_watched,
            looked_up,
            verdict,
            shows_images,
            is_translated,
            language: site.catalogue.map(Catalogue::language).unwrap_or_default().to_owned(),
            inline,
        }
    }

    /// What it is made from.
    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Whether its parts are all that the page is made from besides arguments.
    pub(crate) fn is_known(&self) -> bool {
        matches!(self.verdict, Verdict::Taggable) && self.looked_up.get().is_none()
    }

    /// Whether anything of the argument of this name counts.
    pub(crate) fn reads_argument(&self, name: &str) -> bool {
        self.counts.reads.field(name).is_some()
    }

    /// What counts of these arguments.
    pub(crate) fn counted(&self, arguments: &impl Serialize) -> Arc<Keyed> {
        let Counts { reads, keys, .. } = &self.counts;
        let has_keys = keys.is_some();
        let keys = keys.as_ref().map(|keys| canonical::keys(arguments, keys)).unwrap_or_default();
        let known = self.keyed.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.iter().find(|known| known.keys == keys) {
            return known.clone();
        }
        drop(known);
        let reads = if has_keys { reads.with_keys(&keys) } else { reads.clone() };
        let counted = Arc::new(Keyed { reads, keys });
        let mut known = self.keyed.write().unwrap_or_else(PoisonError::into_inner);
        // SECURITY: keys may come from a stranger, who must not fill the memory.
        if known.len() == MOST_KEYED {
            known.remove(0);
        }
        known.push(counted.clone());
        counted
    }

    /// What of the arguments the tag covers, where a function of the site's own may look at more.
    pub(crate) fn watched(&self, counted: &Keyed) -> Option<Reads> {
        self.is_watched.then(|| counted.reads.clone())
    }

    /// The same for a page whose key stands for all arguments.
    pub(crate) fn watched_by_key(&self) -> Option<Reads> {
        self.is_watched.then_some(Reads::Whole)
    }

    /// Watches over what a page with a tag is rendered from.
    pub(crate) fn watch(&self, covered: Reads) -> Watch {
        Watch::new(covered, self.names.clone(), self.files.clone())
    }

    /// From now on the page is rendered to know its tag: what it shows does not come from what the tag covers alone.
    pub(crate) fn distrust(&self, name: &str, found: &str) -> String {
        let reason = format!("a function or filter of the site looked at {found}, which no template names");
        if self.looked_up.set(reason.clone()).is_ok() {
            tracing::warn!(template = name, reason, "pages are rendered to know their tags: see with_lookups");
        }
        reason
    }

    /// The tag of the page with these arguments.
    pub(crate) fn tag(&self, arguments: &impl Serialize, counted: &Keyed, script_root: &str) -> PageTag {
        self.tag_with(script_root, |hash| {
            if self.counts.keys.is_some() {
                feed_keys(hash, &counted.keys);
            }
            canonical::hash_arguments(hash, arguments, &counted.reads)
        })
    }

    /// The tag of the page with whatever arguments this key stands for.
    pub(crate) fn tag_by_key(&self, key: &impl Serialize, script_root: &str) -> PageTag {
        self.tag_with(script_root, |hash| {
            update_framed(hash, b"key");
            canonical::hash_arguments(hash, key, &Reads::Whole)
        })
    }

    fn tag_with(&self, script_root: &str, arguments: impl FnOnce(&mut Stream) -> Result<(), Untaggable>) -> PageTag {
        match &self.verdict {
            Verdict::Taggable => {
                if let Some(reason) = self.looked_up.get() {
                    return PageTag::Render(reason.clone());
                }
            }
            Verdict::Render(reason) => return PageTag::Render(reason.clone()),
            Verdict::Volatile(reason) => return PageTag::Volatile(reason.clone()),
        }
        let mut hash = Stream::new();
        hash.update(self.digest);
        if !seeded(Defect::Mount) {
            update_framed(&mut hash, script_root.as_bytes());
        }
        if seeded(Defect::Argument) {
            return PageTag::Tag(EntityTag::of_digest(&PageDigest::new(hash.finalize())));
        }
        match arguments(&mut hash) {
            Ok(()) => PageTag::Tag(EntityTag::of_digest(&PageDigest::new(hash.finalize()))),
            Err(reason) => PageTag::Render(reason.0),
        }
    }

    /// Everything that the tag of the page covers, part by part.
    pub(crate) fn explain(&self, arguments: &impl Serialize, counted: &Keyed, script_root: &str) -> Explanation {
        self.explain_with(canonical::leaves("args", arguments, &counted.reads), script_root)
    }

    pub(crate) fn explain_by_key(&self, key: &impl Serialize, script_root: &str) -> Explanation {
        self.explain_with(canonical::leaves("the key", key, &Reads::Whole), script_root)
    }

    fn explain_with(&self, leaves: Parts, script_root: &str) -> Explanation {
        let mut parts = self.parts.clone();
        parts.insert("the mount prefix".into(), Some(PartDigest::of(script_root)));
        parts.extend(leaves);
        Explanation::new(parts)
    }
}

/// The other dependencies of a page: versions, settings, and the template or block that is rendered.
fn settings(site: Site<'_>, name: &str, mentions: &Mentions, shows_images: bool) -> Parts {
    let images = images_of(site, mentions, shows_images);
    let origin = site.settings.public_origin.as_deref().filter(|_| mentions.names.contains(ABSOLUTE_URL));
    let routes = routes::description(&site.settings.routes, &mentions.names);
    let language = translated::language(site.catalogue, &mentions.names);
    let languages = translated::languages(site.catalogues, &mentions.names);
    let texts = [
        ("the version of page tags", Some(VERSION)),
        ("the version of chalice_http_toolkit", Some(env!("CARGO_PKG_VERSION"))),
        ("the build id", Some(build_id(site.settings.build_id.as_deref())).filter(|_| !seeded(Defect::BuildId))),
        ("the prefix of static files", Some(site.settings.static_prefix.as_str())),
        ("the template that is rendered", Some(name)),
        ("the settings of images", images.as_deref()),
        ("the public origin", origin),
        ("the routes", routes.as_deref()),
        ("the languages", languages.as_deref()),
        ("the block that is rendered", site.templates.fragment().map(Fragment::block)),
    ];
    let digest = |(part, text): (&str, Option<&str>)| Some((part.to_owned(), Some(PartDigest::of(text?))));
    texts.into_iter().filter_map(digest).chain(language.into_iter().flatten()).collect()
}

/// What else than the files shapes the markup and the URLs of images, where there are any.
fn images_of(site: Site<'_>, mentions: &Mentions, shows_images: bool) -> Option<String> {
    if shows_images {
        let names = mentions.files.iter().flat_map(|reference| meant(site.assets, reference));
        return Some(site.settings.images.description(site.assets, names));
    }
    let may_have_query = |reference: &Reference| match reference {
        Reference::Name { name, .. } => name.contains('?'),
        Reference::StartsWith(_) => true,
    };
    site.settings.images.queries().filter(|_| mentions.files.iter().any(may_have_query))
}

/// Why pages with a template that mentions this are rendered to know their tags, if they are.
pub(crate) fn rendered_first(site: Site<'_>, mentions: &Mentions) -> Option<String> {
    match verdict(site, mentions) {
        Verdict::Taggable => globals(site.templates, mentions).err(),
        Verdict::Render(reason) => Some(reason),
        Verdict::Volatile(_) => None,
    }
}

fn verdict(site: Site<'_>, mentions: &Mentions) -> Verdict {
    let Site { templates, settings, .. } = site;
    let globals: BTreeSet<&str> = templates.environment().globals().map(|(name, _)| name).collect();
    let is_volatile = |name: &&String| settings.volatile.contains(*name) || VOLATILE.contains(&name.as_str());
    let functions = mentions.names.iter().filter(|name| globals.contains(name.as_str()));
    if let Some(name) = functions.chain(&mentions.filters).find(is_volatile) {
        return Verdict::Volatile(format!("`{name}` gives another result each time"));
    }
    if let Some((template, number)) = &mentions.too_many {
        return Verdict::Render(too_many(template, *number));
    }
    let prints_all = mentions.names.contains("debug") && globals.contains("debug");
    let reasons = [
        (mentions.added, "a template was added in code"),
        (mentions.unknown, "a template has something in it that the analysis of templates does not know"),
        (mentions.applies_any, "a filter or a test is named by a value, and may be volatile"),
        (mentions.by_identity, "`sameas` asks whether two values are one, and a tag tells whether they are equal"),
        (prints_all, "`debug` may print everything there is"),
    ];
    let reason = reasons.into_iter().find_map(|(holds, reason)| holds.then_some(reason));
    reason.map_or(Verdict::Taggable, |reason| Verdict::Render(reason.into()))
}

/// The globals that are mentioned. Functions are pure by contract: what they give depends on their arguments and on the
/// build.
fn globals(templates: &Templates, mentions: &Mentions) -> Result<Parts, String> {
    let values =
        templates.environment().globals().filter(|(name, value)| mentions.names.contains(*name) && !is_function(value));
    let digest = |(name, value): (&str, Value)| {
        let digest = canonical::digest(|hash| canonical::hash_value(hash, &value));
        let digest = digest.map_err(|reason| format!("global `{name}`: {reason}"))?;
        Ok((format!("global {name}"), Some(digest)))
    };
    values.map(digest).collect()
}

fn is_function(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().starts_with("minijinja::functions::"))
}

fn feed_parts(hash: &mut Stream, parts: &Parts) {
    hash.update((parts.len() as u64).to_le_bytes());
    for (name, digest) in parts {
        update_framed(hash, name.as_bytes());
        update_framed(hash, digest.as_ref().map_or(&[], |digest| digest.as_ref()));
    }
}

/// What counts depends on the keys: they come before it.
fn feed_keys(hash: &mut Stream, keys: &Keys) {
    let Some(names) = keys.names() else { return update_framed(hash, b"any") };
    update_framed(hash, b"keys");
    hash.update((names.len() as u64).to_le_bytes());
    names.iter().for_each(|name| update_framed(hash, name.as_bytes()));
}
