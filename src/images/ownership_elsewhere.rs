//! Where files have no owner that the standard library knows: folders and files as they are.

use std::{
    fs::{self, File},
    io,
    path::{self, Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

pub(super) fn create_folder(path: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(path)?;
    check_folder(path)
}

pub(super) fn check_folder(path: &Path) -> io::Result<PathBuf> {
    fs::symlink_metadata(path)?;
    path::absolute(path)
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(".").tempfile_in(folder)
}
