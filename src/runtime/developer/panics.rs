//! Where a handler panicked: the runtime of Rust says it to a hook alone.

use std::panic;

use crate::error_response;

/// From now on errors of panics name the file and the line. What the hook before did stays.
pub(in crate::runtime) fn remember_places() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        error_response::remember_place(info.location().map(ToString::to_string));
        before(info);
    }));
}
