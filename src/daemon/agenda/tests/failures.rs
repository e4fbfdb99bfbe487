//! After a failed pass.

use super::*;

#[test]
fn the_backoff_doubles_up_to_five_minutes_and_survives_as_it_is() {
    let mut agenda = settled("0 0 * * *", 0, "12:00:00");
    let mut now = at("12:00:00");
    let mut waits = Vec::new();
    for count in 1..=8 {
        let attempt = agenda.begin(Some((1, 0)), now);
        let record = agenda.failed(&attempt, Failure::new(Remedy::Server, "503"), 0.0, now);
        assert_eq!(
            (
                record.count,
                record.failure.map(|failure| failure.reason).as_deref()
            ),
            (count, Some("503"))
        );
        let next = agenda.next(None, now).unwrap();
        assert_eq!((next.at, next.why), (record.not_before, Why::Again));
        waits.push((next.at - now).num_seconds());
        // A crash in the middle of the attempt waits as long.
        assert!(attempt.not_before <= record.not_before);
        now = next.at;
    }
    assert_eq!(waits, [30, 60, 120, 240, 300, 300, 300, 300]);
    agenda.begin(None, now);
    agenda.succeeded();
    assert!(!agenda.doubts_server());
    assert_eq!(agenda.next(None, now).unwrap().why, Why::Due { missed: 0 });
}

#[rstest]
#[case(0.0, 30_000)]
#[case(0.5, 27_000)]
#[case(1.0, 24_000)]
#[case(2.0, 24_000)]
#[case(-1.0, 30_000)]
fn the_backoff_is_up_to_a_fifth_shorter(#[case] random: f64, #[case] expected_ms: i64) {
    let mut agenda = settled("0 0 * * *", 0, "12:00:00");
    let record = fail(&mut agenda, Remedy::Server, random, NOW);
    assert_eq!(
        (record.not_before - at(NOW)).num_milliseconds(),
        expected_ms
    );
}

#[test]
fn a_pass_that_gets_further_is_no_row_of_failures() {
    let mut agenda = settled("0 0 * * *", 0, "12:00:00");
    for _ in 0..5 {
        fail(&mut agenda, Remedy::Server, 0.0, NOW);
    }
    let attempt = agenda.begin(None, at(NOW));
    let moved = Failure {
        has_moved: true,
        ..Failure::new(Remedy::Server, "503")
    };
    let record = agenda.failed(&attempt, moved, 0.0, at(NOW));
    assert_eq!((record.count, record.not_before), (1, at("12:05:30")));
}

#[rstest]
#[case(Remedy::Server, true, false)]
#[case(Remedy::NextDue, false, false)]
#[case(Remedy::Key, false, true)]
fn remedies(#[case] remedy: Remedy, #[case] doubts_server: bool, #[case] wants_key: bool) {
    let agenda = failed("*/15 * * * *", remedy, NOW);
    assert_eq!(agenda.trouble(), Some("why"));
    assert_eq!(agenda.doubts_server(), doubts_server);
    assert_eq!(agenda.wants_key(), wants_key);
}

#[rstest]
#[case(Remedy::Server, next("12:05:30", Why::Again))]
#[case(Remedy::NextDue, due("12:15:00"))]
#[case(Remedy::Key, due("12:15:00"))]
fn what_a_failure_waits_for(#[case] remedy: Remedy, #[case] expected: Option<Next>) {
    let mut agenda = failed("*/15 * * * *", remedy, NOW);
    assert_eq!(agenda.next(None, at(NOW)), expected);
    // What is due in the meantime is no reason to hurry.
    let mut agenda = failed("*/10 * * * * *", remedy, NOW);
    assert_eq!(
        agenda.next(None, at("12:05:25")).unwrap().at,
        at("12:05:30")
    );
}

#[test]
fn the_clock_set_back_does_not_prolong_a_backoff() {
    for remedy in [Remedy::Server, Remedy::NextDue, Remedy::Key] {
        let mut agenda = failed("* * * * *", remedy, NOW);
        let yesterday = at("2026-03-09T12:05:00Z");
        let next = agenda.next(None, yesterday).unwrap();
        assert_eq!(next.at, at("2026-03-09T12:10:00Z"), "{remedy:?}");
    }
}

#[test]
fn nothing_else_begins_while_the_server_wants_to_be_left_alone() {
    let held = Some(at("14:00:00"));
    let mut agenda = Agenda::new(
        timing("0 * * * *", 0, true),
        &Past::default(),
        SEED,
        at(NOW),
    );
    assert_eq!(agenda.next(held, at(NOW)), next("14:00:00", Why::Started));
    let mut agenda = failed("0 * * * *", Remedy::Server, NOW);
    assert_eq!(agenda.next(held, at(NOW)), next("14:00:00", Why::Again));
    let mut agenda = settled("0 * * * *", 0, NOW);
    assert_eq!(agenda.next(held, at(NOW)), due("14:00:00"));
    assert_eq!(agenda.next(held, at("13:59:59")), due("14:00:00"));
    // A wish that is over is no reason to begin.
    assert_eq!(agenda.next(Some(at("12:06:00")), at(NOW)), due("13:00:00"));
}

#[test]
fn an_outage_is_not_forgotten_by_who_dies_in_a_probe() {
    let mut agenda = failed("0 * * * *", Remedy::Server, NOW);
    let probe = agenda.begin(Some((2, 5)), at("12:10:00"));
    let past = Past {
        interrupted: Some((2, 5)),
        attempts: Some(probe.clone()),
        ..Past::default()
    };
    let after_crash = Agenda::new(agenda.timing.clone(), &past, 1, at("12:10:05"));
    assert!(after_crash.doubts_server());
    // Stopped on purpose, neither.
    let attempts = Some(agenda.interrupted(&probe));
    let past = Past { attempts, ..past };
    let after_stop = Agenda::new(agenda.timing.clone(), &past, 1, at("12:10:05"));
    assert!(after_stop.doubts_server());
    // But a probe that got further was answered.
    let past = Past {
        interrupted: Some((2, 6)),
        attempts: Some(probe),
        ..past
    };
    assert!(!Agenda::new(agenda.timing.clone(), &past, 1, at("12:10:05")).doubts_server());
}

#[rstest]
#[case(Remedy::Server, Resume::UnlessStuck)]
#[case(Remedy::Time, Resume::Yes)]
fn the_sixth_failure_doubts_the_page_unless_it_was_the_disk(
    #[case] remedy: Remedy,
    #[case] expected: Resume,
) {
    let mut agenda = failed("0 * * * *", remedy, NOW);
    for _ in 1..6 {
        assert_eq!(agenda.resume(), Resume::Yes);
        fail(&mut agenda, remedy, 0.0, NOW);
    }
    assert_eq!(agenda.resume(), expected);
    fail(&mut agenda, remedy, 0.0, NOW);
    assert_eq!(agenda.resume(), Resume::Yes);
}
