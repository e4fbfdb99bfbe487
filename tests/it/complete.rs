//! Promise 2: a pass is complete only if proven, and only a complete pass sweeps.

use customer_mirror::simulator::{Fault, FaultPlan, LastPage, Listing, Options};
use rstest::rstest;

use crate::support::{Bench, customers};

/// A mirror of 50 customers, of which the last page's are not listed any more; one complete pass is enough to delete them.
async fn with_absences() -> Bench {
    let mut bench = Bench::of(customers(1..=50)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_listing(customers(1..=45));
    bench
}

/// The next complete pass does what the failed ones must not.
async fn assert_next_pass_sweeps(bench: &Bench) {
    bench.sim.clear_faults();
    assert_eq!(bench.synced().await["deleted"], 5);
    bench.assert_mirrors();
}

#[rstest]
#[case::the_same_cursor(Fault::SameCursor.on_page(3))]
#[case::the_same_cursor_on_the_last_page(Fault::SameCursor.on_page(5))]
#[case::a_b_a(Fault::Cycle.on_page(4))]
#[case::a_b_a_on_the_last_page(Fault::Cycle.on_page(5))]
#[tokio::test]
async fn a_listing_that_runs_in_a_circle_fails(#[case] fault: FaultPlan) {
    let bench = with_absences().await;
    bench.sim.push_fault(fault.forever());
    let run = bench.sync().await;
    run.exits(76).says(&["circle", "nothing was deleted"]);
    let report = run.report();
    assert_eq!(
        (&report["state"], &report["sweep"]),
        (&"failed".into(), &"none".into())
    );
    assert_eq!(bench.live().len(), 50);
    assert_next_pass_sweeps(&bench).await;
}

#[tokio::test]
async fn a_circle_through_a_restart_is_found() {
    let bench = with_absences().await;
    let first_request = bench.sim.request_count() + 1;
    bench.sync_killed_at_request(first_request + 3).await;
    assert!(bench.one::<i64>("SELECT pages FROM passes WHERE state = 'running'") >= 2);
    // Page 4 leads back to page 3, whose cursor the killed process had got with page 2.
    bench.sim.push_fault(Fault::Cycle.on_page(4));
    let run = bench.sync().await;
    run.exits(76).says(&["circle", "page 2"]);
    assert_eq!(run.report()["resumed"], 1);
    assert_eq!(bench.passes("state"), ["complete", "failed"]);
    assert_eq!(bench.live().len(), 50);
    assert_next_pass_sweeps(&bench).await;
}

#[rstest]
#[case::no_pagination_on_the_last_page(Fault::WrongShape.on_page(5), 76)]
#[case::no_pagination_on_the_first_page(Fault::WrongShape.on_page(1), 76)]
#[case::json_that_breaks_off(Fault::Malformed.on_page(5), 76)]
#[case::a_page_of_a_proxy(Fault::Html { status: 200 }.on_page(5), 76)]
#[case::no_answer(Fault::Reset.on_page(5), 69)]
#[tokio::test]
async fn a_walk_without_a_proven_end_never_sweeps(#[case] fault: FaultPlan, #[case] status: i32) {
    let mut bench = with_absences().await;
    if status == 69 {
        bench.set("retry.max_elapsed", "\"200ms\"");
    }
    bench.sim.push_fault(fault.forever());
    for _ in 0..2 {
        let run = bench.sync().await;
        run.exits(status);
        let report = run.report();
        assert_eq!(
            (&report["state"], &report["sweep"]),
            (&"running".into(), &"none".into())
        );
        assert_eq!(bench.live().len(), 50);
    }
    assert_next_pass_sweeps(&bench).await;
}

#[rstest]
#[case::empty(Fault::EmptyPage)]
#[case::short(Fault::ShortPage)]
#[tokio::test]
async fn a_page_in_the_middle_that_is_not_full_is_not_the_end(#[case] fault: Fault) {
    let bench = with_absences().await;
    bench.sim.push_fault(fault.clone().on_page(1));
    bench.sim.push_fault(fault.on_page(3));
    let report = bench.synced().await;
    assert_eq!(
        (&report["records"], &report["deleted"]),
        (&45.into(), &5.into())
    );
    assert!(report["pages"].as_i64() > Some(5), "{report}");
    bench.assert_mirrors();
}

#[rstest]
#[tokio::test]
async fn every_form_of_a_last_page_is_one(
    #[values(LastPage::Null, LastPage::Absent, LastPage::Empty)] last_page: LastPage,
    #[values(0, 1, 10, 25)] count: u32,
) {
    let bench = Bench::with(Options {
        listing: customers(1..=count),
        last_page,
        ..Options::default()
    })
    .await;
    assert_eq!(bench.synced().await["records"], count);
    bench.assert_mirrors();
}

#[tokio::test]
async fn rows_that_move_and_come_twice_are_mirrored_once() {
    let bench = Bench::of(Listing::seeded(3, 60)).await;
    bench.sim.push_fault(Fault::Shift { rows: 4 }.on_page(3));
    bench.sim.push_fault(Fault::Duplicate.on_page(5));
    let report = bench.synced().await;
    assert!(report["records"].as_i64() > Some(60), "{report}");
    assert_eq!(report["created"], 60);
    bench.assert_mirrors();
}

#[rstest]
#[case::a_page_is_missing("DELETE FROM pass_pages WHERE page = 2")]
#[case::the_first_page_is_missing("DELETE FROM pass_pages WHERE page = 1")]
#[case::the_chain_is_broken("UPDATE pass_pages SET next_cursor = NULL WHERE page = 1")]
#[tokio::test]
async fn a_walk_whose_record_is_damaged_proves_nothing(#[case] damage: &str) {
    let bench = with_absences().await;
    let request = bench.sim.request_count() + 4;
    bench.sync_stopped_at_request(request).await;
    bench.db_to_write().execute_batch(damage).unwrap();
    let run = bench.sync().await;
    run.exits(70).says(&["proven", "nothing was deleted"]);
    assert_eq!(run.report()["state"], "failed");
    assert_eq!(bench.live().len(), 50);
    assert_next_pass_sweeps(&bench).await;
}

#[tokio::test]
async fn freshness_tells_of_complete_passes_only() {
    let bench = Bench::of(customers(1..=50)).await;
    let freshness =
        "SELECT ifnull(pass_id, '-') || ' ' || ifnull(finished_at, '-') FROM mirror_freshness";
    bench.sync_stopped_at_request(3).await;
    assert_eq!(bench.column::<String>(freshness), ["- -"]);
    bench.sim.push_fault(Fault::Cycle.on_page(4));
    bench.sync().await.exits(76);
    assert_eq!(bench.column::<String>(freshness), ["- -"]);

    let report = bench.synced().await;
    let fresh = format!("2 {}", report["finished_at"].as_str().unwrap());
    assert_eq!(bench.column::<String>(freshness), [fresh.as_str()]);
    bench.sim.push_fault(Fault::Cycle.on_page(3));
    bench.sync().await.exits(76);
    assert_eq!(bench.column::<String>(freshness), [fresh.as_str()]);
}
