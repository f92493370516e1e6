//! `forward`: what Lambda's event source mapping does between a queue and a function, for a function on this machine.
//!
//! 1. [`route`] and [`queue`]: which queue and which function; [`consumers`]: is it somebody else's?
//! 2. [`poll`]: the way of a batch.
//! 3. [`event`], [`invoke`], [`verdict`]: the event, the call and what its answer means.
//! 4. [`settle`]: messages stay hidden, are deleted or given back.
//! 5. [`report`]: what is seen of it.
//!
//! Nothing is deleted but by the verdict on an answer, so what ends this process at any moment loses no message.

mod consumers;
mod event;
mod invoke;
mod poll;
mod queue;
mod report;
pub(crate) mod route;
mod settle;
mod verdict;

use std::{collections::HashSet, env, process::ExitCode};

use aws_config::SdkConfig;
use http::Uri;
use tokio::{sync::watch, task::JoinSet};

use self::{poll::Forwarding, queue::Queue, route::Route};
use crate::{args::Forward, sqs};

pub(crate) fn run(args: &Forward) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(forward(args)),
        Err(error) => Err(error.to_string()),
    };
    match ended {
        Ok(0) => ExitCode::SUCCESS,
        Ok(open) => {
            report::note(&format!("messages that were received and are not done: {open}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            report::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// How many messages are not done at the end.
async fn forward(args: &Forward) -> Result<usize, String> {
    let stop = stop_on_signals();
    let config = sqs::configuration(args.endpoint_url.as_deref()).await;
    let mut all = JoinSet::new();
    let mut queues = HashSet::new();
    for route in &args.events {
        let forwarding = open(args, &config, route).await?;
        if !queues.insert(forwarding.queue.arn.clone()) {
            return Err(format!("{} is named twice; a queue goes to one function", forwarding.queue.name()));
        }
        let stop = stop.clone();
        all.spawn(async move { poll::run(&forwarding, stop).await });
    }
    let mut open = 0;
    let mut failed = None;
    while let Some(ended) = all.join_next().await {
        match ended.map_err(|error| error.to_string()).flatten() {
            Ok(left) => open += left,
            // The other queues are not to stand still for it.
            Err(error) => {
                if !all.is_empty() {
                    report::error(&error);
                }
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(open), Err)
}

async fn open(args: &Forward, config: &SdkConfig, route: &Route) -> Result<Forwarding, String> {
    let at = route.function.at(&args.invoke_endpoint)?;
    let queue = Queue::open(config, &route.queue, args.visibility).await.map_err(sqs::help)?;
    if !args.steal {
        alone(args, config, &queue).await?;
    }
    let function = match &route.function {
        route::Function::Name(name) => name.clone(),
        route::Function::Url(url) => url.to_string(),
    };
    let seconds = queue.visibility;
    report::note(&format!("{} -> {function}  at {at}, messages are hidden for {seconds} s at a time", queue.name()));
    let &Forward { batch_size, timeout, once, json, .. } = args;
    Ok(Forwarding { queue, function, at, batch_size, timeout, once, json })
}

/// Refuses a queue that a deployed function consumes: the two would take each other's messages, and tasks of one group
/// would run in both places. An emulator on this machine has nobody's messages.
async fn alone(args: &Forward, config: &SdkConfig, queue: &Queue) -> Result<(), String> {
    let elsewhere = |name| env::var(name).ok().filter(|url| !url.is_empty());
    let general = config.endpoint_url().map(str::to_owned);
    let endpoint = args.endpoint_url.clone().or_else(|| elsewhere("AWS_ENDPOINT_URL_SQS")).or(general);
    if endpoint.as_deref().is_some_and(is_loopback) {
        return Ok(());
    }
    let lambda = elsewhere("AWS_ENDPOINT_URL_LAMBDA").or(endpoint);
    match consumers::consumers(config, &queue.arn, lambda.as_deref()).await {
        Ok(functions) if functions.is_empty() => Ok(()),
        Ok(functions) => Err(format!(
            "{} is consumed by {}; disable that event source mapping, use a queue of your own, or take its messages \
             with --steal",
            queue.name(),
            functions.join(", ")
        )),
        Err(error) => {
            let (queue, error) = (queue.name(), report::causes(&*error));
            report::warn(&format!(
                "whether a deployed function consumes {queue} too can't be seen (it takes lambda:ListEventSourceMappings): {error}"
            ));
            Ok(())
        }
    }
}

fn is_loopback(url: &str) -> bool {
    let uri = url.parse::<Uri>().unwrap_or_default();
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Becomes true at Ctrl-C, and at SIGTERM. The second time ends the process at once: what it has received is given again when
/// it is no more hidden.
fn stop_on_signals() -> watch::Receiver<bool> {
    let (sender, stop) = watch::channel(false);
    tokio::spawn(async move {
        while told_to_stop().await {
            if sender.send_replace(true) {
                std::process::exit(130);
            }
            report::note("stopping: what the function works on is waited for; once more ends at once");
        }
    });
    stop
}

/// Waits for a signal; false if none can be listened for.
#[cfg(unix)]
async fn told_to_stop() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return tokio::signal::ctrl_c().await.is_ok() };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
        terminated = terminate.recv() => terminated.is_some(),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine() {
        for (url, loopback) in [
            ("http://127.0.0.1:4566", true),
            ("http://localhost:4566/", true),
            ("http://[::1]:4566", true),
            ("http://0.0.0.0:4566", false),
            ("https://sqs.eu-west-1.amazonaws.com", false),
            ("http://localhost.example", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_loopback(url), loopback, "{url}");
        }
    }
}
