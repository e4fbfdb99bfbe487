//! Readers beside the writer: they never wait for it, and see the mirror as some commit left it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::attempts::Remedy;
use super::lock::{self, Owner};
use super::passes::{self, PASS_COLUMNS, pass_from_row, running_pass};
use super::quarantine::{self, Quarantined};
use super::{MirrorError, Result, SCHEMA_VERSION, attempts, conflicts, meta, schema};
use crate::harmless::harmless;
use crate::model::{PassReport, PassState, Timestamp, format_timestamp};

/// How many passes `status` looks back.
const LAST_PASSES: u32 = 10;

/// A read-only connection to a mirror.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// Everything that `status` shows, in the shape of its JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The mirror as a whole.
    pub mirror: MirrorStatus,
    /// The last complete pass; all `null` before there is one.
    pub freshness: Freshness,
    /// The pass under way, or interrupted and able to go on.
    pub running_pass: Option<PassReport>,
    /// The latest passes, the newest first.
    pub last_passes: Vec<PassReport>,
    /// The sweep that waits for a decision.
    pub held_sweep: Option<HeldSweep>,
    /// Records in quarantine.
    pub quarantined: i64,
    /// referenceIds held by more than one live customer; `null` before the end of a long first pass, which is when they can be counted.
    pub reference_conflicts: Option<i64>,
    /// Who writes to the mirror now.
    pub lock: LockStatus,
    /// The daemon's failed attempts since a pass last came to its end.
    pub retry: Option<RetryStatus>,
    /// When the schedule asks for the next pass; filled in by the caller, who knows the schedule.
    pub next_due_at: Option<String>,
}

impl Status {
    /// The last complete pass, if it is among the latest ones.
    pub fn last_complete_pass(&self) -> Option<&PassReport> {
        let mut passes = self.last_passes.iter();
        passes.find(|pass| pass.state == PassState::Complete)
    }

    /// What to say if the mirror is not of the source that is configured.
    pub fn warning_of_source(&self, configured: &str) -> Option<String> {
        let is_other = self.mirror.source.as_deref()? != configured;
        is_other.then(|| {
            let configured = harmless(configured);
            format!(
                "the configuration names another source, {configured}; `sync` will refuse this mirror"
            )
        })
    }
}

/// The mirror as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct MirrorStatus {
    /// Its file.
    pub path: String,
    /// Base URL and filter that it mirrors.
    pub source: Option<String>,
    /// Its schema version.
    pub schema_version: i64,
    /// Live customers.
    pub live: i64,
    /// Tombstones.
    pub deleted: i64,
}

/// How old the mirror is. It holds every change made before `started_at`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Freshness {
    /// The last complete pass.
    pub pass_id: Option<i64>,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Seconds since it began.
    pub age_seconds: Option<i64>,
}

/// A sweep that waits for `deletions approve` or `deletions discard`.
#[derive(Debug, Clone, Serialize)]
pub struct HeldSweep {
    /// The pass that found the absences.
    pub pass_id: i64,
    /// How many customers would become tombstones.
    pub customers: i64,
}

/// What the daemon has tried since a pass last came to its end, and when it may try again.
#[derive(Debug, Clone, Serialize)]
pub struct RetryStatus {
    /// Failed attempts in a row.
    pub failures: u32,
    /// What the next one waits for: `server` or `time`, which is `not_before`, `next_due`, or `key`, which is another key or the next
    /// due time.
    pub waits_for: Remedy,
    /// When the next one may begin at the earliest.
    pub not_before: String,
    /// Why the last one failed.
    pub reason: String,
}

/// The lock's owner; `null` if the mirror is free.
pub type LockStatus = Option<Owner>;

impl Reader {
    /// Opens a mirror for reading.
    ///
    /// # Errors
    /// [`MirrorError::Missing`] if there is none; or if it is something else, or newer than this program.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            connection: schema::open_for_reading(path)?,
            path: path.to_owned(),
        })
    }

    /// The connection, for queries of the caller's own.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The connection, to put an authorizer on it.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The mirror's file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        work(&self.connection).map_err(|error| MirrorError::from_sqlite(&self.path, error))
    }

    /// Everything that `status` shows but the schedule. One snapshot.
    pub fn status(&self) -> Result<Status> {
        let lock = lock::owner(&self.path);
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            let count = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, i64>(0));
            Ok(Status {
                mirror: MirrorStatus {
                    path: self.path.display().to_string(),
                    source: meta(&tx, "source")?,
                    schema_version: SCHEMA_VERSION,
                    live: meta(&tx, "live_customers")?.unwrap_or_default(),
                    deleted: meta(&tx, "deleted_customers")?.unwrap_or_default(),
                },
                freshness: freshness(&tx)?,
                running_pass: running_pass(&tx)?,
                last_passes: last_passes(&tx, LAST_PASSES)?,
                held_sweep: held_sweep(&tx)?,
                quarantined: count("SELECT count(*) FROM quarantine")?,
                reference_conflicts: conflicts::count(&tx)?,
                lock,
                retry: retry(&tx)?,
                next_due_at: None,
            })
        })
    }

    /// The latest passes, the newest first.
    pub fn last_passes(&self, limit: u32) -> Result<Vec<PassReport>> {
        self.read(|connection| last_passes(connection, limit))
    }

    /// The sweep that waits for a decision.
    pub fn held_sweep(&self) -> Result<Option<HeldSweep>> {
        self.read(held_sweep)
    }

    /// Until when the server wants to be left alone, if that is not over.
    pub fn requests_not_before(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.read(|connection| passes::requests_not_before(connection, now))
    }

    /// A quarantined record by its number.
    pub fn quarantined(&self, id: i64) -> Result<Option<Quarantined>> {
        self.read(|connection| {
            connection
                .query_row(
                    "SELECT * FROM quarantine WHERE id = ?1",
                    [id],
                    quarantine::from_row,
                )
                .optional()
        })
    }

    /// Makes an error of a query of the caller's own one of the mirror's.
    pub fn sorted(&self, error: rusqlite::Error) -> MirrorError {
        MirrorError::from_sqlite(&self.path, error)
    }
}

fn freshness(connection: &Connection) -> rusqlite::Result<Freshness> {
    connection.query_row(
        "SELECT pass_id, started_at, finished_at, age_seconds FROM mirror_freshness",
        [],
        |row| {
            Ok(Freshness {
                pass_id: row.get(0)?,
                started_at: row.get(1)?,
                finished_at: row.get(2)?,
                age_seconds: row.get(3)?,
            })
        },
    )
}

fn retry(connection: &Connection) -> rusqlite::Result<Option<RetryStatus>> {
    let attempts = attempts::read(connection)?;
    Ok(attempts.and_then(|attempts| {
        let failure = attempts.failure?;
        Some(RetryStatus {
            failures: attempts.count - u32::from(!attempts.is_over),
            waits_for: failure.remedy,
            not_before: format_timestamp(attempts.not_before),
            reason: failure.reason,
        })
    }))
}

fn last_passes(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<PassReport>> {
    connection
        .prepare_cached(&format!(
            "SELECT {PASS_COLUMNS} FROM passes ORDER BY pass_id DESC LIMIT ?1"
        ))?
        .query_map([limit], pass_from_row)?
        .collect()
}

fn held_sweep(connection: &Connection) -> rusqlite::Result<Option<HeldSweep>> {
    let Some(pass_id) = super::sweep::held_pass(connection)? else {
        return Ok(None);
    };
    let customers =
        connection.query_row("SELECT count(*) FROM absences WHERE held = 1", [], |row| {
            row.get(0)
        })?;
    Ok(Some(HeldSweep { pass_id, customers }))
}
