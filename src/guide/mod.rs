//! The guide: from an empty folder to a deployed site, and what to look up afterwards. Its examples run as tests.
//!
//! Start here:
//!
//! - [`tour`]: the smallest site, templates, static files, images, forms, tasks, tests, deployment
//! - [`requests`]: the way of a request, the local server, and how the API is protected behind CloudFront
//! - [`caching`]: what browsers and CloudFront keep, and for how long
//! - [`kept_at_the_edge`]: pages that CloudFront keeps until they change
//! - [`page_tags`]: what is in a page's ETag, and why it changed
//!
//! How to:
//!
//! - [`static_files`]: folders, fingerprints, compressed files, absolute URLs
//! - [`forms_and_cookies`]: forms, cross-origin requests, cookies, security headers
//! - [`images`] and [`uploads`]: responsive images, and pictures that visitors send
//! - [`parts_of_pages`]: one block of a page alone, for HTMX and Turbo
//! - [`tasks`]: background tasks over an SQS queue
//! - [`testing`]: tests of your site
//! - [`from_flask`] and [`from_chalice`]: the names that you know, and their names here
//!
//! To look up:
//!
//! - [`command_line`], [`settings`], [`features`], [`limits`], [`glossary`]
//! - [`troubleshooting`]: from a symptom or a log line to its cause
//! - [`costs`] and [`measured`]: list prices and benchmarks
//!
//! It is in the documentation only: no program contains it.

/// A page of the guide. `links.md` comes first: its definitions lead to other pages in the documentation. In the repository the
/// definitions at the end of each page lead to files. The first definition of a name counts (CommonMark §4.7).
macro_rules! pages {
    ($($name:ident)*) => {$(
        #[doc = include_str!("links.md")]
        #[doc = include_str!(concat!(stringify!($name), ".md"))]
        pub mod $name {}
    )*};
}

pages! {
    tour requests caching kept_at_the_edge page_tags
    static_files forms_and_cookies images uploads parts_of_pages tasks testing from_flask from_chalice
    command_line settings features limits glossary troubleshooting costs measured
}
