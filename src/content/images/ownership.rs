//! Folders and files that nobody else may have put there. A folder such as `/tmp` is everybody's: whoever is first makes a
//! folder of any name in it, or a symbolic link. It does not know what is kept.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::{fs::OFlags, process::geteuid};
use tempfile::{Builder, NamedTempFile};

/// Makes a folder that is nobody else's, and those above it, with mode 0700; a folder that is there stays as it is.
///
/// # Errors
///
/// As [`check_folder`].
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    check_folder(path)
}

/// Whether a folder is one that only this process's user changes: no symbolic link, its own, and writable by no other.
///
/// # Errors
///
/// One that says what to do, where it is not; that of the system where it can't be looked at.
pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    let folder = fs::symlink_metadata(path)?;
    if !folder.is_dir() {
        return Err(refused("it is a symbolic link or a file: name a folder"));
    }
    if !is_own(&folder) {
        return Err(refused("it belongs to another user: name a folder of your own"));
    }
    match folder.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(refused(
            "others may write into it: name a folder that is not there yet, or take their right with chmod go-w",
        )),
    }
}

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

    #[test]
    fn only_a_file_of_this_user_is_read() {
        let root = tempfile::tempdir().unwrap();
        let (file, link) = (root.path().join("file"), root.path().join("link"));
        fs::write(&file, "own").unwrap();
        symlink(&file, &link).unwrap();
        assert!(open(&file).is_ok());
        assert!(open(&link).is_err());
        assert!(open(root.path()).is_err());
        assert!(open(Path::new("/dev/null")).is_err());
    }
}
