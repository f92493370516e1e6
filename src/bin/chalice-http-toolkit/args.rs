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
