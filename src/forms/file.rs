//! A file in a form. Only its bytes can be trusted, not its name or type.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

use crate::{download::is_invisible, fields::media_type};

/// A file that came with a [`Form`](crate::forms::Form).
///
/// Its name and its type are whatever the sender wrote. SECURITY: store a file under a name of your own (an id, a hash) and
/// keep the sender's as text; decide by [`media_type`](Self::media_type) what it is, and whether it is an image by
/// `Images::inspect`, as the first bytes of one are none.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{ContentManager, Representation, forms::Form};
///
/// fn picture(content: &ContentManager, form: &Form) -> Representation {
///     match form.file("picture") {
///         Some(file) if file.media_type() == "image/png" => content.asset(file.bytes().clone()),
///         _ => content.not_found(),
///     }
/// }
/// ```
///
/// A field of a type of the site's own, which [`Form::check`](crate::forms::Form::check) reads:
///
/// ```
/// use chalice_http_toolkit::forms::FormFile;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Entry {
///     title: String,
///     cover: FormFile, // must be there
///     sketch: Option<FormFile>,
///     #[serde(default)]
///     photos: Vec<FormFile>, // `<input type="file" multiple>`
/// }
/// ```
#[derive(Clone, PartialEq)]
pub struct FormFile {
    file_name: String,
    content_type: Option<String>,
    bytes: Bytes,
}

/// More characters of a name than anybody reads.
const LONGEST_NAME: usize = 100;

/// The name by which serde's [`Deserialize`] asks a form for a file. No type can be called so.
pub(super) const TYPE: &str = "a file of a form";

pub(super) static EMPTY: FormFile = FormFile { file_name: String::new(), content_type: None, bytes: Bytes::new() };

impl FormFile {
    pub(super) fn new(file_name: String, content_type: Option<String>, bytes: Bytes) -> Self {
        Self { file_name, content_type, bytes }
    }

    /// The name as it was sent, perhaps empty. SECURITY: never a path, even where it looks like one: it may have `..`,
    /// slashes, backslashes, NUL and whatever else a stranger likes (RFC 7578 §4.2).
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// A name to show, or to offer for a download: what follows the last slash or backslash, without control characters,
    /// without what is special in the names of some system (`<>:"|?*`), without dots at the start, at most 100
    /// characters long. `None` where nothing is left. Two files may have the same.
    ///
    /// # Examples
    ///
    /// ```
    /// # use chalice_http_toolkit::forms::Form;
    /// # fn safe(name: &str) -> Option<String> {
    /// #     let body = format!("--x\r\nContent-Disposition: form-data; name=f; filename=\"{name}\"\r\n\r\n.\r\n--x--");
    /// #     let request = http::Request::post("/").header("content-type", "multipart/form-data; boundary=x").body(body);
    /// #     let form = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(Form::read(request.unwrap()));
    /// #     form.unwrap().file("f").unwrap().safe_name()
    /// # }
    /// assert_eq!(safe("../../etc/passwd").as_deref(), Some("passwd"));
    /// assert_eq!(safe("C:\\photos\\Übersicht 1.png").as_deref(), Some("Übersicht 1.png"));
    /// assert_eq!(safe(".htaccess").as_deref(), Some("htaccess"));
    /// assert_eq!(safe(".."), None);
    /// ```
    pub fn safe_name(&self) -> Option<String> {
        let base = self.file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        let kept = base.chars().filter(|c| !c.is_control() && !is_invisible(*c) && !r#"<>:"|?*"#.contains(*c));
        let kept: String = kept.collect();
        let name = kept.trim().trim_start_matches('.').trim_start();
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let name = name.trim_end();
        (!name.is_empty()).then(|| name.to_owned())
    }

    /// The Content-Type that the sender gave, which may be wrong on purpose.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The media type, told from the content: `text/plain; charset=utf-8` for what is text, HTML and SVG too;
    /// `application/octet-stream` for what is not recognised.
    pub fn media_type(&self) -> &'static str {
        media_type::sniff(&self.bytes)
    }

    /// The content. A clone shares it.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Without the content, which is the visitor's and may be long.
impl fmt::Debug for FormFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("FormFile");
        debug.field("file_name", &self.file_name).field("content_type", &self.content_type);
        debug.field("size", &self.bytes.len()).finish()
    }
}

/// From a [`Form`](crate::forms::Form) alone, as a field of a struct.
impl<'de> Deserialize<'de> for FormFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TYPE, FileVisitor)
    }
}

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = FormFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<FormFile, A::Error> {
        let cut = || de::Error::invalid_length(0, &self);
        let file_name: String = parts.next_element()?.ok_or_else(cut)?;
        let content_type: Option<String> = parts.next_element()?.ok_or_else(cut)?;
        let bytes: &[u8] = parts.next_element()?.ok_or_else(cut)?;
        Ok(FormFile::new(file_name, content_type, Bytes::copy_from_slice(bytes)))
    }
}
