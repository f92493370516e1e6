//! AWS's cron expressions: six fields become sets of values. It knows no calendar beyond what a field may have.
//!
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based>

use std::collections::BTreeSet;

/// An expression that AWS would take.
#[derive(Debug)]
pub(super) struct Cron {
    pub(super) minutes: BTreeSet<u16>,
    pub(super) hours: BTreeSet<u16>,
    pub(super) days: Days,
    pub(super) months: BTreeSet<u16>,
    pub(super) years: BTreeSet<u16>,
}

/// The days of a month: by their number or by the day of the week.
#[derive(Debug)]
pub(super) enum Days {
    OfMonth {
        days: BTreeSet<u16>,
        /// `L`.
        last: bool,
        /// `15W`: the weekday that is nearest to it, in the same month.
        weekdays_near: BTreeSet<u16>,
    },
    /// Days of the week from 1, which is Sunday.
    OfWeek {
        days: BTreeSet<u16>,
        /// `6L`.
        last: BTreeSet<u16>,
        /// `2#1`: which day, and its how many.
        nth: Option<(u16, u16)>,
    },
}

struct Field {
    name: &'static str,
    least: u16,
    most: u16,
    /// The words for its values from the least on.
    words: &'static [&'static str],
}

const MINUTES: Field = Field { name: "minutes", least: 0, most: 59, words: &[] };
const HOURS: Field = Field { name: "hours", least: 0, most: 23, words: &[] };
const DAY_OF_MONTH: Field = Field { name: "day of month", least: 1, most: 31, words: &[] };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const DAY_OF_WEEK: Field =
    Field { name: "day of week", least: 1, most: 7, words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };
const YEAR: Field = Field { name: "year", least: 1970, most: 2199, words: &[] };

type Values = BTreeSet<u16>;

impl Cron {
    /// Reads an expression in capitals; the error says what is wrong with it.
    pub(super) fn parse(expression: &str) -> Result<Self, String> {
        let fields: Vec<&str> = expression.split(' ').filter(|field| !field.is_empty()).collect();
        let &[minutes, hours, day_of_month, month, day_of_week, year] = &fields[..] else {
            return Err(format!(
                "it has {} fields, and AWS's cron has 6 fields: minutes, hours, day of month, month, day of week, year, as in 0 3 * * ? *",
                fields.len()
            ));
        };
        Ok(Self {
            minutes: values(&MINUTES, minutes)?,
            hours: values(&HOURS, hours)?,
            days: days(day_of_month, day_of_week)?,
            months: values(&MONTH, month)?,
            years: values(&YEAR, year)?,
        })
    }
}

fn days(of_month: &str, of_week: &str) -> Result<Days, String> {
    match (of_month == "?", of_week == "?") {
        (false, true) => days_of_month(of_month),
        (true, false) => days_of_week(of_week),
        (true, true) => Err("both fields for days are `?`: put `*` into one of them".to_owned()),
        (false, false) => {
            Err("it says both day of month and day of week: put `?` into one of the two fields, as in 0 3 * * ? *"
                .to_owned())
        }
    }
}

fn days_of_month(field: &str) -> Result<Days, String> {
    let (mut days, mut last, mut weekdays_near) = (Values::new(), false, Values::new());
    for item in field.split(',') {
        match item.strip_suffix('W') {
            _ if item == "L" => last = true,
            Some(day) => drop(weekdays_near.insert(DAY_OF_MONTH.value(day)?)),
            None => days.extend(DAY_OF_MONTH.item(item)?),
        }
    }
    Ok(Days::OfMonth { days, last, weekdays_near })
}

fn days_of_week(field: &str) -> Result<Days, String> {
    let (mut days, mut last, mut nth) = (Values::new(), Values::new(), None);
    for item in field.split(',') {
        if let Some((day, number)) = item.split_once('#') {
            let number = number.parse().ok().filter(|number| (1..=5).contains(number));
            let number = number.ok_or_else(|| format!("`{item}`: behind # comes a number from 1 to 5"))?;
            if nth.replace((DAY_OF_WEEK.value(day)?, number)).is_some() || field.contains(',') {
                return Err("AWS takes one `#` in the day of week, and nothing beside it".to_owned());
            }
        } else if item.contains('/') {
            return Err(format!("`{item}`: AWS takes no `/` in the day of week"));
        } else if item == "L" {
            // The last day of the week.
            days.insert(DAY_OF_WEEK.most);
        } else if let Some(day) = item.strip_suffix('L') {
            last.insert(DAY_OF_WEEK.value(day)?);
        } else {
            days.extend(DAY_OF_WEEK.item(item)?);
        }
    }
    Ok(Days::OfWeek { days, last, nth })
}

fn values(field: &Field, text: &str) -> Result<Values, String> {
    let mut values = Values::new();
    for item in text.split(',') {
        values.extend(field.item(item)?);
    }
    Ok(values)
}

impl Field {
    /// One value, a range, all, or every so many of them.
    fn item(&self, item: &str) -> Result<Values, String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(item, step)?)),
            None => (item, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.least, self.most),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            None => {
                let value = self.value(range)?;
                (value, if step.is_some() { self.most } else { value })
            }
        };
        if from > to {
            let Self { name, least, most, .. } = self;
            return Err(format!("{name} `{range}` ends before it begins: write {from}-{most},{least}-{to}"));
        }
        Ok((from..=to).step_by(usize::from(step.unwrap_or(1))).collect())
    }

    fn step(&self, item: &str, step: &str) -> Result<u16, String> {
        let number = digits(step).filter(|number| (1..=self.most).contains(number));
        number.ok_or_else(|| format!("{} `{item}`: behind / comes a number from 1 on", self.name))
    }

    fn value(&self, text: &str) -> Result<u16, String> {
        let Self { name, least, most, words } = self;
        let word = words.iter().zip(*least..).find(|(word, _)| **word == text).map(|(_, value)| value);
        let number = digits(text).filter(|number| (*least..=*most).contains(number));
        number.or(word).ok_or_else(|| {
            let words = match (words.first(), words.last()) {
                (Some(first), Some(last)) => format!(" or {first} to {last}"),
                _ => String::new(),
            };
            format!("the {name} is {least} to {most}{words}, and not `{text}`")
        })
    }
}

fn digits(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_takes_is_read() {
        for expression in [
            "0 3 * * ? *",
            "0/15 * * * ? *",
            "*/10 8-17 ? * MON-FRI *",
            "0 8 1 * ? *",
            "0 0 L * ? *",
            "0 0 15W,1W,L JAN,JUL ? 2026-2030",
            "0 10 ? * 6L *",
            "0 10 ? * 2#1 *",
            "0 10 ? * FRI#5 *",
            "0 10 ? * L *",
            "0 10 ? * 1,7 *",
            "5,10-20/5 0 1/7 * ? 1970/10",
        ] {
            assert!(Cron::parse(expression).is_ok(), "{expression}: {:?}", Cron::parse(expression));
        }
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        for (expression, says) in [
            ("", "0 fields"),
            ("0 3 * * *", "5 fields"),
            ("0 0 3 * * ? *", "7 fields"),
            ("0 3 * * * *", "put `?` into one"),
            ("0 3 1 * MON *", "put `?` into one"),
            ("0 3 ? * ? *", "both fields for days"),
            ("60 3 * * ? *", "the minutes is 0 to 59, and not `60`"),
            ("0 24 * * ? *", "0 to 23"),
            ("0 3 0 * ? *", "1 to 31"),
            ("0 3 32W * ? *", "1 to 31"),
            ("0 3 LW * ? *", "not `L`"),
            ("0 3 L-3 * ? *", "not `L`"),
            ("0 3 * 13 ? *", "1 to 12 or JAN to DEC"),
            ("0 3 * ? ? *", "not `?`"),
            ("0 3 ? * 0 *", "1 to 7 or SUN to SAT"),
            ("0 3 ? * 8 *", "1 to 7"),
            ("0 3 ? * FRI-MON *", "write 6-7,1-2"),
            ("0 22-4 * * ? *", "write 22-23,0-4"),
            ("0 3 ? * 2#6 *", "1 to 5"),
            ("0 3 ? * 2#1,3#1 *", "one `#`"),
            ("0 3 ? * 1/2 *", "no `/`"),
            ("0/0 3 * * ? *", "behind /"),
            ("0/ 3 * * ? *", "behind /"),
            (", 3 * * ? *", "not ``"),
            ("+1 3 * * ? *", "not `+1`"),
            ("0 3 * * ? 1969", "1970 to 2199"),
            ("0 3 * * ? 99999", "1970 to 2199"),
            ("@DAILY", "1 fields"),
        ] {
            let error = Cron::parse(expression).unwrap_err();
            assert!(error.contains(says), "{expression}: {error}");
        }
    }
}
