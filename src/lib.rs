//! Server-rendered websites on AWS Lambda, behind CloudFront: templates, static files, forms, images and background tasks.
//!
//! The ETag of a page is computed without rendering it. When a visitor returns and the page has not changed, the server computes
//! one hash and answers 304. A handler returns a
//! [`Representation`] (RFC 9110 §3.2 has the word). Its status, headers and ETag are known at once. Its body is made later, and
//! only if it is needed:
//!
//! ```text
//! content (what there is)  →  Representation  →  cloudfront (is it needed?)  →  response
//! ```
//!
//! # The smallest site
//!
#![cfg_attr(feature = "embed", doc = "```no_run")]
#![cfg_attr(not(feature = "embed"), doc = "```ignore")]
#![doc = include_str!("../examples/minimal.rs")]
//! ```
//!
//! # With axum
//!
//! A handler returns an [`Answer`]: a [`Representation`], or any error by `?`.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, extract::State, routing::get};
//! use chalice_http_toolkit::{Answer, App, CloudFront, ContentManager, Embedded, Error};
//!
//! async fn index(State(content): State<ContentManager>) -> Answer {
//!     Ok(content.render_template("index.html", minijinja::context! { title => "Home" })?)
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! const TEMPLATES: Embedded = Embedded::new(&[("index.html", b"<title>{{ title }}</title>")]);
//! let content = ContentManager::new(TEMPLATES, Embedded::new(&[]))?;
//! let router = Router::new().route("/", get(index)).with_state(content.clone());
//! // Static files and error pages come from the content.
//! let app = App::new(router).with_content(&content).with_cloudfront(CloudFront::new());
//! // In a program: app.run().await
//! # let event = r#"{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}"#;
//! # let reply = serde_json::to_string(&app.invoke(event, None).await?).unwrap();
//! # assert!(reply.contains("<title>Home</title>"), "{reply}");
//! # Ok::<(), Error>(())
//! # }).unwrap();
//! # }
//! ```
//!
//! # The way of one request
//!
//! 1. [`App`] reads the event of a [`Front`] door: a REST API, an HTTP API, a function URL or an ALB.
//! 2. It calls your service.
//! 3. Your handler asks a [`ContentManager`] for a [`Representation`].
//! 4. [`CloudFront`] decides: 304, 412, 206, 416, or send it; only then the body is made.
//! 5. [`App`] writes the [reply](events::Reply), if it fits.
//!
//! What is no request goes its own way: batches of a queue to their tasks, [scheduled events](events::ScheduledEvent) to their handlers, pings that
//! keep the function warm back at once.
//!
//! Locally [`run`] serves the same way: each request becomes such an event first.
//!
//! # Where to learn
//!
//! The module `guide` goes from an empty folder to a deployed site. It has a page for each subject, and pages to look up: settings,
//! limits, log lines, and the names from Flask and from the Python package.
//!
//! # Where to look
//!
//! - [`ContentManager`]: templates, static files, HTML, XML, JSON, redirects, assets
//! - [`CloudFront`] and [`CacheControl`]: what may be kept, for how long, and what is answered
//! - [`diagnostics`]: why a tag changed, what a site would stumble over, whether 304s are true
//! - [`App`] and [`run`]: Lambda and the local server, stages and base paths, error pages
//! - `forms` (a feature): fields and files that visitors send
//! - `cookies` (a feature): signed cookies, flash messages, and pages that are one visitor's
//! - [`security`]: forms that other sites' pages send are refused; a Content-Security-Policy with hashes, and the fields beside it
//! - `purge` (a feature): copies at the edge that go when their data changes
//! - `testing` (a feature): a site's own tests, through any front door and behind a cache
//! - `images` (a feature): formats by Accept, widths, `picture` in templates
//! - `tasking` (a feature): what need not be done before the answer, over an SQS FIFO queue
//! - [`Route`] and [`Pagination`]: paths by name, and the pages of a long list
//! - [`Translations`]: pages in several languages, from gettext's catalogues
//! - [`Source`], [`Embedded`] and `embed!`: folders, or files inside the binary
//! - [`EntityTag`], [`Validators`]: tags of your own
//! - [`Error`] and [`ErrorKind`]: what went wrong, with the template and the line; [`Answer`] and [`Failure`]: the same for handlers
//!
//! # Features
//!
//! `axum`, `dev-server` and `embed` are on by default; `cli` adds the command `chalice-http-toolkit`; `forms`, `cookies`, `testing`,
//! `garde`, `jinja-compat`, `images` and `avif`, `tasking`, `schedules`, `purge`, `dynamodb` and `s3-offload` add what their names say.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub use content::ContentManager;
pub use files::source::{Embedded, Source};
pub use representation::{Representation, Validators};

pub use cloudfront::CloudFront;
pub use fields::{
    cache_control::CacheControl,
    entity_tag::{EntityTag, InvalidEntityTag},
};

pub use pagination::Pagination;
pub use route::Route;
pub use runtime::{App, Front, run};
pub use stage::Stage;
pub use translations::Translations;

pub use error::{BoxError, Error, ErrorKind, Result};
pub use failure::{Answer, Failure};

#[cfg(feature = "cookies")]
pub mod cookies;
#[cfg(feature = "forms")]
pub mod forms;
// Its examples use them all, as the documentation has them all.
#[cfg(all(
    any(doc, doctest),
    feature = "axum",
    feature = "cookies",
    feature = "dynamodb",
    feature = "embed",
    feature = "forms",
    feature = "images",
    feature = "jinja-compat",
    feature = "purge",
    feature = "schedules",
    feature = "testing"
))]
pub mod guide;
#[cfg(feature = "images")]
pub mod images;
#[cfg(not(feature = "images"))]
#[path = "no_images.rs"]
mod images;
#[cfg(feature = "purge")]
pub mod purge;
pub mod security;
#[cfg(feature = "tasking")]
pub mod tasking;
#[cfg(feature = "testing")]
pub mod testing;

/// Why a tag changed, what a site would stumble over, and whether its 304s are true.
///
/// - [`ContentManager::explain`] gives an [`Explanation`] of a page's tag
/// - [`ContentManager::check`] gives each [`Finding`] before a visitor meets it
/// - [`CloudFront::with_verify`] compares what a 304 spares with what would have been sent ([`Verify`])
/// - an [`EdgeManifest`] tells a deployment what pages are made from, and which tags are
///   [gone](diagnostics::GoneTag)
pub mod diagnostics {
    pub use crate::{
        cloudfront::Verify,
        content::{EdgeManifest, GoneTag},
        pages::{check::Finding, explain::Explanation},
    };
}

/// Plain HTTP: what its server takes from strangers.
///
/// [`App::run`] serves it where the environment says so, [`App::serve`] on a socket of your own.
#[cfg(feature = "server")]
pub mod server {
    pub use crate::runtime::server::ServerLimits;
}

/// What [`App`] takes and gives besides requests and responses: the [`Reply`] of [`App::invoke`], the [`ScheduledEvent`] of a
/// schedule, and the [`ScriptRoot`] in the extensions of a request: the path prefix under which the site is mounted.
pub mod events {
    pub use crate::{
        runtime::{Reply, ScheduledEvent},
        script_root::ScriptRoot,
    };
}

/// The services of this crate's layers and the body of their answers, for code that must name these types.
///
/// A [`CloudFront`] makes a [`CloudFrontService`], whose answers have a [`ResponseBody`](layers::ResponseBody), and a
/// [`ContentManager`] makes a [`ContentService`](layers::ContentService). Most sites need none of these names: [`App`] has the
/// methods [`with_cloudfront`](App::with_cloudfront) and [`with_content`](App::with_content).
pub mod layers {
    pub use crate::{cloudfront::CloudFrontService, content::ContentService, response_body::ResponseBody};
}

mod body;
mod cloudfront;
#[cfg(feature = "images")]
mod codec;
mod compressed;
mod content;
mod data_tags;
mod defects;
mod download;
mod error;
mod error_response;
mod failure;
mod fields;
mod files;
mod hidden;
mod inline;
mod json;
#[cfg(any(feature = "purge", feature = "testing"))]
mod local_edge;
mod marked;
mod notes;
mod pages;
mod pagination;
mod pending;
mod refusals;
mod representation;
mod response_body;
mod route;
mod runtime;
#[cfg(feature = "tasking")]
mod schedule;
mod script_root;
mod stage;
mod streamed;
mod streams;
mod translations;
mod variables;

#[cfg(feature = "images")]
pub use image;
pub use minijinja;

// The same names at the root, for code that was written before they had modules.
#[cfg(feature = "cookies")]
#[doc(hidden)]
pub use cookies::{CookieJar, Cookies, CookiesService, Flash, SameSite, SetCookie};
#[doc(hidden)]
pub use diagnostics::{EdgeManifest, Explanation, Finding, GoneTag, Verify};
#[doc(hidden)]
pub use events::{Reply, ScheduledEvent, ScriptRoot};
#[cfg(feature = "forms")]
#[doc(hidden)]
pub use forms::{Form, FormField, FormFile, FormLimits};
#[cfg(feature = "images")]
#[doc(hidden)]
pub use images::{ConvertedImage, ImageFormat, ImageInfo, ImageInput, ImageKind, ImageLimits, Images, Prebuilt};
#[doc(hidden)]
pub use layers::CloudFrontService;
#[cfg(any(feature = "purge", feature = "testing"))]
#[doc(hidden)]
pub use local_edge::LocalEdge;
#[cfg(feature = "purge")]
#[doc(hidden)]
pub use purge::{Purge, PurgePost};
#[doc(hidden)]
pub use security::{CrossOriginProtection, CrossOriginService, SecurityHeaders, SecurityHeadersService};
#[cfg(feature = "tasking")]
#[doc(hidden)]
pub use tasking::{Task, TaskContext, TaskingController};
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use testing::{CacheResult, TestAnswer, TestEdge, TestRequest, TestSite};

#[cfg(feature = "seeded-defects")]
#[doc(hidden)]
pub use defects::{Defect, seed};

#[cfg(feature = "embed")]
#[doc(hidden)]
pub use include_dir as __include_dir;

/// The example of the README, which is compiled with those of the documentation.
#[cfg(all(doctest, feature = "axum", feature = "dev-server"))]
#[doc = include_str!("../README.md")]
mod readme {}
