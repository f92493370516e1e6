//! One message of a queue before it is sent: its body, its attributes and ids, and SQS's rules for them, checked before
//! the network. It does not know which task it carries.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::{self, Display},
    ops::RangeInclusive,
};

use bytes::Bytes;

use crate::{
    error::{Error, ErrorKind, Result},
    hidden::Length,
};

/// The most bytes that a message may have, and that all messages of one request may have: body, and names, types and
/// values of attributes.
pub(crate) const LARGEST: usize = 1_048_576;
/// The most attributes that a message may have.
const MOST_ATTRIBUTES: usize = 10;
const LONGEST_ID: usize = 128;
/// The most digits of a number, and the powers of ten that it may lie between.
const MOST_DIGITS: usize = 38;
const POWERS: RangeInclusive<i64> = -128..=126;

/// The attribute that names the task.
pub(crate) const TASK: &str = "chalice-task";
/// The attribute that has the task's key.
pub(crate) const KEY: &str = "chalice-key";
/// The attribute that has the deduplication id of a task that comes from the dead letters, where it has no key.
pub(crate) const ID: &str = "chalice-id";
/// The attribute of a task that waits for its time: when, and the ids that it is sent on with.
pub(crate) const LATER: &str = "chalice-later";
/// The attribute that has the number of a step, from the second on.
pub(crate) const STEP: &str = "chalice-step";
/// The attributes of a dead letter that say why it is one, after how many attempts, and when it was received first and last.
pub(crate) const REASON: &str = "chalice-dead-reason";
pub(crate) const ATTEMPTS: &str = "chalice-dead-attempts";
pub(crate) const FIRST: &str = "chalice-dead-first";
pub(crate) const LAST: &str = "chalice-dead-last";
/// What the deduplication id of a dead letter begins with; behind the colon stands the task's own.
pub(crate) const LETTER: &str = "dlq-";
/// The attribute of a raw text that could be taken for a task which names itself.
pub(crate) const RAW: &str = "chalice-raw";

/// The value of a message's attribute.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::Attribute;
///
/// assert_eq!(Attribute::from("de").as_str(), Some("de"));
/// assert_eq!(Attribute::from(7).as_str(), Some("7"));
/// assert_eq!(Attribute::Binary(vec![1, 2].into()).as_str(), None);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A number as its digits, with a sign, a point and an exponent where needed: `-12.5e3`. By SQS's rules: zero, or from
    /// 10^-128 to 10^126, with at most 38 digits that count. Another one is refused when it is posted.
    Number(String),
    /// Bytes.
    Binary(Bytes),
}

/// Without the value, which may be the visitor's as much as a body.
impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({:?})", Length(text.len())),
            Self::Number(number) => write!(f, "Number({:?})", Length(number.len())),
            Self::Binary(bytes) => write!(f, "Binary({:?})", Length(bytes.len())),
        }
    }
}

/// Attributes by their names.
pub(crate) type Attributes = BTreeMap<String, Attribute>;

impl Attribute {
    /// Text, or the digits of a number.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    pub(crate) fn data_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Number(_) => "Number",
            Self::Binary(_) => "Binary",
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) | Self::Number(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Number(number.to_string())
    }
}

/// A message that keeps SQS's rules.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) group: String,
    /// Chosen once, before the first attempt, and the same in each.
    pub(crate) deduplication: String,
    /// `AWSTraceHeader`, which counts neither as an attribute nor towards the size.
    pub(crate) trace: Option<String>,
}

/// Without the body, which belongs in no log.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("body", &Length(self.body.len()))
            .field("attributes", &self.attributes)
            .field("group", &self.group)
            .field("deduplication", &self.deduplication)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// What counts towards the limit.
    pub(crate) fn size(&self) -> usize {
        let attributes =
            self.attributes.iter().map(|(name, value)| name.len() + value.data_type().len() + value.bytes().len());
        self.body.len() + attributes.sum::<usize>()
    }

    /// Checks what the queue would refuse, and what it would accept only to lose.
    pub(crate) fn checked(self) -> Result<Self> {
        match self.fault() {
            Some(fault) => Err(Error::new(ErrorKind::Task, fault)),
            None => Ok(self),
        }
    }

    /// The same for what may be too large now, and is made smaller before it is sent.
    pub(crate) fn checked_but_size(self) -> Result<Self> {
        match self.fault_of_content() {
            Some(fault) => Err(Error::new(ErrorKind::Task, fault)),
            None => Ok(self),
        }
    }

    fn fault(&self) -> Option<Cow<'static, str>> {
        let size = self.size();
        if size > LARGEST {
            return Some(format!("a task has {size} bytes with its attributes; a message takes {LARGEST}").into());
        }
        self.fault_of_content()
    }

    fn fault_of_content(&self) -> Option<Cow<'static, str>> {
        if self.body.is_empty() {
            return Some("a task's body is empty".into());
        }
        id_fault("group", &self.group)
            .or_else(|| id_fault("deduplication", &self.deduplication))
            .or_else(|| text_fault(&"body", &self.body))
            .or_else(|| self.attribute_fault())
    }

    fn attribute_fault(&self) -> Option<Cow<'static, str>> {
        if self.attributes.len() > MOST_ATTRIBUTES {
            let count = self.attributes.len();
            let message = format!("a task has {count} attributes, with those that name it; a message takes ten");
            return Some(message.into());
        }
        self.attributes.iter().find_map(|(name, value)| {
            name_fault(name).or_else(|| match value {
                _ if value.bytes().is_empty() => Some(format!("the attribute `{name}` is empty").into()),
                Attribute::Number(number) => number_fault(number)
                    .map(|why| format!("the attribute `{name}` is no number that SQS takes: {why}").into()),
                Attribute::Text(text) => text_fault(&format_args!("attribute `{name}`"), text),
                Attribute::Binary(_) => None,
            })
        })
    }
}

/// 1 to 128 letters, digits and punctuation.
fn id_fault(what: &str, id: &str) -> Option<Cow<'static, str>> {
    let fits = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    (!fits).then(|| format!("the {what} id must have 1 to 128 ASCII letters, digits or punctuation").into())
}

/// Letters, digits, `_`, `-` and single dots inside; nothing that AWS reserves.
fn name_fault(name: &str) -> Option<Cow<'static, str>> {
    let lower = name.to_ascii_lowercase();
    let fits = (1..=256).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.");
    (!fits).then(|| format!("`{name}` can't be the name of an attribute").into())
}

/// What SQS says of numbers: up to 38 significant digits, zero or between 10^-128 and 10^126.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
fn number_fault(number: &str) -> Option<&'static str> {
    const OTHER: &str = "it must be digits, with a sign, a point and an exponent where needed";
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let Some(exponent) = exponent.parse::<i32>().ok().filter(|_| !digits.is_empty()) else { return Some(OTHER) };
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(OTHER);
    }
    let counting = digits.trim_start_matches('0');
    // The power of ten of the first digit that counts.
    let power = i64::from(exponent) + whole.len() as i64 - (digits.len() - counting.len()) as i64 - 1;
    match counting.trim_end_matches('0') {
        "" => None,
        long if long.len() > MOST_DIGITS => Some("it has more than 38 digits that count"),
        "1" if power == *POWERS.end() => None,
        _ if !POWERS.contains(&power) || power == *POWERS.end() => Some("it is not between 10^-128 and 10^126"),
        _ => None,
    }
}

/// The characters that SQS takes: those of XML 1.0.
fn text_fault(what: &dyn Display, text: &str) -> Option<Cow<'static, str>> {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let refused = text.chars().find(|c| !fits(*c))?;
    Some(format!("a task's {what} has the character U+{:04X}, which SQS refuses", u32::from(refused)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> Message {
        Message {
            body: body.to_owned(),
            attributes: Attributes::new(),
            group: "g".into(),
            deduplication: "d".into(),
            trace: None,
        }
    }

    fn with_attribute(name: &str, value: Attribute) -> Message {
        Message { attributes: Attributes::from([(name.to_owned(), value)]), ..message("x") }
    }

    #[test]
    fn what_sqs_refuses_is_refused_before_the_network() {
        let many = (0..11).map(|n| (format!("a{n}"), Attribute::from("x"))).collect();
        #[rustfmt::skip]
        let table = [
            (message(""), "empty"),
            (message("a\u{0}"), "U+0000"),
            (message("a\u{1f}"), "U+001F"),
            (message("a\u{fffe}"), "U+FFFE"),
            (message(&"x".repeat(LARGEST + 1)), "1048577 bytes"),
            (Message { group: String::new(), ..message("x") }, "group id"),
            (Message { group: "x".repeat(129), ..message("x") }, "group id"),
            (Message { group: "a b".into(), ..message("x") }, "group id"),
            (Message { deduplication: "ä".into(), ..message("x") }, "deduplication id"),
            (Message { attributes: many, ..message("x") }, "11 attributes"),
            (with_attribute("AWS.x", "x".into()), "name of an attribute"),
            (with_attribute("a..b", "x".into()), "name of an attribute"),
            (with_attribute("a b", "x".into()), "name of an attribute"),
            (with_attribute("a", "".into()), "empty"),
            (with_attribute("a", "\u{1}".into()), "U+0001"),
            (with_attribute("a", Attribute::Number("seven".into())), "no number"),
            (with_attribute("a", Attribute::Binary(vec![0; LARGEST].into())), "1048584 bytes"),
        ];
        for (message, expected) in table {
            let error = message.checked().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Task);
            assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        }
    }

    #[test]
    fn what_sqs_takes_is_taken() {
        let largest = message(&"x".repeat(LARGEST));
        let odd = message("\t\n\r \u{7f}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}");
        let ids = Message { group: "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~a0".into(), ..message("x") };
        let ten = Message { attributes: (0..10).map(|n| (format!("a-{n}.x_"), n.into())).collect(), ..message("x") };
        for message in [largest, odd, ids, ten] {
            message.checked().expect("SQS takes it");
        }
    }
}
