//! Pixels as brightness and colour apart (YCbCr of BT.601, full range, as JPEG has it), which is what AV1 encodes. It does
//! not know AV1.

use super::super::pixels::{Layout, Pixels};

/// How many pixels share a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// 4:4:4: none.
    Full,
    /// 4:2:0: four.
    Quarter,
}

/// Numbers row after row.
#[derive(Debug)]
pub(super) struct Plane {
    pub(super) data: Vec<u8>,
    pub(super) stride: usize,
}

#[derive(Debug)]
pub(super) struct Planes {
    pub(super) width: u32,
    pub(super) height: u32,
    sampling: Sampling,
    brightness: Plane,
    colours: Option<[Plane; 2]>,
    alpha: Option<Vec<u8>>,
}

impl Planes {
    pub(super) fn of(pixels: &Pixels, sampling: Sampling) -> Self {
        let (width, height) = (pixels.width(), pixels.height());
        let alpha = match pixels.layout() {
            Layout::GreyAlpha => Some(pixels.data().iter().skip(1).step_by(2).copied().collect()),
            Layout::Rgba => Some(pixels.data().iter().skip(3).step_by(4).copied().collect()),
            _ => None,
        };
        let stride = width as usize;
        if matches!(pixels.layout(), Layout::Grey | Layout::GreyAlpha) {
            let data = pixels.data().iter().step_by(pixels.layout().channels()).copied().collect();
            let brightness = Plane { data, stride };
            return Self { width, height, sampling: Sampling::Quarter, brightness, colours: None, alpha };
        }
        let rgb = match pixels.layout() {
            Layout::Rgba => opaque(pixels.data().as_chunks().0, stride),
            _ => pixels.data().as_chunks().0.to_vec(),
        };
        let brightness = Plane { data: rgb.iter().map(brightness).collect(), stride };
        let colours = Some(match sampling {
            Sampling::Full => {
                [0, 1].map(|which| Plane { data: rgb.iter().map(|it| colours(*it)[which]).collect(), stride })
            }
            Sampling::Quarter => shared_colours(&rgb, stride),
        });
        Self { width, height, sampling, brightness, colours, alpha }
    }

    /// The alpha channel as a picture of its own.
    pub(super) fn alpha(&self) -> Option<Self> {
        let brightness = Plane { data: self.alpha.clone()?, stride: self.brightness.stride };
        Some(Self { sampling: Sampling::Quarter, brightness, colours: None, alpha: None, ..*self })
    }

    pub(super) const fn is_grey(&self) -> bool {
        self.colours.is_none()
    }

    /// AV1's profile: 1 is needed for colours of every pixel (AV1 §6.4.1).
    pub(super) fn profile(&self) -> u32 {
        (self.sampling == Sampling::Full).into()
    }

    /// Whether colours are shared by neighbours in a row, and in a column.
    pub(super) fn subsampled(&self) -> (bool, bool) {
        let shared = self.sampling == Sampling::Quarter;
        (shared, shared)
    }

    pub(super) fn planes(&self) -> impl Iterator<Item = &Plane> {
        std::iter::once(&self.brightness).chain(self.colours.iter().flatten())
    }
}

/// The colours without their alpha. What is wholly transparent gets its neighbour's colour: whatever a program left there
/// costs bytes, and its rim would show.
fn opaque(rgba: &[[u8; 4]], width: usize) -> Vec<[u8; 3]> {
    let mut rgb: Vec<[u8; 3]> = Vec::with_capacity(rgba.len());
    for row in rgba.chunks_exact(width) {
        let visible = |[r, g, b, a]: &[u8; 4]| (*a > 0).then_some([*r, *g, *b]);
        let above = rgb.len().checked_sub(width).and_then(|at| rgb.get(at)).copied().unwrap_or([255; 3]);
        let mut last = row.iter().find_map(visible).unwrap_or(above);
        rgb.extend(row.iter().map(|pixel| {
            last = visible(pixel).unwrap_or(last);
            last
        }));
    }
    rgb
}

/// ITU-T T.871 §7, in 65 536ths, so that every machine gets the same bytes.
fn brightness([r, g, b]: &[u8; 3]) -> u8 {
    ((19_595 * u32::from(*r) + 38_470 * u32::from(*g) + 7_471 * u32::from(*b) + 32_768) >> 16) as u8
}

/// Blue and red difference.
fn colours([r, g, b]: [u8; 3]) -> [u8; 2] {
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    let at = |sum: i32| ((sum + (128 << 16) + 32_767) >> 16) as u8;
    [at(-11_059 * r - 21_709 * g + 32_768 * b), at(32_768 * r - 27_439 * g - 5_329 * b)]
}

/// The mean colours of two by two pixels. Those at an odd edge count twice.
fn shared_colours(rgb: &[[u8; 3]], width: usize) -> [Plane; 2] {
    let stride = width.div_ceil(2);
    let rows = rgb.len().div_ceil(width).div_ceil(2);
    let [mut blue, mut red] = [(); 2].map(|()| Plane { data: Vec::with_capacity(stride * rows), stride });
    for pair in rgb.chunks(2 * width) {
        let (upper, lower) = pair.split_at(width);
        let lower = if lower.is_empty() { upper } else { lower };
        for (above, below) in upper.chunks(2).zip(lower.chunks(2)) {
            let four = [above.first(), above.last(), below.first(), below.last()];
            let mean = |channel: usize| {
                let sum: u16 = four.iter().flatten().map(|pixel| u16::from(pixel[channel])).sum();
                ((sum + 2) / 4) as u8
            };
            let [b, r] = colours([mean(0), mean(1), mean(2)]);
            blue.data.push(b);
            red.data.push(r);
        }
    }
    [blue, red]
}
