//! Promise 12, and §5: what passes is got over, what doesn't has its exit status, and the checkpoint is kept.

use customer_mirror::simulator::{Fault, FaultPlan, Listing};
use rstest::rstest;

use crate::support::{Bench, KEY, until};

async fn five_pages() -> Bench {
    Bench::of(Listing::seeded(11, 45)).await
}

/// Orders faults by their text form.
fn order(bench: &Bench, faults: &str) {
    for fault in faults.split_whitespace() {
        bench.sim.push_fault(fault.parse::<FaultPlan>().unwrap());
    }
}

/// The `limit` of each request.
fn limits(bench: &Bench) -> Vec<u64> {
    let requests = bench.sim.requests();
    requests
        .into_iter()
        .map(|request| request.limit.unwrap().parse().unwrap())
        .collect()
}

#[rstest]
#[case::throttled("429")]
#[case::throttled_for_seconds("429:retry-after=1")]
#[case::throttled_until_a_date("429:retry-after-date=1")]
#[case::rate_limited("429:ratelimit-reset=1")]
#[case::rate_limited_until("429:x-ratelimit-reset=epoch")]
#[case::unavailable("503")]
#[case::unavailable_for_seconds("503:retry-after=1")]
#[case::internal_error("500")]
#[case::gateway_timeout("504")]
#[case::proxy_error_as_html("502-html")]
#[case::request_timeout("408")]
#[case::proxy_page("html-200")]
#[case::reset("reset")]
#[case::truncated("truncate")]
#[case::malformed("malformed")]
#[case::wrong_shape("wrong-shape")]
#[case::silence("stall")]
#[case::silence_in_the_body("stall-body")]
#[case::too_large("413")]
#[case::too_large_over_four("413:above=4")]
#[case::huge_body("huge-body=200000")]
#[case::late("latency=50ms")]
#[tokio::test]
async fn a_fault_that_passes_is_got_over(#[case] fault: &str) {
    let mut bench = five_pages().await;
    bench
        .set("api.request_timeout", "\"500ms\"")
        .set("api.max_response_bytes", "100000");
    order(&bench, &format!("{fault}@page=3"));
    let report = bench.synced().await;
    assert_eq!(
        (&report["records"], &report["resumed"]),
        (&45.into(), &0.into())
    );
    if !fault.starts_with("latency") {
        assert!(report["retries"].as_i64() >= Some(1), "{report}");
        assert_eq!(
            bench.sim.request_count() as i64,
            report["pages"].as_i64().unwrap() + report["retries"].as_i64().unwrap()
        );
    }
    bench.assert_mirrors();
}

#[tokio::test]
async fn the_first_page_has_as_many_tries() {
    let mut bench = five_pages().await;
    bench.set("api.request_timeout", "\"500ms\"");
    order(
        &bench,
        "503@page=1 reset@page=1 429@page=1 html-200@page=1 stall@page=1 413@page=1",
    );
    let report = bench.synced().await;
    assert!(report["retries"].as_i64() >= Some(6), "{report}");
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_storm_of_faults_is_got_over() {
    let mut bench = Bench::of(Listing::seeded(5, 300)).await;
    bench.set("api.request_timeout", "\"1s\"");
    order(
        &bench,
        "503@rate=0.1 reset@rate=0.1 truncate@rate=0.1 429@rate=0.1 502-html@rate=0.1 shift@rate=0.1 short-page@rate=0.1 duplicate@rate=0.1",
    );
    bench.synced().await;
    bench.assert_mirrors();
}

/// What goes on for ever: the exit status, and what the message says.
#[rstest]
#[case("503", 69, &["503", "retry.max_elapsed"])]
#[case("429", 69, &["429", "retry.max_elapsed"])]
#[case("reset", 69, &["retry.max_elapsed"])]
#[case("truncate", 69, &["retry.max_elapsed"])]
#[case("stall", 69, &["timed out", "api.request_timeout", "retry.max_elapsed"])]
#[case("501", 69, &["501"])]
#[case("418", 69, &["418"])]
#[case("413:above=0", 69, &["413", "limit=1,", "api.max_response_bytes"])]
#[case("huge-body=200000", 69, &["100000", "limit=1,", "api.max_response_bytes"])]
#[case("401", 77, &["401", "key"])]
#[case("403", 77, &["403", "key"])]
#[case("echo-key", 77, &["401", "[key]"])]
#[case("redirect=https://example.com/elsewhere?a=b", 76, &["302", "example.com/elsewhere", "redirect"])]
#[case("html-200", 76, &["200", "HTML"])]
#[case("502-html", 69, &["502", "retry.max_elapsed"])]
#[case("malformed", 76, &["JSON"])]
#[case("wrong-shape", 76, &["pagination"])]
#[tokio::test]
async fn a_fault_that_stays_has_its_exit_status(
    #[case] fault: &str,
    #[case] status: i32,
    #[case] said: &[&str],
) {
    let mut bench = five_pages().await;
    bench.set("api.max_response_bytes", "100000");
    bench.sync_stopped_at_request(3).await;
    // Short only where it is what ends the pass, so that a slow machine changes nothing.
    if said.contains(&"retry.max_elapsed") {
        bench.set("retry.max_elapsed", "\"300ms\"");
    }
    if fault == "stall" {
        bench.set("api.request_timeout", "\"50ms\"");
    }
    order(&bench, &format!("{fault}@times=always"));
    let run = bench.run(&["-q", "sync", "--json"]).await;
    run.exits(status)
        .says(&["GET ", "2 pages are kept", "next `sync`"])
        .says(said)
        .says_nothing_else();
    assert!(!run.stderr.contains(KEY), "{run:?}");
    let report = run.report();
    assert_eq!(
        (&report["state"], &report["pages"]),
        (&"running".into(), &2.into())
    );
    assert!(
        run.message().starts_with(report["error"].as_str().unwrap()),
        "{run:?}"
    );

    bench.sim.clear_faults();
    bench.set("api.request_timeout", "\"30s\"");
    let report = bench.synced().await;
    assert_eq!(
        (&report["resumed"], &report["records"]),
        (&2.into(), &45.into())
    );
    assert_eq!(report["error"], serde_json::Value::Null);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_key_that_is_not_accepted_any_more_keeps_the_checkpoint() {
    let bench = five_pages().await;
    bench.sync_stopped_at_request(3).await;
    bench.sim.set_key("another");
    bench.sync().await.exits(77).says(&["2 pages are kept"]);
    bench.sim.set_key(KEY);
    assert_eq!(bench.synced().await["pages"], 5);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let mut bench = five_pages().await;
    bench.set("retry.max_elapsed", "\"50ms\"");
    bench.set("api.base_url", "\"http://127.0.0.1:1\""); // a port that nobody listens on
    bench
        .run(&["-q", "sync"])
        .await
        .exits(69)
        .says_nothing_else();
}

#[rstest]
#[case("400", "api.filter")]
#[case("404", "api.base_url")]
#[tokio::test]
async fn a_first_page_that_is_refused_names_what_to_check(#[case] fault: &str, #[case] said: &str) {
    let bench = five_pages().await;
    order(&bench, fault);
    bench.sync().await.exits(69).says(&[fault, said]);
    assert_eq!(bench.sim.request_count(), 1);
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_halves_and_recovers() {
    let bench = Bench::of(Listing::seeded(2, 400)).await;
    order(&bench, "413:above=2@page=3,times=2 500@page=9,times=2");
    bench.synced().await;
    bench.assert_mirrors();
    let limits = limits(&bench);
    assert_eq!(limits[..5], [10, 10, 10, 5, 2]);
    assert!(limits.iter().all(|limit| *limit <= 10));
    assert_eq!(limits.last(), Some(&10), "{limits:?}");
}

#[tokio::test]
async fn a_server_that_gives_one_customer_at_a_time_is_walked() {
    let bench = Bench::of(Listing::seeded(2, 15)).await;
    order(&bench, "413:above=1@times=always");
    assert_eq!(bench.synced().await["pages"], 15);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_wait_that_is_too_long_ends_the_pass_and_is_obeyed_by_the_next() {
    let bench = five_pages().await;
    order(&bench, "429:retry-after=3600@page=3");
    let run = bench.sync().await;
    run.exits(69).says(&[
        "429",
        "Retry-After: 3600",
        "retry.max_elapsed",
        "2 pages are kept",
    ]);
    assert_eq!(bench.sim.request_count(), 3);
    for arguments in [
        &["sync"][..],
        &["sync", "--restart"],
        &["sync", "--dry-run"],
    ] {
        bench
            .run(arguments)
            .await
            .exits(69)
            .says(&["wait", "until"]);
        assert_eq!(bench.sim.request_count(), 3, "{arguments:?}");
    }

    // The hour is over.
    bench
        .db_to_write()
        .execute("UPDATE mirror_meta SET value = '2020-01-01T00:00:00.000Z' WHERE key = 'requests_not_before'", [])
        .unwrap();
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_wait_that_was_stored_by_a_clock_running_ahead_is_forgotten() {
    let bench = five_pages().await;
    order(&bench, "429:retry-after=3600@page=3");
    bench.sync().await.exits(69);
    // The clock was two days ahead then.
    let ahead = "UPDATE mirror_meta SET value = strftime('%Y-%m-%dT%H:%M:%fZ', value, '+2 days') WHERE key LIKE 'requests_%'";
    bench.db_to_write().execute_batch(ahead).unwrap();
    bench.synced().await;
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_wait_outlives_the_process_that_was_told_of_it() {
    let mut bench = five_pages().await;
    bench.set("retry.max_elapsed", "\"10h\"");
    order(&bench, "503:retry-after=3600@page=3");
    let running = bench.spawn(&["sync"]);
    bench.sim.wait_for_answers(3).await;
    until(|| {
        bench.one::<i64>("SELECT count(*) FROM mirror_meta WHERE key = 'requests_not_before'") == 1
    })
    .await;
    running.kill().await;
    bench.set("retry.max_elapsed", "\"1m\"");
    bench.sync().await.exits(69).says(&["wait", "until"]);
    assert_eq!(bench.sim.request_count(), 3);
}

#[tokio::test]
async fn every_request_is_as_documented() {
    let mut bench = five_pages().await;
    bench.set("api.filter", "\"å & b\"");
    bench.sim.push_fault(Fault::Reset.on_page(1));
    bench.synced().await;
    for request in bench.sim.requests() {
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("GET", "/customers")
        );
        assert_eq!(request.filter.as_deref(), Some("å & b"));
        assert_eq!(request.limit.as_deref(), Some("10"));
        assert!(request.has_key);
    }
}
