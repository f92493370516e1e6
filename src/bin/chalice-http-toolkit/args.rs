//! What was typed. It does not know what is done with it.

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};

/// Tools for server-rendered sites on AWS Lambda.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Look for templates that don't compile, and for templates and static files that are named and not there.
    Check(Folders),
    /// Make the variants of a folder's images ahead, so that a deployed site converts none.
    Images(Images),
}

#[derive(Arguments, Debug)]
pub(crate) struct Images {
    /// The folder of static files. Variants go into `_variants` in it; those that nothing asks for any more are removed.
    #[arg(default_value = "static")]
    pub(crate) files: PathBuf,
    /// The widths in pixels, as the site has them by `Images::with_widths` [default: all that a site allows by default].
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub(crate) widths: Vec<u32>,
    /// The quality, as the site has it by `Images::with_quality` [default: 80].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: Option<u8>,
}

#[derive(Arguments, Debug)]
pub(crate) struct Folders {
    /// The folder of templates.
    #[arg(default_value = "templates")]
    pub(crate) templates: PathBuf,
    /// The folder of static files.
    #[arg(default_value = "static")]
    pub(crate) files: PathBuf,
}
