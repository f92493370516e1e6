//! Defects on purpose, for the tests that must catch them: each makes page tags forget one kind of dependency, or
//! background tasks one of their rules. It exists in builds for those tests alone (feature `seeded-defects`).

#[cfg(not(feature = "seeded-defects"))]
mod no_seeds;
#[cfg(feature = "seeded-defects")]
mod seeds;

#[cfg(not(feature = "seeded-defects"))]
pub(crate) use self::no_seeds::{is_any_seeded, seeded};
#[cfg(feature = "seeded-defects")]
pub use self::seeds::seed;
#[cfg(feature = "seeded-defects")]
pub(crate) use self::seeds::{is_any_seeded, seeded};

/// What can be made to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(not(feature = "seeded-defects"), allow(dead_code, unreachable_pub, reason = "nobody seeds one"))]
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
    /// That a variable may not have been set: what has the name around it.
    Unset,
    /// What an included template or a block can see where it is put in.
    Outside,
    /// What a block replaces, where it is put out in it.
    Super,
    /// What macros are handed.
    Parameter,
    /// What a recursive loop is called with.
    Recursion,
    /// The elements that filters give on.
    Elements,
    /// The keys and the number of elements of what is asked for these alone.
    Shape,
    /// The keys by which parts of values are asked for.
    Key,
    /// Nothing in tags themselves: the watch over what functions look up is off, as with each defect of tags.
    Watch,
    /// That a failed task stops its group.
    GroupSkip,
    /// That a batch ends before its invocation.
    Deadline,
    /// That a panic is caught.
    Panic,
    /// That the idempotency store is asked.
    Store,
    /// That a receive is no attempt where nothing ran.
    Attempts,
    /// That a delayed task waits in a group of its own.
    Later,
    /// That the next step of a task has the same id in each run.
    Steps,
    /// That a batch sends one task of a group at a time.
    Waves,
}
