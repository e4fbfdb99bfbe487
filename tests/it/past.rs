//! `get`: what a customer was, and many customers at once.

use std::process::Stdio;

use customer_mirror::simulator::Listing;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{Bench, PATIENCE, Run, customer, customers};

impl Bench {
    async fn get_of_lines(&self, arguments: &[&str], lines: &str) -> Run {
        let mut command = self.command(&[&["-q", "get"], arguments].concat());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines.as_bytes()).await.unwrap();
        drop(stdin);
        Run::of(child).await
    }

    /// When a change was found.
    fn found(&self, seq: i64) -> String {
        self.one(&format!(
            "SELECT changed_at FROM customer_changes WHERE seq = {seq}"
        ))
    }

    async fn get_as_of(&self, time: &str, id: &str) -> Run {
        self.run(&["-q", "get", id, "--as-of", time]).await
    }
}

fn ids(run: &Run) -> Vec<String> {
    let id = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["customer_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    run.stdout.lines().map(id).collect()
}

#[tokio::test]
async fn ids_from_standard_input() {
    let bench = Bench::of(Listing::explicit([
        customer("c1", r#","referenceId":"r1""#),
        customer("c2", r#","referenceId":"twin""#),
        customer("c3", r#","referenceId":"twin""#),
        customer(" c4", ""),
    ]))
    .await;
    bench.synced().await;
    let run = bench.get_of_lines(&["-"], "r1\n\n c4\r\ntwin\nr1").await;
    run.exits(0);
    assert_eq!(ids(&run), ["c1", " c4", "c2", "c3", "c1"]);

    let run = bench
        .get_of_lines(&["c2", "-", "c3"], "nobody\nc1\nno\u{1b}[2J")
        .await;
    run.exits(66)
        .says(&["`nobody`, `no␛[2J`"])
        .says_nothing_else();
    assert_eq!(ids(&run), ["c2", "c1", "c3"]);

    let many: Vec<_> = (0..500).map(|number| format!("no-{number}")).collect();
    let run = bench.get_of_lines(&["--raw", "-"], &many.join("\n")).await;
    run.exits(66).says(&["`no-0`", "`no-9`, and 490 more"]);
    assert!(run.message().len() < 300, "{run:?}");

    let run = bench.run(&["get", "twin"]).await;
    run.exits(0);
    assert_eq!(run.stderr, "2 customers have the referenceId `twin`\n");
}

#[tokio::test]
async fn each_line_is_answered_before_the_next() {
    let bench = Bench::of(customers(1..=3)).await;
    bench.synced().await;
    let mut command = bench.command(&["get", "--raw", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = tokio::io::BufReader::new(child.stdout.take().unwrap());
    for id in ["c3", "c1"] {
        stdin.write_all(format!("{id}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        let answer = tokio::io::AsyncBufReadExt::read_line(&mut stdout, &mut line);
        tokio::time::timeout(PATIENCE, answer)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(line, format!("{}\n", customer(id, "")));
    }
    drop(stdin);
    assert!(child.wait().await.unwrap().success());
}

/// seq 1: created; 2: updated; 3: deleted; 4: restored, changed. Another customer is there all the time.
async fn eventful() -> Bench {
    let mut bench = Bench::of(Listing::explicit([customer("other", "")])).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    let first = r#","referenceId":"r1","name":"Ada","billing":{"autoPay":true, "n": 1.50},"users":[{"userId":"u2"},{"userId":"u1","role":"ADMIN"}]"#;
    for listing in [
        Some(first),
        Some(r#","name":"Ada L""#),
        None,
        Some(r#","name":"Back""#),
    ] {
        let records = listing
            .map(|rest| customer("c1", rest))
            .into_iter()
            .chain([customer("other", "")]);
        bench.sim.set_listing(Listing::explicit(records));
        bench.synced().await;
    }
    bench
}

#[tokio::test]
async fn a_customer_as_it_was() {
    let bench = eventful().await;
    let all: Vec<String> = bench.column(
        "SELECT seq || ' ' || kind || ' ' || customer_id FROM customer_changes ORDER BY seq",
    );
    assert_eq!(
        all,
        [
            "1 created other",
            "2 created c1",
            "3 updated c1",
            "4 deleted c1",
            "5 restored c1"
        ]
    );

    let run = bench.get_as_of(&bench.found(2), "c1").await;
    run.exits(0);
    let then: Value = serde_json::from_str(&run.stdout).unwrap();
    for (column, value) in [
        ("name", json!("Ada")),
        ("reference_id", json!("r1")),
        ("billing_auto_pay", json!(1)),
        ("deleted_at", Value::Null),
        ("first_seen_at", json!(bench.found(2))),
        ("changed_at", json!(bench.found(2))),
        (
            "users",
            json!([{"user_id":"u1","name":null,"role":"ADMIN"},{"user_id":"u2","name":null,"role":null}]),
        ),
    ] {
        assert_eq!(then[column], value, "{column}");
    }
    // The same columns in the same order as today's.
    let columns = async |time: Option<&str>| {
        let as_of = time.map(|time| ["--as-of", time]);
        let arguments = [
            &["get", "c1", "--format", "csv"][..],
            as_of.as_ref().map_or(&[], |as_of| as_of),
        ]
        .concat();
        let run = bench.run(&arguments).await;
        run.exits(0);
        run.stdout.lines().next().unwrap().to_owned()
    };
    assert_eq!(columns(Some(&bench.found(2))).await, columns(None).await);
}

#[tokio::test]
async fn a_customer_after_each_of_its_changes() {
    let bench = eventful().await;
    for (seq, name, deleted) in [
        (2, "Ada", false),
        (3, "Ada L", false),
        (4, "Ada L", true),
        (5, "Back", false),
    ] {
        let run = bench.get_as_of(&bench.found(seq), "c1").await;
        let then: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(then["name"], name, "{seq}");
        let expected = if deleted {
            json!(bench.found(4))
        } else {
            Value::Null
        };
        assert_eq!(then["deleted_at"], expected, "{seq}");
        assert_eq!(
            then["changed_at"],
            json!(bench.found(if deleted { 3 } else { seq })),
            "{seq}"
        );
        let raw = bench
            .run(&["get", "--raw", "c1", "--as-of", &bench.found(seq)])
            .await;
        assert_eq!(
            serde_json::from_str::<Value>(&raw.stdout).unwrap(),
            then["raw"]
        );
    }
    let raw = bench
        .run(&["get", "--raw", "c1", "--as-of", &bench.found(2)])
        .await;
    assert!(raw.stdout.contains(r#""n": 1.50}"#), "{raw:?}");
    bench
        .get_as_of(&bench.found(1), "c1")
        .await
        .exits(66)
        .says(&["`c1` was not in the mirror yet", "first seen at"]);
    bench.get_as_of("0s", "c1").await.exits(0);
    bench.get_as_of("9999-01-01", "c1").await.exits(64);
    bench.get_as_of("1h", "nobody").await.exits(66);
}

#[tokio::test]
async fn a_tombstone_as_it_was() {
    let bench = eventful().await;
    bench
        .sim
        .set_listing(Listing::explicit([customer("other", "")]));
    bench.synced().await;
    let then = async |time: &str| {
        let run = bench.get_as_of(time, "c1").await;
        run.exits(0);
        serde_json::from_str::<Value>(&run.stdout).unwrap()
    };
    assert_eq!(
        then(&bench.found(6)).await["deleted_at"],
        json!(bench.found(6))
    );
    assert_eq!(then(&bench.found(5)).await["deleted_at"], Value::Null);
    assert_eq!(then(&bench.found(5)).await["name"], "Back");
}

#[tokio::test]
async fn what_the_feed_does_not_hold_any_more_is_not_guessed() {
    let bench = eventful().await;
    let at: Vec<String> = (1..=5).map(|seq| bench.found(seq)).collect();
    // All that is known of the time before the return is pruned, but for the return itself.
    let days_ago =
        |days: i64| format!("strftime('%Y-%m-%dT%H:%M:%fZ', changed_at, '-{days} days')");
    let aged = |table: &str, columns: &[&str], rows: &str, days| {
        let sets: Vec<_> = columns
            .iter()
            .map(|column| {
                format!(
                    "{column} = {}",
                    days_ago(days).replace("changed_at", column)
                )
            })
            .collect();
        bench
            .db_to_write()
            .execute_batch(&format!(
                "UPDATE {table} SET {} WHERE {rows}",
                sets.join(", ")
            ))
            .unwrap();
    };
    aged("customer_changes", &["changed_at"], "seq <= 4", 100);
    aged("customers", &["first_seen_at"], "1", 100);
    aged("customers", &["changed_at"], "customer_id = 'other'", 100);
    bench.synced().await;
    assert_eq!(bench.one::<i64>("SELECT min(seq) FROM customer_changes"), 5);

    for days in ["100d", "101d"] {
        let run = bench.get_as_of(days, "c1").await;
        run.exits(66);
        assert_eq!(run.stdout, "");
    }
    let aged_then: String =
        bench.one("SELECT value FROM mirror_meta WHERE key = 'changes_pruned_before'");
    bench
        .get_as_of(&aged_then, "c1")
        .await
        .exits(66)
        .says(&["was deleted then", "doesn't tell"]);
    let just_before: String = bench.one(&format!("SELECT {} FROM customer_changes", days_ago(99)));
    bench.get_as_of(&just_before, "c1").await.exits(66);
    bench.get_as_of(&at[4], "c1").await.exits(0);
    // Whoever hasn't changed since is known as far back as he was first seen.
    bench.get_as_of("99d", "other").await.exits(0);
    bench
        .get_as_of("101d", "other")
        .await
        .exits(66)
        .says(&["not in the mirror yet"]);
}

#[tokio::test]
async fn a_pruned_change_in_between_is_not_overlooked() {
    let bench = Bench::of(Listing::explicit([customer("c1", r#","v":1"#)])).await;
    bench.synced().await;
    for version in [2, 3] {
        let record = customer("c1", &format!(r#","v":{version}"#));
        bench.sim.set_listing(Listing::explicit([record]));
        bench.synced().await;
    }
    let ago = |days| format!("strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{days} days')");
    let sql = format!(
        "UPDATE customer_changes SET changed_at = iif(seq = 1, {}, {}) WHERE seq <= 2;
         UPDATE customers SET first_seen_at = {}",
        ago(100),
        ago(95),
        ago(100)
    );
    bench.db_to_write().execute_batch(&sql).unwrap();
    bench.synced().await;
    // Version 1 then, but the only record in the feed is version 2.
    let run = bench.get_as_of("97d", "c1").await;
    run.exits(66).says(&["not known any more", "changes.keep"]);
    assert_eq!(run.stdout, "");
    let run = bench.get_as_of("93d", "c1").await;
    run.exits(0);
    let then: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(then["raw"]["v"], 2);
    assert_eq!(then["changed_at"], Value::Null);
}
