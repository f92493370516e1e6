//! Which defect this thread has.

use std::cell::Cell;

use super::Defect;

thread_local! {
    static SEEDED: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// Makes what this thread does wrong, until another defect or none is seeded.
pub fn seed(defect: Option<Defect>) {
    SEEDED.set(defect);
}

pub(crate) fn seeded(defect: Defect) -> bool {
    SEEDED.get() == Some(defect)
}

/// Whether a defect is seeded. The mechanism that would hide its effect is then switched off too.
pub(crate) fn is_any_seeded() -> bool {
    SEEDED.get().is_some()
}
