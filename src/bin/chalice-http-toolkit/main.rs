//! The command `chalice-http-toolkit`: what a developer asks of a site's folders and queues. It sees the public API only.

mod args;
mod aws;
mod check;
mod code;
mod completions;
mod every;
mod folder;
mod forward;
mod images;
mod layers;
mod purge;
mod queue_name;
mod say;
mod schedules;
mod setup;
mod sqs;
mod tasks;
mod template;
mod verify;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match args::Args::parse().verb {
        args::Verb::Check(check) => check::run(&check),
        args::Verb::Images(images) => images::run(&images),
        args::Verb::Forward(forward) => forward::run(&forward),
        args::Verb::Completions(completions) => completions::run(&completions),
        args::Verb::Layers(layers) => layers::run(&layers),
        args::Verb::Purge(purge) => purge::run(&purge),
        args::Verb::Schedules(schedules) => schedules::run(&schedules),
        args::Verb::Setup(setup) => setup::run(&setup),
        args::Verb::Tasks(tasks) => tasks::run(&tasks),
        args::Verb::Verify(verify) => verify::run(&verify),
    }
}
