//! A new mirror from what can be read of a damaged one.
//!
//! Live customers can be had again from the API. The change feed, tombstones and the history of passes can't, and neither can a
//! consumer's place in the feed: so the file is read page by page, whatever SQLite thinks of it (`pages.rs`, `cells.rs`, `found.rs`),
//! what makes sense goes into a new file (`fill.rs`), what must agree there is brought to agree (`mend.rs`), and what is derived
//! is made anew. The damaged file is only read, and kept (`place.rs`).

mod cells;
mod fill;
mod found;
mod mend;
mod pages;
mod place;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::soundness::{self, Depth, Soundness};
use super::{
    MirrorError, Reader, Result, SCHEMA_VERSION, Totals, clean_up, files, lock, meta,
    refuse_missing, schema, set_meta, upgrade,
};
use crate::model::{Timestamp, format_timestamp};
use fill::{Fill, Findings};
use mend::Mended;
use pages::Book;
use place::Damaged;
pub(super) use place::kept;

/// The page cache of the new file in KiB.
const CACHE_KIB: i64 = 64 * 1024;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The source according to the configuration: the mirror's, if that can't be read.
    pub source: Option<&'a str>,
    /// Do it even if nothing is wrong.
    pub force: bool,
    /// What time it is.
    pub now: Timestamp,
}

/// What [`recover`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// The mirror is sound, and was left as it is.
    NotNeeded,
    /// There is a new one.
    Done(Box<Recovered>),
}

/// What was saved, and what was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Where the damaged file is kept.
    pub kept: PathBuf,
    /// Live customers and tombstones.
    pub customers: Totals,
    /// Live ones of whom only the ID is left, until the next pass.
    pub emptied: u64,
    /// Live ones of whom nothing is left; `None` if nobody knows how many there were.
    pub unnamed: Option<u64>,
    /// Tombstones that are lost.
    pub tombstones_lost: u64,
    /// Changes in the feed.
    pub changes: u64,
    /// Changes up to this number are not all there any more.
    pub changes_lost_through: Option<i64>,
    /// Passes on record.
    pub passes: u64,
    /// Quarantined records.
    pub quarantined: u64,
    /// Pages that could not be read at all, as of a bad disk.
    pub unreadable_pages: u64,
    /// Whose mirror it is.
    pub source: Whose,
    /// Customers were being erased: they may be in the damaged file.
    pub erasure_unfinished: bool,
}

/// Where it is known from whose mirror it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// From the mirror.
    Kept,
    /// From the configuration.
    Configured(String),
    /// It isn't known.
    Unknown,
}

/// Makes a new mirror of what can be read of the damaged one at `path`, and puts it in its place; `on_step` hears what is done.
/// Nobody else may have the lock.
///
/// # Errors
/// If the file is no mirror, is locked, or the new file can't be written. The damaged one is then as it was.
pub fn recover(path: &Path, order: Order<'_>, on_step: &dyn Fn(String)) -> Result<Recovery> {
    refuse_missing(path)?;
    let _lock = lock::Lock::acquire(path, "customer-mirror recover")?;
    let io = |error| MirrorError::from_io(path, &error);
    let damaged = place::look(path, order.now).map_err(io)?;
    if !order.force && !damaged.was_cut_short && is_sound(path, on_step)? {
        return Ok(Recovery::NotNeeded);
    }
    let (new, file) = place::new_file(&damaged).map_err(|error| of_new(path, io(error)))?;
    let recovered = build(&damaged, &new, order, on_step).and_then(|recovered| {
        on_step("the new mirror, into its place".to_owned());
        file.sync_all()
            .and_then(|()| place::put(&damaged, &new))
            .map_err(io)?;
        // Whoever may only read the mirror can't make its -wal and -shm files. The next who writes makes them, else.
        if schema::open_for_writing(path).is_ok() {
            files::share_with_group(path);
        }
        Ok(recovered)
    });
    match recovered {
        Ok(recovered) => Ok(Recovery::Done(Box::new(recovered))),
        Err(error) => {
            // It may be what fills the disk.
            let _ = place::remove(&new);
            Err(of_new(path, error))
        }
    }
}

/// An error of the new file's is told as what it keeps from being done.
fn of_new(path: &Path, error: MirrorError) -> MirrorError {
    match error {
        // What was just written can't be read again.
        MirrorError::Damaged { reason, .. } | MirrorError::Storage { reason, .. } => {
            MirrorError::Storage {
                path: path.to_owned(),
                reason: format!(
                    "no new mirror can be made beside it, which takes about as much room as it has: {reason} (it was left as it is)"
                ),
            }
        }
        other => other,
    }
}

/// Whether there is nothing to recover from.
fn is_sound(path: &Path, on_step: &dyn Fn(String)) -> Result<bool> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        // To open it, SQLite would delete its -wal file, in which all may be.
        return Ok(false);
    }
    let examined = Reader::open(path).and_then(|mut reader| reader.examine(Depth::Full, on_step));
    match examined {
        Ok(soundness) => Ok(soundness == Soundness::Sound),
        Err(
            MirrorError::Damaged { .. }
            | MirrorError::NotAMirror { .. }
            | MirrorError::Missing { .. }
            | MirrorError::Storage { .. }
            | MirrorError::Unexpected { .. },
        ) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the new file.
fn build(
    damaged: &Damaged,
    new: &Path,
    order: Order<'_>,
    on_step: &dyn Fn(String),
) -> Result<Recovered> {
    let io = |error| MirrorError::from_io(&damaged.mirror, &error);
    let wal = File::open(&damaged.wal).ok();
    let file = File::open(&damaged.mirror).map_err(io)?;
    let book = Book::open(file, wal).map_err(io)?;
    refuse_newer(&damaged.mirror, &book)?;
    let sqlite = |error| MirrorError::from_sqlite(new, error);
    let db = create(new).map_err(sqlite)?;
    let filling = Fill::new(&book, &db, on_step);
    let recovered = write(filling, damaged, order).map_err(sqlite)?;
    if recovered.is_nothing() {
        return Err(MirrorError::NotAMirror {
            path: damaged.mirror.clone(),
            reason: "nothing of one was found in it".to_owned(),
        });
    }
    on_step("a look at the new mirror".to_owned());
    let problems = soundness::examine(&db, Depth::Full, on_step).map_err(sqlite)?;
    if let Some(problem) = problems.first() {
        return Err(MirrorError::Storage {
            path: new.to_owned(),
            reason: format!(
                "what was written is not sound ({problem}); check the disk, and report it as a bug if that is well"
            ),
        });
    }
    db.execute_batch("PRAGMA journal_mode = wal")
        .map_err(sqlite)?;
    db.close().map_err(|(_, error)| sqlite(error))?;
    Ok(recovered)
}

fn refuse_newer(path: &Path, book: &Book) -> Result<()> {
    let version = book
        .page(1)
        .and_then(|page| pages::version_of(&page, schema::APPLICATION_ID));
    match version {
        Some(found) if found > SCHEMA_VERSION => Err(MirrorError::TooNew {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        }),
        _ => Ok(()),
    }
}

/// An empty mirror. Should the program die, it is of no use to anybody: so there is no journal.
fn create(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    schema::harden(&db)?;
    db.pragma_update(None, "journal_mode", "off")?;
    db.pragma_update(None, "synchronous", "off")?;
    db.pragma_update(None, "foreign_keys", false)?;
    db.pragma_update(None, "secure_delete", true)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.set_prepared_statement_cache_capacity(64);
    upgrade::initialise(&mut db)?;
    schema::ensure_index_of_ids(&db)?;
    Ok(db)
}

fn write(mut fill: Fill<'_>, damaged: &Damaged, order: Order<'_>) -> rusqlite::Result<Recovered> {
    let (db, book, on_step) = (fill.db, fill.book, fill.on_step);
    let now = format_timestamp(order.now);
    db.execute_batch("BEGIN")?;
    fill.all_but_customers()?;
    fill.customers()?;
    on_step("indexes".to_owned());
    schema::ensure_indexes(db)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    on_step("what is lost".to_owned());
    let mended = mend::mend(db, book, &fill.findings, &now)?;
    let source = match (meta::<String>(db, "source")?, order.source) {
        (Some(_), _) => Whose::Kept,
        (None, None) => Whose::Unknown,
        (None, Some(source)) => {
            set_meta(db, "source", &source)?;
            Whose::Configured(source.to_owned())
        }
    };
    db.execute_batch("COMMIT")?;
    tell(db, damaged, &fill.findings, &mended, source)
}

fn tell(
    db: &Connection,
    damaged: &Damaged,
    findings: &Findings,
    mended: &Mended,
    source: Whose,
) -> rusqlite::Result<Recovered> {
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        db.query_row(&sql, [], |row| row.get::<_, i64>(0))
            .map(|count| count.max(0) as u64)
    };
    Ok(Recovered {
        kept: damaged.kept.clone(),
        customers: Totals::read(db)?,
        emptied: mended.emptied,
        unnamed: mended.unnamed,
        tombstones_lost: mended.tombstones_lost,
        changes: count("customer_changes")?,
        changes_lost_through: mended.changes_lost_through,
        passes: count("passes")?,
        quarantined: count("quarantine")?,
        unreadable_pages: findings.unreadable_pages,
        source,
        erasure_unfinished: clean_up::due(db)?.is_some(),
    })
}

impl Recovered {
    /// Whether live customers are not all as they were, so that the mirror counts as incomplete until the next complete pass.
    pub fn is_incomplete(&self) -> bool {
        self.emptied > 0 || self.unnamed != Some(0)
    }

    fn is_nothing(&self) -> bool {
        self.customers.live + self.customers.deleted + self.changes + self.passes == 0
    }
}
