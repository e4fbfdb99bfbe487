//! `query`: SQL on the mirror that can only read.

mod guard;
mod nearest;
mod parameters;
mod place;
mod ready;
mod tables;

use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};

use rusqlite::limits::Limit;
use rusqlite::{ErrorCode, Statement};

use super::output::{Cell, Format, FormatArgument, RowWriter, Screen, harmless, note, plural};
use super::{Context, Exit, Failure};
use crate::mirror::Reader;
use guard::Guard;
use parameters::Parameter;

/// What a statement puts together takes memory, so no value is longer; unless `api.max_response_bytes` allows for longer records.
const VALUE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// SQL longer than this is no question by a person.
const SQL_BYTES_MAX: u64 = 1024 * 1024;

/// Read-only SQL on the mirror
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  customer-mirror query 'SELECT customer_id, name FROM live_customers LIMIT 5'
  customer-mirror query -p type=BUSINESS 'SELECT name FROM customers WHERE customer_type = :type'
  customer-mirror query --format csv -f report.sql > report.csv
  customer-mirror query --list                         # queries that are ready
  customer-mirror query recently-changed -p days:=2
  customer-mirror query --schema                       # tables and columns")]
pub(super) struct Arguments {
    /// One statement, or the name of a ready query; `-` reads the statement from standard input
    #[arg(value_name = "SQL|NAME", required_unless_present_any = ["file", "list", "schema"])]
    sql: Option<String>,
    /// Read the statement from a file
    #[arg(short, long, conflicts_with = "sql")]
    file: Option<PathBuf>,
    /// Value of `:NAME` in the statement (of `?1` for the name 1): text after `=`, a JSON number, true, false or null after `:=`
    #[arg(short, long = "param", value_name = "NAME=TEXT|NAME:=JSON", value_parser = Parameter::parse)]
    parameters: Vec<Parameter>,
    /// List the ready queries; with NAME, print its SQL, to make your own of it
    #[arg(long, conflicts_with_all = ["file", "parameters"])]
    list: bool,
    /// Explain the tables and columns; needs no mirror
    #[arg(long, conflicts_with_all = ["file", "parameters", "sql", "list"])]
    schema: bool,
    #[command(flatten)]
    format: FormatArgument,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    if arguments.schema {
        return tables::print_all(arguments.format);
    }
    if arguments.list {
        return ready::list(arguments.sql.as_deref(), arguments.format);
    }
    let (sql, parameters) = match ready::named(arguments.sql.as_deref().unwrap_or_default())? {
        Some(ready) => (ready.sql.to_owned(), ready.complete(&arguments.parameters)),
        None => (read_sql(arguments)?, arguments.parameters.clone()),
    };
    if let Some(at) = sql.find('\0') {
        // SQLite would take it for the end.
        let message = format!("there is a NUL in the SQL\n{}", place::pointed_at(&sql, at));
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut reader = Reader::open(&context.config.mirror.path)?;
    let record = context.config.api.as_ref();
    let record_bytes = record.map_or(0, |api| api.max_response_bytes);
    let longest = VALUE_BYTES_MAX.max(record_bytes);
    reader
        .connection()
        .set_limit(Limit::SQLITE_LIMIT_LENGTH, longest as i32)
        .map_err(|error| reader.sorted(error))?;
    let guard = Guard::new(reader.connection_mut()).map_err(|error| reader.sorted(error))?;
    let fail = |error| failure(error, &sql, &guard, &reader);
    let mut statement = guard.prepare(reader.connection(), &sql).map_err(fail)?;
    parameters::bind(&mut statement, &parameters)?;
    let screen = Screen::of_stdout();
    let format = arguments.format.or_default(screen);
    let rows = print_rows(&mut statement, format, screen, fail)?;
    if screen.terminal && format == Format::Table {
        note(context, &screen.dim(&plural(rows, "row", "rows")));
    }
    Ok(Exit::Done)
}

/// Prints the rows one by one; returns how many there were.
fn print_rows(
    statement: &mut Statement<'_>,
    format: Format,
    screen: Screen,
    fail: impl Fn(rusqlite::Error) -> Failure,
) -> Result<i64, Failure> {
    let broken = |error| Failure::output(&error);
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let names: Vec<&str> = columns.iter().map(String::as_str).collect();
    let out = BufWriter::new(std::io::stdout().lock());
    let mut writer = RowWriter::new(out, format, &names, screen).map_err(broken)?;
    let mut count = 0;
    let mut rows = statement.raw_query();
    let mut failed = None;
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                let cells: Result<Vec<Cell<'_>>, _> = (0..columns.len())
                    .map(|index| row.get_ref(index).map(Cell::from))
                    .collect();
                writer.write(&cells.map_err(&fail)?).map_err(broken)?;
                count += 1;
            }
            Ok(None) => break,
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    // Also when it failed halfway: the rows before it were found.
    writer.finish().map_err(broken)?;
    failed.map_or(Ok(count), |error| Err(fail(error)))
}

fn read_sql(arguments: &Arguments) -> Result<String, Failure> {
    let name = |path: &Path| path.display().to_string();
    let (from, source): (String, Box<dyn Read>) = match (&arguments.sql, &arguments.file) {
        (Some(sql), _) if sql != "-" => return Ok(sql.clone()),
        (_, Some(path)) => {
            let file = std::fs::File::open(path)
                .map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", name(path))))?;
            (name(path), Box::new(file))
        }
        _ => ("standard input".to_owned(), Box::new(std::io::stdin())),
    };
    let mut sql = String::new();
    let read = source.take(SQL_BYTES_MAX + 1).read_to_string(&mut sql);
    read.map_err(|error| Failure::new(Exit::Usage, format!("{from}: {error}")))?;
    if sql.len() as u64 > SQL_BYTES_MAX {
        return Err(Failure::new(
            Exit::Usage,
            format!("{from}: more than 1 MiB is no SQL statement"),
        ));
    }
    Ok(sql)
}

/// The mirror's troubles have exit statuses of their own; all else is the SQL's fault.
fn failure(error: rusqlite::Error, sql: &str, guard: &Guard, reader: &Reader) -> Failure {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied,
        ) => reader.sorted(error).into(),
        _ => Failure::new(Exit::Usage, explain(&error, sql, guard, reader)),
    }
}

fn explain(error: &rusqlite::Error, sql: &str, guard: &Guard, reader: &Reader) -> String {
    if let Some(refused) = guard.refused() {
        return format!("{refused} is refused: `query` only reads");
    }
    match error {
        rusqlite::Error::MultipleStatement => "only one SQL statement at a time".to_owned(),
        rusqlite::Error::InvalidQuery => "there is no SQL statement".to_owned(),
        rusqlite::Error::SqlInputError {
            msg,
            sql: part,
            offset,
            ..
        } => {
            // After the first statement, SQLite counts from its end.
            let offset =
                usize::try_from(*offset).unwrap_or(0) + sql.len().saturating_sub(part.len());
            format!(
                "{}\n{}",
                with_hint(msg, reader),
                place::pointed_at(sql, offset)
            )
        }
        rusqlite::Error::SqliteFailure(_, Some(message)) => {
            let place = place::found_by(message, sql);
            let place = place.map(|at| format!("\n{}", place::pointed_at(sql, at)));
            with_hint(message, reader) + &place.unwrap_or_default()
        }
        other => other.to_string(),
    }
}

fn with_hint(message: &str, reader: &Reader) -> String {
    nearest::hint(message, reader.connection()).map_or_else(
        || harmless(message).into_owned(),
        |name| format!("{}; did you mean `{name}`?", harmless(message)),
    )
}
