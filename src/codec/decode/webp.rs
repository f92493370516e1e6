//! WebP files into pixels, by `image-webp`.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::super::{
    files::webp::{check_codes, profile},
    header::Header,
    limits::ImageLimits,
    pixels::{Layout, Pixels, Space},
    refusal::Refusal,
};

pub(super) fn decode(bytes: &[u8], header: &Header, limits: &ImageLimits) -> Result<Pixels, Refusal> {
    check_codes(bytes, header)?;
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(Refusal::broken)?;
    // SECURITY: the decoder has no limits of its own for still pictures; `probe` has held its header against ours.
    if decoder.dimensions() != (header.width, header.height) {
        return Err(Refusal::broken("it has two headers"));
    }
    let layout = if decoder.has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let length = decoder.output_buffer_size().ok_or_else(|| Refusal::broken("it is too large"))?;
    let mut data = vec![0; length];
    decoder.read_image(&mut data).map_err(Refusal::broken)?;
    let space = profile(bytes, limits.profile).map_or(Space::Srgb, Space::Icc);
    Pixels::new((header.width, header.height), layout, data, space)
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::tests::{Chance, fixture},
        *,
    };
    use crate::codec::probe;

    /// The codes are counted by other code than the decoder's: whatever that reads has to be read here.
    #[test]
    fn what_the_decoder_reads_has_codes_that_can_be_counted() {
        let names = ["lossless.webp", "alpha-lossless.webp", "alpha.webp", "icc-gbr-named-srgb.webp"];
        let (mut chance, mut read, mut refused) = (Chance(0x5eed_1234_5678_9abd), 0, 0);
        for run in 0..4_000 {
            let mut bytes = fixture(names[run % names.len()]);
            for _ in 0..run.min(1 + chance.next(3)) {
                // What stands before the pixels is near the start of its chunk.
                let span = if chance.next(2) == 0 { 80 } else { bytes.len() - 20 };
                let at = 20 + chance.next(span);
                let bit = chance.next(8);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            let Ok(header) = probe(&bytes, &ImageLimits::default()) else { continue };
            let decoded = WebPDecoder::new(Cursor::new(&bytes)).and_then(|mut decoder| {
                let mut data = vec![0; decoder.output_buffer_size().unwrap_or_default()];
                decoder.read_image(&mut data)
            });
            let counted = check_codes(&bytes, &header);
            match (decoded, counted) {
                (Ok(()), counted) => {
                    assert_eq!(counted, Ok(()), "run {run}");
                    read += 1;
                }
                (Err(_), counted) => refused += usize::from(counted.is_err()),
            }
        }
        assert!(read > 500 && refused > 500, "{read} {refused}");
    }
}
