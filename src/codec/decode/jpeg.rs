//! JPEG files of the usual structures into pixels, by `zune-jpeg`.

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::super::{
    header::{Colours, Header},
    limits::ImageLimits,
    pixels::Layout,
    refusal::Refusal,
};

/// The pixels of a picture that [`files::jpeg::picture`](super::super::files::jpeg::picture) has made plain.
pub(super) fn decode(picture: &[u8], header: &Header, limits: &ImageLimits) -> Result<(Layout, Vec<u8>), Refusal> {
    let (layout, space) = match header.colours {
        Colours::Grey => (Layout::Grey, ColorSpace::Luma),
        Colours::Ycc | Colours::Rgb => (Layout::Rgb, ColorSpace::RGB),
        Colours::Inks | Colours::Ycck => (Layout::Cmyk, ColorSpace::CMYK),
    };
    // Not strict, it would fill up a truncated picture with grey and say nothing.
    let options = DecoderOptions::new_safe()
        .set_strict_mode(true)
        .set_max_width(limits.side as usize)
        .set_max_height(limits.side as usize)
        .jpeg_set_max_scans(limits.scans)
        .jpeg_set_out_colorspace(space);
    let mut data = JpegDecoder::new_with_options(ZCursor::new(picture), options).decode().map_err(Refusal::broken)?;
    if layout == Layout::Cmyk {
        read_inks(&mut data, header.colours);
    }
    Ok((layout, data))
}

/// What is stored for each ink into how much there is of it: 0 is none.
pub(super) fn read_inks(data: &mut [u8], colours: Colours) {
    for [c, m, y, k] in data.as_chunks_mut::<4>().0 {
        // ITU-T T.872 §6.5.3: the complements of three inks, as YCbCr.
        let inks = if colours == Colours::Ycck { rgb([*c, *m, *y]) } else { [*c, *m, *y].map(|stored| 255 - stored) };
        ([*c, *m, *y], *k) = (inks, 255 - *k);
    }
}

/// ITU-T T.871 §7.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|colour| colour.round() as u8)
}
