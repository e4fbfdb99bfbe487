//! A copy of the mirror.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{export, hostile_bench, names, place};
use crate::support::{Bench, assert_sound, bytes, customer, customers, quoted};
use customer_mirror::simulator::Listing;

fn opened(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// Every value in every table, and the schema.
fn dump(db: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name";
    let tables: Vec<String> = {
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    };
    let mut dump = vec![format!("{tables:?}")];
    // It tells the time.
    for table in tables.iter().filter(|table| *table != "mirror_freshness") {
        let mut statement = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..width).map(|at| row.get_ref(at).unwrap()).collect();
            lines.push(format!("{table}: {values:?}"));
        }
        lines.sort();
        dump.extend(lines);
    }
    dump
}

fn pragma(db: &Connection, name: &str) -> String {
    db.query_row(
        &format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}"),
        [],
        |row| row.get(0),
    )
    .unwrap()
}

#[tokio::test]
async fn a_copy_has_all_and_is_a_file_by_itself() {
    let mut bench = Bench::of(customers(1..=30)).await;
    bench.set("deletions.confirm_passes", "1");
    bench.synced().await;
    let mut listed: Vec<String> = customers(1..=28).iter().collect();
    listed.push(customer("c29", r#","name":"changed""#));
    bench.sim.set_listing(Listing::explicit(listed.clone()));
    assert_eq!(bench.synced().await["deleted"], 1);
    listed.push(customer("", ""));
    bench.sim.set_listing(Listing::explicit(listed));
    assert_eq!(bench.synced().await["quarantined"], 1);
    let path = place(&bench, "copy.db");
    export(&bench, &["--output", path.to_str().unwrap()])
        .await
        .exits(0);

    let copy = opened(&path);
    assert_eq!(dump(&copy), dump(&bench.db()));
    assert_sound(&copy);
    assert!(
        dump(&copy)
            .iter()
            .any(|line| line.starts_with("quarantine: "))
    );
    for name in ["application_id", "user_version"] {
        assert_eq!(pragma(&copy, name), pragma(&bench.db(), name));
    }
    // Not WAL: no file beside it is needed to read it.
    assert_eq!(pragma(&copy, "journal_mode"), "delete");
    drop(copy);
    assert_eq!(names(&bench), ["copy.db"]);

    // It is a mirror, to be read and to go on with.
    let mirror = bench
        .run(&["get", "--format", "ndjson", "c30"])
        .await
        .stdout;
    bench.set("mirror.path", &quoted(path.to_str().unwrap()));
    let copy = bench.run(&["get", "--format", "ndjson", "c30"]).await;
    copy.exits(0);
    assert_eq!(copy.stdout, mirror);
    let run = bench
        .run(&["query", "SELECT count(*) AS n FROM live_customers"])
        .await;
    assert_eq!(run.stdout, "{\"n\":29}\n");
    assert_eq!(bench.synced().await["unchanged"], 29);
}

#[tokio::test]
async fn a_copy_is_of_one_commit_while_a_pass_writes() {
    let mut bench = Bench::of(customers(1..=50)).await;
    bench.set("api.page_size", "5");
    bench.synced().await;
    bench.sim.set_listing(customers(1..=90));
    let request = bench.sim.request_count() + 13;
    bench.sim.hold_request(request);
    let running = bench.spawn(&["sync"]);
    bench.sim.wait_for_requests(request).await;
    let path = place(&bench, "copy.db");
    export(&bench, &["--output", path.to_str().unwrap()])
        .await
        .exits(0);
    let copy = opened(&path);
    assert_sound(&copy);
    let count: i64 = copy
        .query_row("SELECT count(*) FROM live_customers", [], |row| row.get(0))
        .unwrap();
    assert!((50..=60).contains(&count), "{count}");
    assert_eq!(
        copy.query_row(
            "SELECT state FROM passes ORDER BY pass_id DESC",
            [],
            |row| { row.get::<_, String>(0) }
        ),
        Ok("running".to_owned())
    );
    bench.sim.release();
    running.end().await.exits(0);
    bench.assert_mirrors();
}

#[tokio::test]
async fn what_is_in_unused_bytes_of_the_mirror_is_not_in_a_copy() {
    let bench = hostile_bench().await;
    let secret = "xyzzy-plugh-4711";
    let db = bench.db_to_write();
    db.execute_batch(&format!(
        "PRAGMA secure_delete = off;
         CREATE TABLE t (x); INSERT INTO t VALUES ('{secret}'); DROP TABLE t;
         PRAGMA wal_checkpoint(TRUNCATE)"
    ))
    .unwrap();
    let has_secret = |path: &Path| {
        bytes(path)
            .windows(secret.len())
            .any(|window| window == secret.as_bytes())
    };
    assert!(has_secret(&bench.db_path()));
    let path = place(&bench, "copy.db");
    export(&bench, &["--output", path.to_str().unwrap()])
        .await
        .exits(0);
    assert!(!has_secret(&path));
}

/// Whether the signal comes before the copy is complete is for the machine to say; either way, what is there is whole.
#[tokio::test]
async fn an_interrupted_copy_leaves_the_old_file_and_nothing_else() {
    let bench = hostile_bench().await;
    bench
        .db_to_write()
        .execute_batch(
            "CREATE TABLE filler (x);
             INSERT INTO filler SELECT zeroblob(1000000) FROM (WITH RECURSIVE n(i) AS
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64) SELECT i FROM n);
             PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    let path = place(&bench, "x.db");
    let mut was_interrupted = false;
    for _ in 0..20 {
        std::fs::write(&path, "old").unwrap();
        let running = bench.spawn(&["-q", "export", "--output", path.to_str().unwrap()]);
        super::unfinished(&bench).await;
        running.signal("TERM").await;
        let run = running.end().await;
        assert_eq!(names(&bench), ["x.db"]);
        if bytes(&path) == b"old" {
            run.exits(143).says(&["interrupted"]);
            was_interrupted = true;
            break;
        }
        run.exits(0);
        assert_sound(&opened(&path));
    }
    assert!(was_interrupted);
}
