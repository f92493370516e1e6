//! What is refused before it is read: sizes and counts. It does not know what is done with a refused file.

/// What an image may measure so that it is converted. A larger one is served as it is, or refused.
///
/// All of it is read from the file's header, so that a bomb costs no more than its first bytes. The defaults let a camera's
/// picture through and keep a function of 512 MB alive.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::images::ImageLimits;
///
/// let limits = ImageLimits::default().with_pixels(12_000_000).with_bytes(8 << 20);
/// assert_eq!(limits.pixels, 12_000_000);
/// ```
///
/// For pictures of visitors, who may send whatever they like:
///
/// ```
/// # use chalice_http_toolkit::images::ImageLimits;
/// let limits = ImageLimits::default().with_side(6_000).with_frames(1).with_scans(20).with_profile(64 << 10);
/// assert_eq!((limits.side, limits.frames, limits.scans, limits.profile), (6_000, 1, 20, 65_536));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageLimits {
    /// The length of the file: 20 MiB.
    pub bytes: usize,
    /// Its width and its height: 16 384 pixels each.
    pub side: u32,
    /// Width times height, of all frames together: 50 million.
    pub pixels: u64,
    /// Frames of an animation: 300.
    pub frames: u32,
    /// The colour profile, in JPEG, PNG and WebP alike: 1 MiB. A longer one is ignored.
    pub profile: usize,
    /// Scans of a progressive JPEG: 100. Each is a pass over the whole picture.
    pub scans: usize,
}

impl Default for ImageLimits {
    fn default() -> Self {
        Self { bytes: 20 << 20, side: 16_384, pixels: 50_000_000, frames: 300, profile: 1 << 20, scans: 100 }
    }
}

impl ImageLimits {
    /// For what costs no more than reading the file once.
    pub(super) const NONE: Self = Self {
        bytes: usize::MAX,
        side: u32::MAX,
        pixels: u64::MAX,
        frames: u32::MAX,
        profile: usize::MAX,
        scans: usize::MAX,
    };

    /// The longest file, in bytes. Default: 20 MiB.
    #[must_use]
    pub const fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The greatest width and height. Default: 16 384.
    #[must_use]
    pub const fn with_side(mut self, side: u32) -> Self {
        self.side = side;
        self
    }

    /// The most pixels, of all frames together. Default: 50 million.
    #[must_use]
    pub const fn with_pixels(mut self, pixels: u64) -> Self {
        self.pixels = pixels;
        self
    }

    /// The most frames of an animation. Default: 300.
    #[must_use]
    pub const fn with_frames(mut self, frames: u32) -> Self {
        self.frames = frames;
        self
    }

    /// The longest colour profile that is used, in bytes. Default: 1 MiB.
    #[must_use]
    pub const fn with_profile(mut self, profile: usize) -> Self {
        self.profile = profile;
        self
    }

    /// The most scans of a progressive JPEG. Default: 100.
    #[must_use]
    pub const fn with_scans(mut self, scans: usize) -> Self {
        self.scans = scans;
        self
    }
}
