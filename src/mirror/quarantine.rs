//! Where a record goes that can't be mirrored: kept with its bytes and the reason until it can be, never lost.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use super::history::cut;
use super::newcomers::Ids;
use super::rows::{self, Stamp, Standing, Statements};
use super::search::Updates;
use super::{Mirror, Reader, Result, add_to_counts, schema, seen, sweep};
use crate::json::{Kind, Node};
use crate::model::{Timestamp, format_timestamp};

/// A row of `quarantine`.
#[derive(Debug, Clone, Serialize)]
pub struct Quarantined {
    /// Its number.
    pub id: i64,
    /// The pass that met it last.
    pub pass_id: Option<i64>,
    /// The page it was on.
    pub page: Option<i64>,
    /// Its customerId, if that is readable.
    pub customer_id: Option<String>,
    /// Why it can't be mirrored.
    pub reason: String,
    /// The record as sent; U+FFFD stands for bytes that are not UTF-8, `[key]` for the API key.
    pub raw: String,
    /// When it was met last.
    pub at: String,
}

/// What trying the quarantined records again came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Retried {
    /// Records that are in the mirror now.
    pub mirrored: u64,
    /// Records that are still unreadable.
    pub remaining: u64,
}

/// Why a record is set apart that is no text.
const NOT_UTF8: &str = "bytes that are not UTF-8";

/// Why one is that the API key was in.
const HAS_KEY: &str = "the API key is in it, which is cut out of what is kept here: whoever sees this customer at the server sees the \
    key; have the key replaced";

/// Why a record is set apart whose bytes differ from its text.
pub(super) fn reason_of(had_secret: bool) -> &'static str {
    if had_secret { HAS_KEY } else { NOT_UTF8 }
}

/// Characters of a record in a list.
const LISTED_CHARS_MAX: usize = 4000;

/// A record of more bytes is not read for a list.
const LISTED_BYTES_MAX: usize = 256 * 1024;

/// Where a record was met.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) stamp: Stamp<'a>,
    pub(super) page: i64,
    pub(super) seed: u64,
}

/// Keeps a bad record; one that is there already only gets its new pass and page. Returns its customerId if that can be read.
pub(super) fn set_apart(
    connection: &Connection,
    raw: &str,
    reason: &str,
    foreign: Option<Vec<u8>>,
    place: Place<'_>,
) -> rusqlite::Result<Option<String>> {
    let customer_id = readable_id(raw, foreign.is_some());
    let bytes = foreign.as_deref().unwrap_or(raw.as_bytes());
    let raw_hash = rows::raw_hash(bytes, place.seed);
    let stored = foreign.map_or_else(|| Value::Text(raw.to_owned()), Value::Blob);
    connection
        .prepare_cached(
            "INSERT INTO quarantine (pass_id, page, customer_id, reason, raw, at, raw_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (raw_hash) DO UPDATE SET pass_id = excluded.pass_id, page = excluded.page,
               reason = excluded.reason, at = excluded.at",
        )?
        .execute((place.stamp.pass_id, place.page, &customer_id, reason, stored, place.stamp.now, raw_hash))?;
    Ok(customer_id)
}

/// A bad record's customerId, if it has one that can be believed.
pub(super) fn readable_id(raw: &str, repaired: bool) -> Option<String> {
    let tree = Node::parse(raw)?;
    let Kind::String(text) = &tree.member("customerId")?.kind else {
        return None;
    };
    let id = text.as_str()?;
    // In a record with foreign bytes, U+FFFD may stand for any of them.
    let doubtful = id.is_empty() || (repaired && id.contains(char::REPLACEMENT_CHARACTER));
    (!doubtful).then(|| id.to_owned())
}

/// Whether there is anything.
pub(super) fn has_any(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM quarantine")?
        .exists([])
}

/// Drops what is quarantined of a customer that has been mirrored now.
pub(super) fn heal(connection: &Connection, customer_id: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM quarantine WHERE customer_id = ?1")?
        .execute([customer_id])
        .map(drop)
}

/// Drops what is quarantined of customers that a complete walk listed in good order, changed or not.
pub(super) fn heal_listed(connection: &Connection, pass_id: i64) -> rusqlite::Result<()> {
    sweep::each_window(connection, |seen, start, end| {
        // A customer that this pass met as a bad record, too, stays: that is why it counts as seen, or half of why.
        let healed: Vec<i64> = connection
            .prepare_cached(
                // CROSS JOIN: the quarantine is the small one.
                "SELECT id, row_id FROM quarantine AS old CROSS JOIN customers USING (customer_id)
                 WHERE row_id >= ?1 AND row_id < ?2 AND NOT EXISTS (
                   SELECT 1 FROM quarantine AS new WHERE new.customer_id = old.customer_id AND new.pass_id = ?3)",
            )?
            .query_map([start, end, pass_id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .filter(|row| row.as_ref().map_or(true, |(_, row_id)| seen.contains(*row_id)))
            .map(|row| row.map(|(id, _)| id))
            .collect::<rusqlite::Result<_>>()?;
        let mut heal = connection.prepare_cached("DELETE FROM quarantine WHERE id = ?1")?;
        healed
            .into_iter()
            .try_for_each(|id| heal.execute([id]).map(drop))
    })
}

/// How many records of this pass have no readable customerId.
pub(super) fn unreadable_in_pass(connection: &Connection, pass_id: i64) -> rusqlite::Result<u64> {
    connection.query_row(
        "SELECT count(*) FROM quarantine WHERE pass_id = ?1 AND customer_id IS NULL",
        [pass_id],
        |row| row.get::<_, i64>(0).map(|count| count as u64),
    )
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Quarantined> {
    let raw = row.get_ref("raw")?;
    Ok(Quarantined {
        id: row.get("id")?,
        pass_id: row.get("pass_id")?,
        page: row.get("page")?,
        customer_id: row.get("customer_id")?,
        reason: row.get("reason")?,
        raw: raw
            .as_bytes()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default(),
        at: row.get("at")?,
    })
}

/// What the pass under way met as a bad record and is a customer now counts as listed by it; else the pass, which finds no
/// reason any more not to sweep, would count it absent.
fn mark_as_listed(
    connection: &Connection,
    pass_id: Option<i64>,
    page: Option<i64>,
    row_id: i64,
) -> rusqlite::Result<()> {
    let seen: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT seen FROM pass_pages WHERE page = ?2 AND EXISTS (
               SELECT 1 FROM passes WHERE pass_id = ?1 AND state = 'running')",
        )?
        .query_row((pass_id, page), |row| row.get(0))
        .optional()?;
    let Some(seen) = seen else { return Ok(()) };
    let seen = seen::with(&seen, row_id).ok_or(rusqlite::Error::InvalidQuery)?;
    connection
        .prepare_cached("UPDATE pass_pages SET seen = ?2 WHERE page = ?1")?
        .execute((page, seen))
        .map(drop)
}

impl Reader {
    /// The records that came to quarantine last, the newest first, up to `limit` of those before number `before`. Of each record only the beginning is there, and of one
    /// that is very large nothing.
    pub fn recently_quarantined(
        &self,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Quarantined>> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id, pass_id, page, customer_id, reason, at, CASE WHEN octet_length(raw) <= ?2 THEN raw ELSE '' END AS raw
                     FROM quarantine WHERE id < ?3 ORDER BY id DESC LIMIT ?1",
                )?
                .query_map((limit as i64, LISTED_BYTES_MAX as i64, before.unwrap_or(i64::MAX)), |row| {
                    let mut record = from_row(row)?;
                    record.raw = cut(&record.raw, LISTED_CHARS_MAX);
                    Ok(record)
                })?
                .collect()
        })
    }
}

impl Mirror {
    /// Tries each quarantined record again, as a newer version of the program may understand it. A record whose
    /// customer the mirror has is not written over it: what the walk found since is newer.
    ///
    /// Safe beside a pass of another process: a customer that it has met as a bad record counts as listed by it; one that it
    /// lists later is then known, and compared as any other.
    pub fn retry_quarantine(&mut self, now: Timestamp) -> Result<Retried> {
        let now = format_timestamp(now);
        let seed = self.seed;
        self.write(|tx| {
            if has_any(tx)? {
                // A first pass that goes on meanwhile then asks it, too.
                schema::ensure_index_of_ids(tx)?;
            }
            let mut retried = Retried::default();
            let mut updates = Updates::default();
            let mut last_id = 0;
            let mut statements = Statements::of(tx)?;
            loop {
                let next = tx
                    .prepare_cached("SELECT * FROM quarantine WHERE id > ?1 ORDER BY id LIMIT 1")?
                    .query_map([last_id], |row| {
                        Ok((
                            from_row(row)?,
                            matches!(row.get_ref("raw")?, rusqlite::types::ValueRef::Text(_)),
                        ))
                    })?
                    .next()
                    .transpose()?;
                let Some((record, is_text)) = next else {
                    updates.write(tx)?;
                    return Ok(retried);
                };
                last_id = record.id;
                let stamp = Stamp {
                    pass_id: record.pass_id.unwrap_or_default(),
                    now: &now,
                };
                match rows::compare(&mut statements, &record.raw, seed, 0, &mut Ids::Rows)? {
                    _ if !is_text => retried.remaining += 1,
                    Standing::Unreadable(_) => retried.remaining += 1,
                    standing => {
                        let row_id = match standing {
                            Standing::New(read) => {
                                add_to_counts(tx, 1, 0)?;
                                rows::insert(&mut statements, &read, stamp, &mut updates)?
                            }
                            Standing::Unchanged(row_id)
                            | Standing::Changed(row_id, _)
                            | Standing::Returned(row_id, _) => row_id,
                            Standing::Unreadable(_) => continue,
                        };
                        mark_as_listed(tx, record.pass_id, record.page, row_id)?;
                        tx.execute("DELETE FROM quarantine WHERE id = ?1", [record.id])?;
                        retried.mirrored += 1;
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn a_list_has_the_newest_first_and_no_record_in_full() {
        let bad = |name: &str| format!(r#"{{"customerId":"","name":"{name}"}}"#);
        let (first, long, huge) = (
            bad("first"),
            bad(&"é".repeat(5000)),
            bad(&"x".repeat(LISTED_BYTES_MAX)),
        );
        let mut fixture = Fixture::empty();
        fixture.pass(0, &[&[&first, &long, &huge]]);
        fixture.pass(10, &[&[&bad("last")]]);
        let reader = Reader::open(&fixture.path).unwrap();
        let listed = reader.recently_quarantined(None, 9).unwrap();
        assert_eq!(
            listed.iter().map(|record| record.id).collect::<Vec<_>>(),
            [4, 3, 2, 1]
        );
        assert_eq!((&listed[0].raw, listed[0].pass_id), (&bad("last"), Some(2)));
        assert_eq!(listed[1].raw, "");
        assert_eq!(listed[2].raw.chars().count(), LISTED_CHARS_MAX + 1);
        assert!(listed[2].raw.ends_with("é…"));
        assert_eq!((&listed[3].raw, listed[3].page), (&first, Some(1)));
        assert_eq!(reader.recently_quarantined(None, 1).unwrap().len(), 1);
    }
}
