//! How often a site's code lets a task be tried at most: `Task::ATTEMPTS` and `with_attempts`, where a number stands there. It
//! reads the code as a text, and so sees no constant behind a name.

use std::{fs, io, path::Path};

use crate::check::files_below;

/// The attempts of a task by default.
pub(crate) const USUAL: u32 = 5;

/// The code before the number.
const PLACES: [&str; 2] = ["ATTEMPTS: Option<u32> = Some(", "with_attempts("];

/// The greatest number of attempts that the Rust files below a folder set. Without such a number or folder it is [`USUAL`].
pub(crate) fn most(folder: &Path) -> io::Result<u32> {
    let files = match files_below(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(USUAL),
        files => files?,
    };
    let mut most = USUAL;
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        // What is no text is no code either.
        let source = String::from_utf8_lossy(&fs::read(folder.join(file))?).into_owned();
        most = numbers(&source).fold(most, u32::max);
    }
    Ok(most)
}

fn numbers(source: &str) -> impl Iterator<Item = u32> {
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = lines.flat_map(|line| PLACES.iter().filter_map(move |place| Some(line.split_once(place)?.1)));
    after.filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '_')?;
        rest.get(..end)?.replace('_', "").parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_where_they_stand() {
        for (source, expected) in [
            ("const ATTEMPTS: Option<u32> = Some(12);", &[12][..]),
            ("    const ATTEMPTS: Option<u32> = None;", &[]),
            ("tasks.with_attempts(1_000).on(send)", &[1000]),
            ("tasks.with_attempts(MOST)", &[]),
            ("// with_attempts(7)", &[]),
            ("with_attempts(", &[]),
            ("with_attempts(99999999999)", &[]),
        ] {
            assert_eq!(numbers(source).collect::<Vec<_>>(), expected, "{source}");
        }
    }
}
