//! What protects a site's visitors from other sites, as layers around a whole service.
//!
//! 1. [`cross_origin`] forms that another site's page sends in a visitor's name
//! 2. [`headers`] what a page may do, with its [`policy`]
//!
//! It does not know what the service does.

mod cross_origin;
mod headers;
mod policy;

pub use cross_origin::{CrossOriginProtection, CrossOriginService};
pub use headers::{SecurityHeaders, SecurityHeadersService};
