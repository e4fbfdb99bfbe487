//! Who is new, while there is no index of customerIds.
//!
//! customerIds come in no order: a page of a thousand new customers changes nearly as many pages of an index of them, and each of those is
//! written with the commit. A first pass would write the index a hundred times over. So the index is made at its end, in one go
//! ([`schema::ensure_indexes`]), and until then [`Newcomers`] answers: Bloom filters say of nearly every customer that it was never seen. Where they
//! say "perhaps", its hash is looked for among the last ones, in memory, and in sorted runs of those before them, in a temporary table,
//! which is only appended to.
//!
//! None of it is kept: a process that goes on with an interrupted first pass reads the customerIds once. Whoever else adds customers has
//! the index made first, and so has a pass with more customers than there is memory for.

use rusqlite::{Connection, OptionalExtension};

use super::filters::Filters;
use super::schema;

/// Customers in a run. Tests have few.
const RUN: usize = if cfg!(test) { 16 } else { 1 << 16 };
/// Customers known without an index: their filters take some 25 MB, and more would not be little memory any more.
const CUSTOMERS_MAX: usize = if cfg!(test) { 1000 } else { 10_000_000 };

/// Where it is looked up who a customerId is.
#[derive(Debug)]
pub(super) enum Ids<'a> {
    /// In the index, or in all rows, if there is none.
    Rows,
    /// In a first pass.
    Newcomers(&'a mut Newcomers),
    /// In a copy for a dry run, which makes no index: see [`copy`].
    Copy,
}

impl Ids<'_> {
    /// A customer's row id.
    pub(super) fn row_of(
        &mut self,
        connection: &Connection,
        customer_id: &str,
    ) -> rusqlite::Result<Option<i64>> {
        match self {
            Self::Rows => in_rows(connection, customer_id),
            Self::Newcomers(newcomers) => newcomers.row_of(connection, customer_id),
            Self::Copy => connection
                .prepare_cached("SELECT row_id FROM temp.copied_ids WHERE customer_id = ?1")?
                .query_row([customer_id], |row| row.get(0))
                .optional(),
        }
    }

    /// A customer was added.
    pub(super) fn add(
        &mut self,
        connection: &Connection,
        customer_id: &str,
        row_id: i64,
    ) -> rusqlite::Result<()> {
        match self {
            Self::Newcomers(newcomers) => newcomers.add(connection, customer_id, row_id),
            Self::Rows | Self::Copy => Ok(()),
        }
    }
}

fn in_rows(connection: &Connection, customer_id: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT row_id FROM customers WHERE customer_id = ?1")?
        .query_row([customer_id], |row| row.get(0))
        .optional()
}

/// Copies all customerIds to a temporary table, for lookups in a mirror that is only read.
pub(super) fn copy(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TEMP TABLE copied_ids (customer_id TEXT PRIMARY KEY, row_id INTEGER NOT NULL) WITHOUT ROWID;
         INSERT INTO copied_ids SELECT customer_id, row_id FROM customers ORDER BY customer_id",
    )
}

/// Gives back what the runs take on the disk, when nobody asks any more.
pub(super) fn forget(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TABLE IF EXISTS temp.first_sights")
}

/// Whom a first pass has seen.
#[derive(Debug)]
pub(super) struct Newcomers {
    known: Filters,
    /// The last ones: hash and row id.
    recent: Vec<(i64, i64)>,
    runs: i64,
}

impl Newcomers {
    /// Whom the mirror has; `None` if it has the index, or has it now.
    pub(super) fn of(connection: &Connection, seed: u64) -> rusqlite::Result<Option<Self>> {
        if schema::has(connection, "index", schema::INDEX_OF_IDS)? {
            return Ok(None);
        }
        connection.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS first_sights (run INTEGER, id_hash INTEGER, row_id INTEGER, PRIMARY KEY (run, id_hash, row_id))
             WITHOUT ROWID;
             DELETE FROM temp.first_sights",
        )?;
        let mut newcomers = Self {
            known: Filters::new(seed, RUN),
            recent: Vec::with_capacity(RUN),
            runs: 0,
        };
        let mut statement = connection.prepare("SELECT customer_id, row_id FROM customers")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            newcomers.add(connection, row.get_ref(0)?.as_str()?, row.get(1)?)?;
            if newcomers.is_full() {
                break;
            }
        }
        drop(rows);
        if newcomers.is_full() {
            schema::ensure_index_of_ids(connection)?;
            return Ok(None);
        }
        Ok(Some(newcomers))
    }

    fn is_full(&self) -> bool {
        self.known.len() >= CUSTOMERS_MAX
    }

    fn row_of(
        &mut self,
        connection: &Connection,
        customer_id: &str,
    ) -> rusqlite::Result<Option<i64>> {
        if self.is_full() {
            // Only for the rest of a page: the next one finds it there.
            schema::ensure_index_of_ids(connection)?;
            return in_rows(connection, customer_id);
        }
        let hash = self.known.hash(customer_id.as_bytes());
        if !self.known.may_have(hash) {
            return Ok(None);
        }
        let hash = hash as i64;
        for (seen, row_id) in &self.recent {
            if *seen == hash && is(connection, *row_id, customer_id)? {
                return Ok(Some(*row_id));
            }
        }
        let mut in_run = connection.prepare_cached(
            "SELECT row_id FROM temp.first_sights WHERE run = ?1 AND id_hash = ?2",
        )?;
        for run in 0..self.runs {
            let mut found = in_run.query((run, hash))?;
            while let Some(row) = found.next()? {
                let row_id = row.get(0)?;
                if is(connection, row_id, customer_id)? {
                    return Ok(Some(row_id));
                }
            }
        }
        Ok(None)
    }

    fn add(
        &mut self,
        connection: &Connection,
        customer_id: &str,
        row_id: i64,
    ) -> rusqlite::Result<()> {
        if self.is_full() {
            return Ok(());
        }
        let hash = self.known.hash(customer_id.as_bytes());
        self.known.add(hash);
        self.recent.push((hash as i64, row_id));
        if self.recent.len() < RUN {
            return Ok(());
        }
        self.recent.sort_unstable();
        let mut insert =
            connection.prepare_cached("INSERT INTO temp.first_sights VALUES (?1, ?2, ?3)")?;
        for (hash, row_id) in self.recent.drain(..) {
            insert.execute((self.runs, hash, row_id))?;
        }
        self.runs += 1;
        Ok(())
    }
}

/// Whether that row is this customer.
fn is(connection: &Connection, row_id: i64, customer_id: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM customers WHERE row_id = ?1 AND customer_id = ?2")?
        .exists((row_id, customer_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use crate::fixture::{Fixture, at};
    use crate::mirror::{CommitOutcome, Cost};
    use crate::model::Cursor;

    fn customer(number: u32, name: &str) -> String {
        format!("{{\"customerId\": \"c-{number}\", \"name\": \"{name}\"}}")
    }

    /// Two pages of a first pass that goes on.
    fn begun() -> (Fixture, i64) {
        let mut fixture = Fixture::empty();
        let records: Vec<String> = (1..=100).map(|number| customer(number, "once")).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let (first, second) = records.split_at(50);
        let pass_id = fixture.pages(0, &[first, second], Some("on"));
        (fixture, pass_id)
    }

    fn names(fixture: &Fixture) -> Vec<(i64, String)> {
        let sql = "SELECT count(*), name FROM customers GROUP BY name ORDER BY name";
        let read = |db: &Connection| {
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        fixture.mirror.read(read).unwrap()
    }

    fn has_index(fixture: &Fixture) -> bool {
        let has = |db: &Connection| schema::has(db, "index", schema::INDEX_OF_IDS);
        fixture.mirror.read(has).unwrap()
    }

    /// Goes on with a page of these customers, changed.
    fn go_on(fixture: &mut Fixture, pass_id: i64, numbers: std::ops::RangeInclusive<u32>) {
        let records: Vec<String> = numbers.map(|number| customer(number, "twice")).collect();
        let checkpoint = "SELECT next_cursor FROM passes WHERE state = 'running'";
        let asked: String = fixture
            .mirror
            .read(|db| db.query_row(checkpoint, [], |row| row.get(0)))
            .unwrap();
        let body = format!(
            "{{\"items\": [{}], \"pagination\": {{\"nextCursor\": \"{asked} and on\"}}}}",
            records.join(",")
        );
        let page = decode::page(body.into_bytes()).unwrap();
        let (asked, cost) = (Cursor::new(asked), Cost::default());
        let outcome = fixture
            .mirror
            .commit_page(pass_id, asked.as_ref(), &page, cost, at(1))
            .unwrap();
        assert!(matches!(outcome, CommitOutcome::Committed(_)));
    }

    #[test]
    fn who_is_listed_again_in_a_first_pass_is_the_same_customer() {
        let (mut fixture, pass_id) = begun();
        go_on(&mut fixture, pass_id, 41..=110);
        assert_eq!(
            names(&fixture),
            [(40, "once".to_owned()), (70, "twice".to_owned())]
        );
        assert!(!has_index(&fixture));
        go_on(&mut fixture, pass_id, 1..=120);
        assert_eq!(names(&fixture), [(120, "twice".to_owned())]);
    }

    #[test]
    fn all_are_known_by_the_index_once_it_is_made() {
        let (mut fixture, pass_id) = begun();
        fixture
            .mirror
            .write(|tx| schema::ensure_index_of_ids(tx))
            .unwrap();
        go_on(&mut fixture, pass_id, 1..=101);
        assert_eq!(names(&fixture), [(101, "twice".to_owned())]);
    }

    #[test]
    fn with_too_many_to_be_known_without_it_the_index_is_made() {
        let (mut fixture, pass_id) = begun();
        let last = CUSTOMERS_MAX as u32;
        go_on(&mut fixture, pass_id, 101..=last);
        assert!(!has_index(&fixture));
        // Whoever is looked up next is one too many.
        go_on(&mut fixture, pass_id, 1..=last + 1);
        assert!(has_index(&fixture));
        go_on(&mut fixture, pass_id, 1..=last + 2);
        let all = i64::from(last) + 2;
        assert_eq!(names(&fixture), [(all, "twice".to_owned())]);
    }

    #[test]
    fn a_process_that_goes_on_knows_whom_the_one_before_it_saw() {
        let (mut fixture, pass_id) = begun();
        fixture.mirror.newcomers = None;
        go_on(&mut fixture, pass_id, 1..=101);
        assert_eq!(names(&fixture), [(101, "twice".to_owned())]);
    }

    #[test]
    fn whom_somebody_else_adds_in_between_is_known() {
        let mut fixture = Fixture::empty();
        let (bad, good) = (
            "{\"customerId\": \"c-1\", \"name\": \"once\"}",
            customer(2, "once"),
        );
        let pass_id = fixture.pages(0, &[&[&good]], Some("on"));
        // A record that an earlier version could not read.
        let quarantined = format!(
            "INSERT INTO quarantine (pass_id, page, reason, raw, at, raw_hash) VALUES (1, 1, 'bad', '{bad}', '', x'00')"
        );
        fixture
            .mirror
            .read(|db| db.execute_batch(&quarantined))
            .unwrap();
        fixture.mirror.retry_quarantine(at(1)).unwrap();
        go_on(&mut fixture, pass_id, 1..=3);
        assert_eq!(names(&fixture), [(3, "twice".to_owned())]);
    }
}
