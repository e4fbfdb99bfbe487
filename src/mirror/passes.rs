//! The life of a pass: begun, resumed, interrupted, ended. Its `passes` row is the checkpoint.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};

use super::{Mirror, Result, meta, remove_meta, schema, set_meta};
use crate::model::{
    Cursor, Holdings, PassReport, PassState, SweepState, Timestamp, format_timestamp,
    parse_timestamp,
};
use crate::plan::WalkEvidence;

const REQUESTS_NOT_BEFORE: &str = "requests_not_before";
const REQUESTS_HELD_AT: &str = "requests_held_at";
const CURSOR_LIFETIME: &str = "cursor_rejected_at_age_ms";

/// A pass to walk, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The pass.
    pub pass_id: i64,
    /// Where the next request begins.
    pub standing: Standing,
    /// Pages committed so far.
    pub pages: i64,
    /// Records on them.
    pub records: i64,
    /// How old the cursor is; `None` if there is none, or the clock went back.
    pub cursor_age: Option<Duration>,
    /// True if an earlier process began it.
    pub resumed: bool,
}

/// Where a pass stands in the listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Before the first page.
    First,
    /// Before the page of this cursor.
    At(Cursor),
    /// After the last page; only the judgement is missing.
    Walked,
}

/// The columns of `passes`, in [`PassReport`]'s order.
pub(super) const PASS_COLUMNS: &str = "pass_id, state, started_at, finished_at, resumed, next_cursor, pages, records, created, \
    updated, unchanged, deleted, restored, quarantined, retries, bytes, sweep, error";

pub(super) fn pass_from_row(row: &Row<'_>) -> rusqlite::Result<PassReport> {
    let state: String = row.get("state")?;
    let sweep: String = row.get("sweep")?;
    Ok(PassReport {
        pass_id: row.get("pass_id")?,
        state: PassState::from_stored(&state).unwrap_or(PassState::Failed),
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        resumed: row.get("resumed")?,
        next_cursor: row.get("next_cursor")?,
        pages: row.get("pages")?,
        records: row.get("records")?,
        created: row.get("created")?,
        updated: row.get("updated")?,
        unchanged: row.get("unchanged")?,
        deleted: row.get("deleted")?,
        restored: row.get("restored")?,
        quarantined: row.get("quarantined")?,
        retries: row.get("retries")?,
        bytes: row.get("bytes")?,
        sweep: SweepState::from_stored(&sweep).unwrap_or(SweepState::None),
        error: row.get("error")?,
    })
}

pub(super) fn running_pass(connection: &Connection) -> rusqlite::Result<Option<PassReport>> {
    connection
        .query_row(
            &format!("SELECT {PASS_COLUMNS} FROM passes WHERE state = 'running'"),
            [],
            pass_from_row,
        )
        .optional()
}

/// The pass that can go on, and how old its cursor is.
pub(super) fn interrupted_pass(
    connection: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Option<Checkpoint>> {
    let Some(pass) = running_pass(connection)? else {
        return Ok(None);
    };
    let committed_at: Option<String> = connection
        .query_row(
            "SELECT committed_at FROM pass_pages ORDER BY page DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let standing = match pass.next_cursor.and_then(Cursor::new) {
        Some(cursor) => Standing::At(cursor),
        None if pass.pages > 0 => Standing::Walked,
        None => Standing::First,
    };
    // Without a cursor there is nothing to grow old: a walk at its end can be judged at any time.
    let cursor_age = committed_at
        .filter(|_| matches!(standing, Standing::At(_)))
        .and_then(|text| parse_timestamp(&text))
        .and_then(|at| now.signed_duration_since(at).to_std().ok());
    Ok(Some(Checkpoint {
        pass_id: pass.pass_id,
        standing,
        pages: pass.pages,
        records: pass.records,
        cursor_age,
        resumed: true,
    }))
}

/// The age at which the server is known to have rejected a cursor.
pub(super) fn cursor_lifetime(connection: &Connection) -> rusqlite::Result<Option<Duration>> {
    let age: Option<i64> = meta(connection, CURSOR_LIFETIME)?;
    Ok(age
        .and_then(|ms| u64::try_from(ms).ok())
        .map(Duration::from_millis))
}

/// Until when the server wants to be left alone, if that is not over.
pub(super) fn requests_not_before(
    connection: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    let moment = |key| -> rusqlite::Result<Option<Timestamp>> {
        let stored: Option<String> = meta(connection, key)?;
        Ok(stored.and_then(|text| parse_timestamp(&text)))
    };
    // Stored in what is now the future: by a clock that ran ahead, so nothing is known of how long to wait.
    if moment(REQUESTS_HELD_AT)?.is_some_and(|held_at| held_at > now) {
        return Ok(None);
    }
    Ok(moment(REQUESTS_NOT_BEFORE)?.filter(|until| *until > now))
}

impl Mirror {
    /// The pass that was interrupted, if there is one that can go on.
    pub fn interrupted_pass(&self, now: Timestamp) -> Result<Option<Checkpoint>> {
        self.read(|connection| interrupted_pass(connection, now))
    }

    /// How many customers are live, and when the last complete pass began.
    pub fn holdings(&self) -> Result<Holdings> {
        let started_at: Option<String> = self.read(|connection| {
            connection.query_row("SELECT started_at FROM mirror_freshness", [], |row| {
                row.get(0)
            })
        })?;
        Ok(Holdings {
            live: self.meta("live_customers")?.unwrap_or_default(),
            complete_as_of: started_at.and_then(|text| parse_timestamp(&text)),
        })
    }

    /// The pass that was interrupted, and its pages.
    pub fn pages_of_interrupted_pass(&self) -> Result<Option<(i64, i64)>> {
        self.read(|connection| Ok(running_pass(connection)?.map(|pass| (pass.pass_id, pass.pages))))
    }

    /// Begins a pass at the first page. There must be no running one.
    pub fn begin_pass(&mut self, now: Timestamp) -> Result<Checkpoint> {
        self.expected_row = 1;
        let pass_id = self.write(|tx| {
            tx.execute("DELETE FROM pass_pages", [])?;
            if meta::<i64>(tx, "live_customers")?.unwrap_or_default() > 0 {
                // The first pass did not get to its end, where the indexes are made.
                schema::ensure_indexes(tx)?;
            }
            tx.execute(
                "INSERT INTO passes (state, started_at) VALUES ('running', ?1)",
                [format_timestamp(now)],
            )?;
            Ok(tx.last_insert_rowid())
        })?;
        let standing = Standing::First;
        Ok(Checkpoint {
            pass_id,
            standing,
            pages: 0,
            records: 0,
            cursor_age: None,
            resumed: false,
        })
    }

    /// Notes that an interrupted pass goes on.
    pub fn resume_pass(&mut self, pass_id: i64) -> Result<()> {
        self.write(|tx| {
            tx.execute(
                "UPDATE passes SET resumed = resumed + 1, error = NULL WHERE pass_id = ?1",
                [pass_id],
            )
            .map(drop)
        })
    }

    /// Notes why a pass stopped that can go on; its checkpoint stays.
    pub fn interrupt_pass(&mut self, pass_id: i64, error: &str, retries: u32) -> Result<()> {
        self.write(|tx| {
            tx.execute(
                "UPDATE passes SET error = ?2, retries = retries + ?3 WHERE pass_id = ?1",
                (pass_id, error, retries),
            )
            .map(drop)
        })
    }

    /// Ends a pass without judging absences: [`PassState::Failed`] or [`PassState::Abandoned`].
    pub fn end_pass(
        &mut self,
        pass_id: i64,
        state: PassState,
        error: &str,
        now: Timestamp,
    ) -> Result<()> {
        self.write(|tx| {
            tx.execute(
                "UPDATE passes SET state = ?2, finished_at = ?3, error = ?4 WHERE pass_id = ?1 AND state = 'running'",
                (pass_id, state.as_str(), format_timestamp(now), error),
            )?;
            tx.execute("DELETE FROM pass_pages", []).map(drop)
        })
    }

    /// What is on record of the walk under way, for [`crate::plan::prove_complete`].
    pub fn walk_evidence(&self, pass_id: i64) -> Result<WalkEvidence> {
        self.read(|connection| {
            connection.query_row(
                "SELECT (SELECT pages FROM passes WHERE pass_id = ?1 AND state = 'running'), count(*),
                   ifnull(min(page), 0), ifnull(max(page), 0), count(next_cursor), count(DISTINCT next_cursor),
                   (SELECT next_cursor IS NULL FROM pass_pages ORDER BY page DESC LIMIT 1) FROM pass_pages",
                [pass_id],
                |row| {
                    Ok(WalkEvidence {
                        pages: row.get::<_, Option<i64>>(0)?.unwrap_or(0),
                        recorded: row.get(1)?,
                        first: row.get(2)?,
                        last: row.get(3)?,
                        with_next: row.get(4)?,
                        distinct_cursors: row.get(5)?,
                        ended: row.get::<_, Option<bool>>(6)?.unwrap_or(false),
                    })
                },
            )
        })
    }

    /// A pass as it stands.
    pub fn pass_report(&self, pass_id: i64) -> Result<PassReport> {
        self.read(|connection| {
            connection.query_row(
                &format!("SELECT {PASS_COLUMNS} FROM passes WHERE pass_id = ?1"),
                [pass_id],
                pass_from_row,
            )
        })
    }

    /// How many customers there are, deleted ones included, and bad records: as many different records were ever listed at most.
    pub fn known_records(&self) -> Result<i64> {
        self.read(|connection| {
            let count = |key| meta::<i64>(connection, key);
            let customers = count("live_customers")?.unwrap_or_default()
                + count("deleted_customers")?.unwrap_or_default();
            connection.query_row("SELECT ?1 + count(*) FROM quarantine", [customers], |row| {
                row.get(0)
            })
        })
    }

    /// How many records the last complete pass listed: what to expect of the next.
    pub fn expected_records(&self) -> Result<Option<i64>> {
        self.read(|connection| {
            connection
                .query_row(
                    "SELECT records FROM passes WHERE state = 'complete' ORDER BY pass_id DESC LIMIT 1",
                    [],
                    |row| row.get(0),
                )
                .optional()
        })
    }

    /// Remembers until when the server wants to be left alone, also after a restart.
    pub fn hold_requests_until(&mut self, until: Timestamp, now: Timestamp) -> Result<()> {
        self.write(|tx| {
            set_meta(tx, REQUESTS_NOT_BEFORE, &format_timestamp(until))?;
            set_meta(tx, REQUESTS_HELD_AT, &format_timestamp(now))
        })
    }

    /// Until when the server wants to be left alone, if that is not over.
    pub fn requests_not_before(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.read(|connection| requests_not_before(connection, now))
    }

    /// The age at which the server is known to have rejected a cursor.
    pub fn cursor_lifetime(&self) -> Result<Option<Duration>> {
        self.read(cursor_lifetime)
    }

    /// Remembers the age at which a cursor was rejected; the smallest counts.
    pub fn learn_cursor_lifetime(&mut self, age: Duration) -> Result<()> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        self.write(|tx| match meta::<i64>(tx, CURSOR_LIFETIME)? {
            Some(known) if known <= age_ms => Ok(()),
            _ => set_meta(tx, CURSOR_LIFETIME, &age_ms),
        })
    }

    /// Forgets what was learned about the cursors' lifetime: an older cursor was accepted.
    pub fn unlearn_cursor_lifetime(&mut self) -> Result<()> {
        self.write(|tx| remove_meta(tx, CURSOR_LIFETIME))
    }
}
