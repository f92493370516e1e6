//! Why two tags of a page differ: the parts that the tags cover, compared. It does not know how a tag is computed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use http::{HeaderMap, header};

use crate::fields::{
    digest::PartDigest,
    entity_tag::{EntityTag, TagList},
};

/// Everything that the tag of a page covers, part by part: what
/// [`ContentManager::explain`](crate::ContentManager::explain) gives.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Embedded};
/// use serde_json::json;
///
/// const TEMPLATES: Embedded = Embedded::new(&[("posts.html", b"{% for p in posts %}{{ p.title }}{% endfor %}")]);
/// let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
/// let before = content.explain("posts.html", &json!({ "posts": [{ "title": "One", "id": 1 }] }))?;
/// let after = content.explain("posts.html", &json!({ "posts": [{ "title": "Two", "id": 2 }] }))?;
/// assert_eq!(before.changes(&after), ["args.posts[0].title"]); // no template reads `id`
/// assert!(before.parts().any(|part| part == "template posts.html"));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    parts: Parts,
}

/// By name, the digest of a part of a tag; `None` for what is named and not there, so that its coming changes the tag.
pub(crate) type Parts = BTreeMap<String, Option<PartDigest>>;

impl Explanation {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The names of all parts, in order: `args.posts[3].title`, `static file css/site.css`, `template base.html`, `the
    /// build id`…
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// The parts that differ, or that only one of the two has. Nothing differs where the tags are equal.
    pub fn changes(&self, other: &Self) -> Vec<String> {
        let differs = |name: &&String| self.parts.get(*name) != other.parts.get(*name);
        let mut changes: Vec<String> = self.parts.keys().chain(other.parts.keys()).filter(differs).cloned().collect();
        changes.sort();
        changes.dedup();
        changes
    }
}

/// The latest tags of a site in development, with what they cover, so that a miss can be explained.
#[derive(Clone, Debug, Default)]
pub(crate) struct History(Arc<Mutex<VecDeque<(EntityTag, Explanation)>>>);

/// As many as a developer's browser may hold of the pages they work on.
const REMEMBERED: usize = 256;

impl History {
    pub(crate) fn remember(&self, tag: &EntityTag, explanation: Explanation) {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if history.iter().any(|(known, _)| known == tag) {
            return;
        }
        if history.len() == REMEMBERED {
            history.pop_front();
        }
        history.push_back((tag.clone(), explanation));
    }

    /// What has changed since the page had the tag that a client asks with; `None` if it asks with none or with this one.
    pub(crate) fn why(&self, headers: &HeaderMap, tag: &EntityTag, now: &Explanation) -> Option<String> {
        let TagList::Tags(had) = TagList::parse(headers.get_all(header::IF_NONE_MATCH).iter())? else { return None };
        let had: Vec<EntityTag> = had.iter().map(EntityTag::without_suffix).collect();
        if had.iter().any(|had| had.weak_eq(tag)) {
            return None;
        }
        let history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = history.iter().find(|(tag, _)| had.iter().any(|had| had.weak_eq(tag)));
        Some(match known {
            Some((_, before)) => format!("changed: {}", before.changes(now).join(", ")),
            None => "changed: no page of this process had that tag".into(),
        })
    }
}
