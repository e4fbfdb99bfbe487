//! Rows as CSV by RFC 4180, with a header, each value byte for byte as it is stored.
//!
//! RFC 4180 has no NULL. It comes out as an empty field, and an empty text as `""`: who heeds quotes, as the COPY of Postgres does, gets
//! back what was there, and for everybody else both are empty.

use std::io::{self, Write};

use super::Screen;
use super::cell::Cell;
use super::excel;
use crate::harmless::harmless;

/// How CSV is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Dialect {
    /// What stands between two fields: an ASCII character.
    pub(in crate::cli) separator: char,
    /// Fit to be opened by a spreadsheet program; no longer byte for byte.
    pub(in crate::cli) excel: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            separator: ',',
            excel: false,
        }
    }
}

/// Rows on their way out. They are whole when it is dropped or flushed: nothing is kept back.
#[derive(Debug)]
pub(in crate::cli) struct CsvRows<W: Write> {
    out: W,
    dialect: Dialect,
    screen: Screen,
    line: Vec<u8>,
    cut: u64,
}

impl<W: Write> CsvRows<W> {
    /// Begins with the header.
    pub(in crate::cli) fn new(
        out: W,
        columns: &[&str],
        dialect: Dialect,
        screen: Screen,
    ) -> io::Result<Self> {
        let mut rows = Self {
            out,
            dialect,
            screen,
            line: Vec::new(),
            cut: 0,
        };
        if dialect.excel {
            rows.out.write_all(excel::MARK.as_bytes())?;
        }
        let header: Vec<Cell<'_>> = columns.iter().map(|name| Cell::from(*name)).collect();
        rows.write(&header)?;
        Ok(rows)
    }

    /// Writes a row.
    pub(in crate::cli) fn write(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        self.line.clear();
        for (index, cell) in row.iter().enumerate() {
            if index > 0 {
                self.line.push(self.dialect.separator as u8);
            }
            match cell.text() {
                // A line of nothing at all would be skipped as no row.
                None if row.len() == 1 => self.line.extend_from_slice(b"\"\""),
                None => {}
                Some(text) if self.screen.terminal => self.push_field(&harmless(&text)),
                Some(text) if self.dialect.excel && !cell.is_number() => {
                    let (text, is_cut) = excel::fit(&text);
                    self.cut += u64::from(is_cut);
                    self.push_field(&text);
                }
                Some(text) => self.push_field(&text),
            }
        }
        self.line.extend_from_slice(b"\r\n");
        self.out.write_all(&self.line)
    }

    fn push_field(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        if !rest.is_empty() && !needs_quotes(rest, self.dialect.separator as u8) {
            self.line.extend_from_slice(rest);
            return;
        }
        self.line.push(b'"');
        while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
            let (part, others) = rest.split_at(at + 1);
            self.line.extend_from_slice(part);
            self.line.push(b'"');
            rest = others;
        }
        self.line.extend_from_slice(rest);
        self.line.push(b'"');
    }

    /// Hands on what has been written.
    pub(in crate::cli) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// How many values were too long for a spreadsheet's cell, and were cut.
    pub(in crate::cli) fn cut(&self) -> u64 {
        self.cut
    }
}

/// Looks at many bytes at a time, as processors can: most fields have nothing to find.
fn needs_quotes(text: &[u8], separator: u8) -> bool {
    const BYTES_AT_ONCE: usize = 32;
    text.chunks(BYTES_AT_ONCE).any(|bytes| {
        let found = bytes.iter().fold(0, |found, byte| {
            // The tab that makes text of text in a spreadsheet does so inside of quotes only.
            found
                | u8::from(matches!(byte, b'"' | b'\r' | b'\n' | b'\t'))
                | u8::from(*byte == separator)
        });
        found != 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screens::PIPE;

    fn written(dialect: Dialect, columns: &[&str], rows: &[&[Cell<'_>]]) -> String {
        let mut out = Vec::new();
        let mut writer = CsvRows::new(&mut out, columns, dialect, PIPE).unwrap();
        for row in rows {
            writer.write(row).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn another_parser_reads_what_was_there() {
        let hostile = [
            "plain",
            "a,b",
            "a;b\tc",
            "\"",
            "\"\"a\"\"",
            "two\r\nlines",
            "\n",
            "\r",
            " spaces ",
            "nul\0",
            "é😀\u{202e}",
            "=1+1",
            "'",
        ];
        for separator in [',', ';', '\t', '|'] {
            let dialect = Dialect {
                separator,
                ..Dialect::default()
            };
            let row: Vec<Cell<'_>> = hostile.iter().map(|text| Cell::from(*text)).collect();
            let text = written(dialect, &hostile, &[&row]);
            let mut reader = csv::ReaderBuilder::new()
                .delimiter(separator as u8)
                .has_headers(false)
                .from_reader(text.as_bytes());
            let records: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            assert_eq!(records, [hostile, hostile], "{text:?}");
        }
    }

    #[test]
    fn null_and_the_empty_text_are_told_apart() {
        let row = [Cell::Null, Cell::from(""), Cell::Null];
        let text = written(Dialect::default(), &["a", "b", "c"], &[&row]);
        assert_eq!(text, "a,b,c\r\n,\"\",\r\n");
        let text = written(Dialect::default(), &["a"], &[&[Cell::Null]]);
        assert_eq!(text, "a\r\n\"\"\r\n", "a row that no parser skips");
    }

    #[test]
    fn for_a_spreadsheet_texts_stay_texts_and_numbers_numbers() {
        let dialect = Dialect {
            separator: ';',
            excel: true,
        };
        let row = [
            Cell::Integer(-1),
            Cell::from("+46701234567"),
            Cell::from("=A1;B2"),
            Cell::from(""),
            Cell::Null,
        ];
        let columns = ["n", "phone", "formula", "empty", "null"];
        assert_eq!(
            written(dialect, &columns, &[&row]),
            "\u{feff}n;phone;formula;empty;null\r\n-1;\"\t+46701234567\";\"\t=A1;B2\";\"\";\r\n"
        );
    }
}
