//! Pictures of the `image` crate, whatever their pixels are made of, as ours; and as a file, for what works on files.

use image::{
    ColorType, ConvertColorOptions, DynamicImage,
    metadata::{Cicp, CicpTransferCharacteristics},
};

use super::{
    encode::contained,
    limits::ImageLimits,
    pixels::{Layout, Pixels, PngColour, Space},
    refusal::{Refusal, guarded, within},
};

impl Pixels {
    /// 8 bits of each channel, with the alpha and without colours where it has none. Numbers of 16 bits are rounded; of
    /// fractions 0 is nothing and 1 is all of it.
    pub(super) fn of_image(mut image: DynamicImage) -> Result<Self, Refusal> {
        let colours = image.color_space();
        let is_bright =
            matches!(colours.transfer, CicpTransferCharacteristics::Smpte2084 | CicpTransferCharacteristics::Bt2100Hlg);
        // In the depth that it has: in 8 bits, light without a curve has few steps in the dark.
        let converted = colours != Cicp::SRGB
            && !is_bright
            && image.apply_color_space(Cicp::SRGB, ConvertColorOptions::default()).is_ok();
        let space = if colours == Cicp::SRGB || converted { Space::Srgb } else { space_of(colours) };
        let size = (image.width(), image.height());
        let (layout, data) = match image.color() {
            ColorType::L8 | ColorType::L16 => (Layout::Grey, image.into_luma8().into_raw()),
            ColorType::La8 | ColorType::La16 => (Layout::GreyAlpha, image.into_luma_alpha8().into_raw()),
            color if color.has_alpha() => (Layout::Rgba, image.into_rgba8().into_raw()),
            _ => (Layout::Rgb, image.into_rgb8().into_raw()),
        };
        Self::new(size, layout, data, space)
    }
}

fn space_of(colours: Cicp) -> Space {
    let (primaries, transfer) = (colours.primaries as u8, colours.transfer as u8);
    Space::Png(PngColour::CodePoints { primaries, transfer })
}

/// The picture as a file that is quickly written and quickly read, in sRGB and without loss.
pub(crate) fn drawn(image: DynamicImage, limits: &ImageLimits) -> Result<Vec<u8>, Refusal> {
    let (width, height) = (image.width(), image.height());
    if width == 0 || height == 0 {
        return Err(Refusal::broken("it has no pixels"));
    }
    within("pixels on a side", u64::from(width.max(height)), u64::from(limits.side))?;
    within("pixels", u64::from(width) * u64::from(height), limits.pixels)?;
    guarded(|| contained(&Pixels::of_image(image)?.without_opaque_alpha().into_srgb()))
}
