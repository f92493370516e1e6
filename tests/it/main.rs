//! The crate through its public API, one topic a module.

mod support;

mod content;
mod events;
mod fronts;
mod hostile;
mod http;
mod page_checks;
mod page_tags;
mod tidy;
