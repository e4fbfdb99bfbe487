//! A page into the mirror: rows, seen-marks, counters and the next cursor, in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

use super::filters::Filters;
use super::newcomers::{Ids, Newcomers};
use super::rows::{self, Read, Stamp, Standing, Statements};
use super::search::Updates;
use super::{Mirror, Result, add_to_counts, quarantine, schema, seen};
use crate::model::{Cursor, Page, Timestamp, format_timestamp};

/// What a page cost to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Size of the body in bytes, decompressed.
    pub bytes: u64,
    /// Requests that had to be repeated.
    pub retries: u32,
}

/// What a page did to the mirror.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageCommit {
    /// The page's number in its pass, from 1.
    pub page: i64,
    /// Records on it.
    pub records: i64,
    /// Customers seen for the first time.
    pub created: i64,
    /// Customers whose content changed.
    pub updated: i64,
    /// Customers as they were.
    pub unchanged: i64,
    /// Tombstoned customers that came back.
    pub restored: i64,
    /// Records that could not be mirrored.
    pub quarantined: i64,
    /// JSON pointers of values of an undocumented type, and in how many of the new and changed records.
    pub drift: BTreeMap<String, u64>,
}

/// What became of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// It is in the mirror.
    Committed(PageCommit),
    /// Its next cursor is one that this pass has followed before: the listing runs in a circle. Nothing was written.
    CursorRepeated {
        /// The page that led there first.
        first_page: i64,
    },
}

impl Mirror {
    /// Writes a page that was asked for with `asked`: all of it, or nothing.
    ///
    /// # Errors
    /// If the mirror can't be written, or the page is not the one that the pass's checkpoint leads to.
    pub fn commit_page(
        &mut self,
        pass_id: i64,
        asked: Option<&Cursor>,
        page: &Page,
        cost: Cost,
        now: Timestamp,
    ) -> Result<CommitOutcome> {
        let now = format_timestamp(now);
        let (seed, mut expected_row) = (self.seed, self.expected_row);
        let mut newcomers = self.newcomers.take();
        let mut followed = self.followed.take();
        let outcome = self.write(|tx| {
            let number = next_page_number(tx, pass_id, asked)?;
            let followed = match &mut followed {
                Some(followed) if followed.pass_id == pass_id => followed,
                other => other.insert(Followed::of(tx, pass_id, seed)?),
            };
            if let Some(first_page) = followed.page_that_led_to(tx, page.next.as_ref())? {
                return Ok(CommitOutcome::CursorRepeated { first_page });
            }
            newcomers = match newcomers.take() {
                Some(newcomers) if !schema::has(tx, "index", schema::INDEX_OF_IDS)? => {
                    Some(newcomers)
                }
                _ => Newcomers::of(tx, seed)?,
            };
            let mut writer = PageWriter {
                statements: Statements::of(tx)?,
                has_quarantined: quarantine::has_any(tx)?,
                seed,
                stamp: Stamp { pass_id, now: &now },
                commit: PageCommit {
                    page: number,
                    ..PageCommit::default()
                },
                seen: Vec::with_capacity(page.len()),
                expected_row,
                ids: newcomers.as_mut().map_or(Ids::Rows, Ids::Newcomers),
                updates: Updates::default(),
            };
            writer.write_records(page)?;
            writer.finish(page.next.as_ref(), cost)?;
            expected_row = writer.expected_row;
            Ok(CommitOutcome::Committed(writer.commit))
        })?;
        self.expected_row = expected_row;
        self.newcomers = newcomers;
        self.followed = followed;
        Ok(outcome)
    }
}

/// The number of the page to commit; an error if `asked` is not where the pass stands.
fn next_page_number(
    connection: &Connection,
    pass_id: i64,
    asked: Option<&Cursor>,
) -> rusqlite::Result<i64> {
    let (pages, next_cursor): (i64, Option<String>) = connection
        .prepare_cached(
            "SELECT pages, next_cursor FROM passes WHERE pass_id = ?1 AND state = 'running'",
        )?
        .query_row([pass_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if next_cursor.as_deref() != asked.map(Cursor::as_str) || (pages > 0 && asked.is_none()) {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    }
    Ok(pages + 1)
}

/// The cursors that a pass has followed. They come in no order, so an index of them would cost every commit a page of the file.
#[derive(Debug)]
pub(super) struct Followed {
    pass_id: i64,
    cursors: Filters,
}

impl Followed {
    /// Cursors that the smallest filter is for.
    const SMALLEST: usize = 1 << 10;

    fn of(connection: &Connection, pass_id: i64, seed: u64) -> rusqlite::Result<Self> {
        let mut cursors = Filters::new(seed, Self::SMALLEST);
        let mut statement = connection
            .prepare("SELECT next_cursor FROM pass_pages WHERE next_cursor IS NOT NULL")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            cursors.add(cursors.hash(row.get_ref(0)?.as_bytes()?));
        }
        Ok(Self { pass_id, cursors })
    }

    /// The page that had the same next cursor; else it has now been followed.
    fn page_that_led_to(
        &mut self,
        connection: &Connection,
        next: Option<&Cursor>,
    ) -> rusqlite::Result<Option<i64>> {
        let Some(next) = next else { return Ok(None) };
        let hash = self.cursors.hash(next.as_str().as_bytes());
        if self.cursors.may_have(hash) {
            let found = page_that_led_to(connection, Some(next))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        self.cursors.add(hash);
        Ok(None)
    }
}

/// The page of this walk that had the same next cursor.
pub(super) fn page_that_led_to(
    connection: &Connection,
    next: Option<&Cursor>,
) -> rusqlite::Result<Option<i64>> {
    let Some(next) = next else { return Ok(None) };
    connection
        .prepare_cached("SELECT page FROM pass_pages WHERE next_cursor = ?1")?
        .query_row([next.as_str()], |row| row.get(0))
        .optional()
}

struct PageWriter<'a> {
    statements: Statements<'a>,
    has_quarantined: bool,
    seed: u64,
    stamp: Stamp<'a>,
    commit: PageCommit,
    seen: Vec<i64>,
    expected_row: i64,
    ids: Ids<'a>,
    updates: Updates,
}

impl PageWriter<'_> {
    fn write_records(&mut self, page: &Page) -> rusqlite::Result<()> {
        for (index, raw) in page.records().enumerate() {
            let apart = page.foreign_bytes(index).map(|bytes| {
                let reason = quarantine::reason_of(page.had_secret(index));
                (reason, bytes)
            });
            self.write_record(raw, apart)?;
        }
        Ok(())
    }

    /// `apart` is why a record is not even read, and its bytes.
    fn write_record(&mut self, raw: &str, apart: Option<(&str, Vec<u8>)>) -> rusqlite::Result<()> {
        self.commit.records += 1;
        if let Some((reason, bytes)) = apart {
            return self.set_apart(raw, reason, Some(bytes));
        }
        let (row_id, read, count) = match rows::compare(
            &mut self.statements,
            raw,
            self.seed,
            self.expected_row,
            &mut self.ids,
        )? {
            Standing::Unchanged(row_id) => (row_id, None, &mut self.commit.unchanged),
            Standing::New(read) => {
                let updates = &mut self.updates;
                let row_id = rows::insert(&mut self.statements, &read, self.stamp, updates)?;
                self.ids
                    .add(self.statements.connection, &read.customer.id, row_id)?;
                (row_id, Some(read), &mut self.commit.created)
            }
            Standing::Changed(row_id, read) => {
                self.update(row_id, &read, "updated")?;
                (row_id, Some(read), &mut self.commit.updated)
            }
            Standing::Returned(row_id, read) => {
                self.update(row_id, &read, "restored")?;
                (row_id, Some(read), &mut self.commit.restored)
            }
            Standing::Unreadable(reason) => return self.set_apart(raw, reason, None),
        };
        *count += 1;
        self.seen.push(row_id);
        self.expected_row = row_id + 1;
        if let Some(read) = read {
            if self.has_quarantined {
                quarantine::heal(self.statements.connection, &read.customer.id)?;
            }
            for pointer in read.customer.drift {
                *self.commit.drift.entry(pointer).or_default() += 1;
            }
        }
        Ok(())
    }

    fn update(&mut self, row_id: i64, read: &Read<'_>, kind: &'static str) -> rusqlite::Result<()> {
        let (statements, updates) = (&mut self.statements, &mut self.updates);
        rows::update(statements, row_id, read, kind, self.stamp, updates)
    }

    fn set_apart(
        &mut self,
        raw: &str,
        reason: &str,
        foreign: Option<Vec<u8>>,
    ) -> rusqlite::Result<()> {
        self.commit.quarantined += 1;
        self.has_quarantined = true;
        let place = quarantine::Place {
            stamp: self.stamp,
            page: self.commit.page,
            seed: self.seed,
        };
        let customer_id =
            quarantine::set_apart(self.statements.connection, raw, reason, foreign, place)?;
        if let Some(customer_id) = customer_id
            && let Some(row_id) = self.ids.row_of(self.statements.connection, &customer_id)?
        {
            self.seen.push(row_id);
            self.expected_row = row_id + 1;
        }
        Ok(())
    }

    fn finish(&mut self, next: Option<&Cursor>, cost: Cost) -> rusqlite::Result<()> {
        let connection = self.statements.connection;
        std::mem::take(&mut self.updates).write(connection)?;
        let next = next.map(Cursor::as_str);
        let commit = &self.commit;
        connection
            .prepare_cached("INSERT INTO pass_pages (page, committed_at, next_cursor, seen) VALUES (?1, ?2, ?3, ?4)")?
            .execute((commit.page, self.stamp.now, next, seen::encode(&mut self.seen)))?;
        connection
            .prepare_cached(
                "UPDATE passes SET pages = ?2, next_cursor = ?3, records = records + ?4, created = created + ?5,
                   updated = updated + ?6, unchanged = unchanged + ?7, restored = restored + ?8,
                   quarantined = quarantined + ?9, retries = retries + ?10, bytes = bytes + ?11, error = NULL
                 WHERE pass_id = ?1",
            )?
            .execute((
                self.stamp.pass_id,
                commit.page,
                next,
                commit.records,
                commit.created,
                commit.updated,
                commit.unchanged,
                commit.restored,
                commit.quarantined,
                cost.retries,
                cost.bytes as i64,
            ))?;
        add_to_counts(
            connection,
            commit.created + commit.restored,
            -commit.restored,
        )
    }
}
