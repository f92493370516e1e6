//! What `tests/e2e/tasks_soak.py` runs, kills and starts again: `work PORT` is a worker behind an invoke URL, `serve` one in a
//! container that polls, `post` a site that posts; `later` and `cancel` are of one task that waits for long. It uses the public API only; what is broken on purpose, `BROKEN` in the environment says.
#![allow(clippy::print_stdout)] // What became of each post is told there.

use std::{
    borrow::Cow,
    env,
    fs::{File, OpenOptions},
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use axum::{Router, extract::State, http::StatusCode};
use chalice_http_toolkit::{
    App, BoxError, Defect, Task, TaskContext, TaskingController, seed,
    tasking::{Dedup, DynamoStore},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Deserialize, Serialize)]
struct Step {
    group: String,
    number: u32,
}

impl Task for Step {
    const NAME: &'static str = "step";

    fn group(&self) -> Option<Cow<'_, str>> {
        Some(self.group.as_str().into())
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(format!("{}-{}", self.group, self.number).into())
    }
}

/// A task that goes on in `STEPS` steps.
#[derive(Deserialize, Serialize)]
struct Climb {
    group: String,
    number: u32,
}

impl Task for Climb {
    const NAME: &'static str = "climb";
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_env_filter("error").with_writer(std::io::stderr).init();
    match &env::args().skip(1).collect::<Vec<_>>()[..] {
        [verb, port] if verb == "work" => work(port.parse()?).await,
        [verb] if verb == "serve" => {
            let app = App::worker(&tasks()?).with_worker().with_health_path("/healthz");
            Ok(app.run().await?)
        }
        [verb] if verb == "post" => post().await,
        [verb, seconds, group, number] if verb == "later" => later(seconds.parse()?, group, number.parse()?).await,
        [verb, group, number] if verb == "cancel" => cancel(group, number.parse()?).await,
        _ => Err("it is `work PORT`, `serve`, `post`, `later SECONDS GROUP NUMBER` or `cancel GROUP NUMBER`".into()),
    }
}

fn setting(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn number(name: &str) -> Result<u64, BoxError> {
    setting(name).map_or(Ok(0), |value| Ok(value.parse()?))
}

/// What a step does to the world.
struct World {
    store: DynamoStore,
    /// The table of effects, where they are in the transaction of the mark that a task is done.
    table: Option<String>,
    /// Otherwise they are lines of this file; another one has a line for each try.
    effects: File,
    tries: File,
    /// A task takes up to four times as long, so that some of a batch are done before others.
    takes: Duration,
    /// Of a thousand tasks, so many fail the first time.
    fails: u32,
    /// This one fails each time.
    poison: Option<String>,
    /// Of a thousand tasks, so many fail each time, and so many after them end the process each time.
    poisons: u32,
    crashers: u32,
    /// A task takes between 1 % and 90 % of this, as its name has it.
    share: Duration,
    /// As many of a group as its name has, g7 the first seven, fail each time.
    heads: bool,
}

impl World {
    fn is_poison(&self, step: &Step, name: &str) -> bool {
        let heads = step.group.trim_start_matches('g').parse().unwrap_or(0);
        self.poison.as_deref() == Some(name) || (self.heads && step.number < heads)
    }
}

async fn work(port: u16) -> Result<(), BoxError> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, Router::new().fallback(invoke).with_state(tasks()?)).await?)
}

fn tasks() -> Result<TaskingController, BoxError> {
    let lines =
        |name: &str| OpenOptions::new().append(true).create(true).open(setting(name).unwrap_or("/dev/null".into()));
    let store = DynamoStore::new("done");
    let world = Arc::new(World {
        store: store.clone(),
        table: setting("EFFECTS_TABLE"),
        effects: lines("EFFECTS")?,
        tries: lines("TRIES")?,
        takes: Duration::from_millis(number("TAKES")?),
        fails: u32::try_from(number("FAILS")?)?,
        poison: setting("POISON"),
        poisons: u32::try_from(number("POISONS")?)?,
        crashers: u32::try_from(number("CRASHERS")?)?,
        share: Duration::from_millis(number("SHARE")?),
        heads: setting("HEADS").is_some(),
    });
    let backoff = Duration::from_millis(setting("BACKOFF").map_or(Ok(1_000), |value| value.parse())?);
    let mut tasks = TaskingController::new(setting("QUEUE").ok_or("QUEUE is not set")?)?
        // The script posts by another SDK.
        .with_names_in_bodies()
        .with_backoff(backoff, backoff)
        // What a killed worker has claimed is to be had again as soon as its messages.
        .with_lease(Duration::from_millis(number("LEASE")?.max(1_000)))
        .on({
            let world = world.clone();
            move |context: TaskContext, step: Step| run(world.clone(), context, step)
        })
        .on(move |context: TaskContext, step: Climb| climb(world.clone(), context, step));
    if setting("BROKEN").as_deref() != Some("store") {
        tasks = tasks.with_store(store);
    }
    if setting("BROKEN").as_deref() == Some("group-skip") {
        seed(Some(Defect::GroupSkip));
    }
    Ok(tasks)
}

async fn invoke(State(tasks): State<TaskingController>, event: String) -> (StatusCode, String) {
    let time = number("TIME").ok().filter(|time| *time > 0).unwrap_or(30_000);
    let response = tasks.handle_event(&event, Some(Duration::from_millis(time))).await;
    match response.map(|response| serde_json::to_string(&response)) {
        Ok(Ok(response)) => (StatusCode::OK, response),
        Ok(Err(error)) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn run(world: Arc<World>, context: TaskContext, step: Step) -> Result<(), BoxError> {
    let name = format!("{} {}", step.group, step.number);
    // One write each, so that lines of two processes don't mix.
    (&world.tries).write_all(format!("{name}\n").as_bytes())?;
    let chance = name.bytes().fold(7, |hash, byte| (hash * 31 + u32::from(byte)) * 7_919 % 1_000);
    tokio::time::sleep(world.takes * (chance % 5) + world.share * (1 + chance % 90) / 100).await;
    if (world.poisons..world.poisons + world.crashers).contains(&chance) {
        std::process::abort();
    }
    if chance < world.poisons || world.is_poison(&step, &name) || (chance < world.fails && context.attempt() == 1) {
        return Err("it fails on purpose".into());
    }
    let Some(table) = &world.table else { return Ok((&world.effects).write_all(format!("{name}\n").as_bytes())?) };
    let update = Update::builder()
        .table_name(table)
        .key("group", AttributeValue::S(step.group))
        .update_expression("SET steps = list_append(if_not_exists(steps, :none), :step)")
        .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
        .expression_attribute_values(":step", AttributeValue::L(vec![AttributeValue::N(step.number.to_string())]))
        .build()?;
    Ok(context.complete_with(&world.store, [TransactWriteItem::builder().update(update).build()]).await?)
}

async fn climb(world: Arc<World>, context: TaskContext, step: Climb) -> Result<(), BoxError> {
    let line = format!("{} {}\n", step.group, step.number);
    (&world.tries).write_all(line.as_bytes())?;
    tokio::time::sleep(world.takes).await;
    (&world.effects).write_all(line.as_bytes())?;
    let next = Climb { number: step.number + 1, ..step };
    if u64::from(next.number) < number("STEPS")? {
        context.next(&next)?;
    }
    Ok(())
}

/// Posts `COUNT` steps of each of `GROUPS` groups, one after the other in a group, and says of each: is it in the queue
/// (`yes`), may it be (`maybe`), is it not (`no`)? After `SECONDS` it posts nothing more.
async fn post() -> Result<(), BoxError> {
    // Longer than by default: on a busy machine one try through the bad network may take a second.
    let tasks = TaskingController::new(setting("QUEUE").ok_or("QUEUE is not set")?)?;
    let tasks = tasks.with_send_time(Duration::from_secs(8));
    let (groups, count) = (number("GROUPS")?, u32::try_from(number("COUNT")?)?);
    let (broken, end) = (setting("BROKEN"), Instant::now() + Duration::from_secs(number("SECONDS")?));
    let group = async |group: u64| {
        for number in (0..count).take_while(|_| Instant::now() < end) {
            let step = Step { group: format!("g{group}"), number };
            let sent = match broken.as_deref() {
                Some("id") => post_anew(&tasks, &step).await,
                _ => tasks.post(&step).with_dedup(Dedup::PerPost).await.map(drop).map_err(|error| error.maybe_sent()),
            };
            let said = match sent {
                Ok(()) => "yes",
                Err(true) => "maybe",
                Err(false) => "no",
            };
            println!("{} {number} {said}", step.group);
        }
    };
    futures_util::future::join_all((0..groups).map(group)).await;
    Ok(())
}

/// Posts one step to run after this time, and prints the id of what waits.
async fn later(seconds: u64, group: &str, number: u32) -> Result<(), BoxError> {
    let tasks = TaskingController::new(setting("QUEUE").ok_or("QUEUE is not set")?)?.with_scheduler();
    let step = Step { group: group.to_owned(), number };
    println!("{}", tasks.post(&step).after(Duration::from_secs(seconds)).await?.message_id);
    Ok(())
}

/// Cancels one step, and prints whether it waited.
async fn cancel(group: &str, number: u32) -> Result<(), BoxError> {
    let tasks = TaskingController::new(setting("QUEUE").ok_or("QUEUE is not set")?)?.with_scheduler();
    println!("{}", tasks.cancel(&Step { group: group.to_owned(), number }).await?);
    Ok(())
}

/// Posts until the queue says that it has it, each time as another message.
async fn post_anew(tasks: &TaskingController, step: &Step) -> Result<(), bool> {
    let tasks = tasks.clone().with_send_time(Duration::from_millis(300));
    for _ in 0..20 {
        if tasks.post(step).with_dedup(Dedup::PerPost).await.is_ok() {
            return Ok(());
        }
    }
    Err(true)
}
