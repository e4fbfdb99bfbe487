//! Promise 14: what is forgotten, or purged, leaves no trace in any of the mirror's files; and nobody else loses anything.

use std::path::PathBuf;
use std::time::Duration;

use customer_mirror::simulator::Listing;
use rstest::rstest;

use crate::beside::{go_on, in_mid_pass};
use crate::support::{Bench, assert_sound, bytes, customer, customers, quoted, until};

/// What is known of Anna over time; all but the first is of hers alone.
const ANNA: [&str; 9] = [
    "Anna Svensson",
    "4711-anna",
    "crm-anna",
    "HR-ANNA",
    "anna.svensson@example.com",
    "anna.before@example.com",
    "+46705550123",
    "user-of-anna",
    "Storgatan 99",
];

fn anna(mail: &str) -> String {
    customer(
        "4711-anna",
        &format!(
            r#","name":"Anna Svensson","referenceId":"crm-anna","humanReadableId":"HR-ANNA",
               "contact":{{"email":"{mail}","msisdn":"+46705550123"}},"users":[{{"userId":"user-of-anna","name":"Anna Svensson"}}],
               "billing":{{"address":{{"street1":"Storgatan 99"}}}}"#
        ),
    )
}

/// The others; c7 is called as Anna is.
fn others() -> impl Iterator<Item = String> {
    (1..=30).map(|number| {
        let name = if number == 7 {
            "Anna Svensson"
        } else {
            "Bo Ek"
        };
        customer(
            &format!("c{number}"),
            &format!(r#","name":"{name}","referenceId":"crm-{number}""#),
        )
    })
}

fn with(records: impl IntoIterator<Item = String>) -> Listing {
    Listing::explicit(others().chain(records))
}

/// Anna was mirrored, changed, and deleted.
async fn bench() -> Bench {
    let mut bench = Bench::of(with([anna("anna.before@example.com")])).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    bench
        .sim
        .set_listing(with([anna("anna.svensson@example.com")]));
    assert_eq!(bench.synced().await["updated"], 1);
    bench.sim.set_listing(with([]));
    assert_eq!(bench.synced().await["deleted"], 1);
    bench
}

fn copy(bench: &Bench) -> PathBuf {
    bench.folder.path().join("mirror.db.v1-backup")
}

/// Which of Anna's texts are in which of the files in the mirror's folder.
fn found(bench: &Bench) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(bench.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let bytes = bytes(&entry.path());
        for text in ANNA {
            if bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
            {
                found.push((text, entry.file_name().into_string().unwrap()));
            }
        }
    }
    found
}

/// All rows of the others, in all tables that are about customers.
fn rows_of_others(bench: &Bench) -> Vec<String> {
    let db = bench.db();
    let mut all = Vec::new();
    for sql in [
        "SELECT * FROM customers WHERE customer_id <> '4711-anna'",
        "SELECT s.* FROM customer_state AS s JOIN customers USING (row_id) WHERE customer_id <> '4711-anna'",
        "SELECT * FROM customer_users WHERE customer_id <> '4711-anna'",
        "SELECT * FROM customer_changes WHERE customer_id <> '4711-anna'",
        "SELECT * FROM quarantine WHERE customer_id IS NOT '4711-anna'",
        "SELECT pass_id, state, started_at, finished_at, records, deleted, sweep FROM passes",
    ] {
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let values: rusqlite::Result<Vec<rusqlite::types::Value>> =
                (0..columns).map(|index| row.get(index)).collect();
            Ok(format!("{:?}", values?))
        });
        all.extend(rows.unwrap().map(Result::unwrap));
    }
    all
}

#[rstest]
#[case::by_customer_id("4711-anna")]
#[case::by_reference_id("crm-anna")]
#[case::by_human_readable_id("HR-ANNA")]
#[tokio::test]
async fn nothing_is_left_of_who_is_forgotten_and_nobody_else_is_touched(#[case] id: &str) {
    let bench = bench().await;
    std::fs::copy(bench.db_path(), copy(&bench)).unwrap();
    std::fs::copy(
        bench.db_path(),
        copy(&bench).with_extension("v1-backup.part"),
    )
    .unwrap();
    // What the server said of her.
    let failure = r#"{"count":1,"not_before":"2026-01-31T09:30:00Z","noted_at":"2026-01-31T09:30:00Z","is_over":true,"pass_id":1,
                      "pages":0,"failure":{"remedy":"time","reason":"HTTP 400: 4711-anna"}}"#;
    bench
        .db_to_write()
        .execute_batch(&format!(
            "UPDATE passes SET error = 'HTTP 400: no such anna.svensson@example.com', next_cursor = 'after:4711-anna' WHERE pass_id = 1;
             UPDATE passes SET next_cursor = 'after:c7' WHERE pass_id = 2;
             INSERT INTO mirror_meta VALUES ('attempts', '{failure}')"
        ))
        .unwrap();
    // In the -wal file, too.
    let reader = bench.db();
    assert!(
        ANNA.iter()
            .all(|text| found(&bench).iter().any(|(found, _)| found == text))
    );
    let before = rows_of_others(&bench);

    let run = bench.run(&["forget", id]).await;
    run.exits(0);
    drop(reader);
    assert_eq!(
        run.stdout,
        "erased 1 customer with 3 changes and 0 quarantined records; no trace is left\n"
    );
    assert!(
        run.stderr
            .contains("mirror.db.v1-backup, which an upgrade kept"),
        "{run:?}"
    );
    assert_eq!(found(&bench), [("Anna Svensson", "mirror.db".to_owned())]);
    let error: String = bench.one("SELECT error FROM passes WHERE pass_id = 1");
    assert!(error.contains("customer that was erased"), "{error}");
    let status = bench.run(&["status", "--json"]).await.stdout;
    assert!(status.contains("\"failures\": 1"), "{status}");
    assert_eq!(
        bench.one::<String>("SELECT group_concat(next_cursor) FROM passes"),
        "after:c7"
    );
    assert_eq!(rows_of_others(&bench), before);
    bench.assert_mirrors();

    // There is nobody to be forgotten any more.
    bench
        .run(&["-q", "forget", id])
        .await
        .exits(66)
        .says(&["nothing was erased", id]);
    assert_eq!(bench.synced().await["unchanged"], 30);
    // Whoever comes back is new.
    bench
        .sim
        .set_listing(with([anna("anna.svensson@example.com")]));
    assert_eq!(bench.synced().await["created"], 1);
    bench.assert_mirrors();
}

#[tokio::test]
async fn who_is_live_or_not_meant_for_sure_is_not_erased() {
    let bench = bench().await;
    // A customer as of today has Anna's reference, and another deleted one her readable ID.
    bench
        .sim
        .set_listing(with([customer("heir", r#","referenceId":"crm-anna""#)]));
    bench.synced().await;
    bench
        .db_to_write()
        .execute_batch("UPDATE customers SET human_readable_id = 'HR-ANNA', deleted_at = '2026-01-01T00:00:00.000Z' WHERE customer_id = 'c3'")
        .unwrap();
    let dump = || (rows_of_others(&bench), found(&bench));
    let before = dump();
    for (ids, status, says) in [
        (
            &["c7"][..],
            64,
            &["`c7` is live", "would bring it back"][..],
        ),
        (&["crm-7"], 64, &["`crm-7` (customerId `c7`) is live"]),
        (
            &["crm-anna"],
            64,
            &[
                "2 customers have the referenceId",
                "`4711-anna` (deleted)",
                "`heir` (live)",
            ],
        ),
        (
            &["HR-ANNA"],
            64,
            &["2 customers have the humanReadableId", "`c3` (deleted)"],
        ),
        (&["nobody"], 66, &["`nobody`"]),
        // All or none.
        (
            &["4711-anna", "nobody"],
            66,
            &["nothing was erased", "`nobody`"],
        ),
        (
            &["4711-anna", "nobody", "c7"],
            64,
            &["nothing was erased", "`nobody`", "`c7` is live"],
        ),
    ] {
        let arguments: Vec<&str> = ["-q", "forget"].iter().chain(ids).copied().collect();
        bench
            .run(&arguments)
            .await
            .exits(status)
            .says(says)
            .says_nothing_else();
        assert_eq!(dump(), before, "{ids:?}");
    }
    bench.run(&["forget"]).await.exits(64);
}

#[tokio::test]
async fn a_record_that_only_the_quarantine_has_is_erased() {
    let id = "Anna-in-quarantine";
    let bad = format!(r#"{{"customerId":"{id}","name":"Anna Svensson"}}"#);
    let bench = Bench::of(customers(1..=5)).await;
    bench.synced().await;
    bench
        .db_to_write()
        .execute(
            "INSERT INTO quarantine (pass_id, page, customer_id, reason, raw, at, raw_hash) VALUES (1, 1, ?1, 'bad', ?2, '', x'00')",
            (id, &bad),
        )
        .unwrap();
    let run = bench.run(&["forget", id]).await;
    run.exits(0);
    assert!(run.stdout.contains("1 quarantined record;"), "{run:?}");
    assert_eq!(found(&bench), []);
    let file = bytes(&bench.db_path());
    assert!(!file.windows(id.len()).any(|part| part == id.as_bytes()));
    bench.assert_mirrors();
}

/// The last customer by row id is forgotten in mid-pass; the next one to come may get that row id.
#[tokio::test]
async fn a_pass_under_way_is_not_confused() {
    let bench = bench().await;
    let newcomers = || [customer("new-1", ""), customer("new-2", "")];
    bench.sim.set_listing(with(newcomers()));
    let running = in_mid_pass(&bench, 3).await;
    bench.run(&["forget", "4711-anna"]).await.exits(0);
    let run = go_on(&bench, running).await;
    run.exits(0);
    assert_eq!(run.report()["created"], 2);
    bench.assert_mirrors();
    assert_eq!(found(&bench), [("Anna Svensson", "mirror.db".to_owned())]);
    // They are judged as anybody else.
    bench.sim.set_listing(with([]));
    assert_eq!(bench.synced().await["deleted"], 2);
    bench.assert_mirrors();
}

/// The pass met a bad record of hers, so that her row id is among those that it has seen.
#[tokio::test]
async fn a_row_id_that_is_given_anew_has_not_been_seen() {
    let bench = bench().await;
    let running = in_mid_pass(&bench, 3).await;
    let row_id: i64 = bench.one("SELECT row_id FROM customers WHERE customer_id = '4711-anna'");
    assert_eq!(
        row_id,
        bench.one::<i64>("SELECT max(row_id) FROM customers")
    );
    // As runs: up to 10, and row 31, which is Anna's.
    assert_eq!(row_id, 31);
    let as_seen = "UPDATE pass_pages SET seen = x'01091400' WHERE page = 1";
    bench.db_to_write().execute_batch(as_seen).unwrap();
    bench.run(&["forget", "4711-anna"]).await.exits(0);
    let seen: Vec<u8> = bench.one("SELECT seen FROM pass_pages WHERE page = 1");
    assert_eq!(seen, [1, 9]);
    go_on(&bench, running).await.exits(0);
    bench.assert_mirrors();
}

/// A reader that keeps an old snapshot open keeps the -wal file, too.
#[tokio::test]
async fn who_reads_the_mirror_as_it_was_is_waited_for_and_then_told_of() {
    let bench = bench().await;
    let reader = bench.db();
    reader.execute_batch("BEGIN; SELECT * FROM passes").unwrap();
    bench
        .run(&["-q", "forget", "4711-anna"])
        .await
        .exits(75)
        .says(&[
            "erased 1 customer",
            "another program still reads",
            "run it again",
        ]);
    assert!(!found(&bench).is_empty());
    drop(reader);
    let run = bench.run(&["forget", "4711-anna"]).await;
    run.exits(0);
    assert_eq!(run.stdout, "erased before; no trace is left\n");
    assert_eq!(found(&bench), [("Anna Svensson", "mirror.db".to_owned())]);
    bench.run(&["-q", "forget", "4711-anna"]).await.exits(66);
}

#[rstest]
#[case::the_next_one(&["forget", "4711-anna"])]
#[case::or_a_pass(&["sync"])]
#[tokio::test]
async fn what_a_killed_one_leaves_the_next_removes(#[case] next: &[&str]) {
    let bench = bench().await;
    let reader = bench.db();
    reader.execute_batch("BEGIN; SELECT * FROM passes").unwrap();
    let running = bench.spawn(&["forget", "4711-anna"]);
    // Between the transaction and the clean-up.
    until(|| bench.one::<i64>("SELECT count(*) FROM customers") == 30).await;
    running.kill().await;
    drop(reader);
    assert!(found(&bench).len() > 1);
    bench.run(next).await.exits(0);
    assert_eq!(found(&bench), [("Anna Svensson", "mirror.db".to_owned())]);
    bench.assert_mirrors();
    bench.run(&["-q", "forget", "4711-anna"]).await.exits(66);
}

#[tokio::test]
async fn a_copy_that_stays_is_told_of() {
    let bench = bench().await;
    std::fs::create_dir(copy(&bench)).unwrap();
    bench
        .run(&["-q", "forget", "4711-anna"])
        .await
        .exits(74)
        .says(&[
            "erased 1 customer",
            "mirror.db.v1-backup",
            "can't be removed",
            "Run it again",
        ]);
    std::fs::remove_dir(copy(&bench)).unwrap();
    bench.run(&["forget", "4711-anna"]).await.exits(0);
    assert_eq!(found(&bench), [("Anna Svensson", "mirror.db".to_owned())]);
}

#[tokio::test]
async fn killed_anywhere_it_has_done_all_or_nothing() {
    let bench = bench().await;
    let mut was_erased = false;
    for delay_ms in 0..40 {
        let running = bench.spawn(&["forget", "4711-anna"]);
        // Somewhere on its way; nothing depends on where.
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        running.kill().await;
        assert_sound(&bench.db());
        let rows: i64 = bench.one(
            "SELECT (SELECT count(*) FROM customers WHERE customer_id = '4711-anna')
               + (SELECT count(*) FROM customer_changes WHERE customer_id = '4711-anna')",
        );
        assert!(rows == 4 || rows == 0, "{rows}");
        assert!(rows == 0 || !was_erased);
        was_erased |= rows == 0;
    }
    bench.run(&["forget", "4711-anna"]).await;
    assert_eq!(found(&bench), [("Anna Svensson", "mirror.db".to_owned())]);
    bench.assert_mirrors();
}

#[tokio::test]
async fn tombstones_are_purged_when_they_are_old_enough() {
    let mut bench = bench().await;
    let keep = [customer("keep", r#","name":"gone later""#)];
    bench.sim.set_listing(with(keep));
    bench.synced().await;
    bench.sim.set_listing(with([]));
    assert_eq!(bench.synced().await["deleted"], 1);
    std::fs::copy(bench.db_path(), copy(&bench)).unwrap();
    let age = "UPDATE customers SET deleted_at = strftime('%Y-%m-%dT%H:%M:%S.000Z', 'now', '-31 days') WHERE customer_id = '4711-anna'";
    bench.db_to_write().execute_batch(age).unwrap();
    bench.set("deletions.purge_after", &quoted("32d"));
    bench.synced().await;
    assert!(copy(&bench).exists());
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM customers"), 32);

    bench.set("deletions.purge_after", &quoted("30d"));
    let run = bench.run(&["-v", "sync", "--json"]).await;
    run.exits(0);
    assert!(
        run.stderr.contains("erased for good") && run.stderr.contains("customers=1"),
        "{run:?}"
    );
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM customers"), 31);
    assert!(!copy(&bench).exists());
    assert_eq!(found(&bench), [("Anna Svensson", "mirror.db".to_owned())]);
    bench.assert_mirrors();
    bench.run(&["get", "keep"]).await.exits(0);
}

/// What is pruned from the feed, or overwritten by an update, is not just out of sight.
#[tokio::test]
async fn old_values_go_with_the_changes_that_hold_them() {
    let mut bench = Bench::of(with([anna("anna.before@example.com")])).await;
    bench.synced().await;
    bench
        .sim
        .set_listing(with([anna("anna.svensson@example.com")]));
    bench.synced().await;
    let before = ("anna.before@example.com", "mirror.db".to_owned());
    assert!(found(&bench).contains(&before));
    let age = "UPDATE customer_changes SET changed_at = '2020-01-01T00:00:00.000Z'";
    bench.db_to_write().execute_batch(age).unwrap();
    bench.set("changes.keep", &quoted("30d"));
    bench.synced().await;
    assert!(!found(&bench).contains(&before));
}

/// A consumer that has not read of her deletion can't learn of it any more, so it is told to begin anew.
#[tokio::test]
async fn a_consumer_that_is_behind_is_told_that_changes_are_gone() {
    let bench = bench().await;
    let last: i64 = bench.one("SELECT max(seq) FROM customer_changes");
    bench.run(&["forget", "4711-anna"]).await.exits(0);
    let behind = (last - 1).to_string();
    bench
        .run(&["-q", "changes", "--after", &behind])
        .await
        .exits(66);
    bench
        .run(&["changes", "--after", &last.to_string()])
        .await
        .exits(0);
}
