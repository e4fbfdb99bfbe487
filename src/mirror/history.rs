//! What became of a customer over time, field by field: the feed keeps each record before its change, so the record after it is the one
//! before the next change, or today's.
//!
//! Nobody knows how long a history is, and how large its records are. So two records are in memory at a time, a page of changes ends
//! early when it has read much, and what is shown of a change is cut.

use rusqlite::{Connection, OptionalExtension};

use super::feed::PRUNED_BEFORE;
use super::{FieldChange, History, PastChange, Reader, Result, meta, schema};
use crate::json::Node;

/// Changed places of one change.
const FIELDS_MAX: usize = 50;
/// Characters of a value; one more stands for the rest.
const VALUE_CHARS_MAX: usize = 2000;
/// Characters of a pointer, as a member's name can be of any length.
const POINTER_CHARS_MAX: usize = 300;
/// Bytes of records after which a page ends, of however few changes.
const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Reader {
    /// The changes of a customer before the one numbered `before_seq`, else all, the latest first: up to `limit`, or as many as there
    /// was memory for. One snapshot.
    ///
    /// Before the end of the first pass there is no way to find the change by which a customer came, and it is left out.
    pub fn history(
        &self,
        customer_id: &str,
        before_seq: Option<i64>,
        limit: usize,
    ) -> Result<History> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            history(&tx, customer_id, before_seq.unwrap_or(i64::MAX), limit)
        })
    }
}

fn history(
    connection: &Connection,
    customer_id: &str,
    before_seq: i64,
    limit: usize,
) -> rusqlite::Result<History> {
    let mut history = History {
        pruned_before: meta(connection, PRUNED_BEFORE)?,
        ..History::default()
    };
    if limit == 0 {
        return Ok(history);
    }
    // The other index, of the first pass, has no first changes.
    let which = if schema::has(connection, "index", "customer_changes_customer_id")? {
        "1"
    } else {
        "kind <> 'created'"
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT seq, changed_at, pass_id, kind, changed_fields, before FROM customer_changes
         WHERE customer_id = ?1 AND seq < ?2 AND {which} ORDER BY seq DESC"
    ))?;
    let mut rows = statement.query((customer_id, before_seq))?;
    let mut after = record_from(connection, customer_id, before_seq)?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if history.changes.len() == limit || bytes >= RECORD_BYTES_MAX {
            history.has_older = true;
            break;
        }
        let before: Option<String> = row.get(5)?;
        let (fields, more_fields) = fields(
            row.get_ref(4)?.as_str()?,
            before.as_deref(),
            after.as_deref(),
        );
        history.changes.push(PastChange {
            seq: row.get(0)?,
            changed_at: row.get(1)?,
            pass_id: row.get(2)?,
            kind: row.get(3)?,
            fields,
            more_fields,
        });
        bytes += before.as_ref().map_or(0, String::len);
        after = before;
    }
    Ok(history)
}

/// The record that the latest change before `seq` led to. A first change has no record before it, and is never another one's next.
fn record_from(
    connection: &Connection,
    customer_id: &str,
    seq: i64,
) -> rusqlite::Result<Option<String>> {
    let before_next = connection
        .prepare_cached(
            "SELECT before FROM customer_changes WHERE customer_id = ?1 AND seq >= ?2 AND kind <> 'created' ORDER BY seq LIMIT 1",
        )?
        .query_row((customer_id, seq), |row| row.get(0))
        .optional()?;
    if let Some(record) = before_next {
        return Ok(record);
    }
    connection
        .prepare_cached("SELECT raw FROM customers WHERE customer_id = ?1")?
        .query_row([customer_id], |row| row.get(0))
        .optional()
}

/// What changed, and how many more places did.
fn fields(pointers: &str, before: Option<&str>, after: Option<&str>) -> (Vec<FieldChange>, usize) {
    let pointers: Vec<String> = serde_json::from_str(pointers).unwrap_or_default();
    if pointers.is_empty() {
        return (Vec::new(), 0);
    }
    let before = before.and_then(Node::parse);
    let after = after.and_then(Node::parse);
    let value = |record: &Option<Node<'_>>, pointer: &str| {
        let node = record.as_ref().and_then(|record| record.at(pointer));
        node.map(|node| cut(node.text, VALUE_CHARS_MAX))
    };
    let shown = pointers.iter().take(FIELDS_MAX);
    let fields = shown.map(|pointer| FieldChange {
        pointer: cut(pointer, POINTER_CHARS_MAX),
        before: value(&before, pointer),
        after: value(&after, pointer),
    });
    (fields.collect(), pointers.len().saturating_sub(FIELDS_MAX))
}

/// A text, or its beginning and a sign that it goes on.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
