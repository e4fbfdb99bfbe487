//! `get`: customers by ID, from the mirror.

mod card;

use std::io::{BufWriter, Write};

use chrono::Utc;
use rusqlite::{Connection, Row};
use serde::Serialize;

use super::output::{
    Cell, FormatArgument, RowWriter, Screen, harmless, harmless_json, note, one_line,
};
use super::{Context, Exit, Failure};
use crate::mirror::Reader;

/// Where an ID is looked for: the first column that has it decides.
const ID_COLUMNS: [(&str, &str); 3] = [
    ("customer_id", "customerId"),
    ("reference_id", "referenceId"),
    ("human_readable_id", "humanReadableId"),
];

/// Customers by customerId, else referenceId, else humanReadableId
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Deleted customers are shown too, with the time of their deletion.

Examples:
  customer-mirror get 4711
  customer-mirror get --raw 4711 | jq .billing")]
pub(super) struct Arguments {
    /// customerId, referenceId or humanReadableId
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Print the JSON as the server sent it, one customer a line
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    #[command(flatten)]
    format: FormatArgument,
}

/// A row of `customer_users`.
#[derive(Debug, Serialize)]
struct User {
    #[serde(rename = "user_id")]
    id: String,
    name: Option<String>,
    role: Option<String>,
}

/// What customers are printed with.
enum Printer<W: Write> {
    Raw(W, Screen),
    Cards(W, Screen, bool),
    Rows(RowWriter<W>),
}

/// What can go wrong while customers are printed.
#[derive(Debug)]
enum Trouble {
    Database(rusqlite::Error),
    Output(std::io::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let reader = Reader::open(&context.config.mirror.path)?;
    let screen = Screen::of_stdout();
    let out = BufWriter::new(std::io::stdout().lock());
    let found = print_all(&reader, out, screen, arguments).map_err(|trouble| match trouble {
        Trouble::Database(error) => reader.sorted(error).into(),
        Trouble::Output(error) => Failure::output(&error),
    })?;
    for ambiguous in found.ambiguous {
        note(context, &ambiguous);
    }
    if found.missing.is_empty() {
        return Ok(Exit::Done);
    }
    let missing = found.missing.join(", ");
    Err(Failure::new(
        Exit::NotFound,
        format!("no customer has the customerId, referenceId or humanReadableId {missing}"),
    ))
}

#[derive(Debug, Default, PartialEq)]
struct Found {
    missing: Vec<String>,
    ambiguous: Vec<String>,
}

/// Prints every customer that one of the IDs names. One snapshot.
fn print_all(
    reader: &Reader,
    out: impl Write,
    screen: Screen,
    arguments: &Arguments,
) -> Result<Found, Trouble> {
    let tx = reader.connection().unchecked_transaction()?;
    let mut printer = if arguments.raw {
        Printer::Raw(out, screen)
    } else if arguments.format.format.is_none() && screen.terminal {
        Printer::Cards(out, screen, true)
    } else {
        let columns = tx
            .prepare("SELECT * FROM customers")?
            .column_names()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        let mut columns: Vec<&str> = columns.iter().skip(1).map(String::as_str).collect();
        columns.insert(columns.len().saturating_sub(1), "users");
        Printer::Rows(RowWriter::new(
            out,
            arguments.format.or_default(screen),
            &columns,
            screen,
        )?)
    };
    let mut found = Found::default();
    for id in &arguments.ids {
        match print_matches(&tx, id, &mut printer)? {
            (0, _) => found.missing.push(format!("`{}`", harmless(id))),
            (1, _) => {}
            (count, kind) => found.ambiguous.push(format!(
                "{count} customers have the {kind} `{}`",
                harmless(id)
            )),
        }
    }
    match printer {
        Printer::Raw(mut out, _) | Printer::Cards(mut out, ..) => out.flush()?,
        Printer::Rows(rows) => rows.finish()?,
    }
    Ok(found)
}

/// Prints the customers that an ID names; returns how many, and what kind of ID it is.
fn print_matches(
    connection: &Connection,
    id: &str,
    printer: &mut Printer<impl Write>,
) -> Result<(u64, &'static str), Trouble> {
    for (column, kind) in ID_COLUMNS {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT * FROM customers WHERE {column} = ?1 ORDER BY row_id"
        ))?;
        let mut rows = statement.query([id])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            print_one(connection, row, printer)?;
            count += 1;
        }
        if count > 0 {
            return Ok((count, kind));
        }
    }
    Ok((0, ""))
}

fn print_one(
    connection: &Connection,
    row: &Row<'_>,
    printer: &mut Printer<impl Write>,
) -> Result<(), Trouble> {
    match printer {
        Printer::Raw(out, screen) => {
            let raw: String = row.get("raw")?;
            let line = one_line(&raw);
            writeln!(
                out,
                "{}",
                if screen.terminal {
                    harmless_json(&line)
                } else {
                    line
                }
            )?;
        }
        Printer::Cards(out, screen, first) => {
            if !std::mem::replace(first, false) {
                writeln!(out)?;
            }
            let card = card::render(row, &users(connection, row)?, *screen, Utc::now())?;
            out.write_all(card.as_bytes())?;
        }
        Printer::Rows(writer) => {
            let users = serde_json::to_string(&users(connection, row)?).unwrap_or_default();
            let mut cells = Vec::with_capacity(row.as_ref().column_count());
            for index in 1..row.as_ref().column_count() {
                let cell = Cell::from(row.get_ref(index)?);
                cells.push(match row.as_ref().column_name(index)? {
                    "metadata" | "raw" => cell.embedded(),
                    _ => cell,
                });
            }
            cells.insert(
                cells.len().saturating_sub(1),
                Cell::from(users.as_str()).embedded(),
            );
            writer.write(&cells)?;
        }
    }
    Ok(())
}

fn users(connection: &Connection, customer: &Row<'_>) -> rusqlite::Result<Vec<User>> {
    let customer_id: String = customer.get("customer_id")?;
    connection
        .prepare_cached("SELECT user_id, name, role FROM customer_users WHERE customer_id = ?1 ORDER BY user_id")?
        .query_map([customer_id], |row| Ok(User { id: row.get(0)?, name: row.get(1)?, role: row.get(2)? }))?
        .collect()
}

#[cfg(test)]
mod tests;
