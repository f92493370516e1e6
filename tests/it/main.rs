//! The crate through its public API, one topic a module.

mod support;

mod argument_forms;
#[cfg(all(feature = "cookies", feature = "tasking"))]
mod at_once;
mod blocks;
#[cfg(feature = "images")]
mod bombs;
mod cache_tags;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod cli_purge;
#[cfg(feature = "cli")]
mod cli_schedules;
#[cfg(feature = "cli")]
mod cli_tasks;
#[cfg(feature = "cli")]
mod cli_verify;
mod content;
#[cfg(all(feature = "cookies", feature = "testing"))]
mod context;
#[cfg(feature = "cookies")]
mod cookies;
mod cross_origin;
#[cfg(feature = "testing")]
mod doors;
mod engine;
#[cfg(feature = "axum")]
mod error_pages;
mod events;
#[cfg(feature = "axum")]
mod fields;
#[cfg(feature = "forms")]
mod form_errors;
#[cfg(feature = "forms")]
mod forms;
mod fronts;
#[cfg(all(feature = "cookies", feature = "forms", feature = "tasking", feature = "testing"))]
mod hidden;
mod hostile;
mod http;
#[cfg(feature = "images")]
mod images;
#[cfg(feature = "axum")]
mod layers;
mod origin;
mod page_checks;
mod page_tags;
#[cfg(all(feature = "server", feature = "testing"))]
mod plain;
mod precision;
mod public_origin;
#[cfg(feature = "testing")]
mod purged_copies;
#[cfg(feature = "testing")]
mod purged_day;
#[cfg(feature = "testing")]
mod purged_worlds;
#[cfg(all(feature = "purge", feature = "testing"))]
mod purges;
#[cfg(all(feature = "axum", feature = "testing"))]
mod routes;
#[cfg(feature = "tasking")]
mod schedules;
mod security_headers;
#[cfg(feature = "cli")]
mod setup;
mod static_files;
#[cfg(feature = "tasking")]
mod store_rules;
#[cfg(all(feature = "server", feature = "testing"))]
mod streams;
#[cfg(feature = "tasking")]
mod tasks;
#[cfg(feature = "tasking")]
mod tasks_attempts;
#[cfg(feature = "tasking")]
mod tasks_dead_letters;
#[cfg(feature = "tasking")]
mod tasks_later;
#[cfg(feature = "tasking")]
mod tasks_metrics;
#[cfg(feature = "s3-offload")]
mod tasks_offload;
#[cfg(feature = "tasking")]
mod tasks_policy;
#[cfg(feature = "tasking")]
mod tasks_rules;
#[cfg(feature = "tasking")]
mod tasks_status;
#[cfg(feature = "tasking")]
mod tasks_store;
#[cfg(feature = "tasking")]
mod tasks_values;
mod template_sets;
#[cfg(feature = "testing")]
mod testing;
mod tidy;
#[cfg(all(feature = "axum", feature = "testing"))]
mod translations;
mod triggers;
#[cfg(feature = "images")]
mod uploads;
