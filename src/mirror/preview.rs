//! A dry run: what a walk would change, found without writing to the mirror.
//!
//! The mirror is opened read-only; what must be remembered of the walk goes into temporary tables, which SQLite keeps in a
//! file of its own, so memory stays bounded here too.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::commit::{self, PageCommit};
use super::newcomers::{self, Ids};
use super::rows::{self, Read, Standing, Statements};
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
    ids: Ids<'static>,
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
                 CREATE TEMP TABLE preview_read (customer_id TEXT PRIMARY KEY, row_id INTEGER UNIQUE, content_hash BLOB NOT NULL) WITHOUT ROWID;",
            )
            .map_err(sqlite)?;
        let seed: i64 = meta(&connection, "hash_seed")
            .map_err(sqlite)?
            .unwrap_or_default();
        let ids = Self::ids(&connection).map_err(sqlite)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            seed: seed.cast_unsigned(),
            expected_row: 1,
            ids,
            unreadable: 0,
            walked: PageCommit::default(),
        })
    }

    fn ids(connection: &Connection) -> rusqlite::Result<Ids<'static>> {
        if schema::has(connection, "index", schema::INDEX_OF_IDS)? {
            return Ok(Ids::Rows);
        }
        newcomers::copy(connection)?;
        Ok(Ids::Copy)
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
        let mut statements = Statements::of(&self.connection)?;
        for (index, raw) in page.records().enumerate() {
            self.walked.records += 1;
            let foreign = page.foreign_bytes(index).is_some();
            let standing = if foreign {
                Standing::Unreadable(quarantine::reason_of(page.had_secret(index)))
            } else {
                rows::compare(
                    &mut statements,
                    raw,
                    self.seed,
                    self.expected_row,
                    &mut self.ids,
                )?
            };
            let (count, row_id) = match standing {
                Standing::Unchanged(row_id) => {
                    let is_back = self.comes_back(row_id)?;
                    let walked = &mut self.walked;
                    let count = if is_back {
                        &mut walked.updated
                    } else {
                        &mut walked.unchanged
                    };
                    (count, Some(row_id))
                }
                Standing::New(read) => match self.came_before(&read, None)? {
                    None => (&mut self.walked.created, None),
                    Some(true) => (&mut self.walked.unchanged, None),
                    Some(false) => (&mut self.walked.updated, None),
                },
                Standing::Changed(row_id, read) => match self.came_before(&read, Some(row_id))? {
                    Some(true) => (&mut self.walked.unchanged, Some(row_id)),
                    _ => (&mut self.walked.updated, Some(row_id)),
                },
                Standing::Returned(row_id, read) => match self.came_before(&read, Some(row_id))? {
                    None => (&mut self.walked.restored, Some(row_id)),
                    Some(true) => (&mut self.walked.unchanged, Some(row_id)),
                    Some(false) => (&mut self.walked.updated, Some(row_id)),
                },
                Standing::Unreadable(_) => {
                    let id = quarantine::readable_id(raw, foreign);
                    self.unreadable += u64::from(id.is_none());
                    let row_id = id
                        .map(|id| self.ids.row_of(&self.connection, &id))
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
        self.connection
            .query_row("SELECT count(*) FROM customer_state", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(|known| known + self.walked.created + self.walked.quarantined)
            .map_err(|error| MirrorError::from_sqlite(&self.path, error))
    }

    /// Remembers a record that the pass would write. If it would have written the customer before, whether that was the same value.
    fn came_before(&self, read: &Read<'_>, row_id: Option<i64>) -> rusqlite::Result<Option<bool>> {
        let written: Option<[u8; 16]> = self
            .connection
            .prepare_cached("SELECT content_hash FROM preview_read WHERE customer_id = ?1")?
            .query_row([&read.customer.id], |row| row.get(0))
            .optional()?;
        if written != Some(read.content_hash) {
            self.connection
                .prepare_cached(
                    "INSERT INTO preview_read VALUES (?1, ?2, ?3)
                     ON CONFLICT (customer_id) DO UPDATE SET content_hash = excluded.content_hash",
                )?
                .execute((&read.customer.id, row_id, read.content_hash))?;
        }
        Ok(written.map(|written| written == read.content_hash))
    }

    /// True if the pass would have changed this customer before, so that the value in the mirror is now another one.
    fn comes_back(&self, row_id: i64) -> rusqlite::Result<bool> {
        self.connection
            .prepare_cached(
                "DELETE FROM preview_read WHERE row_id = ?1 AND content_hash <> (
               SELECT content_hash FROM customer_state WHERE customer_state.row_id = ?1)",
            )?
            .execute([row_id])
            .map(|rows| rows > 0)
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
        // The pass would judge when those who are new or back are live already.
        let live = live + self.walked.created + self.walked.restored;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use crate::fixture::Fixture;

    fn customer(id: &str, value: u32) -> String {
        format!(r#"{{"customerId":"{id}","metadata":{{"v":{value}}}}}"#)
    }

    /// What is foretold of a listing of one page, by a mirror of `known`, of whom none has been absent yet.
    fn foretold(known: &[String], listed: &[String], max_percent: f64) -> PreviewReport {
        let mut fixture = Fixture::empty();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        fixture.pass(0, &[&known]);
        let mut preview = Preview::open(&fixture.path, "https://api.example.com/v1").unwrap();
        let body = format!(r#"{{"items":[{}],"pagination":{{}}}}"#, listed.join(","));
        let page = decode::page(body.into_bytes()).unwrap();
        assert_eq!(preview.page(&page).unwrap(), None);
        let deletions = Deletions {
            confirm_passes: 1,
            max_percent,
            always_allow: 0,
            purge_after: None,
        };
        preview.finish(&deletions).unwrap()
    }

    #[test]
    fn the_guard_counts_those_who_are_new() {
        let known = ["a", "b", "c"].map(|id| customer(id, 0));
        let listed = ["a", "b", "d", "e"].map(|id| customer(id, 0));
        // One of five, when the pass would judge; it was one of three when it began.
        let report = foretold(&known, &listed, 25.0);
        assert_eq!((report.deleted, report.held), (1, 0));
        let report = foretold(&known, &listed, 15.0);
        assert_eq!((report.deleted, report.held), (0, 1));
    }

    #[test]
    fn a_customer_that_is_listed_twice_is_compared_with_what_came_first() {
        let known = [customer("a", 0)];
        let listed = [
            customer("a", 1),
            customer("a", 1),
            customer("a", 0),
            customer("a", 0),
            customer("b", 0),
            customer("b", 1),
            customer("b", 1),
        ];
        let report = foretold(&known, &listed, 10.0);
        assert_eq!(
            (report.created, report.updated, report.unchanged),
            (1, 3, 3)
        );
    }
}
