//! What was edited in the folders of this process, for browsers that show it. It compares sizes and times, and reads no file.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    provenance::{Holds, reloaded_folders},
    source::{FileFilter, walk},
};

/// All files of the site's folders, as they are at one moment.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FolderState(BTreeMap<PathBuf, File>);

#[derive(Debug, Hash, PartialEq)]
struct File {
    /// Its name in its folder.
    name: String,
    change: Change,
    size: u64,
    time: Option<SystemTime>,
}

/// What an edit asks of a page that is shown. What asks for more is greater.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// A picture was edited.
    Image,
    /// A style sheet was.
    Style,
    /// Anything else.
    Page,
}

impl FolderState {
    pub(crate) fn now() -> Self {
        Self::of(reloaded_folders())
    }

    fn of(folders: impl IntoIterator<Item = (Holds, PathBuf)>) -> Self {
        let files = folders.into_iter().flat_map(|(holds, root)| {
            let filter = if holds == Holds::Templates { FileFilter::All } else { FileFilter::Visible };
            let files = walk(&root, filter).files.into_iter().filter(|(path, ..)| !is_of_an_editor(path));
            files.filter_map(move |(path, size, time)| {
                let (name, change) = (filter.name_of(&root, &path)?, change(holds, &path));
                Some((path, File { name, change, size, time }))
            })
        });
        Self(files.collect())
    }

    /// What tells this state from others.
    pub(crate) fn id(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        self.0.hash(&mut hash);
        hash.finish()
    }

    /// The edits since another state, with the name of each file that differs, or that only one of the two has.
    pub(crate) fn changes_since<'a>(&'a self, before: &'a Self) -> Vec<(Change, &'a str)> {
        let differs = |path: &&PathBuf| self.0.get(*path) != before.0.get(*path);
        let paths = self.0.keys().chain(before.0.keys().filter(|path| !self.0.contains_key(*path))).filter(differs);
        let files = paths.filter_map(|path| self.0.get(path).or_else(|| before.0.get(path)));
        files.map(|file| (file.change, file.name.as_str())).collect()
    }
}

fn change(holds: Holds, path: &Path) -> Change {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    match (holds, extension.as_str()) {
        (Holds::StaticFiles, "css") => Change::Style,
        (Holds::StaticFiles, extension) if IMAGES.contains(&extension) => Change::Image,
        _ => Change::Page,
    }
}

const IMAGES: [&str; 8] = ["avif", "bmp", "gif", "jpeg", "jpg", "png", "svg", "webp"];

/// Whether a file is an editor's copy of what somebody works on.
fn is_of_an_editor(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "4913" || [".swp", ".swo", ".swx", ".tmp", "~"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_edit_asks_for_as_much_as_the_file_is_for() {
        let [templates, files] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let folders = [(Holds::Templates, templates.path()), (Holds::StaticFiles, files.path())];
        let state = || FolderState::of(folders.map(|(holds, path)| (holds, path.canonicalize().unwrap())));
        let mut before = state();
        assert_eq!(before.id(), state().id());
        for (folder, name, text, expected) in [
            (&templates, "page.html", Some("one"), Some(Change::Page)),
            (&templates, "page.html", Some("four"), Some(Change::Page)),
            (&templates, "mail.css", Some("one"), Some(Change::Page)),
            (&templates, ".page.html.swp", Some("one"), None),
            (&files, "site.CSS", Some("one"), Some(Change::Style)),
            (&files, "site.js", Some("one"), Some(Change::Page)),
            (&files, "hero.jpg", Some("one"), Some(Change::Image)),
            (&files, "hero.jpg~", Some("one"), None),
            (&files, "hero.jpg", None, Some(Change::Image)),
        ] {
            match text {
                Some(text) => fs::write(folder.path().join(name), text).unwrap(),
                None => fs::remove_file(folder.path().join(name)).unwrap(),
            }
            let now = state();
            let changes = expected.map(|change| (change, name)).into_iter().collect::<Vec<_>>();
            assert_eq!(now.changes_since(&before), changes, "{name}");
            assert_eq!(now.id() == before.id(), expected.is_none(), "{name}");
            before = now;
        }
    }
}
