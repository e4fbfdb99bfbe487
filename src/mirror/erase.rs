//! Erasing tombstones for good: what an operator names (`forget`), and what is older than `deletions.purge_after`.
//!
//! Rows go in one transaction; what is then left of them in the file's unused bytes goes by [`Mirror::clean_up`], which the same
//! transaction puts on record as due, so that whoever dies in between leaves it to the next one.

use std::time::Duration;

use chrono::TimeDelta;
use rusqlite::{Connection, OptionalExtension};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::clean_up::{self, Due};
use super::search::Updates;
use super::traces::Texts;
use super::{Mirror, Result, add_to_counts, attempts, feed, seen};
use crate::model::{Timestamp, format_timestamp};

/// Tombstones purged in one transaction, which others wait for who want to write.
const BATCH_ROWS: i64 = 500;

/// Where an ID is looked for: the first column that has it decides, as with `get`.
const ID_COLUMNS: [(&str, &str); 3] = [
    ("customer_id", "customerId"),
    ("reference_id", "referenceId"),
    ("human_readable_id", "humanReadableId"),
];

/// What is said in place of an error that named an erased customer.
const MENTION_ERASED: &str = "(removed: it named a customer that was erased)";

/// What erasing came to.
#[derive(Debug, Default)]
pub struct Erased {
    /// The customerIds of those that are gone.
    pub customers: Vec<String>,
    /// Their rows in the change feed.
    pub changes: u64,
    /// Their records in quarantine.
    pub quarantined: u64,
    /// IDs that are gone since an earlier run, which didn't get to its end.
    pub again: Vec<String>,
    /// What must not be found in the file any more.
    pub(super) texts: Texts,
}

/// Why an ID is not erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has it.
    Unknown {
        /// As asked for.
        id: String,
    },
    /// Its customer is live.
    Live {
        /// As asked for.
        id: String,
        /// The customer's own.
        customer_id: String,
    },
    /// More than one customer has it.
    Ambiguous {
        /// As asked for.
        id: String,
        /// Which ID it is.
        kind: &'static str,
        /// Their customerIds, and whether they are live.
        customers: Vec<(String, bool)>,
    },
}

/// The end of [`Mirror::forget`].
#[derive(Debug)]
pub enum Forgotten {
    /// The rows are gone; [`Mirror::clean_up`] is due.
    Erased(Erased),
    /// Nothing was done.
    Refused(Vec<Refusal>),
}

/// What one ID leads to.
enum Target {
    Tombstone(String),
    /// A customerId that only the quarantine has.
    Quarantined(String),
    /// Erased by a run that didn't get to its end.
    Gone,
}

impl Mirror {
    /// Erases tombstones and quarantined records, all that are named or none.
    ///
    /// Safe beside a pass of another process: it forgets the tombstones' row ids, and a customer that it lists later is a new one.
    pub fn forget(&mut self, ids: &[String]) -> Result<Forgotten> {
        let seed = self.seed;
        self.write(|tx| {
            let due = clean_up::due(tx)?;
            let mut erased = Erased::default();
            let mut refusals = Vec::new();
            let mut fingerprints = Vec::new();
            for id in ids {
                let fingerprint = xxh3_64_with_seed(id.as_bytes(), seed);
                match find(tx, id, due.as_ref(), fingerprint)? {
                    Err(refusal) => refusals.push(refusal),
                    Ok(Target::Gone) => erased.again.push(id.clone()),
                    Ok(Target::Tombstone(customer_id) | Target::Quarantined(customer_id)) => {
                        fingerprints.push(fingerprint);
                        if !erased.customers.contains(&customer_id) {
                            erased.customers.push(customer_id);
                        }
                    }
                }
            }
            if !refusals.is_empty() {
                return Ok(Forgotten::Refused(refusals));
            }
            erase(tx, &mut erased)?;
            clean_up::make_due(tx, due, &fingerprints)?;
            Ok(Forgotten::Erased(erased))
        })
    }

    /// What a clock has dated that was ahead counts from `now` on: it would not grow old for years. By a day it is no matter.
    pub fn redate_future(&mut self, now: Timestamp) -> Result<()> {
        let Some(tomorrow) = now.checked_add_signed(TimeDelta::days(1)) else {
            return Ok(());
        };
        let (now, tomorrow) = (format_timestamp(now), format_timestamp(tomorrow));
        self.write(|tx| {
            for sql in [
                "UPDATE customers SET deleted_at = ?1 WHERE deleted_at > ?2",
                "UPDATE quarantine SET at = ?1 WHERE at > ?2",
            ] {
                tx.prepare_cached(sql)?.execute([&now, &tomorrow])?;
            }
            Ok(())
        })
    }

    /// Erases the tombstones that are older than `purge_after`; returns how many. What it has done stays, if it is stopped.
    pub fn purge(&mut self, purge_after: Duration, now: Timestamp) -> Result<u64> {
        let Some(cutoff) = chrono::TimeDelta::from_std(purge_after)
            .ok()
            .and_then(|age| now.checked_sub_signed(age))
        else {
            return Ok(0);
        };
        let cutoff = format_timestamp(cutoff);
        let mut purged = 0;
        loop {
            let batch = self.write(|tx| {
                let mut erased = Erased {
                    customers: tx
                        .prepare_cached(
                            "SELECT customer_id FROM customers WHERE deleted_at < ?1 ORDER BY deleted_at LIMIT ?2",
                        )?
                        .query_map((&cutoff, BATCH_ROWS), |row| row.get(0))?
                        .collect::<rusqlite::Result<_>>()?,
                    ..Erased::default()
                };
                if !erased.customers.is_empty() {
                    erase(tx, &mut erased)?;
                    let due = clean_up::due(tx)?;
                    clean_up::make_due(tx, due, &[])?;
                }
                Ok(erased.customers.len() as u64)
            })?;
            purged += batch;
            if batch < BATCH_ROWS as u64 {
                return Ok(purged);
            }
        }
    }
}

/// Whom an ID names, if that one may be erased.
fn find(
    connection: &Connection,
    id: &str,
    due: Option<&Due>,
    fingerprint: u64,
) -> rusqlite::Result<std::result::Result<Target, Refusal>> {
    for (column, kind) in ID_COLUMNS {
        let customers: Vec<(String, bool)> = connection
            .prepare_cached(&format!(
                "SELECT customer_id, deleted_at IS NULL FROM customers WHERE {column} = ?1 ORDER BY row_id"
            ))?
            .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let id = id.to_owned();
        return Ok(match <[_; 1]>::try_from(customers) {
            Ok([(customer_id, true)]) => Err(Refusal::Live { id, customer_id }),
            Ok([(customer_id, false)]) => Ok(Target::Tombstone(customer_id)),
            Err(customers) if customers.is_empty() => continue,
            Err(customers) => Err(Refusal::Ambiguous {
                id,
                kind,
                customers,
            }),
        });
    }
    let is_quarantined = connection
        .prepare_cached("SELECT 1 FROM quarantine WHERE customer_id = ?1")?
        .exists([id])?;
    Ok(if is_quarantined {
        Ok(Target::Quarantined(id.to_owned()))
    } else if due.is_some_and(|due| due.has(fingerprint)) {
        Ok(Target::Gone)
    } else {
        Err(Refusal::Unknown { id: id.to_owned() })
    })
}

/// Deletes all rows of `erased.customers`, none of which is live, and counts them, and remembers what they said.
fn erase(connection: &Connection, erased: &mut Erased) -> rusqlite::Result<()> {
    let ids = serde_json::to_string(&erased.customers).unwrap_or_default();
    erased.texts = Texts::of(connection, &ids)?;
    unlist(connection, &take_out_of_search(connection, &ids)?)?;
    let changes: (Option<i64>, Option<String>) = connection.query_row(
        "SELECT max(seq), max(changed_at) FROM customer_changes
         WHERE customer_id IN (SELECT value FROM json_each(?1))",
        [&ids],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if let (Some(through), Some(at)) = changes {
        feed::note_missing(connection, through, &at)?;
    }
    let delete = |table: &str| {
        let sql =
            format!("DELETE FROM {table} WHERE customer_id IN (SELECT value FROM json_each(?1))");
        connection.execute(&sql, [&ids]).map(|rows| rows as u64)
    };
    erased.changes = delete("customer_changes")?;
    erased.quarantined = delete("quarantine")?;
    // Its users, state and absences go with it.
    let customers = delete("customers")?;
    add_to_counts(connection, 0, -(customers as i64))?;
    forget_samples(connection)?;
    forget_mentions(connection, &erased.texts)
}

/// Takes customers out of the search index; returns their row ids.
fn take_out_of_search(connection: &Connection, ids: &str) -> rusqlite::Result<Vec<i64>> {
    let mut updates = Updates::default();
    let rows = connection
        .prepare(
            "SELECT row_id, raw FROM customers WHERE customer_id IN (SELECT value FROM json_each(?1))",
        )?
        .query_map([ids], |row| {
            let row_id = row.get(0)?;
            updates.erase(row_id, row.get_ref(1)?.as_str()?);
            Ok(row_id)
        })?
        .collect::<rusqlite::Result<_>>()?;
    updates.write(connection)?;
    Ok(rows)
}

/// Takes row ids out of what the pass under way has seen: SQLite may give them to customers that are yet to come.
fn unlist(connection: &Connection, rows: &[i64]) -> rusqlite::Result<()> {
    let mut last_page = 0;
    loop {
        let next: Option<(i64, Vec<u8>)> = connection
            .prepare_cached(
                "SELECT page, seen FROM pass_pages WHERE page > ?1 ORDER BY page LIMIT 1",
            )?
            .query_row([last_page], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((page, seen)) = next else {
            return Ok(());
        };
        last_page = page;
        let without = seen::without(&seen, rows).ok_or(rusqlite::Error::InvalidQuery)?;
        if without != seen {
            connection
                .prepare_cached("UPDATE pass_pages SET seen = ?2 WHERE page = ?1")?
                .execute((page, without))?;
        }
    }
}

/// Removes what passes and failed attempts say about the erased: the server's words, of errors and cursors, may be about a customer.
fn forget_mentions(connection: &Connection, texts: &Texts) -> rusqlite::Result<()> {
    let Some(search) = texts.search() else {
        return Ok(());
    };
    let said: Vec<(i64, String)> = connection
        .prepare(
            "SELECT pass_id, concat_ws(char(10), error, CASE WHEN state <> 'running' THEN next_cursor END) FROM passes
             WHERE error IS NOT NULL OR next_cursor IS NOT NULL",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (pass_id, _) in said.iter().filter(|(_, said)| search.is_match(said)) {
        connection.execute(
            "UPDATE passes SET error = CASE WHEN error IS NOT NULL THEN ?2 END, next_cursor = CASE WHEN state = 'running' THEN next_cursor END WHERE pass_id = ?1",
            (pass_id, MENTION_ERASED),
        )?;
    }
    attempts::replace_reason(connection, MENTION_ERASED, |reason| search.is_match(reason))
}

/// ANALYZE, which this program never runs, keeps samples of what is indexed.
fn forget_samples(connection: &Connection) -> rusqlite::Result<()> {
    let has_samples = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'")?
        .exists([])?;
    if has_samples {
        connection.execute("DELETE FROM sqlite_stat4", [])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
