//! JPEG files of every structure into pixels, by `jpeg-decoder`: whole, or at a half, a quarter or an eighth of their width.

use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use super::super::{
    header::{Colours, Header},
    limits::ImageLimits,
    pixels::Layout,
    refusal::Refusal,
};

/// The pixels of a picture that [`files::jpeg::picture`](super::super::files::jpeg::picture) has made plain, at 1, 2, 4 or all 8
/// eighths of its width.
pub(super) fn decode(
    picture: &[u8],
    header: &Header,
    eighths: u32,
    limits: &ImageLimits,
) -> Result<(Layout, Vec<u8>), Refusal> {
    let mut decoder = Decoder::new(picture);
    let (layout, format, transform) = match header.colours {
        Colours::Grey => (Layout::Grey, PixelFormat::L8, ColorTransform::Grayscale),
        Colours::Ycc => (Layout::Rgb, PixelFormat::RGB24, ColorTransform::YCbCr),
        Colours::Rgb => (Layout::Rgb, PixelFormat::RGB24, ColorTransform::RGB),
        // Both come as inks, of which 0 is none.
        Colours::Inks => (Layout::Cmyk, PixelFormat::CMYK32, ColorTransform::CMYK),
        Colours::Ycck => (Layout::Cmyk, PixelFormat::CMYK32, ColorTransform::YCCK),
    };
    decoder.set_color_transform(transform);
    decoder.set_max_decoding_buffer_size(usize::try_from(limits.pixels.saturating_mul(4)).unwrap_or(usize::MAX));
    let size = header.shrunk(eighths);
    let side = |side: u32| u16::try_from(side).map_err(Refusal::broken);
    let (width, height) = decoder.scale(side(size.0)?, side(size.1)?).map_err(Refusal::broken)?;
    let data = decoder.decode().map_err(Refusal::broken)?;
    if decoder.info().map(|info| info.pixel_format) != Some(format) || size != (width.into(), height.into()) {
        return Err(Refusal::broken("its picture is another than its header says"));
    }
    Ok((layout, data))
}
