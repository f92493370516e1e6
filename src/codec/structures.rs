//! JPEG files of every structure, through both decoders, whole and smaller: what comes out is the picture that went in.

use super::{
    cost::predicted_decode_ms,
    decode::decode,
    header::{Header, Reader},
    kind::Kind,
    limits::ImageLimits,
    pixels::Pixels,
    probe::probe,
    refusal::Refusal,
};

#[path = "../../tests/it/jpegs.rs"]
#[allow(dead_code)]
mod jpegs;
use jpegs::{Colours, Jpeg, Scans, adobe, exif, jfif, segment};

const LIMITS: fn() -> ImageLimits = ImageLimits::default;

/// The mean distance to what has to be seen, of 255, of a picture at so many eighths of its width.
fn far(jpeg: &Jpeg, pixels: Pixels, eighths: u32) -> f64 {
    let (width, height) = (pixels.width(), pixels.height());
    let pixels = pixels.into_srgb().with_three_colours();
    let (across, down) = (jpeg.size.0 as f32, jpeg.size.1 as f32);
    let mut sum = 0.0;
    for (at, pixel) in (0..).zip(pixels.data().as_chunks::<3>().0) {
        let place = |at: u32, side: f32| ((at as f32 + 0.5) * 8.0 / eighths as f32 - 0.5).min(side - 1.0) / side;
        let seen = jpeg.seen(place(at % width, across), place(at / width, down));
        sum += seen.iter().zip(pixel).map(|(seen, is)| f64::from((seen - f32::from(*is)).abs())).sum::<f64>();
    }
    sum / (3.0 * f64::from(width) * f64::from(height))
}

/// How far the picture is from what has to be seen, each way that it can be read: by both decoders where both are right
/// about it, and smaller, where colours run together.
fn ways(jpeg: &Jpeg) -> Result<Vec<(Reader, u32, f64)>, Refusal> {
    let bytes = jpeg.bytes();
    let header = probe(&bytes, &LIMITS())?;
    assert_eq!((header.width, header.height), (jpeg.size.0 as u32, jpeg.size.1 as u32));
    let mut found = Vec::new();
    let mut read = |header: &Header, eighths: u32| {
        let target = (header.width * eighths / 12, header.height * eighths / 12);
        let pixels = decode(&bytes, header, (eighths < 8).then_some(target), &LIMITS())?;
        assert_eq!((pixels.width(), pixels.height()), header.shrunk(eighths));
        found.push((header.reader_at(eighths), eighths, far(jpeg, pixels, eighths)));
        Ok::<(), Refusal>(())
    };
    read(&header, 8)?;
    if header.shrinks {
        let thorough = Header { reader: Reader::Thorough, ..header.clone() };
        read(&thorough, 8)?;
        for eighths in [4, 2, 1] {
            read(&header, eighths)?;
            read(&thorough, eighths)?;
        }
        if header.reader_at(3) == Reader::Small {
            let last = if header.passes { 6 } else { 5 };
            [3, 5, last].into_iter().try_for_each(|eighths| read(&header, eighths))?;
        }
    }
    Ok(found)
}

/// How far the two decoders of a smaller picture are apart at most, of 255.
fn apart(bytes: &[u8], eighths: u32) -> u8 {
    let header = probe(bytes, &LIMITS()).unwrap();
    assert_eq!(header.reader_at(eighths), Reader::Small);
    let target = Some((header.width * eighths / 12, header.height * eighths / 12));
    let read = |header: &Header| decode(bytes, header, target, &LIMITS()).unwrap();
    let (small, other) = (read(&header), read(&Header { reader: Reader::Thorough, ..header.clone() }));
    assert_eq!((small.width(), small.height()), (other.width(), other.height()));
    small.data().iter().zip(other.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or_default()
}

/// Panics with all files that come out wrong.
fn come_out_right(files: impl IntoIterator<Item = (String, Jpeg)>) -> usize {
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, jpeg) in files {
        count += 1;
        match ways(&jpeg) {
            Ok(mut found) => {
                found.retain(|(_, eighths, far)| *far > if *eighths > 2 { 2.5 } else { 6.0 });
                wrong.extend((!found.is_empty()).then(|| format!("{name}: {found:?}")));
            }
            Err(why) => wrong.push(format!("{name}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    count
}

const SAMPLINGS: [[(usize, usize); 3]; 19] = [
    [(1, 1), (1, 1), (1, 1)],
    [(2, 1), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
    [(1, 4), (1, 1), (1, 1)],
    [(4, 2), (1, 1), (1, 1)],
    [(2, 4), (1, 1), (1, 1)],
    [(3, 1), (1, 1), (1, 1)],
    [(2, 2), (2, 1), (2, 1)],
    [(2, 2), (1, 2), (1, 2)],
    [(2, 2), (2, 1), (1, 2)],
    [(4, 1), (2, 1), (2, 1)],
    [(1, 4), (1, 2), (1, 2)],
    // Colours that are finer than the brightness.
    [(1, 1), (2, 2), (2, 2)],
    [(1, 1), (2, 1), (2, 1)],
    [(1, 1), (1, 2), (1, 2)],
    [(2, 1), (1, 2), (1, 1)],
    [(1, 1), (1, 1), (4, 1)],
];

fn layouts() -> [(&'static str, Scans); 8] {
    let apart = || vec![vec![0], vec![1], vec![2]];
    [
        ("one scan", Scans::Baseline(vec![vec![0, 1, 2]])),
        ("a scan each", Scans::Baseline(apart())),
        ("a scan each, the last first", Scans::Baseline(vec![vec![2], vec![0], vec![1]])),
        ("brightness, then colours", Scans::Baseline(vec![vec![0], vec![1, 2]])),
        ("progressive", Scans::Progressive(vec![vec![0, 1, 2]])),
        ("progressive, apart from the first", Scans::Progressive(apart())),
        ("progressive, bit by bit", Scans::Refined(vec![vec![0, 1, 2]])),
        ("progressive, bit by bit, apart from the first", Scans::Refined(apart())),
    ]
}

#[test]
fn a_picture_is_the_same_however_it_is_sampled_and_scanned() {
    let mut files = Vec::new();
    for (number, sampling) in SAMPLINGS.iter().enumerate() {
        for (layout, scans) in layouts() {
            for restarts in [0, 1 + 6 * (number % 2)] {
                let mut jpeg = Jpeg::new(Colours::Ycc, sampling).with(&[jfif()]);
                jpeg.size = [(120, 88), (97, 61), (128, 96)][(number + restarts) % 3];
                (jpeg.scans, jpeg.restarts) = (scans.clone(), restarts);
                // Half of the most blocks in a scan of its own, and all in another: no decoder here is right about these.
                let is_refused = match sampling {
                    [(4, 1), (2, 1), _] => layout.starts_with("brightness"),
                    [(1, 4), (1, 2), _] => {
                        layout.starts_with("brightness")
                            || layout.starts_with("progressive") && !layout.ends_with("first")
                    }
                    _ => false,
                };
                if is_refused {
                    assert_eq!(ways(&jpeg), Err(Refusal::Unsupported(Kind::Jpeg)), "{sampling:?} {layout}");
                } else {
                    files.push((format!("{sampling:?}, {layout}, {restarts}, {:?}", jpeg.size), jpeg));
                }
            }
        }
    }
    assert!(come_out_right(files) > 280);
}

#[test]
fn grey_rgb_and_inks_come_in_every_structure_too() {
    let mut files = Vec::new();
    for factors in [(1, 1), (2, 2), (1, 2), (3, 2), (4, 4)] {
        for scans in [Scans::Baseline, Scans::Progressive, Scans::Refined].map(|scans| scans(vec![vec![0]])) {
            let mut jpeg = Jpeg::new(Colours::Grey, &[factors]);
            jpeg.scans = scans;
            files.push((format!("grey {factors:?} {:?}", jpeg.scans), jpeg));
        }
    }
    let apart = |count: usize| (0..count).map(|component| vec![component]).collect::<Vec<_>>();
    for (colours, transform) in [(Colours::Inks, 0), (Colours::Ycck, 2), (Colours::Rgb, 0)] {
        let count = if colours == Colours::Rgb { 3 } else { 4 };
        for first in [(1, 1), (2, 1), (2, 2), (1, 2)] {
            for last in [(1, 1), first] {
                let factors = [first, (1, 1), (1, 1), last];
                let whole = || vec![(0..count).collect()];
                let progressive = [Scans::Progressive(whole()), Scans::Refined(whole()), Scans::Refined(apart(count))];
                for scans in [Scans::Baseline(whole()), Scans::Baseline(apart(count))].into_iter().chain(progressive) {
                    let mut jpeg = Jpeg::new(colours, &factors[..count]).with(&[adobe(transform)]);
                    jpeg.scans = scans;
                    jpeg.restarts = if first == (2, 1) { 3 } else { 0 };
                    files.push((format!("{colours:?} {factors:?} {:?}", jpeg.scans), jpeg));
                }
            }
        }
    }
    assert!(come_out_right(files) > 70);
}

/// libjpeg's custom, by which browsers go.
#[test]
fn jfif_comes_before_adobe_and_both_before_names() {
    let no_segment = Vec::new;
    let mut files = Vec::new();
    for (colours, segments, names) in [
        (Colours::Ycc, no_segment(), *b"\x01\x02\x03"),
        (Colours::Ycc, no_segment(), *b"\0\x01\x02"),
        (Colours::Ycc, no_segment(), *b"YCc"),
        (Colours::Rgb, no_segment(), *b"RGB"),
        (Colours::Ycc, vec![jfif()], *b"RGB"),
        (Colours::Ycc, vec![jfif(), adobe(0)], *b"\x01\x02\x03"),
        (Colours::Ycc, vec![adobe(0), jfif()], *b"RGB"),
        (Colours::Ycc, vec![jfif(), adobe(2)], *b"\x01\x02\x03"),
        (Colours::Rgb, vec![adobe(0)], *b"\x01\x02\x03"),
        (Colours::Rgb, vec![adobe(0)], *b"RGB"),
        (Colours::Ycc, vec![adobe(1)], *b"RGB"),
        (Colours::Ycc, vec![adobe(2)], *b"\x01\x02\x03"),
        (Colours::Ycc, vec![adobe(7)], *b"RGB"),
        (Colours::Rgb, vec![adobe(1), adobe(0)], *b"\x01\x02\x03"),
        // Too short to be what they begin as.
        (Colours::Rgb, vec![segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0"), adobe(0)], *b"\x01\x02\x03"),
        (Colours::Rgb, vec![segment(0xee, b"Adobe\0\x64\0\0\0\0")], *b"RGB"),
        // Names that stand for one another's numbers.
        (Colours::Ycc, vec![jfif()], *b"\x03\x01\x02"),
    ] {
        for (layout, scans) in [0, 1, 4].map(|at| layouts()[at].clone()) {
            for first in [(1, 1), (2, 2)] {
                let mut jpeg = Jpeg::new(colours, &[first, (1, 1), (1, 1)]).with(&segments);
                (jpeg.names, jpeg.scans) = (names.to_vec(), scans.clone());
                files.push((format!("{segments:?} {names:?} {first:?} {layout}"), jpeg));
            }
        }
    }
    for (colours, segments) in [
        (Colours::Inks, no_segment()),
        (Colours::Inks, vec![jfif()]),
        (Colours::Inks, vec![exif(1)]),
        (Colours::Inks, vec![adobe(0), jfif()]),
        (Colours::Ycck, vec![adobe(2)]),
        (Colours::Ycck, vec![jfif(), adobe(2)]),
        (Colours::Ycck, vec![adobe(1)]),
    ] {
        for sampling in [[(1, 1); 4], [(2, 2), (1, 1), (1, 1), (2, 2)], [(1, 1), (2, 1), (1, 1), (1, 1)]] {
            for scans in [Scans::Baseline(vec![vec![0, 1, 2, 3]]), Scans::Progressive(vec![vec![0, 1, 2, 3]])] {
                let mut jpeg = Jpeg::new(colours, &sampling).with(&segments);
                jpeg.scans = scans;
                files.push((format!("{colours:?} {segments:?} {sampling:?}"), jpeg));
            }
        }
    }
    come_out_right(files);
}

#[test]
fn what_a_sequential_scan_says_in_vain_is_passed_over() {
    let mut files = Vec::new();
    for parameters in
        [[1, 63, 0], [0, 0, 0], [0, 62, 0], [63, 63, 0], [5, 2, 0], [0, 63, 1], [0, 63, 0x10], [255, 255, 255]]
    {
        for (layout, scans) in &layouts()[..4] {
            for sampling in [SAMPLINGS[0], SAMPLINGS[3], SAMPLINGS[14]] {
                let mut jpeg = Jpeg::new(Colours::Ycc, &sampling).with(&[jfif()]);
                (jpeg.parameters, jpeg.scans) = (parameters, scans.clone());
                files.push((format!("{parameters:?} {layout} {sampling:?}"), jpeg));
            }
        }
    }
    come_out_right(files);
}

#[test]
fn what_no_decoder_has_to_know_is_kept_from_it() {
    let odd = [
        segment(0xe0, b"JFIF"),
        segment(0xe0, b"JFXX\0\x10"),
        segment(0xe1, b""),
        segment(0xe1, b"Exif\0\0II"),
        segment(0xe2, b"ICC_PROFILE\0"),
        segment(0xe2, b"ICC_PROFILE\0\x01"),
        segment(0xe2, b"MPF\0"),
        segment(0xed, b"Photoshop 3.0\0"),
        segment(0xee, b"Adobe"),
        segment(0xef, b""),
        segment(0xfe, b""),
    ];
    let files = odd.iter().map(|segment| {
        let jpeg = Jpeg::new(Colours::Ycc, &SAMPLINGS[3]).with(&[jfif(), segment.clone()]);
        (format!("{segment:?}"), jpeg)
    });
    come_out_right(files);
}

/// Encoders write tables before each scan. What the whole file may be told of stands before the first.
#[test]
fn what_stands_between_scans_is_read_as_far_as_it_counts() {
    let table = segment(0xdb, &[&[3][..], &[1; 64]].concat());
    let between = [table, segment(0xfe, b"a comment"), segment(0xdd, b"\0\0"), adobe(0), exif(6)];
    let mut files = Vec::new();
    for (layout, scans) in layouts() {
        for sampling in [SAMPLINGS[0], SAMPLINGS[3], SAMPLINGS[14]] {
            let mut jpeg = Jpeg::new(Colours::Ycc, &sampling);
            (jpeg.scans, jpeg.between) = (scans.clone(), between.to_vec());
            let header = probe(&jpeg.bytes(), &LIMITS()).unwrap();
            assert_eq!(header.upright(), (150, 100));
            let bare = super::strip(&jpeg.bytes(), &header);
            assert_eq!(bare.is_some(), layout != "one scan");
            assert!(bare.is_none_or(|bare| !bare.windows(4).any(|window| window == b"Exif")));
            files.push((format!("{layout} {sampling:?}"), jpeg));
        }
    }
    come_out_right(files);
}

#[test]
fn pictures_of_a_few_pixels_have_an_edge_too() {
    let mut files = Vec::new();
    for size in [(1, 1), (3, 2), (8, 8), (9, 17), (16, 15), (33, 31)] {
        for sampling in [SAMPLINGS[0], SAMPLINGS[1], SAMPLINGS[3], SAMPLINGS[14]] {
            for (layout, scans) in layouts() {
                let mut jpeg = Jpeg::new(Colours::Ycc, &sampling).with(&[jfif()]);
                (jpeg.size, jpeg.scans) = (size, scans.clone());
                files.push((format!("{size:?} {sampling:?} {layout}"), jpeg));
            }
        }
    }
    for (name, jpeg) in files {
        let bytes = jpeg.bytes();
        let header = probe(&bytes, &LIMITS()).unwrap();
        let pixels = decode(&bytes, &header, None, &LIMITS()).unwrap_or_else(|why| panic!("{name}: {why}"));
        // Colours run together where the picture is as small as what they are sampled by.
        let far = far(&jpeg, pixels, 8);
        assert!(far < 30.0, "{name}: {far}");
    }
}

/// Grain gives every block numbers of all frequencies, of several bits.
#[test]
fn a_smaller_picture_of_many_passes_is_that_of_the_decoder_that_holds_all_of_them() {
    for (number, sampling) in SAMPLINGS[..4].iter().enumerate() {
        for (layout, scans) in layouts().into_iter().filter(|(layout, _)| layout.starts_with("progressive")) {
            for (grain, restarts) in [(3.0, 0), (12.0, 0), (30.0, 5), (60.0, 1), (100.0, 0)] {
                let mut jpeg = Jpeg::new(Colours::Ycc, sampling);
                jpeg.size = [(120, 88), (97, 61), (131, 47), (64, 65)][number];
                (jpeg.scans, jpeg.grain, jpeg.restarts) = (scans.clone(), grain, restarts);
                for eighths in [1, 2, 4] {
                    let apart = apart(&jpeg.bytes(), eighths);
                    // Where colours are coarser, they round what lies between samples in another way.
                    let most = if number == 0 { 4 } else { 10 };
                    assert!(apart <= most, "{sampling:?} {layout} {grain} {restarts} {eighths}: {apart}");
                }
            }
        }
    }
}

#[test]
fn passes_that_are_missing_leave_less_detail() {
    let mut jpeg = Jpeg::new(Colours::Ycc, &SAMPLINGS[0]);
    (jpeg.scans, jpeg.grain) = (Scans::Refined(vec![vec![0, 1, 2]]), 30.0);
    let bytes = jpeg.bytes();
    let scans: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"\xff\xda\0")).collect();
    for scan in &scans[1..] {
        let file = [&bytes[..*scan], b"\xff\xd9"].concat();
        assert!(apart(&file, 4) <= 4, "up to {scan} of {}", bytes.len());
    }
}

#[test]
fn the_first_exif_block_counts() {
    for (blocks, first) in [(&[6, 1][..], 6), (&[1, 6], 1), (&[8, 3, 6], 8), (&[9, 6], 1), (&[6, 6], 6)] {
        let blocks: Vec<Vec<u8>> = blocks.iter().map(|orientation| exif(*orientation)).collect();
        let bytes = Jpeg::new(Colours::Ycc, &SAMPLINGS[3]).with(&blocks).bytes();
        let alone = Jpeg::new(Colours::Ycc, &SAMPLINGS[3]).with(&[exif(first)]).bytes();
        let header = probe(&bytes, &LIMITS()).unwrap();
        assert_eq!(header.orientation, probe(&alone, &LIMITS()).unwrap().orientation);
        let bare = super::strip(&bytes, &header).expect("one block is too many");
        assert_eq!(probe(&bare, &LIMITS()).unwrap().orientation, header.orientation);
        assert_eq!(bare.windows(4).filter(|window| *window == b"Exif").count(), usize::from(first != 1));
    }
}

#[test]
fn what_a_picture_takes_is_told_by_its_bytes_and_restarts_too() {
    let all = |scans: &[&[usize]]| scans.iter().map(|scan| scan.to_vec()).collect::<Vec<_>>();
    for (scans, count) in [
        (Scans::Baseline(all(&[&[0, 1, 2]])), 1),
        (Scans::Baseline(all(&[&[0], &[1], &[2]])), 3),
        (Scans::Progressive(all(&[&[0, 1, 2]])), 8),
    ] {
        let plain = Jpeg { scans, ..Jpeg::new(Colours::Ycc, &[(1, 1); 3]) };
        let units = plain.size.0.div_ceil(8) * plain.size.1.div_ceil(8);
        let header = |restarts| probe(&Jpeg { restarts, ..plain.clone() }.bytes(), &LIMITS()).unwrap();
        for (restarts, each) in [(0, 0), (1, units - 1), (100, 2), (units, 0)] {
            assert_eq!(header(restarts).restarts, (each * count) as u32, "{restarts} {count}");
        }
        let (without, with) = (header(0), header(1));
        assert!(with.coded > without.coded && (without.coded as usize) < without.length);
        let ms = |header: &Header| predicted_decode_ms(header, None);
        let extra = ms(&with) - ms(&without);
        assert!(extra > 150e-6 * f64::from(with.restarts), "{extra}");
        // The coefficients of all passes are held, and those of one component are handed to a thread besides.
        if without.passes {
            assert!(without.decode_memory(Some(16)) > 2 * without.pixels() * 4, "{without:?}");
        }
        // 12 megapixels by the pixel, and where there are more bytes than of a camera's, by the byte.
        let large = |coded| ms(&Header { width: 4000, height: 3000, coded, restarts: 0, ..without.clone() });
        assert!(large(4_000_000) == large(0) && large(9_000_000) > large(0) + 200.0);
    }
}
