//! Crontab fields: the text that operators know from cron(8) → sets of numbers.
//!
//! The `cron` crate counts weekdays from 1 = Sunday and tells fields apart by what parses, not by white space;
//! so each field is read here, and handed on as a plain list of numbers that can't be misunderstood.

use std::collections::BTreeSet;

use super::ScheduleError;

/// One column of an expression: its name in messages, and the numbers it may hold.
pub(super) struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
    /// Added to each number for the `cron` crate.
    shift: u32,
}

const MONTHS: &[&str] = &[
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: &[&str] = &[
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

const fn plain(name: &'static str, min: u32, max: u32) -> Field {
    Field {
        name,
        min,
        max,
        names: &[],
        shift: 0,
    }
}

/// Index of the hour field in [`FIELDS`].
pub(super) const HOUR: usize = 2;
/// Index of the day-of-month field in [`FIELDS`].
pub(super) const DAY_OF_MONTH: usize = 3;
/// Index of the day-of-week field in [`FIELDS`].
pub(super) const DAY_OF_WEEK: usize = 5;

/// The columns of a seven-field expression. The years are those of the `cron` crate.
pub(super) const FIELDS: [Field; 7] = [
    plain("second", 0, 59),
    plain("minute", 0, 59),
    plain("hour", 0, 23),
    plain("day of month", 1, 31),
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: MONTHS,
        shift: 0,
    },
    // 0 and 7 are both Sunday, as in crontab(5); 7 becomes 0 when a set is built.
    Field {
        name: "day of week",
        min: 0,
        max: 7,
        names: WEEKDAYS,
        shift: 1,
    },
    plain("year", 1970, 2100),
];

impl Field {
    fn is_weekday(&self) -> bool {
        self.shift == 1
    }

    /// The largest number of a full set: 6 for weekdays, whose 7 is 0 again.
    fn last(&self) -> u32 {
        if self.is_weekday() { 6 } else { self.max }
    }

    /// True if the set holds every value of the field.
    pub(super) fn is_full(&self, set: &BTreeSet<u32>) -> bool {
        set.len() as u32 == self.last() - self.min + 1
    }

    /// The set as the `cron` crate reads it.
    pub(super) fn translated(&self, set: &BTreeSet<u32>) -> String {
        if self.is_full(set) {
            return "*".to_owned();
        }
        let numbers: Vec<String> = set
            .iter()
            .map(|number| (number + self.shift).to_string())
            .collect();
        numbers.join(",")
    }

    /// The numbers that a field's text stands for: `*`, `?`, `5`, `1-5`, `MON-FRI`, each with `/step`, in lists.
    pub(super) fn parse(&self, text: &str) -> Result<BTreeSet<u32>, ScheduleError> {
        let mut set = BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                None => (part, 1),
                Some((range, step)) => (range, self.step(step)?),
            };
            let (start, end) = self.range(range, part.contains('/'))?;
            for number in (start..=end).step_by(step) {
                set.insert(if self.is_weekday() {
                    number % 7
                } else {
                    number
                });
            }
        }
        Ok(set)
    }

    fn step(&self, text: &str) -> Result<usize, ScheduleError> {
        let step = text
            .parse::<usize>()
            .ok()
            .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        step.filter(|step| (1..=self.last().max(1) as usize).contains(step))
            .ok_or_else(|| {
                ScheduleError::expression(format!(
                    "{}: the step /{text} must be 1 to {}",
                    self.name,
                    self.last().max(1)
                ))
            })
    }

    fn range(&self, text: &str, has_step: bool) -> Result<(u32, u32), ScheduleError> {
        if text == "*" || (text == "?" && (self.is_weekday() || self.name == "day of month")) {
            return Ok((self.min, self.last()));
        }
        let Some((start, end)) = text.split_once('-') else {
            let start = self.value(text)?;
            // As in the cron crate, `10/5` means from 10 on.
            let end = if has_step {
                self.last().max(start)
            } else {
                start
            };
            return Ok((start, end));
        };
        let (start, end) = (self.value(start)?, self.value(end)?);
        match (start <= end, self.is_weekday()) {
            (true, _) => Ok((start, end)),
            // Over the end of the week: FRI-SUN, 6-1.
            (false, true) => Ok((start, end + 7)),
            (false, false) => Err(ScheduleError::expression(format!(
                "{}: the range {text} runs backwards; write {start}-{},{}-{end}",
                self.name, self.max, self.min
            ))),
        }
    }

    fn value(&self, text: &str) -> Result<u32, ScheduleError> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text
                .parse::<u32>()
                .ok()
                .filter(|number| (self.min..=self.max).contains(number));
            return number.ok_or_else(|| {
                ScheduleError::expression(format!(
                    "{}: {text} is not in {}-{}",
                    self.name, self.min, self.max
                ))
            });
        }
        let wanted = text.to_ascii_lowercase();
        let index = self
            .names
            .iter()
            .position(|name| wanted.len() >= 3 && name.starts_with(&wanted));
        index.map(|index| index as u32 + self.min).ok_or_else(|| {
            let names = match self.names.first() {
                Some(first) => format!(" or a name such as {}", first[..3].to_ascii_uppercase()),
                None => String::new(),
            };
            ScheduleError::expression(format!(
                "{}: \"{text}\" is not understood; write *, or numbers {}-{}{names}, as in 1,5 or 1-5 or */5",
                self.name, self.min, self.max
            ))
        })
    }
}
