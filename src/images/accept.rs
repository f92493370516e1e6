//! Which image formats a client takes, by its Accept field (RFC 9110 §12.5.1), as one of four classes: so a CDN that keys
//! by the class keeps at most four variants of a URL. It does not know images.

use http::{HeaderMap, header};
use serde::Serialize;

use crate::{codec::Format, fields::negotiate::weights};

/// The classes of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AcceptClass {
    /// Names AVIF, and doesn't refuse WebP: no browser has the one without the other, so both may be sent.
    Avif,
    /// Names WebP.
    Webp,
    /// Takes PNG and no JPEG.
    Png,
    /// Everyone else: gets what the image is, where browsers have always shown that.
    Old,
}

/// Who is in a class; whoever is in none is in the last one, [`AcceptClass::Old`].
///
/// NOTE: this is the one place where classes are defined. The function that CloudFront runs ([`edge`](super::edge)) is made
/// of it.
#[derive(Debug, Serialize)]
pub(crate) struct Class {
    #[serde(skip)]
    bucket: AcceptClass,
    /// The Accept field that stands for the class.
    accept: &'static str,
    /// What a client of it takes, ...
    takes: &'static str,
    /// no less gladly than these, ...
    no_less_than: &'static [&'static str],
    /// without a word against these, ...
    not_against: &'static [&'static str],
    /// and without taking these.
    without: &'static [&'static str],
}

/// A format of our time has to be named, and to be wanted as much as the old ones: `*/*` and `image/*` are what clients send
/// that have never heard of it. Where nothing that we have is acceptable, the answer is the default and not a 406, as
/// RFC 9110 §12.5.1 allows.
pub(crate) const CLASSES: [Class; 4] = [
    Class {
        bucket: AcceptClass::Avif,
        accept: "image/avif,image/webp",
        takes: "image/avif",
        no_less_than: &["image/webp", "image/jpeg", "image/png"],
        not_against: &["image/webp"],
        without: &[],
    },
    Class {
        bucket: AcceptClass::Webp,
        accept: "image/webp",
        takes: "image/webp",
        no_less_than: &["image/jpeg", "image/png"],
        not_against: &[],
        without: &[],
    },
    Class {
        bucket: AcceptClass::Png,
        accept: "image/png",
        takes: "image/png",
        no_less_than: &[],
        not_against: &[],
        without: &["image/jpeg"],
    },
    Class { bucket: AcceptClass::Old, accept: "*/*", takes: "*/*", no_less_than: &[], not_against: &[], without: &[] },
];

/// The ranges of an Accept field that speak of a type, the most precise first.
pub(crate) const RANGES: [(&str, &[&str]); 4] = [
    ("image/avif", &["image/avif"]),
    ("image/webp", &["image/webp"]),
    ("image/jpeg", &["image/jpeg", "image/*", "*/*"]),
    ("image/png", &["image/png", "image/*", "*/*"]),
];

impl AcceptClass {
    /// The class of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let wanted = weights(headers, &header::ACCEPT);
        let exact = |name: &str| wanted.iter().find(|(range, _)| range == name).map(|(_, weight)| *weight);
        let weight = |media_type: &&str| {
            let ranges = RANGES.iter().find(|(known, _)| known == media_type);
            ranges.and_then(|(_, ranges)| ranges.iter().find_map(|range| exact(range)))
        };
        let has = |class: &&Class| {
            let own = weight(&class.takes).unwrap_or(0);
            own > 0
                && class.no_less_than.iter().all(|other| own >= weight(other).unwrap_or(0))
                && class.not_against.iter().all(|other| weight(other) != Some(0))
                && class.without.iter().all(|other| weight(other).unwrap_or(0) == 0)
        };
        CLASSES.iter().find(has).map_or(Self::Old, |class| class.bucket)
    }

    /// JPEG or PNG, where an Accept field names one of them: the one that is wanted more.
    pub(crate) fn named(headers: &HeaderMap) -> Option<Format> {
        let wanted = weights(headers, &header::ACCEPT);
        let named =
            [("image/jpeg", Format::Jpeg), ("image/png", Format::Png)].into_iter().filter_map(|(name, format)| {
                let (_, weight) = wanted.iter().find(|(range, weight)| range == name && *weight > 0)?;
                Some((*weight, format))
            });
        named.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, format)| format)
    }

    /// What may be sent to this class of an image that is in this format, the smallest first. A PNG never becomes a JPEG:
    /// who made one wants nothing lost. WebP and AVIF are for clients that name them.
    pub(crate) fn formats(self, own: Option<Format>) -> &'static [Format] {
        match (self, own) {
            (Self::Avif, Some(Format::Png)) => &[Format::Avif, Format::Webp, Format::Png],
            (Self::Avif, _) => &[Format::Avif, Format::Webp, Format::Jpeg, Format::Png],
            (Self::Webp, Some(Format::Png)) => &[Format::Webp, Format::Png],
            (Self::Webp, _) => &[Format::Webp, Format::Jpeg, Format::Png],
            (Self::Png, _) | (Self::Old, Some(Format::Png)) => &[Format::Png],
            (Self::Old, _) => &[Format::Jpeg, Format::Png],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn bucket(lines: &[&str]) -> AcceptClass {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        AcceptClass::of(&headers)
    }

    #[test]
    fn accept_is_read_as_rfc_9110_12_5_1_says() {
        for (lines, expected) in [
            (&[][..], AcceptClass::Old),
            (&[""], AcceptClass::Old),
            (&["*/*"], AcceptClass::Old),
            (&["image/*"], AcceptClass::Old),
            (&["text/html"], AcceptClass::Old),
            // Chrome, Firefox, Safari of today, Safari and Firefox of old, curl with one type
            (&["image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"], AcceptClass::Avif),
            (&["image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"], AcceptClass::Avif),
            (
                &["image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,*/*;q=0.5"],
                AcceptClass::Avif,
            ),
            (&["image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"], AcceptClass::Old),
            (&["image/webp,*/*"], AcceptClass::Webp),
            (&["image/avif"], AcceptClass::Avif),
            (&["image/webp"], AcceptClass::Webp),
            (&["image/jpeg"], AcceptClass::Old),
            (&["image/png"], AcceptClass::Png),
            // order, case, blanks, repeated lines
            (&["*/*;q=0.1, IMAGE/WebP"], AcceptClass::Webp),
            (&["image/webp ; q=1.0 , image/*"], AcceptClass::Webp),
            (&["image/png", "image/avif"], AcceptClass::Avif),
            // weights
            (&["image/avif;q=0, image/webp"], AcceptClass::Webp),
            (&["image/avif;q=0, image/webp;q=0, */*"], AcceptClass::Old),
            (&["image/avif, image/webp;q=0, image/jpeg"], AcceptClass::Old),
            (&["image/avif;q=0.5, image/webp;q=0.9"], AcceptClass::Webp),
            (&["image/webp;q=0.5, image/jpeg"], AcceptClass::Old),
            (&["image/webp;q=0.5, */*;q=0.8"], AcceptClass::Old),
            (&["image/webp;q=0.5, */*;q=0.5"], AcceptClass::Webp),
            (&["image/jpeg;q=0, image/*"], AcceptClass::Png),
            (&["image/jpeg;q=0.2, image/png"], AcceptClass::Old),
            (&["image/*;q=0"], AcceptClass::Old),
            // what can't be read doesn't count
            (&["image/avif;q=2, image/webp"], AcceptClass::Webp),
            (&["image/avif;q, image/webp"], AcceptClass::Webp),
            (&[";;,,image/webp"], AcceptClass::Webp),
        ] {
            assert_eq!(bucket(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_stands_for_a_class_is_of_it() {
        for class in &CLASSES {
            assert_eq!(bucket(&[class.accept]), class.bucket);
        }
    }

    proptest! {
        #[test]
        fn any_accept_has_a_class_and_lines_are_one_list(parts in proptest::collection::vec("[ -~]{0,12}", 0..5)) {
            let lines: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert_eq!(bucket(&lines), bucket(&[&lines.join(",")]));
        }
    }
}
