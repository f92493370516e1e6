//! Files of which chance has changed the parts: chunks and segments whose lengths and check sums are right, so that what is in
//! them reaches a decoder. No panic may happen, caught or not: where a site is built with `panic = "abort"`, it ends the process.
//!
//! `IMAGE_RUNS=100000` for the long mode.

use std::{cell::Cell, panic, sync::Once};

use super::{
    pixels::{Layout, Pixels, PngColour, Space},
    tests::{Chance, fixture, fixtures, limits},
    *,
};

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// How many panics this thread has had since it was asked last, those that were caught too.
fn panics() -> usize {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            PANICS.set(PANICS.get() + 1);
            before(information);
        }));
    });
    PANICS.take()
}

pub(super) fn runs(few: usize) -> usize {
    std::env::var("IMAGE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(few)
}

/// Everything that a site does with a file of a stranger's.
fn used(bytes: &[u8], run: usize) -> Option<Refusal> {
    let small = limits().with_pixels(20_000).with_side(2000);
    measure(bytes);
    let header = match probe(bytes, &small) {
        Ok(header) => header,
        Err(why) => return Some(why),
    };
    drop(strip(bytes, &header));
    let formats = [[Format::Webp, Format::Jpeg, Format::Png][run % 3]];
    let width = [None, Some(4), Some(16)][run / 3 % 3];
    let recipe = Recipe { width, formats: &formats, quality: 60, tier: Tier::Fast };
    convert(bytes, &header, &recipe, &small).err()
}

#[track_caller]
fn check(what: &str, seed: u64, run: usize, bytes: &[u8]) -> bool {
    panics();
    let refusal = used(bytes, run);
    let count = panics();
    assert_eq!(count, 0, "{what}, run {run} of {seed:#x}: a panic, and then {refusal:?}");
    refusal.is_none()
}

/// A part of a file: its name or marker, and what it holds.
type Part = (Vec<u8>, Vec<u8>);

/// A change or a few to the parts of a file.
fn changed(parts: &mut Vec<Part>, others: &[Part], chance: &mut Chance) {
    for _ in 0..=chance.next(3) {
        let (at, to) = (chance.next(parts.len()), chance.next(parts.len() + 1));
        let Some(part) = parts.get(at).cloned() else { return };
        match chance.next(8) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(to, part),
            2 => {
                parts.remove(at);
                parts.insert(to.min(parts.len()), part);
            }
            3 => {
                let (name, data) = &others[chance.next(others.len())];
                let length = chance.next(800);
                let data = if chance.next(2) == 0 { data.clone() } else { bytes(length, chance) };
                parts.insert(to, (name.clone(), data));
            }
            4 => {
                let length = chance.next(part.1.len() + 4);
                parts[at].1.resize(length, chance.next(256) as u8);
            }
            _ => {
                let byte = chance.next(part.1.len());
                let count = 1 + chance.next(4);
                let value = [0, 1, 2, 0x7f, 0x80, 0xff, chance.next(256) as u8][chance.next(7)];
                parts[at].1.iter_mut().skip(byte).take(count).for_each(|byte| *byte = value);
            }
        }
    }
}

fn bytes(length: usize, chance: &mut Chance) -> Vec<u8> {
    (0..length).map(|_| chance.next(256) as u8).collect()
}

fn named(suffix: &str, smaller_than: usize) -> Vec<Vec<u8>> {
    let files = fixtures().into_iter().filter(|(name, bytes)| name.ends_with(suffix) && bytes.len() < smaller_than);
    files.map(|(_, bytes)| bytes).collect()
}

/// Changes files by their parts, and uses what comes out.
fn run(suffix: &str, few: usize, parts: fn(&[u8]) -> Vec<Part>, whole: fn(&[Part]) -> Vec<u8>) {
    let seed = 0x9e37_79b9_7f4a_7c15_u64;
    let files: Vec<Vec<Part>> = named(suffix, 6_000).iter().map(|bytes| parts(bytes)).collect();
    let files: Vec<Vec<Part>> = files.into_iter().filter(|parts| parts.len() > 2).collect();
    let others: Vec<Part> = files.concat();
    let (mut chance, mut converted) = (Chance(seed), 0);
    for number in 0..runs(few) {
        let mut file = files[chance.next(files.len())].clone();
        changed(&mut file, &others, &mut chance);
        converted += usize::from(check(suffix, seed, number, &whole(&file)));
    }
    assert!(converted > 0 || runs(few) < 100, "{suffix}: nothing reached a decoder");
}

#[test]
fn no_change_to_the_chunks_of_a_png_makes_a_decoder_panic() {
    run("png", 3_000, png_parts, png_whole);
}

#[test]
fn no_change_to_the_segments_of_a_jpeg_makes_a_decoder_panic() {
    run("jpg", 3_000, jpeg_parts, jpeg_whole);
}

#[test]
fn no_change_to_the_chunks_of_a_webp_makes_a_decoder_panic() {
    run("webp", 3_000, webp_parts, webp_whole);
}

fn png_parts(file: &[u8]) -> Vec<Part> {
    let (mut at, mut parts) = (8, Vec::new());
    while let Some(length) = bytes::be32(file, at)
        && let Some(whole) = bytes::slice(file, at + 4, 4 + length as usize)
    {
        parts.push((whole[..4].to_vec(), whole[4..].to_vec()));
        at += 12 + length as usize;
    }
    parts
}

fn png_whole(parts: &[Part]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in parts {
        file.extend((data.len() as u32).to_be_bytes());
        let start = file.len();
        file.extend(name.iter().chain(data));
        file.extend(files::png::crc(&file[start..]).to_be_bytes());
    }
    file
}

fn webp_parts(file: &[u8]) -> Vec<Part> {
    let (mut at, mut parts) = (12, Vec::new());
    while let Some(length) = bytes::le32(file, at + 4)
        && let Some(data) = bytes::slice(file, at + 8, length as usize)
    {
        parts.push((file[at..at + 4].to_vec(), data.to_vec()));
        at += 8 + length as usize + length as usize % 2;
    }
    parts
}

fn webp_whole(parts: &[Part]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in parts {
        body.extend(name.iter().copied().chain((data.len() as u32).to_le_bytes()).chain(data.iter().copied()));
        body.extend(std::iter::repeat_n(0, data.len() % 2));
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// The name of a part is its marker; the data of a scan is a part without one.
fn jpeg_parts(file: &[u8]) -> Vec<Part> {
    let (mut at, mut parts) = (2, Vec::new());
    while let Some(&[0xff, marker]) = file.get(at..at + 2).and_then(|marker| marker.first_chunk()) {
        let Some(length) = bytes::be16(file, at + 2).filter(|_| marker != 0xd9) else { break };
        let Some(data) = bytes::slice(file, at + 4, usize::from(length).saturating_sub(2)) else { break };
        parts.push((vec![0xff, marker], data.to_vec()));
        at += 2 + usize::from(length);
        if marker == 0xda {
            let scan = file.get(at..).unwrap_or_default();
            let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
            let length = scan.windows(2).position(ends).unwrap_or(scan.len());
            parts.push((Vec::new(), scan[..length].to_vec()));
            at += length;
        }
    }
    parts
}

fn jpeg_whole(parts: &[Part]) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    for (marker, data) in parts {
        file.extend(marker);
        if !marker.is_empty() {
            file.extend((data.len() as u16 + 2).to_be_bytes());
        }
        file.extend(data);
    }
    file.extend([0xff, 0xd9]);
    file
}

/// A picture of every depth and kind, whose bytes are chance: filters and colours that there are not, rows too few or too many.
#[test]
fn no_picture_that_chance_makes_of_a_png_makes_a_decoder_panic() {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let mut converted = 0;
    for run in 0..runs(3_000) {
        let (width, height) = (1 + chance.next(12), 1 + chance.next(12));
        let (depth, colour) = ([1, 2, 4, 8, 16][chance.next(5)], [0, 2, 3, 4, 6][chance.next(5)]);
        let interlaced = u8::from(chance.next(4) == 0);
        let channels = [1, 0, 3, 1, 2, 0, 4][usize::from(colour)];
        let row = 1 + (width * channels * usize::from(depth)).div_ceil(8);
        let mut pixels = bytes(row * height * if interlaced == 1 { 3 } else { 1 }, &mut chance);
        for row in pixels.chunks_mut(row) {
            row[0] = if chance.next(40) == 0 { row[0] } else { row[0] % 5 };
        }
        if chance.next(4) == 0 {
            pixels.resize(chance.next(2 * pixels.len()), 0);
        }
        let (w, h) = ((width as u32).to_be_bytes(), (height as u32).to_be_bytes());
        let mut parts = vec![(b"IHDR".to_vec(), [&w[..], &h, &[depth, colour, 0, 0, interlaced]].concat())];
        let lengths = [3, 6, 48, 765, 766, 767, 768, 2, 4, 5, chance.next(800)];
        if colour == 3 || chance.next(8) == 0 {
            let length = lengths[chance.next(lengths.len())];
            parts.push((b"PLTE".to_vec(), bytes(length, &mut chance)));
        }
        if chance.next(3) == 0 {
            let length = [1, 2, 3, 6, 8, 255, 256, chance.next(300)][chance.next(8)];
            parts.push((b"tRNS".to_vec(), bytes(length, &mut chance)));
        }
        parts.push((b"IDAT".to_vec(), stored(&pixels)));
        parts.push((b"IEND".to_vec(), Vec::new()));
        if chance.next(4) == 0 {
            let others = parts.clone();
            changed(&mut parts, &others, &mut chance);
        }
        converted += usize::from(check("generated", 0x2545_f491_4f6c_dd1d, run, &png_whole(&parts)));
    }
    assert!(converted > runs(3_000) / 20, "{converted}");
}

/// Bytes as zlib holds them without compression (RFC 1950, RFC 1951 §3.2.4).
fn stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), data, &(b << 16 | a).to_be_bytes()].concat()
}

fn square(layout: Layout, space: Space) -> Pixels {
    let data = (0..16 * layout.channels()).map(|n| (n * 37) as u8).collect();
    Pixels::new((4, 4), layout, data, space).unwrap()
}

const LAYOUTS: [Layout; 5] = [Layout::Grey, Layout::GreyAlpha, Layout::Rgb, Layout::Rgba, Layout::Cmyk];

#[test]
fn no_profile_makes_its_engine_panic() {
    let seed = 0x0123_4567_89ab_cdef_u64;
    let mut chance = Chance(seed);
    let jpegs = ["p3.jpg", "grey-icc.jpg", "cmyk-icc.jpg", "wide.jpg", "icc-of-inks.jpg", "srgb-icc.jpg"];
    let profiles: Vec<Vec<u8>> =
        jpegs.iter().filter_map(|name| files::jpeg::profile(&fixture(name), usize::MAX)).collect();
    assert_eq!(profiles.len(), jpegs.len());
    for run in 0..runs(2_000) {
        let mut profile = profiles[chance.next(profiles.len())].clone();
        for _ in 0..=chance.next(5) {
            let at = if chance.next(2) == 0 { chance.next(256) } else { chance.next(profile.len()) };
            let value = [0, 1, 0x7f, 0x80, 0xff, chance.next(256) as u8][chance.next(6)];
            let count = 1 + chance.next(4);
            profile.iter_mut().skip(at).take(count).for_each(|byte| *byte = value);
        }
        if chance.next(10) == 0 {
            profile.truncate(chance.next(profile.len()));
        }
        for layout in LAYOUTS {
            panics();
            square(layout, Space::Icc(profile.clone())).into_srgb();
            let count = panics();
            assert_eq!(count, 0, "{layout:?}, run {run} of {seed:#x}");
        }
    }
}

#[test]
fn no_numbers_for_colours_make_their_engine_panic() {
    panics();
    for (primaries, transfer) in (0..=255).flat_map(|p| (0..=255).map(move |t| (p, t))) {
        square(Layout::Rgb, Space::Png(PngColour::CodePoints { primaries, transfer })).into_srgb();
    }
    let odd = [0.0, 0.000_01, 0.3, 0.33, 0.5, 1.0, 3.0, 42_949.67, f32::INFINITY, f32::NAN, -1.0];
    for gamma in odd {
        for (x, y) in odd.into_iter().flat_map(|x| odd.map(|y| (x, y))) {
            for chromaticities in [[(x, y); 4], [(0.3127, 0.329), (x, y), (y, x), (0.15, 0.06)]] {
                let colour = PngColour::Gamma { gamma, chromaticities: Some(chromaticities) };
                square(Layout::Rgb, Space::Png(colour)).into_srgb();
                square(Layout::GreyAlpha, Space::Png(colour)).into_srgb();
            }
        }
    }
    assert_eq!(panics(), 0);
}

#[test]
fn a_palette_is_a_list_of_1_to_256_colours() {
    let file = |length: usize| {
        let header = [&[0, 0, 0, 1, 0, 0, 0, 1][..], &[8, 3, 0, 0, 0]].concat();
        let parts = [("IHDR", header), ("PLTE", vec![7; length]), ("IDAT", stored(&[0, 0])), ("IEND", Vec::new())];
        png_whole(&parts.map(|(name, data)| (name.into(), data)))
    };
    for (length, expected) in [
        (0, false),
        (1, false),
        (2, false),
        (3, true),
        (4, false),
        (5, false),
        (6, true),
        (767, false),
        (768, true),
        (769, false),
        (771, false),
    ] {
        assert_eq!(probe(&file(length), &limits()).is_ok(), expected, "{length}");
        assert_eq!(check("palette", 0, length, &file(length)), expected, "{length}");
    }
}

#[test]
fn a_component_of_a_sequential_jpeg_is_coded_once() {
    let parts = jpeg_parts(&fixture("photo.jpg"));
    let scan = parts.iter().position(|(marker, _)| marker[..] == [0xff, 0xda]).expect("a scan");
    for (times, expected) in [(1, true), (2, false), (3, false), (100, false), (1000, false)] {
        let scans: Vec<Part> = std::iter::repeat_n(&parts[scan..scan + 2], times).flatten().cloned().collect();
        let file = jpeg_whole(&[&parts[..scan], &scans].concat());
        assert_eq!(probe(&file, &limits()).is_ok(), expected, "{times} scans of all components");
    }
}

#[test]
fn tables_that_no_scan_can_use_are_refused() {
    for name in ["photo.jpg", "progressive.jpg", "scans-444-restarts.jpg"] {
        let parts = jpeg_parts(&fixture(name));
        let frame = parts.iter().position(|(marker, _)| matches!(marker[..], [0xff, 0xc0..=0xc2])).expect("a frame");
        let end = parts.len();
        for (marker, payload, counts) in [
            (0xc4, vec![], true),
            (0xc4, [&[0x10, 1][..], &[0; 15], &[0]].concat(), true),
            (0xdb, [&[0][..], &[1; 64]].concat(), true),
            (0xdb, vec![], true),
            (0xdd, vec![0, 0], true),
            (0xcc, vec![], true),
            (0xdc, vec![0, 8], true),
            (0xdf, vec![0], true),
            (0xf0, vec![], true),
            (0xe5, vec![], false),
            (0xfe, vec![1; 100], false),
        ] {
            for at in [0, frame, end] {
                let refuses = |times| {
                    let table = (vec![0xff, marker], payload.clone());
                    let file = [&parts[..at], &vec![table; times], &parts[at..]].concat();
                    probe(&jpeg_whole(&file), &limits()).is_err()
                };
                let what = format!("{marker:x} of {} bytes at {at} of {name}", payload.len());
                assert!(!refuses(40) && refuses(2_000) == counts, "{what}");
            }
        }
        // One segment holds as many tables as there is room for.
        let tables = (vec![0xff, 0xc4], [&[0x10, 1][..], &[0; 15], &[0]].concat().repeat(3_000));
        assert!(probe(&jpeg_whole(&[&[tables], &parts[..]].concat()), &limits()).is_err());
    }
}

/// An original that is over a limit is sent without its metadata: for that its header is read without limits.
#[test]
fn no_bomb_makes_a_reader_panic_where_nothing_is_limited() {
    for (name, bomb) in super::tests::bombs::ALL {
        let bytes = bomb();
        panics();
        drop((probe(&bytes, &ImageLimits::NONE), strip_unconverted(&bytes), inspect(&bytes, &ImageLimits::NONE)));
        assert_eq!(panics(), 0, "{name}");
    }
}
