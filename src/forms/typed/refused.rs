//! Why a form is not what was expected, without anything that a visitor wrote. It knows no type.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use crate::error::Error;

/// Why a form is not what was expected.
#[derive(Debug)]
pub(in crate::forms) struct Refused {
    field: Option<String>,
    problem: String,
    /// The text that is refused, where serde tells it: what it reads ahead (a flattened struct, a tagged enum) has no name.
    text: Option<String>,
    /// Whether the words are ours, or those of a type of the site's that may repeat what the visitor wrote.
    is_ours: bool,
    /// Whether a text came for a file.
    lacks_file: bool,
}

impl Refused {
    pub(super) fn because(problem: impl Into<String>) -> Self {
        Self { field: None, problem: problem.into(), text: None, is_ours: true, lacks_file: false }
    }

    pub(super) fn no_file() -> Self {
        Self { lacks_file: true, ..Self::because("a file is expected") }
    }

    /// The same with what the page lacks if its form is sent in an encoding without files.
    pub(super) fn in_encoding(mut self, has_files: bool) -> Self {
        if self.lacks_file && !has_files {
            self.problem += ": the form needs `enctype=\"multipart/form-data\"`";
        }
        self
    }

    pub(super) fn at(unexpected: Unexpected<'_>, problem: String) -> Self {
        let text = match unexpected {
            Unexpected::Str(text) => Some(text.to_owned()),
            _ => None,
        };
        Self { text, ..Self::because(problem) }
    }

    /// The same with the name of the one field that has the text which is refused.
    pub(super) fn found_in(self, texts: &[(&str, &str)]) -> Self {
        let mut holders = texts.iter().filter(|(_, text)| self.text.as_deref() == Some(*text));
        match (holders.next(), holders.next()) {
            (Some((name, _)), None) => self.of(name),
            _ => self,
        }
    }

    /// The innermost name is the one.
    pub(super) fn of(self, name: &str) -> Self {
        Self { field: self.field.or_else(|| Some(name.to_owned())), ..self }
    }

    pub(in crate::forms) fn into_error(self) -> Error {
        Error::in_field(self.field, self.problem, self.is_ours)
    }

    /// The name of the field, where it is known, and what was expected of it.
    pub(in crate::forms) fn into_parts(self) -> (Option<String>, String) {
        (self.field, self.problem)
    }
}

/// serde's own texts have the value in them that is refused. These have not.
impl de::Error for Refused {
    fn custom<T: Display>(message: T) -> Self {
        Self { is_ours: false, ..Self::because(message.to_string()) }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::at(unexpected, format!("{expected} is expected"))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::at(unexpected, format!("{expected} is expected"))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::because(format!("{expected} is expected"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::at(Unexpected::Str(variant), format!("one of `{}` is expected", expected.join("`, `")))
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::because("no field of that name is expected")
    }

    fn missing_field(field: &'static str) -> Self {
        Self::because("it is missing").of(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::because("it came more than once").of(field)
    }
}

impl Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Refused {}
