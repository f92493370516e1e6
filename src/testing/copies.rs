//! The cache of an edge: copies by their keys, with their tags. It asks nobody.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};

use crate::{fields::cache_tags::of_headers, local_edge::LocalEdge};

/// The URL, and the fields that the cache policy has.
pub(super) type Key = (String, Vec<Option<HeaderValue>>);

/// How an edge knows copies again.
#[derive(Debug)]
pub(super) struct Purging {
    pub(super) edge: LocalEdge,
    pub(super) field: HeaderName,
    pub(super) renews_tags: bool,
    pub(super) verifies: bool,
}

impl Default for Purging {
    fn default() -> Self {
        let field = HeaderName::from_static("cache-tag");
        Self { edge: LocalEdge::new(), field, renews_tags: true, verifies: false }
    }
}

/// A stored response (RFC 9111 §3).
#[derive(Clone)]
pub(super) struct StoredResponse {
    pub(super) response: Response<Bytes>,
    pub(super) since: Duration,
    pub(super) lifetime: Duration,
    pub(super) is_fresh: bool,
    pub(super) tags: BTreeSet<String>,
}

/// All copies, the time, and how often one was enough.
#[derive(Default)]
pub(super) struct Copies {
    pub(super) now: Duration,
    kept: HashMap<Key, StoredResponse>,
    /// How many invalidations it has followed.
    followed: usize,
    asked: u32,
    hits: u32,
}

/// Without what is kept, which is what visitors see.
impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies").field("now", &self.now).field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

impl StoredResponse {
    /// One that is good for this moment.
    pub(super) fn new(response: Response<Bytes>, since: Duration) -> Self {
        Self { response, since, lifetime: Duration::ZERO, is_fresh: false, tags: BTreeSet::new() }
    }

    /// With the tags of this field, of which those beyond the fiftieth are dropped without a word.
    pub(super) fn with_tags_of(self, field: &HeaderName) -> Self {
        let tags = of_headers(self.response.headers(), field).take(MOST_TAGS).collect();
        Self { tags, ..self }
    }
}

impl Copies {
    /// The copy for a request, which is counted.
    pub(super) fn look_up(&mut self, key: &Key) -> Option<StoredResponse> {
        let kept = self.kept.get(key).cloned();
        let kept = kept.map(|kept| StoredResponse { is_fresh: self.now < kept.since + kept.lifetime, ..kept });
        self.asked += 1;
        self.hits += u32::from(kept.as_ref().is_some_and(|kept| kept.is_fresh));
        kept
    }

    pub(super) fn keep(&mut self, key: Key, copy: StoredResponse) {
        self.kept.insert(key, copy);
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.kept.remove(key);
    }

    /// Drops what was purged since.
    pub(super) fn follow(&mut self, edge: &LocalEdge) {
        let (items, followed) = edge.since(self.followed);
        self.followed = followed;
        if !items.is_empty() {
            self.kept.retain(|(url, _), copy| !items.iter().any(|item| is_meant(item, url, &copy.tags)));
        }
    }

    pub(super) fn hit_ratio(&self) -> f64 {
        if self.asked == 0 { 0.0 } else { f64::from(self.hits) / f64::from(self.asked) }
    }
}

/// Whether an item of an invalidation means a copy: one of its tags, its path with the query, or the beginning of it.
fn is_meant(item: &str, url: &str, tags: &BTreeSet<String>) -> bool {
    // The key has the URL whole where the viewer's request had.
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    match (item.strip_prefix('#'), item.strip_suffix('*')) {
        (Some(tag), _) => tags.contains(tag),
        (None, Some(start)) => path.starts_with(start),
        (None, None) => path == item,
    }
}

const MOST_TAGS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_means_a_tag_a_path_or_all_that_begins_so() {
        let tags = BTreeSet::from(["post:7".to_owned(), "/blog".to_owned()]);
        for (item, meant) in [
            ("#post:7", true),
            ("#post:8", false),
            ("#post", false),
            ("#/blog", true),
            ("/blog/7?a=1", true),
            ("/blog/7", false),
            ("/blog*", true),
            ("/blog/*", true),
            ("/*", true),
            ("/shop*", false),
        ] {
            assert_eq!(is_meant(item, "/blog/7?a=1", &tags), meant, "{item}");
            assert_eq!(is_meant(item, "https://site.test/blog/7?a=1", &tags), meant, "{item}");
        }
    }
}
