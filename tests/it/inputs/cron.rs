//! Of a cron expression and a time zone: refused in one line, or due when somebody who looks at each minute would say so.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Timelike, Utc};
use customer_mirror::schedule::{Schedule, Zone, parse_timezone};

/// How many due times are looked at.
const DUE_TIMES: usize = 6;
/// How far ahead each minute (of an expression with seconds each second) is looked at, up to the due time.
const LOOKS_MAX: i64 = 5_000;

/// Seconds since 2020 as four bytes, the expression, a line break, the zone. True if it is a schedule.
pub(super) fn of_expression(input: &[u8]) -> bool {
    let Some((seconds, text)) = input.split_first_chunk::<4>() else {
        return false;
    };
    // Up to 2087, so beyond 2038.
    let now = DateTime::from_timestamp(
        1_577_836_800 + i64::from(u32::from_le_bytes(*seconds) / 2),
        0,
    )
    .unwrap();
    let text = String::from_utf8_lossy(text);
    let (expression, zone) = text.split_once('\n').unwrap_or((&text, "UTC"));
    let zone = parse_timezone(zone).unwrap_or_else(|error| {
        assert!(!error.to_string().is_empty());
        Zone::UTC
    });
    let schedule = match Schedule::parse(expression, zone, now) {
        Ok(schedule) => schedule,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let slow = Slow::read(expression);
    let mut latest = now;
    for number in 0..DUE_TIMES {
        let Some(due) = schedule.next_after(latest) else {
            assert!(number > 0, "it was said to come due");
            break;
        };
        assert!(
            due > latest,
            "never now, never earlier: {expression} {} {latest} {due}",
            schedule.timezone()
        );
        if let Some(slow) = &slow {
            slow.check(latest, due, schedule.timezone(), expression);
        }
        latest = due;
    }
    true
}

/// An expression, read as crontab(5) says, slowly.
struct Slow {
    fields: Vec<BTreeSet<u32>>,
    has_seconds: bool,
    either_day: bool,
}

impl Slow {
    /// `None` for what is written in words or in ways that this reader doesn't know.
    fn read(expression: &str) -> Option<Self> {
        let mut columns: Vec<&str> = expression.split_whitespace().collect();
        let has_seconds = columns.len() > 5;
        if !has_seconds {
            columns.insert(0, "0");
        }
        if columns.len() == 6 {
            columns.push("*");
        }
        let bounds = [
            (0, 59),
            (0, 59),
            (0, 23),
            (1, 31),
            (1, 12),
            (0, 7),
            (1970, 2100),
        ];
        let fields: Option<Vec<_>> = columns
            .iter()
            .zip(bounds)
            .map(|(text, bounds)| numbers(text, bounds))
            .collect();
        let is_star = |index: usize| {
            columns
                .get(index)
                .is_some_and(|text| text.starts_with(['*', '?']))
        };
        Some(Self {
            fields: fields.filter(|fields| fields.len() == 7)?,
            has_seconds,
            either_day: !is_star(3) && !is_star(5),
        })
    }

    fn matches(&self, local: NaiveDateTime) -> bool {
        let has = |index: usize, number: u32| self.fields[index].contains(&number);
        let weekday = local.weekday().num_days_from_sunday();
        let by_weekday = has(5, weekday) || (weekday == 0 && has(5, 7));
        let by_date = has(3, local.day());
        let by_day = if self.either_day {
            by_date || by_weekday
        } else {
            by_date && by_weekday
        };
        by_day
            && has(0, local.second())
            && has(1, local.minute())
            && has(2, local.hour())
            && has(4, local.month())
            && has(6, local.year() as u32)
    }

    /// Nothing between is due, and the due time is; where no clock is changed near by.
    fn check(&self, after: DateTime<Utc>, due: DateTime<Utc>, zone: &Zone, expression: &str) {
        let local = |at: DateTime<Utc>| zone.local(at);
        let offset = |at: DateTime<Utc>| local(at) - at.naive_utc();
        let step = TimeDelta::seconds(if self.has_seconds { 1 } else { 60 });
        let first = if self.has_seconds {
            after
        } else {
            after - TimeDelta::seconds(after.timestamp().rem_euclid(60))
        };
        let last = due.min(first + step * LOOKS_MAX as i32);
        // A day on both sides: what a change of the clocks does is another test's affair.
        let day = TimeDelta::hours(26);
        let hours = (last - after + day + day).num_hours();
        let is_steady = (0..=hours)
            .all(|hour| offset(after - day + TimeDelta::hours(hour)) == offset(due))
            && offset(due - day) == offset(due + day);
        if !is_steady || offset(due).num_seconds() % 60 != 0 {
            return;
        }
        assert!(
            self.matches(local(due)),
            "{expression} {zone}: {due} is not due"
        );
        let mut at = first + step;
        while at < last {
            assert!(
                !self.matches(local(at)),
                "{expression} {zone}: {at} is due, before {due}"
            );
            at += step;
        }
    }
}

fn numbers(text: &str, (least, most): (u32, u32)) -> Option<BTreeSet<u32>> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        // The weekday's 7 is 0 again: a step from * counts up to 6.
        let end = if most == 7 { 6 } else { most };
        let (from, to) = if matches!(range, "*" | "?") {
            (least, end)
        } else if let Some((from, to)) = range.split_once('-') {
            (from.parse().ok()?, to.parse().ok()?)
        } else {
            let from = range.parse().ok()?;
            (
                from,
                if part.contains('/') {
                    end.max(from)
                } else {
                    from
                },
            )
        };
        if from > to {
            return None;
        }
        numbers.extend((from..=to).step_by(step));
    }
    Some(numbers)
}
