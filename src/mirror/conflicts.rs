//! referenceIds that more than one live customer holds.
//!
//! The view `reference_conflicts` finds them by reading the index of all referenceIds, which takes a tenth of a second for a million.
//! A page that asks every few seconds is answered from `shared_references` instead, a table of the conflicts alone. Triggers keep it:
//! whoever writes customers keeps it by that, in the same transaction. They are made with the indexes, at the end of the first pass.

use rusqlite::{Connection, OptionalExtension};

use super::browse::{LINE, line_from_row};
use super::{Conflict, CustomerLine, Reader, Result, meta, schema};

/// Holders that are named of one referenceId: as many as anybody compares.
const HOLDERS_MAX: usize = 10;

/// So many customers are read to count conflicts before the end of the first pass: some hundredths of a second.
const COUNTED_MAX: i64 = 10_000;

/// The one trigger that is asked for, where all are there or none.
const TRIGGER: &str = "customers_insert_shares";

impl Reader {
    /// referenceIds that more than one live customer holds, in their order, up to `limit` of those behind `after`. None before the end of
    /// the first pass.
    pub fn conflicts(&self, after: Option<&str>, limit: usize) -> Result<Vec<Conflict>> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            if !is_kept(&tx)? {
                return Ok(Vec::new());
            }
            tx.prepare_cached(
                "SELECT reference_id, holders FROM shared_references WHERE reference_id > ?1 ORDER BY reference_id LIMIT ?2",
            )?
            .query_map((after.unwrap_or_default(), limit as i64), |row| Ok((row.get(0)?, row.get(1)?)))?
            .map(|found| {
                let (reference_id, holders): (String, i64) = found?;
                let customers = holders_of(&tx, &reference_id)?;
                Ok(Conflict { reference_id, customers, holders })
            })
            .collect()
        })
    }

    /// Who holds the same referenceId as this live customer, and is live, too; it is one of them. `None` if nobody else does, and before
    /// the end of the first pass.
    pub fn conflicting_with(&self, customer_id: &str) -> Result<Option<Conflict>> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            if !is_kept(&tx)? {
                return Ok(None);
            }
            let found: Option<(String, i64)> = tx
                .prepare_cached(
                    "SELECT reference_id, holders FROM customers JOIN shared_references USING (reference_id)
                     WHERE customer_id = ?1 AND deleted_at IS NULL",
                )?
                .query_row([customer_id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((reference_id, holders)) = found else {
                return Ok(None);
            };
            let customers = holders_of(&tx, &reference_id)?;
            Ok(Some(Conflict { reference_id, customers, holders }))
        })
    }
}

/// How many there are; `None` before the end of a long first pass, when to count them would take reading every customer.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let table = if is_kept(connection)? {
        "shared_references"
    } else if meta::<i64>(connection, "live_customers")?.is_none_or(|live| live <= COUNTED_MAX) {
        "reference_conflicts"
    } else {
        return Ok(None);
    };
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get(0)).map(Some)
}

fn is_kept(connection: &Connection) -> rusqlite::Result<bool> {
    schema::has(connection, "trigger", TRIGGER)
}

/// The first few live customers with a referenceId, in the order of first sight.
fn holders_of(connection: &Connection, reference_id: &str) -> rusqlite::Result<Vec<CustomerLine>> {
    connection
        .prepare_cached(&format!(
            "SELECT {LINE} FROM customers WHERE reference_id = ?1 AND deleted_at IS NULL ORDER BY row_id LIMIT {HOLDERS_MAX}"
        ))?
        .query_map([reference_id], line_from_row)?
        .collect()
}

#[cfg(test)]
mod tests;
