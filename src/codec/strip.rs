//! The same file without what it tells of its author: place, time, device, comments, thumbnails, edits. Not a pixel is
//! touched. It knows which formats can be stripped; [`files`](super::files) knows how.

use super::{
    files,
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    probe::{probe, sniff},
};

/// The file without EXIF (the position!), XMP, IPTC, comments, text, thumbnails, gain maps and whatever stands behind its
/// end. It keeps its colours and, where it is not upright, its orientation. `None` where nothing is to be removed, or where
/// the kind is not one of JPEG, PNG, WebP and GIF.
pub(crate) fn strip(bytes: &[u8], header: &Header) -> Option<Vec<u8>> {
    if !header.metadata {
        return None;
    }
    let stripped = match header.kind {
        Kind::Jpeg => files::jpeg::stripped(bytes, header.orientation),
        Kind::Png => files::png::stripped(bytes, header.orientation),
        Kind::Webp => files::webp::stripped(bytes, header.orientation),
        Kind::Gif => files::gif::stripped(bytes),
        _ => None,
    }?;
    (stripped != bytes).then_some(stripped)
}

/// The same for a file that is not converted: one that is larger than the limits, or that ends too early.
pub(crate) fn strip_unconverted(bytes: &[u8]) -> Option<Vec<u8>> {
    match probe(bytes, &ImageLimits::NONE) {
        Ok(header) => strip(bytes, &header),
        Err(_) if sniff(bytes) == Some(Kind::Jpeg) => files::jpeg::stripped(bytes, files::jpeg::orientation(bytes)),
        Err(_) => None,
    }
}
