//! The headers of the anymaps (PBM, PGM, PPM and PAM): their measures, and whether their pixels are there.

use super::super::{header::Header, kind::Kind, refusal::Refusal};

/// What a header says. A text that begins like one says nothing of this sort.
#[derive(Debug, PartialEq)]
struct Map {
    width: u32,
    height: u32,
    channels: u32,
    /// What a sample is at most.
    most: u32,
    /// Whether samples are numbers in decimal digits.
    plain: bool,
    /// Whether a sample is a bit.
    bits: bool,
    /// Where the samples begin.
    start: usize,
}

/// Header lines that are longer are none that a program writes.
const LONGEST_HEADER: usize = 4096;

pub(in super::super) fn is(bytes: &[u8]) -> bool {
    read(bytes).is_some()
}

pub(in super::super) fn probe(bytes: &[u8]) -> Result<Header, Refusal> {
    let map = read(bytes).ok_or_else(|| Refusal::broken("its header has no measures"))?;
    let channels = u8::try_from(map.channels).ok().filter(|channels| (1..=4).contains(channels));
    let Some(channels) = channels.filter(|_| (1..=65_535).contains(&map.most)) else {
        return Err(Refusal::Unsupported(Kind::Pnm));
    };
    let mut header = Header::new(Kind::Pnm, map.width, map.height, bytes.len());
    header.lossless = true;
    header.channels = channels;
    header.alpha = matches!(channels, 2 | 4);
    header.bits = if map.most > 255 { 16 } else { 8 };
    header.passes = map.plain;
    if map.least_length() > bytes.len() as u64 {
        return Err(Refusal::broken("it ends too early"));
    }
    if map.plain && !map.bits && has_long_number(bytes) {
        return Err(Refusal::broken("a sample has more digits than any number up to 65,535"));
    }
    Ok(header)
}

impl Map {
    /// The shortest file that has all samples.
    fn least_length(&self) -> u64 {
        let row = u64::from(self.width) * u64::from(self.channels);
        let row = match (self.plain, self.bits) {
            // Bits need no blank between them.
            (true, true) => row,
            (true, false) => row.saturating_mul(2),
            (false, true) => row.div_ceil(8),
            (false, false) if self.most > 255 => row.saturating_mul(2),
            (false, false) => row,
        };
        let data = row.saturating_mul(u64::from(self.height));
        // No blank has to follow the last of plain samples.
        data.saturating_add(self.start as u64).saturating_sub(u64::from(self.plain && !self.bits))
    }
}

/// Whether more than 30 digits follow one another.
///
/// SECURITY: a decoder collects the digits of a sample one by one, and a sample may have megabytes of zeros before it.
fn has_long_number(bytes: &[u8]) -> bool {
    // So many have one of these pieces between them.
    bytes.as_chunks::<16>().0.iter().any(|piece| piece.iter().all(u8::is_ascii_digit))
}

fn read(bytes: &[u8]) -> Option<Map> {
    let [b'P', kind @ b'1'..=b'7', blank, ..] = *bytes else { return None };
    if !blank.is_ascii_whitespace() {
        return None;
    }
    let mut words = Words { bytes: bytes.get(..bytes.len().min(LONGEST_HEADER))?, at: 2 };
    if kind == b'7' {
        return arbitrary(&mut words);
    }
    let (width, height) = (words.number()?, words.number()?);
    let bits = matches!(kind, b'1' | b'4');
    let most = if bits { 1 } else { words.number()? };
    let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
    // One blank ends the header.
    bytes.get(words.at).filter(|blank| blank.is_ascii_whitespace())?;
    Some(Map { width, height, channels, most, plain: kind <= b'3', bits, start: words.at + 1 })
}

/// PAM: a word on each line, and what it says.
fn arbitrary(words: &mut Words<'_>) -> Option<Map> {
    let [mut width, mut height, mut depth, mut most] = [None; 4];
    loop {
        match words.next()? {
            b"WIDTH" => width = Some(words.number()?),
            b"HEIGHT" => height = Some(words.number()?),
            b"DEPTH" => depth = Some(words.number()?),
            b"MAXVAL" => most = Some(words.number()?),
            b"TUPLTYPE" => _ = words.next()?,
            b"ENDHDR" => break,
            _ => return None,
        }
    }
    let (width, height, channels, most) = (width?, height?, depth?, most?);
    Some(Map { width, height, channels, most, plain: false, bits: false, start: words.at + 1 })
}

/// The words of a header. From a `#` to the end of its line it is a comment.
struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.bytes.get(self.at)? {
                b'#' => self.at += self.bytes.get(self.at..)?.iter().position(|byte| *byte == b'\n')?,
                blank if blank.is_ascii_whitespace() => self.at += 1,
                _ => break,
            }
        }
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'#')?;
        self.at += length;
        rest.get(..length)
    }

    fn number(&mut self) -> Option<u32> {
        let digits = self.next().filter(|word| word.iter().all(u8::is_ascii_digit))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_begins_like_an_anymap_is_none() {
        for (text, size) in [
            ("P1\n3 2\n101010", Some((3, 2))),
            ("P2\n# by hand\n3 2 # wide\n255\n0 1 2 3 4 5", Some((3, 2))),
            ("P3 1 1 9\n1 2 3", Some((1, 1))),
            ("P6\r\n1\t1\n255\nabc", Some((1, 1))),
            ("P5 1 1 255 a", Some((1, 1))),
            ("P4\n9 1\nab", Some((9, 1))),
            ("P7\nWIDTH 1\nHEIGHT 2\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabcdef", Some((1, 2))),
            ("P3 is a station in the north\n", None),
            ("P5 12 km\n", None),
            ("P8 1 1 255 a", None),
            ("P61 1 255 abc", None),
            ("P6 1 1 255", None),
            ("P6 -1 1 255 abc", None),
            ("P6 99999999999 1 255 abc", None),
            ("P7\nWIDTH 1\nENDHDR\n", None),
            ("P6", None),
            ("P", None),
        ] {
            assert_eq!(read(text.as_bytes()).map(|map| (map.width, map.height)), size, "{text}");
        }
        for cut in ["P6 1 1 255 ab", "P5 1 1 65535 a", "P1 3 2 10101", "P2 2 1 9 1", "P4 9 1 a"] {
            assert!(probe(cut.as_bytes()).is_err(), "{cut}");
        }
        for (digits, is_read) in [(1, true), (15, true), (31, false), (4096, false)] {
            let file = format!("P2 2 1 255 {}1 {}2", "0".repeat(digits - 1), "0".repeat(digits - 1));
            assert_eq!(probe(file.as_bytes()).is_ok(), is_read, "{digits}");
        }
        // Bits need no blank between them.
        assert!(probe(format!("P1 4096 1 {}", "0".repeat(4096)).as_bytes()).is_ok());
    }
}
