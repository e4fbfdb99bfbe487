//! Promise 8: readers never wait for the writer, and never see half a page or half a sweep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use customer_mirror::simulator::Listing;
use rusqlite::Connection;

use crate::support::{Bench, customers};

/// A reader that fails rather than waits.
fn impatient(bench: &Bench) -> Connection {
    let db = bench.db();
    db.busy_timeout(Duration::ZERO).unwrap();
    db
}

fn count(db: &Connection) -> i64 {
    db.query_row("SELECT count(*) FROM live_customers", [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was() {
    let mut bench = Bench::of(customers(1..=50)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    let reader = impatient(&bench);
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&reader), 50);

    bench.sim.set_listing(customers(11..=90));
    let request = bench.sim.request_count() + 7;
    bench.sync_stopped_at_request(request).await;
    assert_eq!(count(&reader), 50);
    assert_eq!(count(&impatient(&bench)), 70); // c1 to c10 until the sweep, c11 to c70
    assert_eq!(bench.synced().await["deleted"], 10);
    assert_eq!(count(&reader), 50);
    assert_eq!(
        reader
            .query_row(
                "SELECT name FROM customers WHERE customer_id = 'c1' AND deleted_at IS NULL",
                [],
                |row| { row.get::<_, Option<String>>(0) }
            )
            .unwrap(),
        None
    );
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(&reader), 80);
    bench.assert_mirrors();
}

/// Reads a query of one number as fast as it can while `work` goes on; returns the different numbers, in their order.
async fn read_during(bench: &Bench, sql: &'static str, work: impl Future<Output = ()>) -> Vec<i64> {
    let db = impatient(bench);
    let is_over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&is_over);
    let read = move || db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let mut numbers = vec![read()];
    let reader = tokio::task::spawn_blocking(move || {
        while !seen.load(Ordering::Relaxed) {
            let number = read();
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
        }
        numbers
    });
    work.await;
    is_over.store(true, Ordering::Relaxed);
    reader.await.unwrap()
}

#[tokio::test]
async fn nobody_sees_half_a_page() {
    let bench = Bench::of(customers(1..=10)).await;
    bench.synced().await;
    bench.sim.set_listing(customers(1..=600));
    let sql = "SELECT count(*) - (SELECT sum(created) FROM passes) + 1000 * (count(*) % 10) FROM customers";
    let sync = async {
        assert_eq!(bench.synced().await["created"], 590);
    };
    assert_eq!(read_during(&bench, sql, sync).await, [0]);
}

#[tokio::test]
async fn nobody_sees_half_a_sweep() {
    let mut bench = Bench::of(customers(1..=900)).await;
    bench
        .set("deletions.confirm_passes", "1")
        .set("deletions.max_percent", "100")
        .set("api.page_size", "300");
    bench.synced().await;
    bench.sim.set_listing(customers(1..=300));
    let sync = async {
        assert_eq!(bench.synced().await["deleted"], 600);
    };
    let numbers = read_during(&bench, "SELECT count(*) FROM live_customers", sync).await;
    assert_eq!(numbers.first(), Some(&900));
    assert!(numbers == [900] || numbers == [900, 300], "{numbers:?}");
    assert_eq!(count(&bench.db()), 300);
}

#[tokio::test]
async fn an_old_reader_does_not_keep_the_writer_from_its_work() {
    let bench = Bench::of(Listing::seeded(41, 100)).await;
    bench.synced().await;
    let reader = impatient(&bench);
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(count(&reader), 100);
    for day in 2..6 {
        bench.sim.set_day(day);
        bench.synced().await;
    }
    assert_eq!(count(&reader), 100);
}
