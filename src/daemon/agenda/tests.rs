use rstest::rstest;

use super::*;
use crate::model::parse_timestamp;
use crate::schedule::{Schedule, parse_timezone};

mod failures;
mod properties;
mod start;

const SEED: u64 = 7;
/// The time of day at which most of these stories begin.
const NOW: &str = "12:05:00";

/// A moment of one Tuesday, or of another day if the text says so.
fn at(text: &str) -> Timestamp {
    let text = match text.len() {
        8 => format!("2026-03-10T{text}Z"),
        _ => text.to_owned(),
    };
    parse_timestamp(&text).unwrap()
}

fn timing(cron: &str, jitter_s: u64, run_on_start: bool) -> Timing {
    let zone = parse_timezone("UTC").unwrap();
    Timing {
        when: Schedule::parse(cron, zone, at("00:00:00")).unwrap(),
        jitter: Duration::from_secs(jitter_s),
        run_on_start,
    }
}

fn fresh(complete_as_of: &str) -> Past {
    Past {
        holdings: Holdings {
            live: 1,
            complete_as_of: Some(at(complete_as_of)),
        },
        ..Past::default()
    }
}

fn interrupted(past: Past, pass_id: i64, pages: i64) -> Past {
    Past {
        interrupted: Some((pass_id, pages)),
        ..past
    }
}

/// With three attempts on record; they began when pass 2 had 5 pages.
fn attempted(past: &Past, noted_at: &str, not_before: &str, reason: Option<&str>) -> Past {
    let attempts = Attempts {
        count: 3,
        not_before: at(not_before),
        noted_at: at(noted_at),
        is_over: reason.is_some(),
        failure: reason.map(|reason| LastFailure {
            remedy: Remedy::Server,
            reason: reason.to_owned(),
        }),
        pass_id: 2,
        pages: 5,
    };
    Past {
        attempts: Some(attempts),
        ..past.clone()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the agenda gives it")]
fn next(at_text: &str, why: Why) -> Option<Next> {
    Some(Next {
        at: at(at_text),
        why,
    })
}

fn due(at_text: &str) -> Option<Next> {
    missed(at_text, 0)
}

fn missed(at_text: &str, missed: u32) -> Option<Next> {
    next(at_text, Why::Due { missed })
}

/// An agenda whose last pass has just begun and ended well.
fn settled(cron: &str, jitter_s: u64, now: &str) -> Agenda {
    let timing = timing(cron, jitter_s, true);
    let mut agenda = Agenda::new(timing, &Past::default(), SEED, at(now));
    agenda.begin(None, at(now));
    agenda.succeeded();
    agenda
}

/// The same, but its last pass has failed.
fn failed(cron: &str, remedy: Remedy, now: &str) -> Agenda {
    let mut agenda = settled(cron, 0, now);
    fail(&mut agenda, remedy, 0.0, now);
    agenda
}

fn fail(agenda: &mut Agenda, remedy: Remedy, random: f64, now: &str) -> Attempts {
    let attempt = agenda.begin(None, at(now));
    agenda.failed(&attempt, Failure::new(remedy, "why"), random, at(now))
}

#[rstest]
#[case::to_come("12:05:00", due("12:15:00"))]
#[case::now("12:15:00", due("12:15:00"))]
#[case::a_little_late("12:29:59", due("12:15:00"))]
#[case::two_at_once("12:30:00", missed("12:30:00", 1))]
#[case::slept("13:31:00", missed("13:30:00", 5))]
#[case::slept_for_a_year("2027-03-10T12:05:00Z", missed("2026-03-20T22:15:00Z", 1000))]
#[case::the_clock_went_back_a_little("11:59:01", due("12:15:00"))]
#[case::the_clock_went_back_an_hour("11:00:00", due("11:15:00"))]
#[case::the_clock_went_back_a_year("2025-03-10T12:05:00Z", due("2025-03-10T12:15:00Z"))]
fn due_times(#[case] now: &str, #[case] expected: Option<Next>) {
    let mut agenda = settled("*/15 * * * *", 0, "12:00:00");
    assert_eq!(agenda.next(None, at(now)), expected);
}

#[test]
fn one_pass_serves_all_that_were_missed() {
    let mut agenda = settled("*/15 * * * *", 0, "00:00:00");
    assert_eq!(agenda.next(None, at(NOW)), missed("12:00:00", 47));
    agenda.begin(None, at(NOW));
    agenda.succeeded();
    assert_eq!(agenda.next(None, at(NOW)), due("12:15:00"));
    // However many they were.
    agenda.begin(None, at("2028-01-01T00:00:01Z"));
    assert_eq!(
        agenda.next(None, at("2028-01-01T00:00:01Z")),
        due("2028-01-01T00:15:00Z")
    );
}

#[test]
fn what_the_clock_was_when_a_pass_began_counts_not_what_it_was_set_to_in_between() {
    let mut agenda = settled("*/15 * * * *", 0, "12:00:00");
    // Set ahead by a day: a pass makes up for it.
    let tomorrow = "2026-03-11T12:05:00Z";
    assert_eq!(
        agenda.next(None, at(tomorrow)),
        missed("2026-03-11T12:00:00Z", 95)
    );
    agenda.begin(None, at(tomorrow));
    agenda.succeeded();
    // And set right.
    assert_eq!(agenda.next(None, at(NOW)), due("12:15:00"));
}

#[test]
fn jitter_is_the_same_whenever_it_is_looked_at() {
    let mut agenda = settled("0 * * * *", 600, "12:00:00");
    let first = agenda.next(None, at("12:00:01")).unwrap();
    assert!((at("13:00:00")..=at("13:10:00")).contains(&first.at));
    for now in ["12:30:00", "12:59:59", "13:00:00", "13:05:00"] {
        assert_eq!(agenda.next(None, at(now)), Some(first), "{now}");
    }
    let delays: std::collections::BTreeSet<_> = (0..24)
        .map(|hour| at("00:00:00") + TimeDelta::hours(hour))
        .map(|due| agenda.delayed(due) - due)
        .collect();
    assert!(delays.len() > 20, "{delays:?}");
}

#[test]
fn jitter_puts_off_what_is_due_but_not_what_was_missed() {
    let agenda = settled("0 * * * *", 600, "12:00:00");
    let at = agenda.due(at("13:00:00")).unwrap();
    assert_eq!(at.why, Why::Due { missed: 0 });
    assert_eq!(
        agenda.due(super::tests::at("14:30:00")),
        missed("14:00:00", 1)
    );
}

#[test]
fn jitter_ends_when_the_next_one_is_due() {
    let mut agenda = settled("* * * * *", 24 * 3600, "12:00:00");
    assert_eq!(agenda.next(None, at("12:00:01")), due("12:02:00"));
    assert_eq!(agenda.next(None, at("12:02:00")), missed("12:02:00", 1));
}

#[rstest]
#[case(Why::Asked)]
#[case(Why::Changed)]
fn what_is_asked_for_waits_for_nothing(#[case] why: Why) {
    for remedy in [Remedy::Server, Remedy::NextDue, Remedy::Key] {
        let mut agenda = failed("0 0 * * *", remedy, NOW);
        agenda.want(why);
        assert_eq!(agenda.next(Some(at("20:00:00")), at(NOW)), next(NOW, why));
        agenda.begin(None, at(NOW));
        agenda.succeeded();
        assert_eq!(agenda.next(None, at(NOW)), due("2026-03-11T00:00:00Z"));
    }
}

#[test]
fn going_on_with_a_pass_is_not_the_pass_that_was_asked_for() {
    for wants in [[Why::Asked, Why::Changed], [Why::Changed, Why::Asked]] {
        let mut agenda = settled("0 0 * * *", 0, "12:00:00");
        for why in wants {
            agenda.want(why);
        }
        for why in [Why::Changed, Why::Asked] {
            assert_eq!(agenda.next(None, at(NOW)), next(NOW, why));
            agenda.begin(None, at(NOW));
            agenda.succeeded();
        }
        assert_eq!(agenda.next(None, at(NOW)), due("2026-03-11T00:00:00Z"));
    }
}

#[test]
fn another_schedule_counts_from_now_on() {
    let mut agenda = settled("0 0 * * *", 0, "00:00:00");
    agenda.change_timing(timing("0 * * * *", 0, true), at(NOW));
    assert_eq!(agenda.next(None, at(NOW)), due("13:00:00"));
    // What was due by the old one and has not begun yet is not forgotten.
    agenda.change_timing(timing("30 * * * *", 0, true), at("13:00:01"));
    assert!(agenda.next(None, at("13:00:01")).unwrap().at <= at("13:00:01"));
}

#[test]
fn without_a_due_time_left_nothing_begins_by_itself() {
    let mut agenda = settled("0 0 12 10 3 * 2026", 0, "11:00:00");
    assert_eq!(agenda.next(None, at("11:30:00")), due("12:00:00"));
    agenda.begin(None, at("12:00:00"));
    agenda.succeeded();
    assert_eq!(agenda.next(None, at(NOW)), None);
    fail(&mut agenda, Remedy::Key, 0.0, NOW);
    assert_eq!(agenda.next(None, at(NOW)), None);
    fail(&mut agenda, Remedy::Server, 0.0, NOW);
    assert_eq!(agenda.next(None, at(NOW)).unwrap().why, Why::Again);
    agenda.want(Why::Asked);
    assert_eq!(agenda.next(None, at(NOW)), next(NOW, Why::Asked));
}
