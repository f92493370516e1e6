//! What is wrong with a form, by field, with what the visitor wrote: for the page that shows the form again. It knows no
//! encoding, and not what makes a value right.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{
    Serialize, Serializer,
    de::DeserializeOwned,
    ser::{SerializeMap, SerializeStruct},
};
use serde_json::Value;

use super::{Form, typed};
use crate::{
    error::{Error, ErrorKind, Result},
    failure::Failure,
    hidden::Length,
};

/// The errors of a [`Form`] by field, and the text that the visitor wrote. Pass it to the page that shows the form again.
///
/// In a template it has two maps, `values` and `errors`. Their keys are the names of the fields:
///
/// | in a template | value |
/// |---|---|
/// | `form.values.title` | the text of the field, or a list if the form has the field more than once. Files are left out. |
/// | `form.errors.title` | the message. Several messages are joined by `; ` |
/// | `form.errors['']` | the message for the form as a whole |
///
/// ```html
/// <input name="title" value="{{ form.values.title }}"{% if form.errors.title %} aria-invalid="true"{% endif %}>
/// {% if form.errors.title %}<p class="error">{{ form.errors.title }}</p>{% endif %}
/// ```
///
/// The page that shows the form for the first time has the same template, and gets `FormErrors::default()`. If it edits something
/// that is stored, it gets [`FormErrors::of_values`]. Without any of them `form` is undefined, and `form.values.title` is an error
/// of the template, as an attribute of an undefined value.
///
/// The values are part of the page's arguments. A password is among them, if the form has one: do not show it again.
///
/// `?` converts it to an [`Error`] or a [`Failure`]. The visitor then gets the site's error page for the status 400.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::{Answer, ContentManager, forms::{Form, FormErrors}};
/// use http::StatusCode;
/// use serde::Deserialize;
/// use serde_json::json;
///
/// #[derive(Deserialize)]
/// struct Post {
///     title: String,
///     stars: u8,
/// }
///
/// fn read(form: &Form) -> Result<Post, FormErrors> {
///     let post: Post = form.check()?;
///     let mut errors = form.errors();
///     if post.title.is_empty() {
///         errors.add("title", "write a title");
///     }
///     errors.or(post)
/// }
///
/// fn create(content: &ContentManager, form: &Form) -> Answer {
///     match read(form) {
///         Ok(post) => Ok(content.see_other(&format!("/posts/{}", post.title))),
///         Err(errors) => {
///             let page = content.render_template("new.html", json!({ "form": errors }))?;
///             Ok(page.with_status(StatusCode::UNPROCESSABLE_ENTITY))
///         }
///     }
/// }
///
/// let form = Form::of_query(&"/?title=&stars=many".parse().unwrap())?;
/// let errors = read(&form).err().unwrap();
/// assert_eq!(errors.field("stars"), Some("a whole number from 0 to 255 is expected".to_owned()));
/// assert_eq!(
///     serde_json::to_value(&errors).unwrap(),
///     json!({
///         "values": { "title": "", "stars": "many" },
///         "errors": { "stars": "a whole number from 0 to 255 is expected" },
///     })
/// );
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct FormErrors {
    values: BTreeMap<String, Vec<String>>,
    messages: BTreeMap<String, Vec<String>>,
}

/// So many fields are looked for that are wrong: each takes the form to be read once more.
const MOST_FOUND: usize = 64;

impl Form {
    /// Reads the fields as a type of your own, or returns the errors of all fields, for a page that shows the form again.
    ///
    /// Types are read as [`deserialize`](Self::deserialize) reads them. All wrong and missing fields are reported, up to 64. To
    /// find the next error, the crate puts another value in the place of a wrong one. If a type of your own refuses all such
    /// values, only the errors found until then are reported.
    ///
    /// # Errors
    ///
    /// [`FormErrors`], with the name of each field and a plain sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::forms::Form;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Order {
    ///     product: u32,
    ///     amount: u8,
    ///     name: String,
    /// }
    ///
    /// let form = Form::of_query(&"/?product=vase&amount=300".parse().unwrap())?;
    /// let errors = form.check::<Order>().err().unwrap();
    /// let messages: Vec<_> = errors.messages().collect();
    /// assert_eq!(messages, [
    ///     ("amount", "a whole number from 0 to 255 is expected"),
    ///     ("name", "it is missing"),
    ///     ("product", "a whole number from 0 to 4294967295 is expected"),
    /// ]);
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn check<T: DeserializeOwned>(&self) -> Result<T, FormErrors> {
        let (mut errors, mut found) = (self.errors(), BTreeSet::new());
        loop {
            let (field, problem) = match typed::deserialize(self, &found) {
                Ok(value) => return errors.or(value),
                Err(refused) => refused.into_parts(),
            };
            let name = field.unwrap_or_default();
            // A field that is passed over fails for what the crate has put in its place: nothing more can be found.
            if found.contains(&name) {
                return Err(errors);
            }
            errors.add(&name, problem);
            if name.is_empty() || found.len() == MOST_FOUND {
                return Err(errors);
            }
            found.insert(name);
        }
    }

    /// A `FormErrors` with the values of the form and without messages. Use it for rules that your own code checks.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::forms::Form;
    ///
    /// let form = Form::of_query(&"/?name=Maya".parse().unwrap())?;
    /// let mut errors = form.errors();
    /// assert!(errors.is_empty());
    /// errors.add("name", "this name is taken");
    /// assert_eq!(errors.field("name").as_deref(), Some("this name is taken"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn errors(&self) -> FormErrors {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, text) in self.fields().filter_map(|field| Some((field.name(), field.text()?))) {
            values.entry(name.to_owned()).or_default().push(text.to_owned());
        }
        FormErrors { values, messages: BTreeMap::new() }
    }
}

impl FormErrors {
    /// A `FormErrors` with these values and without messages, for a form that edits something that is stored.
    ///
    /// The fields are those of the struct or map. The values are as the form sends them: numbers become texts, `true` becomes
    /// `on`, and a list becomes several texts. `false`, `None`, empty lists, structs and maps have no field.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Serialization`] if this is no struct or map, or if it can't be serialized.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::forms::FormErrors;
    /// use serde::Serialize;
    /// use serde_json::json;
    ///
    /// #[derive(Serialize)]
    /// struct Post {
    ///     title: &'static str,
    ///     stars: u8,
    ///     is_public: bool,
    ///     tags: [&'static str; 2],
    /// }
    ///
    /// let post = Post { title: "Blue glaze", stars: 5, is_public: true, tags: ["glazes", "blue"] };
    /// let form = FormErrors::of_values(&post)?;
    /// assert_eq!(
    ///     serde_json::to_value(&form).unwrap(),
    ///     json!({
    ///         "values": { "title": "Blue glaze", "stars": "5", "is_public": "on", "tags": ["glazes", "blue"] },
    ///         "errors": {},
    ///     })
    /// );
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn of_values(values: &impl Serialize) -> Result<Self> {
        let values = serde_json::to_value(values).map_err(|error| {
            Error::caused(ErrorKind::Serialization, "the values of a form have no JSON form", error)
        })?;
        let Value::Object(values) = values else {
            return Err(Error::new(ErrorKind::Serialization, "the values of a form are a struct or a map"));
        };
        let values = values.into_iter().map(|(name, value)| (name, texts(value)));
        Ok(Self { values: values.filter(|(_, texts)| !texts.is_empty()).collect(), messages: BTreeMap::new() })
    }

    /// Adds a message to a field. The empty name stands for the form as a whole.
    pub fn add(&mut self, field: &str, message: impl Into<String>) {
        self.messages.entry(field.to_owned()).or_default().push(message.into());
    }

    /// Whether there are no messages.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages of a field, as a template sees them.
    pub fn field(&self, name: &str) -> Option<String> {
        self.messages.get(name).map(|messages| messages.join("; "))
    }

    /// All messages with the names of their fields, in the order of the names.
    pub fn messages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.messages.iter().flat_map(|(name, messages)| messages.iter().map(|text| (name.as_str(), text.as_str())))
    }

    /// Returns the value if there are no messages.
    ///
    /// # Errors
    ///
    /// These messages.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::forms::FormErrors;
    ///
    /// assert_eq!(FormErrors::default().or(7), Ok(7));
    /// ```
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

/// What a form sends for a value.
fn texts(value: Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text],
        Value::Number(number) => vec![number.to_string()],
        Value::Bool(true) => vec!["on".to_owned()],
        Value::Array(values) => values.into_iter().flat_map(texts).collect(),
        Value::Bool(false) | Value::Null | Value::Object(_) => Vec::new(),
    }
}

/// The site's page for a form that is malformed, with the first message as its detail.
impl From<FormErrors> for Error {
    fn from(errors: FormErrors) -> Self {
        let (name, problem) = errors.messages().next().unwrap_or_default();
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        // The words may be the site's own, which may repeat what the visitor wrote.
        Self::in_field(name, problem.to_owned(), false)
    }
}

impl From<FormErrors> for Failure {
    fn from(errors: FormErrors) -> Self {
        Self::new(Error::from(errors))
    }
}

impl Serialize for FormErrors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("FormErrors", 2)?;
        form.serialize_field("values", &Values(&self.values))?;
        form.serialize_field("errors", &Messages(&self.messages))?;
        form.end()
    }
}

struct Values<'a>(&'a BTreeMap<String, Vec<String>>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, texts) in self.0 {
            match &texts[..] {
                [text] => map.serialize_entry(name, text)?,
                texts => map.serialize_entry(name, texts)?,
            }
        }
        map.end()
    }
}

struct Messages<'a>(&'a BTreeMap<String, Vec<String>>);

impl Serialize for Messages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, messages)| (name, messages.join("; "))))
    }
}

/// Without what the visitor wrote, which may be a password.
impl fmt::Debug for FormErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormErrors")
            .field("values", &Length(self.values.values().flatten().map(String::len).sum()))
            .field("fields", &self.messages.keys())
            .finish()
    }
}
