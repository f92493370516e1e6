//! Rules that a type declares by `garde`. The only file that knows that crate.

use garde::Validate;
use serde::de::DeserializeOwned;

use super::{Form, FormErrors, typed};
use crate::error::Result;

impl Form {
    /// Like [`check`](Self::check), and also checks the rules that the type declares with the crate
    /// [`garde`](https://docs.rs/garde).
    ///
    /// The rules are checked after all fields have the right types. The messages come from garde or from the type. A message
    /// belongs to the field that has the Rust name: for `tags[0]`, an element of a list, to `tags`, and for `address.street`, a field
    /// of a flattened struct, to `street`. If neither the type nor the form has a field of such a name, as with `#[serde(rename)]`,
    /// the message is one for the form as a whole, and the path is in it.
    ///
    /// The `Cargo.toml` of the site needs `garde` too, in the same version as this crate, with the feature `derive`.
    ///
    /// # Errors
    ///
    /// [`FormErrors`], with each field that is wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::forms::Form;
    /// use garde::Validate;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize, Validate)]
    /// struct SignUp {
    ///     #[garde(length(chars, min = 2, max = 40))]
    ///     name: String,
    ///     #[garde(range(min = 18))]
    ///     age: u8,
    /// }
    ///
    /// let form = Form::of_query(&"/?name=M&age=7".parse().unwrap())?;
    /// let errors = form.check_valid::<SignUp>().err().unwrap();
    /// assert_eq!(errors.field("name").as_deref(), Some("length is lower than 2"));
    /// assert_eq!(errors.field("age").as_deref(), Some("lower than 18"));
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn check_valid<T>(&self) -> Result<T, FormErrors>
    where
        T: DeserializeOwned + Validate<Context: Default>,
    {
        let value: T = self.check()?;
        let mut errors = self.errors();
        let Err(report) = value.validate() else { return errors.or(value) };
        let expected = typed::expected::<T>();
        let is_there = |name: &&str| expected.contains(name) || self.fields().any(|field| field.name() == *name);
        for (path, error) in report.iter() {
            let path = path.to_string();
            match path.rsplit('.').map(name).find(is_there) {
                Some(field) => errors.add(field, error.message()),
                None if path.is_empty() => errors.add("", error.message()),
                // No field of the page shows it.
                None => errors.add("", format!("{path}: {}", error.message())),
            }
        }
        Err(errors)
    }
}

/// The name of a field in a part of garde's path, such as `tags[0]` or `r#type`.
fn name(part: &str) -> &str {
    let name = part.split('[').next().unwrap_or_default();
    name.strip_prefix("r#").unwrap_or(name)
}
