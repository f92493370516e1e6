//! The header of a QOI file: its measures, and whether it ends as it must.

use super::super::{bytes::be32, header::Header, kind::Kind, refusal::Refusal};

const END: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 1];

pub(in super::super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(b"qoif") && matches!(bytes.get(12..14), Some([3 | 4, 0 | 1]))
}

pub(in super::super) fn probe(bytes: &[u8]) -> Result<Header, Refusal> {
    let (Some(width), Some(height)) = (be32(bytes, 4), be32(bytes, 8)) else {
        return Err(Refusal::broken("it ends too early"));
    };
    if !bytes.ends_with(&END) {
        return Err(Refusal::broken("it ends too early"));
    }
    let mut header = Header::new(Kind::Qoi, width, height, bytes.len());
    // A byte stands for 62 pixels at most.
    if header.pixels() > (bytes.len() as u64).saturating_mul(62) {
        return Err(Refusal::broken("it ends too early"));
    }
    header.lossless = true;
    header.alpha = bytes.get(12) == Some(&4);
    Ok(header)
}
