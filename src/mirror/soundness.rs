//! Is the file sound? SQLite's own checks, and what must hold of a mirror between any two commits.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction};

use super::read::Reader;
use super::{MirrorError, Result, meta, rows, search};

/// More is not told: one is enough to act on.
const PROBLEMS_MAX: usize = 5;
/// SQLite's instructions, or pages of its own checks, between two looks at the time: a few milliseconds.
const INSTRUCTIONS_A_LOOK: i32 = 1000;
/// Customers between two words of progress.
const CUSTOMERS_A_WORD: i64 = 10_000;

/// How thoroughly to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// `PRAGMA quick_check`, which reads the file once, for as long as this.
    Quick(Duration),
    /// `PRAGMA integrity_check`, references between tables, our own invariants, and each customer's record against its hash;
    /// however long that takes.
    Full,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Soundness {
    /// Nothing wrong.
    Sound,
    /// Nothing wrong as far as time allowed to look.
    Unfinished,
    /// These problems, the first few.
    Unsound(Vec<String>),
}

/// Queries that count what must not be, and what that would be.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "SELECT abs((SELECT value FROM mirror_meta WHERE key = 'live_customers')
           - (SELECT count(*) FROM customers WHERE deleted_at IS NULL))",
        "customers are live, but not counted as live, or the other way round",
    ),
    (
        "SELECT abs((SELECT value FROM mirror_meta WHERE key = 'deleted_customers')
           - (SELECT count(*) FROM customers WHERE deleted_at IS NOT NULL))",
        "customers are deleted, but not counted as deleted, or the other way round",
    ),
    (
        "SELECT count(*) FROM customers LEFT JOIN customer_state USING (row_id) WHERE live IS NOT (deleted_at IS NULL)",
        "customers whose state is missing, or of another life than they are",
    ),
    (
        "SELECT count(*) FROM absences JOIN customers USING (row_id) WHERE deleted_at IS NOT NULL",
        "deleted customers that are counted as absent",
    ),
    (
        "SELECT count(*) FROM absences WHERE held = 1 AND NOT EXISTS (SELECT 1 FROM passes WHERE sweep = 'held')",
        "customers wait for a decision, but no sweep is held",
    ),
    (
        "SELECT count(*) FROM passes WHERE records <> created + updated + unchanged + restored + quarantined",
        "passes whose records don't add up",
    ),
    (
        "SELECT count(*) FROM passes WHERE state = 'running' AND pages <> (SELECT count(*) FROM pass_pages)",
        "pass under way whose pages are not all on record",
    ),
    (
        "SELECT count(*) FROM pass_pages WHERE NOT EXISTS (SELECT 1 FROM passes WHERE state = 'running')",
        "pages on record of no pass",
    ),
    (
        "SELECT count(*) FROM (SELECT reference_id, customers FROM reference_conflicts) AS found
           FULL JOIN shared_references AS kept USING (reference_id)
         WHERE customers IS NOT holders AND EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'customers_insert_shares')",
        "referenceIds that live customers share, counted wrongly",
    ),
];

impl Reader {
    /// Looks whether the file is sound; `on_step` hears what is looked at. One snapshot: beside a writer, the -wal file grows
    /// meanwhile.
    ///
    /// # Errors
    /// If the file can't be read. Damage that SQLite stumbles over is no error, but what was looked for.
    pub fn examine(&mut self, depth: Depth, on_step: &dyn Fn(String)) -> Result<Soundness> {
        if let Depth::Quick(patience) = depth {
            let deadline = Instant::now() + patience;
            let is_over = move || Instant::now() >= deadline;
            let watched = self
                .connection_mut()
                .progress_handler(INSTRUCTIONS_A_LOOK, Some(is_over));
            watched.map_err(|error| MirrorError::from_sqlite(self.path(), error))?;
        }
        let examined = self.read(|connection| examine(connection, depth, on_step));
        let unwatched = self
            .connection_mut()
            .progress_handler(0, None::<fn() -> bool>);
        unwatched.map_err(|error| MirrorError::from_sqlite(self.path(), error))?;
        match examined {
            Ok(problems) if problems.is_empty() => Ok(Soundness::Sound),
            Ok(problems) => Ok(Soundness::Unsound(problems)),
            Err(MirrorError::Interrupted { .. }) => Ok(Soundness::Unfinished),
            Err(MirrorError::Damaged { reason, .. }) => Ok(Soundness::Unsound(vec![reason])),
            Err(error) => Err(error),
        }
    }
}

/// What is wrong, the first few problems.
pub(super) fn examine(
    connection: &Connection,
    depth: Depth,
    on_step: &dyn Fn(String),
) -> rusqlite::Result<Vec<String>> {
    let tx = connection.unchecked_transaction()?;
    if depth != Depth::Full {
        on_step("quick_check of the mirror".to_owned());
        return said_by(&tx, "PRAGMA quick_check");
    }
    on_step("integrity_check of the mirror".to_owned());
    let problems = said_by(&tx, "PRAGMA integrity_check")?;
    if !problems.is_empty() {
        // What is built on a broken file says nothing more.
        return Ok(problems);
    }
    let mut problems = Vec::new();
    on_step("references between tables".to_owned());
    let count = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, i64>(0));
    let orphans = count("SELECT count(*) FROM pragma_foreign_key_check")?;
    if orphans > 0 {
        problems.push(format!(
            "{orphans} rows refer to a customer that isn't there"
        ));
    }
    on_step("counts and marks".to_owned());
    for (sql, what) in INVARIANTS {
        let wrong = count(sql)?;
        if wrong != 0 {
            problems.push(format!("{wrong} {what}"));
        }
    }
    on_step("the search index".to_owned());
    let unfindable = search::unfindable(&tx)?;
    if let Some(first) = unfindable.first() {
        problems.push(format!(
            "{} customers, {} the first, whom the search index doesn't lead to",
            unfindable.len(),
            customer_of(&tx, *first)?
        ));
    }
    problems.extend(changed_records(&tx, on_step)?);
    problems.truncate(PROBLEMS_MAX);
    Ok(problems)
}

/// What SQLite's own check says, but `ok`.
fn said_by(tx: &Transaction<'_>, pragma: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = tx.prepare(&format!("{pragma}({PROBLEMS_MAX})"))?;
    let said = statement.query_map([], |row| row.get::<_, String>(0))?;
    let said: Vec<String> = said.collect::<rusqlite::Result<_>>()?;
    // It begins some with a line of its own.
    let lines = said.iter().flat_map(|text| text.lines());
    let problems = lines.filter(|line| *line != "ok" && !line.starts_with("***"));
    Ok(problems.take(PROBLEMS_MAX).map(str::to_owned).collect())
}

/// Customers whose record isn't any more what it was when it was written.
fn changed_records(
    tx: &Transaction<'_>,
    on_step: &dyn Fn(String),
) -> rusqlite::Result<Option<String>> {
    let seed: i64 = meta(tx, "hash_seed")?.unwrap_or_default();
    let mut statement = tx.prepare(
        "SELECT raw, raw_hash, row_id FROM customers JOIN customer_state USING (row_id)",
    )?;
    let mut rows = statement.query([])?;
    let (mut looked_at, mut changed) = (0, 0);
    let mut first = None;
    while let Some(row) = rows.next()? {
        let raw = row.get_ref(0)?;
        let hash = rows::raw_hash(raw.as_bytes().unwrap_or_default(), seed.cast_unsigned());
        if row.get_ref(1)?.as_blob().unwrap_or_default() != hash {
            changed += 1;
            first.get_or_insert(row.get::<_, i64>(2)?);
        }
        looked_at += 1;
        if looked_at % CUSTOMERS_A_WORD == 0 {
            on_step(format!("{looked_at} customers against their hashes"));
        }
    }
    let Some(first) = first else {
        return Ok(None);
    };
    Ok(Some(format!(
        "{changed} customers whose record is not as it was written, {} the first",
        customer_of(tx, first)?
    )))
}

fn customer_of(tx: &Transaction<'_>, row_id: i64) -> rusqlite::Result<String> {
    tx.query_row(
        "SELECT customer_id FROM customers WHERE row_id = ?1",
        [row_id],
        |row| row.get(0),
    )
}

#[cfg(test)]
mod tests;
