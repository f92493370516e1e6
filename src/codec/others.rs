//! Tests of the formats that `image` reads, and of pictures that a site has drawn: files are made here by its encoders, or
//! by hand.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb32FImage, metadata::Cicp};

use super::{
    kind::Kind,
    pixels::{Layout, Pixels},
    tests::{Chance, fixture, limits},
    *,
};

/// A soft picture of many colours, without alpha in its first half.
fn soft(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgba8(image::RgbaImage::from_fn(width, height, |x, y| {
        let alpha = if x * 2 < width { 255 } else { (x * 255 / width) as u8 };
        image::Rgba([
            (x * 255 / width) as u8,
            (y * 255 / height) as u8,
            ((x + y) * 127 / (width + height)) as u8,
            alpha,
        ])
    }))
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn read(bytes: &[u8]) -> Result<Pixels, Refusal> {
    let header = probe(bytes, &limits())?;
    Ok(decode(bytes, &header, None, &limits())?.into_srgb().upright(header.orientation))
}

/// Every channel's values, in four channels.
fn rgba(pixels: Pixels) -> Vec<u8> {
    let pixels = pixels.with_three_colours();
    match pixels.layout() {
        Layout::Rgb => pixels.data().as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]).collect(),
        _ => pixels.data().to_vec(),
    }
}

fn farthest(one: &[u8], other: &[u8]) -> u8 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| one.abs_diff(*other)).max().unwrap_or(0)
}

#[test]
fn every_format_is_read_as_it_was_written() {
    let clear = soft(40, 24);
    let opaque = DynamicImage::ImageRgb8(clear.to_rgb8());
    let grey = DynamicImage::ImageLuma8(opaque.to_luma8());
    let icon = soft(32, 24);
    for (name, image, format, kind, most) in [
        ("bmp", &opaque, ImageFormat::Bmp, Kind::Bmp, 0),
        ("bmp, alpha", &clear, ImageFormat::Bmp, Kind::Bmp, 0),
        ("bmp, grey", &grey, ImageFormat::Bmp, Kind::Bmp, 0),
        ("tiff", &opaque, ImageFormat::Tiff, Kind::Tiff, 0),
        ("tiff, alpha", &clear, ImageFormat::Tiff, Kind::Tiff, 0),
        ("tiff, grey", &grey, ImageFormat::Tiff, Kind::Tiff, 0),
        ("tiff, 16 bits", &DynamicImage::ImageRgb16(opaque.to_rgb16()), ImageFormat::Tiff, Kind::Tiff, 0),
        ("tiff, grey, 16 bits", &DynamicImage::ImageLuma16(grey.to_luma16()), ImageFormat::Tiff, Kind::Tiff, 0),
        ("tiff, fractions", &DynamicImage::ImageRgb32F(opaque.to_rgb32f()), ImageFormat::Tiff, Kind::Tiff, 0),
        ("qoi", &opaque, ImageFormat::Qoi, Kind::Qoi, 0),
        ("qoi, alpha", &clear, ImageFormat::Qoi, Kind::Qoi, 0),
        ("ppm", &opaque, ImageFormat::Pnm, Kind::Pnm, 0),
        ("pgm", &grey, ImageFormat::Pnm, Kind::Pnm, 0),
        ("pam", &clear, ImageFormat::Pnm, Kind::Pnm, 0),
        ("ico", &icon, ImageFormat::Ico, Kind::Ico, 0),
        // It has 256 colours, and alpha is all or nothing.
        ("gif", &opaque, ImageFormat::Gif, Kind::Gif, 60),
    ] {
        let bytes = written(image, format);
        let header = probe(&bytes, &limits()).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((header.kind, header.width, header.height), (kind, image.width(), image.height()), "{name}");
        assert_eq!((sniff(&bytes), converted(&bytes)), (Some(kind), Some(kind)), "{name}");
        let is = rgba(read(&bytes).unwrap_or_else(|why| panic!("{name}: {why}")));
        assert!(
            farthest(&is, image.to_rgba8().as_raw()) <= most,
            "{name}: {}",
            farthest(&is, image.to_rgba8().as_raw())
        );
        let recipe = Recipe { width: Some(16), formats: &[Format::Webp], quality: 80, tier: Tier::Fast };
        assert_eq!(convert(&bytes, &header, &recipe, &limits()).unwrap().width, 16, "{name}");
        // Cut off anywhere, it is refused or read in whole.
        for length in 0..bytes.len() {
            if let Ok(pixels) = read(&bytes[..length]) {
                assert_eq!(rgba(pixels), is, "{name} up to {length} of {}", bytes.len());
            }
        }
    }
}

#[test]
fn what_others_have_written_is_read() {
    for (name, size) in [
        ("photo.bmp", (48, 32)),
        ("palette.bmp", (48, 32)),
        ("photo.tiff", (48, 32)),
        ("still.gif", (48, 32)),
        ("interlaced.gif", (48, 32)),
        ("transparent.gif", (48, 32)),
        ("icon.ico", (32, 32)),
    ] {
        let picture = read(&fixture(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((picture.width(), picture.height()), size, "{name}");
    }
    for name in ["half.gif", "half.bmp", "no-size.gif", "header-only.gif", "signature.gif"] {
        assert!(read(&fixture(&format!("broken/{name}"))).is_err(), "{name}");
    }
    // What no decoder here takes is told from what is broken.
    let mut mask = written(&DynamicImage::ImageLuma8(soft(8, 8).to_luma8()), ImageFormat::Tiff);
    let meaning = mask.windows(4).position(|entry| entry == [0x06, 0x01, 3, 0]).unwrap();
    mask[meaning + 8] = 4;
    assert_eq!(probe(&mask, &limits()), Err(Refusal::Unsupported(Kind::Tiff)));
}

/// Plain and binary, with comments, of few shades, of bits.
#[test]
fn anymaps_are_scaled_to_their_largest_sample() {
    let bytes = |text: &str, data: &[u8]| [text.as_bytes(), data].concat();
    for (file, expected) in [
        (bytes("P1\n# two rows\n3 2\n101\n010\n", b""), vec![0, 255, 0, 255, 0, 255]),
        (bytes("P4\n3 2\n", &[0b1010_0000, 0b0100_0000]), vec![0, 255, 0, 255, 0, 255]),
        (bytes("P2 3 1 15 0 5 15", b""), vec![0, 85, 255]),
        (bytes("P5 3 1 15 ", &[0, 5, 15]), vec![0, 85, 255]),
        (bytes("P5\n3 1\n1023\n", &[0, 0, 2, 0, 3, 255]), vec![0, 128, 255]),
        (bytes("P5 3 1 65535 ", &[0, 0, 128, 0, 255, 255]), vec![0, 128, 255]),
        (bytes("P3 1 1 255 1 2 3", b""), vec![1, 2, 3]),
        (
            bytes("P7\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n", &[9, 8, 7, 6]),
            vec![9, 8, 7, 6],
        ),
    ] {
        let picture = read(&file).unwrap_or_else(|why| panic!("{}: {why}", String::from_utf8_lossy(&file)));
        assert_eq!(picture.data(), expected, "{}", String::from_utf8_lossy(&file));
    }
}

/// Each kind of pixels that a picture may have, as the nearest of 8 bits.
#[test]
fn a_drawn_picture_comes_out_right_whatever_its_pixels_are() {
    let clear = soft(33, 17);
    let opaque = DynamicImage::ImageRgb8(clear.to_rgb8());
    let grey = |image: &DynamicImage| DynamicImage::ImageLumaA8(image.to_luma_alpha8()).to_rgba8().into_raw();
    for (name, image, expected) in [
        ("Rgba8", clear.clone(), clear.to_rgba8().into_raw()),
        ("Rgb8", opaque.clone(), opaque.to_rgba8().into_raw()),
        ("Rgba16", DynamicImage::ImageRgba16(clear.to_rgba16()), clear.to_rgba8().into_raw()),
        ("Rgb16", DynamicImage::ImageRgb16(clear.to_rgb16()), opaque.to_rgba8().into_raw()),
        ("Rgba32F", DynamicImage::ImageRgba32F(clear.to_rgba32f()), clear.to_rgba8().into_raw()),
        ("Rgb32F", DynamicImage::ImageRgb32F(clear.to_rgb32f()), opaque.to_rgba8().into_raw()),
        ("Luma8", DynamicImage::ImageLuma8(opaque.to_luma8()), grey(&opaque)),
        ("LumaA8", DynamicImage::ImageLumaA8(clear.to_luma_alpha8()), grey(&clear)),
        ("Luma16", DynamicImage::ImageLuma16(opaque.to_luma16()), grey(&opaque)),
        ("LumaA16", DynamicImage::ImageLumaA16(clear.to_luma_alpha16()), grey(&clear)),
    ] {
        let file = drawn(image, &limits()).unwrap_or_else(|why| panic!("{name}: {why}"));
        let is = rgba(read(&file).unwrap());
        assert!(farthest(&is, &expected) <= 1, "{name}: {}", farthest(&is, &expected));
    }
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 2.0, 0.5];
    let odd = Rgb32FImage::from_raw(2, 1, odd.to_vec()).unwrap();
    assert_eq!(read(&drawn(odd.into(), &limits()).unwrap()).unwrap().data()[1..], [255, 0, 0, 255, 128]);
    for (width, height) in [(0, 0), (0, 9), (9, 0), (20_000, 1), (16_000, 16_000)] {
        let image = DynamicImage::new_luma8(width, height);
        assert!(drawn(image, &limits()).is_err(), "{width}x{height}");
    }
}

#[test]
fn a_drawn_picture_is_brought_to_srgb() {
    let one = |image: DynamicImage| rgba(read(&drawn(image, &limits()).unwrap()).unwrap());
    // A fifth of the light is half of the way up the curve.
    let light = || {
        let mut image = DynamicImage::ImageRgb32F(Rgb32FImage::from_pixel(2, 2, image::Rgb([0.0, 0.2, 1.0])));
        image.set_color_space(Cicp::SRGB_LINEAR).unwrap();
        image
    };
    assert!(farthest(&one(light()), &[0, 124, 255, 255].repeat(4)) <= 1, "{:?}", one(light()));
    let mut wide = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(2, 2, image::Rgb([234, 51, 35])));
    wide.set_color_space(Cicp::DISPLAY_P3).unwrap();
    assert!(farthest(&one(wide), &[255, 0, 0, 255].repeat(4)) <= 12);
    let mut shade = DynamicImage::ImageLuma8(image::GrayImage::from_pixel(2, 2, image::Luma([77])));
    shade.set_color_space(Cicp::DISPLAY_P3).unwrap();
    assert!(farthest(&one(shade), &[77, 77, 77, 255].repeat(4)) <= 1);
    // Brighter than white: 203 of 10,000 nits are white.
    let pq = Cicp { transfer: image::metadata::CicpTransferCharacteristics::Smpte2084, ..Cicp::SRGB };
    let mut bright = DynamicImage::ImageRgb16(image::ImageBuffer::from_pixel(2, 2, image::Rgb([38_000; 3])));
    bright.set_color_space(pq).unwrap();
    assert!(one(bright)[0] > 160);
}

#[test]
fn a_tiff_with_colours_times_alpha_is_read_as_it_is_seen() {
    let file = |extra: u32| {
        let entries: [(u16, u16, u32, u32); 11] = [
            (0x0100, 3, 1, 1),
            (0x0101, 3, 1, 1),
            (0x0102, 3, 4, 146),
            (0x0103, 3, 1, 1),
            (0x0106, 3, 1, 2),
            (0x0111, 4, 1, 154),
            (0x0112, 3, 1, 1),
            (0x0115, 3, 1, 4),
            (0x0116, 3, 1, 1),
            (0x0117, 4, 1, 4),
            (0x0152, 3, 1, extra),
        ];
        let mut file = b"II*\0\x08\0\0\0\x0b\0".to_vec();
        for (tag, kind, count, value) in entries {
            file.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            file.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        file.extend([0, 0, 0, 0, 8, 0, 8, 0, 8, 0, 8, 0, 100, 50, 0, 128]);
        file
    };
    assert_eq!(read(&file(2)).unwrap().data(), [100, 50, 0, 128]);
    assert_eq!(read(&file(1)).unwrap().data(), [199, 99, 0, 128]);
}

/// What a header promises is held against what there is, before memory is taken for it.
#[test]
fn what_lies_about_its_size_is_refused() {
    for (name, bomb) in super::tests::bombs::ALL {
        if ["gif", "bmp", "ico", "tiff", "qoi", "ppm", "pgm"].iter().any(|kind| name.ends_with(kind)) {
            let bytes = bomb();
            let refused =
                probe(&bytes, &limits()).and_then(|header| decode(&bytes, &header, None, &limits()).map(|_| header));
            let expected = ["profile.ico", "palette.bmp"].contains(name);
            assert!(refused.is_err() || refused.is_ok_and(|header| header.animated || expected), "{name}");
        }
    }
}

/// Small changes to files of each of these formats: refused or read, and never more.
#[test]
fn nothing_that_chance_makes_of_them_panics() {
    let (clear, opaque) = (soft(24, 16), DynamicImage::ImageRgb8(soft(24, 16).to_rgb8()));
    let mut files: Vec<Vec<u8>> =
        [ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Qoi, ImageFormat::Pnm, ImageFormat::Ico]
            .iter()
            .flat_map(|format| [written(&clear, *format), written(&opaque, *format)])
            .collect();
    files.push(written(&opaque, ImageFormat::Gif));
    files.extend(["palette.bmp", "photo.tiff", "icon.ico", "transparent.gif"].map(fixture));
    files
        .extend(["palette.tiff", "ycc.tiff", "ycc-jpeg.tiff", "big.tiff", "big-palette.tiff", "fax.tiff"].map(fixture));
    files.extend(["grey-alpha.tiff", "cmyk-icc.tiff"].map(fixture));
    files.push(b"P3 3 2 15 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 0 1 2".to_vec());
    let mut chance = Chance(0x0dd_ba11);
    let small = limits().with_pixels(100_000).with_side(2000);
    let runs = std::env::var("IMAGE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(4000);
    let mut read = 0;
    for run in 0..runs {
        let mut bytes = files[run % files.len()].clone();
        for _ in 0..=chance.next(4) {
            // Headers are at the beginning, but for TIFF.
            let at = if chance.next(2) == 0 { chance.next(bytes.len().min(80)) } else { chance.next(bytes.len()) };
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, chance.next(256) as u8][chance.next(6)];
        }
        let Ok(header) = probe(&bytes, &small) else { continue };
        match decode(&bytes, &header, None, &small) {
            Ok(_) => read += 1,
            Err(Refusal::Broken(why)) => assert!(!why.contains("panicked"), "run {run}: {why}"),
            Err(_) => {}
        }
    }
    assert!(read > runs / 4, "{read} of {runs}");
}
