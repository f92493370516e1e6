//! WebP files into pixels, by `image-webp`.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::super::{
    files::webp::profile,
    header::Header,
    limits::ImageLimits,
    pixels::{Layout, Pixels, Space},
    refusal::Refusal,
};

pub(super) fn decode(bytes: &[u8], header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(Refusal::broken)?;
    // SECURITY: the decoder has no limits of its own for still pictures; `probe` has held its header against ours.
    if decoder.dimensions() != (header.width, header.height) {
        return Err(Refusal::broken("it has two headers"));
    }
    let layout = if decoder.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let length = decoder.output_buffer_size().ok_or_else(|| Refusal::broken("it is too large"))?;
    let mut data = vec![0; length];
    decoder.read_image(&mut data).map_err(Refusal::broken)?;
    let space = profile(bytes, limits.profile).map_or(Space::Srgb, Space::Icc);
    Pixels::new((header.width, header.height), layout, data, space)
}
