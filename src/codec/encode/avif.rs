//! AVIF files, by libaom and `avif-serialize`. The only calls into libaom's C code; what it gets are pixels that were made
//! here, never a file. [`planes`](super::planes) makes its planes.
#![allow(unsafe_code)]

use std::{ffi::CStr, ptr};

use avif_serialize::Aviffy;
use libaom_sys::{
    AOM_CODEC_CX_FRAME_PKT, AOM_CODEC_OK, AOM_ENCODER_ABI_VERSION, AOM_IMG_FMT_I420, AOM_IMG_FMT_I444, AOM_KF_DISABLED,
    AOM_Q, AOM_USAGE_ALL_INTRA, AV1E_SET_COLOR_RANGE, aom_codec_av1_cx, aom_codec_control, aom_codec_ctx,
    aom_codec_destroy, aom_codec_enc_cfg, aom_codec_enc_config_default, aom_codec_enc_init_ver, aom_codec_encode,
    aom_codec_get_cx_data, aom_codec_set_option, aom_image,
};

use super::{
    super::{
        pixels::Pixels,
        refusal::{Refusal, within},
    },
    Tier,
    planes::{Planes, Sampling},
    scaled,
};

pub(super) const IS_BUILT: bool = true;

/// The encoder's buffers are sized for pictures that browsers show.
const LONGEST_SIDE: u32 = 16_384;
const FULL_RANGE: i32 = 1;

/// A notch below WebP's: artefacts of AVIF are softer, and its files are what it is chosen for.
const FAST: [(f32, f32); 6] = [(1.0, 1.0), (50.0, 38.0), (60.0, 46.0), (75.0, 60.0), (80.0, 68.0), (100.0, 98.0)];
const GOOD: [(f32, f32); 6] = [(1.0, 1.0), (50.0, 34.0), (60.0, 42.0), (75.0, 55.0), (80.0, 62.0), (100.0, 96.0)];

/// NOTE: never speed 8. In libaom 3.11 it makes some graphics forty times as large as 7 or 9 do.
const SPEED_9: &[(&CStr, &CStr)] = &[
    (c"cpu-used", c"9"),
    (c"tune", c"ssim"),
    (c"enable-qm", c"1"),
    (c"qm-min", c"2"),
    (c"qm-max", c"10"),
    (c"enable-chroma-deltaq", c"1"),
];
const SPEED_7: &[(&CStr, &CStr)] = &[
    (c"cpu-used", c"7"),
    (c"tune", c"ssim"),
    (c"enable-qm", c"1"),
    (c"dist-metric", c"qm-psnr"),
    (c"sharpness", c"7"),
];

/// Photographs, and drawings while somebody waits. The search for copies of one part in another halves a page of text, and takes four
/// times as long. libaom takes a photograph with a plain background for a page of text too, and finds nothing in it.
const SPEED_7_WITHOUT_COPIES: &[(&CStr, &CStr)] = &[
    (c"cpu-used", c"7"),
    (c"tune", c"ssim"),
    (c"enable-qm", c"1"),
    (c"dist-metric", c"qm-psnr"),
    (c"sharpness", c"7"),
    (c"enable-intrabc", c"0"),
];

pub(super) fn encode(pixels: &Pixels, quality: u8, tier: Tier, graphic: bool) -> Result<Vec<u8>, Refusal> {
    within("pixels on a side", pixels.width().max(pixels.height()).into(), LONGEST_SIDE.into())?;
    // Thin coloured lines of a drawing need every pixel's colour, and that needs the slower search.
    let (sampling, settings, points) = match (graphic, tier) {
        (true, Tier::Fast) => (Sampling::Full, SPEED_7_WITHOUT_COPIES, &GOOD),
        (true, Tier::Good) => (Sampling::Full, SPEED_7, &GOOD),
        (false, Tier::Good) => (Sampling::Quarter, SPEED_7_WITHOUT_COPIES, &GOOD),
        (false, Tier::Fast) => (Sampling::Quarter, SPEED_9, &FAST),
    };
    let own = scaled(if graphic { quality.saturating_add(3).min(100) } else { quality }, points);
    let planes = Planes::of(pixels, sampling);
    let colour = run(&planes, own, settings)?;
    // Edges of a shape show more than edges in it.
    let alpha = planes.alpha().map(|alpha| run(&alpha, (own + 15.0).min(100.0), settings)).transpose()?;
    let mut file = Aviffy::new();
    file.set_width(pixels.width()).set_height(pixels.height()).set_bit_depth(8);
    file.set_monochrome(planes.is_grey()).set_seq_profile(planes.profile() as u8);
    file.set_chroma_subsampling(planes.subsampled());
    let mut bytes = Vec::new();
    file.write_slice(&mut bytes, &colour, alpha.as_deref()).map_err(Refusal::broken)?;
    Ok(bytes)
}

/// An encoder of libaom, destroyed however this ends.
struct Encoder(aom_codec_ctx);

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: there is no `Encoder` that was not initialised.
        unsafe { aom_codec_destroy(&raw mut self.0) };
    }
}

impl Encoder {
    fn new(planes: &Planes) -> Result<Self, Refusal> {
        // SAFETY: both are C structures of numbers and pointers, for which zero is a value, filled by libaom before they
        // are read; its version is checked by itself.
        unsafe {
            let codec = aom_codec_av1_cx();
            let mut config: aom_codec_enc_cfg = std::mem::zeroed();
            ok(aom_codec_enc_config_default(codec, &raw mut config, AOM_USAGE_ALL_INTRA), "settings")?;
            (config.g_w, config.g_h) = (planes.width, planes.height);
            (config.g_threads, config.g_limit, config.g_lag_in_frames) = (1, 1, 0);
            config.g_profile = planes.profile();
            config.monochrome = planes.is_grey().into();
            (config.rc_end_usage, config.kf_mode) = (AOM_Q, AOM_KF_DISABLED);
            let mut context: aom_codec_ctx = std::mem::zeroed();
            let version = AOM_ENCODER_ABI_VERSION as i32;
            ok(aom_codec_enc_init_ver(&raw mut context, codec, &raw const config, 0, version), "start")?;
            Ok(Self(context))
        }
    }

    fn set(&mut self, name: &CStr, value: &CStr) -> Result<(), Refusal> {
        // SAFETY: the context is initialised; both strings end with a zero and are copied.
        ok(unsafe { aom_codec_set_option(&raw mut self.0, name.as_ptr(), value.as_ptr()) }, "option")
    }
}

/// One picture as AV1, in quality 1 to 100.
fn run(planes: &Planes, quality: f32, settings: &[(&CStr, &CStr)]) -> Result<Vec<u8>, Refusal> {
    let mut encoder = Encoder::new(planes)?;
    for (name, value) in settings {
        encoder.set(name, value)?;
    }
    // libaom counts from 63 (worst) to 0, as libavif maps it.
    let level = ((100.0 - quality) * 0.63).round().clamp(0.0, 63.0) as u32;
    encoder.set(c"cq-level", &std::ffi::CString::new(level.to_string()).map_err(Refusal::broken)?)?;
    let image = image(planes);
    let mut file = Vec::new();
    // SAFETY: the context is initialised. The image points into `planes`, which outlives it, and libaom only reads there:
    // no denoising is set. A packet is copied before the next call that would free it.
    unsafe {
        let context = &raw mut encoder.0;
        ok(aom_codec_control(context, AV1E_SET_COLOR_RANGE as i32, FULL_RANGE), "range")?;
        for picture in [&raw const image, ptr::null()] {
            ok(aom_codec_encode(context, picture, 0, 1, 0), "picture")?;
            let mut position = ptr::null();
            while let Some(packet) = aom_codec_get_cx_data(context, &raw mut position).as_ref() {
                if packet.kind == AOM_CODEC_CX_FRAME_PKT {
                    let frame = packet.data.frame;
                    file.extend_from_slice(std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz));
                }
            }
        }
    }
    if file.is_empty() { Err(Refusal::broken("libaom wrote nothing")) } else { Ok(file) }
}

/// What libaom is to read. It must not outlive the planes.
fn image(planes: &Planes) -> aom_image {
    // SAFETY: a C structure of numbers and pointers, for which zero is a value.
    let mut image: aom_image = unsafe { std::mem::zeroed() };
    let (x, y) = planes.subsampled();
    image.fmt = if planes.profile() == 1 { AOM_IMG_FMT_I444 } else { AOM_IMG_FMT_I420 };
    (image.w, image.h, image.d_w, image.d_h) = (planes.width, planes.height, planes.width, planes.height);
    (image.x_chroma_shift, image.y_chroma_shift) = (x.into(), y.into());
    image.bit_depth = 8;
    image.bps = if planes.profile() == 1 { 24 } else { 12 };
    image.monochrome = planes.is_grey().into();
    image.range = FULL_RANGE as u32;
    for (place, plane) in planes.planes().enumerate() {
        image.planes[place] = plane.data.as_ptr().cast_mut();
        image.stride[place] = plane.stride as i32;
    }
    image
}

fn ok(code: libaom_sys::aom_codec_err_t, what: &str) -> Result<(), Refusal> {
    if code == AOM_CODEC_OK { Ok(()) } else { Err(Refusal::broken(format_args!("libaom refused the {what} ({code})"))) }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{
            kind::Kind,
            measure::measure,
            pixels::{Layout, Space},
            probe::sniff,
        },
        *,
    };

    #[test]
    fn every_size_and_layout_becomes_a_file() {
        for layout in [Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba] {
            for (width, height) in [(1, 1), (1, 9), (9, 1), (17, 33)] {
                let length = width * height * layout.channels() as u32;
                let data: Vec<u8> = (0..length).map(|at| (at * at % 251) as u8).collect();
                let pixels = Pixels::new((width, height), layout, data, Space::Srgb).unwrap();
                for (tier, graphic) in [(Tier::Fast, false), (Tier::Fast, true), (Tier::Good, false)] {
                    let file = encode(&pixels, 80, tier, graphic).unwrap();
                    assert_eq!((sniff(&file), measure(&file)), (Some(Kind::Avif), Some((width, height))), "{layout:?}");
                    assert_eq!(file, encode(&pixels, 80, tier, graphic).unwrap(), "not the same twice");
                }
            }
        }
    }
}
