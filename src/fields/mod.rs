//! Fields of HTTP messages as types: how each is read and written.
//!
//! 1. [`ows`] white space, [`quoted`] quoted strings (RFC 9110 §5.6)
//! 2. [`entity_tag`] ETag, If-Match and If-None-Match; [`cache_control`] Cache-Control; [`media_type`] Content-Type
//! 3. [`negotiate`] Accept and Accept-Encoding; [`web_origin`] Origin
//! 4. [`cache_tags`] the field by which CloudFront finds copies again; `edge_lifetime` how long it keeps them;
//!    [`provisional`] the most that it may be of what is not final
//! 5. [`owners`] which part of the crate may set or remove which field of a response
//! 6. [`digest`] the hashes that tags are made of
//!
//! It does not know what a site sends, and decides nothing about a request.

pub(crate) mod cache_control;
pub(crate) mod cache_tags;
pub(crate) mod digest;
#[cfg(any(feature = "dev-server", feature = "testing"))]
pub(crate) mod edge_lifetime;
pub(crate) mod entity_tag;
pub(crate) mod media_type;
pub(crate) mod negotiate;
pub(crate) mod owners;
pub(crate) mod ows;
pub(crate) mod provisional;
pub(crate) mod quoted;
pub(crate) mod web_origin;
