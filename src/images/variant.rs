//! Reads the parameters of an image URL, and plans the variants for them, with their keys. It knows neither pixels nor
//! requests.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::{
    codec::{self, Format, Header, Kind, Tier},
    fields::digest::{ContentDigest, Digest, update_framed},
};

/// The widths and qualities that a URL may ask for. Others are refused, so that a stranger can't make a site convert without end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AllowedVariants {
    /// In ascending order.
    pub(crate) widths: Vec<u32>,
    pub(crate) qualities: Vec<u8>,
    pub(crate) quality: u8,
}

/// The parameters of an image URL; none where it has no parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct VariantRequest {
    pub(crate) width: Option<u32>,
    pub(crate) quality: Option<u8>,
    pub(crate) format: Option<Format>,
}

/// How a variant is made: of equal plans for one source come equal bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Plan {
    /// What may come out, the preferred one first.
    pub(crate) formats: &'static [Format],
    /// In pixels; none where the image keeps its size.
    pub(crate) width: Option<u32>,
    pub(crate) quality: u8,
    pub(crate) tier: Tier,
}

/// What a variant is kept under, and its tag: a hash over all that its bytes depend on.
pub(crate) type VariantKey = Digest<Variant>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Variant {}

impl AllowedVariants {
    /// As a text for the tags of pages. A change of it changes the tags.
    pub(crate) fn in_tags(&self) -> String {
        let Self { widths, qualities, quality } = self;
        format!("Menu {{ widths: {widths:?}, qualities: {qualities:?}, quality: {quality} }}")
    }

    /// The parameters of a query: `w` (pixels), `dpr` (device pixels for each of them), `q` (quality), `fmt`. Each once.
    pub(crate) fn read_query(&self, query: &str) -> Result<VariantRequest, String> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        self.read(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))))
    }

    /// The same in the last segment of a path: `w640`, `w640-q75.webp`, `full.jpg`.
    pub(crate) fn read_segment(&self, segment: &str) -> Result<VariantRequest, String> {
        let (parameters, format) = match segment.split_once('.') {
            Some((parameters, extension)) => (parameters, Some(("fmt", extension))),
            None => (segment, None),
        };
        let pairs = parameters.split('-').filter(|parameter| *parameter != FULL).map(|parameter| {
            let value = parameter.find(|c: char| c.is_ascii_digit()).unwrap_or(parameter.len());
            parameter.split_at(value)
        });
        self.read(pairs.chain(format))
    }

    fn read<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Result<VariantRequest, String> {
        let (mut wanted, mut density) = (VariantRequest::default(), None);
        for (name, value) in pairs {
            let taken = match name {
                "w" => wanted.width.replace(one_of(name, value, &self.widths)?).is_some(),
                "q" => wanted.quality.replace(one_of(name, value, &self.qualities)?).is_some(),
                "dpr" => density.replace(density_of(value)?).is_some(),
                "fmt" => wanted.format.replace(format_of(value)?).is_some(),
                _ => return Err(format!("There is no parameter {}: w, dpr, q and fmt there are.\n", printable(name))),
            };
            if taken {
                return Err(format!("The parameter {name} is given twice.\n"));
            }
        }
        if let Some(density) = density {
            let width = wanted.width.ok_or("The parameter dpr needs w.\n")?;
            wanted.width = Some(self.at_least((f64::from(width) * density).ceil()));
        }
        Ok(wanted)
    }

    /// The smallest width that is allowed and no less than this; the largest where there is none.
    fn at_least(&self, width: f64) -> u32 {
        let fitting = self.widths.iter().copied().find(|allowed| f64::from(*allowed) >= width);
        fitting.or(self.widths.last().copied()).unwrap_or(u32::MAX)
    }
}

fn one_of<T: Copy + PartialEq + ToString>(name: &str, value: &str, allowed: &[T]) -> Result<T, String> {
    allowed.iter().copied().find(|allowed| allowed.to_string() == value).ok_or_else(|| {
        let allowed: Vec<String> = allowed.iter().map(T::to_string).collect();
        format!("The parameter {name} can be {}.\n", allowed.join(", "))
    })
}

fn density_of(value: &str) -> Result<f64, String> {
    let known = [("1", 1.0), ("1.5", 1.5), ("2", 2.0), ("3", 3.0)];
    let found = known.into_iter().find(|(text, _)| *text == value).map(|(_, density)| density);
    found.ok_or_else(|| "The parameter dpr can be 1, 1.5, 2, 3.\n".to_owned())
}

/// A format by its extension.
fn format_of(value: &str) -> Result<Format, String> {
    let built = || Format::ALL.into_iter().filter(|format| format.is_built());
    let value = if value == "jpeg" { "jpg" } else { value };
    built().find(|format| format.extension() == value).ok_or_else(|| {
        let known: Vec<&str> = built().map(Format::extension).collect();
        format!("The parameter fmt can be {}.\n", known.join(", "))
    })
}

/// What a stranger sent, cut short and without what a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '&')).take(20).collect()
}

const FULL: &str = "full";

impl VariantRequest {
    /// As the query of a URL; empty where nothing is asked for.
    pub(crate) fn to_query(self) -> String {
        let pairs = [
            self.width.map(|width| format!("w={width}")),
            self.quality.map(|quality| format!("q={quality}")),
            self.format.map(|format| format!("fmt={}", format.extension())),
        ];
        let pairs: Vec<String> = pairs.into_iter().flatten().collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    /// As the last segment of a path.
    pub(crate) fn to_segment(self) -> String {
        let parameters =
            [self.width.map(|width| format!("w{width}")), self.quality.map(|quality| format!("q{quality}"))];
        let parameters: Vec<String> = parameters.into_iter().flatten().collect();
        let mut segment = if parameters.is_empty() { FULL.to_owned() } else { parameters.join("-") };
        if let Some(format) = self.format {
            _ = write!(segment, ".{}", format.extension());
        }
        segment
    }
}

impl Plan {
    /// The ways to make what is wanted of an image of this width and format, for those who take these formats. None where
    /// the image is best sent as it is: making it anew in its own format would only cost quality.
    pub(crate) fn of(
        image: (u32, Option<Format>),
        wanted: VariantRequest,
        formats: &'static [Format],
        quality: u8,
    ) -> Vec<Self> {
        let (full, format) = image;
        let width = wanted.width.filter(|width| *width < full);
        let as_it_is = width.is_none() && wanted.quality.is_none() && format.is_some();
        if as_it_is && format.as_ref() == formats.first() {
            return Vec::new();
        }
        Self::ladder(formats, width, wanted.quality.unwrap_or(quality))
    }

    /// The ways to make a variant for those who take these formats, the best first and the cheapest last.
    pub(crate) fn ladder(formats: &'static [Format], width: Option<u32>, quality: u8) -> Vec<Self> {
        let formats = if formats.first().is_some_and(|best| best.is_built()) { formats } else { rest(formats) };
        let plan = |formats, tier| Self { formats, width, quality, tier };
        let mut ladder = vec![plan(formats, Tier::Good)];
        let mut cheaper = formats;
        // PNG is no cheaper than JPEG.
        while !cheaper.is_empty() && (cheaper != [Format::Png] || !formats.contains(&Format::Jpeg)) {
            ladder.push(plan(cheaper, Tier::Fast));
            cheaper = rest(cheaper);
        }
        ladder
    }

    /// SECURITY: all that the bytes depend on. A tag is made of it, and equal tags mean equal bytes.
    pub(crate) fn key(&self, source: &ContentDigest, salt: &str) -> VariantKey {
        self.digest(codec::version(), source, salt)
    }

    /// The same on every machine, for what is made on one and served by another.
    pub(crate) fn name(&self, source: &ContentDigest) -> VariantKey {
        self.digest(codec::edition(), source, "")
    }

    fn digest(&self, codecs: &str, source: &ContentDigest, salt: &str) -> VariantKey {
        let mut hash = Sha256::new();
        let formats: Vec<&str> = self.formats.iter().map(|format| format.extension()).collect();
        let tier = match self.tier {
            Tier::Fast => "fast",
            Tier::Good => "good",
        };
        let width = self.width.map(|width| width.to_string()).unwrap_or_default();
        let quality = self.quality.to_string();
        for part in [codecs, salt, &formats.join(" "), &width, &quality, tier] {
            update_framed(&mut hash, part.as_bytes());
        }
        hash.update(source);
        VariantKey::finish(hash)
    }
}

impl Format {
    /// This one and no other.
    pub(crate) fn alone(self) -> &'static [Self] {
        match self {
            Self::Avif => &[Self::Avif],
            Self::Webp => &[Self::Webp],
            Self::Jpeg => &[Self::Jpeg],
            Self::Png => &[Self::Png],
        }
    }
}

impl Header {
    /// The format of the file, where we could have written it.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.kind {
            _ if self.drawn => None,
            Kind::Jpeg => Some(Format::Jpeg),
            Kind::Png => Some(Format::Png),
            Kind::Webp => Some(Format::Webp),
            _ => None,
        }
    }

    /// The format whose rules the file is under: who makes a GIF wants nothing lost, as who makes a PNG.
    pub(crate) fn stands_for(&self) -> Option<Format> {
        if self.kind == Kind::Gif { Some(Format::Png) } else { self.format() }
    }
}

/// The key of a source that goes out as it is, without its metadata.
pub(crate) fn key_of_original(source: &ContentDigest) -> VariantKey {
    VariantKey::finish(Sha256::new().chain_update("original ").chain_update(codec::edition()).chain_update(source))
}

fn rest(formats: &'static [Format]) -> &'static [Format] {
    formats.get(1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed() -> AllowedVariants {
        AllowedVariants { widths: vec![320, 640, 1280], qualities: vec![50, 75, 80], quality: 80 }
    }

    fn wanted(width: Option<u32>, quality: Option<u8>, format: Option<Format>) -> VariantRequest {
        VariantRequest { width, quality, format }
    }

    #[test]
    fn queries_and_segments_say_the_same() {
        let allowed = allowed();
        for (query, segment, expected) in [
            ("", "full", wanted(None, None, None)),
            ("w=640", "w640", wanted(Some(640), None, None)),
            ("w=640&q=75&fmt=webp", "w640-q75.webp", wanted(Some(640), Some(75), Some(Format::Webp))),
            ("fmt=jpg", "full.jpg", wanted(None, None, Some(Format::Jpeg))),
            ("fmt=jpeg", "full.jpeg", wanted(None, None, Some(Format::Jpeg))),
            ("w=320&dpr=2", "w320-dpr2", wanted(Some(640), None, None)),
            ("w=320&dpr=3", "dpr3-w320", wanted(Some(1280), None, None)),
            ("w=1280&dpr=3", "w1280-dpr3", wanted(Some(1280), None, None)),
        ] {
            assert_eq!(allowed.read_query(query), Ok(expected), "{query}");
            assert_eq!(allowed.read_segment(segment), Ok(expected), "{segment}");
        }
    }

    #[test]
    fn what_is_not_on_the_menu_is_refused() {
        let allowed = allowed();
        for query in [
            "w=641",
            "w=0640",
            "w=+640",
            "w=-1",
            "w=",
            "w",
            "w=640&w=640",
            "w=99999999999",
            "q=81",
            "dpr=2",
            "w=320&dpr=4",
            "fmt=gif",
            "fmt=",
            "v=3",
            "=",
            "w=%36%340",
            "W=640",
            "utm_source=x",
        ] {
            assert!(allowed.read_query(query).is_err(), "{query}");
        }
        for segment in ["", "w641", "640", "w640.gif", "w640.webp.webp", "w640-", "full.", "x1", ".webp"] {
            assert!(allowed.read_segment(segment).is_err(), "{segment}");
        }
    }

    #[test]
    fn every_part_of_a_plan_is_in_its_key() {
        let plan = Plan { formats: &[Format::Webp, Format::Jpeg], width: Some(640), quality: 80, tier: Tier::Good };
        let keys = [
            plan.key(&ContentDigest::new([0; 32]), ""),
            plan.key(&ContentDigest::new([1; 32]), ""),
            plan.key(&ContentDigest::new([0; 32]), "limits"),
            Plan { formats: &[Format::Webp], ..plan }.key(&ContentDigest::new([0; 32]), ""),
            Plan { width: Some(320), ..plan }.key(&ContentDigest::new([0; 32]), ""),
            Plan { width: None, ..plan }.key(&ContentDigest::new([0; 32]), ""),
            Plan { quality: 75, ..plan }.key(&ContentDigest::new([0; 32]), ""),
            Plan { tier: Tier::Fast, ..plan }.key(&ContentDigest::new([0; 32]), ""),
            key_of_original(&ContentDigest::new([0; 32])),
        ];
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(width in 0..3usize, quality in 0..3usize, format in 0..4usize) {
            let allowed = allowed();
            let format = [None, Some(Format::Webp), Some(Format::Jpeg), Some(Format::Png)][format];
            let wanted = wanted(Some(allowed.widths[width]), Some(allowed.qualities[quality]), format);
            prop_assert_eq!(allowed.read_query(wanted.to_query().trim_start_matches('?')), Ok(wanted));
            prop_assert_eq!(allowed.read_segment(&wanted.to_segment()), Ok(wanted));
        }

        #[test]
        fn odd_parameters_are_refused_and_no_more(text in "\\PC{0,30}") {
            _ = allowed().read_query(&text);
            _ = allowed().read_segment(&text);
        }
    }
}
