//! The first pass after a start.

use super::*;

#[rstest]
#[case::no_mirror_yet(Past::default(), next(NOW, Why::Started))]
#[case::fresh(fresh("12:01:00"), due("13:00:00"))]
#[case::as_fresh_as_the_last_due_time(fresh("12:00:00"), due("13:00:00"))]
#[case::stale(fresh("11:59:59"), next(NOW, Why::Started))]
#[case::complete_by_a_clock_that_ran_ahead(fresh("2027-01-01T00:00:00Z"), next(NOW, Why::Started))]
#[case::complete_by_a_clock_that_was_set_by_a_little(fresh("12:06:00"), due("13:00:00"))]
#[case::interrupted(interrupted(fresh("12:01:00"), 2, 5), next(NOW, Why::Started))]
#[case::failed_a_moment_ago(
    attempted(&Past::default(), "12:04:00", "12:07:00", Some("503")),
    next("12:07:00", Why::Again)
)]
#[case::failed_long_ago(
    attempted(&Past::default(), "11:04:00", "11:09:00", Some("503")),
    next(NOW, Why::Started)
)]
#[case::failed_though_fresh(
    attempted(&fresh("12:01:00"), "12:04:00", "12:07:00", Some("503")),
    next("12:07:00", Why::Again)
)]
#[case::failed_by_a_clock_that_ran_ahead(
    attempted(&Past::default(), "12:06:00", "12:07:00", Some("503")),
    next(NOW, Why::Started)
)]
#[case::a_wait_that_is_no_backoff(
    attempted(&Past::default(), "12:04:00", "12:10:01", Some("503")),
    next(NOW, Why::Started)
)]
#[case::cut_short_without_a_pass(
    attempted(&Past::default(), "12:04:00", "12:07:00", None),
    next("12:07:00", Why::Again)
)]
#[case::cut_short_where_it_was(
    attempted(&interrupted(Past::default(), 2, 5), "12:04:00", "12:07:00", None),
    next("12:07:00", Why::Again)
)]
#[case::cut_short_before_its_first_page(
    attempted(&interrupted(Past::default(), 3, 0), "12:04:00", "12:07:00", None),
    next("12:07:00", Why::Again)
)]
#[case::cut_short_a_page_further(
    attempted(&interrupted(Past::default(), 2, 6), "12:04:00", "12:07:00", None),
    next(NOW, Why::Started)
)]
#[case::cut_short_in_another_pass(
    attempted(&interrupted(Past::default(), 3, 1), "12:04:00", "12:07:00", None),
    next(NOW, Why::Started)
)]
#[case::failed_a_page_further(
    attempted(
        &interrupted(Past::default(), 2, 6),
        "12:04:00",
        "12:07:00",
        Some("503")
    ),
    next("12:07:00", Why::Again)
)]
fn starts(#[case] past: Past, #[case] expected: Option<Next>) {
    let timing = timing("0 * * * *", 0, true);
    let mut agenda = Agenda::new(timing, &past, SEED, at(NOW));
    assert_eq!(agenda.next(None, at(NOW)), expected);
}

#[rstest]
#[case::no_mirror_yet(Past::default())]
#[case::stale(fresh("09:00:00"))]
#[case::interrupted(interrupted(Past::default(), 2, 5))]
#[case::failed(attempted(&Past::default(), "12:04:00", "12:07:00", Some("503")))]
#[case::cut_short(attempted(&Past::default(), "12:04:00", "12:07:00", None))]
fn starts_at_a_due_time_only_if_told_so(#[case] past: Past) {
    let timing = timing("0 * * * *", 0, false);
    let mut agenda = Agenda::new(timing, &past, SEED, at(NOW));
    assert_eq!(agenda.next(None, at(NOW)), due("13:00:00"));
}

#[test]
fn what_a_crash_interrupted_is_counted() {
    let past = attempted(&Past::default(), "12:04:00", "12:07:00", None);
    let mut agenda = Agenda::new(timing("0 * * * *", 0, true), &past, SEED, at(NOW));
    assert_eq!(agenda.trouble(), Some("the last attempt was cut short"));
    assert!(!agenda.doubts_server());
    let record = agenda.begin(Some((2, 5)), at("12:07:00"));
    assert_eq!((record.count, record.pass_id, record.pages), (4, 2, 5));
    assert_eq!(record.not_before, at("12:09:00"));
    assert_eq!(agenda.interrupted(&record).count, 3);
}

#[test]
fn a_failure_on_record_makes_the_server_doubtful() {
    let past = attempted(&Past::default(), "12:04:00", "12:07:00", Some("503"));
    let agenda = Agenda::new(timing("0 * * * *", 0, true), &past, SEED, at(NOW));
    assert!(agenda.doubts_server());
    assert_eq!(agenda.trouble(), Some("503"));
}
