//! Where files have no owner that the standard library knows: folders and files as they are.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use tempfile::{Builder, NamedTempFile};

pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    fs::symlink_metadata(path).map(drop)
}

pub(super) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

pub(super) fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    Builder::new().prefix(".").tempfile_in(folder)
}
