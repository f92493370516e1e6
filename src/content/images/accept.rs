//! Which image formats a client takes, by its Accept field (RFC 9110 §12.5.1), as one of four classes: so a CDN that keys
//! by the class keeps at most four variants of a URL. It does not know images.

use http::{HeaderMap, header};

use super::codec::Format;
use crate::content::negotiate::weights;

/// The classes of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    /// Names AVIF, and doesn't refuse WebP: no browser has the one without the other, so both may be sent.
    Avif,
    /// Names WebP.
    Webp,
    /// Takes PNG and no JPEG.
    Png,
    /// Everyone else: what browsers have always shown.
    Jpeg,
}

impl Bucket {
    /// The class of a request. A format of our time has to be named, and to be wanted as much as the old ones:
    /// `*/*` and `image/*` are what clients send that have never heard of it. Where nothing that we have is acceptable, the
    /// answer is the default and not a 406, as §12.5.1 allows.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let wanted = weights(headers, &header::ACCEPT);
        let exact = |name: &str| wanted.iter().find(|(range, _)| range == name).map(|(_, weight)| *weight);
        let weight = |name: &str| exact(name).or_else(|| exact("image/*")).or_else(|| exact("*/*"));
        let (jpeg, png) = (weight("image/jpeg"), weight("image/png"));
        let old = jpeg.max(png).unwrap_or(0);
        let modern = |name: &str| exact(name).filter(|weight| *weight > 0 && *weight >= old);
        match (modern("image/avif"), modern("image/webp")) {
            (Some(avif), webp) if webp.is_none_or(|webp| avif >= webp) && exact("image/webp") != Some(0) => Self::Avif,
            (_, Some(_)) => Self::Webp,
            _ if jpeg.unwrap_or(0) == 0 && png.is_some_and(|png| png > 0) => Self::Png,
            _ => Self::Jpeg,
        }
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

    /// What may be sent to this class, the smallest first.
    pub(crate) fn formats(self) -> &'static [Format] {
        match self {
            Self::Avif => &[Format::Avif, Format::Webp, Format::Jpeg, Format::Png],
            Self::Webp => &[Format::Webp, Format::Jpeg, Format::Png],
            Self::Png => &[Format::Png],
            Self::Jpeg => &[Format::Jpeg, Format::Png],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn bucket(lines: &[&str]) -> Bucket {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
        }
        Bucket::of(&headers)
    }

    #[test]
    fn accept_is_read_as_rfc_9110_12_5_1_says() {
        for (lines, expected) in [
            (&[][..], Bucket::Jpeg),
            (&[""], Bucket::Jpeg),
            (&["*/*"], Bucket::Jpeg),
            (&["image/*"], Bucket::Jpeg),
            (&["text/html"], Bucket::Jpeg),
            // Chrome, Firefox, Safari of today, Safari and Firefox of old, curl with one type
            (&["image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"], Bucket::Avif),
            (&["image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"], Bucket::Avif),
            (
                &["image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,*/*;q=0.5"],
                Bucket::Avif,
            ),
            (&["image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"], Bucket::Jpeg),
            (&["image/webp,*/*"], Bucket::Webp),
            (&["image/avif"], Bucket::Avif),
            (&["image/webp"], Bucket::Webp),
            (&["image/jpeg"], Bucket::Jpeg),
            (&["image/png"], Bucket::Png),
            // order, case, blanks, repeated lines
            (&["*/*;q=0.1, IMAGE/WebP"], Bucket::Webp),
            (&["image/webp ; q=1.0 , image/*"], Bucket::Webp),
            (&["image/png", "image/avif"], Bucket::Avif),
            // weights
            (&["image/avif;q=0, image/webp"], Bucket::Webp),
            (&["image/avif;q=0, image/webp;q=0, */*"], Bucket::Jpeg),
            (&["image/avif, image/webp;q=0, image/jpeg"], Bucket::Jpeg),
            (&["image/avif;q=0.5, image/webp;q=0.9"], Bucket::Webp),
            (&["image/webp;q=0.5, image/jpeg"], Bucket::Jpeg),
            (&["image/webp;q=0.5, */*;q=0.8"], Bucket::Jpeg),
            (&["image/webp;q=0.5, */*;q=0.5"], Bucket::Webp),
            (&["image/jpeg;q=0, image/*"], Bucket::Png),
            (&["image/jpeg;q=0.2, image/png"], Bucket::Jpeg),
            (&["image/*;q=0"], Bucket::Jpeg),
            // what can't be read doesn't count
            (&["image/avif;q=2, image/webp"], Bucket::Webp),
            (&["image/avif;q, image/webp"], Bucket::Webp),
            (&[";;,,image/webp"], Bucket::Webp),
        ] {
            assert_eq!(bucket(lines), expected, "{lines:?}");
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
