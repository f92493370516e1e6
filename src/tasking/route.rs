//! Finds the handler for a record, by the attribute that names the task. The body names it only if the site wants that.

use std::borrow::Cow;

use super::{
    controller::{TaskingController, handlers::Handler},
    event::Record,
    message::{Attribute, RAW, TASK},
    offload::is_elsewhere,
    policy::RetryPolicy,
};
use crate::error::{Error, ErrorKind, Result};

/// A record with the handler for it.
pub(crate) struct RoutedRecord<'a> {
    pub(crate) record: &'a Record,
    /// None for now where the body is elsewhere, and says itself which task it is.
    pub(crate) handler: Result<(Cow<'a, str>, Option<&'a Handler>)>,
}

impl RoutedRecord<'_> {
    pub(crate) fn handler(&self) -> Option<&Handler> {
        self.handler.as_ref().ok()?.1
    }

    /// What holds for it: of a task whose name has to be fetched first, what holds for all.
    pub(crate) fn policy(&self, tasking: &TaskingController) -> RetryPolicy {
        tasking.policy(self.handler())
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.handler.as_ref().ok().map(|(name, _)| name.as_ref())
    }
}

impl TaskingController {
    pub(crate) fn route<'a>(&'a self, record: &'a Record) -> RoutedRecord<'a> {
        let handler = match &record.body {
            None => Err(Error::new(ErrorKind::Task, "a message can't be read")),
            // Which task it is, the body says that has to be fetched first.
            Some(_) if self.may_be_named_in_body(record) && self.expands(record) => Ok(("raw".into(), None)),
            Some(body) => self.handlers().find(self.name_of(record, body)).and_then(|(name, handler)| {
                if handler.is_typed && self.settings().offload.is_none() && is_elsewhere(&record.attributes) {
                    let message = "the body of a task is compressed or in S3: the worker lacks `with_s3_offload`";
                    return Err(Error::new(ErrorKind::Configuration, message));
                }
                Ok((name, Some(handler)))
            }),
        };
        RoutedRecord { record, handler }
    }

    /// The name of a message's task: that of its attribute, and only where that is wished the one in the body.
    fn name_of<'a>(&self, record: &'a Record, body: &'a str) -> Option<Cow<'a, str>> {
        match record.attributes.get(TASK).and_then(Attribute::as_str) {
            Some(name) => Some(name.into()),
            None if self.may_be_named_in_body(record) => self.handlers().named_in(body),
            None => None,
        }
    }

    fn may_be_named_in_body(&self, record: &Record) -> bool {
        let is_marked = [TASK, RAW].iter().any(|name| record.attributes.contains_key(*name));
        self.settings().names_in_bodies && !is_marked
    }

    fn expands(&self, record: &Record) -> bool {
        self.settings().offload.is_some() && is_elsewhere(&record.attributes)
    }

    /// The handler for a message whose body had to be fetched before it could say which task it is.
    pub(crate) fn handler_by(&self, record: &Record, body: &str) -> Result<&Handler> {
        Ok(self.handlers().find(self.name_of(record, body))?.1)
    }
}
