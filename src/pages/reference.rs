//! The names of templates and files in a template, as far as they are known before it is rendered.

/// A name in a template: known in full, or in its first part only (which may be empty).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reference {
    Name { name: String, line: usize },
    StartsWith(String),
}

impl Reference {
    /// Whether a name that is given later is one of those that this stands for.
    pub(crate) fn is_of(&self, given: &str) -> bool {
        match self {
            Self::Name { name, .. } => name == given,
            Self::StartsWith(start) => given.starts_with(start),
        }
    }

    /// Whether it is a URL of the site's own: no file's name begins with a slash.
    pub(crate) fn is_url(&self) -> bool {
        match self {
            Self::Name { name: text, .. } | Self::StartsWith(text) => text.starts_with('/'),
        }
    }

    /// The name, if all of it is known.
    pub(super) fn full_name(&self) -> Option<String> {
        match self {
            Self::Name { name, .. } => Some(name.clone()),
            Self::StartsWith(_) => None,
        }
    }
}
