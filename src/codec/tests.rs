//! The codecs against the fixtures of `tests/fixtures/images`, against bombs, and against what chance makes of both.

use std::{fs, path::PathBuf};

use super::{kind::Kind, pixels::Pixels, *};

#[path = "../../tests/it/bombs.rs"]
#[allow(dead_code)]
pub(super) mod bombs;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

pub(super) fn fixture(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every fixture, broken ones too.
pub(super) fn fixtures() -> Vec<(String, Vec<u8>)> {
    let names = |below: &str| {
        let entries = fs::read_dir(folder().join(below)).unwrap().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
        files.map(|entry| format!("{below}{}", entry.file_name().display())).collect::<Vec<_>>()
    };
    let mut names = [names(""), names("broken/")].concat();
    names.retain(|name| !name.ends_with(".py") && !name.ends_with(".md"));
    names.sort();
    names.into_iter().map(|name| (name.clone(), fixture(&name))).collect()
}

pub(super) fn limits() -> ImageLimits {
    ImageLimits::default()
}

/// The picture as it is seen, on white.
fn seen(bytes: &[u8]) -> Result<Pixels, Refusal> {
    let header = probe(bytes, &limits())?;
    let pixels = decode(bytes, &header, None, &limits())?;
    Ok(pixels.into_srgb().upright(header.orientation).with_three_colours().flattened())
}

/// The mean difference of a channel's values.
fn distance(one: &Pixels, other: &Pixels) -> f64 {
    assert_eq!((one.width(), one.height(), one.layout()), (other.width(), other.height(), other.layout()));
    let sum: u64 = one.data().iter().zip(other.data()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.data().len() as f64
}

fn far(name: &str, other: &str) -> f64 {
    distance(&seen(&fixture(name)).unwrap(), &seen(&fixture(other)).unwrap())
}

#[test]
fn every_orientation_is_the_same_picture() {
    for orientation in 1..=8 {
        let name = format!("orientation-{orientation}.jpg");
        assert!(far(&name, "upright.png") < 6.0, "{name}: {}", far(&name, "upright.png"));
    }
    for name in ["orientation-9.jpg", "orientation-xmp.jpg", "rgb.jpg", "progressive.jpg", "444.jpg", "restarts.jpg"] {
        assert!(far(name, "upright.png") < 6.0, "{name}: {}", far(name, "upright.png"));
    }
    for name in ["scans-420.jpg", "scans-422.jpg", "scans-444-restarts.jpg", "scans-reversed.jpg", "scans-two.jpg"]
        .into_iter()
        .chain(["fine-colours.jpg", "jfif-adobe-0.jpg", "named-rgb.jpg", "wrong-scan-header.jpg", "exif-6-then-1.jpg"])
    {
        assert!(far(name, "upright.png") < 6.0, "{name}: {}", far(name, "upright.png"));
    }
    assert!(far("orientation-6.png", "rgb.png") < 1.0);
}

#[test]
fn the_ways_to_say_a_colour_agree() {
    for (name, other, most) in [
        ("cicp-p3.png", "p3.png", 1.0),
        ("chrm-gama.png", "p3.png", 3.0),
        ("srgb-chunk.png", "rgb.png", 0.0),
        ("srgb-icc.jpg", "orientation-1.jpg", 0.0),
        ("icc-plain-name.jpg", "orientation-1.jpg", 0.0),
        ("icc-p3-named-srgb.jpg", "p3.jpg", 0.0),
        ("cmyk-unmarked.jpg", "cmyk.jpg", 3.0),
        ("cmyk-unmarked-icc.jpg", "cmyk-icc.jpg", 3.0),
        ("hdr-hlg.png", "hdr-pq.png", 2.0),
        ("hdr-pq-p3.png", "hdr-pq.png", 2.0),
        ("hdr-hlg-palette.png", "hdr-hlg.png", 10.0),
        ("icc-broken.jpg", "orientation-1.jpg", 1.0),
        ("icc-missing-part.jpg", "orientation-1.jpg", 1.0),
        ("icc-of-inks.jpg", "orientation-1.jpg", 1.0),
        ("ycck.jpg", "cmyk.jpg", 3.0),
        ("ycck-icc-orientation-8.jpg", "cmyk-icc.jpg", 4.0),
        ("rgb-16bit.png", "rgb.png", 1.0),
        ("interlaced.png", "rgb.png", 0.0),
        ("alpha-opaque.png", "rgb.png", 0.0),
    ] {
        assert!(far(name, other) <= most, "{name} is {} from {other}", far(name, other));
    }
}

/// Near each corner and in the middle, as Little CMS makes it, perceptually.
#[test]
fn colours_are_those_of_another_engine() {
    let p3 = [[255, 0, 0], [0, 235, 0], [0, 20, 255], [254, 255, 0], [92, 142, 211]];
    for (name, expected) in [
        ("p3.jpg", p3),
        ("p3.png", [[255, 0, 0], [0, 233, 0], [0, 21, 255], [255, 255, 0], [92, 141, 204]]),
        ("p3-orientation-6.webp", [[255, 0, 0], [0, 234, 0], [0, 22, 255], [250, 255, 0], [86, 130, 181]]),
        ("wide.jpg", [[255, 0, 0], [0, 232, 0], [0, 11, 255], [254, 255, 0], [81, 142, 209]]),
        ("cmyk-icc.jpg", [[195, 57, 42], [1, 109, 62], [65, 62, 121], [244, 203, 34], [119, 119, 139]]),
        ("ycck-icc-orientation-8.jpg", [[196, 56, 40], [10, 110, 63], [65, 62, 121], [247, 205, 38], [117, 115, 135]]),
        ("icc-p3-named-srgb.jpg", p3),
        ("icc-gbr-named-srgb.webp", [[26, 217, 25], [37, 26, 166], [202, 33, 51], [28, 241, 215], [172, 117, 141]]),
        ("icc-long.png", [[26, 217, 26], [38, 26, 166], [204, 31, 51], [26, 242, 217], [178, 121, 143]]),
        ("grey-named-srgb.jpg", [[103; 3], [129; 3], [79; 3], [213; 3], [158; 3]]),
        ("cmyk.jpg", [[214, 26, 26], [26, 166, 40], [32, 51, 206], [242, 216, 28], [120, 142, 178]]),
    ] {
        let picture = seen(&fixture(name)).unwrap();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let corners = [(2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3)];
        // The middle has no pixel of its own, and another neighbour once it is turned.
        let middle = (!name.contains("orientation")).then_some((width / 2, height / 2));
        for ((x, y), expected) in corners.into_iter().chain(middle).zip(expected) {
            let is = picture.data().as_chunks::<3>().0[y * width + x];
            let far = is.iter().zip(expected).map(|(is, expected): (&u8, u8)| is.abs_diff(expected)).max();
            assert!(far <= Some(8), "{name} at {x}, {y}: {is:?}, not {expected:?}");
        }
    }
}

/// Near each corner and in the middle, as Chromium shows it on a screen that is no brighter than white.
#[test]
fn what_is_brighter_than_white_looks_as_in_a_browser() {
    let scene = [[251, 24, 24], [21, 200, 39], [27, 54, 225], [242, 218, 19], [139, 168, 208]];
    let grey = [[130; 3], [172; 3], [89; 3], [224; 3], [172; 3]];
    for (name, expected) in
        [("hdr-pq.png", scene), ("hdr-hlg.png", scene), ("hdr-pq-p3.png", scene), ("hdr-pq-grey.png", grey)]
    {
        let picture = seen(&fixture(name)).unwrap();
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let places = [(2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3), (width / 2, height / 2)];
        for ((x, y), expected) in places.into_iter().zip(expected) {
            let is = picture.data().as_chunks::<3>().0[y * width + x];
            let far = is.iter().zip(expected).map(|(is, expected): (&u8, u8)| is.abs_diff(expected)).max();
            assert!(far <= Some(14), "{name} at {x}, {y}: {is:?}, not {expected:?}");
        }
    }
    let bytes = fixture("hdr-pq-alpha-16bit.png");
    let clear = decode(&bytes, &probe(&bytes, &limits()).unwrap(), None, &limits()).unwrap().into_srgb();
    assert_eq!((clear.data()[3], clear.layout().has_alpha()), (0, true), "the corners are clear");
}

#[test]
fn a_profile_is_used_up_to_its_limit() {
    let long = fixture("icc-long.png");
    let header = probe(&long, &limits()).unwrap();
    let plain = decode(&long, &header, None, &limits().with_profile(80_000)).unwrap().into_srgb();
    assert_eq!(plain.data(), seen(&fixture("rgb.png")).unwrap().data(), "it is longer than that");
    assert!(far("icc-long.png", "rgb.png") > 40.0);
}

/// Which decoder reads a picture depends on its size, and damaged files are read by one and not by the other.
#[test]
fn what_is_read_at_one_width_is_read_at_every_width() {
    let mut files = fixtures();
    files.retain(|(name, bytes)| bytes.len() < 20_000 && name.ends_with(".jpg") && !name.contains('/'));
    let mut chance = Chance(0x1234_5678_9abc_def1);
    let mut read = 0;
    for _ in 0..600 {
        let (name, bytes) = mutated(&files, &mut chance);
        let Ok(header) = probe(&bytes, &limits()) else { continue };
        let whole = decode(&bytes, &header, None, &limits()).err();
        let small = decode(&bytes, &header, Some((header.width / 4, header.height / 4)), &limits()).err();
        assert_eq!(whole.is_some(), small.is_some(), "{name}: {whole:?}, {small:?}");
        read += usize::from(whole.is_none());
    }
    assert!(read > 100, "{read}");
}

#[test]
fn stripping_removes_what_it_must_and_no_pixel() {
    let count = |bytes: &[u8]| bytes.windows(13).filter(|window| *window == b"MUST-NOT-LEAK").count();
    let mut stripped = 0;
    for (name, bytes) in fixtures() {
        let Ok(header) = probe(&bytes, &limits()) else { continue };
        // The makers of a profile are named in it; they are not who took the picture.
        let is_named = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
        let allowed = usize::from(is_named(b"ICC_PROFILE\0") || is_named(b"ICCP"));
        let Some(bare) = strip(&bytes, &header) else {
            assert!(count(&bytes) <= allowed, "{name} tells");
            continue;
        };
        stripped += 1;
        let again = probe(&bare, &limits()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(count(&bare) <= allowed, "{name} still tells");
        assert!(bare.len() < bytes.len() && !again.metadata && strip(&bare, &again).is_none(), "{name}");
        assert_eq!(again, Header { metadata: false, length: bare.len(), ..header }, "{name}");
        match (seen(&bytes), seen(&bare)) {
            (Ok(before), Ok(after)) => assert_eq!(before.data(), after.data(), "{name}"),
            (before, after) => assert_eq!(before.err(), after.err(), "{name}"),
        }
    }
    assert!(stripped > 15, "{stripped}");
}

#[test]
fn what_is_cut_off_is_refused() {
    for name in ["signature.jpg", "header-only.jpg", "in-header.jpg", "quarter.jpg", "half.jpg", "no-end.jpg"]
        .into_iter()
        .chain(["half-progressive.jpg", "half-turned.jpg", "header-only.png", "half.png", "no-end.png"])
        .chain(["half-interlaced.png", "header-only.webp", "half.webp", "half-lossless.webp", "too-few-rows.png"])
        .chain(["arithmetic.jpg", "no-size.jpg", "two-components.jpg", "corrupt-pixels.png", "corrupt-deflate.png"])
        .chain(["no-palette.png", "no-such-depth.png", "short-segment.jpg", "corrupt-tables.jpg"])
    {
        let refused = seen(&fixture(&format!("broken/{name}")));
        assert!(refused.is_err(), "{name}");
    }
}

#[test]
fn a_file_is_what_its_bytes_say() {
    for (name, kind) in [
        ("broken/png-named.jpg", Some(Kind::Png)),
        ("broken/jpeg-named.png", Some(Kind::Jpeg)),
        ("broken/svg-named.png", Some(Kind::Svg)),
        ("broken/avif-named.jpg", Some(Kind::Avif)),
        ("broken/html-named.png", None),
        ("broken/text-named.jpg", None),
        ("broken/zip-named.webp", None),
        ("broken/riff-named.webp", None),
        ("still.avif", Some(Kind::Avif)),
        ("animated.avif", Some(Kind::Avif)),
        ("header.heic", Some(Kind::Heif)),
        ("header.jxl", Some(Kind::Jxl)),
        ("photo.bmp", Some(Kind::Bmp)),
        ("icon.ico", Some(Kind::Ico)),
        ("photo.tiff", Some(Kind::Tiff)),
        ("still.gif", Some(Kind::Gif)),
        ("plain.svg", Some(Kind::Svg)),
        ("declared.svg", Some(Kind::Svg)),
        ("byte-order-mark.svg", Some(Kind::Svg)),
        ("utf-16.svg", Some(Kind::Svg)),
        ("prefixed.svg", Some(Kind::Svg)),
        ("entities.svg", Some(Kind::Svg)),
        ("entity-file.svg", Some(Kind::Svg)),
    ] {
        assert_eq!(sniff(&fixture(name)), kind, "{name}");
    }
}

#[test]
fn files_that_are_not_decoded_have_a_size() {
    for (name, size) in [
        ("still.gif", (48, 32)),
        ("animated.gif", (48, 32)),
        ("still.avif", (96, 64)),
        ("alpha-orientation-6.avif", (96, 64)),
    ] {
        assert_eq!(measure(&fixture(name)), Some(size), "{name}");
    }
}

#[test]
fn what_moves_is_known_by_its_header() {
    for (name, animated) in
        [("animated.png", true), ("animated.webp", true), ("alpha.webp", false), ("rgba.png", false)]
    {
        let bytes = fixture(name);
        let header = probe(&bytes, &limits()).unwrap();
        assert_eq!(header.animated, animated, "{name}");
        assert_eq!(decode(&bytes, &header, None, &limits()).is_err(), animated, "{name}");
    }
}

#[test]
fn transparent_colours_do_not_bleed() {
    let bytes = fixture("alpha-hidden.png");
    let header = probe(&bytes, &limits()).unwrap();
    let recipe = Recipe { width: Some(24), formats: &[Format::Webp, Format::Png], quality: 80, tier: Tier::Fast };
    let small = seen(&convert(&bytes, &header, &recipe, &limits()).unwrap().bytes).unwrap();
    let magenta = small.data().as_chunks::<3>().0.iter().filter(|[r, g, b]| *r > 200 && *b > 200 && *g < 80).count();
    assert_eq!(magenta, 0);
}

#[test]
fn drawings_are_told_from_photographs() {
    for (name, graphic) in [
        ("logo.png", true),
        ("screenshot.png", true),
        ("screenshot-palette.png", true),
        ("grey-1bit.png", true),
        ("rgb.png", false),
        ("rgba.png", false),
    ] {
        let bytes = fixture(name);
        let header = probe(&bytes, &limits()).unwrap();
        assert_eq!(decode(&bytes, &header, None, &limits()).unwrap().is_graphic(), graphic, "{name}");
    }
}

#[test]
fn a_drawing_keeps_every_pixel_where_webp_is_taken() {
    for name in ["logo.png", "screenshot.png", "palette-alpha.png"] {
        let bytes = fixture(name);
        let header = probe(&bytes, &limits()).unwrap();
        for tier in [Tier::Fast, Tier::Good] {
            let formats = [Format::Webp, Format::Jpeg, Format::Png];
            let recipe = Recipe { width: None, formats: &formats, quality: 80, tier };
            let converted = convert(&bytes, &header, &recipe, &limits()).unwrap();
            assert!(converted.bytes.len() < bytes.len(), "{name} as {:?}: {}", converted.format, converted.bytes.len());
            assert_eq!(seen(&converted.bytes).unwrap().data(), seen(&bytes).unwrap().data(), "{name}");
        }
    }
}

#[test]
fn bombs_are_refused_or_harmless() {
    for (name, bomb) in bombs::ALL {
        let bytes = bomb();
        match probe(&bytes, &limits()) {
            Err(_) => {}
            Ok(header) => {
                assert!(header.decode_memory(None) < 64 << 20, "{name} takes {}", header.decode_memory(None));
                drop(decode(&bytes, &header, None, &limits()));
                drop(strip(&bytes, &header));
            }
        }
    }
}

/// What takes a decoder seconds or hundreds of megabytes is refused before: it would hardly be seen in the result.
#[test]
fn what_decoders_spend_themselves_on_is_refused() {
    for (name, reason) in [
        ("tables.jpg", "tables"),
        ("segments.jpg", "segments"),
        ("digits.pgm", "digits"),
        ("blocks.png", "compressed pixels"),
        ("codes.webp", "groups of codes"),
    ] {
        let (_, bomb) = bombs::ALL.iter().find(|(known, _)| *known == name).expect("it is one of them");
        let bytes = bomb();
        let refused = probe(&bytes, &limits()).and_then(|header| decode(&bytes, &header, None, &limits()).map(drop));
        assert!(refused.as_ref().is_err_and(|why| why.to_string().contains(reason)), "{name}: {refused:?}");
    }
}

/// xorshift*: chance that is the same every time.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }
}

/// One file after an accident or two.
fn mutated(files: &[(String, Vec<u8>)], chance: &mut Chance) -> (String, Vec<u8>) {
    let (name, mut bytes) = files[chance.next(files.len())].clone();
    for _ in 0..=chance.next(6) {
        let at = chance.next(bytes.len());
        match chance.next(5) {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_within(at..),
            2 => drop(bytes.drain(at..(at + chance.next(20)).min(bytes.len()))),
            _ => bytes.iter_mut().skip(at).take(1 + chance.next(3)).for_each(|byte| *byte = chance.next(256) as u8),
        }
    }
    (name, bytes)
}

/// `IMAGE_RUNS=100000` for the long mode.
#[test]
fn nothing_that_chance_makes_of_a_file_panics() {
    let runs = std::env::var("IMAGE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1500);
    let mut files = fixtures();
    files.retain(|(_, bytes)| bytes.len() < 20_000);
    let small = limits().with_pixels(100_000).with_side(2000);
    let mut chance = Chance(0x1234_5678_9abc_def1);
    let mut converted = 0;
    for run in 0..runs {
        let (name, bytes) = match run % 10 {
            0 => ("chance".to_owned(), (0..chance.next(200)).map(|_| chance.next(256) as u8).collect()),
            _ => mutated(&files, &mut chance),
        };
        measure(&bytes);
        let Ok(header) = probe(&bytes, &small) else { continue };
        drop(strip(&bytes, &header));
        let formats = [[Format::Webp, Format::Jpeg, Format::Png][run % 3]];
        let recipe = Recipe { width: Some(16), formats: &formats, quality: 60, tier: Tier::Fast };
        match convert(&bytes, &header, &recipe, &small) {
            Ok(_) => converted += 1,
            Err(Refusal::Broken(why)) => assert!(!why.contains("panicked"), "{name} in run {run}: a codec panicked"),
            Err(_) => {}
        }
    }
    assert!(converted > runs / 20, "{converted} of {runs}");
}
