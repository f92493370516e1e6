//! What protects a site's visitors from other sites, as layers around a whole service.
//!
//! - [`CrossOriginProtection`] refuses forms that another site's page sends in a visitor's name
//! - [`SecurityHeaders`] says what a page may do: a Content-Security-Policy, and the fields beside it
//!
//! It does not know what the service does.

mod cross_origin;
mod headers;
mod policy;

pub use cross_origin::{CrossOriginProtection, CrossOriginService};
pub use headers::{SecurityHeaders, SecurityHeadersService};
