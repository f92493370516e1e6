//! Which queue a controller's name or URL means in this process: one at AWS, the local one, or none, where tasks run while
//! they are posted. It sends nothing.

use std::sync::{Arc, OnceLock};

use super::{local::LocalQueue, sqs::Sqs};
use crate::{
    error::{Error, ErrorKind, Result},
    stage::Stage,
};

/// Where the queue is.
#[derive(Clone)]
pub(super) enum Place {
    /// What is found when it is first needed.
    Found(Arc<OnceLock<Found>>),
    Given(Found),
}

#[derive(Clone)]
pub(super) enum Found {
    Sqs(Arc<Sqs>),
    Local(LocalQueue, Start),
    Inline,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Start {
    /// With a worker of its own, from the first post.
    Worker,
    /// Only where it is told to.
    Nothing,
}

impl Place {
    pub(super) fn of(&self, queue: &str) -> Found {
        match self {
            Self::Given(found) => found.clone(),
            Self::Found(found) => found.get_or_init(|| find(queue)).clone(),
        }
    }
}

/// A queue's name or URL, if it is a FIFO queue's.
pub(crate) fn fifo(queue: String) -> Result<String> {
    if queue.ends_with(".fifo") {
        return Ok(queue);
    }
    let message = format!("`{queue}` is no FIFO queue: the name of one ends in `.fifo`");
    Err(Error::new(ErrorKind::Configuration, message))
}

/// A name, whose variable has the URL of a FIFO queue if it is set; or such a URL.
pub(super) fn named(queue: String) -> Result<String> {
    let queue = fifo(queue)?;
    match configured_url(&queue) {
        Some(url) if !url.ends_with(".fifo") => {
            let message = format!("{} is `{url}`, no FIFO queue: the name of one ends in `.fifo`", variable(&queue));
            Err(Error::new(ErrorKind::Configuration, message))
        }
        _ => Ok(queue),
    }
}

/// Which queue a name or a URL means in this process.
fn find(queue: &str) -> Found {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let url = configured_url(queue);
    let is_named = url.is_none() && !queue.contains("://");
    let has_endpoint = is_set("AWS_ENDPOINT_URL_SQS") || is_set("AWS_ENDPOINT_URL");
    let on_lambda = is_set("LAMBDA_TASK_ROOT");
    if is_named && !has_endpoint && !on_lambda && Stage::current().is_development() {
        if is_set("STAGE") {
            tracing::info!(queue, "tasks stay in this process: no queue is configured");
        } else {
            tracing::warn!(
                queue,
                "tasks stay in this process and end with it: neither STAGE nor a queue is configured"
            );
        }
        return Found::Local(LocalQueue::of_process(queue), Start::Worker);
    }
    Found::Sqs(Arc::new(Sqs::new(url.as_deref().unwrap_or(queue))))
}

/// The URL that the environment has for a queue's name.
pub(crate) fn configured_url(name: &str) -> Option<String> {
    std::env::var(variable(name)).ok().filter(|url| !url.is_empty())
}

pub(super) fn variable(name: &str) -> String {
    let name = name.strip_suffix(".fifo").unwrap_or(name);
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("QUEUE_URL_{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_a_variable_for_its_url() {
        assert_eq!(variable("mail.fifo"), "QUEUE_URL_MAIL");
        assert_eq!(variable("Order-events.v2.fifo"), "QUEUE_URL_ORDER_EVENTS_V2");
    }
}
