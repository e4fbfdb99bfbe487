//! With synthetic second and third versions, as there is only one real one.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use super::*;

const SECOND: &str =
    "ALTER TABLE customers ADD COLUMN second TEXT; UPDATE customers SET second = 'two'";
const THIRD: &str =
    "ALTER TABLE customers ADD COLUMN third TEXT; UPDATE customers SET third = 'three'";
const BROKEN: &str =
    "ALTER TABLE customers ADD COLUMN third TEXT; INSERT INTO no_such_table VALUES (1)";

const FIRST: &str = MIGRATIONS[0];

/// A mirror of the first version with a customer, in a folder of its own.
struct Bench {
    folder: TempDir,
    connection: Connection,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db");
        drop(files::open_or_create(&path).unwrap());
        let mut connection = Connection::open(&path).unwrap();
        connection
            .pragma_update(None, "journal_mode", "wal")
            .unwrap();
        upgrade_by(&[FIRST], &mut connection, &path, 0).unwrap();
        connection
            .execute_batch(
                "INSERT INTO customers (customer_id, first_seen_at, changed_at, raw) VALUES ('c1', '', '', '{}')",
            )
            .unwrap();
        Self { folder, connection }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("m.db")
    }

    fn upgrade(&mut self, migrations: &[&str]) -> Result<()> {
        let (path, from) = (self.path(), version(&self.connection));
        upgrade_by(migrations, &mut self.connection, &path, from)
    }

    /// The files but SQLite's own, sorted.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
            .collect();
        names.sort();
        names
    }

    /// The columns of `customers` that later versions brought.
    fn later_columns(&self) -> Vec<String> {
        later_columns(&self.connection)
    }
}

fn version(connection: &Connection) -> i64 {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

fn later_columns(connection: &Connection) -> Vec<String> {
    connection
        .prepare(
            "SELECT name FROM pragma_table_info('customers') WHERE name IN ('second', 'third')",
        )
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap()
}

fn customers(connection: &Connection) -> i64 {
    connection
        .query_row("SELECT count(*) FROM customers", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn an_upgrade_keeps_the_mirror_from_before() {
    let mut bench = Bench::new();
    assert_eq!(bench.files(), ["m.db"]);
    bench.upgrade(&[FIRST, SECOND, THIRD]).unwrap();
    assert_eq!(version(&bench.connection), 3);
    assert_eq!(bench.later_columns(), ["second", "third"]);
    assert_eq!(bench.files(), ["m.db", "m.db.v1-backup"]);

    let backup = bench.folder.path().join("m.db.v1-backup");
    let mode = std::fs::metadata(&backup).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let backup = Connection::open(backup).unwrap();
    assert_eq!((version(&backup), customers(&backup)), (1, 1));
    assert!(later_columns(&backup).is_empty());
    let id: i64 = backup
        .query_row("PRAGMA application_id", [], |row| row.get(0))
        .unwrap();
    assert_eq!(id, schema::APPLICATION_ID);
}

#[test]
fn the_second_start_does_nothing() {
    let mut bench = Bench::new();
    bench.upgrade(&[FIRST, SECOND]).unwrap();
    std::fs::remove_file(bench.folder.path().join("m.db.v1-backup")).unwrap();
    // It would fail on a column that is there.
    bench.upgrade(&[FIRST, SECOND]).unwrap();
    assert_eq!(bench.files(), ["m.db"]);
}

#[test]
fn a_failing_migration_leaves_the_mirror_as_it_was() {
    let mut bench = Bench::new();
    bench.upgrade(&[FIRST, SECOND, BROKEN]).unwrap_err();
    assert_eq!(
        (version(&bench.connection), customers(&bench.connection)),
        (1, 1)
    );
    assert!(bench.later_columns().is_empty());
    assert_eq!(bench.files(), ["m.db", "m.db.v1-backup"]);
    // A version that is right goes on from there.
    bench.upgrade(&[FIRST, SECOND, THIRD]).unwrap();
    assert_eq!(bench.later_columns(), ["second", "third"]);
}

#[test]
fn only_the_last_copy_is_kept() {
    let mut bench = Bench::new();
    let others = ["m.db.vx-backup", "m.db.v1-backup.mine", "n.db.v1-backup"];
    for name in others {
        std::fs::write(bench.folder.path().join(name), "").unwrap();
    }
    // As a process leaves it that is killed while it copies.
    std::fs::write(bench.folder.path().join("m.db.v1-backup.part"), "half").unwrap();
    bench.upgrade(&[FIRST, SECOND]).unwrap();
    bench.upgrade(&[FIRST, SECOND, BROKEN]).unwrap_err();
    let before = ["m.db", "m.db.v1-backup", "m.db.v2-backup"];
    assert!(
        before
            .iter()
            .all(|name| bench.files().contains(&(*name).to_owned()))
    );
    bench.upgrade(&[FIRST, SECOND, THIRD]).unwrap();
    let mut expected = vec!["m.db", "m.db.v2-backup"];
    expected.extend(others);
    expected.sort_unstable();
    assert_eq!(bench.files(), expected);
}

#[test]
fn without_a_copy_there_is_no_upgrade() {
    let mut bench = Bench::new();
    let in_the_way = bench.folder.path().join("m.db.v1-backup");
    std::fs::create_dir(&in_the_way).unwrap();
    let error = bench.upgrade(&[FIRST, SECOND]).unwrap_err();
    assert!(matches!(error, MirrorError::NotWritable { .. }), "{error}");
    let message = error.to_string();
    for part in ["m.db.v1-backup", "version 1 to 2", "left as it is"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(version(&bench.connection), 1);
    assert_eq!(bench.files(), ["m.db", "m.db.v1-backup"]);
    std::fs::remove_dir(in_the_way).unwrap();
    bench.upgrade(&[FIRST, SECOND]).unwrap();
}

/// This test runs itself once more under a limit on the size of files, which is what a full disk looks like to a process.
#[test]
fn a_full_disk_leaves_the_mirror_as_it_was() {
    const MIRROR: &str = "UPGRADE_TEST_MIRROR";
    if let Some(path) = std::env::var_os(MIRROR) {
        let path = PathBuf::from(path);
        let mut connection = Connection::open(&path).unwrap();
        let error = upgrade_by(&[FIRST, SECOND], &mut connection, &path, 1).unwrap_err();
        assert!(matches!(error, MirrorError::Storage { .. }), "{error}");
        assert!(error.to_string().contains("left as it is"), "{error}");
        return;
    }
    let mut bench = Bench::new();
    bench
        .connection
        .execute_batch(
            "UPDATE customers SET raw = hex(zeroblob(100000)); PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name])
        .env(MIRROR, bench.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(
        (version(&bench.connection), customers(&bench.connection)),
        (1, 1)
    );
    assert_eq!(bench.files(), ["m.db"]);
    bench.upgrade(&[FIRST, SECOND]).unwrap();
}

/// Not a test but a program of a version 2, which `tests/crash.sh` and `tests/power.sh` kill: brings the mirror that the
/// environment names up to date, as `open_for_writing` does.
#[test]
#[ignore = "tests/crash.sh names a mirror"]
fn upgrades_the_mirror_that_is_named() {
    let path = PathBuf::from(std::env::var_os("UPGRADE_TEST_MIRROR").unwrap());
    let _lock = crate::mirror::lock::Lock::acquire(&path, "a test").unwrap();
    match schema::open_beside(&path) {
        Ok(Some(mut connection)) => {
            upgrade_by(&[FIRST, SECOND], &mut connection, &path, 1).unwrap();
        }
        // It is of version 2 already.
        other => assert!(
            matches!(other, Err(MirrorError::TooNew { .. })),
            "{other:?}"
        ),
    }
}

#[test]
fn a_new_mirror_has_nothing_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let mut connection = Connection::open(&path).unwrap();
    upgrade_by(&[FIRST, SECOND, THIRD], &mut connection, &path, 0).unwrap();
    assert_eq!(version(&connection), 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
