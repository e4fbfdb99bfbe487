//! A dry run: what a walk would change, found without writing to the mirror.
//!
//! The mirror is opened read-only; what must be remembered of the walk goes into temporary tables, which SQLite keeps in a
//! file of its own, so memory stays bounded here too.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::commit::{self, PageCommit};
use super::rows::{self, Standing};
use super::{MirrorError, Result, check_source, meta, passes, quarantine, schema, seen, sweep};
use crate::config::Deletions;
use crate::model::{Cursor, Page, Timestamp};
use crate::plan::{self, Absences, Sweep};

/// What a pass would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewReport {
    /// Pages walked.
    pub pages: i64,
    /// Records on them.
    pub records: i64,
    /// Customers that would be new.
    pub created: i64,
    /// Customers that would be updated.
    pub updated: i64,
    /// Customers that would stay as they are.
    pub unchanged: i64,
    /// Tombstoned customers that would come back.
    pub restored: i64,
    /// Records that would be quarantined.
    pub quarantined: i64,
    /// Live customers that the walk did not list.
    pub absent: u64,
    /// Customers that would become tombstones.
    pub deleted: u64,
    /// Customers that would wait for a decision.
    pub held: u64,
}

/// A walk that is compared with the mirror and leaves it as it is.
#[derive(Debug)]
pub struct Preview {
    connection: Connection,
    path: std::path::PathBuf,
    seed: u64,
    expected_row: i64,
    unreadable: u64,
    /// What all pages so far would do; `page` is the last one's number.
    walked: PageCommit,
}

impl Preview {
    /// Opens the mirror at `path` for comparing; without one, everything is new.
    ///
    /// # Errors
    /// If there is something at `path` that is not the mirror of `source`.
    pub fn open(path: &Path, source: &str) -> Result<Self> {
        let sqlite = |error| MirrorError::from_sqlite(path, error);
        let connection = match schema::open_for_reading(path) {
            Err(MirrorError::Missing { .. }) => schema::open_in_memory().map_err(sqlite)?,
            other => other?,
        };
        let owner: Option<String> = meta(&connection, "source").map_err(sqlite)?;
        if let Some(owner) = owner {
            check_source(path, owner, source)?;
        }
        connection
            .execute_batch(
                "CREATE TEMP TABLE pass_pages (page INTEGER PRIMARY KEY, next_cursor TEXT, seen BLOB NOT NULL);
                 CREATE UNIQUE INDEX temp.preview_cursors ON pass_pages (next_cursor) WHERE next_cursor IS NOT NULL;
                 CREATE TEMP TABLE preview_new (customer_id TEXT PRIMARY KEY) WITHOUT ROWID;",
            )
            .map_err(sqlite)?;
        let seed: i64 = meta(&connection, "hash_seed")
            .map_err(sqlite)?
            .unwrap_or_default();
        Ok(Self {
            connection,
            path: path.to_owned(),
            seed: seed.cast_unsigned(),
            expected_row: 1,
            unreadable: 0,
            walked: PageCommit::default(),
        })
    }

    /// Until when the server wants to be left alone, if that is not over.
    pub fn requests_not_before(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        passes::requests_not_before(&self.connection, now)
            .map_err(|error| MirrorError::from_sqlite(&self.path, error))
    }

    /// Compares a page. `Ok(Some(first_page))` if its next cursor has been followed before.
    pub fn page(&mut self, page: &Page) -> Result<Option<i64>> {
        self.compare_page(page)
            .map_err(|error| MirrorError::from_sqlite(&self.path, error))
    }

    fn compare_page(&mut self, page: &Page) -> rusqlite::Result<Option<i64>> {
        let first_page = commit::page_that_led_to(&self.connection, page.next.as_ref())?;
        if first_page.is_some() {
            return Ok(first_page);
        }
        let mut listed = Vec::new();
        for (index, raw) in page.records().enumerate() {
            self.walked.records += 1;
            let foreign = page.foreign_bytes(index).is_some();
            let standing = if foreign {
                Standing::Unreadable(quarantine::reason_of(page.had_secret(index)))
            } else {
                rows::compare(&self.connection, raw, self.seed, self.expected_row)?
            };
            let (count, row_id) = match standing {
                Standing::Unchanged(row_id) => (&mut self.walked.unchanged, Some(row_id)),
                Standing::Changed(row_id, _) => (&mut self.walked.updated, Some(row_id)),
                Standing::Returned(row_id, _) => (&mut self.walked.restored, Some(row_id)),
                Standing::New(read) => {
                    let again = self
                        .connection
                        .prepare_cached("INSERT OR IGNORE INTO preview_new VALUES (?1)")?
                        .execute([&read.customer.id])?
                        == 0;
                    let count = if again {
                        &mut self.walked.unchanged
                    } else {
                        &mut self.walked.created
                    };
                    (count, None)
                }
                Standing::Unreadable(_) => {
                    let id = quarantine::readable_id(raw, foreign);
                    self.unreadable += u64::from(id.is_none());
                    let row_id = id
                        .map(|id| rows::row_of(&self.connection, &id))
                        .transpose()?;
                    (&mut self.walked.quarantined, row_id.flatten())
                }
            };
            *count += 1;
            if let Some(row_id) = row_id {
                listed.push(row_id);
                self.expected_row = row_id + 1;
            }
        }
        self.walked.page += 1;
        self.connection
            .prepare_cached("INSERT INTO pass_pages (next_cursor, seen) VALUES (?1, ?2)")?
            .execute((
                page.next.as_ref().map(Cursor::as_str),
                seen::encode(&mut listed),
            ))?;
        Ok(None)
    }

    /// How many customers the mirror has, deleted ones included, and would have more; and bad records, each time that they came.
    pub fn known_records(&self) -> Result<i64> {
        let known = self.connection.query_row(
            "SELECT (SELECT count(*) FROM customer_state) + (SELECT count(*) FROM preview_new)",
            [],
            |row| row.get::<_, i64>(0),
        );
        known
            .map(|known| known + self.walked.quarantined)
            .map_err(|error| MirrorError::from_sqlite(&self.path, error))
    }

    /// What the walk, now at its end, would do.
    pub fn finish(self, deletions: &Deletions) -> Result<PreviewReport> {
        self.judge(deletions)
            .map_err(|error| MirrorError::from_sqlite(&self.path, error))
    }

    fn judge(&self, deletions: &Deletions) -> rusqlite::Result<PreviewReport> {
        let (mut absent, mut confirmed) = (0_u64, 0_u64);
        let mut known = self
            .connection
            .prepare("SELECT passes FROM absences WHERE row_id = ?1")?;
        sweep::each_absent(&self.connection, |row_id| {
            absent += 1;
            let passes: u32 = known
                .query_row([row_id], |row| row.get(0))
                .optional()?
                .unwrap_or(0);
            confirmed += u64::from(passes + 1 >= deletions.confirm_passes);
            Ok(())
        })?;
        let live: i64 = meta(&self.connection, "live_customers")?.unwrap_or_default();
        let found = Absences {
            live: live.max(0) as u64,
            confirmed,
            saw_any: self.walked.records > 0,
            unreadable: self.unreadable,
        };
        let (deleted, held) = match plan::sweep(found, deletions) {
            Sweep::Skip => (0, 0),
            Sweep::Tombstone => (confirmed, 0),
            Sweep::Hold => (0, confirmed),
            Sweep::HoldAll => (0, absent),
        };
        Ok(PreviewReport {
            pages: self.walked.page,
            records: self.walked.records,
            created: self.walked.created,
            updated: self.walked.updated,
            unchanged: self.walked.unchanged,
            restored: self.walked.restored,
            quarantined: self.walked.quarantined,
            absent,
            deleted,
            held,
        })
    }
}
