//! Defects on purpose, for the tests that must catch them: each makes page tags forget one kind of dependency. It exists
//! in builds for those tests alone (feature `seeded-defects`).

use std::cell::Cell;

/// A kind of dependency that a page tag can be made to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// The template that is extended.
    Extends,
    /// Templates that are included.
    Include,
    /// Templates that are imported.
    Import,
    /// What macros do.
    Macro,
    /// All arguments.
    Argument,
    /// Fields of arguments.
    NestedField,
    /// The content of static files.
    StaticFile,
    /// Globals.
    Global,
    /// The prefix under which the site is mounted.
    Mount,
    /// The application's build.
    BuildId,
    /// Names that a template computes.
    DynamicName,
}

thread_local! {
    static SEEDED: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// Makes page tags of this thread wrong, until another defect or none is seeded.
pub fn seed(defect: Option<Defect>) {
    SEEDED.set(defect);
}

pub(crate) fn seeded(defect: Defect) -> bool {
    SEEDED.get() == Some(defect)
}
