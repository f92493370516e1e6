//! The files of a folder.

use std::{fs, io, path::Path};

/// The names of all files in a folder that a site could serve: none that is hidden, but for those in `.well-known`.
pub(crate) fn files_below(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let (path, below) = (entry.path(), format!("{prefix}{name}"));
            match fs::metadata(&path) {
                _ if name.starts_with('.') && below != ".well-known" => {}
                Ok(metadata) if metadata.is_dir() && !entry.file_type()?.is_symlink() => open.push((path, below + "/")),
                Ok(metadata) if metadata.is_file() => found.push(below),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}
