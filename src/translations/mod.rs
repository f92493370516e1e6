//! Translations: the catalogues of a site, and which language a request is answered in. It knows no templates.
//!
//! 1. [`Translations`]: where the catalogues are, and how a language is chosen
//! 2. [`po`]: a catalogue from its file, with the [`plural`] rule of its language
//! 3. [`choice`]: the language of a request

mod choice;
mod plural;
mod po;

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderMap;

pub(crate) use self::po::Catalogue;
use crate::{
    error::Result,
    files::source::{FileFilter, Files, ResolvedSource, Source},
};

/// Where a site's translations are, and how the language of a page is chosen.
///
/// [`ContentManager::with_translations`](crate::ContentManager::with_translations) takes it, and has an example. The catalogues are
/// gettext's `.po` files, as Flask-Babel and many editors for translators use them. The language is the name of the file (`de.po`,
/// `pt-BR.po`) or of the folder that it is in (`de/LC_MESSAGES/messages.po`). Several files of one language are one catalogue.
///
/// Entries that are marked `fuzzy`, and entries without a translation, are left out, as gettext leaves them out.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Embedded, Translations};
///
/// const CATALOGUES: Embedded = Embedded::new(&[("de.po", b"msgid \"Welcome\"\nmsgstr \"Willkommen\"\n")]);
/// let by_path = Translations::new(CATALOGUES, "en"); // `/de/about` is in German, `/about` in English
/// let by_field = Translations::new(CATALOGUES, "en").by_accept_language();
/// ```
#[derive(Clone, Debug)]
pub struct Translations {
    source: Source,
    default: String,
    choice: LanguageFrom,
}

/// What of a request names the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LanguageFrom {
    Path,
    AcceptLanguage,
}

impl Translations {
    /// Catalogues from a folder or from embedded files, and the language in which the templates themselves are written.
    ///
    /// By default the first segment of the path names the language: `/de/about` and `/de` are in German if there is a catalogue
    /// for it. All other pages are in the default language. Each language has URLs of its own then, which CloudFront caches like
    /// any other. The folder is looked for where [`Source`] says.
    pub fn new(source: impl Into<Source>, default_language: &str) -> Self {
        Self { source: source.into(), default: tag(default_language), choice: LanguageFrom::Path }
    }

    /// Chooses the language by the field `Accept-Language` instead (RFC 9110 §12.5.4), by the lookup of RFC 4647 §3.4: `de-AT` finds
    /// `de` if there is no `de-AT`. A request that names none of the site's languages gets the default language.
    ///
    /// Pages that use translations are sent with `Vary: accept-language`. CloudFront must forward this field, and has it in its
    /// cache key then. Browsers send very many different values of it, so that nearly every visitor needs a copy of their own.
    /// The language in the path is better for most sites.
    pub fn by_accept_language(self) -> Self {
        Self { choice: LanguageFrom::AcceptLanguage, ..self }
    }

    /// The same with a place that is known.
    pub(crate) fn locate(self) -> Result<LocatedTranslations> {
        Ok(LocatedTranslations { source: self.source.locate()?, default: self.default, choice: self.choice })
    }
}

/// Translations whose place is known.
#[derive(Clone, Debug)]
pub(crate) struct LocatedTranslations {
    pub(crate) source: ResolvedSource,
    default: String,
    choice: LanguageFrom,
}

/// All catalogues of a site at one moment.
#[derive(Debug)]
pub(crate) struct Catalogues {
    pub(crate) files: Files,
    default: Arc<Catalogue>,
    /// By language, the default one among them.
    languages: BTreeMap<String, Arc<Catalogue>>,
    choice: LanguageFrom,
    /// The file, the line, and what is wrong with it.
    pub(crate) problems: Vec<(String, Option<usize>, String)>,
}

impl LocatedTranslations {
    pub(crate) fn catalogues(&self) -> Catalogues {
        let files = self.source.files(FileFilter::Visible);
        let (mut read, mut problems) = (BTreeMap::new(), Vec::new());
        for name in files.names("").filter(|name| name.ends_with(".po")) {
            let language = language_of(name);
            if !choice::is_language(&language) {
                let problem =
                    format!("`{language}` is no language: name the file as in `de.po`, `pt-BR.po` or `de/messages.po`");
                problems.push((name.to_owned(), None, problem));
                continue;
            }
            let bytes = files.get(name).map(|content| content.bytes.clone()).unwrap_or_default();
            let catalogue = read.entry(language.clone()).or_insert_with(|| Catalogue::new(&language));
            let found = catalogue.read(&String::from_utf8_lossy(&bytes));
            problems.extend(found.into_iter().map(|(line, problem)| (name.to_owned(), line, problem)));
        }
        for (file, line, problem) in &problems {
            tracing::warn!(file, line, problem, "a catalogue of translations has a fault");
        }
        read.entry(self.default.clone()).or_insert_with(|| Catalogue::new(&self.default));
        let languages: BTreeMap<String, Arc<Catalogue>> =
            read.into_iter().map(|(language, catalogue)| (language, Arc::new(catalogue))).collect();
        let default = languages[&self.default].clone();
        Catalogues { files, default, languages, choice: self.choice, problems }
    }
}

impl Catalogues {
    /// The languages of the site, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Catalogue>> {
        self.languages.values()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.languages.keys().map(String::as_str)
    }

    /// Those whose messages have to be translated: all but the language that the templates are written in.
    pub(crate) fn translated(&self) -> impl Iterator<Item = &Arc<Catalogue>> {
        self.all().filter(|catalogue| catalogue.language() != self.default.language())
    }

    pub(crate) fn default(&self) -> &Arc<Catalogue> {
        &self.default
    }

    /// The catalogue of a language that the site's code names, or of the nearest one that there is.
    pub(crate) fn of(&self, language: &str) -> &Arc<Catalogue> {
        choice::look_up(&tag(language), &self.languages).unwrap_or(&self.default)
    }

    /// The catalogue for a request, and whether Accept-Language has chosen it.
    pub(crate) fn chosen(&self, path: &str, headers: &HeaderMap) -> (&Arc<Catalogue>, bool) {
        let (found, negotiated) = match self.choice {
            LanguageFrom::Path => (choice::by_path(path, &self.languages), false),
            LanguageFrom::AcceptLanguage => (choice::by_field(headers, &self.languages), true),
        };
        (found.unwrap_or(&self.default), negotiated)
    }
}

/// The language that the name of a catalogue's file says.
fn language_of(name: &str) -> String {
    let (first, _) = name.split_once('/').unwrap_or_else(|| (name.trim_end_matches(".po"), ""));
    tag(first)
}

/// A language tag in the usual case (RFC 5646 §2.1.1), with hyphens in place of the underscores of gettext.
fn tag(language: &str) -> String {
    let subtag = |(at, subtag): (usize, &str)| match subtag.len() {
        2 if at > 0 => subtag.to_ascii_uppercase(),
        4 if at > 0 => format!("{}{}", subtag[..1].to_ascii_uppercase(), subtag[1..].to_ascii_lowercase()),
        _ => subtag.to_ascii_lowercase(),
    };
    let is_ascii = language.is_ascii();
    let subtags: Vec<String> = language.split(['-', '_']).enumerate().filter(|_| is_ascii).map(subtag).collect();
    if is_ascii { subtags.join("-") } else { language.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_the_name_of_its_file_or_folder() {
        for (name, expected) in [
            ("de.po", "de"),
            ("pt_BR.po", "pt-BR"),
            ("zh-hant-tw.po", "zh-Hant-TW"),
            ("DE/LC_MESSAGES/messages.po", "de"),
            ("é-ab.po", "é-ab"),
        ] {
            assert_eq!(language_of(name), expected);
        }
    }
}
