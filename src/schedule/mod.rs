//! When something happens again and again, in the syntax of EventBridge Scheduler: by a [`cron`] expression or at a rate. The
//! [`next`] time is computed here for the local clock; at AWS the service computes it. It knows no tasks.

mod cron;
mod next;

use std::time::{Duration, SystemTime};

pub(crate) use self::next::rfc_3339;

use self::cron::Cron;
use crate::error::{Error, ErrorKind, Result};

/// When a task is posted again and again: for [`App::every`](crate::App::every).
///
/// - A text is a cron expression of AWS with six fields, in UTC: `0 3 * * ? *` is each day at 3:00. The forms `cron(0 3 * * ? *)`
///   and `rate(5 minutes)`, as a template has them, are taken too.
/// - A [`Duration`] is a rate: a whole number of minutes.
///
/// | field | values | also |
/// |---|---|---|
/// | minutes | 0-59 | `,` `-` `*` `/` |
/// | hours | 0-23 | `,` `-` `*` `/` |
/// | day of month | 1-31 | `,` `-` `*` `?` `/`, `L` for the last day, `15W` for the weekday nearest to the 15th |
/// | month | 1-12 or JAN-DEC | `,` `-` `*` `/` |
/// | day of week | 1-7 (1 is Sunday) or SUN-SAT | `,` `-` `*` `?`, `6L` for the last Friday of the month, `2#1` for its first Monday |
/// | year | 1970-2199 | `,` `-` `*` `/` |
///
/// One of the two fields for days is `?`. When clocks go forward, a time that does not exist is left out; when they go back, a time
/// that comes twice counts once.
///
/// # Examples
///
/// ```
/// use chalice_http_toolkit::tasking::Schedule;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// let nightly = Schedule::from("0 3 * * ? *");
/// assert_eq!(nightly.next_after(UNIX_EPOCH)?, Some(UNIX_EPOCH + Duration::from_secs(3 * 3600)));
/// let in_berlin = Schedule::cron("0 3 ? * MON-FRI *").with_time_zone("Europe/Berlin").with_name("report");
/// assert_eq!(in_berlin.expression(), "cron(0 3 ? * MON-FRI *)");
/// assert_eq!((in_berlin.time_zone(), in_berlin.name()), ("Europe/Berlin", Some("report")));
/// assert_eq!(Schedule::rate(Duration::from_secs(300)).expression(), "rate(5 minutes)");
/// let error = Schedule::from("0 3 * * *").next_after(SystemTime::now()).unwrap_err();
/// assert!(error.to_string().contains("6 fields"));
/// # Ok::<(), chalice_http_toolkit::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    when: When,
    time_zone: Option<String>,
    name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    /// A cron expression, without `cron(` around it.
    Cron(String),
    /// `5 minutes`.
    Rate(String),
}

/// An expression that was read.
enum Plan {
    Cron(Cron),
    Rate(Duration),
}

const UTC: &str = "UTC";
/// The names that EventBridge Scheduler takes.
/// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html>
const LONGEST_NAME: usize = 64;
const LONGEST_ZONE: usize = 50;
const UNITS: [(&str, u64); 3] = [("day", 24 * 60 * 60), ("hour", 60 * 60), ("minute", 60)];

impl Schedule {
    /// A cron expression, with or without `cron(` around it. Names of months and days may be in small letters.
    pub fn cron(expression: impl AsRef<str>) -> Self {
        let expression = expression.as_ref();
        let fields = inside(expression, "cron").unwrap_or(expression);
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Self { when: When::Cron(fields.join(" ").to_ascii_uppercase()), time_zone: None, name: None }
    }

    /// A rate. At AWS it begins when it is deployed; the [local clock](crate::App::run_schedules) counts from midnight UTC of
    /// 1970-01-01.
    pub fn rate(every: Duration) -> Self {
        let seconds = every.as_secs();
        let unit = UNITS.iter().find(|(_, unit)| seconds >= *unit && seconds.is_multiple_of(*unit));
        let written = match unit.filter(|_| every.subsec_nanos() == 0) {
            Some((name, unit)) => format!("{} {name}{}", seconds / unit, if seconds == *unit { "" } else { "s" }),
            None => format!("{every:?}"),
        };
        Self { when: When::Rate(written), time_zone: None, name: None }
    }

    /// The time zone of a cron expression, by its name in the IANA database: `Europe/Berlin`. Default: `UTC`.
    pub fn with_time_zone(mut self, zone: impl Into<String>) -> Self {
        self.time_zone = Some(zone.into());
        self
    }

    /// Its name, which two schedules of the same task need: 1 to 64 letters, digits, `-`, `_` and `.`. It is part of the keys of
    /// the tasks that it posts. Default: the name of the task.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What a template has for it: `cron(0 3 * * ? *)`, `rate(5 minutes)`.
    pub fn expression(&self) -> String {
        match &self.when {
            When::Cron(fields) => format!("cron({fields})"),
            When::Rate(every) => format!("rate({every})"),
        }
    }

    /// The time zone.
    pub fn time_zone(&self) -> &str {
        self.time_zone.as_deref().unwrap_or(UTC)
    }

    /// The name, where it was given one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The first time after this one; `None` where there is none up to the year 2199.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for an expression that AWS would refuse, with what is wrong, and for a time zone that this
    /// machine does not know.
    pub fn next_after(&self, time: SystemTime) -> Result<Option<SystemTime>> {
        match self.plan()? {
            Plan::Cron(cron) => next::of_cron(&cron, &next::zone(self.time_zone())?, time),
            Plan::Rate(every) => Ok(next::of_rate(every, time)),
        }
    }

    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] for what AWS would refuse. It asks for no time zone: at AWS a program has no list of them.
    pub(crate) fn checked(&self) -> Result<()> {
        self.plan().map(drop)
    }

    fn plan(&self) -> Result<Plan> {
        let refused = |why: String| {
            let message = format!("the schedule `{}` is none: {why}", self.expression());
            Error::new(ErrorKind::Configuration, message)
        };
        if let Some(name) = self.name.as_deref().filter(|name| !is_name(name)) {
            return Err(refused(format!("its name `{name}` must have 1 to 64 letters, digits, `-`, `_` or `.`")));
        }
        let zone = self.time_zone();
        let is_zone = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
        if zone.is_empty() || zone.len() > LONGEST_ZONE || !zone.chars().all(is_zone) {
            return Err(refused(format!("`{zone}` is no name of a time zone such as Europe/Berlin")));
        }
        match &self.when {
            When::Cron(fields) => Cron::parse(fields).map(Plan::Cron).map_err(refused),
            When::Rate(every) => duration(every).map(Plan::Rate).ok_or_else(|| {
                refused("a rate is a whole number of minutes, hours or days, one or more, as in rate(5 minutes)".into())
            }),
        }
    }
}

impl From<&str> for Schedule {
    fn from(text: &str) -> Self {
        let Some(every) = inside(text, "rate") else { return Self::cron(text) };
        let words: Vec<&str> = every.split_ascii_whitespace().collect();
        Self { when: When::Rate(words.join(" ")), time_zone: None, name: None }
    }
}

impl From<Duration> for Schedule {
    fn from(every: Duration) -> Self {
        Self::rate(every)
    }
}

/// What stands in the parentheses of `cron(..)` or `rate(..)`.
fn inside<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    text.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

/// Whether EventBridge Scheduler takes a name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_of_it = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_of_it)
}

/// The time that `5 minutes` is.
fn duration(every: &str) -> Option<Duration> {
    let (number, unit) = every.split_once(' ')?;
    let seconds = UNITS.iter().find(|(name, _)| unit.strip_suffix('s').unwrap_or(unit) == *name)?.1;
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|number| is_number && *number > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_as_aws_reads_it() {
        for (seconds, expected) in [
            (60, "rate(1 minute)"),
            (300, "rate(5 minutes)"),
            (5400, "rate(90 minutes)"),
            (3600, "rate(1 hour)"),
            (86_400, "rate(1 day)"),
            (14 * 86_400, "rate(14 days)"),
        ] {
            let schedule = Schedule::from(Duration::from_secs(seconds));
            assert_eq!(schedule.expression(), expected);
            schedule.checked().expect("AWS takes it");
            assert_eq!(Schedule::from(expected), schedule);
        }
    }

    #[test]
    fn what_aws_would_refuse_is_refused() {
        for (schedule, says) in [
            (Schedule::rate(Duration::ZERO), "whole number of minutes"),
            (Schedule::rate(Duration::from_secs(59)), "whole number of minutes"),
            (Schedule::rate(Duration::from_secs(90)), "whole number of minutes"),
            (Schedule::rate(Duration::from_millis(60_500)), "whole number of minutes"),
            (Schedule::from("rate(0 minutes)"), "whole number of minutes"),
            (Schedule::from("rate(+5 minutes)"), "whole number of minutes"),
            (Schedule::from("rate(5 weeks)"), "whole number of minutes"),
            (Schedule::from("rate(5)"), "whole number of minutes"),
            (Schedule::from("rate(99999999999999999999 days)"), "whole number of minutes"),
            (Schedule::from("0 3 * * ? *").with_time_zone("Mars/Base one"), "time zone"),
            (Schedule::from("0 3 * * ? *").with_time_zone(""), "time zone"),
            (Schedule::from("0 3 * * ? *").with_name("a b"), "its name `a b`"),
            (Schedule::from("0 3 * * ? *").with_name("x".repeat(65)), "1 to 64"),
        ] {
            let error = schedule.checked().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
