//! A time as people write it.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::model::Timestamp;

/// Reads `2026-01-31T09:30:00Z`, `2026-01-31` (its beginning, in UTC) or `2h` (ago).
///
/// # Errors
/// What would be understood.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    read(text, Utc::now()).ok_or_else(|| {
        "expected a time like 2026-01-31T09:30:00Z, a date like 2026-01-31 (UTC), or how long ago, like 2h or 7d".to_owned()
    })
}

fn read(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.with_timezone(&Utc));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    let ago = humantime::parse_duration(text).ok()?;
    now.checked_sub_signed(TimeDelta::from_std(ago).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{format_timestamp, parse_timestamp};

    #[test]
    fn times_dates_and_how_long_ago() {
        let now = parse_timestamp("2026-01-31T09:30:00.000Z").unwrap();
        for (text, expected) in [
            (
                "2026-01-30T10:00:00+02:00",
                Some("2026-01-30T08:00:00.000Z"),
            ),
            ("2026-01-30 10:00:00.5Z", Some("2026-01-30T10:00:00.500Z")),
            ("2026-01-30", Some("2026-01-30T00:00:00.000Z")),
            ("2h", Some("2026-01-31T07:30:00.000Z")),
            ("7d", Some("2026-01-24T09:30:00.000Z")),
            ("2026-01-30T10:00:00", None),
            ("2026-02-30", None),
            ("yesterday", None),
            ("300000000000 years", None),
            ("400000 years", None),
            ("", None),
        ] {
            let at = read(text, now).map(format_timestamp);
            assert_eq!(at.as_deref(), expected, "{text}");
        }
    }
}
