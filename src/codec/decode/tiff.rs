//! TIFF into pixels, by `image`. Of what that crate does not turn into colours it is given another header, under which the
//! samples come out as greys or as triplets, and colours are made of them here.

use std::io::Cursor;

use image::codecs::tiff::TiffDecoder;

use super::{
    super::{
        directory::Directory,
        files::tiff::{
            BITS, COLOURS, Coded, HEIGHT, MEANING, PROFILE, ROWS, SAMPLES, TILE_HEIGHT, TILE_WIDTH, WIDTH,
            is_premultiplied,
        },
        header::Header,
        limits::ImageLimits,
        pixels::{Layout, Pixels, Space},
        refusal::Refusal,
    },
    other::read,
};

const BLACK_IS_ZERO: u32 = 1;
const RGB: u32 = 2;
const WEIGHTS: u16 = 0x0211;
const RANGE: u16 = 0x0214;

pub(super) fn decode(bytes: &[u8], header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let directory = Directory::first(bytes).ok_or_else(|| Refusal::broken("it has no directory"))?;
    let pixels = match Coded::of(&directory) {
        Some(coded) => coloured(&directory, coded, header, limits)?,
        None => read(TiffDecoder::new(Cursor::new(bytes)), header, limits)?,
    };
    let pixels = if is_premultiplied(bytes) { pixels.with_colours_divided() } else { pixels };
    // The decoder reads none that is longer than a thirtieth of the pixels.
    let profile = directory.bytes(PROFILE).filter(|profile| profile.len() <= limits.profile);
    Ok(match profile {
        Some(profile) => pixels.in_space(Space::Icc(profile.to_vec())),
        None => pixels,
    })
}

/// The pixels of samples that the decoder does not convert.
fn coloured(directory: &Directory<'_>, coded: Coded, header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    let (file, size) = samples_of(directory, coded, header).ok_or(Refusal::Unsupported(header.kind))?;
    let stored = Header { width: size.0, height: size.1, ..header.clone() };
    let mut samples = read(TiffDecoder::new(Cursor::new(&file[..])), &stored, limits)?;
    let (layout, data) = match coded {
        Coded::Shades { bits } => {
            let is_black_last = directory.number(MEANING) == Some(0);
            let shade = |number| shade(number, bits, is_black_last);
            (Layout::Grey, unpacked(samples.data(), header.width, bits).map(shade).collect())
        }
        Coded::Places { bits } => {
            let table = table(directory, bits).ok_or_else(|| Refusal::broken("it has no table of colours"))?;
            let places = unpacked(samples.data(), header.width, bits);
            (Layout::Rgb, places.flat_map(|place| table[usize::from(place)]).collect())
        }
        Coded::Triplets => {
            let colours = Colours::of(directory);
            (Layout::Rgb, samples.data().as_chunks().0.iter().flat_map(|triplet| colours.rgb(*triplet)).collect())
        }
        Coded::Units { across, down } => {
            (Layout::Rgb, of_units(&samples, header, (across, down), &Colours::of(directory)))
        }
        Coded::ShadesWithAlpha { .. } => {
            let is_black_last = directory.number(MEANING) == Some(0);
            let pairs = samples.data().as_chunks().0.iter();
            (Layout::GreyAlpha, pairs.flat_map(|[grey, alpha]| [shade(*grey, 8, is_black_last), *alpha]).collect())
        }
        Coded::Inks => (Layout::Cmyk, samples.take_data()),
    };
    Pixels::new((header.width, header.height), layout, data, samples.space().clone())
}

/// The file under a header that makes greys or triplets of its samples, and its size by that.
fn samples_of(directory: &Directory<'_>, coded: Coded, header: &Header) -> Option<(Vec<u8>, (u32, u32))> {
    let (width, height) = (header.width, header.height);
    let greys = |bits: u32, width: &dyn Fn(u32) -> u32, down: u32| {
        let size = (width(header.width), height.div_ceil(down));
        let mut values = vec![(MEANING, BLACK_IS_ZERO), (BITS, bits), (WIDTH, size.0), (HEIGHT, size.1)];
        let mut also = |tag, value: &dyn Fn(u32) -> u32| {
            values.extend(directory.number(tag).map(|number| (tag, value(number))));
        };
        also(SAMPLES, &|_| 1);
        also(ROWS, &|rows| rows.div_ceil(down));
        also(TILE_WIDTH, width);
        also(TILE_HEIGHT, &|side| side.div_ceil(down));
        Some((directory.with(&values)?, size))
    };
    match coded {
        Coded::Shades { bits } | Coded::Places { bits } => greys(8, &|width| width.saturating_mul(bits).div_ceil(8), 1),
        Coded::Units { across, down } => {
            greys(8, &|width| width.div_ceil(across).saturating_mul(across * down + 2), down)
        }
        Coded::ShadesWithAlpha { bits } => greys(bits, &|width| width.saturating_mul(2), 1),
        // Inks come out as the four channels of colours with alpha.
        Coded::Triplets | Coded::Inks => Some((directory.with(&[(MEANING, RGB)])?, (width, height))),
    }
}

/// Numbers of so many bits, the first in the highest bits of a byte. A row begins with a byte.
fn unpacked(packed: &[u8], width: u32, bits: u32) -> impl Iterator<Item = u8> {
    let each = 8 / bits;
    let rows = packed.chunks_exact((width.div_ceil(each) as usize).max(1));
    rows.flat_map(move |row| {
        let numbers = row.iter().flat_map(move |byte| {
            (1..=each).map(move |place| (u32::from(*byte) >> (8 - place * bits) & ((1 << bits) - 1)) as u8)
        });
        numbers.take(width as usize)
    })
}

fn shade(number: u8, bits: u32, is_black_last: bool) -> u8 {
    let shade = (u32::from(number) * 255 / ((1 << bits) - 1)) as u8;
    if is_black_last { 255 - shade } else { shade }
}

/// All reds, then all greens and all blues, of 16 bits (§5). Some writers use the lower 8 of them.
fn table(directory: &Directory<'_>, bits: u32) -> Option<Vec<[u8; 3]>> {
    let count = 1 << bits;
    let values: Vec<u32> = directory.numbers(COLOURS).take(3 * count).collect();
    let unit = if values.iter().all(|value| *value < 256) { 1 } else { 256 };
    let colour = |at: usize| values.get(at).map(|value| (value / unit).min(255) as u8);
    (0..count).map(|at| Some([colour(at)?, colour(count + at)?, colour(2 * count + at)?])).collect()
}

/// How brightness and two colours become red, green and blue (§20, §21).
struct Colours {
    /// How much of the brightness is red, green and blue.
    weights: [f32; 3],
    /// `ReferenceBlackWhite`: the stored values for black and for white, for each of the three components.
    range: [f32; 6],
}

impl Colours {
    fn of(directory: &Directory<'_>) -> Self {
        let said = |tag, usual: &mut [f32]| {
            usual.iter_mut().zip(directory.fractions(tag)).for_each(|(usual, said)| *usual = said);
        };
        let usual = Self { weights: [0.299, 0.587, 0.114], range: [0.0, 255.0, 128.0, 255.0, 128.0, 255.0] };
        let Self { mut weights, mut range } = usual;
        said(WEIGHTS, &mut weights);
        said(RANGE, &mut range);
        let is_sound = weights[1] > 0.0 && range.as_chunks::<2>().0.iter().all(|[none, all]| all > none);
        if is_sound { Self { weights, range } } else { usual }
    }

    fn rgb(&self, stored: [u8; 3]) -> [u8; 3] {
        let full = |place: usize, most: f32| {
            let (none, all) = (self.range[2 * place], self.range[2 * place + 1]);
            (f32::from(stored[place]) - none) * most / (all - none)
        };
        let (brightness, blueness, redness) = (full(0, 255.0), full(1, 127.0), full(2, 127.0));
        let [of_red, of_green, of_blue] = self.weights;
        let red = brightness + redness * (2.0 - 2.0 * of_red);
        let blue = brightness + blueness * (2.0 - 2.0 * of_blue);
        let green = (brightness - of_red * red - of_blue * blue) / of_green;
        [red, green, blue].map(|colour| colour.round() as u8)
    }
}

/// The pixels of units that lie one after another, row after row.
fn of_units(samples: &Pixels, header: &Header, (across, down): (u32, u32), colours: &Colours) -> Vec<u8> {
    let length = across * down + 2;
    let mut data = Vec::with_capacity(header.width as usize * header.height as usize * 3);
    for (y, x) in (0..header.height).flat_map(|y| (0..header.width).map(move |x| (y, x))) {
        let start = (y / down * samples.width() + x / across * length) as usize;
        let Some(unit) = samples.data().get(start..start + length as usize) else { break };
        let brightness = unit[(y % down * across + x % across) as usize];
        let shared = &unit[(across * down) as usize..];
        data.extend(colours.rgb([brightness, shared[0], shared[1]]));
    }
    data
}
