//! What an operator decides while another process, as the daemon does all its life, holds the lock; here in the middle of a pass.

use customer_mirror::simulator::Listing;
use rstest::rstest;

use crate::support::{Bench, Run, Running, assert_sound, customer, customers};

/// Begins a pass that waits for its `request`th answer; the pages but the last two are in the mirror then.
pub(crate) async fn in_mid_pass(bench: &Bench, request: u64) -> Running {
    let request = bench.sim.request_count() + request;
    bench.sim.hold_request(request);
    let running = bench.spawn(&["sync", "--json"]);
    bench.sim.wait_for_requests(request).await;
    running
}

pub(crate) async fn go_on(bench: &Bench, running: Running) -> Run {
    // Nobody else has got the lock meanwhile.
    bench.run(&["-q", "sync"]).await.exits(75);
    assert_sound(&bench.db());
    bench.sim.release();
    running.end().await
}

/// 100 live customers of which 40, from c61 on, are held.
async fn held() -> Bench {
    let mut bench = Bench::of(customers(1..=100)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_listing(customers(1..=60));
    bench.sync().await.exits(65);
    bench
}

/// c61 to c70 are listed again.
#[rstest]
#[case::early(customers((61..=70).chain(1..=60)), 30, 0)]
#[case::late(customers(1..=70), 40, 10)]
#[tokio::test]
async fn a_held_sweep_is_approved(
    #[case] listing: Listing,
    #[case] deleted: u32,
    #[case] restored: u32,
) {
    let bench = held().await;
    bench.sim.set_listing(listing);
    let running = in_mid_pass(&bench, 4).await;
    let run = bench.run(&["deletions", "approve"]).await;
    run.exits(0);
    assert!(
        run.stdout.starts_with(&format!("{deleted} customers")),
        "{run:?}"
    );
    let run = go_on(&bench, running).await;
    run.exits(0);
    assert_eq!(run.report()["restored"], restored);
    bench.assert_mirrors();
    assert_eq!(bench.passes("sweep"), ["done", "approved", "done"]);
}

#[tokio::test]
async fn a_held_sweep_is_discarded() {
    let bench = held().await;
    bench.sim.set_listing(customers(1..=95));
    let running = in_mid_pass(&bench, 4).await;
    bench.run(&["deletions", "discard"]).await.exits(0);
    bench.run(&["-q", "deletions", "discard"]).await.exits(66);
    let run = go_on(&bench, running).await;
    run.exits(0);
    assert_eq!(run.report()["deleted"], 5);
    bench.assert_mirrors();
    assert_eq!(bench.passes("sweep"), ["done", "discarded", "done"]);
}

#[rstest]
#[case::listed_as_bad_by_this_pass(1)]
#[case::or_by_an_earlier_one(2)]
#[tokio::test]
async fn the_quarantine_is_tried_again(#[case] passes: u32) {
    let records = |bad: &str| {
        let good = customers(1..=30).iter().collect::<Vec<_>>();
        Listing::explicit([bad.to_owned()].into_iter().chain(good))
    };
    let mut bench = Bench::of(records("7")).await;
    bench.set("deletions.confirm_passes", "1");
    for _ in 1..passes {
        bench.synced().await;
    }
    let running = in_mid_pass(&bench, 3).await;
    // What a newer version may come to understand.
    let mend = r#"UPDATE quarantine SET raw = '{"customerId":"c99"}'"#;
    bench.db_to_write().execute_batch(mend).unwrap();
    let run = bench.run(&["quarantine", "retry"]).await;
    run.exits(0);
    assert_eq!(run.stdout, "1 mirrored, 0 still in quarantine\n");
    go_on(&bench, running).await.exits(0);
    bench.sim.set_listing(records(&customer("c99", "")));
    bench.assert_mirrors();
    assert_eq!(bench.synced().await["unchanged"], 31);
}

#[tokio::test]
async fn a_mirror_of_another_version_is_left_to_the_holder_of_the_lock() {
    let bench = held().await;
    let running = in_mid_pass(&bench, 4).await;
    let set_version = |version: i64| {
        bench
            .db_to_write()
            .pragma_update(None, "user_version", version)
            .unwrap();
    };
    set_version(2);
    bench.run(&["-q", "deletions", "approve"]).await.exits(78);
    set_version(1);
    assert_eq!(bench.passes("sweep")[1], "held");
    go_on(&bench, running).await;
}
