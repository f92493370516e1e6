//! `setup`: a new project that builds, runs and deploys as it is.
//!
//! 1. [`name`]: what a project may be called, and where it may be deployed
//! 2. [`project`]: its files, as text
//! 3. here they are written, and what was done is said

pub(crate) mod name;
pub(crate) mod project;

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::ValueEnum;
use serde_json::json;

use self::{
    name::deployable,
    project::{Extra, File, Project},
};
use crate::{args::Setup, say};

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Created,
    /// Another one was there.
    Replaced,
    /// The same one was there.
    Kept,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Kept => "unchanged",
        }
    }
}

pub(crate) fn run(asked: &Setup) -> ExitCode {
    let region = match asked.region.clone().map_or_else(region_of_environment, Ok) {
        Ok(region) => region,
        Err(error) => {
            say::error(&error);
            return ExitCode::from(2);
        }
    };
    match set_up(asked, &region) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn set_up(asked: &Setup, region: &str) -> Result<(), String> {
    let toolkit = asked.toolkit_path.as_deref().map(checkout).transpose()?;
    let project = Project { name: &asked.name, region, toolkit, extras: &asked.extra };
    let folder = asked.path.join(&asked.name);
    let files = project.files()?;
    let is_empty = is_empty(&folder).map_err(|error| failed(&folder, &error))?;
    if !is_empty && !asked.force {
        let folder = folder.display();
        return Err(format!(
            "{folder} is there already, and is not empty: take another name or path, or say --force to write into it"
        ));
    }
    // All of them, before one is written: what is refused leaves nothing behind.
    let states: Vec<State> = files.iter().map(|file| state(&folder, file)).collect::<Result<_, _>>()?;
    let done: Vec<_> = files.iter().map(|file| file.path).zip(states).collect();
    for (file, (_, state)) in files.iter().zip(&done).filter(|_| !asked.dry_run) {
        let path = folder.join(file.path);
        write(&path, &file.content, *state).map_err(|error| failed(&path, &error))?;
    }
    report(asked, &folder, &done);
    Ok(())
}

/// The region of the environment, or else the one that CloudFront's own parts live in.
fn region_of_environment() -> Result<String, String> {
    let set = |name: &&str| env::var(name).is_ok_and(|value| !value.is_empty());
    let Some(name) = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find(set) else { return Ok("us-east-1".into()) };
    let value = env::var(name).unwrap_or_default();
    deployable(&value).map_err(|error| format!("{name} is {value}: {error}"))
}

/// The folder of a checkout of this crate, from wherever the project is.
fn checkout(path: &Path) -> Result<PathBuf, String> {
    let path = path.canonicalize().map_err(|error| failed(path, &error))?;
    let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
    if manifest.contains("name = \"chalice_http_toolkit\"") {
        return Ok(path);
    }
    Err(format!("{} is no checkout of chalice_http_toolkit: it has no Cargo.toml of that name", path.display()))
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// SECURITY: a symbolic link below the folder may lead anywhere, so that nothing is written through one.
fn state(folder: &Path, file: &File) -> Result<State, String> {
    let mut path = folder.to_owned();
    let mut parts = file.path.split('/').peekable();
    while let Some(part) = parts.next() {
        path.push(part);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Created),
            found => found.map_err(|error| failed(&path, &error))?.file_type(),
        };
        let (is_wanted, wanted) = match parts.peek() {
            Some(_) => (found.is_dir(), "folder"),
            None => (found.is_file(), "file"),
        };
        if !is_wanted {
            return Err(format!("{} is there and is no {wanted}: move it away first", path.display()));
        }
    }
    let there = fs::read(&path).map_err(|error| failed(&path, &error))?;
    Ok(if *there == *file.content { State::Kept } else { State::Replaced })
}

fn write(path: &Path, content: &[u8], state: State) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    match state {
        // What has come there since it was looked at stays.
        State::Created => fs::File::create_new(path)?.write_all(content),
        State::Replaced => fs::write(path, content),
        State::Kept => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

fn report(asked: &Setup, folder: &Path, done: &[(&str, State)]) {
    let extras = Extra::value_variants().iter().filter(|extra| asked.extra.contains(extra));
    let notes: Vec<&str> = extras.filter_map(|extra| extra.note()).collect();
    let next = [
        format!("cd {}", word(&folder.display().to_string())),
        "cargo run".into(),
        "cargo test".into(),
        "sam build".into(),
    ];
    if asked.json {
        let files: Vec<_> = done.iter().map(|(path, state)| json!({ "path": path, "state": state.word() })).collect();
        let folder = folder.to_string_lossy();
        let said = json!({ "folder": folder, "dry_run": asked.dry_run, "files": files, "next": next, "notes": notes });
        say::print(&said.to_string());
        return;
    }
    let would = if asked.dry_run { " would have" } else { "" };
    let mut lines = vec![format!("{}{would}", folder.display())];
    for (at, (path, state)) in done.iter().enumerate() {
        let branch = if at + 1 == done.len() { "└── " } else { "├── " };
        // What is new needs no word.
        let word = if *state == State::Created { String::new() } else { format!("  {}", state.word()) };
        lines.push(format!("{branch}{path}{word}"));
    }
    lines.extend(notes.iter().map(|note| format!("\n{note}")));
    if !asked.dry_run {
        lines.push("\nNext:".into());
        let what = ["", "http://127.0.0.1:3000", "", "then deploy it: README.md has the command"];
        for (command, what) in next.iter().zip(what) {
            lines.push(format!("  {command:<52}{what}").trim_end().to_owned());
        }
    }
    say::print(&lines.join("\n"));
}

/// One word of a shell's.
fn word(path: &str) -> String {
    if path.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c)) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

/// A file of a project with these extras, as it is written.
#[cfg(test)]
pub(crate) fn rendered(path: &str, extras: &[Extra]) -> String {
    let project = Project { name: "my-site", region: "eu-west-1", toolkit: None, extras };
    let files = project.files().expect("the project's files render");
    let file = files.into_iter().find(|file| file.path == path).expect("a file of the project");
    String::from_utf8(file.content.into_owned()).expect("text")
}
