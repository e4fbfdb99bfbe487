//! The change feed: read in batches, so that no reader holds a snapshot for longer than it takes to fill one; and what is gone
//! from it is on record, so that no consumer takes a feed with a gap for a whole one.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::{MirrorError, Reader, Result, meta, schema, search, set_meta};
use crate::model::{Timestamp, format_timestamp};

/// Changes read at once, and the bytes of records after which a batch ends.
const BATCH_ROWS: i64 = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The highest seq that is no longer there.
pub(super) const MISSING_THROUGH: &str = "changes_missing_through";
/// When the newest change that is no longer there was made.
const MISSING_BEFORE: &str = "changes_missing_before";
/// The same of those that were pruned for their age, of whatever customer.
pub(super) const PRUNED_BEFORE: &str = "changes_pruned_before";

/// A row of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number; they ascend in the order of the commits.
    pub seq: i64,
    /// When it was found.
    pub changed_at: String,
    /// The pass that found it.
    pub pass_id: Option<i64>,
    /// Whose.
    pub customer_id: String,
    /// The customer's referenceId after it.
    pub reference_id: Option<String>,
    /// `created`, `updated`, `deleted` or `restored`.
    pub kind: String,
    /// JSON array of JSON pointers.
    pub changed_fields: String,
    /// The record before it, as sent.
    pub before: Option<String>,
    /// The record after it, as sent; `None` for `deleted`.
    pub after: Option<String>,
}

/// Which changes are asked for.
#[derive(Debug, Clone, Default)]
pub struct FeedFilter {
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Of these kinds; none means all.
    pub kinds: Vec<String>,
    /// Of these customers.
    pub customers: Option<Vec<String>>,
}

/// What the feed holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedBounds {
    /// The newest change's seq, also if it is gone again; 0 if there never was one.
    pub newest: i64,
    /// The highest seq that is no longer there, and when that change was made.
    pub missing: Option<(i64, String)>,
    /// The mirror that it is the feed of. Seqs of another one say nothing here.
    pub mirror: i64,
}

/// How far a reader has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPosition {
    /// It has everything up to here.
    pub seq: i64,
    /// It knows that changes up to here may be gone.
    pub known_missing: i64,
    /// The mirror that it reads.
    pub mirror: i64,
}

/// Some of the feed.
#[derive(Debug)]
pub struct FeedBatch {
    /// The changes asked for, in their order.
    pub changes: Vec<Change>,
    /// Up to here the feed has been read.
    pub position: i64,
    /// Whether that was its end.
    pub is_last: bool,
}

/// Why the feed can't be read from a position on. The consumer has to take everything again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedGap {
    /// Changes behind the position are gone.
    #[error(
        "changes {first} to {through} are not all in the feed any more (the last of them is of {at}; changes.keep, or `forget`); {REMEDY}"
    )]
    Gone {
        /// The first that was asked for.
        first: i64,
        /// The last that is gone.
        through: i64,
        /// When that one was made.
        at: String,
    },
    /// There was no such change yet.
    #[error(
        "there is no change {after} yet, the newest is {newest}: the mirror was replaced, or restored from a copy; {REMEDY}"
    )]
    Ahead {
        /// The position.
        after: i64,
        /// The feed's newest change.
        newest: i64,
    },
    /// The file is another mirror.
    #[error("another mirror has taken the place of the one that was read; {REMEDY}")]
    OtherMirror,
}

const REMEDY: &str = "ask for the position (`customer-mirror changes --position`), then take all customers again \
                      (`customer-mirror export`), and go on from that position";

impl FeedBounds {
    /// Whether a reader can go on.
    ///
    /// # Errors
    /// What is between the reader and the rest of the feed.
    pub fn check(&self, reader: FeedPosition) -> std::result::Result<(), FeedGap> {
        if self.mirror != reader.mirror {
            return Err(FeedGap::OtherMirror);
        }
        if reader.seq > self.newest {
            return Err(FeedGap::Ahead {
                after: reader.seq,
                newest: self.newest,
            });
        }
        match &self.missing {
            Some((through, at)) if *through > reader.seq && *through > reader.known_missing => {
                Err(FeedGap::Gone {
                    first: reader.seq + 1,
                    through: *through,
                    at: at.clone(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Records that changes up to `through` may be gone, the newest of them made at `at`. In the transaction that deletes them.
pub(super) fn note_missing(
    connection: &Connection,
    through: i64,
    at: &str,
) -> rusqlite::Result<()> {
    if meta::<i64>(connection, MISSING_THROUGH)?.is_none_or(|known| known < through) {
        set_meta(connection, MISSING_THROUGH, &through)?;
    }
    if meta::<String>(connection, MISSING_BEFORE)?.is_none_or(|known| known.as_str() < at) {
        set_meta(connection, MISSING_BEFORE, &at)?;
    }
    Ok(())
}

/// Deletes changes made before `cutoff`. Reads no more of the feed than it deletes: the oldest come first. Only what a clock that was
/// ahead has dated after `now` is read over; it is older than what follows it.
pub(super) fn prune(connection: &Connection, cutoff: &str, now: &str) -> rusqlite::Result<()> {
    let first_kept: i64 = connection.query_row(
        "SELECT ifnull(
           (SELECT seq FROM customer_changes WHERE changed_at BETWEEN ?1 AND ?2 ORDER BY seq LIMIT 1),
           (SELECT ifnull(max(seq), 0) + 1 FROM customer_changes))",
        [cutoff, now],
        |row| row.get(0),
    )?;
    let pruned: (Option<i64>, Option<String>) = connection.query_row(
        "SELECT max(seq), max(changed_at) FROM customer_changes WHERE seq < ?1 AND changed_at < ?2",
        (first_kept, cutoff),
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (Some(through), Some(at)) = pruned else {
        return Ok(());
    };
    let has_old_values = "SELECT 1 FROM customer_changes WHERE seq <= ?1 AND before IS NOT NULL";
    if connection.prepare(has_old_values)?.exists([through])? {
        search::make_due(connection)?;
    }
    connection.execute("DELETE FROM customer_changes WHERE seq <= ?1", [through])?;
    set_meta(connection, PRUNED_BEFORE, &at)?;
    note_missing(connection, through, &at)
}

/// What the feed holds.
pub(super) fn bounds(connection: &Connection) -> rusqlite::Result<FeedBounds> {
    let newest = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'customer_changes'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let through = meta(connection, MISSING_THROUGH)?;
    let at = meta(connection, MISSING_BEFORE)?;
    Ok(FeedBounds {
        newest: newest.unwrap_or_default(),
        missing: through.zip(at),
        mirror: meta(connection, "hash_seed")?.unwrap_or_default(),
    })
}

/// The record after a change is the one before the customer's next change, else the current one. A first change has no other
/// before it, and so is never the next one; that it says so lets the index of the first pass serve too.
const BATCH: &str = "
SELECT seq, changed_at, pass_id, customer_id, reference_id, kind, changed_fields, before,
  CASE WHEN kind <> 'deleted' THEN ifnull(
    (SELECT next.before FROM customer_changes AS next
      WHERE next.customer_id = change.customer_id AND next.seq > change.seq AND next.kind <> 'created'
      ORDER BY next.seq LIMIT 1),
    (SELECT raw FROM customers WHERE customers.customer_id = change.customer_id)) END AS after
FROM customer_changes AS change
WHERE seq > :position AND (:since IS NULL OR changed_at >= :since)
  AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))";

const OF_CUSTOMERS: &str =
    "AND customer_id IN (SELECT value FROM json_each(:customers)) ORDER BY seq LIMIT :rows";
const OF_ALL: &str = "AND :customers IS NULL ORDER BY seq LIMIT :rows";

impl Reader {
    /// What the feed holds.
    pub fn feed_bounds(&self) -> Result<FeedBounds> {
        self.read(bounds)
    }

    /// Up to when changes of whatever customer were pruned, in a transaction of the caller's.
    pub fn changes_pruned_before(connection: &Connection) -> rusqlite::Result<Option<String>> {
        meta(connection, PRUNED_BEFORE)
    }

    /// The next changes behind `position`. One snapshot; memory is bounded, but for one record of any size.
    ///
    /// # Errors
    /// `Ok(Err(gap))` if the feed can't be read from there; see [`FeedBounds::check`].
    pub fn feed_batch(
        &self,
        position: FeedPosition,
        filter: &FeedFilter,
        rows_max: Option<u64>,
    ) -> Result<std::result::Result<FeedBatch, FeedGap>> {
        let path = self.path();
        let sqlite = |error| MirrorError::from_sqlite(path, error);
        let tx = self.connection().unchecked_transaction().map_err(sqlite)?;
        // A newer program may have upgraded the mirror since it was opened.
        schema::recognise(&tx, path)?;
        let bounds = bounds(&tx).map_err(sqlite)?;
        if let Err(gap) = bounds.check(position) {
            return Ok(Err(gap));
        }
        let rows = rows_max.map_or(BATCH_ROWS, |most| BATCH_ROWS.min(most as i64));
        let (changes, is_full) = read_batch(&tx, position.seq, filter, rows).map_err(sqlite)?;
        let position = match changes.last() {
            Some(last) if is_full => last.seq,
            _ => bounds.newest,
        };
        Ok(Ok(FeedBatch {
            changes,
            position,
            is_last: !is_full,
        }))
    }

    /// A number that differs from the last one if anything was committed by others in between.
    pub fn data_version(&self) -> Result<i64> {
        self.read(|connection| connection.query_row("PRAGMA data_version", [], |row| row.get(0)))
    }
}

/// The changes, and whether there may be more.
fn read_batch(
    connection: &Connection,
    position: i64,
    filter: &FeedFilter,
    rows_max: i64,
) -> rusqlite::Result<(Vec<Change>, bool)> {
    let json = |values: &[String]| serde_json::to_string(values).unwrap_or_default();
    let kinds = (!filter.kinds.is_empty()).then(|| json(&filter.kinds));
    let customers = filter.customers.as_deref().map(json);
    let which = if customers.is_some() {
        OF_CUSTOMERS
    } else {
        OF_ALL
    };
    let mut statement = connection.prepare_cached(&format!("{BATCH} {which}"))?;
    let mut rows = statement.query(named_params! {
        ":position": position,
        ":since": filter.since.map(format_timestamp),
        ":kinds": kinds,
        ":customers": customers,
        ":rows": rows_max,
    })?;
    let (mut changes, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let change = change(row)?;
        bytes += [&change.before, &change.after]
            .into_iter()
            .flatten()
            .map(String::len)
            .sum::<usize>();
        changes.push(change);
        if bytes >= BATCH_BYTES {
            return Ok((changes, true));
        }
    }
    let is_full = changes.len() as i64 == rows_max;
    Ok((changes, is_full))
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    Ok(Change {
        seq: row.get(0)?,
        changed_at: row.get(1)?,
        pass_id: row.get(2)?,
        customer_id: row.get(3)?,
        reference_id: row.get(4)?,
        kind: row.get(5)?,
        changed_fields: row.get(6)?,
        before: row.get(7)?,
        after: row.get(8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_goes_on_only_where_nothing_is_missing() {
        let bounds = |newest, missing: Option<i64>| FeedBounds {
            newest,
            missing: missing.map(|through| (through, "2026-01-31T09:30:00.000Z".to_owned())),
            mirror: 1,
        };
        let gone = |first, through| {
            let at = "2026-01-31T09:30:00.000Z".to_owned();
            Err(FeedGap::Gone { first, through, at })
        };
        for (bounds, position, known_missing, expected) in [
            (bounds(0, None), 0, 0, Ok(())),
            (bounds(9, None), 0, 0, Ok(())),
            (bounds(9, None), 9, 0, Ok(())),
            (
                bounds(9, None),
                10,
                0,
                Err(FeedGap::Ahead {
                    after: 10,
                    newest: 9,
                }),
            ),
            (bounds(9, Some(4)), 3, 0, gone(4, 4)),
            (bounds(9, Some(4)), 4, 0, Ok(())),
            (bounds(9, Some(9)), 9, 0, Ok(())),
            // Who began behind what was gone already is hurt by what goes later only.
            (bounds(9, Some(4)), 0, 4, Ok(())),
            (bounds(9, Some(5)), 0, 4, gone(1, 5)),
            (bounds(9, Some(5)), 5, 4, Ok(())),
        ] {
            let reader = FeedPosition {
                seq: position,
                known_missing,
                mirror: 1,
            };
            assert_eq!(bounds.check(reader), expected, "{bounds:?} {position}");
        }
        let reader = FeedPosition {
            seq: 5,
            known_missing: 0,
            mirror: 2,
        };
        assert_eq!(bounds(9, None).check(reader), Err(FeedGap::OtherMirror));
    }
}
