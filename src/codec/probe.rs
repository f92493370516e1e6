//! The kind of a file and its header, read from its bytes alone. The name and the declared type are ignored.

use super::{
    bytes::{be32, slice},
    files,
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    refusal::{Refusal, guarded, within},
};

/// Reads the header of a file and checks the limits. Nothing here allocates by a number that the file states.
pub(crate) fn probe(bytes: &[u8], limits: &ImageLimits) -> Result<Header, Refusal> {
    within("bytes", bytes.len() as u64, limits.bytes as u64)?;
    let header = guarded(|| match sniff(bytes) {
        Some(Kind::Jpeg) => files::jpeg::probe(bytes, limits),
        Some(Kind::Png) => files::png::probe(bytes, limits),
        Some(Kind::Webp) => files::webp::probe(bytes, limits),
        Some(Kind::Gif) => files::gif::probe(bytes),
        Some(Kind::Bmp) => files::bmp::probe(bytes),
        Some(Kind::Tiff) => files::tiff::probe(bytes, limits),
        Some(Kind::Ico) => files::ico::probe(bytes, limits),
        Some(Kind::Qoi) => files::qoi::probe(bytes),
        Some(Kind::Pnm) => files::pnm::probe(bytes),
        Some(kind) => Err(Refusal::Unsupported(kind)),
        None => Err(Refusal::NotAnImage),
    })?;
    if header.width == 0 || header.height == 0 {
        return Err(Refusal::broken("it has no pixels"));
    }
    within("pixels on a side", u64::from(header.width.max(header.height)), u64::from(limits.side))?;
    within("pixels", header.pixels(), limits.pixels)?;
    Ok(header)
}

/// The kind of a file, if files of this kind are converted. The bytes decide, and not the name. The server, pages, build steps and
/// checks all call this function.
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
