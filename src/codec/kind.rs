//! What a file is, by its bytes alone: a name or a declared type is never believed. It does not know whether the file is
//! sound.

use super::{
    bytes::{be32, slice},
    files,
};

/// The formats of images that are told apart, by their content.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::images::{ImageKind, Images};
///
/// let info = Images::inspect(&std::fs::read("static/img/logo.png")?)?;
/// assert_eq!(info.format, ImageKind::Png);
/// assert_eq!((info.format.name(), info.format.media_type()), ("PNG", "image/png"));
/// # Ok::<(), chalice_http_toolkit::BoxError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// JPEG.
    Jpeg,
    /// PNG, moving ones too.
    Png,
    /// WebP.
    Webp,
    /// GIF.
    Gif,
    /// AV1 Image File Format.
    Avif,
    /// What iPhones store: HEIC. Only Safari shows it.
    Heif,
    /// JPEG XL. Only Safari shows it.
    Jxl,
    /// SVG, which may bring a script.
    Svg,
    /// Windows bitmap.
    Bmp,
    /// TIFF.
    Tiff,
    /// Windows icon, of which the largest picture counts.
    Ico,
    /// Quite OK Image.
    Qoi,
    /// The anymaps: PBM, PGM, PPM, PAM.
    Pnm,
}

impl Kind {
    /// What it is called in a sentence: `JPEG`, `WebP`.
    pub const fn name(self) -> &'static str {
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
            Self::Qoi => "QOI",
            Self::Pnm => "PNM",
        }
    }

    /// For Content-Type.
    pub const fn media_type(self) -> &'static str {
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
            Self::Qoi => "image/qoi",
            Self::Pnm => "image/x-portable-anymap",
        }
    }
}

/// The kind of a file that is converted. Its bytes decide, whatever it is called: the server, pages, build steps and checks
/// all ask this.
pub(crate) fn converted(bytes: &[u8]) -> Option<Kind> {
    let kind = decoded(bytes)?;
    // A GIF that moves is nothing but a file, whatever stands behind its `?`: the others that move are told by their header.
    (kind != Kind::Gif || files::gif::is_still(bytes)).then_some(kind)
}

/// The kinds that there are decoders for.
fn decoded(bytes: &[u8]) -> Option<Kind> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Kind::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::Webp),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Kind::Gif),
        _ if files::bmp::is(bytes) => Some(Kind::Bmp),
        _ if files::tiff::is(bytes) => Some(Kind::Tiff),
        _ if files::ico::is(bytes) => Some(Kind::Ico),
        _ if files::qoi::is(bytes) => Some(Kind::Qoi),
        _ if files::pnm::is(bytes) => Some(Kind::Pnm),
        _ => None,
    }
}

/// The kind of the file that starts with (or is) these bytes, where it is an image.
pub(crate) fn sniff(bytes: &[u8]) -> Option<Kind> {
    decoded(bytes).or_else(|| by_brand(bytes)).or_else(|| match infer::get(bytes).map(|kind| kind.mime_type()) {
        Some("image/avif") => Some(Kind::Avif),
        Some("image/heif") => Some(Kind::Heif),
        Some("image/jxl") => Some(Kind::Jxl),
        _ => is_svg(bytes).then_some(Kind::Svg),
    })
}

/// Files of the ISO base media format say in their `ftyp` box what they are. The major brand may be the general `mif1`, so
/// all brands count (AV1 Image File Format §6.2).
fn by_brand(bytes: &[u8]) -> Option<Kind> {
    if slice(bytes, 4, 4)? != b"ftyp" {
        return None;
    }
    if has_brand(bytes, &[b"avif", b"avis"]) {
        Some(Kind::Avif)
    } else if has_brand(bytes, &[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]) {
        Some(Kind::Heif)
    } else {
        None
    }
}

fn has_brand(bytes: &[u8], wanted: &[&[u8]]) -> bool {
    let length = be32(bytes, 0).unwrap_or(0).min(256) as usize;
    let brands = bytes.get(8..length.min(bytes.len())).unwrap_or_default();
    brands.chunks_exact(4).any(|brand| wanted.contains(&brand))
}

/// Whether a file that is not decoded says that it is a sequence of pictures.
pub(super) fn moves(bytes: &[u8]) -> bool {
    slice(bytes, 4, 4) == Some(b"ftyp") && has_brand(bytes, &[b"avis", b"msf1", b"hevc"])
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
