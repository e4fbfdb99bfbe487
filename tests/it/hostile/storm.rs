//! What has no end, and what never heals: neither may become a storm of requests, or stop the mirror for good.

use chrono::{TimeDelta, Utc};
use customer_mirror::model::format_timestamp;
use customer_mirror::simulator::{Fault, FaultPlan, Listing};
use serde_json::Value;

use super::{Siege, Trick};
use crate::support::{Bench, customer, customers};

#[tokio::test]
async fn a_listing_that_repeats_itself_without_an_end_fails_the_pass() {
    let siege = Siege::of(customers(1..=25)).await;
    siege.bench.synced().await;
    let page = vec![customer("c1", ""); 1000].join(",");
    siege.front.turns(Trick::Endless(page));
    for arguments in [&["-q", "sync"][..], &["-q", "sync", "--dry-run"]] {
        let before = siege.front.heads().len();
        siege
            .bench
            .run(arguments)
            .await
            .exits(76)
            .says(&["the listing has no end", "100000 records by now, of "]);
        let requests = siege.front.heads().len() - before;
        assert!(requests <= 101, "{requests}");
    }
    assert_eq!(siege.bench.passes("state"), ["complete", "failed"]);
    siege.front.heals();
    siege.bench.synced().await;
    siege.bench.assert_mirrors();
}

fn internal_error() -> Fault {
    Fault::Status {
        status: 500,
        wait: None,
    }
}

/// A pass whose third page fails, whatever else the server does, and six runs that have tried it.
async fn stuck() -> Bench {
    let mut bench = Bench::of(Listing::seeded(13, 48)).await;
    bench.set("retry.max_elapsed", "\"20ms\"");
    bench.sim.push_fault(internal_error().on_page(3).forever());
    for _ in 0..6 {
        bench.sync().await.exits(69).says(&["500"]);
    }
    assert_eq!(bench.passes("state"), ["running"]);
    bench
}

/// As if the failures had begun so long ago.
fn age_setbacks(bench: &Bench, minutes: i64) {
    let db = bench.db_to_write();
    let of = "key = 'setbacks'";
    let stored: String = bench.one(&format!("SELECT value FROM mirror_meta WHERE {of}"));
    let mut setbacks: Value = serde_json::from_str(&stored).unwrap();
    setbacks["first_at"] = format_timestamp(Utc::now() - TimeDelta::minutes(minutes)).into();
    let update = format!("UPDATE mirror_meta SET value = ?1 WHERE {of}");
    db.execute(&update, [setbacks.to_string()]).unwrap();
}

#[tokio::test]
async fn a_page_that_never_comes_is_given_up_by_sync_after_a_while() {
    let bench = stuck().await;
    age_setbacks(&bench, 11);
    // The first page comes, so it is this cursor: a new pass begins. It gets as far.
    bench.sync().await.exits(69).says(&["2 pages are kept"]);
    assert_eq!(bench.passes("state"), ["abandoned", "running"]);
    assert!(bench.passes("ifnull(error, '')")[0].contains("the first one can"));
    bench.sim.clear_faults();
    assert_eq!(bench.synced().await["pass_id"], 2);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_page_that_fails_for_a_short_while_is_not_given_up() {
    let bench = stuck().await;
    age_setbacks(&bench, 9);
    bench.sync().await.exits(69);
    age_setbacks(&bench, 11); // the seventh is tried as ever
    bench.sync().await.exits(69);
    assert_eq!(bench.passes("state"), ["running"]);
    bench.sim.clear_faults();
    assert_eq!(bench.synced().await["pass_id"], 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_checkpoint_is_kept_where_no_page_comes_at_all() {
    let bench = stuck().await;
    age_setbacks(&bench, 11);
    let down = |page| -> FaultPlan { internal_error().on_page(page).forever() };
    bench.sim.push_fault(down(1));
    for _ in 0..3 {
        bench.sync().await.exits(69).says(&["2 pages are kept"]);
    }
    assert_eq!(bench.passes("state"), ["running"]);
    bench.sim.clear_faults();
    assert_eq!(bench.synced().await["pass_id"], 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_page_that_comes_begins_the_count_anew() {
    let bench = stuck().await;
    age_setbacks(&bench, 11);
    bench.sim.clear_faults();
    bench.sim.push_fault(internal_error().on_page(4).forever());
    // Page 3 would be looked at from the first page on; but one run got it before.
    let setbacks = "SELECT value FROM mirror_meta WHERE key = 'setbacks'";
    bench
        .db_to_write()
        .execute_batch(
            "UPDATE mirror_meta SET value = json_set(value, '$.count', 5) WHERE key = 'setbacks'",
        )
        .unwrap();
    bench.sync().await.exits(69).says(&["3 pages are kept"]);
    let stored: String = bench.one(setbacks);
    assert!(stored.contains("\"count\":1"), "{stored}");
    bench.sim.clear_faults();
    assert_eq!(bench.synced().await["pass_id"], 1);
}
