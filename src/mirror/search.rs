//! The search index beside the rows: two FTS5 tables, `customer_search` for words and `customer_search_parts` for grams.
//!
//! They hold no text of their own, so whoever changes a customer tells them what went and what came, in the same transaction.
//! Only the difference is written: FTS5 keeps an entry a word, and none of a customer as a whole.

use chrono::TimeDelta;
use rusqlite::Connection;

use super::{Mirror, Result, remove_meta, set_meta};
use crate::decode;
use crate::model::{Timestamp, format_timestamp, parse_timestamp};
use crate::search::Document;

/// The tables of the index.
const TABLES: [&str; 2] = ["customer_search", "customer_search_parts"];

/// Customers looked at, at the most, to see whether the index leads to them.
const SAMPLES_MAX: i64 = 1000;

/// Pages of the index that are merged in one transaction: some 8 MB.
const PAGES_AT_ONCE: i64 = 2000;

/// Set when the index is to be compacted.
const DUE: &str = "search_compaction_due";

/// When it was, last.
const COMPACTED_AT: &str = "search_compacted_at";

const COMPACTION_INTERVAL: TimeDelta = TimeDelta::days(1);

/// What a transaction changes in the index.
#[derive(Debug, Default)]
pub(super) struct Updates(Vec<Update>);

#[derive(Debug)]
struct Update {
    row_id: i64,
    change: Change,
}

/// FTS5 counts its rows: who is new comes once, who changes goes and comes, and who is erased goes once.
#[derive(Debug)]
enum Change {
    New(Document),
    Changed { gone: Document, come: Document },
    Erased(Document),
}

impl Updates {
    /// A customer is new.
    pub(super) fn add(&mut self, row_id: i64, document: Document) {
        self.push(row_id, Change::New(document));
    }

    /// A customer has changed.
    pub(super) fn change(&mut self, row_id: i64, before: &Document, after: &Document) {
        let (gone, come) = (before.without(after), after.without(before));
        self.push(row_id, Change::Changed { gone, come });
    }

    /// A customer is erased; `raw` is its record.
    pub(super) fn erase(&mut self, row_id: i64, raw: &str) {
        let document = decode::customer(raw).map(|customer| Document::of(&customer));
        self.push(row_id, Change::Erased(document.unwrap_or_default()));
    }

    fn push(&mut self, row_id: i64, change: Change) {
        self.0.push(Update { row_id, change });
    }

    /// Writes all of it.
    pub(super) fn write(mut self, connection: &Connection) -> rusqlite::Result<()> {
        // Where a row id is smaller than the one before it, FTS5 first writes to the file what it has collected.
        self.0.sort_by_key(|update| update.row_id);
        for Update { row_id, change } in &self.0 {
            match change {
                Change::New(document) => {
                    add_words(connection, *row_id, document)?;
                    add_grams(connection, *row_id, document)?;
                }
                Change::Changed { gone, come } => {
                    if !(gone.has_no_words() && come.has_no_words()) {
                        remove_words(connection, *row_id, gone)?;
                        add_words(connection, *row_id, come)?;
                    }
                    if !(gone.has_no_grams() && come.has_no_grams()) {
                        remove_grams(connection, *row_id, gone)?;
                        add_grams(connection, *row_id, come)?;
                    }
                }
                Change::Erased(document) => {
                    remove_words(connection, *row_id, document)?;
                    remove_grams(connection, *row_id, document)?;
                }
            }
        }
        Ok(())
    }
}

fn add_words(connection: &Connection, row_id: i64, document: &Document) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO customer_search (rowid, names, addresses) VALUES (?1, ?2, ?3)",
        )?
        .execute((row_id, document.names(), document.addresses()))
        .map(drop)
}

fn remove_words(connection: &Connection, row_id: i64, document: &Document) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO customer_search (customer_search, rowid, names, addresses) VALUES ('delete', ?1, ?2, ?3)")?
        .execute((row_id, document.names(), document.addresses()))
        .map(drop)
}

fn add_grams(connection: &Connection, row_id: i64, document: &Document) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO customer_search_parts (rowid, parts) VALUES (?1, ?2)")?
        .execute((row_id, document.grams()))
        .map(drop)
}

fn remove_grams(connection: &Connection, row_id: i64, document: &Document) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO customer_search_parts (customer_search_parts, rowid, parts) VALUES ('delete', ?1, ?2)")?
        .execute((row_id, document.grams()))
        .map(drop)
}

/// Old values have left the change feed: what the index keeps of them is to go, too.
pub(super) fn make_due(connection: &Connection) -> rusqlite::Result<()> {
    set_meta(connection, DUE, &1)
}

impl Mirror {
    /// Compacts the search index if old values have left the change feed, but not more often than once a day: it takes seconds for
    /// a million customers.
    pub fn compact_search_when_due(&mut self, now: Timestamp) -> Result<()> {
        if self.meta::<i64>(DUE)?.is_none() {
            return Ok(());
        }
        let last: Option<String> = self.meta(COMPACTED_AT)?;
        let is_recent = last
            .and_then(|last| parse_timestamp(&last))
            .is_some_and(|last| last <= now && now - last < COMPACTION_INTERVAL);
        if is_recent {
            return Ok(());
        }
        self.compact_search()?;
        let now = format_timestamp(now);
        self.write(|tx| {
            remove_meta(tx, DUE)?;
            set_meta(tx, COMPACTED_AT, &now)
        })
    }

    /// Merges the search index to one piece: what is deleted there is only marked so, until it is merged with what it was.
    pub(super) fn compact_search(&mut self) -> Result<()> {
        for table in TABLES {
            while self.write(|tx| merge(tx, table))? {}
        }
        Ok(())
    }
}

/// Merges a part of one of the tables; returns whether there is more to merge. When there is not, it holds nothing of customers
/// who were taken out of it.
fn merge(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let changes = || connection.query_row("SELECT total_changes()", [], |row| row.get::<_, i64>(0));
    let before = changes()?;
    // A negative number merges all there is, not just what is of equal size.
    connection.execute(
        &format!("INSERT INTO {table} ({table}, rank) VALUES ('merge', ?1)"),
        [-PAGES_AT_ONCE],
    )?;
    // The statement itself counts as one change, as FTS5's documentation has it.
    Ok(changes()? - before >= 2)
}

/// Customers, spread over the mirror, whom the search index doesn't lead to: row ids. Not all are looked at.
pub(super) fn unfindable(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let last: i64 =
        connection.query_row("SELECT ifnull(max(row_id), 0) FROM customers", [], |row| {
            row.get(0)
        })?;
    let step = last / SAMPLES_MAX + 1;
    let mut unfindable = Vec::new();
    let mut statement = connection
        .prepare("SELECT row_id, raw FROM customers WHERE row_id >= ?1 ORDER BY row_id LIMIT 1")?;
    let mut from = 1;
    while from <= last {
        let (row_id, raw): (i64, String) =
            statement.query_row([from], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if !is_findable(connection, row_id, &raw)? {
            unfindable.push(row_id);
        }
        from = row_id + step;
    }
    Ok(unfindable)
}

fn is_findable(connection: &Connection, row_id: i64, raw: &str) -> rusqlite::Result<bool> {
    let Ok(customer) = decode::customer(raw) else {
        return Ok(true);
    };
    let document = Document::of(&customer);
    for (table, column, words) in [
        ("customer_search", "names", document.names()),
        ("customer_search", "addresses", document.addresses()),
        ("customer_search_parts", "parts", document.grams()),
    ] {
        let words: Vec<String> = words
            .split_whitespace()
            .map(|word| format!("\"{word}\""))
            .collect();
        let found = words.is_empty()
            || connection
                .prepare_cached(&format!(
                    "SELECT 1 FROM {table} WHERE {table} MATCH ?1 AND rowid = ?2"
                ))?
                .exists((column_is(table, column, &words.join(" AND ")), row_id))?;
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The grams' table keeps no columns, and has one only.
fn column_is(table: &str, column: &str, expression: &str) -> String {
    if table == TABLES[0] {
        format!("{column} : ({expression})")
    } else {
        expression.to_owned()
    }
}

/// Whether one of the words in the index has this text in it.
pub(super) fn has_in_a_word(connection: &Connection, text: &str) -> rusqlite::Result<bool> {
    connection.execute_batch(
        "CREATE VIRTUAL TABLE IF NOT EXISTS temp.customer_search_words USING fts5vocab('main', 'customer_search', 'row')",
    )?;
    connection
        .prepare("SELECT 1 FROM temp.customer_search_words WHERE instr(term, ?1)")?
        .exists([text])
}
