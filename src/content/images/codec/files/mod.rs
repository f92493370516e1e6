//! The parts of which image files consist: their headers, and what may be left out without touching a pixel. No decoder is
//! called here.

pub(super) mod jpeg;
pub(super) mod png;
pub(super) mod webp;

use super::{bytes::contains, header::Profile};

/// What an ICC profile is for, by its description. A profile that calls itself sRGB is one.
pub(super) fn profile_of(icc: &[u8]) -> Profile {
    // The description is among the first tags, in ASCII (v2) or UTF-16 (v4).
    let start = icc.get(..icc.len().min(4096)).unwrap_or_default();
    let says = |text: &str| {
        let wide: Vec<u8> = text.bytes().flat_map(|byte| [0, byte]).collect();
        contains(start, text.as_bytes()) || contains(start, &wide)
    };
    if says("sRGB") && !says("inear") && !says("scRGB") { Profile::Srgb } else { Profile::Other }
}
