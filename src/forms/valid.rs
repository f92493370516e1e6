//! Rules that a type declares by `garde`. The only file that knows that crate.

use garde::Validate;
use serde::de::DeserializeOwned;

use super::{Form, FormErrors};
use crate::error::Result;

impl Form {
    /// Like [`check`](Self::check), and also checks the rules that the type declares with the crate
    /// [`garde`](https://docs.rs/garde).
    ///
    /// The rules are checked after all fields have the right types. The messages come from garde or from the type. A message
    /// belongs to the Rust name of its field, so do not use `#[serde(rename)]`.
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
        if let Err(report) = value.validate() {
            report.iter().for_each(|(path, error)| errors.add(&path.to_string(), error.message()));
        }
        errors.or(value)
    }
}
