//! What an ID on the command line names: the first kind of ID that a customer, live or deleted, has it as.

use rusqlite::Connection;

use super::output::{cut, harmless, plural};
use super::{Exit, Failure};

/// Where an ID is looked for, in this order.
pub(super) const ID_COLUMNS: [(&str, &str); 3] = [
    ("customer_id", "customerId"),
    ("reference_id", "referenceId"),
    ("human_readable_id", "humanReadableId"),
];

/// What is shown of an ID that somebody wrote.
const SHOWN_WIDTH: usize = 100;

/// An ID in a message.
pub(super) fn quoted(id: &str) -> String {
    format!("`{}`", cut(&harmless(id), SHOWN_WIDTH))
}

/// The customerIds of those whom an ID names, and what kind of ID it is; none if it names nobody.
pub(super) fn named_by(
    connection: &Connection,
    id: &str,
) -> rusqlite::Result<(Vec<String>, &'static str)> {
    for (column, kind) in ID_COLUMNS {
        let sql = format!("SELECT customer_id FROM customers WHERE {column} = ?1 ORDER BY row_id");
        let holders: Vec<String> = connection
            .prepare_cached(&sql)?
            .query_map([id], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if !holders.is_empty() {
            return Ok((holders, kind));
        }
    }
    Ok((Vec::new(), ""))
}

/// That an ID names several customers.
pub(super) fn ambiguous(count: u64, kind: &str, id: &str) -> String {
    let customers = plural(count as i64, "customer", "customers");
    format!("{customers} have the {kind} {}", quoted(id))
}

/// That IDs name nobody: the first of them, quoted, and how many there are.
pub(super) fn missing(quoted: &[String], count: u64) -> Failure {
    let mut names = quoted.join(", ");
    if let Some(more @ 1..) = count.checked_sub(quoted.len() as u64) {
        names = format!("{names}, and {} more", super::output::count(more as i64));
    }
    Failure::new(
        Exit::NotFound,
        format!("no customer has the customerId, referenceId or humanReadableId {names}"),
    )
}
