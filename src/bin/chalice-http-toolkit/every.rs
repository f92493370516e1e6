//! The schedules that a file of Rust code has, as far as they stand there: what `every(..)` is called with.

use std::time::Duration;

use chalice_http_toolkit::tasking::Schedule;

/// Where each `.every(..)` is, and its schedule; none where it is behind a name.
pub(crate) fn schedules(source: &str) -> Vec<(usize, Option<Schedule>)> {
    let calls = source.match_indices(EVERY);
    calls.map(|(at, _)| (at, first_argument(&source[at + EVERY.len()..]).and_then(schedule))).collect()
}

const EVERY: &str = ".every(";

/// The first of the arguments that begin here.
fn first_argument(arguments: &str) -> Option<&str> {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for (at, c) in arguments.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            _ if is_text => {}
            ',' | ')' if depth == 0 => return Some(arguments[..at].trim()),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

fn schedule(argument: &str) -> Option<Schedule> {
    let (made, options) = match argument.find(".with_") {
        Some(at) => argument.split_at(at),
        None => (argument, ""),
    };
    let made = made.trim();
    let inside = |call: &str| made.strip_prefix(call)?.strip_suffix(')');
    let mut schedule = if let Some(rate) = inside("Schedule::rate(").or(made.starts_with("Duration::").then_some(made))
    {
        Schedule::rate(duration(rate.trim())?)
    } else if let Some(cron) = inside("Schedule::cron(") {
        Schedule::cron(literal(cron)?)
    } else {
        Schedule::from(literal(inside("Schedule::from(").unwrap_or(made))?)
    };
    if let Some((_, zone)) = options.split_once(".with_time_zone(") {
        schedule = schedule.with_time_zone(literal(zone.split(')').next()?)?);
    }
    Some(schedule)
}

/// A text that stands in quotes.
fn literal(code: &str) -> Option<&str> {
    let text = code.trim().trim_end_matches(',').strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains(['"', '\\'])).then_some(text)
}

/// `Duration::from_secs(5 * 60)`.
fn duration(code: &str) -> Option<Duration> {
    let (unit, number) = code.strip_prefix("Duration::from_")?.strip_suffix(')')?.split_once('(')?;
    let mut factors = number.split('*').map(|factor| factor.trim().replace('_', "").parse::<u64>().ok());
    let number = factors.try_fold(1_u64, |product, factor| product.checked_mul(factor?))?;
    let seconds = match unit {
        "secs" => 1,
        "mins" => 60,
        "hours" => 60 * 60,
        "days" => 24 * 60 * 60,
        "weeks" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_read_where_they_stand() {
        for (source, expected) in [
            (".every(\"0 3 * * ? *\", Report)", Some("cron(0 3 * * ? *) UTC")),
            (".every(\n    \"rate(5 minutes)\",\n    Report { days: 1 },\n)", Some("rate(5 minutes) UTC")),
            (".every(Schedule::cron(\"0 3 ? * mon *\"), Report)", Some("cron(0 3 ? * MON *) UTC")),
            (
                ".every(Schedule::from(\"0 3 * * ? *\").with_name(\"a\").with_time_zone(\"Europe/Berlin\"), R(\",\"))",
                Some("cron(0 3 * * ? *) Europe/Berlin"),
            ),
            (".every(Duration::from_secs(5 * 60), Report)", Some("rate(5 minutes) UTC")),
            (".every(Schedule::rate(Duration::from_hours(1_2)), Report)", Some("rate(12 hours) UTC")),
            (".every(NIGHTLY, Report)", None),
            (".every(Schedule::cron(NIGHTLY), Report)", None),
            (".every(\"0 3 * * ? *\".to_owned(), Report)", None),
            (".every(Schedule::from(\"0 3 * * ? *\").with_time_zone(ZONE), Report)", None),
            (".every(Duration::from_secs(u64::MAX), Report)", None),
            (".every(", None),
        ] {
            let found = schedules(source);
            let told = found[0].1.as_ref().map(|found| format!("{} {}", found.expression(), found.time_zone()));
            assert_eq!((found.len(), told.as_deref()), (1, expected), "{source}");
        }
    }
}
