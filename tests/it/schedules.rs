//! Tasks that are posted again and again: whose time comes, which are the same, and what is refused at the start.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chalice_http_toolkit::{
    App, ErrorKind,
    tasking::{LocalQueue, MemoryStore, Schedule, Task, TaskContext, TaskingController},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Serialize, Deserialize)]
struct Report(u32);

impl Task for Report {
    const NAME: &'static str = "report";
}

/// In a group of its own choice.
#[derive(Serialize, Deserialize)]
struct Clean;

impl Task for Clean {
    const NAME: &'static str = "clean";

    fn group(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("housekeeping".into())
    }
}

fn event(name: &str, time: &str) -> String {
    format!(r#"{{"chalice-http-toolkit":"schedule","name":"{name}","time":"{time}"}}"#)
}

/// A queue whose reports take so long, and what has begun and ended.
fn slow(queue: &LocalQueue, takes: Duration) -> (TaskingController, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (noted, begun) = (lines.clone(), Instant::now());
    let tasks = TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(queue);
    let tasks = tasks.with_store(MemoryStore::new()).on(move |_: TaskContext, Report(number)| {
        let noted = noted.clone();
        async move {
            let note = |what| {
                noted.lock().expect("no panic").push(format!("{what} {number} at {}", begun.elapsed().as_secs() / 60));
            };
            note("begins");
            sleep(takes).await;
            note("ends");
            Ok::<(), std::io::Error>(())
        }
    });
    (tasks, lines)
}

#[tokio::test(start_paused = true)]
async fn each_time_of_a_schedule_posts_its_task_once() {
    let queue = LocalQueue::new("t.fifo");
    let (tasks, _) = slow(&queue, Duration::ZERO);
    let app = App::worker(&tasks)
        .every("0 3 * * ? *", Report(1))
        .every(Schedule::rate(6 * 60 * MINUTE).with_name("often"), Report(2));
    // Two processes fire the same, as two containers do.
    let (one, other) = (app.clone(), app);
    let both = async { tokio::join!(one.run_schedules(), other.run_schedules()) };
    assert!(timeout(7 * DAY, both).await.is_err(), "schedules do not end");
    assert_eq!(queue.len(), 7 + 28);
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_the_one_before() {
    let queue = LocalQueue::new("t.fifo").with_visibility(60 * MINUTE);
    let (tasks, lines) = slow(&queue, Duration::from_secs(150));
    let app = App::worker(&tasks).every(MINUTE, Report(1));
    let worker = tasks.spawn_worker().expect("a local queue");
    assert!(timeout(Duration::from_secs(310), app.run_schedules()).await.is_err());
    sleep(20 * MINUTE).await;
    worker.stop().await;
    let lines = lines.lock().expect("no panic");
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    // Five or six minutes begin in this time.
    assert!(kinds.len() >= 10 && kinds.chunks(2).all(|run| run == ["begins", "ends"]), "{lines:?}");
    assert!(queue.is_empty() && queue.dead_letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_runs_nothing_again() {
    let queue = LocalQueue::new("t.fifo");
    let (tasks, lines) = slow(&queue, Duration::ZERO);
    let app = App::worker(&tasks).every("0 3 * * ? *", Report(1));
    for time in ["2026-12-01T03:00:00Z", "2026-12-01T03:00:00Z", "2026-12-02T03:00:00Z"] {
        app.invoke(&event("report", time), None).await.expect("posted");
        tasks.work_off().await.expect("a local queue");
        // The queue itself knows a message again for five minutes.
        sleep(10 * MINUTE).await;
    }
    assert_eq!(lines.lock().expect("no panic").len(), 4);
}

#[tokio::test]
async fn a_task_keeps_its_own_group() {
    let queue = LocalQueue::new("t.fifo");
    let groups = Arc::new(Mutex::new(Vec::new()));
    let [noted, of_reports] = [groups.clone(), groups.clone()];
    let tasks =
        TaskingController::new("t.fifo").expect("a FIFO name").with_local_queue(&queue).with_default_group("all");
    let note = |groups: &Mutex<Vec<String>>, context: &TaskContext| {
        groups.lock().expect("no panic").push(context.group().unwrap_or_default().to_owned());
        std::future::ready(Ok::<(), std::io::Error>(()))
    };
    let tasks = tasks
        .on(move |context: TaskContext, _: Clean| note(&noted, &context))
        .on(move |context: TaskContext, _: Report| note(&of_reports, &context));
    let app = App::worker(&tasks).every("0 3 * * ? *", Clean).every("0 3 * * ? *", Report(1));
    for name in ["clean", "report"] {
        app.invoke(&event(name, "2026-12-01T03:00:00Z"), None).await.expect("posted");
    }
    tasks.work_off().await.expect("a local queue");
    let mut groups = groups.lock().expect("no panic").clone();
    groups.sort();
    assert_eq!(groups, ["housekeeping", "schedule-report"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_said() {
    let queue = LocalQueue::new("t.fifo");
    let (tasks, _) = slow(&queue, Duration::ZERO);
    let app = || App::worker(&tasks);
    for (app, says) in [
        (app().every("0 3 * * *", Report(1)), "6 fields"),
        (app().every("0 3 * * * *", Report(1)), "put `?` into one"),
        (app().every(Duration::from_secs(5), Report(1)), "whole number of minutes"),
        (app().every("0 3 * * ? *", Report(1)).every(MINUTE, Report(2)), "two schedules are named `report`"),
        (app().every(Schedule::from("0 3 * * ? *").with_name("a b"), Report(1)), "its name `a b`"),
        (app().every("0 3 * * ? *", Clean), "no queue of this app has a handler"),
    ] {
        let error = app.run_schedules().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(says), "{error}");
        let error = app.invoke(&event("report", "2026-12-01T03:00:00Z"), None).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let app = app().every("0 3 * * ? *", Report(1));
    for (event, says) in [
        (event("weekly", "2026-12-01T03:00:00Z"), "no schedule `weekly`"),
        (event("report", ""), "has no time"),
        (event("report", "<aws.scheduler.scheduled-time>"), "which EventBridge Scheduler replaces"),
        (event("report", &"9".repeat(41)), "has no time"),
        (event("report", "a b"), "has no time"),
    ] {
        let error = app.invoke(&event, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Event);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(queue.is_empty());
    assert!(App::worker(&tasks).run_schedules().await.is_ok(), "there is none");
}

/// A visitor's request is an event too, whatever its body says.
#[tokio::test]
async fn no_request_fires_a_schedule() {
    let queue = LocalQueue::new("t.fifo");
    let (tasks, _) = slow(&queue, Duration::ZERO);
    let app = App::worker(&tasks).every("0 3 * * ? *", Report(1));
    let body = event("report", "2026-12-01T03:00:00Z");
    let mut request: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    request["rawPath"] = "/".into();
    request["body"] = body.clone().into();
    request["requestContext"] = serde_json::json!({ "http": { "method": "POST" } });
    assert_eq!(app.invoke(&request.to_string(), None).await.expect("a reply").status(), 404);
    let longer = body.replace('}', r#","more":1}"#);
    app.invoke(&longer, None).await.unwrap_err();
    assert!(queue.is_empty());
}

/// Run again below, as a program that was told to print its schedules.
#[tokio::test]
async fn prints_and_ends() {
    if std::env::var_os("SCHEDULE_MANIFEST").is_some() {
        let (tasks, _) = slow(&LocalQueue::new("t.fifo"), Duration::ZERO);
        let daily = Schedule::cron("0 3 * * ? *").with_time_zone("Europe/Berlin").with_name("daily");
        let app = App::worker(&tasks).every(MINUTE, Report(1)).every(daily, Report(2));
        app.run().await.expect("it ends");
    }
}

#[test]
fn a_program_prints_its_schedules() {
    let this = std::env::current_exe().expect("a program");
    let mut command = std::process::Command::new(this);
    let command = command.args(["--exact", "schedules::prints_and_ends", "--nocapture"]).env("SCHEDULE_MANIFEST", "1");
    let output = command.env_remove("AWS_LAMBDA_RUNTIME_API").output().expect("it runs");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let json = said.find('{').and_then(|begin| said.get(begin..=said.rfind('}')?)).expect("an object");
    let printed: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let schedules = serde_json::json!([
        { "name": "report", "expression": "rate(1 minute)", "time_zone": "UTC" },
        { "name": "daily", "expression": "cron(0 3 * * ? *)", "time_zone": "Europe/Berlin" },
    ]);
    assert_eq!(printed, serde_json::json!({ "schedules": schedules }));
}
