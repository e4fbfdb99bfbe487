//! The SQLite mirror: the only room that writes it, and every write is one transaction that leaves a true state.
//!
//! [`Mirror`] is the one writer, and holds the lock (but see [`Mirror::open_beside`]). [`Reader`]s stand beside it (WAL) and never wait for it.
//! A page's rows, seen-marks, counters and next cursor go in together ([`Mirror::commit_page`]); so do the judgement
//! at the end of a walk and its tombstones ([`Mirror::finish_pass`]).

mod attempts;
mod browse;
mod clean_up;
mod commit;
mod conflicts;
mod copy;
mod erase;
mod error;
mod feed;
mod files;
mod filters;
mod find;
mod finish;
mod health;
mod held;
mod history;
mod lock;
mod newcomers;
mod opened_by;
mod passes;
mod preview;
mod profile;
mod quarantine;
mod read;
mod recover;
mod rows;
mod schema;
mod scrub;
mod search;
mod seen;
mod setbacks;
mod soundness;
mod sweep;
mod tables;
mod traces;
mod upgrade;
mod wal;
mod work;

use std::fs::File;
use std::path::{Path, PathBuf};

use held::Held;
use rusqlite::{
    Connection, OptionalExtension, Transaction, TransactionBehavior, types::FromSql, types::ToSql,
};

pub use attempts::{Attempts, LastFailure, Remedy};
pub use browse::{BrowsePosition, Browsed, CustomerFilter, CustomerLine, CustomerStanding};
pub use clean_up::CleanUp;
pub use commit::{CommitOutcome, Cost, PageCommit};
pub use copy::{Totals, files_of};
pub use erase::{Erased, Forgotten, Refusal};
pub use error::{DAEMON, MirrorError};
pub use feed::{Change, FeedBatch, FeedBounds, FeedFilter, FeedGap, FeedPosition};
pub use files::log_of;
pub(crate) use files::{leave_to_folder_owner, sync_folder_of};
pub use find::{Hit, Hits, Match, SEARCH_WINDOW, SUMMARY, SearchEffort, SearchPage};
pub use health::{Disk, FileFacts, Files, Health, lock_state};
pub use lock::{LockState, Owner};
pub use opened_by::Process;
pub use passes::{Checkpoint, Standing};
pub use preview::{Preview, PreviewReport};
pub use profile::{Conflict, FieldChange, History, PastChange, Profile, ProfileUser, users_of};
pub use quarantine::{Quarantined, Retried};
pub use read::{Freshness, HeldSweep, LockStatus, MirrorStatus, Reader, RetryStatus, Status};
pub use recover::{Order, Recovered, Recovery, Whose, recover};
pub use schema::{SCHEMA_VERSION, WAL_BYTES};
pub use soundness::{Depth, Soundness};
pub use sweep::Decided;
pub use tables::{Table, tables};
pub use wal::OVERGROWN_BYTES;
pub use work::Work;

/// The one writer of a mirror file.
#[derive(Debug)]
pub struct Mirror {
    connection: Connection,
    /// The file itself, once [`Mirror::clean_up`] needs it. Closed after the connection, which would lose its locks by that.
    raw: Option<File>,
    path: PathBuf,
    /// Keys the hashes, so that nobody can prepare two records that this mirror would take for the same.
    seed: u64,
    /// The row id that the next record is expected to have, if the listing's order is as before.
    expected_row: i64,
    /// Whom a first pass has seen.
    newcomers: Option<newcomers::Newcomers>,
    /// The cursors that the pass under way has followed.
    followed: Option<commit::Followed>,
    /// Size of the -wal file when waiting for its readers was last in vain; 0 if it was not.
    log_bytes_tried: u64,
    work: Work,
    /// The files that were opened.
    held: Held,
    /// The -wal file may grow to so much while a reader keeps it from being emptied.
    log_bytes_max: u64,
    /// `None` beside a process that has it.
    lock: Option<lock::Lock>,
}

type Result<T> = std::result::Result<T, MirrorError>;

impl Mirror {
    /// Opens the mirror of `source`, creating or migrating it, and takes the lock. `command` names the holder to others.
    ///
    /// # Errors
    /// If it is locked, belongs to another source, is no mirror, or can't be written.
    pub fn open_or_create(path: &Path, source: &str, command: &str) -> Result<Self> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            files::create_folder(folder).map_err(|error| MirrorError::from_io(folder, &error))?;
        }
        Self::open_locked(path, Some(source), command)
    }

    /// Opens a mirror that is there, whatever its source, and takes the lock.
    ///
    /// # Errors
    /// [`MirrorError::Missing`] if there is none, else as [`Mirror::open_or_create`].
    pub fn open_existing(path: &Path, command: &str) -> Result<Self> {
        refuse_missing(path)?;
        Self::open_locked(path, None, command)
    }

    /// Opens a mirror for a decision that may be made while another process, as the daemon does all its life, holds the lock:
    /// one transaction, by [`Mirror::approve_held_sweep`], [`Mirror::discard_held_sweep`], [`Mirror::retry_quarantine`] or
    /// [`Mirror::forget`].
    ///
    /// That is safe for the pass under way: whatever it writes it decides in the same transaction, from what it reads there. What
    /// it keeps between transactions is the hash seed, which never changes, and a guess at the next row, which is checked. No
    /// decision touches the pass's own row, or its chain of cursors.
    ///
    /// # Errors
    /// [`MirrorError::Locked`] if the mirror has to be migrated first, else as [`Mirror::open_existing`].
    pub fn open_beside(path: &Path, command: &str) -> Result<Self> {
        match Self::open_existing(path, command) {
            Err(locked @ MirrorError::Locked { .. }) => match schema::open_beside(path)? {
                Some(connection) => Self::assemble(path, connection, None),
                None => Err(locked),
            },
            other => other,
        }
    }

    fn open_locked(path: &Path, source: Option<&str>, command: &str) -> Result<Self> {
        files::refuse_trap(path).map_err(|error| MirrorError::from_io(path, &error))?;
        let lock = lock::Lock::acquire(path, command)?;
        files::open_or_create(path).map_err(|error| MirrorError::from_io(path, &error))?;
        if let Some((found, remedy)) = files::exposure(path) {
            tracing::warn!("{found}; {remedy}");
        }
        let connection = schema::open_for_writing(path)?;
        files::share_with_group(path);
        let mut mirror = Self::assemble(path, connection, Some(lock))?;
        if let Some(source) = source {
            mirror.claim(source)?;
        }
        Ok(mirror)
    }

    fn assemble(path: &Path, mut connection: Connection, lock: Option<lock::Lock>) -> Result<Self> {
        let work = Work::default();
        work.watch(&mut connection)
            .map_err(|error| MirrorError::from_sqlite(path, error))?;
        let mut mirror = Self {
            connection,
            raw: None,
            path: path.to_owned(),
            seed: 0,
            expected_row: 1,
            newcomers: None,
            followed: None,
            log_bytes_tried: 0,
            work,
            held: Held::of(path),
            log_bytes_max: wal::LOG_BYTES_MAX,
            lock,
        };
        let seed: i64 = mirror.meta("hash_seed")?.unwrap_or_default();
        mirror.seed = seed.cast_unsigned();
        Ok(mirror)
    }

    /// Writes the source into a new mirror; refuses the mirror of another.
    fn claim(&mut self, source: &str) -> Result<()> {
        match self.meta::<String>("source")? {
            None => self.write(|tx| set_meta(tx, "source", &source)),
            Some(owner) => check_source(&self.path, owner, source),
        }
    }

    /// The mirror's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The work that goes on here, to be watched and stopped from elsewhere.
    pub fn work(&self) -> Work {
        self.work.clone()
    }

    /// Empties the -wal file into the mirror's, so that a copy of that file alone is complete. Where readers or another writer
    /// are in the way, some of it stays for the next time; nobody waits.
    pub fn settle(&mut self) -> Result<()> {
        self.refuse_displaced()?;
        let is_settled = self.read(schema::settle_all)?;
        self.held.stamp = if is_settled { self.stamp()? } else { None };
        Ok(())
    }

    /// Gives back the memory that a pass needed.
    pub fn release_memory(&mut self) -> Result<()> {
        self.read(|connection| connection.execute_batch("PRAGMA shrink_memory"))
    }

    /// One transaction: all of `work` or nothing of it.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let sqlite = |error| MirrorError::from_sqlite(&self.path, error);
        self.work.step();
        if self.work.is_given_up() {
            let path = self.path.clone();
            return Err(MirrorError::Interrupted { path });
        }
        self.refuse_displaced()?;
        self.held.stamp = None;
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        if self.lock.is_none() {
            // A newer program may have got the lock, and upgraded the mirror, since it was opened.
            schema::recognise(&tx, &self.path)?;
        }
        let value = work(&tx).map_err(sqlite)?;
        self.work.step();
        tx.commit().map_err(sqlite)?;
        self.work.step();
        // Else nobody could see what was committed.
        self.refuse_displaced()?;
        Ok(value)
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.connection).map_err(|error| MirrorError::from_sqlite(&self.path, error))
    }

    fn meta<T: FromSql>(&self, key: &str) -> Result<Option<T>> {
        self.read(|connection| meta(connection, key))
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        if self.lock.is_some() && self.held.is_safe_to_settle(&self.path) {
            // What stays in the -wal file is read from there, by everybody.
            let _ = self.read(schema::settle);
        }
    }
}

fn meta<T: FromSql>(connection: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    connection
        .prepare_cached("SELECT value FROM mirror_meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

fn set_meta(connection: &Connection, key: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO mirror_meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value")?
        .execute((key, value))?;
    Ok(())
}

fn remove_meta(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM mirror_meta WHERE key = ?1")?
        .execute([key])?;
    Ok(())
}

/// Adds to the counts of live and deleted customers, which are kept so that asking for them reads no table.
fn add_to_counts(connection: &Connection, live: i64, deleted: i64) -> rusqlite::Result<()> {
    let mut add =
        connection.prepare_cached("UPDATE mirror_meta SET value = value + ?2 WHERE key = ?1")?;
    for (key, change) in [("live_customers", live), ("deleted_customers", deleted)] {
        if change != 0 {
            add.execute((key, change))?;
        }
    }
    Ok(())
}

/// Refuses a mirror that isn't there.
fn refuse_missing(path: &Path) -> Result<()> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(MirrorError::Missing {
            path: path.to_owned(),
        }),
        Err(error) => Err(MirrorError::from_io(path, &error)),
    }
}

/// Refuses the mirror of another source.
fn check_source(path: &Path, owner: String, asked: &str) -> Result<()> {
    if owner == asked {
        return Ok(());
    }
    Err(MirrorError::OtherSource {
        path: path.to_owned(),
        owner,
        asked: asked.to_owned(),
    })
}

#[cfg(test)]
mod tests;
