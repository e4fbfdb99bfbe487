//! Promise 7 as a consumer sees it: the feed is whole, in order, and says so where it is not.

use std::collections::BTreeMap;

use customer_mirror::simulator::Listing;
use rstest::rstest;
use serde_json::Value;

use crate::support::{Bench, Running, customer, customers};

impl Bench {
    /// The objects that `changes` prints into a pipe.
    async fn feed(&self, arguments: &[&str]) -> Vec<Value> {
        let run = self.run(&[&["changes"], arguments].concat()).await;
        run.exits(0);
        parsed(&run.stdout)
    }

    /// As a consumer far behind finds it: all changes so far are old, and the next pass prunes them.
    async fn prune(&self) {
        self.db_to_write()
            .execute_batch("UPDATE customer_changes SET changed_at = '2020-01-31T09:30:00.000Z'")
            .unwrap();
        self.synced().await;
    }
}

fn parsed(lines: &str) -> Vec<Value> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn words(changes: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let word = |change: &Value| {
        format!(
            "{} {} {}",
            change["seq"],
            text(&change["kind"]),
            text(&change["customer_id"])
        )
    };
    changes.iter().map(word).collect()
}

/// c1 to c4; c2 gets a name, c3 goes and comes back, c4 goes.
async fn eventful() -> Bench {
    let mut bench = Bench::of(customers(1..=4)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    let named = customer("c2", r#","referenceId":"r2","billing":{"balance": 1.50}"#);
    for listing in [
        vec![customer("c1", ""), named.clone()],
        vec![
            customer("c1", ""),
            named,
            customer("c3", r#","name":"back""#),
        ],
    ] {
        bench.sim.set_listing(Listing::explicit(listing));
        bench.synced().await;
    }
    bench
}

/// The table that a consumer makes of the feed.
fn applied(changes: &[Value]) -> BTreeMap<String, Value> {
    let mut table = BTreeMap::new();
    for change in changes {
        let id = change["customer_id"].as_str().unwrap().to_owned();
        assert_eq!(
            table.get(&id).unwrap_or(&Value::Null),
            &change["before"],
            "{change}"
        );
        if change["kind"] == "deleted" {
            assert_eq!(change["after"], Value::Null);
            // What came before a return is the record from before the deletion.
        } else {
            table.insert(id, change["after"].clone());
        }
    }
    table
}

#[tokio::test]
async fn the_feed_applied_is_the_mirror() {
    let bench = eventful().await;
    let changes = bench.feed(&[]).await;
    assert_eq!(
        words(&changes),
        [
            "1 created c1",
            "2 created c2",
            "3 created c3",
            "4 created c4",
            "5 updated c2",
            "6 deleted c3",
            "7 deleted c4",
            "8 restored c3",
        ]
    );
    let table = applied(&changes);
    let rows: Vec<String> = bench.column("SELECT raw FROM customers ORDER BY customer_id");
    let rows: Vec<Value> = rows
        .iter()
        .map(|raw| serde_json::from_str(raw).unwrap())
        .collect();
    assert_eq!(table.into_values().collect::<Vec<_>>(), rows);

    let keys: Vec<_> = changes[4]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "after",
            "before",
            "changed_at",
            "changed_fields",
            "customer_id",
            "kind",
            "pass_id",
            "reference_id",
            "seq"
        ]
    );
    assert_eq!(
        changes[4]["changed_fields"],
        serde_json::json!(["/billing", "/referenceId"])
    );
    assert_eq!(
        (&changes[4]["pass_id"], &changes[4]["reference_id"]),
        (&2.into(), &"r2".into())
    );
    let run = bench
        .run(&["changes", "--after", "4", "--limit", "1"])
        .await;
    assert!(
        run.stdout.contains(
            r#""after":{"customerId":"c2","referenceId":"r2","billing":{"balance": 1.50}}"#
        ),
        "{run:?}"
    );
}

#[tokio::test]
async fn the_feed_of_a_first_pass_under_way() {
    let records = (1..=30).map(|number| customer(&format!("c{number}"), ""));
    let again = [
        customer("c5", r#","name":"A""#),
        customer("c5", r#","name":"B""#),
    ];
    let bench = Bench::of(Listing::explicit(
        records.chain(again).chain([customer("c31", "")]),
    ))
    .await;
    bench.sync_stopped_before_last_page().await;
    let changes = bench.feed(&[]).await;
    assert_eq!(bench.passes("state"), ["running"]);
    assert_eq!(words(&changes[30..]), ["31 updated c5", "32 updated c5"]);
    assert_eq!(changes[4]["after"], serde_json::json!({"customerId": "c5"}));
    assert_eq!(changes[30]["after"]["name"], "A");
    assert_eq!(changes[31]["after"]["name"], "B");
    assert_eq!(bench.feed(&["--customer", "c5"]).await.len(), 3);
}

impl Bench {
    /// A pass that was stopped before its last page.
    async fn sync_stopped_before_last_page(&self) {
        let pages = self.sim.listing().iter().count() as u64;
        let mut command = self.command(&["sync"]);
        command.env("CUSTOMER_MIRROR__API__PAGE_SIZE", "1");
        self.sim.hold_request(pages);
        let running = Running::spawn(command);
        self.sim.wait_for_requests(pages).await;
        running.signal("TERM").await;
        running.end().await.exits(143);
        self.sim.release();
    }
}

#[tokio::test]
async fn a_consumer_is_told_of_every_gap() {
    let bench = eventful().await;
    let refused = async |after: &str, parts: &[&str]| {
        let run = bench.run(&["-q", "changes", "--after", after]).await;
        run.exits(66).says(parts).says_nothing_else();
        assert_eq!(run.stdout, "");
    };
    assert_eq!(bench.run(&["changes", "--position"]).await.stdout, "8\n");
    assert_eq!(bench.feed(&["--after", "8"]).await, Vec::<Value>::new());
    refused("9", &["no change 9 yet", "newest is 8", "export"]).await;
    assert_eq!(bench.feed(&["--after", "0"]).await.len(), 8);

    bench.prune().await;
    refused(
        "7",
        &[
            "changes 8 to 8 are not all in the feed",
            "2020-01-31",
            "export",
        ],
    )
    .await;
    refused("0", &["changes 1 to 8 "]).await;
    let run = bench.run(&["changes"]).await;
    run.exits(0);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("older changes are gone") && run.stderr.contains("2020-01-31"),
        "{run:?}"
    );
    assert_eq!(bench.run(&["-q", "changes"]).await.stderr, "");
    // Nothing is left, and it is known where to go on.
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM customer_changes"), 0);
    assert_eq!(bench.run(&["changes", "--position"]).await.stdout, "8\n");

    bench.sim.set_listing(customers(1..=4));
    bench.synced().await;
    let changes = bench.feed(&["--after", "8"]).await;
    assert_eq!(
        words(&changes),
        ["9 updated c2", "10 updated c3", "11 restored c4"]
    );
    assert_eq!(words(&bench.feed(&[]).await), words(&changes));
    refused("5", &["changes 6 to 8 "]).await;
}

#[tokio::test]
async fn what_was_pruned_earlier_is_remembered_when_more_goes() {
    let bench = eventful().await;
    let old = "UPDATE customer_changes SET changed_at = '2020-01-31T09:30:00.000Z' WHERE seq <= ";
    for seq in [3, 6] {
        bench
            .db_to_write()
            .execute_batch(&format!("{old} {seq}"))
            .unwrap();
        bench.synced().await;
        let through: i64 =
            bench.one("SELECT value FROM mirror_meta WHERE key = 'changes_missing_through'");
        assert_eq!(through, seq);
        let behind = (seq - 1).to_string();
        bench
            .run(&["-q", "changes", "--after", &behind])
            .await
            .exits(66);
        assert_eq!(
            bench.feed(&["--after", &seq.to_string()]).await.len() as i64,
            8 - seq
        );
    }
}

#[rstest]
#[case(&["--kind", "deleted,restored"], &["6 deleted c3", "7 deleted c4", "8 restored c3"])]
#[case(&["--kind", "deleted", "--kind", "updated", "--limit", "2"], &["5 updated c2", "6 deleted c3"])]
#[case(&["--customer", "c3"], &["3 created c3", "6 deleted c3", "8 restored c3"])]
#[case(&["--customer", "c4", "--after", "4"], &["7 deleted c4"])]
#[case(&["--customer", "r2"], &["2 created c2", "5 updated c2"])]
#[case(&["--customer", "c3", "--kind", "created"], &["3 created c3"])]
#[case(&["--since", "1h", "--after", "6"], &["7 deleted c4", "8 restored c3"])]
#[case(&["--since", "2020-01-31", "--limit", "1"], &["1 created c1"])]
#[case(&["--since", "9999-12-31T00:00:00Z"], &[])]
#[tokio::test]
async fn filters(#[case] arguments: &[&str], #[case] expected: &[&str]) {
    let bench = eventful().await;
    assert_eq!(words(&bench.feed(arguments).await), expected);
}

#[rstest]
#[case(&["--after", "-1"], 64)]
#[case(&["--after", "x"], 64)]
#[case(&["--since", "tomorrow"], 64)]
#[case(&["--kind", "vanished"], 64)]
#[case(&["--limit", "0"], 64)]
#[case(&["--position", "--after", "1"], 64)]
#[case(&["--customer", "nobody"], 66)]
#[tokio::test]
async fn arguments_without_sense(#[case] arguments: &[&str], #[case] status: i32) {
    let bench = Bench::of(customers(1..=1)).await;
    bench.run(&["changes", "--position"]).await.exits(66);
    bench.synced().await;
    let run = bench.run(&[&["-q", "changes"], arguments].concat()).await;
    run.exits(status);
    assert_eq!(run.stdout, "");
}

#[tokio::test]
async fn a_slow_reader_holds_nothing_up() {
    let listing = |version: u32| {
        Listing::explicit((1..=1200).map(move |number| {
            let long = "x".repeat(1000);
            customer(
                &format!("c{number}"),
                &format!(r#","v":{version},"x":"{long}""#),
            )
        }))
    };
    let mut bench = Bench::of(listing(1)).await;
    bench.set("api.page_size", "1000");
    bench.synced().await;
    let mut reading = bench.spawn(&["changes"]);
    let mut text = reading.line().await;

    bench.sim.set_listing(listing(2));
    bench.synced().await;
    let busy: i64 = bench
        .db_to_write()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(busy, 0);

    let run = reading.end().await;
    run.exits(0);
    text.push_str(&run.stdout);
    let changes = parsed(&text);
    assert_eq!(changes.len(), 2400);
    assert!(
        changes
            .iter()
            .zip(1..)
            .all(|(change, seq)| change["seq"] == seq)
    );
    // The record after a change is the one after that change, whenever it is asked for.
    assert!(changes.iter().all(|change| {
        let version = if change["kind"] == "created" { 1 } else { 2 };
        change["after"]["v"] == version
    }));
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::of(Listing::seeded(5, 900)).await;
    bench.synced().await;
    let inner = bench.command(&["changes"]);
    let mut command = tokio::process::Command::new("sh");
    command
        .arg("-c")
        .arg(r#"{ "$@"; echo "$?" >&2; } | head -n 1"#)
        .arg("sh")
        .arg(inner.as_std().get_program())
        .args(inner.as_std().get_args());
    let run = Running::spawn(command).end().await;
    assert_eq!(
        (run.stdout.lines().count(), run.stderr.as_str()),
        (1, "0\n")
    );
}
