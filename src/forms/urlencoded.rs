//! `application/x-www-form-urlencoded` (the URL Standard, §5) as fields. The only file that knows the crate for it.

use super::{FormField, FormLimits};
use crate::error::Result;

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
