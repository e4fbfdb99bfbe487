use std::path::PathBuf;

use rusqlite::OpenFlags;

use super::*;
use crate::mirror::Mirror;

struct Bench {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// A mirror of two customers, one of them deleted, altered by `sql`.
    fn altered_by(sql: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        drop(Mirror::open_or_create(&path, "https://api.example.com", "a test").unwrap());
        let connection =
            Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let seed: i64 = meta(&connection, "hash_seed").unwrap().unwrap();
        let insert = |id: &str, deleted_at: Option<&str>| {
            connection
                .execute(
                    "INSERT INTO customers (customer_id, first_seen_at, changed_at, deleted_at, raw) VALUES (?1, '', '', ?2, ?1)",
                    (id, deleted_at),
                )
                .unwrap();
            let hash = rows::raw_hash(id.as_bytes(), seed.cast_unsigned());
            connection
                .execute(
                    "INSERT INTO customer_state VALUES (last_insert_rowid(), ?1, x'', ?2)",
                    (hash, deleted_at.is_none()),
                )
                .unwrap();
        };
        insert("a", None);
        insert("b", Some("2026-01-31T09:30:00.000Z"));
        connection
            .execute_batch(&format!(
                "PRAGMA foreign_keys = off; UPDATE mirror_meta SET value = 1 WHERE key LIKE '%_customers'; {sql}"
            ))
            .unwrap();
        Self {
            path,
            _folder: folder,
        }
    }

    fn examine(&self, depth: Depth) -> Soundness {
        let mut reader = Reader::open(&self.path).unwrap();
        reader.examine(depth, &|_| ()).unwrap()
    }
}

const QUICK: Depth = Depth::Quick(Duration::from_secs(600));

#[test]
fn each_invariant_is_looked_at() {
    let bench = Bench::altered_by("");
    assert_eq!(bench.examine(Depth::Full), Soundness::Sound);
    for (sql, said) in [
        (
            "UPDATE mirror_meta SET value = 3 WHERE key = 'live_customers'",
            "2 customers are live",
        ),
        (
            "UPDATE mirror_meta SET value = 0 WHERE key = 'deleted_customers'",
            "1 customers are deleted",
        ),
        (
            "UPDATE customer_state SET live = 0",
            "1 customers whose state",
        ),
        (
            "DELETE FROM customer_state WHERE row_id = 2",
            "1 customers whose state",
        ),
        (
            "INSERT INTO customer_user_rows VALUES (99, 'u', NULL, NULL)",
            "1 rows refer to",
        ),
        (
            "INSERT INTO absences VALUES (2, 1, 0)",
            "1 deleted customers",
        ),
        ("INSERT INTO absences VALUES (1, 1, 1)", "1 customers wait"),
        (
            "INSERT INTO passes (state, started_at, records) VALUES ('complete', '', 1)",
            "1 passes",
        ),
        (
            "INSERT INTO passes (state, started_at, pages) VALUES ('running', '', 1)",
            "1 pass under way",
        ),
        (
            "INSERT INTO pass_pages VALUES (1, '', NULL, x'')",
            "1 pages on record",
        ),
        (
            "INSERT INTO shared_references VALUES ('r', 2);
             CREATE TRIGGER customers_insert_shares AFTER INSERT ON customers BEGIN SELECT 1; END",
            "1 referenceIds",
        ),
        (
            "CREATE TRIGGER customers_insert_shares AFTER INSERT ON customers BEGIN SELECT 1; END;
             UPDATE customers SET reference_id = 'r', deleted_at = NULL; UPDATE customer_state SET live = 1;
             UPDATE mirror_meta SET value = CASE key WHEN 'live_customers' THEN 2 ELSE 0 END WHERE key LIKE '%_customers'",
            "1 referenceIds",
        ),
        (
            "UPDATE customers SET raw = 'B' WHERE customer_id = 'b'",
            "1 customers whose record is not as it was written, b the first",
        ),
    ] {
        let bench = Bench::altered_by(sql);
        let Soundness::Unsound(problems) = bench.examine(Depth::Full) else {
            panic!("{sql}");
        };
        assert!(
            problems.len() == 1 && problems[0].starts_with(said),
            "{sql}: {problems:?}"
        );
        assert_eq!(bench.examine(QUICK), Soundness::Sound);
    }
}

#[test]
fn what_time_does_not_allow_is_not_called_sound() {
    let bench = Bench::altered_by(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO mirror_meta SELECT 'x' || i, i FROM n",
    );
    assert_eq!(
        bench.examine(Depth::Quick(Duration::ZERO)),
        Soundness::Unfinished
    );
    assert_eq!(bench.examine(QUICK), Soundness::Sound);
}
