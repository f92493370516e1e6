//! The settings of a site that its templates, its tags and its images depend on. It does nothing with them.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use minijinja::Environment;

use crate::{images::ImageSettings, route::Route};

/// The settings that all templates of a site share.
#[derive(Clone, Default)]
pub(crate) struct SiteSettings {
    pub(crate) static_prefix: String,
    pub(crate) configure: Vec<Configure>,
    pub(crate) volatile: HashSet<String>,
    /// By function, the names that it looks up.
    pub(crate) lookups: HashMap<String, Vec<String>>,
    pub(crate) build_id: Option<String>,
    pub(crate) public_origin: Option<String>,
    pub(crate) images: ImageSettings,
    pub(crate) routes: Vec<Route>,
    /// The missing static files that are logged already: the template, and the name in it.
    reported: Arc<Mutex<HashSet<(String, String)>>>,
}

pub(crate) type Configure = Arc<dyn Fn(&mut Environment<'static>) + Send + Sync>;

impl fmt::Debug for SiteSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteSettings").field("static_prefix", &self.static_prefix).finish_non_exhaustive()
    }
}

impl SiteSettings {
    pub(crate) fn new(static_prefix: &str) -> Self {
        Self { static_prefix: static_prefix.to_owned(), ..Self::default() }
    }

    /// Tells the developer of a name that is no file, once for each template.
    pub(crate) fn report_missing(&self, template: &str, line: Option<usize>, name: &str) {
        if self.is_news(template, name) {
            tracing::warn!(template, line, file = name, "static() names a file that does not exist");
        }
    }

    /// Whether it was not said yet.
    pub(crate) fn is_news(&self, template: &str, words: &str) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        // SECURITY: a computed name may come from a stranger, who must fill neither the memory nor the log.
        reported.len() < MOST_REPORTED && reported.insert((template.to_owned(), words.to_owned()))
    }
}

const MOST_REPORTED: usize = 256;
