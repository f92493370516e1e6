//! What was typed. It does not know what is done with it.

use std::{path::PathBuf, time::Duration};

use chalice_http_toolkit::Front;
use clap::{Args as Arguments, Parser, Subcommand, value_parser};
use http::Uri;

use crate::{
    forward::route::Route,
    layers::table::{Arch, region},
    setup::{
        name::{deployable, name},
        project::Extra,
    },
    tasks::args::Tasks,
};

/// Tools for server-rendered sites on AWS Lambda.
#[derive(Debug, Parser)]
#[command(name = "chalice-http-toolkit", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a new site that builds, runs and deploys as it is.
    ///
    /// A folder of the project's name gets pages, a contact form with its task and its worker, a test, and template.yaml for
    /// AWS SAM: CloudFront, an HTTP API, two functions, a queue with its dead letters, alarms.
    ///
    /// A folder that is there and not empty is refused. With --force it is written into; what was there under the same
    /// name is replaced, and named.
    #[command(after_help = "Example:\n  chalice-http-toolkit setup -n my-site -r eu-central-1 -e images")]
    Setup(Setup),
    /// Look for what would go wrong with a site.
    ///
    /// Templates that don't compile, templates and static files that are named and not there, static files that are too
    /// large for one reply, and what template.yaml says that deploys well and works badly at AWS. Each finding is a line
    /// `file:line: what`. The exit code is 0 without findings, 1 with some, and 2 where there is nothing to look at.
    #[command(after_help = "Example:\n  chalice-http-toolkit check shop --static public")]
    Check(Check),
    /// Make the variants of a folder's images ahead, so that a deployed site converts none.
    Images(Images),
    /// Bring the messages of SQS queues to functions that run on this machine, as Lambda would.
    ///
    /// Each batch of messages becomes one event, which the function gets by an HTTP POST; cargo lambda watch is the usual
    /// place where it runs. What the function did is deleted. What it names in batchItemFailures stays, and so does
    /// everything if it fails, is not there or answers what AWS would not understand: as for a deployed function with
    /// ReportBatchItemFailures.
    ///
    /// Credentials and region come from where the AWS command line takes them, the endpoint of an emulator from
    /// AWS_ENDPOINT_URL_SQS or --endpoint-url. Ctrl-C waits for the function's answer; a second Ctrl-C ends at once.
    ///
    /// The exit code is 1 if a message was not done when it ended.
    #[command(after_help = "Example:\n  chalice-http-toolkit forward -e 'tasks.fifo->worker'")]
    Forward(Forward),
    /// List the public layers that a function may use, with their ARNs. A Rust function needs none.
    ///
    /// The list is a table of a day that it names. --refresh asks AWS for newer versions; it takes credentials with the right
    /// lambda:GetLayerVersion, and ssm:GetParameter for the AppConfig agent.
    #[command(after_help = "Example:\n  chalice-http-toolkit layers -r eu-central-1 --arch arm64")]
    Layers(Layers),
    /// Drop the copies at CloudFront of what a deployment has changed.
    ///
    /// The command compares the manifests of two releases. A tag that only the old manifest has is invalidated. All tags are one
    /// invalidation. The command prints a line for each tag: the tag, the pages that had it, and what has changed. If there are
    /// more tags than --at-most, it invalidates the path /* instead, which is cheaper.
    ///
    /// It takes credentials with the right cloudfront:CreateInvalidation, and lambda:InvokeFunction for --function. The exit
    /// code is 0 where nothing was left to drop or all is asked for, 1 where it could not be, and 2 for wrong arguments.
    #[command(
        after_help = "Example:\n  chalice-http-toolkit purge --distribution E2QWRUHAPOMQZL --from old.json --function shop"
    )]
    Purge(Purge),
    /// Write the schedules of a program into its template.
    ///
    /// The program prints the schedules of App::every with SCHEDULE_MANIFEST=1. Each becomes an event of EventBridge Scheduler, of
    /// the type ScheduleV2, for the function that takes tasks from a queue. The new schedules replace those that the command
    /// wrote before. The rest of the file stays as it is.
    ///
    /// The exit code is 0 where the template has them, 1 where it has others with --check, and 2 for what can't be read.
    #[command(
        after_help = "Example:\n  SCHEDULE_MANIFEST=1 cargo run --quiet | chalice-http-toolkit schedules template.yaml"
    )]
    Schedules(Schedules),
    /// List the tasks and dead letters of a queue, send dead letters back, or delete messages.
    ///
    /// Credentials, region and endpoint are those of `forward`. The rights: sqs:GetQueueUrl and
    /// sqs:GetQueueAttributes for all; sqs:ReceiveMessage and sqs:ChangeMessageVisibility to see messages; sqs:SendMessage and
    /// sqs:DeleteMessage for redrive; sqs:DeleteMessage for drop, and sqs:PurgeQueue for purge.
    ///
    /// The exit code is 1 if something failed, or if you did not answer a question with yes.
    #[command(subcommand, after_help = "Example:\n  chalice-http-toolkit tasks list --queue mail.fifo --dead")]
    Tasks(Tasks),
    /// Compare what CloudFront serves with what the function answers now.
    ///
    /// A page that was changed without a purge of its tags stays at the edge as it was. This command finds such pages: it asks
    /// for each path at the public address, and invokes the function with the same request. Where the two differ, it waits and asks
    /// both again, as a purge may be on its way. If they still differ, it prints a line with the path, the age of the copy and the
    /// cache tags of the page. Pages that depend on cookies can't be compared.
    ///
    /// It takes credentials with the right lambda:InvokeFunction. If the site has an origin secret, ORIGIN_SECRET is that. The
    /// exit code is 0 where all pages are equal, 1 where one differs, and 2 where they can't be compared.
    #[command(
        after_help = "Example:\n  chalice-http-toolkit verify https://shop.example --function shop / /products/7"
    )]
    Verify(Verify),
    /// Print a script that lets a shell complete this command.
    #[command(
        after_help = "Example:\n  chalice-http-toolkit completions bash > ~/.local/share/bash-completion/completions/chalice-http-toolkit"
    )]
    Completions(Completions),
}

#[derive(Arguments, Debug)]
pub(crate) struct Setup {
    /// The project's name: 1 to 32 lower-case letters, digits and single hyphens.
    #[arg(short, long, value_parser = name)]
    pub(crate) name: String,
    /// The folder in which the project's own is made.
    #[arg(short, long, default_value = ".")]
    pub(crate) path: PathBuf,
    /// The region that it is deployed to. [default: AWS_REGION, else us-east-1]
    #[arg(short, long, value_parser = deployable)]
    pub(crate) region: Option<String>,
    /// What it has beside the usual; may be repeated.
    #[arg(short, long = "extra", value_name = "EXTRA")]
    pub(crate) extra: Vec<Extra>,
    /// A checkout of chalice_http_toolkit to build with, in place of the published crate.
    #[arg(long, value_name = "PATH")]
    pub(crate) toolkit_path: Option<PathBuf>,
    /// Write into a folder that is not empty.
    #[arg(long)]
    pub(crate) force: bool,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Images {
    /// The folder of static files. Variants go into `_variants` in it; those that nothing asks for any more are removed.
    #[arg(default_value = "static")]
    pub(crate) files: PathBuf,
    /// The widths in pixels, as the site has them by `Images::with_widths` [default: all that a site allows by default].
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub(crate) widths: Vec<u32>,
    /// The quality, as the site has it by `Images::with_quality` [default: 80].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: Option<u8>,
    /// For a site with `Images::with_path_urls`.
    #[arg(long)]
    pub(crate) path_urls: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Check {
    /// The folder of the site.
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// The folder of templates in it.
    #[arg(long, value_name = "FOLDER", default_value = "templates")]
    pub(crate) templates: PathBuf,
    /// The folder of static files in it.
    #[arg(long = "static", value_name = "FOLDER", default_value = "static")]
    pub(crate) files: PathBuf,
    /// The front door that files have to fit through: http, rest, url or alb.
    #[arg(long, default_value = "http")]
    pub(crate) front: Front,
    /// Also scripts, styles and event handlers in templates that the Content-Security-Policy of SecurityHeaders blocks.
    #[arg(long)]
    pub(crate) inline: bool,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Forward {
    /// A queue by name, ARN or URL, and a function by name or by its whole invoke URL. In quotes: a bare > is the shell's.
    #[arg(short, long = "event", value_name = "QUEUE->FUNCTION", required = true)]
    pub(crate) events: Vec<Route>,
    /// Where SQS is, if not at AWS.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Where functions are invoked by name.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    pub(crate) invoke_endpoint: Uri,
    /// The most messages in one event.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(i32).range(1..=10))]
    pub(crate) batch_size: i32,
    /// How long a message is hidden from others at a time; it is kept hidden until the function answers, and comes back
    /// this long after a failure. [default: the queue's visibility timeout]
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(i32).range(1..=43_200))]
    pub(crate) visibility: Option<i32>,
    /// How long a function may take.
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// End when the queue has nothing to give.
    #[arg(long)]
    pub(crate) once: bool,
    /// Take messages although a deployed function consumes the queue.
    #[arg(long)]
    pub(crate) steal: bool,
    /// One JSON object for each message instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Layers {
    /// The region [default: AWS_REGION].
    #[arg(short, long, value_parser = region)]
    pub(crate) region: Option<String>,
    /// The function's instruction set.
    #[arg(long, default_value = "arm64")]
    pub(crate) arch: Arch,
    /// Ask AWS for newer versions.
    #[arg(long)]
    pub(crate) refresh: bool,
    /// One JSON object instead of text.
    #[arg(short, long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Purge {
    /// The id of the distribution.
    #[arg(long, value_name = "ID", value_parser = distribution)]
    pub(crate) distribution: String,
    /// The manifest of the previous release.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// The manifest of the new release.
    #[arg(long, value_name = "FILE", conflicts_with = "function", required_unless_present = "function")]
    pub(crate) to: Option<PathBuf>,
    /// The new release's function, which is invoked to get its manifest.
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// The function's region [default: AWS_REGION].
    #[arg(short, long, value_parser = region)]
    pub(crate) region: Option<String>,
    /// The greatest number of tags to invalidate one by one.
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) at_most: usize,
    /// Print what would be invalidated, without invalidating it.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Verify {
    /// The public address of the site.
    #[arg(value_name = "URL")]
    pub(crate) url: Uri,
    /// The paths of the pages to compare [default: the pages that /sitemap.xml names].
    #[arg(value_name = "PATH", value_parser = path)]
    pub(crate) paths: Vec<String>,
    /// The function that serves the site.
    #[arg(long, value_name = "NAME")]
    pub(crate) function: String,
    /// The function's region [default: AWS_REGION].
    #[arg(short, long, value_parser = region)]
    pub(crate) region: Option<String>,
    /// Compare only so many of the pages, chosen at random.
    #[arg(long, value_name = "N")]
    pub(crate) sample: Option<usize>,
    /// The field that has the cache tags, as the site has it by `with_cache_tags`.
    #[arg(long, value_name = "FIELD", default_value = "cache-tag")]
    pub(crate) cache_tags: String,
    /// How long to wait before pages that differ are compared again. The second purge of a page comes after 10 seconds by default.
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub(crate) wait: Duration,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Schedules {
    /// The template.
    #[arg(default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// What the program printed [default: standard input].
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// The function that the events are for, by its name in the template [default: the one that takes tasks from a queue].
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Say whether the template has them, and write nothing.
    #[arg(long)]
    pub(crate) check: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Arguments, Debug)]
pub(crate) struct Completions {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

fn distribution(typed: &str) -> Result<String, String> {
    let is_id = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_id { Ok(typed.to_owned()) } else { Err("an id such as E2QWRUHAPOMQZL is needed".into()) }
}

fn path(typed: &str) -> Result<String, String> {
    let is_path = typed.starts_with('/') && !typed.starts_with("//");
    if is_path { Ok(typed.to_owned()) } else { Err("a path such as /products/7 is needed".into()) }
}

fn seconds(typed: &str) -> Result<Duration, String> {
    match typed.parse::<u32>() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds.into())),
        _ => Err("a whole number of seconds, 1 or more, is needed".into()),
    }
}
