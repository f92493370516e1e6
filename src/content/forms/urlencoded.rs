//! `application/x-www-form-urlencoded` (the URL Standard, §5): as fields, and as a serde type. The only file that knows
//! the two crates for it.

use serde::de::DeserializeOwned;

use super::{FormField, FormLimits};
use crate::error::{Error, ErrorKind, Result};

/// The fields in their order; what is no UTF-8 becomes U+FFFD. No input is malformed.
pub(super) fn fields(body: &[u8], limits: &FormLimits) -> Result<Vec<FormField>> {
    let mut fields = Vec::new();
    for (name, value) in form_urlencoded::parse(body) {
        FormLimits::check("body", "fields", fields.len() + 1, limits.fields)?;
        FormLimits::check("name of a field", "bytes", name.len(), limits.header_size)?;
        FormLimits::check("field", "bytes", value.len(), limits.field_size)?;
        fields.push(FormField::of_text(name.into_owned(), value.into_owned()));
    }
    Ok(fields)
}

/// Texts of whatever encoding as a type; they are written as urlencoded first, so that both read alike.
pub(super) fn deserialize<'a, T: DeserializeOwned>(texts: impl Iterator<Item = (&'a str, &'a str)>) -> Result<T> {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    texts.for_each(|(name, text)| _ = encoded.append_pair(name, text));
    serde_html_form::from_str(&encoded.finish())
        .map_err(|error| Error::caused(ErrorKind::Form, "a form is not what was expected", error))
}
