//! Promises 3 and 4: absences become tombstones when they are confirmed, and never too many at once without being asked.

use chrono::Utc;
use customer_mirror::mirror::{Decided, Reader};
use customer_mirror::simulator::{BadId, Fault, Listing};
use rstest::rstest;

use crate::support::{Bench, customer, customers};

impl Bench {
    /// A synced mirror of customers c1 to c`count`, whose absences are believed after so many passes.
    async fn synced_of(count: u32, confirm_passes: u32) -> Self {
        let mut bench = Self::of(customers(1..=count)).await;
        bench.set("deletions.confirm_passes", &confirm_passes.to_string());
        bench.synced().await;
        bench
    }

    fn is_live(&self, id: &str) -> bool {
        self.live().iter().any(|live| live == id)
    }

    /// What the change feed tells of a customer.
    fn changes(&self, id: &str) -> Vec<String> {
        self.column(&format!(
            "SELECT kind || ' ' || changed_fields || ' ' || ifnull(before, '-') FROM customer_changes
             WHERE customer_id = '{id}' ORDER BY seq"
        ))
    }

    fn held(&self) -> Option<i64> {
        let held = Reader::open(&self.db_path()).unwrap().held_sweep().unwrap();
        held.map(|held| held.customers)
    }
}

#[rstest]
#[tokio::test]
async fn an_absence_is_confirmed_before_the_tombstone(#[values(1, 2, 3)] confirm_passes: u32) {
    let bench = Bench::synced_of(30, confirm_passes).await;
    bench.sim.set_listing(customers(1..=29));
    for _ in 1..confirm_passes {
        assert_eq!(bench.synced().await["deleted"], 0);
        assert!(bench.is_live("c30"));
    }
    let report = bench.synced().await;
    assert_eq!(
        (&report["deleted"], &report["sweep"]),
        (&1.into(), &"done".into())
    );
    bench.assert_mirrors();
    // The tombstone is kept, with all that was known.
    assert_eq!(
        bench.one::<String>("SELECT raw FROM customers WHERE deleted_at IS NOT NULL"),
        customer("c30", "")
    );
    assert_eq!(
        bench.changes("c30"),
        ["created [] -", r#"deleted [] {"customerId":"c30"}"#]
    );
    // It happens once.
    assert_eq!(bench.synced().await["deleted"], 0);
    assert_eq!(bench.changes("c30").len(), 2);
}

#[tokio::test]
async fn being_seen_again_resets_the_count() {
    let bench = Bench::synced_of(30, 2).await;
    for last in [29, 30, 29] {
        bench.sim.set_listing(customers(1..=last));
        assert_eq!(bench.synced().await["deleted"], 0);
        assert!(bench.is_live("c30"));
    }
    assert_eq!(bench.synced().await["deleted"], 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn only_complete_passes_count() {
    let bench = Bench::synced_of(30, 2).await;
    bench.sim.set_listing(customers(1..=29));
    assert_eq!(bench.synced().await["deleted"], 0);

    bench.sim.push_fault(Fault::Cycle.on_page(3));
    bench.sync().await.exits(76);
    for _ in 0..2 {
        let request = bench.sim.request_count() + 2;
        bench.sync_stopped_at_request(request).await;
    }
    bench
        .sim
        .push_fault(Fault::RejectCursor { status: 410 }.once());
    let request = bench.sim.request_count() + 3; // refused, and the first two pages of another pass
    bench.sync_stopped_at_request(request).await;
    assert_eq!(
        bench.passes("state"),
        ["complete", "complete", "failed", "abandoned", "running"]
    );
    assert!(bench.is_live("c30"));

    assert_eq!(bench.synced().await["deleted"], 1);
    bench.assert_mirrors();
}

#[rstest]
#[case::the_same("", r#"restored [] {"customerId":"c30"}"#)]
#[case::changed(r#","name":"N"}"#, r#"restored ["/name"] {"customerId":"c30"}"#)]
#[tokio::test]
async fn a_customer_that_comes_back_is_restored(#[case] rest: &str, #[case] change: &str) {
    let bench = Bench::synced_of(30, 1).await;
    bench.sim.set_listing(customers(1..=29));
    assert_eq!(bench.synced().await["deleted"], 1);

    let back = customer("c30", rest.trim_end_matches('}'));
    let records = customers(1..=29).iter().chain([back]).collect::<Vec<_>>();
    bench.sim.set_listing(Listing::explicit(records));
    let report = bench.synced().await;
    assert_eq!(
        (&report["restored"], &report["created"]),
        (&1.into(), &0.into())
    );
    bench.assert_mirrors();
    assert_eq!(bench.changes("c30")[2..], [change]);
    assert_eq!(bench.synced().await["restored"], 0);
}

#[rstest]
#[case::few_are_always_allowed(100, 20, false)]
#[case::over_both_limits(100, 21, true)]
#[case::many_but_within_the_percentage(300, 30, false)]
#[case::one_over_the_percentage(300, 31, true)]
#[case::most_of_a_small_mirror(20, 19, false)]
#[tokio::test]
async fn too_many_deletions_are_held(#[case] live: u32, #[case] gone: u32, #[case] is_held: bool) {
    let mut bench = Bench::of(customers(1..=live)).await;
    bench
        .set("deletions.confirm_passes", "1")
        .set("api.page_size", "1000");
    bench.synced().await;
    bench.sim.set_listing(customers(1..=live - gone));
    let run = bench.sync().await;
    let report = run.report();
    assert_eq!(report["state"], "complete");
    if is_held {
        run.exits(65)
            .says(&["held", &gone.to_string(), "deletions"]);
        assert_eq!(
            (&report["sweep"], &report["deleted"]),
            (&"held".into(), &0.into())
        );
        assert_eq!(bench.live().len(), live as usize);
        assert_eq!(bench.held(), Some(i64::from(gone)));
    } else {
        run.exits(0);
        assert_eq!(
            (&report["sweep"], &report["deleted"]),
            (&"done".into(), &gone.into())
        );
        assert_eq!(bench.held(), None);
        bench.assert_mirrors();
    }
}

#[tokio::test]
async fn the_limits_are_settings() {
    let mut bench = Bench::synced_of(30, 1).await;
    bench
        .set("deletions.max_percent", "0")
        .set("deletions.always_allow", "0");
    bench.sim.set_listing(customers(1..=29));
    bench.sync().await.exits(65);
    bench.set("deletions.max_percent", "100");
    bench.sync().await.exits(0);
    bench.assert_mirrors();
}

#[tokio::test]
async fn an_empty_listing_is_held_however_few_are_live_and_however_often_it_comes() {
    let bench = Bench::synced_of(3, 2).await;
    bench.sim.set_listing(customers([]));
    for _ in 0..3 {
        bench.sync().await.exits(65).says(&["held", "3"]);
        assert_eq!(bench.live().len(), 3);
    }
    assert_eq!(
        bench.passes("sweep"),
        ["done", "superseded", "superseded", "held"]
    );

    // It was a fault of the server: all are there again, and nothing is left of the count.
    bench.sim.set_listing(customers(1..=3));
    bench.synced().await;
    bench.sim.set_listing(customers(1..=2));
    assert_eq!(bench.synced().await["deleted"], 0);
    assert_eq!(bench.synced().await["deleted"], 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn an_empty_listing_of_an_empty_mirror_is_nothing_to_ask_about() {
    let bench = Bench::synced_of(0, 1).await;
    assert_eq!(bench.synced().await["sweep"], "done");
}

/// 100 live customers of which 40 are held.
async fn held() -> Bench {
    let bench = Bench::synced_of(100, 1).await;
    bench.sim.set_listing(customers(1..=60));
    bench.sync().await.exits(65);
    bench
}

#[tokio::test]
async fn a_held_sweep_that_is_approved_makes_tombstones() {
    let bench = held().await;
    let decided = bench.mirror().approve_held_sweep(Utc::now()).unwrap();
    assert_eq!(
        decided,
        Some(Decided {
            pass_id: 2,
            customers: 40
        })
    );
    bench.assert_mirrors();
    assert_eq!(
        bench.passes("sweep || ' ' || deleted"),
        ["done 0", "approved 40"]
    );
    assert_eq!(
        bench.changes("c61")[1..],
        [r#"deleted [] {"customerId":"c61"}"#]
    );
    assert_eq!(bench.held(), None);
    assert_eq!(bench.mirror().approve_held_sweep(Utc::now()).unwrap(), None);
    // The next pass finds nothing to do.
    let report = bench.synced().await;
    assert_eq!(
        (&report["deleted"], &report["unchanged"]),
        (&0.into(), &60.into())
    );
}

#[tokio::test]
async fn a_held_sweep_that_is_discarded_counts_anew() {
    let mut bench = held().await;
    bench.set("deletions.confirm_passes", "2");
    let decided = bench.mirror().discard_held_sweep().unwrap();
    assert_eq!(
        decided,
        Some(Decided {
            pass_id: 2,
            customers: 40
        })
    );
    assert_eq!(bench.live().len(), 100);
    assert_eq!(
        bench.passes("sweep || ' ' || deleted"),
        ["done 0", "discarded 0"]
    );
    assert_eq!(bench.held(), None);
    bench.synced().await;
    assert_eq!(bench.live().len(), 100);
    bench.sync().await.exits(65);
}

#[tokio::test]
async fn the_next_complete_pass_judges_a_held_sweep_afresh() {
    let bench = held().await;
    bench.sync().await.exits(65);
    assert_eq!(bench.passes("sweep"), ["done", "superseded", "held"]);
    bench.sim.set_listing(customers(1..=95));
    assert_eq!(bench.synced().await["deleted"], 5);
    assert_eq!(
        bench.passes("sweep"),
        ["done", "superseded", "superseded", "done"]
    );
    bench.assert_mirrors();
    // Too late: what was held is history.
    assert_eq!(bench.mirror().approve_held_sweep(Utc::now()).unwrap(), None);
    assert_eq!(bench.mirror().discard_held_sweep().unwrap(), None);
}

#[tokio::test]
async fn approval_spares_whom_a_later_unfinished_pass_has_listed() {
    let bench = held().await;
    bench.sim.set_listing(customers(1..=80));
    let request = bench.sim.request_count() + 8;
    bench.sync_stopped_at_request(request).await; // customers 1 to 70
    let decided = bench.mirror().approve_held_sweep(Utc::now()).unwrap();
    assert_eq!(
        decided,
        Some(Decided {
            pass_id: 2,
            customers: 30
        })
    );
    assert!(bench.is_live("c70") && !bench.is_live("c71"));

    let report = bench.synced().await;
    assert_eq!(
        (&report["restored"], &report["deleted"]),
        (&10.into(), &0.into())
    );
    bench.assert_mirrors();
    assert_eq!(bench.changes("c70").len(), 1);
}

#[tokio::test]
async fn a_pass_with_a_nameless_record_does_not_sweep() {
    let bench = Bench::synced_of(30, 2).await;
    bench.sim.set_listing(customers(1..=29));
    bench.synced().await;
    for bad in [BadId::Missing, BadId::Number, BadId::Empty] {
        // c6 is on the page, but nobody can tell.
        bench.sim.push_fault(Fault::BadRecord(bad).on_page(1));
        let report = bench.synced().await;
        assert_eq!(
            (&report["quarantined"], &report["sweep"]),
            (&1.into(), &"none".into())
        );
        assert_eq!(bench.live().len(), 30);
    }
    // Such a pass did not count as one without c6 either.
    assert_eq!(bench.synced().await["deleted"], 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_quarantined_customer_with_a_name_counts_as_seen() {
    let bench = Bench::synced_of(30, 1).await;
    bench.sim.set_listing(customers(1..=29));
    bench.sim.push_fault(Fault::GarbageUtf8.on_page(1)); // c10
    let report = bench.synced().await;
    assert_eq!(
        (&report["quarantined"], &report["deleted"]),
        (&1.into(), &1.into())
    );
    bench.assert_mirrors();
}

#[tokio::test]
async fn strict_tells_of_quarantined_records_by_the_exit_status() {
    let bench = Bench::synced_of(30, 1).await;
    bench.sim.push_fault(Fault::GarbageUtf8.on_page(1));
    let run = bench.run(&["sync", "--strict", "--json"]).await;
    run.exits(65).says(&["1", "quarantine"]);
    assert_eq!(run.report()["state"], "complete");
    bench.run(&["sync", "--strict"]).await.exits(0);
}

/// What a server without a stable order does to a walk; waiting for a second pass is what it is for.
#[tokio::test]
async fn rows_that_a_walk_skipped_are_not_deleted() {
    let bench = Bench::synced_of(50, 2).await;
    bench.sim.push_fault(Fault::Skip { rows: 3 }.on_page(1));
    assert_eq!(bench.synced().await["records"], 47);
    bench.sim.push_fault(Fault::Skip { rows: 3 }.on_page(3));
    assert_eq!(bench.synced().await["records"], 47);
    bench.assert_mirrors();
    bench.synced().await;
    bench.assert_mirrors();
    assert_eq!(bench.one::<i64>("SELECT sum(deleted) FROM passes"), 0);
}
