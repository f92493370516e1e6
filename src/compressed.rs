//! Compares a compressed file with the plain one, and decompresses short bodies. Only this file uses decompressors. It does not
//! know where files are stored.

use std::io::Read;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, Decompressor, StandardAlloc};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

/// Whether a file of this coding, by its name in Content-Encoding, decompresses to exactly these bytes, with nothing behind them.
///
/// It is compared piece by piece, and ends at the first difference: however much a file would decompress to, no more is
/// made of it than the plain one is long, in the memory of one window.
pub(crate) fn is_of(coding: &str, compressed: &[u8], plain: &[u8]) -> bool {
    match coding {
        "gzip" => is_gzip_of(compressed, plain),
        "br" => is_brotli_of(compressed, plain),
        _ => false,
    }
}

/// Decompresses a body of this content coding (RFC 9110 §8.4.1, RFC 7932). Returns `None` if the coding is unknown, if the body is
/// broken, or if the result is longer than `most` bytes.
pub(crate) fn inflated(coding: &[u8], compressed: &[u8], most: u64) -> Option<Vec<u8>> {
    let decoder: Box<dyn Read + '_> = match coding.to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => Box::new(MultiGzDecoder::new(compressed)),
        b"deflate" => Box::new(ZlibDecoder::new(compressed)),
        b"br" => Box::new(Decompressor::new(compressed, PIECE)),
        _ => return None,
    };
    let mut plain = Vec::new();
    let read = decoder.take(most + 1).read_to_end(&mut plain).ok()?;
    (read as u64 <= most).then_some(plain)
}

const PIECE: usize = 1 << 14;

/// All members of it (RFC 1952 §2.2), each with its checksum.
fn is_gzip_of(compressed: &[u8], mut plain: &[u8]) -> bool {
    let mut decoder = MultiGzDecoder::new(compressed);
    let mut piece = [0; PIECE];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return plain.is_empty() && !compressed.is_empty(),
            Ok(read) => match plain.strip_prefix(&piece[..read]) {
                Some(rest) => plain = rest,
                None => return false,
            },
            Err(_) => return false,
        }
    }
}

/// One stream (RFC 7932).
fn is_brotli_of(compressed: &[u8], mut plain: &[u8]) -> bool {
    let memory = StandardAlloc::default;
    let mut state = BrotliState::new_strict(memory(), memory(), memory());
    let (mut unread, mut at, mut total) = (compressed.len(), 0, 0);
    let mut piece = [0; PIECE];
    loop {
        let (mut room, mut made) = (PIECE, 0);
        let result = BrotliDecompressStream(
            &mut unread,
            &mut at,
            compressed,
            &mut room,
            &mut made,
            &mut piece,
            &mut total,
            &mut state,
        );
        match (plain.strip_prefix(&piece[..made]), result) {
            (Some(rest), BrotliResult::NeedsMoreOutput) => plain = rest,
            (Some(rest), BrotliResult::ResultSuccess) => return rest.is_empty() && unread == 0,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const BODY: &[u8] = b"body {}\n";
    const BROTLI_OF_BODY: &[u8] = b"\x8b\x03\x80body {}\n\x03";
    const BROTLI_OF_NOTHING: &[u8] = b"\x3b";
    /// 256 MiB of zeros are this, again and again.
    const BROTLI_OF_ZEROS: &[u8] =
        b"\xcf\xff\xff\x7f\x00\x24\x00\xe2\xb1\x40\x72\xef\xff\xf9\xff\xff\x0f\x80\x04\x40\x1c\x16\x80\xee";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_compressed_file_is_of_the_bytes_that_it_decompresses_to() {
        let (body, nothing) = (gzip(BODY), gzip(b""));
        let members = [gzip(b"body "), gzip(b"{}\n")].concat();
        let mut broken = body.clone();
        *broken.last_mut().unwrap() ^= 1;
        for (coding, compressed, plain, expected) in [
            ("gzip", &body[..], BODY, true),
            ("gzip", &members, BODY, true),
            ("gzip", &nothing, b"", true),
            ("gzip", &body, b"body {};", false),
            ("gzip", &body, b"body {}", false),
            ("gzip", &body, b"body {}\n\n", false),
            ("gzip", &body, b"", false),
            ("gzip", &nothing, BODY, false),
            ("gzip", &broken, BODY, false),
            ("gzip", &body[..body.len() - 1], BODY, false),
            ("gzip", &[&body, &b"x"[..]].concat(), BODY, false),
            ("gzip", b"", b"", false),
            ("gzip", BODY, BODY, false),
            ("gzip", BROTLI_OF_BODY, BODY, false),
            ("br", BROTLI_OF_BODY, BODY, true),
            ("br", BROTLI_OF_NOTHING, b"", true),
            ("br", BROTLI_OF_BODY, b"body {};", false),
            ("br", BROTLI_OF_BODY, b"body {}", false),
            ("br", BROTLI_OF_BODY, b"body {}\n\n", false),
            ("br", BROTLI_OF_NOTHING, BODY, false),
            ("br", &BROTLI_OF_BODY[..11], BODY, false),
            ("br", &[BROTLI_OF_BODY, b"x"].concat(), BODY, false),
            ("br", b"", b"", false),
            ("zstd", b"", b"", false),
            ("br", &body, BODY, false),
        ] {
            assert_eq!(is_of(coding, compressed, plain), expected, "{coding} {compressed:?} {plain:?}");
        }
    }

    #[test]
    fn a_short_body_is_inflated_and_a_long_one_is_not() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(BODY).unwrap();
        let zlib = zlib.finish().unwrap();
        for (coding, compressed, plain) in [
            ("gzip", &gzip(BODY)[..], Some(BODY)),
            ("GZip", &gzip(BODY), Some(BODY)),
            ("x-gzip", &gzip(BODY), Some(BODY)),
            ("deflate", &zlib, Some(BODY)),
            ("br", BROTLI_OF_BODY, Some(BODY)),
            ("gzip", &gzip(&[b'x'; 9]), None),
            ("gzip", &gzip(&vec![0; 64 << 20]), None),
            ("br", BROTLI_OF_ZEROS, None),
            ("gzip", BODY, None),
            ("br", BODY, None),
            ("deflate", BODY, None),
            ("gzip", &gzip(BODY)[..20], None),
            ("br", &BROTLI_OF_BODY[..9], None),
            ("identity", BODY, None),
            ("zstd", BODY, None),
            ("gzip, br", BODY, None),
        ] {
            let made = inflated(coding.as_bytes(), compressed, BODY.len() as u64);
            assert_eq!(made.as_deref(), plain, "{coding} {compressed:?}");
        }
    }

    #[test]
    fn a_large_file_is_compared_in_pieces() {
        let plain: Vec<u8> = (0..300_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        let mut other = plain.clone();
        assert!(is_of("gzip", &gzip(&plain), &plain));
        *other.last_mut().unwrap() ^= 1;
        assert!(!is_of("gzip", &gzip(&plain), &other));
    }

    #[test]
    fn a_file_that_inflates_beyond_the_plain_one_is_not_of_it() {
        let zeros = gzip(&vec![0; 64 << 20]);
        assert!(!is_of("gzip", &zeros, &[0; 1000]));
        assert!(!is_of("br", BROTLI_OF_ZEROS, &[0; 1000]));
    }
}
