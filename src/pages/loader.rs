//! From the file of a template to its source: UTF-8, without a byte order mark. It knows no engine but its errors.

use minijinja::Environment;

use crate::files::source::Files;

/// The source of the template of this name, if there is its file.
pub(super) fn load(files: &Files, name: &str) -> Result<Option<String>, minijinja::Error> {
    files.get(name).map(|file| text(name, &file.bytes)).transpose()
}

/// The source of a template's file.
fn text(name: &str, bytes: &[u8]) -> Result<String, minijinja::Error> {
    String::from_utf8(without_mark(bytes).to_vec()).map_err(|error| {
        let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        let found = if is_utf16 { "is UTF-16: save it as UTF-8" } else { "is not UTF-8" };
        let message = format!("the template {name} {found}");
        minijinja::Error::new(minijinja::ErrorKind::SyntaxError, message).with_source(error)
    })
}

/// The byte order mark that some editors put before UTF-8. In a page it would stand before the doctype, or in the middle:
/// a browser then falls into quirks mode, and JSON must not have one (RFC 8259 §8.1).
const MARK: &str = "\u{feff}";

pub(super) fn without_mark(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(MARK.as_bytes()) {
        bytes = rest;
    }
    bytes
}

/// Takes the mark off the templates that the site added in code.
pub(super) fn without_marks(environment: &mut Environment<'static>) {
    let marked = environment.templates().filter(|(_, template)| template.source().starts_with(MARK));
    let marked =
        marked.map(|(name, template)| (name.to_owned(), template.source().trim_start_matches(MARK).to_owned()));
    for (name, source) in marked.collect::<Vec<_>>() {
        // It compiled with the mark, and does so without it unless the site has changed the syntax since.
        if let Err(error) = environment.add_template_owned(name.clone(), source) {
            tracing::warn!(template = name, %error, "the byte order mark of a template could not be taken off");
        }
    }
}
