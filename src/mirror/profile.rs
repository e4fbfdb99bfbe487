//! All that the mirror knows of one customer: its row, its users, and what became of it over time (`history.rs`).

use std::sync::LazyLock;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde::Serialize;

use super::{Reader, Result};
use crate::decode::COLUMNS;

/// A customer's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The columns of `customers` but `row_id` and `raw`, in the table's order; numbers as text.
    pub columns: Vec<(&'static str, Option<String>)>,
    /// Its users, by `user_id`.
    pub users: Vec<ProfileUser>,
    /// The record as sent.
    pub raw: String,
}

/// A row of `customer_users`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileUser {
    /// `user_id`.
    pub user_id: String,
    /// `name`.
    pub name: Option<String>,
    /// `role`.
    pub role: Option<String>,
}

/// What the change feed has on a customer, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The changes.
    pub changes: Vec<PastChange>,
    /// Whether older ones follow.
    pub has_older: bool,
    /// Changes made before this are not in the feed any more.
    pub pruned_before: Option<String>,
}

/// A change, field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastChange {
    /// Its number in the feed.
    pub seq: i64,
    /// When it was found.
    pub changed_at: String,
    /// The pass that found it.
    pub pass_id: Option<i64>,
    /// `created`, `updated`, `deleted` or `restored`.
    pub kind: String,
    /// What changed, bounded in number and length.
    pub fields: Vec<FieldChange>,
    /// How many more places changed than are in `fields`.
    pub more_fields: usize,
}

/// A place in a record that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// The place, a JSON pointer.
    pub pointer: String,
    /// Its JSON before; `None` if it was not there. Cut if it is very long.
    pub before: Option<String>,
    /// Its JSON after; `None` if it is not there any more. Cut if it is very long.
    pub after: Option<String>,
}

/// A referenceId that more than one live customer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// It.
    pub reference_id: String,
    /// Who holds it: the first few.
    pub customers: Vec<super::CustomerLine>,
    /// How many do.
    pub holders: i64,
}

impl Reader {
    /// All columns of a customer, live or deleted; `None` if there is none with this customerId. One snapshot.
    pub fn profile(&self, customer_id: &str) -> Result<Option<Profile>> {
        self.read(|connection| {
            let tx = connection.unchecked_transaction()?;
            let mut statement = tx.prepare_cached(&PROFILE)?;
            let mut rows = statement.query([customer_id])?;
            let Some(row) = rows.next()? else {
                return Ok(None);
            };
            let columns = names().enumerate();
            let columns = columns.map(|(index, name)| Ok((name, text(row.get_ref(index)?))));
            Ok(Some(Profile {
                columns: columns.collect::<rusqlite::Result<_>>()?,
                users: users_of(&tx, customer_id)?,
                raw: row.get("raw")?,
            }))
        })
    }
}

/// The users of a customer, by `user_id`.
pub fn users_of(connection: &Connection, customer_id: &str) -> rusqlite::Result<Vec<ProfileUser>> {
    connection
        .prepare_cached("SELECT user_id, name, role FROM customer_users WHERE customer_id = ?1 ORDER BY user_id")?
        .query_map([customer_id], |row| {
            Ok(ProfileUser {
                user_id: row.get(0)?,
                name: row.get(1)?,
                role: row.get(2)?,
            })
        })?
        .collect()
}

/// The columns of `customers` but the first and the last.
fn names() -> impl Iterator<Item = &'static str> {
    let own = ["first_seen_at", "changed_at", "deleted_at"];
    COLUMNS.iter().map(|column| column.name).chain(own)
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

static PROFILE: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<&str> = names().collect();
    format!(
        "SELECT {}, raw FROM customers WHERE customer_id = ?1",
        names.join(", ")
    )
});

#[cfg(test)]
mod tests;
