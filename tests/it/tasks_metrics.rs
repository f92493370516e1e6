//! Metrics of tasks on standard output: only where they are wished, and what they say.

use std::{
    env,
    process::{Command, Stdio},
};

use chalice_http_toolkit::{
    Error, Task, TaskContext, TaskingController,
    tasking::{LocalQueue, RawTask},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, Serialize)]
struct Greet(String);

impl Task for Greet {
    const NAME: &'static str = "greet";
}

/// What the test below starts as a process of its own, for standard output belongs to the process.
#[tokio::test(start_paused = true)]
async fn a_worker_of_its_own_process() {
    let Ok(metrics) = env::var("METRICS_OF_A_TEST") else { return };
    let queue = LocalQueue::new("mail.fifo");
    let tasks = TaskingController::new("mail.fifo").expect("a FIFO name").with_local_queue(&queue).with_attempts(1);
    let tasks = if metrics == "on" { tasks.with_metrics() } else { tasks };
    let tasks = tasks.on(async |_: TaskContext, Greet(what)| match &*what {
        "fine" => Ok(()),
        _ => Err(Error::permanent("told to")),
    });
    for what in ["fine", "bad"] {
        tasks.post(&Greet(what.to_owned())).with_group("g").await.expect("posted");
    }
    tasks.post_raw("nobody's", [("chalice-task", "made-up")]).with_group("g").await.expect("posted");
    tasks.work_off().await.expect("a local queue");
    assert!(queue.is_empty());
    let tasks = tasks.on_raw(async |_: TaskContext, _: RawTask| Ok::<(), Error>(()));
    tasks.post_raw("hello", [("locale", "de")]).with_group("g").await.expect("posted");
    tasks.work_off().await.expect("a local queue");
}

fn lines(metrics: &str) -> Vec<Value> {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["tasks_metrics::a_worker_of_its_own_process", "--exact", "--nocapture"]);
    let output = command.env("METRICS_OF_A_TEST", metrics).stderr(Stdio::inherit()).output().expect("it runs");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().filter_map(|line| serde_json::from_str(&line[line.find("{\"")?..]).ok()).collect()
}

#[test]
fn each_run_has_a_line_of_metrics_by_the_name_of_its_task() {
    let lines = lines("on");
    let said: Vec<_> =
        lines.iter().map(|line| json!([line["Task"], line["Done"], line["Failed"], line["DeadLetters"]])).collect();
    assert_eq!(
        said,
        [json!(["greet", 1, 0, 0]), json!(["greet", 0, 1, 1]), json!(["unknown", 0, 1, 1]), json!(["raw", 1, 0, 0])]
    );
    for line in &lines {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&directive["Namespace"], &line["Queue"]), (&json!("chalice_http_toolkit"), &json!("mail.fifo")));
        assert_eq!(directive["Dimensions"], json!([["Queue", "Task"]]));
        let metrics = directive["Metrics"].as_array().expect("a list");
        let named: Vec<_> = metrics.iter().map(|metric| metric["Name"].as_str().expect("a name")).collect();
        assert_eq!(named, ["Done", "Failed", "DeadLetters", "Duration", "Age"]);
        assert!(named.iter().all(|name| line[*name].is_u64()), "each metric has its value beside it: {line}");
        assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|time| time > 1_700_000_000_000));
        assert!(!line.to_string().contains("told to"), "nothing of a task: {line}");
    }
}

#[test]
fn nothing_is_written_to_standard_output_that_nobody_wished() {
    assert_eq!(lines("off"), Vec::<Value>::new());
}
