//! Stories with exact expectations: ordinary days.

use std::time::Duration;

use super::program::{Life, Plan, at};

#[tokio::test(start_paused = true)]
async fn a_quiet_day() {
    let mut life = Life::utc("03-10T12:05:00", "*/15 * * * *");
    life.start().await;
    life.until("03-11T12:05:00").await;
    life.stop().await;
    life.judge();
    assert_eq!(life.begins().len(), 97);
    assert_eq!(life.stage.request_count(), 97 * 3);
}

#[tokio::test(start_paused = true)]
async fn run_on_start_waits_if_fresh() {
    let mut life = Life::utc("03-10T12:05:00", "*/15 * * * *");
    life.start().await;
    life.until("03-10T12:10:00").await;
    life.stop().await;
    life.restart_after(Duration::from_secs(60)).await;
    life.until("03-10T12:20:00").await;
    life.stop().await;
    life.restart_after(Duration::from_secs(15 * 60)).await;
    life.until("03-10T12:40:00").await;
    life.stop().await;
    life.judge();
    assert_eq!(life.begins(), ["10 12:05:00", "10 12:15:00", "10 12:35:00"]);
}

#[tokio::test(start_paused = true)]
async fn without_run_on_start_the_first_pass_is_due() {
    let mut life = Life::new(
        at("03-10T12:05:00"),
        Plan {
            cron: "*/15 * * * *",
            zone: "UTC",
            jitter: Duration::ZERO,
            run_on_start: false,
        },
    );
    life.start().await;
    life.until("03-10T12:20:00").await;
    life.judge();
    assert_eq!(life.begins(), ["10 12:15:00"]);
}

#[tokio::test(start_paused = true)]
async fn jitter_puts_every_pass_off_but_not_for_long() {
    let mut life = Life::new(
        at("03-10T00:05:00"),
        Plan {
            cron: "0 * * * *",
            zone: "UTC",
            jitter: Duration::from_secs(600),
            run_on_start: true,
        },
    );
    life.start().await;
    life.until("03-12T00:30:00").await;
    life.judge();
    let begins = life.begins();
    assert_eq!(begins.len(), 49);
    let minutes: std::collections::BTreeSet<&str> =
        begins[1..].iter().map(|begin| &begin[6..8]).collect();
    assert!(
        minutes.len() > 5 && minutes.last() <= Some(&"10"),
        "{minutes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_overruns_makes_the_due_time_wait() {
    let mut life = Life::utc("03-10T12:05:00", "* * * * *");
    // Three pages: a minute and a half.
    let latency = |seconds| {
        move |server: &mut super::server::Server| server.latency = Duration::from_secs(seconds)
    };
    life.stage.server(latency(30));
    life.start().await;
    life.until("03-10T12:08:01").await;
    life.stage.server(latency(1));
    life.until("03-10T12:11:30").await;
    life.judge();
    assert_eq!(
        life.begins(),
        [
            "10 12:05:00",
            "10 12:06:30",
            "10 12:08:00",
            "10 12:09:00",
            "10 12:10:00",
            "10 12:11:00"
        ]
    );
}

async fn nights(base: &str, until: &str, cron: &'static str) -> Vec<String> {
    let plan = Plan {
        cron,
        zone: "Europe/Stockholm",
        jitter: Duration::ZERO,
        run_on_start: false,
    };
    let mut life = Life::new(at(base), plan);
    life.start().await;
    life.until(until).await;
    life.judge();
    life.begins()
}

#[tokio::test(start_paused = true)]
async fn spring_forward() {
    assert_eq!(
        nights("03-27T12:00:00", "03-30T12:00:00", "30 2 * * *").await,
        ["28 01:30:00", "29 01:00:00", "30 00:30:00"]
    );
    let quarters = nights("03-29T00:20:00", "03-29T01:20:00", "*/15 * * * *").await;
    assert_eq!(
        quarters,
        ["29 00:30:00", "29 00:45:00", "29 01:00:00", "29 01:15:00"]
    );
}

#[tokio::test(start_paused = true)]
async fn autumn_back() {
    assert_eq!(
        nights("10-23T12:00:00", "10-26T12:00:00", "30 2 * * *").await,
        ["24 00:30:00", "25 00:30:00", "26 01:30:00"]
    );
    let halves = nights("10-24T23:50:00", "10-25T02:10:00", "*/30 * * * *").await;
    assert_eq!(
        halves,
        [
            "25 00:00:00",
            "25 00:30:00",
            "25 01:00:00",
            "25 01:30:00",
            "25 02:00:00"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_suspended_laptop_makes_up_with_one_pass() {
    let mut life = Life::utc("03-10T00:05:00", "0 * * * *");
    life.start().await;
    life.until("03-10T01:30:10").await;
    life.suspend(10 * 60);
    life.until("03-10T12:30:00").await;
    life.judge();
    assert_eq!(
        life.begins(),
        ["10 00:05:00", "10 01:00:00", "10 11:30:30", "10 12:00:00"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_clock_set_back_a_day_does_not_stop_the_mirror() {
    let mut life = Life::utc("03-10T10:30:00", "0 * * * *");
    life.start().await;
    life.until("03-10T12:30:00").await;
    life.set_clock(-24 * 60);
    life.until("03-09T15:30:00").await;
    life.judge();
    assert_eq!(
        life.begins(),
        [
            "10 10:30:00",
            "10 11:00:00",
            "10 12:00:00",
            "09 13:00:00",
            "09 14:00:00",
            "09 15:00:00"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_clock_set_ahead_and_right_again() {
    let mut life = Life::utc("03-10T10:30:00", "0 * * * *");
    life.start().await;
    life.until("03-10T10:45:10").await;
    life.set_clock(24 * 60);
    life.until("03-11T10:50:00").await;
    life.set_clock(-24 * 60);
    // A little back is nothing: what was served stays served.
    life.until("03-10T11:00:30").await;
    life.stage.set_clock(chrono::TimeDelta::seconds(-45));
    life.until("03-10T12:30:00").await;
    life.judge();
    assert_eq!(
        life.begins(),
        ["10 10:30:00", "11 10:45:30", "10 11:00:00", "10 12:00:00"]
    );
}

#[tokio::test(start_paused = true)]
async fn asked_for_a_pass_in_the_middle_of_one_and_told_to_reload() {
    let mut life = Life::utc("03-10T12:05:00", "0 0 * * *");
    life.stage
        .server(|server| server.latency = Duration::from_secs(10));
    life.start().await;
    life.until("03-10T12:05:15").await;
    life.ask().await;
    life.plan.cron = "40 12 * * *";
    life.reload().await;
    life.until("03-10T13:00:00").await;
    life.judge();
    assert_eq!(
        life.begins(),
        ["10 12:05:00", "10 12:05:15", "10 12:05:35", "10 12:40:00"]
    );
    // The page that was on its way was asked for again, and no other.
    assert_eq!(life.stage.request_count(), 4 + 3 + 3);
    let resumed: i64 = life
        .db()
        .query_row("SELECT resumed FROM passes WHERE pass_id = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(resumed, 1);
}

#[tokio::test(start_paused = true)]
async fn another_schedule_is_not_late() {
    let mut life = Life::utc("03-10T00:00:00", "0 0 * * *");
    life.start().await;
    life.until("03-10T12:30:00").await;
    life.plan.cron = "0 * * * *";
    life.reload().await;
    life.until("03-10T13:30:00").await;
    life.judge();
    assert_eq!(life.begins(), ["10 00:00:00", "10 13:00:00"]);
}
