//! Where templates and static files come from: a folder, or files embedded at compile time. It reads names and bytes; it
//! does not know what a file is for.

use std::{
    collections::{BTreeMap, HashSet},
    fmt, fs,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use super::path::AssetPath;
use crate::{
    error::{Error, ErrorKind, Result},
    fields::digest::ContentDigest,
};

/// Where a [`ContentManager`](crate::ContentManager) finds its templates or its static files.
///
/// A folder given by a relative name is looked for under `LAMBDA_TASK_ROOT` (where Lambda unpacks a deployment), beside
/// the executable, then in the package's folder (`CARGO_MANIFEST_DIR`, which `cargo run` and `cargo test` set). Names that are
/// no UTF-8 and symbolic links that lead out of the folder are not part of it. Of static files hidden ones are not either, but
/// for those in `.well-known` at its root (RFC 8615). Hidden templates are there for templates that name them
/// (`{% include '.icons/cart.svg' %}`), and are no pages.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "embed")] {
/// use chalice_http_toolkit::{ContentManager, Source, embed};
///
/// // The folder where there is one (in development), else the copy inside the binary (once deployed).
/// let templates = Source::folder("templates").or(embed!("templates"));
/// let files = Source::folder("static").or(embed!("static"));
/// let content = ContentManager::new(templates, files)?;
/// # }
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Source {
    folder: Option<PathBuf>,
    embedded: Option<Embedded>,
}

/// Files compiled into the binary, as `embed!` makes them.
#[derive(Clone, Copy)]
pub struct Embedded(&'static [(&'static str, &'static [u8])]);

/// The files of one source as they were at one moment, each read when it is first asked for and then kept.
#[derive(Debug)]
pub(crate) struct Files {
    entries: BTreeMap<String, File>,
    stamp: Stamp,
    filter: FileFilter,
}

/// Which files of a folder belong to the site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FileFilter {
    /// Those that are not hidden.
    Visible,
    All,
}

#[derive(Debug)]
pub(crate) struct File {
    origin: Origin,
    content: OnceLock<Option<Content>>,
}

#[derive(Debug)]
enum Origin {
    Path(PathBuf),
    Embedded(&'static [u8]),
}

/// The bytes of a file with their SHA-256.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    pub(crate) digest: ContentDigest,
}

/// What tells in development that a folder has changed. A file's time serves for this alone, never as a validator.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stamp {
    pub(super) files: Vec<(PathBuf, u64, Option<SystemTime>)>,
}

impl Source {
    /// A folder. [`ContentManager::new`](crate::ContentManager::new) fails where it can't be found.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self { folder: Some(path.into()), embedded: None }
    }

    /// Takes these embedded files where the folder is not found.
    pub fn or(self, embedded: Embedded) -> Self {
        Self { embedded: Some(embedded), ..self }
    }

    /// The folder where there is one, and whether it is the folder that is used.
    pub(crate) fn locate(self) -> Result<ResolvedSource> {
        let found = self.folder.as_deref().map(find_folder);
        match (found, self.embedded) {
            (Some(Ok(folder)), _) => Ok(ResolvedSource::Folder(folder)),
            (_, Some(embedded)) => Ok(ResolvedSource::Embedded(embedded)),
            (Some(Err(error)), None) => Err(error),
            (None, None) => Ok(ResolvedSource::Embedded(Embedded(&[]))),
        }
    }
}

impl From<&str> for Source {
    fn from(path: &str) -> Self {
        Self::folder(path)
    }
}

impl From<String> for Source {
    fn from(path: String) -> Self {
        Self::folder(path)
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::folder(path)
    }
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        Self::folder(path)
    }
}

impl From<Embedded> for Source {
    fn from(embedded: Embedded) -> Self {
        Self { folder: None, embedded: Some(embedded) }
    }
}

impl Embedded {
    /// Files by name and content, for those who embed by other means than `embed!`.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::{ContentManager, Embedded};
    ///
    /// const PAGES: Embedded = Embedded::new(&[("index.html", b"<p>Hello")]);
    /// let content = ContentManager::new(PAGES, Embedded::new(&[]))?;
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub const fn new(files: &'static [(&'static str, &'static [u8])]) -> Self {
        Self(files)
    }

    /// The files of an `include_dir` folder: what [`embed!`](crate::embed) calls.
    #[cfg(feature = "embed")]
    #[doc(hidden)]
    pub fn from_dir(dir: &'static include_dir::Dir<'static>) -> Self {
        fn collect(dir: &'static include_dir::Dir<'static>, files: &mut Vec<(&'static str, &'static [u8])>) {
            files.extend(dir.files().filter_map(|file| Some((file.path().to_str()?, file.contents()))));
            dir.dirs().for_each(|dir| collect(dir, files));
        }
        let mut files = Vec::new();
        collect(dir, &mut files);
        // Once a source and a process: a site has two.
        Self(files.leak())
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Embedded({} files)", self.0.len())
    }
}

/// Embeds a folder of the package at compile time and gives it as [`Embedded`]: the binary alone then serves the site.
///
/// The folder is named from where the build runs: the package, or its workspace. `$CARGO_MANIFEST_DIR/templates` names
/// the one of the package in either. A changed file is noticed by the next build; a new file is noticed when the source
/// that says `embed!` is compiled again.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, embed};
///
/// let content = ContentManager::new(embed!("templates"), embed!("static"))?;
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[cfg(feature = "embed")]
#[macro_export]
macro_rules! embed {
    ($folder:tt) => {{
        use $crate::__include_dir as include_dir;
        static FOLDER: include_dir::Dir<'static> = $crate::__include_dir::include_dir!($folder);
        $crate::Embedded::from_dir(&FOLDER)
    }};
}

/// A source whose place is known.
#[derive(Clone, Debug)]
pub(crate) enum ResolvedSource {
    Folder(PathBuf),
    Embedded(Embedded),
}

impl ResolvedSource {
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(root) => Some(root),
            Self::Embedded(_) => None,
        }
    }

    pub(crate) fn files(&self, filter: FileFilter) -> Files {
        match self {
            Self::Folder(root) => Files::of_folder(root, filter),
            Self::Embedded(embedded) => Files::of_embedded(*embedded, filter),
        }
    }

    /// Whether these files are still what the folder holds. Files that were written just before they were read may be
    /// written again without a change of their time, so that a young folder never counts as unchanged.
    pub(crate) fn is_unchanged(&self, files: &Files) -> bool {
        match self {
            Self::Embedded(_) => true,
            Self::Folder(root) => {
                let now = walk(root, files.filter);
                now == files.stamp && now.is_settled(SystemTime::now())
            }
        }
    }
}

impl fmt::Display for ResolvedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(root) => write!(f, "the folder {}", root.display()),
            Self::Embedded(_) => f.write_str("the copies in the program"),
        }
    }
}

impl Files {
    fn of_folder(root: &Path, filter: FileFilter) -> Self {
        let stamp = walk(root, filter);
        let entries = stamp
            .files
            .iter()
            .filter_map(|(path, ..)| Some((filter.name_of(root, path)?, File::new(Origin::Path(path.clone())))))
            .collect();
        Self { entries, stamp, filter }
    }

    fn of_embedded(embedded: Embedded, filter: FileFilter) -> Self {
        let there = embedded.0.iter().filter(|(name, _)| filter.has(name));
        let entries = there.map(|(name, bytes)| ((*name).to_owned(), File::new(Origin::Embedded(bytes)))).collect();
        Self { entries, stamp: Stamp::default(), filter }
    }

    /// The content of the file with exactly this name. A file that has vanished, or can't be read, is not there, and stays
    /// so until the folder is looked at again: what a page's tag says is what the page is made from.
    pub(crate) fn get(&self, name: &str) -> Option<&Content> {
        let file = self.entries.get(name)?;
        file.content.get_or_init(|| file.origin.read(name)).as_ref()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The names that start with `prefix`, in order.
    pub(crate) fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.entries.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.map(|(name, _)| name.as_str()).take_while(move |name| name.starts_with(prefix))
    }
}

impl File {
    fn new(origin: Origin) -> Self {
        Self { origin, content: OnceLock::new() }
    }
}

impl Origin {
    fn read(&self, name: &str) -> Option<Content> {
        let bytes = match self {
            Self::Embedded(bytes) => Bytes::from_static(bytes),
            Self::Path(path) => match fs::read(path) {
                Ok(bytes) => bytes.into(),
                Err(error) => {
                    tracing::warn!(file = name, %error, "a file of the site could not be read");
                    return None;
                }
            },
        };
        let digest = ContentDigest::of(&bytes);
        Some(Content { bytes, digest })
    }
}

impl Stamp {
    fn is_settled(&self, now: SystemTime) -> bool {
        let old_enough = |time: SystemTime| now.duration_since(time).map_or(true, |age| age > YOUNG);
        self.files.iter().all(|(_, _, modified)| modified.is_some_and(old_enough))
    }
}

fn find_folder(path: &Path) -> Result<PathBuf> {
    let beside_executable = || Some(std::env::current_exe().ok()?.parent()?.to_owned());
    let bases = [
        std::env::var_os("LAMBDA_TASK_ROOT").map(PathBuf::from),
        beside_executable(),
        std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
    ];
    let candidates: Vec<PathBuf> = if path.is_absolute() {
        vec![path.to_owned()]
    } else {
        bases.into_iter().flatten().map(|base| base.join(path)).collect()
    };
    candidates.iter().find(|folder| folder.is_dir()).and_then(|folder| folder.canonicalize().ok()).ok_or_else(|| {
        let places: Vec<_> = candidates.iter().map(|place| place.display().to_string()).collect();
        let message = format!("there is no folder `{}`; looked for {}", path.display(), places.join(", "));
        Error::new(ErrorKind::FolderNotFound, message)
    })
}

/// All files below a root, in no particular order of folders but sorted by path. What can't be read is left out.
pub(super) fn walk(root: &Path, filter: FileFilter) -> Stamp {
    let mut files = Vec::new();
    let mut seen = HashSet::from([root.to_owned()]);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if filter.name_of(root, &path).is_none() || !is_within(root, &path) {
                continue;
            }
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_file() {
                files.push((path, metadata.len(), metadata.modified().ok()));
            } else if metadata.is_dir() && path.canonicalize().is_ok_and(|real| seen.insert(real)) {
                folders.push(path);
            }
        }
    }
    files.sort();
    Stamp { files }
}

/// SECURITY: a link may point anywhere; only what really lies below the root is part of it.
fn is_within(root: &Path, path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => path.canonicalize().is_ok_and(|real| real.starts_with(root)),
        Ok(_) => true,
        Err(_) => false,
    }
}

impl FileFilter {
    /// The name of a file below the root, with `/` between segments; `None` for those that are not there, and names that are
    /// no UTF-8.
    pub(super) fn name_of(self, root: &Path, path: &Path) -> Option<String> {
        let segments: Option<Vec<&str>> =
            path.strip_prefix(root).ok()?.iter().map(|segment| segment.to_str()).collect();
        Some(segments?.join("/")).filter(|name| self.has(name))
    }

    fn has(self, name: &str) -> bool {
        match self {
            Self::Visible => AssetPath::from_name(name).is_ok(),
            Self::All => name.split('/').all(|segment| AssetPath::from_name(segment.trim_start_matches('.')).is_ok()),
        }
    }
}

/// Coarser than the clock ticks of any file system that a site is developed on.
const YOUNG: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_visible_files_and_no_link_out_of_it() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        for name in ["one", "a/b/two", ".hidden", "a/.hidden"] {
            fs::write(root.path().join(name), name).unwrap();
        }
        std::os::unix::fs::symlink(outside.path().join("secret"), root.path().join("link-out")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("folder-out")).unwrap();
        std::os::unix::fs::symlink("../one", root.path().join("a/link-in")).unwrap();
        std::os::unix::fs::symlink("..", root.path().join("a/loop")).unwrap();
        let folder = ResolvedSource::Folder(root.path().canonicalize().unwrap());
        let all = folder.files(FileFilter::All);
        assert_eq!(all.names("").collect::<Vec<_>>(), [".hidden", "a/.hidden", "a/b/two", "a/link-in", "one"]);
        let files = folder.files(FileFilter::Visible);
        assert_eq!(files.names("").collect::<Vec<_>>(), ["a/b/two", "a/link-in", "one"]);
        assert_eq!(files.names("a/b").collect::<Vec<_>>(), ["a/b/two"]);
        assert_eq!(files.get("a/link-in").unwrap().bytes, "one");
    }

    #[test]
    fn a_change_is_seen_and_a_young_folder_is_never_trusted() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("page");
        fs::write(&file, "one").unwrap();
        let source = ResolvedSource::Folder(root.path().canonicalize().unwrap());
        let files = source.files(FileFilter::Visible);
        assert!(!source.is_unchanged(&files), "it was written a moment ago");
        let old = SystemTime::now() - Duration::from_secs(60);
        fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        let files = source.files(FileFilter::Visible);
        assert!(source.is_unchanged(&files));
        fs::write(root.path().join("new"), "").unwrap();
        assert!(!source.is_unchanged(&files));
    }
}
