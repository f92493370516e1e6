//! What the queue holds, for a developer who looks at it, and what a developer does to single messages.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Engine, Stored, record};
use crate::tasking::{
    event::Record,
    message::{LATER, Message},
};

/// A message of the queue.
#[derive(Debug)]
pub(crate) struct ListedMessage {
    pub(crate) record: Record,
    pub(crate) state: MessageState,
    pub(crate) sent_at: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MessageState {
    Waiting,
    /// A worker has it.
    Running,
    /// It is for later, and comes after so long.
    Later(Duration),
    /// It has failed, and comes again after so long.
    Failed(Duration),
    Dead,
}

impl Engine {
    /// All messages: those of each group in their order, and the dead letters, oldest first.
    pub(crate) fn list(&self, now: Instant) -> Vec<ListedMessage> {
        let mut stored: Vec<&Stored> = self.groups.values().flat_map(|group| &group.messages).collect();
        stored.sort_by_key(|stored| stored.sequence);
        let waiting = stored.into_iter().map(|stored| {
            let is_for_later = stored.message.attributes.contains_key(LATER);
            let state = match (stored.hidden_until, stored.receives) {
                (Some(until), _) if until > now && !stored.is_delayed => MessageState::Running,
                (Some(until), _) if until > now && is_for_later => MessageState::Later(until - now),
                (Some(until), _) if until > now => MessageState::Failed(until - now),
                (_, 0) => MessageState::Waiting,
                _ if is_for_later => MessageState::Waiting,
                _ => MessageState::Failed(Duration::ZERO),
            };
            ListedMessage { record: record(&self.arn, stored), state, sent_at: stored.sent_at }
        });
        let dead = self.dead.iter().map(|record| ListedMessage {
            record: record.clone(),
            state: MessageState::Dead,
            sent_at: record.sent_at.unwrap_or(SystemTime::UNIX_EPOCH),
        });
        waiting.chain(dead).collect()
    }

    /// Lets a message that waits after a failure come at once. Whether there was one.
    pub(crate) fn run_now(&mut self, message_id: &str, now: Instant) -> bool {
        let found = self.groups.iter_mut().find_map(|(name, group)| {
            let stored =
                group.messages.iter_mut().find(|stored| stored.message_id == message_id && stored.is_delayed)?;
            stored.hidden_until = None;
            Some(name.clone())
        });
        found.inspect(|name| self.settle(name, now)).is_some()
    }

    /// Drops a message that no worker has, or a dead letter. Whether there was one.
    pub(crate) fn discard(&mut self, message_id: &str, now: Instant) -> bool {
        if self.take_dead(message_id).is_some() {
            return true;
        }
        let found = self.groups.iter_mut().find_map(|(name, group)| {
            let is_it =
                |stored: &Stored| stored.message_id == message_id && (stored.is_delayed || stored.is_visible(now));
            let at = group.messages.iter().position(is_it)?;
            group.messages.remove(at);
            Some(name.clone())
        });
        let Some(name) = found else { return false };
        self.length -= 1;
        if let Some(group) = self.groups.get_mut(&name) {
            // What was behind it may be received now, and what was ready may be gone.
            group.is_ready = false;
            self.ready.retain(|ready| *ready != name);
        }
        self.settle(&name, now);
        true
    }

    /// Sends a dead letter again. Whether there was one.
    pub(crate) fn revive(&mut self, message_id: &str, now: Instant) -> bool {
        let Some(record) = self.take_dead(message_id) else { return false };
        let message = Message {
            body: record.body.unwrap_or_default(),
            attributes: record.attributes,
            group: record.group.unwrap_or_default(),
            // Its own is known already, and would be taken for the same message.
            deduplication: uuid::Uuid::now_v7().to_string(),
            trace: record.trace,
        };
        self.send(message, now);
        true
    }

    fn take_dead(&mut self, message_id: &str) -> Option<Record> {
        let at = self.dead.iter().position(|record| record.message_id.as_deref() == Some(message_id))?;
        Some(self.dead.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::super::LocalQueueSettings;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn engine(bodies: &[&str], now: Instant) -> Engine {
        let settings = LocalQueueSettings { visibility: 30 * SECOND, timeout: None, most_receives: 1 };
        let mut engine = Engine::new("arn:aws:sqs:local:0:t.fifo".into(), settings);
        for body in bodies {
            let (group, deduplication) = (body[..1].to_owned(), (*body).to_owned());
            let body = (*body).to_owned();
            engine.send(Message { body, attributes: Default::default(), group, deduplication, trace: None }, now);
        }
        engine
    }

    fn listed(engine: &Engine, now: Instant) -> Vec<(String, MessageState)> {
        let body = |listed: ListedMessage| (listed.record.body.unwrap_or_default(), listed.state);
        engine.list(now).into_iter().map(body).collect()
    }

    fn id(engine: &Engine, body: &str, now: Instant) -> String {
        let found = engine.list(now).into_iter().find(|listed| listed.record.body.as_deref() == Some(body));
        found.and_then(|listed| listed.record.message_id).expect("a message")
    }

    #[test]
    fn each_message_is_listed_with_its_state_and_changed_by_its_id() {
        let now = Instant::now();
        let mut engine = engine(&["a1", "b1", "a2"], now);
        let received = engine.receive(2, now);
        engine.hide(&received[0].receipt, 5 * SECOND, now).expect("it is received");
        let states: Vec<MessageState> = listed(&engine, now).into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, [MessageState::Failed(5 * SECOND), MessageState::Waiting, MessageState::Running]);
        let [first, running, other] = ["a1", "a2", "b1"].map(|body| id(&engine, body, now));
        assert!(!engine.run_now(&running, now) && !engine.discard(&running, now) && !engine.revive(&other, now));
        assert!(engine.run_now(&first, now) && engine.discard(&other, now));
        assert_eq!(engine.len(), 2);
        // It was received as often as it may be.
        assert!(engine.receive(10, now).is_empty());
        assert_eq!(listed(&engine, now).last(), Some(&("a1".to_owned(), MessageState::Dead)));
        let dead = id(&engine, "a1", now);
        assert!(engine.revive(&dead, now) && !engine.revive(&dead, now));
        assert_eq!(listed(&engine, now).last(), Some(&("a1".to_owned(), MessageState::Waiting)));
        let again = id(&engine, "a1", now);
        assert!(engine.discard(&again, now) && !engine.discard(&again, now));
        assert_eq!(engine.len(), 1);
    }
}
