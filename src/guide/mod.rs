//! The guide: from the idea to a deployed site, in pages that can be read one after the other. Each example runs.
//!
//! 1. [`tour`]: the smallest site, templates, static files, images, forms, tasks, tests, deployment
//! 2. [`uploads`]: pictures that visitors send
//! 3. [`parts_of_pages`]: one block of a page alone, for HTMX and Turbo
//! 4. [`caching`]: the way of a request through CloudFront, and what each header does there
//! 5. [`kept_at_the_edge`]: pages that CloudFront keeps until they change
//! 6. [`limits`]: what is refused, cut or kept, and where
//! 7. [`from_flask`] and [`from_chalice`]: the names that you know, and their names here
//!
//! It is in the documentation only: no program contains it.

#[doc = include_str!("tour.md")]
pub mod tour {}

#[doc = include_str!("uploads.md")]
pub mod uploads {}

#[doc = include_str!("parts_of_pages.md")]
pub mod parts_of_pages {}

#[doc = include_str!("caching.md")]
pub mod caching {}

#[doc = include_str!("kept_at_the_edge.md")]
pub mod kept_at_the_edge {}

#[doc = include_str!("limits.md")]
pub mod limits {}

#[doc = include_str!("from_flask.md")]
pub mod from_flask {}

#[doc = include_str!("from_chalice.md")]
pub mod from_chalice {}
