//! What a person, or with `--json` a machine, sees of a message. Bodies, keys and attributes only where they are asked for: they
//! may hold what is nobody else's business.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::letter::Letter;
use crate::say::plain;

/// How messages are printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) json: bool,
    pub(super) bodies: bool,
    /// Whether they are dead letters.
    pub(super) dead: bool,
}

/// One message in a line, with its body in further lines. `done` is what was done with it, if anything was.
pub(super) fn line(letter: &Letter, done: Option<&str>, style: Style) -> String {
    if style.json { format!("{}\n", as_json(letter, done, style)) } else { as_text(letter, done, style) }
}

fn as_json(letter: &Letter, done: Option<&str>, style: Style) -> Value {
    let mut line = json!({
        "message_id": letter.id,
        "task": letter.task(),
        "group": letter.group,
        "receives": letter.receives,
        "sent_at": letter.sent_at.map(milliseconds),
        "bytes": letter.body.len(),
    });
    if style.dead {
        line["attempts"] = letter.attempts().into();
        line["first_received_at"] = letter.first_received_at().map(milliseconds).into();
        line["dead_since"] = letter.dead_since().map(milliseconds).into();
        line["reason"] = letter.reason().into();
    }
    if let Some(done) = done {
        line["outcome"] = done.into();
    }
    if style.bodies {
        line["key"] = letter.key().into();
        line["attributes"] = letter.own_attributes().collect::<BTreeMap<_, _>>().into_iter().collect();
        line["body"] = letter.body.as_str().into();
    }
    line
}

fn as_text(letter: &Letter, done: Option<&str>, style: Style) -> String {
    let mut text = done.map(|done| format!("{done:<8}  ")).unwrap_or_default();
    text += &format!("{}  {}", plain(letter.task().unwrap_or("(no task)")), plain(&letter.id));
    if let Some(group) = &letter.group {
        text += &format!("  group {}", plain(group));
    }
    text += &if style.dead { dead(letter) } else { waiting(letter) };
    if style.bodies {
        letter.key().into_iter().for_each(|key| text += &format!("\n  key: {}", plain(key)));
        for (name, value) in letter.own_attributes().collect::<BTreeMap<_, _>>() {
            text += &format!("\n  {}: {}", plain(name), plain(value));
        }
        text += &format!("\n  {}", plain(&letter.body));
    }
    text + "\n"
}

fn waiting(letter: &Letter) -> String {
    format!("  receives {}  posted {} ago", letter.receives, age(letter.sent_at))
}

fn dead(letter: &Letter) -> String {
    let attempts = letter.attempts().map_or_else(|| "?".to_owned(), |attempts| attempts.to_string());
    match (letter.reason(), letter.dead_since()) {
        (Some(reason), since) => {
            format!("  attempts {attempts}  dead for {}  {}", age(since.or(letter.sent_at)), plain(reason))
        }
        (None, _) => format!("  posted {} ago  moved by the queue after its maxReceiveCount", age(letter.sent_at)),
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// How long ago a time is, in one unit.
fn age(since: Option<SystemTime>) -> String {
    let Some(since) = since else { return "?".to_owned() };
    let seconds = SystemTime::now().duration_since(since).unwrap_or(Duration::ZERO).as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Prints lines as they come. Who has closed standard output does not want to see more.
#[derive(Debug)]
pub(super) struct Output(io::BufWriter<io::Stdout>);

impl Output {
    pub(super) fn new() -> Self {
        Self(io::BufWriter::new(io::stdout()))
    }

    /// False where nobody reads it.
    pub(super) fn print(&mut self, text: &str) -> bool {
        self.0.write_all(text.as_bytes()).is_ok()
    }

    pub(super) fn flush(&mut self) -> bool {
        self.0.flush().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        for (seconds, wanted) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "119 min"), (7_200, "2 h"), (200_000, "2 d")]
        {
            assert_eq!(age(Some(SystemTime::now() - Duration::from_secs(seconds))), wanted);
        }
        assert_eq!((age(None), age(Some(SystemTime::now() + Duration::from_secs(60)))), ("?".into(), "0 s".into()));
    }
}
