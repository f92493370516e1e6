//! Colours into sRGB, by `moxcms`: what every browser shows right without a profile, which is then left out.

use moxcms::{
    Chromaticity, CicpColorPrimaries, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout as Channels,
    MatrixCoefficients, TransferCharacteristics, TransformOptions, XyY, curve_from_gamma,
};

use super::{
    files::profile_of,
    header::Profile,
    pixels::{Layout, Pixels, PngColour, Space},
    refusal::{Refusal, guarded},
};

impl Pixels {
    /// The picture in sRGB, without inks. A profile that cannot be used counts as none: the picture is then what most
    /// programs make of it.
    pub(crate) fn into_srgb(self) -> Self {
        let Some(profile) = source_profile(&self) else { return self.taken_for_srgb() };
        // Grey files with the profile of a screen are common.
        let pixels = match (self.layout(), profile.color_space) {
            (Layout::Grey | Layout::GreyAlpha, DataColorSpace::Rgb) => self.with_three_colours(),
            _ => self,
        };
        match guarded(|| transformed(&pixels, &profile)) {
            Ok((layout, data)) => pixels.in_srgb(layout, data),
            Err(_) => pixels.taken_for_srgb(),
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

/// What is to be converted from, if anything is.
fn source_profile(pixels: &Pixels) -> Option<ColorProfile> {
    guarded(|| match pixels.space() {
        Space::Srgb => Ok(None),
        Space::Icc(profile) if profile_of(profile) == Profile::Srgb => Ok(None),
        Space::Icc(profile) => ColorProfile::new_from_slice(profile).map(Some).map_err(Refusal::broken),
        Space::Png(colour) => png_profile(*colour, pixels.layout()).map(Some),
    })
    .ok()
    .flatten()
}

fn transformed(pixels: &Pixels, profile: &ColorProfile) -> Result<(Layout, Vec<u8>), Refusal> {
    let (layout, from, to) = match (pixels.layout(), profile.color_space) {
        (Layout::Grey, DataColorSpace::Gray) => (Layout::Grey, Channels::Gray, Channels::Gray),
        (Layout::GreyAlpha, DataColorSpace::Gray) => (Layout::GreyAlpha, Channels::GrayAlpha, Channels::GrayAlpha),
        (Layout::Rgb, DataColorSpace::Rgb) => (Layout::Rgb, Channels::Rgb, Channels::Rgb),
        (Layout::Rgba, DataColorSpace::Rgb) => (Layout::Rgba, Channels::Rgba, Channels::Rgba),
        (Layout::Cmyk, DataColorSpace::Cmyk) => (Layout::Rgb, Channels::Rgba, Channels::Rgb),
        _ => return Err(Refusal::broken("its profile is for other colours than it has")),
    };
    let target = if matches!(to, Channels::Gray | Channels::GrayAlpha) { grey() } else { ColorProfile::new_srgb() };
    let transform =
        profile.create_transform_8bit(from, &target, to, TransformOptions::default()).map_err(Refusal::broken)?;
    let count = pixels.width() as usize * pixels.height() as usize;
    let mut data = vec![0; count * layout.channels()];
    transform.transform(pixels.data(), &mut data).map_err(Refusal::broken)?;
    Ok((layout, data))
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
            Ok(ColorProfile::new_from_cicp(profile))
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
