//! Evaluates conditional requests (RFC 9110 §13) from the request's fields, the validators and the time. It is a pure function
//! without clock or body. Of ranges it knows only `If-Range`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, Method, header};

use crate::{
    fields::{
        entity_tag::{EntityTag, TagList},
        ows,
    },
    representation::Validators,
};

/// What the conditions of a request ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PreconditionOutcome {
    /// No condition stands in the way.
    Proceed,
    /// The client has it already: 304.
    NotModified,
    /// The client has another form of it that is as good, with this tag: 304.
    AsGood(EntityTag),
    /// The client did not mean this state of it: 412.
    Failed,
}

/// The state of what is asked for.
pub(crate) struct State<'a> {
    pub(crate) validators: &'a Validators,
    /// Tags of other forms that are as good. Where the validators have none, the tag will be one of these when the body is made.
    pub(crate) as_good: &'a [EntityTag],
}

/// Evaluates in the order of RFC 9110 §13.2.2. To be asked only where the plain answer would be a 2xx (§13.2.1).
pub(crate) fn evaluate(
    method: &Method,
    headers: &HeaderMap,
    state: &State<'_>,
    now: SystemTime,
) -> PreconditionOutcome {
    let State { validators, as_good } = *state;
    let safe = matches!(*method, Method::GET | Method::HEAD);
    if matches!(*method, Method::OPTIONS | Method::TRACE | Method::CONNECT) {
        // They neither select nor change a representation (§13.2.1).
        return PreconditionOutcome::Proceed;
    }
    let tag = validators.entity_tag.as_ref();
    // Steps 1 and 2. A date that can't be compared is ignored (§13.1.4).
    match tags(headers, header::IF_MATCH) {
        Some(list) if !may_match(&list, state) => return PreconditionOutcome::Failed,
        Some(_) => {}
        None => {
            let since = date(headers, header::IF_UNMODIFIED_SINCE, now);
            if let (false, Some(since), Some(modified)) =
                (headers.contains_key(header::IF_MATCH), since, validators.last_modified)
                && whole_seconds(modified) > since
            {
                return PreconditionOutcome::Failed;
            }
        }
    }
    // Steps 3 and 4. If-Modified-Since counts only where there is no If-None-Match at all (§13.1.3).
    if headers.contains_key(header::IF_NONE_MATCH) {
        return match tags(headers, header::IF_NONE_MATCH) {
            Some(list) if list.matches(tag, EntityTag::weak_eq) && safe => PreconditionOutcome::NotModified,
            Some(list) if list.matches(tag, EntityTag::weak_eq) => PreconditionOutcome::Failed,
            Some(list) if safe => {
                let held = as_good.iter().find(|tag| list.matches(Some(tag), EntityTag::weak_eq));
                held.cloned().map_or(PreconditionOutcome::Proceed, PreconditionOutcome::AsGood)
            }
            _ => PreconditionOutcome::Proceed,
        };
    }
    match (date(headers, header::IF_MODIFIED_SINCE, now), validators.last_modified) {
        (Some(since), Some(modified)) if safe && since <= now && whole_seconds(modified) <= since => {
            PreconditionOutcome::NotModified
        }
        _ => PreconditionOutcome::Proceed,
    }
}

fn may_match(list: &TagList, State { validators, as_good }: &State<'_>) -> bool {
    let matches = |tag| list.matches(tag, EntityTag::strong_eq);
    match &validators.entity_tag {
        None => matches(None) || as_good.iter().any(|tag| matches(Some(tag))),
        tag => matches(tag.as_ref()),
    }
}

/// Whether these lines of If-Match name the tag that a body turned out to have.
pub(crate) fn matches(lines: &HeaderMap, tag: Option<&EntityTag>) -> bool {
    tags(lines, header::IF_MATCH).is_none_or(|list| list.matches(tag, EntityTag::strong_eq))
}

/// Whether a Range may be honoured: `If-Range` is absent, or names the strong tag or the exact date of what is there
/// (RFC 9110 §13.1.5). A date is trusted only where it is a strong validator, a minute older than now (§8.8.2.2).
pub(crate) fn range_applies(headers: &HeaderMap, validators: &Validators, now: SystemTime) -> bool {
    let mut lines = headers.get_all(header::IF_RANGE).iter();
    let Some(condition) = lines.next() else { return true };
    let Ok(condition) = condition.to_str() else { return false };
    if lines.next().is_some() {
        return false;
    }
    match (ows::trim(condition).parse::<EntityTag>(), &validators.entity_tag) {
        (Ok(asked), Some(current)) => asked.strong_eq(current),
        (Ok(_), None) => false,
        (Err(_), _) => validators.last_modified.is_some_and(|modified| {
            let old_enough = now.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(60));
            old_enough && parse_date(condition, now) == Some(whole_seconds(modified))
        }),
    }
}

fn tags(headers: &HeaderMap, name: header::HeaderName) -> Option<TagList> {
    TagList::parse(headers.get_all(name).iter())
}

/// The date of a field that stands once and can be read; else it is as if it were not there.
fn date(headers: &HeaderMap, name: header::HeaderName, now: SystemTime) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let text = lines.next().map(HeaderValue::to_str)?.ok()?;
    if lines.next().is_some() { None } else { parse_date(text, now) }
}

/// A date in any of the three forms (RFC 9110 §5.6.7). The two-digit year of the second is the one of this century,
/// unless that is more than 50 years ahead.
fn parse_date(text: &str, now: SystemTime) -> Option<SystemTime> {
    let text = ows::trim(text);
    let rfc850 = text.split_once(", ").and_then(|(_, rest)| {
        let (date, time) = rest.split_once(' ')?;
        let mut parts = date.split('-');
        let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?.parse::<u64>().ok()?);
        (date.len() == 9 && parts.next().is_none()).then_some((day, month, year, time))
    });
    let Some((day, month, year, time)) = rfc850 else {
        return httpdate::parse_http_date(text).ok();
    };
    let this_year = year_of(now);
    let candidate = this_year - this_year % 100 + year;
    let year = if candidate > this_year + 50 { candidate - 100 } else { candidate };
    let parsed = imf_fixdate(&format!("{day} {month} {year} {time}"))?;
    let fifty_years = Duration::from_secs(1_577_847_600);
    if parsed > now + fifty_years { imf_fixdate(&format!("{day} {month} {} {time}", year - 100)) } else { Some(parsed) }
}

/// A date whose day of the week went lost with its century: the one that fits.
fn imf_fixdate(date: &str) -> Option<SystemTime> {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    days.into_iter().find_map(|day| httpdate::parse_http_date(&format!("{day}, {date}")).ok())
}

fn year_of(time: SystemTime) -> u64 {
    let text = httpdate::fmt_http_date(time);
    text.split(' ').nth(3).and_then(|year| year.parse().ok()).unwrap_or(1970)
}

/// Dates in HTTP have no fractions: a file changed half a second later is the same age.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        httpdate::parse_http_date(text).unwrap()
    }

    #[test]
    fn all_three_forms_of_a_date_are_read() {
        let expected = Some(at("Sun, 06 Nov 1994 08:49:37 GMT"));
        let now = at("Sun, 22 Nov 2026 12:00:00 GMT");
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse_date(text, now), expected, "{text}");
        }
        for bad in [
            "",
            "yesterday",
            "0",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06-No-94 08:49:37 GMT",
            "Sunday, 99-Nov-94 08:49:37 GMT",
        ] {
            assert_eq!(parse_date(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn a_two_digit_year_slides_with_the_clock() {
        for (now, year, expected) in
            [(2026, 94, 1994), (2026, 76, 2076), (2026, 77, 1977), (2060, 1, 2001), (2099, 3, 2003)]
        {
            let now = imf_fixdate(&format!("31 Dec {now} 23:00:00 GMT")).unwrap();
            let text = format!("Sunday, 06-Nov-{year:02} 08:49:37 GMT");
            assert_eq!(parse_date(&text, now), imf_fixdate(&format!("06 Nov {expected} 08:49:37 GMT")), "{text}");
        }
    }
}
