//! Pictures that are brighter than white (ITU-R BT.2100: PQ and HLG) as a screen shows them that is not. It does not know
//! files or profiles.

use super::pixels::Pixels;

/// What the numbers of such a picture mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    Pq,
    Hlg,
}

/// The light of white paper, in candela per square metre (ITU-R BT.2408-7 §2.2).
const WHITE: f32 = 203.0;
/// The brightest that a picture is made for (BT.2100-2 note 5e); what is brighter still is cut off.
const PEAK: f32 = 1000.0;

/// The picture with the tones of a screen, by the matrix that makes light of sRGB's primaries of its own. Its layout stays.
pub(super) fn toned(pixels: &Pixels, curve: Curve, to_srgb: [[f32; 3]; 3]) -> Vec<u8> {
    let channels = pixels.layout().channels();
    let colours = if channels < 3 { 1 } else { 3 };
    let light: Vec<f32> = (0..=255_u8).map(|value| light(curve, f32::from(value) / 255.0)).collect();
    let shown: Vec<u8> = (0..=STEPS).map(|step| srgb(step as f32 / STEPS as f32)).collect();
    let show = |light: f32| shown[(light.clamp(0.0, 1.0) * STEPS as f32).round() as usize];
    let mut data = pixels.data().to_vec();
    for pixel in data.chunks_exact_mut(channels) {
        let own: [f32; 3] = std::array::from_fn(|at| light[usize::from(pixel[at % colours])]);
        let own = compressed(if curve == Curve::Hlg { displayed(own) } else { own });
        match pixel {
            [grey] | [grey, _] => *grey = show(own[0]),
            _ => {
                for (value, row) in pixel.iter_mut().zip(&to_srgb) {
                    *value = show(row[0] * own[0] + row[1] * own[1] + row[2] * own[2]);
                }
            }
        }
    }
    data
}

/// Finer than a step of 255 where sRGB is steepest.
const STEPS: usize = 16_384;

/// The light of a value, of which 1 is white: on the screen (PQ), or in the scene (HLG), where 1 is the brightest.
fn light(curve: Curve, value: f32) -> f32 {
    match curve {
        // BT.2100-2 table 4.
        Curve::Pq => {
            let power = value.powf(32.0 / 2523.0);
            let ratio = (power - 0.835_937_5).max(0.0) / (18.851_563 - 18.6875 * power);
            ratio.powf(8192.0 / 1305.0) * 10_000.0 / WHITE
        }
        // BT.2100-2 table 5.
        Curve::Hlg if value <= 0.5 => value * value / 3.0,
        Curve::Hlg => (((value - 0.559_910_7) / 0.178_832_77).exp() + 0.284_668_92) / 12.0,
    }
}

/// The light of a scene on a screen of 1000 candela (BT.2100-2 table 5: the OOTF, with a gamma of 1.2).
fn displayed(scene: [f32; 3]) -> [f32; 3] {
    let [red, green, blue] = scene;
    let luminance = 0.2627 * red + 0.678 * green + 0.0593 * blue;
    scene.map(|light| light * luminance.powf(0.2) * PEAK / WHITE)
}

/// Light up to the peak in the range up to 1, with its hue, much as Chromium has it: up to white it is halved, so that white
/// comes out as a light grey, and what is brighter bends from there to the brightest that a screen has.
fn compressed(light: [f32; 3]) -> [f32; 3] {
    const ROOM: f32 = PEAK / WHITE - 1.0;
    const BEND: f32 = ROOM / (ROOM - 1.0);
    let brightest = light.into_iter().fold(0.0, f32::max).min(PEAK / WHITE);
    let over = brightest - 1.0;
    let share = if over <= 0.0 { 0.5 } else { 0.5 * (1.0 + over * BEND / (over + BEND)) / brightest };
    light.map(|light| light * share)
}

/// IEC 61966-2-1.
fn srgb(light: f32) -> u8 {
    let value = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (value * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::{
        super::pixels::{Layout, Space},
        *,
    };

    const SAME: [[f32; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    fn grey(curve: Curve, value: u8) -> u8 {
        toned(&Pixels::new((1, 1), Layout::Grey, vec![value], Space::Srgb).unwrap(), curve, SAME)[0]
    }

    #[test]
    fn white_is_bright_and_the_peak_is_white() {
        for (curve, black, white, peak) in [(Curve::Pq, 0, 148, 192), (Curve::Hlg, 0, 191, 255)] {
            assert_eq!(grey(curve, black), 0);
            assert!((180..=200).contains(&grey(curve, white)), "{curve:?}: {}", grey(curve, white));
            assert!(grey(curve, peak) >= 254, "{curve:?}: {}", grey(curve, peak));
        }
    }

    #[test]
    fn more_is_never_darker() {
        for curve in [Curve::Pq, Curve::Hlg] {
            assert!((0..=255).map(|value| grey(curve, value)).is_sorted());
        }
    }

    #[test]
    fn alpha_is_no_light() {
        let pixels = Pixels::new((1, 1), Layout::Rgba, vec![148, 148, 148, 77], Space::Srgb).unwrap();
        assert_eq!(toned(&pixels, Curve::Pq, SAME)[3], 77);
    }
}
