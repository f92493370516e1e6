//! Which templates there are: for whom a page is rendered, and for templates that name others.

use std::collections::BTreeSet;

use super::templates::Templates;
use crate::files::path::AssetPath;

impl Templates {
    /// The names of all templates that may be pages: those of the folder that are not hidden, and those that the site added.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let of_files = self.files().names("").filter(|name| AssetPath::from_name(name).is_ok());
        of_files.chain(self.added("")).map(str::to_owned).collect()
    }

    /// The names of all templates that start with `prefix`, hidden ones too.
    pub(crate) fn named_from<'a>(&'a self, prefix: &'a str) -> BTreeSet<&'a str> {
        self.files().names(prefix).chain(self.added(prefix)).collect()
    }

    fn added<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.environment().templates().map(|(name, _)| name).filter(move |name| name.starts_with(prefix))
    }

    /// Whether a template can name this one.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.files().contains(name) || self.environment().templates().any(|(added, _)| added == name)
    }

    /// Whether it may be a page. SECURITY: a name may come from a stranger, and what is hidden was never meant for them.
    pub(crate) fn has_page(&self, name: &str) -> bool {
        self.contains(name) && (AssetPath::from_name(name).is_ok() || !self.files().contains(name))
    }
}
