//! `schedules`: writes the schedules of a program into its template. The program says them, by `SCHEDULE_MANIFEST=1`.

use std::{fs, io, path::Path, process::ExitCode};

use serde::Deserialize;
use serde_json::json;

use crate::{
    args::Schedules,
    say,
    template::schedules::{Printed, written},
};

#[derive(Deserialize)]
struct Manifest {
    schedules: Vec<Printed>,
}

pub(crate) fn run(asked: &Schedules) -> ExitCode {
    match write(asked) {
        Ok(code) => code,
        Err(error) => {
            say::error(&error);
            ExitCode::from(2)
        }
    }
}

fn write(asked: &Schedules) -> Result<ExitCode, String> {
    let manifest = manifest(asked.from.as_deref())?;
    let shown = asked.template.display();
    let source = fs::read_to_string(&asked.template).map_err(|error| format!("{shown}: {error}"))?;
    let new = written(&source, &manifest.schedules, asked.function.as_deref())
        .map_err(|error| format!("{shown}: {error}"))?;
    let (count, is_same) = (manifest.schedules.len(), new == source);
    if !is_same && !asked.check {
        fs::write(&asked.template, &new).map_err(|error| format!("{shown}: {error}"))?;
    }
    let state = match (is_same, asked.check) {
        (true, _) => "unchanged",
        (false, false) => "written",
        (false, true) => "other",
    };
    if asked.json {
        say::print(&json!({ "template": asked.template, "schedules": count, "state": state }).to_string());
    } else {
        say::print(&match state {
            "unchanged" => format!("{shown} has the {count} schedules of the program"),
            "written" => format!("the {count} schedules of the program are written into {shown}"),
            _ => {
                let line = source.lines().zip(new.lines()).position(|(old, new)| old != new);
                let line = line.unwrap_or_else(|| source.lines().count().min(new.lines().count())) + 1;
                format!("{shown}:{line}: the schedules are not those of the program: run this without --check")
            }
        });
    }
    Ok(if state == "other" { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn manifest(from: Option<&Path>) -> Result<Manifest, String> {
    let (named, text) = match from {
        Some(path) => (path.display().to_string(), fs::read_to_string(path)),
        None => ("standard input".to_owned(), io::read_to_string(io::stdin())),
    };
    let text = text.map_err(|error| format!("{named}: {error}"))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|error| format!("{named} is not what the program prints with SCHEDULE_MANIFEST=1: {error}"))?;
    manifest.schedules.iter().try_for_each(Printed::checked)?;
    Ok(manifest)
}
