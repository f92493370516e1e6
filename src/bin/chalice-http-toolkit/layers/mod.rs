//! `layers`: the public layers of a region, by a table or, where that is asked for, by AWS itself.
//!
//! 1. [`table`]: what was there on the day of the table
//! 2. [`refresh`]: what is there now

mod refresh;
pub(crate) mod table;

use std::{env, process::ExitCode};

use serde_json::{Value, json};

use self::table::{Arch, LAYERS, Layer, date, region};
use crate::{args::Layers, aws, say};

/// A layer's ARN without its version, and the version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LayerVersion {
    arn: String,
    version: u32,
}

/// What is known of a layer in the region that was asked for.
struct Row {
    layer: &'static Layer,
    found: Option<LayerVersion>,
    /// Whether AWS was asked, and has said it.
    is_current: bool,
    /// Whether it is the release that the table has.
    is_known: bool,
}

pub(crate) fn run(asked: &Layers) -> ExitCode {
    let region = match asked.region.clone().map_or_else(region_of_environment, Ok) {
        Ok(region) => region,
        Err(error) => {
            say::error(&error);
            return ExitCode::from(2);
        }
    };
    let mut rows: Vec<Row> = LAYERS.iter().map(|layer| Row::of_table(layer, &region, asked.arch)).collect();
    let refreshed = if asked.refresh { refresh_all(&mut rows, &region, asked.arch) } else { Ok(()) };
    if asked.json {
        say::print(&machine(&rows, &region, asked.arch).to_string());
    } else {
        say::print(text(&rows, &region, asked.arch, asked.refresh).trim_end_matches('\n'));
    }
    match refreshed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn region_of_environment() -> Result<String, String> {
    let variable = |name| env::var(name).ok().filter(|region| !region.is_empty());
    let Some(typed) = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) else {
        return Err("no region is known: say it with --region or AWS_REGION".into());
    };
    region(&typed).map_err(|error| format!("AWS_REGION is {typed}: {error}"))
}

impl Row {
    fn of_table(layer: &'static Layer, region: &str, arch: Arch) -> Self {
        let found = layer.in_table(region, arch).map(|(arn, version)| LayerVersion { arn, version });
        Self { layer, found, is_current: false, is_known: true }
    }
}

/// Puts what AWS says into the rows. What it does not say stays as the table has it.
fn refresh_all(rows: &mut [Row], region: &str, arch: Arch) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let config = aws::configuration(Some(region)).await;
        let mut failures = Vec::new();
        for row in rows {
            match refresh::newest(&config, row.layer, region, arch).await {
                Ok(found) => {
                    row.is_known = found == row.found;
                    (row.found, row.is_current) = (found, true);
                }
                Err(error) => failures.push(format!("{}: {}", row.layer.title, say::causes(&*error))),
            }
        }
        match failures.as_slice() {
            [] => Ok(()),
            failures => {
                Err(format!("the table's version is shown, as AWS did not say a newer one of\n{}", failures.join("\n")))
            }
        }
    })
}

fn text(rows: &[Row], region: &str, arch: Arch, refreshed: bool) -> String {
    let mut text = format!("A Rust function needs no layer. These are optional, in {region} for {}:\n", arch.name());
    for Row { layer, found, is_known, .. } in rows {
        let Some(LayerVersion { arn, version }) = found else { continue };
        let release = if *is_known { layer.release.to_owned() } else { format!("later than {}", layer.release) };
        text += &format!("\n{} {release}\n  {arn}:{version}\n  {}\n", layer.title, layer.purpose);
    }
    let absent: Vec<&str> = rows.iter().filter(|row| row.found.is_none()).map(|row| row.layer.title).collect();
    if !absent.is_empty() {
        text += &format!("\nNone that is known here: {}.\n", absent.join(", "));
    }
    if !refreshed {
        text += &format!("\nAs of {}. --refresh asks AWS for newer versions.\n", date());
    }
    text
}

fn machine(rows: &[Row], region: &str, arch: Arch) -> Value {
    let layers = rows.iter().filter_map(|row| {
        let LayerVersion { arn, version } = row.found.as_ref()?;
        Some(json!({
            "name": row.layer.title,
            "arn": format!("{arn}:{version}"),
            "version": version,
            "release": row.is_known.then_some(row.layer.release),
            "source": if row.is_current { "aws" } else { "table" },
            "purpose": row.layer.purpose,
        }))
    });
    let layers: Vec<Value> = layers.collect();
    json!({ "region": region, "arch": arch.name(), "needed": false, "as_of": date(), "layers": layers })
}
