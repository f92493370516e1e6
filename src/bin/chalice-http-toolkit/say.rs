//! What a person is told on standard error. It does not know of what.
#![allow(clippy::print_stderr)] // It is there to print.

use std::error::Error;

/// SECURITY: what others wrote is printed without control characters; a terminal would obey them.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

pub(crate) fn note(text: &str) {
    text.lines().for_each(|line| eprintln!("{}", plain(line)));
}

pub(crate) fn warn(text: &str) {
    note(&format!("warning: {text}"));
}

pub(crate) fn error(text: &str) {
    note(&format!("error: {text}"));
}

/// An error with what caused it, in one line.
pub(crate) fn causes(mut error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    while let Some(cause) = error.source() {
        text += &format!(": {cause}");
        error = cause;
    }
    text
}
