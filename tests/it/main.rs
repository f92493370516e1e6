//! The crate through its public API, one topic a module.

mod support;

#[cfg(feature = "images")]
mod bombs;
mod content;
mod events;
mod fronts;
mod hostile;
mod http;
#[cfg(feature = "images")]
mod images;
mod page_checks;
mod page_tags;
mod tidy;
