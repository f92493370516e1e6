//! Pages: what templates show, and the tag of a page without rendering it.
//!
//! 1. [`templates`] the engine and rendering; [`links`] which URLs stay on the site
//! 2. [`syntax`] what a template does with values; [`replaced`] what of the engine the site has replaced
//! 3. [`closure`] which templates and files a page is made from; [`reads`] which parts of the arguments it can show;
//!    [`lookups`] what filters look up
//! 4. [`page_tag`] the tag, from [`canonical`] arguments and the [`build_id`]; [`watch`] whether a page shows more than its tag
//!    covers; [`shallow`] how deep its arguments may lie
//! 5. [`fragment`] one block of a page, with nothing else of it
//! 6. [`explain`] why two tags differ; [`check`] what would fail at run time; [`inline`] the scripts and styles inside a page
//!
//! It does not know requests or caches.

pub(crate) mod build_id;
mod canonical;
pub(crate) mod check;
mod closure;
pub(crate) mod explain;
pub(crate) mod fragment;
mod inline;
pub(crate) mod links;
mod lookups;
pub(crate) mod page_tag;
pub(crate) mod reads;
mod replaced;
mod shallow;
mod syntax;
mod template_names;
pub(crate) mod templates;
mod watch;
