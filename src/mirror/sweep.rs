//! Absences: counted over complete passes, and turned into tombstones when they are believed.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;

use super::rows::{self, Stamp};
use super::seen::{SeenBits, WINDOW_ROWS};
use super::{CustomerLine, Mirror, Reader, Result, add_to_counts, browse};
use crate::model::{SweepState, Timestamp, format_timestamp};

/// Rows read before they are written to, so that no statement reads a table that another one changes.
const BATCH_ROWS: i64 = 1000;

/// What deciding on a held sweep came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// The pass whose sweep was held.
    pub pass_id: i64,
    /// Customers that became tombstones (approved) or stay live (discarded).
    pub customers: u64,
}

/// Calls `each` with every window of row ids and the customers that the walk on record listed in it.
pub(super) fn each_window(
    connection: &Connection,
    mut each: impl FnMut(&SeenBits, i64, i64) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let rows: i64 = connection.query_row(
        "SELECT ifnull(max(row_id), 0) FROM customer_state",
        [],
        |row| row.get(0),
    )?;
    let mut start = 0;
    while start <= rows {
        let end = (start + WINDOW_ROWS).min(rows + 1);
        let mut bits = SeenBits::new(start, end);
        let mut statement = connection.prepare_cached("SELECT seen FROM pass_pages")?;
        let mut pages = statement.query([])?;
        while let Some(row) = pages.next()? {
            bits.add(row.get_ref(0)?.as_blob()?)
                .ok_or(rusqlite::Error::InvalidQuery)?;
        }
        each(&bits, start, end)?;
        start = end;
    }
    Ok(())
}

/// Calls `each` with the live customers that the walk on record did not list.
pub(super) fn each_absent(
    connection: &Connection,
    mut each: impl FnMut(i64) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    each_window(connection, |seen, start, end| {
        let mut statement = connection.prepare_cached(
            "SELECT row_id FROM customer_state WHERE row_id >= ?1 AND row_id < ?2 AND live = 1",
        )?;
        let mut rows = statement.query([start, end])?;
        while let Some(row) = rows.next()? {
            let row_id = row.get(0)?;
            if !seen.contains(row_id) {
                each(row_id)?;
            }
        }
        Ok(())
    })
}

/// Counts one more complete pass for each absent customer.
pub(super) fn count_absences(connection: &Connection) -> rusqlite::Result<()> {
    let mut count = connection.prepare_cached(
        "INSERT INTO absences (row_id, passes) VALUES (?1, 1) ON CONFLICT DO UPDATE SET passes = passes + 1",
    )?;
    each_absent(connection, |row_id| count.execute([row_id]).map(drop))
}

/// Forgets the absences of customers that the walk listed again.
pub(super) fn reset_seen(connection: &Connection) -> rusqlite::Result<()> {
    each_window(connection, |seen, start, end| {
        each_absence(connection, start..end, "1", |row_id| {
            if seen.contains(row_id) {
                connection
                    .prepare_cached("DELETE FROM absences WHERE row_id = ?1")?
                    .execute([row_id])?;
            }
            Ok(())
        })
    })
}

/// Calls `each` with the absences in a range of row ids that meet a condition; it may delete them.
fn each_absence(
    connection: &Connection,
    row_ids: Range<i64>,
    condition: &str,
    mut each: impl FnMut(i64) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT row_id FROM absences WHERE row_id >= ?1 AND row_id < ?2 AND {condition} ORDER BY row_id LIMIT {BATCH_ROWS}"
    );
    let mut from = row_ids.start;
    loop {
        let batch: Vec<i64> = connection
            .prepare_cached(&sql)?
            .query_map([from, row_ids.end], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let Some(last) = batch.last() else {
            return Ok(());
        };
        from = last + 1;
        batch.into_iter().try_for_each(&mut each)?;
    }
}

/// How many absences have lasted for `passes` complete passes.
pub(super) fn confirmed(connection: &Connection, passes: u32) -> rusqlite::Result<u64> {
    connection
        .query_row(
            "SELECT count(*) FROM absences WHERE passes >= ?1",
            [passes],
            |row| row.get::<_, i64>(0),
        )
        .map(|count| count as u64)
}

/// Marks absences as waiting for the operator.
pub(super) fn hold(connection: &Connection, passes: u32) -> rusqlite::Result<()> {
    connection
        .execute("UPDATE absences SET held = 1 WHERE passes >= ?1", [passes])
        .map(drop)
}

/// Turns the absences that lasted for `passes` complete passes into tombstones; returns how many.
pub(super) fn tombstone_confirmed(
    connection: &Connection,
    passes: u32,
    stamp: Stamp<'_>,
) -> rusqlite::Result<u64> {
    tombstone_where(
        connection,
        0..i64::MAX,
        &format!("passes >= {passes}"),
        stamp,
        |_| false,
    )
}

fn tombstone_where(
    connection: &Connection,
    row_ids: Range<i64>,
    condition: &str,
    stamp: Stamp<'_>,
    spare: impl Fn(i64) -> bool,
) -> rusqlite::Result<u64> {
    let mut count = 0;
    each_absence(connection, row_ids, condition, |row_id| {
        if !spare(row_id) {
            rows::tombstone(connection, row_id, stamp)?;
            count += 1;
        }
        connection
            .prepare_cached("DELETE FROM absences WHERE row_id = ?1")?
            .execute([row_id])
            .map(drop)
    })?;
    add_to_counts(connection, -(count as i64), count as i64)?;
    Ok(count)
}

/// The pass whose sweep waits for a decision.
pub(super) fn held_pass(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection
        .query_row(
            "SELECT pass_id FROM passes WHERE sweep = 'held' ORDER BY pass_id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()
}

impl Reader {
    /// Customers that the held sweep would make tombstones, in the order of first sight, up to `limit` of those behind the row id
    /// `after`; and behind which row id others follow. None if no sweep is held.
    pub fn held_customers(
        &self,
        after: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<CustomerLine>, Option<i64>)> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            let mut rows: Vec<i64> = tx
                .prepare_cached(
                    "SELECT row_id FROM absences WHERE held = 1 AND row_id > ?1 ORDER BY row_id LIMIT ?2",
                )?
                .query_map((after.unwrap_or_default(), limit as i64 + 1), |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let has_more = rows.len() > limit;
            rows.truncate(limit);
            let lines = rows.iter().map(|row_id| browse::line(&tx, *row_id));
            let lines = lines.collect::<rusqlite::Result<_>>()?;
            Ok((lines, rows.last().copied().filter(|_| has_more)))
        })
    }
}

impl Mirror {
    /// Carries out the held sweep; `Ok(None)` if none is held. Customers that a pass under way has listed again are spared.
    ///
    /// Safe beside a pass of another process: a customer that it lists later is restored by that, and its judgement looks at
    /// live customers only.
    pub fn approve_held_sweep(&mut self, now: Timestamp) -> Result<Option<Decided>> {
        let now = format_timestamp(now);
        self.write(|tx| {
            let Some(pass_id) = held_pass(tx)? else {
                return Ok(None);
            };
            let stamp = Stamp { pass_id, now: &now };
            let mut customers = 0;
            each_window(tx, |seen, start, end| {
                customers += tombstone_where(tx, start..end, "held = 1", stamp, |row_id| {
                    seen.contains(row_id)
                })?;
                Ok(())
            })?;
            decide(tx, pass_id, SweepState::Approved, customers)?;
            Ok(Some(Decided { pass_id, customers }))
        })
    }

    /// Drops the held sweep: its customers stay live and their absences are counted anew. `Ok(None)` if none is held.
    ///
    /// Safe beside a pass of another process: that reads absences and the held sweep only in the transaction that judges.
    pub fn discard_held_sweep(&mut self) -> Result<Option<Decided>> {
        self.write(|tx| {
            let Some(pass_id) = held_pass(tx)? else {
                return Ok(None);
            };
            let customers = tx.execute("DELETE FROM absences WHERE held = 1", [])? as u64;
            decide(tx, pass_id, SweepState::Discarded, 0)?;
            Ok(Some(Decided { pass_id, customers }))
        })
    }
}

fn decide(
    connection: &Connection,
    pass_id: i64,
    sweep: SweepState,
    deleted: u64,
) -> rusqlite::Result<()> {
    connection
        .execute(
            "UPDATE passes SET sweep = ?2, deleted = deleted + ?3 WHERE pass_id = ?1",
            (pass_id, sweep.as_str(), deleted as i64),
        )
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn who_waits_for_a_decision_is_listed_in_pages() {
        let customer = |number: u8| format!(r#"{{"customerId":"c{number}"}}"#);
        let records: Vec<String> = (1..=8).map(customer).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        let mut fixture = Fixture::empty();
        fixture.pass(0, &[&records]);
        let ids = |fixture: &Fixture, after, limit| {
            let reader = Reader::open(&fixture.path).unwrap();
            let (lines, next) = reader.held_customers(after, limit).unwrap();
            let ids: Vec<String> = lines.into_iter().map(|line| line.customer_id).collect();
            (ids.join(" "), next)
        };
        // c8 is absent for a shorter time, and not held.
        fixture.pass(10, &[&[records[0], records[3], records[7]]]);
        assert_eq!(ids(&fixture, None, 9), (String::new(), None));
        fixture.pass(20, &[&[records[0], records[3]]]);
        for (after, limit, expected) in [
            (None, 9, ("c2 c3 c5 c6 c7", None)),
            (None, 5, ("c2 c3 c5 c6 c7", None)),
            (None, 2, ("c2 c3", Some(3))),
            (Some(3), 2, ("c5 c6", Some(6))),
            (Some(6), 2, ("c7", None)),
            (Some(7), 2, ("", None)),
            (None, 0, ("", None)),
        ] {
            let expected = (expected.0.to_owned(), expected.1);
            assert_eq!(ids(&fixture, after, limit), expected, "{after:?} {limit}");
        }
        fixture.mirror.discard_held_sweep().unwrap();
        assert_eq!(ids(&fixture, None, 9), (String::new(), None));
    }
}
