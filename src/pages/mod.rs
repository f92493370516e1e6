//! Pages: what templates show, and the tag of a page without rendering it.
//!
//! 1. [`templates`] the engine and rendering, with the [`site_settings`]; [`loader`] the source of a template; [`links`] which URLs
//!    stay on the site; [`routes`] URLs by name
//! 2. [`syntax`] what a template does with values; [`reference`] names in templates; [`replaced`] what of the engine the site has replaced
//! 3. [`closure`] which templates and files a page is made from; [`reads`] which parts of the arguments it can show;
//!    [`lookups`] what filters look up
//! 4. [`page_tag`] the tag, from [`canonical`] arguments and the [`build_id`]; [`watch`] whether a page shows more than its tag
//!    covers; [`shallow`] how deep its arguments may lie
//! 5. [`chain`] makes a [`fragment`] of a page: one block of it, and nothing else
//! 6. [`explain`] why two tags differ; [`check`] what would fail at run time, as by names that are none of the [`known_names`]; [`inline`] the scripts and styles inside a page
//! 7. [`graph`] which templates name one another
//!
//! It does not know requests or caches.

pub(crate) mod build_id;
mod canonical;
pub(crate) mod chain;
pub(crate) mod check;
pub(crate) mod closure;
pub(crate) mod explain;
mod fragment;
pub(crate) mod graph;
mod inline;
mod known_names;
pub(crate) mod links;
mod loader;
mod lookups;
pub(crate) mod page_tag;
pub(crate) mod reads;
mod reference;
mod replaced;
mod routes;
mod shallow;
pub(crate) mod site_settings;
mod syntax;
mod template_names;
pub(crate) mod templates;
pub(crate) mod translated;
mod watch;
