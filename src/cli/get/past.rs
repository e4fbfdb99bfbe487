//! A customer as the mirror had it at a time in the past, from the change feed. Never a guess.

use rusqlite::types::{ToSqlOutput, Value as Stored};
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::{Printer, Trouble, print_one};
use crate::cli::output::{harmless, moment};
use crate::decode::{self, COLUMNS, Value};
use crate::mirror::ProfileUser;

/// What the feed says of a customer at a time.
#[derive(Debug, PartialEq)]
enum Past {
    /// The row of today is that of then.
    AsToday,
    /// The row of today, but that it was not deleted yet.
    AsTodayLive,
    /// It was so.
    Record(Record),
    /// There is no answer, and why.
    Unknown(String),
}

/// A record of the past, and the times of its row where the feed still has them.
#[derive(Debug, PartialEq)]
struct Record {
    raw: String,
    first_seen_at: String,
    changed_at: Option<String>,
    deleted_at: Option<String>,
}

/// Prints a customer as it was at a time; `Ok(Some(reason))` if that is not to be known, or it was not there yet.
pub(super) fn print(
    connection: &Connection,
    customer_id: &str,
    at: &str,
    pruned_before: Option<&str>,
    printer: &mut Printer<impl std::io::Write>,
) -> Result<Option<String>, Trouble> {
    let record = match at_time(connection, customer_id, at, pruned_before)? {
        Past::Unknown(reason) => return Ok(Some(reason)),
        Past::Record(record) => record,
        today @ (Past::AsToday | Past::AsTodayLive) => {
            let deleted_at = if today == Past::AsToday {
                "deleted_at"
            } else {
                "NULL"
            };
            let columns = columns().map(|column| {
                if column == "deleted_at" {
                    format!("{deleted_at} AS deleted_at")
                } else {
                    column.to_owned()
                }
            });
            let columns: Vec<String> = columns.collect();
            let sql = format!(
                "SELECT row_id, {} FROM customers WHERE customer_id = ?1",
                columns.join(", ")
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([customer_id])?;
            if let Some(row) = rows.next()? {
                print_one(row, &super::users(connection, row)?, printer)?;
            }
            return Ok(None);
        }
    };
    // A row as `customers` has it, made of the record.
    let Ok(customer) = decode::customer(&record.raw) else {
        return Ok(Some(unreadable(customer_id)));
    };
    let names: Vec<String> = columns().map(|column| format!("? AS {column}")).collect();
    let sql = format!("SELECT 0 AS row_id, {}", names.join(", "));
    let text = |text: Option<&str>| {
        ToSqlOutput::Owned(text.map_or(Stored::Null, |text| Stored::Text(text.to_owned())))
    };
    let values = customer.values.iter().map(|value| match value {
        None => text(None),
        Some(Value::Text(value)) => text(Some(value)),
        Some(Value::Bool(value)) => ToSqlOutput::Owned(Stored::Integer(i64::from(*value))),
    });
    let values = values.chain([
        text(Some(&record.first_seen_at)),
        text(record.changed_at.as_deref()),
        text(record.deleted_at.as_deref()),
        text(Some(&record.raw)),
    ]);
    let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
    let mut users: Vec<ProfileUser> = customer
        .users
        .iter()
        .map(|user| ProfileUser {
            user_id: user.id.to_string(),
            name: owned(&user.name),
            role: owned(&user.role),
        })
        .collect();
    users.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    if let Some(row) = rows.next()? {
        print_one(row, &users, printer)?;
    }
    Ok(None)
}

/// The columns of `customers` behind `row_id`, in their order.
fn columns() -> impl Iterator<Item = &'static str> {
    let of_mirror = ["first_seen_at", "changed_at", "deleted_at", "raw"];
    COLUMNS.iter().map(|column| column.name).chain(of_mirror)
}

fn unreadable(customer_id: &str) -> String {
    format!(
        "the record of `{}` in the feed can't be read",
        harmless(customer_id)
    )
}

/// Whether the row of today is older than the time decides first: that needs no feed. Else the record before the customer's first
/// change after the time is the one at the time, unless changes in between were pruned.
fn at_time(
    connection: &Connection,
    customer_id: &str,
    at: &str,
    pruned_before: Option<&str>,
) -> rusqlite::Result<Past> {
    let (first_seen_at, changed_at, deleted_at): (String, String, Option<String>) = connection
        .prepare_cached(
            "SELECT first_seen_at, changed_at, deleted_at FROM customers WHERE customer_id = ?1",
        )?
        .query_row([customer_id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let id = harmless(customer_id);
    if first_seen_at.as_str() > at {
        let first = moment(&first_seen_at);
        return Ok(Past::Unknown(format!(
            "`{id}` was not in the mirror yet (first seen at {first})"
        )));
    }
    if changed_at.as_str() <= at {
        let is_same = deleted_at.is_none_or(|deleted_at| deleted_at.as_str() <= at);
        return Ok(if is_same {
            Past::AsToday
        } else {
            Past::AsTodayLive
        });
    }
    if let Some(pruned) = pruned_before.filter(|pruned| at < *pruned) {
        let from = moment(pruned);
        return Ok(Past::Unknown(format!(
            "what `{id}` was then is not known any more: the feed begins after {from} (changes.keep)"
        )));
    }
    let next: Option<(i64, String, Option<String>)> = connection
        .prepare_cached(
            "SELECT seq, kind, before FROM customer_changes WHERE customer_id = ?1 AND changed_at > ?2 ORDER BY seq LIMIT 1",
        )?
        .query_row((customer_id, at), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((seq, kind, Some(raw))) = next else {
        return Ok(Past::Unknown(format!(
            "the feed doesn't hold what `{id}` was then"
        )));
    };
    let last = |kinds: &str| -> rusqlite::Result<Option<String>> {
        let sql = format!(
            "SELECT changed_at FROM customer_changes WHERE customer_id = ?1 AND seq < ?2 AND kind {kinds} 'deleted' ORDER BY seq DESC LIMIT 1"
        );
        connection
            .prepare_cached(&sql)?
            .query_row((customer_id, seq), |row| row.get(0))
            .optional()
    };
    let deleted_at = if kind == "restored" { last("=")? } else { None };
    if kind == "restored" && deleted_at.is_none() {
        return Ok(Past::Unknown(format!(
            "`{id}` was deleted then; since when, the feed doesn't tell any more"
        )));
    }
    Ok(Past::Record(Record {
        raw,
        first_seen_at,
        changed_at: last("<>")?,
        deleted_at,
    }))
}
