//! The parts of which image files consist: their headers, and what may be left out without touching a pixel. No decoder is
//! called here.

pub(super) mod bmp;
pub(super) mod gif;
pub(super) mod ico;
pub(super) mod jpeg;
pub(super) mod png;
pub(super) mod pnm;
pub(super) mod qoi;
pub(super) mod tiff;
mod vp8l;
pub(super) mod webp;
