//! Is it alive, is it ready?

use customer_mirror::simulator::Fault;
use serde_json::Value;

use super::Served;
use crate::service::Service;
use crate::support::{Bench, customers, until};

#[tokio::test]
async fn the_daemon_is_healthy_from_the_start_and_ready_after_a_complete_pass() {
    let mut bench = Bench::for_daemon(customers(1..=30)).await;
    let at = bench.served();
    bench.sim.hold_request(2);
    let mut service = Service::start(&bench).await;
    bench.sim.wait_for_requests(2).await;
    assert_eq!(at.get("/healthz").await.is(200).json()["status"], "ok");
    let ready = at.get("/readyz").await;
    assert_eq!(ready.is(503).json()["status"], "not ready");
    assert_eq!(ready.json()["reason"], "no pass has been completed yet");
    assert_eq!(ready.json()["complete_as_of"], Value::Null);
    bench.sim.release();
    service.is_idle().await;
    let ready = at.get("/readyz").await.is(200).json();
    assert_eq!(ready["status"], "ready");
    let began: String = bench.one("SELECT started_at FROM mirror_freshness");
    assert_eq!(ready["complete_as_of"], Value::from(began));
    assert!(ready["stale_at"].as_str().unwrap() > ready["complete_as_of"].as_str().unwrap());
    service.stop().await;
    // Its socket goes with it.
    assert!(!super::socket(&bench).exists());
}

#[tokio::test]
async fn a_mirror_that_nobody_renews_is_not_ready_any_more() {
    let mut bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    bench.set("schedule.cron", "\"@hourly\"");
    let served = Served::start(&bench).await;
    served.get("/readyz").await.is(200);
    let began = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-4 hours')";
    let sql = format!("UPDATE passes SET started_at = {began}");
    bench.db_to_write().execute_batch(&sql).unwrap();
    let ready = served.get("/readyz").await.is(503).json();
    let reason = ready["reason"].as_str().unwrap();
    assert!(
        reason.contains("3 due times have gone by since"),
        "{reason}"
    );
    served.stop().await;

    bench.set("http.ready_periods", "100");
    let served = Served::start(&bench).await;
    served.get("/readyz").await.is(200);
    served.stop().await;
}

#[tokio::test]
async fn a_mirror_that_can_t_be_read_is_not_ready_and_says_why() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let served = Served::start(&bench).await;
    served.get("/readyz").await.is(200);
    std::fs::remove_file(bench.db_path()).unwrap();
    let ready = served.get("/readyz").await;
    let reason = ready.is(503).json()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("mirror.db"), "{reason}");
    served.get("/healthz").await.is(200);
    served.get("/api/status").await.is(503);
    bench.synced().await;
    served.get("/readyz").await.is(200);
    served.stop().await;
}

#[tokio::test]
async fn the_status_is_what_the_command_says() {
    let mut bench = Bench::for_daemon(customers(1..=30)).await;
    let at = bench.served();
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    let command = bench.run(&["status", "--json"]).await;
    let mut from_command = command.report();
    let reply = at.get("/api/status").await;
    let mut from_http = reply.is(200).json();
    assert_eq!(from_http["mirror"]["live"], 30);
    for status in [&mut from_command, &mut from_http] {
        status["freshness"]["age_seconds"] = Value::Null;
    }
    assert_eq!(from_http, from_command);
    service.stop().await;
}

#[tokio::test]
async fn health_is_told_while_the_server_is_down_and_after_a_new_configuration() {
    let mut bench = Bench::for_daemon(customers(1..=30)).await;
    let at = bench.served();
    bench.set("retry.max_elapsed", "\"1ms\"");
    bench.sim.push_fault(Fault::Status {
        status: 500,
        wait: None,
    });
    let mut service = Service::start(&bench).await;
    service.hears("last pass not finished").await;
    at.get("/healthz").await.is(200);
    let status = at.get("/api/status").await.is(200).json();
    assert_eq!(status["retry"]["waits_for"], "server");
    // Passes are due at other times now: what is told follows.
    let before = status["next_due_at"].clone();
    bench.set("schedule.cron", "\"0 0 1 2 *\"");
    bench.write_config();
    service.signal("HUP").await;
    let mut after = before.clone();
    while after == before {
        after = at.get("/api/status").await.is(200).json()["next_due_at"].clone();
    }
    assert!(
        after.as_str().unwrap().contains("-02-01T00:00:00.000Z"),
        "{after}"
    );
    service.stop().await;
    until(|| !super::socket(&bench).exists()).await;
}
