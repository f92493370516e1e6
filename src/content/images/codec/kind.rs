//! What a file is, by its bytes alone: a name or a declared type is never believed. It does not know whether the file is
//! sound.

use super::bytes::{be32, slice};

/// The kinds of files that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    Webp,
    Gif,
    Avif,
    Heif,
    Jxl,
    Svg,
    Bmp,
    Tiff,
    Ico,
    /// No image, or none that is known.
    Other,
}

impl Kind {
    /// What it is called in a sentence.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
            Self::Gif => "GIF",
            Self::Avif => "AVIF",
            Self::Heif => "HEIF",
            Self::Jxl => "JPEG XL",
            Self::Svg => "SVG",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Ico => "ICO",
            Self::Other => "unknown",
        }
    }

    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
            Self::Heif => "image/heif",
            Self::Jxl => "image/jxl",
            Self::Svg => "image/svg+xml",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Ico => "image/vnd.microsoft.icon",
            Self::Other => "application/octet-stream",
        }
    }
}

/// Whether a file with this beginning is converted. Its bytes decide, whatever it is called: the server, pages, build steps
/// and checks all ask this.
pub(crate) fn is_converted(bytes: &[u8]) -> bool {
    converted(bytes).is_some()
}

/// The kinds that are converted.
fn converted(bytes: &[u8]) -> Option<Kind> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Kind::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::Webp),
        _ => None,
    }
}

/// The kind of the file that starts with (or is) these bytes.
pub(crate) fn sniff(bytes: &[u8]) -> Kind {
    if let Some(kind) = converted(bytes).or_else(|| by_brand(bytes)) {
        return kind;
    }
    match infer::get(bytes).map(|kind| kind.mime_type()) {
        Some("image/gif") => Kind::Gif,
        Some("image/avif") => Kind::Avif,
        Some("image/heif") => Kind::Heif,
        Some("image/jxl") => Kind::Jxl,
        Some("image/bmp") => Kind::Bmp,
        Some("image/tiff") => Kind::Tiff,
        Some("image/vnd.microsoft.icon") => Kind::Ico,
        _ if is_svg(bytes) => Kind::Svg,
        _ => Kind::Other,
    }
}

/// Files of the ISO base media format say in their `ftyp` box what they are. The major brand may be the general `mif1`, so
/// all brands count (AV1 Image File Format §6.2).
fn by_brand(bytes: &[u8]) -> Option<Kind> {
    if slice(bytes, 4, 4)? != b"ftyp" {
        return None;
    }
    let length = be32(bytes, 0)?.min(256) as usize;
    let brands = bytes.get(8..length.min(bytes.len()))?;
    let has = |wanted: &[&[u8]]| brands.chunks_exact(4).any(|brand| wanted.contains(&brand));
    if has(&[b"avif", b"avis"]) {
        Some(Kind::Avif)
    } else if has(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]) {
        Some(Kind::Heif)
    } else {
        None
    }
}

/// White space in XML (XML 1.0 §2.3).
pub(super) const XML_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Whether the first element of this XML is `svg`. Comments, instructions and a document type may stand before it.
fn is_svg(bytes: &[u8]) -> bool {
    let start = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    let wide = |unit: fn([u8; 2]) -> u16| -> Vec<u16> { start.as_chunks().0.iter().map(|pair| unit(*pair)).collect() };
    let text = match start {
        [0xff, 0xfe, ..] => String::from_utf16_lossy(&wide(u16::from_le_bytes)).into(),
        [0xfe, 0xff, ..] => String::from_utf16_lossy(&wide(u16::from_be_bytes)).into(),
        _ => String::from_utf8_lossy(start),
    };
    let mut rest = text.trim_start_matches('\u{feff}').trim_start_matches(XML_SPACE);
    loop {
        let end = if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!") {
            if rest.find('[').is_some_and(|at| rest.find('>').is_none_or(|close| at < close)) { "]>" } else { ">" }
        } else {
            break;
        };
        let Some(at) = rest.find(end) else { return false };
        rest = rest.get(at + end.len()..).unwrap_or_default().trim_start_matches(XML_SPACE);
    }
    let Some(name) = rest.strip_prefix('<') else { return false };
    let name = name.split(|c: char| XML_SPACE.contains(&c) || c == '>' || c == '/').next().unwrap_or_default();
    name == "svg" || name.ends_with(":svg")
}
