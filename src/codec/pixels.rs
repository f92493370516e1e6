//! A picture in memory: 8 bits a channel, row after row without gaps. It does not know files.

use super::refusal::Refusal;

/// What the bytes of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Ink: 0 is none, 255 is all of it.
    Cmyk,
}

impl Layout {
    pub(crate) const fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }

    pub(crate) const fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }
}

/// What the numbers of a picture mean in light.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Space {
    Srgb,
    /// An ICC profile.
    Icc(Vec<u8>),
    /// PNG's own numbers (PNG 3rd edition §11.3.2): primaries and gamma, or code points.
    Png(PngColour),
}

/// What a PNG without profile says of its colours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum PngColour {
    /// ITU-T H.273: primaries, transfer.
    CodePoints { primaries: u8, transfer: u8 },
    /// The encoding exponent (`gAMA`), and white, red, green, blue as x, y (`cHRM`).
    Gamma { gamma: f32, chromaticities: Option<[(f32, f32); 4]> },
}

/// A picture. It always holds width × height pixels of its layout.
#[derive(Clone, Debug)]
pub(crate) struct Pixels {
    width: u32,
    height: u32,
    layout: Layout,
    data: Vec<u8>,
    space: Space,
    /// How much of the width and the height is the picture: where it was decoded smaller than it is stored, its last column
    /// and row may be parts of a pixel.
    extent: (f64, f64),
}

impl Pixels {
    /// `Err` where the bytes are not those of so large a picture.
    pub(super) fn new(
        (width, height): (u32, u32),
        layout: Layout,
        data: Vec<u8>,
        space: Space,
    ) -> Result<Self, Refusal> {
        let length = (width as usize).checked_mul(height as usize).and_then(|n| n.checked_mul(layout.channels()));
        if length != Some(data.len()) || data.is_empty() {
            return Err(Refusal::broken("it has fewer or more pixels than it says"));
        }
        Ok(Self { width, height, layout, data, space, extent: (width.into(), height.into()) })
    }

    /// Other bytes of the same layout and colours. Their length is the caller's to get right.
    pub(super) fn with_data(self, width: u32, height: u32, data: Vec<u8>) -> Self {
        debug_assert_eq!(data.len(), width as usize * height as usize * self.layout.channels());
        Self { width, height, data, extent: (width.into(), height.into()), ..self }
    }

    /// The same pixels, of which so much is the picture.
    pub(super) fn with_extent(self, extent: (f64, f64)) -> Self {
        Self { extent, ..self }
    }

    pub(super) fn extent(&self) -> (f64, f64) {
        self.extent
    }

    /// The same picture in another layout, in sRGB.
    pub(super) fn in_srgb(self, layout: Layout, data: Vec<u8>) -> Self {
        debug_assert_eq!(data.len(), self.width as usize * self.height as usize * layout.channels());
        Self { layout, data, space: Space::Srgb, ..self }
    }

    /// The same numbers, which mean other colours.
    pub(super) fn in_space(self, space: Space) -> Self {
        Self { space, ..self }
    }

    /// With colours as they are, where they are stored times their alpha.
    pub(super) fn with_colours_divided(mut self) -> Self {
        if self.layout.has_alpha() {
            for pixel in self.data.chunks_exact_mut(self.layout.channels()) {
                let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
                let of_alpha = |colour: u8| (u32::from(colour) * 255).checked_div(u32::from(*alpha)).unwrap_or(0);
                colours.iter_mut().for_each(|colour| *colour = of_alpha(*colour).min(255) as u8);
            }
        }
        self
    }

    /// The bytes, to be given back by [`in_srgb`](Self::in_srgb).
    pub(super) fn take_data(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.data)
    }

    pub(crate) fn width(&self) -> u32 {
        self.width
    }

    pub(crate) fn height(&self) -> u32 {
        self.height
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(super) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// Without an alpha channel that says nothing: files are smaller and every step is cheaper.
    pub(super) fn without_opaque_alpha(mut self) -> Self {
        let layout = match self.layout {
            Layout::GreyAlpha => Layout::Grey,
            Layout::Rgba => Layout::Rgb,
            _ => return self,
        };
        let channels = self.layout.channels();
        if self.data.chunks_exact(channels).any(|pixel| pixel.last() != Some(&255)) {
            return self;
        }
        // In place: a second buffer would double the memory of a large picture.
        let pixels = self.data.len() / channels;
        for pixel in 0..pixels {
            self.data.copy_within(pixel * channels..(pixel + 1) * channels - 1, pixel * (channels - 1));
        }
        self.data.truncate(pixels * (channels - 1));
        Self { layout, ..self }
    }

    /// Composed on white, for formats without alpha.
    pub(crate) fn flattened(self) -> Self {
        let (layout, channels) = match self.layout {
            Layout::GreyAlpha => (Layout::Grey, 2),
            Layout::Rgba => (Layout::Rgb, 4),
            _ => return self,
        };
        let mut data = Vec::with_capacity(self.data.len() / channels * (channels - 1));
        for pixel in self.data.chunks_exact(channels) {
            if let Some((alpha, colours)) = pixel.split_last() {
                data.extend(colours.iter().map(|colour| on_white(*colour, *alpha)));
            }
        }
        Self { layout, data, ..self }
    }

    /// Grey as three equal channels, for encoders that take nothing else.
    pub(super) fn with_three_colours(self) -> Self {
        let layout = match self.layout {
            Layout::Grey => Layout::Rgb,
            Layout::GreyAlpha => Layout::Rgba,
            _ => return self,
        };
        let data = match self.layout {
            Layout::Grey => self.data.iter().flat_map(|grey| [*grey; 3]).collect(),
            _ => self.data.as_chunks::<2>().0.iter().flat_map(|[grey, alpha]| [*grey, *grey, *grey, *alpha]).collect(),
        };
        Self { layout, data, ..self }
    }
}

fn on_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u32::from(colour), u32::from(alpha));
    ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
