//! `images`: makes variants ahead and says how many there are and what they weigh.

use std::process::ExitCode;

use chalice_http_toolkit::images::{Images, Prebuilt};

use crate::{args, say};

pub(crate) fn run(asked: &args::Images) -> ExitCode {
    let mut images = Images::new();
    if !asked.widths.is_empty() {
        images = images.with_widths(asked.widths.iter().copied());
    }
    if let Some(quality) = asked.quality {
        images = images.with_quality(quality);
    }
    if asked.path_urls {
        images = images.with_path_urls();
    }
    match images.prebuild(&asked.files) {
        Ok(Prebuilt { images, made, kept, removed, bytes, .. }) => {
            let kilobytes = bytes.div_ceil(1000);
            say::print(&format!(
                "{images} images: {made} variants made, {kept} kept, {removed} removed; all of them {kilobytes} kB"
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            say::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
