//! When a pass is due: crontab expressions in a time zone. Pure: the caller says what time it is.
//!
//! An expression has 5 fields as in crontab(5), 6 (seconds first) or 7 (years last), or is `@hourly`, `@daily`,
//! `@weekly`, `@monthly`, `@yearly`. Weekdays count as in crontab(5): 0 and 7 are Sunday. If day of month and day
//! of week are both restricted (neither begins with `*` or `?`), either may match, as in cron(8).
//!
//! When the clocks change: a local time that is skipped is due once, at the first instant after the gap. A local
//! time that comes twice is due both times if the expression allows every hour (`*/15 * * * *` keeps its 15
//! minutes), and only the first time otherwise (`30 2 * * *` is due once a day).

mod fields;
mod zone;

use std::str::FromStr;

use chrono::{Days, NaiveDateTime, TimeDelta, Utc};

use crate::model::Timestamp;
use fields::{DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, HOUR};
pub use zone::Zone;

/// Why a schedule was refused, with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression isn't understood, or never comes due.
    #[error("{0}")]
    Expression(String),
    /// There is no such time zone.
    #[error("{0}")]
    Timezone(String),
}

impl ScheduleError {
    fn expression(message: impl Into<String>) -> Self {
        Self::Expression(message.into())
    }
}

/// Finds a time zone by its IANA name, such as `Europe/Stockholm`.
pub fn parse_timezone(name: &str) -> Result<Zone, ScheduleError> {
    Zone::named(name).ok_or_else(|| {
        let nearest = Zone::names()
            .map(|zone| {
                (
                    strsim::jaro_winkler(&zone.to_lowercase(), &name.to_lowercase()),
                    zone,
                )
            })
            .max_by(|left, right| left.0.total_cmp(&right.0))
            .filter(|(similarity, _)| *similarity > 0.85);
        ScheduleError::Timezone(match nearest {
            Some((_, zone)) => format!("there is no such time zone; did you mean {zone}?"),
            None => {
                "there is no such time zone; write an IANA name such as UTC or Europe/Stockholm"
                    .to_owned()
            }
        })
    })
}

/// A parsed crontab expression in its time zone; it comes due at least once after it was parsed.
#[derive(Debug, Clone)]
pub struct Schedule {
    expression: String,
    timezone: Zone,
    /// One, or two of which either may match: by day of month, and by day of week.
    alternatives: Vec<cron::Schedule>,
    /// True if a local time that comes twice is due twice.
    every_hour: bool,
}

impl Schedule {
    /// Reads an expression. `now` is there to refuse one that is never due again, such as 30 February.
    pub fn parse(expression: &str, timezone: Zone, now: Timestamp) -> Result<Self, ScheduleError> {
        let columns = columns(expression)?;
        let mut sets = Vec::with_capacity(FIELDS.len());
        for (field, text) in FIELDS.iter().zip(&columns) {
            sets.push(field.parse(text)?);
        }
        let translated: Vec<String> = FIELDS
            .iter()
            .zip(&sets)
            .map(|(field, set)| field.translated(set))
            .collect();
        let is_restricted = |index: usize| !columns[index].starts_with(['*', '?']);
        // The crate wants both days to match; cron(8) is content with one, if both are restricted.
        let freed: &[Option<usize>] = if is_restricted(DAY_OF_MONTH) && is_restricted(DAY_OF_WEEK) {
            &[Some(DAY_OF_MONTH), Some(DAY_OF_WEEK)]
        } else {
            &[None]
        };
        let mut alternatives = Vec::with_capacity(freed.len());
        for freed in freed {
            let mut columns = translated.clone();
            if let Some(index) = freed {
                "*".clone_into(&mut columns[*index]);
            }
            let parsed = cron::Schedule::from_str(&columns.join(" "));
            alternatives
                .push(parsed.map_err(|error| ScheduleError::expression(error.to_string()))?);
        }
        let schedule = Self {
            expression: expression.trim().to_owned(),
            timezone,
            alternatives,
            every_hour: FIELDS[HOUR].is_full(&sets[HOUR]),
        };
        match schedule.next_after(now) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::expression(
                "it is never due: no such date is still to come; check day, month and year",
            )),
        }
    }

    /// The expression as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The time zone its fields are meant in.
    pub fn timezone(&self) -> &Zone {
        &self.timezone
    }

    /// The first due time after `now`, never `now` itself; `None` if there is none left (the years end in 2100).
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.alternatives
            .iter()
            .filter_map(|alternative| self.next_of(alternative, now))
            .min()
    }

    /// Walks the matching local times, as if they were UTC, up to the first one that lies wholly after `now`.
    fn next_of(&self, alternative: &cron::Schedule, now: Timestamp) -> Option<Timestamp> {
        // If clocks go back soon, a local time before the present one is still to come. No offset differs from another by more than 26 hours.
        let soon = now.checked_add_signed(TimeDelta::hours(26)).unwrap_or(now);
        let start = self.local(now).min(self.local(soon) - (soon - now));
        let mut second_time = None;
        for local in alternative.after(&start.and_utc()) {
            let (first, last) = self.instants(local.naive_utc())?;
            if self.every_hour && last > now && second_time.is_none() {
                second_time = Some(last);
            }
            if first > now {
                return Some(second_time.map_or(first, |second| second.min(first)));
            }
        }
        second_time
    }

    fn local(&self, at: Timestamp) -> NaiveDateTime {
        self.timezone.local(at)
    }

    /// When the clocks of the zone show a local time: twice if they go back, and if they skip it, when the gap ends.
    fn instants(&self, local: NaiveDateTime) -> Option<(Timestamp, Timestamp)> {
        let shown = self.timezone.instants(local);
        shown.or_else(|| self.gap_end(local).map(|at| (at, at)))
    }

    /// The first instant at which the zone's clocks show a time after `skipped`.
    fn gap_end(&self, skipped: NaiveDateTime) -> Option<Timestamp> {
        // Local time minus two days is before the gap in every zone, plus two days is after it.
        let mut before = skipped.checked_sub_days(Days::new(2))?.and_utc();
        let mut after = skipped.checked_add_days(Days::new(2))?.and_utc();
        while after - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
            if self.local(middle) > skipped {
                after = middle;
            } else {
                before = middle;
            }
        }
        Some(after.with_timezone(&Utc))
    }
}

/// The seven columns of an expression: missing seconds are 0, missing years are any.
fn columns(expression: &str) -> Result<Vec<&str>, ScheduleError> {
    let expression = match expression.trim() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@reboot" => {
            return Err(ScheduleError::expression(
                "@reboot is not supported; schedule.run_on_start does that",
            ));
        }
        word if word.starts_with('@') => {
            return Err(ScheduleError::expression(
                "only @hourly, @daily, @weekly, @monthly and @yearly are supported; for intervals write \"*/15 * * * *\"",
            ));
        }
        fields => fields,
    };
    let mut columns: Vec<&str> = expression.split_whitespace().collect();
    match columns.len() {
        5 => {
            columns.insert(0, "0");
            columns.push("*");
        }
        6 => columns.push("*"),
        7 => {}
        count => {
            return Err(ScheduleError::expression(format!(
                "it has {count} fields; write 5 (minute hour day month weekday), 6 (seconds first) or 7 (years last)"
            )));
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;
