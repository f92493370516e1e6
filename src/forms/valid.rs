//! Rules that a type declares by `garde`. The only file that knows that crate.

use garde::Validate;
use serde::de::DeserializeOwned;

use super::{Form, FormErrors};
use crate::error::Result;

impl Form {
    /// As [`check`](Self::check), with the rules that the type declares by the crate [`garde`](https://docs.rs/garde).
    ///
    /// The rules are asked once all fields have the right types. A message is garde's, or the one that the type declares, and
    /// stands at its field's Rust name: give a field no other name by `#[serde(rename)]`.
    ///
    /// The site's manifest needs `garde` too, in the version that this crate has, with the feature `derive`.
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
