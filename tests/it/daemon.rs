//! The daemon lives through what its machine, its server and its operator do to it.

use customer_mirror::simulator::{Fault, Listing, WaitHint};
use serde_json::Value;

use crate::service::Service;
use crate::support::{Bench, KEY, assert_sound, customers, quoted, until};

fn listing() -> Listing {
    Listing::seeded(7, 47)
}

fn busy_for_an_hour() -> Fault {
    Fault::Status {
        status: 429,
        wait: Some(WaitHint::RetryAfter(3600)),
    }
}

async fn status(bench: &Bench) -> Value {
    let run = bench.run(&["status", "--json"]).await;
    run.exits(0);
    run.report()
}

#[tokio::test]
async fn it_mirrors_at_its_start_and_whenever_asked() {
    let bench = Bench::for_daemon(listing()).await;
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    bench.assert_mirrors();
    assert!(
        service
            .status
            .starts_with("47 customers, complete as of 20"),
        "{}",
        service.status
    );

    bench.sim.set_listing(customers(1..=30));
    bench.sim.push_fault(
        Fault::Status {
            status: 503,
            wait: None,
        }
        .once(),
    );
    service.makes_a_pass(&bench).await;
    assert_eq!(bench.passes("state"), ["complete", "complete"]);
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM customers"), 77);
    service.stop().await;
}

#[tokio::test]
async fn a_fresh_mirror_waits_for_the_next_due_time() {
    let bench = Bench::for_daemon(listing()).await;
    bench.synced().await;
    let requests = bench.sim.request_count();
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    assert!(
        service.status.contains("; next pass 20"),
        "{}",
        service.status
    );
    service.stop().await;
    assert_eq!(bench.sim.request_count(), requests);
}

#[tokio::test]
async fn without_run_on_start_even_an_empty_mirror_waits() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.set("schedule.run_on_start", "false");
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    assert_eq!(bench.sim.request_count(), 0);
    service.makes_a_pass(&bench).await;
    bench.assert_mirrors();
    service.stop().await;
}

#[tokio::test]
async fn sigterm_ends_it_while_the_server_stalls_and_the_next_start_goes_on() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.set("api.request_timeout", "\"1h\"");
    bench.sim.hold_request(3);
    let service = Service::start(&bench).await;
    bench.sim.wait_for_requests(3).await;
    service.stop().await;
    assert_sound(&bench.db());
    assert_eq!(bench.one::<i64>("SELECT pages FROM passes"), 2);

    bench.sim.release();
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    service.stop().await;
    assert_eq!(bench.passes("state || resumed"), ["complete1"]);
    assert!(bench.repeated_requests() <= 2);
    bench.assert_mirrors();
}

#[tokio::test]
async fn sigint_ends_it_in_the_midst_of_a_long_wait() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.set("retry.max_elapsed", "\"10h\"");
    bench.sim.push_fault(busy_for_an_hour());
    let mut service = Service::start(&bench).await;
    service.hears("waiting until").await;
    service.signal("INT").await;
    service.hears("STOPPING=1").await;
    service.end().await.exits(0);
}

#[tokio::test]
async fn a_killed_daemon_goes_on_at_once() {
    let bench = Bench::for_daemon(listing()).await;
    bench.sim.hold_request(4);
    let service = Service::start(&bench).await;
    bench.sim.wait_for_requests(4).await;
    service.kill().await;
    bench.sim.release();
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    service.stop().await;
    assert_eq!(bench.passes("state || resumed"), ["complete1"]);
    assert!(bench.repeated_requests() <= 2);
    bench.assert_mirrors();
}

#[tokio::test]
async fn one_writes_at_a_time_and_status_answers_in_the_midst_of_a_pass() {
    let bench = Bench::for_daemon(listing()).await;
    bench.sim.hold_request(3);
    let service = Service::start(&bench).await;
    bench.sim.wait_for_requests(3).await;
    until(|| bench.one::<i64>("SELECT pages FROM passes") == 2).await;

    let sync = bench.sync().await;
    let ask = format!("kill -USR1 {}", service.pid());
    sync.exits(75).says(&[
        "customer-mirror run",
        &format!("process {}", service.pid()),
        &ask,
    ]);
    bench
        .run(&["run"])
        .await
        .exits(75)
        .says(&["customer-mirror run"]);

    let status = status(&bench).await;
    assert_eq!(status["running_pass"]["pages"], 2);
    assert_eq!(status["running_pass"]["records"], 20);
    assert_eq!(status["lock"]["command"], "customer-mirror run");
    assert_eq!(status["lock"]["pid"], service.pid());
    bench.sim.release();
    service.stop().await;
}

#[tokio::test]
async fn asked_in_the_midst_of_a_pass_it_makes_another_one() {
    let bench = Bench::for_daemon(listing()).await;
    bench.sim.hold_request(3);
    let mut service = Service::start(&bench).await;
    bench.sim.wait_for_requests(3).await;
    service.signal("USR1").await;
    service.signal("USR1").await;
    bench.sim.release();
    service.is_idle().await;
    service.stop().await;
    assert_eq!(bench.passes("state"), ["complete", "complete"]);
}

#[tokio::test]
async fn a_refused_key_from_the_environment_ends_it() {
    let bench = Bench::for_daemon(listing()).await;
    bench.sim.set_key("another");
    let service = Service::start(&bench).await;
    service.end().await.exits(77).says(&["API key"]);
    assert_eq!(bench.sim.request_count(), 1);
}

#[tokio::test]
async fn a_key_that_was_good_and_is_refused_does_not_end_it() {
    let bench = Bench::for_daemon(listing()).await;
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    bench.sim.set_key("another");
    let requests = bench.sim.request_count();
    service.fails_a_pass().await;
    assert!(
        service.status.contains("API key is refused"),
        "{}",
        service.status
    );
    assert_eq!(bench.sim.request_count(), requests + 1);
    bench.sim.set_key(KEY);
    service.makes_a_pass(&bench).await;
    service.stop().await;
}

#[tokio::test]
async fn a_refused_key_in_a_file_is_asked_for_again_when_the_file_has_another() {
    let mut bench = Bench::for_daemon(listing()).await;
    let key_file = bench.folder.path().join("key");
    std::fs::write(&key_file, "wrong").unwrap();
    bench.set("api.key_file", &quoted(key_file.to_str().unwrap()));
    let mut service = Service::start_with(&bench, |command| {
        command.env_remove("CUSTOMER_MIRROR__API__KEY");
    })
    .await;
    service.is_idle().await;
    assert!(
        service.status.contains("API key is refused"),
        "{}",
        service.status
    );
    assert_eq!(bench.sim.request_count(), 1);
    let report = status(&bench).await;
    assert!(
        report["retry"]["reason"]
            .as_str()
            .unwrap()
            .contains("API key is refused"),
        "{report}"
    );

    std::fs::write(&key_file, KEY).unwrap();
    service.hears("47 customers").await;
    service.stop().await;
    bench.assert_mirrors();
    assert_eq!(bench.sim.request_count(), 1 + 5);
}

#[tokio::test]
async fn sighup_reads_the_configuration_again_and_refuses_a_bad_one() {
    let mut bench = Bench::for_daemon(listing()).await;
    let mut service = Service::start(&bench).await;
    service.is_idle().await;

    bench.set("api.page_size", "0").write_config();
    service.signal("HUP").await;
    service.hears("RELOADING=1").await;
    service.hears("READY=1").await;
    service.makes_a_pass(&bench).await;
    assert_eq!(
        bench.sim.requests().last().unwrap().limit.as_deref(),
        Some("10")
    );

    let other = bench.folder.path().join("other.db");
    bench
        .set("api.page_size", "7")
        .set("mirror.path", &quoted(other.to_str().unwrap()))
        .write_config();
    service.signal("HUP").await;
    service.hears("READY=1").await;
    service.makes_a_pass(&bench).await;
    assert_eq!(
        bench.sim.requests().last().unwrap().limit.as_deref(),
        Some("10")
    );
    assert!(!other.exists());

    bench
        .set("mirror.path", &quoted(bench.db_path().to_str().unwrap()))
        .write_config();
    service.signal("HUP").await;
    service.hears("READY=1").await;
    service.makes_a_pass(&bench).await;
    assert_eq!(
        bench.sim.requests().last().unwrap().limit.as_deref(),
        Some("7")
    );
    let log = service.stop().await.stderr;
    for text in [
        "api.page_size",
        "mirror.path is another one",
        "the configuration was read again",
    ] {
        assert!(log.contains(text), "{text:?} is not in {log}");
    }
}

#[tokio::test]
async fn sighup_in_the_midst_of_a_pass_goes_on_with_what_it_read() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.sim.hold_request(3);
    let mut service = Service::start(&bench).await;
    bench.sim.wait_for_requests(3).await;
    bench.set("api.page_size", "9").write_config();
    service.signal("HUP").await;
    service.hears("READY=1").await;
    bench.sim.release();
    service.hears("47 customers").await;
    service.stop().await;
    assert_eq!(bench.passes("state || resumed"), ["complete1"]);
    assert_eq!(
        bench.sim.requests().last().unwrap().limit.as_deref(),
        Some("9")
    );
    bench.assert_mirrors();
}

#[tokio::test]
async fn sighup_in_the_midst_of_a_pass_takes_the_new_key() {
    let mut bench = Bench::for_daemon(listing()).await;
    let key_file = bench.folder.path().join("key");
    std::fs::write(&key_file, KEY).unwrap();
    bench.set("api.key_file", &quoted(key_file.to_str().unwrap()));
    bench.sim.hold_request(3);
    let mut service = Service::start(&bench).await;
    bench.sim.wait_for_requests(3).await;
    std::fs::write(&key_file, "rotated").unwrap();
    bench.sim.set_key("rotated");
    service.signal("HUP").await;
    service.hears("READY=1").await;
    bench.sim.release();
    service.hears("47 customers").await;
    service.stop().await;
    assert_eq!(bench.passes("state || resumed"), ["complete1"]);
}

#[tokio::test]
async fn an_outage_is_remembered_by_the_next_start() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.set("retry.max_elapsed", "\"20ms\"");
    bench.sim.push_fault(
        Fault::Status {
            status: 503,
            wait: None,
        }
        .always(),
    );
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    assert!(
        service.status.contains("last pass not finished: GET "),
        "{}",
        service.status
    );
    let requests = bench.sim.request_count();
    service.stop().await;
    // A crash loop, say. The backoff of half a minute outlives it.
    for _ in 0..5 {
        let mut service = Service::start(&bench).await;
        service.is_idle().await;
        service.kill().await;
    }
    assert_eq!(bench.sim.request_count(), requests);
    // Asked for a pass, it tries once, for one customer.
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    service.signal("USR1").await;
    bench.sim.wait_for_answers(requests + 1).await;
    service.hears("last pass not finished").await;
    assert_eq!(bench.sim.request_count(), requests + 1);
    assert_eq!(
        bench.sim.requests().last().unwrap().limit.as_deref(),
        Some("1")
    );
    bench.sim.clear_faults();
    service.makes_a_pass(&bench).await;
    service.stop().await;
    bench.assert_mirrors();
    assert!(status(&bench).await["retry"].is_null());
}

#[tokio::test]
async fn what_the_server_says_about_waiting_is_obeyed_by_the_next_start() {
    let bench = Bench::for_daemon(listing()).await;
    bench.sim.push_fault(busy_for_an_hour());
    for _ in 0..2 {
        let mut service = Service::start(&bench).await;
        service.is_idle().await;
        assert_eq!(bench.sim.request_count(), 1);
        service.kill().await;
    }
}

#[tokio::test]
async fn a_held_sweep_is_decided_beside_it() {
    let mut bench = Bench::for_daemon(customers(1..=100)).await;
    bench.set("deletions.confirm_passes", "1");
    let mut service = Service::start(&bench).await;
    service.is_idle().await;
    bench.sim.set_listing(customers(1..=50));
    service.makes_a_pass(&bench).await;
    assert_eq!(bench.passes("sweep"), ["done", "held"]);
    bench.run(&["deletions", "approve"]).await.exits(0);
    bench.assert_mirrors();
    service.makes_a_pass(&bench).await;
    service.stop().await;
    assert_eq!(bench.passes("sweep"), ["done", "approved", "done"]);
    bench.assert_mirrors();
}

#[tokio::test]
async fn the_watchdog_is_fed_while_the_server_thinks_and_while_nothing_is_due() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.set("api.request_timeout", "\"1h\"");
    bench.sim.hold_request(3);
    let mut service = Service::start_with(&bench, |command| {
        command.env("WATCHDOG_USEC", "20000");
    })
    .await;
    bench.sim.wait_for_requests(3).await;
    until(|| bench.one::<i64>("SELECT pages FROM passes") == 2).await;
    for _ in 0..5 {
        service.hears("WATCHDOG=1").await;
    }
    bench.sim.release();
    service.is_idle().await;
    for _ in 0..5 {
        service.hears("WATCHDOG=1").await;
    }
    service.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_at_the_start() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.set("schedule.cron", "\"61 * * * *\"");
    bench
        .run(&["run"])
        .await
        .exits(78)
        .says(&["schedule.cron", "61"]);
    bench
        .set("schedule.cron", "\"@daily\"")
        .unset("api.base_url");
    bench.run(&["run"]).await.exits(78).says(&["api.base_url"]);
    let mut command = bench.command(&["run"]);
    command
        .env_remove("CUSTOMER_MIRROR__API__KEY")
        .env("CUSTOMER_MIRROR__API__BASE_URL", bench.sim.base_url());
    crate::support::Running::spawn(command)
        .end()
        .await
        .exits(78)
        .says(&["no API key"]);
    assert!(!bench.db_path().exists());
}

#[tokio::test]
async fn a_page_that_never_comes_does_not_hold_the_mirror_up_for_ever() {
    let mut bench = Bench::for_daemon(listing()).await;
    bench.set("retry.max_elapsed", "\"20ms\"");
    bench.sim.push_fault(
        Fault::Status {
            status: 500,
            wait: None,
        }
        .on_page(3)
        .forever(),
    );
    let service = Service::start(&bench).await;
    let failures = || {
        let attempts: Option<String> = bench
            .column("SELECT value FROM mirror_meta WHERE key = 'attempts' AND value LIKE '%\"reason\":\"%'")
            .pop();
        attempts.map_or(0, |text| {
            serde_json::from_str::<Value>(&text).unwrap()["count"]
                .as_i64()
                .unwrap()
        })
    };
    for failed in 1..=6 {
        until(|| bench.db_path().exists() && failures() == failed).await;
        assert_eq!(bench.passes("state"), ["running"]);
        service.signal("USR1").await;
    }
    // The first page comes, so it must be the cursor: it is given up.
    until(|| bench.passes("state").len() == 2).await;
    assert_eq!(bench.passes("state"), ["abandoned", "running"]);
    bench.sim.clear_faults();
    service.makes_a_pass(&bench).await;
    service.stop().await;
    bench.assert_mirrors();
}
