//! What is left of erased customers once their rows are gone: copies that upgrades kept, the -wal file, and bytes of the mirror's
//! file that belong to nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::erase::Erased;
use super::scrub::Pages;
use super::{Mirror, MirrorError, Result, files, meta, remove_meta, schema, set_meta, upgrade};

/// Set in the transaction that erases, removed when nothing is left.
const DUE: &str = "erasure_unfinished";

/// Pages of the file done in one go, for which others wait who want to write: 128 MiB, a second on a slow disk.
const PAGES_AT_ONCE: u32 = 32 * 1024;

/// Between two looks at whether readers have gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// An erasure that is not finished.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Due {
    /// Keyed hashes of the IDs that were asked for, so that who asks again is not told that nobody has them.
    ids: Vec<u64>,
}

impl Due {
    pub(super) fn has(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }
}

/// What [`Mirror::clean_up`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CleanUp {
    /// There was nothing to do.
    NotDue,
    /// Nothing is left; these copies of the mirror, kept by upgrades, were removed.
    Done(Vec<PathBuf>),
    /// Somebody reads the mirror as it was before, or writes it all the time: traces are left until it is done once more.
    InUse,
}

pub(super) fn due(connection: &Connection) -> rusqlite::Result<Option<Due>> {
    let stored: Option<String> = meta(connection, DUE)?;
    Ok(stored.map(|text| serde_json::from_str(&text).unwrap_or_default()))
}

pub(super) fn make_due(
    connection: &Connection,
    due: Option<Due>,
    ids: &[u64],
) -> rusqlite::Result<()> {
    let mut due = due.unwrap_or_default();
    due.ids.extend_from_slice(ids);
    set_meta(
        connection,
        DUE,
        &serde_json::to_string(&due).unwrap_or_default(),
    )
}

impl Mirror {
    /// Removes what is left of erased customers. Waits up to `patience` for readers that are in the way.
    ///
    /// # Errors
    /// If it can't be done; it stays due.
    pub fn clean_up(&mut self, patience: Duration) -> Result<CleanUp> {
        if self.read(due)?.is_none() {
            return Ok(CleanUp::NotDue);
        }
        let copies = upgrade::remove_copies(&self.path)
            .map_err(|(copy, error)| self.copy_stays(copy.as_deref(), &error))?;
        self.compact_search()?;
        let deadline = Instant::now() + patience;
        let mut next = Some(1);
        while let Some(start) = next {
            match self.scrub_from(start)? {
                Scrubbed::Until(page) => next = page,
                Scrubbed::Refused if Instant::now() >= deadline => return Ok(CleanUp::InUse),
                Scrubbed::Refused => std::thread::sleep(LOOK_INTERVAL),
            }
        }
        self.release_memory()?;
        Ok(CleanUp::Done(copies))
    }

    fn copy_stays(&self, copy: Option<&Path>, error: &Error) -> MirrorError {
        let reason = match copy {
            Some(copy) => format!(
                "the copy that an upgrade kept, {}, can't be removed: {error}; remove it, it holds what was erased",
                copy.display()
            ),
            None => format!(
                "whether the copies are gone that upgrades kept beside it can't be made sure of: {error}"
            ),
        };
        let path = self.path.clone();
        MirrorError::Storage { path, reason }
    }

    /// Overwrites the unused bytes of some pages, from `start` on. Nobody else writes meanwhile, and all of the mirror is in its
    /// file; whoever reads sees no difference.
    fn scrub_from(&mut self, start: u32) -> Result<Scrubbed> {
        // What is cached here was read before, and would be written back with the next change.
        self.release_memory()?;
        if !self.read(schema::settle_all)? {
            return Ok(Scrubbed::Refused);
        }
        if self.raw.is_none() {
            self.raw = Some(open(&self.path).map_err(|error| raw_error(&self.path, &error))?);
        }
        let sqlite = |error| MirrorError::from_sqlite(&self.path, error);
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        schema::recognise(&tx, &self.path)?;
        let wal = std::fs::metadata(files::beside(&self.path, "-wal"));
        if wal.is_ok_and(|wal| wal.len() > 0) {
            return Ok(Scrubbed::Refused);
        }
        let Some(file) = &self.raw else {
            return Ok(Scrubbed::Refused);
        };
        let (pages, roots) = layout(&tx, file).map_err(sqlite)?;
        let end = start.saturating_add(PAGES_AT_ONCE).min(pages.count + 1);
        let work = &self.work;
        let step = || {
            work.step();
            if work.is_given_up() {
                return Err(ErrorKind::Interrupted.into());
            }
            Ok(())
        };
        pages
            .scrub(&roots, start..end, step)
            .and_then(|()| file.sync_data())
            .map_err(|error| raw_error(&self.path, &error))?;
        let is_last = end > pages.count;
        // A write, whatever it writes, makes all others read again what they have cached.
        let done = if is_last {
            remove_meta(&tx, DUE)
        } else {
            due(&tx).and_then(|due| make_due(&tx, due, &[]))
        };
        done.and_then(|()| tx.commit()).map_err(sqlite)?;
        Ok(Scrubbed::Until((!is_last).then_some(end)))
    }

    /// What of the erased is still found in the mirror's files, and in no row of anybody else: nothing, after
    /// [`Mirror::clean_up`].
    pub fn traces_of(&mut self, erased: &Erased) -> Result<Vec<String>> {
        let path = self.path.clone();
        let raw = |error: Error| raw_error(&path, &error);
        // A file of SQLite's that is closed loses this process's locks on it, so it is closed after the connection.
        if self.raw.is_none() {
            self.raw = Some(open(&path).map_err(raw)?);
        }
        let Some(file) = &mut self.raw else {
            return Ok(Vec::new());
        };
        io::Seek::rewind(file).map_err(raw)?;
        let mut wal = match File::open(files::beside(&path, "-wal")) {
            Ok(wal) => Some(wal),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(raw(error)),
        };
        let mut files: Vec<&mut File> = std::iter::once(file).chain(wal.as_mut()).collect();
        let work = &self.work;
        let left = erased
            .texts
            .left(&self.connection, &mut files, || work.step())
            .map_err(raw)?
            .map_err(|error| MirrorError::from_sqlite(&path, error))?;
        Ok(left.into_iter().map(str::to_owned).collect())
    }
}

/// How far a step came.
enum Scrubbed {
    /// So far, or to the end.
    Until(Option<u32>),
    /// Others are in the way.
    Refused,
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn raw_error(path: &Path, error: &Error) -> MirrorError {
    match error.kind() {
        ErrorKind::InvalidData => MirrorError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        },
        ErrorKind::Interrupted => MirrorError::Interrupted {
            path: path.to_owned(),
        },
        _ => MirrorError::from_io(path, error),
    }
}

/// The file's pages and the roots of its trees, as the transaction sees them.
fn layout<'a>(connection: &Connection, file: &'a File) -> rusqlite::Result<(Pages<'a>, Vec<u32>)> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0));
    let size = number("PRAGMA page_size")? as usize;
    let mut reserved = [0];
    std::os::unix::fs::FileExt::read_exact_at(file, &mut reserved, 20)
        .map_err(|_| rusqlite::Error::InvalidQuery)?;
    let mut roots: Vec<u32> = connection
        .prepare("SELECT rootpage FROM sqlite_schema WHERE rootpage > 0")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // The schema's own.
    roots.push(1);
    let pages = Pages {
        file,
        size,
        usable: size - usize::from(reserved[0]),
        count: number("PRAGMA page_count")?,
    };
    Ok((pages, roots))
}
