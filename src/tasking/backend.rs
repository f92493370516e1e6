//! Chooses the queue for a controller: one at AWS, the local one, or none, where tasks run while they are posted. It sends
//! nothing.

use std::sync::{Arc, OnceLock};

use super::{local::LocalQueue, queue_name::configured_url, sqs::Sqs};
use crate::stage::Stage;

/// How the queue of a controller is chosen.
#[derive(Clone)]
pub(super) enum BackendChoice {
    /// By the environment, when it is first needed.
    Environment(Arc<OnceLock<Backend>>),
    Fixed(Backend),
}

#[derive(Clone)]
pub(super) enum Backend {
    Sqs(Arc<Sqs>),
    Local(LocalQueue, WorkerStart),
    /// No queue: a task runs while it is posted.
    Inline,
}

/// When the worker of a local queue starts.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum WorkerStart {
    WithFirstPost,
    /// Only if the site calls for it.
    Manual,
}

impl BackendChoice {
    pub(super) fn of(&self, queue: &str) -> Backend {
        match self {
            Self::Fixed(backend) => backend.clone(),
            Self::Environment(backend) => backend.get_or_init(|| find(queue)).clone(),
        }
    }
}

/// Which queue a name or a URL means in this process.
fn find(queue: &str) -> Backend {
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
        return Backend::Local(LocalQueue::of_process(queue), WorkerStart::WithFirstPost);
    }
    Backend::Sqs(Arc::new(Sqs::new(url.as_deref().unwrap_or(queue))))
}
