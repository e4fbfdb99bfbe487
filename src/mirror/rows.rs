//! What a record is to the mirror, and writing it: rows of `customers`, `customer_user_rows`, `customer_state`, `customer_changes`.

use std::sync::LazyLock;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params_from_iter};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::newcomers::Ids;
use super::search::Updates;
use crate::decode::{self, COLUMNS, Customer, Value};
use crate::json::Node;
use crate::search::Document;

/// What a record is, compared with the mirror.
#[derive(Debug)]
pub(super) enum Standing<'a> {
    /// The same value as in the mirror. Its row id.
    Unchanged(i64),
    /// A customer not in the mirror.
    New(Box<Read<'a>>),
    /// Another value than in the mirror. Its row id.
    Changed(i64, Box<Read<'a>>),
    /// A tombstoned customer came back, the same or changed. Its row id.
    Returned(i64, Box<Read<'a>>),
    /// No readable customerId.
    Unreadable(&'static str),
}

/// A record that had to be read, and its hashes.
#[derive(Debug)]
pub(super) struct Read<'a> {
    pub(super) raw: &'a str,
    pub(super) customer: Customer<'a>,
    pub(super) raw_hash: [u8; 16],
    pub(super) content_hash: [u8; 16],
}

impl<'a> Read<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// The reason, if it has no readable customerId.
    pub(super) fn of(raw: &'a str, seed: u64) -> Result<Self, &'static str> {
        Self::hashed(raw, raw_hash(raw.as_bytes(), seed), seed)
    }

    fn hashed(raw: &'a str, raw_hash: [u8; 16], seed: u64) -> Result<Self, &'static str> {
        let customer = decode::customer(raw)?;
        Ok(Self {
            raw,
            raw_hash,
            content_hash: customer.tree.content_hash(seed).to_le_bytes(),
            customer,
        })
    }
}

/// What runs for each record of a page, looked up once: to find a statement by its text takes as long as to run some of them.
pub(super) struct Statements<'c> {
    pub(super) connection: &'c Connection,
    expected: CachedStatement<'c>,
    customer: CachedStatement<'c>,
    state: CachedStatement<'c>,
    user: CachedStatement<'c>,
    change: CachedStatement<'c>,
}

impl<'c> Statements<'c> {
    /// On this connection.
    pub(super) fn of(connection: &'c Connection) -> rusqlite::Result<Self> {
        let cached = |sql: &str| connection.prepare_cached(sql);
        Ok(Self {
            connection,
            expected: cached(
                "SELECT 1 FROM customer_state WHERE row_id = ?1 AND raw_hash = ?2 AND live = 1",
            )?,
            customer: cached(&INSERT)?,
            state: cached(
                "INSERT INTO customer_state (row_id, raw_hash, content_hash, live) VALUES (?1, ?2, ?3, 1)",
            )?,
            user: cached(INSERT_USER)?,
            change: cached(INSERT_CHANGE)?,
        })
    }
}

const INSERT_USER: &str =
    "INSERT INTO customer_user_rows (row_id, user_id, name, role) VALUES (?1, ?2, ?3, ?4)";

const INSERT_CHANGE: &str = "INSERT INTO customer_changes (changed_at, pass_id, customer_id, reference_id, kind, changed_fields, before)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// Compares a record with the mirror. `expected_row` is where it is if the listing's order is as before.
pub(super) fn compare<'a>(
    statements: &mut Statements<'_>,
    raw: &'a str,
    seed: u64,
    expected_row: i64,
    ids: &mut Ids<'_>,
) -> rusqlite::Result<Standing<'a>> {
    let connection = statements.connection;
    let raw_hash = raw_hash(raw.as_bytes(), seed);
    // The cheap way first: the same bytes as the customer that is next in line are that customer, unchanged.
    if statements.expected.exists((expected_row, raw_hash))? {
        return Ok(Standing::Unchanged(expected_row));
    }
    let read = match Read::hashed(raw, raw_hash, seed) {
        Ok(read) => Box::new(read),
        Err(reason) => return Ok(Standing::Unreadable(reason)),
    };
    let known: Option<(i64, [u8; 16], bool)> = match ids.row_of(connection, &read.customer.id)? {
        None => None,
        Some(row_id) => connection
            .prepare_cached("SELECT content_hash, live FROM customer_state WHERE row_id = ?1")?
            .query_row([row_id], |row| Ok((row_id, row.get(0)?, row.get(1)?)))
            .optional()?,
    };
    Ok(match known {
        None => Standing::New(read),
        Some((row_id, _, false)) => Standing::Returned(row_id, read),
        Some((row_id, hash, true)) if hash == read.content_hash => Standing::Unchanged(row_id),
        Some((row_id, ..)) => Standing::Changed(row_id, read),
    })
}

/// What `raw_hash` holds of a record, in `customer_state` and in `quarantine`.
pub(super) fn raw_hash(raw: &[u8], seed: u64) -> [u8; 16] {
    xxh3_128_with_seed(raw, seed).to_le_bytes()
}

/// When and by which pass something is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub(super) pass_id: i64,
    pub(super) now: &'a str,
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let marks = vec!["?"; COLUMNS.len() + 3].join(", ");
    format!(
        "INSERT INTO customers ({}, raw, first_seen_at, changed_at) VALUES ({marks})",
        names.join(", ")
    )
});

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let sets: Vec<String> = COLUMNS
        .iter()
        .map(|column| format!("{} = ?", column.name))
        .collect();
    format!(
        "UPDATE customers SET {}, raw = ?, changed_at = ?, deleted_at = NULL WHERE row_id = ?",
        sets.join(", ")
    )
});

/// Adds a customer; returns its row id. What the search index needs goes into `updates`.
pub(super) fn insert(
    statements: &mut Statements<'_>,
    read: &Read<'_>,
    stamp: Stamp<'_>,
    updates: &mut Updates,
) -> rusqlite::Result<i64> {
    let values = columns(read).chain([text(stamp.now), text(stamp.now)]);
    let row_id = statements.customer.insert(params_from_iter(values))?;
    statements
        .state
        .execute((row_id, read.raw_hash, read.content_hash))?;
    insert_users(&mut statements.user, row_id, &read.customer)?;
    updates.add(row_id, Document::of(&read.customer));
    let change = Change {
        kind: "created",
        pointers: "[]",
        before: None,
    };
    let (id, reference) = (&read.customer.id, reference_id(&read.customer));
    append_change(&mut statements.change, id, reference, &change, stamp)?;
    Ok(row_id)
}

/// Overwrites a customer, live again if it was not, and records what changed. What the search index needs goes into `updates`.
pub(super) fn update(
    statements: &mut Statements<'_>,
    row_id: i64,
    read: &Read<'_>,
    kind: &'static str,
    stamp: Stamp<'_>,
    updates: &mut Updates,
) -> rusqlite::Result<()> {
    let connection = statements.connection;
    let before: String = connection
        .prepare_cached("SELECT raw FROM customers WHERE row_id = ?1")?
        .query_row([row_id], |row| row.get(0))?;
    let after = Document::of(&read.customer);
    let pointers = if let Ok(before) = decode::customer(&before) {
        updates.change(row_id, &Document::of(&before), &after);
        Node::changed_pointers(&before.tree, &read.customer.tree)
    } else {
        updates.change(row_id, &Document::default(), &after);
        Vec::new()
    };
    let values = columns(read).chain([
        text(stamp.now),
        ToSqlOutput::Owned(rusqlite::types::Value::Integer(row_id)),
    ]);
    connection
        .prepare_cached(&UPDATE)?
        .execute(params_from_iter(values))?;
    connection
        .prepare_cached("UPDATE customer_state SET raw_hash = ?2, content_hash = ?3, live = 1 WHERE row_id = ?1")?
        .execute((row_id, read.raw_hash, read.content_hash))?;
    connection
        .prepare_cached("DELETE FROM customer_user_rows WHERE row_id = ?1")?
        .execute([row_id])?;
    insert_users(&mut statements.user, row_id, &read.customer)?;
    let pointers = serde_json::to_string(&pointers).unwrap_or_else(|_| "[]".to_owned());
    let change = Change {
        kind,
        pointers: &pointers,
        before: Some(&before),
    };
    let (id, reference) = (&read.customer.id, reference_id(&read.customer));
    append_change(&mut statements.change, id, reference, &change, stamp)
}

/// When a customer was what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dates<'a> {
    pub(super) first_seen: &'a str,
    pub(super) changed: &'a str,
    pub(super) deleted: Option<&'a str>,
}

static PUT_BACK: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
    let marks = vec!["?"; COLUMNS.len() + 5].join(", ");
    format!(
        "INSERT OR IGNORE INTO customers ({}, raw, row_id, first_seen_at, changed_at, deleted_at) VALUES ({marks})",
        names.join(", ")
    )
});

/// Puts a customer where it was, with its users, its state and its words in the search index, and records no change; false if that
/// row, or its customerId, is there already.
pub(super) fn put_back(
    connection: &Connection,
    row_id: i64,
    read: &Read<'_>,
    dates: Dates<'_>,
    updates: &mut Updates,
) -> rusqlite::Result<bool> {
    let deleted_at = dates
        .deleted
        .map_or(ToSqlOutput::Borrowed(ValueRef::Null), text);
    let values = columns(read).chain([
        ToSqlOutput::Owned(rusqlite::types::Value::Integer(row_id)),
        text(dates.first_seen),
        text(dates.changed),
        deleted_at,
    ]);
    if connection
        .prepare_cached(&PUT_BACK)?
        .execute(params_from_iter(values))?
        == 0
    {
        return Ok(false);
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO customer_state (row_id, raw_hash, content_hash, live) VALUES (?1, ?2, ?3, ?4)")?
        .execute((row_id, read.raw_hash, read.content_hash, dates.deleted.is_none()))?;
    insert_users(
        &mut connection.prepare_cached(INSERT_USER)?,
        row_id,
        &read.customer,
    )?;
    updates.add(row_id, Document::of(&read.customer));
    Ok(true)
}

/// Whatever the server sends of this customer next is another value than the mirror has.
pub(super) fn forget_content(connection: &Connection, row_id: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE customer_state SET content_hash = zeroblob(16) WHERE row_id = ?1")?
        .execute([row_id])
        .map(drop)
}

/// Turns a live customer into a tombstone.
pub(super) fn tombstone(
    connection: &Connection,
    row_id: i64,
    stamp: Stamp<'_>,
) -> rusqlite::Result<()> {
    let (customer_id, reference, before): (String, Option<String>, String) = connection
        .prepare_cached("SELECT customer_id, reference_id, raw FROM customers WHERE row_id = ?1")?
        .query_row([row_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    connection
        .prepare_cached("UPDATE customers SET deleted_at = ?2 WHERE row_id = ?1")?
        .execute((row_id, stamp.now))?;
    connection
        .prepare_cached("UPDATE customer_state SET live = 0 WHERE row_id = ?1")?
        .execute([row_id])?;
    let change = Change {
        kind: "deleted",
        pointers: "[]",
        before: Some(&before),
    };
    append_change(
        &mut connection.prepare_cached(INSERT_CHANGE)?,
        &customer_id,
        reference.as_deref(),
        &change,
        stamp,
    )
}

struct Change<'a> {
    kind: &'static str,
    pointers: &'a str,
    before: Option<&'a str>,
}

fn append_change(
    statement: &mut CachedStatement<'_>,
    customer_id: &str,
    reference_id: Option<&str>,
    change: &Change<'_>,
    stamp: Stamp<'_>,
) -> rusqlite::Result<()> {
    let (kind, pointers, before) = (change.kind, change.pointers, change.before);
    statement
        .execute((
            stamp.now,
            stamp.pass_id,
            customer_id,
            reference_id,
            kind,
            pointers,
            before,
        ))
        .map(drop)
}

fn insert_users(
    statement: &mut CachedStatement<'_>,
    row_id: i64,
    customer: &Customer<'_>,
) -> rusqlite::Result<()> {
    for user in &customer.users {
        let (name, role) = (user.name.as_deref(), user.role.as_deref());
        statement.execute((row_id, &*user.id, name, role))?;
    }
    Ok(())
}

/// The values of [`COLUMNS`] and `raw`.
fn columns<'a>(read: &'a Read<'_>) -> impl Iterator<Item = ToSqlOutput<'a>> {
    let values = read.customer.values.iter().map(|value| match value {
        None => ToSqlOutput::Borrowed(ValueRef::Null),
        Some(Value::Text(value)) => text(value),
        Some(Value::Bool(value)) => {
            ToSqlOutput::Owned(rusqlite::types::Value::Integer(i64::from(*value)))
        }
    });
    values.chain([text(read.raw)])
}

fn text(value: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes()))
}

fn reference_id<'a>(customer: &'a Customer<'_>) -> Option<&'a str> {
    static PLACE: LazyLock<Option<usize>> = LazyLock::new(|| {
        COLUMNS
            .iter()
            .position(|column| column.name == "reference_id")
    });
    match customer.values.get((*PLACE)?)? {
        Some(Value::Text(value)) => Some(value),
        _ => None,
    }
}
