//! Promise 13: a rejected cursor costs one new pass, and its age is a lesson.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use customer_mirror::model::format_timestamp;
use customer_mirror::simulator::{Fault, Listing, Options};
use rstest::rstest;

use crate::support::Bench;

async fn five_pages() -> Bench {
    Bench::of(Listing::seeded(13, 48)).await
}

impl Bench {
    /// Makes the checkpoint as old as if its last page had been committed so many minutes ago.
    fn age_checkpoint(&self, minutes: i64) {
        let at = format_timestamp(Utc::now() - TimeDelta::minutes(minutes));
        let changed = self
            .db_to_write()
            .execute("UPDATE pass_pages SET committed_at = ?1", [at])
            .unwrap();
        assert!(changed > 0);
    }

    /// The cursors of the requests from `number` (from 1) on.
    fn asked_from(&self, number: u64) -> Vec<Option<String>> {
        let requests = self.sim.requests().into_iter();
        requests
            .filter(|request| request.number >= number)
            .map(|request| request.cursor)
            .collect()
    }
}

#[rstest]
#[tokio::test]
async fn a_rejected_cursor_begins_a_new_pass_in_the_same_run(
    #[values(400, 404, 410, 422)] status: u16,
) {
    let bench = five_pages().await;
    bench
        .sim
        .push_fault(Fault::RejectCursor { status }.on_page(3));
    let report = bench.synced().await;
    assert_eq!(
        (&report["pass_id"], &report["records"]),
        (&2.into(), &48.into())
    );
    assert_eq!(bench.passes("state"), ["abandoned", "complete"]);
    assert!(bench.passes("ifnull(error, '')")[0].contains(&status.to_string()));
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_second_rejection_fails_the_run() {
    let bench = five_pages().await;
    bench
        .sim
        .push_fault(Fault::RejectCursor { status: 410 }.on_page(3).times(2));
    let run = bench.sync().await;
    run.exits(69).says(&["410", "cursor"]);
    assert_eq!(run.report()["state"], "failed");
    assert_eq!(bench.passes("state"), ["abandoned", "failed"]);
    assert_eq!(bench.sim.request_count(), 6);

    let report = bench.synced().await;
    assert_eq!(
        (&report["pass_id"], &report["resumed"]),
        (&3.into(), &0.into())
    );
    bench.assert_mirrors();
}

#[rstest]
#[tokio::test]
async fn a_checkpoint_whose_cursor_has_expired_is_given_up(#[values(400, 410)] status: u16) {
    let bench = Bench::with(Options {
        listing: Listing::seeded(13, 48),
        cursor_lifetime: Some(Duration::from_mins(10)),
        cursor_refusal_status: status,
        ..Options::default()
    })
    .await;
    bench.sync_stopped_at_request(3).await;
    bench.sim.advance_clock(Duration::from_mins(11));
    assert_eq!(bench.synced().await["pass_id"], 2);
    assert_eq!(bench.passes("state"), ["abandoned", "complete"]);
    bench.assert_mirrors();
}

#[tokio::test]
async fn an_older_checkpoint_than_one_that_was_rejected_is_not_tried() {
    let bench = five_pages().await;
    bench.sync_stopped_at_request(3).await;
    bench.age_checkpoint(60);
    bench.sim.expire_all_cursors();
    bench.synced().await;

    // Older: the first request asks for the first page.
    let request = bench.sim.request_count() + 3;
    bench.sync_stopped_at_request(request).await;
    bench.age_checkpoint(61);
    assert_eq!(bench.synced().await["resumed"], 0);
    assert_eq!(bench.asked_from(request + 1)[0], None);
    assert_eq!(
        bench.passes("state"),
        ["abandoned", "complete", "abandoned", "complete"]
    );

    // Younger: it goes on.
    let request = bench.sim.request_count() + 3;
    bench.sync_stopped_at_request(request).await;
    bench.age_checkpoint(50);
    assert_eq!(bench.synced().await["resumed"], 1);
    assert!(bench.asked_from(request + 1)[0].is_some());
    bench.assert_mirrors();
}

#[tokio::test]
async fn a_checkpoint_from_the_future_is_tried() {
    let bench = five_pages().await;
    bench.sync_stopped_at_request(3).await;
    bench.age_checkpoint(60);
    bench.sim.expire_all_cursors();
    bench.synced().await;
    let request = bench.sim.request_count() + 3;
    bench.sync_stopped_at_request(request).await;
    bench.age_checkpoint(-120); // the clock was set back
    assert_eq!(bench.synced().await["resumed"], 1);
    bench.assert_mirrors();
}
