//! What was typed after `tasks`. It does not know what is done with it.

use clap::{Args as Arguments, Subcommand, value_parser};

use crate::queue_name::QueueName;

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Print a line for each task: its name, id, group, attempts and age, and why it failed.
    ///
    /// SQS has no call that looks at a message without receiving it. A look at the dead letters (--dead) costs nothing. A look
    /// at the task queue counts as one receive of each message that is shown; its group is hidden from the worker for as long as
    /// the command runs, and for 30 seconds at most.
    ///
    /// Of one group of a FIFO queue, SQS shows the first ten messages.
    List(List),
    /// Print all of one message.
    Show(Show),
    /// Send dead letters back to the task queue, in their order within a group.
    ///
    /// They keep their idempotency keys and have all their attempts again. A letter is deleted when the task queue has taken it,
    /// so that nothing is lost where the command is ended.
    ///
    /// Of one group, a filter reaches those letters that have fewer than ten others before them which it leaves out.
    Redrive(Redrive),
    /// Delete messages that a filter selects. It asks first.
    Drop(Removal),
    /// Delete all messages of a queue. It asks first.
    Purge(Purge),
    /// Print how many messages wait, run and are dead letters, again and again. It receives nothing.
    Watch(Watch),
}

/// Which queue.
#[derive(Arguments, Clone, Debug)]
pub(crate) struct Place {
    /// The task queue: a name, an ARN or a URL.
    #[arg(short, long)]
    pub(crate) queue: QueueName,
    /// The dead-letter queue [default: that of the RedrivePolicy of the task queue].
    #[arg(long, value_name = "QUEUE")]
    pub(crate) dead_queue: Option<QueueName>,
    /// Where SQS is, if not at AWS.
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
    /// The task with this message id; may be repeated.
    #[arg(long = "id", value_name = "ID")]
    pub(crate) ids: Vec<String>,
}

#[derive(Arguments, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The dead letters of the queue, and not its tasks.
    #[arg(long)]
    pub(crate) dead: bool,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// The most messages to look at [default: all dead letters, and 100 of a task queue].
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print bodies, keys and attributes too.
    #[arg(long)]
    pub(crate) bodies: bool,
    /// Look also where the queue's maxReceiveCount is so low that this may make dead letters.
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON object for each message instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) place: Place,
    /// A dead letter of the queue, and not a task.
    #[arg(long)]
    pub(crate) dead: bool,
    /// The message's id.
    pub(crate) id: String,
    /// Print its body, key and attributes too.
    #[arg(long)]
    pub(crate) bodies: bool,
    /// Look also where the queue's maxReceiveCount is so low that this may make dead letters.
    #[arg(long)]
    pub(crate) yes: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
#[group(id = "which", required = true, multiple = true, args = ["name", "group", "ids", "all"])]
pub(crate) struct Redrive {
    #[command(flatten)]
    pub(crate) place: Place,
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
    pub(crate) place: Place,
    /// Dead letters of the queue, and not its tasks.
    #[arg(long)]
    pub(crate) dead: bool,
    #[command(flatten)]
    pub(crate) filter: Filter,
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
    pub(crate) place: Place,
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
    pub(crate) place: Place,
    /// The pause between two lines.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = value_parser!(u64).range(1..=3600))]
    pub(crate) every: u64,
    /// End after so many lines.
    #[arg(long, value_name = "N")]
    pub(crate) times: Option<u32>,
    /// One JSON object a line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}
