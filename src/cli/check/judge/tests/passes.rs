//! What is said of freshness, passes, and what waits for a person.

use super::*;

#[test]
fn freshness_goes_by_due_times() {
    // Complete as of minute 15, in a minute; due at 30 and 45.
    for (minute, missed) in [
        (16, None),
        (45, None),
        (47, None),
        (48, Some("2 passes were due")),
        (60, Some("3 passes were due")),
        (5, Some("still to come")),
    ] {
        let mut facts = well();
        facts.now = at(minute);
        assert_eq!(!trouble(&facts).is_empty(), missed.is_some(), "{minute}");
        if let Some(missed) = missed {
            assert_found(&facts, "freshness", missed);
        }
    }
    // Nobody expects a pass at night.
    let mut facts = well();
    let by_day = Schedule::parse("0 8-17 * * 1-5", crate::schedule::Zone::UTC, at(0)).unwrap();
    facts.schedule.as_mut().unwrap().when = by_day;
    facts.now = at(60 * 48);
    assert_eq!(trouble(&facts), [""; 0], "31 January 2026 is a Saturday");
}

#[test]
fn the_pass_under_way_and_failed_attempts() {
    let mut fixture = Fixture::empty();
    fixture.pass(15, &[&[ADA]]);
    let pass_id = fixture.pages(18, &[&[ADA]], Some("more"));
    fixture.mirror.interrupt_pass(pass_id, "503", 1).unwrap();
    let mut facts = with(&fixture);
    assert_eq!(trouble(&facts), ["pass warn"]);
    assert_found(&facts, "pass", "interrupted; stopped: 503");

    contents(&mut facts).health.cursor_lifetime = Some(Duration::from_secs(60));
    assert_found(&facts, "pass", "2 min old, is older");

    held_for(&mut facts, "customer-mirror run", 5);
    assert_eq!(trouble(&facts), [""; 0]);
    for waits_for in [Remedy::Server, Remedy::Time, Remedy::NextDue, Remedy::Key] {
        contents(&mut facts).status.retry = Some(RetryStatus {
            failures: 3,
            waits_for,
            not_before: "2026-01-31T09:30:00.000Z".to_owned(),
            reason: "503".to_owned(),
        });
        assert_eq!(trouble(&facts), ["attempts warn"]);
    }
}

#[test]
fn what_waits_for_a_person() {
    let mut fixture = Fixture::filled();
    fixture.pass(46, &[&[]]);
    let mut facts = with(&fixture);
    facts.now = at(50);
    let waiting = ["held sweep warn", "quarantine warn", "conflicts warn"];
    assert_eq!(trouble(&facts), waiting);
    contents(&mut facts).health.erasure_unfinished = true;
    assert_eq!(trouble(&facts).last().unwrap(), "erasure warn");
}
