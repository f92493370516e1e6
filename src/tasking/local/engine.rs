//! The rules of a FIFO queue as a state machine: groups, visibility, the deduplication window, receive counts, dead
//! letters. Time is an argument; it knows neither tasks nor threads.

#[cfg(feature = "dev-server")]
mod listing;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

#[cfg(feature = "dev-server")]
pub(crate) use self::listing::MessageState;
use crate::tasking::{
    event::Record,
    message::{Attribute, Message, TASK},
    queue::Sent,
};

/// For so long a message with the id of an earlier one is taken and dropped, also after that one was deleted.
pub(crate) const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(5 * 60);

/// What a queue is set to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalQueueSettings {
    pub(crate) visibility: Duration,
    /// How long the worker's function has.
    pub(crate) timeout: Option<Duration>,
    /// How often a message is received before it becomes a dead letter.
    pub(crate) most_receives: u32,
}

/// The longest that a message can be hidden.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>
const LONGEST_VISIBILITY: Duration = Duration::from_secs(12 * 60 * 60);

/// Why the queue refused a receipt handle.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Expired,
    TooLong,
}

impl Refused {
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Expired => "a receipt has expired",
            Self::TooLong => "a message can be hidden for twelve hours at most",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Engine {
    settings: LocalQueueSettings,
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
    first_received_at: Option<SystemTime>,
    hidden_until: Option<Instant>,
    /// Whether it is hidden because it failed, and no worker has it.
    #[cfg_attr(not(feature = "dev-server"), allow(dead_code, reason = "the local server shows it"))]
    is_delayed: bool,
}

impl Stored {
    fn is_visible(&self, now: Instant) -> bool {
        self.hidden_until.is_none_or(|until| until <= now)
    }
}

impl Engine {
    pub(crate) fn new(arn: String, settings: LocalQueueSettings) -> Self {
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

    pub(crate) fn settings(&mut self) -> &mut LocalQueueSettings {
        &mut self.settings
    }

    pub(crate) fn arn(&self) -> &str {
        &self.arn
    }

    /// How many messages there are, hidden ones too.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// What it holds, by the names of tasks.
    pub(crate) fn left(&self) -> BTreeMap<String, usize> {
        let mut left = BTreeMap::new();
        for stored in self.groups.values().flat_map(|group| &group.messages) {
            let name = stored.message.attributes.get(TASK).and_then(Attribute::as_str).unwrap_or("raw");
            *left.entry(name.to_owned()).or_default() += 1;
        }
        left
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
        self.remember(message.deduplication.clone(), &sent, now);
        let (group, sent_at) = (message.group.as_str(), SystemTime::now());
        let name = match self.groups.get_key_value(group) {
            Some((name, _)) => name.clone(),
            None => Arc::from(group),
        };
        let stored = Stored {
            message,
            message_id,
            sequence,
            sent_at,
            receives: 0,
            first_received_at: None,
            hidden_until: None,
            is_delayed: false,
        };
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
                stored.first_received_at.get_or_insert_with(SystemTime::now);
                stored.hidden_until = Some(until);
                stored.is_delayed = false;
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

    /// Deletes a received message, or what is deleted already. A FIFO queue refuses once the message may be with someone else.
    pub(crate) fn delete(&mut self, receipt: &str, now: Instant) -> Result<(), Refused> {
        if self.is_deleted(receipt) {
            return Ok(());
        }
        let (name, at) = self.find(receipt, now).ok_or(Refused::Expired)?;
        if let Some(group) = self.groups.get_mut(&name) {
            group.messages.remove(at);
            self.length -= 1;
        }
        self.settle(&name, now);
        Ok(())
    }

    /// Hides a received message for so long from now; for no time gives it back.
    pub(crate) fn hide(&mut self, receipt: &str, delay: Duration, now: Instant) -> Result<(), Refused> {
        if delay > LONGEST_VISIBILITY {
            return Err(Refused::TooLong);
        }
        let (name, at) = self.find(receipt, now).ok_or(Refused::Expired)?;
        if let Some(stored) = self.groups.get_mut(&name).and_then(|group| group.messages.get_mut(at)) {
            let until = now + delay;
            stored.hidden_until = Some(until);
            stored.is_delayed = true;
            self.timers.push(Reverse((until, name.clone())));
        }
        self.settle(&name, now);
        Ok(())
    }

    /// When something may be received again, if nothing is sent or given back before.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes a message as a dead letter that was tried so often, unless it has it already.
    pub(crate) fn bury(&mut self, message: Message, attempts: u32, now: Instant) -> Sent {
        self.forget_before(now);
        // Nothing that is posted has a space in its id.
        let id = format!("dead {}", message.deduplication);
        if let Some(sent) = self.seen.get(&id) {
            return sent.clone();
        }
        let (sequence, sent) = self.number();
        self.remember(id, &sent, now);
        let (message_id, sent_at) = (sent.message_id.clone(), SystemTime::now());
        let stored = Stored {
            message,
            message_id,
            sequence,
            sent_at,
            receives: attempts,
            first_received_at: None,
            hidden_until: None,
            is_delayed: false,
        };
        self.dead.push(record(&self.arn, &stored));
        sent
    }

    fn remember(&mut self, id: String, sent: &Sent, now: Instant) {
        self.seen.insert(id.clone(), sent.clone());
        self.windows.push_back((now + DEDUPLICATION_WINDOW, id));
    }

    fn number(&mut self) -> (u64, Sent) {
        self.next += 1;
        // What is kept by these ids may outlive the process, whose next one begins at the same number.
        let message_id = uuid::Uuid::now_v7().to_string();
        (self.next, Sent { message_id, sequence_number: format!("{:020}", self.next) })
    }

    fn is_deleted(&self, receipt: &str) -> bool {
        let mut parts = receipt.splitn(3, ' ');
        let (Some(Ok(sequence)), Some(group)) = (parts.next().map(str::parse), parts.nth(1)) else { return false };
        let messages = self.groups.get(group).map(|group| &group.messages);
        messages.is_none_or(|messages| messages.binary_search_by_key(&sequence, |stored| stored.sequence).is_err())
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
        receives: stored.receives,
        first_received_at: stored.first_received_at,
        sent_at: Some(stored.sent_at),
        trace: message.trace.clone(),
        body: Some(message.body.clone()),
        attributes: message.attributes.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn engine() -> Engine {
        let settings = LocalQueueSettings { visibility: 30 * SECOND, timeout: None, most_receives: 3 };
        Engine::new("arn:aws:sqs:local:0:t.fifo".into(), settings)
    }

    fn message(body: &str, group: &str, id: &str) -> Message {
        Message {
            body: body.into(),
            attributes: Default::default(),
            group: group.into(),
            deduplication: id.into(),
            trace: None,
        }
    }

    /// Sends bodies like `a1`: the letter is the group.
    fn send(engine: &mut Engine, bodies: &[&str], now: Instant) {
        for body in bodies {
            engine.send(message(body, &body[..1], body), now);
        }
    }

    fn bodies(records: &[Record]) -> Vec<&str> {
        records.iter().filter_map(|record| record.body.as_deref()).collect()
    }

    #[test]
    fn a_group_is_received_in_order_and_waits_while_it_is_with_someone() {
        let (mut engine, now) = (engine(), Instant::now());
        send(&mut engine, &["a1", "b1", "a2", "a3"], now);
        let first = engine.receive(2, now);
        assert_eq!(bodies(&first), ["a1", "a2"]);
        assert_eq!(bodies(&engine.receive(10, now)), ["b1"]);
        engine.delete(&first[0].receipt, now).unwrap();
        assert!(engine.receive(10, now).is_empty(), "a2 is still with someone");
        send(&mut engine, &["a4"], now);
        engine.delete(&first[1].receipt, now).unwrap();
        assert_eq!(bodies(&engine.receive(10, now)), ["a3", "a4"]);
    }

    /// Of a received batch, what stands before the first that is hidden can be received again, and nothing behind it.
    #[test]
    fn what_is_hidden_hides_what_is_behind_it() {
        let begun = Instant::now();
        // Which receipts are hidden for longer, what is received when the others' time is up.
        let table: [(&[usize], &[&str]); 5] =
            [(&[], &["a1", "a2", "a3"]), (&[0], &[]), (&[1], &["a1"]), (&[2], &["a1", "a2"]), (&[1, 2], &["a1"])];
        for (longer, expected) in table {
            let mut engine = engine();
            send(&mut engine, &["a1", "a2", "a3"], begun);
            let received = engine.receive(10, begun);
            for at in longer {
                engine.hide(&received[*at].receipt, 100 * SECOND, begun).unwrap();
            }
            assert_eq!(bodies(&engine.receive(10, begun + 31 * SECOND)), *expected, "{longer:?}");
        }
    }

    #[test]
    fn a_message_given_back_comes_at_once_and_alone() {
        let (mut engine, now) = (engine(), Instant::now());
        send(&mut engine, &["a1", "a2"], now);
        let received = engine.receive(10, now);
        engine.hide(&received[0].receipt, Duration::ZERO, now).unwrap();
        let again = engine.receive(10, now);
        assert_eq!((bodies(&again), again[0].receives), (vec!["a1"], 2));
        assert_eq!(engine.delete(&received[0].receipt, now), Err(Refused::Expired), "the receipt is the earlier one");
    }

    #[test]
    fn a_receipt_expires_with_the_visibility() {
        let (mut engine, now) = (engine(), Instant::now());
        send(&mut engine, &["a1"], now);
        let received = engine.receive(10, now);
        let late = now + 30 * SECOND;
        assert_eq!(engine.delete(&received[0].receipt, late), Err(Refused::Expired));
        assert_eq!(engine.hide(&received[0].receipt, SECOND, late), Err(Refused::Expired));
        assert_eq!(engine.delete("nonsense", now), Err(Refused::Expired));
        assert_eq!(engine.hide(&received[0].receipt, 12 * 3600 * SECOND + SECOND, now), Err(Refused::TooLong));
        assert_eq!(engine.len(), 1);
    }

    #[test]
    fn the_same_id_is_the_same_message_for_five_minutes() {
        let (mut engine, now) = (engine(), Instant::now());
        let first = engine.send(message("x", "a", "id"), now);
        let received = engine.receive(10, now);
        engine.delete(&received[0].receipt, now).unwrap();
        let again = engine.send(message("y", "b", "id"), now + 299 * SECOND);
        assert_eq!((&again.message_id, &again.sequence_number), (&first.message_id, &first.sequence_number));
        assert_eq!(engine.len(), 0);
        let later = engine.send(message("y", "b", "id"), now + 300 * SECOND);
        assert!(later.sequence_number > first.sequence_number);
        assert_eq!(engine.len(), 1);
    }

    #[test]
    fn what_is_received_too_often_is_dead_and_frees_its_group() {
        let (mut engine, mut now) = (engine(), Instant::now());
        send(&mut engine, &["a1", "a2"], now);
        for attempt in 1..=3 {
            let received = engine.receive(1, now);
            assert_eq!((bodies(&received), received[0].receives), (vec!["a1"], attempt));
            now += 30 * SECOND;
        }
        assert_eq!(bodies(&engine.receive(1, now)), ["a2"]);
        assert_eq!(bodies(engine.dead()), ["a1"]);
        assert_eq!(engine.dead()[0].group.as_deref(), Some("a"));
    }

    #[test]
    fn it_says_when_something_may_come() {
        let (mut engine, now) = (engine(), Instant::now());
        assert_eq!(engine.next_wake(), None);
        send(&mut engine, &["a1"], now);
        engine.receive(1, now);
        assert_eq!(engine.next_wake(), Some(now + 30 * SECOND));
    }
}
