//! One image into another: the steps in their order, and the choice among the formats that are asked for.

use super::{
    decode::decode,
    encode::{Format, Tier, encode},
    header::Header,
    limits::ImageLimits,
    pixels::Pixels,
    refusal::Refusal,
};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe<'a> {
    /// The width of the upright picture; its own where there is none, or where it is smaller.
    pub(crate) width: Option<u32>,
    /// What may be written, the best first.
    pub(crate) formats: &'a [Format],
    /// 1 to 100, as JPEG has it.
    pub(crate) quality: u8,
    pub(crate) tier: Tier,
}

/// What came out.
#[derive(Clone, Debug)]
pub(crate) struct Converted {
    pub(crate) format: Format,
    pub(crate) bytes: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Whether it was taken for a drawing, and kept crisp.
    pub(crate) graphic: bool,
}

/// Decodes, resizes, converts to sRGB, turns upright and encodes. Everything after the first two works on the small
/// picture.
pub(crate) fn convert(
    bytes: &[u8],
    header: &Header,
    recipe: &Recipe<'_>,
    limits: &ImageLimits,
) -> Result<Converted, Refusal> {
    let (width, height) = header.fitted(recipe.width);
    let target = header.target(recipe.width);
    let pixels = decode(bytes, header, Some(target), limits)?;
    let graphic = header.lossless && pixels.is_graphic();
    let pixels = pixels.resized(target.0, target.1)?.into_srgb().upright(header.orientation);
    let (format, bytes) = best(&pixels, recipe, graphic)?;
    Ok(Converted { format, bytes, width, height, graphic })
}

/// A photograph in the first format that can be made of it. A graphic in the smallest: which one that is depends on what
/// it shows.
fn best(pixels: &Pixels, recipe: &Recipe<'_>, graphic: bool) -> Result<(Format, Vec<u8>), Refusal> {
    let mut refusal = Refusal::NoFormat;
    let mut smallest: Option<(Format, Vec<u8>)> = None;
    for format in candidates(pixels, recipe, graphic) {
        match encode(pixels, format, recipe.quality, recipe.tier, graphic) {
            Ok(bytes) if smallest.as_ref().is_none_or(|it| weight(format, &bytes) < weight(it.0, &it.1)) => {
                smallest = Some((format, bytes));
            }
            Ok(_) => {}
            Err(why) => refusal = why,
        }
        if smallest.is_some() && !graphic {
            break;
        }
    }
    smallest.ok_or(refusal)
}

/// The length of a graphic's file. AVIF loses a little of it, and what is lossless is worth a quarter more bytes.
fn weight(format: Format, bytes: &[u8]) -> usize {
    if format == Format::Avif { bytes.len() * 5 } else { bytes.len() * 4 }
}

/// What is worth trying, in order. JPEG blurs a graphic and has no alpha: it is for the rest, or where nothing else is
/// taken.
fn candidates(pixels: &Pixels, recipe: &Recipe<'_>, graphic: bool) -> Vec<Format> {
    let built = recipe.formats.iter().copied().filter(|format| format.is_built());
    let (mut first, last): (Vec<_>, Vec<_>) =
        built.partition(|format| *format != Format::Jpeg || !(graphic || pixels.layout().has_alpha()));
    // A photograph as PNG is ten times as large: only where it keeps the alpha, or where there is no other.
    if !graphic && !pixels.layout().has_alpha() {
        first.sort_by_key(|format| *format == Format::Png);
    }
    // AVIF takes a second a megapixel of a drawing, to be seldom smaller than what loses nothing.
    if graphic && recipe.tier == Tier::Fast && first.iter().any(|format| *format != Format::Avif) {
        first.retain(|format| *format != Format::Avif);
    }
    if first.is_empty() { last } else { first }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            kind::Kind,
            pixels::{Layout, Space},
            probe::{probe, sniff},
        },
        *,
    };

    /// Four quarters of one colour each, softened so that it is no graphic.
    pub(crate) fn picture(width: u32, height: u32, layout: Layout) -> Pixels {
        let mut data = Vec::new();
        for y in 0..height {
            for x in 0..width {
                let (right, low) = (x * 2 >= width, y * 2 >= height);
                let base = match (right, low) {
                    (false, false) => [200, 40, 40, 255],
                    (true, false) => [40, 180, 60, 255],
                    (false, true) => [50, 60, 200, 255],
                    (true, true) => [220, 220, 210, 120],
                };
                let soft = base.map(|c: u8| c.saturating_add(((x * 7 + y * 13) % 11) as u8));
                match layout {
                    Layout::Grey => data.push(soft[0]),
                    Layout::GreyAlpha => data.extend([soft[0], base[3]]),
                    Layout::Rgb => data.extend(&soft[..3]),
                    _ => data.extend([soft[0], soft[1], soft[2], base[3]]),
                }
            }
        }
        Pixels::new((width, height), layout, data, Space::Srgb).unwrap()
    }

    const LIMITS: fn() -> ImageLimits = ImageLimits::default;

    fn kind(format: Format) -> Kind {
        match format {
            Format::Avif => Kind::Avif,
            Format::Webp => Kind::Webp,
            Format::Jpeg => Kind::Jpeg,
            Format::Png => Kind::Png,
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same_picture() {
        for layout in [Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba] {
            for (width, height) in [(1, 1), (1, 9), (9, 1), (17, 33), (160, 120)] {
                for format in [Format::Webp, Format::Jpeg, Format::Png] {
                    for tier in [Tier::Fast, Tier::Good] {
                        let pixels = picture(width, height, layout);
                        let file = encode(&pixels, format, 80, tier, false).unwrap();
                        assert_eq!(file, encode(&pixels, format, 80, tier, false).unwrap(), "not the same twice");
                        assert_eq!(sniff(&file), Some(kind(format)));
                        let header = probe(&file, &LIMITS()).unwrap();
                        let read = decode(&file, &header, None, &LIMITS()).unwrap().with_three_colours().flattened();
                        let meant = pixels.with_three_colours().flattened();
                        let distance: u64 =
                            meant.data().iter().zip(read.data()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                        let mean = distance as f64 / meant.data().len() as f64;
                        // Where the picture is as narrow as a block of colour, colours run together.
                        let most = match format {
                            Format::Png => 0.0,
                            _ if width.min(height) < 40 => 20.0,
                            _ => 9.0,
                        };
                        assert!(mean <= most, "{format:?} {tier:?} {layout:?} {width}x{height}: {mean}");
                    }
                }
            }
        }
    }

    /// A width that is no multiple of eight becomes pixels and a part of one where it is decoded smaller.
    #[test]
    fn a_picture_is_not_stretched_by_being_decoded_smaller() {
        for (side, width) in [(193, 16), (201, 32), (203, 48), (195, 64), (197, 80)] {
            let data =
                (0..side * side).flat_map(|at| [at % side * 256 / side, at / side * 256 / side, 0].map(|it| it as u8));
            let ramps = Pixels::new((side, side), Layout::Rgb, data.collect(), Space::Srgb).unwrap();
            let file = encode(&ramps, Format::Jpeg, 95, Tier::Fast, false).unwrap();
            let header = probe(&file, &LIMITS()).unwrap();
            assert!(header.eighths((width, width)) < 8);
            let pixels = decode(&file, &header, Some((width, width)), &LIMITS()).unwrap();
            let pixels = pixels.resized(width, width).unwrap();
            // The ends of a ramp are rounded off.
            let inner = (1..width - 1).flat_map(|y| (1..width - 1).map(move |x| (x, y)));
            for (x, y) in inner {
                let pixel = &pixels.data()[3 * (y * width + x) as usize..][..2];
                let meant = [x, y].map(|at| (f64::from(at) + 0.5) * 256.0 / f64::from(width));
                let far = pixel.iter().zip(meant).map(|(is, meant)| (f64::from(*is) - meant).abs()).fold(0.0, f64::max);
                assert!(far < 5.0, "{side} to {width} at {x}, {y}: {pixel:?}, not {meant:?}");
            }
        }
    }

    #[test]
    fn a_conversion_scales_down_and_never_up() {
        let source = encode(&picture(200, 100, Layout::Rgb), Format::Jpeg, 90, Tier::Fast, false).unwrap();
        let header = probe(&source, &LIMITS()).unwrap();
        for (asked, expected) in [(Some(50), (50, 25)), (Some(400), (200, 100)), (None, (200, 100)), (Some(1), (1, 1))]
        {
            let recipe = Recipe { width: asked, formats: &[Format::Webp], quality: 80, tier: Tier::Fast };
            let converted = convert(&source, &header, &recipe, &LIMITS()).unwrap();
            assert_eq!((converted.width, converted.height), expected);
            let read = probe(&converted.bytes, &LIMITS()).unwrap();
            assert_eq!((read.width, read.height), expected);
        }
    }
}
