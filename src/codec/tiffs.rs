//! Tests of TIFF files whose samples are no colours yet, and of BigTIFF: files are made here, as TIFF 6.0 says, or were
//! written by libtiff.

use super::{
    kind::Kind,
    pixels::{Layout, Pixels},
    tests::{fixture, limits},
    *,
};

/// Which of two forms each number of the file has.
#[derive(Clone, Copy, Debug)]
struct Form {
    big_endian: bool,
    /// BigTIFF, with places of 64 bits.
    big: bool,
}

const FORMS: [Form; 4] = [
    Form { big_endian: false, big: false },
    Form { big_endian: true, big: false },
    Form { big_endian: false, big: true },
    Form { big_endian: true, big: true },
];

impl Form {
    fn number(self, value: u64, length: usize) -> Vec<u8> {
        let bytes = value.to_be_bytes()[8 - length..].to_vec();
        if self.big_endian { bytes } else { bytes.into_iter().rev().collect() }
    }

    fn word(self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// A file of entries, each a tag and numbers of 16 bits, and of strips or tiles.
    fn file(self, entries: &[(u16, &[u16])], is_tiled: bool, pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut file = if self.big_endian { b"MM".to_vec() } else { b"II".to_vec() };
        file.extend(self.number(if self.big { 43 } else { 42 }, 2));
        if self.big {
            file.extend([self.number(8, 2), self.number(0, 2)].concat());
        }
        let at_first = file.len();
        file.extend(self.number(0, self.word()));
        let mut places = Vec::new();
        for piece in pieces {
            places.push(file.len() as u64);
            file.extend(piece);
        }
        let (offsets, lengths) = if is_tiled { (0x0144, 0x0145) } else { (0x0111, 0x0117) };
        let lengths_of = pieces.iter().map(|piece| piece.len() as u64).collect();
        let mut all: Vec<(u16, u64, usize, Vec<u64>)> = vec![(offsets, 4, 4, places), (lengths, 4, 4, lengths_of)];
        all.extend(entries.iter().map(|(tag, values)| (*tag, 3, 2, values.iter().map(|it| u64::from(*it)).collect())));
        all.sort_by_key(|entry| entry.0);
        let mut directory = self.number(all.len() as u64, if self.big { 8 } else { 2 });
        for (tag, kind, size, values) in all {
            let mut value: Vec<u8> = values.iter().flat_map(|value| self.number(*value, size)).collect();
            if value.len() > self.word() {
                let place = self.number(file.len() as u64, self.word());
                file.extend(std::mem::replace(&mut value, place));
            }
            value.resize(self.word(), 0);
            let count = self.number(values.len() as u64, self.word());
            directory.extend([self.number(tag.into(), 2), self.number(kind, 2), count, value].concat());
        }
        let first = self.number(file.len() as u64, self.word());
        file[at_first..at_first + self.word()].copy_from_slice(&first);
        [file, directory, vec![0; self.word()]].concat()
    }
}

fn read(bytes: &[u8]) -> Result<Pixels, Refusal> {
    let header = probe(bytes, &limits())?;
    decode(bytes, &header, None, &limits())
}

/// Rows of numbers of so many bits, each row from a byte on.
fn packed(numbers: &[u8], width: usize, bits: usize) -> Vec<u8> {
    let row = |row: &[u8]| {
        let each = 8 / bits;
        row.chunks(each)
            .map(|byte| (0..each).fold(0, |sum, at| (sum << (bits % 8)) | byte.get(at).copied().unwrap_or(0)))
            .collect()
    };
    numbers.chunks(width).flat_map(|numbers| -> Vec<u8> { row(numbers) }).collect()
}

/// The part of a picture that a tile shows, with zeros around it.
fn tile(numbers: &[u8], (width, height): (usize, usize), (left, top): (usize, usize), side: usize) -> Vec<u8> {
    (top..top + side)
        .flat_map(|y| (left..left + side).map(move |x| (x, y)))
        .map(|(x, y)| if x < width && y < height { numbers[y * width + x] } else { 0 })
        .collect()
}

const SIZE: (usize, usize) = (37, 21);

#[test]
fn a_palette_is_looked_up_whatever_its_depth() {
    let (width, height) = SIZE;
    for (form, bits) in FORMS.into_iter().flat_map(|form| [1_usize, 2, 4, 8].map(|bits| (form, bits))) {
        let count = 1 << bits;
        let numbers: Vec<u8> = (0..width * height).map(|at| (at * 7 % count) as u8).collect();
        let colour = |number: usize| [number * 255 / count, 255 - number * 100 / count, number * number % 256];
        let channel = |which: usize| (0..count).map(move |number| colour(number)[which] as u16);
        let expected: Vec<u8> = numbers.iter().flat_map(|it| colour((*it).into()).map(|it| it as u8)).collect();
        // Colours of 16 bits, and of 8 as some writers have them.
        for unit in [257, 256, 1] {
            let table: Vec<u16> = (0..3).flat_map(channel).map(|value| value * unit).collect();
            let sides = [width as u16, height as u16];
            let entries: [(u16, &[u16]); 6] = [
                (0x0100, &sides[..1]),
                (0x0101, &sides[1..]),
                (0x0102, &[bits as u16]),
                (0x0103, &[1]),
                (0x0106, &[3]),
                (0x0140, &table),
            ];
            let strips: Vec<_> = numbers.chunks(8 * width).map(|rows| packed(rows, width, bits)).collect();
            let in_strips = form.file(&[&entries[..], &[(0x0116, &[8])]].concat(), false, &strips);
            let corners = [(0, 0), (16, 0), (32, 0), (0, 16), (16, 16), (32, 16)];
            let tiles = corners.map(|corner| packed(&tile(&numbers, SIZE, corner, 16), 16, bits));
            let in_tiles = form.file(&[&entries[..], &[(0x0142, &[16]), (0x0143, &[16])]].concat(), true, &tiles);
            for (name, file) in [("strips", in_strips), ("tiles", in_tiles)] {
                let picture = read(&file).unwrap_or_else(|why| panic!("{form:?} {bits} {unit} {name}: {why}"));
                assert_eq!(picture.layout(), Layout::Rgb, "{form:?} {bits} {unit} {name}");
                assert!(picture.data() == expected, "{form:?} {bits} {unit} {name}");
            }
        }
    }
}

#[test]
fn few_shades_are_spread_from_black_to_white() {
    for (form, bits) in FORMS.into_iter().flat_map(|form| [1_usize, 2, 4, 8].map(|bits| (form, bits))) {
        let numbers: Vec<u8> = (0..SIZE.0 * SIZE.1).map(|at| (at * 5 % (1 << bits)) as u8).collect();
        for meaning in [0, 1] {
            let entries: [(u16, &[u16]); 5] = [
                (0x0100, &[SIZE.0 as u16]),
                (0x0101, &[SIZE.1 as u16]),
                (0x0102, &[bits as u16]),
                (0x0106, &[meaning]),
                (0x0115, &[1]),
            ];
            let file = form.file(&entries, false, &[packed(&numbers, SIZE.0, bits)]);
            let shade = |number: &u8| (u32::from(*number) * 255 / ((1 << bits) - 1)) as u8;
            let expected: Vec<u8> =
                numbers.iter().map(|it| if meaning == 0 { 255 - shade(it) } else { shade(it) }).collect();
            assert!(read(&file).unwrap().data() == expected, "{form:?} {bits} {meaning}");
        }
    }
}

/// The brightness of each pixel, and two colours that change with every 8 of them.
fn ycc(x: usize, y: usize) -> [u8; 3] {
    [(40 + 4 * x) as u8, (90 + x / 8 * 12) as u8, (150 - y / 8 * 9) as u8]
}

/// ITU-R BT.601, full range.
fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|colour| colour.round() as u8)
}

/// Units of so many pixels that share their colours, row after row.
fn units((left, top): (usize, usize), (right, low): (usize, usize), (across, down): (usize, usize)) -> Vec<u8> {
    let mut data = Vec::new();
    for (y, x) in (top..low).step_by(down).flat_map(|y| (left..right).step_by(across).map(move |x| (y, x))) {
        data.extend((y..y + down).flat_map(|y| (x..x + across).map(move |x| ycc(x, y)[0])));
        data.extend(&ycc(x, y)[1..]);
    }
    data
}

#[test]
fn brightness_and_colours_that_pixels_share_become_colours() {
    let (width, height) = SIZE;
    let expected: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| rgb(ycc(x, y)))).collect();
    for (form, shared) in FORMS.into_iter().flat_map(|form| {
        [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 2), (4, 4)].map(|shared: (u16, u16)| (form, shared))
    }) {
        let pixels = (usize::from(shared.0), usize::from(shared.1));
        let said = [shared.0, shared.1];
        let entries: [(u16, &[u16]); 6] = [
            (0x0100, &[SIZE.0 as u16]),
            (0x0101, &[SIZE.1 as u16]),
            (0x0102, &[8, 8, 8]),
            (0x0106, &[6]),
            (0x0115, &[3]),
            (0x0212, &said),
        ];
        let strips = [0, 8, 16].map(|top| units((0, top), (width, (top + 8).min(height)), pixels));
        let in_strips = form.file(&[&entries[..], &[(0x0116, &[8])]].concat(), false, &strips);
        let corners = [(0, 0), (16, 0), (32, 0), (0, 16), (16, 16), (32, 16)];
        let tiles = corners.map(|(left, top)| units((left, top), (left + 16, top + 16), pixels));
        let in_tiles = form.file(&[&entries[..], &[(0x0142, &[16]), (0x0143, &[16])]].concat(), true, &tiles);
        for (name, file) in [("strips", in_strips), ("tiles", in_tiles)] {
            let picture = read(&file).unwrap_or_else(|why| panic!("{form:?} {shared:?} {name}: {why}"));
            let far = picture.data().iter().zip(&expected).map(|(is, meant)| is.abs_diff(*meant)).max();
            assert!(far <= Some(1) && picture.data().len() == expected.len(), "{form:?} {shared:?} {name}: {far:?}");
        }
    }
}

#[test]
fn a_big_file_is_read_as_any_other() {
    for form in FORMS {
        let entries: [(u16, &[u16]); 5] =
            [(0x0100, &[3]), (0x0101, &[2]), (0x0102, &[8, 8, 8]), (0x0106, &[2]), (0x0115, &[3])];
        let colours: Vec<u8> = (0..18).map(|at| at * 14).collect();
        let file = form.file(&[&entries[..], &[(0x0112, &[6])]].concat(), false, std::slice::from_ref(&colours));
        let header = probe(&file, &limits()).unwrap();
        assert_eq!((sniff(&file), header.upright()), (Some(Kind::Tiff), (2, 3)), "{form:?}");
        assert_eq!(read(&file).unwrap().data(), colours, "{form:?}");
    }
}

#[test]
fn what_libtiff_has_written_is_the_same_picture_in_each_variety() {
    let photo = read(&fixture("photo.tiff")).unwrap();
    for (name, most) in
        [("big.tiff", 0), ("ycc.tiff", 2), ("ycc-jpeg.tiff", 5), ("palette.tiff", 4), ("big-palette.tiff", 8)]
    {
        let picture = read(&fixture(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((picture.width(), picture.height(), picture.layout()), (48, 32, Layout::Rgb), "{name}");
        let sum: usize = picture.data().iter().zip(photo.data()).map(|(is, it)| usize::from(is.abs_diff(*it))).sum();
        assert!(sum <= most * picture.data().len(), "{name}: {}", sum as f64 / picture.data().len() as f64);
        let header = probe(&fixture(name), &limits()).unwrap();
        let recipe = Recipe { width: Some(16), formats: &[Format::Webp], quality: 80, tier: Tier::Fast };
        assert_eq!(convert(&fixture(name), &header, &recipe, &limits()).unwrap().width, 16, "{name}");
    }
}

/// CIE L*a*b*, masks, palettes of 16 bits, planes of YCbCr, differences of less than a byte, bits in the other order.
#[test]
fn what_is_not_shown_is_refused_with_advice() {
    let table = vec![0; 3 << 8];
    let sides: [(u16, &[u16]); 2] = [(0x0100, &[16]), (0x0101, &[16])];
    for more in [
        &[(0x0102, &[8, 8, 8][..]), (0x0106, &[8]), (0x0115, &[3])][..],
        &[(0x0102, &[1]), (0x0106, &[4]), (0x0115, &[1])],
        &[(0x0102, &[16]), (0x0106, &[3]), (0x0115, &[1]), (0x0140, &table)],
        &[(0x0102, &[8, 8]), (0x0106, &[3]), (0x0115, &[2]), (0x0140, &table)],
        &[(0x0102, &[8, 8, 8]), (0x0106, &[6]), (0x0115, &[3]), (0x011c, &[2])],
        &[(0x0102, &[8, 8, 8]), (0x0106, &[6]), (0x0115, &[3]), (0x0212, &[3, 1])],
        &[(0x0102, &[8, 8, 8]), (0x0106, &[6]), (0x0115, &[3]), (0x0116, &[3])],
        &[(0x0102, &[4]), (0x0106, &[3]), (0x013d, &[2]), (0x0140, &table)],
        &[(0x0102, &[1]), (0x0106, &[1]), (0x010a, &[2])],
    ] {
        let file = FORMS[0].file(&[&sides[..], more].concat(), false, &[vec![0; 4096]]);
        let refused = probe(&file, &limits()).unwrap_err();
        assert_eq!(refused, Refusal::Unsupported(Kind::Tiff), "{more:?}");
        assert_eq!(refused.to_string(), "TIFF files of this kind cannot be decoded; save the image as PNG or JPEG");
    }
    // A table that is too short is a broken file.
    let short: [(u16, &[u16]); 3] = [(0x0102, &[8]), (0x0106, &[3]), (0x0140, &[0; 30])];
    let file = FORMS[0].file(&[&sides[..], &short].concat(), false, &[vec![0; 256]]);
    assert!(matches!(read(&file), Err(Refusal::Broken(_))));
}

/// Two samples for each pixel are a shade and how much of it shows.
#[test]
fn shades_come_with_their_alpha() {
    let (width, height) = SIZE;
    let pixels: Vec<[u8; 2]> = (0..width * height).map(|at| [(at * 7) as u8, (at * 3) as u8 | 1]).collect();
    for (form, meaning, bits) in
        FORMS.into_iter().flat_map(|form| [(form, 0, 8), (form, 1, 8), (form, 0, 16), (form, 1, 16)])
    {
        let entries: [(u16, &[u16]); 6] = [
            (0x0100, &[SIZE.0 as u16]),
            (0x0101, &[SIZE.1 as u16]),
            (0x0102, &[bits, bits]),
            (0x0106, &[meaning]),
            (0x0115, &[2]),
            (0x0152, &[2]),
        ];
        let stored = |part: &u8| if bits == 8 { vec![*part] } else { form.number(u64::from(*part) * 257, 2) };
        let data: Vec<u8> = pixels.iter().flatten().flat_map(stored).collect();
        let whole = form.file(&entries, false, std::slice::from_ref(&data));
        let rows: Vec<Vec<u8>> = data.chunks(5 * data.len() / height).map(<[u8]>::to_vec).collect();
        let in_strips = form.file(&[&entries[..], &[(0x0116, &[5])]].concat(), false, &rows);
        let expected: Vec<u8> =
            pixels.iter().flat_map(|[grey, alpha]| [if meaning == 0 { 255 - grey } else { *grey }, *alpha]).collect();
        for file in [whole, in_strips] {
            let picture = read(&file).unwrap_or_else(|why| panic!("{form:?} {meaning} {bits}: {why}"));
            assert_eq!(picture.layout(), Layout::GreyAlpha, "{form:?} {meaning} {bits}");
            assert!(picture.data() == expected, "{form:?} {meaning} {bits}");
        }
    }
}

/// Their profile says what they look like: it is applied to inks, not to what an average press makes of them.
#[test]
fn inks_stay_inks_until_their_profile_is_applied() {
    for (form, bits, planes) in
        FORMS.into_iter().flat_map(|form| [(form, 8, 1), (form, 16, 1), (form, 8, 2), (form, 16, 2)])
    {
        let inks: Vec<[u8; 4]> = (0..SIZE.0 * SIZE.1).map(|at| [1, 2, 3, 5].map(|step| (at * step) as u8)).collect();
        let entries: [(u16, &[u16]); 6] = [
            (0x0100, &[SIZE.0 as u16]),
            (0x0101, &[SIZE.1 as u16]),
            (0x0102, &[bits; 4]),
            (0x0106, &[5]),
            (0x0115, &[4]),
            (0x011c, &[planes]),
        ];
        let stored = |ink: u8| if bits == 8 { vec![ink] } else { form.number(u64::from(ink) * 257, 2) };
        let pieces: Vec<Vec<u8>> = if planes == 1 {
            vec![inks.iter().flatten().flat_map(|ink| stored(*ink)).collect()]
        } else {
            (0..4).map(|plane| inks.iter().flat_map(|inks| stored(inks[plane])).collect()).collect()
        };
        let picture = read(&form.file(&entries, false, &pieces)).unwrap_or_else(|why| panic!("{form:?} {bits}: {why}"));
        assert_eq!(picture.layout(), Layout::Cmyk, "{form:?} {bits}");
        assert!(picture.data() == inks.concat(), "{form:?} {bits}");
    }
    let (by_jpeg, by_tiff) = (fixture("cmyk-icc.jpg"), fixture("cmyk-icc.tiff"));
    let seen = |file: &[u8]| read(file).unwrap().into_srgb().data().to_vec();
    let sum: usize =
        seen(&by_jpeg).iter().zip(seen(&by_tiff)).map(|(jpeg, tiff)| usize::from(jpeg.abs_diff(tiff))).sum();
    assert!(sum < 4 * seen(&by_tiff).len(), "{}", sum as f64 / seen(&by_tiff).len() as f64);
}

/// What is said to be converted is: where a part is missing, or of a kind that the decoder stumbles over, nobody is told otherwise.
#[test]
fn a_directory_says_where_each_part_is() {
    let sides: [(u16, &[u16]); 5] =
        [(0x0100, &[32]), (0x0101, &[32]), (0x0102, &[8, 8, 8]), (0x0106, &[2]), (0x0115, &[3])];
    let parts = |count: usize, length: usize| vec![vec![7; length]; count];
    let strips = [&sides[..], &[(0x0116, &[8])]].concat();
    let tiles = [&sides[..], &[(0x0142, &[16]), (0x0143, &[16])]].concat();
    let planes: &[(u16, &[u16])] = &[(0x011c, &[2])];
    for form in FORMS {
        for (entries, is_tiled, pieces, expected) in [
            (strips.clone(), false, parts(4, 768), true),
            (strips.clone(), false, parts(3, 1024), false),
            (strips.clone(), false, parts(5, 768), false),
            ([&strips[..], planes].concat(), false, parts(12, 256), true),
            ([&strips[..], planes].concat(), false, parts(4, 768), false),
            (tiles.clone(), true, parts(4, 768), true),
            (tiles.clone(), true, parts(3, 1024), false),
            ([&tiles[..], planes].concat(), true, parts(12, 256), false),
        ] {
            let file = form.file(&entries, is_tiled, &pieces);
            assert_eq!(probe(&file, &limits()).is_ok(), expected, "{form:?} {} parts", pieces.len());
            assert_eq!(read(&file).is_ok(), expected, "{form:?} {} parts", pieces.len());
        }
        // Lengths that nobody has written down.
        let mut file = form.file(&strips, false, &parts(4, 768));
        let tag = form.number(0x0117, 2);
        let at = file.array_windows::<2>().rposition(|it| it[..] == tag).expect("the tag");
        file[at..at + 2].copy_from_slice(&form.number(0x0118, 2));
        assert!(probe(&file, &limits()).is_err(), "{form:?}");
    }
}

#[test]
fn a_fax_is_the_same_as_what_is_not_compressed() {
    let (fax, plain) = (read(&fixture("fax.tiff")).unwrap(), read(&fixture("1bit.tiff")).unwrap());
    assert_eq!((fax.layout(), fax.data()), (Layout::Grey, plain.data()));
}
