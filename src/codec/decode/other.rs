//! GIF stills, BMP, ICO, QOI and anymaps into pixels, by `image`: each behind its limits and ours.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, Limits,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, ico::IcoDecoder, pnm::PnmDecoder, qoi::QoiDecoder},
};

use super::{
    super::{
        files::ico,
        header::Header,
        kind::Kind,
        limits::ImageLimits,
        pixels::{Pixels, Space},
        refusal::Refusal,
    },
    png,
};

/// What a decoder may take beside the picture: a piece of it, tables, a profile.
const BESIDE: u64 = 16 << 20;

pub(super) fn decode(bytes: &[u8], header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let file = Cursor::new(bytes);
    match header.kind {
        Kind::Gif => read(GifDecoder::new(file), header, limits),
        Kind::Bmp => read(BmpDecoder::new(file), header, limits),
        Kind::Qoi => read(QoiDecoder::new(file), header, limits),
        Kind::Pnm => read(PnmDecoder::new(file), header, limits),
        Kind::Ico => match ico::largest(bytes) {
            // SECURITY: the decoder of icons reads a PNG without limits.
            Some(ico::Picture::Png(picture)) => png::decode(picture, header, limits),
            Some(ico::Picture::Bitmap(picture)) => {
                read(IcoDecoder::new(Cursor::new(ico::alone(picture, header))), header, limits)
            }
            None => Err(Refusal::broken("it has no picture")),
        },
        kind => Err(Refusal::Unsupported(kind)),
    }
}

pub(super) fn read<D: ImageDecoder>(
    decoder: image::ImageResult<D>,
    header: &Header,
    limits: &ImageLimits,
) -> Result<Pixels, Refusal> {
    let mut decoder = decoder.map_err(Refusal::broken)?;
    if decoder.dimensions() != (header.width, header.height) {
        return Err(Refusal::broken("it has two headers"));
    }
    let mut held = Limits::no_limits();
    (held.max_image_width, held.max_image_height) = (Some(limits.side), Some(limits.side));
    held.max_alloc = Some(decoder.total_bytes().saturating_add(header.pixels() * 4).saturating_add(BESIDE));
    decoder.set_limits(held).map_err(Refusal::broken)?;
    let profile = decoder.icc_profile().ok().flatten().filter(|profile| profile.len() <= limits.profile);
    let pixels = Pixels::of_image(DynamicImage::from_decoder(decoder).map_err(Refusal::broken)?)?;
    Ok(match profile {
        Some(profile) => pixels.in_space(Space::Icc(profile)),
        None => pixels,
    })
}
