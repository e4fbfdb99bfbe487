//! A copy of the mirror, for other places and other programs: whole, of one moment, and a file by itself.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::work::INSTRUCTIONS_A_STEP;
use super::{Reader, files, lock, meta};

/// How many customers a mirror has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Live ones.
    pub live: u64,
    /// Tombstones.
    pub deleted: u64,
}

/// The files that a mirror at `path` consists of, or may: nothing else may be written there.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let suffixes = ["", files::JOURNAL, lock::SUFFIX];
    suffixes
        .iter()
        .chain(&files::OF_SQLITE)
        .map(|suffix| files::beside(path, suffix))
        .collect()
}

impl Totals {
    /// Reads the counts.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let count =
            |key: &str| meta::<i64>(connection, key).map(|n| n.unwrap_or_default().max(0) as u64);
        Ok(Self {
            live: count("live_customers")?,
            deleted: count("deleted_customers")?,
        })
    }
}

impl Reader {
    /// How many bytes a copy will have, or a little less.
    pub fn copy_bytes(&self) -> rusqlite::Result<u64> {
        let number = |sql: &str| {
            self.connection()
                .query_row(sql, [], |row| row.get::<_, i64>(0))
        };
        let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
        Ok((pages * number("PRAGMA page_size")?).max(0) as u64)
    }

    /// Writes a copy of the mirror as it is now to the empty file `to`, beside whoever writes to the mirror. What was erased is not in
    /// it. `go_on` is asked some hundred times a second; when it says no, the copying fails as interrupted.
    ///
    /// # Errors
    /// SQLite's, of the mirror's file or of the copy's.
    pub fn copy_to(
        &mut self,
        to: &Path,
        mut go_on: impl FnMut() -> bool + Send + 'static,
    ) -> rusqlite::Result<()> {
        let connection = self.connection_mut();
        connection.progress_handler(INSTRUCTIONS_A_STEP, Some(move || !go_on()))?;
        let copied = vacuum_into(connection, to);
        connection.progress_handler(0, None::<fn() -> bool>)?;
        copied
    }
}

/// Writes all that a database holds to the empty file `to`.
pub(super) fn vacuum_into(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    let name = ToSqlOutput::Borrowed(ValueRef::Text(to.as_os_str().as_bytes()));
    connection.execute("VACUUM INTO ?1", [name]).map(drop)
}
