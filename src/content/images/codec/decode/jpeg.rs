//! JPEG files into pixels, by `zune-jpeg`.

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::super::{
    files::jpeg::{Inks, plain_inks, profile},
    header::Header,
    limits::ImageLimits,
    pixels::{Layout, Pixels, Space},
    refusal::Refusal,
};

pub(super) fn decode(bytes: &[u8], header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let (layout, space) = match header.channels {
        1 => (Layout::Grey, ColorSpace::Luma),
        4 => (Layout::Cmyk, ColorSpace::CMYK),
        _ => (Layout::Rgb, ColorSpace::RGB),
    };
    // Not strict, it would fill up a truncated picture with grey and say nothing.
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(limits.side as usize)
        .set_max_height(limits.side as usize)
        .jpeg_set_max_scans(limits.scans)
        .jpeg_set_out_colorspace(space);
    let (bytes, inks) =
        if layout == Layout::Cmyk { plain_inks(bytes) } else { (bytes.into(), Inks { inverted: false, ycck: false }) };
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&*bytes), options);
    let mut data = decoder.decode().map_err(Refusal::broken)?;
    if layout == Layout::Cmyk {
        read_inks(&mut data, inks);
    }
    let space = profile(&bytes, limits.profile).map_or(Space::Srgb, Space::Icc);
    Pixels::new((header.width, header.height), layout, data, space)
}

/// What is stored for each ink into how much there is of it: 0 is none.
fn read_inks(data: &mut [u8], inks: Inks) {
    for pixel in data.as_chunks_mut::<4>().0 {
        if inks.ycck {
            // ITU-T T.872 §6.5.3: the complements of three inks, as YCbCr.
            let [r, g, b] = rgb([pixel[0], pixel[1], pixel[2]]);
            *pixel = [255 - r, 255 - g, 255 - b, pixel[3]];
        }
        if inks.inverted {
            *pixel = pixel.map(|stored| 255 - stored);
        }
    }
}

/// ITU-T T.871 §7.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|colour| colour.round() as u8)
}
