//! The place where a handler panicked, which Rust tells a panic hook and nobody else.

use std::panic;

use crate::error_response;

/// Sets a panic hook, so that errors of panics name the file and the line. The hook before still runs.
pub(super) fn remember_places() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if let Some(place) = info.location() {
            error_response::remember_place(place.to_string(), info.payload());
        }
        before(info);
    }));
}
