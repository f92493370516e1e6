//! Pixels and image files: what a file is, what it would cost, and the same picture in another size and format.
//!
//! 1. [`kind`] what a file is, by its bytes; [`limits`] what is refused
//! 2. [`header`] its measures before any decode, read by [`files`]; [`strip`] the same file without what it tells
//! 3. [`decode`] its pixels: [`pixels`]
//! 4. [`resize`], [`colour`] ([`hdr`]), [`orientation`], [`graphic`]
//! 5. [`encode`] a file for a browser
//! 6. [`convert`] all of these in their order; [`cost`] what it would take; [`version`] which encoders do it
//!
//! Beside them, [`measure`] how large files are that are not decoded, and [`inspect`] what a stranger's file is.
//!
//! Files come from strangers: only decoders that are memory-safe see them, behind limits that are checked first, and a
//! panic of theirs is a [`Refusal`]. Code in C sees nothing but pixels that were made here.
//!
//! It does not know HTTP, URLs, caches, threads or the clock.

mod bytes;
mod colour;
mod convert;
mod cost;
mod decode;
mod encode;
mod files;
mod graphic;
mod hdr;
mod header;
mod inspect;
mod kind;
mod limits;
mod measure;
#[cfg(test)]
mod mutations;
mod orientation;
mod pixels;
mod refusal;
mod resize;
mod strip;
#[cfg(test)]
mod structures;
#[cfg(test)]
mod tests;
mod version;

pub(crate) use convert::{Recipe, convert};
pub(crate) use cost::{encode_memory, predicted_decode_ms, predicted_ms};
pub(crate) use decode::decode;
pub use encode::Format;
pub(crate) use encode::Tier;
pub(crate) use header::{Header, probe};
pub(crate) use inspect::inspect;
pub use kind::Kind;
pub(crate) use kind::{is_converted, sniff};
pub use limits::ImageLimits;
pub(crate) use measure::measure;
pub(crate) use refusal::Refusal;
pub(crate) use strip::{strip, strip_unconverted};
pub(crate) use version::{edition, version};
