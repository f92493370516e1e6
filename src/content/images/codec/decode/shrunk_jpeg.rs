//! JPEG files into pixels at a half, a quarter or an eighth of their width, by `jpeg-decoder`: it leaves out what would be
//! scaled away, so that a camera's picture takes a tenth of the memory and half the time.

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::super::{
    files::jpeg::profile,
    header::Header,
    limits::ImageLimits,
    pixels::{Layout, Pixels, Space},
    refusal::Refusal,
};

pub(super) fn decode(bytes: &[u8], header: &Header, factor: u32, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let mut decoder = Decoder::new(bytes);
    let (layout, transform) = match header.channels {
        1 => (Layout::Grey, ColorTransform::Grayscale),
        _ => (Layout::Rgb, ColorTransform::YCbCr),
    };
    decoder.set_color_transform(transform);
    decoder.set_max_decoding_buffer_size(usize::try_from(limits.pixels.saturating_mul(3)).unwrap_or(usize::MAX));
    let size = (header.width.div_ceil(factor), header.height.div_ceil(factor));
    let side = |side: u32| u16::try_from(side).map_err(Refusal::broken);
    let (width, height) = decoder.scale(side(size.0)?, side(size.1)?).map_err(Refusal::broken)?;
    let data = decoder.decode().map_err(Refusal::broken)?;
    let format = decoder.info().map(|info| info.pixel_format);
    let sound =
        matches!((format, layout), (Some(PixelFormat::L8), Layout::Grey) | (Some(PixelFormat::RGB24), Layout::Rgb));
    if !sound || size != (width.into(), height.into()) {
        return Err(Refusal::broken("its picture is another than its header says"));
    }
    let space = profile(bytes, limits.profile).map_or(Space::Srgb, Space::Icc);
    Pixels::new(size, layout, data, space)
}
