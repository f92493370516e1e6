//! Small files that ask for a great deal: of memory, of time, or of a reader's trust in what a header says. They are made
//! here, from nothing but the standard library, so that none of them lies in the repository.

/// A name, which ends as a file of its kind does, and what makes the file.
pub(crate) type Bomb = (&'static str, fn() -> Vec<u8>);

pub(crate) const ALL: &[Bomb] = &[
    ("pixels.png", png_of_many_pixels),
    ("bits.png", png_of_many_bits),
    ("lying.png", png_that_lies),
    ("largest.png", png_of_the_largest_size),
    ("chunks.png", png_with_inflating_chunks),
    ("many-chunks.png", png_of_many_chunks),
    ("blocks.png", png_of_many_blocks),
    ("frames.png", apng_of_many_frames),
    ("large-frames.png", apng_of_large_frames),
    ("lying-frames.png", apng_that_lies),
    ("canvas.gif", gif_with_a_large_canvas),
    ("large-frames.gif", gif_of_large_frames),
    ("frames.gif", gif_of_many_frames),
    ("lossless.webp", webp_of_many_pixels),
    ("lossy.webp", webp_that_lies),
    ("canvas.webp", webp_with_the_largest_canvas),
    ("frames.webp", webp_of_many_frames),
    ("chunks.webp", webp_of_many_chunks),
    ("codes.webp", webp_of_many_codes),
    ("largest.jpg", jpeg_of_the_largest_size),
    ("grey.jpg", jpeg_of_many_pixels),
    ("scans.jpg", jpeg_of_many_scans),
    ("segments.jpg", jpeg_of_many_segments),
    ("tables.jpg", jpeg_of_many_tables),
    ("fill.jpg", jpeg_of_fill_bytes),
    ("profile.jpg", jpeg_with_a_large_profile),
    ("lying-profile.jpg", jpeg_with_a_profile_that_lies),
    ("exif-loop.jpg", jpeg_with_exif_in_circles),
    ("exif-lies.jpg", jpeg_with_exif_that_lies),
    ("exif-depth.jpg", jpeg_with_deep_exif),
    ("exif-copies.jpg", jpeg_with_many_exif_blocks),
    ("pixels.avif", avif_of_many_pixels),
    ("boxes.avif", avif_of_deep_boxes),
    ("lying.bmp", bmp_that_lies),
    ("runs.bmp", bmp_of_runs),
    ("lying.ico", ico_that_lies),
    ("copies.ico", ico_of_many_copies),
    ("lying.tiff", tiff_that_lies),
    ("loop.tiff", tiff_in_circles),
    ("beyond.gif", gif_beyond_its_canvas),
    ("lying.gif", gif_that_lies),
    ("palette.bmp", bmp_with_a_large_palette),
    ("fewer-runs.bmp", bmp_of_fewer_runs),
    ("profile.ico", ico_with_inflating_chunks),
    ("largest.ico", ico_of_the_largest_bitmap),
    ("values.tiff", tiff_of_many_values),
    ("tile.tiff", tiff_of_a_large_tile),
    ("tiles.tiff", tiff_of_many_tiles),
    ("lying.qoi", qoi_that_lies),
    ("pixels.qoi", qoi_of_many_pixels),
    ("lying.ppm", ppm_that_lies),
    ("comment.ppm", ppm_of_a_long_comment),
    ("digits.pgm", pgm_of_digits),
    ("zeros.svgz", svgz_of_zeros),
    ("depth.svg", svg_of_great_depth),
];

/// 30,000 × 30,000 RGBA, whole and valid: 3.5 MB that hold 3.6 GB of pixels.
pub(crate) fn png_of_many_pixels() -> Vec<u8> {
    zero_png(30_000, 30_000, 8, 6)
}

/// 32,768 × 32,768 of one bit, whole and valid: 130 KB that hold 128 MB, and 4 GB once each pixel has four bytes.
pub(crate) fn png_of_many_bits() -> Vec<u8> {
    zero_png(32_768, 32_768, 1, 0)
}

/// A header of 40,000 × 40,000 with pixels for one row at most: a reader that reserves what the header says takes 6.4 GB.
pub(crate) fn png_that_lies() -> Vec<u8> {
    let pixels = zlib_zeros(1000);
    png(&[(b"IHDR", &ihdr(40_000, 40_000, 8, 6)), (b"IDAT", &pixels), (b"IEND", &[])])
}

/// Sides of 2³¹ − 1, where a product of width, height and bytes a pixel leaves 64 bits.
pub(crate) fn png_of_the_largest_size() -> Vec<u8> {
    let side = i32::MAX as u32;
    png(&[(b"IHDR", &ihdr(side, side, 16, 6)), (b"IDAT", &zlib_zeros(8)), (b"IEND", &[])])
}

/// 8 × 8 pixels, but the profile and a text of 1 MB each inflate to 1 GB.
pub(crate) fn png_with_inflating_chunks() -> Vec<u8> {
    let inflating = zlib_zeros(1_000_000_000);
    let profile = [b"a profile\0\0", &inflating[..]].concat();
    let text = [b"Comment\0\0", &inflating[..]].concat();
    let pixels = zlib_zeros(8 * (1 + 8 * 4));
    png(&[(b"IHDR", &ihdr(8, 8, 8, 6)), (b"iCCP", &profile), (b"zTXt", &text), (b"IDAT", &pixels), (b"IEND", &[])])
}

/// 100,000 texts before the pixels and 10,000 pieces of pixels, most of them empty.
pub(crate) fn png_of_many_chunks() -> Vec<u8> {
    let header = ihdr(8, 8, 8, 6);
    let pixels = zlib_zeros(8 * (1 + 8 * 4));
    let mut chunks: Vec<(&[u8; 4], &[u8])> = vec![(b"IHDR", &header)];
    chunks.extend(std::iter::repeat_n((b"tEXt", &b"a\0b"[..]), 100_000));
    chunks.push((b"IDAT", &pixels));
    chunks.extend(std::iter::repeat_n((b"IDAT", &[][..]), 10_000));
    chunks.push((b"IEND", &[]));
    png(&chunks)
}

/// 8 × 8 pixels behind 200,000 blocks of deflate without one, each with codes of its own: 2 MB.
pub(crate) fn png_of_many_blocks() -> Vec<u8> {
    let mut bits = Bits::default();
    for _ in 0..200_000 {
        bits.put(0b100, 1 + 2); // Not the last block, with codes of its own:
        bits.put(0, 5 + 5); // literals up to the end, 256, and one distance,
        bits.put(18 - 4, 4); // and 18 lengths of the codes' own code, of which 18 and 1 are used: codes 1 and 0.
        for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
            bits.put(u32::from(symbol == 18 || symbol == 1), 3);
        }
        for zeros in [138, 117] {
            bits.put(1, 1);
            bits.put(zeros - 11, 7);
        }
        bits.put(0, 3); // 255, 256 and the distance: one bit each.
        bits.put(1, 1); // The end.
    }
    let pixels = 8 * (1 + 8_u8);
    bits.put(0b001, 1 + 2); // The last block, as it is, from the next byte on.
    let mut data = [&[0x78, 1][..], &bits.bytes, &[pixels, 0, !pixels, 0xff]].concat();
    data.resize(data.len() + usize::from(pixels), 0);
    data.extend([0, pixels, 0, 1]);
    png(&[(b"IHDR", &ihdr(8, 8, 8, 0)), (b"IDAT", &data), (b"IEND", &[])])
}

/// 20,000 frames of one pixel.
pub(crate) fn apng_of_many_frames() -> Vec<u8> {
    apng(1, 20_000, 20_000)
}

/// 300 frames of 4096 × 4096: each is within what one picture may have, together they are 5 billion pixels in 640 KB.
pub(crate) fn apng_of_large_frames() -> Vec<u8> {
    apng(4096, 300, 300)
}

/// One frame, but it says that there are 2³¹ − 1.
pub(crate) fn apng_that_lies() -> Vec<u8> {
    apng(8, i32::MAX as u32, 1)
}

/// A canvas of 16,000 × 16,000, and 200 frames of one pixel: each makes a reader that
/// hands out whole pictures hand out 1 GB. 5 KB.
pub(crate) fn gif_with_a_large_canvas() -> Vec<u8> {
    gif(16_000, 1, 200)
}

/// 200 frames of 16,000 × 16,000, whose pixels end after the first: 5 KB.
pub(crate) fn gif_of_large_frames() -> Vec<u8> {
    gif(16_000, 16_000, 200)
}

/// 20,000 frames of one pixel.
pub(crate) fn gif_of_many_frames() -> Vec<u8> {
    gif(1, 1, 20_000)
}

/// 16,383 × 16,383 in 38 bytes, whole and valid: each of its codes has one symbol, so a pixel takes no bit.
pub(crate) fn webp_of_many_pixels() -> Vec<u8> {
    let mut body = vp8l(16_383, 16_383);
    body.resize(18, 0);
    riff(&[(b"VP8L", &body)])
}

/// 8 × 8 pixels, for which there are 16,384 groups of codes: 950 KB that become tables of 340 MB.
pub(crate) fn webp_of_many_codes() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(7, 14);
    bits.put(7, 14);
    bits.put(0, 1 + 3 + 1 + 1); // No alpha, version 0, no transform, no cache of colours.
    bits.put(0b1111, 1 + 3); // Groups of codes, by a picture of one pixel,
    bits.put(0, 1); // without a cache of colours:
    for colour in [255, 63, 0, 0, 0] {
        bits.put(0b101, 3); // a simple code of one symbol of eight bits, green first.
        bits.put(colour, 8);
    }
    for _ in 0..5 * 16_384 {
        bits.put(0, 1); // Lengths of codes, by a code of which fourteen lengths stand here: six of 3 bits, four of 4.
        bits.put(14 - 4, 4);
        for length in [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10] {
            bits.put(if (1..=6).contains(&length) { 3 } else { u32::from((7..=10).contains(&length)) * 4 }, 3);
        }
        bits.put(0b11, 1 + 3); // Eleven symbols, which four bits say:
        bits.put(11 - 2, 4);
        // their codes have the lengths from 1 to 10, and 10 again. First bits stand lowest.
        for code in [0b000, 0b100, 0b010, 0b110, 0b001, 0b101] {
            bits.put(code, 3);
        }
        for code in [0b0011, 0b1011, 0b0111, 0b1111, 0b1111] {
            bits.put(code, 4);
        }
    }
    bits.zeros(64 * 4 / 8 + 8);
    riff(&[(b"VP8L", &bits.bytes)])
}

/// The header of a key frame of 16,383 × 16,383, and no pixels.
pub(crate) fn webp_that_lies() -> Vec<u8> {
    let mut body = vec![0x10, 0, 0, 0x9d, 0x01, 0x2a];
    body.extend([0xff, 0x3f, 0xff, 0x3f]);
    body.resize(64, 0);
    riff(&[(b"VP8 ", &body)])
}

/// A canvas of 65,536 × 65,535, which is the largest product that the format allows, around a picture of one pixel.
pub(crate) fn webp_with_the_largest_canvas() -> Vec<u8> {
    riff(&[(b"VP8X", &vp8x(0x02, 65_536, 65_535)), (b"ANIM", &[0; 6]), (b"ANMF", &anmf(1, 1))])
}

/// 3000 frames of 4000 × 4000 in 120 KB: 48 billion pixels, whole and valid.
pub(crate) fn webp_of_many_frames() -> Vec<u8> {
    let (canvas, frame) = (vp8x(0x02, 4000, 4000), anmf(4000, 4000));
    let mut chunks: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &canvas), (b"ANIM", &[0; 6])];
    chunks.extend(std::iter::repeat_n((b"ANMF", &frame[..]), 3000));
    riff(&chunks)
}

/// 200,000 empty chunks that nobody knows, before the picture.
pub(crate) fn webp_of_many_chunks() -> Vec<u8> {
    let (canvas, picture) = (vp8x(0, 1, 1), vp8l(1, 1));
    let mut chunks: Vec<(&[u8; 4], &[u8])> = vec![(b"VP8X", &canvas)];
    chunks.extend(std::iter::repeat_n((b"WHAT", &[][..]), 200_000));
    chunks.push((b"VP8L", &picture));
    riff(&chunks)
}

/// 65,500 × 65,500 in colour, of which the file has no pixel.
pub(crate) fn jpeg_of_the_largest_size() -> Vec<u8> {
    jpeg(&[sof(0xc0, 65_500, 65_500, 3), dht(0, &[0]), dht(0x10, &[0]), sos(3, 0, 63), vec![0; 8]])
}

/// 20,000 × 14,000 greys, whole and valid: a block is two bits, so 1.1 MB hold 280 million pixels.
pub(crate) fn jpeg_of_many_pixels() -> Vec<u8> {
    let pixels = vec![0; 2500 * 1750 * 2 / 8];
    jpeg(&[sof(0xc0, 20_000, 14_000, 1), dht(0, &[0]), dht(0x10, &[0]), sos(1, 0, 63), pixels])
}

/// 8000 × 6000 greys, which a limit on pixels may let pass, in 5000 scans: each is 75 bytes and walks over all blocks.
pub(crate) fn jpeg_of_many_scans() -> Vec<u8> {
    const BLOCKS: usize = 1000 * 750;
    // The only code, a zero bit, means "the next 16,384 blocks end here, and as many more as 14 bits say": all of them.
    let mut bits = Vec::new();
    for _ in 0..BLOCKS.div_ceil(32_767) {
        bits.push(false);
        bits.extend([true; 14]);
    }
    bits.resize(bits.len().next_multiple_of(8), true);
    let mut scan = sos(1, 1, 63);
    for byte in bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))) {
        scan.push(byte);
        if byte == 0xff {
            scan.push(0);
        }
    }
    let mut segments = vec![sof(0xc2, 8000, 6000, 1), dht(0, &[0]), dht(0x10, &[0xe0])];
    segments.push([sos(1, 0, 0), vec![0; BLOCKS / 8]].concat());
    segments.extend(std::iter::repeat_n(scan, 5000));
    jpeg(&segments)
}

/// 500,000 empty segments before the picture.
pub(crate) fn jpeg_of_many_segments() -> Vec<u8> {
    let mut segments = vec![segment(0xe5, &[]); 500_000];
    segments.extend(grey_square());
    jpeg(&segments)
}

/// A million code tables before the picture, all of them empty.
pub(crate) fn jpeg_of_many_tables() -> Vec<u8> {
    let mut segments = vec![segment(0xc4, &[]); 1_000_000];
    segments.extend(grey_square());
    jpeg(&segments)
}

/// 8 MB of fill bytes before a marker, where any number is allowed.
pub(crate) fn jpeg_of_fill_bytes() -> Vec<u8> {
    let mut segments = vec![vec![0xff; 8 << 20]];
    segments.extend(grey_square());
    jpeg(&segments)
}

/// A profile in 255 parts, as large as the format allows: 16.7 MB.
pub(crate) fn jpeg_with_a_large_profile() -> Vec<u8> {
    let part = vec![0; 65_519];
    let mut segments: Vec<_> = (1..=255).map(|number| icc(number, 255, &part)).collect();
    segments.extend(grey_square());
    jpeg(&segments)
}

/// Parts of a profile that come twice, out of order, as number 0, beyond their count, and that disagree on it.
pub(crate) fn jpeg_with_a_profile_that_lies() -> Vec<u8> {
    let parts = [(3, 2), (0, 0), (1, 2), (1, 2), (255, 1), (2, 255), (2, 0)];
    let mut segments: Vec<_> = parts.iter().map(|&(number, count)| icc(number, count, &[0xff; 200])).collect();
    segments.push(segment(0xe2, b"ICC_PROFILE\0"));
    segments.extend(grey_square());
    jpeg(&segments)
}

/// EXIF whose directory is its own successor and its own sub-directory, and so on without end.
pub(crate) fn jpeg_with_exif_in_circles() -> Vec<u8> {
    let own = [(0x8769, 4, 1, 8), (0x8825, 4, 1, 8), (0xa005, 4, 1, 8), (0x014a, 4, 1, 8)];
    jpeg_with_exif(&[tiff_head(8), ifd(&own, 8)].concat())
}

/// EXIF with 65,535 entries, of which there are three: values of 4 GB, beyond the end, and where sums leave 32 bits.
pub(crate) fn jpeg_with_exif_that_lies() -> Vec<u8> {
    let mut directory = ifd(&[(0x010f, 2, u32::MAX, u32::MAX), (0x0112, 5, u32::MAX, 8), (0x0112, 3, 0, 6)], u32::MAX);
    directory[..2].fill(0xff);
    jpeg_with_exif(&[tiff_head(8), directory].concat())
}

/// EXIF of 3600 directories, each the sub-directory of the one before: a reader that calls itself runs out of stack.
pub(crate) fn jpeg_with_deep_exif() -> Vec<u8> {
    let mut block = tiff_head(8);
    for depth in 1..=3600_u32 {
        block.extend(ifd(&[(0x8769, 4, 1, 8 + 18 * depth)], 0));
    }
    jpeg_with_exif(&block)
}

/// 200 blocks of EXIF, 13 MB together, each with another orientation than the one before.
pub(crate) fn jpeg_with_many_exif_blocks() -> Vec<u8> {
    let mut segments = Vec::new();
    for number in 0..200 {
        let mut block = [tiff_head(8), ifd(&[(0x0112, 3, 1, number % 8 + 1)], 0)].concat();
        block.resize(65_000, 0);
        segments.push(segment(0xe1, &[b"Exif\0\0", &block[..]].concat()));
    }
    segments.extend(grey_square());
    jpeg(&segments)
}

/// 16,384 × 16,384 by its boxes, with four bytes of pixels.
pub(crate) fn avif_of_many_pixels() -> Vec<u8> {
    let handler = full_box(b"hdlr", &[&[0; 4], &b"pict"[..], &[0; 13]].concat());
    let primary = full_box(b"pitm", &[0, 1]);
    // One item of one extent: 4 bytes at an offset that is set below, when the length of the boxes is known.
    let location = full_box(b"iloc", &[0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4]);
    let entry = bmff(b"infe", b"\x02\0\0\0\0\x01\0\0av01\0");
    let information = full_box(b"iinf", &[&[0, 1], &entry[..]].concat());
    let side = 16_384_u32.to_be_bytes();
    let size = full_box(b"ispe", &[side, side].concat());
    let depth = full_box(b"pixi", &[3, 8, 8, 8]);
    let codec = bmff(b"av1C", &[0x81, 0x1f, 0x00, 0x00]);
    let properties = bmff(b"ipco", &[size, depth, codec].concat());
    let associated = full_box(b"ipma", &[0, 0, 0, 1, 0, 1, 3, 1, 2, 0x83]);
    let properties = bmff(b"iprp", &[properties, associated].concat());
    let meta = full_box(b"meta", &[handler, primary, location, information, properties].concat());
    let kind = bmff(b"ftyp", b"avif\0\0\0\0avifmif1miaf");
    let mut file = [kind, meta].concat();
    let offset = (file.len() as u32 + 8).to_be_bytes();
    let place = file.windows(4).position(|name| name == b"iloc").expect("it is there") + 18;
    file[place..place + 4].copy_from_slice(&offset);
    file.extend(bmff(b"mdat", &[0x12, 0, 0x0a, 0x0b]));
    file
}

/// 20,000 boxes, each within the one before: a reader that calls itself runs out of stack.
pub(crate) fn avif_of_deep_boxes() -> Vec<u8> {
    let mut file = bmff(b"ftyp", b"avif\0\0\0\0avifmif1");
    for depth in (1..=20_000_u32).rev() {
        file.extend((depth * 8).to_be_bytes());
        file.extend(if depth == 20_000 { b"moov" } else { b"trak" });
    }
    file
}

/// 2³¹ − 1 pixels wide and −2³¹ high, which has no positive counterpart in 32 bits.
pub(crate) fn bmp_that_lies() -> Vec<u8> {
    bmp(i32::MAX, i32::MIN, 32, 0, &[])
}

/// 30,000 × 30,000 by runs, whole and valid: the first command says that all ends here.
pub(crate) fn bmp_of_runs() -> Vec<u8> {
    bmp(30_000, 30_000, 8, 1, &[0, 1])
}

/// Icons beyond the end of the file, of 4 GB, and within their own directory.
pub(crate) fn ico_that_lies() -> Vec<u8> {
    ico(&[(u32::MAX, 22), (40, u32::MAX), (u32::MAX, u32::MAX), (40, 0)], &[])
}

/// 65,535 icons that are all the same PNG of 30,000 × 30,000.
pub(crate) fn ico_of_many_copies() -> Vec<u8> {
    let picture = png(&[(b"IHDR", &ihdr(30_000, 30_000, 8, 6)), (b"IDAT", &zlib_zeros(1000)), (b"IEND", &[])]);
    ico(&vec![(picture.len() as u32, 6 + 16 * 65_535); 65_535], &picture)
}

/// 2³² − 1 pixels each way, in one strip of 4 GB.
pub(crate) fn tiff_that_lies() -> Vec<u8> {
    let entries = [
        (0x0100, 4, 1, u32::MAX),
        (0x0101, 4, 1, u32::MAX),
        (0x0102, 3, 1, 8),
        (0x0103, 3, 1, 1),
        (0x0106, 3, 1, 1),
        (0x0111, 4, 1, 8),
        (0x0117, 4, 1, u32::MAX),
    ];
    [tiff_head(8), ifd(&entries, 0)].concat()
}

/// A picture whose successor is itself.
pub(crate) fn tiff_in_circles() -> Vec<u8> {
    [tiff_head(8), ifd(&[(0x0100, 3, 1, 1), (0x0101, 3, 1, 1)], 8)].concat()
}

/// A frame of 65,535 × 65,535 on a canvas of one pixel.
pub(crate) fn gif_beyond_its_canvas() -> Vec<u8> {
    gif(1, 65_535, 1)
}

/// A still of 16,000 × 3000, which limits on pixels let pass, and whose pixels end after the first.
pub(crate) fn gif_that_lies() -> Vec<u8> {
    let mut file = gif(16_000, 16_000, 1);
    for height in [8, 34] {
        file[height..height + 2].copy_from_slice(&3000_u16.to_le_bytes());
    }
    file
}

/// 2³² − 1 colours.
pub(crate) fn bmp_with_a_large_palette() -> Vec<u8> {
    let mut file = bmp(8, 8, 8, 0, &[0; 64]);
    file[46..50].fill(0xff);
    file
}

/// 16,000 × 3000 in two bytes of runs.
pub(crate) fn bmp_of_fewer_runs() -> Vec<u8> {
    bmp(16_000, 3000, 8, 1, &[0, 1])
}

/// An icon whose profile and text inflate to 1 GB each.
pub(crate) fn ico_with_inflating_chunks() -> Vec<u8> {
    let picture = png_with_inflating_chunks();
    ico(&[(picture.len() as u32, 22)], &picture)
}

/// An icon of 2³¹ − 1 pixels each way.
pub(crate) fn ico_of_the_largest_bitmap() -> Vec<u8> {
    let file = bmp(i32::MAX, i32::MAX, 32, 0, &[0; 64]);
    ico(&[(file.len() as u32 - 14, 22)], &file[14..])
}

/// 2³² − 1 values of each tag, at the file's beginning.
pub(crate) fn tiff_of_many_values() -> Vec<u8> {
    let tags = [0x0102, 0x0111, 0x0117, 0x0153, 0x0152, 0x8773];
    let size = [(0x0100, 3, 1, 8), (0x0101, 3, 1, 8), (0x0106, 3, 1, 1), (0x0115, 3, 1, 1)];
    let entries = size.into_iter().chain(tags.map(|tag| (tag, 3, u32::MAX, 0))).collect::<Vec<_>>();
    [tiff_head(8), ifd(&entries, 0)].concat()
}

/// 8 × 8 pixels in a tile of 65,520 × 65,520, which inflates to 1 GB and has no end.
pub(crate) fn tiff_of_a_large_tile() -> Vec<u8> {
    tiled(8, 8, 65_520, 65_520, &zlib_zeros(1_000_000_000))
}

/// 16,000 × 3000 pixels in the smallest tiles that there are, all of them the same bytes.
pub(crate) fn tiff_of_many_tiles() -> Vec<u8> {
    tiled(16_000, 3000, 16, 16, &zlib_zeros(256))
}

/// 16,000 × 3000 by its header, and no pixels.
pub(crate) fn qoi_that_lies() -> Vec<u8> {
    qoi(16_000, 3000, &[])
}

/// 2³² − 1 pixels each way.
pub(crate) fn qoi_of_many_pixels() -> Vec<u8> {
    qoi(u32::MAX, u32::MAX, &[0xfd; 1000])
}

/// 16,000 × 3000 by its header, and no pixels.
pub(crate) fn ppm_that_lies() -> Vec<u8> {
    b"P6 16000 3000 255\n".to_vec()
}

/// A comment of 16 MB before the measures.
pub(crate) fn ppm_of_a_long_comment() -> Vec<u8> {
    [b"P6 #", vec![b'a'; 16 << 20].as_slice(), b"\n1 1 255 abc"].concat()
}

/// A sample of 4 MB of digits.
pub(crate) fn pgm_of_digits() -> Vec<u8> {
    [b"P2 2 1 255 ", vec![b'0'; 4 << 20].as_slice(), b" 1"].concat()
}

/// 1 MB that inflates to 1 GB. The check sum at its end is wrong; who gets there has lost already.
pub(crate) fn svgz_of_zeros() -> Vec<u8> {
    let deflated = deflate_zeros(1_000_000_000);
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &deflated, &[0; 4], &1_000_000_000_u32.to_le_bytes()].concat()
}

/// 200,000 groups, each within the one before.
pub(crate) fn svg_of_great_depth() -> Vec<u8> {
    const DEPTH: usize = 200_000;
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{}{}</svg>", "<g>".repeat(DEPTH), "</g>".repeat(DEPTH)).into()
}

// PNG

fn ihdr(width: u32, height: u32, depth: u8, kind: u8) -> Vec<u8> {
    [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, kind, 0, 0, 0]].concat()
}

/// A PNG whose every pixel is zero, whole and valid.
fn zero_png(width: u32, height: u32, depth: u8, kind: u8) -> Vec<u8> {
    let channels = if kind == 6 { 4 } else { 1 };
    let row = 1 + (u64::from(width) * channels * u64::from(depth)).div_ceil(8);
    let pixels = zlib_zeros(row * u64::from(height));
    png(&[(b"IHDR", &ihdr(width, height, depth, kind)), (b"IDAT", &pixels), (b"IEND", &[])])
}

/// Grey frames of one bit a pixel, each as large as the picture.
fn apng(side: u32, told: u32, frames: u32) -> Vec<u8> {
    let pixels = zlib_zeros((1 + u64::from(side).div_ceil(8)) * u64::from(side));
    let mut owned = vec![(b"IHDR", ihdr(side, side, 1, 0)), (b"acTL", [told.to_be_bytes(), [0; 4]].concat())];
    let mut sequence = 0_u32;
    for frame in 0..frames {
        let numbers = [sequence, side, side, 0, 0].map(u32::to_be_bytes).concat();
        owned.push((b"fcTL", [&numbers[..], &[0, 1, 0, 10, 0, 0]].concat()));
        sequence += 1;
        if frame == 0 {
            owned.push((b"IDAT", pixels.clone()));
        } else {
            owned.push((b"fdAT", [&sequence.to_be_bytes()[..], &pixels].concat()));
            sequence += 1;
        }
    }
    owned.push((b"IEND", Vec::new()));
    let chunks: Vec<(&[u8; 4], &[u8])> = owned.iter().map(|(name, data)| (*name, &data[..])).collect();
    png(&chunks)
}

fn png(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks {
        file.extend((data.len() as u32).to_be_bytes());
        let start = file.len();
        file.extend(*name);
        file.extend(*data);
        file.extend(crc(&file[start..]).to_be_bytes());
    }
    file
}

fn crc(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut value = index as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !data.iter().fold(!0, |sum, byte| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

fn zlib_zeros(count: u64) -> Vec<u8> {
    // Adler-32 of zeros: the first sum stays at 1, the second grows by it.
    let check = ((count % 65_521) as u32) << 16 | 1;
    [&[0x78, 0xda][..], &deflate_zeros(count), &check.to_be_bytes()].concat()
}

/// Zeros as one block of deflate (RFC 1951, section 3.2.7), at its highest ratio: two bits for each 258 of them.
fn deflate_zeros(count: u64) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0b1, 1); // The last block,
    bits.put(0b10, 2); // with codes of its own:
    bits.put(286 - 257, 5); // literals and lengths up to 285,
    bits.put(0, 5); // one distance,
    bits.put(18 - 4, 4); // and 18 lengths of the codes' own code, in the standard's order.
    // 18 (a run of 11 to 138 zeros), 1 and 2 are used: codes 0, 10 and 11.
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        bits.put(if symbol == 18 { 1 } else { u32::from(symbol == 1 || symbol == 2) * 2 }, 3);
    }
    let (one, two) = (0b01, 0b11); // Codes stand with their first bit lowest.
    let run = |bits: &mut Bits, zeros: u32| {
        bits.put(0, 1);
        bits.put(zeros - 11, 7);
    };
    bits.put(two, 2); // 0, a literal zero: two bits.
    run(&mut bits, 138);
    run(&mut bits, 117);
    bits.put(two, 2); // 256, the end: two bits.
    run(&mut bits, 28);
    bits.put(one, 2); // 285, a run of 258: one bit.
    bits.put(one, 2); // Distance 1: one bit.
    // So a literal zero is 10, the end is 11, and a run of 258 with its distance is 00.
    let runs = count.saturating_sub(1) / 258;
    let literals = count - runs * 258;
    if count > 0 {
        bits.put(0b01, 2);
    }
    for _ in 0..runs % 4 {
        bits.put(0, 2);
    }
    bits.zeros((runs / 4) as usize);
    for _ in 1..literals {
        bits.put(0b01, 2);
    }
    bits.put(0b11, 2);
    bits.bytes
}

/// Bits that fill each byte from its lowest.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().expect("pushed above") |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    /// Eight zero bits so many times.
    fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }
}

// GIF

fn gif(canvas: u16, frame: u16, frames: usize) -> Vec<u8> {
    let (canvas, side) = (canvas.to_le_bytes(), frame.to_le_bytes());
    let mut file = [b"GIF89a", &canvas[..], &canvas, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    // Cleared to the ground behind it, a tenth of a second; then clear, one black pixel, end, in codes of 3 bits.
    let control = [0x21, 0xf9, 4, 2 << 2, 10, 0, 0, 0];
    let picture = [&[0x2c, 0, 0, 0, 0][..], &side, &side, &[0, 2, 2, 0b0100_0100, 0b1, 0]].concat();
    for _ in 0..frames {
        file.extend(control);
        file.extend(&picture);
    }
    file.push(b';');
    file
}

// WebP

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend(riff_chunk(name, data));
    }
    riff_chunk(b"RIFF", &body)
}

fn riff_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = [name, &(data.len() as u32).to_le_bytes()[..], data].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A lossless picture of one colour: each of its five codes has one symbol, 0 by one bit, so that no pixel needs any.
fn vp8l(width: u32, height: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(width - 1, 14);
    bits.put(height - 1, 14);
    bits.put(0, 1 + 3); // No alpha, version 0.
    bits.put(0, 3); // No transform, no cache of colours, one group of codes.
    for _ in 0..5 {
        bits.put(0b0001, 4); // A simple code, one symbol, of one bit: 0.
    }
    bits.bytes
}

fn three(value: u32) -> [u8; 3] {
    let [a, b, c, _] = value.to_le_bytes();
    [a, b, c]
}

fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    [&[flags, 0, 0, 0][..], &three(width - 1), &three(height - 1)].concat()
}

fn anmf(width: u32, height: u32) -> Vec<u8> {
    let place = [three(0), three(0), three(width - 1), three(height - 1), three(100)].concat();
    [&place[..], &[0], &riff_chunk(b"VP8L", &vp8l(width, height))].concat()
}

// JPEG

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(data.len() as u16 + 2).to_be_bytes(), data].concat()
}

fn sof(marker: u8, width: u16, height: u16, components: u8) -> Vec<u8> {
    let mut data = [&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[components]].concat();
    (1..=components).for_each(|component| data.extend([component, 0x11, 0]));
    segment(marker, &data)
}

/// A table of codes with these values; with one value, its code is a zero bit.
fn dht(class: u8, values: &[u8]) -> Vec<u8> {
    let mut lengths = [0; 16];
    lengths[0] = values.len() as u8;
    segment(0xc4, &[&[class][..], &lengths, values].concat())
}

fn sos(components: u8, from: u8, to: u8) -> Vec<u8> {
    let mut data = vec![components];
    (1..=components).for_each(|component| data.extend([component, 0]));
    data.extend([from, to, 0]);
    segment(0xda, &data)
}

fn icc(number: u8, count: u8, part: &[u8]) -> Vec<u8> {
    segment(0xe2, &[b"ICC_PROFILE\0", &[number, count][..], part].concat())
}

/// The segments of a valid picture of 8 × 8 greys.
fn grey_square() -> Vec<Vec<u8>> {
    vec![sof(0xc0, 8, 8, 1), dht(0, &[0]), dht(0x10, &[0]), sos(1, 0, 63), vec![0]]
}

/// The segments between the start and the end, behind a table of quantities.
fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    let quantities = segment(0xdb, &[&[0][..], &[1; 64]].concat());
    [&[0xff, 0xd8][..], &quantities, &segments.concat(), &[0xff, 0xd9]].concat()
}

fn jpeg_with_exif(block: &[u8]) -> Vec<u8> {
    let mut segments = vec![segment(0xe1, &[b"Exif\0\0", block].concat())];
    segments.extend(grey_square());
    jpeg(&segments)
}

// TIFF

fn tiff_head(first: u32) -> Vec<u8> {
    [&b"II\x2a\0"[..], &first.to_le_bytes()].concat()
}

/// A directory of (tag, type, count, value or offset).
fn ifd(entries: &[(u16, u16, u32, u32)], following: u32) -> Vec<u8> {
    let mut directory = (entries.len() as u16).to_le_bytes().to_vec();
    for (tag, kind, count, value) in entries {
        directory.extend(tag.to_le_bytes().into_iter().chain(kind.to_le_bytes()));
        directory.extend(count.to_le_bytes().into_iter().chain(value.to_le_bytes()));
    }
    directory.extend(following.to_le_bytes());
    directory
}

// AVIF

fn bmff(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32 + 8).to_be_bytes()[..], name, data].concat()
}

fn qoi(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    [b"qoif", &width.to_be_bytes()[..], &height.to_be_bytes(), &[4, 0], data, &[0, 0, 0, 0, 0, 0, 0, 1]].concat()
}

/// A picture of greys, whose tiles are all the same deflated bytes.
fn tiled(width: u32, height: u32, tile_width: u32, tile_height: u32, data: &[u8]) -> Vec<u8> {
    let count = width.div_ceil(tile_width) * height.div_ceil(tile_height);
    let end = 8 + data.len() as u32;
    let values = |value: u32| value.to_le_bytes().repeat(count as usize);
    let tables = [values(8), values(data.len() as u32)].concat();
    let (places, lengths) = if count == 1 { (8, data.len() as u32) } else { (end, end + 4 * count) };
    let entries = [
        (0x0100, 4, 1, width),
        (0x0101, 4, 1, height),
        (0x0102, 3, 1, 8),
        (0x0103, 3, 1, 8),
        (0x0106, 3, 1, 1),
        (0x0115, 3, 1, 1),
        (0x0142, 4, 1, tile_width),
        (0x0143, 4, 1, tile_height),
        (0x0144, 4, count, places),
        (0x0145, 4, count, lengths),
    ];
    [tiff_head(8 + data.len() as u32 + tables.len() as u32), data.to_vec(), tables, ifd(&entries, 0)].concat()
}

fn full_box(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    bmff(name, &[&[0; 4], data].concat())
}

// BMP and ICO

fn bmp(width: i32, height: i32, depth: u16, compression: u32, data: &[u8]) -> Vec<u8> {
    let palette = if depth == 8 { vec![0; 256 * 4] } else { Vec::new() };
    let start = 14 + 40 + palette.len() as u32;
    let mut file = [b"BM", &(start + data.len() as u32).to_le_bytes()[..], &[0; 4], &start.to_le_bytes()].concat();
    file.extend(40_u32.to_le_bytes());
    file.extend(width.to_le_bytes().into_iter().chain(height.to_le_bytes()));
    file.extend(1_u16.to_le_bytes().into_iter().chain(depth.to_le_bytes()));
    file.extend(compression.to_le_bytes());
    file.extend([0; 20]);
    [file, palette, data.to_vec()].concat()
}

/// Icons by their length and place.
fn ico(entries: &[(u32, u32)], data: &[u8]) -> Vec<u8> {
    let mut file = [&[0, 0, 1, 0][..], &(entries.len() as u16).to_le_bytes()].concat();
    for (length, place) in entries {
        file.extend([0, 0, 0, 0, 1, 0, 32, 0]);
        file.extend(length.to_le_bytes().into_iter().chain(place.to_le_bytes()));
    }
    file.extend(data);
    file
}
