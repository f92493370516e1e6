//! Files into pixels: one owner for each decoder, all of them memory-safe. What they are given has passed
//! [`probe`](super::probe).

mod jpeg;
mod png;
mod webp;

use super::{
    header::Header,
    kind::Kind,
    limits::ImageLimits,
    pixels::Pixels,
    refusal::{Refusal, guarded},
};

/// The pixels of a file, as stored: not yet upright, in its own colours. A file that ends too early or contradicts itself
/// is refused, never filled up with grey.
pub(crate) fn decode(bytes: &[u8], header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let pixels = guarded(|| match header.kind {
        _ if header.animated => Err(Refusal::Animated),
        Kind::Jpeg => jpeg::decode(bytes, header, limits),
        Kind::Png => png::decode(bytes, header, limits),
        Kind::Webp => webp::decode(bytes, header, limits),
        kind => Err(Refusal::Unsupported(kind)),
    })?;
    if (pixels.width(), pixels.height()) != (header.width, header.height) {
        return Err(Refusal::broken("its picture has another size than its header says"));
    }
    Ok(pixels.without_opaque_alpha())
}
