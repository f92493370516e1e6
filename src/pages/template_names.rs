//! Which templates there are, and their sources: for whom a page is rendered, and for templates that name others.

use std::{borrow::Cow, collections::BTreeSet};

use super::{loader::without_mark, templates::Templates};
use crate::files::path::AssetPath;

impl Templates {
    /// The names of all templates that may be pages: those of the folder that are not hidden, and those that the site added.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let of_files = self.files().names("").filter(|name| AssetPath::from_name(name).is_ok());
        of_files.map(str::to_owned).chain(self.added().iter().cloned()).collect()
    }

    /// The names of all templates that start with `prefix`, hidden ones too.
    pub(crate) fn named_from<'a>(&'a self, prefix: &'a str) -> BTreeSet<&'a str> {
        let added = self.added().iter().map(String::as_str).filter(|name| name.starts_with(prefix));
        self.files().names(prefix).chain(added).collect()
    }

    /// Whether a template can name this one.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.files().contains(name) || self.added().contains(name)
    }

    /// Whether it may be a page. SECURITY: a name may come from a stranger, and what is hidden was never meant for them.
    pub(crate) fn has_page(&self, name: &str) -> bool {
        self.contains(name) && (AssetPath::from_name(name).is_ok() || !self.files().contains(name))
    }

    /// The source of a template, which is not compiled for that.
    pub(crate) fn source(&self, name: &str) -> Option<Cow<'_, str>> {
        if let Some(source) = self.fragment().and_then(|fragment| fragment.source(name)) {
            return Some(source.into());
        }
        if self.added().contains(name) {
            return self.environment().get_template(name).ok().map(|template| template.source().to_owned().into());
        }
        self.files().get(name).and_then(|file| str::from_utf8(without_mark(&file.bytes)).ok()).map(Cow::from)
    }
}
