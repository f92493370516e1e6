//! What stands in for a distribution in development and in tests: it takes invalidations as CloudFront does, and whoever keeps
//! copies follows them. It keeps nothing itself.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::fields::cache_tags::valid;

/// The edge of a test: what is purged here is gone from each [`TestEdge`](crate::testing::TestEdge) that
/// [follows](crate::testing::TestEdge::with_local_edge) it.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::purge::LocalEdge;
///
/// let edge = LocalEdge::new();
/// edge.purge(["Post:7", "posts"]);
/// edge.purge_paths(["/feed.xml"]);
/// assert_eq!(edge.purges(), [vec!["#post:7", "#posts"], vec!["/feed.xml"]]);
/// ```
#[derive(Clone, Default)]
pub struct LocalEdge(Arc<Mutex<Vec<Vec<String>>>>);

impl LocalEdge {
    /// An edge that nothing was purged from.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops all copies that have one of these tags, as one invalidation.
    pub fn purge<T: AsRef<str>>(&self, tags: impl IntoIterator<Item = T>) {
        self.invalidate(tags.into_iter().map(|tag| format!("#{}", valid(tag.as_ref()))).collect());
    }

    /// Drops all copies of these paths with their queries, as one invalidation; `/blog/*` is all that begins so.
    pub fn purge_paths<T: AsRef<str>>(&self, paths: impl IntoIterator<Item = T>) {
        self.invalidate(paths.into_iter().map(|path| path.as_ref().to_owned()).collect());
    }

    /// All invalidations in their order, each as the items that CloudFront is given: `#post:7`, `/feed.xml`.
    pub fn purges(&self) -> Vec<Vec<String>> {
        self.all().clone()
    }

    /// Takes the items of an invalidation.
    pub(crate) fn invalidate(&self, items: Vec<String>) {
        self.all().push(items);
    }

    /// The items of all invalidations behind the first so many, and how many there are now.
    #[cfg_attr(not(feature = "testing"), allow(dead_code, reason = "only a `TestEdge` follows"))]
    pub(crate) fn since(&self, seen: usize) -> (Vec<String>, usize) {
        let all = self.all();
        (all.iter().skip(seen).flatten().cloned().collect(), all.len())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LocalEdge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEdge").field("purges", &self.all().len()).finish()
    }
}
