//! What a picture looks like: drawn or photographed, and which colour it has on the whole. It does not know files.

use std::collections::HashSet;

use super::pixels::Pixels;

/// Rows that are looked at.
const ROWS: usize = 64;
/// So many colours in those rows at most: it is drawn.
const FEW_COLOURS: usize = 256;

impl Pixels {
    /// Whether this is a drawing, a logo, a screenshot: few colours, or areas of exactly one colour, which no camera makes.
    /// Only what a lossless file keeps can tell.
    pub(crate) fn is_graphic(&self) -> bool {
        let channels = self.layout().channels();
        let row = self.width() as usize * channels;
        let step = (self.height() as usize / ROWS).max(1);
        let (mut pairs, mut equal, mut colours) = (0, 0, HashSet::new());
        for row in self.data().chunks_exact(row).step_by(step) {
            let pixels = row.chunks_exact(channels);
            for (left, right) in pixels.clone().zip(pixels.skip(1)) {
                pairs += 1;
                equal += usize::from(left == right);
                if colours.len() <= FEW_COLOURS {
                    colours.insert(left);
                }
            }
        }
        colours.len() <= FEW_COLOURS || equal * 5 > pairs * 2
    }

    /// The mean of its opaque parts, for a page to show until the picture is there. The picture must be in sRGB.
    pub(crate) fn dominant_colour(&self) -> [u8; 3] {
        let (mut sums, mut weight) = ([0_u64; 3], 0_u64);
        let has_alpha = self.layout().has_alpha();
        for pixel in self.data().chunks_exact(self.layout().channels()) {
            let (alpha, colours) = match pixel.split_last() {
                Some((alpha, colours)) if has_alpha => (u64::from(*alpha), colours),
                _ => (255, pixel),
            };
            weight += alpha;
            for (sum, colour) in sums.iter_mut().zip(colours.iter().cycle()) {
                *sum += u64::from(*colour) * alpha;
            }
        }
        sums.map(|sum| (sum + weight / 2).checked_div(weight).unwrap_or(255) as u8)
    }
}
