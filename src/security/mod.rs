//! What protects a site's visitors from other sites, as layers around a whole service.
//!
//! 1. [`cross_origin`] forms that another site's page sends in a visitor's name
//!
//! It does not know what the service does.

mod cross_origin;

pub use cross_origin::{CrossOriginProtection, CrossOriginService};
