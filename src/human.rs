//! Numbers and times in plain words.

use std::time::Duration;

use crate::model::{Timestamp, parse_timestamp};

/// From here on, whole days are told.
const TWO_DAYS: u64 = 2 * 86_400;

/// A count with a thin space between thousands: `100 000`.
pub(crate) fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 {
        "-".to_owned()
    } else {
        String::new()
    };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count of things: `1 pass`, `3 records`.
pub(crate) fn plural(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size in bytes: `1.21 MiB`.
pub(crate) fn bytes(size: u64) -> String {
    indicatif::HumanBytes(size).to_string()
}

/// A span of time, its two largest units: `4 min 5 s`, `3 days 2 h`.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    let day_word = if days == 1 { "day" } else { "days" };
    let (large, small) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds} s"),
        (0, 0, _) => (format!("{minutes} min"), (seconds % 60, "s")),
        (0, ..) => (format!("{hours} h"), (minutes, "min")),
        _ => (format!("{days} {day_word}"), (hours, "h")),
    };
    if small.0 == 0 {
        large
    } else {
        format!("{large} {} {}", small.0, small.1)
    }
}

/// How long ago a stored moment was, or how far off it is: `4 min ago`, `in 2 h`. The moment itself, if it isn't readable.
pub(crate) fn ago(moment: &str, now: Timestamp) -> String {
    let Some(at) = parse_timestamp(moment) else {
        return moment.to_owned();
    };
    let passed = now.signed_duration_since(at);
    // Coarse is enough for a person, who reads it some seconds later.
    let rounded = |duration: Duration| {
        let seconds = duration.as_secs();
        let unit = match seconds {
            0..120 => 1,
            120..TWO_DAYS => 60,
            _ => 86_400,
        };
        Duration::from_secs(seconds / unit * unit)
    };
    match passed.to_std() {
        Ok(passed) if passed.as_secs() == 0 => "just now".to_owned(),
        Ok(passed) => format!("{} ago", span(rounded(passed))),
        Err(_) => format!(
            "in {}",
            span(rounded((-passed).to_std().unwrap_or_default()))
        ),
    }
}

/// A stored moment for reading, to the minute: `2026-01-31 09:30 UTC`. As it is, if it isn't readable.
pub(crate) fn moment(stored: &str) -> String {
    parse_timestamp(stored).map_or_else(
        || stored.to_owned(),
        |at| at.format("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_numbers_and_times() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1\u{202f}000"),
            (-1_234_567, "-1\u{202f}234\u{202f}567"),
        ] {
            assert_eq!(count(number), text);
        }
        for (seconds, text) in [
            (0, "0 s"),
            (61, "1 min 1 s"),
            (7200, "2 h"),
            (86_400, "1 day"),
            (200_000, "2 days 7 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        let now = parse_timestamp("2026-01-31T09:30:00.000Z").unwrap();
        for (moment, text) in [
            ("2026-01-31T09:30:00.000Z", "just now"),
            ("2026-01-31T09:25:55.000Z", "4 min ago"),
            ("2026-01-31T09:28:55.000Z", "1 min 5 s ago"),
            ("2026-01-31T11:30:00.000Z", "in 2 h"),
            ("2026-01-21T05:30:00.000Z", "10 days ago"),
            ("yesterday", "yesterday"),
        ] {
            assert_eq!(ago(moment, now), text);
        }
    }
}
