//! `completions`: what a shell must know to complete this command's arguments.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::CommandFactory;
use clap_complete::generate;

use crate::{
    args::{Args, Completions},
    say,
};

pub(crate) fn run(asked: &Completions) -> ExitCode {
    let (mut command, mut script) = (Args::command(), Vec::new());
    let name = command.get_name().to_owned();
    generate(asked.shell, &mut command, name, &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
