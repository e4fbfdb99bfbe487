//! Opening the file: is it a mirror, is it one that this version knows, and bringing it up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::MirrorError;
use super::upgrade::{self, MIGRATIONS};
use super::{Result, files};

/// The schema version that this program writes: the number of migrations.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// `PRAGMA application_id` of a mirror: `CMir`. What `file` and others know a mirror by.
pub(super) const APPLICATION_ID: i64 = 0x434D_6972;

const INDEXES: &str = include_str!("indexes.sql");

/// The index of all customerIds.
pub(super) const INDEX_OF_IDS: &str = "customers_customer_id";

/// Of a new mirror. A customer takes about 2 kB: pages of SQLite's usual 4 kB hold one or two, and a fifth of the file is unused.
const PAGE_BYTES: i64 = 16 * 1024;

/// What is committed between checkpoints: the more it is, the more often a page that changes in many commits is copied to the file
/// only once. It bounds the -wal file.
pub const WAL_BYTES: u64 = 32 << 20;

/// How long to wait for somebody else's write transaction (a person with sqlite3) before giving up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Page caches of the writer in KiB; they bound memory however large the mirror is. A first pass writes at the end of
/// its tables, and merges the search index; later ones mostly read one narrow table from end to end.
const FIRST_PASS_CACHE_KIB: i64 = 4 * 1024;
const CACHE_KIB: i64 = 2 * 1024;

/// Opens and migrates the file; an empty one becomes a mirror. The caller holds the lock.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection> {
    let sqlite = |error| MirrorError::from_sqlite(path, error);
    let mut connection = connect(path)?;
    let version = recognise(&connection, path)?;
    configure(&connection).map_err(sqlite)?;
    upgrade::upgrade(&mut connection, path, version)?;
    size_cache(&connection).map_err(sqlite)?;
    Ok(connection)
}

/// Opens the file for writing beside the holder of the lock; `Ok(None)` if it would have to be migrated first.
pub(super) fn open_beside(path: &Path) -> Result<Option<Connection>> {
    let connection = connect(path)?;
    if recognise(&connection, path)? != SCHEMA_VERSION {
        return Ok(None);
    }
    configure(&connection).map_err(|error| MirrorError::from_sqlite(path, error))?;
    Ok(Some(connection))
}

fn connect(path: &Path) -> Result<Connection> {
    files::refuse_planted(path).map_err(|error| MirrorError::from_io(path, &error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            Ok(connection)
        })
        .map_err(|error| MirrorError::from_sqlite(path, error))
}

/// Opens the file read-only; it must be a mirror that this version knows.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection> {
    let sqlite = |error| MirrorError::from_sqlite(path, error);
    if let Some(reason) = files::not_a_file(path) {
        let path = path.to_owned();
        return Err(MirrorError::NotAMirror { path, reason });
    }
    match std::fs::File::open(path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(MirrorError::Missing {
                path: path.to_owned(),
            });
        }
        Err(error) => {
            return Err(MirrorError::NotReadable {
                path: path.to_owned(),
                reason: error.to_string(),
            });
        }
    }
    // Also a reader writes to the -shm file.
    files::refuse_planted(path).map_err(|error| MirrorError::NotReadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    if recognise(&connection, path).map_err(as_reader)? == 0 {
        // A mirror whose very first `sync` did not get far.
        return Err(MirrorError::Missing {
            path: path.to_owned(),
        });
    }
    harden(&connection).map_err(sqlite)?;
    Ok(connection)
}

/// A reader that lacks permissions must not be told about writing.
fn as_reader(error: MirrorError) -> MirrorError {
    let MirrorError::NotWritable { path, reason } = error else {
        return error;
    };
    let is_missing = |suffix| !files::beside(&path, suffix).exists();
    let reason = if !is_missing(files::JOURNAL) {
        // The only transaction that needs one is that which makes a new file one with a -wal file.
        format!(
            "whoever made it was killed before it was one ({} is left of that); `customer-mirror sync`, or the daemon's next pass, goes on \
             with it",
            files::beside(&path, files::JOURNAL).display()
        )
    } else if files::OF_SQLITE.into_iter().any(is_missing) {
        "its -wal and -shm files are not there, and to make them takes write access to its folder (a program other than \
         customer-mirror had it open last and removed them, or the power failed); read it as its owner, or after the next pass, which brings them back"
            .to_owned()
    } else {
        format!("{reason}; check who may read its -wal and -shm files")
    };
    MirrorError::NotReadable { path, reason }
}

/// Brings all that is committed into the mirror's file and empties the -wal file, as far as no reader needs it and nobody else
/// writes; waits for neither.
pub(super) fn settle(connection: &Connection) -> rusqlite::Result<()> {
    settle_all(connection).map(drop)
}

/// The same; true if nothing was in the way.
pub(super) fn settle_all(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    busy.map(|busy: i64| busy == 0)
}

/// An empty mirror in memory, for a preview where there is no file yet.
pub(super) fn open_in_memory() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    upgrade::initialise(&mut connection)?;
    Ok(connection)
}

/// The file's schema version; 0 if it is empty.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<i64> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        Ok((
            number("SELECT count(*) FROM sqlite_schema")?,
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
        ))
    };
    match read().map_err(|error| MirrorError::from_sqlite(path, error))? {
        (0, 0, 0) => Ok(0),
        (_, APPLICATION_ID, found) if found > SCHEMA_VERSION => Err(MirrorError::TooNew {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        }),
        (_, APPLICATION_ID, found) if found > 0 => Ok(found),
        (tables, ..) => {
            let reason = format!(
                "it is an SQLite database of another program, with {tables} tables and indexes"
            );
            Err(MirrorError::NotAMirror {
                path: path.to_owned(),
                reason,
            })
        }
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    harden(connection)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A commit is on the disk before anybody sees it. With NORMAL a power failure takes back all commits since the last checkpoint, true
    // states all of them, but others have acted on them: who follows the change feed, who was told that a customer is forgotten.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is deleted is overwritten with zeros, in rows and in whole pages.
    connection.pragma_update(None, "secure_delete", true)?;
    let page_bytes: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let checkpoint_pages = WAL_BYTES as i64 / page_bytes.max(1);
    connection.pragma_update(None, "wal_autocheckpoint", checkpoint_pages)?;
    // What one large transaction (the first indexes) made of the -wal file is given back at the next checkpoint.
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES as i64)?;
    // Without its -wal and -shm files, whoever can't write to the folder couldn't read the mirror while nobody has it open.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// A typing error in SQL must not become a string literal. And a statement has one plan, whatever is bound to it: else SQLite, as
/// it is built here, plans some anew for every value.
pub(super) fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    Ok(())
}

/// Makes the indexes on `customers` that are not there yet, and what is kept by triggers.
pub(super) fn ensure_indexes(connection: &Connection) -> rusqlite::Result<()> {
    // The cache's size is the sort's, too; and what the walk cached gives its memory to the sort.
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.execute_batch("PRAGMA shrink_memory")?;
    ensure_index_of_ids(connection)?;
    connection.execute_batch(INDEXES)
}

/// Makes the index of customerIds now, if it is not there yet. Until then `newcomers` knows who is new.
pub(super) fn ensure_index_of_ids(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE UNIQUE INDEX IF NOT EXISTS {INDEX_OF_IDS} ON customers (customer_id)"
    ))
}

/// Whether something of the schema is there: what `indexes.sql` makes is not before the end of the first pass.
pub(super) fn has(connection: &Connection, kind: &str, name: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2")?
        .exists([kind, name])
}

/// Sets the page cache for what the mirror is about to do.
pub(super) fn size_cache(connection: &Connection) -> rusqlite::Result<()> {
    let is_first = !connection
        .prepare("SELECT 1 FROM passes WHERE state = 'complete'")?
        .exists([])?;
    let size = if is_first {
        FIRST_PASS_CACHE_KIB
    } else {
        CACHE_KIB
    };
    connection.pragma_update(None, "cache_size", -size)
}
