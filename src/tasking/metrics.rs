//! Metrics of tasks in CloudWatch's Embedded Metric Format: one JSON object in a line of standard output, from which CloudWatch
//! makes metrics without a request of the function's. It decides nothing.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::{
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    batch::{RecordResult, TaskOutcome},
    controller::TaskingController,
    event::Record,
    log::milliseconds,
    visibility::is_planned,
};

/// The namespace of the metrics.
const NAMESPACE: &str = "chalice_http_toolkit";

impl TaskingController {
    /// Writes metrics for CloudWatch to standard output: a line of the Embedded Metric Format for each run of a task.
    ///
    /// On Lambda this needs no further permission and sends no request. The namespace is `chalice_http_toolkit`. The dimensions are
    /// `Queue` and `Task` (the name of the task).
    ///
    /// | metric | unit | meaning |
    /// |---|---|---|
    /// | `Done` | count | 1 if the task is done |
    /// | `Failed` | count | 1 if the run failed, also the last |
    /// | `DeadLetters` | count | 1 if the task has become a dead letter |
    /// | `Duration` | milliseconds | how long the run took |
    /// | `Age` | milliseconds | how long ago the task was posted |
    ///
    /// A task has no line if it did not run: because no time was left, because it is done already, or because it runs elsewhere. A
    /// task without a handler is counted under the name `unknown`, so that senders can't create metrics. Default: nothing is
    /// written.
    ///
    /// # Examples
    ///
    /// ```
    /// use chalice_http_toolkit::tasking::TaskingController;
    ///
    /// let tasks = TaskingController::new("mail.fifo")?.with_metrics();
    /// # Ok::<(), chalice_http_toolkit::Error>(())
    /// ```
    pub fn with_metrics(self) -> Self {
        self.change_settings(|settings| settings.metrics = true)
    }

    /// Writes the line of a run, if that is wished. A line that can't be written is lost: no task fails for it.
    pub(super) fn write_metrics(&self, name: Option<&str>, record: &Record, end: &RecordResult, took: Duration) {
        if !self.settings().metrics {
            return;
        }
        let name = name.filter(|name| self.handlers().has(name)).unwrap_or("unknown");
        if let Some(line) = line(self.queue_name(), name, record, end, took) {
            // One write, so that lines of tasks that run side by side do not mix.
            let _ = io::stdout().lock().write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// The line of a run; none for what was no run.
fn line(queue: &str, task: &str, record: &Record, end: &RecordResult, took: Duration) -> Option<Value> {
    let (done, failed, dead) = match &end.outcome {
        TaskOutcome::Done => (1, 0, 0),
        TaskOutcome::Failed(error) if is_planned(error) => return None,
        TaskOutcome::Failed(_) | TaskOutcome::Unavailable(_) | TaskOutcome::Panicked(_) => (0, 1, 0),
        TaskOutcome::DeadLettered(_) => (0, 1, 1),
        _ => return None,
    };
    let now = SystemTime::now();
    let count = |name| json!({ "Name": name, "Unit": "Count" });
    let time = |name| json!({ "Name": name, "Unit": "Milliseconds" });
    let mut metrics = vec![count("Done"), count("Failed"), count("DeadLetters"), time("Duration")];
    let mut line = json!({
        "Queue": queue,
        "Task": task,
        "Done": done,
        "Failed": failed,
        "DeadLetters": dead,
        "Duration": milliseconds(took),
    });
    if let Some(age) = record.sent_at.and_then(|sent| now.duration_since(sent).ok()) {
        metrics.push(time("Age"));
        line["Age"] = milliseconds(age).into();
    }
    line["_aws"] = json!({
        "Timestamp": milliseconds(now.duration_since(UNIX_EPOCH).unwrap_or_default()),
        "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [["Queue", "Task"]], "Metrics": metrics }],
    });
    Some(line)
}
