//! Files: where a site's templates and static files come from, and which one a URL means.
//!
//! 1. [`source`] a folder, or files inside the binary; [`provenance`] says which, [`changes`] what was edited
//! 2. [`path`] the name of a file, from a URL
//! 3. [`assets`] static files, their fingerprints and their compressed forms; [`urls`] how templates name them
//!
//! It does not know templates or images.

pub(crate) mod assets;
#[cfg(feature = "dev-server")]
pub(crate) mod changes;
pub(crate) mod path;
pub(crate) mod provenance;
pub(crate) mod source;
pub(crate) mod urls;
