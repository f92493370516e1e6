//! Pictures made smaller, by `fast_image_resize`: Lanczos with three lobes over all pixels, as sharp and Pillow do. Never
//! larger: that adds bytes and no detail.

use fast_image_resize::{FilterType, MulDiv, PixelType, ResizeAlg, ResizeOptions, Resizer, images::Image};

use super::{
    pixels::{Layout, Pixels},
    refusal::{Refusal, guarded},
};

impl Pixels {
    /// The picture at this size, as stored.
    pub(crate) fn resized(self, width: u32, height: u32) -> Result<Self, Refusal> {
        if (width, height) == (self.width(), self.height()) {
            return Ok(self);
        }
        guarded(|| scaled(self, width, height))
    }
}

fn scaled(mut pixels: Pixels, width: u32, height: u32) -> Result<Pixels, Refusal> {
    let kind = match pixels.layout() {
        Layout::Grey => PixelType::U8,
        Layout::GreyAlpha => PixelType::U8x2,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba | Layout::Cmyk => PixelType::U8x4,
    };
    let extent = pixels.extent();
    let has_alpha = pixels.layout().has_alpha();
    let (from_width, from_height) = (pixels.width(), pixels.height());
    let mut target = Image::new(width, height, kind);
    {
        let mut source =
            Image::from_slice_u8(from_width, from_height, pixels.data_mut(), kind).map_err(Refusal::broken)?;
        let alpha = MulDiv::new();
        // Colours count by their alpha, else what is behind a transparent pixel bleeds into its neighbours. It is done in
        // place: the resizer's own way copies the whole source first.
        if has_alpha {
            alpha.multiply_alpha_inplace(&mut source).map_err(Refusal::broken)?;
        }
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(false);
        let options = options.crop(0.0, 0.0, extent.0, extent.1);
        Resizer::new().resize(&source, &mut target, &options).map_err(Refusal::broken)?;
        if has_alpha {
            alpha.divide_alpha_inplace(&mut target).map_err(Refusal::broken)?;
        }
    }
    Ok(pixels.with_data(width, height, target.into_vec()))
}
