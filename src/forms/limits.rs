//! Limits for the size and number of fields of a form. It knows no encoding.

use bytes::Bytes;
use http::Request;
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Form;
use crate::{
    body::LARGEST,
    error::{BoxError, Error, ErrorKind, Result},
};

/// How much of a [`Form`] is taken; what has more is answered with 413. The front door has limits too ([`Front`](crate::Front)):
/// 6 MiB for an event, in which base64 takes a third more, so that files of about 4.7 million bytes arrive.
///
/// | limit | default |
/// |---|---|
/// | [`with_fields`](Self::with_fields) | 1,000 |
/// | [`with_field_size`](Self::with_field_size) | 512 KiB |
/// | [`with_header_size`](Self::with_header_size) | 8 KiB |
/// | [`with_files`](Self::with_files) | 100 |
/// | [`with_file_size`](Self::with_file_size) | 6 MiB |
/// | [`with_total_size`](Self::with_total_size) | 6 MiB |
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ErrorKind, forms::FormLimits};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let request = http::Request::post("/")
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body("a=1&b=2&c=3".to_owned())?;
/// let error = FormLimits::new().with_fields(2).read(request).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::FormTooLarge);
/// # Ok::<(), http::Error>(())
/// # }).unwrap();
/// ```
///
/// For a short text with two photos:
///
/// ```
/// use chalice_http_toolkit::{ErrorKind, forms::FormLimits};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let limits = FormLimits::new().with_field_size(1_000).with_files(2).with_total_size(100_000).with_header_size(200);
/// let request = |text, photos, size| {
///     let part = |what, size| format!("--x\r\nContent-Disposition: {what}\r\n\r\n{}\r\n", "a".repeat(size));
///     let photo = part("form-data; name=photo; filename=a.png", size);
///     let body = part("form-data; name=text", text) + &photo.repeat(photos) + "--x--";
///     http::Request::post("/").header("content-type", "multipart/form-data; boundary=x").body(body).unwrap()
/// };
/// assert!(limits.read(request(1_000, 2, 40_000)).await.is_ok());
/// for (text, photos, size) in [(1_001, 2, 40_000), (1_000, 3, 10), (1_000, 2, 50_000)] {
///     let error = limits.read(request(text, photos, size)).await.unwrap_err();
///     assert_eq!(error.kind(), ErrorKind::FormTooLarge);
/// }
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormLimits {
    pub(super) fields: usize,
    pub(super) field_size: usize,
    pub(super) header_size: usize,
    pub(super) files: usize,
    pub(super) file_size: usize,
    pub(super) total_size: usize,
}

impl Default for FormLimits {
    fn default() -> Self {
        Self {
            fields: 1_000,
            field_size: 512 * 1024,
            header_size: 8 * 1024,
            files: 100,
            file_size: LARGEST,
            total_size: LARGEST,
        }
    }
}

impl FormLimits {
    /// The default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most fields that are no files. Default: 1,000.
    pub fn with_fields(mut self, fields: usize) -> Self {
        self.fields = fields;
        self
    }

    /// The most bytes of the text of one field. Default: 512 KiB.
    pub fn with_field_size(mut self, bytes: usize) -> Self {
        self.field_size = bytes;
        self
    }

    /// The most bytes of what one field says of itself: of a urlencoded field its name, of a part its header lines, in which
    /// are the field's name, the file's name and the type. Default: 8 KiB.
    pub fn with_header_size(mut self, bytes: usize) -> Self {
        self.header_size = bytes;
        self
    }

    /// The most files; inputs where no file was chosen count. Default: 100.
    pub fn with_files(mut self, files: usize) -> Self {
        self.files = files;
        self
    }

    /// The most bytes of one file. Default: 6 MiB.
    pub fn with_file_size(mut self, bytes: usize) -> Self {
        self.file_size = bytes;
        self
    }

    /// The most bytes of the body with all that is in it. Default: 6 MiB.
    pub fn with_total_size(mut self, bytes: usize) -> Self {
        self.total_size = bytes;
        self
    }

    /// The form that a request carries, within these limits.
    ///
    /// # Errors
    ///
    /// As [`Form`] says; [`ErrorKind::Body`] where the body breaks off.
    pub async fn read<B>(&self, request: Request<B>) -> Result<Form>
    where
        B: HttpBody,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let body = self.whole(body).await?;
        Form::parse(&parts, body, self)
    }

    async fn whole<B>(&self, body: B) -> Result<Bytes>
    where
        B: HttpBody,
        B::Error: Into<BoxError>,
    {
        let collected = Limited::new(body, self.total_size).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return too_large("body", "bytes", self.total_size);
            }
            Error::caused(ErrorKind::Body, "the body of a form broke off", error)
        })?;
        Ok(collected.to_bytes())
    }

    /// Refuses a number, of `unit`s of a `part` of a form, that exceeds its limit.
    pub(super) fn check(part: &str, unit: &str, number: usize, limit: usize) -> Result<()> {
        if number > limit { Err(too_large(part, unit, limit)) } else { Ok(()) }
    }
}

fn too_large(part: &str, unit: &str, limit: usize) -> Error {
    Error::new(ErrorKind::FormTooLarge, format!("the {part} of a form has more than {limit} {unit} (see FormLimits)"))
}
