//! PNG files, by `png`: for what must keep its alpha where nothing better is taken.

use std::collections::HashMap;

use png::{BitDepth, ColorType, Compression, Encoder, SrgbRenderingIntent};

use super::{
    super::{
        pixels::{Layout, Pixels},
        refusal::Refusal,
    },
    Tier,
};

pub(super) fn encode(pixels: &Pixels, tier: Tier) -> Result<Vec<u8>, Refusal> {
    let compression = match tier {
        Tier::Fast => Compression::Balanced,
        Tier::Good => Compression::High,
    };
    written(pixels, compression, Palette::of(pixels))
}

pub(super) fn contained(pixels: &Pixels) -> Result<Vec<u8>, Refusal> {
    written(pixels, Compression::Fastest, None)
}

fn written(pixels: &Pixels, compression: Compression, palette: Option<Palette>) -> Result<Vec<u8>, Refusal> {
    let colour = match pixels.layout() {
        Layout::Grey => ColorType::Grayscale,
        Layout::GreyAlpha => ColorType::GrayscaleAlpha,
        Layout::Rgba => ColorType::Rgba,
        Layout::Rgb | Layout::Cmyk => ColorType::Rgb,
    };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, pixels.width(), pixels.height());
    encoder.set_compression(compression);
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    let data = if let Some(palette) = &palette {
        encoder.set_color(ColorType::Indexed);
        encoder.set_depth(palette.depth());
        encoder.set_palette(palette.colours.as_slice());
        if palette.alphas.iter().any(|alpha| *alpha != 255) {
            encoder.set_trns(palette.alphas.as_slice());
        }
        palette.packed(pixels.width() as usize)
    } else {
        encoder.set_color(colour);
        encoder.set_depth(BitDepth::Eight);
        pixels.data().into()
    };
    let mut writer = encoder.write_header().map_err(Refusal::broken)?;
    writer.write_image_data(&data).map_err(Refusal::broken)?;
    writer.finish().map_err(Refusal::broken)?;
    Ok(file)
}

/// The colours of a picture that has at most 256 of them.
struct Palette {
    colours: Vec<u8>,
    alphas: Vec<u8>,
    indices: Vec<u8>,
}

impl Palette {
    fn of(pixels: &Pixels) -> Option<Self> {
        let mut palette =
            Self { colours: Vec::new(), alphas: Vec::new(), indices: Vec::with_capacity(pixels.data().len()) };
        let mut known = HashMap::new();
        for pixel in pixels.data().chunks_exact(pixels.layout().channels()) {
            let next = known.len();
            let index = *known.entry(pixel).or_insert(next);
            if index == next {
                let [red, green, blue, alpha] = match *pixel {
                    [grey] => [grey, grey, grey, 255],
                    [grey, alpha] => [grey, grey, grey, alpha],
                    [red, green, blue] => [red, green, blue, 255],
                    [red, green, blue, alpha] => [red, green, blue, alpha],
                    _ => return None,
                };
                palette.colours.extend_from_slice(&[red, green, blue]);
                palette.alphas.push(alpha);
            }
            palette.indices.push(u8::try_from(index).ok()?);
        }
        Some(palette)
    }

    fn bits(&self) -> usize {
        match self.alphas.len() {
            0..=2 => 1,
            3..=4 => 2,
            5..=16 => 4,
            _ => 8,
        }
    }

    fn depth(&self) -> BitDepth {
        match self.bits() {
            1 => BitDepth::One,
            2 => BitDepth::Two,
            4 => BitDepth::Four,
            _ => BitDepth::Eight,
        }
    }

    /// The indices, as many to a byte as fit; every row starts with a byte of its own (PNG 3rd edition §7.2).
    fn packed(&self, width: usize) -> std::borrow::Cow<'_, [u8]> {
        let bits = self.bits();
        if bits == 8 {
            return (&*self.indices).into();
        }
        let byte = |indices: &[u8]| {
            indices.iter().zip((0..8 / bits).rev()).fold(0, |byte, (index, place)| byte | index << (place * bits))
        };
        self.indices.chunks(width).flat_map(|row| row.chunks(8 / bits).map(byte)).collect()
    }
}
