//! The language of a request: by its path, or by Accept-Language (RFC 9110 §12.5.4) with the lookup of RFC 4647 §3.4.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderMap, header};

use super::po::Catalogue;
use crate::fields::negotiate::weights;

type Languages = BTreeMap<String, Arc<Catalogue>>;

/// Whether a text has the form of the tags that a site's languages have: a language, and perhaps a script, a region and variants.
pub(super) fn is_language(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let is_first = |text: &str| (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_other = |text: &str| (2..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    subtags.next().is_some_and(is_first) && subtags.all(is_other)
}

/// The language that the first segment of a path is.
pub(super) fn by_path<'a>(path: &str, languages: &'a Languages) -> Option<&'a Arc<Catalogue>> {
    let segment = path.trim_start_matches('/').split('/').next()?;
    languages.iter().find(|(language, _)| language.eq_ignore_ascii_case(segment)).map(|(_, catalogue)| catalogue)
}

/// The language that is wanted most among those that there are. Of equal weights the first one counts. A language of weight zero is
/// not acceptable, and neither is what only it would have found.
pub(super) fn by_field<'a>(headers: &HeaderMap, languages: &'a Languages) -> Option<&'a Arc<Catalogue>> {
    let mut wanted = weights(headers, &header::ACCEPT_LANGUAGE);
    let refused: Vec<String> =
        wanted.iter().filter(|(_, weight)| *weight == 0).map(|(range, _)| range.clone()).collect();
    wanted.retain(|(_, weight)| *weight > 0);
    wanted.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    // RFC 4647 §3.4: the range `*` is skipped in a lookup, and the default is given if nothing else is found.
    let ranges = wanted.iter().map(|(range, _)| range.as_str()).filter(|range| *range != "*");
    let is_refused =
        |catalogue: &Arc<Catalogue>| refused.iter().any(|range| catalogue.language().eq_ignore_ascii_case(range));
    ranges.filter_map(|range| look_up(range, languages)).find(|catalogue| !is_refused(catalogue))
}

/// The language of a range, which is shortened from its end until there is one (RFC 4647 §3.4).
pub(super) fn look_up<'a>(range: &str, languages: &'a Languages) -> Option<&'a Arc<Catalogue>> {
    let mut rest = range;
    loop {
        if let Some((_, found)) = languages.iter().find(|(language, _)| language.eq_ignore_ascii_case(rest)) {
            return Some(found);
        }
        rest = rest.rsplit_once('-')?.0;
        // A single letter or digit stands for what follows it, and goes with it.
        if let Some((before, [_])) = rest.rsplit_once('-').map(|(before, last)| (before, last.as_bytes())) {
            rest = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn languages(names: &[&str]) -> Languages {
        names.iter().map(|name| ((*name).to_owned(), Arc::new(Catalogue::new(name)))).collect()
    }

    #[test]
    fn accept_language_is_looked_up_as_rfc_4647_3_4_says() {
        let there = languages(&["de", "en", "fr-CA", "pt-BR", "zh-Hant"]);
        for (lines, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["de"], Some("de")),
            (&["DE-at"], Some("de")),
            (&["de-CH-1996, en;q=0.9"], Some("de")),
            (&["en;q=0.5, de;q=0.8"], Some("de")),
            (&["en, de"], Some("en")),
            (&["en;q=0.5", "de"], Some("de")),
            (&["fr"], None), // a range finds no longer tag
            (&["fr-CA"], Some("fr-CA")),
            (&["fr, pt-BR;q=0.1"], Some("pt-BR")),
            (&["zh-Hant-CN-x-private1-private2"], Some("zh-Hant")),
            (&["zh-Hant-x-a"], Some("zh-Hant")),
            (&["*"], None),
            (&["*, de;q=0.1"], Some("de")),
            (&["de;q=0"], None),
            (&["de;q=0, de-AT"], None),
            (&["ja, en;q=0.001"], Some("en")),
            (&["de;q=2, en"], Some("en")),
            (&["de;, en"], None), // a parameter without a value: the element can't be read, and `en` counts
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::ACCEPT_LANGUAGE, HeaderValue::from_static(line));
            }
            let expected = if lines == ["de;, en"] { Some("en") } else { expected };
            assert_eq!(by_field(&headers, &there).map(|found| found.language()), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_first_segment_of_a_path_is_a_language_if_there_is_one() {
        let there = languages(&["de", "pt-BR"]);
        for (path, expected) in [
            ("/de", Some("de")),
            ("/de/", Some("de")),
            ("/DE/about", Some("de")),
            ("/pt-br/about", Some("pt-BR")),
            ("/", None),
            ("/dealer", None),
            ("/about/de", None),
            ("/de-AT/about", None),
            ("/d%65/about", None),
        ] {
            assert_eq!(by_path(path, &there).map(|found| found.language()), expected, "{path}");
        }
    }

    #[test]
    fn languages_are_told_from_other_names() {
        for (name, expected) in [
            ("de", true),
            ("pt-BR", true),
            ("zh-Hant-TW", true),
            ("gsw", true),
            ("germn", false),
            ("", false),
            ("d", false),
        ] {
            assert_eq!(is_language(name), expected, "{name}");
        }
    }
}
