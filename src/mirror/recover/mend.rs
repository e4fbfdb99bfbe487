//! Making a true mirror of what could be read: what must agree is brought to agree, and what is lost is on record as lost.
//!
//! The measure is whoever keeps a copy in step by the change feed. A customer that was live and whose record is lost stays live, with
//! an empty record: the next pass fills it in, which is a change, or doesn't list it, which leads to a tombstone, and is a change too.
//! Where changes are lost, or customers of whom not even the ID is left, the feed says that it has a gap.

use rusqlite::{Connection, OptionalExtension};

use super::super::rows::{self, Dates, Read};
use super::super::search::Updates;
use super::super::{add_to_counts, feed, meta, schema};
use super::cells::Value;
use super::fill::Findings;
use super::pages::Book;

/// Where nobody knows how far the feed had come, it goes on so much later: no consumer can be ahead of it.
const SEQ_MARGIN: i64 = 1_000_000_000;
/// Rows read before they are written to.
const BATCH_ROWS: i64 = 1000;

/// What became of what was not found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mended {
    /// Live customers of whom the ID is left; the next pass has the rest.
    pub(super) emptied: u64,
    /// Tombstones whose record was found in the change feed.
    pub(super) rebuilt: u64,
    /// Tombstones that are lost.
    pub(super) tombstones_lost: u64,
    /// Live customers of whom nothing is left; `None` if nobody knows how many.
    pub(super) unnamed: Option<u64>,
    /// Changes up to this number are not all there.
    pub(super) changes_lost_through: Option<i64>,
}

impl Mended {
    /// True if live customers are not as they were.
    pub(super) fn is_incomplete(&self) -> bool {
        self.emptied > 0 || self.unnamed != Some(0)
    }
}

/// Mends the new mirror. Its indexes are there.
pub(super) fn mend(
    db: &Connection,
    book: &Book,
    findings: &Findings,
    now: &str,
) -> rusqlite::Result<Mended> {
    let (mut newest, lost) = feed_end(db, findings, book.has_lost_commits)?;
    let lost_through = lost.unwrap_or_default();
    let mut mended = Mended::default();
    name_the_lost(db, book, findings)?;
    settle_the_lost(db, lost_through, now, &mut mended)?;
    agree_with_feed(db, lost_through)?;
    let states = db.query_row(
        "SELECT count(*) FROM customer_state WHERE live = 0 AND row_id NOT IN (SELECT row_id FROM customers)",
        [],
        |row| row.get::<_, i64>(0),
    )?;
    mended.tombstones_lost = states.max(0) as u64;
    db.execute_batch(
        "DELETE FROM customer_state WHERE row_id NOT IN (SELECT row_id FROM customers);
         DELETE FROM absences WHERE row_id NOT IN (SELECT row_id FROM customer_state WHERE live = 1);
         UPDATE absences SET held = 0 WHERE NOT EXISTS (SELECT 1 FROM passes WHERE sweep = 'held');",
    )?;
    let live = count(db)?;
    mended.unnamed = match findings.live {
        Some(known) => Some((known - live).max(0) as u64),
        None => (!findings.is_damaged() && live == 0).then_some(0),
    };
    let mirror_is_new = findings.seed.is_none() && newest > 0;
    mended.changes_lost_through = if mended.unnamed != Some(0) || mirror_is_new {
        // Also who has every change has customers that the mirror no longer knows: a number more, which nobody has.
        newest = newest.saturating_add(1);
        Some(newest)
    } else {
        lost
    };
    if let Some(through) = mended.changes_lost_through {
        feed::note_missing(db, through, now)?;
    }
    set_sequences(db, findings, newest)?;
    end_passes(db, mended.is_incomplete(), now)?;
    Ok(mended)
}

/// The newest change's number, and up to which number changes are missing that should be there.
fn feed_end(
    db: &Connection,
    findings: &Findings,
    has_lost_commits: bool,
) -> rusqlite::Result<(i64, Option<i64>)> {
    let last: i64 = db.query_row(
        "SELECT ifnull(max(seq), 0) FROM customer_changes",
        [],
        |row| row.get(0),
    )?;
    let known_missing = meta::<i64>(db, feed::MISSING_THROUGH)?.unwrap_or_default();
    let sequence = findings.sequences.get("customer_changes").copied();
    if last == 0 && known_missing == 0 && sequence.is_none() && !findings.is_damaged() {
        return Ok((0, None));
    }
    let newest = last.max(known_missing).max(sequence.unwrap_or_default());
    if sequence.is_none() || has_lost_commits {
        let newest = newest.saturating_add(SEQ_MARGIN);
        return Ok((newest, Some(newest)));
    }
    if newest > last.max(known_missing) {
        return Ok((newest, Some(newest)));
    }
    let behind_a_gap: Option<i64> = db.query_row(
        "SELECT max(seq) FROM customer_changes AS change WHERE seq > ?1
         AND NOT EXISTS (SELECT 1 FROM customer_changes AS last WHERE last.seq = change.seq - 1)",
        [known_missing + 1],
        |row| row.get(0),
    )?;
    Ok((newest, behind_a_gap.map(|seq| seq - 1)))
}

/// Lists customers that were there and were not found: the index of IDs and the change feed know them.
fn name_the_lost(db: &Connection, book: &Book, findings: &Findings) -> rusqlite::Result<()> {
    db.execute_batch("CREATE TABLE recover_lost (customer_id TEXT PRIMARY KEY, row_id INTEGER)")?;
    if let Some(root) = findings.roots.get(schema::INDEX_OF_IDS) {
        let mut result = Ok(());
        book.each_entry(*root, &mut |entry| {
            if let ([Value::Text(Some(id)), Value::Integer(row_id)], Ok(())) =
                (entry.as_slice(), &result)
            {
                result = name(db, id, *row_id);
            }
        });
        result?;
    }
    db.execute_batch(
        "INSERT OR IGNORE INTO recover_lost
         SELECT DISTINCT customer_id, NULL FROM customer_changes
         WHERE customer_id NOT IN (SELECT customer_id FROM customers)",
    )
}

fn name(db: &Connection, customer_id: &str, row_id: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO recover_lost SELECT ?1, ?2
         WHERE NOT EXISTS (SELECT 1 FROM customers WHERE customer_id = ?1)
           AND NOT EXISTS (SELECT 1 FROM customers WHERE row_id = ?2)",
    )?
    .execute((customer_id, row_id))
    .map(drop)
}

/// The last change of a customer that is left.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    seq: i64,
    kind: String,
    at: String,
    before: Option<String>,
}

/// What becomes of a lost customer.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is live, and empty.
    Emptied,
    /// It is a tombstone with this record, since then.
    Tombstone(String, String),
    /// It was a tombstone, and is lost.
    Lost,
}

/// Decides by the last change that is left and by the state, where they are left.
fn fate(last: Option<Last>, live: Option<bool>, lost_through: i64) -> Fate {
    let Some(last) = last else {
        return if live == Some(false) {
            Fate::Lost
        } else {
            Fate::Emptied
        };
    };
    // Else a later one may be among those that are lost.
    let is_last = last.seq > lost_through;
    let is_deleted = last.kind == "deleted";
    match (last.before, live) {
        (Some(record), Some(false)) if is_deleted => Fate::Tombstone(record, last.at),
        (Some(record), None) if is_deleted && is_last => Fate::Tombstone(record, last.at),
        (_, Some(false)) if !is_last => Fate::Lost,
        _ => Fate::Emptied,
    }
}

fn settle_the_lost(
    db: &Connection,
    lost_through: i64,
    now: &str,
    mended: &mut Mended,
) -> rusqlite::Result<()> {
    let seed = meta::<i64>(db, "hash_seed")?
        .unwrap_or_default()
        .cast_unsigned();
    let mut next_row: i64 = db.query_row(
        "SELECT 1 + max(ifnull((SELECT max(row_id) FROM customers), 0), ifnull((SELECT max(row_id) FROM customer_state), 0),
           ifnull((SELECT max(row_id) FROM recover_lost), 0))",
        [],
        |row| row.get(0),
    )?;
    loop {
        let batch: Vec<(String, Option<i64>)> = db
            .prepare_cached("SELECT customer_id, row_id FROM recover_lost ORDER BY rowid LIMIT ?1")?
            .query_map([BATCH_ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        if batch.is_empty() {
            break;
        }
        let mut updates = Updates::default();
        for (customer_id, row_id) in batch {
            let row_id = row_id.unwrap_or_else(|| {
                next_row += 1;
                next_row - 1
            });
            let live = state_of(db, row_id)?;
            let (raw, deleted_at) = match fate(last_change(db, &customer_id)?, live, lost_through) {
                Fate::Tombstone(raw, at) => (raw, Some(at)),
                Fate::Emptied => (emptied(&customer_id), None),
                Fate::Lost => (String::new(), None),
            };
            if let Ok(read) = Read::of(&raw, seed)
                && read.customer.id == customer_id
            {
                let dates = Dates {
                    first_seen: deleted_at.as_deref().unwrap_or(now),
                    changed: deleted_at.as_deref().unwrap_or(now),
                    deleted: deleted_at.as_deref(),
                };
                if rows::put_back(db, row_id, &read, dates, &mut updates)? {
                    let counted = if deleted_at.is_some() {
                        &mut mended.rebuilt
                    } else {
                        &mut mended.emptied
                    };
                    *counted += 1;
                    if deleted_at.is_none() {
                        rows::forget_content(db, row_id)?;
                    }
                }
            }
            db.prepare_cached("DELETE FROM recover_lost WHERE customer_id = ?1")?
                .execute([&customer_id])?;
        }
        updates.write(db)?;
    }
    db.execute_batch("DROP TABLE recover_lost")
}

/// The record of a customer of whom nothing is left but the ID. No server writes it so, so that the next pass replaces it.
fn emptied(customer_id: &str) -> String {
    let id = serde_json::Value::from(customer_id);
    format!("{{ \"customerId\" : {id} }}")
}

fn state_of(db: &Connection, row_id: i64) -> rusqlite::Result<Option<bool>> {
    db.prepare_cached("SELECT live FROM customer_state WHERE row_id = ?1")?
        .query_row([row_id], |row| row.get(0))
        .optional()
}

fn last_change(db: &Connection, customer_id: &str) -> rusqlite::Result<Option<Last>> {
    db.prepare_cached(
        "SELECT seq, kind, changed_at, before FROM customer_changes WHERE customer_id = ?1 ORDER BY seq DESC LIMIT 1",
    )?
    .query_row([customer_id], |row| {
        Ok(Last {
            seq: row.get(0)?,
            kind: row.get(1)?,
            at: row.get(2)?,
            before: row.get(3)?,
        })
    })
    .optional()
}

/// A customer is live or not as the last change says: that is what consumers have seen. Where a later change may be lost, they are told
/// of the gap instead.
fn agree_with_feed(db: &Connection, lost_through: i64) -> rusqlite::Result<()> {
    loop {
        let others: Vec<(i64, Option<String>)> = db
            .prepare_cached(
                "SELECT customers.row_id, CASE WHEN change.kind = 'deleted' THEN change.changed_at END
                 FROM customer_changes AS change JOIN customers USING (customer_id)
                 WHERE seq > ?1 AND (change.kind = 'deleted') <> (deleted_at IS NOT NULL)
                   AND seq = (SELECT max(seq) FROM customer_changes AS last WHERE last.customer_id = change.customer_id)
                 LIMIT ?2",
            )?
            .query_map([lost_through, BATCH_ROWS], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        if others.is_empty() {
            return Ok(());
        }
        for (row_id, deleted_at) in others {
            db.prepare_cached("UPDATE customers SET deleted_at = ?2 WHERE row_id = ?1")?
                .execute((row_id, &deleted_at))?;
            db.prepare_cached("UPDATE customer_state SET live = ?2 WHERE row_id = ?1")?
                .execute((row_id, deleted_at.is_none()))?;
        }
    }
}

/// Counts live customers and tombstones; returns the former.
fn count(db: &Connection) -> rusqlite::Result<i64> {
    let (live, deleted): (i64, i64) = db.query_row(
        "SELECT count(*) FILTER (WHERE live = 1), count(*) FILTER (WHERE live = 0) FROM customer_state",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    add_to_counts(db, live, deleted)?;
    Ok(live)
}

/// Sees to it that no number is given twice.
fn set_sequences(db: &Connection, findings: &Findings, newest_change: i64) -> rusqlite::Result<()> {
    for (table, column) in [
        ("customer_changes", "seq"),
        ("passes", "pass_id"),
        ("quarantine", "id"),
    ] {
        let last: i64 = db.query_row(
            &format!("SELECT ifnull(max({column}), 0) FROM {table}"),
            [],
            |row| row.get(0),
        )?;
        let mut highest = last.max(findings.sequences.get(table).copied().unwrap_or_default());
        match table {
            "customer_changes" => highest = newest_change,
            "passes" => {
                let of_changes = "SELECT ifnull(max(pass_id), 0) FROM customer_changes";
                highest = highest.max(db.query_row(of_changes, [], |row| row.get(0))?);
            }
            _ => {}
        }
        db.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
        if highest > 0 {
            db.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
                (table, highest),
            )?;
        }
    }
    Ok(())
}

/// The pass under way can't go on: what it has listed may be lost. And where live customers are not as they were, no earlier pass
/// makes the mirror complete any more.
fn end_passes(db: &Connection, is_incomplete: bool, now: &str) -> rusqlite::Result<()> {
    db.execute(
        "UPDATE passes SET state = 'abandoned', finished_at = ?1, next_cursor = NULL,
           error = 'the mirror was damaged, and recovered; a new pass begins' WHERE state = 'running'",
        [now],
    )?;
    if is_incomplete {
        db.execute(
            "UPDATE passes SET state = 'failed',
               error = 'it was complete; later the mirror was damaged, and what this pass had found is not all there any more'
             WHERE state = 'complete'",
            [],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_lost_customer() {
        let last = |seq, kind: &str| {
            Some(Last {
                seq,
                kind: kind.to_owned(),
                at: "then".to_owned(),
                before: Some("{}".to_owned()),
            })
        };
        let tombstone = || Fate::Tombstone("{}".to_owned(), "then".to_owned());
        for (last, live, lost_through, expected) in [
            (None, None, 0, Fate::Emptied),
            (None, Some(true), 0, Fate::Emptied),
            (None, Some(false), 0, Fate::Lost),
            (last(7, "updated"), Some(true), 0, Fate::Emptied),
            (last(7, "updated"), None, 0, Fate::Emptied),
            // Whoever reads the feed thinks that it is live.
            (last(7, "updated"), Some(false), 0, Fate::Emptied),
            (last(7, "updated"), Some(false), 9, Fate::Lost),
            (last(7, "deleted"), Some(false), 0, tombstone()),
            (last(7, "deleted"), Some(false), 9, tombstone()),
            (last(7, "deleted"), None, 0, tombstone()),
            // It may have been restored.
            (last(7, "deleted"), None, 9, Fate::Emptied),
            (last(7, "deleted"), Some(true), 9, Fate::Emptied),
        ] {
            let case = format!("{last:?} {live:?} {lost_through}");
            assert_eq!(fate(last, live, lost_through), expected, "{case}");
        }
    }
}
