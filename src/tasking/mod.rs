//! Background tasks over an SQS FIFO queue: what need not be done before the answer.
//!
//! A [`Task`] is a type that travels as JSON. A [`TaskingController`] posts it, and has its handler.
//!
//! How a task travels, each step in the module of that name:
//!
//! 1. `task`: a task and its handler; `post` makes a `message` of one, with ids that every attempt keeps, if it is
//!    `faithful` to the task
//! 2. `send` gets messages into a `queue`, by its `place`: at AWS (`sqs`), or in this process (`local`)
//! 3. `event`: Lambda's JSON of a batch becomes records, and the outcome its answer
//! 4. `batch` decides which record runs when: in a group one after another, groups side by side
//! 5. `find` says which handler it is for; `work` decodes and runs it, between `claims` at the `store`; `tally` says which
//!    attempt it is and `policy` of how many, `put_off` hides what failed, `bury` sends what has had its attempts to the dead
//!    letters, and `last_failure` tells the site
//!
//! Bodies that no message takes go elsewhere (`offload`). `scope` is what all of them are part of at a time: a request or a
//! task, with its deadline and its outbox. Nothing here knows HTTP.

#[cfg(panic = "abort")]
compile_error!(
    "tasks need `panic = \"unwind\"` in `[profile.release]` of Cargo.toml (cargo lambda build aborts unless it is there): \
     otherwise the panic of one takes the whole batch with it"
);

mod aws;
mod batch;
mod bury;
mod canonical;
mod claims;
pub(crate) mod context;
pub(crate) mod controller;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod event;
mod faithful;
mod find;
mod last_failure;
mod local;
mod log;
mod message;
mod offload;
mod place;
mod policy;
mod post;
mod put_off;
mod queue;
#[cfg(feature = "s3-offload")]
mod s3;
mod scope;
mod send;
mod settings;
mod sqs;
mod store;
mod tally;
pub(crate) mod task;
mod work;

#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoStore;
pub use event::BatchResponse;
pub use last_failure::LastFailure;
pub use local::{DeadLetter, LocalQueue, LocalWorker};
pub use message::Attribute;
pub use policy::Backoff;
pub use post::{Dedup, Post, PostBatch, Posted};
pub use send::BatchOrder;
pub use store::{Claim, IdempotencyStore, MemoryStore, StoreFuture};
pub use task::{RawTask, Task};

#[cfg(feature = "purge")]
pub(crate) use aws::{configuration, fault};
pub use context::TaskContext;
pub use controller::TaskingController;
pub(crate) use event::source_arn;
pub(crate) use scope::{Scope, flush};
