//! `tasks watch`: how full the two queues are, again and again. It receives nothing.

use std::time::Duration;

use serde_json::json;

use super::{args::Watch, dead_queue, queue::Counts, task_queue, text_of};
use crate::say;

pub(super) async fn watch(asked: &Watch) -> Result<(), String> {
    let tasks = task_queue(&asked.queues).await?;
    let has_dead = asked.queues.dead_queue.is_some() || tasks.redrive().is_some();
    let dead = if has_dead { Some(dead_queue(&asked.queues, &tasks).await?) } else { None };
    let mut printed = 0;
    loop {
        let counts = tasks.counts().await.map_err(text_of)?;
        let letters = match &dead {
            Some(dead) => Some(dead.counts().await.map_err(text_of)?.all()),
            None => None,
        };
        say::print(&line(&tasks.name, counts, letters, asked.json));
        printed += 1;
        if asked.times.is_some_and(|times| printed >= times) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(asked.every)).await;
    }
}

fn line(queue: &str, counts: Counts, letters: Option<u64>, json: bool) -> String {
    let Counts { waiting, hidden, delayed } = counts;
    if json {
        return json!({
            "queue": queue,
            "waiting": waiting,
            "hidden": hidden,
            "delayed": delayed,
            "dead_letters": letters,
        })
        .to_string();
    }
    let letters =
        letters.map_or_else(|| "no dead-letter queue".to_owned(), |letters| format!("dead letters {letters}"));
    format!("{queue}  waiting {waiting}  in flight {hidden}  delayed {delayed}  {letters}")
}
