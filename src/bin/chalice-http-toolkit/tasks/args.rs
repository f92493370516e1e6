//! What was typed after `tasks`. It does not know what is done with it.

use clap::{Args as Arguments, Subcommand, value_parser};

use crate::queue_name::QueueName;

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Print a line for each task: its name, id, group, attempts and age, and why it failed.
    ///
    /// SQS can show a message only by a receive. For dead letters (--dead) this has no effect. In the task queue it counts as one
    /// receive of each message that is read. The group of the message is hidden from the worker while the command runs, and for
    /// 30 seconds at most.
    ///
    /// SQS shows only the first ten messages of a group of a FIFO queue.
    List(List),
    /// Print all of one message.
    Show(Show),
    /// Send dead letters back to the task queue, in their order within a group.
    ///
    /// They keep their idempotency keys and have all their attempts again. A letter is deleted only after it is in the task queue.
    /// So no letter is lost, even if you stop the command.
    ///
    /// A filter finds a letter only if fewer than ten letters before it in its group do not match.
    Redrive(Redrive),
    /// Delete messages that a filter selects. It asks first.
    Drop(Removal),
    /// Delete all messages of a queue. It asks first.
    Purge(Purge),
    /// Print the numbers of waiting messages, messages in flight and dead letters, again and again. It receives no messages.
    Watch(Watch),
}

/// Which queue.
#[derive(Arguments, Clone, Debug)]
pub(crate) struct Queues {
    /// The task queue: a name, an ARN or a URL.
    #[arg(short, long)]
    pub(crate) queue: QueueName,
    /// The dead-letter queue [default: that of the RedrivePolicy of the task queue].
    #[arg(long, value_name = "QUEUE")]
    pub(crate) dead_queue: Option<QueueName>,
    /// The address of an SQS emulator.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
}

/// Which messages; each of those that match all that is given.
#[derive(Arguments, Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Tasks of this name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Tasks of this group.
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// The task with this message id. The option can be repeated.
    #[arg(long = "id", value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Arguments, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) queues: Queues,
    /// The dead letters of the queue, and not its tasks.
    #[arg(long)]
    pub(crate) dead: bool,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// The most messages to read [default: all dead letters, and 100 messages of a task queue].
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print bodies, keys and attributes too.
    #[arg(long)]
    pub(crate) bodies: bool,
    /// Read messages even if the queue's maxReceiveCount is so low that this may make dead letters.
    #[arg(long)]
    pub(crate) read_anyway: bool,
    /// One JSON object for each message instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) queues: Queues,
    /// A dead letter of the queue, and not a task.
    #[arg(long)]
    pub(crate) dead: bool,
    /// The message's id.
    pub(crate) id: String,
    /// Print its body, key and attributes too.
    #[arg(long)]
    pub(crate) bodies: bool,
    /// Read messages even if the queue's maxReceiveCount is so low that this may make dead letters.
    #[arg(long)]
    pub(crate) read_anyway: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
#[group(id = "which", required = true, multiple = true, args = ["name", "group", "ids", "all"])]
pub(crate) struct Redrive {
    #[command(flatten)]
    pub(crate) queues: Queues,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// All of them.
    #[arg(long, conflicts_with_all = ["name", "group", "ids"])]
    pub(crate) all: bool,
    /// One JSON object for each message instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
#[group(id = "which", required = true, multiple = true, args = ["name", "group", "ids"])]
pub(crate) struct Removal {
    #[command(flatten)]
    pub(crate) queues: Queues,
    /// Dead letters of the queue, and not its tasks.
    #[arg(long)]
    pub(crate) dead: bool,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Read messages even if the queue's maxReceiveCount is so low that this may make dead letters.
    #[arg(long)]
    pub(crate) read_anyway: bool,
    /// Delete without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON object for each message instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Purge {
    #[command(flatten)]
    pub(crate) queues: Queues,
    /// The dead letters of the queue, and not its tasks.
    #[arg(long)]
    pub(crate) dead: bool,
    /// Delete without asking.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) queues: Queues,
    /// The pause between two lines.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = value_parser!(u64).range(1..=3600))]
    pub(crate) every: u64,
    /// End after this number of lines.
    #[arg(long, value_name = "N")]
    pub(crate) times: Option<u32>,
    /// One JSON object for each line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}
