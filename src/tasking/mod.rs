//! Background tasks over an SQS FIFO queue: what need not be done before the answer.
//!
//! A [`Task`] is a type that travels as JSON. A [`TaskingController`] posts it, and has its handler.
//!
//! How a task travels, each step in the module of that name:
//!
//! 1. `task`: a task; `controller`: the handlers and settings of a queue. `post` makes a `message` of a task, with ids that every
//!    attempt keeps, if the task comes through the `roundtrip` to JSON and back unchanged
//! 2. `sending` brings messages to a `queue`, with the attempts of `send`. The `backend` is AWS (`sqs`) or this process (`local`)
//! 3. `event`: Lambda's JSON of a batch becomes records, and their results its answer
//! 4. `batch` decides which record runs when: in a group one after another, groups side by side
//! 5. `route` finds the handler of a record. `work` runs it in an `invocation`, between `claims` at the `store`. `attempts` counts,
//!    `policy` says how many there are, `visibility` hides what failed, `dead_letters` sends what has had its attempts to that
//!    queue, and `last_failure` calls the site
//!
//! Where no Lambda brings the events, a `queue_worker` of this process does: `receive`, and then step 4 as a `polled` batch, until
//! its `ending`.
//!
//! What waits for long (`delayed`) waits elsewhere by choice (`long_delays`). Bodies that are too large for a message are stored elsewhere (`offload`). `scope` is the request or task that code runs for,
//! with its deadline and its outbox. Nothing here knows HTTP.

#[cfg(panic = "abort")]
compile_error!(
    "tasks need `panic = \"unwind\"` in `[profile.release]` of Cargo.toml (cargo lambda build aborts unless it is there): \
     otherwise the panic of one takes the whole batch with it"
);

mod attempts;
mod aws;
mod backend;
mod batch;
mod cancel;
mod canonical;
mod claims;
pub(crate) mod controller;
mod dead_letters;
mod delayed;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod ending;
mod event;
mod heartbeat;
mod invocation;
mod last_failure;
mod local;
mod local_worker;
mod log;
mod long_delays;
mod message;
mod metrics;
mod next_step;
mod offload;
mod policy;
mod polled;
mod post;
mod post_batch;
mod queue;
mod queue_name;
mod queue_worker;
mod receive;
mod roundtrip;
mod route;
#[cfg(feature = "s3-offload")]
mod s3;
#[cfg(feature = "schedules")]
mod scheduler;
mod scope;
mod send;
mod sending;
mod sqs;
mod status;
mod step_claims;
mod steps;
mod store;
pub(crate) mod task;
pub(crate) mod visibility;
mod work;

pub use controller::last_failure::LastFailure;
#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoStore;
pub use event::BatchResponse;
pub use local::{DeadLetter, LocalQueue, LocalWorker};
pub use message::Attribute;
pub use policy::Backoff;
pub use post::{Dedup, Post};
pub use post_batch::PostBatch;
pub use send::{BatchOrder, Posted};
pub use status::TaskStatus;
pub use store::{Claim, IdempotencyStore, MemoryStore, StoreFuture};
pub use task::{RawTask, Task};

pub use crate::schedule::Schedule;
/// What the command `forward` polls with, as the worker of a process does.
#[doc(hidden)]
pub mod polling {
    pub use super::{heartbeat::kept, receive::record};
}

#[cfg(feature = "purge")]
pub(crate) use aws::{configuration, fault};
pub use controller::{TaskingController, context::TaskContext};
pub(crate) use event::source_arn;
#[cfg(feature = "dev-server")]
pub(crate) use local::shown::{MessageState, ShownTask};
pub(crate) use queue_worker::QueueWorker;
pub(crate) use scope::Scope;
pub(crate) use sending::flush;
