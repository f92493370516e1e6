//! The guide shows how to build a site, from an empty folder to the deployment, and is a reference afterwards. Its examples run as
//! tests.
//!
//! Start here:
//!
//! - [`tour`]: the smallest site, templates, static files, images, forms, tasks, tests, deployment
//! - [`developing`]: edits that the browser shows by itself, pages for errors, and what your site does
//! - [`requests`]: how a request becomes a response, the local server, and how the API is protected behind CloudFront
//! - [`doors`]: where a site runs: Lambda in all its forms, a container, a VM
//! - [`caching`]: what browsers and CloudFront keep, and for how long
//! - [`kept_at_the_edge`]: how CloudFront keeps pages until they change
//! - [`page_tags`]: which values the ETag of a page is computed from, and why it has changed
//!
//! How to use a part of the crate:
//!
//! - [`static_files`]: folders, fingerprints, compressed files, absolute URLs
//! - [`forms_and_cookies`]: forms, cross-origin requests, cookies, security headers
//! - [`images`] and [`uploads`]: responsive images, and pictures that visitors send
//! - [`translations`]: pages in several languages
//! - [`parts_of_pages`]: how to send one block of a page, for HTMX and Turbo
//! - [`databases`]: which databases work well on Lambda, and how data and caching work together
//! - [`sign_in`]: a sign-in with a password, and pages for one visitor on a site that CloudFront caches
//! - [`tasks`] and [`email`]: background tasks over an SQS queue, and e-mails that a worker sends
//! - [`testing`]: tests of your site
//! - [`production`] and [`monitoring`]: stages, your own domain, secrets, alarms, logs
//! - [`from_flask`], [`from_axum`] and [`from_chalice`]: the names that you know, and the names here
//!
//! To look something up:
//!
//! - [`command_line`], [`settings`], [`features`], [`limits`], [`glossary`]
//! - [`troubleshooting`]: symptoms and log lines, with their causes and what to do
//! - [`costs`] and [`measured`]: list prices and benchmarks
//!
//! This module exists only in the documentation. Your program does not contain it.

/// Makes a module of each page. `links.md` comes first: its definitions lead to other pages in the documentation. In the repository
/// the definitions at the end of each page lead to files. The first definition of a name counts (CommonMark §4.7).
macro_rules! pages {
    ($($name:ident)*) => {$(
        #[doc = include_str!("links.md")]
        #[doc = include_str!(concat!(stringify!($name), ".md"))]
        pub mod $name {}
    )*};
}

pages! {
    tour developing requests doors caching kept_at_the_edge page_tags
    static_files forms_and_cookies images uploads translations parts_of_pages databases sign_in tasks email testing production monitoring
    from_flask from_axum from_chalice
    command_line settings features limits glossary troubleshooting costs measured
}
