//! On files that SQLite wrote without `secure_delete`, so that they are full of what was deleted.

use std::fs::OpenOptions;
use std::path::Path;

use fastrand::Rng;
use rstest::rstest;
use rusqlite::Connection;

use super::*;

/// A database of several trees, in which much was written and deleted; all that is gone has `gone` in it.
fn messy(path: &Path, page_size: u32, rng: &mut Rng) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size = {page_size}; PRAGMA secure_delete = OFF; PRAGMA journal_mode = WAL;
         CREATE TABLE a (id INTEGER PRIMARY KEY, text TEXT, raw TEXT);
         CREATE INDEX a_text ON a (text);
         CREATE TABLE b (text TEXT PRIMARY KEY, number) WITHOUT ROWID;
         CREATE TABLE dropped (text TEXT);"
    ))
    .unwrap();
    for number in 0..60 {
        // So that the schema itself has inner pages.
        let sql = format!(
            "CREATE VIEW v{number} AS SELECT {number}, '{}'",
            "view ".repeat(20)
        );
        db.execute_batch(&sql).unwrap();
    }
    for number in 0..700 {
        let stays = rng.u32(0..3) > 0;
        let word = if stays { "stay" } else { "gone" };
        let text = format!("{word}{number:05}").repeat(rng.usize(1..4));
        let raw = text.repeat(if rng.u32(0..50) == 0 {
            3000
        } else {
            rng.usize(0..30)
        });
        db.execute("INSERT INTO a (text, raw) VALUES (?1, ?2)", (&text, &raw))
            .unwrap();
        db.execute("INSERT INTO b VALUES (?1, ?2)", (&text, number))
            .unwrap();
        db.execute("INSERT INTO dropped VALUES ('gone')", [])
            .unwrap();
    }
    db.execute_batch(
        "DELETE FROM a WHERE text LIKE 'gone%'; DELETE FROM b WHERE text LIKE 'gone%'; DROP TABLE dropped;
         PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .unwrap();
    db
}

fn dump(db: &Connection) -> Vec<String> {
    let verdict: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    let mut rows = vec![verdict];
    for sql in [
        "SELECT id || text || raw FROM a",
        "SELECT text FROM a INDEXED BY a_text WHERE text > ''",
        "SELECT text || number FROM b",
        "SELECT sql FROM sqlite_schema",
    ] {
        let mut statement = db.prepare(sql).unwrap();
        let found = statement.query_map([], |row| row.get::<_, Option<String>>(0));
        rows.extend(found.unwrap().map(|row| row.unwrap().unwrap_or_default()));
    }
    rows
}

fn roots(db: &Connection) -> Vec<u32> {
    let mut statement = db
        .prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0 UNION SELECT 1")
        .unwrap();
    let roots = statement.query_map([], |row| row.get(0)).unwrap();
    roots.map(|root| root.unwrap()).collect()
}

/// Scrubs the whole file, some pages at a time.
fn scrub(path: &Path, page_size: u32, roots: &[u32], at_once: u32) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = page_size as usize;
    let pages = Pages {
        file: &file,
        size,
        usable: size,
        count: (file.metadata()?.len() / u64::from(page_size)) as u32,
    };
    let mut start = 1;
    while start <= pages.count {
        let end = (start + at_once).min(pages.count + 1);
        pages.scrub(roots, start..end, || Ok(()))?;
        start = end;
    }
    Ok(())
}

fn count(path: &Path, text: &[u8]) -> usize {
    let bytes = std::fs::read(path).unwrap();
    bytes
        .windows(text.len())
        .filter(|part| *part == text)
        .count()
}

#[rstest]
#[case(512, 100)]
#[case(1024, 7)]
#[case(4096, 1_000_000)]
#[case(65_536, 3)]
fn what_is_deleted_goes_and_what_is_there_stays(#[case] page_size: u32, #[case] at_once: u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.db");
    let db = messy(&path, page_size, &mut Rng::with_seed(u64::from(page_size)));
    let (before, roots) = (dump(&db), roots(&db));
    assert_eq!(before[0], "ok");
    assert!(count(&path, b"gone") > 200);
    let stays = count(&path, b"stay");
    // A reader that is in the middle of it.
    let mut statement = db.prepare("SELECT text FROM a ORDER BY id").unwrap();
    let mut rows = statement.query([]).unwrap();
    rows.next().unwrap();
    scrub(&path, page_size, &roots, at_once).unwrap();
    let mut read = 1;
    while rows.next().unwrap().is_some() {
        read += 1;
    }
    assert_eq!(
        read,
        before
            .iter()
            .filter(|row| row.starts_with(|first: char| first.is_ascii_digit()))
            .count()
    );

    assert_eq!(count(&path, b"gone"), 0);
    assert!(count(&path, b"stay") <= stays);
    assert_eq!(dump(&Connection::open(&path).unwrap()), before);
    // It can be written as before.
    let db = Connection::open(&path).unwrap();
    db.execute_batch("UPDATE a SET raw = raw || 'more'; DELETE FROM b WHERE number % 2")
        .unwrap();
    assert_eq!(dump(&db)[0], "ok");
}

#[test]
fn a_damaged_file_is_refused_or_left_readable_as_far_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("m.db"), folder.path().join("copy.db"));
    let mut rng = Rng::with_seed(1);
    let db = messy(&path, 1024, &mut rng);
    let roots = roots(&db);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for _ in 0..100 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..200) {
            let at = rng.usize(0..bytes.len() / 1024) * 1024 + rng.usize(0..16);
            bytes[at] = rng.u8(..);
        }
        std::fs::write(&copy, bytes).unwrap();
        refused += u32::from(scrub(&copy, 1024, &roots, 100).is_err());
    }
    assert!(refused > 50, "{refused}");
}
