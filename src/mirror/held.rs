//! Whether the mirror's files are still the ones that were opened.
//!
//! A file that is deleted, or moved aside for another, goes on to be written by whoever has it open, for ever, and nobody else sees
//! any of it. So before each transaction, and before it is called a success, the names are looked at again. A file that is
//! overwritten in place, as by `cp`, stays the same file: what is known of it when its -wal file has been emptied tells of that,
//! before the next write.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::files::{self, FileId, OF_SQLITE};
use super::{Mirror, MirrorError, Result, lock, schema};

/// The files of a mirror as they were opened.
#[derive(Debug)]
pub(super) struct Held {
    mirror: Option<FileId>,
    /// The -wal and -shm files.
    of_sqlite: [Option<FileId>; 2],
    /// The mirror's file as it was when its -wal file was emptied, until the next write.
    pub(super) stamp: Option<Stamp>,
}

/// What changes when anybody writes to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size_bytes: u64,
    modified_at: (i64, i64),
    /// Changes when anybody else has written by SQLite.
    data_version: i64,
}

/// What became of a file.
struct Displacement {
    what: String,
    of_mirror: bool,
}

impl Held {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            mirror: FileId::of(path),
            of_sqlite: OF_SQLITE.map(|suffix| FileId::of(&files::beside(path, suffix))),
            stamp: None,
        }
    }

    /// The first file that is not the one any more that was opened.
    fn displacement(&self, path: &Path) -> Option<Displacement> {
        let judge = |name: String, was: Option<FileId>, is: Option<FileId>| match (was, is) {
            (was, is) if was == is => None,
            (Some(_), None) => Some(format!("{name} was deleted")),
            _ => Some(format!("{name} was replaced by another file")),
        };
        let found = judge("the file".to_owned(), self.mirror, FileId::of(path));
        if let Some(what) = found {
            return Some(Displacement {
                what,
                of_mirror: true,
            });
        }
        let of_sqlite = OF_SQLITE.iter().zip(self.of_sqlite);
        let found = of_sqlite.map(|(suffix, was)| {
            judge(
                format!("its {suffix} file"),
                was,
                FileId::of(&files::beside(path, suffix)),
            )
        });
        let what = found.flatten().next()?;
        Some(Displacement {
            what,
            of_mirror: false,
        })
    }

    /// Whether the -wal file that is open may be brought into the mirror: not if others have begun another one.
    pub(super) fn is_safe_to_settle(&self, path: &Path) -> bool {
        let wal = files::log_of(path);
        FileId::of(&wal) == self.of_sqlite[0]
            || std::fs::metadata(wal).map_or(true, |wal| wal.len() == 0)
    }
}

impl Mirror {
    /// Refuses to go on with files that nobody else sees.
    pub(super) fn refuse_displaced(&self) -> Result<()> {
        let displaced = |what: String, can_reopen| MirrorError::Displaced {
            path: self.path.clone(),
            what,
            can_reopen,
        };
        if let Some(found) = self.held.displacement(&self.path) {
            return Err(displaced(found.what, found.of_mirror));
        }
        let Some(stamp) = self.held.stamp else {
            return Ok(());
        };
        match self.stamp()? {
            Some(now) if now != stamp && now.data_version == stamp.data_version => {
                Err(displaced("the file was overwritten".to_owned(), false))
            }
            _ => Ok(()),
        }
    }

    /// What is known of the file now.
    pub(super) fn stamp(&self) -> Result<Option<Stamp>> {
        let Ok(file) = std::fs::metadata(&self.path) else {
            return Ok(None);
        };
        let data_version = self
            .read(|connection| connection.query_row("PRAGMA data_version", [], |row| row.get(0)))?;
        Ok(Some(Stamp {
            size_bytes: file.len(),
            modified_at: (file.mtime(), file.mtime_nsec()),
            data_version,
        }))
    }

    /// Whether the mirror's files are still the ones that were opened.
    ///
    /// # Errors
    /// [`MirrorError::Displaced`] if they are not.
    pub fn look_at_files(&self) -> Result<()> {
        self.refuse_displaced()
    }

    /// Opens the mirror that is now where the one was that was opened, or makes a new one there.
    ///
    /// # Errors
    /// As [`Mirror::open_or_create`]; then this mirror is of no use any more.
    pub fn reopen(&mut self, source: &str) -> Result<()> {
        let path = self.path.clone();
        let io = |error| MirrorError::from_io(&path, &error);
        let real = files::beside(&path, "");
        files::create_folder(files::folder_of(&real)).map_err(io)?;
        let command = super::DAEMON;
        if !self.lock.as_ref().is_some_and(|lock| lock.is_of(&path)) {
            self.lock = Some(lock::Lock::acquire(&path, command)?);
        }
        // They were of the file that is gone: SQLite would take them for the other one's.
        for (suffix, held) in OF_SQLITE.iter().zip(self.held.of_sqlite) {
            let file = files::beside(&path, suffix);
            if held.is_some() && FileId::of(&file) == held {
                std::fs::remove_file(file).map_err(io)?;
            }
        }
        files::open_or_create(&path).map_err(io)?;
        let mut connection = schema::open_for_writing(&path)?;
        files::share_with_group(&path);
        self.work
            .watch(&mut connection)
            .map_err(|error| MirrorError::from_sqlite(&path, error))?;
        self.connection = connection;
        // Behind the connection that it was opened beside.
        self.raw = None;
        self.held = Held::of(&path);
        self.expected_row = 1;
        self.seed = self
            .meta::<i64>("hash_seed")?
            .unwrap_or_default()
            .cast_unsigned();
        self.claim(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn a_file_that_sqlite_writes_is_not_overwritten() {
        let mut fixture = Fixture::filled();
        fixture.mirror.settle().unwrap();
        let mut other = Mirror::open_beside(&fixture.path, "a test").unwrap();
        other
            .hold_requests_until(crate::fixture::at(1), crate::fixture::at(0))
            .unwrap();
        other.settle().unwrap();
        drop(other);
        fixture.pass(50, &[&[r#"{"customerId":"c1","name":"B"}"#]]);
        fixture.mirror.settle().unwrap();
        let content = std::fs::read(&fixture.path).unwrap();
        std::fs::write(&fixture.path, content).unwrap();
        let error = fixture
            .mirror
            .hold_requests_until(crate::fixture::at(1), crate::fixture::at(0));
        assert!(
            matches!(
                error,
                Err(MirrorError::Displaced {
                    can_reopen: false,
                    ..
                })
            ),
            "{error:?}"
        );
    }
}
