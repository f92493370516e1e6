//! `tasks list` and `tasks show`: messages as they are.

use super::{
    args::{Filter, List, Show},
    looked_at,
    queue::Queue,
    report::{Output, Style, line},
    survey::{self, Next},
    text_of,
};
use crate::say;

/// How many messages of a task queue are looked at, unless it is said: each look counts as a receive.
const OF_A_TASK_QUEUE: usize = 100;

pub(super) async fn list(asked: &List) -> Result<(), String> {
    let queue = looked_at(&asked.queues, asked.dead, asked.read_anyway, "one receive").await?;
    let limit = asked.limit.unwrap_or(if asked.dead { usize::MAX } else { OF_A_TASK_QUEUE });
    let style = Style { json: asked.json, bodies: asked.bodies, dead: asked.dead };
    let counts = queue.counts().await.map_err(text_of)?;
    let (seen, shown) = print(&queue, &asked.filter, limit, style).await?;
    let mut told = format!("{}: {shown} shown, {seen} looked at, of about {}", queue.name, counts.all());
    if queue.is_fifo() && seen < limit && (seen as u64) < counts.all() {
        told += "; SQS shows the first ten messages of a group, and none that a worker has at this time";
    }
    say::note(&told);
    Ok(())
}

/// Prints what matches; how many were seen, and how many printed.
async fn print(queue: &Queue, filter: &Filter, limit: usize, style: Style) -> Result<(usize, usize), String> {
    let (mut output, mut seen, mut shown) = (Output::new(), 0, 0);
    let looked = survey::each(queue, |letter| {
        if seen >= limit {
            return Next::Stop;
        }
        seen += 1;
        let is_read = if letter.matches(filter) {
            shown += 1;
            output.print(&line(letter, None, style))
        } else {
            true
        };
        if is_read && seen < limit { Next::Continue } else { Next::Stop }
    });
    looked.await.map_err(text_of)?;
    output.flush();
    Ok((seen, shown))
}

pub(super) async fn show(asked: &Show) -> Result<(), String> {
    let queue = looked_at(&asked.queues, asked.dead, asked.read_anyway, "one receive").await?;
    let style = Style { json: asked.json, bodies: asked.bodies, dead: asked.dead };
    let (mut output, mut found) = (Output::new(), false);
    let looked = survey::each(&queue, |letter| {
        if letter.id != asked.id {
            return Next::Continue;
        }
        found = true;
        output.print(&line(letter, None, style));
        Next::Stop
    });
    looked.await.map_err(text_of)?;
    output.flush();
    if found { Ok(()) } else { Err(format!("{}: no message with the id {} can be seen", queue.name, asked.id)) }
}
