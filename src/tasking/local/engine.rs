//! The rules of a FIFO queue as a state machine: groups, visibility, the deduplication window, receive counts, dead
//! letters. Time is an argument; it knows neither tasks nor threads.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::tasking::{event::Record, message::Message, queue::Sent};

/// For so long a message with the id of an earlier one is taken and dropped, also after that one was deleted.
pub(crate) const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(5 * 60);

/// What a queue is set to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) visibility: Duration,
    /// How long the worker's function has.
    pub(crate) timeout: Option<Duration>,
    /// How often a message is received before it becomes a dead letter.
    pub(crate) most_receives: u32,
}

/// Why a receipt is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expired;

#[derive(Debug)]
pub(crate) struct Engine {
    settings: Settings,
    arn: String,
    groups: HashMap<Arc<str>, Group>,
    /// Groups whose first message can be received, in the order in which they became so.
    ready: VecDeque<Arc<str>>,
    /// When which group's first message may come back.
    timers: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
    seen: HashMap<String, Sent>,
    /// The ids of `seen` with the end of their window, oldest first.
    windows: VecDeque<(Instant, String)>,
    dead: Vec<Record>,
    next: u64,
    length: usize,
}

#[derive(Debug, Default)]
struct Group {
    /// In the order of their sequence numbers.
    messages: VecDeque<Stored>,
    is_ready: bool,
}

#[derive(Debug)]
struct Stored {
    message: Message,
    message_id: String,
    sequence: u64,
    sent_at: SystemTime,
    receives: u32,
    hidden_until: Option<Instant>,
}

impl Stored {
    fn is_visible(&self, now: Instant) -> bool {
        self.hidden_until.is_none_or(|until| until <= now)
    }
}

impl Engine {
    pub(crate) fn new(arn: String, settings: Settings) -> Self {
        Self {
            settings,
            arn,
            groups: HashMap::new(),
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            seen: HashMap::new(),
            windows: VecDeque::new(),
            dead: Vec::new(),
            next: 0,
            length: 0,
        }
    }

    pub(crate) fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// How many messages there are, hidden ones too.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn dead(&self) -> &[Record] {
        &self.dead
    }

    /// Takes a message, or tells of the one that was taken before with the same id.
    pub(crate) fn send(&mut self, message: Message, now: Instant) -> Sent {
        self.forget_before(now);
        if let Some(sent) = self.seen.get(&message.deduplication) {
            return sent.clone();
        }
        let (sequence, sent) = self.number();
        let message_id = sent.message_id.clone();
        self.seen.insert(message.deduplication.clone(), sent.clone());
        self.windows.push_back((now + DEDUPLICATION_WINDOW, message.deduplication.clone()));
        let (group, sent_at) = (message.group.as_str(), SystemTime::now());
        let name = match self.groups.get_key_value(group) {
            Some((name, _)) => name.clone(),
            None => Arc::from(group),
        };
        let stored = Stored { message, message_id, sequence, sent_at, receives: 0, hidden_until: None };
        self.groups.entry(name.clone()).or_default().messages.push_back(stored);
        self.length += 1;
        self.settle(&name, now);
        sent
    }

    /// Receives up to so many messages. Of a group come those before the first that is hidden, and no other: what a
    /// consumer still has must not be overtaken.
    pub(crate) fn receive(&mut self, most: usize, now: Instant) -> Vec<Record> {
        self.wake(now);
        let mut records = Vec::new();
        while records.len() < most {
            let Some(name) = self.ready.pop_front() else { break };
            let Some(group) = self.groups.get_mut(&name) else { continue };
            group.is_ready = false;
            let until = now + self.settings.visibility;
            let mut at = 0;
            while records.len() < most {
                let Some(stored) = group.messages.get_mut(at) else { break };
                if !stored.is_visible(now) {
                    break;
                }
                if stored.receives >= self.settings.most_receives {
                    if let Some(dead) = group.messages.remove(at) {
                        self.length -= 1;
                        self.dead.push(record(&self.arn, &dead));
                    }
                    continue;
                }
                stored.receives += 1;
                stored.hidden_until = Some(until);
                records.push(record(&self.arn, stored));
                at += 1;
            }
            if at > 0 {
                self.timers.push(Reverse((until, name.clone())));
            }
            self.settle(&name, now);
        }
        records
    }

    /// Deletes a received message. A FIFO queue refuses once the message may be with someone else.
    pub(crate) fn delete(&mut self, receipt: &str, now: Instant) -> Result<(), Expired> {
        let (name, at) = self.find(receipt, now).ok_or(Expired)?;
        if let Some(group) = self.groups.get_mut(&name) {
            group.messages.remove(at);
            self.length -= 1;
        }
        self.settle(&name, now);
        Ok(())
    }

    /// Hides a received message for so long from now; for no time gives it back.
    pub(crate) fn hide(&mut self, receipt: &str, delay: Duration, now: Instant) -> Result<(), Expired> {
        let (name, at) = self.find(receipt, now).ok_or(Expired)?;
        if let Some(stored) = self.groups.get_mut(&name).and_then(|group| group.messages.get_mut(at)) {
            let until = now + delay;
            stored.hidden_until = Some(until);
            self.timers.push(Reverse((until, name.clone())));
        }
        self.settle(&name, now);
        Ok(())
    }

    /// When something may be received again, if nothing is sent or given back before.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a message as a dead letter.
    pub(crate) fn bury(&mut self, message: Message) -> Sent {
        let (sequence, sent) = self.number();
        let (message_id, sent_at) = (sent.message_id.clone(), SystemTime::now());
        let stored = Stored { message, message_id, sequence, sent_at, receives: 0, hidden_until: None };
        self.dead.push(record(&self.arn, &stored));
        sent
    }

    fn number(&mut self) -> (u64, Sent) {
        self.next += 1;
        let message_id = uuid::Uuid::from_u64_pair(0x4000, 0x8000_0000_0000_0000 | self.next).to_string();
        (self.next, Sent { message_id, sequence_number: format!("{:020}", self.next) })
    }

    fn find(&self, receipt: &str, now: Instant) -> Option<(Arc<str>, usize)> {
        let mut parts = receipt.splitn(3, ' ');
        let (sequence, receives): (u64, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let (name, group) = self.groups.get_key_value(parts.next()?)?;
        let at = group.messages.binary_search_by_key(&sequence, |stored| stored.sequence).ok()?;
        let stored = group.messages.get(at)?;
        (stored.receives == receives && !stored.is_visible(now)).then(|| (name.clone(), at))
    }

    fn wake(&mut self, now: Instant) {
        while let Some(Reverse((at, _))) = self.timers.peek() {
            if *at > now {
                break;
            }
            if let Some(Reverse((_, name))) = self.timers.pop() {
                self.settle(&name, now);
            }
        }
    }

    /// Makes a group ready, or forgets it where it is empty.
    fn settle(&mut self, name: &Arc<str>, now: Instant) {
        let Some(group) = self.groups.get_mut(name) else { return };
        match group.messages.front() {
            Some(first) if first.is_visible(now) && !group.is_ready => {
                group.is_ready = true;
                self.ready.push_back(name.clone());
            }
            Some(_) => {}
            None => {
                self.groups.remove(name);
            }
        }
    }

    fn forget_before(&mut self, now: Instant) {
        while self.windows.front().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, id)) = self.windows.pop_front() {
                self.seen.remove(&id);
            }
        }
    }
}

fn record(arn: &str, stored: &Stored) -> Record {
    let message = &stored.message;
    Record {
        message_id: Some(stored.message_id.clone()),
        receipt: format!("{} {} {}", stored.sequence, stored.receives, message.group),
        queue_arn: arn.to_owned(),
        group: Some(message.group.clone()),
        deduplication: Some(message.deduplication.clone()),
        sequence_number: Some(format!("{:020}", stored.sequence)),
        attempt: stored.receives,
        sent_at: Some(stored.sent_at),
        trace: message.trace.clone(),
        body: Some(message.body.clone()),
        attributes: message.attributes.clone(),
    }
}
