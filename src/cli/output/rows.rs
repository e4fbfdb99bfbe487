//! Rows as they come: written in the format asked for, in memory that doesn't grow with their number.

use std::collections::HashSet;
use std::io::{self, Write};

use super::cell::{Cell, json_string};
use super::csv::{CsvRows, Dialect};
use super::table::TableRows;
use super::{Format, Screen};
use crate::harmless::harmless_json;

/// Prints rows in one of the formats. [`RowWriter::finish`] ends it; without that, the last rows may be missing.
#[derive(Debug)]
pub(in crate::cli) struct RowWriter<W: Write>(Body<W>);

#[derive(Debug)]
enum Body<W: Write> {
    Table(Box<TableRows<W>>),
    Json(JsonRows<W>),
    Csv(CsvRows<W>),
}

impl<W: Write> RowWriter<W> {
    /// Begins to print rows with these columns.
    pub(in crate::cli) fn new(
        out: W,
        format: Format,
        columns: &[&str],
        screen: Screen,
    ) -> io::Result<Self> {
        Ok(Self(match format {
            Format::Table => Body::Table(Box::new(TableRows::new(out, columns, screen))),
            Format::Json | Format::Ndjson => Body::Json(JsonRows {
                out,
                keys: keys(columns),
                array: format == Format::Json,
                rows: 0,
                screen,
                line: Vec::new(),
            }),
            Format::Csv => Body::Csv(CsvRows::new(out, columns, Dialect::default(), screen)?),
        }))
    }

    /// Prints a row, its values in the order of the columns.
    pub(in crate::cli) fn write(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        match &mut self.0 {
            Body::Table(table) => table.write(row),
            Body::Json(json) => json.write(row),
            Body::Csv(rows) => rows.write(row),
        }
    }

    /// Hands on what has been printed, but for the rows of a table that are measured together.
    pub(in crate::cli) fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Body::Table(_) => Ok(()),
            Body::Json(json) => json.out.flush(),
            Body::Csv(rows) => rows.flush(),
        }
    }

    /// Prints what is left.
    pub(in crate::cli) fn finish(self) -> io::Result<()> {
        match self.0 {
            Body::Table(table) => table.finish(),
            Body::Json(json) => json.finish(),
            Body::Csv(mut rows) => rows.flush(),
        }
    }
}

#[derive(Debug)]
struct JsonRows<W: Write> {
    out: W,
    /// As JSON strings.
    keys: Vec<String>,
    array: bool,
    rows: u64,
    screen: Screen,
    /// Of the row that is written: its memory is used again.
    line: Vec<u8>,
}

impl<W: Write> JsonRows<W> {
    fn write(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(match (self.array, self.rows) {
            (false, _) => b"",
            (true, 0) => b"[\n",
            (true, _) => b",\n",
        });
        for (index, (key, cell)) in self.keys.iter().zip(row).enumerate() {
            line.push(if index == 0 { b'{' } else { b',' });
            line.extend_from_slice(key.as_bytes());
            line.push(b':');
            cell.write_json(line)?;
        }
        line.push(b'}');
        if !self.array {
            line.push(b'\n');
        }
        self.rows += 1;
        if self.screen.terminal {
            let line = String::from_utf8_lossy(line);
            return self.out.write_all(harmless_json(&line).as_bytes());
        }
        self.out.write_all(line)
    }

    fn finish(mut self) -> io::Result<()> {
        if self.array {
            self.out
                .write_all(if self.rows == 0 { b"[]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()
    }
}

/// The columns as JSON keys: of equal names, the second becomes `name_2` and so on.
fn keys(columns: &[&str]) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::new();
    let mut keys = Vec::with_capacity(columns.len());
    for column in columns {
        let mut key = (*column).to_owned();
        let mut number = 2;
        while taken.contains(&key) || (number > 2 && columns.contains(&key.as_str())) {
            key = format!("{column}_{number}");
            number += 1;
        }
        keys.push(json_string(&key));
        taken.insert(key);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Screen = Screen {
        terminal: false,
        width: None,
        color: false,
    };
    const TERMINAL: Screen = Screen {
        terminal: true,
        width: Some(40),
        color: false,
    };

    fn printed(format: Format, screen: Screen, columns: &[&str], rows: &[&[Cell<'_>]]) -> String {
        let mut out = Vec::new();
        let mut writer = RowWriter::new(&mut out, format, columns, screen).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    fn hostile_row() -> Vec<Cell<'static>> {
        vec![
            Cell::Integer(9_007_199_254_740_993),
            Cell::Real(1.0),
            Cell::Null,
            Cell::Blob(&[0, 255]),
            Cell::from("a \"b\",\nc\x1b[2J"),
            Cell::from("{\"x\":\n1.50}").embedded(),
            Cell::from("{broken").embedded(),
        ]
    }

    const COLUMNS: [&str; 7] = ["i", "r", "n", "b", "t", "j", "no"];

    #[test]
    fn json_has_types_and_stays_on_its_line() {
        let row = hostile_row();
        let object = "{\"i\":9007199254740993,\"r\":1.0,\"n\":null,\"b\":\"00ff\",\"t\":\"a \\\"b\\\",\\nc\\u001b[2J\",\
                      \"j\":{\"x\": 1.50},\"no\":\"{broken\"}";
        assert_eq!(
            printed(Format::Ndjson, PIPE, &COLUMNS, &[&row, &row]),
            format!("{object}\n{object}\n")
        );
        assert_eq!(
            printed(Format::Json, PIPE, &COLUMNS, &[&row, &row]),
            format!("[\n{object},\n{object}\n]\n")
        );
        assert_eq!(printed(Format::Json, PIPE, &COLUMNS, &[]), "[]\n");
        assert_eq!(
            printed(
                Format::Ndjson,
                PIPE,
                &["x"],
                &[&[Cell::Real(f64::INFINITY)]]
            ),
            "{\"x\":9e999}\n"
        );
    }

    #[test]
    fn csv_is_quoted_and_harmless_on_a_terminal() {
        let row = hostile_row();
        assert_eq!(
            printed(Format::Csv, PIPE, &COLUMNS, &[&row]),
            "i,r,n,b,t,j,no\r\n9007199254740993,1.0,,00ff,\"a \"\"b\"\",\nc\x1b[2J\",\"{\"\"x\"\":\n1.50}\",{broken\r\n"
        );
        assert!(!printed(Format::Csv, TERMINAL, &COLUMNS, &[&row]).contains('\x1b'));
    }

    #[test]
    fn equal_columns_get_keys_of_their_own() {
        let row = [
            Cell::Integer(1),
            Cell::Integer(2),
            Cell::Integer(3),
            Cell::Integer(4),
        ];
        assert_eq!(
            printed(Format::Ndjson, PIPE, &["a", "a", "a_2", "a"], &[&row]),
            "{\"a\":1,\"a_3\":2,\"a_2\":3,\"a_4\":4}\n"
        );
        assert_eq!(
            printed(Format::Csv, PIPE, &["a", "a"], &[&row[..2]]),
            "a,a\r\n1,2\r\n"
        );
    }

    #[test]
    fn a_table_cuts_and_disarms() {
        let long = "x".repeat(500);
        let row = [
            Cell::Integer(7),
            Cell::Null,
            Cell::from("a\x1b[2J\nb"),
            Cell::from(long.as_str()),
        ];
        let text = printed(
            Format::Table,
            TERMINAL,
            &["id", "none", "hostile", "long"],
            &[&row, &row],
        );
        assert!(
            text.lines().all(|line| super::super::width_of(line) <= 40),
            "{text}"
        );
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            text.contains('…')
                && text.contains('–')
                && text.contains("␛[2J b")
                && !text.contains('\x1b'),
            "{text}"
        );
    }

    #[test]
    fn too_many_columns_come_one_below_another() {
        let text = printed(Format::Table, TERMINAL, &COLUMNS, &[&hostile_row()]);
        assert!(
            text.lines().all(|line| super::super::width_of(line) <= 40),
            "{text}"
        );
        assert!(text.contains("\nt   a \"b\", c␛[2J\n"), "{text}");
    }

    #[test]
    fn a_long_table_comes_in_parts() {
        let mut out = Vec::new();
        let mut writer = RowWriter::new(&mut out, Format::Table, &["n"], TERMINAL).unwrap();
        for number in 0..2500 {
            writer.write(&[Cell::Integer(number)]).unwrap();
        }
        writer.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 2500 + 3 * 2);
    }
}
