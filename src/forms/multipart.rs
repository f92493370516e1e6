//! `multipart/form-data` (RFC 7578) as fields: parts between boundaries (RFC 2046 §5.1.1), each with a header and a content.
//! The whole body is there, so that a content is a piece of it, and nothing is copied before its size is known.

use bytes::Bytes;

use super::{
    FormField, FormFile, FormLimits,
    parameters::{self, Parameters},
};
use crate::{
    error::{Error, ErrorKind, Result},
    fields::ows,
};

/// The longest boundary (RFC 2046 §5.1.1).
const LONGEST_BOUNDARY: usize = 70;

pub(super) fn fields(parameters: &Parameters<'_>, body: Bytes, limits: &FormLimits) -> Result<Vec<FormField>> {
    let boundary = parameters.value_of("boundary");
    let boundary = boundary.filter(|text| (1..=LONGEST_BOUNDARY).contains(&text.len()) && is_one_line(text));
    let boundary = boundary.ok_or_else(|| malformed("its Content-Type has no boundary that can be used"))?;
    let parts = Parts { body, delimiter: format!("\r\n--{boundary}").into_bytes() };
    let mut delimiter = parts.first().ok_or_else(|| malformed("its boundary is not in it"))?;
    let (mut fields, mut texts, mut files) = (Vec::new(), 0, 0);
    while !delimiter.is_last {
        let (header, start) = parts.header(delimiter.end, limits.header_size)?;
        let is_file = header.file_name.is_some();
        let (what, count, most) =
            if is_file { ("files", &mut files, limits.files) } else { ("fields", &mut texts, limits.fields) };
        *count += 1;
        FormLimits::check("body", what, *count, most)?;
        delimiter = parts.next(start).ok_or_else(cut_off)?;
        let content = parts.body.slice(start..delimiter.start);
        match is_file {
            true => FormLimits::check("file", "bytes", content.len(), limits.file_size)?,
            false => FormLimits::check("field", "bytes", content.len(), limits.field_size)?,
        }
        fields.extend(header.with(content));
    }
    Ok(fields)
}

fn is_one_line(text: &str) -> bool {
    !text.contains(['\r', '\n'])
}

/// A body with what separates its parts: a line break, two hyphens and the boundary.
struct Parts {
    body: Bytes,
    delimiter: Vec<u8>,
}

/// A delimiter in the body: the content before it ends at `start`, what comes after it begins at `end`.
struct Delimiter {
    start: usize,
    end: usize,
    is_last: bool,
}

impl Parts {
    /// The first delimiter, which may stand at the very start. What is before it is for readers that know no parts.
    fn first(&self) -> Option<Delimiter> {
        let at_start = self.body.starts_with(&self.delimiter[CRLF.len()..]);
        at_start.then(|| self.delimiter_line(0, self.delimiter.len() - CRLF.len())).flatten().or_else(|| self.next(0))
    }

    /// The next delimiter. The time is linear: one that is begun and not ended holds no line break but its first.
    fn next(&self, from: usize) -> Option<Delimiter> {
        let mut from = from;
        while let Some(offset) = self.body[from..].iter().position(|byte| *byte == b'\r') {
            let start = from + offset;
            if self.body[start..].starts_with(&self.delimiter)
                && let Some(delimiter) = self.delimiter_line(start, start + self.delimiter.len())
            {
                return Some(delimiter);
            }
            from = start + 1;
        }
        None
    }

    /// The rest of a delimiter's line behind the boundary: blanks, or the two hyphens that end the body. Anything else is a
    /// content in which the boundary stands by chance.
    fn delimiter_line(&self, start: usize, after: usize) -> Option<Delimiter> {
        let rest = &self.body[after..];
        if rest.starts_with(b"--") {
            return Some(Delimiter { start, end: after + 2, is_last: true });
        }
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let end = after + blanks + CRLF.len();
        rest[blanks..].starts_with(CRLF).then_some(Delimiter { start, end, is_last: false })
    }

    /// The header of a part, which ends with an empty line, and where its content starts.
    fn header(&self, start: usize, limit: usize) -> Result<(Header, usize)> {
        let (mut disposition, mut content_type, mut at) = (None, None, start);
        loop {
            let window = &self.body[at..self.body.len().min(start.saturating_add(limit))];
            // The empty line counts for nothing.
            if self.body[at..].starts_with(CRLF) {
                break;
            }
            let Some(length) = window.windows(CRLF.len()).position(|bytes| bytes == CRLF) else {
                let is_cut_off = at + window.len() == self.body.len();
                FormLimits::check("header of a part", "bytes", if is_cut_off { 0 } else { limit + 1 }, limit)?;
                return Err(cut_off());
            };
            let (name, value) = line(&window[..length])?;
            let field = match name.to_ascii_lowercase().as_str() {
                "content-disposition" => &mut disposition,
                "content-type" => &mut content_type,
                _ => &mut None,
            };
            field.get_or_insert(value);
            at += length + CRLF.len();
        }
        Ok((Header::of(disposition, content_type)?, at + CRLF.len()))
    }
}

const CRLF: &[u8] = b"\r\n";

/// One line of a header: its name, and its value as text. What is no UTF-8 becomes U+FFFD.
fn line(bytes: &[u8]) -> Result<(String, String)> {
    let line = String::from_utf8_lossy(bytes);
    let (name, value) = line.split_once(':').ok_or_else(|| malformed("a line of a part's header has no colon"))?;
    if value.contains(|c: char| c.is_ascii_control() && c != '\t') {
        return Err(malformed("a line of a part's header has a control character in it"));
    }
    Ok((name.to_owned(), ows::trim(value).to_owned()))
}

/// What a part says of itself.
struct Header {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
}

impl Header {
    fn of(disposition: Option<String>, content_type: Option<String>) -> Result<Self> {
        let disposition = disposition.ok_or_else(|| malformed("a part of it has no Content-Disposition"))?;
        let (kind, parameters) = parameters::read(&disposition);
        if !kind.eq_ignore_ascii_case("form-data") {
            return Err(malformed("a part of it is no form-data"));
        }
        // RFC 7578 §4.2 forbids `filename*`, and some libraries send it and `name*` all the same, and nothing else.
        let extended = |name: &str| parameters.value_of(name).map(|value| parameters::extended(&value));
        let named = |name: &str| parameters.value_of(name).map(|value| value.replace("%22", "\""));
        let name = named("name").or_else(|| extended("name*"));
        let name = name.ok_or_else(|| malformed("a part of it has no name"))?;
        let file_name = named("filename").or_else(|| extended("filename*"));
        Ok(Self { name, file_name, content_type })
    }

    /// The field; `None` for a file input where nobody chose a file.
    fn with(self, content: Bytes) -> Option<FormField> {
        match self.file_name {
            Some(file_name) if file_name.is_empty() && content.is_empty() => None,
            Some(file_name) => {
                Some(FormField::of_file(self.name, FormFile::new(file_name, self.content_type, content)))
            }
            None => Some(FormField::of_text(self.name, String::from_utf8_lossy(&content).into_owned())),
        }
    }
}

fn cut_off() -> Error {
    malformed("it is cut off")
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Form, format!("a form can't be read: {what}"))
}
