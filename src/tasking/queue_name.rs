//! The names of queues: which are those of FIFO queues, and which variable has the URL of one. It asks nobody but the
//! environment.

use crate::error::{Error, ErrorKind, Result};

/// A queue's name or URL, if it is a FIFO queue's.
pub(crate) fn fifo(queue: String) -> Result<String> {
    if queue.ends_with(".fifo") {
        return Ok(queue);
    }
    let message = format!("`{queue}` is no FIFO queue: the name of one ends in `.fifo`");
    Err(Error::new(ErrorKind::Configuration, message))
}

/// A name, whose variable has the URL of a FIFO queue if it is set; or such a URL.
pub(super) fn named(queue: String) -> Result<String> {
    let queue = fifo(queue)?;
    match configured_url(&queue) {
        Some(url) if !url.ends_with(".fifo") => {
            let message = format!("{} is `{url}`, no FIFO queue: the name of one ends in `.fifo`", variable(&queue));
            Err(Error::new(ErrorKind::Configuration, message))
        }
        _ => Ok(queue),
    }
}

/// The URL that the environment has for a queue's name.
pub(crate) fn configured_url(name: &str) -> Option<String> {
    std::env::var(variable(name)).ok().filter(|url| !url.is_empty())
}

/// The variable that has the URL of the queue with this name.
pub(super) fn variable(name: &str) -> String {
    let name = name.strip_suffix(".fifo").unwrap_or(name);
    let letters = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("QUEUE_URL_{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_has_a_variable_for_its_url() {
        assert_eq!(variable("mail.fifo"), "QUEUE_URL_MAIL");
        assert_eq!(variable("Order-events.v2.fifo"), "QUEUE_URL_ORDER_EVENTS_V2");
    }
}
