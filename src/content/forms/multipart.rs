//! `multipart/form-data` (RFC 7578) as fields. The only file that knows the parser of multipart bodies; what the fields of
//! a part mean is read here, since senders differ more than that parser allows for.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, stream};
use http::{HeaderMap, header};
use multer::{Field, Multipart};

use super::{
    FormField, FormFile, FormLimits,
    parameters::{self, Parameter},
};
use crate::error::{Error, ErrorKind, Result};

/// The longest boundary (RFC 2046 §5.1.1).
const LONGEST_BOUNDARY: usize = 70;

pub(super) fn fields(parameters: &[Parameter], body: Bytes, limits: &FormLimits) -> Result<Vec<FormField>> {
    let boundary = parameters.iter().find(|parameter| parameter.name == "boundary").map(|found| found.value.as_str());
    let boundary = boundary.filter(|text| (1..=LONGEST_BOUNDARY).contains(&text.len()) && is_one_line(text));
    let boundary = boundary.ok_or_else(|| malformed("its Content-Type has no boundary that can be used"))?;
    let parts = parts(Multipart::new(stream::iter([Ok::<_, Infallible>(body)]), boundary), limits);
    // All of the body is there: nothing is waited for.
    parts.now_or_never().unwrap_or_else(|| Err(malformed("it is cut off")))
}

fn is_one_line(text: &str) -> bool {
    !text.contains(['\r', '\n'])
}

async fn parts(mut multipart: Multipart<'static>, limits: &FormLimits) -> Result<Vec<FormField>> {
    let (mut fields, mut texts, mut files) = (Vec::new(), 0, 0);
    while let Some(part) = multipart.next_field().await.map_err(unreadable)? {
        let described = Described::of(part.headers())?;
        let is_file = described.file_name.is_some();
        match is_file {
            true => FormLimits::check(
                "body",
                "files",
                {
                    files += 1;
                    files
                },
                limits.files,
            )?,
            false => FormLimits::check(
                "body",
                "fields",
                {
                    texts += 1;
                    texts
                },
                limits.fields,
            )?,
        }
        let bytes = content(part).await?;
        match is_file {
            true => FormLimits::check("file", "bytes", bytes.len(), limits.file_size)?,
            false => FormLimits::check("field", "bytes", bytes.len(), limits.field_size)?,
        }
        fields.extend(described.with(bytes));
    }
    Ok(fields)
}

/// The bytes of a part. The parser has the whole body and gives them as one piece of it.
async fn content(mut part: Field<'static>) -> Result<Bytes> {
    let first = part.chunk().await.map_err(unreadable)?.unwrap_or_default();
    let Some(second) = part.chunk().await.map_err(unreadable)? else { return Ok(first) };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while let Some(more) = part.chunk().await.map_err(unreadable)? {
        all.extend_from_slice(&more);
    }
    Ok(all.freeze())
}

/// What a part says of itself.
struct Described {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
}

impl Described {
    fn of(headers: &HeaderMap) -> Result<Self> {
        let disposition = headers.get(header::CONTENT_DISPOSITION).map(|value| parameters::read(value.as_bytes()));
        let (kind, parameters) = disposition.ok_or_else(|| malformed("a part of it has no Content-Disposition"))?;
        if !kind.eq_ignore_ascii_case("form-data") {
            return Err(malformed("a part of it is no form-data"));
        }
        let find = |name: &str| parameters.iter().find(|parameter| parameter.name == name);
        let named = |name: &str| find(name).map(|parameter| parameter.value.replace("%22", "\""));
        let name = named("name").ok_or_else(|| malformed("a part of it has no name"))?;
        // RFC 7578 §4.2 forbids `filename*`, and some libraries send it all the same, and nothing else.
        let extended = || find("filename*").map(|parameter| parameters::extended(&parameter.value));
        let file_name = named("filename").or_else(extended);
        let content_type = headers.get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        Ok(Self { name, file_name, content_type })
    }

    /// The field; `None` for a file input where nobody chose a file.
    fn with(self, bytes: Bytes) -> Option<FormField> {
        match self.file_name {
            Some(file_name) if file_name.is_empty() && bytes.is_empty() => None,
            Some(file_name) => Some(FormField::of_file(self.name, FormFile::new(file_name, self.content_type, bytes))),
            None => Some(FormField::of_text(self.name, String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Form, format!("a form can't be read: {what}"))
}

fn unreadable(error: multer::Error) -> Error {
    Error::caused(ErrorKind::Form, "a form can't be read", error)
}
