//! Server-rendered websites on AWS Lambda.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod cache_control;
mod cloudfront;
mod content;
mod entity_tag;
mod error;
mod representation;
mod runtime;
mod stage;

pub use cache_control::CacheControl;
pub use cloudfront::{CloudFront, CloudFrontService};
pub use content::{ContentManager, Embedded, Source};
pub use entity_tag::{EntityTag, InvalidEntityTag};
pub use error::{BoxError, Error, ErrorKind, Result};
pub use minijinja;
pub use representation::{Representation, ScriptRoot, Validators};
pub use runtime::{App, Front, Reply, run};
pub use stage::Stage;

#[cfg(feature = "embed")]
#[doc(hidden)]
pub use include_dir as __include_dir;
