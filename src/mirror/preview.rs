//! A dry run: what a walk would change, found without writing to the mirror.
//!
//! The mirror is opened read-only; what must be remembered of the walk goes into temporary tables, which SQLite keeps in a
//! file of its own, so memory stays bounded here too.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::rows::{self, Standing};
use super::{MirrorError, Result, meta, passes, quarantine, schema, seen, sweep};
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
    counts: BTreeMap<&'static str, i64>,
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
        if let Some(owner) = owner.filter(|owner| owner != source) {
            return Err(MirrorError::OtherSource {
                path: path.to_owned(),
                owner,
                asked: source.to_owned(),
            });
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
            counts: BTreeMap::new(),
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
        if let Some(next) = &page.next {
            let first: Option<i64> = self
                .connection
                .query_row(
                    "SELECT page FROM pass_pages WHERE next_cursor = ?1",
                    [next.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            if first.is_some() {
                return Ok(first);
            }
        }
        let mut listed = Vec::new();
        for (index, raw) in page.records().enumerate() {
            *self.counts.entry("records").or_default() += 1;
            let foreign = page.foreign_bytes(index).is_some();
            let standing = if foreign {
                Standing::Unreadable("bytes that are not UTF-8")
            } else {
                rows::compare(&self.connection, raw, self.seed, self.expected_row)?
            };
            let (count, row_id) = match standing {
                Standing::Unchanged(row_id) => ("unchanged", Some(row_id)),
                Standing::Changed(row_id, _) => ("updated", Some(row_id)),
                Standing::Returned(row_id, _) => ("restored", Some(row_id)),
                Standing::New(read) => {
                    let again = self
                        .connection
                        .prepare_cached("INSERT OR IGNORE INTO preview_new VALUES (?1)")?
                        .execute([&read.customer.id])?
                        == 0;
                    (if again { "unchanged" } else { "created" }, None)
                }
                Standing::Unreadable(_) => {
                    let id = quarantine::readable_id(raw, foreign);
                    self.unreadable += u64::from(id.is_none());
                    let row_id = id
                        .map(|id| rows::row_of(&self.connection, &id))
                        .transpose()?;
                    ("quarantined", row_id.flatten())
                }
            };
            *self.counts.entry(count).or_default() += 1;
            if let Some(row_id) = row_id {
                listed.push(row_id);
                self.expected_row = row_id + 1;
            }
        }
        *self.counts.entry("pages").or_default() += 1;
        self.connection
            .prepare_cached("INSERT INTO pass_pages (next_cursor, seen) VALUES (?1, ?2)")?
            .execute((
                page.next.as_ref().map(Cursor::as_str),
                seen::encode(&mut listed),
            ))?;
        Ok(None)
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
        let count = |name| self.counts.get(name).copied().unwrap_or(0);
        let saw_any = count("records") > 0;
        let found = Absences {
            live: live.max(0) as u64,
            confirmed,
            saw_any,
            unreadable: self.unreadable,
        };
        let (deleted, held) = match plan::sweep(found, deletions) {
            Sweep::Skip => (0, 0),
            Sweep::Tombstone => (confirmed, 0),
            Sweep::Hold => (0, confirmed),
            Sweep::HoldAll => (0, absent),
        };
        Ok(PreviewReport {
            pages: count("pages"),
            records: count("records"),
            created: count("created"),
            updated: count("updated"),
            unchanged: count("unchanged"),
            restored: count("restored"),
            quarantined: count("quarantined"),
            absent,
            deleted,
            held,
        })
    }
}
