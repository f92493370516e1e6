//! PNG files into pixels, by `png`.

use std::io::Cursor;

use png::{BitDepth, ColorType, DecodeOptions, Decoder, Limits, Reader, Transformations};

use super::super::{
    files::png::stored_profile,
    header::Header,
    limits::ImageLimits,
    pixels::{Layout, Pixels, PngColour, Space},
    refusal::Refusal,
};

/// What the decoder may take for chunks besides the picture and its profile.
const OTHER_CHUNKS: usize = 1 << 20;

pub(super) fn decode(bytes: &[u8], header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let mut options = DecodeOptions::default();
    options.set_ignore_text_chunk(true);
    // SECURITY: a profile of 2 MB may inflate to 1 GB. One within the limit is hardly longer as it is stored, and the decoder
    // inflates no more than it may take.
    let longest = limits.profile.saturating_add(limits.profile / 64 + 1024);
    options.set_ignore_iccp_chunk(stored_profile(bytes).is_none_or(|length| length > longest));
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    // The profile is held as it is stored, and inflated.
    decoder.set_limits(Limits { bytes: longest.saturating_mul(3).saturating_add(OTHER_CHUNKS) });
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(Refusal::broken)?;
    let (colour, depth) = reader.output_color_type();
    let layout = match colour {
        ColorType::Grayscale => Layout::Grey,
        ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        ColorType::Rgba => Layout::Rgba,
        ColorType::Rgb | ColorType::Indexed => Layout::Rgb,
    };
    let size = (reader.info().width, reader.info().height);
    if size != (header.width, header.height) {
        return Err(Refusal::broken("it has two headers"));
    }
    let data = match depth {
        BitDepth::Sixteen if !header.passes => deep_rows(&mut reader)?,
        BitDepth::Sixteen => to_8_bits(&whole(&mut reader)?),
        _ => whole(&mut reader)?,
    };
    let space = space(reader.info(), limits.profile);
    Pixels::new(size, layout, data, space)
}

type Source<'a> = Reader<Cursor<&'a [u8]>>;

fn whole(reader: &mut Source<'_>) -> Result<Vec<u8>, Refusal> {
    let length = reader.output_buffer_size().ok_or_else(|| Refusal::broken("it is too large"))?;
    let mut data = vec![0; length];
    reader.next_frame(&mut data).map_err(Refusal::broken)?;
    Ok(data)
}

/// 16 bits row by row, so that the whole picture is never held in 16 bits.
fn deep_rows(reader: &mut Source<'_>) -> Result<Vec<u8>, Refusal> {
    let mut data = Vec::with_capacity(reader.output_buffer_size().unwrap_or_default() / 2);
    while let Some(row) = reader.next_row().map_err(Refusal::broken)? {
        data.extend(rounded(row.data()));
    }
    Ok(data)
}

fn to_8_bits(deep: &[u8]) -> Vec<u8> {
    rounded(deep).collect()
}

/// The nearest of 256 values for each of 65 536 (PNG 3rd edition §12.5).
fn rounded(deep: &[u8]) -> impl Iterator<Item = u8> + '_ {
    deep.as_chunks::<2>().0.iter().map(|pair| ((u32::from(u16::from_be_bytes(*pair)) * 255 + 32_767) / 65_535) as u8)
}

/// The colours of a file: the first of `cICP`, `iCCP`, `sRGB`, `gAMA` with `cHRM` that it has (§4.3).
fn space(info: &png::Info<'_>, longest: usize) -> Space {
    // 2 says nothing (ITU-T H.273 §8.1).
    let points = info.coding_independent_code_points.as_ref();
    if let Some(points) = points.filter(|it| it.color_primaries != 2 && it.transfer_function != 2) {
        let (primaries, transfer) = (points.color_primaries, points.transfer_function);
        return Space::Png(PngColour::CodePoints { primaries, transfer });
    }
    let profile = info.icc_profile.as_ref().filter(|profile| profile.len() <= longest);
    match (profile, info.srgb, info.gama_chunk) {
        (Some(profile), ..) => Space::Icc(profile.to_vec()),
        (None, None, Some(gamma)) => {
            let chromaticities = info
                .chrm_chunk
                .map(|it| [it.white, it.red, it.green, it.blue].map(|(x, y)| (x.into_value(), y.into_value())));
            Space::Png(PngColour::Gamma { gamma: gamma.into_value(), chromaticities })
        }
        _ => Space::Srgb,
    }
}
