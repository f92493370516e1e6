//! What a handler's task is among its steps, and what the handler says of it while it runs. It does not know what a step does.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use serde_json::Value;

use super::{
    event::Record,
    message::{Attribute, Attributes, KEY},
    offload::SIZES,
};

/// The place of a message among the steps of its task.
pub(crate) struct Steps {
    /// From 1.
    pub(super) number: u32,
    /// The key of the task; none where it has only an id.
    pub(super) key: Option<String>,
    /// What the task is known by in all its steps.
    pub(super) task_id: String,
    /// What the site put beside the body, which goes on from step to step.
    pub(super) attributes: Attributes,
    /// Whether another step follows this one.
    has_next: AtomicBool,
}

impl Steps {
    pub(crate) fn of(record: &Record) -> Self {
        let key = record.attributes.get(KEY).and_then(Attribute::as_str).map(str::to_owned);
        let own = record.attributes.iter().filter(|(name, _)| is_of_site(name));
        Self {
            number: record.step(),
            key,
            task_id: record.task_id().into_owned(),
            attributes: own.map(|(name, value)| (name.clone(), value.clone())).collect(),
            has_next: AtomicBool::new(false),
        }
    }

    /// Whether the task has a key, by which others find it.
    pub(super) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Notes that another step follows.
    pub(super) fn go_on(&self) {
        self.has_next.store(true, Ordering::Release);
    }

    pub(super) fn is_last(&self) -> bool {
        !self.has_next.load(Ordering::Acquire)
    }

    pub(super) fn is_first(&self) -> bool {
        self.number == 1
    }
}

/// Whether an attribute is the site's own, and not one that says what the message is or where its body is.
fn is_of_site(name: &str) -> bool {
    !name.starts_with("chalice-") && !SIZES.contains(&name)
}

/// What a handler says of its task for when it is done.
#[derive(Default)]
pub(crate) struct HandlerResult(Mutex<Option<Value>>);

impl HandlerResult {
    pub(super) fn set(&self, result: Value) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    pub(super) fn take(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
