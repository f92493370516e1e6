//! Which set of codecs this is. The tag of a variant contains it, and is known without a conversion: so it must differ
//! wherever a byte of a variant could differ.

use std::{fmt::Write, sync::LazyLock};

use sha2::{Digest, Sha256};

use super::{
    decode::decode,
    encode::{Format, Tier, encode},
    limits::ImageLimits,
    pixels::{Layout, Pixels, PngColour, Space},
    probe::probe,
};

/// To be raised with every change of settings, and of what is done to a picture.
const SETTINGS: u32 = 8;

/// The codecs and this file's idea of their versions. A site may be built with later ones of the same line, which
/// [`version`] finds out.
const CODECS: [(&str, &str); 15] = [
    ("avif-serialize", "0.8.9"),
    ("fast_image_resize", "6.1.0"),
    ("fax", "0.2.7"),
    ("gif", "0.14.2"),
    ("image", "0.25.10"),
    ("image-webp", "0.2.4"),
    ("jpeg-decoder", "0.3.2"),
    ("libaom-sys", "0.17.2"),
    ("libwebp-sys", "0.14.4"),
    ("moxcms", "0.9.2"),
    ("mozjpeg-rs", "0.9.2"),
    ("png", "0.18.1"),
    ("qoi", "0.4.1"),
    ("tiff", "0.11.3"),
    ("zune-jpeg", "0.5.15"),
];

/// The settings and the codecs by name: the same on every machine.
pub(crate) fn edition() -> &'static str {
    static EDITION: LazyLock<String> = LazyLock::new(|| {
        CODECS.iter().fold(SETTINGS.to_string(), |all, (name, version)| format!("{all}, {name} {version}"))
    });
    &EDITION
}

/// The settings, the codecs, and a hash of what they make of a small picture here: another release of a codec, or a machine
/// on which it rounds otherwise, has another version. The first call takes a few milliseconds.
pub(crate) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        hash.update(edition());
        for file in samples() {
            hash.update((file.len() as u64).to_be_bytes());
            // What its decoder makes of it, whole and shrunk.
            for target in [None, Some((4, 3))] {
                if let Ok(pixels) = probe(&file, &ImageLimits::NONE)
                    .and_then(|header| decode(&file, &header, target, &ImageLimits::NONE))
                {
                    hash.update(pixels.data());
                }
            }
            hash.update(file);
        }
        hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    });
    &VERSION
}

/// A small picture, scaled, in other colours than sRGB, through every encoder.
fn samples() -> Vec<Vec<u8>> {
    let (width, height) = (50, 34);
    let byte = |x: u32, y: u32, channel: u32| (x * x * (3 + channel) + y * (7 + 5 * channel) + (x & y) * 9) as u8;
    let data = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| (0..4).map(move |channel| byte(x, y, channel))))
        .collect();
    let space = Space::Png(PngColour::CodePoints { primaries: 12, transfer: 13 });
    let Ok(pixels) = Pixels::new((width, height), Layout::Rgba, data, space).and_then(|it| it.resized(31, 21)) else {
        return Vec::new();
    };
    let clear = pixels.into_srgb();
    let opaque = clear.clone().flattened();
    let mut files = Format::ALL.map(|format| encode(&clear, format, 80, Tier::Fast, false)).to_vec();
    // The other ways that encoders have. Not AVIF's, which takes ten milliseconds however small the picture is.
    files.push(encode(&clear, Format::Webp, 80, Tier::Fast, true));
    files.push(encode(&opaque, Format::Jpeg, 80, Tier::Good, false));
    files.into_iter().map(Result::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codecs_are_those_that_are_locked() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
        for (name, version) in CODECS {
            let locked = format!("name = \"{name}\"\nversion = \"{version}");
            assert!(lock.contains(&locked), "{name} is another: name it here, and raise SETTINGS if its bytes changed");
        }
    }

    #[test]
    fn every_encoder_has_its_say() {
        let built = Format::ALL.iter().filter(|format| format.is_built()).count();
        assert_eq!(samples().iter().filter(|file| !file.is_empty()).count(), built + 2);
        assert_eq!(version().len(), 16);
    }
}
