//! When a limit ends, out of the words that agents use for it.

use crate::model::Wall;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// A time without a date that passed this recently, milliseconds, is the one that was meant: the message was printed
/// just before it, or gives whole minutes only. Otherwise a limit that ended a second ago would be waited for a day.
const JUST_NOW: i64 = 5 * 60 * 1000;

/// `…|1767232800`: seconds (or milliseconds) since 1970.
static EPOCH: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\|\s*(\d{10}|\d{13})\b").ok());

/// `resets in 2 hours 5 minutes`, `try again in 34.5s`.
static LENGTH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b(?:resets?|again|retry)\s+(?:after|in)\s+((?:\d+(?:\.\d+)?\s*[a-z]+[\s,]*)+)").ok()
});

/// One part of the above.
static PART: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)(\d+(?:\.\d+)?)\s*(d|h|ms|m|s)[a-z]*").ok());

/// `resets 3pm (Europe/Berlin)`, `resets Mon 12:00am`, `try again at Apr 28th, 2026 10:03 PM`.
static POINT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?xi) \b (?: resets? | again | retry ) (?: \s+ (?: at | on ) )? \s* :? \s+
          (?: (?P<weekday> mon | tue | wed | thu | fri | sat | sun ) [a-z]* ,? \s+ (?: at \s+ )? )?
          (?: (?P<month> jan | feb | mar | apr | may | jun | jul | aug | sep | oct | nov | dec ) [a-z]* \.? \s+
              (?P<day> \d{1,2} ) (?: st | nd | rd | th )? (?: ,? \s+ (?P<year> \d{4} ) )? (?: , | \s+ at )? \s+ )?
          (?: (?P<date> \d{4}-\d{2}-\d{2} ) (?: T | ,? \s+ (?: at \s+ )? ) )?
          (?P<hour> \d{1,2} ) (?: : (?P<minute> \d{2} ) (?: : \d{2} (?: \. \d+ )? )? )? \s* (?P<half> [ap] \.? m )?
          (?: \.? \s* \( (?P<zone> [^)]+ ) \) | \s* (?P<utc> UTC | GMT | Z ) \b )?",
    )
    .ok()
});

/// The time until which the limit of this message lasts. `now` is when the message was read, `zone` the time zone of a
/// message that names none. A time of day is the next one to come; `None` if the message names no time, or a zone that
/// nobody knows.
pub fn reset_from_text(text: &str, now: Wall, zone: &TimeZone) -> Option<Wall> {
    epoch(text).or_else(|| length(text, now)).or_else(|| point(text, now, zone))
}

fn epoch(text: &str) -> Option<Wall> {
    let digits = EPOCH.as_ref()?.captures(text)?.get(1)?.as_str();
    let number: i64 = digits.parse().ok()?;
    Some(Wall(if digits.len() == 10 { number * 1000 } else { number }))
}

fn length(text: &str, now: Wall) -> Option<Wall> {
    let parts = LENGTH.as_ref()?.captures(text)?.get(1)?.as_str();
    let mut total = 0.0;
    for part in PART.as_ref()?.captures_iter(parts) {
        let unit = match part[2].to_ascii_lowercase().as_str() {
            "d" => 86_400_000.0,
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1000.0,
            _ => 1.0,
        };
        total += part[1].parse::<f64>().ok()? * unit;
    }
    #[allow(clippy::cast_possible_truncation, reason = "checked to be positive and less than a year")]
    (0.0..3.2e10).contains(&total).then(|| Wall(now.0 + total as i64))
}

fn point(text: &str, now: Wall, zone: &TimeZone) -> Option<Wall> {
    let words = POINT.as_ref()?.captures(text)?;
    let zone = named_zone(&words).unwrap_or_else(|| Some(zone.clone()))?;
    let time = time_of_day(&words)?;
    let now = Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone);
    let at = match date(&words, now.date())? {
        Day::Fixed(date) => date.to_datetime(time).to_zoned(now.time_zone().clone()).ok()?,
        Day::Recurring(days) => days.into_iter().find_map(|day| yet_to_come(day.to_datetime(time), &now))?,
    };
    Some(Wall(at.timestamp().as_millisecond()))
}

/// The zone that the message names: none at all, or one that nobody knows.
#[allow(clippy::option_option, reason = "the two ways of having none differ")]
fn named_zone(words: &Captures) -> Option<Option<TimeZone>> {
    match (words.name("zone"), words.name("utc")) {
        (Some(zone), _) => Some(TimeZone::get(zone.as_str().trim()).ok()),
        (None, Some(_)) => Some(Some(TimeZone::UTC)),
        (None, None) => None,
    }
}

fn time_of_day(words: &Captures) -> Option<Time> {
    let hour: i8 = words["hour"].parse().ok()?;
    let minute: i8 = words.name("minute").map_or(Some(0), |minute| minute.as_str().parse().ok())?;
    let hour = match words.name("half").and_then(|half| half.as_str().chars().next()) {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some('a' | 'A') => hour % 12,
        Some(_) => hour % 12 + 12,
        None if words.name("minute").is_none() => return None,
        None => hour,
    };
    Time::new(hour, minute, 0, 0).ok()
}

/// The days that a message may mean.
enum Day {
    /// The one that it names.
    Fixed(Date),
    /// The first of these on which the time is yet to come.
    Recurring(Vec<Date>),
}

fn date(words: &Captures, today: Date) -> Option<Day> {
    if let Some(date) = words.name("date") {
        return Some(Day::Fixed(date.as_str().parse().ok()?));
    }
    if let (Some(month), Some(day)) = (words.name("month"), words.name("day")) {
        let month = index(&MONTHS, month.as_str())? + 1;
        let day = day.as_str().parse().ok()?;
        return match words.name("year") {
            Some(year) => Some(Day::Fixed(Date::new(year.as_str().parse().ok()?, month, day).ok()?)),
            None => {
                let years = [today.year(), today.year() + 1];
                Some(Day::Recurring(years.into_iter().filter_map(|year| Date::new(year, month, day).ok()).collect()))
            }
        };
    }
    if let Some(name) = words.name("weekday") {
        let weekday = Weekday::from_monday_zero_offset(index(&WEEKDAYS, name.as_str())?).ok()?;
        let next = today.nth_weekday(1, weekday).ok()?;
        let today = (today.weekday() == weekday).then_some(today);
        return Some(Day::Recurring(today.into_iter().chain([next]).collect()));
    }
    Some(Day::Recurring(vec![today, today.tomorrow().ok()?, today.tomorrow().ok()?.tomorrow().ok()?]))
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn index(names: &[&str], name: &str) -> Option<i8> {
    names.iter().position(|known| name.eq_ignore_ascii_case(known)).and_then(|index| i8::try_from(index).ok())
}

/// That moment, unless it has passed. An hour that a change of clocks repeats comes twice; one that it leaves out is an
/// hour later.
fn yet_to_come(moment: DateTime, now: &Zoned) -> Option<Zoned> {
    let ambiguous = now.time_zone().to_ambiguous_zoned(moment);
    let first = ambiguous.clone().compatible().ok()?;
    let again = ambiguous.later().ok()?;
    let earliest = now.timestamp().as_millisecond() - JUST_NOW;
    [first, again].into_iter().find(|at| at.timestamp().as_millisecond() >= earliest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wall(time: &str) -> Wall {
        Wall(time.parse::<Timestamp>().unwrap().as_millisecond())
    }

    #[track_caller]
    fn check(text: &str, now: &str, expected: Option<&str>) {
        let zone = TimeZone::get("America/New_York").unwrap();
        assert_eq!(reset_from_text(text, wall(now), &zone), expected.map(wall), "{text:?} at {now}");
    }

    #[test]
    fn texts_with_a_time() {
        let winter = "2026-01-05T10:00:00Z"; // a Monday, 05:00 in New York, 11:00 in Berlin
        for (text, expected) in [
            ("You've hit your 5-hour limit · resets 12:12pm (UTC)", "2026-01-05T12:12:00Z"),
            ("limit reached · resets 3pm (Europe/Berlin)", "2026-01-05T14:00:00Z"),
            ("limit reached · resets 9am (Europe/Berlin)", "2026-01-06T08:00:00Z"),
            ("resets 3pm", "2026-01-05T20:00:00Z"),
            ("resets at 3 p.m. (UTC)", "2026-01-05T15:00:00Z"),
            ("resets 12am (UTC)", "2026-01-06T00:00:00Z"),
            ("resets 12:30am (UTC)", "2026-01-06T00:30:00Z"),
            ("resets 12pm (UTC)", "2026-01-05T12:00:00Z"),
            ("resets Mon 12:00am (UTC)", "2026-01-12T00:00:00Z"),
            ("resets Mon 11:00am (UTC)", "2026-01-05T11:00:00Z"),
            ("resets Mon 12:00am", "2026-01-12T05:00:00Z"),
            ("resets Thursday, 8am (UTC)", "2026-01-08T08:00:00Z"),
            ("resets Oct 9, 5pm (UTC)", "2026-10-09T17:00:00Z"),
            ("resets Jan 2 at 5pm (UTC)", "2027-01-02T17:00:00Z"),
            ("Claude AI usage limit reached|1767232800", "2026-01-01T02:00:00Z"),
            ("Claude AI usage limit reached|1767232800000", "2026-01-01T02:00:00Z"),
            ("or try again at 3:05 PM.", "2026-01-05T20:05:00Z"),
            ("more credits or try again at Apr 28th, 2026 10:03 PM.", "2026-04-29T02:03:00Z"),
            ("try again at 15:00 UTC", "2026-01-05T15:00:00Z"),
            ("try again at 2026-01-05T15:00:30Z", "2026-01-05T15:00:00Z"),
            ("try again in 5 minutes", "2026-01-05T10:05:00Z"),
            ("Try again in 2 days 3 hours 5 minutes.", "2026-01-07T13:05:00Z"),
            ("please try again in 1h30m", "2026-01-05T11:30:00Z"),
            ("Please retry in 34.5s.", "2026-01-05T10:00:34.5Z"),
            ("resets in 3 hours", "2026-01-05T13:00:00Z"),
        ] {
            check(text, winter, Some(expected));
        }
    }

    #[test]
    fn texts_without_one() {
        for text in [
            "",
            "Please try again later.",
            "resets soon",
            "resets 3",
            "resets 25:00",
            "resets 13pm",
            "resets 0am (UTC)",
            "resets 10:75am",
            "resets 3pm (Middle/Earth)",
            "resets Feb 30, 5pm (UTC)",
            "port|80",
            "try again in 99999999 days",
        ] {
            check(text, "2026-01-05T10:00:00Z", None);
        }
    }

    #[test]
    fn a_time_that_has_just_passed_is_the_one_meant() {
        check("resets 10am (UTC)", "2026-01-05T10:00:01Z", Some("2026-01-05T10:00:00Z"));
        check("resets 10am (UTC)", "2026-01-05T10:05:01Z", Some("2026-01-06T10:00:00Z"));
    }

    #[test]
    fn changes_of_clocks() {
        // New York: on 2026-03-08 02:00 to 03:00 is left out, on 2026-11-01 01:00 to 02:00 comes twice.
        check("resets 2:30am", "2026-03-08T05:00:00Z", Some("2026-03-08T07:30:00Z"));
        check("resets 3am", "2026-03-08T05:00:00Z", Some("2026-03-08T07:00:00Z"));
        check("resets 1:30am", "2026-11-01T05:00:00Z", Some("2026-11-01T05:30:00Z"));
        check("resets 1:30am", "2026-11-01T06:00:00Z", Some("2026-11-01T06:30:00Z"));
        check("resets 1:30am", "2026-11-01T07:00:00Z", Some("2026-11-02T06:30:00Z"));
    }
}
