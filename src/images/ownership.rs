//! Folders and files that nobody else may have put there. A folder such as `/tmp` is everybody's: whoever is first makes a
//! folder of any name in it, or a symbolic link. It does not know what is kept.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{self, Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};
use tempfile::{Builder, NamedTempFile};

/// Makes a folder that is nobody else's, and those above it, with mode 0700; a folder that is there stays as it is. It is
/// returned by its absolute path.
///
/// # Errors
///
/// As [`check_folder`], and then nothing is made.
pub(super) fn create_folder(path: &Path) -> io::Result<PathBuf> {
    match check_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            check_folder(path)
        }
        checked => checked,
    }
}

/// Whether a folder is one that only this process's user changes: no symbolic link, its own, and writable by no other; and
/// whether nobody else can put another one in its place. It is returned by its absolute path.
///
/// # Errors
///
/// One that says what to do, where it is not; [`NotFound`](io::ErrorKind::NotFound) where it is not there and may be made.
pub(super) fn check_folder(path: &Path) -> io::Result<PathBuf> {
    // A slash at its end would be a way through a symbolic link.
    let path: PathBuf = path::absolute(path)?.components().collect();
    let Ok(folder) = fs::symlink_metadata(&path) else {
        let above = path.ancestors().find(|above| fs::symlink_metadata(above).is_ok());
        above.map_or(Ok(()), |above| check_way(above, MOST_LINKS))?;
        return Err(io::ErrorKind::NotFound.into());
    };
    if !folder.is_dir() {
        return Err(refused("it is a symbolic link or a file: name a folder"));
    }
    if !is_own(&folder) {
        return Err(refused("it belongs to another user: name a folder of your own"));
    }
    if folder.mode() & OTHERS_WRITE != 0 {
        return Err(refused(
            "others may write into it: name a folder that is not there yet, or take their right with chmod go-w",
        ));
    }
    path.parent().map_or(Ok(()), |above| check_way(above, MOST_LINKS))?;
    Ok(path)
}

/// Whether only this user and root can exchange what lies in a folder, whose path is absolute, and the folders above it.
///
/// SECURITY: whoever may write into one of them can rename what is in it and put something else there; where it has the
/// sticky bit, as `/tmp` has, only what is his own.
fn check_way(folder: &Path, links: u8) -> io::Result<()> {
    for above in folder.ancestors() {
        let metadata = fs::symlink_metadata(above)?;
        if !is_own(&metadata) && metadata.uid() != ROOT {
            return Err(refused(&format!("`{}` belongs to another user: name a folder elsewhere", above.display())));
        }
        if metadata.is_symlink() {
            let links = links.checked_sub(1).ok_or_else(|| refused("too many symbolic links lead to it"))?;
            check_way(&above.parent().unwrap_or(above).join(fs::read_link(above)?), links)?;
        } else if metadata.mode() & OTHERS_WRITE != 0 && metadata.mode() & STICKY == 0 {
            let message = format!(
                "others may write into `{}`: name a folder elsewhere, or take their right with chmod go-w",
                above.display()
            );
            return Err(refused(&message));
        }
    }
    Ok(())
}

const ROOT: u32 = 0;
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// As many as Linux follows in one path.
const MOST_LINKS: u8 = 40;

/// Opens a file of this process's user to read it; no symbolic link is followed.
///
/// # Errors
///
/// Where it is none.
pub(super) fn open(path: &Path) -> io::Result<File> {
    // Without waiting for somebody to write, should it be a named pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && is_own(&metadata) { Ok(file) } else { Err(refused("it is not a file of this user")) }
}

/// A temporary file in this folder for one that is to be deployed: others may read it, as the user's mask says.
pub(super) fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(".").permissions(Permissions::from_mode(0o666)).tempfile_in(folder)
}

fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == geteuid().as_raw()
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_folder_is_made_for_its_user_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        create_folder(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        create_folder(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_change_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (folder, link, file) = (root.path().join("folder"), root.path().join("link"), root.path().join("file"));
        create_folder(&folder).unwrap();
        symlink(&folder, &link).unwrap();
        fs::write(&file, "").unwrap();
        for path in [&link, &file] {
            assert!(check_folder(path).is_err() && create_folder(path).is_err(), "{}", path.display());
        }
        for (mode, expected) in
            [(0o700, true), (0o755, true), (0o775, false), (0o702, false), (0o777, false), (0o1777, false)]
        {
            fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            assert_eq!(check_folder(&folder).is_ok(), expected, "{mode:o}");
        }
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        // Only root can give a folder away; for all others the folder of the root is another's.
        let other = if chown(&folder, Some(65_534), None).is_ok() { folder.as_path() } else { Path::new("/") };
        let error = check_folder(other).unwrap_err();
        assert!(error.to_string().contains("another user"), "{error}");
    }

    /// Each folder is made, and is looked at by itself: from the root on, others may write into none but the one given.
    #[test]
    fn a_folder_that_others_can_exchange_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let (above, folder) = (root.path().join("above"), root.path().join("above/between/folder"));
        create_folder(&folder).unwrap();
        let allows = |path: &Path| {
            let (checked, made) = (check_folder(path), create_folder(&path.join("new")));
            assert_eq!(made.is_ok(), path.join("new").exists(), "nothing is made where it is refused");
            _ = fs::remove_dir(path.join("new"));
            assert_eq!(checked.is_ok(), made.is_ok(), "{checked:?} {made:?}");
            checked.map(|_| true).unwrap_or_else(|error| {
                assert!(
                    error.kind() == io::ErrorKind::PermissionDenied && error.to_string().contains("above"),
                    "{error}"
                );
                false
            })
        };
        for (mode, expected) in [
            (0o700, true),
            (0o755, true),
            (0o775, false),
            (0o770, false),
            (0o757, false),
            (0o777, false),
            (0o2777, false),
            (0o1777, true),
            (0o1770, true),
        ] {
            fs::set_permissions(&above, Permissions::from_mode(mode)).unwrap();
            assert_eq!(allows(&folder), expected, "{mode:o}");
        }
        fs::set_permissions(&above, Permissions::from_mode(0o1777)).unwrap();
        // Only root can give a folder away.
        if chown(&above, Some(65_534), None).is_ok() {
            assert!(!allows(&folder));
            chown(&above, Some(0), None).unwrap();
        }
        // Links above it are followed, and what they lead through is looked at as well.
        let (first, second) = (root.path().join("first"), root.path().join("above/second"));
        symlink("above/second", &first).unwrap();
        symlink("between", &second).unwrap();
        assert!(allows(&first.join("folder")));
        fs::set_permissions(&above, Permissions::from_mode(0o777)).unwrap();
        assert!(!allows(&first.join("folder")));
        symlink("circle", root.path().join("circle")).unwrap();
        assert!(create_folder(&root.path().join("circle/folder")).is_err());
    }

    #[test]
    fn a_link_is_refused_however_it_is_written() {
        let root = tempfile::tempdir().unwrap();
        let (folder, link) = (root.path().join("folder"), root.path().join("link"));
        create_folder(&folder).unwrap();
        symlink(&folder, &link).unwrap();
        for path in ["link", "link/", "link/.", "folder/../link//", "./link/"] {
            assert!(create_folder(&root.path().join(path)).is_err(), "{path}");
        }
        assert_eq!(create_folder(&root.path().join("folder/.//")).unwrap(), folder);
    }

    #[test]
    fn only_a_file_of_this_user_is_read() {
        let root = tempfile::tempdir().unwrap();
        let (file, link, pipe) = (root.path().join("file"), root.path().join("link"), root.path().join("pipe"));
        fs::write(&file, "own").unwrap();
        symlink(&file, &link).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(open(&pipe).is_err(), "and nobody is waited for");
        assert!(open(&file).is_ok());
        assert!(open(&link).is_err());
        assert!(open(root.path()).is_err());
        assert!(open(Path::new("/dev/null")).is_err());
    }
}
