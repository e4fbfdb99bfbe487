//! `get`: customers by ID, from the mirror.

mod card;
mod past;

use std::io::{BufRead, BufWriter, Write};

use chrono::Utc;
use rusqlite::{Connection, Row};

use super::output::{Cell, FormatArgument, RowWriter, Screen, harmless_json, note, one_line};
use super::{Context, Exit, Failure, customer_ids};
use crate::mirror::{ProfileUser, Reader, users_of};
use crate::model::{Timestamp, format_timestamp};
use crate::when;

/// IDs that name nobody, and notes, are told one by one up to this many.
const TOLD_MAX: usize = 10;

/// Customers by customerId, else referenceId, else humanReadableId
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Deleted customers are shown too, with the time of their deletion. What a customer was in the past is known as far back as the \
change feed goes (changes.keep).

Examples:
  customer-mirror get 4711
  customer-mirror get --raw 4711 | jq .billing
  customer-mirror get --as-of 2026-01-31 4711
  customer-mirror get --format csv - < ids.txt")]
pub(super) struct Arguments {
    /// customerId, referenceId or humanReadableId; `-` reads them from standard input, one a line
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// As the mirror had it at a time: RFC 3339, a date (its beginning, UTC), or how long ago (2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    as_of: Option<Timestamp>,
    /// Print the JSON as the server sent it, one customer a line
    #[arg(long, conflicts_with = "format")]
    raw: bool,
    #[command(flatten)]
    format: FormatArgument,
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
    Input(std::io::Error),
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
    if arguments.as_of.is_some_and(|at| at > Utc::now()) {
        return Err(Failure::new(Exit::Usage, "--as-of is in the future"));
    }
    let reader = Reader::open(&context.config.mirror.path)?;
    let screen = Screen::of_stdout();
    let out = BufWriter::new(std::io::stdout().lock());
    let found =
        print_all(&reader, out, screen, arguments, std::io::stdin().lock()).map_err(|trouble| {
            match trouble {
                Trouble::Database(error) => reader.sorted(error).into(),
                Trouble::Output(error) => Failure::output(&error),
                Trouble::Input(error) => {
                    Failure::new(Exit::Storage, format!("can't read standard input: {error}"))
                }
            }
        })?;
    if screen.terminal && !found.ambiguous.first.is_empty() {
        // Apart from the last card.
        note(context, "");
    }
    for ambiguous in &found.ambiguous.first {
        note(context, ambiguous);
    }
    if let Some(more @ 1..) = found.ambiguous.more() {
        note(context, &format!("and {more} more such IDs"));
    }
    found.into_result()
}

/// Texts, of which the first few are kept.
#[derive(Debug, Default, PartialEq)]
struct Told {
    first: Vec<String>,
    count: u64,
}

impl Told {
    fn push(&mut self, text: impl FnOnce() -> String) {
        if self.first.len() < TOLD_MAX {
            self.first.push(text());
        }
        self.count += 1;
    }

    fn more(&self) -> Option<u64> {
        self.count.checked_sub(self.first.len() as u64)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Found {
    missing: Told,
    ambiguous: Told,
    /// Why some could not be shown as of a time.
    unknown: Told,
}

impl Found {
    fn into_result(self) -> Result<Exit, Failure> {
        let mut messages = Vec::new();
        if self.missing.count > 0 {
            messages.push(customer_ids::missing(&self.missing.first, self.missing.count).message);
        }
        if self.unknown.count > 0 {
            let more = self.unknown.more().filter(|more| *more > 0);
            messages.extend(self.unknown.first);
            messages
                .extend(more.map(|more| format!("and {more} more that are not known as of then")));
        }
        if messages.is_empty() {
            return Ok(Exit::Done);
        }
        Err(Failure::new(Exit::NotFound, messages.join("; ")))
    }
}

/// What customers are taken from, and as of when.
struct Source<'a> {
    connection: &'a Connection,
    as_of: Option<String>,
    pruned_before: Option<String>,
}

/// Prints every customer that one of the IDs names. One snapshot an ID, as they may come slowly.
fn print_all(
    reader: &Reader,
    out: impl Write,
    screen: Screen,
    arguments: &Arguments,
    mut input: impl BufRead,
) -> Result<Found, Trouble> {
    let connection = reader.connection();
    let mut printer = Printer::new(connection, out, screen, arguments)?;
    let mut found = Found::default();
    let mut print = |id: &str, printer: &mut Printer<_>| {
        let tx = connection.unchecked_transaction()?;
        let source = Source {
            connection: &tx,
            as_of: arguments.as_of.map(format_timestamp),
            pruned_before: Reader::changes_pruned_before(&tx)?,
        };
        print_matches(&source, id, printer, &mut found)
    };
    for id in &arguments.ids {
        if id != "-" {
            print(id, &mut printer)?;
            continue;
        }
        while let Some(id) = next_line(&mut input)? {
            print(&id, &mut printer)?;
            // Whoever asks for one after another gets each answer before the next question.
            printer.flush()?;
        }
    }
    printer.finish()?;
    Ok(found)
}

/// The next line that isn't blank, without its end.
fn next_line(input: &mut impl BufRead) -> Result<Option<String>, Trouble> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(Trouble::Input)? == 0 {
            return Ok(None);
        }
        while let Some(b'\n' | b'\r') = line.last() {
            line.pop();
        }
        if !line.is_empty() {
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
    }
}

/// Prints the customers that an ID names.
fn print_matches(
    source: &Source<'_>,
    id: &str,
    printer: &mut Printer<impl Write>,
    found: &mut Found,
) -> Result<(), Trouble> {
    let (holders, kind) = customer_ids::named_by(source.connection, id)?;
    match holders.len() as u64 {
        0 => found.missing.push(|| customer_ids::quoted(id)),
        1 => {}
        count => found
            .ambiguous
            .push(|| customer_ids::ambiguous(count, kind, id)),
    }
    for customer_id in holders {
        if let Some(at) = &source.as_of {
            let pruned = source.pruned_before.as_deref();
            let reason = past::print(source.connection, &customer_id, at, pruned, printer)?;
            if let Some(reason) = reason {
                found.unknown.push(|| reason);
            }
            continue;
        }
        let mut statement = source
            .connection
            .prepare_cached("SELECT * FROM customers WHERE customer_id = ?1")?;
        let mut rows = statement.query([customer_id])?;
        if let Some(row) = rows.next()? {
            print_one(row, &users(source.connection, row)?, printer)?;
        }
    }
    Ok(())
}

impl<W: Write> Printer<W> {
    fn new(
        connection: &Connection,
        out: W,
        screen: Screen,
        arguments: &Arguments,
    ) -> Result<Self, Trouble> {
        if arguments.raw {
            return Ok(Self::Raw(out, screen));
        }
        if arguments.format.format.is_none() && screen.terminal {
            return Ok(Self::Cards(out, screen, true));
        }
        let columns = columns(connection)?;
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let format = arguments.format.or_default(screen);
        Ok(Self::Rows(RowWriter::new(out, format, &columns, screen)?))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Raw(out, _) | Self::Cards(out, ..) => out.flush(),
            Self::Rows(rows) => rows.flush(),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Raw(mut out, _) | Self::Cards(mut out, ..) => out.flush(),
            Self::Rows(rows) => rows.finish(),
        }
    }
}

/// Prints a row of `customers`.
fn print_one(
    row: &Row<'_>,
    users: &[ProfileUser],
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
            let card = card::render(row, users, *screen, Utc::now())?;
            out.write_all(card.as_bytes())?;
        }
        Printer::Rows(writer) => writer.write(&cells(row, users)?)?,
    }
    Ok(())
}

/// The columns that a customer comes out with: those of `customers` but its `row_id`, and before the last one the users.
pub(super) fn columns(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let statement = connection.prepare("SELECT * FROM customers")?;
    let names = statement.column_names().skip(1).map(str::to_owned);
    let mut columns: Vec<String> = names.collect();
    columns.insert(columns.len().saturating_sub(1), "users".to_owned());
    Ok(columns)
}

/// The cells of a row of `customers` but its `row_id`, and before the last one the users.
fn cells<'a>(row: &'a Row<'_>, users: &[ProfileUser]) -> rusqlite::Result<Vec<Cell<'a>>> {
    let users = serde_json::to_string(users).unwrap_or_default();
    let count = row.as_ref().column_count();
    let mut cells = Vec::with_capacity(count);
    for index in 1..count {
        let cell = Cell::from(row.get_ref(index)?);
        cells.push(match row.as_ref().column_name(index)? {
            "metadata" | "raw" => cell.embedded(),
            _ => cell,
        });
    }
    cells.insert(cells.len().saturating_sub(1), Cell::Json(users.into()));
    Ok(cells)
}

fn users(connection: &Connection, customer: &Row<'_>) -> rusqlite::Result<Vec<ProfileUser>> {
    users_of(connection, &customer.get::<_, String>("customer_id")?)
}

#[cfg(test)]
mod tests;
