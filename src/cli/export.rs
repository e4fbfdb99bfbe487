//! `export`: all customers, or the whole mirror, in a file or a pipe.
//!
//! What is written is of one moment, however long it takes and whoever writes to the mirror meanwhile. A file is there whole, or as
//! it was before.

mod columns;
mod copy;
mod format;
mod new_file;
mod parquet_rows;
mod place;
mod rows;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::output::{Screen, bytes, count, note, plural};
use super::signals::Stop;
use super::{Context, Exit, Failure};
use crate::mirror::Reader;
use format::{Format, Kind};
use new_file::NewFile;
use place::{Place, cannot_create, cannot_write};
use rows::{Exported, Order, Trouble};

/// Written at once: few enough calls that they don't count beside the reading.
const BUFFER_BYTES: usize = 256 * 1024;

/// What fits on a sheet of Excel, below the header.
const SHEET_ROWS_MAX: u64 = 1_048_575;

/// All live customers as csv, JSON or Parquet, or a copy of the mirror
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --format, FILE's ending decides: .csv, .ndjson, .jsonl, .json, .parquet, .db, .sqlite, .sqlite3; without one it is ndjson. All that is \
exported is of one moment, beside a pass that runs. FILE is replaced when the new one is whole and on disk; if anything goes wrong, \
it stays as it was. It is for owner and group only.

csv is RFC 4180, all values as they are; NULL is an empty field, an empty text is \"\". --excel is for a double click in Excel or \
LibreOffice: UTF-8 with a byte order mark, and a tab, which isn't seen, before each text that would be calculated as a formula or \
turned into a number or a date (+46701234567, 00123). Where Excel's lists have semicolons, as in most of Europe, add --separator ';'.

sqlite is a copy of all there is, deleted customers and change feed included: it can be a mirror.path, and be read by SQLite from 3.37 \
on. What was erased is not in it.

Examples:
  customer-mirror export --output customers.csv
  customer-mirror export --excel --separator ';' --output customers.csv
  customer-mirror export --columns customer_id,name,contact_email --format csv | head
  customer-mirror export --raw | jq -c '[.customerId, .billing.currency]'
  customer-mirror export --output customers.parquet
  customer-mirror export --output copy.db")]
pub(super) struct Arguments {
    /// Where to write; `-` is standard output [default: -]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write [default: as FILE ends, else ndjson]
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,
    /// Only these columns, in this order
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Deleted customers too
    #[arg(long)]
    deleted: bool,
    /// The records as the server sent them (ndjson, json)
    #[arg(long, conflicts_with = "columns")]
    raw: bool,
    /// Safe to open in a spreadsheet program (csv)
    #[arg(long)]
    excel: bool,
    /// What stands between two fields (csv): `,` `;` `|` or `tab` [default: ,]
    #[arg(long, value_name = "CHAR", value_parser = format::parse_separator)]
    separator: Option<char>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit, Failure> {
    let kind = Kind::of(arguments)?;
    let mirror = &context.config.mirror.path;
    let place = Place::of(arguments.output.as_deref(), mirror)?;
    if matches!(kind, Kind::Copy) {
        let Place::File(path) = place else {
            let message = "a copy (sqlite) has to be a file; add --output FILE";
            return Err(Failure::new(Exit::Usage, message));
        };
        let reader = Reader::open(mirror)?;
        let (customers, size) = copy::write(context, reader, &path)?;
        tell_end(context, customers, size, arguments.output.as_deref());
        return Ok(Exit::Done);
    }
    let reader = Reader::open(mirror)?;
    match place {
        Place::Stdout => to_stdout(context, arguments, kind, &reader),
        Place::Stream(path) => to_stream(context, arguments, kind, &reader, &path),
        Place::File(path) => to_file(context, arguments, kind, &reader, &path),
    }?;
    Ok(Exit::Done)
}

impl Arguments {
    fn order<'a>(&'a self, kind: Kind, screen: Screen, stop: &'a Stop) -> Order<'a> {
        Order {
            kind,
            columns: &self.columns,
            deleted: self.deleted,
            screen,
            shows_progress: false,
            stop,
        }
    }
}

fn to_stdout(
    context: &Context,
    arguments: &Arguments,
    kind: Kind,
    reader: &Reader,
) -> Result<(), Failure> {
    // A bar would spoil what the next program in a pipe shows.
    let is_file = place::of_stdout().is_ok_and(|stdout| stdout.is_file());
    let screen = Screen::of_stdout();
    if screen.terminal && matches!(kind, Kind::Parquet) {
        let message = "parquet is nothing to read on a terminal; add --output FILE";
        return Err(Failure::new(Exit::Usage, message));
    }
    let stop = Stop::never();
    let order = Order {
        shows_progress: is_file && !context.quiet,
        ..arguments.order(kind, screen, &stop)
    };
    let (exported, size) = write(reader, &order, std::io::stdout(), |error| {
        Failure::output(&error)
    })?;
    tell(context, exported, kind);
    if is_file {
        tell_end(context, exported.customers, size, None);
    }
    Ok(())
}

/// To what is no file that could be replaced. To open a pipe takes until there is a reader; a signal ends that, and the rest, at once.
fn to_stream(
    context: &Context,
    arguments: &Arguments,
    kind: Kind,
    reader: &Reader,
    path: &Path,
) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    // As a shell does it, so that the kernel refuses a pipe that a stranger has laid out in /tmp (`fs.protected_fifos`).
    let opened = options.append(true).create(true).mode(0o640).open(path);
    let out = opened.map_err(|error| cannot_create(path, &error))?;
    let stop = Stop::never();
    let screen = Screen::plain(out.is_terminal());
    let order = arguments.order(kind, screen, &stop);
    let (exported, _) = write(reader, &order, out, |error| cannot_write(path, &error))?;
    tell(context, exported, kind);
    Ok(())
}

fn to_file(
    context: &Context,
    arguments: &Arguments,
    kind: Kind,
    reader: &Reader,
    path: &Path,
) -> Result<(), Failure> {
    let stop = Stop::watch()?;
    let mut file = NewFile::create(path).map_err(|error| cannot_create(path, &error))?;
    let screen = Screen::plain(false);
    let order = Order {
        shows_progress: !context.quiet,
        ..arguments.order(kind, screen, &stop)
    };
    let (exported, size) = write(reader, &order, &mut file, |error| {
        cannot_write(path, &error)
    })?;
    keep(file, path, &stop)?;
    tell(context, exported, kind);
    tell_end(
        context,
        exported.customers,
        size,
        arguments.output.as_deref(),
    );
    Ok(())
}

/// Writes customers; returns what they were, and how many bytes.
fn write(
    reader: &Reader,
    order: &Order<'_>,
    out: impl Write + Send,
    broken: impl Fn(io::Error) -> Failure,
) -> Result<(Exported, u64), Failure> {
    let mut out = Counted { out, bytes: 0 };
    let buffered = BufWriter::with_capacity(BUFFER_BYTES, &mut out);
    let exported = rows::write(reader.connection(), order, buffered);
    let exported = exported.map_err(|trouble| match trouble {
        Trouble::Database(error) => reader.sorted(error).into(),
        Trouble::Output(error) => broken(error),
        Trouble::Refused(failure) => failure,
        Trouble::Stopped(exit) => stopped(exit),
    })?;
    Ok((exported, out.bytes))
}

/// Puts a file in its place, unless told to stop before.
fn keep(file: NewFile, path: &Path, stop: &Stop) -> Result<(), Failure> {
    if let Some(exit) = stop.exit() {
        return Err(stopped(exit));
    }
    file.keep().map_err(|error| cannot_write(path, &error))
}

fn stopped(exit: Exit) -> Failure {
    Failure::new(exit, "interrupted; nothing was exported")
}

/// Counts what passes.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Tells what a spreadsheet program will not show.
fn tell(context: &Context, exported: Exported, kind: Kind) {
    let Kind::Csv(dialect) = kind else { return };
    if !dialect.excel {
        return;
    }
    if exported.cut > 0 {
        let values = plural(exported.cut as i64, "value is", "values are");
        note(
            context,
            &format!("{values} longer than a cell of Excel can be, and cut"),
        );
    }
    if exported.customers > SHEET_ROWS_MAX {
        let rows = count(SHEET_ROWS_MAX as i64);
        note(
            context,
            &format!("Excel shows only the first {rows} customers"),
        );
    }
}

/// Tells somebody at a terminal that it is done.
fn tell_end(context: &Context, customers: u64, size: u64, path: Option<&Path>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let customers = plural(customers as i64, "customer", "customers");
    let place = path.map_or_else(String::new, |path| format!(" in {}", path.display()));
    note(context, &format!("{customers}, {}{place}", bytes(size)));
}
