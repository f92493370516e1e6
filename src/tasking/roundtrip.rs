//! Whether a task comes out of its JSON as it went in. What JSON loses is found before anything is sent: once it is in the
//! queue, nobody can tell what it was. It does not know messages.
//!
//! 1. the task is written, unless it has a number that JSON has no form for, or is nested too deeply
//! 2. it is read as its worker would read it
//! 3. what was read is compared with the task, by [`shape`]: tasks need not be `PartialEq`

mod shape;

use std::{borrow::Cow, cell::RefCell};

use self::shape::{Fault, Shape};
use super::task::{Task, WithoutValues};
use crate::error::{Error, ErrorKind, Result};

/// What XML 1.0 lacks, and SQS refuses. JSON has escapes for them; control characters, which SQS refuses too, have theirs
/// anyway. In JSON they can stand in strings only.
const ESCAPED: [(char, &str); 2] = [('\u{fffe}', "\\ufffe"), ('\u{ffff}', "\\uffff")];

/// A task as JSON.
#[derive(Debug)]
pub(super) struct Serialized {
    pub(super) json: String,
    /// Stands for the order of all its lists.
    pub(super) order: u64,
}

/// Writes a task.
pub(super) fn serialized<T: Task>(task: &T) -> Result<Serialized> {
    let refused = |why: Fault| Error::caused(ErrorKind::Task, refusal::<T>(), why);
    let before = Shape::of(task).map_err(refused)?;
    let order = Shape::in_order(task).map_err(refused)?;
    let json = serde_json::to_string(task).map_err(|error| {
        Error::caused(ErrorKind::Serialization, format!("the task {} can't be written as JSON", T::NAME), error)
    })?;
    let read: T = serde_json::from_str(&json)
        .map_err(|error| Error::caused(ErrorKind::Task, refusal::<T>(), WithoutValues(error)))?;
    if Shape::of(&read).map_err(refused)? != before {
        return Err(refused(Fault::new(difference(task, &read))));
    }
    let escaped = |json: String, (character, escape)| match json.contains(character) {
        true => json.replace(character, escape),
        false => json,
    };
    Ok(Serialized { json: ESCAPED.into_iter().fold(json, escaped), order })
}

fn refusal<T: Task>() -> String {
    format!("the task {} is not posted, since its worker could not read it as it is", T::NAME)
}

/// Which field is read back as something else, as far as that can be told.
fn difference<T: Task>(task: &T, read: &T) -> Cow<'static, str> {
    let fields = |task: &T| {
        let fields = RefCell::default();
        // It has been fed already: there is no fault in it.
        drop(Shape::noting(task, &fields));
        fields.into_inner()
    };
    let (before, after) = (fields(task), fields(read));
    match before.iter().find(|field| !after.contains(field)) {
        Some((name, _)) => format!("the field `{name}` is read back as something else").into(),
        None => "it is read back as something else".into(),
    }
}
