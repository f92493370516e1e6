//! What is told on standard error, and what was asked for on standard output. It does not know of what.
#![allow(clippy::print_stderr)] // It is there to print.

use std::{
    error::Error,
    io::{self, Write},
    process,
};

/// SECURITY: what others wrote is printed without control characters; a terminal would obey them.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The same, but for the ends of lines.
pub(crate) fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// What was asked for, in lines. Where it can't be written the command has failed; who has read enough is told nothing.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    if let Err(failed) = written {
        if failed.kind() != io::ErrorKind::BrokenPipe {
            error(&format!("standard output: {failed}"));
        }
        process::exit(1);
    }
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
