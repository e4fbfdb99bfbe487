//! Customers as Parquet: a column each, for programs that count and group.
//!
//! Rows are gathered until they are worth a group of their own, so that memory is bounded by its size.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::columns::{Column, Columns};
use crate::cli::NAME;
use crate::cli::output::Cell;

/// Bytes of values in a group. More would compress hardly better.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// What a value needs in memory beside its bytes, about.
const VALUE_BYTES: usize = 32;

/// Present and absent values are told apart by levels.
const PRESENT: i16 = 1;
const ABSENT: i16 = 0;

/// Rows on their way out.
pub(super) struct ParquetRows<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Gathered>,
    bytes: usize,
}

/// The values of a column that wait for their group.
struct Gathered {
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Text(Vec<ByteArray>),
    Integer(Vec<i64>),
}

impl<W: Write + Send> ParquetRows<W> {
    /// Begins a file of these columns.
    pub(super) fn new(out: W, columns: &Columns) -> io::Result<Self> {
        Self::begin(out, columns).map_err(as_io)
    }

    fn begin(out: W, columns: &Columns) -> Result<Self> {
        let mut fields = Vec::new();
        let mut gathered = Vec::new();
        for (name, kind) in columns.names.iter().zip(&columns.kinds) {
            let (physical, logical, values) = match kind {
                Column::Integer => (PhysicalType::INT64, None, Values::Integer(Vec::new())),
                // JSON too: as such, few programs read it.
                Column::Text | Column::Json | Column::Users => (
                    PhysicalType::BYTE_ARRAY,
                    Some(LogicalType::String),
                    Values::Text(Vec::new()),
                ),
            };
            let field = Type::primitive_type_builder(name, physical)
                .with_logical_type(logical)
                .with_repetition(Repetition::OPTIONAL)
                .build()?;
            fields.push(Arc::new(field));
            gathered.push(Gathered {
                levels: Vec::new(),
                values,
            });
        }
        let schema = Type::group_type_builder("customer")
            .with_fields(fields)
            .build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(NAME.to_owned())
            .build();
        Ok(Self {
            writer: SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?,
            columns: gathered,
            bytes: 0,
        })
    }

    /// Adds a row.
    pub(super) fn write(&mut self, row: &[Cell<'_>]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(row) {
            self.bytes += column.push(cell);
        }
        if self.bytes >= GROUP_BYTES {
            self.write_group().map_err(as_io)?;
        }
        Ok(())
    }

    /// Writes what is left, and how to find it all.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.write_group()
            .and_then(|()| self.writer.finish())
            .map_err(as_io)?;
        self.writer.inner_mut().flush()
    }

    fn write_group(&mut self) -> Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            column.write(&mut group)?;
        }
        group.close()?;
        self.bytes = 0;
        Ok(())
    }
}

impl Gathered {
    /// Takes a value; returns what it needs in memory.
    fn push(&mut self, cell: &Cell<'_>) -> usize {
        let text = match (&mut self.values, cell) {
            (Values::Integer(values), Cell::Integer(number)) => {
                values.push(*number);
                self.levels.push(PRESENT);
                return VALUE_BYTES;
            }
            (Values::Text(values), cell) => cell.text().map(|text| (values, text)),
            // Of another type than declared, which SQLite refuses.
            (Values::Integer(_), _) => None,
        };
        let Some((values, text)) = text else {
            self.levels.push(ABSENT);
            return size_of::<i16>();
        };
        values.push(ByteArray::from(text.as_bytes().to_vec()));
        self.levels.push(PRESENT);
        VALUE_BYTES + text.len()
    }

    /// Writes all values as the next column of the group.
    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        let Some(mut column) = group.next_column()? else {
            return Ok(());
        };
        match &mut self.values {
            Values::Text(values) => {
                let writer = column.typed::<ByteArrayType>();
                writer.write_batch(values, Some(&self.levels), None)?;
                values.clear();
            }
            Values::Integer(values) => {
                let writer = column.typed::<Int64Type>();
                writer.write_batch(values, Some(&self.levels), None)?;
                values.clear();
            }
        }
        self.levels.clear();
        column.close()
    }
}

/// A full disk is to be told as such.
fn as_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
