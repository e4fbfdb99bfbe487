//! Rows for reading: a table, or one value a line where the columns don't fit side by side.

use std::io::{self, Write};

use comfy_table::{
    Attribute, Cell as TableCell, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle,
    Row, Table, TableStyle, Width,
};

use super::Screen;
use super::cell::Cell;
use super::width::{cut, width_of};
use crate::harmless::harmless;

/// Rows that are measured together; the next ones get a header of their own.
const BATCH_ROWS: usize = 1000;
/// What a column needs at most to be of use, however long its values.
const COLUMN_WIDTH_NEEDED: usize = 16;
/// No value is shown longer, however wide the terminal.
const CELL_WIDTH_MAX: usize = 300;
/// So much of a value that has to be cut is worth showing.
const VALUE_WIDTH_NEEDED: usize = 12;
const INDENT: &str = "  ";
/// Shown for NULL.
const NONE: &str = "–";

/// A table on its way out.
#[derive(Debug)]
pub(super) struct TableRows<W: Write> {
    out: W,
    columns: Vec<String>,
    screen: Screen,
    batch: Table,
    rows: u64,
    /// One value a line; decided by the first row.
    tall: bool,
}

impl<W: Write> TableRows<W> {
    pub(super) fn new(out: W, columns: &[&str], screen: Screen) -> Self {
        let columns: Vec<String> = columns
            .iter()
            .map(|name| cut(&harmless(name), CELL_WIDTH_MAX).into_owned())
            .collect();
        Self {
            out,
            columns,
            screen,
            batch: Table::new(),
            rows: 0,
            tall: false,
        }
    }

    pub(super) fn write(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        self.rows += 1;
        if self.rows == 1 {
            self.tall = self
                .screen
                .width
                .is_some_and(|width| self.width_needed(row) > width);
        }
        if self.tall {
            return self.write_tall(row);
        }
        if self.batch.is_empty() {
            self.batch = self.start_batch(row);
        }
        self.batch.add_row(table_row(row));
        if self.batch.row_count() == BATCH_ROWS {
            self.flush_batch()
        } else {
            Ok(())
        }
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.rows == 0 {
            self.batch = self.start_batch(&[]);
        }
        self.flush_batch()?;
        self.out.flush()
    }

    /// What a table of such rows needs to be of use.
    fn width_needed(&self, row: &[Cell<'_>]) -> usize {
        let widths = self.columns.iter().zip(row).map(|(name, cell)| {
            let value = cell
                .text()
                .map_or(1, |text| width_of(&harmless(head(&text))));
            value.max(width_of(name)).min(COLUMN_WIDTH_NEEDED) + 1
        });
        widths.sum::<usize>().saturating_sub(1)
    }

    /// A table with the header alone; numbers of the first row decide what stands to the right.
    fn start_batch(&self, first: &[Cell<'_>]) -> Table {
        let mut table = Table::new();
        let line = LineStyle::none().fill('─').junction('─');
        table.load_style(TableStyle::new().header_separator(line));
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_truncation_indicator("…");
        // Cut anywhere, not at a word: a column is for as much as fits.
        table.set_delimiter('\0').force_no_tty();
        if let Some(width) = self.screen.width {
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        if self.screen.color {
            table.enforce_styling();
        }
        let header = self.columns.iter().enumerate().map(|(index, name)| {
            let cell = TableCell::new(name).add_attribute(Attribute::Bold);
            align(cell, first.get(index).is_some_and(Cell::is_number))
        });
        let mut header = Row::from(header.collect::<Vec<_>>());
        header.max_height(1);
        table.set_header(header);
        let whole_id = self.whole_id(first);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 1));
            if let Some((_, width)) = whole_id.filter(|(at, _)| *at == index) {
                let width = u16::try_from(width + 1).unwrap_or(u16::MAX);
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
            }
        }
        table
    }

    /// The customerIds, which people copy from here, are not cut if the other columns stay of some use: their column, and width.
    fn whole_id(&self, first: &[Cell<'_>]) -> Option<(usize, usize)> {
        let at = self.columns.iter().position(|name| name == "customer_id")?;
        let widths = self.columns.iter().zip(first).map(|(name, cell)| {
            let value = cell
                .text()
                .map_or(1, |text| width_of(&harmless(head(&text))));
            value.max(width_of(name))
        });
        let widths: Vec<usize> = widths.collect();
        let whole = *widths.get(at)?;
        let others = widths.iter().enumerate().filter(|(index, _)| *index != at);
        let needed: usize = others
            .map(|(_, width)| width.min(&VALUE_WIDTH_NEEDED) + 1)
            .sum();
        (whole + 1 + needed <= self.screen.width?).then_some((at, whole))
    }

    fn flush_batch(&mut self) -> io::Result<()> {
        let table = std::mem::take(&mut self.batch);
        if table.header().is_none() {
            return Ok(());
        }
        for line in table.lines() {
            writeln!(self.out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn write_tall(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        let width = self.screen.width.unwrap_or(CELL_WIDTH_MAX);
        let label_width = self
            .columns
            .iter()
            .map(|name| width_of(name))
            .max()
            .unwrap_or(0)
            .min(width * 2 / 5);
        let title = format!("── {} ", self.rows);
        let rule = "─".repeat(width.min(60).saturating_sub(width_of(&title)));
        writeln!(self.out, "{}", self.screen.dim(&format!("{title}{rule}")))?;
        for (name, cell) in self.columns.iter().zip(row) {
            // A name that is too long is not cut, since many begin alike: it takes some of the value's room, or all of the line.
            let name = cut(name, width);
            let label_width = width_of(&name).max(label_width);
            let value = cell.text().map(|text| harmless(head(&text)).into_owned());
            let needed = value.as_deref().map_or(1, width_of);
            let beside = width.saturating_sub(label_width + 2);
            let below = width.saturating_sub(INDENT.len());
            let is_beside = needed <= beside || (needed > below && beside >= VALUE_WIDTH_NEEDED);
            let (gap, room) = if is_beside {
                (" ".repeat(label_width - width_of(&name) + 2), beside)
            } else {
                (format!("\n{INDENT}"), below)
            };
            let value = match &value {
                None => self.screen.dim(NONE),
                Some(text) => cut(text, room).into_owned(),
            };
            writeln!(self.out, "{}{gap}{value}", self.screen.bold(&name))?;
        }
        Ok(())
    }
}

/// As much of a text as can matter, so that a huge value costs nothing.
fn head(text: &str) -> &str {
    let end = (0..=text.len().min(CELL_WIDTH_MAX * 8))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

fn align(cell: TableCell, right: bool) -> TableCell {
    if right {
        cell.set_alignment(CellAlignment::Right)
    } else {
        cell
    }
}

fn table_row(row: &[Cell<'_>]) -> Row {
    let cells = row.iter().map(|cell| match cell.text() {
        None => TableCell::new(NONE).add_attribute(Attribute::Dim),
        Some(text) => align(
            TableCell::new(cut(&harmless(head(&text)), CELL_WIDTH_MAX)),
            cell.is_number(),
        ),
    });
    let mut row = Row::from(cells.collect::<Vec<_>>());
    row.max_height(1);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(width: usize) -> Screen {
        Screen {
            terminal: true,
            width: Some(width),
            color: false,
        }
    }

    #[test]
    fn names_are_whole_one_below_another() {
        let columns = [
            "id",
            "billing_address_city",
            "billing_default_payment_profile_id",
            "billing_default_payment_profile_no",
        ];
        let profile = "b0a44de4-1f40-4535-85ad-25b77386e8aa";
        let row = [Some("c-1"), Some("Malmö"), Some(profile), None].map(Cell::from);
        let mut out = Vec::new();
        let mut table = TableRows::new(&mut out, &columns, terminal(40));
        table.write(&row).unwrap();
        table.finish().unwrap();
        let text = String::from_utf8(out).unwrap();
        let expected = "\
id                c-1
billing_address_city  Malmö
billing_default_payment_profile_id
  b0a44de4-1f40-4535-85ad-25b77386e8aa
billing_default_payment_profile_no  –
";
        assert_eq!(text.split_once('\n').unwrap().1, expected);
    }

    #[test]
    fn ids_to_be_copied_are_whole_where_that_leaves_room() {
        let id = "8800338e-4ed7-4264-907a-451bba2a067a";
        let long = "somebody.with.a.long.name@example.com";
        for (width, is_whole) in [(80, true), (62, false)] {
            let mut out = Vec::new();
            let columns = ["name", "customer_id", "email"];
            let mut table = TableRows::new(&mut out, &columns, terminal(width));
            table.write(&[long, id, long].map(Cell::from)).unwrap();
            table.finish().unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.contains(id), is_whole, "{text}");
            assert!(text.lines().all(|line| width_of(line) <= width), "{text}");
        }
    }
}
