//! Files into pixels: one owner for each decoder, all of them memory-safe. What they are given has passed
//! [`probe`](super::probe).

mod jpeg;
mod png;
mod shrunk_jpeg;
mod webp;

use super::{
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    pixels::Pixels,
    refusal::{Refusal, guarded},
};

/// The pixels of a file, as stored: not yet upright, in its own colours. For a target that is much smaller, the picture may
/// come smaller than it is stored, never less than twice the target. A file that ends too early or contradicts itself is
/// refused, never filled up with grey.
pub(crate) fn decode(
    bytes: &[u8],
    header: &Header,
    target: Option<(u32, u32)>,
    limits: &ImageLimits,
) -> Result<Pixels, Refusal> {
    let pixels = guarded(|| match header.kind {
        _ if header.animated => Err(Refusal::Animated),
        Kind::Jpeg => match target.and_then(|target| header.shrink_factor(target)) {
            Some(factor) => shrunk_jpeg::decode(bytes, header, factor, limits),
            None => jpeg::decode(bytes, header, limits),
        },
        Kind::Png => png::decode(bytes, header, limits),
        Kind::Webp => webp::decode(bytes, header, limits),
        kind => Err(Refusal::Unsupported(kind)),
    })?;
    Ok(pixels.without_opaque_alpha())
}
