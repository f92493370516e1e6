//! Functions that make the URLs in templates. They know the mount prefix, so that the code for images need not know it.

use std::sync::Arc;

/// How a template's functions make URLs.
#[derive(Clone)]
pub(crate) struct Urls {
    /// The URL of a static file, from the template that names it and the words of that.
    pub(crate) of_file: Arc<OfFile>,
    /// The URL of a path of the site, or why it is none.
    #[cfg_attr(not(feature = "images"), allow(dead_code, reason = "only images have URLs of their own"))]
    pub(crate) of_path: fn(&str) -> Result<String, String>,
}

type OfFile = dyn Fn(&str, &str) -> String + Send + Sync;
