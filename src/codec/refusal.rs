//! Why an image is not converted. Each reason is an expected outcome; the caller decides what is served instead.

use std::{
    error, fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::kind::Kind;

/// Why an image is not converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The bytes are no image.
    NotAnImage,
    /// There is no decoder for this kind, or none for this variety of it.
    Unsupported(Kind),
    /// It moves. Converting it would stop it.
    Animated,
    /// A number of its header is over a limit.
    TooLarge { what: &'static str, is: u64, limit: u64 },
    /// It ends too early, contradicts itself, or a codec gave up on it.
    Broken(String),
    /// None of the formats asked for can be written.
    NoFormat,
}

impl Refusal {
    pub(super) fn broken(why: impl fmt::Display) -> Self {
        Self::Broken(why.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnImage => f.write_str("the file is not an image"),
            Self::Unsupported(kind) => {
                write!(f, "{} files of this kind cannot be decoded; save the image as PNG or JPEG", kind.name())
            }
            Self::Animated => f.write_str("the image is animated"),
            Self::TooLarge { what, is, limit } => write!(f, "the image has {is} {what}, more than {limit}"),
            Self::Broken(why) => write!(f, "the image is broken: {why}"),
            Self::NoFormat => f.write_str("no format that was asked for can be written"),
        }
    }
}

impl error::Error for Refusal {}

/// `Err` where a number is over its limit.
pub(super) fn within(what: &'static str, is: u64, limit: u64) -> Result<(), Refusal> {
    if is > limit { Err(Refusal::TooLarge { what, is, limit }) } else { Ok(()) }
}

/// Calls foreign code. A panic in it is a file that it could not take, and not the end of the process.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(Refusal::broken("its codec panicked")))
}
