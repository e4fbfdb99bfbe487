//! Stories with exact expectations: what goes wrong, and what it costs.

use std::time::Duration;

use chrono::TimeDelta;

use super::program::{Life, at};
use super::server::Fault;

const MINUTE: Duration = Duration::from_secs(60);
/// After a failed pass one request in five minutes, or up to a fifth less.
const REQUESTS_AN_HOUR_MAX: usize = 3600 / (300 * 4 / 5);

impl Life {
    fn fault(&self, from: &str, until: &str, fault: Fault) {
        let fault = (at(from), at(until), fault);
        self.stage.server(|server| server.faults.push(fault));
    }

    fn requests_between(&self, from: &str, until: &str) -> usize {
        let range = at(from)..at(until);
        let requests = self.requests();
        requests.iter().filter(|made| range.contains(made)).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_night_outage_costs_few_requests() {
    let mut life = Life::utc("03-10T22:05:00", "*/15 * * * *");
    life.fault("03-10T22:30:00", "03-11T06:30:00", Fault::Down);
    life.start().await;
    life.until("03-11T07:20:00").await;
    life.judge();
    // Until it gives up, a pass tries hard; then the backoff grows.
    let first = life.requests_between("03-10T22:30:00", "03-10T22:45:00");
    assert!((20..60).contains(&first), "{first}");
    let growing = life.requests_between("03-10T22:45:00", "03-10T23:30:00");
    assert!((10..20).contains(&growing), "{growing}");
    for hour in ["23", "00", "01", "02", "03", "04", "05"] {
        let day = if hour == "23" { 10 } else { 11 };
        let from = at(&format!("03-{day}T{hour}:30:00"));
        let requests = life.requests();
        let range = from..from + TimeDelta::hours(1);
        let count = requests.iter().filter(|made| range.contains(made)).count();
        assert!(
            (12..=REQUESTS_AN_HOUR_MAX + 1).contains(&count),
            "{count} from {from} on"
        );
    }
    // The end of it is noticed before anything is due.
    let whole_pass = life.requests_between("03-11T06:30:00", "03-11T06:36:00");
    assert!((3..=5).contains(&whole_pass), "{whole_pass}");
    assert_eq!(life.begins().last().unwrap(), "11 07:15:00");
}

/// Whatever lasts, a schedule of every second makes no more of it.
#[rstest::rstest]
#[case::down(Some(Fault::Down), 60)]
#[case::a_circle(Some(Fault::Circle), 60)]
#[case::busy(Some(Fault::Busy), 1)]
#[case::a_refused_key(None, 30)]
#[tokio::test(start_paused = true)]
async fn a_pass_every_second_makes_no_storm(
    #[case] fault: Option<Fault>,
    #[case] requests_max: usize,
) {
    let mut life = Life::utc("03-10T12:00:00", "* * * * * *");
    if let Some(fault) = fault {
        life.fault("03-10T12:05:00", "03-10T14:05:00", fault);
    }
    life.start().await;
    life.until("03-10T12:05:00").await;
    if fault.is_none() {
        life.stage.server(|server| server.key = "second".to_owned());
    }
    life.until("03-10T14:00:00").await;
    life.judge();
    // Until it gives up, a pass tries hard; then there are minutes between two attempts.
    let first = life.requests_between("03-10T12:05:01", "03-10T12:20:00");
    assert!(first <= 100, "{first}");
    let later = life.requests_between("03-10T13:00:00", "03-10T14:00:00");
    assert!(later <= requests_max, "{later}");
}

#[tokio::test(start_paused = true)]
async fn certificates_that_are_missing_for_a_while_do_not_end_the_daemon() {
    let mut life = Life::utc("03-10T12:05:00", "0 * * * *");
    life.start().await;
    life.fault("03-10T13:00:00", "03-10T13:10:00", Fault::NoCertificates);
    life.until("03-10T14:30:00").await;
    let begins = life.begins();
    assert_eq!(begins[0], "10 12:05:00");
    assert!(
        ("10 13:10:00".."10 13:16:00").contains(&begins[1].as_str()),
        "{begins:?}"
    );
    assert_eq!(begins[2..], ["10 14:00:00"]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_set_back_in_an_outage_does_not_stop_the_mirror() {
    let mut life = Life::utc("03-10T12:05:00", "0 * * * *");
    life.fault("03-10T12:00:00", "03-10T13:00:00", Fault::Down);
    life.start().await;
    life.until("03-10T12:55:00").await;
    life.set_clock(-24 * 60);
    life.until("03-09T13:06:00").await;
    life.judge();
    assert_eq!(life.tally().complete, 1);
}

#[tokio::test(start_paused = true)]
async fn retry_after_survives_a_restart() {
    let mut life = Life::utc("03-10T12:05:00", "*/15 * * * *");
    life.fault("03-10T12:30:00", "03-10T18:00:00", Fault::Busy);
    life.start().await;
    life.until("03-10T13:00:00").await;
    life.kill().await;
    life.restart_after(Duration::from_secs(10)).await;
    life.until("03-10T14:00:00").await;
    // Whoever asks for a pass gets one, but no request.
    life.ask().await;
    life.until("03-10T15:00:00").await;
    life.stop().await;
    life.restart_after(MINUTE).await;
    life.until("03-10T18:05:00").await;
    life.judge();
    assert_eq!(life.requests_between("03-10T12:30:00", "03-10T18:00:00"), 1);
    assert_eq!(
        life.begins(),
        [
            "10 12:05:00",
            "10 12:15:00",
            "10 12:30:00",
            "10 14:00:00",
            "10 18:00:00"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_does_not_hammer() {
    let mut life = Life::utc("03-10T12:05:00", "*/15 * * * *");
    life.start().await;
    for _ in 0..100 {
        life.kill_at_request(1, Duration::from_secs(15)).await;
        life.restart_after(Duration::from_secs(10)).await;
    }
    life.judge();
    // Twice at once; then after 30 s, 1, 2, 4 min and always 5.
    let minutes = life.stage.elapsed().as_secs() / 60;
    let requests = life.stage.request_count();
    assert!(
        (6 + minutes / 6..=6 + minutes / 5).contains(&requests),
        "{requests} requests in {minutes} minutes"
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_that_loses_little_costs_no_time() {
    let mut life = Life::utc("03-10T12:05:00", "0 0 * * *");
    life.start().await;
    for _ in 0..2 {
        // The page before is being committed.
        life.kill_at_request(2, MINUTE).await;
        life.restart_after(Duration::from_secs(10)).await;
    }
    life.pass_time(MINUTE).await;
    life.judge();
    assert_eq!(life.begins(), ["10 12:05:00", "10 12:05:10", "10 12:05:20"]);
    assert_eq!((life.tally().complete, life.stage.request_count()), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_tried_when_due_and_another_one_at_once() {
    let mut life = Life::utc("03-10T12:05:00", "0 * * * *");
    life.start().await;
    life.until("03-10T12:30:00").await;
    life.stage.server(|server| server.key = "second".to_owned());
    life.until("03-10T14:20:01").await;
    assert_eq!(life.requests_between("03-10T12:30:00", "03-10T14:20:00"), 2);
    life.write_key("wrong");
    life.until("03-10T14:30:01").await;
    assert_eq!(life.requests_between("03-10T14:20:00", "03-10T14:30:00"), 1);
    life.write_key("second");
    life.until("03-10T14:40:00").await;
    life.judge();
    assert_eq!(
        life.begins(),
        [
            "10 12:05:00",
            "10 13:00:00",
            "10 14:00:00",
            "10 14:20:02",
            "10 14:30:02"
        ]
    );
    assert_eq!(life.tally().complete, 2);
}

#[tokio::test(start_paused = true)]
async fn a_listing_in_a_circle_is_walked_when_due() {
    let mut life = Life::utc("03-10T12:05:00", "0 * * * *");
    life.fault("03-10T13:00:00", "03-10T15:30:00", Fault::Circle);
    life.start().await;
    life.until("03-10T16:30:00").await;
    life.judge();
    let hours = [
        "10 12:05:00",
        "10 13:00:00",
        "10 14:00:00",
        "10 15:00:00",
        "10 16:00:00",
    ];
    assert_eq!(life.begins(), hours);
    assert_eq!(life.tally().complete, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_a_pass_is_no_failure() {
    let mut life = Life::utc("03-10T12:05:00", "0 * * * *");
    life.stage
        .server(|server| server.latency = Duration::from_secs(10));
    life.start().await;
    for _ in 0..3 {
        // Before it gets anywhere: without a failure there is no backoff.
        life.pass_time(Duration::from_secs(5)).await;
        life.stop().await;
        life.restart_after(Duration::from_secs(5)).await;
    }
    life.pass_time(MINUTE).await;
    life.judge();
    assert_eq!(
        life.begins(),
        ["10 12:05:00", "10 12:05:10", "10 12:05:20", "10 12:05:30"]
    );
    assert_eq!(life.tally().complete, 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_remembered_by_whoever_starts_in_the_middle_of_it() {
    let mut life = Life::utc("03-10T12:05:00", "*/15 * * * *");
    life.fault("03-10T12:00:00", "03-10T20:00:00", Fault::Down);
    life.start().await;
    life.until("03-10T14:00:00").await;
    for _ in 0..10 {
        life.kill().await;
        life.restart_after(MINUTE).await;
        life.pass_time(5 * MINUTE).await;
    }
    life.judge();
    let requests = life.requests_between("03-10T14:00:00", "03-10T15:00:00");
    assert!(requests <= REQUESTS_AN_HOUR_MAX + 1, "{requests}");
}
