//! A dry run says what a pass would do, and leaves everything as it is.

use customer_mirror::simulator::{BadId, Fault, Listing};
use rstest::rstest;
use serde_json::Value;

use crate::support::{Bench, bytes, customer, customers};

impl Bench {
    async fn dry_run(&self, status: i32) -> Value {
        let run = self.run(&["sync", "--dry-run", "--json"]).await;
        run.exits(status).report()
    }

    /// All that is in the mirror, as text.
    fn dump(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for table in self
            .column::<String>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        {
            let columns =
                self.column::<String>(&format!("SELECT name FROM pragma_table_info('{table}')"));
            let values = columns
                .iter()
                .map(|name| format!("quote({name})"))
                .collect::<Vec<_>>();
            let sql = format!("SELECT {} FROM {table}", values.join(" || ' ' || "));
            let rows = self.column::<String>(&sql);
            lines.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        lines
    }
}

/// c1 unchanged, c2 changed, c3 back from its tombstone, c4 gone, c5 new and listed twice, c6 unreadable.
async fn with_some_of_everything(nameless: bool) -> Bench {
    let mut bench = Bench::of(customers(1..=4)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench.sim.set_listing(customers([1, 2, 4]));
    bench.synced().await;
    let mut records = vec![
        customer("c1", ""),
        customer("c2", r#","name":"N""#),
        customer("c3", ""),
        customer("c5", ""),
        customer("c5", ""),
    ];
    if nameless {
        records.push("{}".to_owned());
    }
    bench.sim.set_listing(Listing::explicit(records));
    bench
}

#[rstest]
#[case(false, 1)]
#[case(true, 0)]
#[tokio::test]
async fn it_says_what_the_pass_then_does(#[case] nameless: bool, #[case] deleted: i64) {
    let bench = with_some_of_everything(nameless).await;
    let (file, rows) = (bytes(&bench.db_path()), bench.dump());
    let forecast = bench.dry_run(0).await;
    assert_eq!(forecast["absent"], 1);
    assert_eq!(forecast["deleted"], deleted);
    assert_eq!(bytes(&bench.db_path()), file);
    assert_eq!(bench.dump(), rows);

    let report = bench.synced().await;
    for count in [
        "pages",
        "records",
        "created",
        "updated",
        "unchanged",
        "restored",
        "quarantined",
        "deleted",
    ] {
        assert_eq!(
            forecast[count], report[count],
            "{count}: {forecast} {report}"
        );
    }
    assert!(bench.dump() != rows);
}

#[tokio::test]
async fn without_a_mirror_it_makes_none() {
    let bench = Bench::of(customers(1..=25)).await;
    let run = bench.run(&["sync", "--dry-run"]).await;
    assert!(
        run.exits(0).stdout.contains("would create 25, update 0"),
        "{run:?}"
    );
    let files: Vec<_> = std::fs::read_dir(bench.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, ["config.toml"]);
}

#[tokio::test]
async fn it_counts_absences_and_holds_as_the_pass_would() {
    let mut bench = Bench::of(customers(1..=100)).await;
    bench.synced().await;
    bench.sim.set_listing(customers(1..=50));
    let count =
        |report: &Value| ["absent", "deleted", "held"].map(|name| report[name].as_i64().unwrap());
    // One pass has to confirm another.
    assert_eq!(count(&bench.dry_run(0).await), [50, 0, 0]);
    bench.synced().await;
    assert_eq!(count(&bench.dry_run(65).await), [50, 0, 50]);
    bench.set("deletions.max_percent", "50");
    assert_eq!(count(&bench.dry_run(0).await), [50, 50, 0]);
    bench.sim.set_listing(customers([]));
    assert_eq!(count(&bench.dry_run(65).await), [100, 0, 100]);
    assert_eq!(bench.live().len(), 100);
}

#[tokio::test]
async fn an_interrupted_pass_stays_as_it_is() {
    let bench = Bench::of(customers(1..=50)).await;
    bench.sync_stopped_at_request(3).await;
    let rows = bench.dump();
    let forecast = bench.dry_run(0).await;
    assert_eq!(
        (
            &forecast["pages"],
            &forecast["unchanged"],
            &forecast["created"]
        ),
        (&5.into(), &20.into(), &30.into())
    );
    assert_eq!(bench.dump(), rows);
    assert_eq!(bench.synced().await["resumed"], 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn it_works_beside_a_writer() {
    let bench = Bench::of(customers(1..=50)).await;
    bench.sim.hold_request(3);
    let running = bench.spawn(&["sync"]);
    bench.sim.wait_for_requests(3).await;
    assert_eq!(bench.dry_run(0).await["records"], 50);
    bench.sim.release();
    running.end().await.exits(0);
    bench.assert_mirrors();
}

#[rstest]
#[case::a_circle(Fault::Cycle, 76, "circle")]
#[case::no_page(Fault::WrongShape, 76, "pagination")]
#[case::no_key(Fault::EchoKey, 77, "[key]")]
#[case::a_rejected_cursor(Fault::RejectCursor { status: 410 }, 69, "410")]
#[tokio::test]
async fn it_fails_as_a_pass_fails(#[case] fault: Fault, #[case] status: i32, #[case] said: &str) {
    let bench = Bench::of(customers(1..=50)).await;
    bench.sim.push_fault(fault);
    bench
        .run(&["-q", "sync", "--dry-run"])
        .await
        .exits(status)
        .says(&[said])
        .says_nothing_else();
    assert!(!bench.db_path().exists());
}

#[tokio::test]
async fn it_can_be_stopped_and_be_strict() {
    let bench = Bench::of(customers(1..=50)).await;
    bench.sim.push_fault(Fault::Stall.on_page(2));
    let running = bench.spawn(&["sync", "--dry-run"]);
    bench.sim.wait_for_answers(2).await;
    running.signal("INT").await;
    running
        .end()
        .await
        .exits(130)
        .says(&["nothing was written"]);

    bench
        .sim
        .push_fault(Fault::BadRecord(BadId::Empty).on_page(1));
    let run = bench
        .run(&["sync", "--dry-run", "--strict", "--json"])
        .await;
    assert_eq!(run.exits(65).report()["quarantined"], 1);
}
