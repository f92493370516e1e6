//! `tasks drop` and `tasks purge`: messages are deleted, after a person has said so.

use std::{
    collections::{BTreeMap, HashSet},
    io::{self, Write},
};

use super::{
    args::{Filter, Purge, Removal},
    dead_queue,
    letter::Letter,
    looked_at,
    queue::Queue,
    report::{Output, Style, line},
    survey::{self, Next, Seen},
    task_queue, text_of,
};
use crate::say;

pub(super) async fn remove(asked: &Removal) -> Result<(), String> {
    // What is kept is seen before the question, and then until nothing is left to delete.
    let queue = looked_at(&asked.queues, asked.dead, asked.read_anyway, "at least two receives").await?;
    let style = Style { json: asked.json, bodies: false, dead: asked.dead };
    let found = if asked.yes { None } else { Some(confirmed(&queue, &asked.filter, style).await?) };
    let filter = match found {
        Some(ids) if ids.is_empty() => return Ok(()),
        // What was shown is deleted, and nothing that has come since.
        Some(ids) => Filter { ids: ids.into_iter().collect(), ..Filter::default() },
        None => asked.filter.clone(),
    };
    let (dropped, kept) = delete(&queue, &filter, style).await?;
    kept.iter().for_each(|(id, reason)| say::warn(&format!("{id} is still in {}: {reason}", queue.name)));
    say::note(&format!("{}: {dropped} deleted", queue.name));
    match kept.len() as u64 {
        0 => Ok(()),
        count => Err(format!("{} could not be deleted: try again", messages(count))),
    }
}

/// Shows what would be deleted and asks; the ids, which are none where there is nothing.
async fn confirmed(queue: &Queue, filter: &Filter, style: Style) -> Result<HashSet<String>, String> {
    let mut ids = HashSet::new();
    let mut shown = Vec::new();
    let looked = survey::each(queue, |letter| {
        if letter.matches(filter) && ids.insert(letter.id.clone()) {
            shown.push(line(letter, None, style));
        }
        Next::Continue
    });
    looked.await.map_err(text_of)?;
    shown.iter().for_each(|line| say::note(line));
    if ids.is_empty() {
        say::note(&format!("{}: nothing matches", queue.name));
        return Ok(ids);
    }
    ask(&format!("Delete {} of {}?", messages(ids.len() as u64), queue.name))?;
    Ok(ids)
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// Why messages were not deleted, by their ids.
type Kept = BTreeMap<String, String>;

/// Deletes what matches, until nothing that matches can be seen. How many were deleted, and which were not.
async fn delete(queue: &Queue, filter: &Filter, style: Style) -> Result<(usize, Kept), String> {
    let (mut output, mut dropped, mut refused) = (Output::new(), 0, Kept::new());
    loop {
        let (mut kept, mut removed, mut seen) = (Vec::new(), 0, Seen::default());
        while let Some(batch) = seen.new_of(queue.receive().await.map_err(text_of)?) {
            let (chosen, rest): (Vec<_>, Vec<Letter>) = batch.into_iter().partition(|letter| letter.matches(filter));
            kept.extend(rest.into_iter().map(|letter| letter.receipt));
            let receipts: Vec<String> = chosen.iter().map(|letter| letter.receipt.clone()).collect();
            let mut failed = queue.delete(&receipts).await.map_err(text_of)?;
            for (place, letter) in chosen.into_iter().enumerate() {
                if let Some(reason) = failed.remove(&place) {
                    refused.insert(letter.id, reason);
                    kept.push(letter.receipt);
                } else {
                    refused.remove(&letter.id);
                    output.print(&line(&letter, Some("deleted"), style));
                    removed += 1;
                }
            }
        }
        queue.release(&kept).await.map_err(text_of)?;
        dropped += removed;
        if removed == 0 || kept.is_empty() {
            output.flush();
            return Ok((dropped, refused));
        }
    }
}

pub(super) async fn purge(asked: &Purge) -> Result<(), String> {
    let tasks = task_queue(&asked.queues).await?;
    let queue = if asked.dead { dead_queue(&asked.queues, &tasks).await? } else { tasks };
    let counts = queue.counts().await.map_err(text_of)?;
    if !asked.yes {
        ask(&format!("Delete all of {}, about {}?", queue.name, messages(counts.all())))?;
    }
    queue.purge().await.map_err(text_of)?;
    say::note(&format!("{}: all messages are deleted; SQS takes up to 60 s for it", queue.name));
    Ok(())
}

/// Asks on standard error, and reads the answer from standard input. An error unless it is yes.
fn ask(question: &str) -> Result<(), String> {
    let mut err = io::stderr();
    let _ = write!(err, "{} [y/N] ", say::plain(question)).and_then(|()| err.flush());
    let mut answer = String::new();
    let read = io::stdin().read_line(&mut answer);
    match answer.trim() {
        "y" | "Y" | "yes" if read.is_ok() => Ok(()),
        _ => Err("nothing was deleted: answer y, or give --yes".to_owned()),
    }
}
