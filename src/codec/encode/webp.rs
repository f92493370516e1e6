//! WebP files, by libwebp. The only calls into its C code; what it gets are pixels that were made here, never a file.
#![allow(unsafe_code)]

use std::ffi::c_int;

use libwebp_sys::{
    WebPConfig, WebPEncode, WebPMemoryWrite, WebPMemoryWriter, WebPMemoryWriterClear, WebPMemoryWriterInit,
    WebPPicture, WebPPictureFree, WebPPictureImportRGB, WebPPictureImportRGBA, WebPValidateConfig,
};

use super::{
    super::{
        pixels::{Layout, Pixels},
        refusal::{Refusal, within},
    },
    Tier,
};

/// WebP has 14 bits for each side (RFC 9649 §2.5).
const LONGEST_SIDE: u32 = 16_383;
/// Above this a graphic is not tried without loss: it takes 0.2 s a megapixel.
const LARGEST_LOSSLESS: u64 = 1_100_000;
/// Above this a picture is encoded with less care, which takes less than half the time and adds 4 % to it.
const LARGEST_CAREFUL: u64 = 2_000_000;

pub(super) fn encode(pixels: &Pixels, quality: u8, tier: Tier, graphic: bool) -> Result<Vec<u8>, Refusal> {
    within("pixels on a side", pixels.width().max(pixels.height()).into(), LONGEST_SIDE.into())?;
    let count = u64::from(pixels.width()) * u64::from(pixels.height());
    if !graphic {
        return run(pixels, &lossy(quality, tier, count)?);
    }
    // The edges of text suffer first.
    let crisp = lossy(quality.max(90), tier, count)?;
    if count > LARGEST_LOSSLESS && tier == Tier::Fast {
        return run(pixels, &crisp);
    }
    let whole = run(pixels, &lossless()?)?;
    // More than three bits a pixel: it was no graphic, and without loss it is several times as large.
    if whole.len() as u64 * 8 <= count * 3 {
        return Ok(whole);
    }
    let crisp = run(pixels, &crisp)?;
    Ok(if crisp.len() < whole.len() { crisp } else { whole })
}

fn settings() -> Result<WebPConfig, Refusal> {
    WebPConfig::new().map_err(|()| Refusal::broken("libwebp is of another version"))
}

fn lossy(quality: u8, tier: Tier, count: u64) -> Result<WebPConfig, Refusal> {
    let mut config = settings()?;
    config.quality = quality.into();
    config.method = if tier == Tier::Fast && count > LARGEST_CAREFUL { 2 } else { 4 };
    config.alpha_quality = 90;
    config.alpha_filtering = 1;
    Ok(config)
}

/// Method 4 and quality 75, which others take, make a file no smaller in twice the time. Up to quality 50, copies are looked for
/// in so few rows that it is 4 % larger.
fn lossless() -> Result<WebPConfig, Refusal> {
    let mut config = settings()?;
    config.lossless = 1;
    (config.method, config.quality) = (2, 51.0);
    Ok(config)
}

/// libwebp's picture and the file that it writes, freed however this ends.
struct Encoding {
    picture: WebPPicture,
    file: WebPMemoryWriter,
}

impl Drop for Encoding {
    fn drop(&mut self) {
        // SAFETY: both were initialised by libwebp, which takes such values whether or not it has allocated for them.
        unsafe {
            WebPPictureFree(&raw mut self.picture);
            WebPMemoryWriterClear(&raw mut self.file);
        }
    }
}

fn run(pixels: &Pixels, config: &WebPConfig) -> Result<Vec<u8>, Refusal> {
    let wide = matches!(pixels.layout(), Layout::Grey | Layout::GreyAlpha).then(|| pixels.clone().with_three_colours());
    let pixels = wide.as_ref().unwrap_or(pixels);
    let picture = WebPPicture::new().map_err(|()| Refusal::broken("libwebp is of another version"))?;
    // SAFETY: a `WebPMemoryWriter` is a pointer and two sizes, for which zero is a value.
    let mut encoding = Encoding { picture, file: unsafe { std::mem::zeroed() } };
    // SAFETY: the writer is a valid place for one.
    unsafe { WebPMemoryWriterInit(&raw mut encoding.file) };
    encoding.picture.use_argb = config.lossless;
    encoding.picture.width = pixels.width() as c_int;
    encoding.picture.height = pixels.height() as c_int;
    encoding.picture.writer = Some(WebPMemoryWrite);
    encoding.picture.custom_ptr = (&raw mut encoding.file).cast();
    let stride = (pixels.width() as usize * pixels.layout().channels()) as c_int;
    // SAFETY: the picture is initialised, its sides are at most 16 383, and `Pixels` holds `stride` × `height` bytes. The
    // writer lives as long as the picture and does not move: `encoding` is not touched until it is dropped.
    let done = unsafe {
        let import = match pixels.layout() {
            Layout::Rgba => WebPPictureImportRGBA,
            _ => WebPPictureImportRGB,
        };
        WebPValidateConfig(config) != 0
            && import(&raw mut encoding.picture, pixels.data().as_ptr(), stride) != 0
            && WebPEncode(config, &raw mut encoding.picture) != 0
    };
    if !done || encoding.file.mem.is_null() {
        return Err(Refusal::broken(format_args!("libwebp failed ({:?})", encoding.picture.error_code)));
    }
    // SAFETY: libwebp has written `size` bytes there, and they are freed only after this copy.
    Ok(unsafe { std::slice::from_raw_parts(encoding.file.mem, encoding.file.size) }.to_vec())
}
