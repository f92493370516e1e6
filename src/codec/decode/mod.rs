//! Files into pixels: one owner for each decoder, all of them memory-safe. What they are given has passed
//! [`probe`](super::probe).

mod jpeg;
mod other;
mod png;
mod small_jpeg;
mod thorough_jpeg;
mod tiff;
mod webp;

use super::{
    files::jpeg::{picture, profile},
    header::{Header, Reader},
    kind::Kind,
    limits::ImageLimits,
    pixels::{Pixels, Space},
    refusal::{Refusal, guarded},
};

/// The pixels of a file, as stored: not yet upright, in its own colours. For a target that is much smaller, the picture may
/// come smaller than it is stored, never less than half as large again as the target. A file that ends too early or contradicts itself is
/// refused, never filled up with grey.
pub(crate) fn decode(
    bytes: &[u8],
    header: &Header,
    target: Option<(u32, u32)>,
    limits: &ImageLimits,
) -> Result<Pixels, Refusal> {
    let pixels = guarded(|| match header.kind {
        _ if header.animated => Err(Refusal::Animated),
        Kind::Jpeg => jpeg(bytes, header, target, limits),
        Kind::Png => png::decode(bytes, header, limits),
        Kind::Webp => webp::decode(bytes, header, limits),
        Kind::Tiff => tiff::decode(bytes, header, limits),
        _ => other::decode(bytes, header, limits),
    })?;
    Ok(pixels.without_opaque_alpha())
}

/// By the decoder that is right about this structure. All of them agree about the structures that they know. Where a file is
/// damaged, each of them can read what another can't.
fn jpeg(bytes: &[u8], header: &Header, target: Option<(u32, u32)>, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let picture =
        picture(bytes, header.colours).ok_or_else(|| Refusal::broken("it is another than its header says"))?;
    let eighths = target.map_or(8, |target| header.eighths(target));
    let read = |eighths, reader| {
        let read = match reader {
            Reader::Fast => jpeg::decode(&picture, header, limits),
            Reader::Small => small_jpeg::decode(&picture, header, eighths),
            Reader::Thorough => thorough_jpeg::decode(&picture, header, eighths, limits),
        };
        read.map(|(layout, data)| (eighths, layout, data))
    };
    let first = header.reader_at(eighths);
    let other = match (header.reader, first) {
        (Reader::Fast, Reader::Fast) => Some(Reader::Thorough),
        (Reader::Fast, _) => Some(Reader::Fast),
        _ => None,
    };
    let other = other.filter(|_| header.shrinks && header.decode_memory(None) <= SPARE);
    let (eighths, layout, data) = read(eighths, first).or_else(|why| match other {
        Some(other) => guarded(|| read(8, other)).map_err(|_| why),
        None => Err(why),
    })?;
    let space = profile(bytes, limits.profile).map_or(Space::Srgb, Space::Icc);
    Ok(Pixels::new(header.shrunk(eighths), layout, data, space)?.with_extent(header.extent(eighths)))
}

/// What a second attempt may take, in bytes: it was not counted on when the first one was decided on.
const SPARE: u64 = 48 << 20;
