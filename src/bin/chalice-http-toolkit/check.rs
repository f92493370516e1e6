//! `check`: one line for each finding on standard output, and exit code 1 if there is any.
#![allow(clippy::print_stdout, clippy::print_stderr)] // It is there to print.

use std::{path::Path, process::ExitCode};

use chalice_http_toolkit::{ContentManager, Result};

use crate::args::Folders;

pub(crate) fn run(folders: &Folders) -> ExitCode {
    match findings(folders) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            findings.iter().for_each(|finding| println!("{finding}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is wrong in folders that are named as a shell names them.
fn findings(folders: &Folders) -> Result<Vec<String>> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let content = ContentManager::new(absolute(&folders.templates), absolute(&folders.files))?;
    Ok(content
        .check()
        .iter()
        .map(|finding| folders.templates.join(finding.to_string()).display().to_string())
        .collect())
}
