use std::collections::BTreeSet;

use chrono::{Datelike, Timelike, Weekday};
use rstest::rstest;

use super::*;
use crate::model::parse_timestamp;

fn at(text: &str) -> Timestamp {
    parse_timestamp(text).unwrap()
}

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(
        expression,
        parse_timezone(zone).unwrap(),
        at("2020-01-01T00:00:00Z"),
    )
    .unwrap()
}

fn next_ones(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    let mut now = at(after);
    let mut found = Vec::new();
    for _ in 0..count {
        now = schedule.next_after(now).unwrap();
        found.push(
            now.with_timezone(&schedule.timezone().offset(now))
                .format("%a %F %T %z")
                .to_string(),
        );
    }
    found
}

#[rstest]
#[case("1-5", "Mon Tue Wed Thu Fri")]
#[case("0", "Sun")]
#[case("7", "Sun")]
#[case("5-7", "Fri Sat Sun")]
#[case("FRI-SUN", "Fri Sat Sun")]
#[case("6-1", "Mon Sat Sun")]
#[case("7-2", "Mon Tue Sun")]
#[case("0-7", "Mon Tue Wed Thu Fri Sat Sun")]
#[case("1,3,sunday", "Mon Wed Sun")]
#[case("*/2", "Tue Thu Sat Sun")]
#[case("1-5/2", "Mon Wed Fri")]
#[case("mon-fri/2", "Mon Wed Fri")]
#[case("?", "Mon Tue Wed Thu Fri Sat Sun")]
#[case("4/2", "Thu Sat")]
fn weekdays_count_as_in_crontab(#[case] field: &str, #[case] expected: &str) {
    for expression in [
        format!("0 12 * * {field}"),
        format!("0 0 12 * * {field}"),
        format!("0 0 12 * * {field} *"),
    ] {
        let schedule = schedule(&expression, "UTC");
        let mut days = BTreeSet::new();
        let mut now = at("2026-01-01T00:00:00Z");
        for _ in 0..7 {
            now = schedule.next_after(now).unwrap();
            days.insert(now.weekday().num_days_from_monday());
        }
        let names: Vec<String> = days
            .iter()
            .map(|day| Weekday::try_from(*day as u8).unwrap().to_string())
            .collect();
        assert_eq!(names.join(" "), expected, "{expression}");
    }
}

#[rstest]
#[case("*/15 * * * *", &["2026-01-31T09:45:00.000Z", "2026-01-31T10:00:00.000Z"])]
#[case("10 */15 * * * *", &["2026-01-31T09:30:10.000Z", "2026-01-31T09:45:10.000Z"])]
#[case("0 0 12 1 JAN * 2027-2028", &["2027-01-01T12:00:00.000Z", "2028-01-01T12:00:00.000Z"])]
#[case("0 0 29 2 *", &["2028-02-29T00:00:00.000Z", "2032-02-29T00:00:00.000Z"])]
#[case("@hourly", &["2026-01-31T10:00:00.000Z", "2026-01-31T11:00:00.000Z"])]
#[case(" @daily ", &["2026-02-01T00:00:00.000Z", "2026-02-02T00:00:00.000Z"])]
#[case("@weekly", &["2026-02-01T00:00:00.000Z", "2026-02-08T00:00:00.000Z"])]
// Both days restricted: either; one of them begins with a star: both.
#[case("0 0 13 * 5", &["2026-02-06T00:00:00.000Z", "2026-02-13T00:00:00.000Z"])]
#[case("0 0 3 * 5", &["2026-02-03T00:00:00.000Z", "2026-02-06T00:00:00.000Z"])]
#[case("0 0 */2 * 5", &["2026-02-13T00:00:00.000Z", "2026-02-27T00:00:00.000Z"])]
#[case("50/5 9 * * *", &["2026-01-31T09:50:00.000Z", "2026-01-31T09:55:00.000Z"])]
fn due_times(#[case] expression: &str, #[case] expected: &[&str]) {
    let schedule = schedule(expression, "UTC");
    let first = schedule.next_after(at("2026-01-31T09:30:00.500Z")).unwrap();
    let second = schedule.next_after(first).unwrap();
    assert_eq!(
        [first, second].map(crate::model::format_timestamp),
        expected
    );
}

#[rstest]
#[case(
    "0 12 * *",
    "it has 4 fields; write 5 (minute hour day month weekday), 6 (seconds first) or 7 (years last)"
)]
#[case(
    "",
    "it has 0 fields; write 5 (minute hour day month weekday), 6 (seconds first) or 7 (years last)"
)]
#[case("60 * * * *", "minute: 60 is not in 0-59")]
#[case("0 24 * * *", "hour: 24 is not in 0-23")]
#[case("0 0 0 * *", "day of month: 0 is not in 1-31")]
#[case("0 0 * * 8", "day of week: 8 is not in 0-7")]
#[case(
    "0 0 * * MO",
    "day of week: \"MO\" is not understood; write *, or numbers 0-7 or a name such as SUN, as in 1,5 or 1-5 or */5"
)]
#[case(
    "0 0 L * *",
    "day of month: \"L\" is not understood; write *, or numbers 1-31, as in 1,5 or 1-5 or */5"
)]
#[case(
    "** * * * *",
    "minute: \"**\" is not understood; write *, or numbers 0-59, as in 1,5 or 1-5 or */5"
)]
#[case(
    "1, * * * *",
    "minute: \"\" is not understood; write *, or numbers 0-59, as in 1,5 or 1-5 or */5"
)]
#[case("*/0 * * * *", "minute: the step /0 must be 1 to 59")]
#[case("*/+5 * * * *", "minute: the step /+5 must be 1 to 59")]
#[case("*/90 * * * *", "minute: the step /90 must be 1 to 59")]
#[case("0 22-2 * * *", "hour: the range 22-2 runs backwards; write 22-23,0-2")]
#[case(
    "0 0 30 2 *",
    "it is never due: no such date is still to come; check day, month and year"
)]
#[case(
    "0 0 0 1 1 * 2019",
    "it is never due: no such date is still to come; check day, month and year"
)]
#[case(
    "@every 5m",
    "only @hourly, @daily, @weekly, @monthly and @yearly are supported; for intervals write \"*/15 * * * *\""
)]
#[case("@reboot", "@reboot is not supported; schedule.run_on_start does that")]
fn refused(#[case] expression: &str, #[case] message: &str) {
    let error = Schedule::parse(expression, Zone::UTC, at("2020-01-01T00:00:00Z")).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn time_zones_are_checked() {
    assert_eq!(
        parse_timezone("Europe/Stockholm").unwrap(),
        Zone::named("Europe/Stockholm").unwrap()
    );
    let message = |name| parse_timezone(name).unwrap_err().to_string();
    assert_eq!(
        message("europe/stokholm"),
        "there is no such time zone; did you mean Europe/Stockholm?"
    );
    assert_eq!(
        message("?"),
        "there is no such time zone; write an IANA name such as UTC or Europe/Stockholm"
    );
}

#[test]
fn a_skipped_local_time_is_due_once_after_the_gap() {
    let due = next_ones("30 2 * * *", "Europe/Stockholm", "2026-03-28T00:00:00Z", 3);
    let expected = [
        "Sat 2026-03-28 02:30:00 +0100",
        "Sun 2026-03-29 03:00:00 +0200",
        "Mon 2026-03-30 02:30:00 +0200",
    ];
    assert_eq!(due, expected);
    let due = next_ones(
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2026-10-03T00:00:00Z",
        2,
    );
    assert_eq!(
        due,
        [
            "Sun 2026-10-04 02:30:00 +1100",
            "Mon 2026-10-05 02:15:00 +1100"
        ]
    );
}

#[test]
fn a_repeated_local_time_is_due_once_unless_every_hour_is_allowed() {
    let due = next_ones("30 2 * * *", "Europe/Stockholm", "2026-10-24T12:00:00Z", 2);
    assert_eq!(
        due,
        [
            "Sun 2026-10-25 02:30:00 +0200",
            "Mon 2026-10-26 02:30:00 +0100"
        ]
    );
    let due = next_ones(
        "*/30 * * * *",
        "Europe/Stockholm",
        "2026-10-24T23:45:00Z",
        5,
    );
    let expected = [
        "Sun 2026-10-25 02:00:00 +0200",
        "Sun 2026-10-25 02:30:00 +0200",
        "Sun 2026-10-25 02:00:00 +0100",
        "Sun 2026-10-25 02:30:00 +0100",
        "Sun 2026-10-25 03:00:00 +0100",
    ];
    assert_eq!(due, expected);
}

/// Every due time in `[from, to)`, found by looking at each minute: what the clock on the wall shows, and has shown before.
fn oracle(
    zone: &Zone,
    from: Timestamp,
    to: Timestamp,
    every_hour: bool,
    matches: fn(NaiveDateTime) -> bool,
) -> Vec<Timestamp> {
    let local = |at: Timestamp| zone.local(at);
    let minute = TimeDelta::minutes(1);
    let mut due = Vec::new();
    // Begins a day early, so as to know what the clock has shown.
    let mut now = from - TimeDelta::days(1);
    let mut latest = local(now - minute);
    while now < to {
        let shown = local(now);
        let mut skipped = latest + minute;
        let mut is_due = matches(shown) && (every_hour || shown > latest);
        while skipped < shown {
            is_due |= matches(skipped);
            skipped += minute;
        }
        if is_due && now >= from {
            due.push(now);
        }
        latest = latest.max(shown);
        now += minute;
    }
    due
}

type Matches = fn(NaiveDateTime) -> bool;

#[rstest]
#[case("*/15 * * * *", |local: NaiveDateTime| local.minute().is_multiple_of(15))]
#[case("7,52 * * * *", |local: NaiveDateTime| local.minute() == 7 || local.minute() == 52)]
#[case("30 2 * * *", |local: NaiveDateTime| local.hour() == 2 && local.minute() == 30)]
#[case("*/20 1-3 * * 0", |local: NaiveDateTime| local.minute().is_multiple_of(20) && (1..=3).contains(&local.hour()) && local.weekday() == Weekday::Sun)]
#[case("15 1 * * 5-7", |local: NaiveDateTime| local.hour() == 1 && local.minute() == 15 && local.weekday().num_days_from_monday() >= 4)]
#[case("0 */6 13 * FRI", |local: NaiveDateTime| local.hour().is_multiple_of(6) && local.minute() == 0 && (local.day() == 13 || local.weekday() == Weekday::Fri))]
fn agrees_with_looking_at_every_minute(
    #[case] expression: &str,
    #[case] matches: Matches,
    #[values(
        "UTC",
        "Europe/Stockholm",
        "America/New_York",
        "Europe/Dublin",
        "Australia/Lord_Howe"
    )]
    zone: &str,
) {
    let schedule = schedule(expression, zone);
    let (from, to) = (at("2025-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    let expected = oracle(
        schedule.timezone(),
        from,
        to,
        expression.split(' ').nth(1) == Some("*"),
        matches,
    );
    let mut found = Vec::new();
    let mut now = from - TimeDelta::milliseconds(1);
    while let Some(next) = schedule.next_after(now).filter(|next| *next < to) {
        assert!(next > now);
        found.push(next);
        now = next;
    }
    assert_eq!(found, expected);
}

/// Days restricted to a set of numbers in one column, or not at all.
fn column(numbers: &[u32]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    if numbers.is_empty() {
        "*".to_owned()
    } else {
        numbers.join(",")
    }
}

proptest::proptest! {
    #[test]
    fn agrees_with_looking_at_every_day(
        minute in 0u32..60,
        hour in 0u32..24,
        days in proptest::collection::vec(1u32..=31, 0..3),
        months in proptest::collection::vec(1u32..=12, 0..3),
        weekdays in proptest::collection::vec(0u32..=7, 0..3),
        start_minutes in 0i64..20 * 365 * 24 * 60,
    ) {
        let expression =
            format!("{minute} {hour} {} {} {}", column(&days), column(&months), column(&weekdays));
        let now = at("2021-01-01T00:00:00Z") + TimeDelta::minutes(start_minutes);
        let is_due = |day: Timestamp| {
            let by_date = days.contains(&day.day());
            let by_weekday = weekdays.iter().any(|number| number % 7 == day.weekday().num_days_from_sunday());
            let by_day = match (days.is_empty(), weekdays.is_empty()) {
                (false, false) => by_date || by_weekday,
                (without_dates, without_weekdays) => (without_dates || by_date) && (without_weekdays || by_weekday),
            };
            by_day && (months.is_empty() || months.contains(&day.month()))
        };
        let at_time = |day: chrono::NaiveDate| day.and_hms_opt(hour, minute, 0).unwrap().and_utc();
        // Nine years hold a 29 February wherever they begin before 2096.
        let expected = now.date_naive().iter_days().take(9 * 366).map(at_time).find(|due| *due > now && is_due(*due));
        let found = Schedule::parse(&expression, Zone::UTC, now).ok().and_then(|schedule| schedule.next_after(now));
        proptest::prop_assert_eq!(found, expected, "{}", expression);
    }
}
