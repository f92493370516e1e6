//! Pixels and image files: what a file is, what it would cost, and the same picture in another size and format.
//!
//! 1. [`kind`] what a file is, by its bytes; [`limits`] what is refused
//! 2. [`header`] its measures before any decode, read by [`files`]; [`strip`] the same file without what it tells
//! 3. [`decode`] its pixels: [`pixels`]; [`drawn`] those of a picture that the site has drawn
//! 4. [`resize`], [`colour`] ([`hdr`]), [`orientation`], [`graphic`]
//! 5. [`encode`] a file for a browser
//! 6. [`convert`] all of these in their order; [`cost`] what it would take; [`version`] which encoders do it
//!
//! Beside them, [`measure`] how large files are that are not decoded, and [`inspect`] what a stranger's file is.
//!
//! Which decoder reads what, and why:
//!
//! - JPEG: `zune-jpeg`, which `image` has as well, where all pixels are needed. `image` decodes no JPEG smaller than it is, fills up
//!   a file that is cut off, turns inks into RGB before their profile is applied, and lets nobody set the most scans or say what the
//!   components are where markers disagree. Code of our own reads a picture that is to become smaller. It computes no
//!   pixel that scaling would remove: a camera's file takes two thirds of the time and a tenth of the memory, and a progressive
//!   one takes less of both. `jpeg-decoder` reads what neither of them knows.
//! - PNG: `png`, which `image` has as well. Through `image` there are no `cICP`, `gAMA` and `cHRM` and no limit on the profile alone,
//!   and 16 bits are held of all the picture where here they are held of a row.
//! - WebP: `image-webp`, which `image` has as well, and which has no limits there either: the header is held against ours first.
//! - GIF stills, BMP, TIFF, ICO, QOI, anymaps: `image`, feature by feature, each of them Rust alone. Headers are read here, so that
//!   a file is refused before memory is taken for it; the decoder is then held to that size. A PNG in an icon goes to `png`, as
//!   `image` reads it without limits.
//! - AVIF, HEIC, JPEG XL, SVG: none. What there is in Rust is unsafe or slow, and browsers decode them themselves.
//!
//! Encoders are chosen by what their files look like at a number of bytes, and `image` has none that is better: its WebP loses
//! nothing and is five times as long, its JPEG is an eighth longer.
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
mod directory;
mod drawn;
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
#[cfg(test)]
mod others;
mod pixels;
mod probe;
mod refusal;
mod resize;
mod strip;
#[cfg(test)]
mod structures;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiffs;
mod version;

pub(crate) use convert::{Recipe, convert};
pub(crate) use cost::{encode_memory, predicted_decode_ms, predicted_ms};
pub(crate) use decode::decode;
pub(crate) use drawn::drawn;
pub use encode::Format;
pub(crate) use encode::Tier;
pub(crate) use header::Header;
pub(crate) use inspect::inspect;
pub use kind::Kind;
pub use limits::ImageLimits;
pub(crate) use measure::measure;
pub(crate) use probe::{converted, probe, sniff};
pub(crate) use refusal::Refusal;
pub(crate) use strip::{strip, strip_unconverted};
pub(crate) use version::{edition, version};
