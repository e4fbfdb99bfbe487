//! The mirror as a whole, in a file by itself.

use std::io;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::new_file::NewFile;
use super::place::{cannot_create, cannot_write};
use super::{keep, stopped};
use crate::cli::output::bytes;
use crate::cli::progress::Bar;
use crate::cli::signals::Stop;
use crate::cli::{Context, Exit, Failure};
use crate::mirror::{Reader, Totals};

/// Writes a copy; returns how many customers it has, and its bytes.
pub(super) fn write(
    context: &Context,
    mut reader: Reader,
    path: &Path,
) -> Result<(u64, u64), Failure> {
    let stop = Stop::watch()?;
    let file = NewFile::create(path).map_err(|error| cannot_create(path, &error))?;
    let handle = file.handle().map_err(|error| cannot_create(path, &error))?;
    let sorted = |reader: &Reader, error| Failure::from(reader.sorted(error));
    let expected = reader
        .copy_bytes()
        .map_err(|error| sorted(&reader, error))?;
    let bar = Bar::start(expected, !context.quiet);
    let asked = stop.clone();
    let copied = reader.copy_to(file.path(), move || {
        let size = handle.metadata().map_or(0, |metadata| metadata.len());
        bar.show(size, || format!("{}/{}", bytes(size), bytes(expected)));
        asked.exit().is_none()
    });
    if let Err(error) = copied {
        if let Some(exit) = stop.exit() {
            return Err(stopped(exit));
        }
        return Err(match error.sqlite_error_code() {
            // The mirror's disk is only read from.
            Some(ErrorCode::DiskFull) => cannot_write(path, &io::ErrorKind::StorageFull.into()),
            Some(ErrorCode::CannotOpen) => cannot_create(path, &io::Error::other(error)),
            // SQLite doesn't say whose file it was.
            Some(ErrorCode::SystemIoFailure) => Failure::new(
                Exit::Storage,
                format!(
                    "{}: can't be written, or the mirror can't be read: {error}",
                    path.display()
                ),
            ),
            _ => sorted(&reader, error),
        });
    }
    let size = file.size().map_err(|error| cannot_write(path, &error))?;
    let customers = copied_customers(file.path()).map_err(|error| sorted(&reader, error))?;
    keep(file, path, &stop)?;
    Ok((customers, size))
}

/// How many customers, live or deleted, a copy has.
fn copied_customers(copy: &Path) -> rusqlite::Result<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(copy, flags)?;
    Totals::read(&connection).map(|totals| totals.live + totals.deleted)
}
