//! `tasks redrive`: dead letters become tasks again. Each is sent before it is deleted, and those of a group in their order: a
//! message of a group is given to nobody while an earlier one is hidden.

use std::cell::{Cell, RefCell};

use futures_util::future::try_join_all;

use super::{
    args::{Filter, Redrive},
    dead_queue,
    letter::Letter,
    queue::{AT_ONCE, Queue},
    report::{Output, Style, line},
    survey::Seen,
    task_queue, text_of,
};
use crate::say;

pub(super) async fn redrive(asked: &Redrive) -> Result<(), String> {
    let tasks = task_queue(&asked.queues).await?;
    let dead = dead_queue(&asked.queues, &tasks).await?;
    let moving = Moving {
        tasks: &tasks,
        dead: &dead,
        filter: &asked.filter,
        style: Style { json: asked.json, bodies: false, dead: true },
        output: RefCell::new(Output::new()),
        moved: Cell::new(0),
        kept: Cell::new(0),
    };
    let mut before = None;
    // What a round leaves out stays hidden until its end, so that it comes to one. The next sees what was behind that.
    while before != Some(moving.moved.get()) {
        before = Some(moving.moved.get());
        if moving.round().await? == 0 {
            break;
        }
    }
    moving.output.borrow_mut().flush();
    say::note(&format!("{} -> {}: {} sent back", dead.name, tasks.name, moving.moved.get()));
    match moving.kept.get() {
        0 => Ok(()),
        kept => Err(format!("{kept} of them could not be deleted from {}: use `tasks drop`", dead.name)),
    }
}

struct Moving<'a> {
    tasks: &'a Queue,
    dead: &'a Queue,
    filter: &'a Filter,
    style: Style,
    output: RefCell<Output>,
    moved: Cell<usize>,
    /// Those of them that are still dead letters too.
    kept: Cell<usize>,
}

impl Moving<'_> {
    /// Goes through the queue once. How many letters the filter left out.
    async fn round(&self) -> Result<usize, String> {
        let (left_out, seen) = (RefCell::new(Vec::new()), RefCell::new(Seen::default()));
        let work = || async {
            loop {
                let batch = self.dead.receive().await.map_err(text_of)?;
                let Some(batch) = seen.borrow_mut().new_of(batch) else { return Ok(()) };
                let (chosen, rest): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|letter| letter.matches(self.filter));
                left_out.borrow_mut().extend(rest.into_iter().map(|letter| letter.receipt));
                self.send_back(&chosen).await?;
            }
        };
        let worked = try_join_all((0..AT_ONCE).map(|_| work())).await.map(drop);
        let left_out = left_out.into_inner();
        let released = self.dead.release(&left_out).await.map_err(text_of);
        worked.and(released).map(|()| left_out.len())
    }

    /// Sends letters in their order, and deletes those that were sent. The first that can't be sent ends it.
    async fn send_back(&self, letters: &[Letter]) -> Result<(), String> {
        let (mut sent, mut failed) = (Vec::new(), None);
        for letter in letters {
            if let Err(trouble) = self.tasks.send(letter).await {
                failed = Some(format!("{} was not sent back: {}", letter.id, text_of(trouble)));
                break;
            }
            sent.push(letter.receipt.clone());
            self.moved.set(self.moved.get() + 1);
            self.output.borrow_mut().print(&line(letter, Some("redriven"), self.style));
        }
        let kept = self.dead.delete(&sent).await.map_err(text_of)?;
        self.kept.set(self.kept.get() + kept.len());
        // What was sent is the beginning of the letters.
        for (place, reason) in kept {
            let id = letters.get(place).map_or("a letter", |letter| &letter.id);
            say::warn(&format!("{id} was sent back and is still in {}: {reason}", self.dead.name));
        }
        failed.map_or(Ok(()), Err)
    }
}
