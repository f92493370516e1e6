//! The next time of a schedule, by the calendar of a time zone. It reads the time zone database of the machine, and no clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::{
    Timestamp,
    civil::Date,
    tz::{AmbiguousOffset, TimeZone},
};

use super::{
    UTC,
    cron::{Cron, Days},
};
use crate::error::{Error, ErrorKind, Result};

const LAST_YEAR: i16 = 2199;
const SATURDAY: u16 = 7;
const SUNDAY: u16 = 1;

/// A time zone by its name.
pub(super) fn zone(name: &str) -> Result<TimeZone> {
    if name == UTC {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|error| {
        let message = format!(
            "this machine does not know the time zone `{name}`: names are those of the IANA database, such as Europe/Berlin \
             (on Linux, the package tzdata has them)"
        );
        Error::caused(ErrorKind::Configuration, message, error)
    })
}

/// A time as AWS writes it: `2026-12-01T03:00:00Z`.
pub(crate) fn rfc_3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.unwrap_or(Timestamp::MAX).to_string()
}

/// The next whole multiple of a rate.
pub(super) fn of_rate(every: Duration, after: SystemTime) -> Option<SystemTime> {
    let (every, passed) = (every.as_secs(), after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    let next = (passed / every).checked_add(1)?.checked_mul(every)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(next))
}

/// The next time of a cron expression in a time zone.
pub(super) fn of_cron(cron: &Cron, zone: &TimeZone, after: SystemTime) -> Result<Option<SystemTime>> {
    let after = Timestamp::try_from(after)
        .map_err(|error| Error::caused(ErrorKind::Configuration, "this time is in no calendar", error))?;
    let mut date = Some(after.to_zoned(zone.clone()).date());
    while let Some(day) = date.filter(|day| day.year() <= LAST_YEAR) {
        date = if !cron.years.contains(&number(day.year())) {
            Date::new(day.year() + 1, 1, 1).ok()
        } else if !cron.months.contains(&number(day.month())) {
            day.last_of_month().tomorrow().ok()
        } else {
            if let Some(time) = is_day(&cron.days, day).then(|| on_day(cron, zone, day, after)).flatten() {
                return Ok(Some(time.into()));
            }
            day.tomorrow().ok()
        };
    }
    Ok(None)
}

/// The first time of a day that is after this one.
fn on_day(cron: &Cron, zone: &TimeZone, day: Date, after: Timestamp) -> Option<Timestamp> {
    let times = cron.hours.iter().flat_map(|hour| cron.minutes.iter().map(move |minute| (*hour, *minute)));
    let mut times = times.filter_map(|(hour, minute)| {
        let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
        let time = zone.to_ambiguous_timestamp(day.at(hour, minute, 0, 0));
        // A time that clocks pass over is left out, and of one that comes twice the first counts.
        // <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time>
        if matches!(time.offset(), AmbiguousOffset::Gap { .. }) { None } else { time.earlier().ok() }
    });
    times.find(|time| *time > after)
}

fn is_day(days: &Days, day: Date) -> bool {
    let of_month = number(day.day());
    let of_week = weekday(day);
    let last = number(day.days_in_month());
    match days {
        Days::OfMonth { days, last: is_last, weekdays_near } => {
            days.contains(&of_month)
                || (*is_last && of_month == last)
                || weekdays_near.iter().any(|near| nearest_weekday(*near, day) == Some(of_month))
        }
        Days::OfWeek { days, last: of_last, nth } => {
            days.contains(&of_week)
                || (of_last.contains(&of_week) && of_month + 7 > last)
                || nth.is_some_and(|(wanted, nth)| wanted == of_week && (of_month - 1) / 7 + 1 == nth)
        }
    }
}

/// The weekday that is nearest to a day of this month, and in the same month; none where the month has no such day.
fn nearest_weekday(near: u16, month: Date) -> Option<u16> {
    let last = number(month.days_in_month());
    let day = Date::new(month.year(), month.month(), i8::try_from(near).ok()?).ok()?;
    Some(match weekday(day) {
        SATURDAY if near == 1 => 3,
        SATURDAY => near - 1,
        SUNDAY if near == last => near - 2,
        SUNDAY => near + 1,
        _ => near,
    })
}

/// From 1, which is Sunday.
fn weekday(day: Date) -> u16 {
    number(day.weekday().to_sunday_one_offset())
}

/// No day, month or year here is negative.
fn number(value: impl Into<i16>) -> u16 {
    value.into().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;

    /// The next times of an expression, in UTC.
    fn times(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::from(expression).with_time_zone(zone);
        let mut time = SystemTime::from(after.parse::<Timestamp>().expect("a time"));
        let mut times = Vec::new();
        while times.len() < count {
            let Some(next) = schedule.next_after(time).expect("an expression") else { break };
            times.push(rfc_3339(next));
            time = next;
        }
        times
    }

    #[test]
    fn the_next_times_of_an_expression() {
        #[rustfmt::skip]
        let table: [(&str, &[&str]); 22] = [
            ("0 3 * * ? *", &["2026-12-02T03:00:00Z", "2026-12-03T03:00:00Z"]),
            ("0/15 * * * ? *", &["2026-12-01T10:45:00Z", "2026-12-01T11:00:00Z", "2026-12-01T11:15:00Z"]),
            ("31 10 * * ? *", &["2026-12-01T10:31:00Z", "2026-12-02T10:31:00Z"]),
            ("30 10 * * ? *", &["2026-12-02T10:30:00Z"]),
            ("*/10 8-9 ? * MON-FRI *", &["2026-12-02T08:00:00Z", "2026-12-02T08:10:00Z"]),
            ("0 18 ? * FRI *", &["2026-12-04T18:00:00Z", "2026-12-11T18:00:00Z"]),
            ("0 18 ? * 1 *", &["2026-12-06T18:00:00Z"]),
            ("0 18 ? * L *", &["2026-12-05T18:00:00Z"]),
            ("0 8 1 * ? *", &["2027-01-01T08:00:00Z", "2027-02-01T08:00:00Z"]),
            ("0 0 L * ? *", &["2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z"]),
            ("0 0 29 2 ? *", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
            ("0 0 30 FEB ? *", &[]),
            ("0 0 31 * ? *", &["2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z"]),
            // 2027-05-15 is a Saturday, 2027-08-15 a Sunday.
            ("0 0 15W MAY,AUG ? *", &["2027-05-14T00:00:00Z", "2027-08-16T00:00:00Z"]),
            // 2027-05-01 is a Saturday, 2027-01-31 a Sunday.
            ("0 0 1W 5 ? 2027", &["2027-05-03T00:00:00Z"]),
            ("0 0 31W 1,2 ? 2027", &["2027-01-29T00:00:00Z"]),
            ("0 10 ? * 6L *", &["2026-12-25T10:00:00Z", "2027-01-29T10:00:00Z", "2027-02-26T10:00:00Z"]),
            ("0 10 ? * 2#1 *", &["2026-12-07T10:00:00Z", "2027-01-04T10:00:00Z"]),
            ("0 10 ? * FRI#5 *", &["2027-01-29T10:00:00Z", "2027-04-30T10:00:00Z"]),
            ("0 0 1 1 ? 2030,2040", &["2030-01-01T00:00:00Z", "2040-01-01T00:00:00Z"]),
            ("0 0 1 1 ? 2020", &[]),
            ("59 23 31 12 ? 2199", &["2199-12-31T23:59:00Z"]),
        ];
        for (expression, expected) in table {
            let count = expected.len().max(1);
            assert_eq!(times(expression, "UTC", "2026-12-01T10:30:00Z", count), *expected, "{expression}");
        }
    }

    #[test]
    fn clocks_that_change_skip_and_repeat_no_run() {
        #[rustfmt::skip]
        let table: [(&str, &str, &str, &[&str]); 5] = [
            ("0 3 * * ? *", "Europe/Berlin", "2026-07-01T00:00:00Z", &["2026-07-01T01:00:00Z"]),
            ("0 3 * * ? *", "Europe/Berlin", "2026-12-01T00:00:00Z", &["2026-12-01T02:00:00Z"]),
            // 02:30 does not exist on 2026-03-29, and comes twice on 2026-10-25.
            ("30 2 * * ? *", "Europe/Berlin", "2026-03-28T00:00:00Z", &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]),
            ("30 2 * * ? *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
            // Its date is another one than that of UTC.
            ("0 9 ? * MON *", "Pacific/Auckland", "2026-12-06T12:00:00Z", &["2026-12-06T20:00:00Z", "2026-12-13T20:00:00Z"]),
        ];
        for (expression, zone, after, expected) in table {
            assert_eq!(times(expression, zone, after, expected.len()), *expected, "{expression} in {zone}");
        }
    }

    #[test]
    fn a_rate_comes_at_its_multiples() {
        assert_eq!(
            times("rate(90 minutes)", "UTC", "1970-01-01T00:00:01Z", 2),
            ["1970-01-01T01:30:00Z", "1970-01-01T03:00:00Z"]
        );
        assert_eq!(times("rate(1 day)", "UTC", "2026-12-01T10:30:00Z", 1), ["2026-12-02T00:00:00Z"]);
        assert_eq!(Schedule::from("rate(213503982334601 days)").next_after(SystemTime::now()).ok().flatten(), None);
    }

    #[test]
    fn an_unknown_time_zone_is_named() {
        let error = Schedule::from("0 3 * * ? *").with_time_zone("Europe/Berlim").next_after(UNIX_EPOCH).unwrap_err();
        assert!(error.to_string().contains("`Europe/Berlim`"), "{error}");
    }
}
