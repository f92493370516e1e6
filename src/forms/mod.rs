//! Forms that a visitor sent: [`Form`] reads the fields and files of a request, within [`FormLimits`].
//!
//! How a body becomes a form, each step in the module of that name:
//!
//! 1. `limits` how much of one is taken, and reading its body within that
//! 2. `multipart` and `urlencoded` the two encodings, as fields
//! 3. `parameters` the parameters of Content-Type and Content-Disposition
//! 4. `file` what was uploaded
//! 5. `typed` fields as a type of the site's own
//! 6. `errors` what is wrong with a form, for the page that shows it again
//!
//! It does not know what a form is for, nor who may send it.

mod errors;
#[cfg(feature = "axum")]
mod extract;
mod file;
mod limits;
mod multipart;
mod parameters;
mod typed;
mod urlencoded;
#[cfg(feature = "garde")]
mod valid;

use std::{collections::BTreeSet, fmt};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header, request::Parts};
use http_body::Body as HttpBody;
use serde::de::DeserializeOwned;

use self::typed::Refused;
pub use self::{errors::FormErrors, file::FormFile, limits::FormLimits};
use crate::{
    error::{BoxError, Error, ErrorKind, Result},
    error_response::ForeignCoding,
    hidden::Length,
};

/// A form that a visitor sent: its fields and files in the order of the page.
///
/// It is read from a request whose Content-Type is `application/x-www-form-urlencoded` or `multipart/form-data`
/// (RFC 7578), the two that an HTML form has. Front doors hand bodies over as text or in base64; both have been decoded by
/// then. All of it is in memory, as the event was.
///
/// - Text is UTF-8; what is none becomes U+FFFD, as browsers and other servers do.
/// - Fields with one name stay several ([`texts`](Self::texts), [`files`](Self::files)).
/// - A file input where nobody chose a file is not there: browsers send it as an empty part without a name.
/// - In names, `%22` is a quotation mark, as browsers write it (HTML, "multipart/form-data encoding algorithm"). Line breaks
///   stay encoded.
///
/// # Errors
///
/// What can't be read is an [`Error`] with the status that its sender should get; returned by a handler, it becomes the
/// site's error page.
///
/// | kind | status | when |
/// |---|---|---|
/// | [`ErrorKind::Form`] | 400 | it is malformed or cut off, or is not what [`deserialize`](Self::deserialize) wants |
/// | [`ErrorKind::FormTooLarge`] | 413 | it exceeds [`FormLimits`] |
/// | [`ErrorKind::FormType`] | 415 | its Content-Type is neither of the two, or missing; or it has a Content-Encoding, such as `gzip` (with `Accept-Encoding: identity`) |
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::forms::Form;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Order {
///     name: String,
///     #[serde(default)]
///     extras: Vec<String>, // a group of checkboxes, perhaps none
///     gift: Option<String>, // one checkbox
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let request = http::Request::post("/order")
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body("name=N%C3%BAria&extras=ribbon&extras=card".to_owned())?;
/// let form = Form::read(request).await?;
/// assert_eq!(form.text("name"), Some("Núria"));
/// assert_eq!(form.texts("extras").collect::<Vec<_>>(), ["ribbon", "card"]);
///
/// let order: Order = form.deserialize()?;
/// assert_eq!((order.name.as_str(), order.extras.len(), order.gift), ("Núria", 2, None));
/// # Ok::<(), chalice_http_toolkit::BoxError>(())
/// # }).unwrap();
/// ```
///
/// With an upload, and limits of its own:
///
/// ```
/// use chalice_http_toolkit::{ErrorKind, forms::{Form, FormLimits}};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let body = "--x\r\n\
///     Content-Disposition: form-data; name=\"photo\"; filename=\"C:\\pictures\\me.gif\"\r\n\
///     Content-Type: image/png\r\n\r\n\
///     GIF89a..\r\n--x--\r\n";
/// let request = || {
///     let request = http::Request::post("/photo").header("content-type", "multipart/form-data; boundary=x");
///     request.body(body.to_owned()).unwrap()
/// };
/// let form = Form::read(request()).await?;
/// let photo = form.file("photo").unwrap();
/// assert_eq!(photo.file_name(), "C:\\pictures\\me.gif"); // as it was sent
/// assert_eq!(photo.safe_name().as_deref(), Some("me.gif"));
/// assert_eq!(photo.content_type(), Some("image/png")); // what the sender says
/// assert_eq!(photo.media_type(), "image/gif"); // what it is
/// assert_eq!(form.files("photo").count(), 1); // an input with `multiple` has more
///
/// let error = FormLimits::new().with_file_size(4).read(request()).await.unwrap_err();
/// assert_eq!((error.kind(), error.status().as_u16()), (ErrorKind::FormTooLarge, 413));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// # }).unwrap();
/// ```
///
/// An axum handler takes one as its last argument (feature `axum`):
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Extension, Router, routing::post};
/// use chalice_http_toolkit::forms::{Form, FormLimits};
///
/// async fn sign_up(form: Form) -> String {
///     format!("Hello, {}", form.text("name").unwrap_or("you"))
/// }
/// let limits = FormLimits::new().with_fields(20);
/// let router: Router = Router::new().route("/sign-up", post(sign_up)).layer(Extension(limits));
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    fields: Vec<FormField>,
    /// Whether its encoding can have files.
    has_files: bool,
}

/// One field of a [`Form`]: a name with a text or a file.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::forms::Form;
///
/// let form = Form::of_query(&"/search?q=bowl&q=blue".parse().unwrap())?;
/// let fields: Vec<_> = form.fields().map(|field| (field.name(), field.text())).collect();
/// assert_eq!(fields, [("q", Some("bowl")), ("q", Some("blue"))]);
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct FormField {
    name: String,
    content: Content,
}

/// Characters of a media type that a stranger made up, in the log.
const LONGEST_SHOWN: usize = 100;

#[derive(Clone, PartialEq)]
enum Content {
    Text(String),
    File(FormFile),
}

impl Form {
    /// The form that a request carries in its body, within the [`FormLimits`] in its extensions, or else the default ones. A GET
    /// request has its form in the query: [`of_query`](Self::of_query) reads it.
    ///
    /// # Errors
    ///
    /// As [above](Self#errors); [`ErrorKind::Body`] where the body breaks off.
    pub async fn read<B>(request: Request<B>) -> Result<Self>
    where
        B: HttpBody,
        B::Error: Into<BoxError>,
    {
        let limits = request.extensions().get::<FormLimits>().copied().unwrap_or_default();
        limits.read(request).await
    }

    /// The form of a GET request, which stands in the query of its URL. The default [`FormLimits`] apply.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::FormTooLarge`].
    ///
    /// # Examples
    ///
    /// A handler of axum takes the `Uri` for it:
    ///
    /// ```
    /// use chalice_http_toolkit::{Answer, BoxError, forms::Form};
    /// use http::Uri;
    ///
    /// async fn search(uri: Uri) -> Answer<String> {
    ///     let form = Form::of_query(&uri)?;
    ///     Ok(format!("You look for {}.", form.text("q").unwrap_or("nothing")))
    /// }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// assert_eq!(search("/search?q=a+bowl".parse()?).await?, "You look for a bowl.");
    /// # Ok::<(), BoxError>(())
    /// # }).unwrap();
    /// ```
    pub fn of_query(uri: &Uri) -> Result<Self> {
        let fields = urlencoded::fields(uri.query().unwrap_or_default().as_bytes(), &FormLimits::default())?;
        Ok(Self { fields, has_files: false })
    }

    fn parse(request: &Parts, body: Bytes, limits: &FormLimits) -> Result<Self> {
        let is_coded = |coding: &HeaderValue| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
        if request.headers.get_all(header::CONTENT_ENCODING).iter().any(is_coded) {
            return Err(Error::caused(ErrorKind::FormType, "a form can't be read", ForeignCoding));
        }
        let content_type = request.headers.get(header::CONTENT_TYPE);
        let content_type =
            content_type.ok_or_else(|| Error::new(ErrorKind::FormType, nothing_says(&request.method)))?;
        let content_type = String::from_utf8_lossy(content_type.as_bytes());
        let (essence, parameters) = parameters::read(&content_type);
        let (fields, has_files) = match essence.to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => (urlencoded::fields(&body, limits)?, false),
            "multipart/form-data" => (multipart::fields(&parameters, body, limits)?, true),
            other => {
                let shown: String = other.chars().take(LONGEST_SHOWN).collect();
                return Err(Error::new(ErrorKind::FormType, format!("a form was expected, not `{shown}`")));
            }
        };
        Ok(Self { fields, has_files })
    }

    /// All fields, in the order in which they were sent.
    pub fn fields(&self) -> impl Iterator<Item = &FormField> {
        self.fields.iter()
    }

    /// The text of the first field of this name; `None` where there is none, or where it is a file.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// The texts of all fields of this name: checkboxes, a `<select multiple>`.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |field| field.name == name).filter_map(FormField::text)
    }

    /// The first file of this name; `None` where none was chosen. Only a form with `enctype="multipart/form-data"` sends files.
    /// Without it the browser sends the file's name as a text, and this is `None` too. [`FormFile`] as the type of a field tells
    /// the two apart.
    pub fn file(&self, name: &str) -> Option<&FormFile> {
        self.files(name).next()
    }

    /// All files of this name: `<input type="file" multiple>`.
    pub fn files(&self, name: &str) -> impl Iterator<Item = &FormFile> {
        self.fields.iter().filter(move |field| field.name == name).filter_map(FormField::file)
    }

    /// The fields as a type of the site's own. Both encodings give the same. [`check`](Self::check) is for a form that is shown
    /// again with what is wrong.
    ///
    /// Fields with one name become a `Vec`. A `bool` is `true` or `on`, as a checkbox sends it, or `false`. A browser sends nothing
    /// for a checkbox that is not ticked, so a `Vec` or `bool` for checkboxes needs `#[serde(default)]`: it is then empty or `false`.
    /// Without that the field is missing, which is an error. An `Option` is `None` where its field is missing or empty. A number is
    /// finite; an enum is the name of one of its variants. A struct inside of a struct has no place in a form, but for
    /// `#[serde(flatten)]`. In that, and in an enum with a `tag`, all fields are texts, and an empty one is no `None`. A file is
    /// a [`FormFile`], in a field of the outermost struct; elsewhere files are left out. If a field of the struct has the name of a
    /// field with a file and another type than `FormFile`, this is an error, and the file is not dropped without a word. Give the
    /// field another name, or leave it out of the struct and read the file with [`file`](Self::file).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Form`], with status 400, where a field is missing, or is not what the type wants.
    /// [`Error::field`] names it and says what was expected; so do the log and the site's error page. What the visitor wrote
    /// is in none of them.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        typed::deserialize(self, &BTreeSet::new()).map_err(Refused::into_error)
    }
}

/// Why there is no form where there is no Content-Type.
fn nothing_says(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => {
            "a form was expected in the body, which a GET request has not: read its query by Form::of_query"
        }
        _ => "a form was expected, and nothing says what came",
    }
}

impl FormField {
    fn of_text(name: String, text: String) -> Self {
        Self { name, content: Content::Text(text) }
    }

    fn of_file(name: String, file: FormFile) -> Self {
        Self { name, content: Content::File(file) }
    }

    /// The name, as the page has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text, if it is no file.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::File(_) => None,
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&FormFile> {
        match &self.content {
            Content::Text(_) => None,
            Content::File(file) => Some(file),
        }
    }
}

/// Without the text, which may be a password.
impl fmt::Debug for FormField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("FormField");
        debug.field("name", &self.name);
        match &self.content {
            Content::Text(text) => debug.field("text", &Length(text.len())),
            Content::File(file) => debug.field("file", file),
        };
        debug.finish()
    }
}
