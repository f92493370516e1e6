//! Static files: their fingerprinted URLs and the representations of both kinds of URL. It does not know templates.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use http::{HeaderMap, HeaderValue, Method, header};
use sha2::{Digest, Sha256};

use super::{
    path::AssetPath,
    source::{Content, Files},
};
use crate::{
    compressed,
    fields::{
        cache_control::CacheControl,
        digest::hex,
        entity_tag::EntityTag,
        media_type,
        negotiate::{self, Coding},
    },
    representation::{Representation, Selection},
};

/// The static files of one moment.
#[derive(Debug)]
pub(crate) struct Assets {
    files: Files,
    /// By name, whether a compressed file is what its plain one compresses to: looked at when it is first wanted.
    current: RwLock<HashMap<String, bool>>,
}

/// A file that was found, and what the name in the URL said about its content.
#[derive(Debug, PartialEq)]
pub(crate) struct AssetMatch {
    pub(crate) name: String,
    fingerprint: Fingerprint,
}

#[derive(Debug, PartialEq)]
enum Fingerprint {
    None,
    Current,
    /// Of other bytes than these: an older release's, or made up. Never `immutable`.
    Outdated,
}

impl AssetMatch {
    /// How long it may be kept, where its URL says that.
    pub(crate) fn policy(&self) -> Option<CacheControl> {
        match self.fingerprint {
            Fingerprint::Current => Some(CacheControl::immutable()),
            Fingerprint::Outdated => Some(CacheControl::no_cache()),
            Fingerprint::None => None,
        }
    }
}

impl Assets {
    pub(crate) fn new(files: Files) -> Self {
        Self { files, current: RwLock::default() }
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The file for a name out of a URL, which may carry a fingerprint before its extension. A file of exactly that
    /// name comes first.
    pub(crate) fn find(&self, path: &AssetPath) -> Option<AssetMatch> {
        let name = path.as_str();
        if self.files.contains(name) {
            return Some(AssetMatch { name: name.into(), fingerprint: Fingerprint::None });
        }
        let (plain, fingerprint) = without_fingerprint(name)?;
        let current = fingerprint == self.fingerprint_of(&plain)?;
        Some(AssetMatch {
            name: plain,
            fingerprint: if current { Fingerprint::Current } else { Fingerprint::Outdated },
        })
    }

    /// The name with the fingerprint of its content; the name as it is where a file already has the other one.
    pub(crate) fn fingerprinted(&self, name: &str) -> Option<String> {
        let fingerprinted = with_fingerprint(name, &self.fingerprint_of(name)?);
        Some(if self.files.contains(&fingerprinted) { name.into() } else { fingerprinted })
    }

    /// The name of the file in a text such as `icons.svg#cart` or `a.css?v=2`, and the query and fragment behind it. The
    /// longest beginning that is a file's name is one, as names may have `?` and `#` in them; where there is none, the name
    /// ends before the first of them, as in a URL (RFC 3986 §3).
    pub(crate) fn named<'a>(&self, text: &'a str) -> (&'a str, &'a str) {
        let end = ends(text).find(|end| self.files.contains(&text[..*end])).or(ends(text).last());
        text.split_at(end.unwrap_or(text.len()))
    }

    /// The names of all files that a text which starts so can name: those that start so too, and those that end in it.
    pub(crate) fn named_from<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        let ended =
            ends(start).map(|end| &start[..end]).filter(move |name| *name != start && self.files.contains(name));
        ended.chain(self.files.names(start))
    }

    /// The compressed files that are not what their plain ones compress to, with the names of those.
    pub(crate) fn stale(&self) -> Vec<(&str, &str)> {
        let of =
            |name| Coding::ALL.into_iter().find_map(|coding| Some((coding, str::strip_suffix(name, coding.suffix())?)));
        let pairs = self.files.names("").filter_map(|name| Some((name, of(name)?)));
        let is_stale =
            |coding, plain| self.files.get(plain).is_some_and(|content| self.encoded(plain, coding, content).is_none());
        pairs.filter(|(_, (coding, plain))| is_stale(*coding, *plain)).map(|(name, (_, plain))| (name, plain)).collect()
    }

    /// Of the file in all forms that it has, as one URL stands for all of them. 80 bits: a wrong fingerprint is never
    /// trusted, it is compared with the content's. A compressed form counts whether or not it is sent: to know that it
    /// would have to be decompressed, for a page that only names the file.
    fn fingerprint_of(&self, name: &str) -> Option<String> {
        let plain = self.files.get(name)?;
        let encoded: Vec<&Content> =
            Coding::ALL.iter().filter_map(|coding| self.files.get(&encoded_name(name, *coding))).collect();
        if encoded.is_empty() {
            return Some(hex(&plain.digest.as_bytes()[..10]));
        }
        let mut hash = Sha256::new_with_prefix(plain.digest);
        encoded.iter().for_each(|content| hash.update(content.digest));
        Some(hex(&hash.finalize()[..10]))
    }

    /// The file in a coding, if it lies there compressed and decompresses to these bytes.
    fn encoded(&self, name: &str, coding: Coding, plain: &Content) -> Option<&Content> {
        let encoded_name = encoded_name(name, coding);
        let encoded = self.files.get(&encoded_name)?;
        let known = self.current.read().unwrap_or_else(PoisonError::into_inner).get(&encoded_name).copied();
        let is_current = known.unwrap_or_else(|| {
            let is_current = compressed::is_of(coding.name(), &encoded.bytes, &plain.bytes);
            if !is_current {
                tracing::warn!(file = encoded_name, "a compressed file is stale, and not sent: compress {name} again");
            }
            self.current.write().unwrap_or_else(PoisonError::into_inner).insert(encoded_name, is_current);
            is_current
        });
        is_current.then_some(encoded)
    }
}

fn encoded_name(name: &str, coding: Coding) -> String {
    format!("{name}{}", coding.suffix())
}

/// Where the name of a file can end in a text: at its end, or before a `?` or a `#`, the last of them first.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    std::iter::once(text.len()).chain(text.rmatch_indices(['?', '#']).map(|(at, _)| at))
}

/// The representation of a file, chosen by Accept-Encoding where the file also lies there compressed.
pub(crate) fn represent(assets: Arc<Assets>, found: AssetMatch) -> Option<Representation> {
    let plain = assets.files.get(&found.name)?.clone();
    Some(Representation::select(move |selection| Ok(choose(&assets, &found, plain, selection))))
}

fn choose(assets: &Assets, found: &AssetMatch, plain: Content, selection: &Selection<'_>) -> Representation {
    let forms: Vec<(Coding, &Content)> = Coding::ALL
        .into_iter()
        .filter_map(|coding| Some((coding, assets.encoded(&found.name, coding, &plain)?)))
        .collect();
    let available: Vec<Coding> = forms.iter().map(|(coding, _)| *coding).collect();
    let coding = negotiate::coding(selection.headers, &available);
    let encoded = forms.into_iter().find(|(form, _)| Some(*form) == coding);

    let mut headers = HeaderMap::new();
    media_type::describe(&mut headers, &found.name, &plain.bytes);
    if let Some((coding, _)) = &encoded {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    if !available.is_empty() {
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if let Some(policy) = found.policy() {
        headers.insert(header::CACHE_CONTROL, policy.into());
    }
    let content = encoded.map_or(&plain, |(_, content)| content);
    Representation::with_headers(headers, content.bytes.clone())
        // A form of its own has bytes of its own, and so a tag of its own (RFC 9110 §8.8.3.3).
        .with_computed_tag(EntityTag::of_digest(&content.digest))
        .with_methods([Method::GET])
        .with_ranges(true)
}

/// `css/site.css` → `css/site.0123456789abcdef0123.css`: in the same folder, so that relative links in a stylesheet
/// keep working, and in the path, so that a CDN needs no query string in its key.
fn with_fingerprint(name: &str, fingerprint: &str) -> String {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[file..].rfind('.') {
        Some(dot) => format!("{}.{fingerprint}{}", &name[..file + dot], &name[file + dot..]),
        None => format!("{name}.{fingerprint}"),
    }
}

fn without_fingerprint(name: &str) -> Option<(String, String)> {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let mut parts = name[file..].rsplitn(3, '.');
    let (last, second) = (parts.next()?, parts.next()?);
    match parts.next() {
        Some(stem) if is_fingerprint(second) => Some((format!("{}{stem}.{last}", &name[..file]), second.into())),
        _ if is_fingerprint(last) => Some((name[..name.len() - last.len() - 1].into(), last.into())),
        _ => None,
    }
}

fn is_fingerprint(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::source::{Embedded, FileFilter, ResolvedSource};
    use proptest::prelude::*;

    #[test]
    fn a_fingerprint_stands_before_the_extension() {
        let print = "0123456789abcdef0123";
        for (name, expected) in [
            ("site.css", "site.0123456789abcdef0123.css"),
            ("a.b/site.min.css", "a.b/site.min.0123456789abcdef0123.css"),
            ("a.b/LICENSE", "a.b/LICENSE.0123456789abcdef0123"),
        ] {
            assert_eq!(with_fingerprint(name, print), expected);
            assert_eq!(without_fingerprint(expected), Some((name.into(), print.into())));
        }
        for plain in ["site.css", "LICENSE", "a.0123.css", "a.0123456789ABCDEF0123.css"] {
            assert_eq!(without_fingerprint(plain), None);
        }
    }

    #[test]
    fn only_the_fingerprint_of_the_content_is_current() {
        const FILES: Embedded =
            Embedded::new(&[("a.css", b"a"), ("x.00000000000000000000.css", b"x"), ("x.css", b"y")]);
        let assets = Assets::new(ResolvedSource::Embedded(FILES).files(FileFilter::Visible));
        let found = |name: &str| assets.find(&AssetPath::from_name(name).unwrap()).map(|found| found.fingerprint);
        assert_eq!(found("a.css"), Some(Fingerprint::None));
        assert_eq!(found(&assets.fingerprinted("a.css").unwrap()), Some(Fingerprint::Current));
        assert_eq!(found("a.00000000000000000000.css"), Some(Fingerprint::Outdated));
        assert_eq!(found("x.00000000000000000000.css"), Some(Fingerprint::None), "a file has that very name");
        assert_eq!(found("b.00000000000000000000.css"), None);
    }

    #[test]
    fn a_name_ends_at_a_query_or_a_fragment_unless_a_file_has_it_so() {
        const FILES: Embedded = Embedded::new(&[("a.svg", b"a"), ("c#.svg", b"c"), ("q?x=1", b"q"), ("q", b"q")]);
        let assets = Assets::new(ResolvedSource::Embedded(FILES).files(FileFilter::Visible));
        for (text, name, rest) in [
            ("a.svg", "a.svg", ""),
            ("a.svg#b", "a.svg", "#b"),
            ("a.svg?v=2", "a.svg", "?v=2"),
            ("a.svg?v=2#b?c#d", "a.svg", "?v=2#b?c#d"),
            ("a.svg?#iefix", "a.svg", "?#iefix"),
            ("c#.svg", "c#.svg", ""),
            ("c#.svg#b", "c#.svg", "#b"),
            ("q?x=1", "q?x=1", ""),
            ("q?x=12", "q", "?x=12"),
            ("none.svg#b?c", "none.svg", "#b?c"),
            ("none.svg", "none.svg", ""),
            ("#b", "", "#b"),
            ("", "", ""),
        ] {
            assert_eq!(assets.named(text), (name, rest), "{text}");
        }
        for (start, names) in [
            ("a.svg#", &["a.svg"][..]),
            ("a.svg?v=2&x=", &["a.svg"]),
            ("q?x=1#", &["q", "q?x=1"]),
            ("q?x", &["q", "q?x=1"]),
            ("a", &["a.svg"]),
            ("a.svg", &["a.svg"]),
            ("c", &["c#.svg"]),
            ("b#", &[]),
        ] {
            let mut found: Vec<&str> = assets.named_from(start).collect();
            found.sort_unstable();
            assert_eq!(found, names, "{start}");
        }
    }

    proptest! {
        #[test]
        fn fingerprints_come_off_again(name in "[a-z.]{0,5}[a-z]/?[a-z]{1,5}(\\.[a-z]{1,4}){0,2}") {
            let print = "0123456789abcdef0123";
            prop_assert_eq!(without_fingerprint(&with_fingerprint(&name, print)), Some((name, print.to_owned())));
        }
    }
}
