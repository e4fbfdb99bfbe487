//! Customers, one after another, from one snapshot of the mirror; in memory that doesn't grow with their number.

use std::io::{self, Write};

use rusqlite::{Connection, Row};

use super::columns::{Column, Columns};
use super::format::Kind;
use super::parquet_rows::ParquetRows;
use crate::cli::output::{
    Cell, CsvRows, Format, RowWriter, Screen, count, harmless_json, one_line,
};
use crate::cli::progress::Bar;
use crate::cli::signals::Stop;
use crate::cli::{Exit, Failure};
use crate::mirror::{Totals, users_of};

/// Customers between two looks at the bar.
const ROWS_A_LOOK: u64 = 256;

/// What is to be exported, and how it is watched.
pub(super) struct Order<'a> {
    pub(super) kind: Kind,
    pub(super) columns: &'a [String],
    pub(super) deleted: bool,
    pub(super) screen: Screen,
    pub(super) shows_progress: bool,
    pub(super) stop: &'a Stop,
}

/// What was exported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Exported {
    pub(super) customers: u64,
    /// Values that had to be cut for a spreadsheet.
    pub(super) cut: u64,
}

/// What can go wrong.
#[derive(Debug)]
pub(super) enum Trouble {
    Database(rusqlite::Error),
    Output(io::Error),
    /// The arguments.
    Refused(Failure),
    /// By a signal.
    Stopped(Exit),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Writes the customers in the order of their first sight.
///
/// # Errors
/// What went wrong; some of them may be written then.
pub(super) fn write(
    connection: &Connection,
    order: &Order<'_>,
    out: impl Write + Send,
) -> Result<Exported, Trouble> {
    // What is read below is all of one moment.
    let tx = connection.unchecked_transaction()?;
    let totals = Totals::read(&tx)?;
    let total = totals.live + if order.deleted { totals.deleted } else { 0 };
    let columns = match order.kind {
        Kind::Json { raw: true, .. } => &["raw".to_owned()][..],
        _ => order.columns,
    };
    let columns = Columns::of(&tx, columns)?.map_err(Trouble::Refused)?;
    let mut printer = Printer::new(out, order, &columns)?;
    let bar = Bar::start(total, order.shows_progress);
    let embeds = matches!(order.kind, Kind::Json { raw: false, .. });
    let mut statement = tx.prepare(&columns.sql(order.deleted))?;
    let mut rows = statement.query([])?;
    let mut customers = 0;
    while let Some(row) = rows.next()? {
        if let Some(exit) = order.stop.exit() {
            return Err(Trouble::Stopped(exit));
        }
        printer.write(&cells(&tx, row, &columns, embeds)?)?;
        customers += 1;
        if customers % ROWS_A_LOOK == 0 {
            bar.show(customers, || {
                format!("{}/{}", count(customers as i64), count(total as i64))
            });
        }
    }
    let cut = printer.finish()?;
    Ok(Exported { customers, cut })
}

/// The columns' values of a row. `embeds` says whether JSON has to be told from other text, which takes reading it.
fn cells<'a>(
    connection: &Connection,
    row: &'a Row<'_>,
    columns: &Columns,
    embeds: bool,
) -> rusqlite::Result<Vec<Cell<'a>>> {
    let mut cells = Vec::with_capacity(columns.kinds.len());
    for (kind, index) in columns.kinds.iter().zip(1..) {
        cells.push(match kind {
            Column::Json if embeds => Cell::from(row.get_ref(index)?).embedded(),
            Column::Text | Column::Integer | Column::Json => Cell::from(row.get_ref(index)?),
            Column::Users => {
                let users = users_of(connection, row.get_ref(0)?.as_str()?)?;
                Cell::Json(serde_json::to_string(&users).unwrap_or_default().into())
            }
        });
    }
    Ok(cells)
}

/// What customers are written with.
enum Printer<W: Write + Send> {
    Parquet(Box<ParquetRows<W>>),
    Rows(RowWriter<W>),
    Csv(CsvRows<W>),
    Raw(RawRows<W>),
}

impl<W: Write + Send> Printer<W> {
    fn new(out: W, order: &Order<'_>, columns: &Columns) -> io::Result<Self> {
        let names: Vec<&str> = columns.names.iter().map(String::as_str).collect();
        let screen = order.screen;
        Ok(match order.kind {
            Kind::Parquet => Self::Parquet(Box::new(ParquetRows::new(out, columns)?)),
            Kind::Csv(dialect) => Self::Csv(CsvRows::new(out, &names, dialect, screen)?),
            Kind::Json { array, raw: true } => Self::Raw(RawRows {
                out,
                array,
                rows: 0,
                screen,
            }),
            Kind::Json { array: true, .. } => {
                Self::Rows(RowWriter::new(out, Format::Json, &names, screen)?)
            }
            Kind::Json { .. } | Kind::Copy => {
                Self::Rows(RowWriter::new(out, Format::Ndjson, &names, screen)?)
            }
        })
    }

    fn write(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        match self {
            Self::Parquet(rows) => rows.write(row),
            Self::Rows(rows) => rows.write(row),
            Self::Csv(rows) => rows.write(row),
            Self::Raw(rows) => rows.write(row),
        }
    }

    /// Writes what is left; returns how many values were cut.
    fn finish(self) -> io::Result<u64> {
        match self {
            Self::Parquet(rows) => rows.finish().map(|()| 0),
            Self::Rows(rows) => rows.finish().map(|()| 0),
            Self::Csv(mut rows) => rows.flush().map(|()| rows.cut()),
            Self::Raw(rows) => rows.finish().map(|()| 0),
        }
    }
}

/// Records as they were sent, a line each.
struct RawRows<W: Write> {
    out: W,
    array: bool,
    rows: u64,
    screen: Screen,
}

impl<W: Write> RawRows<W> {
    fn write(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        let [Cell::Json(raw) | Cell::Text(raw)] = row else {
            return Ok(());
        };
        let line = one_line(raw);
        let line = if self.screen.terminal {
            harmless_json(&line)
        } else {
            line
        };
        let (before, after) = match (self.array, self.rows) {
            (false, _) => ("", "\n"),
            (true, 0) => ("[\n", ""),
            (true, _) => (",\n", ""),
        };
        self.rows += 1;
        for part in [before, &line, after] {
            self.out.write_all(part.as_bytes())?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.array {
            let end: &[u8] = if self.rows == 0 { b"[]\n" } else { b"\n]\n" };
            self.out.write_all(end)?;
        }
        self.out.flush()
    }
}
