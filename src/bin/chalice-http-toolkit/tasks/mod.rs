//! `tasks`: what waits in a queue and what has failed, for a person who has to look at it and put it right.
//!
//! 1. [`args`]: what was typed. [`queue`]: the two queues, and what SQS is asked. [`letter`]: a message as the worker wrote it
//! 2. [`survey`] goes through a queue, and gives back what it has seen
//! 3. [`list`], [`redrive`], [`removal`] and [`watch`]: the verbs. [`report`]: what is printed of a message

pub(crate) mod args;
mod letter;
mod list;
mod queue;
mod redrive;
mod removal;
mod report;
mod survey;
mod watch;

use std::process::ExitCode;

use self::{
    args::{Queues, Tasks},
    queue::Queue,
};
use crate::{
    say,
    sqs::{self, Trouble},
};

/// A queue that sends its messages away after fewer receives than this may do it because somebody looks at them.
const LEAST_RECEIVES: u64 = 20;

pub(crate) fn run(asked: &Tasks) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(act(asked)),
        Err(error) => Err(error.to_string()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn act(asked: &Tasks) -> Result<(), String> {
    match asked {
        Tasks::List(asked) => list::list(asked).await,
        Tasks::Show(asked) => list::show(asked).await,
        Tasks::Redrive(asked) => redrive::redrive(asked).await,
        Tasks::Drop(asked) => removal::remove(asked).await,
        Tasks::Purge(asked) => removal::purge(asked).await,
        Tasks::Watch(asked) => watch::watch(asked).await,
    }
}

/// The task queue.
async fn task_queue(queues: &Queues) -> Result<Queue, String> {
    let config = sqs::configuration(queues.endpoint_url.as_deref()).await;
    Queue::open(&config, &queues.queue, survey::HIDDEN).await.map_err(sqs::help)
}

/// The dead-letter queue of a task queue: the one that is named, or that of the RedrivePolicy.
async fn dead_queue(queues: &Queues, tasks: &Queue) -> Result<Queue, String> {
    let config = sqs::configuration(queues.endpoint_url.as_deref()).await;
    let own = tasks.redrive().map(|redrive| &redrive.dead_letters);
    let name = queues.dead_queue.as_ref().or(own).ok_or_else(|| {
        format!("{} has no RedrivePolicy, so its dead-letter queue is not known: name it by --dead-queue", tasks.name)
    })?;
    Queue::open(&config, name, survey::HIDDEN_LETTER).await.map_err(sqs::help)
}

/// The queue that is looked at. A look at a task queue counts as a receive of each message: that is said, and refused where the
/// queue would soon make a dead letter of what was received too often.
async fn looked_at(queues: &Queues, dead: bool, anyway: bool, receives: &str) -> Result<Queue, String> {
    let tasks = task_queue(queues).await?;
    if dead {
        return dead_queue(queues, &tasks).await;
    }
    let most = tasks.redrive().map(|redrive| redrive.most_receives);
    if let Some(most) = most.filter(|most| *most < LEAST_RECEIVES && !anyway) {
        return Err(format!(
            "reading a message counts as a receive, and {} makes dead letters after {most}: set maxReceiveCount to 100, or read \
             them all the same with --read-anyway",
            tasks.name
        ));
    }
    say::note(&format!(
        "{}: this counts as {receives} of each message, and hides it from the worker for {} s at most",
        tasks.name,
        survey::HIDDEN
    ));
    Ok(tasks)
}

fn text_of(trouble: Trouble) -> String {
    let (Trouble::Lasting(reason) | Trouble::Passing(reason)) = trouble;
    reason
}
