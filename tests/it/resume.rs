//! Promise 1: after a crash the mirror is as some page commit left it, and the next start repeats at most two requests.

use customer_mirror::simulator::{Fault, Listing};
use rstest::rstest;

use crate::support::{Bench, assert_sound};

/// 47 customers in pages of ten: five pages.
async fn five_pages() -> Bench {
    Bench::of(Listing::seeded(7, 47)).await
}

#[rstest]
#[tokio::test]
async fn a_killed_pass_goes_on(#[values(1, 2, 3, 4, 5)] at_request: i64) {
    let bench = five_pages().await;
    bench
        .sync_killed_at_request(at_request.unsigned_abs())
        .await;
    assert_sound(&bench.db());
    let pages: i64 = bench.one("SELECT pages FROM passes");
    // Page n-1 is being committed while page n is asked for.
    assert!(pages < at_request && pages + 2 >= at_request, "{pages}");

    let report = bench.synced().await;
    assert_eq!(report["resumed"], 1);
    assert_eq!(report["pass_id"], 1);
    assert_eq!(
        (&report["pages"], &report["records"]),
        (&5.into(), &47.into())
    );
    let repeated = bench.repeated_requests();
    assert!((1..=2).contains(&repeated), "{repeated} requests repeated");
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_pass_killed_again_and_again_gets_there() {
    let bench = five_pages().await;
    let kills = 4;
    for _ in 0..kills {
        // Each process gets as far as its second request.
        let request = bench.sim.request_count() + 2;
        bench.sync_killed_at_request(request).await;
        assert_sound(&bench.db());
    }
    let report = bench.synced().await;
    assert_eq!(report["resumed"], kills);
    assert!(bench.repeated_requests() <= 2 * kills);
    bench.assert_mirrors();
}

#[rstest]
#[case("TERM", 143)]
#[case("INT", 130)]
#[tokio::test]
async fn a_signal_keeps_the_checkpoint(#[case] signal: &str, #[case] status: i32) {
    let bench = five_pages().await;
    bench.sim.push_fault(Fault::Stall.on_page(4));
    let running = bench.spawn(&["sync", "--json"]);
    bench.sim.wait_for_answers(4).await; // the fourth is silence
    running.signal(signal).await;
    let run = running.end().await;
    run.exits(status).says(&["interrupted", "next `sync`"]);
    let report = run.report();
    // What had come is committed before the program ends.
    assert_eq!(
        (&report["state"], &report["pages"]),
        (&"running".into(), &3.into())
    );

    let report = bench.synced().await;
    assert_eq!(
        (&report["resumed"], &report["pages"]),
        (&1.into(), &5.into())
    );
    assert_eq!(bench.repeated_requests(), 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_signal_ends_a_retry_wait() {
    let mut bench = five_pages().await;
    bench
        .set("retry.initial_delay", "\"1h\"")
        .set("retry.max_delay", "\"1h\"")
        .set("retry.max_elapsed", "\"10h\"");
    let unavailable = Fault::Status {
        status: 503,
        wait: None,
    };
    bench.sim.push_fault(unavailable.on_page(3));
    let running = bench.spawn(&["sync", "--json"]);
    bench.sim.wait_for_answers(3).await;
    running.signal("TERM").await;
    let run = running.end().await;
    run.exits(143);
    assert_eq!(run.report()["pages"], 2);

    assert_eq!(bench.synced().await["resumed"], 1);
    assert_eq!(bench.repeated_requests(), 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_walked_pass_is_finished_without_a_request() {
    let bench = five_pages().await;
    bench.sync_stopped_at_request(2).await;
    // Whatever keeps the pass from being completed.
    let db = bench.db_to_write();
    db.execute_batch(
        "CREATE TRIGGER no_end BEFORE UPDATE ON passes WHEN new.state = 'complete' BEGIN SELECT raise(ABORT, 'not now'); END",
    )
    .unwrap();
    bench.sync().await.exits(70).says(&["not now"]);
    assert_eq!(bench.one::<i64>("SELECT pages FROM passes"), 5);
    assert_eq!(bench.passes("state"), ["running"]);
    db.execute_batch("DROP TRIGGER no_end").unwrap();

    let requests = bench.sim.request_count();
    let report = bench.synced().await;
    assert_eq!(report["pages"], 5);
    assert_eq!(bench.sim.request_count(), requests);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_page_is_committed_whole_or_not_at_all() {
    let bench = five_pages().await;
    bench.sync_stopped_at_request(2).await;
    let db = bench.db_to_write();
    db.execute_batch(
        "CREATE TRIGGER no_third BEFORE UPDATE ON passes WHEN new.pages = 3 BEGIN SELECT raise(ABORT, 'no third page'); END",
    )
    .unwrap();
    bench.sync().await.exits(70).says(&["no third page"]);

    // Of page 3 there is nothing: no row, no mark, no count, no cursor.
    let third = bench
        .sim
        .requests()
        .into_iter()
        .rfind(|request| request.page == Some(3));
    assert_eq!(
        bench.one::<String>("SELECT next_cursor FROM passes"),
        third.unwrap().cursor.unwrap()
    );
    let first_twenty: Vec<String> = bench.sim.customer_ids().into_iter().take(20).collect();
    assert_eq!(
        bench.column::<String>("SELECT customer_id FROM customers ORDER BY row_id"),
        first_twenty
    );
    assert_eq!(bench.one::<i64>("SELECT records FROM passes"), 20);
    assert_sound(&bench.db());

    db.execute_batch("DROP TRIGGER no_third").unwrap();
    let report = bench.synced().await;
    assert_eq!(
        (&report["pages"], &report["records"]),
        (&5.into(), &47.into())
    );
    bench.assert_mirrors();
}

#[tokio::test]
async fn restart_begins_at_the_first_page() {
    let bench = five_pages().await;
    bench.sync_stopped_at_request(4).await;
    let run = bench.run(&["sync", "--json", "--restart"]).await;
    run.exits(0);
    let report = run.report();
    assert_eq!(
        (&report["pass_id"], &report["resumed"]),
        (&2.into(), &0.into())
    );
    assert_eq!(
        (&report["pages"], &report["records"]),
        (&5.into(), &47.into())
    );
    assert_eq!(bench.passes("state"), ["abandoned", "complete"]);
    bench.assert_mirrors();
}
