//! Colours into sRGB, by `moxcms`: what every browser shows right without a profile, which is then left out.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout as Channels,
    MatrixCoefficients, TransferCharacteristics, Transform8BitExecutor, TransformOptions, XyY, curve_from_gamma,
};

use super::{
    hdr::{self, Curve},
    pixels::{Layout, Pixels, PngColour, Space},
    refusal::{Refusal, guarded},
};

impl Pixels {
    /// The picture in sRGB, without inks. A profile that cannot be used counts as none: the picture is then what most
    /// programs make of it.
    pub(crate) fn into_srgb(self) -> Self {
        match guarded(|| converted(&self)) {
            Ok(Some((layout, data))) => self.in_srgb(layout, data),
            Ok(None) | Err(_) => self.taken_for_srgb(),
        }
    }

    /// The same numbers as sRGB; inks as light, where no profile says what they look like.
    fn taken_for_srgb(self) -> Self {
        match self.layout() {
            Layout::Cmyk => {
                let data = self.data().as_chunks::<4>().0.iter().flat_map(|inks| naive(*inks)).collect();
                self.in_srgb(Layout::Rgb, data)
            }
            layout => {
                let mut pixels = self;
                let data = pixels.take_data();
                pixels.in_srgb(layout, data)
            }
        }
    }
}

fn naive([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|ink| (((255 - u32::from(ink)) * (255 - u32::from(k)) + 127) / 255) as u8)
}

/// The picture in sRGB; `None` where its numbers are that already.
fn converted(pixels: &Pixels) -> Result<Option<(Layout, Vec<u8>)>, Refusal> {
    let profile = match pixels.space() {
        Space::Srgb => return Ok(None),
        Space::Icc(profile) => ColorProfile::new_from_slice(profile).map_err(Refusal::broken)?,
        Space::Png(colour) => png_profile(*colour, pixels.layout())?,
    };
    if let Some(curve) = brighter_than_white(&profile) {
        let to_srgb = profile.transform_matrix(&ColorProfile::new_srgb());
        return Ok(Some((pixels.layout(), hdr::toned(pixels, curve, to_srgb.v.map(|row| row.map(|it| it as f32))))));
    }
    transformed(pixels, &profile)
}

/// The curve of a profile that goes beyond white, which it says by code points alone (ICC.1:2022 §9.2.17).
fn brighter_than_white(profile: &ColorProfile) -> Option<Curve> {
    match profile.cicp?.transfer_characteristics {
        TransferCharacteristics::Smpte2084 => Some(Curve::Pq),
        TransferCharacteristics::Hlg => Some(Curve::Hlg),
        _ => None,
    }
}

fn transformed(pixels: &Pixels, profile: &ColorProfile) -> Result<Option<(Layout, Vec<u8>)>, Refusal> {
    let (layout, from, to) = match (pixels.layout(), profile.color_space) {
        (Layout::Grey, DataColorSpace::Gray) => (Layout::Grey, Channels::Gray, Channels::Gray),
        (Layout::GreyAlpha, DataColorSpace::Gray) => (Layout::GreyAlpha, Channels::GrayAlpha, Channels::GrayAlpha),
        // Grey files with the profile of a screen are common.
        (Layout::Rgb | Layout::Grey, DataColorSpace::Rgb) => (Layout::Rgb, Channels::Rgb, Channels::Rgb),
        (Layout::Rgba | Layout::GreyAlpha, DataColorSpace::Rgb) => (Layout::Rgba, Channels::Rgba, Channels::Rgba),
        (Layout::Cmyk, DataColorSpace::Cmyk) => (Layout::Rgb, Channels::Rgba, Channels::Rgb),
        _ => return Err(Refusal::broken("its profile is for other colours than it has")),
    };
    let target = if matches!(to, Channels::Gray | Channels::GrayAlpha) { grey() } else { ColorProfile::new_srgb() };
    let transform =
        profile.create_transform_8bit(from, &target, to, TransformOptions::default()).map_err(Refusal::broken)?;
    if pixels.layout() != Layout::Cmyk && changes_nothing(&*transform, layout)? {
        return Ok(None);
    }
    let spread = (pixels.layout().channels() < layout.channels()).then(|| pixels.clone().with_three_colours());
    let pixels = spread.as_ref().unwrap_or(pixels);
    let count = pixels.width() as usize * pixels.height() as usize;
    let mut data = vec![0; count * layout.channels()];
    transform.transform(pixels.data(), &mut data).map_err(Refusal::broken)?;
    Ok(Some((layout, data)))
}

/// Whether a profile is sRGB, whatever it is called: every colour stays what it is, but for a step of rounding.
fn changes_nothing(transform: &Transform8BitExecutor, layout: Layout) -> Result<bool, Refusal> {
    let steps = (0..=255_u8).step_by(5);
    let colours = steps.flat_map(|value| {
        let rest = 255 - value;
        [
            [value; 3],
            [value, 0, 0],
            [0, value, 0],
            [0, 0, value],
            [value, rest, 128],
            [rest, 128, value],
            [128, value, rest],
        ]
    });
    let before: Vec<u8> = colours
        .flat_map(|[red, green, blue]| match layout {
            Layout::Grey => vec![red],
            Layout::GreyAlpha => vec![red, 255],
            Layout::Rgb => vec![red, green, blue],
            Layout::Rgba | Layout::Cmyk => vec![red, green, blue, 255],
        })
        .collect();
    let mut after = vec![0; before.len()];
    transform.transform(&before, &mut after).map_err(Refusal::broken)?;
    Ok(before.iter().zip(&after).all(|(before, after)| before.abs_diff(*after) <= 1))
}

/// Grey with the tone curve of sRGB.
fn grey() -> ColorProfile {
    let mut profile = ColorProfile::new_gray_with_gamma(2.2);
    profile.gray_trc = ColorProfile::new_srgb().red_trc;
    profile
}

/// The colours that a PNG states in numbers (PNG 3rd edition §11.3.2).
fn png_profile(colour: PngColour, layout: Layout) -> Result<ColorProfile, Refusal> {
    match colour {
        PngColour::CodePoints { primaries, transfer } => {
            let profile = CicpProfile {
                color_primaries: CicpColorPrimaries::try_from(primaries).map_err(Refusal::broken)?,
                transfer_characteristics: TransferCharacteristics::try_from(transfer).map_err(Refusal::broken)?,
                matrix_coefficients: MatrixCoefficients::Identity,
                full_range: true,
            };
            let profile = ColorProfile::new_from_cicp(profile);
            // Of code points that say nothing it makes a profile without colours.
            if profile.is_matrix_shaper() {
                Ok(profile)
            } else {
                Err(Refusal::broken("its code points are of no colours"))
            }
        }
        PngColour::Gamma { gamma, .. } if !(0.05..=5.0).contains(&gamma) => {
            Err(Refusal::broken("its gamma is no gamma"))
        }
        PngColour::Gamma { gamma, .. } if matches!(layout, Layout::Grey | Layout::GreyAlpha) => {
            Ok(ColorProfile::new_gray_with_gamma(1.0 / gamma))
        }
        PngColour::Gamma { gamma, chromaticities } => Ok(gamma_profile(gamma, chromaticities)),
    }
}

fn gamma_profile(gamma: f32, chromaticities: Option<[(f32, f32); 4]>) -> ColorProfile {
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    // 1/2.2 is how files say sRGB, whose curve is none of a power.
    if (gamma - 0.454_55).abs() > 0.005 {
        let curve = Some(curve_from_gamma(1.0 / gamma));
        (profile.red_trc, profile.green_trc, profile.blue_trc) = (curve.clone(), curve.clone(), curve);
    }
    if let Some([(x, y), red, green, blue]) = chromaticities {
        let point = |(x, y)| Chromaticity { x, y };
        let primaries = ColorPrimaries { red: point(red), green: point(green), blue: point(blue) };
        profile.update_rgb_colorimetry(XyY { x: x.into(), y: y.into(), yb: 1.0 }, primaries);
    }
    profile
}
