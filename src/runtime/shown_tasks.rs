//! The tasks of an app's queues as a page for a developer shows them: their payloads without secrets.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{developer::clock::time_of_day, tasks::Tasks};
use crate::{
    hidden,
    tasking::{LocalQueue, MessageState, ShownTask},
};

/// So many tasks of a queue are listed, and so many characters of a payload and of an error.
const MOST_TASKS: usize = 100;
const MOST_CHARACTERS: usize = 4_000;
const MOST_OF_AN_ERROR: usize = 300;

/// A group that nobody has named is a hash.
const MOST_OF_A_GROUP: usize = 24;

impl Tasks {
    /// The queues in this process, each once.
    fn queues(&self) -> Vec<LocalQueue> {
        let named = self.controllers().filter_map(|tasking| tasking.queue_of_process());
        let queues: BTreeMap<String, LocalQueue> = named.map(|queue| (queue.name().to_owned(), queue)).collect();
        queues.into_values().collect()
    }

    /// What they hold.
    pub(crate) fn shown(&self) -> Vec<Value> {
        self.queues().iter().map(shown).collect()
    }

    /// Does to a task what a developer asks for. Whether there was such a task.
    pub(crate) fn change(&self, action: &str, queue: &str, id: &str) -> bool {
        let Some(queue) = self.queues().into_iter().find(|known| known.name() == queue) else { return false };
        match action {
            "run" => queue.run_now(id),
            "retry" => queue.revive(id),
            "drop" => queue.discard(id),
            _ => false,
        }
    }
}

fn shown(queue: &LocalQueue) -> Value {
    let tasks = queue.shown();
    let count = |is: fn(&MessageState) -> bool| tasks.iter().filter(|task| is(&task.state)).count();
    json!({
        "name": queue.name(),
        "waiting": count(|state| matches!(state, MessageState::Waiting | MessageState::Later(_))),
        "running": count(|state| *state == MessageState::Running),
        "failed": count(|state| matches!(state, MessageState::Failed(_))),
        "dead": count(|state| *state == MessageState::Dead),
        "more": tasks.len() > MOST_TASKS,
        "tasks": tasks.iter().take(MOST_TASKS).map(row).collect::<Vec<_>>(),
    })
}

fn row(task: &ShownTask) -> Value {
    let (state, actions) = match task.state {
        MessageState::Waiting => ("waiting".to_owned(), &[("drop", "Drop")][..]),
        MessageState::Later(after) => (format!("runs in {} s", after.as_secs()), &[("drop", "Drop")][..]),
        MessageState::Running => ("running".into(), &[][..]),
        MessageState::Failed(Duration::ZERO) => ("failed, runs again soon".into(), &[("drop", "Drop")][..]),
        MessageState::Failed(after) => {
            (format!("failed, runs again in {} s", after.as_secs()), &[("run", "Run now"), ("drop", "Drop")][..])
        }
        MessageState::Dead => ("dead letter".into(), &[("retry", "Retry"), ("drop", "Drop")][..]),
    };
    json!({
        "id": task.id,
        "name": task.name,
        "group": cut(&task.group, MOST_OF_A_GROUP),
        "sent_at": time_of_day(task.sent_at),
        "state": state,
        "is_bad": matches!(task.state, MessageState::Failed(_) | MessageState::Dead),
        "attempts": task.attempts,
        "error": task.error.as_deref().map(|error| cut(error, MOST_OF_AN_ERROR)),
        "bytes": task.raw.body().len(),
        "payload": payload(task),
        "actions": actions,
    })
}

/// The body and the attributes.
fn payload(task: &ShownTask) -> String {
    let body = match serde_json::from_str::<Value>(task.raw.body()) {
        Ok(mut value) => {
            hide(&mut value);
            serde_json::to_string_pretty(&value).unwrap_or_default()
        }
        Err(_) => task.raw.body().to_owned(),
    };
    let attributes = task.raw.attributes().map(|(name, value)| match value.as_str() {
        _ if hidden::is_secret_name(name) => format!("\n{name}: <hidden>"),
        Some(value) => format!("\n{name}: {value}"),
        None => format!("\n{name}: <bytes>"),
    });
    cut(&(body + &attributes.collect::<String>()), MOST_CHARACTERS)
}

/// Hides the values of fields whose names say that they are secrets.
fn hide(value: &mut Value) {
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    match hidden::is_secret_name(name) {
                        true => *value = "<hidden>".into(),
                        false => waiting.push(value),
                    }
                }
            }
            Value::Array(values) => waiting.extend(values),
            _ => {}
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Error, tasking::controller::TaskingController};

    #[tokio::test(start_paused = true)]
    async fn a_task_for_later_has_not_failed() {
        let queue = LocalQueue::new("later.fifo");
        let controller = TaskingController::new("later.fifo").expect("a FIFO name").with_local_queue(&queue);
        let controller = controller.on_raw(async |_, _| Ok::<(), std::io::Error>(()));
        let post = controller.post_raw("later", [("locale", "de")]).after(Duration::from_secs(60));
        post.await.expect("posted");
        controller.work_off().await.expect("a local queue");
        let app = crate::App::worker(&controller);
        let shown = app.tasks.shown()[0].clone();
        let (waiting, failed) = (shown["waiting"].as_u64(), shown["failed"].as_u64());
        assert_eq!(
            (waiting, failed, shown["tasks"][0]["is_bad"].as_bool()),
            (Some(1), Some(0), Some(false)),
            "{shown}"
        );
        let state = shown["tasks"][0]["state"].as_str().expect("a text");
        assert!(state.starts_with("runs in "), "{state}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_is_shown_without_its_secrets_until_it_is_dropped() {
        let queue = LocalQueue::new("shown.fifo").with_most_receives(100);
        let controller = TaskingController::new("shown.fifo").expect("a FIFO name").with_local_queue(&queue);
        let controller = controller.with_attempts(1);
        let controller = controller.on_raw(async |_, _| Err::<(), _>(Error::handler("the <mail> server is gone")));
        let body = r#"{"to":"Ada","smtp":[{"password":"hunter2"}]}"#;
        controller.post_raw(body, [("api_token", "t0ps3cret"), ("locale", "de")]).await.expect("posted");
        let app = crate::App::worker(&controller);
        let row = || app.tasks.shown()[0]["tasks"][0].clone();
        assert_eq!((row()["state"].as_str(), row()["attempts"].as_u64()), (Some("waiting"), Some(0)));
        controller.work_off().await.expect("a local queue");
        let dead = row();
        assert_eq!(dead["state"], "dead letter", "{dead}");
        assert!(dead["error"].as_str().is_some_and(|error| error.contains("the <mail> server is gone")), "{dead}");
        let payload = dead["payload"].as_str().expect("a text");
        assert!(payload.contains("Ada") && payload.contains("locale: de"), "{payload}");
        assert!(!payload.contains("hunter2") && !payload.contains("t0ps3cret"), "{payload}");
        let id = |row: &Value| row["id"].as_str().expect("an id").to_owned();
        for (action, queue, id, expected) in [
            ("retry", "other.fifo", id(&dead), false),
            ("retry", "shown.fifo", "other".into(), false),
            ("burn", "shown.fifo", id(&dead), false),
            ("retry", "shown.fifo", id(&dead), true),
        ] {
            assert_eq!(app.tasks.change(action, queue, &id), expected, "{action} {queue}");
        }
        assert_eq!(row()["state"], "waiting");
        assert!(app.tasks.change("drop", "shown.fifo", &id(&row())) && queue.is_empty());
    }
}
