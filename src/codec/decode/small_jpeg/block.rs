//! The pixels of a block, fewer than it has frequencies: the inverse cosine transform (ITU-T T.81 A.3.3) of the lowest ones
//! over N × N places. In floating point, of which every machine has four or more lanes.

use super::bits::Block;

pub(super) struct Transform {
    /// What each frequency adds to each place.
    waves: Waves,
    place: fn(&Waves, &[f32; 64], &mut [u8], usize),
    side: usize,
}

type Waves = [[f32; 8]; 8];

impl Transform {
    /// Over `side` places, 1 to 7.
    pub(super) fn new(side: usize) -> Self {
        let mut waves = [[0.0; 8]; 8];
        for (frequency, wave) in (0_u8..).zip(waves.iter_mut().take(side)) {
            for (place, value) in (0_u8..).zip(wave.iter_mut().take(side)) {
                let angle = f64::from(2 * place + 1) * f64::from(frequency) * std::f64::consts::PI / (2 * side) as f64;
                *value = if frequency == 0 { 8_f64.sqrt().recip() } else { angle.cos() / 2.0 } as f32;
            }
        }
        let place = match side {
            1 => placed::<1>,
            2 => placed::<2>,
            3 => placed::<3>,
            4 => placed::<4>,
            5 => placed::<5>,
            6 => placed::<6>,
            _ => placed::<7>,
        };
        Self { waves, place, side }
    }

    /// Writes the pixels of a block, `stride` bytes from row to row.
    #[inline]
    pub(super) fn pixels(&self, block: &Block, pixels: &mut [u8], stride: usize) {
        if block.is_flat {
            let value = byte(block.numbers[0] / 8.0 + 128.0);
            for row in pixels.chunks_mut(stride).take(self.side) {
                row.iter_mut().take(self.side).for_each(|pixel| *pixel = value);
            }
        } else {
            (self.place)(&self.waves, &block.numbers, pixels, stride);
        }
    }
}

fn placed<const N: usize>(waves: &Waves, block: &[f32; 64], pixels: &mut [u8], stride: usize) {
    let rows = block.as_chunks::<8>().0;
    let mut columns = [[0.0; N]; N];
    for (row, wave) in rows.iter().zip(waves).take(N) {
        for (column, wave) in columns.iter_mut().zip(wave) {
            for (sum, number) in column.iter_mut().zip(row) {
                *sum += wave * number;
            }
        }
    }
    for (column, pixels) in columns.iter().zip(pixels.chunks_mut(stride)) {
        let mut line = [128.0; N];
        for (number, wave) in column.iter().zip(waves) {
            for (sum, wave) in line.iter_mut().zip(wave) {
                *sum += number * wave;
            }
        }
        for (pixel, value) in pixels.iter_mut().zip(line) {
            *pixel = byte(value);
        }
    }
}

/// The nearest byte. At 2²³ numbers of 32 bits have no fraction: what is added to that lies in their lowest bits.
#[inline]
fn byte(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + 8_388_608.0).to_bits() as u8
}
