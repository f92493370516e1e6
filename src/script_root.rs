//! The prefix under which a site is mounted. It does not know how a front door shows it.

use std::sync::Arc;

/// The prefix that the visitor's URL has before the path that the site's routes see, such as `/prod` for a stage; empty
/// at the root. The [`App`](crate::App) puts it into the extensions of each request.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::ScriptRoot;
///
/// assert_eq!(ScriptRoot::new("/prod/").as_str(), "/prod");
/// assert_eq!(ScriptRoot::new("/").as_str(), "");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptRoot(Arc<str>);

impl ScriptRoot {
    /// The root of this prefix; a slash at the end is dropped, one at the start is added.
    pub fn new(prefix: &str) -> Self {
        match prefix.trim_matches('/') {
            "" => Self::default(),
            inner => Self(format!("/{inner}").into()),
        }
    }

    /// The prefix: empty, or a slash and more, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
